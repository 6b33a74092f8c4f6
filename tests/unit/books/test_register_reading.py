"""A register is read as a bookkeeper means it: every line in a document or refused, every amount exact."""

from __future__ import annotations

import csv
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.errors import InvalidInput
from clientsync.imports import register_values as values
from clientsync.imports.books import write_book_template
from clientsync.imports.register_names import COLUMNS
from clientsync.imports.registers import Reading, Register, payloads, read_register, summed
from tests.support.gstins import gstin_of

HEAD = ("Bill No", "Bill Date", "Party Name", "GSTIN/UIN", "Taxable Value", "IGST", "CGST", "SGST")
PURCHASES = Reading("purchases")


def written(
    folder: Path, *rows: tuple[Any, ...], head: tuple[str, ...] = HEAD, name: str = "register.csv"
) -> Path:
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([head, *rows])
    return path


def line(
    number: str = "A/1", on: str = "05-10-2026", taxable: str = "100.00", **more: str
) -> tuple[str, ...]:
    return (number, on, "Supplier", gstin_of(1), taxable, more.get("igst", "18.00"), "", "")


def documents(register: Register, month: str = "102026") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = payloads(register, gstin_of(9))[month]["documents"]
    return found


@pytest.mark.parametrize(
    ("text", "paise"),
    [
        ("1,23,456.50", 12345650),
        ("12,34,56,789", 12345678900),
        ("1,234,567.5", 123456750),
        ("1,200-", -120000),
        ("(1,234.50)", -123450),
        ("-5", -500),
        ("₹ 12", 1200),
        ("Rs. 1,200.00 Dr", 120000),
        ("1,200.00 Cr", -120000),
        ("", 0),
        ("-", 0),
        (12.1, 1210),
        (1234567.89, 123456789),
        (7, 700),
    ],
)
def test_amounts_are_read_in_the_spellings_of_books(text: Any, paise: int) -> None:
    assert values.amount(text) == paise


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "1.2.3",
        "12.345",
        "nan",
        "1e5",
        float("inf"),
        True,
        "1234,50",
        "1.234,50",
        "12,5",
        "1,2345",
        ",5",
    ],
)
def test_what_is_no_amount_of_whole_paise_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.amount(text)


@pytest.mark.parametrize(
    ("text", "day_first", "expected"),
    [
        ("2026-10-05", True, date(2026, 10, 5)),
        ("05/10/2026", True, date(2026, 10, 5)),
        ("05/10/2026", False, date(2026, 5, 10)),
        ("5-Oct-2026", True, date(2026, 10, 5)),
        (datetime(2026, 10, 5, 12, tzinfo=UTC), True, date(2026, 10, 5)),
        ("", True, None),
    ],
)
def test_dates_are_read_day_first_unless_said_otherwise(
    text: Any, day_first: bool, expected: date | None
) -> None:
    assert values.day(text, day_first=day_first) == expected


def test_a_date_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no date"):
        values.day("31/31/2026")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "INV"),
        ("Tax Invoice", "INV"),
        ("Credit Note", "CN"),
        ("Purchase Return", "CN"),
        ("Debit Note", "DN"),
    ],
)
def test_types_of_documents_are_told_by_their_words(text: str, kind: str) -> None:
    assert values.document_type(text) == kind


@pytest.mark.parametrize(
    ("text", "code"), [("27-Maharashtra", "27"), ("Karnataka", "29"), ("7", "07"), ("", "")]
)
def test_a_state_is_told_by_code_or_name(text: str, code: str) -> None:
    assert values.place(text) == code


def test_titles_above_the_header_and_a_total_below_are_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    rows = [
        ["Some Traders"],
        ["Purchase register"],
        list(HEAD),
        list(line()),
        ["Total", "", "", "", "100.00", "18.00"],
    ]
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)
    register = read_register(path, PURCHASES)
    assert (len(register.lines), register.totals) == (1, {})


def test_a_total_that_is_not_the_sum_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, line(), ("Total", "", "", "", "150.00", "18.00", "", ""))
    assert read_register(path, PURCHASES).totals == {"taxable": "50.00"}


def test_lines_per_rate_make_one_document(tmp_path: Path) -> None:
    head = (*HEAD, "GST Rate")
    path = written(tmp_path, (*line(), "18"), (*line(taxable="50.00", igst="2.50"), "5"), head=head)
    (document,) = documents(read_register(path, PURCHASES))
    assert (document["taxable_paise"], document["igst_paise"], document["lines"]) == (15000, 2050, 2)


def test_a_document_that_was_entered_twice_stays_twice(tmp_path: Path) -> None:
    assert len(documents(read_register(written(tmp_path, line(), line()), PURCHASES))) == 2


def test_a_credit_note_is_negative_however_it_is_written(tmp_path: Path) -> None:
    head = (*HEAD, "Type")
    path = written(
        tmp_path,
        (*line("C1"), "Credit Note"),
        (*line("C2", taxable="-100.00", igst="-18.00"), "Credit Note"),
        head=head,
    )
    found = documents(read_register(path, PURCHASES))
    assert [(one["taxable_paise"], one["igst_paise"]) for one in found] == [(-10000, -1800)] * 2


def test_a_negative_line_without_a_type_is_a_credit_note(tmp_path: Path) -> None:
    (document,) = documents(
        read_register(written(tmp_path, line(taxable="-100.00", igst="-18.00")), PURCHASES)
    )
    assert (document["document_type"], document["taxable_paise"]) == ("CN", -10000)


def test_lines_that_cannot_be_read_are_refused_with_row_and_reason_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path, line(), line("A/2", on="soon"), line("A/3", taxable="much"), line("", "06-10-2026")
    )
    register = read_register(path, PURCHASES)
    assert len(register.lines) == 1
    assert [(row.row, row.reason.split(" is")[0]) for row in register.refused] == [
        (3, "'soon'"),
        (4, "'much'"),
        (5, "it has no document number"),
    ]


def test_every_line_of_a_month_is_counted(tmp_path: Path) -> None:
    register = read_register(
        written(tmp_path, line(), line("A/2", on="soon"), line("B", "06-11-2026")), PURCHASES
    )
    found = payloads(register, gstin_of(9))
    assert {month: one["lines"] for month, one in found.items()} == {"102026": 1, "112026": 2}


def test_the_month_is_that_of_the_entry_when_the_register_says_it(tmp_path: Path) -> None:
    path = written(tmp_path, (*line(), "02-11-2026"), head=(*HEAD, "Voucher Date"))
    assert read_register(path, PURCHASES).months == ["112026"]


def test_a_column_that_is_missing_is_named_with_the_headers_and_a_guess(tmp_path: Path) -> None:
    head = ("Bill No", "Bill Date", "Party Name", "GSTIN", "Taxable worth", "IGST", "CGST", "SGST")
    with pytest.raises(InvalidInput, match=r'taxable.*Taxable worth.*--map "taxable worth=taxable"'):
        read_register(written(tmp_path, line(), head=head), PURCHASES)


def test_a_mapping_of_a_person_wins_over_names_that_are_known(tmp_path: Path) -> None:
    head = (*HEAD[:4], "Value", *HEAD[5:])
    how = Reading("purchases", {"Value": "taxable"})
    assert read_register(written(tmp_path, line(), head=head), how).lines[0].amounts["taxable"] == 10000


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("Data", 0)
    book.save(tmp_path / "r.xlsx")
    with pytest.raises(InvalidInput, match="Data"):
        read_register(tmp_path / "r.xlsx", Reading("purchases", sheet="Other"))


@pytest.mark.parametrize("register", ["purchases", "sales"])
def test_the_template_can_be_filled_and_read(tmp_path: Path, register: str) -> None:
    path = tmp_path / "template.xlsx"
    write_book_template(path, register)
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    assert [cell.value for cell in sheet[1]] == list(COLUMNS)
    row: dict[str, Any] = {
        "document_number": "A/1",
        "document_on": date(2026, 10, 5),
        "taxable": 1234.56,
        "igst": 222.22,
    }
    for number, column in enumerate(COLUMNS, start=1):
        sheet.cell(2, number, row.get(column))
    book.save(path)
    (document,) = documents(read_register(path, Reading(register)))
    assert (document["document_on"], document["taxable_paise"], document["igst_paise"]) == (
        "2026-10-05",
        123456,
        22222,
    )


LINES = st.lists(
    st.tuples(
        st.sampled_from(("A/1", "A/2", "b-3")),
        st.sampled_from(("05-10-2026", "06-10-2026", "05-11-2026", "never")),
        st.integers(-10_000_000, 10_000_000),
        st.integers(0, 10_000_000),
        st.sampled_from(("5", "18")),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(LINES)
def test_lines_in_are_lines_in_documents_and_lines_refused(rows: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(
            Path(folder),
            *(
                (number, on, "P", gstin_of(1), f"{taxable / 100:.2f}", f"{igst / 100:.2f}", "", "", rate)
                for number, on, taxable, igst, rate in rows
            ),
            head=(*HEAD, "Rate"),
        )
        register = read_register(path, PURCHASES)
        if not register.months:
            return
        found = payloads(register, gstin_of(9)).values()
    assert sum(one["lines"] for one in found) == len(rows)
    assert sum(document["lines"] for one in found for document in one["documents"]) == len(register.lines)
    total = sum(summed(one["documents"])["taxable_paise"] for one in found)
    assert total == sum(line.amounts["taxable"] for line in register.lines)


def signs(register: Register) -> list[tuple[str, int, int]]:
    return [
        (one["document_type"], one["taxable_paise"], one["document_value_paise"])
        for one in documents(register)
    ]


def test_a_discount_within_a_credit_note_stays_the_other_way_round(tmp_path: Path) -> None:
    head = (*HEAD, "Type", "HSN")
    path = written(
        tmp_path,
        (*line(), "Credit Note", "8471"),
        (*line(taxable="-10.00", igst="-1.80"), "Credit Note", "8471"),
        head=head,
    )
    assert signs(read_register(path, PURCHASES)) == [("CN", -9000, -10620)]


def test_a_discount_line_lowers_its_invoice_and_makes_no_credit_note(tmp_path: Path) -> None:
    head = (*HEAD, "HSN")
    path = written(tmp_path, (*line(), "8471"), (*line(taxable="-10.00", igst="-1.80"), "8471"), head=head)
    assert signs(read_register(path, PURCHASES)) == [("INV", 9000, 10620)]


@pytest.mark.parametrize(("register", "kind"), [("sales", "INV"), ("purchases", "CN")])
def test_an_amount_in_credit_is_positive_in_sales_and_negative_in_purchases(
    tmp_path: Path, register: str, kind: str
) -> None:
    path = written(tmp_path, line(taxable="100.00 Cr", igst="18.00 Cr"))
    ((found, taxable, _),) = signs(read_register(path, Reading(register)))
    assert (found, taxable) == (kind, 10000 if kind == "INV" else -10000)


def test_semicolons_are_found_below_a_title_that_has_none(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    rows = [["Some Traders, Pune"], ["Purchase register"], list(HEAD), list(line(taxable="1,00,000.00"))]
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, delimiter=";").writerows(rows)
    assert documents(read_register(path, PURCHASES))[0]["taxable_paise"] == 10_000_000


def test_columns_per_rate_of_one_head_are_added(tmp_path: Path) -> None:
    head = ("Bill No", "Bill Date", "GSTIN", "Taxable 5%", "Taxable 18%", "IGST 5%", "IGST 18%")
    path = written(
        tmp_path, ("A/1", "05-10-2026", gstin_of(1), "100.00", "200.00", "5.00", "36.00"), head=head
    )
    (document,) = documents(read_register(path, PURCHASES))
    assert (document["taxable_paise"], document["igst_paise"]) == (30000, 4100)


def test_columns_per_rate_beside_their_sum_are_not_added_to_it_but_named_as_not_read(tmp_path: Path) -> None:
    head = ("Bill No", "Bill Date", "GSTIN", "Taxable Value", "Taxable 18%", "IGST")
    path = written(tmp_path, ("A/1", "05-10-2026", gstin_of(1), "100.00", "100.00", "18.00"), head=head)
    register = read_register(path, PURCHASES)
    assert documents(register)[0]["taxable_paise"] == 10000
    assert register.header is not None
    assert register.header.unread == ("Taxable 18%",)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Inputs", True),
        ("Capital goods", True),
        ("Ineligible", False),
        ("None", False),
        ("Blocked", False),
        ("", None),
    ],
)
def test_words_of_eligibility_are_read(word: str, expected: bool | None) -> None:
    assert values.eligible(word) is expected


def test_a_word_of_eligibility_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="neither yes nor no"):
        values.eligible("perhaps")


def test_a_document_with_lines_that_is_entered_again_later_stays_twice(tmp_path: Path) -> None:
    head = (*HEAD, "GST Rate")
    first = [(*line(), "18"), (*line(taxable="50.00", igst="2.50"), "5")]
    between = (*line("A/2"), "18")
    path = written(tmp_path, *first, between, *first, head=head)
    found = [(one["document_number"], one["lines"]) for one in documents(read_register(path, PURCHASES))]
    assert found == [("A/1", 2), ("A/2", 1), ("A/1", 2)]


def test_two_sheets_that_fit_are_named_and_neither_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "register.xlsx"
    book = openpyxl.Workbook()
    for name in ("April", "May"):
        sheet = book.create_sheet(name)
        sheet.append(HEAD)
        sheet.append(line())
    book.save(path)
    with pytest.raises(InvalidInput, match="April, May"):
        read_register(path, PURCHASES)
    assert len(read_register(path, Reading("purchases", sheet="May")).lines) == 1


def test_tax_is_calculated_from_rate_and_states_where_the_register_has_none_and_that_is_told(
    tmp_path: Path,
) -> None:
    head = ("Invoice No", "Invoice Date", "GSTIN", "Place of Supply", "Rate", "Taxable Value")
    own = gstin_of(1)[:2]
    other = "29" if own != "29" else "27"
    path = written(
        tmp_path,
        ("S/1", "05-10-2026", gstin_of(1), own, "18", "100.00"),
        ("S/2", "05-10-2026", gstin_of(1), other, "18", "100.00"),
        head=head,
    )
    register = read_register(path, Reading("sales", state=own))
    assert [(one["igst_paise"], one["cgst_paise"], one["sgst_paise"]) for one in documents(register)] == [
        (0, 900, 900),
        (1800, 0, 0),
    ]
    assert any("calculated" in note for note in register.notes)
