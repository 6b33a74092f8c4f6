"""The simulated tax portals as one request handler: e-filing, both TRACES portals and the control side.

`write_files` also leaves in the state folder what a product under test needs: client master, passwords, addresses.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from simulators.http import Request, Response
from simulators.income_tax.portal import IncomeTaxPortal
from simulators.tds import sections
from simulators.tds.changes import World
from simulators.tds.control import Control
from simulators.tds.faults import FaultBoard
from simulators.tds.master import write_master, write_passwords
from simulators.traces.portal import TracesPortal

PREFIXES = {
    "income_tax": "eportal",
    "traces_new": "traces-app",
    "traces_old": "traces61",
    "control": "control",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a simulator is started with; times are in seconds unless the name says otherwise."""

    clients: int = 10
    documents: int = 12
    seed: int = 7
    start_number: int = 1
    today: date = sections.TODAY
    latency_ms: int = 0
    unsettled_calls: int = 0
    efiling_seconds: float = 900.0
    traces_seconds: float = 3600.0
    truth: bool = True


class Simulator:
    """The simulated tax portals."""

    def __init__(self, settings: Settings, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self.state = state
        self.faults = FaultBoard()
        self.world = World(
            settings.seed, settings.clients, settings.today, settings.documents, settings.start_number
        )
        self.income_tax = IncomeTaxPortal(
            self.world.deductors, self.world.today, self.faults, idle_seconds=settings.efiling_seconds
        )
        self.traces = TracesPortal(
            self.world.deductors,
            self.world.today,
            self.faults,
            unsettled_calls=settings.unsettled_calls,
            session_seconds=settings.traces_seconds,
        )
        self._control = Control(self.world, self.faults, self.income_tax, self.traces)
        self._portals: dict[str, Callable[[Request], Response]] = {
            PREFIXES["income_tax"]: self.income_tax.handle,
            PREFIXES["traces_new"]: self.traces.handle,
            PREFIXES["traces_old"]: self.traces.handle,
        }

    def handle(self, request: Request) -> Response:
        """Answer any request."""
        first, _, rest = request.path.lstrip("/").partition("/")
        if first == PREFIXES["control"]:
            request.path = f"/{rest}"
            return self._control.handle(request)
        portal = self._portals.get(first)
        if portal is None:
            return Response.of({"message": "no such path"}, 404)
        response = portal(request)
        response.delay = self.settings.latency_ms / 1000
        return response

    def write_files(self, url: str) -> None:
        """Write `clients.csv`, `passwords.csv`, `portals.json` and, unless switched off, `counts.json`."""
        write_master(self.state / "clients.csv", self.world.deductors)
        write_passwords(self.state / "passwords.csv", self.world.deductors)
        addresses = {name: f"{url}/{prefix}" for name, prefix in PREFIXES.items()}
        (self.state / "portals.json").write_text(json.dumps(addresses, indent=1), encoding="utf-8")
        if self.settings.truth:
            counts = {
                one.client_id: {
                    "challans": len(one.challans), "statements": len(one.statements), "notices": len(one.notices),
                    "certificates": len(one.certificates), "demands": len(one.demands),
                }
                for one in self.world.deductors
            }  # fmt: skip
            (self.state / "counts.json").write_text(json.dumps(counts, indent=1), encoding="utf-8")
