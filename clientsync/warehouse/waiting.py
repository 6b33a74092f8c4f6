"""Rows that wait in quarantine, as they are stored: found by id or by where and why they are held.

Invariant: only open rows are found, the oldest first, so what is done with them is done in the order of arrival.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.ledger.tables import SyncQuarantine

_CHUNK = 500
_Q: Any = SyncQuarantine.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class HeldFilter:
    """Which open rows are meant; None means any.

    Attributes:
        client, connector, module, unit_period, section: where they were held.
        table: where they would go.
        code: one of the codes for which they are held.
    """

    client: str | None = None
    connector: str | None = None
    module: str | None = None
    unit_period: str | None = None
    section: str | None = None
    table: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class HeldRow:
    """One open row of the quarantine.

    Attributes:
        values: as the source told them; they may name persons and must not be logged.
        codes, reason: why it is held.
        run_id, unit_id: of the unit that held it first.
    """

    quarantine_id: str
    client_id: str
    connector: str
    module: str
    unit_period: str
    section: str
    table_name: str
    run_id: str
    unit_id: str
    values: dict[str, Any]
    codes: tuple[str, ...]
    reason: str
    held_at: datetime


def find_rows(engine: Engine, which: HeldFilter | Collection[str]) -> list[HeldRow]:
    """Return the open rows of a filter or of these ids, the oldest first; ids that are not open are passed over."""
    statement = select(_Q).where(_Q.c.resolved_at.is_(None))
    rows: list[HeldRow] = []
    with reading(engine) as connection:
        if isinstance(which, HeldFilter):
            for name, value in _conditions(which).items():
                statement = statement.where(_Q.c[name] == value)
            rows.extend(map(_held_row, connection.execute(statement).mappings()))
        else:
            ids = sorted(set(which))
            for start in range(0, len(ids), _CHUNK):
                part = statement.where(_Q.c.quarantine_id.in_(ids[start : start + _CHUNK]))
                rows.extend(map(_held_row, connection.execute(part).mappings()))
    if isinstance(which, HeldFilter) and which.code is not None:
        rows = [row for row in rows if which.code in row.codes]
    return sorted(rows, key=lambda row: (row.held_at, row.quarantine_id))


def _conditions(which: HeldFilter) -> dict[str, str]:
    columns = {"client": "client_id", "table": "table_name"}
    values = {one.name: getattr(which, one.name) for one in fields(which) if one.name != "code"}
    return {columns.get(name, name): value for name, value in values.items() if value is not None}


def _held_row(row: Mapping[Any, Any]) -> HeldRow:
    values = {one.name: row[one.name] for one in fields(HeldRow)}
    return HeldRow(**(values | {"codes": tuple(str(row["codes"]).split(","))}))
