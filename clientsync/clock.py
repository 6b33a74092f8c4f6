"""The one place where the time comes from.

Every moment is aware and in UTC; business dates are Indian dates. Tests and the simulator's days set the
clock with ``CLIENTSYNC_NOW``; durations never use it, they use ``time.monotonic``.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

INDIA = ZoneInfo("Asia/Kolkata")


def now() -> datetime:
    """Return the current moment, aware, UTC; ``CLIENTSYNC_NOW`` (ISO 8601, aware) overrides it.

    Raises:
        ValueError: ``CLIENTSYNC_NOW`` is not ISO 8601, or has no zone.
    """
    fixed = os.environ.get("CLIENTSYNC_NOW")
    if fixed:
        moment = datetime.fromisoformat(fixed)
        if moment.tzinfo is None:
            raise ValueError("CLIENTSYNC_NOW needs a zone, for example 2026-11-14T21:00:00+05:30")
        return moment.astimezone(UTC)
    return datetime.now(UTC)


def today() -> date:
    """Return today's date in India, where every due date of the law is counted."""
    return now().astimezone(INDIA).date()
