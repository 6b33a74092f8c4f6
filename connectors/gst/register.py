"""The state of every return that a client owes: filed, late by so many days, not filed, not yet due, not applicable.

RETTRACK lists filed returns only; the rest follows from the filing preference and the due dates. The state is worked
out when it is asked for, never stored, because it changes with the day. Invariant: a return is called not filed only
when the register was read after its due date; otherwise it is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from sqlalchemy import Engine, func, select

from clientsync.clock import INDIA
from clientsync.database import reading
from clientsync.ledger.tables import SyncCell, SyncClient, SyncUnit
from clientsync.outcomes import Outcome
from clientsync.periods import Period, span
from clientsync.spec.module import Filing
from clientsync.warehouse.standing import end_of, rows_standing
from connectors.gst.duedates import EXTENSIONS, QRMP_BEGAN, DueDate, Extension, due_date, extensions_in_force
from connectors.gst.return_register import FILINGS, PREFERENCES, is_filed

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_CELL = SyncCell.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_READ = (Outcome.LOADED, Outcome.UNCHANGED)
"""Outcomes of a unit in which the register was read for certain."""


class State(StrEnum):
    """How a return stands."""

    FILED = "filed"
    LATE = "filed late"
    NOT_FILED = "not filed"
    NOT_YET_DUE = "not yet due"
    NOT_APPLICABLE = "not applicable"
    NOT_KNOWN = "not known"


@dataclass(frozen=True)
class ReturnState:
    """One return of one client on one day.

    Attributes:
        days_late: days from the due date to the filing, or to the day itself when it is not filed; 0 when in time.
        reason: why it stands so, in words.
    """

    client_id: str
    return_type: str
    period: Period
    frequency: str
    due_on: date | None
    filed_on: date | None
    days_late: int
    state: State
    reason: str


@dataclass(frozen=True)
class KnownClient:
    """What the warehouse knows of a client's returns.

    Attributes:
        frequency: ``M`` or ``Q`` of the client master, for quarters of which nothing better is known.
        preferences: (financial year, quarter such as ``Q1``) to ``M`` or ``Q``.
        filings: filed returns.
        read_on: financial year to the Indian day on which its register was last read; None: only after the day itself.
        registered_on: first day of the registration (client setting ``registered_on``), None when not known.
    """

    client_id: str
    state_code: str
    frequency: str
    preferences: Mapping[tuple[str, str], str] = field(default_factory=dict)
    filings: Sequence[Filing] = ()
    read_on: Mapping[str, date | None] = field(default_factory=dict)
    registered_on: date | None = None

    @property
    def frequencies(self) -> Frequencies:
        """How often the client filed."""
        filed = frozenset(one.period for one in self.filings if one.return_type == "GSTR3B")
        return Frequencies(self.frequency, self.preferences, filed)


@dataclass(frozen=True)
class Frequencies:
    """How often a registration filed, quarter by quarter.

    Attributes:
        usual: ``M`` or ``Q`` of the client master.
        preferences: (financial year, quarter) to ``M`` or ``Q``, as chosen at the portal.
        filed: months whose GSTR-3B is filed.
    """

    usual: str
    preferences: Mapping[tuple[str, str], str] = field(default_factory=dict)
    filed: Collection[Period] = frozenset()

    def of(self, month: Period) -> str:
        """Return ``M`` or ``Q`` for a month.

        A quarterly filer files GSTR-3B for the last month of a quarter only (CGST Rules, rule 61(1)), so one filed for
        another month of it proves a monthly filer; else what was chosen counts, and last the client master. Before 2021
        GSTR-3B was filed by the month whatever GSTR-1 was, so it proves nothing.
        """
        last = month
        while not last.is_quarter_end:
            last = last.next()
        second = last.previous()
        if month >= QRMP_BEGAN and (second in self.filed or second.previous() in self.filed):
            return "M"
        return _chosen(self.preferences, month, self.usual)


def frequencies_standing(engine: Engine, usual: Mapping[str, str], day: date) -> dict[str, Frequencies]:
    """Return how often clients filed, by client id, as it was known at the end of ``day``.

    Args:
        engine: the warehouse.
        usual: client id to ``M`` or ``Q`` of the client master.
        day: whose end counts.

    Raises:
        WarehouseError: the database cannot be read.
    """
    chosen = _preferences_standing(engine, list(usual), day)
    filed: dict[str, set[Period]] = {client_id: set() for client_id in usual}
    for row in rows_standing(engine, FILINGS, list(usual), day, ("status", "valid")):
        if row["return_type"] == "GSTR3B" and is_filed(row["status"], row["valid"]):
            filed[row["client_id"]].add(Period.parse(row["return_period"]))
    return {
        client_id: Frequencies(frequency, chosen[client_id], frozenset(filed[client_id]))
        for client_id, frequency in usual.items()
    }


def _preferences_standing(
    engine: Engine, client_ids: Sequence[str], day: date
) -> dict[str, dict[tuple[str, str], str]]:
    """Return client id to (financial year, quarter) to ``M`` or ``Q``, as it was known at the end of ``day``."""
    chosen: dict[str, dict[tuple[str, str], str]] = {client_id: {} for client_id in client_ids}
    for row in rows_standing(engine, PREFERENCES, client_ids, day):
        chosen[row["client_id"]][row["period"], row["quarter"]] = row["preference"]
    return chosen


def quarter_of(period: Period) -> str:
    """Return the quarter of the financial year in which a month lies: ``Q1`` is April to June."""
    return f"Q{(period.month - 4) % 12 // 3 + 1}"


def states(
    client: KnownClient, on: date, extensions: Sequence[Extension] = EXTENSIONS
) -> Iterator[ReturnState]:
    """Yield the state of every return of the years whose register was read, by month; other filed returns last."""
    filings = _first_filings(client.filings)
    frequencies = client.frequencies
    shown: set[tuple[str, Period]] = set()
    for year in sorted(client.read_on):
        first = Period(int(year[:4]), 4)
        last = min(Period(first.year + 1, 3), Period.of(on))
        for period in span(first, last):
            for one in _of_month(client, period, frequencies.of(period), on, filings, extensions):
                shown.add((one.return_type, period))
                yield one
    for (return_type, period), filed_on in sorted(filings.items()):
        if (return_type, period) not in shown:
            yield ReturnState(
                client.client_id,
                return_type,
                period,
                frequencies.of(period),
                None,
                filed_on,
                0,
                State.FILED,
                "filed; the due-date table has no rule for this return",
            )


def _first_filings(filings: Iterable[Filing]) -> dict[tuple[str, Period], date]:
    found: dict[tuple[str, Period], date] = {}
    for one in filings:
        key = (one.return_type, one.period)
        found[key] = min(found.get(key, one.filed_on), one.filed_on)
    return found


def _chosen(preferences: Mapping[tuple[str, str], str], period: Period, usual: str) -> str:
    chosen = preferences.get((period.financial_year, quarter_of(period)))
    return chosen if chosen in ("M", "Q") else usual


def _of_month(
    client: KnownClient,
    period: Period,
    frequency: str,
    on: date,
    filings: Mapping[tuple[str, Period], date],
    extensions: Sequence[Extension],
) -> Iterator[ReturnState]:
    within = frequency == "Q" and not period.is_quarter_end
    for return_type in ("GSTR1", "GSTR3B", "IFF") if within else ("GSTR1", "GSTR3B"):
        filed_on = filings.get((return_type, period))
        due = due_date(return_type, period, frequency, client.state_code, extensions)
        if within and return_type != "IFF":
            due = due_date(return_type, period, "M", client.state_code, extensions) if filed_on else None
        state, late, reason = _judge(client, period, on, due, filed_on, within=within)
        yield ReturnState(
            client.client_id,
            return_type,
            period,
            frequency,
            due.on if due else None,
            filed_on,
            late,
            state,
            reason,
        )


def _judge(
    client: KnownClient, period: Period, on: date, due: DueDate | None, filed_on: date | None, *, within: bool
) -> tuple[State, int, str]:
    """Return state, days late and the reason."""
    if filed_on is not None:
        return _judge_filed(due, filed_on)
    if client.registered_on is not None and period.last_day < client.registered_on:
        return State.NOT_APPLICABLE, 0, "the month lies before the registration"
    if within:
        return State.NOT_APPLICABLE, 0, "a quarterly filer owes nothing for this month; the IFF is optional"
    if due is None:
        return State.NOT_KNOWN, 0, "the due-date table has no rule for this return and month"
    return _judge_open(client, period, on, due)


def _judge_filed(due: DueDate | None, filed_on: date) -> tuple[State, int, str]:
    if due is None:
        return State.FILED, 0, "filed; the due-date table has no rule for this return and month"
    if filed_on <= due.on:
        return State.FILED, 0, f"filed by {due.on:%d-%m-%Y} ({due.source})"
    late = (filed_on - due.on).days
    return State.LATE, late, f"filed {late} days after {due.on:%d-%m-%Y} ({due.source})"


def _judge_open(client: KnownClient, period: Period, on: date, due: DueDate) -> tuple[State, int, str]:
    if on <= due.on:
        return State.NOT_YET_DUE, 0, f"due on {due.on:%d-%m-%Y} ({due.source})"
    read_on = client.read_on.get(period.financial_year)
    if read_on is None or read_on <= due.on:
        last = f"last read on {read_on:%d-%m-%Y}" if read_on else "not read by then"
        return State.NOT_KNOWN, 0, f"the register was {last}, not after the due date {due.on:%d-%m-%Y}"
    late = (on - due.on).days
    return (
        State.NOT_FILED,
        late,
        f"not in the register read on {read_on:%d-%m-%Y}; was due on {due.on:%d-%m-%Y} ({due.source})",
    )


def return_states(engine: Engine, client_ids: Sequence[str], on: date) -> list[ReturnState]:
    """Return the state of the returns of clients as it was known at the end of a day, by client and month.

    Years whose register was never read are left out: nothing can be said of them. Extensions of the firm's own file
    are taken into account.

    Raises:
        InvalidInput: the firm's file of due dates cannot be read.
        WarehouseError: the database cannot be read.
    """
    extensions = extensions_in_force()
    return [
        one for client in _known_clients(engine, client_ids, on) for one in states(client, on, extensions)
    ]


def _known_clients(engine: Engine, client_ids: Sequence[str], on: date) -> list[KnownClient]:
    with reading(engine) as connection:
        found = (
            connection.execute(select(_CLIENT).where(_CLIENT.c.client_id.in_(client_ids))).mappings().all()
        )
    clients = {row["client_id"]: row for row in found}
    usual = {one: clients[one]["filing_frequency"] for one in client_ids if one in clients}
    preferences = _preferences_standing(engine, list(usual), on)
    filings: dict[str, list[Filing]] = {one: [] for one in usual}
    for row in rows_standing(engine, FILINGS, list(usual), on, ("filed_on", "status", "valid")):
        if is_filed(row["status"], row["valid"]):
            month = Period.parse(row["return_period"])
            filings[row["client_id"]].append(Filing(row["return_type"], month, row["filed_on"], end_of(on)))
    read = _read_on(engine, list(usual), on)
    known = []
    for client_id, frequency in usual.items():
        registered = (clients[client_id]["settings"] or {}).get("registered_on")
        known.append(
            KnownClient(
                client_id=client_id,
                state_code=clients[client_id]["state_code"],
                frequency=frequency,
                preferences=preferences[client_id],
                filings=tuple(filings[client_id]),
                read_on=read.get(client_id, {}),
                registered_on=date.fromisoformat(registered) if registered else None,
            )
        )
    return known


def _read_on(engine: Engine, client_ids: Sequence[str], on: date) -> dict[str, dict[str, date | None]]:
    """Return when the register of each year was last read by the end of ``on``, by client; None: only after that day.

    The ledger remembers the newest reading; for an earlier day the units that ended by then tell it.
    """
    moment = end_of(on)
    newest = select(_CELL.c.client_id, _CELL.c.unit_period, _CELL.c.asked_at).where(
        _CELL.c.client_id.in_(client_ids),
        _CELL.c.connector == "gst",
        _CELL.c.module == "return_register",
        _CELL.c.section == "rettrack",
        _CELL.c.asked_at.is_not(None),
        _CELL.c.uncertain_empty.is_(False),
    )
    earlier = (
        select(_UNIT.c.client_id, _UNIT.c.unit_period, func.max(_UNIT.c.ended_at))
        .where(
            _UNIT.c.client_id.in_(client_ids),
            _UNIT.c.module == "return_register",
            _UNIT.c.outcome.in_(_READ),
            _UNIT.c.ended_at <= moment,
        )
        .group_by(_UNIT.c.client_id, _UNIT.c.unit_period)
    )
    found: dict[str, dict[str, date | None]] = defaultdict(dict)
    with reading(engine) as connection:
        cells = connection.execute(newest).all()
        ended = {(row[0], row[1]): row[2] for row in connection.execute(earlier)}
    for client_id, year, asked_at in cells:
        at = asked_at if asked_at <= moment else ended.get((client_id, year))
        found[client_id][year] = at.astimezone(INDIA).date() if at is not None else None
    return found
