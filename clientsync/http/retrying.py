"""Trying again: which errors, how long in between, and when a host is left alone.

Whether a call may be repeated is decided in ``should_retry`` and nowhere else. Waits have full jitter, never
end before the source's own Retry-After, share one budget per call, and end at once when a stop is asked for.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from clientsync.config import Settings
from clientsync.errors import (
    NotConnected,
    RateLimited,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    StopRequested,
    SyncError,
    TruncatedResponse,
)

T = TypeVar("T")

RETRY_AFTER_CAP = 300.0
"""Seconds; a longer Retry-After counts as this, and the wait becomes a scheduled run."""

_jitter = random.SystemRandom()


def should_retry(error: BaseException) -> bool:
    """Whether the same call may succeed within this run; read from the class of the error."""
    return isinstance(error, SyncError) and error.is_retryable


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for, between 0 and ``RETRY_AFTER_CAP``.

    Seconds or an HTTP date; None when it is absent or says nothing usable.
    """
    text = (value or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), RETRY_AFTER_CAP)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_CAP)


def pause(seconds: float, stop: threading.Event | None) -> None:
    """Wait.

    Raises:
        StopRequested: a stop was asked for before or while waiting.
    """
    if stop is None:
        time.sleep(max(seconds, 0.0))
    elif stop.wait(max(seconds, 0.0)):
        raise StopRequested("Stopped while waiting for the source.")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long one call is tried again.

    Attributes:
        retries: repetitions after the first try.
        budget_seconds: longest total wait; a wait that would pass it is not begun.
        base_seconds: the first wait is random between 0 and this; it doubles each time.
        cap_seconds: longest single wait by back-off.
        stop: ends every wait.
    """

    retries: int = 3
    budget_seconds: float = 45.0
    base_seconds: float = 0.5
    cap_seconds: float = 15.0
    stop: threading.Event | None = None

    @classmethod
    def from_settings(cls, configured: Settings, stop: threading.Event | None = None) -> RetryPolicy:
        """Return the policy that the settings describe."""
        return cls(
            retries=configured.retries_in_run, budget_seconds=configured.retry_budget_seconds, stop=stop
        )

    def run(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns, trying again as the policy allows.

        Raises:
            SyncError: the last error, when no further try is allowed.
            StopRequested: a stop was asked for while waiting.
        """
        waited = 0.0
        for attempt in range(self.retries + 1):
            try:
                return call()
            except SyncError as error:
                wait = self.wait_before_next(attempt, error)
                if wait is None or waited + wait > self.budget_seconds:
                    raise
                waited += wait
            pause(wait, self.stop)
        raise AssertionError("unreachable: the last try returns or raises")

    def wait_before_next(self, attempt: int, error: SyncError) -> float | None:
        """Return the seconds to wait after try number ``attempt`` (from 0), None to give up."""
        if attempt >= self.retries or not should_retry(error):
            return None
        back_off = _jitter.uniform(0.0, min(self.cap_seconds, self.base_seconds * 2**attempt))
        told = error.retry_after if isinstance(error, RateLimited) else None
        return back_off if told is None else told + _jitter.uniform(0.0, self.base_seconds)


@dataclass
class CircuitBreaker:
    """Leaves a host alone after consecutive failures; after a pause one call finds out whether it is back.

    Attributes:
        failures: consecutive failures that open the circuit.
        open_seconds: how long it stays open.
        clients: how many different clients must be among the failures; the failures of one client alone must
            not close the way for the others.
    """

    failures: int = 10
    open_seconds: float = 30.0
    clients: int = 1
    _count: int = 0
    _failing: set[str] = field(default_factory=set)
    _opened_at: float | None = None
    _is_probing: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def before_call(self) -> None:
        """Let a call pass.

        Raises:
            NotConnected: the circuit is open; nothing was sent.
        """
        with self._lock:
            if self._opened_at is None:
                return
            if self._is_probing or time.monotonic() - self._opened_at < self.open_seconds:
                raise NotConnected("The host failed too often in a row and is left alone for a while.")
            self._is_probing = True

    def not_sent(self) -> None:
        """Note that the call which was let pass was not sent after all."""
        with self._lock:
            self._is_probing = False

    def after_call(self, error: BaseException | None, client: str = "") -> None:
        """Note how the call of a client ended; answers of any kind, also refusals, show that the host is there."""
        with self._lock:
            self._is_probing = False
            if isinstance(error, SourceUnavailable | SourceTimeout | TruncatedResponse):
                self._count += 1
                self._failing.add(client)
                if self._count >= self.failures and len(self._failing) >= self.clients:
                    self._opened_at = time.monotonic()
            elif error is None or isinstance(error, SourceError):
                self._count = 0
                self._failing.clear()
                self._opened_at = None

    @property
    def is_open(self) -> bool:
        """Whether the host is being left alone."""
        return self._opened_at is not None
