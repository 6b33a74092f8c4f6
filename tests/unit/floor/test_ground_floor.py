"""Promises of the ground floor: outcomes, errors, money, periods, the clock, moments and crash points."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from clientsync import clock, crash, errors, money
from clientsync.errors import InvalidPeriod, NoData, RateLimited, Scope, SyncError, UnknownName
from clientsync.moments import UtcDateTime
from clientsync.outcomes import DONE, NEXT_TRY, SEVERITY, WORDS, NextTry, Outcome, worst
from clientsync.periods import GST_BEGAN, Period, newest_open, parse_many, span

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SyncError)]

# --- outcomes --------------------------------------------------------------------------------------


def test_every_outcome_has_a_next_try_words_and_a_rank() -> None:
    assert set(NEXT_TRY) == set(WORDS) == set(SEVERITY) == set(Outcome)
    assert len(SEVERITY) == len(Outcome)


def test_done_means_that_nothing_is_left_before_the_next_schedule() -> None:
    for outcome in Outcome:
        nothing_left = NEXT_TRY[outcome] in {NextTry.NEXT_SCHEDULE, NextTry.NEVER}
        assert outcome.is_done == nothing_left == (outcome in DONE)


@given(st.lists(st.sampled_from(Outcome), min_size=1), st.randoms())
def test_the_worst_of_a_group_stands_for_it_in_any_order(outcomes: list[Outcome], random: object) -> None:
    assert worst(outcomes) == worst(outcomes[::-1]) == max(outcomes, key=SEVERITY.index)


def test_no_group_hides_what_is_not_done_behind_what_is() -> None:
    for left in set(Outcome) - DONE:
        assert all(worst([left, done]) is left for done in DONE)
    with pytest.raises(ValueError, match="no outcomes"):
        worst([])


# --- errors ----------------------------------------------------------------------------------------


def test_every_error_has_a_code_of_its_own_and_a_next_step() -> None:
    codes = [kind.code for kind in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(kind.next_step.endswith(".") and kind.__doc__ for kind in CLASSES)


def test_the_drawn_tree_names_every_error() -> None:
    drawn = errors.__doc__ or ""
    assert [kind.__name__ for kind in CLASSES if kind.__name__ not in drawn] == []


def test_what_is_retried_ends_as_transient_otherwise() -> None:
    assert all(kind.outcome is Outcome.TRANSIENT for kind in CLASSES if kind.is_retryable)


def test_only_a_person_can_go_on_and_only_that_client_waits() -> None:
    for kind in CLASSES:
        if issubclass(kind, errors.NeedsPerson):
            assert (kind.outcome, kind.scope) == (Outcome.NEEDS_PERSON, Scope.CLIENT)


def test_an_unknown_name_lists_the_valid_ones_in_bounds() -> None:
    error = UnknownName("module", "gstr9", [f"m{n}" for n in range(100)])
    assert "'gstr9'" in str(error)
    assert "m39" in str(error)
    assert "m40," not in str(error)
    assert "(100 in all)" in str(error)
    assert "none yet" in str(UnknownName("client", "x", []))


def test_errors_keep_what_the_source_said() -> None:
    assert RateLimited("x", retry_after=3.0, source_code="429").retry_after == 3.0
    assert not NoData("x", source_code="RET2B1006", is_certain=False).is_certain
    assert errors.FileQueued("x", token="t").token == "t"


# --- money -----------------------------------------------------------------------------------------


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_paise_and_rupees_are_inverse(amount: int) -> None:
    assert money.paise(money.rupees(amount)) == amount
    assert money.paise(str(money.rupees(amount))) == amount


@pytest.mark.parametrize(
    ("value", "amount"),
    [(None, 0), ("", 0), (5, 500), ("0.1", 10), (" 12.30 ", 1230), (Decimal("1E2"), 10000)],
)
def test_amounts_are_read_exactly(value: object, amount: int) -> None:
    assert money.paise(value) == amount


@pytest.mark.parametrize(
    "value",
    [0.1, True, "abc", "1,000.00", "1.234", "NaN", "Infinity", "1e999999", Decimal("sNaN"), 10**13, [1], " "],
)
def test_what_is_no_exact_amount_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"amount|number"):
        money.paise(value)


def test_json_numbers_are_exact_and_constants_refused() -> None:
    assert money.loads('{"a": 0.1}') == {"a": Decimal("0.1")}
    for text in ("NaN", "[Infinity]", "[" * 100_000, "{"):
        with pytest.raises(ValueError, match=r".+"):
            money.loads(text)


# --- periods ---------------------------------------------------------------------------------------

periods = st.builds(Period, st.integers(2018, 2098), st.integers(1, 12))


@given(periods)
def test_a_period_is_read_back_and_steps_are_inverse(period: Period) -> None:
    assert Period.parse(str(period)) == period
    assert Period.parse(f"{period.year}-{period.month:02d}") == period
    assert period.next().previous() == period
    assert period.next() > period
    assert Period.of(period.last_day) == Period.of(period.first_day) == period
    assert period.last_day + timedelta(days=1) == period.next().first_day


@pytest.mark.parametrize("text", ["", "132026", "002026", "062017", "2026", "10-2026", "2026-13", "１02026"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(InvalidPeriod):
        Period.parse(text)


def test_the_financial_year_turns_in_april() -> None:
    assert Period(2026, 3).financial_year == "2025-26"
    assert Period(2026, 4).financial_year == "2026-27"
    assert Period(2099, 12).financial_year == "2099-00"
    assert Period(2026, 6).is_quarter_end
    assert not Period(2026, 7).is_quarter_end


def test_periods_default_to_the_newest_open_one() -> None:
    assert parse_many([], date(2026, 1, 5)) == (Period(2025, 12),)
    assert newest_open(date(2026, 3, 31)) == Period(2026, 2)


def test_ranges_are_read_once_each_and_in_order() -> None:
    found = parse_many(["112025:022026", "012026", "2025-10"], date(2026, 3, 1))
    assert found == (Period(2025, 10), Period(2025, 11), Period(2025, 12), Period(2026, 1), Period(2026, 2))
    assert list(span(GST_BEGAN, Period(2017, 9)))[-1] == Period(2017, 9)


@pytest.mark.parametrize(
    ("text", "why"), [("022026:012026", "backwards"), ("042026", "future"), (":", "Invalid")]
)
def test_impossible_ranges_are_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidPeriod, match=why):
        parse_many([text], date(2026, 3, 1))


# --- the clock and moments -------------------------------------------------------------------------


def test_the_business_day_is_indian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-03-31T20:00:00+00:00")
    assert clock.today() == date(2026, 4, 1)
    assert clock.now() == datetime(2026, 3, 31, 20, tzinfo=UTC)
    monkeypatch.delenv("CLIENTSYNC_NOW")
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_clock_without_a_zone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-03-31T20:00:00")
    with pytest.raises(ValueError, match="zone"):
        clock.now()


@given(
    st.datetimes(
        min_value=datetime(1946, 1, 1),  # noqa: DTZ001 - India's clocks went back for the last time in October 1945
        timezones=st.sampled_from([UTC, clock.INDIA, timezone(timedelta(hours=-7))]),
    )
)
@profile(deadline=None)
def test_moments_come_back_aware_and_equal(moment: datetime) -> None:
    kind, dialect = UtcDateTime(), sqlite.dialect()
    try:
        stored = kind.process_bind_param(moment, dialect)
    except OverflowError:
        return  # the first or last day of all time, in another zone
    assert stored is not None
    assert kind.process_result_value(stored.replace(tzinfo=None), dialect) == moment
    assert kind.process_result_value(stored, dialect) == moment


def test_a_naive_moment_is_refused_and_none_stays_none() -> None:
    kind, dialect = UtcDateTime(), sqlite.dialect()
    with pytest.raises(ValueError, match="naive"):
        kind.process_bind_param(datetime(2026, 1, 1), dialect)  # noqa: DTZ001
    assert kind.process_bind_param(None, dialect) is None
    assert kind.process_result_value(None, dialect) is None


# --- crash points ----------------------------------------------------------------------------------


def test_a_crash_point_does_nothing_unless_a_test_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIENTSYNC_CRASH_AT", raising=False)
    crash.crash_point("before_commit")
    monkeypatch.setenv("CLIENTSYNC_CRASH_AT", "after_commit")
    crash.crash_point("before_commit")
    with pytest.raises(ValueError, match="unknown crash point"):
        crash.crash_point("nowhere")


def test_the_process_is_killed_the_nth_time() -> None:
    code = (
        "from clientsync.crash import crash_point\n"
        "for n in range(5):\n    print(n, flush=True)\n    crash_point('before_commit')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CLIENTSYNC_CRASH_AT": "before_commit:3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["0", "1", "2"]
