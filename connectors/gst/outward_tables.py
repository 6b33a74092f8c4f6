"""The rows of GSTR-1 and GSTR-1A: one set of row classes and checks, and two sets of tables.

Credit notes are negative everywhere. Invariant: every table but the summary is bounded by (period, section), so the
answer of one section never touches the rows of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import Personal
from clientsync.spec.module import Row, TableSpec

PERIOD = columns.text("Return period, MMYYYY", length=6)
SECTION = columns.text("Section of the return, as asked", length=10)


class TaxedRow(Row):
    """What every row with taxes has."""

    taxable_paise: int = columns.amount("Taxable value, credit notes negative")
    igst_paise: int = columns.amount("IGST, credit notes negative")
    cgst_paise: int = columns.amount("CGST, credit notes negative")
    sgst_paise: int = columns.amount("SGST, credit notes negative")
    cess_paise: int = columns.amount("Cess, credit notes negative")


class DocumentRow(TaxedRow):
    """One invoice or note that was issued."""

    period: str = PERIOD
    section: str = SECTION
    part: str = columns.text("List inside the section: b2b, urp2b, … of ecom; else empty", length=10)
    counterparty_gstin: str = columns.text(
        "Buyer's registration, empty when unregistered", personal=Personal.IDENTITY, length=20
    )
    supplier_gstin: str = columns.text(
        "Supplier behind an e-commerce operator", personal=Personal.IDENTITY, length=20
    )
    document_type: str = columns.text("INV, CN or DN", length=5)
    document_number: str = columns.text("Number as it was written", length=50)
    document_year: str = columns.text("Financial year of the document; numbers start again in it", length=7)
    document_on: date = columns.day("Date of the document")
    place_of_supply: str = columns.text("State code", default="", length=2)
    supply_type: str = columns.text("R, DE, SEWP, SEWOP, CBW", default="", length=10)
    group_type: str = columns.text("WPAY, WOPAY for exports; B2CL, EXPWP, EXPWOP for notes", default="")
    operator_gstin: str = columns.text(
        "E-commerce operator", personal=Personal.IDENTITY, default="", length=20
    )
    is_reverse_charge: bool | None = columns.flag("Tax is payable by the recipient", default=None)
    is_counterparty_filed: bool | None = columns.flag("The buyer filed (cfs)", default=None)
    is_pre_gst: bool | None = columns.flag("The invoice behind a note is older than GST", default=None)
    differential_rate: str = columns.text("0.65 when taxed at 65 %", default="", length=5)
    original_type: str = columns.text("Type of the amended note", default="", length=5)
    original_number: str = columns.text("Number of the amended document", default="", length=50)
    original_on: date | None = columns.day("Date of the amended document", default=None)
    original_period: str = columns.text("Period of the amended document (opd)", default="", length=10)
    port_code: str = columns.text("Port of export", default="", length=10)
    shipping_bill_number: str = columns.text("Shipping bill", default="", length=20)
    shipping_bill_on: date | None = columns.day("Date of the shipping bill", default=None)
    source_type: str = columns.text("e-Invoice when it came from the invoice portal", default="", length=20)
    irn: str = columns.text("Invoice reference number", default="", length=64)
    irn_on: date | None = columns.day("Day of the invoice reference", default=None)
    portal_flag: str = columns.text("Portal's flag of the row", default="", length=5)
    counterparty_flag: str = columns.text("Counterparty's flag (cflag)", default="", length=5)
    updated_by: str = columns.text("Who changed the row last", default="", length=5)
    checksum: str = columns.text("Portal's checksum of the row", default="", length=80)
    document_value_paise: int = columns.amount("Value of the document, credit notes negative")


class ItemRow(TaxedRow):
    """One rate of a document."""

    period: str = PERIOD
    section: str = SECTION
    part: str = columns.text("As in the document", length=10)
    counterparty_gstin: str = columns.text("As in the document", personal=Personal.IDENTITY, length=20)
    supplier_gstin: str = columns.text("As in the document", personal=Personal.IDENTITY, length=20)
    document_type: str = columns.text("INV, CN or DN", length=5)
    document_number: str = columns.text("Number as it was written", length=50)
    document_year: str = columns.text("Financial year of the document", length=7)
    item_number: int = columns.number("Number of the line in the document")
    rate_bp: int | None = columns.number("Rate, 18 % is 1800", default=None, unit="basis points")


class B2csRow(TaxedRow):
    """Sales to consumers of one place, rate and kind."""

    period: str = PERIOD
    section: str = SECTION
    original_period: str = columns.text("Month that is amended, MMYYYY", length=6)
    supply_type: str = columns.text("INTER or INTRA", length=10)
    kind: str = columns.text("OE, or E through an e-commerce operator", length=10)
    operator_gstin: str = columns.text("E-commerce operator", personal=Personal.IDENTITY, length=20)
    place_of_supply: str = columns.text("State code", length=2)
    rate_bp: int = columns.number("Rate, 18 % is 1800", unit="basis points")
    occurrence: int = columns.number("Ordinal among rows that are alike in all this")
    differential_rate: str = columns.text("0.65 when taxed at 65 %", default="", length=5)
    checksum: str = columns.text("Portal's checksum of the row", default="", length=80)


class NilRow(Row):
    """Supplies without tax."""

    period: str = PERIOD
    section: str = SECTION
    supply_type: str = columns.text("INTRB2B, INTRB2C, INTRAB2B, INTRAB2C", length=10)
    occurrence: int = columns.number("Ordinal among rows of the same type")
    exempt_paise: int = columns.amount("Exempt supplies")
    nil_rated_paise: int = columns.amount("Nil-rated supplies")
    non_gst_paise: int = columns.amount("Supplies outside GST")


class AdvanceRow(Row):
    """Advances received (at) or set off (txpd), by place and rate."""

    period: str = PERIOD
    section: str = SECTION
    original_period: str = columns.text("Month that is amended, MMYYYY", length=6)
    place_of_supply: str = columns.text("State code", length=2)
    supply_type: str = columns.text("INTER or INTRA", length=10)
    rate_bp: int = columns.number("Rate, 18 % is 1800", unit="basis points")
    occurrence: int = columns.number("Ordinal among rows that are alike in all this")
    differential_rate: str = columns.text("0.65 when taxed at 65 %", default="", length=5)
    checksum: str = columns.text("Portal's checksum of the row", default="", length=80)
    advance_paise: int = columns.amount("Advance without tax")
    igst_paise: int = columns.amount("IGST")
    cgst_paise: int = columns.amount("CGST")
    sgst_paise: int = columns.amount("SGST")
    cess_paise: int = columns.amount("Cess")


class HsnRow(TaxedRow):
    """Supplies of one HSN code."""

    period: str = PERIOD
    section: str = SECTION
    part: str = columns.text("hsn_b2b, hsn_b2c, or data before May 2025", length=10)
    hsn_code: str = columns.text("Code of goods or services", length=20)
    unit: str = columns.text("Unit of quantity", length=40)
    rate: str = columns.text("Rate in basis points, empty in returns that give none", length=5)
    occurrence: int = columns.number("Ordinal among rows that are alike in all this")
    row_number: int = columns.number("Portal's number of the row", default=0)
    rate_bp: int | None = columns.number("Rate, 18 % is 1800", default=None, unit="basis points")
    description: str = columns.text("Description by the code list", default="", length=1000)
    user_description: str = columns.text("Description by the taxpayer", default="", length=1000)
    quantity_thousandths: int = columns.number("Quantity", default=0, unit="thousandths of the unit")
    value_paise: int = columns.amount("Total value, where the return gives it")


class DocsIssuedRow(Row):
    """One series of documents that were issued."""

    period: str = PERIOD
    section: str = SECTION
    document_kind: int = columns.number("1 invoices, 4 debit notes, 5 credit notes, … up to 12")
    first_number: str = columns.text("First number of the series", length=50)
    last_number: str = columns.text("Last number of the series", length=50)
    occurrence: int = columns.number("Ordinal among equal series")
    kind_name: str = columns.text("Portal's words for the kind", default="")
    row_number: int = columns.number("Portal's number of the row", default=0)
    issued: int = columns.number("Documents in the series")
    cancelled: int = columns.number("Of these cancelled")
    net_issued: int = columns.number("Issued less cancelled")


class EcoRow(TaxedRow):
    """Supplies through e-commerce operators that are reported in total."""

    period: str = PERIOD
    section: str = SECTION
    part: str = columns.text("clttx, paytx of supeco; b2c, urp2c of ecom; with a for amended", length=10)
    operator_gstin: str = columns.text("E-commerce operator", personal=Personal.IDENTITY, length=20)
    supplier_gstin: str = columns.text("Supplier", personal=Personal.IDENTITY, length=20)
    place_of_supply: str = columns.text("State code", length=2)
    supply_type: str = columns.text("INTER or INTRA", length=10)
    rate: str = columns.text("Rate in basis points, empty in supeco", length=5)
    original_period: str = columns.text("Month that is amended, MMYYYY", length=6)
    occurrence: int = columns.number("Ordinal among rows that are alike in all this")
    rate_bp: int | None = columns.number("Rate, 18 % is 1800", default=None, unit="basis points")
    original_operator_gstin: str = columns.text(
        "Operator that is amended", personal=Personal.IDENTITY, default="", length=20
    )
    original_supplier_gstin: str = columns.text(
        "Supplier that is amended", personal=Personal.IDENTITY, default="", length=20
    )
    checksum: str = columns.text("Portal's checksum of the row", default="", length=80)


class SummaryRow(TaxedRow):
    """The portal's own figures of a section, of a part of it, or of one buyer in it."""

    period: str = PERIOD
    section: str = SECTION
    name: str = columns.text("Section as the summary names it", length=40)
    part: str = columns.text("Part of the section, empty for the whole", length=40)
    counterparty_gstin: str = columns.text(
        "Buyer, empty for the whole", personal=Personal.IDENTITY, length=20
    )
    occurrence: int = columns.number("Ordinal among equal names")
    level: str = columns.text("section, part or buyer; only sections add up to the return", length=10)
    documents: int = columns.number("Number of records (ttl_rec)")
    value_paise: int = columns.amount("Total value")
    exempt_paise: int = columns.amount("Exempt supplies")
    nil_rated_paise: int = columns.amount("Nil-rated supplies")
    non_gst_paise: int = columns.amount("Supplies outside GST")
    issued: int = columns.number("Documents issued", default=0)
    cancelled: int = columns.number("Documents cancelled", default=0)
    net_issued: int = columns.number("Documents issued, net", default=0)
    actual_value_paise: int = columns.amount("Net effect of amendments on value (act_val)")
    actual_taxable_paise: int = columns.amount("Net effect of amendments on taxable value (act_tax)")
    actual_igst_paise: int = columns.amount("Net effect of amendments on IGST")
    actual_cgst_paise: int = columns.amount("Net effect of amendments on CGST")
    actual_sgst_paise: int = columns.amount("Net effect of amendments on SGST")
    actual_cess_paise: int = columns.amount("Net effect of amendments on cess")
    checksum: str = columns.text("Portal's checksum", default="", length=80)


def exclusive(code: str) -> Check:
    """Return the check that IGST does not stand together with CGST or SGST."""
    return Check(
        code,
        CheckKind.AT_MOST_ONE_NONZERO,
        ("igst_paise",),
        OnBreach.WARN,
        "IGST and CGST/SGST do not stand on one row",
        {"groups": [["igst_paise"], ["cgst_paise", "sgst_paise"]]},
        "IGST Act s.5, CGST Act s.9",
    )


def halves(code: str) -> Check:
    """Return the check that CGST equals SGST."""
    return Check(
        code,
        CheckKind.WITHIN,
        ("cgst_paise", "sgst_paise"),
        OnBreach.WARN,
        "CGST equals SGST within a paisa",
        {"terms": {"cgst_paise": 1, "sgst_paise": -1}, "tolerance": 1},
        "equal rates under the CGST and SGST Acts",
    )


def registration(code: str, column: str, whose: str) -> Check:
    """Return the check of a registration that somebody else wrote; empty text is none and is not checked."""
    return Check(
        code,
        CheckKind.GSTIN,
        (column,),
        OnBreach.WARN,
        f"the registration of the {whose} has a valid form and check character",
        source="GSTN registration formats",
    )


def number_form(code: str) -> Check:
    """Return the check of a document number's form."""
    return Check(
        code,
        CheckKind.MATCHES,
        ("document_number",),
        OnBreach.WARN,
        "a document number has at most 16 characters of A-Z, 0-9, / and -",
        {"pattern": r"[A-Za-z0-9][A-Za-z0-9/\-]{0,15}"},
        "CGST Rules, rule 46(b)",
    )


def not_before_gst(code: str) -> Check:
    """Return the check that a document is not older than GST."""
    return Check(
        code,
        CheckKind.BETWEEN,
        ("document_on",),
        OnBreach.WARN,
        "a document is not older than GST",
        {"low": date(2017, 7, 1), "high": None},
        "GST began on 01-07-2017",
    )


def state_code(code: str) -> Check:
    """Return the check of a place of supply."""
    return Check(
        code,
        CheckKind.MATCHES,
        ("place_of_supply",),
        OnBreach.WARN,
        "a place of supply is empty or a state code of two digits",
        {"pattern": r"(\d{2})?"},
        "GSTN state codes",
    )


def rate_range(code: str) -> Check:
    """Return the check of a rate."""
    return Check(
        code,
        CheckKind.BETWEEN,
        ("rate_bp",),
        OnBreach.WARN,
        "a rate lies between 0 and 40 %",
        {"low": 0, "high": 4000},
        "rates notified since 2017, 40 % from 22-09-2025",
    )


DOCUMENT_KEY = (
    "period", "section", "part", "counterparty_gstin", "supplier_gstin", "document_type", "document_number",
    "document_year",
)  # fmt: skip
B2CS_KEY = (
    "period", "section", "original_period", "supply_type", "kind", "operator_gstin", "place_of_supply", "rate_bp",
    "occurrence",
)  # fmt: skip
NIL_KEY = ("period", "section", "supply_type", "occurrence")
ADVANCE_KEY = (
    "period", "section", "original_period", "place_of_supply", "supply_type", "rate_bp", "occurrence",
)  # fmt: skip
HSN_KEY = ("period", "section", "part", "hsn_code", "unit", "rate", "occurrence")
ISSUED_KEY = ("period", "section", "document_kind", "first_number", "last_number", "occurrence")
ECO_KEY = (
    "period", "section", "part", "operator_gstin", "supplier_gstin", "place_of_supply", "supply_type", "rate",
    "original_period", "occurrence",
)  # fmt: skip
SUMMARY_KEY = ("period", "section", "name", "part", "counterparty_gstin", "occurrence")


@dataclass(frozen=True)
class OutwardTables:
    """The tables of one form."""

    document: TableSpec
    item: TableSpec
    b2cs: TableSpec
    nil: TableSpec
    advance: TableSpec
    hsn: TableSpec
    docs_issued: TableSpec
    eco: TableSpec
    summary: TableSpec

    def all(self) -> tuple[TableSpec, ...]:
        """Return all tables, the summary last."""
        return (
            self.document, self.item, self.b2cs, self.nil, self.advance, self.hsn, self.docs_issued, self.eco,
            self.summary,
        )  # fmt: skip


def tables_of(form: str, title: str, code: str) -> OutwardTables:
    """Return the tables of a form: ``gstr1`` with codes ``GST-R1-…``, ``gstr1a`` with ``GST-R1A-…``."""

    def table(what: str, row: type[Row], key: tuple[str, ...], description: str, *checks: Check) -> TableSpec:
        return TableSpec(
            name=f"gst__{form}_{what}",
            row=row,
            key=key,
            scope=("period", "section"),
            description=f"{description} in {title}.",
            checks=checks,
        )

    def c(number: str) -> str:
        return f"GST-{code}-{number}"

    return OutwardTables(
        document=table(
            "document", DocumentRow, DOCUMENT_KEY, "Invoices and notes issued, credit notes negative,",
            registration(c("D01"), "counterparty_gstin", "buyer"), exclusive(c("D02")), halves(c("D03")),
            number_form(c("D04")), not_before_gst(c("D05")), state_code(c("D06")),
        ),
        item=table(
            "item", ItemRow, (*DOCUMENT_KEY, "item_number"), "Rates of the invoices and notes",
            rate_range(c("I01")), exclusive(c("I02")), halves(c("I03")),
        ),
        b2cs=table(
            "b2cs", B2csRow, B2CS_KEY, "Sales to consumers by place and rate",
            exclusive(c("B01")), halves(c("B02")), state_code(c("B03")), rate_range(c("B04")),
        ),
        nil=table("nil", NilRow, NIL_KEY, "Nil-rated, exempt and non-GST supplies"),
        advance=table(
            "advance", AdvanceRow, ADVANCE_KEY, "Advances received (at) and set off (txpd)",
            exclusive(c("A01")), halves(c("A02")), rate_range(c("A03")),
        ),
        hsn=table("hsn", HsnRow, HSN_KEY, "Supplies by HSN code", halves(c("H01")), _hsn_form(c("H02"))),
        docs_issued=table("docs_issued", DocsIssuedRow, ISSUED_KEY, "Series of documents", _net(c("N01"))),
        eco=table(
            "eco", EcoRow, ECO_KEY, "Supplies through e-commerce operators, in total",
            registration(c("E01"), "operator_gstin", "operator"), exclusive(c("E02")),
        ),
        summary=table("summary", SummaryRow, SUMMARY_KEY, "The portal's own totals by section"),
    )  # fmt: skip


def _hsn_form(code: str) -> Check:
    return Check(
        code,
        CheckKind.MATCHES,
        ("hsn_code",),
        OnBreach.WARN,
        "an HSN code has 2, 4, 6 or 8 digits, or is empty in an old return",
        {"pattern": r"(\d{2}|\d{4}|\d{6}|\d{8})?"},
        "notification 78/2020-CT, GSTN schema",
    )


def _net(code: str) -> Check:
    return Check(
        code,
        CheckKind.WITHIN,
        ("issued", "cancelled", "net_issued"),
        OnBreach.WARN,
        "documents issued less cancelled are the net number",
        {"terms": {"issued": 1, "cancelled": -1, "net_issued": -1}, "tolerance": 0},
        "GSTR-1 table 13",
    )
