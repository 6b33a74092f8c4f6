"""Every reconciliation of a connector in one run: documents one by one, and what is compared by period.

Invariant: one run id for all of it, so what one run said of a client can be read back together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Engine

from clientsync.errors import UnknownName
from clientsync.ledger.ids import new_id
from clientsync.registry import connector as find_connector
from clientsync.reports.reconciliations import ReconLine, ReconState
from clientsync.sync.documents import DocumentRun, recon_named, reconcile_documents, recons_of
from clientsync.sync.reconciling import ReconRun, reconcile_clients

RETURNS = "RETURNS"
"""Name of the reconciliations that compare returns, ledgers and registers by period."""
Progress = Callable[[str, int, int], None]


@dataclass
class AllRuns:
    """What one run of several reconciliations came to.

    Attributes:
        run_id: under which everything of it is stored.
        as_of: day whose data was compared.
        documents: one per reconciliation of documents.
        returns: the reconciliations by period, None when they were not asked for.
    """

    run_id: str
    as_of: date
    documents: list[DocumentRun] = field(default_factory=list)
    returns: ReconRun | None = None

    @property
    def states(self) -> list[ReconState]:
        """Every reconciliation of every client."""
        found = [state for run in self.documents for state in run.states]
        return found + (self.returns.states if self.returns else [])

    @property
    def lines(self) -> list[ReconLine]:
        """Exceptions of the reconciliations by period, errors first."""
        return self.returns.lines if self.returns else []

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Clients that could not be reconciled, and why, each once."""
        every = [one for run in self.documents for one in run.failed]
        return list(dict.fromkeys(every + (self.returns.failed if self.returns else [])))

    @property
    def is_clean(self) -> bool:
        """Whether something was compared, everything of it is complete, and nothing needs a person."""
        return bool(self.states) and not self.failed and all(state.state == "clean" for state in self.states)


def names_of(connector: str) -> tuple[str, ...]:
    """Return the names of a connector's reconciliations in the order in which people read them."""
    has_returns = getattr(find_connector(connector), "reconcile", None) is not None
    return (*recons_of(connector), *((RETURNS,) if has_returns else ()))


def reconcile_all(
    engine: Engine,
    connector: str,
    day: date,
    names: Sequence[str] = (),
    clients: Sequence[str] = (),
    groups: Sequence[str] = (),
    *,
    run_id: str = "",
    is_trial: bool = False,
    on_progress: Progress | None = None,
) -> AllRuns:
    """Run the named reconciliations of the chosen clients as of the end of a day.

    Args:
        engine: the warehouse.
        connector: whose reconciliations.
        day: as of which day.
        names: of reconciliations; empty: all.
        clients: client ids, groups or ``All clients``; with no groups either, all active clients.
        groups: groups of clients.
        run_id: of a run that this is a part of; empty for one of its own.
        is_trial: store nothing of the documents, and leave the others out, which always store.
        on_progress: told (reconciliation, clients done, clients in all) as the work goes on.

    Raises:
        UnknownName: no such reconciliation or client.
        InvalidInput: no client was chosen.
        WarehouseError: the database cannot be read or written.
    """
    wanted = wanted_names(connector, names)
    runs = AllRuns(run_id or new_id("recon"), day)
    for name in wanted:
        if name == RETURNS:
            continue
        told = _telling(on_progress, name)
        runs.documents.append(
            reconcile_documents(
                engine,
                recon_named(connector, name),
                day,
                clients,
                groups,
                run_id=runs.run_id,
                is_trial=is_trial,
                on_client=told,
            )
        )
    if RETURNS in wanted and not is_trial:
        runs.returns = reconcile_clients(engine, connector, day, clients, groups, run_id=runs.run_id)
    return runs


def wanted_names(connector: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as they are spelled, all when none is given.

    Raises:
        UnknownName: no such reconciliation; lists those that exist.
    """
    known = names_of(connector)
    spelled = {name.casefold(): name for name in known}
    for name in names:
        if name.casefold() not in spelled:
            raise UnknownName("reconciliation", name, list(known))
    return tuple(dict.fromkeys(spelled[name.casefold()] for name in names)) or known


def _telling(on_progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda done, of: on_progress(name, done, of)


def joined(run_id: str, day: date, parts: Sequence[AllRuns]) -> AllRuns:
    """Return the parts of one run, each over other clients or another reconciliation, as one."""
    whole = AllRuns(run_id, day)
    by_name: dict[str, DocumentRun] = {}
    for run in (run for part in parts for run in part.documents):
        into = by_name.setdefault(run.recon, DocumentRun(run_id, run.recon, day))
        into.add(run)
    whole.documents = list(by_name.values())
    for returns in (part.returns for part in parts if part.returns is not None):
        if whole.returns is None:
            whole.returns = ReconRun(run_id, returns.connector, day)
        whole.returns.states.extend(returns.states)
        whole.returns.lines.extend(returns.lines)
        whole.returns.failed.extend(returns.failed)
    if whole.returns is not None:
        whole.returns.lines.sort(key=ReconLine.order)
    return whole
