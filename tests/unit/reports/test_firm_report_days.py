"""The firm's report speaks for its day: what was compared with the data of another day is never shown as of this."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from clientsync.errors import InvalidInput
from clientsync.reconcile.result import Reconciliation, Result, State
from clientsync.reports.firm import FirmReport
from clientsync.sync import reconciling
from clientsync.sync.firm_reports import firm_report
from clientsync.sync.reconciling import ReconRun, reconcile_clients
from tests.support.tds_warehouse import Practice, make_practice

TODAY = date(2026, 11, 20)
EARLIER = date(2026, 9, 20)


@pytest.fixture
def practice(sqlite_url: str) -> Iterator[Practice]:
    made = make_practice(sqlite_url, ("C1",))
    yield made
    made.engine.dispose()


@pytest.fixture(autouse=True)
def reconciler(monkeypatch: pytest.MonkeyPatch) -> dict[date, State | str]:
    """Answer for a day with a state, or fail with a text; days that are not named are clean."""
    said: dict[date, State | str] = {}

    def answer(_: Engine, client_id: str, day: date) -> Result:
        state = said.get(day, State.CLEAN)
        if not isinstance(state, State):
            raise InvalidInput(state)
        missing = ("challans: the source failed",) if state is State.INCOMPLETE else ()
        return Result(client_id, day, (Reconciliation("R2", client_id, state, (), (), missing),))

    monkeypatch.setattr(reconciling, "reconciler_of", lambda _: answer)
    return said


def compare(practice: Practice, day: date) -> ReconRun:
    return reconcile_clients(practice.engine, "tds", day, ["C1"])


def report(practice: Practice, **more: Any) -> FirmReport:
    return firm_report(practice.engine, TODAY, ["C1"], **more)


def test_what_was_compared_with_the_data_of_the_day_stays_as_it_is(practice: Practice) -> None:
    compare(practice, TODAY)
    made = report(practice)
    assert made.is_clean
    assert [(one.state, one.missing) for one in made.states] == [("clean", ())]


def test_a_clean_of_another_day_is_incomplete_and_says_of_which_day_it_is(practice: Practice) -> None:
    compare(practice, EARLIER)
    made = report(practice)
    assert not made.is_clean
    assert [(one.state, one.missing) for one in made.states] == [
        ("incomplete", ("compared last with the data of 20-09-2026",))
    ]


def test_a_client_that_could_not_be_compared_today_is_named_with_the_reason(
    practice: Practice, reconciler: dict[date, State | str]
) -> None:
    compare(practice, EARLIER)
    reconciler[TODAY] = "its data cannot be read"
    made = report(practice, failed=compare(practice, TODAY).failed)
    assert "2 incomplete" in made.verdict
    assert {what for one in made.states for what in one.missing} == {
        "compared last with the data of 20-09-2026",
        "could not be compared: its data cannot be read",
    }


def test_a_look_at_an_earlier_day_changes_nothing_in_the_report_of_today(
    practice: Practice, reconciler: dict[date, State | str]
) -> None:
    reconciler[TODAY] = State.INCOMPLETE
    compare(practice, TODAY)
    before = report(practice)
    compare(practice, TODAY - timedelta(days=30))
    made = report(practice)
    assert (made.states, made.verdict) == (before.states, before.verdict)
    assert not made.is_clean
