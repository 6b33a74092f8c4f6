"""What a file leaves open: sections of its statement that it lacks and that nobody has read otherwise.

A file that a person downloaded may hold one part of a statement. Its rows are loaded, and what the ledger remembers
of the other parts decides with them. Invariant: a unit is never done because its file says nothing of a section.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from clientsync.ledger.tables import SyncCell, SyncRun, SyncUnit
from clientsync.outcomes import DONE, WORDS, Outcome
from clientsync.staged import Problem, StagedCell, StagedUnit
from clientsync.warehouse.judging import UnitWork

_CELL: Any = SyncCell.__table__  # type: ignore[attr-defined]
_RUN: Any = SyncRun.__table__  # type: ignore[attr-defined]
_UNIT: Any = SyncUnit.__table__  # type: ignore[attr-defined]
_CHUNK = 500
_Key = tuple[str, str, str, str]

UNREAD_BEFORE = "SECTION_UNREAD"
"""Code of a section that was asked for in vain, and of which the file says nothing."""
NEVER_READ = "SECTION_NEVER_READ"
"""Code of a section that belongs to the whole statement and was never read."""


def find_unread(connection: Connection, works: Sequence[UnitWork]) -> None:
    """Note on the units of files which sections are not read, after what they did read has been remembered."""
    partial = [work for work in works if work.stop is None and work.unit.open_sections]
    for start in range(0, len(partial), _CHUNK):
        part = partial[start : start + _CHUNK]
        keys = sorted({_key(work.unit) for work in part})
        remembered = _remembered(connection, keys)
        failed = _failed(connection, keys)
        for work in part:
            key = _key(work.unit)
            work.unread = _unread(work.unit, remembered.get(key, {}), failed.get(key))


def _key(unit: StagedUnit) -> _Key:
    return unit.client_id, unit.connector, unit.module, unit.unit_period


def _remembered(connection: Connection, keys: Sequence[_Key]) -> Mapping[_Key, dict[str, Any]]:
    """Return what the ledger remembers of every section of these units."""
    columns = (_CELL.c.client_id, _CELL.c.connector, _CELL.c.module, _CELL.c.unit_period)
    found: dict[_Key, dict[str, Any]] = defaultdict(dict)
    what = (_CELL.c.section, _CELL.c.unit_id, _CELL.c.outcome, _CELL.c.file_ready_at)
    for row in connection.execute(select(*columns, *what).where(tuple_(*columns).in_(keys))):
        found[row[0], row[1], row[2], row[3]][row.section] = row
    return found


def _failed(connection: Connection, keys: Sequence[_Key]) -> Mapping[_Key, Any]:
    """Return the newest unit that a source was asked for, of those that are not done by it."""
    columns = (_UNIT.c.client_id, _UNIT.c.connector, _UNIT.c.module, _UNIT.c.unit_period)
    newest = (
        select(func.max(_UNIT.c.unit_id))
        .join(_RUN, _RUN.c.run_id == _UNIT.c.run_id)
        .where(tuple_(*columns).in_(keys), _UNIT.c.outcome.is_not(None), _RUN.c.kind != "import")
        .group_by(*columns)
    )
    statement = select(*columns, _UNIT.c.unit_id, _UNIT.c.outcome).where(
        _UNIT.c.unit_id.in_(newest), _UNIT.c.outcome.not_in([str(outcome) for outcome in DONE])
    )
    return {(row[0], row[1], row[2], row[3]): row for row in connection.execute(statement)}


def _unread(unit: StagedUnit, remembered: Mapping[str, Any], failed: Any) -> list[StagedCell]:
    found = []
    for section in unit.open_sections:
        row = remembered.get(section)
        if row is None:
            if section in unit.needs:
                found.append(_never_read(section))
        elif not Outcome(row.outcome).is_done:
            found.append(_in_vain(section, Outcome(row.outcome), row.file_ready_at))
        elif failed is not None and section in unit.needs and row.unit_id < failed.unit_id:
            found.append(_in_vain(section, Outcome(failed.outcome), None))
    return found


def _never_read(section: str) -> StagedCell:
    problem = Problem(
        NEVER_READ,
        f"The statement is not whole: {section} is not in the file and was never read.",
        f"Import the file that holds {section}, or read the module from the portal.",
        section=section,
    )
    return StagedCell(section, Outcome.NEEDS_PERSON, problem=problem)


def _in_vain(section: str, outcome: Outcome, ready_at: Any) -> StagedCell:
    problem = Problem(
        UNREAD_BEFORE,
        f"The statement is not whole: {section} is not in the file, and when it was asked for last: "
        f"{WORDS[outcome]}.",
        f"Import a file that holds {section}, or read the module from the portal again.",
        section=section,
    )
    return StagedCell(section, outcome, problem=problem, ready_at=ready_at)
