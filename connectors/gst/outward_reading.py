"""Reading the sections of GSTR-1 and GSTR-1A: both forms have the same shapes.

Section names are ours; ``PAYLOAD_KEYS`` says under which key the portal answers. Invariant: every row of a payload
becomes exactly one record of its own table (documents also one per line), or one with a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from clientsync.spec.module import Context, Record
from connectors.gst import fields
from connectors.gst.documents import (
    document_figures,
    item_records,
    lines_of,
    nested,
    note_type,
    row_list,
    section_rows,
    taxes,
    written,
)
from connectors.gst.outward_summary import SECTIONS
from connectors.gst.outward_tables import OutwardTables

PAYLOAD_KEYS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in SECTIONS},
    "txpd": ("txpd", "txp"),
    "txpda": ("txpda", "txpa"),
}
INVOICES = ("b2b", "b2ba", "b2cl", "b2cla", "exp", "expa")
NOTES = ("cdnr", "cdnra")
NOTES_ALONE = ("cdnur", "cdnura")
ECO_DOCUMENTS = ("b2b", "b2ba", "urp2b", "urp2ba")
ECO_TOTALS = ("b2c", "b2ca", "urp2c", "urp2ca")
HSN_PARTS = ("hsn_b2b", "hsn_b2c", "data")
_KNOWN_NAMES = """
gstin fp ret_period chksum ctin cfs inv nt itms itm_det num inum idt val pos rchrg etin oetin inv_typ
diff_percent flag cflag updby opd srctyp irn irngendate oinum oidt rt txval iamt camt samt csamt sply_ty typ
omon ntty nt_num nt_dt ont_num ont_dt ontty p_gst d_flag exp_typ sbpcode sbnum sbdt expt_amt nil_amt
ngsup_amt ad_amt hsn_sc desc user_desc uqc qty data hsn_b2b hsn_b2c doc_det doc_num doc_typ docs from to
totnum cancel net_issue clttx paytx clttxa paytxa suppval igst cgst sgst cess stin ostin rtin ortin b2c
urp2b urp2c b2ca urp2ba urp2ca b2b b2ba b2cl b2cla b2cs b2csa cdnr cdnra cdnur cdnura exp expa nil at ata
txpd txp txpda txpa hsn doc_issue supeco supecoa ecom ecoma
"""
KNOWN = frozenset(_KNOWN_NAMES.split())
"""Every field that the contract of the sections names, at any depth (GSTN API returns/gstr1 v4.0)."""


def parse_documents(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield the documents of a section of invoices or notes, each followed by its lines."""
    rows = row_list(section_rows(payload, PAYLOAD_KEYS[context.section]), context.section)
    if context.section in NOTES_ALONE:
        pairs: Iterable[tuple[Any, Any]] = ((row, row) for row in rows)
    else:
        pairs = nested(rows, "nt" if context.section in NOTES else "inv")
    for group, document in pairs:
        yield from _with_items(tables, context, "", group, document)


def parse_ecom(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield the documents and the totals that an e-commerce operator reports under section 9(5)."""
    found = section_rows(payload, PAYLOAD_KEYS[context.section])
    lists = fields.obj({"rows": found}, "rows")
    for part in ECO_DOCUMENTS:
        for group, document in nested(fields.items(lists, part), "inv"):
            yield from _with_items(tables, context, part, group, document)
    totals = (
        fields.row(tables.eco.name, row, partial(_eco_total, context, part, row))
        for part in ECO_TOTALS
        for row in fields.items(lists, part)
    )
    yield from fields.number_occurrences(totals, tables.eco.key[:-1])


def _with_items(
    tables: OutwardTables, context: Context, part: str, group: Any, document: Any
) -> Iterator[Record]:
    record = fields.row(tables.document.name, document, partial(_document, context, part, group, document))
    yield record
    yield from item_records(tables.item.name, tables.document.key, record, document)


def _document(context: Context, part: str, group: Any, document: Any) -> dict[str, Any]:
    is_note = context.section in NOTES or context.section in NOTES_ALONE
    kind = note_type(document) if is_note else "INV"
    number, day = ("nt_num", "nt_dt") if is_note else ("inum", "idt")
    issued_on = written(fields.day(document, day, required=True))
    return {
        "period": context.unit_period,
        "section": context.section,
        "part": part,
        "counterparty_gstin": fields.text(group, "ctin") or fields.text(group, "rtin"),
        "supplier_gstin": fields.text(group, "stin"),
        "document_type": kind,
        "document_number": fields.text(document, number, required=True),
        "document_year": fields.financial_year(issued_on),
        "document_on": issued_on,
        "place_of_supply": fields.text(document, "pos") or fields.text(group, "pos"),
        "supply_type": fields.text(document, "inv_typ"),
        "group_type": fields.text(group, "exp_typ") or fields.text(group, "typ"),
        "operator_gstin": fields.text(document, "etin"),
        "is_reverse_charge": fields.yes(document, "rchrg"),
        "is_counterparty_filed": fields.yes(group, "cfs"),
        "is_pre_gst": fields.yes(document, "p_gst"),
        "differential_rate": fields.text(document, "diff_percent"),
        "original_type": fields.text(document, "ontty"),
        "original_number": fields.text(document, f"o{number}"),
        "original_on": fields.day(document, f"o{day}"),
        "original_period": fields.text(document, "opd"),
        "port_code": fields.text(document, "sbpcode"),
        "shipping_bill_number": fields.text(document, "sbnum"),
        "shipping_bill_on": fields.day(document, "sbdt"),
        "source_type": fields.text(document, "srctyp"),
        "irn": fields.text(document, "irn"),
        "irn_on": fields.day(document, "irngendate"),
        "portal_flag": fields.text(document, "flag"),
        "counterparty_flag": fields.text(document, "cflag"),
        "updated_by": fields.text(document, "updby"),
        "checksum": fields.text(document, "chksum"),
        **document_figures(document, -1 if kind == "CN" else 1),
    }


def _eco_total(context: Context, part: str, row: Any) -> dict[str, Any]:
    rate = fields.rate_bp(row, "rt")
    return {
        "period": context.unit_period,
        "section": context.section,
        "part": part,
        "operator_gstin": fields.text(row, "etin"),
        "supplier_gstin": fields.text(row, "stin"),
        "place_of_supply": fields.text(row, "pos"),
        "supply_type": fields.text(row, "sply_ty"),
        "rate": "" if rate is None else str(rate),
        "original_period": fields.month(row, "omon"),
        "rate_bp": rate,
        "original_operator_gstin": fields.text(row, "oetin"),
        "original_supplier_gstin": fields.text(row, "ostin"),
        "checksum": fields.text(row, "chksum"),
        "taxable_paise": fields.paise(row, "txval"),
        **taxes(row),
    }


def parse_supeco(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield what was supplied through e-commerce operators: they collect tax (clttx) or pay it (paytx)."""
    found = section_rows(payload, PAYLOAD_KEYS[context.section])
    lists = fields.obj({"rows": found}, "rows")
    rows = (
        fields.row(tables.eco.name, row, partial(_supeco, context, part, row))
        for part in ("clttx", "paytx", "clttxa", "paytxa")
        for row in fields.items(lists, part)
    )
    yield from fields.number_occurrences(rows, tables.eco.key[:-1])


def _supeco(context: Context, part: str, row: Any) -> dict[str, Any]:
    values = _eco_total(context, part, row)
    values["operator_gstin"] = fields.text(row, "etin", required=True)
    values["taxable_paise"] = fields.paise(row, "suppval")
    for head in ("igst", "cgst", "sgst", "cess"):
        values[f"{head}_paise"] = fields.paise(row, head)
    return values


Reader = Callable[[Context, Any, Any], dict[str, Any]]


def _leaves(table: str, context: Context, rows: Sequence[Any], read: Reader) -> Iterator[Record]:
    """Yield one record for each rate of each row; a row that cannot be read yields one with a problem."""
    for row in rows:
        if not isinstance(row, Mapping) or not isinstance(row.get("itms"), list):
            yield fields.row(table, row, partial(read, context, row, row))
            continue
        try:
            lines = lines_of(row)
        except ValueError as error:
            yield Record(table, {"source_row": row}, problem=str(error))
            continue
        for line in lines:
            yield fields.row(table, {**row, "itms": [line]}, partial(read, context, row, line))


def _rate(line: Any) -> int:
    rate = fields.rate_bp(line, "rt")
    if rate is None:
        raise ValueError("rt is missing")
    return rate


def parse_b2cs(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield sales to consumers, by place and rate."""
    rows = row_list(section_rows(payload, PAYLOAD_KEYS[context.section]), context.section)
    leaves = _leaves(tables.b2cs.name, context, rows, _b2cs)
    yield from fields.number_occurrences(leaves, tables.b2cs.key[:-1])


def _b2cs(context: Context, row: Any, line: Any) -> dict[str, Any]:
    return {
        "period": context.unit_period,
        "section": context.section,
        "original_period": fields.month(row, "omon"),
        "supply_type": fields.text(row, "sply_ty", required=True),
        "kind": fields.text(row, "typ"),
        "operator_gstin": fields.text(row, "etin"),
        "place_of_supply": fields.text(row, "pos"),
        "rate_bp": _rate(line),
        "differential_rate": fields.text(row, "diff_percent"),
        "checksum": fields.text(row, "chksum"),
        "taxable_paise": fields.paise(line, "txval"),
        **taxes(line),
    }


def parse_advances(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield advances received or set off, by place and rate."""
    rows = row_list(section_rows(payload, PAYLOAD_KEYS[context.section]), context.section)
    leaves = _leaves(tables.advance.name, context, rows, _advance)
    yield from fields.number_occurrences(leaves, tables.advance.key[:-1])


def _advance(context: Context, row: Any, line: Any) -> dict[str, Any]:
    return {
        "period": context.unit_period,
        "section": context.section,
        "original_period": fields.month(row, "omon"),
        "place_of_supply": fields.text(row, "pos", required=True),
        "supply_type": fields.text(row, "sply_ty"),
        "rate_bp": _rate(line),
        "differential_rate": fields.text(row, "diff_percent"),
        "checksum": fields.text(row, "chksum"),
        "advance_paise": fields.paise(line, "ad_amt"),
        **taxes(line),
    }


def parse_nil(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield supplies without tax, by kind of buyer."""
    found = fields.obj({"rows": section_rows(payload, PAYLOAD_KEYS["nil"])}, "rows")
    rows = (
        fields.row(tables.nil.name, one, partial(_nil, context, one)) for one in fields.items(found, "inv")
    )
    yield from fields.number_occurrences(rows, tables.nil.key[:-1])


def _nil(context: Context, row: Any) -> dict[str, Any]:
    return {
        "period": context.unit_period,
        "section": context.section,
        "supply_type": fields.text(row, "sply_ty", required=True),
        "exempt_paise": fields.paise(row, "expt_amt"),
        "nil_rated_paise": fields.paise(row, "nil_amt"),
        "non_gst_paise": fields.paise(row, "ngsup_amt"),
    }


def parse_hsn(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield the summary by HSN code: split by kind of buyer from May 2025 on, one list before."""
    found = fields.obj({"rows": section_rows(payload, PAYLOAD_KEYS["hsn"])}, "rows")
    rows = (
        fields.row(tables.hsn.name, row, partial(_hsn, context, part, row))
        for part in HSN_PARTS
        for row in fields.items(found, part)
    )
    yield from fields.number_occurrences(rows, tables.hsn.key[:-1])


def _hsn(context: Context, part: str, row: Any) -> dict[str, Any]:
    rate = fields.rate_bp(row, "rt")
    return {
        "period": context.unit_period,
        "section": context.section,
        "part": part,
        "hsn_code": fields.text(row, "hsn_sc"),
        "unit": fields.text(row, "uqc"),
        "rate": "" if rate is None else str(rate),
        "row_number": fields.whole(row, "num"),
        "rate_bp": rate,
        "description": fields.text(row, "desc"),
        "user_description": fields.text(row, "user_desc"),
        "quantity_thousandths": _thousandths(row, "qty"),
        "value_paise": fields.paise(row, "val"),
        "taxable_paise": fields.paise(row, "txval"),
        **taxes(row),
    }


def _thousandths(row: Any, name: str) -> int:
    """Return a quantity in thousandths; GSTN's schema allows at most three decimals."""
    value = row.get(name)
    if value is None or value == "":
        return 0
    if isinstance(value, bool | float):
        raise ValueError(f"{name} is not an exact number")
    try:
        scaled = Decimal(str(value)) * 1000
    except ArithmeticError as error:
        raise ValueError(f"{name} is not a number") from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"{name} has more than three decimals")
    return int(scaled)


def parse_docs_issued(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield the series of documents issued (table 13)."""
    found = fields.obj({"rows": section_rows(payload, PAYLOAD_KEYS["doc_issue"])}, "rows")
    rows = (
        fields.row(tables.docs_issued.name, row, partial(_docs_issued, context, kind, row))
        for kind, row in nested(fields.items(found, "doc_det"), "docs")
    )
    yield from fields.number_occurrences(rows, tables.docs_issued.key[:-1])


def _docs_issued(context: Context, kind: Any, row: Any) -> dict[str, Any]:
    if kind.get("doc_num") in (None, ""):
        raise ValueError("doc_num is missing")
    return {
        "period": context.unit_period,
        "section": context.section,
        "document_kind": fields.whole(kind, "doc_num"),
        "first_number": fields.text(row, "from", required=True),
        "last_number": fields.text(row, "to"),
        "kind_name": fields.text(kind, "doc_typ"),
        "row_number": fields.whole(row, "num"),
        "issued": fields.whole(row, "totnum"),
        "cancelled": fields.whole(row, "cancel"),
        "net_issued": fields.whole(row, "net_issue"),
    }
