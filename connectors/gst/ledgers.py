"""The electronic ledgers: cash, credit (ITC) and liability of a period, and the balances of today.

Entries keep the portal's ``Cr`` and ``Dr``; ``effect_paise`` says what each does to the balance of its own ledger,
because in the liability ledger a debit raises it. Invariant: a cash or credit ledger is loaded only when opening
plus credits less debits gives its closing for every head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from clientsync.clock import INDIA
from clientsync.periods import newest_open
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import (
    Asking,
    Context,
    Finding,
    HandFile,
    Module,
    Record,
    Row,
    Section,
    Skip,
    SkipKind,
    SkipRule,
    TableSpec,
)
from connectors.gst import fields
from connectors.gst.shapes import Shape, leaves, only_known
from connectors.gst.skips import final_once_filed, proven

HEADS = ("igst", "cgst", "sgst", "cess")
MINOR = {"tx": "tax", "intr": "interest", "pen": "penalty", "fee": "fee", "oth": "other"}
"""The portal's minor heads and how our columns name them."""

SETTLED_AFTER = {"cash": timedelta(days=15), "itc": timedelta(0)}
"""How long after a window an entry dated in it may still appear. A challan is valid for 15 days (rule 87(3) CGST
Rules) and the bank may report a deposit (``rpt_dt``) after its day (``dpt_dt``); credit is posted on the day itself."""

_SIGNS = {"cash": ("Cr", "Dr"), "itc": ("Cr", "Dr"), "tax": ("Dr", "Cr")}
"""Per ledger: the type that raises its balance, the type that lowers it."""

_BUCKETS = leaves("tx intr pen fee oth tot")
_CASH_BALANCE = {"desc": None, "tot_rng_bal": None, **{f"{head}bal": _BUCKETS for head in HEADS}}
_CASH_ENTRY = {
    **leaves(
        "dt dpt_dt rpt_dt dpt_time desc refNo ref_no ret_period tr_typ dschrg_typ tot_tr_amt tot_rng_bal"
    ),
    **dict.fromkeys(HEADS, _BUCKETS),
    **{f"{head}bal": _BUCKETS for head in HEADS},
}
_ITC_BALANCE = leaves("desc tot_rng_bal igstTaxBal cgstTaxBal sgstTaxBal cessTaxBal")
_ITC_ENTRY = {
    **leaves("dt desc ref_no ret_period tr_typ tot_tr_amt igstTaxAmt cgstTaxAmt sgstTaxAmt cessTaxAmt"),
    **_ITC_BALANCE,
}
_RANGE = leaves("gstin fr_dt to_dt ret_period")
SHAPES: Mapping[str, Shape] = {
    "cash": {**_RANGE, "op_bal": _CASH_BALANCE, "cl_bal": _CASH_BALANCE, "tr": _CASH_ENTRY},
    "itc": {
        "itcLdgDtls": {**_RANGE, "op_bal": _ITC_BALANCE, "cl_bal": _ITC_BALANCE, "tr": _ITC_ENTRY},
        "provCrdBalList": {
            "provCrdBal": leaves("ret_period igstProCrBal cgstProCrBal sgstProCrBal cessProCrBal totProCrBal")
        },
    },
    "tax": {**_RANGE, "op_bal": _CASH_BALANCE, "cl_bal": _CASH_BALANCE, "tr": _CASH_ENTRY},
    "bal": {
        **leaves("gstin ret_period"),
        "cash_bal": {**{f"{head}_tot_bal": None for head in HEADS}, **dict.fromkeys(HEADS, _BUCKETS)},
        "itc_bal": {f"{head}_bal": None for head in HEADS},
        "itc_blck_bal": {f"{head}_blck_bal": None for head in HEADS},
    },
}
"""Fields of each answer."""


class EntryRow(Row):
    """One posting of a ledger."""

    period: str = columns.text("Month of the unit, MMYYYY", length=6)
    section: str = columns.text("Ledger: cash, itc or tax (liability)", length=20)
    entry_on: date = columns.day("Date of the posting or deposit")
    reference: str = columns.text("Reference number of the posting", length=60)
    entry_type: str = columns.text("Cr or Dr as the portal has it", length=10)
    description: str = columns.text("Description as the portal has it", length=255)
    return_period: str = columns.text("Return period of the posting, MMYYYY or empty", length=20)
    occurrence: int = columns.number("Number among postings that are equal in all the above")
    reported_on: date | None = columns.day("Date on which the bank reported the deposit", default=None)
    deposit_time: str = columns.text("Time of the deposit as the portal has it", length=20)
    discharge_type: str = columns.text("Liability: discharged by credit or cash, empty otherwise", length=20)
    igst_tax_paise: int = columns.amount("IGST: tax")
    igst_interest_paise: int = columns.amount("IGST: interest")
    igst_penalty_paise: int = columns.amount("IGST: penalty")
    igst_fee_paise: int = columns.amount("IGST: fee")
    igst_other_paise: int = columns.amount("IGST: other charges")
    cgst_tax_paise: int = columns.amount("CGST: tax")
    cgst_interest_paise: int = columns.amount("CGST: interest")
    cgst_penalty_paise: int = columns.amount("CGST: penalty")
    cgst_fee_paise: int = columns.amount("CGST: fee")
    cgst_other_paise: int = columns.amount("CGST: other charges")
    sgst_tax_paise: int = columns.amount("SGST: tax")
    sgst_interest_paise: int = columns.amount("SGST: interest")
    sgst_penalty_paise: int = columns.amount("SGST: penalty")
    sgst_fee_paise: int = columns.amount("SGST: fee")
    sgst_other_paise: int = columns.amount("SGST: other charges")
    cess_tax_paise: int = columns.amount("CESS: tax")
    cess_interest_paise: int = columns.amount("CESS: interest")
    cess_penalty_paise: int = columns.amount("CESS: penalty")
    cess_fee_paise: int = columns.amount("CESS: fee")
    cess_other_paise: int = columns.amount("CESS: other charges")
    total_paise: int = columns.amount("Total of the posting as the portal has it")
    effect_paise: int = columns.amount("Total signed by what it does to the balance of its own ledger")
    balance_paise: int = columns.amount("Balance after the posting as the portal has it")


class BalanceRow(Row):
    """One balance of a ledger by head."""

    period: str = columns.text("Month of the unit, MMYYYY", length=6)
    section: str = columns.text("Section that answered: cash, itc, tax or bal", length=20)
    ledger: str = columns.text("CASH, ITC or TAX", length=10)
    kind: str = columns.text("OPENING, CLOSING, NOW, BLOCKED or PROVISIONAL", length=20)
    head: str = columns.text("IGST, CGST, SGST or CESS", length=10)
    return_period: str = columns.text("Return period of a provisional credit, else empty", length=20)
    tax_paise: int = columns.amount("Tax")
    interest_paise: int = columns.amount("Interest")
    penalty_paise: int = columns.amount("Penalty")
    fee_paise: int = columns.amount("Fee")
    other_paise: int = columns.amount("Other charges")
    total_paise: int = columns.amount("Sum of the five")


Amounts = dict[tuple[str, str], int]
"""Paise by head and the portal's minor head."""


def _by_buckets(raw: fields.Raw, ending: str = "") -> Amounts:
    return {
        (head, minor): fields.paise(fields.obj(raw, f"{head}{ending}"), minor)
        for head in HEADS
        for minor in MINOR
    }


def _by_tax(raw: fields.Raw, ending: str) -> Amounts:
    return {
        (head, minor): fields.paise(raw, f"{head}{ending}") if minor == "tx" else 0
        for head in HEADS
        for minor in MINOR
    }


def _entry(raw: fields.Raw, context: Context, read: Callable[[fields.Raw], Amounts]) -> dict[str, Any]:
    amounts = read(raw)
    kind = fields.text(raw, "tr_typ", required=True)
    up, down = _SIGNS[context.section]
    if kind not in (up, down):
        raise ValueError("tr_typ is neither Cr nor Dr")
    total = sum(amounts.values())
    return {
        "period": context.unit_period,
        "section": context.section,
        "entry_on": fields.day(raw, "dpt_dt" if "dpt_dt" in raw else "dt", required=True),
        "reference": fields.text(raw, "refNo" if "refNo" in raw else "ref_no"),
        "entry_type": kind,
        "description": fields.text(raw, "desc"),
        "return_period": fields.text(raw, "ret_period"),
        "reported_on": fields.day(raw, "rpt_dt"),
        "deposit_time": fields.text(raw, "dpt_time"),
        "discharge_type": fields.text(raw, "dschrg_typ"),
        **{f"{head}_{MINOR[minor]}_paise": amount for (head, minor), amount in amounts.items()},
        "total_paise": fields.paise(raw, "tot_tr_amt"),
        "effect_paise": total if kind == up else -total,
        "balance_paise": fields.paise(raw, "tot_rng_bal"),
    }


def _entries(ledger: fields.Raw, context: Context, read: Callable[[fields.Raw], Amounts]) -> Iterable[Record]:
    found = [
        fields.row("gst__ledger_entry", raw, partial(_entry, raw, context, read))
        for raw in fields.items(ledger, "tr")
    ]
    key = ("section", "entry_on", "reference", "entry_type", "description", "return_period")
    return fields.number_occurrences(found, key)


def _balances(
    source: fields.Raw,
    context: Context,
    names: tuple[str, str],
    read: Callable[[], Amounts],
    return_period: str = "",
) -> Iterable[Record]:
    """Yield a record per head, or one with a problem when the balance cannot be read."""
    ledger, kind = names
    try:
        amounts = read()
    except ValueError as error:
        yield Record("gst__ledger_balance", {"source_row": source}, problem=str(error))
        return
    for head in HEADS:
        values = {f"{MINOR[minor]}_paise": amounts[head, minor] for minor in MINOR}
        yield Record(
            "gst__ledger_balance",
            {
                "period": context.unit_period,
                "section": context.section,
                "ledger": ledger,
                "kind": kind,
                "head": head.upper(),
                "return_period": return_period,
                **values,
                "total_paise": sum(values.values()),
            },
        )


def _range_balances(
    ledger: fields.Raw, context: Context, name: str, read: Callable[[fields.Raw], Amounts]
) -> Iterable[Record]:
    for field, kind in (("op_bal", "OPENING"), ("cl_bal", "CLOSING")):
        source = fields.obj(ledger, field)
        if source:
            yield from _balances(source, context, (name, kind), partial(read, source))


def _cash_bal(raw: fields.Raw) -> Amounts:
    return _by_buckets(raw, "bal")


def _itc_amount(raw: fields.Raw) -> Amounts:
    return _by_tax(raw, "TaxAmt")


def _itc_bal(raw: fields.Raw) -> Amounts:
    return _by_tax(raw, "TaxBal")


def _cash(payload: Any, context: Context) -> Iterable[Record]:
    yield from _entries(payload, context, _by_buckets)
    yield from _range_balances(payload, context, "CASH", _cash_bal)


def _itc(payload: Any, context: Context) -> Iterable[Record]:
    ledger = fields.obj(payload, "itcLdgDtls")
    yield from _entries(ledger, context, _itc_amount)
    yield from _range_balances(ledger, context, "ITC", _itc_bal)
    for raw in fields.items(fields.obj(payload, "provCrdBalList"), "provCrdBal"):
        yield from _balances(
            raw,
            context,
            ("ITC", "PROVISIONAL"),
            partial(_by_tax, raw, "ProCrBal"),
            fields.text(raw, "ret_period"),
        )


def _tax(payload: Any, context: Context) -> Iterable[Record]:
    yield from _entries(payload, context, _by_buckets)
    yield from _range_balances(payload, context, "TAX", _cash_bal)


def _bal(payload: Any, context: Context) -> Iterable[Record]:
    cash = fields.obj(payload, "cash_bal")
    if cash:
        yield from _balances(cash, context, ("CASH", "NOW"), partial(_by_buckets, cash))
    for field, ending, kind in (("itc_bal", "_bal", "NOW"), ("itc_blck_bal", "_blck_bal", "BLOCKED")):
        source = fields.obj(payload, field)
        if source:
            yield from _balances(source, context, ("ITC", kind), partial(_by_tax, source, ending))


def _itc_ledger(payload: Any) -> fields.Raw:
    return fields.obj(payload, "itcLdgDtls") if "itcLdgDtls" in payload else payload


def _same_taxpayer(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    ledger = _itc_ledger(payload)
    found = fields.identity(
        context,
        fields.text(ledger, "gstin"),
        fields.text(ledger, "ret_period") if context.section == "tax" else None,
        f"the ledger {context.section}",
    )
    start, end, month = fields.day(ledger, "fr_dt"), fields.day(ledger, "to_dt"), context.period
    if month is not None and (
        (start is not None and start != month.first_day) or (end is not None and end > month.last_day)
    ):
        found.append(
            Finding(
                "IDENTITY_MISMATCH", f"The ledger {context.section} covers other days than the month {month}."
            )
        )
    return found


def _conserved(payload: Any, records: Sequence[Record], context: Context) -> Iterable[Finding]:
    """G7: opening + what raises - what lowers = closing, for every head and minor head.

    The liability ledger has no opening: an opening of zero is required only when the entries start at one.
    """
    if any(one.problem is not None for one in records):
        return []
    ledger = _itc_ledger(payload)
    if context.section == "tax" and not _starts_at_zero(ledger):
        return []
    opening, closing = _kind(records, "OPENING"), _kind(records, "CLOSING")
    if not closing or (not opening and context.section != "tax"):
        return []
    up = _SIGNS[context.section][0]
    off = []
    for head in HEADS:
        for name in MINOR.values():
            column = f"{head}_{name}_paise"
            moved = sum(
                one.values[column] * (1 if one.values["entry_type"] == up else -1)
                for one in records
                if one.table == "gst__ledger_entry"
            )
            if opening.get((head.upper(), name), 0) + moved != closing[head.upper(), name]:
                off.append(f"{head.upper()} {name}")
    if not off:
        return []
    return [
        Finding(
            "TOTALS_DISAGREE",
            f"In the ledger {context.section}, opening plus credits less debits does not give the closing balance "
            f"for {', '.join(off)}.",
        )
    ]


def _starts_at_zero(ledger: fields.Raw) -> bool:
    """Whether the balance before the first entry of a liability ledger was zero, so that it can be summed."""
    rows = fields.items(ledger, "tr")
    if not rows:
        return False
    first = rows[0]
    return (
        fields.paise(first, "tot_rng_bal") == sum(_by_buckets(first).values()) and first.get("tr_typ") == "Dr"
    )


def _kind(records: Sequence[Record], kind: str) -> Amounts:
    return {
        (one.values["head"], name): one.values[f"{name}_paise"]
        for one in records
        if one.table == "gst__ledger_balance" and one.values.get("kind") == kind
        for name in MINOR.values()
    }


def _window(asking: Asking) -> dict[str, str]:
    """Ask the whole month, at most until today: a day in the future is refused (LG9089)."""
    if asking.period is None:
        raise ValueError("a ledger is asked for a month")
    end = min(asking.period.last_day, asking.today)
    return {"fr_dt": f"{asking.period.first_day:%d/%m/%Y}", "to_dt": f"{end:%d/%m/%Y}"}


def _month(asking: Asking) -> dict[str, str]:
    return {"ret_period": str(asking.period)}


def _closed_window(ledger: str) -> SkipRule:
    wait = SETTLED_AFTER[ledger]

    def rule(asking: Asking, section: Section) -> Skip | None:
        memory = asking.memory.get(section.name)
        if asking.period is None or memory is None or not proven(memory):
            return None
        read_on = memory.asked_at.astimezone(INDIA).date()
        if read_on <= asking.period.last_day + wait:
            return None
        days = f" and {wait.days} days for deposits that banks report late" if wait else ""
        return Skip(
            SkipKind.FINAL,
            f"a ledger only grows by entries of the day; the month ended on {asking.period.last_day:%d-%m-%Y}{days}, "
            f"and this was read after that on {read_on:%d-%m-%Y}",
        )

    return rule


def _only_newest(asking: Asking, _: Section) -> Skip | None:
    if asking.period is None or asking.period >= newest_open(asking.today):
        return None
    return Skip(
        SkipKind.NOT_APPLICABLE,
        "the portal gives the balances of today whatever month is asked; they are read with the newest month only",
    )


def _without_dates(payload: Any) -> str | None:
    """Identify a window by its content, so that only its end moving on by a day is no change."""
    ledger = {name: value for name, value in _itc_ledger(payload).items() if name != "to_dt"}
    rest = {name: value for name, value in payload.items() if name == "provCrdBalList"}
    text = json.dumps([ledger, rest], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


_ENTRY_KEY = (
    "period",
    "section",
    "entry_on",
    "reference",
    "entry_type",
    "description",
    "return_period",
    "occurrence",
)
_BALANCE_KEY = ("period", "section", "ledger", "kind", "head", "return_period")

ENTRIES = TableSpec(
    name="gst__ledger_entry",
    row=EntryRow,
    key=_ENTRY_KEY,
    scope=("period", "section"),
    description="Postings of the cash, credit and liability ledgers, one row per line of the portal.",
    checks=(
        Check(
            "GST-LG-E01",
            CheckKind.UNIQUE,
            _ENTRY_KEY,
            OnBreach.REJECT_ROW,
            "The same posting stands twice.",
            source="Equal lines are numbered, so two rows never share a key.",
        ),
        Check(
            "GST-LG-E02",
            CheckKind.WITHIN,
            (),
            OnBreach.WARN,
            "The total of the posting is not the sum of its heads.",
            {
                "terms": {
                    "total_paise": 1,
                    **{f"{head}_{name}_paise": -1 for head in HEADS for name in MINOR.values()},
                },
                "tolerance": 0,
            },
            source="GSTN API: tot_tr_amt is the total of the transaction.",
        ),
    ),
)

BALANCES = TableSpec(
    name="gst__ledger_balance",
    row=BalanceRow,
    key=_BALANCE_KEY,
    scope=("period", "section"),
    description="Opening, closing and present balances of the ledgers by head.",
    checks=(
        Check(
            "GST-LG-B01",
            CheckKind.UNIQUE,
            _BALANCE_KEY,
            OnBreach.REJECT_ROW,
            "The same balance stands twice.",
            source="GSTN API: one balance per head.",
        ),
    ),
)


def _recognise(payload: Any) -> str | None:
    if not isinstance(payload, Mapping):
        return None
    if "itcLdgDtls" in payload:
        return "credit ledger"
    if "cash_bal" in payload and "itc_bal" in payload:
        return "ledger balances"
    if "tr" in payload and "cl_bal" in payload:
        return "liability ledger" if "ret_period" in payload else "cash ledger"
    return None


def _identity(payload: Any) -> tuple[str | None, str | None]:
    ledger = _itc_ledger(payload)
    start = fields.day(ledger, "fr_dt")
    month = fields.text(ledger, "ret_period") or (f"{start:%m%Y}" if start else "")
    return fields.text(ledger, "gstin") or None, month or None


def _split(payload: Any) -> Iterable[tuple[str, Any]]:
    names = {
        "credit ledger": "itc",
        "ledger balances": "bal",
        "liability ledger": "tax",
        "cash ledger": "cash",
    }
    label = _recognise(payload)
    if label is not None:
        yield names[label], payload


_BOTH = ("gst__ledger_entry", "gst__ledger_balance")
_LEDGER_CHECKS = (_same_taxpayer, _conserved)

MODULE = Module(
    name="ledgers",
    title="Ledgers",
    sections=(
        Section(
            name="cash",
            endpoint="ledgers.cash",
            parse=_cash,
            tables=_BOTH,
            params=_window,
            skip=(_closed_window("cash"),),
            integrity=(*_LEDGER_CHECKS, only_known(SHAPES["cash"], "the ledger cash")),
            checksum=_without_dates,
        ),
        Section(
            name="itc",
            endpoint="ledgers.itc",
            parse=_itc,
            tables=_BOTH,
            params=_window,
            skip=(_closed_window("itc"),),
            integrity=(*_LEDGER_CHECKS, only_known(SHAPES["itc"], "the ledger itc")),
            checksum=_without_dates,
        ),
        Section(
            name="tax",
            endpoint="ledgers.tax",
            parse=_tax,
            tables=_BOTH,
            params=_month,
            skip=(
                final_once_filed(
                    "GSTR3B",
                    "the return posts the liability of its period, what comes later is posted with later returns",
                    needs_rows=True,
                ),
            ),
            integrity=(*_LEDGER_CHECKS, only_known(SHAPES["tax"], "the ledger tax")),
        ),
        Section(
            name="bal",
            endpoint="ledgers.bal",
            parse=_bal,
            tables=("gst__ledger_balance",),
            params=_month,
            skip=(_only_newest,),
            integrity=(_same_taxpayer, only_known(SHAPES["bal"], "the ledger balances")),
        ),
    ),
    tables=(ENTRIES, BALANCES),
    files=HandFile(
        recognise=_recognise, identity=_identity, split=_split, needs=("cash", "itc", "tax", "bal")
    ),
    naive_calls=4,
)
