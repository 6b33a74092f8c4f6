"""Identifiers of runs, units and other rows: sortable by time, unique across machines."""

from __future__ import annotations

import secrets
import time


def new_id(prefix: str) -> str:
    """Return ``prefix-<milliseconds in base 16><random>``, for example ``run-018f3a2b9c01-5f2a9c``."""
    return f"{prefix}-{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(5)}"
