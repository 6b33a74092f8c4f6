"""What is not asked costs no calls and hides nothing: the skip rules against a portal that is asked for everything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from clientsync.outcomes import Outcome
from clientsync.periods import Period
from clientsync.spec.module import SkipKind
from simulators.gst.days import new_day
from tests.support.call_counting import Counted
from tests.support.direct_portal import small_portal

OCTOBER = Period(2026, 10)
TODAY = date(2026, 11, 23)
NOT_COMPARED = {("notices", "list"), ("notices", "detail")}
"""Notices list only what is new to us; they have tests of their own."""


@pytest.fixture
def set_day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the product's clock stand at noon of the portal's day."""
    monkeypatch.setenv("CLIENTSYNC_NOW", f"{TODAY}T12:00:00+05:30")
    yield


def _hidden(known: Counted, asked: Counted) -> list[str]:
    """Return the sections whose stored rows are not those of a portal that was asked for everything."""
    faults = []
    for place, cell in asked.cells.items():
        if place in NOT_COMPARED or cell.outcome not in (Outcome.LOADED, Outcome.EMPTY):
            continue
        mine = known.cells[place]
        if mine.skip is not None and mine.skip.kind is SkipKind.SWITCHED_OFF:
            continue
        if known.rows.get(place, []) != asked.rows.get(place, []):
            why = mine.skip.reason if mine.skip else mine.outcome
            faults.append(f"{'.'.join(place)}: {why}")
    return faults


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_through_a_month_of_changes_no_skip_hides_a_row(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    portal = small_portal(date(2026, 11, 8), clients=4, documents=8)
    known = Counted(portal, portal.country.clients[index])
    for _ in range(24):
        monkeypatch.setenv("CLIENTSYNC_NOW", f"{portal.today}T12:00:00+05:30")
        known.run(OCTOBER)
        asked = Counted(portal, portal.country.clients[index], {"gstr3b_balances": True})
        asked.run(OCTOBER)
        assert _hidden(known, asked) == [], portal.today
        new_day(portal)


@pytest.mark.usefixtures("set_day")
def test_an_unchanged_second_run_asks_at_most_twenty_times_a_client_and_finds_nothing_new() -> None:
    portal = small_portal(TODAY, clients=25, documents=12)
    spent = []
    for client in portal.country.clients:
        counted = Counted(portal, client)
        counted.run(OCTOBER)
        before = dict(counted.rows)
        spent.append(sum(counted.run(OCTOBER).values()))
        assert counted.rows == before
    assert sum(spent) / len(spent) <= 20, spent


@pytest.mark.usefixtures("set_day")
@pytest.mark.parametrize("period", [Period(2024, 9), Period(2025, 2)])
def test_a_finalised_period_costs_at_most_six_calls(period: Period) -> None:
    portal = small_portal(TODAY, clients=12, documents=12)
    for client in portal.country.clients:
        counted = Counted(portal, client)
        counted.run(period)
        calls = counted.run(period)
        assert sum(calls.values()) <= 6, calls


@pytest.mark.usefixtures("set_day")
def test_every_section_that_is_not_asked_says_why() -> None:
    portal = small_portal(TODAY, clients=4, documents=8)
    for client in portal.country.clients:
        counted = Counted(portal, client)
        for _ in range(2):
            counted.run(OCTOBER)
            for place, cell in counted.cells.items():
                if cell.calls == 0:
                    assert cell.skip is not None or cell.problem is not None, place
                    assert cell.skip is None or len(cell.skip.reason) > 20, place
