"""The rate budget of a provider key: one schedule of slots that every process draws from.

A call starts only in a slot. Slots are reserved by short transactions, a few at a time, and a slot that was
missed is thrown away, so that in no window of the given length more calls start than the limit allows, however
many processes there are. A slot that was reserved some time ago is used only after a look at whether any process was
told to slow down meanwhile. Waits end at once when a stop is asked for.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from sqlalchemy import Connection, Engine, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from clientsync.database import open_engine, reading, writing
from clientsync.errors import StopRequested
from clientsync.http.retrying import pause
from clientsync.ledger.tables import SyncBudget

_T = SyncBudget.__table__  # type: ignore[attr-defined]
_AHEAD_SECONDS = 0.25  # how much of the schedule one reservation may take beyond the threads that wait
_MOST_SLOTS = 100
_LOOK_SECONDS = 0.2  # for so long a process relies on what it last saw of the schedule
_ABSURD_SECONDS = 900.0  # a schedule this far beyond its waiters comes from a clock that was set back
_ABSURD_SLOTS = 500

SLOW_DOWN_CAP = 60.0
"""Seconds for which one answer can stop everybody; who was told to wait longer waits longer alone."""


class RateBudget(Protocol):
    """Lets calls start no faster than a provider allows."""

    def take(self) -> None:
        """Return when a call may start.

        Raises:
            StopRequested: a stop was asked for while waiting.
        """
        ...

    def slow_down(self, seconds: float) -> None:
        """Let nobody start a call for ``seconds``: the source has said so."""
        ...


@dataclass(frozen=True)
class Pace:
    """Spacing of slots that keeps a limit.

    Attributes:
        limit: calls that may start in any window.
        window: its length in seconds.
        burst: slots that may be used at once after a quiet time, inside the limit.
    """

    limit: int
    window: float = 60.0
    burst: int = 1

    @property
    def late(self) -> float:
        """Seconds by which a slot may be used late; also what the way to the source may add."""
        return max(self.window / 120, 0.015)

    @property
    def gap(self) -> float:
        """Seconds from slot to slot.

        A window of length W sees at most ceil((W + 2 late) / gap) + burst - 1 starts, so the gap is as wide
        as makes that the limit.
        """
        burst = min(self.burst, self.limit)
        return 1.0001 * (self.window + 2 * self.late) / (self.limit - burst + 1)

    def first_slot(self, next_slot_at: float, now: float) -> float:
        """Return the earliest slot, with what may be caught up after a quiet time."""
        return max(next_slot_at, now - (min(self.burst, self.limit) - 1) * self.gap)


class _SlotBudget:
    """Hands out slots to the threads of this process; a subclass says where slots come from."""

    def __init__(self, pace: Pace, stop: threading.Event | None) -> None:
        self.pace = pace
        self._stop = stop
        self._slots: deque[float] = deque()
        self._lock = threading.Lock()
        self._waiting = 0
        self._not_before = float("-inf")

    def take(self) -> None:
        """Return when a call may start.

        Raises:
            StopRequested: a stop was asked for while waiting.
        """
        while True:
            slot = self._next_slot()
            pause(slot - time.monotonic(), self._stop)
            self.look()
            if self.is_usable(slot):
                return

    def is_usable(self, slot: float) -> bool:
        """Whether a call may still start in a slot: not too late, and not taken back meanwhile."""
        return time.monotonic() - slot <= self.pace.late and slot >= self._not_before

    def _next_slot(self) -> float:
        with self._lock:
            self._waiting += 1
        try:
            with self._lock:
                while self._slots:
                    slot = self._slots.popleft()
                    if self.is_usable(slot):
                        return slot
                if self._stop is not None and self._stop.is_set():
                    raise StopRequested("Stopped while waiting for the source.")
                ahead = int(_AHEAD_SECONDS / self.pace.gap) + 1
                self._slots.extend(self.reserve(min(max(self._waiting, ahead), _MOST_SLOTS)))
                return self._slots.popleft()
        finally:
            with self._lock:
                self._waiting -= 1

    def reserve(self, count: int) -> list[float]:
        """Return ``count`` slots (``time.monotonic``), which belong to this process from now on."""
        raise NotImplementedError

    def look(self) -> None:
        """Take notice of what others were told since this process last saw the schedule."""

    def _forget_slots(self, seconds: float) -> None:
        with self._lock:
            self._slots.clear()
            self._not_before = max(self._not_before, time.monotonic() + seconds)


def _burst_slots(first: float, gap: float, count: int, now: float) -> list[float]:
    # A slot that lies in the past through the burst allowance may be used now.
    return [max(first + number * gap, now) for number in range(count)]


class LocalBudget(_SlotBudget):
    """A budget of this process alone, for tests and for sources that nobody else asks."""

    def __init__(self, pace: Pace, stop: threading.Event | None = None) -> None:
        """Start with an empty schedule."""
        super().__init__(pace, stop)
        self._next = float("-inf")

    def reserve(self, count: int) -> list[float]:
        """Return the next ``count`` slots."""
        now = time.monotonic()
        first = self.pace.first_slot(self._next, now)
        self._next = first + count * self.pace.gap
        return _burst_slots(first, self.pace.gap, count, now)

    def slow_down(self, seconds: float) -> None:
        """Let nobody start a call for ``seconds``, at most ``SLOW_DOWN_CAP``."""
        seconds = min(seconds, SLOW_DOWN_CAP)
        self._forget_slots(seconds)
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class SharedBudget(_SlotBudget):
    """A budget that all processes share through the table ``sync_budget``."""

    def __init__(
        self,
        engine: Engine,
        key: str,
        per_minute: int,
        burst: int = 1,
        *,
        window: float = 60.0,
        stop: threading.Event | None = None,
    ) -> None:
        """Share the schedule ``key``; ``per_minute`` counts per ``window`` seconds.

        Every process must give the same figures for a key.
        """
        super().__init__(Pace(per_minute, window, burst), stop)
        self._engine = budget_engine(engine)
        self._key = key
        self._seen_at = float("-inf")
        self._slow_until = float("-inf")  # by the clock of the schedule

    def reserve(self, count: int) -> list[float]:
        """Return the next ``count`` slots of the schedule, in one transaction."""

        def move(next_slot_at: float, slow_until: float, now: float) -> tuple[float, float, float]:
            self._slow_until = slow_until
            first = max(self.pace.first_slot(next_slot_at, now), slow_until)
            return first, first + count * self.pace.gap, slow_until

        first, now = self._change(move)
        self._seen_at = time.monotonic()
        offset = self._seen_at - now
        return [slot + offset for slot in _burst_slots(first, self.pace.gap, count, now)]

    def slow_down(self, seconds: float) -> None:
        """Let no process start a call for ``seconds``, at most ``SLOW_DOWN_CAP``."""
        seconds = min(max(seconds, 0.0), SLOW_DOWN_CAP)
        self._forget_slots(seconds)

        def move(next_slot_at: float, slow_until: float, now: float) -> tuple[float, float, float]:
            self._slow_until = until = max(slow_until, now + seconds)
            return until, max(next_slot_at, until), until

        self._change(move)

    def look(self) -> None:
        """Give up the slots of the time for which another process was told to slow down."""
        with self._lock:
            if time.monotonic() - self._seen_at < _LOOK_SECONDS:
                return
            self._seen_at = time.monotonic()
        with reading(self._engine) as connection:
            until = connection.execute(
                select(_T.c.slow_down_until).where(_T.c.budget_key == self._key)
            ).scalar_one_or_none()
            now = _database_time(connection) if self._is_postgres else time.time()
        if until is not None and until > max(now, self._slow_until):
            self._slow_until = until
            self._forget_slots(min(until - now, SLOW_DOWN_CAP))

    @property
    def _is_postgres(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def _change(
        self, move: Callable[[float, float, float], tuple[float, float, float]]
    ) -> tuple[float, float]:
        """Move the schedule under a lock; return what ``move`` gave first, and the schedule's clock."""
        insert = postgresql.insert if self._is_postgres else sqlite.insert
        with writing(self._engine) as connection:
            connection.execute(
                insert(_T)
                .values(budget_key=self._key, next_slot_at=0.0, slow_down_until=0.0)
                .on_conflict_do_nothing()
            )
            row = connection.execute(
                select(_T.c.next_slot_at, _T.c.slow_down_until)
                .where(_T.c.budget_key == self._key)
                .with_for_update()
            ).one()
            now = _database_time(connection) if self._is_postgres else time.time()
            far = now + _ABSURD_SECONDS + _ABSURD_SLOTS * self.pace.gap
            sane = [value if value <= far else now + self.pace.window for value in row]
            first, next_slot_at, slow_until = move(sane[0], sane[1], now)
            connection.execute(
                update(_T)
                .where(_T.c.budget_key == self._key)
                .values(next_slot_at=next_slot_at, slow_down_until=slow_until)
            )
        return first, now


def _database_time(connection: Connection) -> float:
    return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())


def budget_engine(engine: Engine) -> Engine:
    """Return where schedules are kept: PostgreSQL itself, or a small file beside a SQLite warehouse.

    SQLite has one writer per file; in a file of their own, reservations never wait for a load.
    """
    if engine.dialect.name != "sqlite" or not engine.url.database or engine.url.database == ":memory:":
        return engine
    return _beside(f"{engine.url.database}.budget")


@cache
def _beside(path: str) -> Engine:
    engine = open_engine(str(make_url("sqlite://").set(database=path)))
    with writing(engine) as connection:
        _T.create(connection, checkfirst=True)
    return engine


class ClientGate:
    """Lets at most a few calls of one registration be under way at once, in this process."""

    def __init__(self, width: int = 2, stop: threading.Event | None = None) -> None:
        """Open a gate of ``width`` calls for every registration."""
        self._width = width
        self._stop = stop
        self._open: dict[str, int] = {}
        self._changed = threading.Condition()

    @contextmanager
    def enter(self, client: str) -> Iterator[None]:
        """Hold one of the places of a registration during the block.

        Raises:
            StopRequested: a stop was asked for while waiting.
        """
        with self._changed:
            while self._open.get(client, 0) >= self._width:
                if self._stop is not None and self._stop.is_set():
                    raise StopRequested("Stopped while waiting for the source.")
                self._changed.wait(0.2)
            self._open[client] = self._open.get(client, 0) + 1
        try:
            yield
        finally:
            with self._changed:
                self._open[client] -= 1
                if not self._open[client]:
                    del self._open[client]
                self._changed.notify_all()
