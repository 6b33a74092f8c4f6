"""The state of every return that a client owes: filed, late by so many days, not filed, not yet due, not applicable.

RETTRACK lists filed returns only; the rest follows from the filing preference and the due dates. The state is worked
out when it is asked for, never stored, because it changes with the day. Invariant: a return is called not filed only
when the register was read after its due date; otherwise it is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from sqlalchemy import Connection, Engine, inspect, select

from clientsync.clock import INDIA
from clientsync.database import reading
from clientsync.ledger.tables import SyncCell, SyncClient
from clientsync.periods import Period, span
from clientsync.spec.module import Filing
from clientsync.warehouse.schema import warehouse_table
from connectors.gst.duedates import EXTENSIONS, DueDate, Extension, due_date, extensions_in_force
from connectors.gst.return_register import FILINGS, PREFERENCES, is_filed

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_CELL = SyncCell.__table__  # type: ignore[attr-defined]


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
        frequency: ``M`` or ``Q`` of the client master, for quarters without a preference.
        preferences: (financial year, quarter such as ``Q1``) to ``M`` or ``Q``.
        filings: filed returns.
        read_on: financial year to the Indian day on which its register was last read.
        registered_on: first day of the registration (client setting ``registered_on``), None when not known.
    """

    client_id: str
    state_code: str
    frequency: str
    preferences: Mapping[tuple[str, str], str] = field(default_factory=dict)
    filings: Sequence[Filing] = ()
    read_on: Mapping[str, date] = field(default_factory=dict)
    registered_on: date | None = None


def quarter_of(period: Period) -> str:
    """Return the quarter of the financial year in which a month lies: ``Q1`` is April to June."""
    return f"Q{(period.month - 4) % 12 // 3 + 1}"


def states(
    client: KnownClient, on: date, extensions: Sequence[Extension] = EXTENSIONS
) -> Iterator[ReturnState]:
    """Yield the state of every return of the years whose register was read, by month; other filed returns last."""
    filings = _first_filings(client.filings)
    shown: set[tuple[str, Period]] = set()
    for year in sorted(client.read_on):
        first = Period(int(year[:4]), 4)
        last = min(Period(first.year + 1, 3), Period.of(on))
        for period in span(first, last):
            for one in _of_month(client, period, on, filings, extensions):
                shown.add((one.return_type, period))
                yield one
    for (return_type, period), filed_on in sorted(filings.items()):
        if (return_type, period) not in shown:
            yield ReturnState(
                client.client_id,
                return_type,
                period,
                _frequency(client, period),
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


def _frequency(client: KnownClient, period: Period) -> str:
    chosen = client.preferences.get((period.financial_year, quarter_of(period)))
    return chosen if chosen in ("M", "Q") else client.frequency


def _of_month(
    client: KnownClient,
    period: Period,
    on: date,
    filings: Mapping[tuple[str, Period], date],
    extensions: Sequence[Extension],
) -> Iterator[ReturnState]:
    frequency = _frequency(client, period)
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
        last = f"last read on {read_on:%d-%m-%Y}" if read_on else "never read"
        return State.NOT_KNOWN, 0, f"the register was {last}, not after the due date {due.on:%d-%m-%Y}"
    late = (on - due.on).days
    return (
        State.NOT_FILED,
        late,
        f"not in the register read on {read_on:%d-%m-%Y}; was due on {due.on:%d-%m-%Y} ({due.source})",
    )


def return_states(engine: Engine, client_ids: Sequence[str], on: date) -> list[ReturnState]:
    """Return the state of the returns of clients on a day, by client and month.

    Years whose register was never read are left out: nothing can be said of them. Extensions of the firm's own file
    are taken into account.

    Raises:
        InvalidInput: the firm's file of due dates cannot be read.
        WarehouseError: the database cannot be read.
    """
    extensions = extensions_in_force()
    with reading(engine) as connection:
        tables = inspect(connection).get_table_names()
        known = [
            client
            for client_id in client_ids
            if (client := _known_client(connection, client_id, frozenset(tables))) is not None
        ]
    return [one for client in known for one in states(client, on, extensions)]


def _known_client(connection: Connection, client_id: str, tables: frozenset[str]) -> KnownClient | None:
    row = connection.execute(select(_CLIENT).where(_CLIENT.c.client_id == client_id)).mappings().one_or_none()
    if row is None:
        return None
    read = connection.execute(
        select(_CELL.c.unit_period, _CELL.c.asked_at).where(
            _CELL.c.client_id == client_id,
            _CELL.c.connector == "gst",
            _CELL.c.module == "return_register",
            _CELL.c.section == "rettrack",
            _CELL.c.asked_at.is_not(None),
            _CELL.c.uncertain_empty.is_(False),
        )
    )
    registered = (row["settings"] or {}).get("registered_on")
    return KnownClient(
        client_id=client_id,
        state_code=row["state_code"],
        frequency=row["filing_frequency"],
        preferences=_preferences(connection, client_id) if "core_gst__preference" in tables else {},
        filings=_filings(connection, client_id) if "core_gst__filing" in tables else (),
        read_on={one.unit_period: one.asked_at.astimezone(INDIA).date() for one in read},
        registered_on=date.fromisoformat(registered) if registered else None,
    )


def _preferences(connection: Connection, client_id: str) -> dict[tuple[str, str], str]:
    core = warehouse_table(PREFERENCES).core
    rows = connection.execute(
        select(core.c.period, core.c.quarter, core.c.preference).where(
            core.c.client_id == client_id, core.c.removed_at.is_(None)
        )
    )
    return {(row.period, row.quarter): row.preference for row in rows}


def _filings(connection: Connection, client_id: str) -> tuple[Filing, ...]:
    core = warehouse_table(FILINGS).core
    rows = connection.execute(
        select(core).where(core.c.client_id == client_id, core.c.removed_at.is_(None))
    ).all()
    return tuple(
        Filing(row.return_type, Period.parse(row.return_period), row.filed_on, row.loaded_at)
        for row in rows
        if is_filed(row.status, row.valid)
    )
