"""What a run left out: rows in quarantine with their reasons, and sections that were not asked, with the proof.

Rows in quarantine are those that are open for the run's clients, modules and periods, whichever run held them
first; their amounts are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, select

from clientsync import money
from clientsync.database import reading
from clientsync.ledger.tables import SyncClient, SyncQuarantine, SyncUnit
from clientsync.reports.words import Titles

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_HELD = SyncQuarantine.__table__  # type: ignore[attr-defined]
_CHUNK = 500


@dataclass(frozen=True)
class HeldRow:
    """A row in quarantine.

    Attributes:
        values: the row in words, amounts in rupees.
        largest_paise: the largest amount in it, to sort by; None when it has none.
    """

    client_id: str
    client_name: str
    title: str
    period: str
    section: str
    table: str
    codes: str
    reason: str
    values: str
    largest_paise: int | None
    held_at: datetime
    quarantine_id: str


@dataclass(frozen=True)
class NotAsked:
    """A section that was not asked, with the proof on which it was not."""

    client_id: str
    client_name: str
    title: str
    period: str
    section: str
    kind: str
    reason: str


def read_quarantine(
    engine: Engine, *, run_id: str | None = None, client_id: str | None = None, limit: int | None = None
) -> Iterator[HeldRow]:
    """Yield open rows in quarantine: of the units of a run, of a client, or all."""
    statement = (
        select(_HELD, _CLIENT.c.name.label("client_name"))
        .join(_CLIENT, _CLIENT.c.client_id == _HELD.c.client_id, isouter=True)
        .where(_HELD.c.resolved_at.is_(None))
        .order_by(
            *(_HELD.c[name] for name in ("client_id", "module", "unit_period", "section", "quarantine_id"))
        )
        .limit(limit)
    )
    if client_id is not None:
        statement = statement.where(_HELD.c.client_id == client_id)
    if run_id is not None:
        asked = (
            select(_UNIT.c.client_id, _UNIT.c.connector, _UNIT.c.module, _UNIT.c.unit_period)
            .where(_UNIT.c.run_id == run_id)
            .distinct()
            .subquery()
        )
        statement = statement.join(
            asked,
            (asked.c.client_id == _HELD.c.client_id)
            & (asked.c.connector == _HELD.c.connector)
            & (asked.c.module == _HELD.c.module)
            & (asked.c.unit_period == _HELD.c.unit_period),
        )
    titles = Titles()
    with reading(engine) as connection:
        for row in connection.execute(statement.execution_options(yield_per=_CHUNK)).mappings():
            words, largest = in_words(row["values"])
            yield HeldRow(
                client_id=row["client_id"],
                client_name=row["client_name"] or "",
                title=titles.of(row["connector"], row["module"]),
                period=row["unit_period"],
                section=row["section"],
                table=row["table_name"],
                codes=row["codes"],
                reason=row["reason"],
                values=words,
                largest_paise=largest,
                held_at=row["held_at"],
                quarantine_id=row["quarantine_id"],
            )


def in_words(values: dict[str, Any]) -> tuple[str, int | None]:
    """Return the values of a held row as text, and its largest amount in paise."""
    parts: list[str] = []
    amounts: list[int] = []
    for name, value in sorted(values.items()):
        if value in (None, ""):
            continue
        if name.endswith("_paise") and isinstance(value, int):
            amounts.append(value)
            parts.append(f"{name.removesuffix('_paise')}: {money.rupees(value)}")
        else:
            parts.append(f"{name}: {value}")
    return "; ".join(parts), max(amounts, key=abs, default=None)


def read_not_asked(engine: Engine, run_id: str) -> Iterator[NotAsked]:
    """Yield every section that units of a run did not ask, with its reason, in the order of units.

    What was staged is read some units at a time: sorted along with them, the database would hold that of a whole run.
    """
    statement = (
        select(
            _UNIT.c.unit_id,
            _UNIT.c.client_id,
            _UNIT.c.connector,
            _UNIT.c.module,
            _UNIT.c.unit_period,
            _CLIENT.c.name.label("client_name"),
        )
        .join(_CLIENT, _CLIENT.c.client_id == _UNIT.c.client_id, isouter=True)
        .where(_UNIT.c.run_id == run_id)
        .order_by(_UNIT.c.client_id, _UNIT.c.module, _UNIT.c.unit_period, _UNIT.c.unit_id)
    )
    titles = Titles()
    with reading(engine) as connection:
        units = connection.execute(statement).all()
        for start in range(0, len(units), _CHUNK):
            part = units[start : start + _CHUNK]
            staged = _staged_of(connection, [unit.unit_id for unit in part])
            for unit in part:
                for cell in staged[unit.unit_id].get("cells", ()):
                    if cell.get("skip"):
                        yield NotAsked(
                            client_id=unit.client_id,
                            client_name=unit.client_name or "",
                            title=titles.of(unit.connector, unit.module),
                            period=unit.unit_period,
                            section=cell["section"],
                            kind=str(cell["skip"][0]).replace("_", " "),
                            reason=cell["skip"][1],
                        )


def _staged_of(connection: Connection, unit_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = connection.execute(select(_UNIT.c.unit_id, _UNIT.c.staged).where(_UNIT.c.unit_id.in_(unit_ids)))
    return {row.unit_id: row.staged for row in rows}
