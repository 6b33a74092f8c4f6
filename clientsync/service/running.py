"""What runs beside the web server, for each connection: a worker, and a clock that reads what no webhook tells."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from clientsync.commerce.alarms import renew_webhook
from clientsync.commerce.collecting import collect, sweep
from clientsync.commerce.connected import Commerce
from clientsync.commerce.purging import purge
from clientsync.commerce.status import of_connection
from clientsync.commerce.working import Worker
from clientsync.config import CommerceSettings
from clientsync.database import reading
from clientsync.errors import SyncError

AGAIN_SECONDS = 5.0
"""After a part has failed, it begins anew."""
RENEW_AFTER = timedelta(hours=20)
SWEEP_AFTER = timedelta(hours=24)
_log = logging.getLogger("clientsync.service")


@dataclass
class Served:
    """One connection while the service runs.

    Attributes:
        token: part of the address that only the accounting was told.
        failing: part to why it failed the last time; a part that works again is not in it.
    """

    of: Commerce
    configured: CommerceSettings
    token: str = field(repr=False)
    failing: dict[str, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _worker: Worker | None = None
    _next_at: float = 0.0

    def start(self) -> None:
        """Begin to work and to read."""
        for name, part in (("worker", self._work), ("clock", self._watch)):
            thread = threading.Thread(
                target=self._again_and_again, args=(name, part), name=f"{self.of.name} {name}"
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End after what is under way."""
        self._stop.set()
        self.wake()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """Say that a webhook was stored."""
        if self._worker is not None:
            self._worker.wake()

    def _again_and_again(self, name: str, part: Callable[[], None]) -> None:
        """Run a part until the stop; what it fails of is told, and it begins anew."""
        while not self._stop.is_set():
            try:
                part()
            except SyncError as error:
                self._told(name, error.message)
                self._stop.wait(AGAIN_SECONDS)
            except Exception as error:  # noqa: BLE001 - it is told, and the part begins anew
                self._told_of_defect(name, error)
                self._stop.wait(AGAIN_SECONDS)

    def _told_of_defect(self, name: str, error: Exception) -> None:
        _log.exception("%s %s failed", self.of.name, name)
        self._told(name, f"an internal error ({type(error).__name__}); see the log of the service")

    def _told(self, name: str, why: str) -> None:
        self.failing[name] = why
        _log.warning("%s %s: %s", self.of.name, name, why)

    def _work(self) -> None:
        self._worker = Worker(self.of, stop=self._stop, on_turn=lambda: self.failing.pop("worker", None))
        self._worker.go_on()

    def _watch(self) -> None:
        while not self._stop.is_set():
            if time.monotonic() >= self._next_at:
                self._next_at = time.monotonic() + self.configured.poll_seconds
                collect(self.of)
                self.wake()
                self._daily()
                self.failing.pop("clock", None)
            self._stop.wait(min(1.0, self.configured.poll_seconds))

    def _daily(self) -> None:
        """Renew the webhook, sweep and purge once a day, whoever did it last; the next reading repeats what failed."""
        with reading(self.of.engine) as connection:
            row = of_connection(connection, self.of)
        at = self.of.now()
        if row.webhook_renewed_at is None or at - row.webhook_renewed_at > RENEW_AFTER:
            self._tried("webhook renewal", lambda: renew_webhook(self.of))
        if row.swept_at is None or at - row.swept_at > SWEEP_AFTER:
            self._tried("sweep", lambda: sweep(self.of, days=self.configured.sweep_days))
            before = at - timedelta(days=self.configured.keep_days)
            self._tried("purge", lambda: purge(self.of, before, actor="the service"))

    def _tried(self, name: str, step: Callable[[], object]) -> None:
        """Do a step; what it fails of is told, and keeps no other from being done."""
        try:
            step()
        except SyncError as error:
            self._told(name, error.message)
        except Exception as error:  # noqa: BLE001 - it is told, and the step is tried again
            self._told_of_defect(name, error)
        else:
            self.failing.pop(name, None)
