"""From a selection to units: which clients, which modules, which periods, and what the calls will cost.

Planning asks the portal nothing. Every unit key stands once in a plan, however the selection overlaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from clientsync import clock
from clientsync.clients.selection import select_clients
from clientsync.database import reading
from clientsync.errors import UnknownModule
from clientsync.ledger.runs import UnitKey
from clientsync.ledger.tables import SyncClient
from clientsync.periods import Period, Quarter, newest_open, parse_many, parse_quarters
from clientsync.registry import connector, modules
from clientsync.spec.connector import Calendar, ClientIdentity, Connector
from clientsync.spec.module import NO_PERIOD, Cadence, Deductor, Module
from clientsync.sync.services import Services

ALL = "ALL"
ALL_CLIENTS = "All clients"
RUNS_REMEMBERED = 5  # runs that an estimate looks back on; the ledger keeps every night


@dataclass(frozen=True)
class Selection:
    """What an operator ticked.

    Attributes:
        connector: for example ``gst``.
        clients: client ids, group names or ``All clients``; empty with empty groups means all active clients.
        groups: group names.
        exclude: client ids or group names to leave out.
        modules: labels of module groups, or ``ALL``; names of single modules are accepted too.
        periods: what the connector's calendar has: MMYYYY, or quarters and years (2025-26-Q4, 2025-26), and
            ranges A:B; empty means the newest open month, or the newest six quarters that have ended.
        full: nothing rests: what is settled is read again although it was read some days ago.
    """

    connector: str = "gst"
    clients: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    modules: tuple[str, ...] = (ALL,)
    periods: tuple[str, ...] = ()
    full: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON, for the ledger."""
        return {
            "connector": self.connector,
            "clients": list(self.clients),
            "groups": list(self.groups),
            "exclude": list(self.exclude),
            "modules": list(self.modules),
            "periods": list(self.periods),
            "full": self.full,
        }


@dataclass(frozen=True)
class ClientFacts:
    """What the engine must know of a client, without secrets."""

    client_id: str
    name: str
    gstin: str
    portal_username: str
    provider: str
    filing_frequency: str
    consent_ends_on: Any
    settings: dict[str, Any]
    deductor: Deductor | None = None
    tds_source: str = "file"
    traces_username: str = ""
    tds_consent_ends_on: Any = None

    def identity(self) -> ClientIdentity:
        """Return what a connector needs to know of the client."""
        ends = self.consent_ends_on
        return ClientIdentity(
            client_id=self.client_id,
            gstin=self.gstin,
            portal_username=self.portal_username,
            provider=self.provider,
            consent_ends_at=datetime.combine(ends, time(23, 59, 59), clock.INDIA) if ends else None,
            settings=self.settings,
            deductor=self.deductor,
            tds_source=self.tds_source,
            traces_username=self.traces_username,
            tds_consent_ends_on=self.tds_consent_ends_on,
        )


@dataclass
class Plan:
    """Units that a run will work on.

    Attributes:
        selection: what was asked.
        keys: unit keys; return-register units first, because filings let later units skip calls.
        clients: facts of every client in the plan, by client id.
        naive_calls: calls that asking for everything would cost.
        expected_calls: calls expected after skipping, from what the ledger remembers; an estimate.
        skipped: (client id, module, unit period, reason) that need no unit at all.
        parent_run_id: run that is resumed or retried.
    """

    selection: Selection
    keys: list[UnitKey] = field(default_factory=list)
    clients: dict[str, ClientFacts] = field(default_factory=dict)
    naive_calls: int = 0
    expected_calls: int = 0
    skipped: list[tuple[str, str, str, str]] = field(default_factory=list)
    parent_run_id: str | None = None

    @property
    def left_out(self) -> dict[str, str]:
        """Clients of the selection that nothing is asked about, with the reason."""
        asked = {key.client_id for key in self.keys}
        return {client_id: reason for client_id, _, _, reason in self.skipped if client_id not in asked}

    def lines(self) -> list[dict[str, Any]]:
        """Return a row per module: units, naive and expected calls; for the dry run."""
        by_module: dict[str, int] = {}
        for key in self.keys:
            by_module[key.module] = by_module.get(key.module, 0) + 1
        known = modules(self.selection.connector)
        return [
            {
                "module": known[name].title,
                "units": count,
                "naive_calls": count * known[name].naive_calls,
            }
            for name, count in by_module.items()
        ]


def resolve_modules(found: Connector, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return module names for labels of groups, single names and ``ALL``; in the connector's order.

    Raises:
        UnknownModule: a label or name does not exist; lists the labels.
    """
    labels = {group.label: group.modules for group in found.groups}
    names: set[str] = set()
    for one in wanted or (ALL,):
        if one == ALL:
            names.update(name for group in found.groups for name in group.modules)
        elif one in labels:
            names.update(labels[one])
        elif one in found.module_names():
            names.add(one)
        else:
            raise UnknownModule("module", one, [*labels, ALL])
    return tuple(name for group in found.groups for name in group.modules if name in names)


def unit_periods(module: Module, periods: Iterable[Period | Quarter]) -> list[str]:
    """Return the unit periods that cover ``periods`` at the module's cadence, without repeats."""
    if module.cadence is Cadence.CLIENT:
        return [NO_PERIOD]
    if module.cadence is Cadence.FINANCIAL_YEAR:
        return sorted({one.year if isinstance(one, Quarter) else one.financial_year for one in periods})
    return [str(period) for period in periods]


def periods_of(found: Connector, texts: Sequence[str]) -> tuple[Period | Quarter, ...]:
    """Read periods as the connector's calendar has them; empty means its newest ones.

    Raises:
        InvalidPeriod: one cannot be read or asked.
    """
    if found.calendar is Calendar.QUARTERS:
        return parse_quarters(list(texts), clock.today())
    return parse_many(list(texts), clock.today())


def facts_of(client: SyncClient) -> ClientFacts:
    """Return the facts of a row of the client master."""
    return ClientFacts(
        client_id=client.client_id,
        name=client.name,
        gstin=client.gstin,
        portal_username=client.portal_username,
        provider=client.provider,
        filing_frequency=client.filing_frequency,
        consent_ends_on=client.consent_ends_on,
        settings=dict(client.settings or {}),
        deductor=Deductor(
            client.tan,
            client.deductor_pan,
            client.deductor_category,
            tuple(form for form in client.tds_forms.split(",") if form),
        )
        if client.tan
        else None,
        tds_source=client.tds_source,
        traces_username=client.traces_username,
        tds_consent_ends_on=client.tds_consent_ends_on,
    )


def plan(services: Services, selection: Selection) -> Plan:
    """Return the units of a selection.

    Raises:
        UnknownName: a connector, client, group or module that does not exist; lists the valid ones.
        InvalidPeriod: a period that cannot be asked.
    """
    found = connector(selection.connector)
    names = resolve_modules(found, selection.modules)
    periods = periods_of(found, selection.periods)
    with reading(services.engine) as connection:
        chosen = select_clients(
            connection,
            list(selection.clients),
            groups=list(selection.groups),
            exclude=list(selection.exclude),
        )
    result = Plan(selection=selection)
    for client in chosen:
        result.clients[client.client_id] = facts_of(client)
    newest = newest_open(clock.today())
    closed = {
        client_id: reason
        for client_id, facts in result.clients.items()
        if (reason := found.cannot_ask(facts.identity()))
    }
    for name in names:
        module = found.module(name)
        latest = periods[-1]
        if module.only_open_periods and isinstance(latest, Period) and latest < newest:
            reason = (
                f"{module.title} holds what is still open; it is read with the newest open period, {newest}"
            )
            result.skipped.extend((client.client_id, name, NO_PERIOD, reason) for client in chosen)
            continue
        for label in unit_periods(module, periods):
            for client in chosen:
                if client.client_id in closed:
                    result.skipped.append((client.client_id, name, label, closed[client.client_id]))
                    continue
                result.keys.append(UnitKey(client.client_id, selection.connector, name, label))
                result.naive_calls += module.naive_calls
    result.expected_calls = _expected(services, result)
    return result


def plan_of_keys(
    services: Services, keys: Sequence[UnitKey], *, parent_run_id: str | None, full: bool = False
) -> Plan:
    """Return a plan of exactly these units, for a retry, a resume or an answered challenge.

    With ``full`` nothing of them rests.
    """
    names = sorted({key.connector for key in keys})
    result = Plan(
        selection=Selection(connector=names[0] if names else "gst", modules=(), full=full),
        parent_run_id=parent_run_id,
    )
    wanted = sorted({key.client_id for key in keys})
    if wanted:
        with reading(services.engine) as connection:
            for client in select_clients(connection, wanted, groups=[], exclude=[], only_active=False):
                result.clients[client.client_id] = facts_of(client)
    for key in keys:
        if key.client_id in result.clients:
            result.keys.append(key)
            result.naive_calls += connector(key.connector).module(key.module).naive_calls
    result.expected_calls = _expected(services, result)
    return result


def _expected(services: Services, planned: Plan) -> int:
    """Estimate the calls of a plan: what each unit cost last time, else the module's first-run share."""
    if not planned.keys:
        return 0
    from sqlalchemy import select

    from clientsync.ledger.tables import SyncRun, SyncUnit

    table = SyncUnit.__table__  # type: ignore[attr-defined]
    run_table = SyncRun.__table__  # type: ignore[attr-defined]
    newest = select(run_table.c.run_id).order_by(run_table.c.started_at.desc()).limit(RUNS_REMEMBERED)
    with reading(services.engine) as connection:
        rows = connection.execute(
            select(table.c.client_id, table.c.module, table.c.unit_period, table.c.calls)
            .where(
                table.c.run_id.in_(newest.scalar_subquery()),
                table.c.outcome.in_(("loaded", "unchanged", "empty", "not_asked")),
            )
            .order_by(table.c.unit_id)
        )
        last = {(row[0], row[1], row[2]): int(row[3]) for row in rows}
    known = modules(planned.selection.connector)
    total = 0
    for key in planned.keys:
        remembered = last.get((key.client_id, key.module, key.unit_period))
        total += remembered if remembered is not None else (known[key.module].naive_calls + 1) // 2
    return total
