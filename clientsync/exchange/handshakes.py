"""What both sides must agree on before anything is exchanged: protocol, software, clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

from clientsync.exchange.envelopes import PROTOCOL

CLOCK_WARNS = 5 * 60
"""Seconds by which a clock may differ from the web database's before it is told."""
CLOCK_REFUSES = 24 * 60 * 60
"""Seconds by which a clock may differ at most: beyond a day, business days would be wrong."""


def software_version() -> str:
    """Return the version of this software."""
    return version("clientsync")


def misfit(beat: Mapping[str, Any]) -> str:
    """Return why a peer cannot take part, empty when it can: protocol and software have the same major version.

    One whose sign of life cannot be read takes no part either.

    Args:
        beat: its newest sign of life.
    """
    theirs, own = beat.get("software"), software_version()
    protocol = beat.get("protocol")
    if not isinstance(theirs, str) or not _is_list_of(protocol, int) or not protocol:
        return f"its sign of life cannot be read: {'protocol' if isinstance(theirs, str) else 'software'}"
    if protocol[0] != PROTOCOL[0]:
        return f"protocol {protocol[0]} there, {PROTOCOL[0]} here"
    if theirs.partition(".")[0] != own.partition(".")[0]:
        return f"software {theirs} there, {own} here: the major version differs"
    wrong = [
        name
        for name, has_form in _FORMS.items()
        if (name in beat or name == "readable") and not has_form(beat.get(name))
    ]
    return f"its sign of life cannot be read: {', '.join(wrong)}" if wrong else ""


def minor_of(beat: Mapping[str, Any]) -> int:
    """Return the minor version of the protocol that a fitting peer and this node both read.

    Args:
        beat: its newest sign of life.
    """
    _, minor = (*beat["protocol"], 0)[:2]
    return min(max(int(minor), 0), PROTOCOL[1])


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)


def _is_moment(value: Any) -> bool:
    try:
        return value == "" or datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_readable(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_list_of(one, int) and len(one) == 2 for one in value.values())


def _is_control(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, list) and len(row) == 7 and _is_list_of(row[:2], str) and _is_list_of(row[2:], int)
        for row in value
    )


def _is_gaps(value: Any) -> bool:
    return isinstance(value, list) and all(_is_list_of(row, str) and len(row) == 3 for row in value)


_FORMS: dict[str, Callable[[Any], bool]] = {
    "readable": _is_readable,
    "waiting": lambda value: isinstance(value, int),
    "oldest_unsent": _is_moment,
    "value": lambda value: isinstance(value, int),
    "control": _is_control,
    "gaps": _is_gaps,
}
"""Fields of a sign of life to the test of their form; all but the first came later, and may be missing."""
