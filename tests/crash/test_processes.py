"""Processes side by side, stopped by a signal, or asleep beyond their lease: no unit is done twice, nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.worker import ENDPOINTS, MODULES
from tests.support.checker import DONE, FAILURES
from tests.support.crashing import Home, Worker
from tests.support.real_portal import control, installed, start_portal

pytestmark = pytest.mark.crash


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Home]:
    """A home beside a portal of its own, whose days may pass."""
    settings = {"validator": "tests.crash.worker:hold_some", "max_bad_share": 0.95, "rows_per_batch": 40}
    with start_portal(tmp_path / "portal", clients=3) as portal:
        with installed(tmp_path / "made", portal, settings=settings) as made:
            environment = dict(made.stack.environment)
        yield Home(tmp_path / "made", portal, environment).copy(tmp_path / "home", lease_seconds=1)


def assert_clean(home: Home) -> None:
    report = home.check()
    assert report.failures() == dict.fromkeys(FAILURES, 0), report.notes
    assert report.compared > 50


def newest_outcomes(home: Home) -> set[str]:
    units = home.rows("SELECT * FROM sync_unit ORDER BY unit_id")
    return set({(unit["client_id"], unit["module"]): unit["outcome"] for unit in units}.values())


def test_two_processes_at_once_do_no_unit_twice(
    ready: Home, worker: Worker, second_worker: Worker, tmp_path: Path
) -> None:
    home = ready.copy(tmp_path / "home")
    worker.start(home, "sync")
    second_worker.start(home, "sync")
    assert (worker.wait(), second_worker.wait()) == (0, 0), home.log()
    loads = Counter(
        (unit["client_id"], unit["module"])
        for unit in home.rows("SELECT * FROM sync_unit WHERE inserted + updated + removed > 0")
    )
    assert max(loads.values()) == 1
    refused = home.rows("SELECT * FROM sync_unit WHERE reason_code = 'ALREADY_RUNNING'")
    assert all(unit["rows_loaded"] == 0 and unit["calls"] == 0 for unit in refused)
    assert home.rows("SELECT * FROM sync_unit WHERE state <> 'ended'") == []
    assert_clean(home)


def test_sigterm_ends_a_run_within_ten_seconds_and_it_can_be_resumed(
    ready: Home, worker: Worker, tmp_path: Path
) -> None:
    home = ready.copy(tmp_path / "home", workers=1)
    gstin = home.rows("SELECT gstin FROM sync_client ORDER BY client_id")[1]["gstin"]
    control(home.portal, "POST", "faults", name="latency", gstin=gstin, params={"latency": 400}, times=6)
    try:
        worker.start(home, "stoppable")
        deadline = time.monotonic() + 20
        while (
            not home.rows("SELECT * FROM sync_unit WHERE state = 'running'") and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        asked_to_stop = time.monotonic()
        worker.terminate()
        code = worker.wait()
        took = time.monotonic() - asked_to_stop
    finally:
        control(home.portal, "DELETE", "faults")
    assert code == 0, home.log()
    assert took < 10
    units = home.rows("SELECT * FROM sync_unit")
    cancelled = [unit for unit in units if unit["outcome"] == "cancelled"]
    assert cancelled
    assert {unit["outcome"] for unit in units} <= {"cancelled", *DONE}
    assert all(unit["next_step"] for unit in cancelled)
    assert home.rows("SELECT state FROM sync_run")[0]["state"] == "stopped"
    assert worker.run(home, "resync") == 0, home.log()
    assert newest_outcomes(home) <= DONE
    assert_clean(home)


def test_a_holder_that_sleeps_beyond_its_lease_writes_nothing(
    own: Home, worker: Worker, second_worker: Worker, tmp_path: Path
) -> None:
    asleep, wake = tmp_path / "asleep", tmp_path / "wake"
    worker.start(own, "oversleep", asleep=str(asleep), wake=str(wake))
    deadline = time.monotonic() + 20
    while not asleep.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert asleep.exists(), own.log()
    time.sleep(1.2)
    sleeper = own.rows("SELECT run_id FROM sync_run")[0]["run_id"]
    for _ in range(3):
        control(own.portal, "POST", "new-day")
    assert second_worker.run(own, "sync") == 0, own.log()
    assert_clean(own)
    wake.touch()
    assert worker.wait() == 0, own.log()
    assert_clean(own)
    for table in (
        "core_gst__filing",
        "core_gst__gstr2b_document",
        "core_gst__ims_document",
        "sync_quarantine",
    ):
        assert own.rows(f"SELECT * FROM {table} WHERE run_id = '{sleeper}'") == []
    units = own.rows(f"SELECT * FROM sync_unit WHERE run_id = '{sleeper}'")
    worked_on = [unit for unit in units if unit["attempts"]]
    assert {(unit["state"], unit["outcome"]) for unit in worked_on} == {("ended", "cancelled")}
    assert {unit["reason_code"] for unit in worked_on} <= {"LEASE_LOST", "INTERRUPTED"}
    assert all(unit["rows_loaded"] == 0 for unit in units)


def test_answers_older_than_what_is_stored_are_never_taken_over(own: Home, worker: Worker) -> None:
    first, second, third = (
        {"CLIENTSYNC_NOW": f"2026-11-20T{hour}:00:00+05:30"} for hour in ("17", "18", "19")
    )
    one_by_one_until_killed = {"CLIENTSYNC_WORKERS": "1", "CLIENTSYNC_CRASH_AT": "after_validate:1"}
    assert worker.run(own, "sync", environment={**first, **one_by_one_until_killed}) < 0
    old = own.rows("SELECT * FROM sync_unit WHERE state = 'staged'")
    assert old
    asked_whatever_came = {"return_register", "notices"}
    assert {unit["module"] for unit in old} <= asked_whatever_came
    time.sleep(1.2)
    calm = {"CLIENTSYNC_CRASH_AT": ""}
    assert worker.run(own, "sync", environment={**second, **calm}) == 0, own.log()
    own.change(
        f"UPDATE sync_unit SET state = 'staged', outcome = NULL, load_id = NULL WHERE unit_id = '{old[0]['unit_id']}'"
    )
    before = own.calls()
    assert worker.run(own, "sync", environment={**third, **calm}) == 0, own.log()
    asked = own.calls() - before
    gstin = own.rows(f"SELECT gstin FROM sync_client WHERE client_id = '{old[0]['client_id']}'")[0]["gstin"]
    assert any(question[0] == gstin and question[1] in ENDPOINTS[old[0]["module"]] for question in asked)
    assert (
        own.rows(f"SELECT outcome FROM sync_unit WHERE unit_id = '{old[0]['unit_id']}'")[0]["outcome"]
        == "cancelled"
    )
    assert len(MODULES) * 3 == len(own.rows("SELECT DISTINCT client_id, module FROM sync_unit"))
    assert_clean(own)
