"""GSTR-2A: what others reported about a taxpayer, live; eleven sections, one question each.

Rows vanish when a supplier withdraws them, and are kept as tombstones. The supplier's own state (returns filed,
cancelled) stands on each document, because it is why 2A is read beside 2B. Invariant: amounts of credit notes are
negative. Shapes: GSTN API returns/gstr2a v2.2, GST reference section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from clientsync.clock import INDIA
from clientsync.periods import Period, newest_open
from clientsync.spec.module import (
    Asking,
    Context,
    Finding,
    HandFile,
    Module,
    Parser,
    Record,
    Section,
    Skip,
    SkipKind,
)
from connectors.gst import fields
from connectors.gst.documents import (
    ENVELOPE,
    document_figures,
    identity_and_drift,
    item_records,
    nested,
    note_type,
    row_list,
    section_rows,
    taxes,
    written,
)
from connectors.gst.gstr1 import is_inward
from connectors.gst.gstr2a_tables import DOCUMENTS, IMPORTS, ISD, ITEMS, TABLES, TCS, TDS
from connectors.gst.ims import counted_in
from connectors.gst.skips import proven

TITLE = "GSTR-2A"
DOCUMENT_SECTIONS = ("b2b", "b2ba", "cdn", "cdna", "ecom", "ecoma")
PAYLOAD_KEYS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in (*DOCUMENT_SECTIONS, "isd", "impg", "impgsez", "tds")},
    "tcs": ("tcs_data", "tcs"),
}
_KNOWN_NAMES = """
gstin fp ret_period chksum ctin cfs cfs3b dtcancel fldtr1 flprdr1 inv nt inum idt val pos rchrg inv_typ
diff_percent aspd atyp srctyp irn irngendate itms num itm_det rt txval iamt camt samt csamt cess oinum oidt ntty
nt_num nt_dt ont_num ont_dt ontty p_gst cflag flag updby d_flag opd doclist isd_docty docnum docdt itc_elg refdt
portcd benum bedt amd sgstin tdname gstin_ded amt_ded etin m_id sup_val tx_val irt crt srt csrt b2b b2ba cdn cdna
isd impg impgsez tds tcs tcs_data ecom ecoma
"""
KNOWN = frozenset(_KNOWN_NAMES.split())
"""Every field that the contract names, at any depth."""


def parse_documents(payload: Any, context: Context) -> Iterator[Record]:
    """Yield the documents of a section, each followed by its lines."""
    rows = row_list(section_rows(payload, PAYLOAD_KEYS[context.section]), context.section)
    name = "nt" if context.section in ("cdn", "cdna") else "inv"
    for supplier, document in nested(rows, name):
        record = fields.row(DOCUMENTS.name, document, partial(_document, context, supplier, document))
        yield record
        yield from item_records(ITEMS.name, DOCUMENTS.key, record, document)


def _supplier(supplier: Any) -> dict[str, Any]:
    return {
        "supplier_gstin": fields.text(supplier, "ctin", required=True),
        "is_supplier_filed": fields.yes(supplier, "cfs"),
        "is_supplier_3b_filed": fields.yes(supplier, "cfs3b"),
        "supplier_cancelled_on": fields.day(supplier, "dtcancel"),
        "supplier_filed_on": fields.day(supplier, "fldtr1"),
        "supplier_period": fields.month(supplier, "flprdr1"),
    }


def _document(context: Context, supplier: Any, document: Any) -> dict[str, Any]:
    is_note = context.section in ("cdn", "cdna")
    kind = note_type(document) if is_note else "INV"
    number, day = ("nt_num", "nt_dt") if is_note else ("inum", "idt")
    issued_on = written(fields.day(document, day, required=True))
    return {
        "period": context.unit_period,
        "section": context.section,
        **_supplier(supplier),
        "document_type": kind,
        "document_number": fields.text(document, number, required=True),
        "document_year": fields.financial_year(issued_on),
        "document_on": issued_on,
        "place_of_supply": fields.text(document, "pos"),
        "supply_type": fields.text(document, "inv_typ"),
        "is_reverse_charge": fields.yes(document, "rchrg"),
        "is_pre_gst": fields.yes(document, "p_gst"),
        "differential_rate": fields.text(document, "diff_percent"),
        "amended_period": fields.month(document, "aspd"),
        "amendment_type": fields.text(document, "atyp"),
        "original_type": fields.text(document, "ontty"),
        "original_number": fields.text(document, f"o{number}"),
        "original_on": fields.day(document, f"o{day}"),
        "invoice_number": fields.text(document, "inum") if is_note else "",
        "invoice_on": fields.day(document, "idt") if is_note else None,
        "source_type": fields.text(document, "srctyp"),
        "irn": fields.text(document, "irn"),
        "irn_on": fields.day(document, "irngendate"),
        "counterparty_flag": fields.text(document, "cflag"),
        "delink_flag": fields.text(document, "d_flag"),
        "updated_by": fields.text(document, "updby"),
        "checksum": fields.text(document, "chksum"),
        **document_figures(document, -1 if kind == "CN" else 1),
    }


def parse_isd(payload: Any, context: Context) -> Iterator[Record]:
    """Yield the documents of input service distributors."""
    rows = row_list(section_rows(payload, PAYLOAD_KEYS[context.section]), context.section)
    for supplier, document in nested(rows, "doclist"):
        yield fields.row(ISD.name, document, partial(_isd, context, supplier, document))


def _isd(context: Context, supplier: Any, document: Any) -> dict[str, Any]:
    kind = fields.text(document, "isd_docty", required=True)
    issued_on = written(fields.day(document, "docdt", required=True))
    sign = -1 if kind.startswith("ISDC") else 1
    return {
        "period": context.unit_period,
        "section": context.section,
        "supplier_gstin": fields.text(supplier, "ctin", required=True),
        "document_type": kind,
        "document_number": fields.text(document, "docnum", required=True),
        "document_year": fields.financial_year(issued_on),
        "document_on": issued_on,
        "is_supplier_filed": fields.yes(supplier, "cfs"),
        "is_eligible": fields.yes(document, "itc_elg"),
        "amended_period": fields.month(document, "aspd"),
        "amendment_type": fields.text(document, "atyp"),
        "checksum": fields.text(document, "chksum"),
        **taxes(document, sign),
        "cess_paise": sign * fields.paise(document, "cess" if "cess" in document else "csamt"),
    }


def parse_imports(payload: Any, context: Context) -> Iterator[Record]:
    """Yield the bills of entry of a section; the number of a bill is a number in the payload."""
    rows = row_list(section_rows(payload, PAYLOAD_KEYS[context.section]), context.section)
    records = (fields.row(IMPORTS.name, one, partial(_import, context, one)) for one in rows)
    yield from fields.number_occurrences(records, IMPORTS.key[:-1])


def _import(context: Context, bill: Any) -> dict[str, Any]:
    return {
        "period": context.unit_period,
        "section": context.section,
        "port_code": fields.text(bill, "portcd"),
        "document_number": fields.text(bill, "benum", required=True),
        "document_on": fields.day(bill, "bedt", required=True),
        "is_amended": bool(fields.yes(bill, "amd")),
        "supplier_gstin": fields.text(bill, "sgstin"),
        "supplier_name": fields.text(bill, "tdname"),
        "reference_on": fields.day(bill, "refdt"),
        "taxable_paise": fields.paise(bill, "txval"),
        "igst_paise": fields.paise(bill, "iamt"),
        "cess_paise": fields.paise(bill, "csamt"),
    }


def parse_tds(payload: Any, context: Context) -> Iterator[Record]:
    """Yield tax deducted at source, by deductor."""
    rows = row_list(section_rows(payload, PAYLOAD_KEYS[context.section]), context.section)
    records = (fields.row(TDS.name, one, partial(_tds, context, one)) for one in rows)
    yield from fields.number_occurrences(records, TDS.key[:-1])


def _tds(context: Context, row: Any) -> dict[str, Any]:
    return {
        "period": context.unit_period,
        "section": context.section,
        "deductor_gstin": fields.text(row, "gstin_ded", required=True),
        "checksum": fields.text(row, "chksum"),
        "deducted_from_paise": fields.paise(row, "amt_ded"),
        "igst_paise": fields.paise(row, "iamt"),
        "cgst_paise": fields.paise(row, "camt"),
        "sgst_paise": fields.paise(row, "samt"),
    }


def parse_tcs(payload: Any, context: Context) -> Iterator[Record]:
    """Yield tax collected at source, by e-commerce operator."""
    rows = row_list(section_rows(payload, PAYLOAD_KEYS[context.section]), context.section)
    records = (fields.row(TCS.name, one, partial(_tcs, context, one)) for one in rows)
    yield from fields.number_occurrences(records, TCS.key[:-1])


def _tcs(context: Context, row: Any) -> dict[str, Any]:
    return {
        "period": context.unit_period,
        "section": context.section,
        "operator_gstin": fields.text(row, "etin", required=True),
        "merchant_id": fields.text(row, "m_id"),
        "checksum": fields.text(row, "chksum"),
        "gross_paise": fields.paise(row, "sup_val"),
        "net_taxable_paise": fields.paise(row, "tx_val"),
        "igst_rate_bp": fields.rate_bp(row, "irt"),
        "cgst_rate_bp": fields.rate_bp(row, "crt"),
        "sgst_rate_bp": fields.rate_bp(row, "srt"),
        "cess_rate_bp": fields.rate_bp(row, "csrt"),
        **taxes(row),
    }


def time_bar(period: Period, annual_return_on: date | None) -> date:
    """Return the last day of claiming credit of a period's documents.

    It is 30 November after the financial year of the period, or the day of the annual return when that is earlier
    (CGST Act s.16(4)).
    """
    november = date(int(period.financial_year[:4]) + 1, 11, 30)
    return min(november, annual_return_on) if annual_return_on else november


def final_after_time_bar(asking: Asking, section: Section) -> Skip | None:
    """Final: no credit can be claimed any more, and the section was read after the last day of claiming it."""
    memory = asking.memory.get(section.name)
    if asking.period is None or memory is None or not proven(memory):
        return None
    annual = [
        filing.filed_on
        for filing in asking.filings
        if filing.return_type == "GSTR9" and filing.period.financial_year == asking.period.financial_year
    ]
    bar = time_bar(asking.period, min(annual) if annual else None)
    if memory.asked_at.astimezone(INDIA).date() <= bar:
        return None
    return Skip(
        SkipKind.FINAL,
        f"credit could be claimed until {bar:%d-%m-%Y} (CGST Act s.16(4)), and {section.name} was read after that",
    )


IN_IMS = {
    "impg": ("imp_gds", ("impg", "impga")),
    "impgsez": ("imp_gds", ("impgsez", "impgseza")),
    "isd": ("inv_supp_isd", ("isd", "isda", "isdcn", "isdcna")),
}
IN_2B = {"impg": ("impg",), "impgsez": ("impgsez",), "isd": ("isd", "isda")}


def absent_from_2b_and_ims(asking: Asking, section: Section) -> Skip | None:
    """Empty by count: neither the period's 2B nor the open pool, both read in this run, holds such a document.

    Imports and distributors' documents reach the recipient on being reported, never while unfiled, and are neither
    under reverse charge nor subject to place of supply; so one of the newest period stands in its 2B (accepted or
    rejected) or, reported after the cut-off, in the open pool of IMS. For older periods a later 2B may hold it, and
    nothing is claimed. Source: GSTN advisories on IMS of 14-10-2024 and 17-10-2025.
    """
    statement, counts = asking.shared.get("gstr2b"), asking.shared.get("ims")
    if statement is None or counts is None or asking.period != newest_open(asking.today):
        return None
    family, leaves = IN_IMS[section.name]
    pool = counts.get(family) if isinstance(counts, Mapping) else None
    if not isinstance(pool, Mapping) or any(statement.get(name) for name in IN_2B[section.name]):
        return None
    if any(counted_in(pool.get(leaf)) != 0 for leaf in leaves):
        return None
    return Skip(
        SkipKind.EMPTY_BY_COUNT,
        "the period's GSTR-2B and the counts of IMS, both read in this run, hold no such document",
    )


def findings(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Yield identity mismatches (halting) and fields that nobody reads (a warning)."""
    return identity_and_drift(payload, context, KNOWN, f"{TITLE} {context.section}")


MATCHED = (*DOCUMENT_SECTIONS, "isd", "impg", "impgsez")
"""Sections that are compared with the books, so that a statement without one of them is not whole."""
IN_CASH = ("tds", "tcs")
"""Tax deducted and collected goes to the cash ledger (CGST Act s.51(5), s.52(7)), so s.16(4) does not bar it."""


def _section(name: str, parse: Parser, *tables: str) -> Section:
    return Section(
        name=name,
        endpoint=f"gstr2a.{name}",
        parse=parse,
        tables=tables,
        skip=(
            *((final_after_time_bar,) if name not in IN_CASH else ()),
            *((absent_from_2b_and_ims,) if name in IN_2B else ()),
        ),
        integrity=(findings,),
    )


def _recognise(payload: Any) -> str | None:
    if not isinstance(payload, Mapping) or not {"gstin", "fp"} <= set(payload):
        return None
    return TITLE if is_inward(payload) else None


def _identity(payload: Any) -> tuple[str | None, str | None]:
    return payload.get("gstin"), payload.get("fp")


def _split(payload: Any) -> Iterator[tuple[str, Any]]:
    envelope = {name: value for name, value in payload.items() if name in ENVELOPE - {"chksum"}}
    for section, keys in PAYLOAD_KEYS.items():
        for key in keys:
            if key in payload:
                yield section, {**envelope, key: payload[key]}
                break


MODULE = Module(
    name="gstr2a",
    title=TITLE,
    sections=(
        *(
            _section(name, parse_documents, DOCUMENTS.name, ITEMS.name)
            for name in ("b2b", "b2ba", "cdn", "cdna")
        ),
        _section("isd", parse_isd, ISD.name),
        *(_section(name, parse_imports, IMPORTS.name) for name in ("impg", "impgsez")),
        _section("tds", parse_tds, TDS.name),
        _section("tcs", parse_tcs, TCS.name),
        *(_section(name, parse_documents, DOCUMENTS.name, ITEMS.name) for name in ("ecom", "ecoma")),
    ),
    tables=TABLES,
    files=HandFile(recognise=_recognise, identity=_identity, split=_split, needs=MATCHED),
    naive_calls=11,
)
