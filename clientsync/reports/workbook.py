"""The workbook of a run: summary, exceptions, quarantine, units, what was not asked, and client by module.

It appears whole or not at all, and writing it again for the same data of the ledger gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from clientsync.database import among, one_state, reading
from clientsync.ledger.tables import SyncClient, SyncUnit
from clientsync.outcomes import SEVERITY, Outcome
from clientsync.reports.exceptions import read_exceptions
from clientsync.reports.files import write_csv
from clientsync.reports.held import read_not_asked, read_quarantine
from clientsync.reports.sheets import SheetColumn, new_book
from clientsync.reports.summary import STANDING, RunSummary, facts, read_summary, summary_rows
from clientsync.reports.words import Coloured, Titles, state_words, tried_next

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]

COLOUR_OF = {
    "loaded": "good",
    "unchanged": "good",
    "empty": "good",
    "not_asked": "plain",
    "not_applicable": "plain",
    "waiting_for_person": "wait",
    "waiting_for_source": "wait",
    "failed": "bad",
}

_EXCEPTION_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("name", 26),
    SheetColumn("module", 22),
    SheetColumn("period", 10),
    SheetColumn("section", 12),
    SheetColumn("outcome", 14),
    SheetColumn("what happened", 60),
    SheetColumn("what to do", 50),
    SheetColumn("tried next (India)", 20),
    SheetColumn("rows", 8),
    SheetColumn("code", 22),
    SheetColumn("source code", 12),
    SheetColumn("kind", 10),
    SheetColumn("raised", 17),
    SheetColumn("unit", 40),
)
_QUARANTINE_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("name", 26),
    SheetColumn("module", 22),
    SheetColumn("period", 10),
    SheetColumn("section", 12),
    SheetColumn("table", 26),
    SheetColumn("reason", 50),
    SheetColumn("codes", 22),
    SheetColumn("largest amount (rupees)", 18, is_money=True),
    SheetColumn("row", 90),
    SheetColumn("held", 17),
    SheetColumn("id", 34),
)
_NOT_ASKED_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("name", 26),
    SheetColumn("module", 22),
    SheetColumn("period", 10),
    SheetColumn("section", 14),
    SheetColumn("proof", 22),
    SheetColumn("reason", 70),
)
_LEFT_OUT_COLUMNS = (SheetColumn("client", 12), SheetColumn("name", 26), SheetColumn("reason", 70))
_COUNTS = (
    "attempts",
    "calls",
    "cells_asked",
    "cells_not_asked",
    "rows_in",
    "rows_loaded",
    "rows_quarantined",
    "inserted",
    "updated",
    "unchanged",
    "removed",
)
_UNIT_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("name", 26),
    SheetColumn("module", 22),
    SheetColumn("period", 10),
    SheetColumn("outcome", 14),
    SheetColumn("reason", 50),
    SheetColumn("what to do", 40),
    SheetColumn("tried next (India)", 20),
    *(SheetColumn(name.replace("_", " ").replace("cells", "sections"), 10) for name in _COUNTS),
    SheetColumn("started", 17),
    SheetColumn("ended", 17),
    SheetColumn("unit", 40),
)


def write_workbook(engine: Engine, run_id: str, path: Path) -> Path:
    """Write the workbook of a run at ``path`` and return it.

    Raises:
        UnknownName: no such run.
        OutOfSpace, InvalidInput: it could not be written; what was there before still is.
    """
    with one_state(engine):
        _write_book(engine, run_id, path)
    return path


def _write_book(engine: Engine, run_id: str, path: Path) -> None:
    summary = read_summary(engine, run_id)
    with new_book(path, summary.started_at) as book:
        rows = summary_rows(summary)
        book.sheet(
            "Summary",
            [SheetColumn(name, 26 if name == "module" else 12) for name in rows[0]],
            (tuple(row.values()) for row in rows),
            above=[("verdict", _verdict(summary)), *facts(summary)],
        )
        for name, (columns, read) in SHEETS.items():
            book.sheet(name, columns, read(engine, run_id), frozen_columns=1)
        modules = [(one.module, one.title) for one in summary.modules]
        book.sheet(
            "Client x Module",
            [
                SheetColumn("client", 12),
                SheetColumn("name", 26),
                *(SheetColumn(title, 18) for _, title in modules),
            ],
            _matrix_rows(engine, run_id, [name for name, _ in modules]),
            frozen_columns=2,
        )


def write_csv_files(engine: Engine, run_id: str, folder: Path) -> list[Path]:
    """Write summary, exceptions, quarantine, units and what was not asked as CSV files; return their paths.

    Raises:
        UnknownName: no such run.
        OutOfSpace, InvalidInput: one could not be written; those written before it are whole.
    """
    paths = [folder / "summary.csv"]
    with one_state(engine):
        rows = summary_rows(read_summary(engine, run_id))
        write_csv(paths[0], list(rows[0]), (tuple(row.values()) for row in rows))
        for name, (columns, read) in SHEETS.items():
            path = folder / f"{name.lower().replace(' ', '_')}.csv"
            head = [column.title for column in columns]
            write_csv(path, head, (_in_rupees(columns, row) for row in read(engine, run_id)))
            paths.append(path)
    return paths


def _in_rupees(columns: tuple[SheetColumn, ...], row: tuple[Any, ...]) -> tuple[Any, ...]:
    from clientsync.money import rupees

    return tuple(
        rupees(value) if column.is_money and isinstance(value, int) else value
        for column, value in zip(columns, row, strict=True)
    )


def _verdict(summary: RunSummary) -> Coloured:
    return Coloured(summary.verdict, "good" if summary.is_complete else "wait")


def _exception_rows(engine: Engine, run_id: str) -> Iterator[tuple[Any, ...]]:
    for line in read_exceptions(engine, run_id):
        yield (
            line.client_id,
            line.client_name,
            line.title,
            line.period,
            line.section,
            line.outcome.replace("_", " "),
            line.what,
            line.to_do,
            line.tried_next,
            line.rows,
            line.code,
            line.source_code,
            "warning" if line.is_warning else "exception",
            line.raised_at,
            line.unit_id,
        )


def _quarantine_rows(engine: Engine, run_id: str) -> Iterator[tuple[Any, ...]]:
    for row in read_quarantine(engine, run_id=run_id):
        yield (
            row.client_id,
            row.client_name,
            row.title,
            row.period,
            row.section,
            row.table,
            row.reason,
            row.codes,
            row.largest_paise,
            row.values,
            row.held_at,
            row.quarantine_id,
        )


def _not_asked_rows(engine: Engine, run_id: str) -> Iterator[tuple[Any, ...]]:
    for one in read_not_asked(engine, run_id):
        yield (one.client_id, one.client_name, one.title, one.period, one.section, one.kind, one.reason)


def _left_out_rows(engine: Engine, run_id: str) -> Iterator[tuple[Any, ...]]:
    left_out = dict(read_summary(engine, run_id).left_out)
    named = select(_CLIENT.c.client_id, _CLIENT.c.name)
    with reading(engine) as connection:
        wanted = among(connection, _CLIENT.c.client_id, left_out)
        names = {row.client_id: row.name for row in connection.execute(named.where(wanted))}
    for client_id, reason in left_out.items():
        yield (client_id, names.get(client_id, ""), reason)


def _unit_rows(engine: Engine, run_id: str) -> Iterator[tuple[Any, ...]]:
    read = [column for column in _UNIT.c if column.name != "staged"]  # which is most of a unit's size
    statement = (
        select(*read, _CLIENT.c.name.label("client_name"))
        .join(_CLIENT, _CLIENT.c.client_id == _UNIT.c.client_id, isouter=True)
        .where(_UNIT.c.run_id == run_id)
        .order_by(_UNIT.c.client_id, _UNIT.c.module, _UNIT.c.unit_period, _UNIT.c.unit_id)
    )
    titles = Titles()
    with reading(engine) as connection:
        for row in connection.execute(statement.execution_options(yield_per=500)).mappings():
            is_done = row["outcome"] is not None and Outcome(row["outcome"]).is_done
            yield (
                row["client_id"],
                row["client_name"],
                titles.of(row["connector"], row["module"]),
                row["unit_period"],
                _coloured(row["outcome"], row["state"]),
                row["reason"],
                row["next_step"],
                "" if is_done else tried_next(row["outcome"], row["next_try_at"]),
                *(row[name] for name in _COUNTS),
                row["started_at"],
                row["ended_at"],
                row["unit_id"],
            )


def _coloured(outcome: str | None, state: str) -> Coloured:
    colour = COLOUR_OF[STANDING[Outcome(outcome)]] if outcome else "wait"
    return Coloured(state_words(outcome, state), colour)


def _matrix_rows(engine: Engine, run_id: str, modules: list[str]) -> Iterator[tuple[Any, ...]]:
    statement = (
        select(_UNIT.c.client_id, _CLIENT.c.name, _UNIT.c.module, _UNIT.c.outcome, _UNIT.c.state)
        .join(_CLIENT, _CLIENT.c.client_id == _UNIT.c.client_id, isouter=True)
        .where(_UNIT.c.run_id == run_id)
        .order_by(_UNIT.c.client_id, _UNIT.c.unit_id)
    )
    found: dict[tuple[str, str], dict[str, list[tuple[str | None, str]]]] = {}
    with reading(engine) as connection:
        for client_id, name, module, outcome, state in connection.execute(statement):
            cells = found.setdefault((client_id, name or ""), {})
            cells.setdefault(module, []).append((outcome, state))
    for (client_id, name), cells in found.items():
        yield (client_id, name, *(_cell(cells.get(module, [])) for module in modules))


def _cell(units: list[tuple[str | None, str]]) -> Coloured | None:
    """Return the worst state of the units of one client and module, and how many are done when several."""
    if not units:
        return None
    unfinished = next(((outcome, state) for outcome, state in units if outcome is None), None)
    worst = unfinished or max(units, key=lambda unit: SEVERITY.index(Outcome(unit[0] or "")))
    shown = _coloured(*worst)
    if len(units) == 1:
        return shown
    done = sum(outcome is not None and Outcome(outcome).is_done for outcome, _ in units)
    return Coloured(f"{shown.text} ({done} of {len(units)} done)", shown.colour)


SHEETS: dict[str, tuple[tuple[SheetColumn, ...], Callable[[Engine, str], Iterator[tuple[Any, ...]]]]] = {
    "Exceptions": (_EXCEPTION_COLUMNS, _exception_rows),
    "Quarantine": (_QUARANTINE_COLUMNS, _quarantine_rows),
    "Units": (_UNIT_COLUMNS, _unit_rows),
    "Not asked": (_NOT_ASKED_COLUMNS, _not_asked_rows),
    "Left out": (_LEFT_OUT_COLUMNS, _left_out_rows),
}
"""The sheets with a row per thing, and who reads them."""
