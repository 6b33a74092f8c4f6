"""What a seller reports: GSTR-1 and GSTR-1A by section, and their summary.

`RETSUM` is computed from the section rows themselves, so its counts, totals and checksums cannot disagree with them.
"""

from collections import defaultdict
from functools import lru_cache
from typing import Any

from simulators.gst import periods
from simulators.gst.documents import Document, Item, Trade, make_item, rates
from simulators.gst.inward import SHORT, checksum, item_rows, rupees, spread
from simulators.gst.parties import Client, Country

Json = dict[str, Any]
ACTIONS = {
    "B2B": "b2b", "B2BA": "b2ba", "B2CL": "b2cl", "B2CLA": "b2cla", "B2CS": "b2cs", "B2CSA": "b2csa",
    "CDNR": "cdnr", "CDNRA": "cdnra", "CDNUR": "cdnur", "CDNURA": "cdnura", "EXP": "exp", "EXPA": "expa",
    "NIL": "nil", "AT": "at", "ATA": "ata", "TXP": "txpd", "TXPA": "txpda", "HSNSUM": "hsn", "DOCISS": "doc_issue",
    "SUPECO": "supeco", "SUPECOA": "supecoa", "ECOM": "ecom", "ECOMA": "ecoma",
}  # fmt: skip
R1A_ACTIONS = {f"R1A{action}": key for action, key in ACTIONS.items()} | {"ATR1A": "at", "ATAR1A": "ata"}
ALIASES = {"DOC_ISSUE": "DOCISS", "HSN": "HSNSUM", "TXPD": "TXP", "TXPDA": "TXPA"}
TOTALS = ("txval", "igst", "cgst", "sgst", "cess")


class Outward:
    """The seller's side of the country."""

    def __init__(self, country: Country, trade: Trade) -> None:
        self._country = country
        self._trade = trade
        self.sections = lru_cache(maxsize=600)(self._sections)
        self.amended = lru_cache(maxsize=200)(self._amended)

    def _sections(self, client: Client, month: int) -> dict[str, Any]:
        documents = self._trade.outward(client, month)
        iff = client.quarterly and not periods.is_quarter_end(month)
        out: dict[str, Any] = {}
        for one in documents:
            self._place(out, one)
        plain = [item for one in documents for item in one.items if one.kind == "I" and not one.original]
        if iff:
            return out
        if client.showcase:
            _twin_documents(out, month)
        out.update(self._consumer(client, month))
        out.update(_hsn(plain, out.get("b2cs", []), month))
        out["doc_issue"] = _issued(documents)
        return out

    @staticmethod
    def _place(out: dict[str, Any], one: Document) -> None:
        note = one.kind != "I"
        section = ("cdnr" if note else "b2b") + ("a" if one.original else "")
        groups = out.setdefault(section, [])
        name = "nt" if note else "inv"
        if not groups or groups[-1]["ctin"] != one.buyer.gstin:
            groups.append({"ctin": one.buyer.gstin, "cfs": "Y", name: []})
        row: Json = {"ntty": one.kind, "nt_num": one.number, "nt_dt": periods.dmy(one.day)} if note else {
            "inum": one.number, "idt": periods.dmy(one.day)}  # fmt: skip
        row |= {"val": rupees(one.value), "pos": one.pos, "rchrg": "Y" if one.reverse else "N",
                "inv_typ": one.supply, "flag": "U", "updby": "S"}  # fmt: skip
        if one.original:
            names = ("ont_num", "ont_dt") if note else ("oinum", "oidt")
            row |= {names[0]: one.original[0], names[1]: periods.dmy(one.original[1])}
        if one.irn:
            row |= {"srctyp": "e-Invoice", "irn": one.irn, "irngendate": periods.dmy(one.day)}
        row["itms"] = item_rows(one)
        row["chksum"] = checksum(row)
        groups[-1][name].append(row)

    def _consumer(self, client: Client, month: int) -> dict[str, Any]:
        """Make the sections without a registered buyer.

        The chances are those of a small trader: most sell to consumers near by and have nil-rated goods now and then;
        few export, sell to consumers far away, or take advances.
        """
        rng = self._country.rng("outward", client.gstin, month)
        state, day = client.party.state, periods.on(month, 10)
        other = "29" if state != "29" else "27"
        full = client.showcase

        def wanted(chance: float) -> bool:
            return rng.random() < chance or full

        def line(local: bool) -> Item:
            return make_item(rng, day, local, scale=3)

        out: dict[str, Any] = {}
        small = []
        for rate in sorted(set(rates(day))):
            for local in (True, False):
                one = line(local)
                half = (one.txval * rate + 10_000) // 20_000
                fixed = Item(
                    rate, one.txval, 0 if local else half * 2, half if local else 0, half if local else 0, 0
                )
                small.append({"sply_ty": "INTRA" if local else "INTER", "typ": "OE", "pos": state if local else other,
                              **_plain(fixed)})  # fmt: skip
        out["b2cs"] = small
        if wanted(0.15):
            out["b2cl"] = [{"pos": other, "inv": [_invoice("L", month, n, line(False)) for n in range(1, 4)]}]
        if wanted(0.05):
            out["cdnur"] = [{"typ": "B2CL", "ntty": "C", "nt_num": f"UR/{month}/1", "nt_dt": periods.dmy(day),
                             "pos": other, **_valued(line(False))}]  # fmt: skip
        if wanted(0.1):
            out["exp"] = [
                {"exp_typ": kind, "inv": [_export(kind, month, place, line(False))]}
                for place, kind in enumerate(("WPAY", "WOPAY"))
            ]
        if wanted(0.4):
            out["nil"] = {"inv": [
                {"sply_ty": kind, "expt_amt": rng.randrange(9000), "nil_amt": rng.randrange(9000), "ngsup_amt": 0}
                for kind in ("INTRB2B", "INTRB2C", "INTRAB2B", "INTRAB2C")]}  # fmt: skip
        for key in ("at", "txpd"):
            if wanted(0.05):
                one = line(True)
                out[key] = [{"pos": state, "sply_ty": "INTRA", "itms": [
                    {"rt": one.rate / 100, "ad_amt": rupees(one.txval), **_short(one)}]}]  # fmt: skip
        if client.rare and wanted(0.5):
            operator = self._country.supplier(130_000 + client.index).gstin
            one = line(False)
            eco = {"etin": operator, "suppval": rupees(one.txval), "igst": rupees(one.igst), "cgst": 0, "sgst": 0,
                   "cess": rupees(one.cess)}  # fmt: skip
            out["supeco"] = {"clttx": [eco], "paytx": [{**eco, "suppval": rupees(one.txval * 2)}]}
            doc = _invoice("E", month, 1, line(False))
            out["ecom"] = {"b2b": [{"stin": operator, "rtin": client.gstin, "inv": [doc]}],
                           "b2c": [{"stin": operator, "pos": other, **_plain(line(False))}],
                           "urp2b": [{"rtin": client.gstin, "inv": [_invoice("V", month, 1, line(False))]}],
                           "urp2c": [{"pos": other, **_plain(line(False))}]}  # fmt: skip
        if full:
            self._amend(out, month)
        return out

    @staticmethod
    def _amend(out: dict[str, Any], month: int) -> None:
        """Give the showcase client an amended twin of every section."""
        old = periods.show(month - 1)
        for key, twin in (("b2cl", "b2cla"), ("exp", "expa")):
            out[twin] = [
                {**group, "inv": [
                    {**row, "inum": row["inum"] + "A", "oinum": row["inum"], "oidt": row["idt"]}
                    for row in group["inv"]]}
                for group in out[key]
            ]  # fmt: skip
        out["b2csa"] = [{"omon": old, **row} for row in out["b2cs"][:2]]
        out["cdnura"] = [
            {**row, "nt_num": row["nt_num"] + "A", "ont_num": row["nt_num"], "ont_dt": row["nt_dt"]}
            for row in out["cdnur"]
        ]
        out["ata"] = [{"omon": old, **row} for row in out["at"]]
        out["txpda"] = [{"omon": old, **row} for row in out["txpd"]]
        out["supecoa"] = {"clttxa": out["supeco"]["clttx"], "paytxa": out["supeco"]["paytx"]}
        out["ecoma"] = {
            "b2ba": [{**group, "inv": [{**row, "inum": row["inum"] + "A", "oinum": row["inum"], "oidt": row["idt"]}
                                       for row in group["inv"]]} for group in out["ecom"]["b2b"]],
            "b2ca": out["ecom"]["b2c"], "urp2ba": out["ecom"]["urp2b"], "urp2ca": out["ecom"]["urp2c"],
        }  # fmt: skip

    def _amended(self, client: Client, month: int) -> dict[str, Any]:
        """Make GSTR-1A: for the showcase client every section, for others an added invoice."""
        full = self.sections(client, month)
        if client.showcase:
            out = dict(full)
            for key, name in (("b2b", "inv"), ("b2ba", "inv"), ("cdnr", "nt"), ("cdnra", "nt")):
                field = "inum" if name == "inv" else "nt_num"
                source = full.get(key) or full.get("b2b" if name == "inv" else "cdnr")
                if not source:
                    continue
                first = source[0]
                row = {**first[name][0], field: f"1A/{month}/{key}"[:16]}
                if key.endswith("a"):
                    row |= ({"oinum": first[name][0][field], "oidt": row["idt"]} if name == "inv"
                            else {"ont_num": first[name][0][field], "ont_dt": row["nt_dt"]})  # fmt: skip
                out[key] = [{"ctin": first["ctin"], "cfs": "Y", name: [row]}]
            return out
        first = next(iter(full.get("b2b", ())), None)
        if first is None:
            return {}
        row = {**first["inv"][0], "inum": f"1A/{month}/1"}
        return {"b2b": [{**first, "inv": [row]}]}


def _twin_documents(out: dict[str, Any], month: int) -> None:
    """Make sure that amended invoices and notes exist: of the last customer, who is not a client."""
    for key, name, stem in (("b2b", "inv", "i"), ("cdnr", "nt", "nt_")):
        if key in out and f"{key}a" not in out:
            first = out[key][-1]
            row = dict(first[name][-1])
            number, day = ("inum", "idt") if name == "inv" else ("nt_num", "nt_dt")
            row |= {f"o{number}": f"OLD/{month}/1", f"o{day}": row[day], number: f"T{stem[0]}/{month}/1"}
            out[f"{key}a"] = [{**first, name: [row]}]


def _short(one: Item) -> Json:
    return spread(SHORT, (one.igst, one.cgst, one.sgst, one.cess))


def _plain(one: Item) -> Json:
    return {"rt": one.rate / 100, "txval": rupees(one.txval), **_short(one)}


def _valued(one: Item) -> Json:
    total = one.txval + one.igst + one.cgst + one.sgst + one.cess
    return {"val": rupees(total), "itms": [{"num": 1, "itm_det": _plain(one)}]}


def _invoice(stem: str, month: int, place: int, one: Item) -> Json:
    return {"inum": f"{stem}/{month}/{place}", "idt": periods.dmy(periods.on(month, 11)), **_valued(one)}


def _export(kind: str, month: int, place: int, one: Item) -> Json:
    paid = kind == "WPAY"
    item = {"rt": one.rate / 100 if paid else 0, "txval": rupees(one.txval), "iamt": rupees(one.igst if paid else 0),
            "csamt": 0}  # fmt: skip
    day = periods.dmy(periods.on(month, 12))
    return {"inum": f"X/{month}/{place}", "idt": day, "val": rupees(one.txval + (one.igst if paid else 0)),
            "sbpcode": "INNSA1", "sbnum": str(5_000_000 + month * 10 + place), "sbdt": day, "itms": [item]}  # fmt: skip


def _hsn(items: list[Item], small: list[Json], month: int) -> dict[str, Any]:
    codes = {500: "0902", 1200: "4820", 1800: "8471", 2800: "8703", 4000: "2402"}

    def rows(sums: dict[int, list[int]], start: int) -> list[Json]:
        return [
            {"num": start + place, "hsn_sc": codes[rate], "desc": "Goods", "user_desc": "", "uqc": "NOS",
             "qty": 10 + place, "rt": rate / 100, **spread(("txval", *SHORT), tuple(sums[rate]))}
            for place, rate in enumerate(sorted(sums))
        ]  # fmt: skip

    trade: dict[int, list[int]] = defaultdict(lambda: [0] * 5)
    for one in items:
        for place, amount in enumerate((one.txval, one.igst, one.cgst, one.sgst, one.cess)):
            trade[one.rate][place] += amount
    retail: dict[int, list[int]] = defaultdict(lambda: [0] * 5)
    for row in small:
        for place, name in enumerate(("txval", *SHORT)):
            retail[round(row["rt"] * 100)][place] += round(row[name] * 100)
    if month >= periods.HSN_SPLIT_FROM:
        return {"hsn": {"hsn_b2b": rows(trade, 1), "hsn_b2c": rows(retail, 1)}}
    for rate, sums in retail.items():
        trade[rate] = [a + b for a, b in zip(trade[rate], sums, strict=True)]
    return {"hsn": {"data": rows(trade, 1)}}


def _issued(documents: list[Document]) -> Json:
    out = []
    for number, kinds in ((1, "I"), (4, "D"), (5, "C")):
        found = [one for one in documents if one.kind == kinds]
        if found:
            out.append({"doc_num": number, "docs": [
                {"num": 1, "from": found[0].number, "to": found[-1].number, "totnum": len(found) + 1, "cancel": 1,
                 "net_issue": len(found)}]})  # fmt: skip
    return {"doc_det": out}
