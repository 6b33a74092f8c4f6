"""GSTR-2B: the statement of input tax credit, in both generations, page by page when it is large.

One answer fills every table of the period, so it is one section. The statement brings its own proof: the sum of its
documents must equal ``itcsumm`` and ``cpsumm``; a statement that does not add up is suspect, never loaded as clean.
Shapes and rules: GSTN schema of GSTR-2B (v2.0), GST reference section 3.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import Personal
from clientsync.spec.module import Asking, Context, Finding, HandFile, Module, Record, Row, Section, TableSpec
from connectors.gst import fields
from connectors.gst.documents import written
from connectors.gst.duedates import available_2b
from connectors.gst.skips import final_once_filed

HEADS = ("igst", "cgst", "sgst", "cess")
INVOICES = ("b2b", "b2ba", "ecom", "ecoma")
NOTES = ("cdnr", "cdnra")
KNOWN = frozenset(
    {
        *("gstin", "rtnprd", "version", "gendt", "fc", "itcsumm", "cpsumm", "docdata", "docRejdata"),
        *("chksum", "data"),
        *(
            "itcavl",
            "itcunavl",
            "itcrev",
            "itcRejected",
            "nonrevsup",
            "isdsup",
            "revsup",
            "imports",
            "othersup",
        ),
        *("b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma", "isd", "isda", "impg"),
        *("impgsez", "impga", "impgasez", "cdnrrev", "cdnrarev"),
        *("ctin", "trdnm", "supprd", "supfildt", "ttldocs", "nttyp", "doctyp", "portcode", "inv"),
        *("nt", "doclist", "boe"),
        *("inum", "ntnum", "typ", "suptyp", "dt", "val", "pos", "rev", "itcavl"),
        *("rsn", "diffprcnt", "srctyp", "irn", "irngendate", "imsStatus"),
        *("oinum", "oidt", "onttyp", "ontnum", "ontdt", "docnum", "docdt", "oinvnum", "oinvdt"),
        *("itcelg", "odoctyp", "odocnum", "odocdt"),
        *("refdt", "recdt", "boenum", "boedt", "isamd", "items", "num", "rt", "txval"),
        *("igst", "cgst", "sgst", "cess"),
    }
)
"""Every field that the schema of the statement names, at any depth."""
PERIOD = columns.text("Return period, MMYYYY", length=6)


class DocumentRow(Row):
    """One invoice or note of a supplier."""

    period: str = PERIOD
    section: str = columns.text("Section of the statement: b2b, b2ba, cdnr, cdnra, ecom, ecoma", length=10)
    status: str = columns.text("accepted, rejected in IMS, or reversal (itcrev)", length=10)
    supplier_gstin: str = columns.text("Supplier's registration", personal=Personal.IDENTITY, length=20)
    document_type: str = columns.text("INV, CN or DN", length=5)
    document_number: str = columns.text("Number as the supplier wrote it", length=50)
    document_year: str = columns.text("Financial year of the document; numbers start again in it", length=7)
    document_on: date = columns.day("Date of the document")
    supplier_name: str = columns.text("Trade name", personal=Personal.NAME, default="")
    supplier_period: str = columns.text("Supplier's return period, MMYYYY", default="", length=6)
    supplier_filed_on: date | None = columns.day("Day on which the supplier filed", default=None)
    supply_type: str = columns.text("R, DE, SEWP, SEWOP, CBW", default="", length=10)
    place_of_supply: str = columns.text("State code", default="", length=2)
    is_reverse_charge: bool | None = columns.flag("Tax is payable by the recipient", default=None)
    itc_availability: str = columns.text("Y, N or T (temporary)", default="", length=1)
    itc_reason: str = columns.text(
        "P: place of supply; C: supplier filed after the cut-off", default="", length=5
    )
    differential_rate: str = columns.text("1 or 0.65", default="", length=5)
    ims_status: str = columns.text("A accepted, R rejected, N no action", default="", length=1)
    source_type: str = columns.text("e-Invoice when it came from the invoice portal", default="", length=20)
    irn: str = columns.text("Invoice reference number", default="", length=64)
    irn_on: date | None = columns.day("Day of the invoice reference", default=None)
    original_type: str = columns.text("Type of the amended note", default="", length=5)
    original_number: str = columns.text("Number of the amended document", default="", length=50)
    original_on: date | None = columns.day("Date of the amended document", default=None)
    has_taxes: bool = columns.flag("False for reversal rows, which carry no taxes")
    document_value_paise: int = columns.amount("Value of the document, credit notes negative")
    taxable_paise: int = columns.amount("Taxable value, credit notes negative")
    igst_paise: int = columns.amount("IGST, credit notes negative")
    cgst_paise: int = columns.amount("CGST, credit notes negative")
    sgst_paise: int = columns.amount("SGST, credit notes negative")
    cess_paise: int = columns.amount("Cess, credit notes negative")


class ItemRow(Row):
    """One rate of a document; statements up to September 2024 only."""

    period: str = PERIOD
    section: str = columns.text("Section of the statement", length=10)
    status: str = columns.text("accepted, rejected or reversal", length=10)
    supplier_gstin: str = columns.text("Supplier's registration", personal=Personal.IDENTITY, length=20)
    document_type: str = columns.text("INV, CN or DN", length=5)
    document_number: str = columns.text("Number as the supplier wrote it", length=50)
    document_year: str = columns.text("Financial year of the document", length=7)
    item_number: int = columns.number("Number of the item in the document")
    rate_bp: int | None = columns.number(
        "Rate in basis points, 18 % is 1800", default=None, unit="basis points"
    )
    taxable_paise: int = columns.amount("Taxable value, credit notes negative")
    igst_paise: int = columns.amount("IGST, credit notes negative")
    cgst_paise: int = columns.amount("CGST, credit notes negative")
    sgst_paise: int = columns.amount("SGST, credit notes negative")
    cess_paise: int = columns.amount("Cess, credit notes negative")


class IsdRow(Row):
    """One document of an input service distributor."""

    period: str = PERIOD
    section: str = columns.text("isd or isda", length=10)
    status: str = columns.text("accepted or rejected", length=10)
    supplier_gstin: str = columns.text("Distributor's registration", personal=Personal.IDENTITY, length=20)
    document_type: str = columns.text("ISDI invoice, ISDC credit note", length=5)
    document_number: str = columns.text("Number of the document", length=50)
    document_year: str = columns.text("Financial year of the document", length=7)
    document_on: date = columns.day("Date of the document")
    supplier_name: str = columns.text("Trade name", personal=Personal.NAME, default="")
    supplier_period: str = columns.text("Distributor's return period", default="", length=6)
    supplier_filed_on: date | None = columns.day("Day on which the distributor filed", default=None)
    original_invoice_number: str = columns.text("Invoice behind a credit note", default="", length=50)
    original_invoice_on: date | None = columns.day("Date of that invoice", default=None)
    original_type: str = columns.text("Type of the amended document", default="", length=5)
    original_number: str = columns.text("Number of the amended document", default="", length=50)
    original_on: date | None = columns.day("Date of the amended document", default=None)
    is_eligible: bool | None = columns.flag("Credit is available", default=None)
    igst_paise: int = columns.amount("IGST, credit notes negative")
    cgst_paise: int = columns.amount("CGST, credit notes negative")
    sgst_paise: int = columns.amount("SGST, credit notes negative")
    cess_paise: int = columns.amount("Cess, credit notes negative")


class ImportRow(Row):
    """One bill of entry, from overseas or from a special economic zone."""

    period: str = PERIOD
    section: str = columns.text("impg or impgsez", length=10)
    status: str = columns.text("accepted or rejected", length=10)
    port_code: str = columns.text("Port", length=6)
    document_number: str = columns.text("Number of the bill of entry", length=20)
    document_on: date = columns.day("Date of the bill of entry")
    is_amended: bool = columns.flag("The bill was amended")
    supplier_gstin: str = columns.text("SEZ supplier", personal=Personal.IDENTITY, default="", length=20)
    occurrence: int = columns.number("Ordinal among rows of the same bill", default=1)
    supplier_name: str = columns.text("Trade name", personal=Personal.NAME, default="")
    reference_on: date | None = columns.day("Date of the customs reference", default=None)
    received_on: date | None = columns.day("Day on which the portal received it", default=None)
    taxable_paise: int = columns.amount("Taxable value")
    igst_paise: int = columns.amount("IGST")
    cess_paise: int = columns.amount("Cess")


class SummaryRow(Row):
    """One leaf of the statement's own summary."""

    period: str = PERIOD
    side: str = columns.text("itcavl, itcunavl, itcrev or itcRejected", length=15)
    group_name: str = columns.text("nonrevsup, isdsup, revsup, imports, othersup", length=15)
    leaf: str = columns.text("Section, or total for the group", length=15)
    igst_paise: int = columns.amount("IGST")
    cgst_paise: int = columns.amount("CGST")
    sgst_paise: int = columns.amount("SGST")
    cess_paise: int = columns.amount("Cess")


class SupplierRow(Row):
    """What the statement says of one supplier in one section."""

    period: str = PERIOD
    section: str = columns.text("Section", length=15)
    supplier_gstin: str = columns.text("Supplier's registration", personal=Personal.IDENTITY, length=20)
    kind: str = columns.text("C or D for notes, type for ISD, port for SEZ imports", default="", length=10)
    supplier_period: str = columns.text("Supplier's return period", default="", length=6)
    occurrence: int = columns.number("Ordinal among rows of the same key", default=1)
    supplier_name: str = columns.text("Trade name", personal=Personal.NAME, default="")
    supplier_filed_on: date | None = columns.day("Day on which the supplier filed", default=None)
    documents: int = columns.number("Number of documents")
    taxable_paise: int = columns.amount("Taxable value")
    igst_paise: int = columns.amount("IGST")
    cgst_paise: int = columns.amount("CGST")
    sgst_paise: int = columns.amount("SGST")
    cess_paise: int = columns.amount("Cess")


class StatementRow(Row):
    """The head of a statement."""

    period: str = PERIOD
    version: str = columns.text("Version that the portal names", default="", length=10)
    checksum: str = columns.text("The portal's own checksum", default="", length=80)
    generated_on: date | None = columns.day("Day on which it was generated", default=None)
    files: int = columns.number("Pages it came in", default=1)
    has_items: bool = columns.flag("Taxes stand in items per rate (statements before October 2024)")


def _exclusive(code: str) -> Check:
    return Check(
        code,
        CheckKind.AT_MOST_ONE_NONZERO,
        ("igst_paise",),
        OnBreach.WARN,
        "IGST and CGST/SGST do not stand on one document",
        {"groups": [["igst_paise"], ["cgst_paise", "sgst_paise"]]},
        "CGST Act s.8-9, IGST Act s.5",
    )


def _supplier(code: str) -> Check:
    return Check(
        code,
        CheckKind.GSTIN,
        ("supplier_gstin",),
        OnBreach.WARN,
        "the supplier's registration has a valid form and check character",
        source="GSTN registration formats",
    )


DOCUMENT_KEY = (
    "period", "section", "status", "supplier_gstin", "document_type", "document_number", "document_year",
)  # fmt: skip
"""A supplier's numbers start again every April (CGST Rules, rule 46(b)), and one statement may hold both years."""

DOCUMENTS = TableSpec(
    name="gst__gstr2b_document",
    row=DocumentRow,
    key=(*DOCUMENT_KEY, "supplier_period"),
    scope=("period",),
    description="Invoices and notes of suppliers in GSTR-2B, one row a document, credit notes negative.",
    checks=(
        _supplier("GST-2B-D01"),
        _exclusive("GST-2B-D02"),
        Check(
            "GST-2B-D03",
            CheckKind.WITHIN,
            ("cgst_paise", "sgst_paise"),
            OnBreach.WARN,
            "CGST equals SGST within a paisa",
            {"terms": {"cgst_paise": 1, "sgst_paise": -1}, "tolerance": 1},
            "equal rates under CGST and SGST Acts",
        ),
        Check(
            "GST-2B-D04",
            CheckKind.MATCHES,
            ("document_number",),
            OnBreach.WARN,
            "a document number has at most 16 characters of A-Z, 0-9, / and -",
            {"pattern": r"[A-Za-z0-9][A-Za-z0-9/\-]{0,15}"},
            "CGST Rules, rule 46(b)",
        ),
        Check(
            "GST-2B-D05",
            CheckKind.BETWEEN,
            ("document_on",),
            OnBreach.WARN,
            "a document is not older than GST",
            {"low": date(2017, 7, 1), "high": None},
            "GST began on 01-07-2017",
        ),
        Check(
            "GST-2B-D06",
            CheckKind.IN_SET,
            ("itc_availability",),
            OnBreach.WARN,
            "credit is available, not available or temporary",
            {"values": ["Y", "N", "T", ""]},
            "GSTN schema of GSTR-2B",
        ),
        Check(
            "GST-2B-D07",
            CheckKind.NOT_NULL,
            ("document_on",),
            OnBreach.REJECT_ROW,
            "a document has a date",
            source="GSTN schema of GSTR-2B",
        ),
    ),
)
ITEMS = TableSpec(
    name="gst__gstr2b_item",
    row=ItemRow,
    key=(*DOCUMENT_KEY, "item_number"),
    scope=("period",),
    description="Items per rate of GSTR-2B documents; statements up to September 2024 only.",
    checks=(
        Check(
            "GST-2B-I01",
            CheckKind.BETWEEN,
            ("rate_bp",),
            OnBreach.WARN,
            "a rate lies between 0 and 40 %",
            {"low": 0, "high": 4000},
            "rates notified since 2017, 40 % from 22-09-2025",
        ),
    ),
)
ISD = TableSpec(
    name="gst__gstr2b_isd",
    row=IsdRow,
    key=DOCUMENT_KEY,
    scope=("period",),
    description="Documents of input service distributors in GSTR-2B.",
    checks=(_supplier("GST-2B-S01"), _exclusive("GST-2B-S02")),
)
IMPORTS = TableSpec(
    name="gst__gstr2b_import",
    row=ImportRow,
    key=(
        "period",
        "section",
        "status",
        "port_code",
        "document_number",
        "is_amended",
        "supplier_gstin",
        "occurrence",
    ),
    scope=("period",),
    description="Bills of entry in GSTR-2B, from overseas and from special economic zones.",
    checks=(
        Check(
            "GST-2B-M01",
            CheckKind.MATCHES,
            ("document_number",),
            OnBreach.WARN,
            "a bill of entry has 1 to 16 characters",
            {"pattern": r"[A-Za-z0-9]{1,16}"},
            "GSTN schema of GSTR-2B",
        ),
    ),
)
SUMMARY = TableSpec(
    name="gst__gstr2b_summary",
    row=SummaryRow,
    key=("period", "side", "group_name", "leaf"),
    scope=("period",),
    description="The statement's own summary (itcsumm), one row a leaf and one a group.",
)
SUPPLIERS = TableSpec(
    name="gst__gstr2b_supplier",
    row=SupplierRow,
    key=("period", "section", "supplier_gstin", "kind", "supplier_period", "occurrence"),
    scope=("period",),
    description="The statement's own totals per supplier (cpsumm).",
)
STATEMENTS = TableSpec(
    name="gst__gstr2b_statement",
    row=StatementRow,
    key=("period",),
    scope=("period",),
    description="Heads of the statements: version, checksum, day of generation.",
)


def parse(payload: Any, context: Context) -> Iterator[Record]:
    """Yield a record for every row of a whole statement."""
    data = fields.obj(payload, "data") or payload
    period = str(context.period or context.unit_period)
    yield _statement(payload, data, period)
    yield from _summary(fields.obj(data, "itcsumm"), period)
    yield from _suppliers(fields.obj(data, "cpsumm"), period)
    for name, status in (("docdata", "accepted"), ("docRejdata", "rejected")):
        documents = fields.obj(data, name)
        yield from _documents(documents, period, status)
        yield from _isd(documents, period, status)
        yield from fields.number_occurrences(_imports(documents, period, status), IMPORTS.key[:-1])
        for block in fields.items(documents, "itcrev"):
            yield from _documents(block, period, "reversal")


def _statement(payload: Mapping[str, Any], data: Mapping[str, Any], period: str) -> Record:
    return fields.row(
        STATEMENTS.name,
        {name: data.get(name) for name in ("gstin", "rtnprd", "version", "gendt", "fc")},
        lambda: {
            "period": period,
            "version": fields.text(data, "version"),
            "checksum": fields.text(payload, "chksum") or fields.text(data, "chksum"),
            "generated_on": fields.day(data, "gendt"),
            "files": fields.whole(data, "fc") or 1,
            "has_items": has_items(data),
        },
    )


def has_items(data: Mapping[str, Any]) -> bool:
    """Whether taxes stand in items per rate: the generation before October 2024."""
    documents = fields.obj(data, "docdata")
    for section in (*INVOICES, *NOTES):
        for supplier in fields.items(documents, section):
            for document in supplier.get("inv", supplier.get("nt", [])):
                return "items" in document
    return False


def _heads(source: Mapping[str, Any], sign: int = 1) -> dict[str, int]:
    return {f"{head}_paise": sign * fields.paise(source, head) for head in HEADS}


def _named(source: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the inner objects; a name of the schema that holds none is yielded too, to be refused by its reader."""
    for name, value in source.items():
        if isinstance(value, Mapping) or (name in KNOWN and name not in HEADS):
            yield name, value


def _summary(summary: Mapping[str, Any], period: str) -> Iterator[Record]:
    for side, groups in _named(summary):
        for group, leaves in _named(groups):
            for leaf, source in [("total", leaves), *_named(leaves)]:
                yield fields.row(
                    SUMMARY.name,
                    {"side": side, "group": group, "leaf": leaf},
                    lambda side=side, group=group, leaf=leaf, source=source: {  # type: ignore[misc]
                        "period": period,
                        "side": side,
                        "group_name": group,
                        "leaf": leaf,
                        **_heads(source),
                    },
                )


def _suppliers(summary: Mapping[str, Any], period: str) -> Iterator[Record]:
    def rows() -> Iterator[Record]:
        for section in summary:
            if section not in KNOWN:
                continue
            for entry in fields.items(summary, section):
                if section == "itcrev":
                    for inner, source in entry.items():
                        if inner not in KNOWN:
                            continue
                        listed = source if isinstance(source, list) else [source]
                        for one in listed:
                            yield _supplier_row(f"itcrev_{inner}", one, period)
                else:
                    yield _supplier_row(section, entry, period)

    return fields.number_occurrences(rows(), SUPPLIERS.key[:-1])


def _supplier_row(section: str, source: Mapping[str, Any], period: str) -> Record:
    return fields.row(
        SUPPLIERS.name,
        source,
        lambda: {
            "period": period,
            "section": section,
            "supplier_gstin": fields.text(source, "ctin", required=True),
            "kind": fields.text(source, "nttyp")
            or fields.text(source, "doctyp")
            or fields.text(source, "portcode"),
            "supplier_period": fields.text(source, "supprd"),
            "supplier_name": fields.text(source, "trdnm"),
            "supplier_filed_on": fields.day(source, "supfildt"),
            "documents": fields.whole(source, "ttldocs"),
            "taxable_paise": fields.paise(source, "txval"),
            **_heads(source),
        },
    )


def _documents(documents: Mapping[str, Any], period: str, status: str) -> Iterator[Record]:
    for section in (*INVOICES, *NOTES):
        for supplier in fields.items(documents, section):
            name = "nt" if section in NOTES else "inv"
            for document in fields.items(supplier, name):
                found = fields.row(
                    DOCUMENTS.name,
                    document,
                    lambda section=section, supplier=supplier, document=document: _document(  # type: ignore[misc]
                        section, supplier, document, period, status
                    ),
                )
                yield found
                if found.problem is None:
                    yield from _items(found.values, document)


def _document(
    section: str, supplier: Mapping[str, Any], document: Mapping[str, Any], period: str, status: str
) -> dict[str, Any]:
    is_note = section in NOTES
    kind = {"C": "CN", "D": "DN"}[fields.text(document, "typ", required=True)] if is_note else "INV"
    sign = -1 if kind == "CN" else 1
    nested = fields.items(document, "items")
    taxes = _heads(document, sign)
    taxable = sign * fields.paise(document, "txval")
    issued_on = written(fields.day(document, "dt", required=True))
    for item in nested:
        taxable += sign * fields.paise(item, "txval")
        for head, value in _heads(item, sign).items():
            taxes[head] += value
    return {
        "period": period,
        "section": section,
        "status": status,
        "supplier_gstin": fields.text(supplier, "ctin", required=True),
        "document_type": kind,
        "document_number": fields.text(document, "ntnum" if is_note else "inum", required=True),
        "document_year": fields.financial_year(issued_on),
        "document_on": issued_on,
        "supplier_name": fields.text(supplier, "trdnm"),
        "supplier_period": fields.text(supplier, "supprd"),
        "supplier_filed_on": fields.day(supplier, "supfildt"),
        "supply_type": fields.text(document, "suptyp" if is_note else "typ"),
        "place_of_supply": fields.text(document, "pos"),
        "is_reverse_charge": fields.yes(document, "rev"),
        "itc_availability": fields.text(document, "itcavl"),
        "itc_reason": fields.text(document, "rsn"),
        "differential_rate": fields.text(document, "diffprcnt"),
        "ims_status": fields.text(document, "imsStatus"),
        "source_type": fields.text(document, "srctyp"),
        "irn": fields.text(document, "irn"),
        "irn_on": fields.day(document, "irngendate"),
        "original_type": fields.text(document, "onttyp"),
        "original_number": fields.text(document, "ontnum" if is_note else "oinum"),
        "original_on": fields.day(document, "ontdt" if is_note else "oidt"),
        "has_taxes": bool(nested) or any(head in document for head in HEADS),
        "document_value_paise": sign * fields.paise(document, "val"),
        "taxable_paise": taxable,
        **taxes,
    }


def _items(document: Mapping[str, Any], source: Mapping[str, Any]) -> Iterator[Record]:
    sign = -1 if document["document_type"] == "CN" else 1
    for number, item in enumerate(fields.items(source, "items"), start=1):
        yield fields.row(
            ITEMS.name,
            item,
            lambda number=number, item=item: {  # type: ignore[misc]
                **{name: document[name] for name in ITEMS.key[:-1]},
                "item_number": fields.whole(item, "num") or number,
                "rate_bp": fields.rate_bp(item, "rt"),
                "taxable_paise": sign * fields.paise(item, "txval"),
                **_heads(item, sign),
            },
        )


def _isd(documents: Mapping[str, Any], period: str, status: str) -> Iterator[Record]:
    for section in ("isd", "isda"):
        for supplier in fields.items(documents, section):
            for document in fields.items(supplier, "doclist"):
                yield fields.row(
                    ISD.name,
                    document,
                    lambda section=section, supplier=supplier, document=document: _isd_row(  # type: ignore[misc]
                        section, supplier, document, period, status
                    ),
                )


def _isd_row(
    section: str, supplier: Mapping[str, Any], document: Mapping[str, Any], period: str, status: str
) -> dict[str, Any]:
    kind = fields.text(document, "doctyp", required=True)
    issued_on = written(fields.day(document, "docdt", required=True))
    return {
        "period": period,
        "section": section,
        "status": status,
        "supplier_gstin": fields.text(supplier, "ctin", required=True),
        "document_type": kind,
        "document_number": fields.text(document, "docnum", required=True),
        "document_year": fields.financial_year(issued_on),
        "document_on": issued_on,
        "supplier_name": fields.text(supplier, "trdnm"),
        "supplier_period": fields.text(supplier, "supprd"),
        "supplier_filed_on": fields.day(supplier, "supfildt"),
        "original_invoice_number": fields.text(document, "oinvnum"),
        "original_invoice_on": fields.day(document, "oinvdt"),
        "original_type": fields.text(document, "odoctyp"),
        "original_number": fields.text(document, "odocnum"),
        "original_on": fields.day(document, "odocdt"),
        "is_eligible": fields.yes(document, "itcelg"),
        **_heads(document, -1 if kind == "ISDC" else 1),
    }


def _imports(documents: Mapping[str, Any], period: str, status: str) -> Iterator[Record]:
    bills: list[tuple[str, Mapping[str, Any], Any]] = [
        ("impg", {}, bill) for bill in fields.items(documents, "impg")
    ]
    for supplier in fields.items(documents, "impgsez"):
        bills.extend(("impgsez", supplier, bill) for bill in fields.items(supplier, "boe"))
    for section, supplier, bill in bills:
        yield fields.row(
            IMPORTS.name,
            bill,
            lambda section=section, supplier=supplier, bill=bill: {  # type: ignore[misc]
                "period": period,
                "section": section,
                "status": status,
                "port_code": fields.text(bill, "portcode"),
                "document_number": fields.text(bill, "boenum", required=True),
                "document_on": fields.day(bill, "boedt", required=True),
                "is_amended": bool(fields.yes(bill, "isamd")),
                "supplier_gstin": fields.text(supplier, "ctin"),
                "supplier_name": fields.text(supplier, "trdnm"),
                "reference_on": fields.day(bill, "refdt"),
                "received_on": fields.day(bill, "recdt"),
                "taxable_paise": fields.paise(bill, "txval"),
                "igst_paise": fields.paise(bill, "igst"),
                "cess_paise": fields.paise(bill, "cess"),
            },
        )


def check_identity(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """The statement is about the registration and period that were asked for; new fields are noticed."""
    data = fields.obj(payload, "data") or payload
    yield from fields.identity(context, data.get("gstin"), data.get("rtnprd"), "The statement")
    yield from fields.drift(payload, KNOWN, "GSTR-2B")


Totals = Counter[tuple[str, str, str, str]]


def document_totals(records: Sequence[Record]) -> Totals:
    """Return the sums of the documents as ``itcsumm`` lays them out: (side, group, leaf, head) to paise.

    The portal writes credit notes positive, so their sign is turned back here. Reversal rows carry no taxes.
    """
    totals: Totals = Counter()
    for record in records:
        values = record.values
        if record.problem is not None or values.get("status") == "reversal":
            continue
        place = _place(record.table, values)
        if place is None:
            continue
        sign = -1 if values.get("document_type") in ("CN", "ISDC") else 1
        for head in HEADS:
            totals[(*place, head)] += sign * values.get(f"{head}_paise", 0)
    return totals


def _place(table: str, values: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if table == DOCUMENTS.name:
        section, reverse = values["section"], bool(values["is_reverse_charge"])
        side = {"rejected": "itcRejected"}.get(
            values["status"], "itcunavl" if values["itc_availability"] == "N" else "itcavl"
        )
        if values["document_type"] == "CN":
            leaf = {("cdnr", True): "cdnrrev", ("cdnra", True): "cdnrarev"}.get((section, reverse), section)
            return side, "othersup", leaf
        return side, "revsup" if reverse else "nonrevsup", section
    if table == ISD.name:
        side = "itcRejected" if values["status"] == "rejected" else "itcavl"
        if values["is_eligible"] is False and side == "itcavl":
            side = "itcunavl"
        return side, "othersup" if values["document_type"] == "ISDC" else "isdsup", values["section"]
    if table == IMPORTS.name:
        side = "itcRejected" if values["status"] == "rejected" else "itcavl"
        leaf = {("impg", True): "impga", ("impgsez", True): "impgasez"}.get(
            (values["section"], values["is_amended"]), values["section"]
        )
        return side, "imports", leaf
    return None


def check_totals(payload: Any, records: Sequence[Record], _: Context) -> Iterable[Finding]:
    """G1: the documents add up to ``itcsumm`` per leaf, and to ``cpsumm`` in number and tax.

    Without a summary nothing can be proven and nothing is claimed. Reversals (``itcrev``) have no taxes to add.
    """
    data = fields.obj(payload, "data") or payload
    if data.get("itcsumm"):
        yield from _compare_summary(data, records)
    if data.get("cpsumm"):
        yield from _compare_suppliers(records)


def _compare_summary(data: Mapping[str, Any], records: Sequence[Record]) -> Iterable[Finding]:
    told: Totals = Counter()
    for side, groups in _named(data["itcsumm"]):
        for group, leaves in _named(groups):
            for leaf, source in _named(leaves):
                if isinstance(source, Mapping) and side != "itcrev":
                    for head in HEADS:
                        told[(side, group, leaf, head)] += fields.paise(source, head)
    summed = document_totals(records)
    wrong = sorted({key[:3] for key in told.keys() | summed.keys() if told[key] != summed[key]})
    if wrong:
        shown = ", ".join("/".join(one) for one in wrong[:5])
        yield Finding(
            "TOTALS_DISAGREE",
            f"The documents do not add up to the statement's own summary in {len(wrong)} places: {shown}.",
        )


def _compare_suppliers(records: Sequence[Record]) -> Iterable[Finding]:
    told: Counter[tuple[str, str, str]] = Counter()
    summed: Counter[tuple[str, str, str]] = Counter()
    for record in records:
        values = record.values
        if record.problem is not None or values.get("section", "").startswith("itcrev"):
            continue
        if record.table == SUPPLIERS.name:
            told[(values["section"], values["supplier_gstin"], "documents")] += values["documents"]
            for head in HEADS:
                told[(values["section"], values["supplier_gstin"], head)] += values[f"{head}_paise"]
        elif values.get("status") == "accepted" and values.get("supplier_gstin"):
            sign = -1 if values.get("document_type") in ("CN", "ISDC") else 1
            place = (values["section"], values["supplier_gstin"])
            if record.table in (DOCUMENTS.name, ISD.name, IMPORTS.name):
                summed[(*place, "documents")] += 1
                for head in HEADS:
                    summed[(*place, head)] += sign * values.get(f"{head}_paise", 0)
    wrong = {key[0] for key in told.keys() | summed.keys() if told[key] != summed[key]}
    if wrong:
        yield Finding(
            "TOTALS_DISAGREE",
            f"The documents do not agree with the statement's totals per supplier in: {', '.join(sorted(wrong))}.",
        )


def pages(payload: Any) -> list[dict[str, str]]:
    """Return the parameters of the pages that a first answer without documents announces."""
    data = fields.obj(payload, "data") or payload
    count = fields.whole(data, "fc")
    if not count or any(fields.obj(data, name) for name in ("docdata", "docRejdata")):
        return []
    return [{"file_num": str(number)} for number in range(1, count + 1)]


def merge(payloads: Sequence[Any]) -> Any:
    """Join the first answer (summary) and the pages: document lists of a section are concatenated."""
    first = payloads[0]
    data = dict(fields.obj(first, "data") or first)
    for name in ("docdata", "docRejdata"):
        joined: dict[str, list[Any]] = {}
        for page in payloads:
            for section, rows in fields.obj(fields.obj(page, "data") or page, name).items():
                joined.setdefault(section, []).extend(rows)
        if joined:
            data[name] = joined
    return {**first, "data": data} if "data" in first else data


def checksum(payload: Any) -> str | None:
    """Return the portal's own checksum of the statement, None when it names none."""
    return fields.text(payload, "chksum") or None


def not_applicable(asking: Asking) -> str | None:
    """M1 and M2 of a quarterly filer's quarter have no statement (portal code GTR2B-001).

    A GSTR-3B that is filed for such a month is a monthly filer's (CGST Rules, rule 61(1)), whatever the master says.
    """
    period = asking.period
    if asking.frequency != "Q" or period is None or period.is_quarter_end or asking.filed("GSTR3B"):
        return None
    return "a quarterly filer has one statement a quarter, in its last month"


def share(asking: Asking) -> Any:
    """Leave the number of documents per section, accepted and rejected, for other modules; None without a statement."""
    payload = asking.answers.get("2b")
    if payload is None:
        return None
    data = fields.obj(payload, "data") or payload
    counts: Counter[str] = Counter()
    for name in ("docdata", "docRejdata"):
        for section, rows in fields.obj(data, name).items():
            counts[section] += len(rows)
    return dict(counts)


def _recognise(payload: Any) -> str | None:
    data = fields.obj(payload, "data") or payload
    return "GSTR-2B" if "rtnprd" in data and ("itcsumm" in data or "docdata" in data) else None


def _identity(payload: Any) -> tuple[str | None, str | None]:
    data = fields.obj(payload, "data") or payload
    return data.get("gstin"), data.get("rtnprd")


MODULE = Module(
    name="gstr2b",
    title="GSTR-2B",
    sections=(
        Section(
            name="2b",
            endpoint="gstr2b.get",
            parse=parse,
            tables=tuple(
                table.name for table in (DOCUMENTS, ITEMS, ISD, IMPORTS, SUMMARY, SUPPLIERS, STATEMENTS)
            ),
            skip=(
                final_once_filed(
                    "GSTR3B",
                    "a statement cannot be generated again once the period's GSTR-3B is filed (IMS2B007)",
                ),
            ),
            integrity=(check_identity, check_totals),
            checksum=checksum,
            more=pages,
            merge=merge,
        ),
    ),
    tables=(DOCUMENTS, ITEMS, ISD, IMPORTS, SUMMARY, SUPPLIERS, STATEMENTS),
    not_before=available_2b,
    not_applicable=not_applicable,
    files=HandFile(recognise=_recognise, identity=_identity, split=lambda payload: [("2b", payload)]),
    naive_calls=1,
    share=share,
)
