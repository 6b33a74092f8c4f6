"""What the ledger says of loaded units: outcome, counts, memory of the sections, exceptions.

All of it is written in the transaction that writes the rows. Invariant: a section is remembered as loaded only
when its whole answer is in the warehouse or in quarantine, because a later run may skip it on that memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update
from sqlalchemy.dialects import postgresql, sqlite

from clientsync.errors import GenerationFailed
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncCell, SyncException, SyncUnit
from clientsync.outcomes import DONE, SEVERITY, Outcome, UnitState
from clientsync.spec.module import SkipKind
from clientsync.staged import LoadResult, Problem, StagedCell
from clientsync.warehouse.judging import UnitWork

_CELL: Any = SyncCell.__table__  # type: ignore[attr-defined]
_UNIT: Any = SyncUnit.__table__  # type: ignore[attr-defined]
_EXCEPTION: Any = SyncException.__table__  # type: ignore[attr-defined]
_CELL_KEY = ("client_id", "connector", "module", "unit_period", "section")
_ANSWERED = (Outcome.LOADED, Outcome.EMPTY, Outcome.UNCHANGED)
_KEEPS_TOKEN = (Outcome.QUEUED, Outcome.TRANSIENT, Outcome.NEEDS_PERSON, Outcome.CANCELLED)
_TOUCHED = ("unit_id", "outcome", "skip_kind", "skip_reason", "fence")
_KNOWS = ("checksum", "summary_checksum", "rows", "was_loaded", "uncertain_empty")
_FILE = ("file_token", "file_ready_at")
_OWN = "load"  # marks the exceptions that a load writes and may replace; warnings of others stay
_CHUNK = 1000


def outcome_of(work: UnitWork) -> Outcome:
    """Return how a unit ended, from its cells and from what loading changed."""
    if work.stop is not None:
        return work.outcome
    cells = work.unit.cells
    failed = [cell.outcome for cell in work.all_cells if cell.outcome not in DONE]
    if failed:
        return max(failed, key=SEVERITY.index)
    if work.inserted or work.updated or work.removed:
        return Outcome.LOADED
    if not any(was_asked(work, cell) for cell in cells):
        applies = any(cell.outcome is not Outcome.NOT_APPLICABLE for cell in cells)
        return Outcome.NOT_ASKED if applies else Outcome.NOT_APPLICABLE
    has_rows = work.rows_in or any(cell.outcome is Outcome.UNCHANGED for cell in cells)
    return Outcome.UNCHANGED if has_rows else Outcome.EMPTY


def was_asked(work: UnitWork, cell: StagedCell) -> bool:
    """Say whether the source was asked for this section in this unit."""
    if cell.skip is not None:
        return False
    return cell.calls > 0 or cell.outcome in _ANSWERED


def result_of(work: UnitWork) -> LoadResult:
    """Return what loading the unit came to."""
    outcome = outcome_of(work)
    failed = [cell.problem for cell in work.all_cells if cell.problem is not None]
    problems = [*([work.stop] if work.stop else []), *failed, *work.problems]
    loaded = work.inserted + work.updated + work.unchanged
    is_held = work.stop is None or work.keeps_held
    return LoadResult(
        unit_id=work.unit.unit_id,
        outcome=outcome,
        rows_in=work.rows_in,
        rows_loaded=loaded,
        rows_quarantined=len(work.held) if is_held else 0,
        inserted=work.inserted,
        updated=work.updated,
        unchanged=work.unchanged,
        removed=work.removed,
        problems=problems,
        next_try_at=_next_try(work, outcome),
        unread=tuple(cell.section for cell in work.unread),
    )


def _next_try(work: UnitWork, outcome: Outcome) -> datetime | None:
    times = [cell.ready_at for cell in work.all_cells if cell.outcome is outcome and cell.ready_at]
    return min(times) if times and work.stop is None else None


def remember_cells(connection: Connection, works: Sequence[UnitWork], moment: datetime) -> None:
    """Write the memory of every section of these units."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for work in works:
        for cell in work.unit.cells:
            row, renewed = _cell_row(work, cell, moment)
            groups.setdefault(renewed, []).append(row)
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    for renewed, rows in groups.items():
        statement = dialect.insert(_CELL)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(_CELL_KEY),
                set_={name: statement.excluded[name] for name in renewed},
            ),
            rows,
        )


def _cell_row(work: UnitWork, cell: StagedCell, moment: datetime) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the row of a cell, and which of its columns replace what is remembered."""
    unit = work.unit
    row: dict[str, Any] = {
        "client_id": unit.client_id,
        "connector": unit.connector,
        "module": unit.module,
        "unit_period": unit.unit_period,
        "section": cell.section,
        "unit_id": unit.unit_id,
        "outcome": _cell_outcome(work, cell),
        "skip_kind": cell.skip.kind if cell.skip else None,
        "skip_reason": cell.skip.reason if cell.skip else "",
        "asked_at": None,
        "checksum": None,
        "summary_checksum": None,
        "rows": 0,
        "was_loaded": False,
        "uncertain_empty": False,
        "file_token": None,
        "file_ready_at": None,
        "version": cell.version,
        "fence": unit.fence,
    }
    if work.stop is None:
        return row, (*_TOUCHED, *_learn(work, cell, row, moment))
    return row, _TOUCHED


def _learn(work: UnitWork, cell: StagedCell, row: dict[str, Any], moment: datetime) -> tuple[str, ...]:
    """Put into ``row`` what the cell teaches about its section; return which columns of the memory it renews."""
    if cell.skip is not None:
        if cell.skip.kind is not SkipKind.EMPTY_BY_COUNT:
            return ()
        # The stored rows are gone now, so the checksum of an earlier answer must never skip a question again.
        row.update(summary_checksum=cell.summary_checksum, was_loaded=True)
        return _KNOWS
    if cell.outcome not in _ANSWERED:
        row.update(file_token=cell.token, file_ready_at=cell.ready_at if cell.token else None)
        keeps = cell.outcome in _KEEPS_TOKEN and cell.token is None and not _must_build_again(cell)
        return () if keeps else _FILE
    row.update(rows=cell.row_count)
    if work.unit.source == "file":
        # A file says what the portal said at some earlier time: it proves nothing about the next answer.
        has_changed = work.inserted or work.updated or work.removed
        return _KNOWS if has_changed else ()
    row.update(
        asked_at=cell.asked_at or moment,
        checksum=cell.checksum,
        summary_checksum=cell.summary_checksum,
        was_loaded=True,
        uncertain_empty=cell.uncertain_empty,
    )
    return (*_KNOWS, *_FILE, "asked_at", "version")


def _cell_outcome(work: UnitWork, cell: StagedCell) -> Outcome:
    if work.stop is not None and cell.outcome in _ANSWERED and cell.skip is None:
        return work.outcome
    return cell.outcome


def _must_build_again(cell: StagedCell) -> bool:
    return cell.problem is not None and cell.problem.code == GenerationFailed.code


def end_units(
    connection: Connection, works: Sequence[UnitWork], load_id: str, moment: datetime
) -> list[LoadResult]:
    """End these units with outcome, counts and exceptions; return the results in the same order."""
    results = [result_of(work) for work in works]
    if not works:
        return results
    connection.execute(
        update(_UNIT)
        .where(_UNIT.c.unit_id == bindparam("of_unit"))
        .values({name: bindparam(f"to_{name}") for name in _unit_values(works[0], results[0], "", moment)}),
        [
            {"of_unit": work.unit.unit_id}
            | {f"to_{name}": value for name, value in _unit_values(work, result, load_id, moment).items()}
            for work, result in zip(works, results, strict=True)
        ],
    )
    ids = [work.unit.unit_id for work in works]
    for start in range(0, len(ids), _CHUNK):
        connection.execute(
            delete(_EXCEPTION).where(
                _EXCEPTION.c.unit_id.in_(ids[start : start + _CHUNK]),
                _EXCEPTION.c.exception_id.startswith(f"{_OWN}-"),
            )
        )
    lines = [
        _exception(work, result, problem, moment)
        for work, result in zip(works, results, strict=True)
        for problem in result.problems
    ]
    if lines:
        connection.execute(insert(_EXCEPTION), lines)
    return results


def _unit_values(work: UnitWork, result: LoadResult, load_id: str, moment: datetime) -> dict[str, Any]:
    cells = work.unit.cells
    asked = sum(was_asked(work, cell) for cell in cells)
    code, reason, next_step = _explanation(work, result)
    return {
        "state": UnitState.ENDED,
        "outcome": result.outcome,
        "reason_code": code,
        "reason": reason,
        "next_step": next_step,
        "next_try_at": result.next_try_at,
        "cells_asked": asked,
        "cells_not_asked": len(cells) - asked,
        "rows_in": result.rows_in,
        "rows_loaded": result.rows_loaded,
        "rows_quarantined": result.rows_quarantined,
        "inserted": result.inserted,
        "updated": result.updated,
        "unchanged": result.unchanged,
        "removed": result.removed,
        "ended_at": moment,
        "load_id": load_id,
    }


def _explanation(work: UnitWork, result: LoadResult) -> tuple[str | None, str, str]:
    """Return code, reason and next step of the worst thing that happened to the unit."""
    worst: Problem | None = work.stop
    if worst is None and result.outcome not in DONE:
        worst = next(
            (cell.problem for cell in work.all_cells if cell.outcome is result.outcome and cell.problem),
            None,
        )
    if worst is not None:
        return worst.code[:40], worst.message, worst.next_step
    skip = next((cell.skip for cell in work.unit.cells if cell.skip is not None), None)
    if skip is not None and result.outcome in (Outcome.NOT_ASKED, Outcome.NOT_APPLICABLE):
        return skip.kind, skip.reason, ""
    return None, "", ""


def _exception(work: UnitWork, result: LoadResult, problem: Problem, moment: datetime) -> dict[str, Any]:
    unit = work.unit
    return {
        "exception_id": new_id(_OWN),
        "run_id": unit.run_id,
        "unit_id": unit.unit_id,
        "client_id": unit.client_id,
        "connector": unit.connector,
        "module": unit.module,
        "unit_period": unit.unit_period,
        "section": problem.section,
        "outcome": result.outcome,
        "code": problem.code[:60],
        "message": problem.message,
        "next_step": problem.next_step,
        "source_code": problem.source_code,
        "rows": problem.rows,
        "is_warning": problem.is_warning,
        "next_try_at": result.next_try_at,
        "raised_at": moment,
    }
