"""The rows of GSTR-2A and what must hold for them.

Credit notes are negative everywhere. Invariant: every table is bounded by (period, section), so the answer of one
section never touches the rows of another.
"""

from __future__ import annotations

from datetime import date

from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import Personal
from clientsync.spec.module import Row, TableSpec
from connectors.gst.outward_tables import (
    PERIOD,
    SECTION,
    TaxedRow,
    exclusive,
    halves,
    not_before_gst,
    number_form,
    rate_range,
    registration,
    state_code,
)


class DocumentRow(TaxedRow):
    """One invoice or note of a supplier."""

    period: str = PERIOD
    section: str = SECTION
    supplier_gstin: str = columns.text("Supplier's registration", personal=Personal.IDENTITY, length=20)
    document_type: str = columns.text("INV, CN or DN", length=5)
    document_number: str = columns.text("Number as the supplier wrote it", length=50)
    document_year: str = columns.text("Financial year of the document; numbers start again in it", length=7)
    document_on: date = columns.day("Date of the document")
    is_supplier_filed: bool | None = columns.flag("Supplier's GSTR-1 is filed (cfs)", default=None)
    is_supplier_3b_filed: bool | None = columns.flag("Supplier's GSTR-3B is filed (cfs3b)", default=None)
    supplier_cancelled_on: date | None = columns.day("Day of cancellation of the supplier", default=None)
    supplier_filed_on: date | None = columns.day("Day on which the supplier filed GSTR-1", default=None)
    supplier_period: str = columns.text("Supplier's return period, MMYYYY", default="", length=6)
    place_of_supply: str = columns.text("State code", default="", length=2)
    supply_type: str = columns.text("R, DE, SEWP, SEWOP, CBW", default="", length=10)
    is_reverse_charge: bool | None = columns.flag("Tax is payable by the recipient", default=None)
    is_pre_gst: bool | None = columns.flag("The invoice behind a note is older than GST", default=None)
    differential_rate: str = columns.text("0.65 when taxed at 65 %", default="", length=5)
    amended_period: str = columns.text("Period in which it was amended, MMYYYY", default="", length=6)
    amendment_type: str = columns.text(
        "R registration, N number, D other details were amended", default="", length=5
    )
    original_type: str = columns.text("Type of the amended note", default="", length=5)
    original_number: str = columns.text("Number of the amended document", default="", length=50)
    original_on: date | None = columns.day("Date of the amended document", default=None)
    invoice_number: str = columns.text("Invoice behind a note", default="", length=50)
    invoice_on: date | None = columns.day("Date of that invoice", default=None)
    source_type: str = columns.text("e-Invoice when it came from the invoice portal", default="", length=20)
    irn: str = columns.text("Invoice reference number", default="", length=64)
    irn_on: date | None = columns.day("Day of the invoice reference", default=None)
    counterparty_flag: str = columns.text("Counterparty's flag (cflag)", default="", length=5)
    delink_flag: str = columns.text(
        "Y when the note is not linked to an invoice (d_flag)", default="", length=5
    )
    updated_by: str = columns.text("Who changed the row last", default="", length=5)
    checksum: str = columns.text("Portal's checksum of the row", default="", length=80)
    document_value_paise: int = columns.amount("Value of the document, credit notes negative")


class ItemRow(TaxedRow):
    """One rate of a document."""

    period: str = PERIOD
    section: str = SECTION
    supplier_gstin: str = columns.text("Supplier's registration", personal=Personal.IDENTITY, length=20)
    document_type: str = columns.text("INV, CN or DN", length=5)
    document_number: str = columns.text("Number as the supplier wrote it", length=50)
    document_year: str = columns.text("Financial year of the document", length=7)
    item_number: int = columns.number("Number of the line in the document")
    rate_bp: int | None = columns.number("Rate, 18 % is 1800", default=None, unit="basis points")


class IsdRow(Row):
    """One document of an input service distributor."""

    period: str = PERIOD
    section: str = SECTION
    supplier_gstin: str = columns.text("Distributor's registration", personal=Personal.IDENTITY, length=20)
    document_type: str = columns.text("ISD invoice, ISDCN credit note", length=10)
    document_number: str = columns.text("Number of the document", length=50)
    document_year: str = columns.text("Financial year of the document", length=7)
    document_on: date = columns.day("Date of the document")
    is_supplier_filed: bool | None = columns.flag("Distributor's GSTR-6 is filed (cfs)", default=None)
    is_eligible: bool | None = columns.flag("Credit is available", default=None)
    amended_period: str = columns.text("Period in which it was amended, MMYYYY", default="", length=6)
    amendment_type: str = columns.text("What was amended", default="", length=5)
    checksum: str = columns.text("Portal's checksum of the row", default="", length=80)
    igst_paise: int = columns.amount("IGST, credit notes negative")
    cgst_paise: int = columns.amount("CGST, credit notes negative")
    sgst_paise: int = columns.amount("SGST, credit notes negative")
    cess_paise: int = columns.amount("Cess, credit notes negative")


class ImportRow(Row):
    """One bill of entry, from overseas or from a special economic zone."""

    period: str = PERIOD
    section: str = SECTION
    port_code: str = columns.text("Port", length=10)
    document_number: str = columns.text("Number of the bill of entry", length=20)
    document_on: date = columns.day("Date of the bill of entry")
    is_amended: bool = columns.flag("The bill was amended")
    supplier_gstin: str = columns.text("SEZ supplier, else empty", personal=Personal.IDENTITY, length=20)
    occurrence: int = columns.number("Ordinal among rows of the same bill")
    supplier_name: str = columns.text("Trade name", personal=Personal.NAME, default="")
    reference_on: date | None = columns.day("Date of the customs reference", default=None)
    taxable_paise: int = columns.amount("Taxable value")
    igst_paise: int = columns.amount("IGST")
    cess_paise: int = columns.amount("Cess")


class TdsRow(Row):
    """Tax deducted at source by one deductor."""

    period: str = PERIOD
    section: str = SECTION
    deductor_gstin: str = columns.text("Deductor's registration", personal=Personal.IDENTITY, length=20)
    occurrence: int = columns.number("Ordinal among rows of the same deductor")
    checksum: str = columns.text("Portal's checksum of the row", default="", length=80)
    deducted_from_paise: int = columns.amount("Amount from which tax was deducted")
    igst_paise: int = columns.amount("IGST")
    cgst_paise: int = columns.amount("CGST")
    sgst_paise: int = columns.amount("SGST")


class TcsRow(Row):
    """Tax collected at source by one e-commerce operator."""

    period: str = PERIOD
    section: str = SECTION
    operator_gstin: str = columns.text("Operator's registration", personal=Personal.IDENTITY, length=20)
    merchant_id: str = columns.text("Operator's id of the seller", length=50)
    occurrence: int = columns.number("Ordinal among rows of the same operator and seller")
    checksum: str = columns.text("Portal's checksum of the row", default="", length=80)
    gross_paise: int = columns.amount("Gross value of supplies")
    net_taxable_paise: int = columns.amount("Net value on which tax was collected")
    igst_rate_bp: int | None = columns.number("Rate of IGST", default=None, unit="basis points")
    cgst_rate_bp: int | None = columns.number("Rate of CGST", default=None, unit="basis points")
    sgst_rate_bp: int | None = columns.number("Rate of SGST", default=None, unit="basis points")
    cess_rate_bp: int | None = columns.number("Rate of cess", default=None, unit="basis points")
    igst_paise: int = columns.amount("IGST")
    cgst_paise: int = columns.amount("CGST")
    sgst_paise: int = columns.amount("SGST")
    cess_paise: int = columns.amount("Cess")


DOCUMENT_KEY = (
    "period", "section", "supplier_gstin", "document_type", "document_number", "document_year",
)  # fmt: skip
SCOPE = ("period", "section")

DOCUMENTS = TableSpec(
    name="gst__gstr2a_document",
    row=DocumentRow,
    key=DOCUMENT_KEY,
    scope=SCOPE,
    description="Invoices and notes of suppliers in GSTR-2A, credit notes negative, with the supplier's state.",
    checks=(
        registration("GST-2A-D01", "supplier_gstin", "supplier"),
        exclusive("GST-2A-D02"),
        halves("GST-2A-D03"),
        number_form("GST-2A-D04"),
        not_before_gst("GST-2A-D05"),
        state_code("GST-2A-D06"),
    ),
)
ITEMS = TableSpec(
    name="gst__gstr2a_item",
    row=ItemRow,
    key=(*DOCUMENT_KEY, "item_number"),
    scope=SCOPE,
    description="Rates of the invoices and notes in GSTR-2A.",
    checks=(rate_range("GST-2A-I01"), exclusive("GST-2A-I02"), halves("GST-2A-I03")),
)
ISD = TableSpec(
    name="gst__gstr2a_isd",
    row=IsdRow,
    key=DOCUMENT_KEY,
    scope=SCOPE,
    description="Documents of input service distributors in GSTR-2A.",
    checks=(registration("GST-2A-S01", "supplier_gstin", "supplier"),),
)
IMPORTS = TableSpec(
    name="gst__gstr2a_import",
    row=ImportRow,
    key=("period", "section", "port_code", "document_number", "document_on", "is_amended", "supplier_gstin",
         "occurrence"),
    scope=SCOPE,
    description="Bills of entry in GSTR-2A, from overseas and from special economic zones.",
    checks=(
        Check(
            "GST-2A-M01",
            CheckKind.MATCHES,
            ("document_number",),
            OnBreach.WARN,
            "a bill of entry has 1 to 16 letters and digits",
            {"pattern": r"[A-Za-z0-9]{1,16}"},
            "GSTN schema of GSTR-2A",
        ),
    ),
)  # fmt: skip
TDS = TableSpec(
    name="gst__gstr2a_tds",
    row=TdsRow,
    key=("period", "section", "deductor_gstin", "occurrence"),
    scope=SCOPE,
    description="Tax deducted at source in GSTR-2A (CGST Act s.51).",
    checks=(registration("GST-2A-T01", "deductor_gstin", "deductor"), halves("GST-2A-T02")),
)
TCS = TableSpec(
    name="gst__gstr2a_tcs",
    row=TcsRow,
    key=("period", "section", "operator_gstin", "merchant_id", "occurrence"),
    scope=SCOPE,
    description="Tax collected at source by e-commerce operators in GSTR-2A (CGST Act s.52).",
    checks=(registration("GST-2A-C01", "operator_gstin", "operator"), halves("GST-2A-C02")),
)
TABLES = (DOCUMENTS, ITEMS, ISD, IMPORTS, TDS, TCS)
