"""What a firm, or one client, reads in the morning: what does not agree, how much it is worth, and what falls due.

One pass over the matched documents counts them; renderers read the kinds that they print once more, so a hundred
thousand lines are never in memory together. Invariant: the verdict never calls everything clean while anything is
incomplete or was not compared, and what was compared with the data of another day is not complete for the day of the
report; every client that was asked for is counted, with or without a result.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.ledger.tables import SyncClient
from clientsync.reports.matches import MatchLine
from clientsync.reports.reconciliations import ReconLine, ReconState, verdict
from clientsync.reports.vendors import Vendors
from clientsync.reports.worklists import Worklist

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
Lines = Callable[[Sequence[str]], Iterable[MatchLine]]
"""Statuses to the lines that have one of them; none means all. It may be called again and gives the same."""
PURCHASES = "2B-BOOKS"
"""The reconciliation whose documents are followed up with suppliers: credit rests on 2B alone."""
NOTHING = "everything"
"""Stands for a reconciliation where a client has none at all."""
DOCUMENTS = "documents"
"""Stands for the reconciliations of documents where a client with a GST registration has none of them."""


@dataclass(frozen=True)
class FirmReport:
    """Everything that a report prints.

    Attributes:
        title: firm or client.
        as_of: day for which it speaks; states of another day are incomplete in it.
        created: moment of the report, aware.
        states: what each reconciliation of each client came to.
        exceptions: exceptions of what is compared by period.
        lines: matched documents by status.
        worklists: what falls due.
        left_out: (reconciliation, client, why) of what was not compared.
    """

    title: str
    as_of: date
    created: datetime
    states: Sequence[ReconState]
    exceptions: Sequence[ReconLine]
    lines: Lines
    worklists: Sequence[Worklist] = ()
    left_out: Sequence[tuple[str, str, str]] = ()

    @property
    def verdict(self) -> str:
        """What it came to in one sentence."""
        said = verdict(self.states)
        if not self.left_out:
            return said
        if self._are_states_clean:
            said = f"{self.clients} clients, {len(self.states)} reconciliations: {len(self.states)} clean."
        number = len({client_id for _, client_id, _ in self.left_out})
        return f"{said.removesuffix('.')}; documents of {number} clients were not compared."

    @property
    def is_clean(self) -> bool:
        """Whether something was compared, nothing was left out, and all of it is complete and needs nobody."""
        return self._are_states_clean and not self.left_out

    @property
    def _are_states_clean(self) -> bool:
        return bool(self.states) and all(one.state == "clean" for one in self.states)

    @property
    def clients(self) -> int:
        """How many clients it is about."""
        return len({one.client_id for one in self.states} | {client_id for _, client_id, _ in self.left_out})


@dataclass
class Tally:
    """Counts over the matched documents of a report.

    Attributes:
        groups: (reconciliation, status as shown) to how many groups.
        waiting: the same, of those that wait for a person.
        stake: the same, to the tax that is at stake in them, in paise.
        by_client: client id to the tax at stake in 2B, in paise.
        names: client id to name.
        vendors: suppliers to be written to.
    """

    groups: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting: Counter[tuple[str, str]] = field(default_factory=Counter)
    stake: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_client: Counter[str] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)
    vendors: Vendors = field(default_factory=Vendors)

    @property
    def recons(self) -> list[str]:
        """Reconciliations that have documents."""
        return sorted({recon for recon, _ in self.groups})

    @property
    def at_stake_paise(self) -> int:
        """Tax at stake in 2B: what may not be claimed, or is not claimed yet, and waits for a person."""
        return sum(amount for (recon, _), amount in self.stake.items() if recon == PURCHASES)


def at_stake(line: MatchLine) -> int:
    """Return the tax at stake in a line that waits for a person, in paise; nothing when it waits for nobody.

    Of a document alone it is its tax, of a mismatch the difference, of a match without credit the tax of the books.
    """
    if not line.needs_person:
        return 0
    if line.status == "mismatch":
        return abs(line.tax_difference_paise)
    return abs(line.left_tax_paise if line.left_count else line.right_tax_paise)


def tally(report: FirmReport) -> Tally:
    """Walk the matched documents of a report once and count them."""
    found = Tally()
    for line in report.lines(()):
        key = (line.recon, line.shown_status)
        found.groups[key] += 1
        if line.needs_person:
            stake = at_stake(line)
            found.waiting[key] += 1
            found.stake[key] += stake
            if line.recon == PURCHASES:
                found.by_client[line.client_id] += stake
                found.vendors.add(line, stake)
        found.names.setdefault(line.client_id, line.client_name)
    return found


def missing_by_client(states: Iterable[ReconState]) -> list[tuple[str, str, str]]:
    """Return (client, reconciliation, what is missing) of everything that is not complete, sorted."""
    return sorted((one.client_id, one.recon, what) for one in states for what in one.missing)


def states_by_recon(states: Iterable[ReconState]) -> Mapping[str, Counter[str]]:
    """Return how many clients of each reconciliation are clean, have exceptions, or are incomplete."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for one in states:
        found[one.recon][one.state] += 1
    return found


def read_firm_report(
    engine: Engine,
    *,
    title: str,
    day: date,
    created: datetime,
    client_ids: Sequence[str],
    connectors: Sequence[str],
    worklists: Sequence[Worklist] = (),
    run_id: str = "",
    failed: Sequence[tuple[str, str]] = (),
) -> FirmReport:
    """Return the report of clients over what is stored.

    Args:
        engine: the warehouse.
        title: firm or client.
        day: shown as the day of the data; what was compared with that of another day is incomplete.
        created: moment of the report.
        client_ids: whose.
        connectors: whose exceptions by period are told.
        worklists: what falls due, as the connectors read it.
        run_id: a past run of documents that is read back; empty: what stands.
        failed: clients that could not be compared on that day, and why.

    Raises:
        UnknownName: no such run.
        WarehouseError: the database cannot be read.
    """
    from clientsync.reports.matches import read_document_states, read_matches
    from clientsync.reports.reconciliations import read_lines, read_states

    states = read_document_states(engine, (), client_ids) if client_ids else []
    compared = {one.client_id for one in states}
    exceptions: list[ReconLine] = []
    for client_id in client_ids:
        for connector in connectors:
            states += read_states(engine, connector, client_id)
            exceptions += read_lines(engine, connector, client_id)
    known = {one.client_id for one in states}
    states = [_on(day, one) for one in states]
    lacking = [(one, f"could not be compared: {why}") for one, why in failed]
    without_any = set(client_ids) - known - {one for one, _ in failed}
    lacking += [(one, "nothing was ever compared") for one in client_ids if one in without_any]
    states += [ReconState(one, NOTHING, "incomplete", 0, 0, 0, (why,), day) for one, why in lacking]
    without = sorted(_registered(engine, client_ids) & known - compared)

    def lines(statuses: Sequence[str]) -> Iterable[MatchLine]:
        return read_matches(engine, (), client_ids, statuses=statuses, run_id=run_id) if client_ids else ()

    return FirmReport(
        title,
        day,
        created,
        states,
        sorted(exceptions, key=ReconLine.order),
        lines,
        worklists,
        [
            (DOCUMENTS, one, "no register was compared: none is imported, or not compared since")
            for one in without
        ],
    )


def _on(day: date, one: ReconState) -> ReconState:
    """Return a state as it counts on a day: one of the data of another day is not complete."""
    if one.as_of == day:
        return one
    why = f"compared last with the data of {one.as_of:%d-%m-%Y}"
    return replace(one, state="incomplete", missing=(*one.missing, why))


def _registered(engine: Engine, client_ids: Sequence[str]) -> set[str]:
    """Return the clients that have a GST registration, so that documents of them can be compared."""
    statement = select(_CLIENT.c.client_id, _CLIENT.c.gstin).where(_CLIENT.c.client_id.in_(client_ids))
    with reading(engine) as connection:
        return {row.client_id for row in connection.execute(statement) if row.gstin}
