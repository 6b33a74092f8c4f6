"""A whole installation of the product around the simulated portal, for tests that count calls or compare results.

The portal is a process of its own on a real socket; the product's settings, clients and sessions are made the way
that operators make them. Invariant: nothing of one ``Installation`` is shared with another but the portal.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from clientsync.clients.master import import_clients
from clientsync.config import reset_settings
from clientsync.database import reading
from clientsync.registry import all_tables
from clientsync.sync import service
from clientsync.sync.challenges import accept_otp, request_otp
from clientsync.sync.planning import Selection
from clientsync.sync.services import Services, services_from_settings
from deployments.portal import write_settings
from deployments.stack import Stack
from simulators.gst.process import Running, start

TODAY = "2026-11-20"
NOW = f"{TODAY}T21:00:00+05:30"
PERIOD = "102026"
VOLATILE = frozenset({"run_id", "unit_id", "first_loaded_at", "loaded_at", "removed_at"})


@dataclass
class Installation:
    """One warehouse with its settings, beside a portal.

    Attributes:
        portal: the simulated portal.
        stack: folder, settings file and environment.
        services: of this process, once opened.
    """

    portal: Running
    stack: Stack
    services: Services | None = None
    _saved: dict[str, str | None] = field(default_factory=dict)

    @property
    def live(self) -> Services:
        """The services; they must have been opened."""
        assert self.services is not None
        return self.services

    @property
    def database_url(self) -> str:
        """Address of the warehouse."""
        return f"sqlite:///{self.stack.home / 'data' / 'clientsync.db'}"

    @property
    def truth(self) -> Path:
        """The ground truth, complete up to now."""
        return Path(self.control("GET", "truth")["path"])

    def enter(self, environment: Mapping[str, str]) -> None:
        """Make this process work in the installation's environment."""
        for name, value in {**self.stack.environment, **environment}.items():
            self._saved.setdefault(name, os.environ.get(name))
            os.environ[name] = value
        reset_settings()

    def leave(self) -> None:
        """Undo ``enter`` and close the services."""
        if self.services is not None:
            self.services.close()
            self.services = None
        for name, value in self._saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._saved.clear()
        reset_settings()

    def open(self) -> Services:
        """Open the services; the warehouse is at the newest migration afterwards."""
        self.services = services_from_settings()
        return self.services

    def bring_clients(self) -> None:
        """Import the portal's taxpayers as clients."""
        import_clients(self.live.engine, self.portal.state_dir / "clients.csv", providers=["gsp", "sandbox"])

    def log_in(self, leave: Sequence[str] = ()) -> None:
        """Let every person read the OTP from the phone and answer it, all but the clients in ``leave``."""

        def answer(row: Mapping[str, str]) -> None:
            request_otp(self.live, row["client_id"])
            shown = self.control("GET", "otp", username=row["portal_username"])
            accept_otp(self.live, row["client_id"], str(shown["otp"]))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(answer, [row for row in self.clients() if row["client_id"] not in leave]))

    def clients(self) -> list[dict[str, str]]:
        """Return the rows of the portal's client list."""
        with (self.portal.state_dir / "clients.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def gstin(self, client_id: str) -> str:
        """Return the registration of a client."""
        return next(row["gstin"] for row in self.clients() if row["client_id"] == client_id)

    def run(self, *modules: str, periods: Sequence[str] = (PERIOD,), clients: Sequence[str] = ()) -> str:
        """Synchronise; return the run id."""
        wanted = Selection(clients=tuple(clients), modules=modules or ("ALL",), periods=tuple(periods))
        return service.run(self.live, service.plan(self.live, wanted))

    def control(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Use the portal's control side."""
        return control(self.portal, method, path, **body)

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with reading(self.live.engine) as connection:
            return [dict(row) for row in connection.execute(text(sql), values).mappings()]

    def units(self, run_id: str, **where: str) -> list[dict[str, Any]]:
        """Return the units of a run whose columns have these values."""
        found = self.rows("SELECT * FROM sync_unit WHERE run_id = :run_id ORDER BY unit_id", run_id=run_id)
        return [row for row in found if all(row[name] == value for name, value in where.items())]

    def stored(self, clients: Sequence[str] | None = None) -> Counter[tuple[Any, ...]]:
        """Return what stands in every table of rows, without the columns that name runs and times."""
        found: Counter[tuple[Any, ...]] = Counter()
        for name in sorted(all_tables()):
            for row in self.rows(f"SELECT * FROM core_{name}"):
                if clients is None or row["client_id"] in clients:
                    kept = tuple((key, value) for key, value in row.items() if key not in VOLATILE)
                    found[(name, row["removed_at"] is not None, *kept)] += 1
        return found


def control(portal: Running, method: str, path: str, **body: Any) -> dict[str, Any]:
    """Use the control side of a portal; the values go into the query of a GET, else into the body.

    Raises:
        httpx.HTTPStatusError: the portal refused it.
    """
    asks = method == "GET"
    answer = httpx.request(
        method,
        f"{portal.url}/_control/{path}",
        params=body if asks else None,
        json=None if asks or not body else body,
        timeout=30,
        trust_env=False,
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


@contextmanager
def installed(
    home: Path, portal: Running, *, settings: Mapping[str, Any] | None = None, now: str = NOW
) -> Iterator[Installation]:
    """Yield an installation in ``home`` with clients and open sessions, beside a portal that runs already.

    Args:
        home: an empty folder.
        portal: the portal; its state folder is linked into ``home``.
        settings: settings over those for tests.
        now: business moment of everything.
    """
    home.mkdir(parents=True, exist_ok=True)
    link = home / "portal"
    if link.resolve() != portal.state_dir.resolve():
        link.symlink_to(portal.state_dir.resolve(), target_is_directory=True)
    made = Installation(portal, Stack(home))
    write_settings(
        made.stack,
        {
            "workers": 4,
            "retry_budget_seconds": 1,
            "breaker_failures": 1000,
            "batch_seconds": 2,
            **(settings or {}),
        },
    )
    made.enter({"CLIENTSYNC_NOW": now})
    try:
        made.open()
        made.bring_clients()
        made.log_in()
        yield made
    finally:
        made.leave()


def start_portal(folder: Path, **options: Any) -> Running:
    """Start a portal whose day is that of the tests; see ``simulators.gst.process.start``."""
    folder.mkdir(parents=True, exist_ok=True)
    return start(folder, **{"today": TODAY, "seed": 11, "documents": 12, **options})
