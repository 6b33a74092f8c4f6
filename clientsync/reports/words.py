"""How reports write moments, durations, modules and outcomes; the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from clientsync.clock import INDIA
from clientsync.errors import ConfigError
from clientsync.outcomes import NEXT_TRY, Outcome
from clientsync.registry import connector


def local(moment: datetime | None) -> str:
    """Return a moment in Indian time, to the minute; empty for None."""
    return moment.astimezone(INDIA).strftime("%d-%m-%Y %H:%M") if moment else ""


def lasting(seconds: float) -> str:
    """Return a duration in words: ``7 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def tried_next(outcome: str | None, at: datetime | None) -> str:
    """Return when a unit is tried again: the moment where there is one, else what it waits for."""
    if at is not None:
        return local(at)
    return str(NEXT_TRY[Outcome(outcome)]) if outcome else "on resume"


def state_words(outcome: str | None, state: str) -> str:
    """Return outcome, or state while there is none, without underscores."""
    return (outcome or state).replace("_", " ")


@dataclass(frozen=True)
class Coloured:
    """A text that stands for a state: ``good``, ``plain``, ``wait`` or ``bad``."""

    text: str
    colour: str


class Titles:
    """Titles of modules; the name stands in where a connector cannot be loaded, so a report is always made."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[tuple[str, str], str] = {}

    def of(self, connector_name: str, module: str) -> str:
        """Return the title of a module."""
        key = (connector_name, module)
        if key not in self._known:
            try:
                self._known[key] = connector(connector_name).module(module).title
            except ConfigError:
                self._known[key] = module
        return self._known[key]
