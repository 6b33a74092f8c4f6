"""From exact values back to the JSON bytes that are kept as the raw answer.

Needed where no such bytes came over the wire: answers that arrived inside an envelope, and queued files that
were merged. Reading them again gives the same values, digit by digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any


def to_bytes(value: Any) -> bytes:
    """Return exact values as JSON bytes that read back as the same values."""
    try:
        text = json.dumps(value, default=_as_float, ensure_ascii=False, separators=(",", ":"))
    except _NotAFloat:
        text = "".join(_exactly(value))
    return text.encode("utf-8", "surrogatepass")


class _NotAFloat(Exception):
    """A number that no binary float writes back digit by digit."""


def _as_float(value: Any) -> float:
    if isinstance(value, Decimal):
        near = float(value)
        if Decimal(repr(near)) == value:
            return near
        raise _NotAFloat
    raise TypeError(type(value).__name__)


def _exactly(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield "{"
        for place, (name, inner) in enumerate(value.items()):
            yield ("," if place else "") + json.dumps(name, ensure_ascii=False) + ":"
            yield from _exactly(inner)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for place, inner in enumerate(value):
            yield "," if place else ""
            yield from _exactly(inner)
        yield "]"
    elif isinstance(value, Decimal):
        yield str(value)
    else:
        yield json.dumps(value, ensure_ascii=False)
