"""Runs and units in the ledger: begun, moved on, ended, read back.

Only loading decides the outcome of a unit that has rows (``warehouse.loading``); here units end that never
came so far. A unit that is not ``ended`` when its run is over was interrupted, and is resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, exists, func, insert, select, update

from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncException, SyncRun, SyncUnit
from clientsync.outcomes import Outcome, UnitState
from clientsync.staged import Problem

_RUN = SyncRun.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_EXCEPTION = SyncException.__table__  # type: ignore[attr-defined]

LEFT_OUT = "left_out"
"""Key of a run's selection: clients that were chosen and about whom nothing is asked, each with the reason."""
COUNTS = (
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


@dataclass(frozen=True)
class UnitKey:
    """What a unit is about: client, module and unit period of one connector."""

    client_id: str
    connector: str
    module: str
    unit_period: str


@dataclass(frozen=True)
class Unit:
    """One unit of one run."""

    unit_id: str
    run_id: str
    key: UnitKey


def start_run(
    engine: Engine,
    *,
    connector: str,
    kind: str,
    selection: dict[str, Any],
    keys: Sequence[UnitKey],
    parent_run_id: str | None = None,
    flow_run_id: str | None = None,
    code_version: str = "",
) -> tuple[str, list[Unit]]:
    """Write a run and its planned units in one transaction; return the run id and the units in order."""
    run_id = new_id("run")
    units = [Unit(f"{run_id}-{number:05d}", run_id, key) for number, key in enumerate(keys)]
    with writing(engine) as connection:
        connection.execute(
            insert(_RUN).values(
                run_id=run_id,
                connector=connector,
                kind=kind,
                parent_run_id=parent_run_id,
                selection=selection,
                state="running",
                started_at=now(),
                heartbeat_at=datetime.now(UTC),
                counts={},
                code_version=code_version,
                flow_run_id=flow_run_id,
            )
        )
        if units:
            connection.execute(insert(_UNIT), [_planned(unit) for unit in units])
    return run_id, units


def _planned(unit: Unit) -> dict[str, Any]:
    zero = dict.fromkeys(COUNTS, 0)
    return {
        "unit_id": unit.unit_id,
        "run_id": unit.run_id,
        "client_id": unit.key.client_id,
        "connector": unit.key.connector,
        "module": unit.key.module,
        "unit_period": unit.key.unit_period,
        "state": UnitState.PLANNED,
        "reason": "",
        "next_step": "",
        "staged": {},
        **zero,
    }


def mark_running(engine: Engine, unit_ids: Sequence[str]) -> None:
    """Say that these units are being worked on."""
    with writing(engine) as connection:
        connection.execute(
            update(_UNIT)
            .where(_UNIT.c.unit_id.in_(unit_ids))
            .values(state=UnitState.RUNNING, started_at=now(), attempts=_UNIT.c.attempts + 1)
        )


def end_unit(engine: Engine, unit: Unit, outcome: Outcome, problem: Problem, *, calls: int = 0) -> None:
    """End a unit that has nothing to load, with the problem in the exception report."""
    moment = now()
    with writing(engine) as connection:
        ended = connection.execute(
            update(_UNIT)
            .where(_UNIT.c.unit_id == unit.unit_id, _UNIT.c.state != UnitState.ENDED)
            .values(
                state=UnitState.ENDED,
                outcome=outcome,
                reason_code=problem.code,
                reason=problem.message,
                next_step=problem.next_step,
                calls=_UNIT.c.calls + calls,
                ended_at=moment,
            )
        )
        if ended.rowcount:
            connection.execute(
                insert(_EXCEPTION).values(
                    exception_id=new_id("exc"),
                    run_id=unit.run_id,
                    unit_id=unit.unit_id,
                    client_id=unit.key.client_id,
                    connector=unit.key.connector,
                    module=unit.key.module,
                    unit_period=unit.key.unit_period,
                    section=problem.section,
                    outcome=outcome,
                    code=problem.code,
                    message=problem.message,
                    next_step=problem.next_step,
                    source_code=problem.source_code,
                    rows=problem.rows,
                    is_warning=problem.is_warning,
                    raised_at=moment,
                )
            )


def beat(engine: Engine, run_id: str) -> None:
    """Say that the run is alive."""
    with writing(engine) as connection:
        connection.execute(update(_RUN).where(_RUN.c.run_id == run_id).values(heartbeat_at=datetime.now(UTC)))


def end_run(engine: Engine, run_id: str, *, state: str = "ended") -> dict[str, int]:
    """End a run and store its counts by outcome; return them."""
    with writing(engine) as connection:
        counts = _counts(connection, run_id)
        connection.execute(
            update(_RUN).where(_RUN.c.run_id == run_id).values(state=state, ended_at=now(), counts=counts)
        )
    return counts


def _counts(connection: Any, run_id: str) -> dict[str, int]:
    rows = connection.execute(
        select(func.coalesce(_UNIT.c.outcome, _UNIT.c.state), func.count())
        .where(_UNIT.c.run_id == run_id)
        .group_by(func.coalesce(_UNIT.c.outcome, _UNIT.c.state))
    )
    return {str(name): int(count) for name, count in rows}


def counts_of(engine: Engine, run_id: str) -> dict[str, int]:
    """Return how many units of a run have each outcome, or state while they have none."""
    with reading(engine) as connection:
        return _counts(connection, run_id)


def units_of(engine: Engine, run_id: str) -> list[Unit]:
    """Return the units of a run in the order planned."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(_UNIT.c.unit_id, _UNIT.c.client_id, _UNIT.c.connector, _UNIT.c.module, _UNIT.c.unit_period)
            .where(_UNIT.c.run_id == run_id)
            .order_by(_UNIT.c.unit_id)
        ).all()
    return [Unit(row[0], run_id, UnitKey(row[1], row[2], row[3], row[4])) for row in rows]


def has_unit(connection: Connection, unit_id: str) -> bool:
    """Return whether the ledger has a unit."""
    return bool(connection.execute(select(exists().where(_UNIT.c.unit_id == unit_id))).scalar_one())


def latest_run(engine: Engine, kinds: Iterable[str] | None = None) -> str | None:
    """Return the id of the newest run of the given kinds (any when None)."""
    statement = select(_RUN.c.run_id).order_by(_RUN.c.started_at.desc(), _RUN.c.run_id.desc()).limit(1)
    if kinds is not None:
        statement = statement.where(_RUN.c.kind.in_(tuple(kinds)))
    with reading(engine) as connection:
        return connection.execute(statement).scalar_one_or_none()


def run_ids(engine: Engine) -> list[str]:
    """Return the ids of all runs, in the order in which they were begun."""
    with reading(engine) as connection:
        return list(
            connection.execute(select(_RUN.c.run_id).order_by(_RUN.c.started_at, _RUN.c.run_id)).scalars()
        )


def not_done(engine: Engine, run_id: str | None = None) -> list[dict[str, Any]]:
    """Return the newest state of every unit key that is not done, of one run or of all.

    A later unit for the same key (of any run) that is done takes the key off the list, so a re-sync never
    repeats what has been mended since. Rows: client_id, connector, module, unit_period, outcome, state,
    next_try_at, unit_id, run_id.
    """
    newest = (
        select(
            _UNIT.c.client_id,
            _UNIT.c.connector,
            _UNIT.c.module,
            _UNIT.c.unit_period,
            func.max(_UNIT.c.unit_id).label("unit_id"),
        )
        .group_by(_UNIT.c.client_id, _UNIT.c.connector, _UNIT.c.module, _UNIT.c.unit_period)
        .subquery()
    )
    done = [str(outcome) for outcome in Outcome if outcome.is_done]
    statement = (
        select(_UNIT)
        .join(newest, newest.c.unit_id == _UNIT.c.unit_id)
        .where((_UNIT.c.outcome.is_(None)) | (_UNIT.c.outcome.not_in(done)))
        .order_by(_UNIT.c.unit_id)
    )
    if run_id is not None:
        asked = select(_UNIT.c.client_id, _UNIT.c.connector, _UNIT.c.module, _UNIT.c.unit_period).where(
            _UNIT.c.run_id == run_id
        )
        wanted = asked.subquery()
        statement = statement.join(
            wanted,
            (wanted.c.client_id == _UNIT.c.client_id)
            & (wanted.c.connector == _UNIT.c.connector)
            & (wanted.c.module == _UNIT.c.module)
            & (wanted.c.unit_period == _UNIT.c.unit_period),
        )
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def interrupted(engine: Engine, older_than_seconds: float) -> list[str]:
    """Return runs that say they are running but have not been heard of for so long."""
    limit = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
    with reading(engine) as connection:
        rows = connection.execute(
            select(_RUN.c.run_id).where(_RUN.c.state == "running", _RUN.c.heartbeat_at < limit)
        )
        return [str(row[0]) for row in rows]
