"""Reconciliations as people read them: counts per reconciliation, exceptions worst first, a workbook or CSV.

Invariant: a reconciliation counts as clean only where its data was complete; what is incomplete is never left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.errors import InvalidInput
from clientsync.ledger.recon_tables import SyncRecon, SyncReconException
from clientsync.money import rupees
from clientsync.reports.files import write_csv
from clientsync.reports.sheets import SheetColumn, new_book

_RECON = SyncRecon.__table__  # type: ignore[attr-defined]
_EXCEPTION = SyncReconException.__table__  # type: ignore[attr-defined]

STATES = ("clean", "exceptions", "incomplete")
_SEVERITIES = ("error", "warning")
_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("reconciliation", 14),
    SheetColumn("severity", 10),
    SheetColumn("code", 26),
    SheetColumn("about", 44),
    SheetColumn("expected", 20),
    SheetColumn("found", 20),
    SheetColumn("difference", 16, is_money=True),
    SheetColumn("why", 60),
    SheetColumn("what to do", 50),
    SheetColumn("first seen", 12),
    SheetColumn("last seen", 12),
    SheetColumn("status", 10),
    SheetColumn("evidence", 60),
)
_COUNT_COLUMNS = tuple(SheetColumn(name) for name in ("reconciliation", *STATES, "errors", "warnings"))
_STATE_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("reconciliation"),
    SheetColumn("state"),
    SheetColumn("compared"),
    SheetColumn("errors"),
    SheetColumn("warnings"),
    SheetColumn("missing", 60),
    SheetColumn("as of", 12),
)


@dataclass(frozen=True, slots=True)
class ReconState:
    """What one reconciliation of one client came to.

    Attributes:
        state: clean, exceptions or incomplete.
        compared: how many things were compared.
        errors, warnings: how many exceptions it found.
        missing: modules and inputs that are not complete.
        as_of: day whose data was compared.
    """

    client_id: str
    recon: str
    state: str
    compared: int
    errors: int
    warnings: int
    missing: tuple[str, ...]
    as_of: date


@dataclass(frozen=True, slots=True)
class ReconLine:
    """One exception with its history; ``difference_paise`` is None when it is no matter of money."""

    exception_id: str
    client_id: str
    recon: str
    code: str
    severity: str
    key: tuple[str, ...]
    expected: str
    actual: str
    difference_paise: int | None
    why: str
    action: str
    evidence: tuple[str, ...]
    first_seen: date
    last_seen: date
    status: str

    def order(self) -> tuple[Any, ...]:
        """Return the sort key: errors first, then the largest amounts, then by client and reconciliation."""
        place = _SEVERITIES.index(self.severity) if self.severity in _SEVERITIES else len(_SEVERITIES)
        return (place, -abs(self.difference_paise or 0), self.client_id, self.recon, self.code, self.key)

    def as_row(self) -> tuple[Any, ...]:
        """Return the values in the order of the report's columns."""
        return (
            self.client_id,
            self.recon,
            self.severity,
            self.code,
            self.about,
            self.expected,
            self.actual,
            self.difference_paise,
            self.why,
            self.action,
            self.first_seen,
            self.last_seen,
            self.status,
            "; ".join(self.evidence),
        )

    @property
    def about(self) -> str:
        """What the exception is about, as one text."""
        return " · ".join(part for part in self.key if part)

    def as_json(self) -> dict[str, Any]:
        """Return all values by name."""
        return asdict(self)


def counts(states: Iterable[ReconState]) -> list[dict[str, Any]]:
    """Return one row per reconciliation: clients by state, errors and warnings; in order."""
    found: dict[str, Counter[str]] = {}
    for one in states:
        of = found.setdefault(one.recon, Counter())
        of[one.state] += 1
        of["errors"] += one.errors
        of["warnings"] += one.warnings
    names = (*STATES, "errors", "warnings")
    return [
        {"reconciliation": recon, **{name: found[recon][name] for name in names}}
        for recon in sorted(found, key=recon_order)
    ]


def recon_order(recon: str) -> tuple[str, int, str]:
    """Return the sort key of a reconciliation: those of documents first, then by letter and number."""
    numbered = re.fullmatch(r"([A-Z]+)(\d+)", recon)
    return (numbered[1], int(numbered[2]), "") if numbered else ("", 0, recon)


def verdict(states: Sequence[ReconState], failed: int = 0) -> str:
    """Return in one sentence what a run came to; it says clean only when everything is."""
    of = Counter(one.state for one in states)
    clients = len({one.client_id for one in states}) + failed
    if states and not failed and set(of) == {"clean"}:
        return f"All {len(states)} reconciliations of {clients} clients are clean."
    parts = [f"{of[name]} {words}" for name, words in _WORDS if of[name]]
    if failed:
        parts.append(f"{failed} clients could not be reconciled")
    if not parts:
        return f"{clients} clients: nothing was compared."
    return f"{clients} clients, {len(states)} reconciliations: {', '.join(parts)}."


_WORDS = (("incomplete", "incomplete"), ("exceptions", "with exceptions"), ("clean", "clean"))


def read_states(engine: Engine, connector: str, client_id: str) -> list[ReconState]:
    """Return what the newest run over the newest data of a client came to; empty when there is none.

    A run that looked back at an earlier day says nothing of how the client stands.

    Raises:
        WarehouseError: the database cannot be read.
    """
    newest = (
        select(_RECON.c.recon_run_id)
        .where(_RECON.c.client_id == client_id, _RECON.c.connector == connector)
        .order_by(_RECON.c.as_of.desc(), _RECON.c.ended_at.desc(), _RECON.c.recon_run_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = select(_RECON).where(_RECON.c.recon_run_id == newest, _RECON.c.client_id == client_id)
    with reading(engine) as connection:
        found = [
            ReconState(
                row["client_id"],
                row["recon"],
                row["state"],
                row["compared"],
                row["errors"],
                row["warnings"],
                tuple(row["missing"]),
                row["as_of"],
            )
            for row in connection.execute(statement).mappings()
        ]
    return sorted(found, key=lambda one: recon_order(one.recon))


def read_lines(
    engine: Engine, connector: str, client_id: str, *, with_closed: bool = False
) -> list[ReconLine]:
    """Return the exceptions of a client that stand, with those that were closed when asked for; worst first.

    Raises:
        WarehouseError: the database cannot be read.
    """
    statement = select(_EXCEPTION).where(
        _EXCEPTION.c.client_id == client_id, _EXCEPTION.c.connector == connector
    )
    if not with_closed:
        statement = statement.where(_EXCEPTION.c.status != "closed")
    with reading(engine) as connection:
        rows = [dict(row) for row in connection.execute(statement).mappings()]
    lines = [
        ReconLine(
            **{
                **{name: row[name] for name in ReconLine.__dataclass_fields__},
                "key": tuple(row["key"]),
                "evidence": tuple(row["evidence"]),
            }
        )
        for row in rows
    ]
    return sorted(lines, key=ReconLine.order)


def write_report(
    path: Path, states: Sequence[ReconState], lines: Sequence[ReconLine], created: datetime
) -> None:
    """Write a report: ``.xlsx`` with counts, states and exceptions, ``.csv`` with the exceptions.

    Raises:
        InvalidInput: another ending, or the place cannot be written.
        OutOfSpace: the disk is full.
    """
    if path.suffix.lower() == ".csv":
        write_csv(path, [column.title for column in _COLUMNS], (_in_rupees(line) for line in lines))
        return
    if path.suffix.lower() != ".xlsx":
        raise InvalidInput(f"A report is written as .xlsx or .csv, not {path.suffix!r}.")
    with new_book(path, created) as book:
        book.sheet("Reconciliations", _COUNT_COLUMNS, (tuple(row.values()) for row in counts(states)))
        book.sheet("Exceptions", _COLUMNS, (line.as_row() for line in lines), frozen_columns=1)
        book.sheet("States", _STATE_COLUMNS, (_state_row(one) for one in states), frozen_columns=1)


def _in_rupees(line: ReconLine) -> tuple[Any, ...]:
    return tuple(
        rupees(value) if column.is_money and isinstance(value, int) else value
        for column, value in zip(_COLUMNS, line.as_row(), strict=True)
    )


def _state_row(one: ReconState) -> tuple[Any, ...]:
    return (
        one.client_id,
        one.recon,
        one.state,
        one.compared,
        one.errors,
        one.warnings,
        ", ".join(one.missing),
        one.as_of,
    )
