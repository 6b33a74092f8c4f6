"""A practice's installation beside a simulated portal, and the dashboard as its operator uses it: in a browser.

Everything an ``Operator`` does is a click or a key press; what it reads is what the page shows. ``Office`` reads the
server's API and the ledger, for comparison only.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from playwright.sync_api import Browser, Locator, Page, TimeoutError, sync_playwright
from sqlalchemy import Engine, text

from clientsync.database import open_engine, reading
from deployments.portal import account, answer_phones, control, write_settings
from deployments.stack import Stack

T = TypeVar("T")

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = Path(".clientsync/browser")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CLIENTS = 4
LATE = "C0003"
FAILING = "C0002"


@dataclass
class Office:
    """The installation: four clients of the simulator's five, one who has not answered, one whose portal fails."""

    stack: Stack
    rows: list[dict[str, str]] = field(default_factory=list)
    _engine: Engine | None = None

    @classmethod
    def open(cls, stack: Stack) -> Office:
        """Start every process, import the clients, deploy; the worker waits for runs."""
        stack.start_simulator(
            ["--clients", str(CLIENTS + 1), "--documents", "5", "--seed", "7", "--latency-ms", "120"]
        )
        write_settings(stack)
        with (stack.home / "portal" / "clients.csv").open(newline="", encoding="utf-8") as file:
            office = cls(stack, list(csv.DictReader(file)))
        office.import_rows(office.rows[:CLIENTS])
        stack.start_server()
        answer_phones(stack, [LATE])
        control(stack, "POST", "faults", name="http_503", gstin=office.row(FAILING)["gstin"], times=1_000_000)
        stack.deploy()
        stack.start_worker()
        return office

    def row(self, client_id: str) -> dict[str, str]:
        """Return a client's row of the simulator's list."""
        return next(row for row in self.rows if row["client_id"] == client_id)

    def label(self, client_id: str) -> str:
        """Return how a client stands in the form."""
        return f"{self.row(client_id)['name']} ({client_id})"

    def import_rows(self, rows: list[dict[str, str]]) -> None:
        """Bring rows into the client master with the operators' command."""
        path = self.stack.home / "import.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        self.stack.run(["-m", "clientsync", "clients", "import", str(path)])

    def otp(self, client_id: str) -> str:
        """Read the OTP from the client's phone."""
        shown = httpx.get(
            f"{account(self.stack)['control_url']}/otp",
            params={"username": self.row(client_id)["portal_username"]},
            timeout=30,
            trust_env=False,
        )
        return str(shown.raise_for_status().json()["otp"])

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the server's API."""
        answer = httpx.request(method, f"{self.stack.api_url}/{path}", json=body, timeout=30, trust_env=False)
        return answer.raise_for_status().json()

    def deployment(self, name: str) -> str:
        """Return a deployment's id; flow and deployment have one name."""
        return str(self.api("GET", f"deployments/name/{name}/{name}")["id"])

    def run_of(self, deployment: str, *, after: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return the newest run of a deployment that has left the schedule, once there is one beside ``after``."""
        wanted = {
            "deployments": {"id": {"any_": [self.deployment(deployment)]}},
            "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}},
        }

        def found() -> dict[str, Any] | None:
            runs = self.api("POST", "flow_runs/filter", wanted)
            return next((run for run in runs if run["id"] not in after), None)

        return until(found, 90, f"a run of {deployment}")

    def runs_of(self, deployment: str) -> frozenset[str]:
        """Return the ids of all runs of a deployment."""
        wanted = {"deployments": {"id": {"any_": [self.deployment(deployment)]}}}
        return frozenset(run["id"] for run in self.api("POST", "flow_runs/filter", wanted))

    def ended(self, run_id: str) -> dict[str, Any]:
        """Return a run once it has ended."""

        def found() -> dict[str, Any] | None:
            run: dict[str, Any] = self.api("GET", f"flow_runs/{run_id}")
            return run if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

        return until(found, 150, f"the end of run {run_id}")

    def artifact(self, run_id: str, key: str) -> dict[str, Any]:
        """Return the artifact of a run, once it is there."""
        wanted = {
            "artifacts": {"key": {"any_": [key]}},
            "flow_runs": {"id": {"any_": [run_id]}},
        }

        def found() -> dict[str, Any] | None:
            return next(iter(self.api("POST", "artifacts/filter", wanted)), None)

        return until(found, 60, f"artifact {key}")

    def ledger(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Read the ledger."""
        if self._engine is None:
            self._engine = open_engine(f"sqlite:///{next((self.stack.home / 'data').glob('*.db'))}")
        with reading(self._engine) as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def close(self) -> None:
        """End the connection to the ledger; the stack is ended by who started it."""
        if self._engine is not None:
            self._engine.dispose()


def until(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """Return what ``look`` finds, trying for so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.4)
    raise AssertionError(f"{what} did not come within {seconds:.0f} s")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a headless browser; the test fails with one sentence where it is not installed."""
    assert CHROMIUM.exists(), f"{CHROMIUM} is missing; install it with: apt-get install chromium"
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Operator:
    """A person before the dashboard."""

    office: Office
    page: Page

    def open(self, path: str) -> None:
        """Go to a page of the dashboard."""
        self.page.goto(f"{self.office.stack.dashboard}{path}")

    def open_form(self, deployment: str) -> None:
        """Go to a deployment's run form."""
        self.open(f"/deployments/deployment/{self.office.deployment(deployment)}/run")
        self.page.locator(".p-select").first.wait_for()

    def field(self, name: str) -> Locator:
        """Return a field of the form."""
        label = self.page.locator(".schema-form-property__label").get_by_text(name, exact=True)
        return self.page.locator(".schema-form-property").filter(has=label).last

    def options(self, name: str) -> list[str]:
        """Open a field's list, read it, and close it again."""
        self.field(name).locator(".p-select-button__icon").click()
        self.page.get_by_role("option").first.wait_for()
        found = self.page.get_by_role("option").all_inner_texts()
        self.page.keyboard.press("Escape")
        self.page.get_by_role("option").first.wait_for(state="hidden")
        return found

    def tick(self, name: str, *values: str) -> None:
        """Click values in a field's list: unticked ones become ticked and the other way round."""
        self.field(name).locator(".p-select-button__icon").click()
        for value in values:
            self.page.get_by_role("option", name=value, exact=True).click()
        # Escape closes nothing once an option was clicked
        self.page.get_by_text("Parameters", exact=True).click()
        self.page.get_by_role("option").first.wait_for(state="hidden")

    def submit(self) -> None:
        """Leave the field that was filled last and start the run; the dashboard leaves the form.

        The dashboard at times takes a click and does nothing; whoever sees the form still there clicks again.
        """
        self.page.keyboard.press("Tab")
        for seconds in (12, 12, 30):
            self.page.get_by_role("button", name="Submit").click()
            try:
                self.page.wait_for_url(lambda url: not url.endswith("/run"), timeout=1000 * seconds)
            except TimeoutError:
                self.picture("not-submitted")
                continue
            return
        raise AssertionError("the form was still there after three clicks on Submit")

    def answer(self, run_id: str, otp: str, picture: str = "") -> None:
        """Resume a paused run with an OTP."""
        self.open(f"/runs/flow-run/{run_id}")
        self.page.get_by_role("button", name="Resume").click()
        dialog = self.page.locator(".p-modal")
        dialog.get_by_text("OTP", exact=True).wait_for()
        if picture:
            self.picture(picture)
        dialog.locator("textarea").fill(otp)
        dialog.get_by_role("button", name="Submit").click()

    def picture(self, name: str) -> None:
        """Keep what the browser shows."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"))

    def reads(self, words: str) -> None:
        """Wait until the page shows these words."""
        self.page.get_by_text(words).first.wait_for()
