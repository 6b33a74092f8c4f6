"""Analysts' view of the return register says what the register itself works out, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import column, insert, table, text
from sqlalchemy import select as sql_select

from clientsync import database
from clientsync.clock import INDIA
from clientsync.ledger.tables import SyncCell, SyncClient, SyncRun, SyncUnit
from clientsync.periods import Period
from clientsync.warehouse.schema import warehouse_table
from connectors.gst.register import State, return_states
from connectors.gst.register_view import VIEWS
from connectors.gst.return_register import FILINGS, PREFERENCES
from tests.support.gstins import gstin_of

NOW = datetime.now(UTC)
TODAY = NOW.astimezone(INDIA).date()
"""The view lives by the database's clock, so this test does too."""

ENGINE = {
    "row_hash": "h",
    "run_id": "r",
    "unit_id": "u",
    "source": "portal",
    "first_loaded_at": NOW,
    "loaded_at": NOW,
    "removed_at": None,
}


def client(number: int, state: str, frequency: str, **settings: str) -> dict[str, Any]:
    return {
        "client_id": f"C{number}",
        "name": f"Client {number}",
        "gstin": gstin_of(number),
        "portal_username": "",
        "provider": "gsp",
        "state_code": state,
        "filing_frequency": frequency,
        "is_active": True,
        "settings": settings,
        "created_at": NOW,
        "updated_at": NOW,
    }


def filing(who: str, kind: str, period: Period, on: date, **other: str) -> dict[str, Any]:
    values = {"status": "Filed", "valid": "Y", "arn": f"{kind}{period}", "mode": "ONLINE", **other}
    return {
        **ENGINE,
        **values,
        "client_id": who,
        "period": period.financial_year,
        "section": "rettrack",
        "return_type": kind,
        "return_period": str(period),
        "filed_on": on,
    }


def cell(who: str, year: str, at: datetime) -> dict[str, Any]:
    return {
        "client_id": who,
        "connector": "gst",
        "module": "return_register",
        "unit_period": year,
        "section": "rettrack",
        "unit_id": "u",
        "outcome": "loaded",
        "asked_at": at,
    }


@pytest.fixture
def engine(database_url: str) -> Any:
    """A warehouse with clients of both frequencies, filed, late and missing returns, and the view."""
    made = database.open_engine(database_url)
    last = Period.of(TODAY).previous()
    months = [last]
    for _ in range(7):
        months.append(months[-1].previous())
    years = sorted({one.financial_year for one in months} | {Period.of(TODAY).financial_year})
    rows = []
    for number, month in enumerate(months[1:]):
        due_month = month.next()
        rows.append(filing("C1", "GSTR3B", month, date(due_month.year, due_month.month, 17 + number)))
        rows.append(filing("C2", "GSTR1", month, date(due_month.year, due_month.month, 12)))
        rows.append(filing("C2", "GSTR1A", month, date(due_month.year, due_month.month, 15)))
        rows.append(filing("C3", "IFF", month, date(due_month.year, due_month.month, 15)))
        rows.append(filing("C4", "GSTR3B", month, date(due_month.year, due_month.month, 2), valid="N"))
    within = next(month for month in months[3:] if not month.is_quarter_end)
    rows.append(filing("C6", "GSTR3B", within, within.next().first_day))
    preference = {**ENGINE, "client_id": "C3", "section": "getpref", "preference": "M", "quarter": "Q1"}
    with database.writing(made) as connection:
        for built in map(warehouse_table, (FILINGS, PREFERENCES)):
            built.core.create(connection)
            built.history.create(connection)
        for ledger in (SyncClient.__table__, SyncRun.__table__, SyncUnit.__table__, SyncCell.__table__):  # type: ignore[attr-defined]
            ledger.create(connection)
        people = [
            client(1, "29", "M"),
            client(2, "07", "Q"),
            client(3, "27", "Q"),
            client(4, "09", "M", registered_on=f"{months[3].first_day:%Y-%m-%d}"),
            client(5, "29", "M"),
            client(6, "29", "Q"),
        ]
        connection.execute(insert(SyncClient), people)
        connection.execute(insert(warehouse_table(FILINGS).core), rows)
        connection.execute(
            insert(warehouse_table(PREFERENCES).core), [{**preference, "period": year} for year in years]
        )
        seen = [("C1", NOW), ("C2", NOW), ("C3", NOW - timedelta(days=40)), ("C4", NOW), ("C6", NOW)]
        connection.execute(insert(SyncCell), [cell(who, year, at) for who, at in seen for year in years])
        [view] = VIEWS
        connection.execute(text(f"CREATE VIEW {view.name} AS {view.select(made.dialect.name)}"))
    yield made
    made.dispose()


def test_the_view_says_what_the_register_says(engine: Any) -> None:
    names = ("client_id", "return_type", "return_period", "due_on", "filed_on", "days_late", "state")
    view = table("v_return_register", *(column(name) for name in names))
    with database.reading(engine) as connection:
        shown = {tuple(map(str, row)) for row in connection.execute(sql_select(view))}
    worked = return_states(engine, ["C1", "C2", "C3", "C4", "C5", "C6"], TODAY)
    said = {
        tuple(
            map(
                str,
                (
                    one.client_id,
                    one.return_type,
                    one.period,
                    one.due_on,
                    one.filed_on,
                    one.days_late,
                    one.state,
                ),
            )
        )
        for one in worked
    }
    assert shown == said
    assert {row[0] for row in shown} == {"C1", "C2", "C3", "C4", "C6"}  # C5's register was never read
    assert {State(row[6]) for row in shown} >= {
        State.FILED,
        State.LATE,
        State.NOT_FILED,
        State.NOT_YET_DUE,
        State.NOT_APPLICABLE,
    }
