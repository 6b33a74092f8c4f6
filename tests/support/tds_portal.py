"""A warehouse beside the simulated tax portals: the product as it is installed, over real sockets."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from clientsync.clients.master import import_clients
from clientsync.clients.passwords import read_passwords
from clientsync.sync import service
from clientsync.sync.challenges import accept_answer, begin_challenge
from clientsync.sync.planning import Selection
from deployments.portal import TDS_PORTALS, provider_lines
from deployments.stack import Stack
from simulators.gst.process import Running
from simulators.tds.process import start
from tests.support.real_portal import Installation

TODAY = "2026-11-20"
NOW = f"{TODAY}T21:00:00+05:30"


@dataclass
class TdsInstallation(Installation):
    """One warehouse beside the tax portals."""

    def bring_clients(self) -> None:
        """Import the deductors as clients, and their passwords into the vault."""
        import_clients(self.live.engine, self.portal.state_dir / "clients.csv", providers=[])
        found = read_passwords(self.portal.state_dir / "passwords.csv", self.live.engine)
        assert found.problems == []
        for one in found.passwords:
            self.live.vault.put(one.secret_name, one.password)

    def log_in(self, leave: Sequence[str] = ()) -> None:
        """Let an operator read the captcha of every client and answer it, all but those in ``leave``."""
        for row in self.clients():
            if row["client_id"] not in leave:
                self.answer_captcha(row["client_id"])

    def answer_captcha(self, client_id: str) -> None:
        """Ask for a picture for one client and answer it."""
        waiting = begin_challenge(self.live, client_id, "tds", "traces")
        assert waiting is not None
        accept_answer(self.live, waiting, str(self.control("GET", "captcha")["text"]))

    def clients(self) -> list[dict[str, str]]:
        """Return the rows of the portals' client list."""
        with (self.portal.state_dir / "clients.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def run(self, *modules: str, periods: Sequence[str] = (), clients: Sequence[str] = ()) -> str:
        """Synchronise; return the run id."""
        wanted = Selection(
            connector="tds", clients=tuple(clients), modules=modules or ("ALL",), periods=tuple(periods)
        )
        return service.run(self.live, service.plan(self.live, wanted))

    def control(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Use the portals' control side.

        Raises:
            httpx.HTTPStatusError: it refused.
        """
        asks = method == "GET"
        answer = httpx.request(
            method,
            f"{self.portal.url}/control/{path}",
            params=body if asks else None,
            json=None if asks or not body else body,
            timeout=30,
            trust_env=False,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def tds_installed(
    home: Path, portal: Running, *, settings: Mapping[str, Any] | None = None, leave: Sequence[str] = ()
) -> Iterator[TdsInstallation]:
    """Yield an installation in ``home`` with deductors and open sessions, beside portals that run already.

    Args:
        home: an empty folder.
        portal: the portals' process.
        settings: settings over those for tests.
        leave: clients whose captcha nobody answers.
    """
    home.mkdir(parents=True, exist_ok=True)
    made = TdsInstallation(portal, Stack(home))
    configured: dict[str, Any] = {
        "home": str(home / "data"),
        "vault_key_ref": f"file:{home / 'keys' / 'vault.key'}",
        "workers": 4,
        "retry_budget_seconds": 4,
        "breaker_failures": 1000,
        "batch_seconds": 2,
        **(settings or {}),
    }
    lines = [f"{name} = {_toml(value)}" for name, value in configured.items()]
    for name, prefix in TDS_PORTALS.items():
        lines.extend(provider_lines(name, f"{portal.url}/{prefix}", {}))
    path = home / "clientsync.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    made.enter({"CLIENTSYNC_CONFIG": str(path), "CLIENTSYNC_NOW": NOW})
    try:
        made.open()
        made.bring_clients()
        made.log_in(leave)
        yield made
    finally:
        made.leave()


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def start_tds_portals(folder: Path, **options: Any) -> Running:
    """Start the portals whose day is that of the tests; see ``simulators.tds.process.start``."""
    folder.mkdir(parents=True, exist_ok=True)
    return start(folder, **{"today": TODAY, "seed": 11, "documents": 12, **options})
