"""Named points at which a test may kill the process, to prove that nothing is lost or doubled.

A point costs one dictionary look-up when ``CLIENTSYNC_CRASH_AT`` is not set. Its form is ``name`` or
``name:nth``; the process is killed the nth time the point is reached, as by ``kill -9``.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

_EXCHANGE_COMMITS = (
    "acks",
    "answered",
    "answers_lost",
    "apply",
    "audit",
    "broken",
    "collect",
    "doubled",
    "failure",
    "handshake",
    "lease",
    "load",
    "load_cancel",
    "load_check",
    "load_remove",
    "load_start",
    "pack",
    "purge",
    "receive",
    "release",
    "request",
    "resend",
    "restore",
    "rewind",
    "set_back",
    "settled",
    "take",
    "take_over",
    "upload",
    "uploaded",
    "watch",
)
EXCHANGE_POINTS = tuple(
    f"exchange_{name}_{side}" for name in _EXCHANGE_COMMITS for side in ("before", "after")
)
"""Before and after every commit of a sync between head office and stores."""
RECORD_POINTS = ("records_after_write", "records_after_create", "records_after_delete")
"""After the other system took a write, before what it holds is read back and settled."""
COMMERCE_POINTS = (
    "commerce_claimed",
    "commerce_sent",
    "commerce_settled",
    "commerce_taken_in",
    "commerce_intake",
)
"""After documents were claimed, sent, settled, taken in; after a webhook was stored, before it is answered."""
POINTS = (
    "before_request",
    "after_response",
    "before_stage_write",
    "after_stage_write",
    "after_validate",
    "after_begin",
    "after_rows",
    "after_quarantine",
    "after_cursor",
    "before_commit",
    "after_commit",
    "before_report_rename",
    "after_report_rename",
    "lease_take",
    "lease_renew",
    "lease_release",
    *RECORD_POINTS,
    *EXCHANGE_POINTS,
    *COMMERCE_POINTS,
)

_passed: Counter[str] = Counter()
_lock = threading.Lock()


def crash_point(name: str) -> None:
    """Kill this process if a test asked for it here.

    Raises:
        ValueError: the point is not in ``POINTS``.
    """
    wanted = os.environ.get("CLIENTSYNC_CRASH_AT")
    if not wanted:
        return
    if name not in POINTS:
        raise ValueError(f"unknown crash point {name!r}")
    point, _, nth = wanted.partition(":")
    if point != name:
        return
    with _lock:
        _passed[name] += 1
        reached = _passed[name]
    if reached == int(nth or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
