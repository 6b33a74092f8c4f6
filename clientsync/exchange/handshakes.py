"""What both sides must agree on before anything is exchanged: protocol, software, clocks."""

from __future__ import annotations

from collections.abc import Mapping
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

    Args:
        beat: its newest sign of life.
    """
    theirs, own = str(beat["software"]), software_version()
    if int(beat["protocol"][0]) != PROTOCOL[0]:
        return f"protocol {beat['protocol'][0]} there, {PROTOCOL[0]} here"
    if theirs.partition(".")[0] != own.partition(".")[0]:
        return f"software {theirs} there, {own} here: the major version differs"
    return ""
