"""The register reads what is filed, and the state of a return follows from it, the preference and the due date."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from clientsync import database
from clientsync.periods import Period
from clientsync.spec.module import Asking, CellMemory, Context, Filing, SkipKind
from clientsync.warehouse.schema import warehouse_table
from connectors.gst import register
from connectors.gst.register import KnownClient, State
from connectors.gst.return_register import FILINGS, MODULE, read_filings, window_closes
from tests.support.gstins import gstin_of

YEAR = "2026-27"
READ = {YEAR: date(2026, 11, 23)}


def context(section: str) -> Context:
    return Context(gstin_of(1), None, YEAR, section, date(2026, 11, 23))


def asking(
    today: date, read: date | None, *, was_loaded: bool = True, uncertain_empty: bool = False
) -> Asking:
    known = {}
    if read is not None:
        at = datetime(read.year, read.month, read.day, 6, tzinfo=UTC)
        known["getpref"] = CellMemory(at, "x", None, 4, was_loaded, uncertain_empty)
    now = datetime(today.year, today.month, today.day, 6, tzinfo=UTC)
    return Asking(gstin_of(1), "M", YEAR, None, today, now, memory=known)


def filed(kind: str, month: int, on: date) -> Filing:
    return Filing(kind, Period(2026, month), on, datetime(2026, 11, 23, tzinfo=UTC))


def raw(**values: Any) -> dict[str, Any]:
    return {
        "arn": "AA290926000001A",
        "ret_prd": "092026",
        "mof": "ONLINE",
        "dof": "20-10-2026",
        "rtntype": "GSTR3B",
        "status": "Filed",
        "valid": "Y",
        **values,
    }


@pytest.mark.parametrize("written", ["20-10-2026", "20/10/2026", "20-Oct-26"])
def test_the_date_of_filing_is_read_in_every_notation(written: str) -> None:
    [one] = MODULE.section("rettrack").parse({"EFiledlist": [raw(dof=written)]}, context("rettrack"))
    assert one.values["filed_on"] == date(2026, 10, 20)


def test_a_row_without_a_date_is_kept_with_its_problem_and_the_others_are_read() -> None:
    rows = [raw(), raw(dof=""), raw(ret_prd="082026")]
    found = list(MODULE.section("rettrack").parse({"EFiledlist": rows}, context("rettrack")))
    assert [one.problem for one in found] == [None, "dof is missing", None]
    assert found[1].values["source_row"]["arn"] == "AA290926000001A"


def test_a_return_of_another_year_is_a_warning() -> None:
    section = MODULE.section("rettrack")
    payload = {"EFiledlist": [raw(ret_prd="032026")]}
    records = list(section.parse(payload, context("rettrack")))
    found = [one for rule in section.integrity for one in rule(payload, records, context("rettrack"))]
    assert [(one.code, one.is_halting) for one in found] == [("GST-RR-YEAR", False)]


def test_the_choice_of_a_quarter_closes_with_its_first_month() -> None:
    assert [window_closes(YEAR, f"Q{number}") for number in (1, 2, 3, 4)] == [
        date(2026, 4, 30),
        date(2026, 7, 31),
        date(2026, 10, 31),
        date(2027, 1, 31),
    ]


@pytest.mark.parametrize(
    ("today", "read", "is_skipped"),
    [
        (date(2026, 11, 23), date(2026, 11, 1), True),
        (date(2026, 11, 23), date(2026, 10, 31), False),  # the choice was still open on that day
        (date(2027, 1, 2), date(2026, 12, 20), False),  # a new quarter has begun since
        (date(2027, 1, 31), date(2027, 1, 31), False),
        (date(2027, 6, 1), date(2027, 2, 1), True),
        (date(2026, 11, 23), None, False),
    ],
)
def test_the_preference_is_asked_until_no_quarter_that_began_can_change(
    today: date, read: date | None, is_skipped: bool
) -> None:
    section = MODULE.section("getpref")
    skip = section.skip[0](asking(today, read), section)
    assert (skip is not None) is is_skipped
    assert skip is None or (skip.kind is SkipKind.FINAL and "rule 61A" in skip.reason)


@pytest.mark.parametrize("doubt", [{"was_loaded": False}, {"uncertain_empty": True}])
def test_a_preference_that_is_not_in_the_warehouse_is_asked_again(doubt: dict[str, bool]) -> None:
    section = MODULE.section("getpref")
    assert section.skip[0](asking(date(2026, 11, 23), date(2026, 11, 20), **doubt), section) is None


def test_without_a_table_there_are_no_filings(sqlite_url: str) -> None:
    engine = database.open_engine(sqlite_url)
    assert read_filings(engine, "C1") == ()
    engine.dispose()


def test_only_filings_that_stand_and_are_valid_are_handed_on(database_url: str) -> None:
    engine = database.open_engine(database_url)
    core = warehouse_table(FILINGS).core
    at = datetime(2026, 11, 1, 4, tzinfo=UTC)
    base = {
        "client_id": "C1",
        "period": YEAR,
        "section": "rettrack",
        "return_type": "GSTR3B",
        "return_period": "092026",
        "filed_on": date(2026, 10, 20),
        "mode": "ONLINE",
        "status": "Filed",
        "valid": "Yes",
        "row_hash": "h",
        "run_id": "r",
        "unit_id": "u",
        "source": "portal",
        "first_loaded_at": at,
        "loaded_at": at,
        "removed_at": None,
    }
    with database.writing(engine) as connection:
        core.create(connection)
        connection.execute(
            insert(core),
            [
                {**base, "arn": "1"},
                {**base, "arn": "2", "valid": "N"},
                {**base, "arn": "3", "status": "Not Filed"},
                {**base, "arn": "4", "removed_at": at},
                {**base, "arn": "5", "client_id": "C2"},
            ],
        )
    assert read_filings(engine, "C1") == (Filing("GSTR3B", Period(2026, 9), date(2026, 10, 20), at),)
    engine.dispose()


def state_of(
    client: KnownClient, kind: str, month: int, on: date = date(2026, 11, 23)
) -> register.ReturnState:
    return next(
        one
        for one in register.states(client, on)
        if (one.return_type, one.period) == (kind, Period(2026, month))
    )


def test_a_return_filed_on_its_due_date_is_in_time_and_a_day_later_is_late() -> None:
    client = KnownClient(
        "C1",
        "29",
        "M",
        filings=[filed("GSTR3B", 8, date(2026, 9, 20)), filed("GSTR3B", 9, date(2026, 10, 21))],
        read_on=READ,
    )
    intime, late = state_of(client, "GSTR3B", 8), state_of(client, "GSTR3B", 9)
    assert (intime.state, intime.days_late) == (State.FILED, 0)
    assert (late.state, late.days_late) == (State.LATE, 1)


def test_a_return_is_not_filed_only_when_the_register_was_read_after_its_due_date() -> None:
    known = KnownClient("C1", "29", "M", read_on=READ)
    stale = KnownClient("C1", "29", "M", read_on={YEAR: date(2026, 11, 20)})
    missing, unknown = state_of(known, "GSTR3B", 10), state_of(stale, "GSTR3B", 10)
    assert (missing.state, missing.days_late) == (State.NOT_FILED, 3)
    assert unknown.state is State.NOT_KNOWN
    assert "20-11-2026" in unknown.reason


def test_a_return_is_not_yet_due_on_its_due_date() -> None:
    client = KnownClient("C1", "29", "M", read_on=READ)
    assert state_of(client, "GSTR3B", 10, date(2026, 11, 20)).state is State.NOT_YET_DUE


def test_the_preference_of_the_quarter_decides_and_not_the_master() -> None:
    client = KnownClient("C1", "07", "M", preferences={(YEAR, "Q2"): "Q"}, read_on=READ)
    assert state_of(client, "GSTR3B", 8).state is State.NOT_APPLICABLE
    assert state_of(client, "GSTR3B", 9).due_on == date(2026, 10, 24)
    assert state_of(client, "GSTR3B", 10).due_on == date(2026, 11, 20)


def test_a_return_filed_within_a_quarter_proves_a_monthly_filer_who_owes_the_other_months() -> None:
    client = KnownClient("C1", "29", "Q", filings=[filed("GSTR3B", 8, date(2026, 9, 20))], read_on=READ)
    assert state_of(client, "GSTR3B", 7).state is State.NOT_FILED
    assert state_of(client, "GSTR1", 7).state is State.NOT_FILED
    assert state_of(client, "GSTR3B", 9).due_on == date(2026, 10, 20)
    assert state_of(client, "GSTR3B", 5).state is State.NOT_APPLICABLE


def test_before_2021_a_monthly_gstr3b_says_nothing_of_gstr1() -> None:
    early = register.Frequencies("Q", {}, frozenset({Period(2020, 8), Period(2021, 2)}))
    assert (early.of(Period(2020, 7)), early.of(Period(2021, 1))) == ("Q", "M")


def test_months_before_the_registration_are_not_applicable() -> None:
    client = KnownClient("C1", "29", "M", read_on=READ, registered_on=date(2026, 8, 5))
    assert state_of(client, "GSTR1", 7).state is State.NOT_APPLICABLE
    assert state_of(client, "GSTR1", 8).state is State.NOT_FILED


def test_a_year_whose_register_was_never_read_is_left_out() -> None:
    assert list(register.states(KnownClient("C1", "29", "M"), date(2026, 11, 23))) == []


def test_other_filed_returns_are_shown_without_a_due_date() -> None:
    client = KnownClient("C1", "29", "M", filings=[filed("GSTR1A", 9, date(2026, 10, 15))], read_on=READ)
    assert state_of(client, "GSTR1A", 9).state is State.FILED


def test_the_first_of_two_filings_counts() -> None:
    twice = [filed("GSTR3B", 9, date(2026, 11, 2)), filed("GSTR3B", 9, date(2026, 10, 19))]
    assert (
        state_of(KnownClient("C1", "29", "M", filings=twice, read_on=READ), "GSTR3B", 9).state is State.FILED
    )
