"""Due dates follow the dated rules; an extension moves one period and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.errors import InvalidInput
from clientsync.periods import Period
from connectors.gst.duedates import RULES, available_2b, due_date, extensions_in_force, state_group

HEADER = "return_type,period,frequency,states,due_on,source\n"


@pytest.mark.parametrize(
    ("return_type", "period", "frequency", "state", "due"),
    [
        ("GSTR1", Period(2026, 9), "M", "29", date(2026, 10, 11)),
        ("GSTR1", Period(2026, 9), "Q", "29", date(2026, 10, 13)),
        ("IFF", Period(2026, 8), "Q", "29", date(2026, 9, 13)),
        ("GSTR3B", Period(2026, 9), "M", "07", date(2026, 10, 20)),
        ("GSTR3B", Period(2026, 9), "Q", "29", date(2026, 10, 22)),
        ("GSTR3B", Period(2026, 9), "Q", "07", date(2026, 10, 24)),
        ("GSTR3B", Period(2026, 12), "M", "07", date(2027, 1, 20)),
    ],
)
def test_a_return_is_due_on_the_day_of_its_rule(
    return_type: str, period: Period, frequency: str, state: str, due: date
) -> None:
    found = due_date(return_type, period, frequency, state)
    assert found is not None
    assert (found.on, found.is_extended) == (due, False)


def test_an_extension_moves_its_own_period_only() -> None:
    moved = due_date("GSTR3B", Period(2025, 9), "M", "27")
    after = due_date("GSTR3B", Period(2025, 10), "M", "27")
    assert moved is not None
    assert after is not None
    assert (moved.on, moved.is_extended) == (date(2025, 10, 25), True)
    assert (after.on, after.is_extended) == (date(2025, 11, 20), False)


@pytest.mark.parametrize(
    ("return_type", "period", "frequency", "state", "due"),
    [
        ("GSTR3B", Period(2020, 5), "M", "27", date(2020, 6, 27)),
        ("GSTR3B", Period(2020, 4), "M", "27", date(2020, 5, 20)),  # the fee was waived, the day not moved
        ("GSTR1", Period(2021, 4), "M", "27", date(2021, 5, 26)),
        ("GSTR1", Period(2021, 5), "M", "27", date(2021, 6, 26)),
        ("GSTR1", Period(2021, 6), "M", "27", date(2021, 7, 11)),
        ("IFF", Period(2021, 4), "Q", "27", date(2021, 5, 28)),
        ("IFF", Period(2021, 5), "Q", "27", date(2021, 6, 28)),
        ("GSTR3B", Period(2021, 4), "M", "27", date(2021, 5, 20)),
        ("GSTR1", Period(2023, 4), "M", "14", date(2023, 5, 31)),
        ("GSTR3B", Period(2023, 4), "M", "14", date(2023, 5, 31)),
        ("GSTR3B", Period(2023, 4), "M", "27", date(2023, 5, 20)),
        ("GSTR1", Period(2024, 12), "M", "27", date(2025, 1, 13)),
        ("GSTR3B", Period(2025, 9), "Q", "07", date(2025, 10, 25)),
    ],
)
def test_a_notification_moved_the_day(
    return_type: str, period: Period, frequency: str, state: str, due: date
) -> None:
    found = due_date(return_type, period, frequency, state)
    assert found is not None
    assert found.on == due


def test_a_narrow_extension_wins_over_the_general_one_above_it() -> None:
    first = due_date("GSTR3B", Period(2024, 12), "Q", "27")
    second = due_date("GSTR3B", Period(2024, 12), "Q", "07")
    assert first is not None
    assert second is not None
    assert (first.on, second.on) == (date(2025, 1, 24), date(2025, 1, 26))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2017, 2040),
    st.integers(1, 12),
    st.sampled_from(["M", "Q"]),
    st.sampled_from([f"{code:02d}" for code in range(1, 38)]),
    st.sampled_from(["GSTR1", "GSTR3B", "IFF"]),
)
def test_at_most_one_rule_holds_and_no_return_is_due_before_its_month_ends(
    year: int, month: int, frequency: str, state: str, return_type: str
) -> None:
    period = Period(year, month)
    holding = [
        rule
        for rule in RULES
        if rule.return_type == return_type
        and rule.frequency == frequency
        and rule.group in ("", state_group(state))
        and rule.valid_from <= period
        and (rule.valid_to is None or period <= rule.valid_to)
    ]
    due = due_date(return_type, period, frequency, state)
    assert len(holding) <= 1
    assert due is None or due.on > period.last_day


def test_a_statement_of_credit_can_be_read_from_the_fourteenth() -> None:
    assert available_2b(Period(2026, 12)) == date(2027, 1, 14)


def test_the_firms_own_file_wins_over_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(HEADER + "GSTR1,092026,M,29 27,2026-10-15,Notification 9/2026\n", encoding="utf-8")
    known = extensions_in_force(file)
    here = due_date("GSTR1", Period(2026, 9), "M", "29", known)
    elsewhere = due_date("GSTR1", Period(2026, 9), "M", "07", known)
    assert here is not None
    assert elsewhere is not None
    assert (here.on, here.source) == (date(2026, 10, 15), "Notification 9/2026")
    assert elsewhere.on == date(2026, 10, 11)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("GSTR2,092026,M,,2026-10-15,x", "row 2: Unknown return. Valid: GSTR1, GSTR3B, IFF"),
        ("GSTR1,132026,M,,2026-10-15,x", "row 2: Invalid period"),
        ("GSTR1,092026,W,,2026-10-15,x", "Valid: M, Q"),
        ("GSTR1,092026,M,,15-10-2026,x", "due_on is not a date"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_its_reason(tmp_path: Path, row: str, said: str) -> None:
    file = tmp_path / "own.csv"
    file.write_text(HEADER + row + "\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=said):
        extensions_in_force(file)


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("return,period\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="needs the columns"):
        extensions_in_force(file)


def test_without_a_file_the_shipped_extensions_hold(tmp_path: Path) -> None:
    assert extensions_in_force(tmp_path / "none.csv") == extensions_in_force(tmp_path / "neither.csv")
