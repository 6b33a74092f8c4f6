"""Reading fields: five notations of a date, exact amounts, and a reason that never repeats a value."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync import money
from connectors.gst import fields

DAYS = st.dates(date(2017, 7, 1), date(2068, 12, 31))


@given(day=DAYS, notation=st.sampled_from(["%d-%m-%Y", "%d/%m/%Y", "%d-%b-%y", "%d-%b-%Y", "%d/%m/%y"]))
@settings(max_examples=60, deadline=None)
def test_a_date_is_read_in_every_notation_of_the_portal(day: date, notation: str) -> None:
    assert fields.day({"dt": day.strftime(notation)}, "dt") == day


@given(day=DAYS, notation=st.sampled_from(["%m%Y", "%b-%y", "%b-%Y"]))
@settings(max_examples=40, deadline=None)
def test_a_month_is_read_in_every_notation_of_the_portal(day: date, notation: str) -> None:
    assert fields.month({"p": day.strftime(notation)}, "p") == day.strftime("%m%Y")


@given(amount=st.integers(-(10**15) + 1, 10**15 - 1))
@settings(max_examples=100, deadline=None)
def test_an_amount_keeps_every_paisa_however_it_is_written(amount: int) -> None:
    rupees = Decimal(amount) / 100
    assert fields.paise({"val": rupees}, "val") == amount
    assert fields.paise({"val": str(rupees)}, "val") == amount
    assert fields.paise({"val": amount}, "val") == amount * 100 if abs(amount) < 10**13 else True


@pytest.mark.parametrize("value", [10**13, -(10**13), Decimal("0.001"), "NaN", "7x7", [], {}, True, 0.1])
def test_what_is_no_exact_amount_is_refused_without_repeating_it(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^val: ") as caught:
        fields.paise({"val": value}, "val")
    assert str(value) not in str(caught.value)


@pytest.mark.parametrize("value", [int(money.MAX_RUPEES), -int(money.MAX_RUPEES), 0, -1])
def test_whole_rupees_are_read_like_any_other_amount(value: int) -> None:
    assert fields.paise({"val": value}, "val") == money.paise(value)


@pytest.mark.parametrize("value", ["31-02-2026", "2026-10-01", "soon", 7, [], {}, True])
def test_what_is_no_date_is_refused(value: Any) -> None:
    for _ in range(2):  # the second time it is known already
        with pytest.raises(ValueError, match="dt is not a date"):
            fields.day({"dt": value}, "dt")


@pytest.mark.parametrize("absent", [{}, {"dt": None}, {"dt": ""}])
def test_an_absent_date_is_none_unless_it_must_be_there(absent: dict[str, Any]) -> None:
    assert fields.day(absent, "dt") is None
    with pytest.raises(ValueError, match="dt is missing"):
        fields.day(absent, "dt", required=True)


@pytest.mark.parametrize(
    ("value", "points"), [(18, 1800), (Decimal("0.25"), 25), ("7.5", 750), (0, 0), (None, None), ("", None)]
)
def test_rates_are_basis_points(value: Any, points: int | None) -> None:
    assert fields.rate_bp({"rt": value}, "rt") == points


@pytest.mark.parametrize("value", [-1, 101, Decimal("0.001"), "x"])
def test_impossible_rates_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="rt is not a rate"):
        fields.rate_bp({"rt": value}, "rt")


def test_numbers_that_should_be_text_become_their_digits() -> None:
    assert fields.text({"benum": 2566282}, "benum") == "2566282"
    assert fields.text({"inum": "  A/1 "}, "inum") == "A/1"
    others: tuple[Any, ...] = (True, [], {})
    for wrong in others:
        with pytest.raises(ValueError, match="inum is not text"):
            fields.text({"inum": wrong}, "inum")


def test_a_row_that_cannot_be_read_is_kept_with_its_reason() -> None:
    raw = {"val": "x"}
    found = fields.row("t", raw, lambda: {"val_paise": fields.paise(raw, "val")})
    assert found.problem == "val: not a number"
    assert found.values == {"source_row": raw}


def test_identical_rows_are_numbered_so_that_none_is_lost() -> None:
    records = [fields.row("t", {}, lambda: {"k": 1}) for _ in range(3)]
    numbered = [one.values["occurrence"] for one in fields.number_occurrences(records, ("k",))]
    assert numbered == [1, 2, 3]


@pytest.mark.parametrize(
    "payload", [{"new": 1}, {"a": {"new": 1}}, {"a": [{"b": 1}, {"b": 1, "new": 2}]}, [{"a": [[{"new": 1}]]}]]
)
def test_drift_is_noticed_at_every_depth_once(payload: Any) -> None:
    (finding,) = fields.drift(payload, frozenset({"a", "b"}), "The answer")
    assert "new" in finding.message
    assert not finding.is_halting
    assert fields.drift(payload, frozenset({"a", "b", "new"}), "The answer") == []
