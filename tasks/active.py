"""The runs that this process works on, so that mapped tasks share sessions, leases and the loading line.

A task that lands in another process (another worker, Dask) finds no run here and attaches to the ledger's.
"""

from __future__ import annotations

import threading

from clientsync.sync.run import Run
from clientsync.sync.service import attach
from clientsync.sync.services import services_from_settings

_active: dict[str, Run] = {}
_guard = threading.Lock()


def enter(run: Run) -> None:
    """Make a run known to the tasks of this process."""
    with _guard:
        _active[run.run_id] = run


def leave(run: Run) -> None:
    """Forget a run."""
    with _guard:
        _active.pop(run.run_id, None)


def active(run_id: str) -> Run:
    """Return the run, attaching to it through the ledger when this process did not begin it."""
    with _guard:
        found = _active.get(run_id)
        if found is None:
            found = attach(services_from_settings(), run_id)
            _active[run_id] = found
        return found
