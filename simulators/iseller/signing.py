"""How the shop signs a webhook."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def signed(key: str, body: Mapping[str, Any], at: datetime) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a webhook that is sent at a moment."""
    raw = json.dumps(body, separators=(",", ":")).encode()
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
    digest = hashlib.sha256(key.encode() + raw + stamp.encode()).hexdigest().upper()
    return {"Content-Type": "application/json", "Timestamp": stamp, "Signature": digest}, raw
