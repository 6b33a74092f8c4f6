"""Module groups overlap between clients, and never within one: later modules rest on what earlier ones have loaded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from clientsync.database import reading
from clientsync.errors import SourceUnavailable
from clientsync.ledger import runs
from clientsync.ledger.tables import SyncUnit
from clientsync.outcomes import Outcome
from clientsync.sync import service
from clientsync.sync.planning import Selection, plan
from clientsync.sync.run import Run
from clientsync.sync.services import Services
from tests.support.engine import add_clients, fake_services
from tests.support.fake_connector import SCRIPT, things
from tests.support.five_groups import GROUPS, MODULES, script_overlap

CLIENTS = [f"C{number:02}" for number in range(1, 13)]
UNIT = SyncUnit.__table__  # type: ignore[attr-defined]


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    wide: dict[str, Any] = {"connector_index": "tests.support.five_groups:INDEX", "workers": 6}
    with fake_services(tmp_path, monkeypatch, **wide) as opened:
        add_clients(opened, CLIENTS)
        yield opened


def planned(services: Services) -> Any:
    return plan(services, Selection("fake", periods=("102026",)))


def outcomes(services: Services, run_id: str) -> dict[tuple[str, str], str | None]:
    with reading(services.engine) as connection:
        rows = connection.execute(
            select(UNIT.c.client_id, UNIT.c.module, UNIT.c.outcome).where(UNIT.c.run_id == run_id)
        ).all()
    return {(client, module): outcome for client, module, outcome in rows}


def test_a_group_is_asked_for_only_after_the_clients_group_before_has_been_loaded(services: Services) -> None:
    seen: list[tuple[str, int]] = []
    too_early: list[tuple[str, int]] = []

    def answer(client_id: str, part: int) -> Any:
        ended = outcomes(services, run_ids[0])
        before = [ended[client_id, f"part{number}"] for number in range(1, part)]
        if before != [Outcome.LOADED] * (part - 1):
            too_early.append((client_id, part))
        seen.append((client_id, part))
        return things(f"{part}-1")

    for client_id in CLIENTS:
        SCRIPT[client_id] = {
            f"part{part}.get": lambda client_id=client_id, part=part: answer(client_id, part)
            for part in range(1, GROUPS + 1)
        }
    run_ids: list[str] = []
    service.run(services, planned(services), on_start=run_ids.append)
    assert not too_early
    for client_id in CLIENTS:
        assert [part for client, part in seen if client == client_id] == list(range(1, GROUPS + 1))


def test_the_next_group_is_asked_for_while_a_client_of_the_one_before_is_still_being_fetched(
    services: Services,
) -> None:
    script_overlap(CLIENTS)
    told: list[str] = []
    run_id = service.run(services, planned(services), on_progress=lambda label, _: told.append(label))
    assert set(outcomes(services, run_id).values()) == {Outcome.LOADED}
    assert sorted(told) == sorted(module.title for module in MODULES.values() for _ in CLIENTS)


def test_a_group_counts_as_begun_once_its_last_client_is_being_worked_on(services: Services) -> None:
    held, going_on = threading.Event(), threading.Event()

    def answer() -> Any:
        going_on.set()
        return things("0-1") if held.wait(20) else SourceUnavailable("The test did not go on.")

    for client_id in CLIENTS:
        SCRIPT[client_id] = {"part1.get": things("0-1")}
    SCRIPT[CLIENTS[-1]] = {"part1.get": answer}
    current = service.begin(services, planned(services), kind="manual")
    try:
        label = MODULES["part1"].title
        for client_id in CLIENTS[:-1]:
            current.process(current.units_of(label, client_id))
        assert not current.all_begun(label).is_set()
        last = threading.Thread(target=current.process, args=(current.units_of(label, CLIENTS[-1]),))
        last.start()
        assert going_on.wait(20)
        assert current.all_begun(label).is_set()
        assert not current.all_begun(MODULES["part2"].title).is_set()
        held.set()
        last.join(20)
    finally:
        current.close()


def test_two_groups_of_one_client_are_never_worked_on_at_once(services: Services) -> None:
    held, going_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def first() -> Any:
        going_on.set()
        held.wait(20)
        asked.append("part1")
        return things("0-1")

    def second() -> Any:
        asked.append("part2")
        return things("1-1")

    SCRIPT["C01"] = {"part1.get": first, "part2.get": second}
    current = service.begin(services, planned(services), kind="manual")
    try:
        work = [
            threading.Thread(target=current.process, args=(current.units_of(MODULES[name].title, "C01"),))
            for name in ("part1", "part2")
        ]
        work[0].start()
        assert going_on.wait(20)
        work[1].start()
        time.sleep(0.3)
        assert asked == []
        held.set()
        for thread in work:
            thread.join(20)
        assert asked == ["part1", "part2"]
    finally:
        current.close()


def test_no_units_are_no_work(services: Services) -> None:
    current: Run = service.begin(services, planned(services), kind="manual")
    try:
        assert current.process([]) == []
        assert not any(current.all_begun(module.title).is_set() for module in MODULES.values())
    finally:
        current.close()
    assert runs.counts_of(services.engine, current.run_id)
