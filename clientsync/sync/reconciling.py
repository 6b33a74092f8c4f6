"""Reconciliations of many clients: run by a connector, stored in the ledger, with the history of exceptions.

The core knows no connector's reconciliations; it asks the connector's ``reconcile`` for each client and stores what
comes back. Invariants: a client is stored whole or not at all; running again for the same data and day leaves the
exceptions as they are; a run for an earlier day than the newest one never changes the history.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Engine, func, insert, select, update

from clientsync.clients.master import REGISTRATIONS
from clientsync.clients.selection import select_clients
from clientsync.clock import now
from clientsync.database import one_state, reading, writing
from clientsync.errors import InvalidInput, SyncError
from clientsync.ledger.ids import new_id
from clientsync.ledger.recon_tables import SyncRecon, SyncReconException
from clientsync.reconcile.result import (
    Reconciliation,
    ReconException,
    Severity,
    State,
    Status,
    Tracked,
    Value,
    inr,
    merge_history,
)
from clientsync.registry import connector as find_connector
from clientsync.reports.reconciliations import ReconLine, ReconState

_RECON = SyncRecon.__table__  # type: ignore[attr-defined]
_EXCEPTION = SyncReconException.__table__  # type: ignore[attr-defined]


class ClientResult(Protocol):
    """What a connector's ``reconcile`` returns for one client."""

    @property
    def reconciliations(self) -> tuple[Reconciliation, ...]:
        """Every reconciliation, in order."""

    @property
    def exceptions(self) -> tuple[ReconException, ...]:
        """Everything that a person must look at."""

    @property
    def incomplete(self) -> frozenset[tuple[str, str]]:
        """The (client id, reconciliation) whose data is not complete."""


Reconcile = Callable[[Engine, str, date], ClientResult]


@dataclass
class ReconRun:
    """What one run over clients came to.

    Attributes:
        run_id: under which it is stored.
        connector: whose reconciliations.
        as_of: day whose data was compared.
        states: one per client and reconciliation.
        lines: every exception that was found, errors first.
        failed: clients that could not be reconciled, and why.
    """

    run_id: str
    connector: str
    as_of: date
    states: list[ReconState] = field(default_factory=list)
    lines: list[ReconLine] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether something was compared, everything of it is complete, and nothing needs a person."""
        return bool(self.states) and not self.failed and all(one.state == State.CLEAN for one in self.states)


def reconcile_clients(
    engine: Engine,
    connector: str,
    day: date,
    clients: Sequence[str] = (),
    groups: Sequence[str] = (),
    *,
    run_id: str = "",
) -> ReconRun:
    """Reconcile the chosen clients with the data of the end of a day and store what comes of it.

    A client that cannot be reconciled is reported and the others go on.

    Args:
        engine: the warehouse.
        connector: name of the connector.
        day: as of which day.
        clients: client ids, groups or ``All clients``; with no groups either, all active clients that it serves.
        groups: groups of clients.
        run_id: of a run that this is a part of; empty for one of its own.

    Raises:
        InvalidInput: the connector has no reconciliations, or nobody that was chosen is its client.
        UnknownName: no such connector or client.
        WarehouseError: the database cannot be read or written.
    """
    reconcile = reconciler_of(connector)
    chosen = _clients_of(engine, connector, clients, groups)
    run = ReconRun(run_id or new_id("recon"), connector, day)
    for client_id in chosen:
        try:
            with one_state(engine):  # a run that loads meanwhile is compared with in whole or not at all
                result = reconcile(engine, client_id, day)
        except SyncError as error:
            run.failed.append((client_id, error.message))
            continue
        states, lines = _store(engine, run, client_id, result)
        run.states.extend(states)
        run.lines.extend(lines)
    run.lines.sort(key=ReconLine.order)
    return run


def reconciler_of(connector: str) -> Reconcile:
    """Return what reconciles one client of a connector.

    Raises:
        InvalidInput: the connector has none.
        UnknownName: no such connector.
    """
    reconcile = getattr(find_connector(connector), "reconcile", None)
    if reconcile is None:
        raise InvalidInput(f"There are no reconciliations for {connector!r}.")
    return cast(Reconcile, reconcile)


def _clients_of(engine: Engine, connector: str, clients: Sequence[str], groups: Sequence[str]) -> list[str]:
    registration = next((name for name, of in REGISTRATIONS.items() if of == connector), "")
    with reading(engine) as connection:
        found = select_clients(connection, clients, groups=groups)
    served = [one.client_id for one in found if not registration or getattr(one, registration)]
    if not served:
        raise InvalidInput(f"None of the chosen clients is a client of {connector!r}.")
    return served


def _store(
    engine: Engine, run: ReconRun, client_id: str, result: ClientResult
) -> tuple[list[ReconState], list[ReconLine]]:
    states = [_state_of(run, one) for one in result.reconciliations]
    with writing(engine) as connection:
        newest = connection.execute(
            select(func.max(_RECON.c.as_of)).where(
                _RECON.c.client_id == client_id, _RECON.c.connector == run.connector
            )
        ).scalar_one_or_none()
        is_backdated = newest is not None and newest > run.as_of
        previous = {} if is_backdated else _history(connection, run.connector, client_id)
        tracked = merge_history(previous.values(), result.exceptions, run.as_of, result.incomplete)
        connection.execute(insert(_RECON), [_recon_row(run, one) for one in states])
        if not is_backdated:
            _write_history(connection, run, previous, tracked, result.exceptions)
    found = {one.identity for one in result.exceptions}
    lines = [_line(run.connector, one) for one in tracked if one.exception.identity in found]
    return states, lines


def _state_of(run: ReconRun, one: Reconciliation) -> ReconState:
    errors = sum(exception.severity is Severity.ERROR for exception in one.exceptions)
    return ReconState(
        client_id=one.client_id,
        recon=one.recon,
        state=str(one.state),
        compared=len(one.rows),
        errors=errors,
        warnings=len(one.exceptions) - errors,
        missing=one.missing,
        as_of=run.as_of,
    )


def _recon_row(run: ReconRun, one: ReconState) -> dict[str, Any]:
    return {
        "recon_run_id": run.run_id,
        "client_id": one.client_id,
        "recon": one.recon,
        "connector": run.connector,
        "as_of": run.as_of,
        "state": one.state,
        "compared": one.compared,
        "errors": one.errors,
        "warnings": one.warnings,
        "missing": list(one.missing),
        "ended_at": now(),
    }


Identity = tuple[str, str, str, tuple[str, ...]]


def _history(connection: Connection, connector: str, client_id: str) -> dict[Identity, Tracked]:
    statement = select(_EXCEPTION).where(
        _EXCEPTION.c.client_id == client_id, _EXCEPTION.c.connector == connector
    )
    found: dict[Identity, Tracked] = {}
    for row in connection.execute(statement).mappings():
        exception = ReconException(
            row["code"],
            Severity(row["severity"]),
            row["client_id"],
            tuple(row["key"]),
            row["expected"],
            row["actual"],
            row["difference_paise"],
            row["why"],
            row["action"],
            tuple(row["evidence"]),
            row["recon"],
        )
        found[exception.identity] = Tracked(
            exception, row["first_seen"], row["last_seen"], Status(row["status"])
        )
    return found


def _write_history(
    connection: Connection,
    run: ReconRun,
    previous: dict[Identity, Tracked],
    tracked: Iterable[Tracked],
    current: Iterable[ReconException],
) -> None:
    found = {one.identity for one in current}
    new: list[dict[str, Any]] = []
    for one in tracked:
        identity = one.exception.identity
        before = previous.get(identity)
        values = _exception_row(run, one) if identity in found else {"status": str(one.status)}
        if before is None:
            new.append({"exception_id": exception_id(run.connector, identity), **values})
            continue
        if identity not in found and before.status is one.status:
            continue
        connection.execute(
            update(_EXCEPTION)
            .where(_EXCEPTION.c.exception_id == exception_id(run.connector, identity))
            .values(**values, recon_run_id=run.run_id)
        )
    if new:
        connection.execute(insert(_EXCEPTION), [{**one, "recon_run_id": run.run_id} for one in new])


def exception_id(connector: str, identity: Identity) -> str:
    """Return under which id an exception is stored: the same for the same finding in every run."""
    text = json.dumps([connector, *identity[:3], list(identity[3])], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _exception_row(run: ReconRun, one: Tracked) -> dict[str, Any]:
    exception = one.exception
    return {
        "client_id": exception.client_id,
        "connector": run.connector,
        "recon": exception.recon,
        "code": exception.code,
        "key": list(exception.key),
        "severity": str(exception.severity),
        "expected": _text(exception.expected),
        "actual": _text(exception.actual),
        "difference_paise": exception.difference_paise,
        "why": exception.why,
        "action": exception.action,
        "evidence": list(exception.evidence),
        "first_seen": one.first_seen,
        "last_seen": one.last_seen,
        "status": str(one.status),
    }


def _line(connector: str, one: Tracked) -> ReconLine:
    exception = one.exception
    return ReconLine(
        exception_id=exception_id(connector, exception.identity),
        client_id=exception.client_id,
        recon=exception.recon,
        code=exception.code,
        severity=str(exception.severity),
        key=exception.key,
        expected=_text(exception.expected),
        actual=_text(exception.actual),
        difference_paise=exception.difference_paise,
        why=exception.why,
        action=exception.action,
        evidence=exception.evidence,
        first_seen=one.first_seen,
        last_seen=one.last_seen,
        status=str(one.status),
    )


def _text(value: Value) -> str:
    if value is None:
        return ""
    return inr(value) if isinstance(value, int) else value
