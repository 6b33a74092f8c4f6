"""The form of a bulk save: ``data[0].name=…``."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from simulators.accurate.texts import Invalid

MOST = 100
_NAME = re.compile(r"data\[(\d+)\]\.(\w+)")


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """Return the rows of a form, in the order of their indices; names of another form are ignored.

    Raises:
        Invalid: there is none, or there are too many.
    """
    rows: dict[int, dict[str, Any]] = {}
    for name, value in parse_qsl(body.decode(), keep_blank_values=True):
        found = _NAME.fullmatch(name)
        if found is not None:
            rows.setdefault(int(found[1]), {})[found[2]] = value
    if not rows:
        raise Invalid("required", "data")
    if len(rows) > MOST:
        raise Invalid("invalid", "data", len(rows))
    return [rows[place] for place in sorted(rows)]
