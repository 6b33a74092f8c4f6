"""The dashboard as operators use it: choose clients and modules, watch, see what is not done, answer an OTP.

Headless Chromium against a real Prefect server, worker and simulated portal. Tests share one night, started by the
first that needs it, and hold in any order.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from clientsync.clock import today
from clientsync.periods import Period
from deployments.stack import Stack
from tests.browser.office import CLIENTS, FAILING, LATE, Office, Operator, chromium, until

pytestmark = pytest.mark.browser

SYNC = "gst-multi-client-sync"
ANSWER = "answer-challenge"
MODULES = ["Notice + Return Register", "Only 2B", "3B + ledgers", "R1 + R1A", "IMS + 2A", "ALL"]
STATEMENTS = {"Only 2B": ["gstr2b"], "R1 + R1A": ["gstr1", "gstr1a"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Office]:
    """The installation; asking for the browser first says at once when it is missing."""
    with Stack(tmp_path_factory.mktemp("office")) as stack:
        opened = Office.open(stack)
        yield opened
        opened.close()


@pytest.fixture
def operator(office: Office, browser: Browser) -> Iterator[Operator]:
    """A person before a new window."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(30_000)
    yield Operator(office, page)
    page.close()


@dataclass
class Night:
    """What the operator saw of one run."""

    flow_run: dict[str, Any]
    run_id: str = ""
    shares: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def night(office: Office, browser: Browser) -> Night:
    """Start a run in the form and watch its progress artifact until the run has ended."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(30_000)
    operator = Operator(office, page)
    operator.open_form(SYNC)
    operator.tick("modules (Optional)", "ALL", *STATEMENTS)
    page.get_by_role("button", name="Add item").click()
    period = str(Period.of(today()).previous().previous())
    operator.field("periods (Optional)").locator("textarea").fill(period)
    operator.picture("form-filled")
    operator.submit()
    seen = Night(office.run_of(SYNC))
    operator.open(f"/artifacts/artifact/{office.artifact(seen.flow_run['id'], 'sync-progress')['id']}")

    def moved() -> bool | None:
        page.reload()
        operator.reads("Progress:")
        shown = re.search(r"Progress: ([\d.]+)%", page.inner_text("body"))
        if shown and (not seen.shares or float(shown[1]) != seen.shares[-1]):
            seen.shares.append(float(shown[1]))
        return True if seen.shares[-1:] == [100.0] else None

    until(moved, 150, "progress of 100%")
    operator.picture("progress")
    seen.flow_run = office.ended(seen.flow_run["id"])
    found = office.ledger("SELECT run_id FROM sync_run WHERE flow_run_id = :id", id=seen.flow_run["id"])
    seen.run_id = found[0][0]
    page.close()
    return seen


def test_the_form_offers_the_clients_and_modules_and_follows_the_client_master(
    office: Office, operator: Operator
) -> None:
    clients = [office.label(row["client_id"]) for row in office.rows[:CLIENTS]]
    groups = sorted({name for row in office.rows[:CLIENTS] for name in row["groups"].split(";")})
    operator.open_form(SYNC)
    operator.picture("form")
    assert operator.options("clients (Optional)") == ["All clients", *groups, *clients]
    assert operator.options("groups (Optional)") == groups
    assert operator.options("exclude (Optional)") == [*groups, *clients]
    assert operator.options("modules (Optional)") == MODULES

    newcomer = office.rows[CLIENTS]
    try:
        office.import_rows([newcomer])
        _refresh(office)
        operator.open_form(SYNC)
        assert office.label(newcomer["client_id"]) in operator.options("clients (Optional)")
    finally:
        office.stack.run(
            ["-m", "clientsync", "clients", "deactivate", newcomer["client_id"], "--reason", "left"]
        )
    _refresh(office)
    operator.open_form(SYNC)
    assert office.label(newcomer["client_id"]) not in operator.options("clients (Optional)")


def test_a_run_started_in_the_form_works_and_its_progress_moves_to_the_end(night: Night) -> None:
    assert len(set(night.shares)) >= 2
    assert night.shares == sorted(night.shares)
    assert night.shares[-1] == 100.0
    assert night.flow_run["state_name"] == "CompletedWithExceptions"
    assert sorted(night.flow_run["parameters"]["modules"]) == sorted(STATEMENTS)


def test_the_run_page_shows_every_task_run_by_name_in_its_true_state(
    office: Office, operator: Operator, night: Night
) -> None:
    operator.open(f"/runs/flow-run/{night.flow_run['id']}")
    operator.reads("CompletedWithExceptions")
    operator.page.get_by_text("Subflow Runs", exact=True).click()
    group = operator.page.get_by_role("link", name=re.compile(r"^Only 2B · ")).first
    group.wait_for()
    operator.picture("run")
    group.click()
    operator.page.get_by_text("Task Runs", exact=True).click()
    outcomes = dict(
        office.ledger(
            "SELECT client_id, outcome FROM sync_unit WHERE run_id = :run AND module = 'gstr2b'",
            run=night.run_id,
        )
    )
    assert outcomes[LATE] == "needs_person"
    assert outcomes[FAILING] == "transient"
    for client_id, outcome in outcomes.items():
        line = operator.page.locator(".state-list-item").filter(has_text=f"Only 2B · {client_id}")
        line.get_by_text(outcome.title().replace("_", ""), exact=True).wait_for()
    operator.page.wait_for_timeout(1500)
    operator.picture("dashboard")


def test_exceptions_say_what_happened_what_to_do_and_when_it_is_tried_next(
    office: Office, operator: Operator, night: Night
) -> None:
    artifact = office.artifact(night.flow_run["id"], "exceptions")
    operator.open(f"/artifacts/artifact/{artifact['id']}")
    operator.reads("what to do")
    operator.picture("exceptions")
    shown = operator.page.locator("table").first.inner_text()
    assert f"{LATE} {office.row(LATE)['name']}" in shown
    assert f"{FAILING} {office.row(FAILING)['name']}" in shown
    rows = json.loads(artifact["data"])
    late = [row for row in rows if row["client"].startswith(LATE)]
    failing = [row for row in rows if row["client"].startswith(FAILING)]
    assert len(late) == len(failing) == 3, "a row per statement, however many sections it has"
    assert {row["outcome"] for row in late} == {"needs person"}
    assert {row["outcome"] for row in failing} == {"transient"}
    assert all(row["what happened"] and row["what to do"] and row["tried next"] for row in rows)


def test_the_summary_counts_every_unit(office: Office, operator: Operator, night: Night) -> None:
    artifact = office.artifact(night.flow_run["id"], "run-summary")
    operator.open(f"/artifacts/artifact/{artifact['id']}")
    operator.reads("incomplete: 6 of 12 units are not done")
    operator.reads(night.run_id)
    operator.picture("run-summary")


def test_the_retry_is_visible_as_a_scheduled_run(office: Office, operator: Operator, night: Night) -> None:
    name = "retry 1 · transient · 3 units"
    artifact = office.artifact(night.flow_run["id"], "retry-schedule")
    operator.open(f"/artifacts/artifact/{artifact['id']}")
    operator.reads(name)
    operator.picture("retry-schedule")
    operator.open(f"/deployments/deployment/{office.deployment('resync-failed')}?tab=Upcoming")
    operator.reads(name)
    operator.reads("Scheduled for")
    operator.picture("scheduled-retry")


def test_an_otp_typed_in_the_dashboard_continues_exactly_the_units_that_waited(
    office: Office, operator: Operator, night: Night, tmp_path: Path
) -> None:
    refused = _start_answer(office, operator)
    operator.answer(refused, "000000" if office.otp(LATE) != "000000" else "111111")
    ended = office.ended(refused)
    assert ended["state_type"] == "FAILED"
    operator.open(f"/runs/flow-run/{refused}")
    operator.page.get_by_text("Details", exact=True).click()
    operator.reads("The portal refused the one-time password")
    operator.picture("otp-refused")
    assert "new OTP" in ended["state"]["message"], "the next step is said"

    answered = _start_answer(office, operator)
    otp = office.otp(LATE)
    operator.answer(answered, otp, picture="resume-dialog")
    assert office.ended(answered)["state_type"] == "COMPLETED"

    run = "SELECT run_id FROM sync_run WHERE flow_run_id = :id"
    units = office.ledger(
        f"SELECT client_id, module, outcome FROM sync_unit WHERE run_id IN ({run})", id=answered
    )
    waited = office.ledger(
        "SELECT client_id, module FROM sync_unit WHERE run_id = :run AND outcome = 'needs_person'",
        run=night.run_id,
    )
    assert sorted((client, module) for client, module, _ in units) == sorted(waited)
    assert {client for client, _, _ in units} == {LATE}
    assert {outcome for _, _, outcome in units} <= {"loaded", "empty"}
    assert "loaded" in {outcome for _, _, outcome in units}
    alone = rb"(?<![0-9a-zA-Z.])" + otp.encode() + rb"(?![0-9a-zA-Z])"
    assert not re.search(alone, _server_database(office, tmp_path)), "the OTP is in the server's database"


def _server_database(office: Office, folder: Path) -> bytes:
    """Return the bytes of the server's database as they are once its write-ahead log has been taken in."""
    for file in (office.stack.home / "prefect").glob("prefect.db*"):
        shutil.copy(file, folder / file.name)
    database = sqlite3.connect(folder / "prefect.db")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return (folder / "prefect.db").read_bytes()


def _start_answer(office: Office, operator: Operator) -> str:
    """Start answer-challenge for the client that waits, in the form; return the run once it is paused."""
    before = office.runs_of(ANSWER)
    operator.open_form(ANSWER)
    assert operator.options("client") == [office.label(LATE)], "only who waits is offered"
    operator.tick("client", office.label(LATE))
    operator.submit()
    run_id = str(office.run_of(ANSWER, after=before)["id"])
    until(lambda: office.api("GET", f"flow_runs/{run_id}")["state_type"] == "PAUSED" or None, 90, "the pause")
    return run_id


def _refresh(office: Office) -> None:
    """Run refresh-choices on the worker."""
    run = office.api("POST", f"deployments/{office.deployment('refresh-choices')}/create_flow_run", {})
    assert office.ended(run["id"])["state_type"] == "COMPLETED"
