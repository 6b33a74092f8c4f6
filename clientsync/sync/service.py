"""The operations behind the command line and the flows: run a plan, re-sync what failed, release a suspect.

Every operation leaves a run in the ledger. Nothing here knows an orchestrator; a flow uses ``begin`` and
``Run.process`` from its tasks, the command line uses ``run``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from sqlalchemy import insert, select, update

from clientsync.clients.consent import WARN_DAYS
from clientsync.clock import INDIA, now
from clientsync.database import reading, writing
from clientsync.errors import UnknownName
from clientsync.ledger import runs
from clientsync.ledger.ids import new_id
from clientsync.ledger.runs import LEFT_OUT, Unit, UnitKey
from clientsync.ledger.tables import SyncDecision, SyncException, SyncRun, SyncUnit
from clientsync.outcomes import Outcome, UnitState
from clientsync.registry import connector, index
from clientsync.sync.planning import Plan, Selection, plan, plan_of_keys
from clientsync.sync.run import Run, UnitResult
from clientsync.sync.services import Services, services_from_settings
from clientsync.sync.signals import stopping_on_signals

_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_RUN = SyncRun.__table__  # type: ignore[attr-defined]
_DECISION = SyncDecision.__table__  # type: ignore[attr-defined]
_EXCEPTION = SyncException.__table__  # type: ignore[attr-defined]

WORTH_RETRYING = frozenset(
    {
        Outcome.QUEUED,
        Outcome.TOO_EARLY,
        Outcome.NOT_GENERATED,
        Outcome.TRANSIENT,
        Outcome.BROKEN,
        Outcome.CANCELLED,
        Outcome.NEEDS_PERSON,
    }
)
DUE_WITHIN = timedelta(minutes=1)
"""How far the clock that starts a retry may be ahead of the one that noted its date."""


def begin(services: Services, planned: Plan, *, kind: str, flow_run_id: str | None = None) -> Run:
    """Write the run and its units to the ledger and open what its units share; close it when done."""
    close_interrupted(services)
    run_id, units = runs.start_run(
        services.engine,
        connector=planned.selection.connector,
        kind=kind,
        selection={**planned.selection.as_json(), LEFT_OUT: planned.left_out},
        keys=planned.keys,
        parent_run_id=planned.parent_run_id,
        flow_run_id=flow_run_id,
        code_version=version("clientsync"),
    )
    warn_of_consents(services, planned, units)
    return Run(services, planned, run_id, units)


def warn_of_consents(services: Services, planned: Plan, units: Sequence[Unit]) -> None:
    """Put a warning into the exceptions for every client whose API consent ends within a week."""
    today = services.now().astimezone(INDIA).date()
    first = {unit.key.client_id: unit for unit in reversed(units)}
    rows = []
    for client_id, unit in first.items():
        ends = connector(unit.key.connector).consent_ends_on(planned.clients[client_id].identity())
        if ends is None or not 0 <= (ends - today).days <= WARN_DAYS:
            continue
        rows.append(
            {
                "exception_id": new_id("exc"),
                "run_id": unit.run_id,
                "unit_id": "",  # it is about the client, not about what this unit came to
                "client_id": client_id,
                "connector": unit.key.connector,
                "module": unit.key.module,
                "unit_period": unit.key.unit_period,
                "section": "",
                "outcome": "",
                "code": "CONSENT_ENDS_SOON",
                "message": f"The client's consent for {connector(unit.key.connector).title} ends on {ends:%d-%m-%Y}.",
                "next_step": connector(unit.key.connector).how_to_renew,
                "rows": 0,
                "is_warning": True,
                "raised_at": services.now(),
            }
        )
    if rows:
        with writing(services.engine) as connection:
            connection.execute(insert(_EXCEPTION), rows)


def attach(services: Services, run_id: str) -> Run:
    """Open a run that another process began, to work on some of its units; closing it does not end the run.

    Raises:
        UnknownName: no such run.
    """
    _known_run(services, run_id)
    units = runs.units_of(services.engine, run_id)
    with reading(services.engine) as connection:
        selection = connection.execute(select(_RUN.c.selection).where(_RUN.c.run_id == run_id)).scalar_one()
    planned = plan_of_keys(
        services,
        [unit.key for unit in units],
        parent_run_id=None,
        full=bool(selection.get("full")),
    )
    return Run(services, planned, run_id, units, owns=False)


def work_items(current: Run) -> list[tuple[str, str, list[Unit]]]:
    """Return (module-group label, client id, units) in the order to work on: group by group, client by client."""
    return [(label, client_id, units) for (label, client_id), units in current.work.items()]


def run(
    services: Services,
    planned: Plan,
    *,
    kind: str = "manual",
    on_progress: Callable[[str, list[UnitResult]], None] | None = None,
    on_start: Callable[[str], None] | None = None,
) -> str:
    """Work on a plan in this process until every unit has ended; return the run id."""
    current = begin(services, planned, kind=kind)
    if on_start is not None:
        on_start(current.run_id)
    try:
        with (
            stopping_on_signals(services.stop),
            ThreadPoolExecutor(services.settings.workers, thread_name_prefix="unit") as pool,
        ):
            labels: dict[Future[list[UnitResult]], str] = {}
            latest: dict[str, Future[list[UnitResult]]] = {}
            for label, client_id, units in work_items(current):
                latest[client_id] = pool.submit(_process_after, latest.get(client_id), current, units)
                labels[latest[client_id]] = label
            for future in as_completed(labels):
                results = future.result()
                if on_progress is not None:
                    on_progress(labels[future], results)
    finally:
        current.close()
    return current.run_id


def _process_after(
    before: Future[list[UnitResult]] | None, current: Run, units: Sequence[Unit]
) -> list[UnitResult]:
    """Work on units once the client's group before has ended: later modules rest on what earlier ones have read."""
    if before is not None:
        wait([before])
    return current.process(units)


def resync_plans(
    services: Services, run_id: str | None = None, *, outcomes: Sequence[str] = (), only_due: bool = False
) -> list[Plan]:
    """Return a plan per outside system of everything that is not done; see ``resync_plan``."""
    plans = [
        resync_plan(services, run_id, outcomes=outcomes, connector_name=name, only_due=only_due)
        for name in index()
    ]
    return [planned for planned in plans if planned.keys]


def resync_plan(
    services: Services,
    run_id: str | None = None,
    *,
    outcomes: Sequence[str] = (),
    connector_name: str | None = None,
    only_due: bool = False,
) -> Plan:
    """Return a plan of what is not done, of one run or of all, whatever has mended it since excepted.

    Nothing rests in it when nothing rested in the run that it takes up again.

    Args:
        services: surroundings.
        run_id: an earlier run; None means all.
        outcomes: only units with these outcomes; empty means every one that may succeed.
        connector_name: only units of this outside system; None where there is but one.
        only_due: leave out units that the schedule tries again later, as a scheduled retry does; a person takes all.

    Raises:
        UnknownName: no such run or outcome; lists those that exist.
    """
    if run_id is not None:
        _known_run(services, run_id)
    for name in outcomes:
        if name not in set(Outcome):
            raise UnknownName("outcome", name, [str(outcome) for outcome in Outcome if not outcome.is_done])
    wanted = {Outcome(name) for name in outcomes} or WORTH_RETRYING
    limit = services.now() + DUE_WITHIN
    rows = [
        row
        for row in runs.not_done(services.engine, run_id)
        if connector_name in (None, row["connector"])
        and (
            (row["outcome"] is None and not outcomes)
            or (row["outcome"] and Outcome(row["outcome"]) in wanted)
        )
        and (not only_due or row["next_try_at"] is None or row["next_try_at"] <= limit)
    ]
    keys = [UnitKey(row["client_id"], row["connector"], row["module"], row["unit_period"]) for row in rows]
    begun_by = {run_id} if run_id is not None else {row["run_id"] for row in rows}
    is_full = any(bool(selection.get("full")) for selection in _selections(services, begun_by))
    return plan_of_keys(services, keys, parent_run_id=run_id, full=is_full)


def _selections(services: Services, run_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return what was selected for runs."""
    with reading(services.engine) as connection:
        return list(connection.execute(select(_RUN.c.selection).where(_RUN.c.run_id.in_(run_ids))).scalars())


def plan_of_units(services: Services, unit_ids: Sequence[str], *, parent_run_id: str | None = None) -> Plan:
    """Return a plan that repeats exactly these units."""
    with reading(services.engine) as connection:
        rows = connection.execute(
            select(_UNIT.c.client_id, _UNIT.c.connector, _UNIT.c.module, _UNIT.c.unit_period)
            .where(_UNIT.c.unit_id.in_(unit_ids))
            .order_by(_UNIT.c.unit_id)
        )
        keys = [UnitKey(*row) for row in rows]
    return plan_of_keys(services, keys, parent_run_id=parent_run_id)


def release(services: Services, unit_id: str, reason: str) -> str:
    """Load a suspect unit although it looked wrong, because a person compared it; return the run id.

    The decision is kept. The unit is fetched again and its suspicion is not raised a second time.

    Raises:
        UnknownName: no suspect unit of that id; lists those that wait.
    """
    with reading(services.engine) as connection:
        waiting = [
            str(row[0])
            for row in connection.execute(select(_UNIT.c.unit_id).where(_UNIT.c.outcome == Outcome.SUSPECT))
        ]
    if unit_id not in waiting:
        raise UnknownName("suspect unit", unit_id, waiting)
    planned = plan_of_units(services, [unit_id])
    with writing(services.engine) as connection:
        connection.execute(
            insert(_DECISION).values(
                decision_id=new_id("dec"),
                client_id=planned.keys[0].client_id,
                kind="release",
                subject=unit_id,
                reason=reason,
                decided_at=now(),
            )
        )
    key = planned.keys[0]
    services.released.add((key.client_id, key.module, key.unit_period))
    try:
        return run(services, planned, kind="release")
    finally:
        services.released.discard((key.client_id, key.module, key.unit_period))


def close_interrupted(services: Services) -> list[str]:
    """End the runs whose process is gone; their unfinished units are cancelled and can be re-synced.

    Units that had staged their answers stay staged, so that a later run takes them over.
    """
    dead = runs.interrupted(services.engine, services.settings.lease_seconds)
    if dead:
        with writing(services.engine) as connection:
            connection.execute(
                update(_UNIT)
                .where(_UNIT.c.run_id.in_(dead), _UNIT.c.state.in_((UnitState.PLANNED, UnitState.RUNNING)))
                .values(
                    state=UnitState.ENDED,
                    outcome=Outcome.CANCELLED,
                    reason_code="INTERRUPTED",
                    reason="The process ended before this unit was done.",
                    next_step="None: it is taken up by the next run, or by `clientsync resync-failed`.",
                    ended_at=now(),
                )
            )
            connection.execute(
                update(_RUN).where(_RUN.c.run_id.in_(dead)).values(state="stopped", ended_at=now())
            )
    return dead


def _known_run(services: Services, run_id: str) -> None:
    with reading(services.engine) as connection:
        known = [
            str(row[0])
            for row in connection.execute(select(_RUN.c.run_id).order_by(_RUN.c.started_at.desc()).limit(20))
        ]
        exists = connection.execute(select(_RUN.c.run_id).where(_RUN.c.run_id == run_id)).scalar_one_or_none()
    if exists is None:
        raise UnknownName("run", run_id, known)


__all__ = [
    "Plan",
    "Selection",
    "Services",
    "attach",
    "begin",
    "close_interrupted",
    "plan",
    "plan_of_units",
    "release",
    "resync_plan",
    "resync_plans",
    "run",
    "services_from_settings",
    "work_items",
]
