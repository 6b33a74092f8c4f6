"""A process killed at any of the named points loses nothing, doubles nothing, and needs no person afterwards.

Every case is one killed process and one that resumes; the portal's own count of questions and its ground truth are
what the result is compared with.
"""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from clientsync.crash import COMMERCE_POINTS, EXCHANGE_POINTS, POINTS, RECORD_POINTS
from tests.crash.worker import ENDPOINTS, MODULES
from tests.support.checker import DONE, FAILURES, Report
from tests.support.crashing import Calls, Home, Worker

pytestmark = pytest.mark.crash

REPORT_POINTS = ("before_report_rename", "after_report_rename")
ELSEWHERE = (
    *REPORT_POINTS,
    *EXCHANGE_POINTS,
    *RECORD_POINTS,
    *COMMERCE_POINTS,
)  # killed by tests of their own
SYNC_POINTS = tuple(point for point in POINTS if point not in ELSEWHERE)
CASES = [f"{point}:{nth}" for point in SYNC_POINTS for nth in (1, 4)]
LEASE = 2.0


@dataclass
class Case:
    """A killed process and the one that went on.

    Attributes:
        killed: exit code of the first process.
        staged: units whose answers were stored when it was killed.
        resumed: exit code of the second process.
        asked: questions of the second process.
    """

    home: Home
    killed: int = 0
    staged: list[dict[str, Any]] | None = None
    ended: set[tuple[str, str]] | None = None
    resumed: int = 0
    asked: Calls | None = None
    report: Report | None = None


def _kill(case: Case, name: str, worker: Worker) -> None:
    case.killed = worker.run(case.home, "sync", environment={"CLIENTSYNC_CRASH_AT": name})
    units = case.home.rows("SELECT * FROM sync_unit")
    case.staged = [unit for unit in units if unit["state"] == "staged"]
    case.ended = {(unit["client_id"], unit["module"]) for unit in units if unit["outcome"] in DONE}


@pytest.fixture(scope="module")
def cases(
    ready: Home, worker: Worker, second_worker: Worker, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Case]:
    """Kill a process at every point, two at a time; then resume one by one, for the portal's count of questions."""
    folder = tmp_path_factory.mktemp("killed")
    found: dict[str, Case] = {}
    for name in CASES:
        quick = {"lease_seconds": 0.2} if name.startswith("lease_renew") else {}
        found[name] = Case(ready.copy(folder / name.replace(":", "-"), **quick))

    def kill(names: list[str], by: Worker) -> None:
        for name in names:
            _kill(found[name], name, by)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(kill, CASES[::2], worker), pool.submit(kill, CASES[1::2], second_worker)]:
            future.result()
    time.sleep(LEASE)
    calm = {"CLIENTSYNC_CRASH_AT": "", "CLIENTSYNC_LEASE_SECONDS": str(LEASE)}
    for case in found.values():
        before = case.home.calls()
        case.resumed = worker.run(case.home, "resync", environment=calm)
        case.asked = case.home.calls() - before
        case.report = case.home.check()
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_killed_process_is_taken_up_without_a_person(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    assert case.killed == -signal.SIGKILL, case.home.log()
    assert case.resumed == 0, case.home.log()
    newest = {
        (unit["client_id"], unit["module"]): unit["outcome"]
        for unit in case.home.rows("SELECT * FROM sync_unit ORDER BY unit_id")
    }
    clients = [row["client_id"] for row in case.home.rows("SELECT client_id FROM sync_client")]
    assert {key: outcome for key, outcome in newest.items() if outcome not in DONE} == {}
    assert set(newest) == {(client, module) for client in clients for module in MODULES}
    left = case.home.rows("SELECT * FROM sync_unit WHERE state <> 'ended'")
    assert left == []
    assert case.home.rows("SELECT * FROM sync_challenge WHERE state <> 'answered'") == []


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_or_doubled_by_a_kill(cases: dict[str, Case], name: str) -> None:
    report = cases[name].report
    assert report is not None
    assert report.failures() == dict.fromkeys(FAILURES, 0), report.notes
    assert report.compared > 50
    assert report.held > 0
    assert report.waiting == 0


@pytest.mark.parametrize("name", CASES)
def test_answers_that_were_stored_are_not_asked_again(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    assert case.staged is not None
    assert case.asked is not None
    assert case.ended is not None
    gstins = {row["client_id"]: row["gstin"] for row in case.home.rows("SELECT * FROM sync_client")}
    kept = case.ended | {(unit["client_id"], unit["module"]) for unit in case.staged}
    again = [
        (client, module, question)
        for client, module in kept
        for question in case.asked
        if question[0] == gstins[client] and question[1] in ENDPOINTS[module]
    ]
    assert again == []


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", REPORT_POINTS)
def test_a_report_is_whole_or_the_one_before(
    ready: Home, worker: Worker, tmp_path: Path, point: str, nth: int
) -> None:
    home = ready.copy(tmp_path / "home")
    assert worker.run(home, "sync") == 0, home.log()
    run_id = home.rows("SELECT run_id FROM sync_run")[0]["run_id"]
    path = tmp_path / "reports" / "run.xlsx"
    for _ in range(nth - 1):
        assert worker.run(home, "report", run_id=run_id, path=str(path)) == 0, home.log()
    crash = {"CLIENTSYNC_CRASH_AT": f"{point}:1"}
    assert worker.run(home, "report", run_id=run_id, path=str(path), environment=crash) == -signal.SIGKILL
    if nth > 1 or point == "after_report_rename":
        assert "Summary" in load_workbook(path, read_only=True).sheetnames
    else:
        assert not path.exists()
    again = {"CLIENTSYNC_CRASH_AT": ""}
    assert worker.run(home, "report", run_id=run_id, path=str(path), environment=again) == 0, home.log()
    assert "Summary" in load_workbook(path, read_only=True).sheetnames
    assert [one.name for one in path.parent.iterdir() if not one.name.startswith(".")] == ["run.xlsx"]
