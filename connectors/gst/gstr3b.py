"""GSTR-3B: the filed return (RETSUM), what the portal computed for it (AUTOLIAB), and its balances when wanted.

Both fill one table of lines by table number, so the return can be compared with the portal's own figures line by
line. Invariant: a return whose net credit is not the available less the reversed credit is not loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from clientsync.periods import Period
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
    TableSpec,
)
from connectors.gst import fields
from connectors.gst.shapes import leaves, only_known
from connectors.gst.skips import final_once_filed, only_with

HEADS = {"igst": "iamt", "cgst": "camt", "sgst": "samt", "cess": "csamt"}
"""Our names of the heads and the portal's."""

SUPPLIES = {
    "osup_det": "3.1(a)",
    "osup_zero": "3.1(b)",
    "osup_nil_exmp": "3.1(c)",
    "isup_rev": "3.1(d)",
    "osup_nongst": "3.1(e)",
}
ECOMMERCE = {"eco_sup": "3.1.1(i)", "eco_reg_sup": "3.1.1(ii)"}
AUTO = {
    "osup_3_1a": "3.1(a)",
    "osup_3_1b": "3.1(b)",
    "osup_3_1c": "3.1(c)",
    "isup_3_1d": "3.1(d)",
    "osup_3_1e": "3.1(e)",
    "esup_3_1_1a": "3.1.1(i)",
    "esup_3_1_1b": "3.1.1(ii)",
    "itc4a1": "4(A)(1)",
    "itc4a2": "4(A)(2)",
    "itc4a3": "4(A)(3)",
    "itc4a4": "4(A)(4)",
    "itc4a5": "4(A)(5)",
    "itc4b1": "4(B)(1)",
    "itc4b2": "4(B)(2)",
    "itc4d1": "4(D)(1)",
    "itc4d2": "4(D)(2)",
}
_AVAILABLE = {"IMPG": "4(A)(1)", "IMPS": "4(A)(2)", "ISRC": "4(A)(3)", "ISD": "4(A)(4)", "OTH": "4(A)(5)"}
CREDIT = {
    "itc_avl": _AVAILABLE,
    "itc_rev": {"RUL": "4(B)(1)", "OTH": "4(B)(2)"},
    "itc_inelg": {"RUL": "4(D)(1)", "OTH": "4(D)(2)"},
}
INTER_STATE = ("unreg_details", "comp_details", "uin_details")

_TAXES = leaves("txval iamt camt samt csamt")
_SUPPLY = dict.fromkeys(SUPPLIES, _TAXES)
_POS = leaves("pos txval iamt")
_CREDIT = leaves("ty iamt camt samt csamt")
_PAY = {
    **leaves("liab_ldg_id trans_typ tran_desc trancd trandesc ret_period"),
    **{head: leaves("tx intr fee") for head in HEADS},
    **leaves("ipd cpd spd cspd i_intrpd c_intrpd s_intrpd cs_intrpd c_lfeepd s_lfeepd"),
    **leaves("i_pdi i_pdc i_pds c_pdi c_pdc s_pdi s_pds cs_pdcs"),
}
RETURN_SHAPE = {
    **leaves("gstin ret_period"),
    "sup_details": _SUPPLY,
    "eco_dtls": dict.fromkeys(ECOMMERCE, _TAXES),
    "inter_sup": dict.fromkeys(INTER_STATE, _POS),
    "itc_elg": {**dict.fromkeys(CREDIT, _CREDIT), "itc_net": _CREDIT},
    "inward_sup": {"isup_details": leaves("ty inter intra")},
    "intr_ltfee": {"intr_details": _TAXES, "ltfee_details": _TAXES},
    "tx_pmt": dict.fromkeys(
        ("tx_py", "pdcash", "pditc", "adjnegliab", "nettaxpay", "net_tax_pay", "pdnls"), _PAY
    ),
    "liab_breakup": {
        "ret_period": None,
        "liability": leaves("iamt camt samt csamt igst cgst sgst cess"),
    },
}
_TABLES = {"tbl*": {**_TAXES, "pos": None}, "itc*": _TAXES}
_BLOCK = {"subtotal": {**_TAXES, "pos": None}, "det": _TABLES, "det_q": _TABLES}
AUTO_SHAPE = {
    **leaves("gstin ret_period error"),
    "r3bautopop": {
        **leaves("r1fildt r2bgendt r3bgendt"),
        "liabitc": {
            **leaves("gstin ret_period"),
            "sup_details": dict.fromkeys(AUTO, _BLOCK),
            "inter_sup": {"osup_*": _BLOCK},
            "elgitc": dict.fromkeys(AUTO, _BLOCK),
        },
    },
}
INTEREST_SHAPE = {
    **leaves("gstin ret_period aato duedate"),
    "rates": leaves("start_dt end_dt rate delay interest"),
}
_FOUR = leaves("igst cgst sgst cess")
BALANCE_SHAPE = {**leaves("gstin ret_period"), "opnbal": _FOUR, "clsbal": _FOUR}
SMALL = ("retint", "closingbal", "openingbal", "rcmclosingbal", "rcmopnbal")


class LineRow(Row):
    """One line of a GSTR-3B table."""

    period: str = columns.text("Return period, MMYYYY", length=6)
    section: str = columns.text("Section that answered: retsum, autoliab, closingbal, …", length=20)
    statement: str = columns.text("RETSUM as filed, AUTOLIAB as the portal computed, or BALANCE", length=10)
    table_no: str = columns.text("Table of the form, for example 3.1(a) or 4(A)(5)", length=20)
    line_code: str = columns.text("The portal's name of the line, raw", length=60)
    pos: str = columns.text("Place of supply, table 3.2 only", length=5)
    occurrence: int = columns.number("Number among lines that are equal in all the above")
    taxable_paise: int = columns.amount("Taxable value")
    igst_paise: int = columns.amount("IGST")
    cgst_paise: int = columns.amount("CGST")
    sgst_paise: int = columns.amount("SGST")
    cess_paise: int = columns.amount("Cess")
    inter_state_paise: int = columns.amount("Inter-State value, table 5 only")
    intra_state_paise: int = columns.amount("Intra-State value, table 5 only")


class PaymentRow(Row):
    """One row of liability or payment of table 6.1."""

    period: str = columns.text("Return period, MMYYYY", length=6)
    section: str = columns.text("Section that answered", length=20)
    kind: str = columns.text(
        "The portal's list, raw: tx_py, pdcash, pditc, adjnegliab, nettaxpay, …", length=20
    )
    transaction_type: str = columns.text("Type of transaction, raw (trans_typ)", length=20)
    description: str = columns.text("Description of the transaction as the portal has it", length=255)
    liability_id: str = columns.text("Id of the liability (liab_ldg_id)", length=40)
    occurrence: int = columns.number("Number among rows that are equal in all the above")
    igst_tax_paise: int = columns.amount("IGST: tax owed or paid in cash")
    igst_interest_paise: int = columns.amount("IGST: interest owed or paid in cash")
    igst_fee_paise: int = columns.amount("IGST: late fee owed or paid in cash")
    cgst_tax_paise: int = columns.amount("CGST: tax owed or paid in cash")
    cgst_interest_paise: int = columns.amount("CGST: interest owed or paid in cash")
    cgst_fee_paise: int = columns.amount("CGST: late fee owed or paid in cash")
    sgst_tax_paise: int = columns.amount("SGST: tax owed or paid in cash")
    sgst_interest_paise: int = columns.amount("SGST: interest owed or paid in cash")
    sgst_fee_paise: int = columns.amount("SGST: late fee owed or paid in cash")
    cess_tax_paise: int = columns.amount("CESS: tax owed or paid in cash")
    cess_interest_paise: int = columns.amount("CESS: interest owed or paid in cash")
    cess_fee_paise: int = columns.amount("CESS: late fee owed or paid in cash")
    igst_by_igst_paise: int = columns.amount("IGST liability paid out of IGST credit")
    igst_by_cgst_paise: int = columns.amount("IGST liability paid out of CGST credit")
    igst_by_sgst_paise: int = columns.amount("IGST liability paid out of SGST credit")
    cgst_by_igst_paise: int = columns.amount("CGST liability paid out of IGST credit")
    cgst_by_cgst_paise: int = columns.amount("CGST liability paid out of CGST credit")
    sgst_by_igst_paise: int = columns.amount("SGST liability paid out of IGST credit")
    sgst_by_sgst_paise: int = columns.amount("SGST liability paid out of SGST credit")
    cess_by_cess_paise: int = columns.amount("CESS liability paid out of CESS credit")


class InterestRow(Row):
    """What the portal says of interest, turnover and due date of a return."""

    period: str = columns.text("Return period, MMYYYY", length=6)
    section: str = columns.text("Section that answered", length=20)
    line: int = columns.number("0 for the head, then the interest spells in order")
    due_on: date | None = columns.day("Due date as the portal has it", default=None)
    turnover_paise: int = columns.amount("Aggregate annual turnover (aato)")
    start_on: date | None = columns.day("First day of the spell", default=None)
    end_on: date | None = columns.day("Last day of the spell", default=None)
    interest_rate_bp: int | None = columns.number("Rate of interest", default=None, unit="basis points")
    delay_days: int = columns.number("Days of delay", unit="days")
    interest_paise: int = columns.amount("Interest of the spell")


def _line(context: Context, raw: fields.Raw, place: tuple[str, str, str]) -> dict[str, Any]:
    statement, table_no, code = place
    return {
        "period": context.unit_period,
        "section": context.section,
        "statement": statement,
        "table_no": table_no,
        "line_code": code,
        "pos": fields.text(raw, "pos"),
        "taxable_paise": fields.paise(raw, "txval"),
        **{f"{head}_paise": fields.paise(raw, name) for head, name in HEADS.items()},
        "inter_state_paise": fields.paise(raw, "inter"),
        "intra_state_paise": fields.paise(raw, "intra"),
    }


def _numbered(found: Iterable[Record]) -> Iterable[Record]:
    lines = ("section", "statement", "table_no", "line_code", "pos")
    payments = ("section", "kind", "transaction_type", "description", "liability_id")
    found = list(found)
    for table, key in (("gst__gstr3b_line", lines), ("gst__gstr3b_payment", payments)):
        yield from fields.number_occurrences((one for one in found if one.table == table), key)


def _put(context: Context, raw: Any, place: tuple[str, str, str]) -> Record:
    return fields.row("gst__gstr3b_line", raw, partial(_line, context, raw, place))


def _retsum(payload: Any, context: Context) -> Iterable[Record]:
    return _numbered([*_return_lines(payload, context), *_payments(payload, context)])


def _return_lines(payload: fields.Raw, context: Context) -> Iterable[Record]:
    for block, names in (("sup_details", SUPPLIES), ("eco_dtls", ECOMMERCE)):
        found = fields.obj(payload, block)
        for name, raw in found.items():
            if raw is not None and (name in names or isinstance(raw, Mapping)):
                yield _put(context, raw, ("RETSUM", names.get(name, ""), name))
    for name, rows in fields.obj(payload, "inter_sup").items():
        for raw in rows if isinstance(rows, list) else []:
            yield _put(context, raw, ("RETSUM", "3.2", name))
    credit = fields.obj(payload, "itc_elg")
    for name, numbers in CREDIT.items():
        for raw in fields.items(credit, name):
            kind = str(raw.get("ty") or "") if isinstance(raw, Mapping) else ""
            yield _put(context, raw, ("RETSUM", numbers.get(kind, ""), f"{name}.{kind}"))
    if credit.get("itc_net") is not None:
        yield _put(context, credit["itc_net"], ("RETSUM", "4(C)", "itc_net"))
    for raw in fields.items(fields.obj(payload, "inward_sup"), "isup_details"):
        kind = str(raw.get("ty") or "") if isinstance(raw, Mapping) else ""
        yield _put(context, raw, ("RETSUM", "5", f"isup_details.{kind}"))
    for name, raw in fields.obj(payload, "intr_ltfee").items():
        if isinstance(raw, Mapping):
            yield _put(context, raw, ("RETSUM", "5.1", name))
    for raw in fields.items(payload, "liab_breakup"):
        yield fields.row("gst__gstr3b_line", raw, partial(_breakup, context, raw))


def _breakup(context: Context, raw: fields.Raw) -> dict[str, Any]:
    """Read the liability that the return declares for an earlier month."""
    liability = fields.obj(raw, "liability")
    month = fields.month(raw, "ret_period")
    values = _line(context, {}, ("RETSUM", "breakup", f"liab_breakup.{month}"))
    for head, short in HEADS.items():
        values[f"{head}_paise"] = fields.paise(liability, short if short in liability else head)
    return values


def _payments(payload: fields.Raw, context: Context) -> Iterable[Record]:
    """Yield a record per row of table 6.1, whichever list it stands in."""
    for kind, rows in fields.obj(payload, "tx_pmt").items():
        for raw in rows if isinstance(rows, list) else [rows]:
            if isinstance(raw, Mapping) or isinstance(rows, list):
                yield fields.row("gst__gstr3b_payment", raw, partial(_payment, context, raw, kind))


CASH_FIELDS = {
    "igst": ("ipd", "i_intrpd", ""),
    "cgst": ("cpd", "c_intrpd", "c_lfeepd"),
    "sgst": ("spd", "s_intrpd", "s_lfeepd"),
    "cess": ("cspd", "cs_intrpd", ""),
}
"""Per head: the portal's fields of tax, interest and late fee paid in cash."""

CREDIT_USE = {
    "i_pdi": "igst_by_igst",
    "i_pdc": "igst_by_cgst",
    "i_pds": "igst_by_sgst",
    "c_pdi": "cgst_by_igst",
    "c_pdc": "cgst_by_cgst",
    "s_pdi": "sgst_by_igst",
    "s_pds": "sgst_by_sgst",
    "cs_pdcs": "cess_by_cess",
}
"""The portal's fields of liability X paid out of credit Y, and our names."""


def _payment(context: Context, raw: fields.Raw, kind: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "period": context.unit_period,
        "section": context.section,
        "kind": kind,
        "transaction_type": fields.text(raw, "trans_typ" if "trans_typ" in raw else "trancd"),
        "description": fields.text(raw, "tran_desc" if "tran_desc" in raw else "trandesc"),
        "liability_id": fields.text(raw, "liab_ldg_id"),
    }
    for head, paid in CASH_FIELDS.items():
        owed = fields.obj(raw, head)
        for column, owed_name, paid_name in zip(
            ("tax", "interest", "fee"), ("tx", "intr", "fee"), paid, strict=True
        ):
            amount = fields.paise(raw, paid_name) if paid_name in raw else fields.paise(owed, owed_name)
            values[f"{head}_{column}_paise"] = amount
    for name, column in CREDIT_USE.items():
        values[f"{column}_paise"] = fields.paise(raw, name)
    return values


def _autoliab(payload: Any, context: Context) -> Iterable[Record]:
    body = fields.obj(fields.obj(payload, "r3bautopop"), "liabitc")
    found: list[Record] = []
    for block in ("sup_details", "elgitc"):
        for name, raw in fields.obj(body, block).items():
            if isinstance(raw, Mapping) and raw.get("subtotal") is not None:
                found.append(_put(context, raw["subtotal"], ("AUTOLIAB", AUTO.get(name, ""), name)))
            elif name in AUTO and raw is not None and not isinstance(raw, Mapping):
                found.append(_put(context, raw, ("AUTOLIAB", AUTO[name], name)))
    for name, raw in fields.obj(body, "inter_sup").items():
        rows = raw.get("subtotal") if isinstance(raw, Mapping) else None
        for one in rows if isinstance(rows, list) else [rows]:
            if one is not None:
                found.append(_put(context, one, ("AUTOLIAB", "3.2", name)))
    return _numbered(found)


def _balance(payload: Any, context: Context) -> Iterable[Record]:
    found = []
    for name, raw in payload.items():
        if isinstance(raw, Mapping):
            make = partial(_balance_line, context, raw, name)
            found.append(fields.row("gst__gstr3b_line", raw, make))
    return _numbered(found)


def _balance_line(context: Context, raw: fields.Raw, name: str) -> dict[str, Any]:
    values = _line(context, {}, ("BALANCE", "", name))
    return values | {f"{head}_paise": fields.paise(raw, head) for head in HEADS}


def _interest(payload: Any, context: Context) -> Iterable[Record]:
    rates = fields.items(payload, "rates")
    yield fields.row("gst__gstr3b_interest", payload, partial(_spell, payload, {}, context, 0))
    for line, raw in enumerate(rates, start=1):
        yield fields.row("gst__gstr3b_interest", raw, partial(_spell, {}, raw, context, line))


def _spell(head: fields.Raw, raw: fields.Raw, context: Context, line: int) -> dict[str, Any]:
    return {
        "period": context.unit_period,
        "section": context.section,
        "line": line,
        "due_on": fields.day(head, "duedate"),
        "turnover_paise": fields.paise(head, "aato"),
        "start_on": fields.day(raw, "start_dt"),
        "end_on": fields.day(raw, "end_dt"),
        "interest_rate_bp": fields.rate_bp(raw, "rate"),
        "delay_days": fields.whole(raw, "delay"),
        "interest_paise": fields.paise(raw, "interest"),
    }


def _same_return(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    return fields.identity(
        context, fields.text(payload, "gstin"), fields.text(payload, "ret_period"), "GSTR-3B"
    )


def _net_credit(_: Any, records: Sequence[Record], __: Context) -> Iterable[Finding]:
    """G2: net credit = available less reversed, per head; nothing is said when a line could not be read."""
    lines = [one.values for one in records if one.table == "gst__gstr3b_line" and one.problem is None]
    net = [one for one in lines if one["line_code"] == "itc_net"]
    if not net or any(one.problem is not None for one in records):
        return []
    off = []
    for head in HEADS:
        column = f"{head}_paise"
        available = sum(one[column] for one in lines if one["line_code"].startswith("itc_avl."))
        reversed_ = sum(one[column] for one in lines if one["line_code"].startswith("itc_rev."))
        if net[0][column] != available - reversed_:
            off.append(head.upper())
    if not off:
        return []
    return [
        Finding(
            "TOTALS_DISAGREE",
            f"In GSTR-3B, net credit is not available less reversed credit for {', '.join(off)}.",
        )
    ]


_LINE_KEY = ("period", "section", "statement", "table_no", "line_code", "pos", "occurrence")
_PAYMENT_KEY = (
    "period",
    "section",
    "kind",
    "transaction_type",
    "description",
    "liability_id",
    "occurrence",
)

LINES = TableSpec(
    name="gst__gstr3b_line",
    row=LineRow,
    key=_LINE_KEY,
    scope=("period", "section"),
    description="Lines of GSTR-3B by table number, as filed and as the portal computed them.",
    checks=(
        Check(
            "GST-3B-L01",
            CheckKind.UNIQUE,
            _LINE_KEY,
            OnBreach.REJECT_ROW,
            "The same line stands twice.",
            source="Equal lines are numbered, so two rows never share a key.",
        ),
        Check(
            "GST-3B-L02",
            CheckKind.EQUAL_COLUMNS,
            ("cgst_paise", "sgst_paise"),
            OnBreach.WARN,
            "CGST and SGST differ.",
            source="ss. 9 CGST and SGST Acts: equal rates; reversals and rounding may differ.",
        ),
    ),
)

PAYMENTS = TableSpec(
    name="gst__gstr3b_payment",
    row=PaymentRow,
    key=_PAYMENT_KEY,
    scope=("period", "section"),
    description="Liability and its payment in cash and by credit (table 6.1 of GSTR-3B).",
    checks=(
        Check(
            "GST-3B-P01",
            CheckKind.UNIQUE,
            _PAYMENT_KEY,
            OnBreach.REJECT_ROW,
            "The same row stands twice.",
            source="Equal rows are numbered, so two rows never share a key.",
        ),
    ),
)

INTEREST = TableSpec(
    name="gst__gstr3b_interest",
    row=InterestRow,
    key=("period", "section", "line"),
    scope=("period", "section"),
    description="Interest spells, turnover and due date that the portal holds for a GSTR-3B (RETINT).",
    checks=(
        Check(
            "GST-3B-I01",
            CheckKind.UNIQUE,
            ("period", "section", "line"),
            OnBreach.REJECT_ROW,
            "The same spell stands twice.",
            source="Spells are numbered in their order.",
        ),
    ),
)


def _not_before(period: Period) -> date:
    return period.next().first_day


def _not_applicable(asking: Asking) -> str | None:
    """Say that a quarterly filer has no GSTR-3B for the first two months, unless the register has one filed."""
    period = asking.period
    if asking.frequency != "Q" or period is None or period.is_quarter_end or asking.filed("GSTR3B"):
        return None
    return "a quarterly filer has no GSTR-3B for the first two months of a quarter"


def _recognise(payload: Any) -> str | None:
    if not isinstance(payload, Mapping):
        return None
    if "r3bautopop" in payload:
        return "GSTR-3B computed by the portal"
    return "GSTR-3B" if "sup_details" in payload and "itc_elg" in payload else None


def _identity(payload: Any) -> tuple[str | None, str | None]:
    body = fields.obj(fields.obj(payload, "r3bautopop"), "liabitc")
    gstin = fields.text(payload, "gstin") or fields.text(body, "gstin")
    return gstin or None, fields.text(payload, "ret_period") or fields.text(body, "ret_period") or None


def _split(payload: Any) -> Iterable[tuple[str, Any]]:
    yield ("autoliab" if "r3bautopop" in payload else "retsum"), payload


_FINAL = final_once_filed("GSTR3B", "a filed GSTR-3B cannot be revised", needs_rows=True)
_OFF = only_with(
    "gstr3b_balances", "interest and the balances of reversed and reverse-charge credit are optional"
)


def _small(name: str) -> Section:
    return Section(
        name=name,
        endpoint=f"gstr3b.{name}",
        parse=_balance,
        tables=("gst__gstr3b_line",),
        skip=(_OFF, _FINAL),
        integrity=(_same_return, only_known(BALANCE_SHAPE, f"GSTR-3B {name}")),
    )


MODULE = Module(
    name="gstr3b",
    title="GSTR-3B",
    sections=(
        Section(
            name="retsum",
            endpoint="gstr3b.retsum",
            parse=_retsum,
            tables=("gst__gstr3b_line", "gst__gstr3b_payment"),
            skip=(_FINAL,),
            integrity=(_same_return, _net_credit, only_known(RETURN_SHAPE, "GSTR-3B")),
        ),
        Section(
            name="autoliab",
            endpoint="gstr3b.autoliab",
            parse=_autoliab,
            tables=("gst__gstr3b_line",),
            skip=(_FINAL,),
            integrity=(
                _same_return,
                only_known(AUTO_SHAPE, "GSTR-3B computed by the portal"),
            ),
        ),
        Section(
            name="retint",
            endpoint="gstr3b.retint",
            parse=_interest,
            tables=("gst__gstr3b_interest",),
            skip=(_OFF, _FINAL),
            integrity=(
                _same_return,
                only_known(INTEREST_SHAPE, "GSTR-3B interest"),
            ),
        ),
        *(_small(name) for name in SMALL[1:]),
    ),
    tables=(LINES, PAYMENTS, INTEREST),
    not_before=_not_before,
    not_applicable=_not_applicable,
    files=HandFile(recognise=_recognise, identity=_identity, split=_split, needs=("retsum", "autoliab")),
    naive_calls=2,
)
