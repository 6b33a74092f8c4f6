"""Reconciliations of documents over many clients: read both sides, match, judge, heed decisions, store.

The core knows no connector's documents; a connector names its reconciliations (``document_recons``). Invariants: a
client is stored whole or not at all; a client whose data is not complete is never called clean; a run for an earlier
day than the newest one stores nothing, so history is never rewritten.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any, cast

import pandas as pd
from sqlalchemy import Engine, insert, select, update

from clientsync.clients.selection import select_clients
from clientsync.clock import now
from clientsync.database import one_state, reading, writing
from clientsync.errors import InvalidInput, SyncError, UnknownName
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncClient, SyncDecision
from clientsync.reconcile.documents.acting import Direction
from clientsync.reconcile.documents.frames import MatchSettings, Tolerance
from clientsync.reconcile.documents.matching import match_documents
from clientsync.reconcile.result import State
from clientsync.registry import connector as find_connector
from clientsync.reports.reconciliations import ReconState
from clientsync.sync import match_decisions, match_store
from clientsync.sync.match_rows import Inputs, rows_of

CLIENTS_AT_ONCE = 50
"""Clients whose documents are in memory together."""
SETTING = "matching"
"""Client setting with tolerances: paise, basis_points, near_days, fuzzy_score, group_size."""
_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class DocumentRecon:
    """One reconciliation of documents.

    Attributes:
        name: at most 10 characters, for example ``2B-BOOKS``.
        title: for people.
        direction: what the documents are to the owner of the books.
        read: (engine, client ids, day) to both sides as they stood at the end of the day.
        settings: how they are matched unless a client says otherwise.
    """

    name: str
    title: str
    direction: Direction
    read: Callable[[Engine, Sequence[str], date], Inputs]
    settings: MatchSettings = field(default_factory=MatchSettings)


@dataclass
class DocumentRun:
    """What one run over clients came to.

    Attributes:
        run_id: under which it is stored.
        recon: which reconciliation.
        as_of: day whose data was compared.
        is_stored: False for a trial, and for a day before the newest one.
        states: one per client.
        counts: groups by status, over all clients.
        severities: groups by severity that wait for a person or not, over all clients.
        opened, closed: groups that look other than in the run before.
        failed: clients that could not be reconciled, and why.
        left_out: clients with nothing to compare, and why.
        rows: what was found, for trials only; see ``match_rows.rows_of``.
    """

    run_id: str
    recon: str
    as_of: date
    is_stored: bool = True
    states: list[ReconState] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    closed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    rows: list[pd.DataFrame] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether something was compared, everything of it is complete, and nothing needs a person."""
        return bool(self.states) and not self.failed and all(one.state == State.CLEAN for one in self.states)

    def add(self, other: DocumentRun) -> None:
        """Take in what the same run came to for other clients."""
        self.is_stored = self.is_stored and other.is_stored
        self.states.extend(other.states)
        self.counts.update(other.counts)
        self.severities.update(other.severities)
        self.opened += other.opened
        self.closed += other.closed
        self.failed.extend(other.failed)
        self.left_out.extend(other.left_out)
        self.rows.extend(other.rows)


def recons_of(connector: str) -> dict[str, DocumentRecon]:
    """Return the document reconciliations of a connector by name; none when it has none.

    Raises:
        UnknownName: no such connector.
    """
    found = getattr(find_connector(connector), "document_recons", None)
    return {one.name: one for one in cast(Any, found)()} if found else {}


def recon_named(connector: str, name: str) -> DocumentRecon:
    """Return one reconciliation of a connector.

    Raises:
        UnknownName: no such reconciliation; lists those that exist.
    """
    known = recons_of(connector)
    if name.upper() not in known:
        raise UnknownName("reconciliation", name, sorted(known))
    return known[name.upper()]


def reconcile_documents(
    engine: Engine,
    recon: DocumentRecon,
    day: date,
    clients: Sequence[str] = (),
    groups: Sequence[str] = (),
    *,
    run_id: str = "",
    is_trial: bool = False,
    on_client: Callable[[int, int], None] | None = None,
) -> DocumentRun:
    """Reconcile the documents of the chosen clients as of the end of a day and store what comes of it.

    Args:
        engine: the warehouse.
        recon: which reconciliation.
        day: as of which day.
        clients: client ids, groups or ``All clients``; with no groups either, all active clients.
        groups: groups of clients.
        run_id: of a run that this is a part of; empty for one of its own.
        is_trial: store nothing and keep the rows.
        on_client: told after every chunk how many clients of how many are done.

    Raises:
        UnknownName: no such client.
        InvalidInput: no client was chosen.
        WarehouseError: the database cannot be read or written.
    """
    with reading(engine) as connection:
        chosen = [one.client_id for one in select_clients(connection, clients, groups=groups)]
    if not chosen:
        raise InvalidInput("No client is chosen.")
    run = DocumentRun(run_id or new_id("recon"), recon.name, day, is_stored=not is_trial)
    for start in range(0, len(chosen), CLIENTS_AT_ONCE):
        chunk = chosen[start : start + CLIENTS_AT_ONCE]
        try:
            _compare(engine, recon, run, chunk, is_trial=is_trial)
        except SyncError:
            for client_id in chunk:  # one client's data must not keep the others from their answer
                _compare_alone(engine, recon, run, client_id, is_trial=is_trial)
        if on_client is not None:
            on_client(min(start + CLIENTS_AT_ONCE, len(chosen)), len(chosen))
    return run


def _compare_alone(
    engine: Engine, recon: DocumentRecon, run: DocumentRun, client_id: str, *, is_trial: bool
) -> None:
    if any(one.client_id == client_id for one in run.states):
        return
    try:
        _compare(engine, recon, run, [client_id], is_trial=is_trial)
    except SyncError as error:
        run.failed.append((client_id, error.message))


def _compare(
    engine: Engine, recon: DocumentRecon, run: DocumentRun, client_ids: Sequence[str], *, is_trial: bool
) -> None:
    with one_state(engine):
        inputs = recon.read(engine, client_ids, run.as_of)
        decisions = match_decisions.standing(engine, client_ids, recon.name)
    wishes = match_decisions.wishes_of(decisions)
    verdicts = match_decisions.verdicts_of(decisions)
    compared = [one for one in client_ids if one not in inputs.left_out]
    left_out = [(one, inputs.left_out[one]) for one in client_ids if one in inputs.left_out]
    for settings, own in _by_settings(engine, recon.settings, compared):
        part = _only(inputs, own)
        rows = rows_of(
            match_documents(part.left, part.right, settings, wishes), part, recon.direction, verdicts
        )
        _name_links(rows, match_decisions.links_of(decisions))
        by_client = dict(tuple(rows.groupby("client_id", sort=False)))
        for client_id in own:
            found = by_client.get(client_id, rows.iloc[:0])
            _keep(engine, run, client_id, found, inputs.missing.get(client_id, ()), is_trial=is_trial)
    run.left_out.extend(left_out)


def _name_links(rows: pd.DataFrame, links: Mapping[tuple[str, str], match_decisions.Decision]) -> None:
    """Write which decision put the documents of a linked group together."""
    if not links:
        return
    documents = {(client_id, document): one for (client_id, document), one in links.items()}
    for label in rows.index[rows["decision"] == "link"]:
        first = rows.loc[label, "left_ids"].split('"')[1]
        one = documents.get((rows.loc[label, "client_id"], first))
        if one is not None:
            rows.loc[label, ["decision_id", "decision_reason"]] = [one.decision_id, one.reason]


def _keep(
    engine: Engine,
    run: DocumentRun,
    client_id: str,
    rows: pd.DataFrame,
    missing: tuple[str, ...],
    *,
    is_trial: bool,
) -> None:
    undecided = rows["decision"].isin(("", "link"))
    errors = int(((rows["severity"] == "error") & undecided).sum())
    warnings = int(((rows["severity"] == "warning") & undecided).sum())
    found = State.EXCEPTIONS if errors or warnings else State.CLEAN
    state = State.INCOMPLETE if missing else found
    counts = {str(name): int(number) for name, number in rows["status"].value_counts().sort_index().items()}
    if is_trial:
        run.rows.append(rows)
    else:
        with writing(engine) as connection:
            newest = match_store.newest_day(connection, client_id, run.recon)
            if newest is not None and newest > run.as_of:
                run.is_stored = False
                run.rows.append(rows)
            else:
                stored = match_store.store(
                    connection,
                    run_id=run.run_id,
                    recon=run.recon,
                    client_id=client_id,
                    as_of=run.as_of,
                    rows=rows,
                    state=state,
                    missing=missing,
                    counts=counts,
                    errors=errors,
                    warnings=warnings,
                )
                run.opened += stored.opened
                run.closed += stored.closed
    run.counts.update(counts)
    run.severities.update(
        {str(name): int(number) for name, number in rows["severity"].value_counts().items()}
    )
    run.states.append(
        ReconState(
            client_id=client_id,
            recon=run.recon,
            state=str(state),
            compared=len(rows),
            errors=errors,
            warnings=warnings,
            missing=missing,
            as_of=run.as_of,
        )
    )


def _only(inputs: Inputs, client_ids: Sequence[str]) -> Inputs:
    return replace(
        inputs,
        left=inputs.left[inputs.left["client_id"].isin(client_ids)],
        right=inputs.right[inputs.right["client_id"].isin(client_ids)],
    )


def _by_settings(
    engine: Engine, usual: MatchSettings, client_ids: Sequence[str]
) -> Iterator[tuple[MatchSettings, list[str]]]:
    """Yield the clients that are matched alike, in the order in which they came."""
    with reading(engine) as connection:
        own = {
            row.client_id: (row.settings or {}).get(SETTING)
            for row in connection.execute(
                select(_CLIENT.c.client_id, _CLIENT.c.settings).where(_CLIENT.c.client_id.in_(client_ids))
            )
        }
    alike: dict[MatchSettings, list[str]] = defaultdict(list)
    for client_id in client_ids:
        alike[settings_of(usual, own.get(client_id))].append(client_id)
    yield from alike.items()


def settings_of(usual: MatchSettings, own: Mapping[str, Any] | None) -> MatchSettings:
    """Return the settings of a client: the usual ones with its own over them.

    Args:
        usual: of the reconciliation.
        own: ``paise`` and ``basis_points`` of the tolerance of every amount, and the names of ``MatchSettings`` that
            hold a number.

    Raises:
        InvalidInput: no such setting, or one that is no whole number of at least 0.
    """
    if not own:
        return usual
    numbers = {one.name for one in fields(MatchSettings) if isinstance(getattr(usual, one.name), int)}
    numbers -= {"is_date_compared"}
    valid = {"paise", "basis_points", *numbers}
    for name, value in own.items():
        if name not in valid:
            raise InvalidInput(
                f"There is no setting {name!r} of matching. Valid: {', '.join(sorted(valid))}."
            )
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InvalidInput(f"The setting {name!r} of matching is a whole number of at least 0.")
    tolerance = Tolerance(own.get("paise", usual.tax.paise), own.get("basis_points", usual.tax.basis_points))
    is_set = bool({"paise", "basis_points"} & own.keys())
    changed = {name: value for name, value in own.items() if name in numbers}
    if is_set:
        return replace(usual, taxable=tolerance, tax=tolerance, **changed)
    return replace(usual, **changed)


def read_matching(engine: Engine, client_id: str) -> dict[str, int]:
    """Return the settings of its own that a client has; empty for the usual ones.

    Raises:
        WarehouseError: the database cannot be read.
    """
    statement = select(_CLIENT.c.settings).where(_CLIENT.c.client_id == client_id)
    with reading(engine) as connection:
        return dict((connection.execute(statement).scalar_one() or {}).get(SETTING) or {})


def write_matching(engine: Engine, client_id: str, own: Mapping[str, int]) -> None:
    """Give a client settings of its own, or with none the usual ones again; kept as a decision.

    Raises:
        InvalidInput: no such setting, or one that is no whole number of at least 0; nothing was written.
        WarehouseError: the database cannot be written.
    """
    settings_of(MatchSettings(), own)
    with writing(engine) as connection:
        row = connection.execute(select(_CLIENT.c.settings).where(_CLIENT.c.client_id == client_id)).one()
        kept = {name: value for name, value in (row.settings or {}).items() if name != SETTING}
        changed = {**kept, SETTING: dict(own)} if own else kept
        connection.execute(
            update(_CLIENT).where(_CLIENT.c.client_id == client_id).values(settings=changed, updated_at=now())
        )
        words = ", ".join(f"{name} {value}" for name, value in sorted(own.items())) or "the usual ones"
        connection.execute(
            insert(SyncDecision).values(
                decision_id=new_id("dec"),
                client_id=client_id,
                kind="matching",
                subject=SETTING,
                reason=words,
                decided_at=now(),
            )
        )
