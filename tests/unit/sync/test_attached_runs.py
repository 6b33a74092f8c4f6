"""A process that works on a run which another one began keeps it while it works, and not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clientsync.database import open_engine
from clientsync.ledger import runs
from clientsync.sync import service
from clientsync.sync.planning import Selection, plan
from clientsync.sync.services import Services
from tasks import active
from tests.support.engine import add_clients, fake_services, refuse_negatives


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The process that began a run; what attaches to it opens services of its own, as another process would."""
    with fake_services(tmp_path, monkeypatch, lease_seconds=1) as made:
        add_clients(made, ["A", "B"])

        def opened() -> Services:
            engine = open_engine(made.settings.database_url)
            return Services(engine, made.settings, made.vault, validator=refuse_negatives)

        monkeypatch.setattr(active, "services_from_settings", opened)
        monkeypatch.setattr(active, "IDLE_SECONDS", 0.3)
        yield made
        active.leave_attached()


def begun(services: Services) -> str:
    """Begin a run and let its process die: nobody says any more that it is alive."""
    run = service.begin(services, plan(services, Selection(connector="fake")), kind="manual")
    run.keeper.close()
    run.line.close()
    return run.run_id


def keepers() -> int:
    return sum(thread.name == "lease-keeper" and thread.is_alive() for thread in threading.enumerate())


def test_tasks_that_come_one_after_the_other_share_one_attached_run(services: Services) -> None:
    run_id = begun(services)
    with active.active(run_id) as first, active.active(run_id) as second:
        assert first is second
    with active.active(run_id) as third:
        time.sleep(0.5)  # a task may take longer than an idle run is kept
        assert third is first
        assert keepers() == 1
        client = third.units[0].key.client_id
        label = service.work_items(third)[0][0]
        assert [one.client_id for one in third.process(third.units_of(label, client))]


def test_an_attached_run_is_left_when_no_task_works_on_it_so_that_its_death_is_noticed(
    services: Services,
) -> None:
    run_id = begun(services)
    with active.active(run_id) as run:
        assert keepers() == 1
    until = time.monotonic() + 10
    while keepers() and time.monotonic() < until:
        time.sleep(0.05)
    assert keepers() == 0
    time.sleep(1.2)
    assert runs.interrupted(services.engine, services.settings.lease_seconds) == [run_id]
    with active.active(run_id) as again:
        assert again is not run
        assert [unit.unit_id for unit in again.units] == [unit.unit_id for unit in run.units]


def test_a_run_of_this_process_is_not_attached_to(services: Services) -> None:
    run = service.begin(services, plan(services, Selection(connector="fake")), kind="manual")
    active.enter(run)
    with active.active(run.run_id) as found:
        assert found is run
    active.leave(run)
    run.close()
