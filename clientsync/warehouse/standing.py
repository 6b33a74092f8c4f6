"""What stood at the end of a day: rows of a table, how the newest units ended, and what lay in quarantine.

Everything that reads the warehouse "as of" a day reads through here, so that all of it means the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Engine, func, or_, select

from clientsync.clock import INDIA
from clientsync.database import reading
from clientsync.ledger.tables import SyncQuarantine, SyncRun, SyncUnit
from clientsync.outcomes import WORDS, Outcome
from clientsync.spec.module import TableSpec
from clientsync.warehouse.schema import as_of, warehouse_table

_RUN = SyncRun.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_HELD = SyncQuarantine.__table__  # type: ignore[attr-defined]
Place = tuple[str, str, str]
"""Client id, module, unit period."""


def end_of(day: date) -> datetime:
    """Return the last moment of an Indian day, aware."""
    return datetime.combine(day + timedelta(days=1), time(), INDIA) - timedelta(microseconds=1)


def rows_standing(
    engine: Engine, spec: TableSpec, client_ids: Sequence[str], day: date, names: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the rows of clients as they stood at the end of a day: the client id, and all columns or key and names.

    Raises:
        WarehouseError: the database cannot be read.
    """
    statement = as_of(warehouse_table(spec), end_of(day))
    columns = statement.selected_columns
    statement = statement.where(columns["client_id"].in_(client_ids))
    if names:
        wanted = dict.fromkeys(("client_id", *spec.key, *names))
        statement = statement.with_only_columns(*(columns[one] for one in wanted))
    with reading(engine) as connection:
        for row in connection.execute(statement).mappings():
            yield dict(row)


def newest_outcomes(
    engine: Engine, client_ids: Sequence[str], modules: Sequence[str], day: date
) -> dict[Place, Outcome | None]:
    """Return how the newest unit of every module and period ended by the end of a day; None: it had not ended.

    Raises:
        WarehouseError: the database cannot be read.
    """
    moment = end_of(day)
    newest = (
        select(func.max(_UNIT.c.unit_id))
        .join(_RUN, _RUN.c.run_id == _UNIT.c.run_id)
        .where(_UNIT.c.client_id.in_(client_ids), _UNIT.c.module.in_(modules), _RUN.c.started_at <= moment)
        .group_by(_UNIT.c.client_id, _UNIT.c.module, _UNIT.c.unit_period)
    )
    what = (_UNIT.c.client_id, _UNIT.c.module, _UNIT.c.unit_period, _UNIT.c.outcome, _UNIT.c.ended_at)
    found: dict[Place, Outcome | None] = {}
    with reading(engine) as connection:
        for row in connection.execute(select(*what).where(_UNIT.c.unit_id.in_(newest))):
            is_over = row.outcome is not None and row.ended_at is not None and row.ended_at <= moment
            found[row.client_id, row.module, row.unit_period] = Outcome(row.outcome) if is_over else None
    return found


def held_rows(
    engine: Engine, client_ids: Sequence[str], modules: Sequence[str], day: date
) -> dict[Place, int]:
    """Return how many rows of every module and period lay in quarantine at the end of a day.

    Raises:
        WarehouseError: the database cannot be read.
    """
    moment = end_of(day)
    what = (_HELD.c.client_id, _HELD.c.module, _HELD.c.unit_period)
    statement = (
        select(*what, func.count())
        .where(
            _HELD.c.client_id.in_(client_ids),
            _HELD.c.module.in_(modules),
            _HELD.c.held_at <= moment,
            or_(_HELD.c.resolved_at.is_(None), _HELD.c.resolved_at > moment),
        )
        .group_by(*what)
    )
    with reading(engine) as connection:
        return {(row[0], row[1], row[2]): int(row[3]) for row in connection.execute(statement)}


def lacking(outcomes: dict[Place, Outcome | None], place: Place) -> str | None:
    """Return in words why a unit cannot be relied on, None when it ended well."""
    if place not in outcomes:
        return "never asked"
    outcome = outcomes[place]
    if outcome is None:
        return "not ended"
    return None if outcome.is_done else WORDS[outcome]
