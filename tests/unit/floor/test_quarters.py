"""Quarters of the Indian year: how they are read, which Act rules them, and what the newest ones are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync.errors import InvalidPeriod
from clientsync.periods import Quarter, newest_quarters, parse_quarters

TODAY = date(2026, 11, 20)
quarters = st.builds(Quarter, st.integers(2007, 2060), st.integers(1, 4))


@pytest.mark.parametrize(
    "text", ["2025-26-Q4", "FY 2025-26 Q4", "TY2025-26-q4", "2025Q4", "202526 Q4", "2025-2026-Q4"]
)
def test_every_usual_way_of_writing_a_quarter_is_read(text: str) -> None:
    assert Quarter.parse(text) == Quarter(2025, 4)


@pytest.mark.parametrize(
    "text", ["2025-27-Q1", "2025-26-Q5", "2025-2027-Q1", "Q1", "2006-07-Q1", "", "112026"]
)
def test_a_quarter_that_cannot_be_is_refused_with_what_is_valid(text: str) -> None:
    with pytest.raises(InvalidPeriod):
        Quarter.parse(text)


@pytest.mark.parametrize(
    ("day", "label", "act"),
    [
        (date(2026, 3, 31), "2025-26-Q4", "1961"),
        (date(2026, 4, 1), "2026-27-Q1", "2025"),
        (date(2026, 12, 31), "2026-27-Q3", "2025"),
        (date(2027, 1, 1), "2026-27-Q4", "2025"),
    ],
)
def test_the_act_changes_with_the_first_of_april_2026(day: date, label: str, act: str) -> None:
    quarter = Quarter.of(day)
    assert (quarter.label, quarter.act) == (label, act)


@given(quarters)
def test_a_quarter_is_read_back_from_its_label(quarter: Quarter) -> None:
    assert Quarter.parse(str(quarter)) == quarter


@given(st.dates(date(2008, 1, 1), date(2060, 1, 1)))
def test_every_day_lies_in_exactly_its_quarter(day: date) -> None:
    quarter = Quarter.of(day)
    assert quarter.first_day <= day <= quarter.last_day
    assert quarter.previous().last_day + timedelta(days=1) == quarter.first_day
    assert quarter.next().previous() == quarter


def test_nothing_chosen_means_the_six_newest_quarters_that_have_ended() -> None:
    assert [one.label for one in newest_quarters(TODAY)] == [
        "2025-26-Q1",
        "2025-26-Q2",
        "2025-26-Q3",
        "2025-26-Q4",
        "2026-27-Q1",
        "2026-27-Q2",
    ]
    assert parse_quarters([], TODAY) == newest_quarters(TODAY)


def test_years_and_ranges_become_their_quarters_without_repeats_up_to_today() -> None:
    found = parse_quarters(["2025-26-Q3:2026-27", "2025-26"], TODAY)
    assert [one.label for one in found] == [
        "2025-26-Q1",
        "2025-26-Q2",
        "2025-26-Q3",
        "2025-26-Q4",
        "2026-27-Q1",
        "2026-27-Q2",
        "2026-27-Q3",
    ]


@pytest.mark.parametrize("text", ["2026-27-Q4", "2027-28", "2026-27-Q1:2025-26-Q1", "x:2025-26"])
def test_the_future_and_backward_ranges_are_refused(text: str) -> None:
    with pytest.raises(InvalidPeriod):
        parse_quarters([text], TODAY)
