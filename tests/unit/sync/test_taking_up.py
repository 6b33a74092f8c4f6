"""What is taken up again: by the schedule what is due, by a person all of it, and never answers that were none."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from clientsync.database import writing
from clientsync.errors import FileQueued, OtpRequired, SourceUnavailable, SyncError, WarehouseUnavailable
from clientsync.ledger import challenges, runs
from clientsync.ledger.tables import SyncRun
from clientsync.sync.planning import Selection, plan
from clientsync.sync.retries import RetryGroup, retry_schedule
from clientsync.sync.service import begin, resync_plan, run
from clientsync.sync.services import Services
from tests.support import fake_connector
from tests.support.engine import add_clients, fake_services
from tests.support.fake_connector import ASKED, SCRIPT, good_client

CLIENTS = tuple(f"C{number}" for number in range(6))


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with fake_services(tmp_path, monkeypatch) as opened:
        add_clients(opened, CLIENTS)
        for client in CLIENTS:
            good_client(client)
        yield opened


def chosen(*clients: str, full: bool = False) -> Selection:
    return Selection("fake", clients=clients, modules=("things",), periods=("102026",), full=full)


def queue(client: str, ready_at: datetime) -> None:
    """Let the source build a file until a moment."""
    good = SCRIPT[client]["things.red"]
    SCRIPT[client]["things.red"] = [FileQueued("building", token=client, ready_at=ready_at), good]


def test_files_that_become_ready_one_after_the_other_cost_one_retry_each(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, client in enumerate(CLIENTS, start=1):
        queue(client, services.now() + timedelta(minutes=15 * number))
    order = count()
    due: list[tuple[datetime, int, str, RetryGroup]] = []

    def schedule(run_id: str) -> None:
        for group in retry_schedule(services, run_id):
            heapq.heappush(due, (group.at, next(order), run_id, group))

    schedule(run(services, plan(services, chosen(*CLIENTS)), kind="nightly"))
    taken = []
    while due:
        at, _, parent, group = heapq.heappop(due)
        monkeypatch.setenv("CLIENTSYNC_NOW", at.astimezone(UTC).isoformat())
        planned = resync_plan(services, parent, outcomes=[str(group.outcome)], only_due=True)
        taken.append(len(planned.keys))
        if planned.keys:
            schedule(run(services, planned, kind="retry"))
    assert taken == [1] * len(CLIENTS)
    assert runs.not_done(services.engine) == []


def test_a_person_takes_up_what_is_not_due_yet(services: Services) -> None:
    queue("C1", services.now() + timedelta(hours=2))
    run_id = run(services, plan(services, chosen("C1")))
    retry_schedule(services, run_id)
    assert resync_plan(services, run_id, only_due=True).keys == []
    assert len(resync_plan(services, run_id).keys) == 1


def test_what_has_no_date_is_taken_by_a_retry_too(services: Services) -> None:
    SCRIPT["C1"]["things.summary"] = SourceUnavailable("down")
    run_id = run(services, plan(services, chosen("C1")))
    assert len(resync_plan(services, run_id, outcomes=["transient"], only_due=True).keys) == 1


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_a_stopped_run_is_resumed_with_or_without_rest_as_it_was_begun(
    services: Services, full: bool, named: bool
) -> None:
    services.stop.set()
    run_id = run(services, plan(services, chosen("C1", full=full)))
    services.stop.clear()
    assert resync_plan(services, run_id if named else None).selection.full is full


def leave_staged(services: Services, monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    """Let a run die after it staged its unit."""
    dead = begin(services, plan(services, chosen(client)), kind="nightly")
    fences = dead.keeper.take([(client, "fake", "things")])
    dead._fetch_and_stage(dead.units[0], next(iter(fences.values())))
    dead.line.close()
    dead.keeper.close()
    table: Any = SyncRun.__table__  # type: ignore[attr-defined]
    with writing(services.engine) as connection:
        silent = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(update(table).where(table.c.run_id == dead.run_id).values(heartbeat_at=silent))
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-23T12:00:00+05:30")
    ASKED.clear()


@pytest.mark.parametrize(
    "error", [OtpRequired("no session"), SourceUnavailable("down"), FileQueued("building", token="t")]
)
def test_a_staged_unit_that_failed_or_waits_is_asked_for_again(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: SyncError
) -> None:
    good = SCRIPT["C1"]["things.red"]
    SCRIPT["C1"]["things.red"] = error
    leave_staged(services, monkeypatch, "C1")
    SCRIPT["C1"]["things.red"] = good
    run_id = run(services, plan(services, chosen("C1")))
    assert runs.counts_of(services.engine, run_id) == {"loaded": 1}
    assert ASKED["C1", "things.red"] == 1


def test_a_staged_unit_whose_sections_are_all_answered_is_loaded_without_asking(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_staged(services, monkeypatch, "C1")
    run_id = run(services, plan(services, chosen("C1")))
    assert runs.counts_of(services.engine, run_id) == {"loaded": 1}
    assert not ASKED


def test_a_queue_that_cannot_be_written_ends_no_run(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise WarehouseUnavailable("The warehouse does not answer.")

    monkeypatch.setattr(challenges, "raise_challenge", refuse)
    fake_connector.SCRIPT["C1"]["things.summary"] = OtpRequired("There is no open session.")
    run_id = run(services, plan(services, chosen("C1", "C2")))
    assert runs.counts_of(services.engine, run_id) == {"needs_person": 1, "loaded": 1}
