"""The runs that this process works on, so that mapped tasks share sessions, leases and the loading line.

A task that lands in another process (another worker, Dask) finds no run here and attaches to the ledger's. What was
attached to is left once no task has worked on it for a while: its thread says that the run is alive, so a worker that
kept it would hide the death of the process that began the run, and hold its connections for as long as it lives.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clientsync.sync.run import Run
from clientsync.sync.service import attach
from clientsync.sync.services import services_from_settings

IDLE_SECONDS = 20.0
"""How long an attached run is kept for the next task; attaching reads every unit of the run."""


@dataclass
class _Attached:
    """A run of another process: how many tasks work on it here, and what leaves it when none does."""

    run: Run
    tasks: int = 0
    leaver: threading.Timer | None = None

    def close(self) -> None:
        self.run.close()
        self.run.services.close()


_active: dict[str, Run] = {}
_attached: dict[str, _Attached] = {}
_guard = threading.Lock()


def enter(run: Run) -> None:
    """Make a run known to the tasks of this process."""
    with _guard:
        _active[run.run_id] = run


def leave(run: Run) -> None:
    """Forget a run."""
    with _guard:
        _active.pop(run.run_id, None)


@contextmanager
def active(run_id: str) -> Iterator[Run]:
    """Yield the run, attaching to it through the ledger when this process did not begin it.

    Raises:
        UnknownName: no such run.
    """
    with _guard:
        own = _active.get(run_id)
    if own is not None:
        yield own
        return
    with _guard:
        found = _take(run_id)
    try:
        yield found.run
    finally:
        with _guard:
            _put_back(run_id, found)


def _take(run_id: str) -> _Attached:
    found = _attached.get(run_id)
    if found is None:
        found = _attached[run_id] = _Attached(attach(services_from_settings(), run_id))
    if found.leaver is not None:
        found.leaver.cancel()
        found.leaver = None
    found.tasks += 1
    return found


def _put_back(run_id: str, found: _Attached) -> None:
    found.tasks -= 1
    if found.tasks == 0:
        found.leaver = threading.Timer(IDLE_SECONDS, _leave_idle, (run_id, found))
        found.leaver.daemon = True
        found.leaver.start()


def _leave_idle(run_id: str, found: _Attached) -> None:
    with _guard:
        if found.tasks or _attached.get(run_id) is not found:
            return
        del _attached[run_id]
    found.close()


@atexit.register
def leave_attached() -> None:
    """Leave every attached run at once, as a process that ends does; no task may work on one."""
    with _guard:
        left = list(_attached.values())
        _attached.clear()
    for found in left:
        if found.leaver is not None:
            found.leaver.cancel()
        found.close()
