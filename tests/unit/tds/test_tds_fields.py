"""Fields of TDS answers are read exactly or refused by name; HTML pages are read as a person reads them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.tds import fields
from tests.support.tds_modules import codes, context

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@given(st.dates(min_value=date(1900, 1, 1)))
def test_every_day_is_read_from_every_notation(day: date) -> None:
    for text in (
        f"{day.day:02d}-{MONTHS[day.month - 1]}-{day.year}",
        day.isoformat(),
        f"{day.isoformat()}T00:00:00",
        f"{day.day:02d}/{day.month:02d}/{day.year}",
        f"{day.day}-{day.month}-{day.year}",
    ):
        assert fields.day({"on": text}, "on") == day


@pytest.mark.parametrize("value", [None, "", " ", "-", "NA", "n/a"])
def test_an_absent_day_is_none_and_refused_where_it_is_required(value: str | None) -> None:
    assert fields.day({"on": value}, "on") is None
    with pytest.raises(ValueError, match="on is missing"):
        fields.day({"on": value}, "on", required=True)


@pytest.mark.parametrize("value", ["31-Feb-2026", "12-Foo-2026", "2026/01/02", "soon", 7, ["x"]])
def test_what_is_no_day_is_refused_without_repeating_it(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^on is not a date$"):
        fields.day({"on": value}, "on")


@given(st.integers(min_value=-(10**14), max_value=10**14))
def test_an_amount_loses_no_paisa(paise: int) -> None:
    exact = Decimal(paise).scaleb(-2)
    assert fields.paise({"amt": f"{exact:f}"}, "amt") == paise
    assert fields.paise({"amt": exact}, "amt") == paise
    assert fields.paise({"amt": f"{exact:,.2f}"}, "amt") == paise


def test_digit_groups_of_lakhs_are_read() -> None:
    assert fields.paise({"amt": "12,34,567.05"}, "amt") == 123456705


@pytest.mark.parametrize("value", [1.5, True, "1.005", "12,3", "x", "1,2345.00", "NaN"])
def test_what_is_no_exact_amount_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^amt: "):
        fields.paise({"amt": value}, "amt")


def test_an_absent_amount_is_zero_and_refused_where_it_is_required() -> None:
    assert fields.paise({}, "amt") == fields.paise({"amt": "-"}, "amt") == 0
    with pytest.raises(ValueError, match="amt is missing"):
        fields.paise({"amt": ""}, "amt", required=True)


@pytest.mark.parametrize(
    ("paise", "rounded"), [(0, 0), (499, 0), (500, 1000), (1499, 1000), (1500, 2000), (1599, 2000)]
)
def test_rounding_to_ten_rupees_goes_up_from_five(paise: int, rounded: int) -> None:
    assert fields.round_to_ten_rupees(paise) == rounded


@given(st.integers(min_value=0, max_value=10**14))
def test_rounding_moves_by_five_rupees_at_most(paise: int) -> None:
    rounded = fields.round_to_ten_rupees(paise)
    assert rounded % 1000 == 0
    assert abs(rounded - paise) <= 500


@pytest.mark.parametrize(
    "text", ["2025-26", "FY 2025-26", "TY2025-26", "2025", "202526", "2025-2026", " fy2025-26 "]
)
def test_a_year_is_read_in_every_notation(text: str) -> None:
    assert fields.year({"fy": text}, "fy") == "2025-26"


@pytest.mark.parametrize("text", ["2025-27", "25-26", "2025-2027", "Prior Years"])
def test_years_that_do_not_follow_each_other_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^fy is not a year$"):
        fields.year({"fy": text}, "fy")


def test_an_absent_year_is_empty_and_refused_where_it_is_required() -> None:
    assert fields.year({"fy": "NA"}, "fy") == fields.year({}, "fy") == ""
    with pytest.raises(ValueError, match="fy is missing"):
        fields.year({"fy": "-"}, "fy", required=True)


@pytest.mark.parametrize(
    ("value", "flag"), [("Y", True), ("n", False), ("Unread", False), (1, True), (False, False), ("", None)]
)
def test_flags_are_read(value: Any, flag: bool | None) -> None:
    assert fields.yes({"seen": value}, "seen") is flag


@pytest.mark.parametrize("value", ["maybe", 2, ["Y"]])
def test_what_is_no_flag_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="neither Y nor N"):
        fields.yes({"seen": value}, "seen")


PAGE = """
<html><head><title>No piece</title><script>var x = "<table>";</script></head><body>
<h1>Demand &amp; defaults</h1>
<p>Order Passed Date: 12-May-2026</p>
<table id="form1:facts"><tr><th>Token Number</th><td>7700XXXXXXX7094</td></tr>
<tr><th>Remarks</th><td></td></tr><tr><th>Count</th><td>3</td></tr></table>
<table id="list"><thead><tr><th>Quarter</th><th>Net<br>Payable</th></tr></thead>
<tr><td>Q1<td><a href="x.xhtml?fy=2025&amp;qr=3">1,200.00</a></tr>
<tr><td>Q2</td><td>0.00</td></tr></table>
</body></html>
"""


def test_tables_are_read_with_links_headings_and_cells_that_were_not_closed() -> None:
    table = fields.page({"html": PAGE}).table("list")
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Quarter", "Net Payable"],
        ["Q1", "1,200.00"],
        ["Q2", "0.00"],
    ]
    assert table.rows[0][0].is_heading and not table.rows[1][0].is_heading
    assert table.rows[1][1].links == ("x.xhtml?fy=2025&qr=3",)


def test_a_table_is_found_behind_the_prefix_that_the_page_gives_it() -> None:
    page = fields.page({"html": PAGE})
    assert page.table("facts") is not None
    assert page.table("acts") is None


def test_values_stand_behind_their_labels_and_an_empty_cell_takes_no_other_value() -> None:
    page = fields.page({"html": PAGE})
    assert page.value_of("token", pattern=r"[0-9X]{15}") == "7700XXXXXXX7094"
    assert page.value_of("order", "date") == "12-May-2026"
    assert page.value_of("remarks") is None
    assert page.value_of("count", pattern=r"\d+") == "3"
    assert page.value_of("net", "payable", pattern=r"\d+") is None
    assert "No piece" not in page.pieces


@given(
    st.text(st.characters(exclude_characters="<"), max_size=60),
    st.lists(
        st.sampled_from(["<table>", "<tr>", "<td>", "</td>", "</table>", "x", "<a href=1>"]), max_size=20
    ),
)
def test_no_page_however_broken_stops_the_reader(text: str, parts: list[str]) -> None:
    page = fields.page({"html": "x" + text + "".join(parts)})
    assert len(page.tables) == parts.count("<table>")


def test_a_table_within_a_cell_stands_on_its_own() -> None:
    page = fields.page(
        {"html": "<table id=a><tr><td>1<table id=b><tr><td>2</td></tr></table></td><td>3</td></tr></table>"}
    )
    outer, inner = page.table("a"), page.table("b")
    assert outer is not None and inner is not None
    assert [cell.text for cell in outer.rows[0]] == ["1", "3"]
    assert [cell.text for cell in inner.rows[0]] == ["2"]


def test_an_answer_without_a_page_is_refused() -> None:
    with pytest.raises(ValueError, match="html is missing"):
        fields.page({"rows": []})


@pytest.mark.parametrize(("total", "pages", "after"), [(1, 1, None), ("2", 1, {"page": "2"}), (0, 1, None)])
def test_a_grid_says_how_many_pages_it_has(total: Any, pages: int, after: dict[str, str] | None) -> None:
    assert fields.next_grid_page({"total": total, "rows": []}, pages) == after


@pytest.mark.parametrize(("rows", "pages", "goes_on"), [(1, 1, True), (1, 2, False), (0, 1, False)])
def test_a_list_ends_at_its_total_or_at_an_empty_page(rows: int, pages: int, goes_on: bool) -> None:
    after = fields.next_listed_page("n", "rows", 100, "pageNumber")
    found = after({"n": 200, "rows": [{}] * rows}, pages)
    assert found == ({"pageNumber": "1"} if goes_on else None)


def test_pages_are_joined_in_order_and_the_newest_says_the_rest() -> None:
    joined = fields.merge_rows("rows")([{"rows": [1], "records": 3}, {"rows": [2, 3], "records": 4}])
    assert joined == {"rows": [1, 2, 3], "records": 4}


@pytest.mark.parametrize(
    ("declared", "found"), [(2, []), (3, [("TDS-PARTIAL", True)]), (1, [("TDS-PARTIAL", True)])]
)
def test_rows_must_be_as_many_as_declared(declared: int, found: list[tuple[str, bool]]) -> None:
    check = fields.all_rows("records", "rows", "The list")
    assert codes(check({"rows": [1, 2], "records": declared}, [], context("x"))) == found


def test_answers_of_other_sections_are_known_where_the_unit_has_them() -> None:
    assert fields.answered(context("x", first={"rows": []}), "first") == {"rows": []}
    assert fields.answered(context("x"), "first") is None
