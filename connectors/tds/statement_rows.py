"""The tables of statement files: header, challans, deductees, and what must hold for each row.

Rules that compare fields in ways that no column alone can say are worked out where the line is read; ``faults`` names
those that it breaks, and each has a check of its own here. Severity follows the file formats: what the department's
own utility refuses rejects the row, what is only doubtful is loaded with a warning.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import Personal
from clientsync.spec.module import Row, TableSpec
from connectors.tds import identifiers

FORMATS = "Prescribed file formats of Forms 138, 140, 143, 144 V1.0 of 16-06-2026"
CATEGORIES = tuple("ASDEGHLNKMPTJBQF")
"""Deductor categories: annexure 4 of the same formats."""
MINOR_HEADS = ("", "200", "400", "100")
"""200 payable by taxpayer, 400 regular assessment, 100 advance tax: annexure 7 of the same formats."""
KEY = ("period", "section")


class Fault(StrEnum):
    """Rules that a line breaks; words of the ``faults`` column."""

    FUTURE = "future"
    EARLY = "early"
    NIL_DATE = "nil_date"
    ADVANCE_DATE = "advance_date"
    PAISE = "paise"
    NO_BRANCH = "no_branch"
    NO_SERIAL = "no_serial"
    DATE_AND_TAX = "date_and_tax"
    CODE = "code"
    DOUBTFUL_CODE = "doubtful_code"
    OLD_SECTION = "old_section"
    FLAG = "flag"
    CERTIFICATE = "certificate"
    NEEDS_PAN = "needs_pan"
    PLACEHOLDER = "placeholder"
    TAX_FREE = "tax_free"
    DEPOSITED = "deposited"


class StatementFileRow(Row):
    """The headers of one statement file."""

    period: str = columns.text("Quarter of the statement, 2025-26-Q4", length=10)
    section: str = columns.text("Form by its name under the Act of 1961, which both Acts share", length=20)
    act: str = columns.text("Act of the quarter: 1961 or 2025", length=4)
    portal: str = columns.text("Always FILE", length=10)
    form: str = columns.text("Form as the file names it", length=4)
    year: str = columns.text("Financial or tax year, 2025-26", length=7)
    quarter: str = columns.text("Q1 to Q4", length=2)
    tan: str = columns.text("TAN of the deductor", personal=Personal.IDENTITY, length=20)
    pan: str = columns.text("PAN of the deductor, or PANNOTREQD", personal=Personal.IDENTITY, length=20)
    name: str = columns.text("Name of the deductor", personal=Personal.NAME, length=150)
    category: str = columns.text("Deductor category", length=4)
    gstin: str = columns.text("GST registration, when given", personal=Personal.IDENTITY, length=20)
    responsible_pan: str = columns.text(
        "PAN of the person responsible", personal=Personal.IDENTITY, length=20
    )
    assessment_year: str = columns.text("Assessment year as the file writes it", length=6)
    previous_token: str = columns.text("Token of the previous regular statement", length=20)
    is_filed_earlier: bool | None = columns.flag("A regular statement was filed for an earlier quarter")
    utility: str = columns.text("Program that made the file", length=75)
    created_on: date | None = columns.day("Day on which the file was made")
    challan_count: int = columns.number("Challan records that the header counts", unit="records")
    challans_found: int = columns.number("Challan records that the file holds", unit="records")
    deductees_found: int = columns.number("Deductee records that the file holds", unit="records")
    total_deposited_paise: int = columns.amount("Total of all challans by the header")
    file_sha256: str = columns.text("SHA-256 of the file's bytes", length=64)


class FileChallanRow(Row):
    """One challan or transfer voucher of a statement file (CD)."""

    period: str = columns.text("Quarter of the statement, 2025-26-Q4", length=10)
    section: str = columns.text("Form by its name under the Act of 1961, which both Acts share", length=20)
    act: str = columns.text("Act of the quarter: 1961 or 2025", length=4)
    portal: str = columns.text("Always FILE", length=10)
    form: str = columns.text("Form as the file names it", length=4)
    challan_record: int = columns.number("Running number of the challan in the file")
    line: int = columns.number("Line in the file, from 1")
    bsr: str = columns.text("BSR code of the branch, or receipt of Form 24G", length=20)
    serial: str = columns.text("Challan serial, or DDO serial, as five digits", length=20)
    deposited_on: date = columns.day("Day of the challan or transfer voucher")
    is_nil: bool = columns.flag("No tax was deposited")
    is_book_entry: bool = columns.flag("Deposited by book entry of a government office")
    section_code: str = columns.text("Section on the challan, before 2013-14 only", length=10)
    minor_head: str = columns.text("Minor head: 200, 400 or 100; empty when the file has none", length=10)
    tax_paise: int = columns.amount("Tax")
    surcharge_paise: int = columns.amount("Surcharge; zero under the Act of 2025")
    cess_paise: int = columns.amount("Cess; zero under the Act of 2025")
    interest_paise: int = columns.amount("Interest")
    fee_paise: int = columns.amount("Late filing fee, s.234E or s.427")
    penalty_paise: int = columns.amount("Penalty and others")
    total_paise: int = columns.amount("Total of the challan")
    deductee_tax_paise: int = columns.amount("Tax deducted from its deductees, by the challan record")
    deductee_deposited_paise: int = columns.amount("Tax deposited for its deductees, by the challan record")
    interest_allocated_paise: int = columns.amount("Interest allocated to deductees; Act of 1961 only")
    others_allocated_paise: int = columns.amount("Other amounts allocated to deductees; Act of 1961 only")
    deductee_count: int = columns.number("Deductees that the challan record counts", unit="records")
    deductees_found: int = columns.number("Deductees that the file holds for it", unit="records")
    faults: str = columns.text("Rules that the record breaks, in words, separated by blanks", length=200)


class FileDeducteeRow(Row):
    """One deduction or collection of a statement file (DD)."""

    period: str = columns.text("Quarter of the statement, 2025-26-Q4", length=10)
    section: str = columns.text("Form by its name under the Act of 1961, which both Acts share", length=20)
    act: str = columns.text("Act of the quarter: 1961 or 2025", length=4)
    portal: str = columns.text("Always FILE", length=10)
    form: str = columns.text("Form as the file names it", length=4)
    challan_record: int = columns.number("Running number of its challan in the file")
    deductee_record: int = columns.number("Running number in the file, or under its challan")
    line: int = columns.number("Line in the file, from 1")
    pan: str = columns.text(
        "PAN of the deductee, or what stands for a missing one", personal=Personal.IDENTITY
    )
    is_pan_missing: bool = columns.flag("A placeholder stands for the PAN; never join on it")
    name: str = columns.text("Name of the deductee", personal=Personal.NAME, length=150)
    code: str = columns.text("Payment code (Act of 2025) or section (Act of 1961)", length=10)
    paid_on: date = columns.day("Day of payment or credit")
    deducted_on: date | None = columns.day("Day of deduction; empty when there was no tax")
    deposited_on: date | None = columns.day("Day of deposit, on forms that have it")
    amount_paise: int = columns.amount("Amount paid, credited or received")
    tds_paise: int = columns.amount("Income tax alone; the whole tax under the Act of 2025")
    surcharge_paise: int = columns.amount("Surcharge; zero under the Act of 2025")
    cess_paise: int = columns.amount("Cess; zero under the Act of 2025")
    tax_paise: int = columns.amount("Tax deducted or collected, all heads")
    deposited_paise: int = columns.amount("Tax deposited")
    rate_ppm: int | None = columns.number(
        "Rate in units of 0.0001 per cent (3 per cent is 30000); empty when none is given",
        unit="0.0001 per cent",
    )
    rate_difference_paise: int = columns.amount(
        "Tax less amount x rate rounded to the rupee; zero where the rule does not apply"
    )
    is_deposited: bool | None = columns.flag("Whether all of the tax was deposited, when the file says so")
    flag: str = columns.text("Reason for lower, no or higher deduction", length=4)
    certificate_number: str = columns.text("Certificate for lower or no deduction", length=40)
    acknowledgement: str = columns.text("Number of Form 121 (Form 140) or 15CA (Form 144)", length=40)
    cash_over_1_crore_paise: int = columns.amount("Cash withdrawn above one crore")
    cash_over_3_crore_paise: int = columns.amount("Cash withdrawn above three crore, co-operative societies")
    remittance: str = columns.text("Nature of remittance, Form 144", length=4)
    country: str = columns.text("Country of remittance, Form 144", length=4)
    rate_basis: str = columns.text("A: rate of the Act, B: of the treaty; Form 144", length=2)
    is_grossed_up: bool | None = columns.flag("Whether the amount is grossed up, Form 144")
    faults: str = columns.text("Rules that the record breaks, in words, separated by blanks", length=200)


def _broken(code: str, fault: Fault, breach: OnBreach, message: str, source: str = FORMATS) -> Check:
    """Return the check that finds one word among the faults of a row."""
    pattern = rf"(?!(?:.* )?{fault}(?: |$)).*"
    return Check(code, CheckKind.MATCHES, ("faults",), breach, message, {"pattern": pattern}, source)


def _fits(code: str, column: str, pattern: str, breach: OnBreach, message: str, source: str) -> Check:
    return Check(code, CheckKind.MATCHES, (column,), breach, message, {"pattern": pattern}, source)


def _from_zero(code: str, column: str, message: str) -> Check:
    params = {"low": 0, "high": None}
    return Check(code, CheckKind.BETWEEN, (column,), OnBreach.REJECT_ROW, message, params, FORMATS)


_PAN_SHAPE = identifiers.PAN_SHAPE
_DEDUCTEE_PAN = rf"(?:{_PAN_SHAPE}|{'|'.join(sorted(identifiers.DEDUCTEE_PLACEHOLDERS))})"
_DEDUCTOR_PAN = rf"(?:{_PAN_SHAPE}|{'|'.join(sorted(identifiers.DEDUCTOR_PLACEHOLDERS))})"
_KNOWN_HOLDER = identifiers.PAN_OR_PLACEHOLDER + "|" + rf"(?!{_PAN_SHAPE}$).*"
REJECT, WARN = OnBreach.REJECT_ROW, OnBreach.WARN

STATEMENT_FILE = TableSpec(
    name="tds__statement_file",
    row=StatementFileRow,
    key=KEY,
    scope=KEY,
    description="Statement files as they were filed: form, quarter, deductor, totals.",
    checks=(
        _fits(
            "TDS-FILE-H01", "tan", identifiers.TAN, REJECT, "The TAN does not have the form of one.", "V01"
        ),
        _fits("TDS-FILE-H02", "pan", _DEDUCTOR_PAN, REJECT, "The PAN does not have the form of one.", "V02"),
        _fits(
            "TDS-FILE-H03",
            "pan",
            _KNOWN_HOLDER,
            WARN,
            "The PAN's fourth letter names no kind of holder.",
            "V02",
        ),
        _fits(
            "TDS-FILE-H04",
            "previous_token",
            identifiers.or_empty(identifiers.TOKEN),
            WARN,
            "The token of the previous statement does not have 15 digits.",
            "V06",
        ),
        Check(
            "TDS-FILE-H05", CheckKind.GSTIN, ("gstin",), WARN, "The GST registration is not right.", {}, "V09"
        ),
        Check(
            "TDS-FILE-H06",
            CheckKind.IN_SET,
            ("category",),
            WARN,
            "The deductor category is not one of the list.",
            {"values": CATEGORIES},
            f"{FORMATS}, annexure 4",
        ),
        _fits(
            "TDS-FILE-H07",
            "responsible_pan",
            identifiers.or_empty(_PAN_SHAPE),
            WARN,
            "The PAN of the person responsible does not have the form of one.",
            "V02",
        ),
        _from_zero("TDS-FILE-H08", "total_deposited_paise", "The total of the challans is negative."),
    ),
)

_HEADS = {
    "total_paise": 1,
    "tax_paise": -1,
    "surcharge_paise": -1,
    "cess_paise": -1,
    "interest_paise": -1,
    "fee_paise": -1,
    "penalty_paise": -1,
}
FILE_CHALLAN = TableSpec(
    name="tds__file_challan",
    row=FileChallanRow,
    key=(*KEY, "challan_record"),
    scope=KEY,
    description="Challans and transfer vouchers as statement files state them.",
    checks=(
        _fits(
            "TDS-FILE-C01",
            "bsr",
            identifiers.or_empty(identifiers.BSR),
            REJECT,
            "The BSR code or receipt number does not have seven digits.",
            "V04",
        ),
        _fits(
            "TDS-FILE-C02",
            "serial",
            identifiers.or_empty(identifiers.SERIAL),
            REJECT,
            "The challan serial is not a number of at most five digits.",
            "V05",
        ),
        Check(
            "TDS-FILE-C03",
            CheckKind.WITHIN,
            ("total_paise",),
            REJECT,
            "The heads of the challan do not add up to its total.",
            {"terms": _HEADS, "tolerance": 0},
            "V20 (Act of 1961), V21 (Act of 2025)",
        ),
        _broken(
            "TDS-FILE-C04",
            Fault.PAISE,
            REJECT,
            "An amount of the challan is not a whole number of rupees.",
            "V21",
        ),
        _broken("TDS-FILE-C05", Fault.FUTURE, REJECT, "The challan is dated in the future."),
        _broken(
            "TDS-FILE-C06",
            Fault.EARLY,
            REJECT,
            "The challan is dated before 1 April of the year before the statement's.",
        ),
        _broken(
            "TDS-FILE-C07", Fault.NIL_DATE, REJECT, "A nil challan is not dated on the quarter's last day."
        ),
        _broken(
            "TDS-FILE-C08",
            Fault.ADVANCE_DATE,
            REJECT,
            "A challan of advance tax (minor head 100) is dated outside the quarter.",
        ),
        _broken(
            "TDS-FILE-C09",
            Fault.NO_BRANCH,
            REJECT,
            "A challan that is not nil has no BSR code or receipt number.",
        ),
        _broken("TDS-FILE-C10", Fault.NO_SERIAL, WARN, "A challan that is not nil has no serial."),
        Check(
            "TDS-FILE-C11",
            CheckKind.BETWEEN,
            ("deductees_found",),
            WARN,
            "No deductee stands under the challan.",
            {"low": 1, "high": None},
            "V24",
        ),
        Check(
            "TDS-FILE-C12",
            CheckKind.IN_SET,
            ("minor_head",),
            WARN,
            "The minor head is not one of the list.",
            {"values": MINOR_HEADS},
            f"{FORMATS}, annexure 7",
        ),
        _broken(
            "TDS-FILE-C13",
            Fault.OLD_SECTION,
            WARN,
            "The section on the challan is not one of the portal's list.",
        ),
        _from_zero("TDS-FILE-C14", "total_paise", "The total of the challan is negative."),
    ),
)

FILE_DEDUCTEE = TableSpec(
    name="tds__file_deductee",
    row=FileDeducteeRow,
    key=(*KEY, "challan_record", "deductee_record"),
    scope=KEY,
    description="Deductions and collections as statement files state them, one row per deductee record.",
    checks=(
        _fits(
            "TDS-FILE-D01",
            "pan",
            _DEDUCTEE_PAN,
            REJECT,
            "The PAN is neither of the right form nor one of the words for a missing one.",
            "V02, V03",
        ),
        _fits(
            "TDS-FILE-D02",
            "pan",
            _KNOWN_HOLDER,
            WARN,
            "The PAN's fourth letter names no kind of holder.",
            "V02",
        ),
        _broken(
            "TDS-FILE-D03",
            Fault.PLACEHOLDER,
            WARN,
            "Tax without a PAN does not carry flag C, or flag C has a PAN.",
            "V03",
        ),
        Check(
            "TDS-FILE-D04",
            CheckKind.BETWEEN,
            ("amount_paise",),
            REJECT,
            "The amount paid is not above zero.",
            {"low": 1, "high": None},
            "V25",
        ),
        _broken(
            "TDS-FILE-D05",
            Fault.TAX_FREE,
            REJECT,
            "Tax or a rate stands under a payment code that has neither in a statement.",
            "V25",
        ),
        Check(
            "TDS-FILE-D06",
            CheckKind.BETWEEN,
            ("rate_difference_paise",),
            WARN,
            "The tax differs from amount x rate by more than a rupee.",
            {"low": -100, "high": 100},
            "V29",
        ),
        _broken(
            "TDS-FILE-D07",
            Fault.CERTIFICATE,
            REJECT,
            "Flag A has no certificate number, or the number is not one of this Act.",
            "V07",
        ),
        _broken(
            "TDS-FILE-D08",
            Fault.CODE,
            REJECT,
            "The payment code is not one of the form's.",
            f"{FORMATS}, annexure 2",
        ),
        _broken(
            "TDS-FILE-D09",
            Fault.DOUBTFUL_CODE,
            WARN,
            "The payment code stands in the flag annexure of the form only.",
            f"{FORMATS}, annexures 2 and 6",
        ),
        _broken(
            "TDS-FILE-D10",
            Fault.FLAG,
            REJECT,
            "The flag is not allowed with the payment code on this form.",
            f"{FORMATS}, annexure 6",
        ),
        _broken("TDS-FILE-D11", Fault.NEEDS_PAN, REJECT, "The flag may only stand with a PAN."),
        _broken("TDS-FILE-D12", Fault.FUTURE, REJECT, "A date lies in the future."),
        _broken("TDS-FILE-D13", Fault.EARLY, REJECT, "Tax was deducted before the first day of the quarter."),
        _broken(
            "TDS-FILE-D14",
            Fault.DATE_AND_TAX,
            REJECT,
            "The day of deduction must stand with tax, and only with tax.",
        ),
        _broken(
            "TDS-FILE-D15", Fault.DEPOSITED, WARN, "The statement does not say whether the tax was deposited."
        ),
        _broken(
            "TDS-FILE-D16",
            Fault.OLD_SECTION,
            WARN,
            "The section is not one of the portal's list.",
            "Challan codes of the Act of 1961 as the e-Pay Tax page lists them",
        ),
        Check(
            "TDS-FILE-D17",
            CheckKind.WITHIN,
            ("tax_paise",),
            REJECT,
            "Tax, surcharge and cess do not add up to the tax deducted.",
            {
                "terms": {"tax_paise": 1, "tds_paise": -1, "surcharge_paise": -1, "cess_paise": -1},
                "tolerance": 0,
            },
            "Format of the Act of 1961: field 17 is the sum of fields 14 to 16",
        ),
        _from_zero("TDS-FILE-D18", "tax_paise", "The tax is negative."),
        _from_zero("TDS-FILE-D19", "deposited_paise", "The deposited tax is negative."),
    ),
)
