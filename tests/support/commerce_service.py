"""The service as a process of its own, between a simulated shop and simulated books that outlive it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, select

from clientsync.commerce import store
from clientsync.database import open_engine
from deployments.commerce import NAME, Pair, commerce_lines, credentials
from simulators.accurate import Books
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN
from simulators.commerce.maps import mappings_of
from simulators.http import Served
from simulators.iseller.shop import Shop

SECONDS = 60.0


@dataclass
class Place:
    """A folder with ledger and settings, and both systems.

    Attributes:
        environment: of the processes.
        url: of the service while it runs.
    """

    folder: Path
    shop: Shop
    books: Books
    environment: dict[str, str]
    url: str = ""
    _process: subprocess.Popen[bytes] | None = None
    _logs: list[Any] = field(default_factory=list)

    def command(self, *words: str, point: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the product to its end."""
        return subprocess.run(
            [sys.executable, "-m", "clientsync", *words],
            env={**os.environ, **self.environment, "CLIENTSYNC_CRASH_AT": point},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, point: str = "") -> None:
        """Start the service; it is killed at a point if one is named."""
        log = (self.folder / "service.log").open("ab")
        self._logs.append(log)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "clientsync", "commerce", "serve", NAME, "--json"],
            env={**os.environ, **self.environment, "CLIENTSYNC_CRASH_AT": point},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            self.url = json.loads(line)["url"]

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End the service and return its code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(how)
        code = self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code

    def wait_for_death(self) -> int:
        """Wait until a service that is to be killed is dead."""
        assert self._process is not None
        self._process.wait(SECONDS)
        return self.stop()

    def post(self, order_id: str, **changed: Any) -> httpx.Response:
        """Send the webhook of an order."""
        headers, body = self.shop.webhook(order_id, at=datetime.now(UTC))
        return httpx.post(
            f"{self.url}/webhooks/{NAME}/shop",
            content=changed.get("body", body),
            headers=changed.get("headers", headers),
            trust_env=False,
            timeout=30,
        )

    def invoices(self) -> list[str]:
        """Return the orders that are booked as invoices."""
        return [one.source for one in self.books.truth.live("sales-invoice")]

    def until_booked(self, *orders: str) -> None:
        """Wait until orders are booked, with their receipts."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if set(orders) <= set(self.invoices()) and not self.open_documents():
                return
            time.sleep(0.1)
        raise AssertionError(
            f"not booked: {set(orders) - set(self.invoices())}, open: {self.open_documents()}; "
            + (self.folder / "service.log").read_text()
        )

    def open_documents(self) -> list[str]:
        """Return what is not booked, with its reason."""
        return [
            f"{row.type} {row.number} {row.state} {row.reason}"
            for row in self.rows()
            if row.state != "success"
        ]

    def rows(self) -> list[Any]:
        """Return the documents of the ledger."""
        engine = self.engine()
        with engine.connect() as connection:
            found = list(connection.execute(select(store.DOCS)))
        engine.dispose()
        return found

    def engine(self) -> Engine:
        """Return the ledger."""
        return open_engine(f"sqlite:///{self.folder / 'data' / 'clientsync.db'}")


@contextmanager
def commerce_place(folder: Path, **settings: Any) -> Iterator[Place]:
    """Yield a place with its mappings set; whatever still runs is ended."""
    shop = Shop(seed=3, now=datetime.now(UTC), clock=lambda: datetime.now(UTC))
    books = Books()
    with ExitStack() as stack:
        urls = [stack.enter_context(Served(one)).url for one in (shop.answer, books.answer)]
        books.data_url = urls[1]
        values = {"lease_seconds": 2.0, "look_up_seconds": 0.3, "poll_seconds": 1.0, **settings}
        lines = [
            f"home = {json.dumps(str(folder / 'data'))}",
            f"vault_key_ref = {json.dumps(f'file:{folder}/vault.key')}",
            "service_port = 0",
            *commerce_lines(Pair(*urls), **values),
        ]
        (folder / "clientsync.toml").write_text("\n".join(lines) + "\n")
        environment: Mapping[str, str] = {
            "CLIENTSYNC_CONFIG": str(folder / "clientsync.toml"),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            **credentials(shop.client_id, shop.client_secret, shop.webhook_key, TOKEN, SIGNATURE_SECRET),
        }
        place = Place(folder, shop, books, dict(environment))
        _set_mappings(place)
        try:
            yield place
        finally:
            place.stop(signal.SIGKILL)
            for log in place._logs:
                log.close()


def _set_mappings(place: Place) -> None:
    path = place.folder / "maps.csv"
    codes = [one.code for one in place.shop.outlets]
    rows = [f"{kind},{key},{value}" for (kind, key), value in mappings_of(codes).items()]
    path.write_text("\n".join(["kind,shop,accounting", *rows]) + "\n")
    done = place.command("commerce", "maps-in", NAME, str(path))
    assert done.returncode == 0, done.stdout + done.stderr
