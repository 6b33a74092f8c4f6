"""What a buyer sees: GSTR-2A, GSTR-2B and the invoice management system, all views of the same documents.

In a 2B the documents add up to `itcsumm` (split by `itcavl`) and to `cpsumm`; its `chksum` follows from its content.
"""

import hashlib
import json
from collections import defaultdict
from datetime import date
from functools import lru_cache
from typing import Any

from simulators.gst import periods
from simulators.gst.documents import Document, Trade, make_item
from simulators.gst.parties import NEVER, Client, Country, Filings, Overrides, Party

Json = dict[str, Any]
TAXES = ("igst", "cgst", "sgst", "cess")
SHORT = ("iamt", "camt", "samt", "csamt")
DOC_2B = ("b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma")
IMS_KEYS = {
    "B2B": "b2b", "B2BA": "b2ba", "CN": "b2bcn", "CNA": "b2bcna", "DN": "b2bdn", "DNA": "b2bdna",
    "ECOM": "ecom", "ECOMA": "ecoma", "IMPG": "impg", "IMPGA": "impga", "IMPGSEZ": "impgsez",
    "IMPGSEZA": "impgseza",
}  # fmt: skip
GROUPS = {
    "nonrevsup": ("b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma"),
    "isdsup": ("isd", "isda"),
    "revsup": ("b2b", "b2ba", "cdnr", "cdnra"),
    "imports": ("impg", "impgsez", "impga", "impgasez"),
    "othersup": ("cdnr", "cdnra", "cdnrrev", "cdnrarev", "isd", "isda"),
}


def rupees(paise: int) -> float | int:
    """Write paise as the portal does: a number with at most two decimals."""
    return paise // 100 if paise % 100 == 0 else paise / 100


def checksum(value: object) -> str:
    """Give the checksum of a part of a payload."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def spread(names: tuple[str, ...], amounts: tuple[int, ...]) -> Json:
    """Put amounts under their names."""
    return {name: rupees(amount) for name, amount in zip(names, amounts, strict=True)}


class Inward:
    """The buyer's side of the country."""

    def __init__(self, country: Country, trade: Trade, filings: Filings, overrides: Overrides) -> None:
        self._country = country
        self._trade = trade
        self._filings = filings
        self._overrides = overrides
        self.today = country.start
        self.serial = 0
        self._specials = lru_cache(maxsize=2_000)(self._make_specials)

    def _filed_on(self, document: Document) -> date:
        return self._filings.planned_or_done(document.supplier, "R1", document.month)

    def action(self, client: Client, document: Document, serial: int) -> str:
        """Give the buyer's action on a document as of a day: A, N, P or R."""
        if document.month < periods.IMS_FROM or document.reverse or not document.eligible:
            return "N"
        changes = self._overrides.actions.get((client.gstin, document.supplier.gstin, document.number), ())
        for when, action in reversed(changes):
            if when <= serial:
                return action
        roll = document.roll
        base = "A" if roll < 0.45 else "N" if roll < 0.92 else "P" if roll < 0.96 else "R"
        return (
            "N"
            if base == "P" and document.kind == "C" and document.month < periods.PENDING_NOTES_FROM
            else base
        )

    # GSTR-2A

    def two_a(self, client: Client, month: int, section: str) -> Json | None:
        """Give one section of 2A, or None when it has no rows."""
        key = section.lower()
        if key in {"b2b", "b2ba", "cdn", "cdna", "ecom", "ecoma"}:
            return self._two_a_documents(client, month, key)
        rows = self._specials(client, month).get(key, [])
        return {"tcs_data" if key == "tcs" else key: rows} if rows else None

    def _two_a_documents(self, client: Client, month: int, key: str) -> Json | None:
        by_supplier: dict[Party, list[Document]] = defaultdict(list)
        for one in self._trade.inward(client, month):
            if one.section == key and one.day <= self.today:
                by_supplier[one.supplier].append(one)
        rows = []
        for supplier, found in by_supplier.items():
            filed = self._filings.planned_or_done(supplier, "R1", month)
            row: Json = {
                "ctin": supplier.gstin,
                "cfs": "Y" if filed <= self.today else "N",
                "cfs3b": "Y" if self._filings.filed(supplier, "R3B", month, self.today) else "N",
            }
            if filed <= self.today:
                row |= {"fldtr1": periods.dmon(filed), "flprdr1": periods.mon(month)}
            if self._country.rng("cancelled", supplier.gstin).random() < 0.02:
                row["dtcancel"] = periods.dmon(self._country.start)
            row["nt" if key.startswith("cdn") else "inv"] = [_two_a_row(one) for one in found]
            rows.append(row)
        return {key: rows} if rows else None

    def _make_specials(self, client: Client, month: int) -> dict[str, list[Json]]:
        rng = self._country.rng("special", client.gstin, month)
        if not client.showcase and (not client.rare or rng.random() < 0.4):
            return {}
        agent = self._country.supplier(120_000 + client.index)
        day = periods.on(month, rng.randint(2, 20))
        local = agent.state == client.party.state
        taxes = [make_item(rng, day, local) for _ in range(6)]
        isd: list[Json] = []
        for place, kind in enumerate(("ISD", "ISDCN")):
            one = taxes[place]
            isd.append(
                {"chksum": checksum([month, place]), "isd_docty": kind, "docnum": f"ISD{month}{place}",
                 "docdt": periods.dmy(day), "itc_elg": "Y",
                 **spread(("iamt", "camt", "samt", "cess"), (one.igst, one.cgst, one.sgst, one.cess))}
            )  # fmt: skip
        goods = [make_item(rng, day, local=False) for _ in range(4)]
        boe = [
            {"refdt": periods.dmy(day), "portcd": "INBOM4", "benum": 2_000_000 + month * 10 + place,
             "bedt": periods.dmy(day), "txval": rupees(one.txval), "iamt": rupees(one.igst),
             "csamt": rupees(one.cess), "amd": "Y" if place % 2 else "N"}
            for place, one in enumerate(goods)
        ]  # fmt: skip
        tds = taxes[2]
        amount = tds.txval // 10_000 * 100
        return {
            "isd": [{"ctin": agent.gstin, "cfs": "Y", "doclist": isd}],
            "impg": boe[:2],
            "impgsez": [{**one, "sgstin": agent.gstin, "tdname": agent.name} for one in boe[2:]],
            "tds": [{"gstin_ded": agent.gstin, "amt_ded": rupees(tds.txval), "iamt": 0,
                     "camt": rupees(amount), "samt": rupees(amount)}],
            "tcs": [{"etin": agent.gstin, "m_id": f"M{month}", "sup_val": rupees(tds.txval * 2),
                     "tx_val": rupees(tds.txval), "irt": 1, "iamt": rupees(amount * 2), "crt": 0, "camt": 0,
                     "srt": 0, "samt": 0, "csrt": 0, "csamt": 0}],
        }  # fmt: skip

    # GSTR-2B

    def documents_of_2b(self, client: Client, month: int) -> list[Document]:
        """List the documents which fall into the 2B of a period by the date of filing of their suppliers."""
        length = 3 if client.quarterly else 1
        opens, closes = periods.on(month + 1 - length, 13), periods.on(month + 1, 13)
        return [
            one
            for source in range(month - length - 1, month + 1)
            for one in self._trade.inward(client, source)
            if opens < self._filed_on(one) <= closes
        ]

    def two_b(self, client: Client, month: int) -> Json:
        """Build the 2B of a period as it was when it was generated last."""
        serial, generated = self._overrides.generated.get(
            (client.gstin, month), (0, periods.on(month + 1, 14))
        )
        builder = _TwoB(client, month, self._filings)
        for one in self.documents_of_2b(client, month):
            action = self.action(client, one, serial)
            if action != "P":
                builder.add(one, action)
        builder.add_specials(self._specials(client, month))
        return builder.payload(generated, reverse_some=client.showcase)

    # Invoice management system

    def ims(self, client: Client) -> dict[str, list[Json]]:
        """Give the open pool, per response key."""
        newest = periods.of(self.today) - 1
        pool: dict[str, list[Json]] = {key: [] for key in IMS_KEYS.values()}
        opened = periods.on(newest, 13)
        for month in range(max(periods.IMS_FROM, newest - 6), newest + 1):
            for one in self._trade.inward(client, month):
                if one.reverse or not one.eligible:
                    continue
                action = self.action(client, one, self.serial)
                if action != "P" and self._filed_on(one) <= opened:
                    continue
                pool[_ims_key(one)].append(self._ims_row(one, action))
        for key, rows in self._import_rows(client, newest).items():
            pool[key] = rows
        return pool

    def _import_rows(self, client: Client, month: int) -> dict[str, list[Json]]:
        out: dict[str, list[Json]] = {}
        for key in ("impg", "impgsez"):
            for one in self._specials(client, month).get(key, []):
                row = {"rgstinrefId": f"REF{one['benum']}", "irefdt": one["refdt"], "itcprd": periods.show(month),
                       "portcd": one["portcd"], "boenum": str(one["benum"]), "boedt": one["bedt"],
                       "txval": one["txval"], "igst": one["iamt"], "cess": one["csamt"],
                       "srtinprd": periods.show(month), "action": "N"}  # fmt: skip
                row["hash"] = checksum(row)
                out.setdefault(key + ("a" if one["amd"] == "Y" else ""), []).append(row)
        return out

    def _ims_row(self, one: Document, action: str) -> Json:
        client = None if one.supplier.client is None else self._country.clients[one.supplier.client]
        iff = client is not None and client.quarterly and not periods.is_quarter_end(one.month)
        note = one.kind != "I"
        row: Json = {
            "stin": one.supplier.gstin,
            "nt_num" if note else "inum": one.number,
            "inv_typ": one.supply,
        }
        if action != "N" or one.roll < 0.7:
            row["action"] = action
        row |= {
            "ispendactblocked": "Y" if note and one.month < periods.PENDING_NOTES_FROM else "N",
            "srcform": "IFF" if iff else "R1",
            "rtnprd": periods.show(one.month),
            "srcfilstatus": "Filed" if self._filed_on(one) <= self.today else "Not Filed",
            "nt_dt" if note else "idt": periods.dmy(one.day),
            "val": rupees(one.value), "pos": one.pos, "txval": rupees(one.txval),
            **spread(("iamt", "camt", "samt", "cess"), one.taxes),
        }  # fmt: skip
        if one.original:
            names = ("ont_num", "ont_dt") if note else ("oinum", "oidt")
            row |= {names[0]: one.original[0], names[1]: periods.dmy(one.original[1])}
        row["hash"] = checksum([one.supplier.gstin, one.number, one.value, one.taxes])
        return row


def ims_counts(pool: dict[str, list[Json]]) -> Json:
    """Count the pool by section and action, as GETCNT does."""

    def leaf(key: str) -> dict[str, int]:
        out = {"accept": 0, "reject": 0, "pending": 0, "noaction": 0}
        names = {"A": "accept", "R": "reject", "P": "pending"}
        for row in pool.get(key, ()):
            out[names.get(row.get("action", "N"), "noaction")] += 1
        return out

    shape = {
        "all_oth": ("b2b", "b2ba", "b2bcn", "b2bcna", "b2bdn", "b2bdna", "ecom", "ecoma"),
        "inv_supp_isd": ("isd", "isda", "isdcn", "isdcna"),
        "imp_gds": ("impg", "impga", "impgsez", "impgseza"),
    }
    out: Json = {}
    for group, keys in shape.items():
        leaves = {key: leaf(key) for key in keys}
        total = {
            name: sum(one[name] for one in leaves.values())
            for name in ("accept", "reject", "pending", "noaction")
        }
        out[group] = {"ttl_cnt": total, **leaves}
    return out


def _ims_key(one: Document) -> str:
    if one.kind == "I":
        return one.section
    return ("b2bcn" if one.kind == "C" else "b2bdn") + ("a" if one.original else "")


def _two_a_row(one: Document) -> Json:
    note = one.kind != "I"
    row: Json = {"chksum": checksum([one.supplier.gstin, one.number, one.month, one.value])}
    if note:
        row |= {
            "ntty": one.kind,
            "nt_num": one.number,
            "nt_dt": periods.dmy(one.day),
            "p_gst": "N",
            "d_flag": "N",
        }
    else:
        row |= {"inum": one.number, "idt": periods.dmy(one.day)}
    row |= {
        "val": rupees(one.value),
        "pos": one.pos,
        "rchrg": "Y" if one.reverse else "N",
        "inv_typ": one.supply,
    }
    if one.original:
        names = ("ont_num", "ont_dt") if note else ("oinum", "oidt")
        row |= {names[0]: one.original[0], names[1]: periods.dmy(one.original[1])}
    if one.irn:
        row |= {"srctyp": "e-Invoice", "irn": one.irn, "irngendate": periods.dmy(one.day)}
    row["itms"] = item_rows(one)
    return row


def item_rows(one: Document) -> list[Json]:
    """Write the lines of a document as GSTR-1 and 2A do."""
    return [
        {"num": place + 1,
         "itm_det": {"rt": item.rate / 100, "txval": rupees(item.txval),
                     **spread(SHORT, (item.igst, item.cgst, item.sgst, item.cess))}}
        for place, item in enumerate(one.items)
    ]  # fmt: skip


class _TwoB:
    """Collects the documents of one 2B and keeps its three views in step."""

    def __init__(self, client: Client, month: int, filings: Filings) -> None:
        self._client = client
        self._month = month
        self._filings = filings
        self._flat = month >= periods.FLAT_2B_FROM
        self._docs: dict[bool, dict[str, dict[Any, Json]]] = {
            False: defaultdict(dict),
            True: defaultdict(dict),
        }
        self._parties: dict[str, dict[Any, Json]] = defaultdict(dict)
        self._sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def add(self, one: Document, action: str) -> None:
        stem = one.section.replace("cdn", "cdnr")
        rejected = action == "R"
        filed = periods.dmy(self._filings.planned_or_done(one.supplier, "R1", one.month))
        head = {"ctin": one.supplier.gstin, "trdnm": one.supplier.name, "supprd": periods.show(one.month),
                "supfildt": filed}  # fmt: skip
        note = one.kind != "I"
        key = (one.supplier.gstin, one.month)
        group = self._docs[rejected][stem].setdefault(key, {**head, "nt" if note else "inv": []})
        group["nt" if note else "inv"].append(self._row(one, action))
        side = "itcRejected" if rejected else "itcavl" if one.eligible else "itcunavl"
        if one.kind == "C":
            place = ("othersup", stem.replace("cdnra", "cdnrarev").replace("cdnr", "cdnrrev", 1)
                     if one.reverse and stem == "cdnr" else "cdnrarev" if one.reverse else stem)  # fmt: skip
        else:
            place = ("revsup" if one.reverse else "nonrevsup", stem)
        self._tally(side, *place, one.taxes)
        if not rejected:
            self._count(stem, (*key, one.kind if note else ""), {**head, **({"nttyp": one.kind} if note else {})},
                        one.txval, one.taxes)  # fmt: skip

    def _tally(self, side: str, group: str, leaf: str, taxes: tuple[int, int, int, int]) -> None:
        target = self._sums[(side, group, leaf)]
        for place, amount in enumerate(taxes):
            target[place] += amount

    def _count(self, section: str, key: Any, head: Json, txval: int | None, taxes: tuple[int, ...]) -> None:
        row = self._parties[section].setdefault(
            key, {**head, "ttldocs": 0, "_": [0, 0, 0, 0, 0], "_t": txval is not None}
        )
        row["ttldocs"] += 1
        for place, amount in enumerate((txval or 0, *taxes)):
            row["_"][place] += amount

    def _row(self, one: Document, action: str) -> Json:
        note = one.kind != "I"
        row: Json = {}
        if one.original:
            names = ("ontnum", "ontdt") if note else ("oinum", "oidt")
            row |= {names[0]: one.original[0], names[1]: periods.dmy(one.original[1])}
            if note:
                row["onttyp"] = one.kind
        if note:
            row |= {"ntnum": one.number, "typ": one.kind, "suptyp": one.supply}
        else:
            row |= {"inum": one.number, "typ": one.supply}
        row |= {"dt": periods.dmy(one.day), "val": rupees(one.value), "pos": one.pos,
                "rev": "Y" if one.reverse else "N", "itcavl": "Y" if one.eligible else "N",
                "rsn": "" if one.eligible else "P", "diffprcnt": 1}  # fmt: skip
        if one.irn:
            row |= {"srctyp": "e-Invoice", "irn": one.irn, "irngendate": periods.dmy(one.day)}
        if self._flat:
            row |= {"txval": rupees(one.txval), **spread(TAXES, one.taxes)}
            if not one.reverse and one.eligible:
                row["imsStatus"] = action
        else:
            row["items"] = [
                {"num": place + 1, "rt": item.rate / 100, "txval": rupees(item.txval),
                 **spread(TAXES, (item.igst, item.cgst, item.sgst, item.cess))}
                for place, item in enumerate(one.items)
            ]  # fmt: skip
        return row

    def add_specials(self, rows: dict[str, list[Json]]) -> None:
        for source in rows.get("isd", ()):
            for place, old in enumerate(source["doclist"]):
                for section in ("isd", "isda") if place == 0 or self._client.showcase else ("isd",):
                    self._add_isd(source["ctin"], old, section)
        for key in ("impg", "impgsez"):
            for one in rows.get(key, ()):
                self._add_import(key, one)

    def _add_isd(self, ctin: str, old: Json, section: str) -> None:
        kind = "ISDI" if old["isd_docty"] == "ISD" else "ISDC"
        amounts = tuple(round(old[name] * 100) for name in ("iamt", "camt", "samt", "cess"))
        taxes = (amounts[0], amounts[1], amounts[2], amounts[3])
        filed = periods.dmy(periods.on(self._month + 1, 12))
        head = {
            "ctin": ctin,
            "trdnm": "Head Office Services",
            "supprd": periods.show(self._month),
            "supfildt": filed,
        }
        number = old["docnum"] + ("A" if section == "isda" else "")
        row = {"doctyp": kind, "docnum": number, "docdt": old["docdt"], "oinvnum": "P" + number[-6:],
               "oinvdt": old["docdt"], **spread(TAXES, taxes), "itcelg": "Y"}  # fmt: skip
        if section == "isda":
            row |= {"odoctyp": kind, "odocnum": old["docnum"], "odocdt": old["docdt"]}
        self._docs[False][section].setdefault(ctin, {**head, "doclist": []})["doclist"].append(row)
        self._tally("itcavl", "isdsup" if kind == "ISDI" else "othersup", section, taxes)
        self._count(section, (ctin, kind), {**head, "doctyp": kind}, None, taxes)

    def _add_import(self, key: str, one: Json) -> None:
        amended = one["amd"] == "Y"
        row = {"refdt": one["refdt"], "recdt": one["refdt"], "portcode": one["portcd"], "boenum": str(one["benum"]),
               "boedt": one["bedt"], "isamd": one["amd"], "txval": one["txval"], "igst": one["iamt"],
               "cess": one["csamt"]}  # fmt: skip
        taxes = (round(one["iamt"] * 100), 0, 0, round(one["csamt"] * 100))
        leaf = ("impga" if key == "impg" else "impgasez") if amended else key
        self._tally("itcavl", "imports", leaf, taxes)
        if key == "impg":
            self._docs[False]["impg"][row["boenum"]] = row
            return
        head = {"ctin": one["sgstin"], "trdnm": one["tdname"]}
        self._docs[False][key].setdefault(one["sgstin"], {**head, "boe": []})["boe"].append(row)
        self._count(key, (one["sgstin"], one["portcd"]), {**head, "portcode": one["portcd"]},
                    round(one["txval"] * 100), taxes)  # fmt: skip

    def _summary(self, side: str) -> Json:
        out: Json = {}
        for group, leaves in GROUPS.items():
            if side == "itcrev" and group == "revsup":
                continue
            named = {leaf: self._sums.get((side, group, leaf), [0, 0, 0, 0]) for leaf in leaves
                     if side != "itcrev" or not leaf.startswith("ecom")}  # fmt: skip
            total = tuple(sum(one[place] for one in named.values()) for place in range(4))
            out[group] = {**spread(TAXES, total), **{k: spread(TAXES, tuple(v)) for k, v in named.items()}}
        return out

    def _reversal(self, docdata: Json) -> None:
        """Add the rule 37A list: documents without tax fields, whose amounts appear in the summaries only."""
        block: Json = {}
        for section in ("b2b", "b2ba", "cdnr", "cdnra"):
            source = docdata.get(section)
            if not source:
                continue
            name = "nt" if section.startswith("cdn") else "inv"
            first = source[0]
            row = {
                k: v for k, v in first[name][0].items() if k not in {*TAXES, "txval", "items", "imsStatus"}
            }
            block[section] = [{**{k: v for k, v in first.items() if k != name}, name: [row]}]
            self._tally("itcrev", "nonrevsup", section, (100_00, 0, 0, 0))
            self._count("itcrev", section, {"section": section, "ctin": first["ctin"], "trdnm": first["trdnm"]},
                        1000_00, (100_00, 0, 0, 0))  # fmt: skip
        docdata["itcrev"] = [block]

    def payload(self, generated: date, *, reverse_some: bool) -> Json:
        docdata: Json = {section: list(rows.values()) for section, rows in self._docs[False].items()}
        rejected: Json = {section: list(rows.values()) for section, rows in self._docs[True].items()}
        if reverse_some:
            self._reversal(docdata)
        parties: Json = {}
        for section, rows in self._parties.items():
            listed = []
            for row in rows.values():
                sums, with_value = row.pop("_"), row.pop("_t")
                if with_value:
                    row["txval"] = rupees(sums[0])
                listed.append({**row, **spread(TAXES, tuple(sums[1:]))})
            parties[section] = listed
        if "itcrev" in parties:
            parties["itcrev"] = [{row.pop("section"): row for row in parties["itcrev"]}]
        sides = ["itcavl", "itcunavl", *(("itcrev", "itcRejected") if self._flat else ())]
        data: Json = {
            "gstin": self._client.gstin, "rtnprd": periods.show(self._month),
            "version": "2.0" if self._flat else "1.0", "gendt": periods.dmy(generated),
            "itcsumm": {side: self._summary(side) for side in sides},
            "cpsumm": parties, "docdata": docdata,
        }  # fmt: skip
        if rejected:
            data["docRejdata"] = rejected
        content = {key: value for key, value in data.items() if key != "gendt"}
        return {"chksum": checksum(content), "data": data}


__all__ = ["NEVER", "Inward", "ims_counts", "rupees"]
