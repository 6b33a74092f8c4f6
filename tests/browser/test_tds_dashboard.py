"""TDS in the dashboard: the form with its six modules, a captcha read from an artifact, and the units that waited.

Headless Chromium against a real Prefect server, worker and simulated tax portals.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from deployments.portal import answer_captchas, import_deductors, start_tds_portals, write_tds_settings
from deployments.stack import Stack
from flows.choices import TDS_MODULE_GROUPS
from tests.browser.office import Office, Operator, chromium, until

pytestmark = pytest.mark.browser

SYNC = "tds-multi-client-sync"
ANSWER = "answer-challenge"
TICKED = ["Fetch Challans - IT Portal only", "Outstanding Demand"]
LATE = "C0002"


@dataclass
class TdsOffice(Office):
    """Three deductors, one of whom nobody has read a captcha for."""

    url: str = ""

    @classmethod
    def begin(cls, stack: Stack) -> TdsOffice:
        """Start every process, import the deductors, deploy; the worker waits for runs."""
        url = start_tds_portals(stack, ["--clients", "3", "--seed", "7", "--documents", "8"])
        write_tds_settings(stack, url)
        import_deductors(stack)
        with (stack.home / "tds-portals" / "clients.csv").open(newline="", encoding="utf-8") as file:
            office = cls(stack, list(csv.DictReader(file)), url=url)
        stack.start_server()
        answer_captchas(stack, url, [LATE])
        stack.deploy()
        stack.start_worker()
        return office

    def captcha(self) -> str:
        """Return what the newest picture shows."""
        shown = httpx.get(f"{self.url}/control/captcha", timeout=30, trust_env=False)
        return str(shown.raise_for_status().json()["text"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[TdsOffice]:
    """The installation; asking for the browser first says at once when it is missing."""
    with Stack(tmp_path_factory.mktemp("tds-office")) as stack:
        opened = TdsOffice.begin(stack)
        yield opened
        opened.close()


@pytest.fixture
def operator(office: TdsOffice, browser: Browser) -> Iterator[Operator]:
    """A person before a new window."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(30_000)
    yield Operator(office, page)
    page.close()


@pytest.fixture(scope="module")
def night(office: TdsOffice, browser: Browser) -> dict[str, Any]:
    """Start a run in the form and wait for its end."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(30_000)
    operator = Operator(office, page)
    operator.open_form(SYNC)
    operator.tick("modules (Optional)", "ALL", *TICKED)
    operator.picture("tds-form-filled")
    operator.submit()
    run = office.ended(office.run_of(SYNC)["id"])
    page.close()
    return run


def test_the_form_offers_the_six_modules_and_the_clients_with_a_tan(
    office: TdsOffice, operator: Operator
) -> None:
    operator.open_form(SYNC)
    assert operator.options("modules (Optional)") == list(TDS_MODULE_GROUPS)
    offered = operator.options("clients (Optional)")
    assert offered[0] == "All clients"
    assert {office.label(row["client_id"]) for row in office.rows} <= set(offered)


def test_a_night_leaves_only_the_units_waiting_that_want_a_captcha(
    office: TdsOffice, operator: Operator, night: dict[str, Any]
) -> None:
    assert night["state_name"] == "CompletedWithExceptions"
    units = office.ledger(
        "SELECT client_id, module FROM sync_unit WHERE outcome = 'needs_person' AND run_id IN "
        "(SELECT run_id FROM sync_run WHERE flow_run_id = :id)",
        id=night["id"],
    )
    assert units == [(LATE, "outstanding_demand")]
    operator.open(f"/artifacts/artifact/{office.artifact(night['id'], 'exceptions')['id']}")
    operator.reads("A person must read the picture of TRACES.")
    operator.picture("tds-exceptions")


def test_a_captcha_is_shown_as_a_picture_and_its_answer_continues_exactly_what_waited(
    office: TdsOffice, operator: Operator, night: dict[str, Any]
) -> None:
    assert night["state_name"] == "CompletedWithExceptions"
    refused = _start_answer(office, operator)
    _type(operator, refused, "wrong1")
    ended = office.ended(refused)
    assert ended["state_type"] == "FAILED"

    answered = _start_answer(office, operator)
    artifact = office.artifact(answered, "captcha")
    operator.open(f"/artifacts/artifact/{artifact['id']}")
    image = operator.page.locator("img[src^='data:image/png']").first
    image.wait_for()
    assert image.evaluate("one => one.naturalWidth") > 40, "the browser draws the picture"
    operator.picture("tds-captcha")
    _type(operator, answered, office.captcha())
    assert office.ended(answered)["state_type"] == "COMPLETED"
    units = office.ledger(
        "SELECT client_id, module, outcome FROM sync_unit WHERE run_id IN "
        "(SELECT run_id FROM sync_run WHERE flow_run_id = :id)",
        id=answered,
    )
    assert [(client, module) for client, module, _ in units] == [(LATE, "outstanding_demand")]
    assert {outcome for *_, outcome in units} <= {"loaded", "empty"}


def _type(operator: Operator, run_id: str, characters: str) -> None:
    operator.open(f"/runs/flow-run/{run_id}")
    operator.page.get_by_role("button", name="Resume").click()
    dialog = operator.page.locator(".p-modal")
    dialog.get_by_text("Characters", exact=True).wait_for()
    dialog.locator("textarea").fill(characters)
    operator.picture("tds-resume-dialog")
    dialog.get_by_role("button", name="Submit").click()


def _start_answer(office: TdsOffice, operator: Operator) -> str:
    """Start answer-challenge for the client that waits, in the form; return the run once it is paused."""
    before = office.runs_of(ANSWER)
    operator.open_form(ANSWER)
    assert operator.options("client") == [office.label(LATE)], "only who waits is offered"
    operator.tick("client", office.label(LATE))
    operator.submit()
    run_id = str(office.run_of(ANSWER, after=before)["id"])
    until(lambda: office.api("GET", f"flow_runs/{run_id}")["state_type"] == "PAUSED" or None, 90, "the pause")
    return run_id
