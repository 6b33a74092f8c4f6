"""The operator's side of the quarantine: list what waits, replay it after a fix, dismiss it with a reason.

Every open row belongs to the newest answer of its section that held it. Invariant: a row leaves quarantine once, by
exactly one of ``replayed``, ``superseded`` and ``dismissed``, and is never deleted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, select, update

from clientsync import clock
from clientsync.database import writing
from clientsync.errors import InvalidInput, UnknownName
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncDecision, SyncQuarantine
from clientsync.warehouse.replaying import ReplayResult, replay
from clientsync.warehouse.waiting import HeldFilter, HeldRow, find_rows

DISMISSED = "dismissed"
_Q: Any = SyncQuarantine.__table__  # type: ignore[attr-defined]
_DECISION: Any = SyncDecision.__table__  # type: ignore[attr-defined]

__all__ = ["HeldFilter", "HeldRow", "ReplayResult", "dismiss", "find_rows", "open_rows", "replay"]


def open_rows(
    engine: Engine,
    *,
    client: str | None = None,
    connector: str | None = None,
    module: str | None = None,
    unit_period: str | None = None,
    section: str | None = None,
    table: str | None = None,
    code: str | None = None,
    limit: int | None = None,
) -> list[HeldRow]:
    """Return the rows that wait in quarantine, the oldest first; see ``HeldFilter`` for the arguments."""
    found = find_rows(engine, HeldFilter(client, connector, module, unit_period, section, table, code))
    return found if limit is None else found[:limit]


def dismiss(engine: Engine, quarantine_id: str, reason: str, *, now: datetime | None = None) -> str:
    """Take a row out of quarantine without loading it, because a person said why; return the decision's id.

    The row stays stored with its values, and its unit goes on counting it as held.

    Raises:
        InvalidInput: no reason.
        UnknownName: no open row of that id; lists those that are open.
    """
    if not reason.strip():
        raise InvalidInput("A dismissal needs a reason.")
    moment = now or clock.now()
    decision_id = new_id("dec")
    with writing(engine) as connection:
        client_id = connection.execute(
            update(_Q)
            .where(_Q.c.quarantine_id == quarantine_id, _Q.c.resolved_at.is_(None))
            .values(resolved_at=moment, resolution=DISMISSED)
            .returning(_Q.c.client_id)
        ).scalar_one_or_none()
        if client_id is None:
            listed = select(_Q.c.quarantine_id).where(_Q.c.resolved_at.is_(None)).order_by(_Q.c.quarantine_id)
            raise UnknownName("open quarantine row", quarantine_id, connection.execute(listed).scalars())
        connection.execute(
            insert(_DECISION).values(
                decision_id=decision_id,
                client_id=client_id,
                kind="dismiss",
                subject=quarantine_id,
                reason=reason.strip(),
                decided_at=moment,
            )
        )
    return decision_id
