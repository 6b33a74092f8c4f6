"""A ledger with a small run in it, written straight into the tables, for tests of reports and commands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert

from clientsync.database import writing
from clientsync.ledger.runs import COUNTS
from clientsync.ledger.tables import SyncClient, SyncException, SyncQuarantine, SyncRun, SyncUnit
from tests.support.gstins import gstin_of

BEGAN = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)


def write_client(engine: Engine, number: int, *, name: str | None = None, **changes: Any) -> str:
    """Write one client ``C<number>`` and return its id."""
    client_id = f"C{number:04d}"
    row: dict[str, Any] = {
        "client_id": client_id,
        "name": name or f"Client {number}",
        "gstin": gstin_of(number),
        "portal_username": f"user{number}",
        "provider": "gsp",
        "state_code": "27",
        "filing_frequency": "M",
        "is_active": True,
        "settings": {},
        "created_at": BEGAN,
        "updated_at": BEGAN,
    }
    with writing(engine) as connection:
        connection.execute(insert(SyncClient).values(**row | changes))
    return client_id


def write_run(engine: Engine, run_id: str = "run-1", *, state: str = "ended", kind: str = "manual") -> str:
    """Write one run that took a minute and return its id."""
    with writing(engine) as connection:
        connection.execute(
            insert(SyncRun).values(
                run_id=run_id,
                connector="fake",
                kind=kind,
                selection={},
                state=state,
                started_at=BEGAN,
                ended_at=BEGAN + timedelta(seconds=60) if state != "running" else None,
                counts={},
            )
        )
    return run_id


def write_unit(
    engine: Engine, run_id: str, number: int, client_id: str, outcome: str | None, **changes: Any
) -> str:
    """Write one unit of a run and return its id."""
    unit_id = f"{run_id}-{number:05d}"
    row: dict[str, Any] = {
        "unit_id": unit_id,
        "run_id": run_id,
        "client_id": client_id,
        "connector": "fake",
        "module": "things",
        "unit_period": "102026",
        "state": "ended" if outcome else "running",
        "outcome": outcome,
        "reason": "",
        "next_step": "",
        "staged": {},
        "started_at": BEGAN,
        "ended_at": BEGAN + timedelta(seconds=30) if outcome else None,
        **dict.fromkeys(COUNTS, 0),
    }
    with writing(engine) as connection:
        connection.execute(insert(SyncUnit).values(**row | changes))
    return unit_id


def write_exception(
    engine: Engine, run_id: str, unit_id: str, client_id: str, outcome: str, **changes: Any
) -> None:
    """Write one line of the exception report."""
    row: dict[str, Any] = {
        "exception_id": f"exc-{unit_id}-{changes.get('code', 'X')}",
        "run_id": run_id,
        "unit_id": unit_id,
        "client_id": client_id,
        "connector": "fake",
        "module": "things",
        "unit_period": "102026",
        "section": "red",
        "outcome": outcome,
        "code": "X",
        "message": "It happened.",
        "next_step": "Do this.",
        "rows": 0,
        "is_warning": False,
        "raised_at": BEGAN,
    }
    with writing(engine) as connection:
        connection.execute(insert(SyncException).values(**row | changes))


def write_quarantine(
    engine: Engine, run_id: str, unit_id: str, client_id: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Write rows into quarantine."""
    with writing(engine) as connection:
        for number, values in enumerate(rows):
            connection.execute(
                insert(SyncQuarantine).values(
                    quarantine_id=f"q-{unit_id}-{number:03d}",
                    client_id=client_id,
                    connector="fake",
                    module="things",
                    unit_period="102026",
                    section="red",
                    table_name="fake__thing",
                    run_id=run_id,
                    unit_id=unit_id,
                    values=values,
                    content_hash=f"{number:064d}",
                    codes="FAKE-01",
                    reason="not negative",
                    held_at=BEGAN,
                    resolution="",
                )
            )
