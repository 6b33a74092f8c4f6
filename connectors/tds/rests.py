"""Rules by which settled things rest: they are read again after some days, and are shown as not asked until then.

A rest is no proof. It claims nothing of the data, names the day of the last reading and the next one, and ends with
the first sign of a change. Invariant: what was asked in vain, or has a detail that was, never rests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from clientsync.clock import INDIA
from clientsync.periods import Quarter
from clientsync.spec.module import Asking, Section, Skip, SkipKind
from connectors.gst.skips import proven
from connectors.tds import fields

SAME_NIGHT = timedelta(hours=6)
"""What is loaded within this time of a reading belongs to the same run."""


def last_read(asking: Asking, section: str) -> date | None:
    """Return the Indian day of the last whole answer of a section, None when it has none that stands."""
    memory = asking.memory.get(section)
    if memory is None or not proven(memory):
        return None
    return memory.asked_at.astimezone(INDIA).date()


def rest(asking: Asking, section: Section, why: str, *, details: Iterable[str] = ()) -> Skip | None:
    """Return the rest of a settled section, None when its time is over or something of it has no answer.

    Args:
        asking: the state of the unit.
        section: that would be asked.
        why: what makes it settled, in words.
        details: sections that follow it up.
    """
    read_on = last_read(asking, section.name)
    if read_on is None or asking.unanswered.intersection((section.name, *details)):
        return None
    again_on = read_on + timedelta(days=asking.rest_days)
    if not read_on <= asking.today < again_on:
        return None
    return Skip(
        SkipKind.RESTING,
        f"{why}; read on {read_on:%d-%m-%Y}, read again on {again_on:%d-%m-%Y} (settled_rest_days)",
    )


def is_stirred(asking: Asking, section: str) -> bool:
    """Whether a statement under the Act of 1961 or the demand is another than when a section was read.

    A statement counts from the day on which it is filed or processed, that day included, stored or read tonight. Demand
    counts as far as it is known: as tonight's list says, and as the warehouse last saw it change.
    """
    read_on, memory = last_read(asking, section), asking.memory.get(section)
    if read_on is None or memory is None or asking.shared.get("outstanding_demand"):
        return True
    moved_at = asking.known.get("demand_moved_at")
    if moved_at is not None and moved_at > memory.asked_at + SAME_NIGHT:
        return True
    return any(day >= read_on for day in _newest_statements(asking))


def _newest_statements(asking: Asking) -> Iterable[date]:
    """Yield the days of filing and of processing of all statements under the Act of 1961, stored or read tonight."""
    for (quarter, _), filed in asking.known.get("statements", {}).items():
        if Quarter.parse(quarter).act == "1961":
            yield from (one[name] for one in filed for name in ("filed_on", "processed_on") if one.get(name))
    for days in (asking.shared.get("return_summary") or {}).values():
        yield from days


def rows_checksum(name: str) -> Callable[[Any], str]:
    """Return a ``Section.checksum``: what identifies an unchanged list is its rows, not the question beside them."""

    def checksum(payload: Any) -> str:
        counts = [payload.get(one) for one in ("records", "totalElements")]
        text = json.dumps([counts, fields.items(payload, name)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    return checksum


INBOX_CHECKSUM = rows_checksum("rows")
"""What identifies an unchanged tab of the TRACES inbox."""


def general_inbox(asking: Asking, section: Section) -> Skip | None:
    """Resting: the tab of the inbox for information, while tab for action, statements and demand are as before.

    A communication that is dealt with moves from there to here, and an intimation follows the processing of a
    statement, so either ends the rest.
    """
    if not is_unchanged(asking, "inbox_action", INBOX_CHECKSUM) or is_stirred(asking, section.name):
        return None
    why = "it is for information, the communications for action are as before, and no statement or demand is new"
    return rest(asking, section, why)


def is_unchanged(asking: Asking, section: str, checksum: Callable[[Any], str]) -> bool:
    """Whether a section was answered in this unit with what is stored of it."""
    answer, memory = asking.answers.get(section), asking.memory.get(section)
    if answer is None or memory is None or not memory.was_loaded or section in asking.unanswered:
        return False
    return memory.checksum == checksum(answer)
