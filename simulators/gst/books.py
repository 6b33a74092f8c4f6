"""GSTR-3B, its automatic liability, and the electronic ledgers.

The 3B takes its liability from R1 and its credit from the 2B; the ledgers contain the payment of exactly that, so
opening + credits - debits = closing for every window. At the end of a quarter an entry brings the credit ledger to a
known balance, so no question needs the whole history.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from simulators.gst import periods
from simulators.gst.inward import Inward, checksum, rupees, spread
from simulators.gst.outward import Outward
from simulators.gst.parties import NEVER, Client, Country, Filings, Overrides
from simulators.gst.records import flatten, paise

Json = dict[str, Any]
Taxes = tuple[int, int, int, int]
HEADS = ("igst", "cgst", "sgst", "cess")
AMOUNTS = ("iamt", "camt", "samt", "csamt")
MINOR = ("tx", "intr", "pen", "fee", "oth")
ZERO: Taxes = (0, 0, 0, 0)
CASH_BASE: Taxes = (25_000_00, 10_000_00, 10_000_00, 500_00)


def plus(a: Taxes, b: Taxes, sign: int = 1) -> Taxes:
    """Add or subtract per head."""
    return (a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2], a[3] + sign * b[3])


@dataclass(frozen=True, slots=True)
class Return:
    """The figures of one GSTR-3B."""

    month: int
    filed: date
    outward: tuple[int, ...]
    zero: tuple[int, ...]
    nil: int
    reverse_charge: tuple[int, ...]
    credit: dict[str, Taxes]
    opening: Taxes
    used: tuple[tuple[str, int], ...]
    by_credit: Taxes
    by_cash: Taxes
    late_fee: int
    closing: Taxes
    trimmed: Taxes

    @property
    def from_credit(self) -> Taxes:
        """Give what was taken out of the credit of each head, whatever liability it paid."""
        taken = dict.fromkeys(("i", "c", "s", "cs"), 0)
        for name, amount in self.used:
            taken[name.rpartition("_pd")[2]] += amount
        return (taken["i"], taken["c"], taken["s"], taken["cs"])


@dataclass(frozen=True, slots=True)
class Entry:
    """One posting of a ledger."""

    day: date
    reference: str
    month: int
    text: str
    credit: bool
    tax: Taxes
    fee: int = 0
    by: str = ""


def _payable(groups: list[Json]) -> list[Json]:
    """Leave out documents under reverse charge: their tax is the buyer's to pay."""
    return [
        {name: [one for one in held if one.get("rchrg") != "Y"] if name in ("inv", "nt") else held
         for name, held in group.items()}
        for group in groups
    ]  # fmt: skip


class Books:
    """The money of every client."""

    def __init__(
        self, country: Country, inward: Inward, outward: Outward, filings: Filings, overrides: Overrides
    ) -> None:
        self._country = country
        self._inward = inward
        self._outward = outward
        self._filings = filings
        self._overrides = overrides
        self.figures = lru_cache(maxsize=20_000)(self._figures)

    def forget(self) -> None:
        """Drop what was computed before the day changed."""
        self.figures.cache_clear()

    def anchor(self, client: Client, month: int) -> Taxes:
        """Give the credit balance before the first return of a quarter."""
        rng = self._country.rng("anchor", client.gstin, periods.quarter_start(month))
        half = rng.randrange(1_000_00, 30_000_00)
        return (rng.randrange(5_000_00, 90_000_00), half, half, rng.randrange(0, 500_00))

    def liability(
        self, client: Client, month: int
    ) -> tuple[tuple[int, ...], tuple[int, ...], int, tuple[int, ...]]:
        """Give taxable value and taxes of 3.1(a) and (b), the value of 3.1(c), and 3.1(d)."""
        ordinary, zero, nil = [0] * 5, [0] * 5, 0
        for source in range(month - 2 if client.quarterly else month, month + 1):
            found = self._outward.sections(client, source)
            for name in ("b2b", "cdnr", "b2cl", "b2cs", "cdnur", "exp"):
                target = zero if name == "exp" else ordinary
                for record in flatten(_payable(found.get(name, []))):
                    key, values = dict(record.key), dict(record.values)
                    sign = -1 if key.get("ntty") == "C" else 1
                    for place, head in enumerate(("txval", *HEADS)):
                        target[place] += sign * values.get(head, 0)
            for record in flatten(found.get("nil", {})):
                values = dict(record.values)
                nil += values.get("exempt", 0) + values.get("nil", 0)
        ordinary = [max(0, one) for one in ordinary]
        inward = self._inward.documents_of_2b(client, month)
        rcm = [one for one in inward if one.reverse]
        signs = [-1 if one.kind == "C" else 1 for one in rcm]
        taxes = [sum(s * one.taxes[h] for s, one in zip(signs, rcm, strict=True)) for h in range(4)]
        value = sum(s * one.txval for s, one in zip(signs, rcm, strict=True))
        return tuple(ordinary), tuple(zero), nil, (max(0, value), *(max(0, one) for one in taxes))

    def credit(self, client: Client, month: int) -> dict[str, Taxes]:
        """Give table 4 as the 2B has it."""
        summary = self._inward.two_b(client, month)["data"]["itcsumm"]["itcavl"]

        def heads(group: Json) -> Taxes:
            return (paise(group["igst"]), paise(group["cgst"]), paise(group["sgst"]), paise(group["cess"]))

        out = {name: heads(summary[key]) for name, key in
               (("OTH", "nonrevsup"), ("ISRC", "revsup"), ("ISD", "isdsup"), ("IMPG", "imports"))}  # fmt: skip
        out["REV"] = heads(summary["othersup"])
        return out

    def _figures(self, client: Client, month: int) -> Return | None:
        """Compute the return; None when it is not one of the client's returns."""
        if client.quarterly and not periods.is_quarter_end(month):
            return None
        filed = self._filings.planned_or_done(client.party, "R3B", month)
        outward, zero, nil, reverse = self.liability(client, month)
        credit = self.credit(client, month)
        first = client.quarterly or month == periods.quarter_start(month) or month == periods.FIRST
        previous = None if first else self.figures(client, month - 1)
        opening = self.anchor(client, month) if previous is None else previous.closing
        added = ZERO
        for name in ("OTH", "ISRC", "ISD", "IMPG"):
            added = plus(added, credit[name])
        balance = [max(0, one) for one in plus(plus(opening, added), credit["REV"], -1)]
        reversed_now = plus(plus(opening, added), (balance[0], balance[1], balance[2], balance[3]), -1)
        credit["REV"] = reversed_now
        owed = [outward[1 + place] + zero[1 + place] for place in range(4)]
        used: list[tuple[str, int]] = []
        for name, head, source in (
            ("i_pdi", 0, 0), ("c_pdi", 1, 0), ("s_pdi", 2, 0), ("c_pdc", 1, 1), ("i_pdc", 0, 1),
            ("s_pds", 2, 2), ("i_pds", 0, 2), ("cs_pdcs", 3, 3),
        ):  # fmt: skip
            amount = min(owed[head], balance[source])
            owed[head] -= amount
            balance[source] -= amount
            used.append((name, amount))
        due = self.due(client, month)
        late = 0 if filed in {NEVER} or filed <= due else min((filed - due).days * 25, 1_000) * 100
        last = client.quarterly or periods.is_quarter_end(month)
        before = (balance[0], balance[1], balance[2], balance[3])
        closing = self.anchor(client, month + 1) if last else before
        paid = [outward[1 + place] + zero[1 + place] - owed[place] for place in range(4)]
        return Return(
            month=month, filed=filed, outward=outward, zero=zero, nil=nil, reverse_charge=reverse, credit=credit,
            opening=opening, used=tuple(used), by_credit=(paid[0], paid[1], paid[2], paid[3]),
            by_cash=(owed[0] + reverse[1], owed[1] + reverse[2], owed[2] + reverse[3], owed[3] + reverse[4]),
            late_fee=late, closing=closing, trimmed=plus(closing, before, -1),
        )  # fmt: skip

    @staticmethod
    def due(client: Client, month: int) -> date:
        """Give the due date of a 3B."""
        if client.quarterly:
            return periods.on(
                month + 1, 22 if client.party.state in {"27", "24", "29", "33", "36", "32"} else 24
            )
        return periods.on(month + 1, 20)

    # GSTR-3B

    def retsum(self, client: Client, month: int) -> Json | None:
        """Give the filed return, or None."""
        one = self.figures(client, month)
        if one is None or one.filed > self._inward.today:
            return None
        net = ZERO
        for name in ("IMPG", "ISRC", "ISD", "OTH"):
            net = plus(net, one.credit[name])
        net = plus(net, one.credit["REV"], -1)
        names = ("txval", *AMOUNTS)
        tax = [one.outward[1 + h] + one.zero[1 + h] for h in range(4)]
        cash = one.by_cash
        rcm = one.reverse_charge
        fee = rupees(one.late_fee)
        payable = [(30002, tax, one.late_fee), (30003, list(rcm[1:]), 0)]
        return {
            "gstin": client.gstin, "ret_period": periods.show(month),
            "sup_details": {
                "osup_det": spread(names, one.outward),
                "osup_zero": spread(("txval", "iamt", "csamt"), (one.zero[0], one.zero[1], one.zero[4])),
                "osup_nil_exmp": {"txval": rupees(one.nil)},
                "isup_rev": spread(names, rcm), "osup_nongst": {"txval": 0},
            },
            "eco_dtls": {"eco_sup": spread(names, (0, 0, 0, 0, 0)), "eco_reg_sup": {"txval": 0}},
            "inter_sup": {"unreg_details": [], "comp_details": [], "uin_details": []},
            "itc_elg": {
                "itc_avl": [{"ty": ty, **spread(AMOUNTS, one.credit.get(ty, ZERO))}
                            for ty in ("IMPG", "IMPS", "ISRC", "ISD", "OTH")],
                "itc_rev": [{"ty": "RUL", **spread(AMOUNTS, ZERO)},
                            {"ty": "OTH", **spread(AMOUNTS, one.credit["REV"])}],
                "itc_net": spread(AMOUNTS, net),
                "itc_inelg": [{"ty": ty, **spread(AMOUNTS, ZERO)} for ty in ("RUL", "OTH")],
            },
            "inward_sup": {"isup_details": [{"ty": ty, "inter": 0, "intra": 0} for ty in ("GST", "NONGST")]},
            "intr_ltfee": {"intr_details": spread(AMOUNTS, ZERO),
                           "ltfee_details": {"camt": fee, "samt": fee}},
            "tx_pmt": {
                "tx_py": [
                    {"trans_typ": code, "tran_desc": text, "liab_ldg_id": month * 10 + place,
                     **{head: {"tx": rupees(amounts[h]), "intr": 0,
                               "fee": rupees(late) if head in {"cgst", "sgst"} else 0}
                        for h, head in enumerate(HEADS)}}
                    for place, ((code, amounts, late), text) in enumerate(
                        zip(payable, ("Other than reverse charge", "Reverse charge"), strict=True))
                ],
                "pdcash": [{"liab_ldg_id": month * 10, "trans_typ": 30002,
                            **spread(("ipd", "cpd", "spd", "cspd"), cash),
                            "i_intrpd": 0, "c_intrpd": 0, "s_intrpd": 0, "cs_intrpd": 0,
                            "c_lfeepd": fee, "s_lfeepd": fee}],
                "pditc": {"liab_ldg_id": month * 10, "trans_typ": 30002,
                          **{name: rupees(amount) for name, amount in one.used}},
                "adjnegliab": [], "nettaxpay": [], "pdnls": [],
            },
            "liab_breakup": [],
        }  # fmt: skip

    def autoliab(self, client: Client, month: int) -> Json | None:
        """Give what the portal computed from R1 and 2B, or None while one of them is missing."""
        one = self.figures(client, month)
        today = self._inward.today
        filed = self._filings.planned_or_done(client.party, "R1", month)
        ready = periods.on(month + 1, 14)
        if one is None or filed > today or ready > today:
            return None
        names = ("txval", *AMOUNTS)

        def block(table: str, values: Json) -> Json:
            return {"subtotal": values, "det": {table: values}, "det_q": {}}

        return {"gstin": client.gstin, "ret_period": periods.show(month), "r3bautopop": {
            "r1fildt": periods.dmy(filed), "r2bgendt": periods.dmy(ready), "r3bgendt": periods.dmy(ready),
            "liabitc": {
                "gstin": client.gstin, "ret_period": periods.show(month),
                "sup_details": {
                    "osup_3_1a": block("tbl4a", spread(names, one.outward)),
                    "osup_3_1b": block("tbl6a", spread(("txval", "iamt", "csamt"),
                                                      (one.zero[0], one.zero[1], one.zero[4]))),
                    "osup_3_1c": block("tbl8", {"txval": rupees(one.nil)}),
                    "osup_3_1e": block("tbl8", {"txval": 0}),
                    "isup_3_1d": block("tbl3", spread(names, one.reverse_charge)),
                },
                "inter_sup": {"osup_unreg_3_2": {"subtotal": []}},
                "elgitc": {
                    key: block(key, spread(AMOUNTS, one.credit.get(ty, ZERO)))
                    for key, ty in (("itc4a1", "IMPG"), ("itc4a3", "ISRC"), ("itc4a4", "ISD"), ("itc4a5", "OTH"),
                                    ("itc4b2", "REV"), ("itc4d2", "NONE"))
                },
            }}, "error": []}  # fmt: skip

    def small_statement(self, client: Client, month: int, action: str) -> Json | None:
        """Give RETINT and the reversal and reverse charge balances."""
        one = self.figures(client, month)
        if one is None:
            return None
        head = {"gstin": client.gstin, "ret_period": periods.show(month)}
        if action == "RETINT":
            return {**head, "rates": [], "aato": 12_500_000 + client.index * 1000,
                    "duedate": periods.dmy(self.due(client, month))}  # fmt: skip
        name = "opnbal" if "OP" in action else "clsbal"
        taxes = (
            ZERO
            if "OP" in action
            else one.reverse_charge[1:]
            if action.startswith("RCM")
            else one.credit["REV"]
        )
        return {**head, name: spread(HEADS, taxes)}

    # Ledgers

    def _months(self, client: Client, until: date, since: date) -> list[Return]:
        start = max(periods.FIRST, periods.quarter_start(periods.of(since) - 3))
        found = (self.figures(client, month) for month in range(start, periods.of(until) + 1))
        return [one for one in found if one and one.filed <= min(until, self._inward.today)]

    def _credit_entries(self, client: Client, found: list[Return]) -> list[Entry]:
        out = []
        for one in found:
            gain = ZERO
            for name in ("OTH", "ISRC", "ISD", "IMPG"):
                gain = plus(gain, one.credit[name])
            reference = checksum([client.gstin, one.month])[:12].upper()
            up = tuple(max(0, x) for x in one.trimmed)
            down = tuple(max(0, -x) for x in one.trimmed)
            for code, text, credit, tax in (
                ("AA", "ITC accrued through - Inputs", True, gain),
                ("RV", "Reversal of ITC", False, one.credit["REV"]),
                ("DI", "Other than reverse charge", False, one.from_credit),
                ("PM", "Re-credit of ITC", True, up),
                ("RF", "Refund of accumulated ITC", False, down),
            ):
                if any(tax):
                    taxes: Taxes = (tax[0], tax[1], tax[2], tax[3])
                    out.append(Entry(one.filed, f"{code}{reference}", one.month, text, credit, taxes))
        return out

    def _cash_entries(self, client: Client, found: list[Return]) -> list[Entry]:
        out = []
        for one in found:
            reference = checksum(["cash", client.gstin, one.month])[:12].upper()
            if any(one.by_cash) or one.late_fee:
                paid = one.filed - timedelta(days=1)
                out.append(
                    Entry(
                        paid, f"DP{reference}", one.month, "Amount deposited", True, one.by_cash, one.late_fee
                    )
                )
                out.append(
                    Entry(one.filed, f"DC{reference}", one.month, "Other than reverse charge", False, one.by_cash,
                          one.late_fee)
                )  # fmt: skip
        for day, amount in self._overrides.deposits.get(client.gstin, ()):
            mark = checksum(["deposit", client.gstin, day.isoformat(), amount])[:12].upper()
            out.append(
                Entry(day, f"DP{mark}", periods.of(day) - 1, "Amount deposited", True, (amount, 0, 0, 0))
            )
        return out

    def itc(self, client: Client, since: date, until: date) -> Json:
        """Give the credit ledger of a window."""
        found = self._months(client, until, since)
        start = periods.quarter_start(max(periods.FIRST, periods.of(since) - 3))
        balance = self.anchor(client, start) if not found else found[0].opening
        entries = sorted(self._credit_entries(client, found), key=lambda one: (one.day, one.month))
        names = tuple(f"{head}TaxBal" for head in HEADS)

        def show(text: str, taxes: Taxes) -> Json:
            return {"desc": text, **spread(names, taxes), "tot_rng_bal": rupees(sum(taxes))}

        for one in entries:
            if one.day < since:
                balance = plus(balance, one.tax, 1 if one.credit else -1)
        opening, rows = show("Opening Balance", balance), []
        for one in entries:
            if since <= one.day <= until:
                balance = plus(balance, one.tax, 1 if one.credit else -1)
                rows.append(
                    {"dt": periods.dmy_slash(one.day), "desc": one.text, "ref_no": one.reference,
                     "ret_period": periods.show(one.month), **spread(tuple(f"{h}TaxAmt" for h in HEADS), one.tax),
                     **spread(names, balance), "tot_rng_bal": rupees(sum(balance)),
                     "tot_tr_amt": rupees(sum(one.tax)), "tr_typ": "Cr" if one.credit else "Dr"}
                )  # fmt: skip
        return {
            "itcLdgDtls": {"gstin": client.gstin, "fr_dt": periods.dmy_slash(since), "to_dt": periods.dmy_slash(until),
                           "op_bal": opening, "tr": rows, "cl_bal": show("Closing Balance", balance)},
            "provCrdBalList": {"provCrdBal": []},
        }  # fmt: skip

    def cash(self, client: Client, since: date, until: date) -> Json:
        """Give the cash ledger of a window."""
        margin = until + timedelta(days=2)
        entries = sorted(
            self._cash_entries(client, self._months(client, margin, since)), key=lambda e: (e.day, e.month)
        )
        balance, fees = CASH_BASE, 0
        for one in entries:
            if one.day < since:
                sign = 1 if one.credit else -1
                balance, fees = plus(balance, one.tax, sign), fees + sign * one.fee
        opening, rows = _cash_balance("Opening Balance", balance, fees), []
        for one in entries:
            if since <= one.day <= until:
                sign = 1 if one.credit else -1
                balance, fees = plus(balance, one.tax, sign), fees + sign * one.fee
                rows.append(
                    {"dpt_dt": periods.dmy_slash(one.day), "desc": one.text, "refNo": one.reference,
                     "ret_period": periods.show(one.month), "tr_typ": "Cr" if one.credit else "Dr",
                     **_buckets("", one.tax, one.fee), **_buckets("bal", balance, fees),
                     "tot_tr_amt": rupees(sum(one.tax) + 2 * one.fee),
                     "tot_rng_bal": rupees(sum(balance) + 2 * fees)}
                )  # fmt: skip
        return {"gstin": client.gstin, "fr_dt": periods.dmy_slash(since), "to_dt": periods.dmy_slash(until),
                "op_bal": opening, "cl_bal": _cash_balance("Closing Balance", balance, fees), "tr": rows}  # fmt: skip

    def tax(self, client: Client, month: int) -> Json:
        """Give the liability ledger of a period: a debit raises it, a credit discharges it."""
        one = self.figures(client, month)
        rows: list[Json] = []
        balance, fees = ZERO, 0
        if one is not None and one.filed <= self._inward.today:
            owed = plus(one.by_cash, one.by_credit)
            reference = checksum(["tax", client.gstin, month])[:12].upper()
            for code, credit, by, tax, fee in (
                ("AM", False, "", owed, one.late_fee), ("DI", True, "credit", one.by_credit, 0),
                ("DC", True, "cash", one.by_cash, one.late_fee),
            ):  # fmt: skip
                if not any(tax) and not fee:
                    continue
                sign = -1 if credit else 1
                balance, fees = plus(balance, tax, sign), fees + sign * fee
                rows.append(
                    {"dt": periods.dmy_slash(one.filed), "ref_no": f"{code}{reference}",
                     "tot_rng_bal": rupees(sum(balance) + 2 * fees), "tot_tr_amt": rupees(sum(tax) + 2 * fee),
                     "tr_typ": "Cr" if credit else "Dr", "desc": "Other than reverse charge", "dschrg_typ": by,
                     **_buckets("", tax, fee), **_buckets("bal", balance, fees)}
                )  # fmt: skip
        return {"gstin": client.gstin, "ret_period": periods.show(month), "tr": rows,
                "cl_bal": _cash_balance("Closing Balance", balance, fees)}  # fmt: skip

    def balance(self, client: Client) -> Json:
        """Give today's balances: the closing balances of the two ledgers."""
        today = self._inward.today
        cash = self.cash(client, today, today)["cl_bal"]
        credit = self.itc(client, today, today)["itcLdgDtls"]["cl_bal"]
        out: Json = {}
        for head in HEADS:
            one = cash[f"{head}bal"]
            out |= {f"{head}_tot_bal": one["tot"], head: {name: one[name] for name in MINOR}}
        return {"gstin": client.gstin, "cash_bal": out,
                "itc_bal": {f"{head}_bal": credit[f"{head}TaxBal"] for head in HEADS},
                "itc_blck_bal": {f"{head}_blck_bal": 0 for head in HEADS}}  # fmt: skip


def _buckets(suffix: str, taxes: Taxes, fee: int) -> Json:
    out: Json = {}
    for place, head in enumerate(HEADS):
        late = fee if head in {"cgst", "sgst"} else 0
        total = 0 if suffix == "bal" else taxes[place] + late
        out[f"{head}{suffix}"] = {"tx": rupees(taxes[place]), "intr": 0, "pen": 0, "fee": rupees(late), "oth": 0,
                                  "tot": rupees(total)}  # fmt: skip
    return out


def _cash_balance(text: str, taxes: Taxes, fee: int) -> Json:
    out: Json = {"desc": text, **_buckets("bal", taxes, fee), "tot_rng_bal": rupees(sum(taxes) + 2 * fee)}
    for place, head in enumerate(HEADS):
        out[f"{head}bal"]["tot"] = rupees(taxes[place] + (fee if head in {"cgst", "sgst"} else 0))
    return out
