"""Promises of statement layouts: positions are those of the formats, and short records never lend fields."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.tds import code_tables
from connectors.tds.statement_layouts import (
    BATCH_HEADER,
    CHALLAN,
    DEDUCTEE,
    FILE_HEADER,
    LAYOUTS,
    split_line,
)

SPECS = Path(__file__).resolve().parents[4] / "shared" / "samples" / "tds" / "official_specs"
NEW_FORMS = ("138", "140", "143", "144")
HEADINGS = {"File Header": FILE_HEADER, "Batch Header": BATCH_HEADER, "Challan Detail": CHALLAN}
WORDS = {
    FILE_HEADER: {
        "file_type": "file type",
        "upload_type": "upload type",
        "created_on": "file creation date",
        "tan": "tan of (deductor|collector|employer)",
        "batches": "total no. of batches",
        "utility": "return preparation utility",
    },
    BATCH_HEADER: {
        "challan_count": "count of challan",
        "form": "form number",
        "previous_token": "previous regular statement",
        "tan": "tan of (deductor|collector|employer)",
        "pan": "pan of (deductor|collector|employer)",
        "assessment_year": "assessment yr",
        "year": "tax year",
        "quarter": "period",
        "name": "name of (deductor|collector|employer)",
        "category": "(deductor|collector|employer) type",
        "total_deposited": "total of deposit amount",
        "filed_earlier": "whether regular statement",
        "state": "state name",
        "ministry": "ministry name",
        "responsible_pan": "pan of responsible person",
        "gstin": "goods and service tax number",
    },
    CHALLAN: {
        "challan_record": "challan-detail record number",
        "deductee_count": "count of",
        "is_nil": "nil challan indicator",
        "tax": "total tax",
        "interest": "total interest",
        "fee": "total fee",
        "penalty": "total penalty",
        "total": "total of deposit amount",
        "mode": "mode of payment",
        "bsr": "^bsr code",
        "serial": "^bank challan no",
        "deposited_on": "^date of",
        "deductee_deposited": "total tax deposited amount",
        "deductee_tax": "total tax deducted amount",
        "minor_head": "minor head",
    },
    DEDUCTEE: {
        "deductee_record": "detail record no",
        "challan_record": "challan reference number",
        "mode": "^mode",
        "pan": "^(deductee|collectee|employee)'s pan",
        "name": "^name of (the |collectee)",
        "code": "section code|collection code",
        "is_deposited": "has been deposited",
        "paid_on": "date of payment|received/ debited",
        "amount": "^amount (paid|received)",
        "tax": "^total tax (deducted|collected)",
        "deposited": "^total tax deposited",
        "deducted_on": "^date of (deduction|collection)",
        "flag": "^reason for",
        "certificate": "^certificate number",
        "deposited_on": "^date of deposit",
        "rate": "^rate at which",
        "acknowledgement": "unique (identification|acknowledgement) number",
        "cash_over_1_crore": "excess of rs. 1 crore",
        "cash_over_3_crore": "excess of rs. 3 crore",
        "non_resident": "non- resident",
        "status": "status|collectee code",
        "establishment": "permanent establishment",
        "opts_out": "opting out",
        "remittance": "nature of remittance",
        "country": "country to which",
        "grossed_up": "grossed up",
        "rate_basis": "whether rate of tds",
    },
}


def official(form: str) -> dict[str, dict[int, str]]:
    """Return record type to position to the field's official name in small letters."""
    openpyxl = pytest.importorskip("openpyxl")
    [path] = [one for one in SPECS.glob("*.xlsx") if f"Number_{form}" in one.name]
    book: Any = openpyxl.load_workbook(path, read_only=True)
    found: dict[str, dict[int, str]] = {}
    record = ""
    for row in book.worksheets[0].iter_rows(values_only=True):
        cells = [" ".join(str(cell).split()) for cell in row if cell is not None and str(cell).strip()]
        if not cells:
            continue
        if match := re.search(r"\((.*?) Record\)", cells[0]):
            record = HEADINGS.get(match[1], DEDUCTEE)
        elif cells[0].startswith("Annexure"):
            record = ""
        elif record and cells[0].isdigit() and len(cells) > 1:
            found.setdefault(record, {}).setdefault(int(cells[0]), cells[1].lower().replace("\u2019", "'"))
    book.close()
    return found


@pytest.mark.skipif(not SPECS.is_dir(), reason="the official formats are not at hand")
@pytest.mark.parametrize("form", NEW_FORMS)
def test_every_position_is_the_one_of_the_official_format(form: str) -> None:
    fields = official(form)
    layout = LAYOUTS[form]
    for record, positions in layout.positions.items():
        assert max(fields[record]) in layout.counts[record]
        for name, position in positions.items():
            assert re.search(WORDS[record][name], fields[record][position]), (record, name, position)


@pytest.mark.parametrize("form", NEW_FORMS)
def test_new_records_have_exactly_the_prescribed_number_of_fields(form: str) -> None:
    counts = LAYOUTS[form].counts
    for record, count in {"FH": 18, "BH": 72, "CD": 30, "DD": 45}.items():
        assert count in counts[record]
        assert count - 1 not in counts[record]
        assert count + 1 not in counts[record]


@pytest.mark.parametrize(("count", "fee", "minor"), [(39, "", ""), (40, "F", ""), (41, "F", "M")])
def test_an_old_challan_has_a_fee_and_a_minor_head_only_where_its_version_has_them(
    count: int, fee: str, minor: str
) -> None:
    parts = [""] * count
    for position, value in ((39, "F"), (40, "M")):
        if position <= count:
            parts[position - 1] = value
    values = LAYOUTS["26Q"].values(CHALLAN, parts)
    assert (values["fee"], values["minor_head"]) == (fee, minor)


def test_an_old_deductee_line_of_2010_has_no_section_and_no_certificate() -> None:
    parts = split_line("^".join(str(number) for number in range(1, 34)))
    layout = LAYOUTS["26Q"]
    assert layout.values(DEDUCTEE, parts)["code"] == ""
    assert not layout.has(DEDUCTEE, parts, "certificate")
    assert layout.has(DEDUCTEE, [*parts, "34", "35"], "certificate")


def test_forms_of_both_acts_meet_in_one_family() -> None:
    assert {form: LAYOUTS[form].family for form in NEW_FORMS} == {
        "138": "24Q",
        "140": "26Q",
        "144": "27Q",
        "143": "27EQ",
    }
    assert {LAYOUTS[form].act for form in NEW_FORMS} == {"2025"}
    assert {LAYOUTS[form].act for form in ("24Q", "26Q", "27Q", "27EQ")} == {"1961"}


def test_code_tables_hold_the_prescribed_ranges() -> None:
    sizes = {form: len(code_tables.payment_codes(form)) for form in NEW_FORMS}
    assert sizes == {"138": 4, "140": 39, "143": 25, "144": 30}
    assert not code_tables.payment_codes("140") & {"1007", "1010", "1016", "1025", "1032", "1036"}
    assert code_tables.doubtful_codes("140") == {"1016"}
    pairs = sum(
        len(code_tables.flag_codes(form, flag)) for form in ("140", "144") for flag in code_tables.flags(form)
    )
    assert pairs == 254
    assert code_tables.tax_free_codes() == {"1033", "1037", "1038", "1059", "1061"}
    assert (len(code_tables.challan_codes("1961")), len(code_tables.challan_codes("2025"))) == (63, 64)
    assert code_tables.section_of_challan_code("94C") == "194C"
    assert code_tables.section_of_code("1027").startswith("393(1)")
    assert code_tables.section_of_code("9999") == ""


def test_rates_are_dated_exact_and_never_guessed() -> None:
    found = code_tables.rate_on("1031", date(2026, 4, 1))
    assert found is not None
    assert (found.ppm, found.section) == (1000, "194Q")
    assert code_tables.rate_on("1031", date(2025, 3, 31)) is None
    assert code_tables.rate_on("194J", date(2026, 4, 1)) is None
    assert code_tables.rate_on("0000", date(2026, 4, 1)) is None


@pytest.mark.parametrize(
    ("text", "ppm"), [("3", 30_000), ("03.0000", 30_000), ("0.0375", 375), ("0", 0), ("999.9999", 9_999_999)]
)
def test_a_rate_is_read_exactly(text: str, ppm: int) -> None:
    assert code_tables.rate_ppm(text) == ppm


@pytest.mark.parametrize("text", ["", "x", "-1", "1000", "0.00001", "NaN", "1e9"])
def test_what_is_no_rate_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="a rate") as caught:
        code_tables.rate_ppm(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("amount", "ppm", "tax"),
    [(100_00, 100_000, 10_00), (105_00, 100_000, 11_00), (104_99, 100_000, 10_00), (1, 1, 0)],
)
def test_tax_is_rounded_to_the_rupee_with_half_a_rupee_up(amount: int, ppm: int, tax: int) -> None:
    assert code_tables.tax_at(amount, ppm) == tax
