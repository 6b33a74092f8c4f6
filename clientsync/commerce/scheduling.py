"""When documents of the ledger may be sent, said anew when a shift is closed or a mode changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from clientsync.commerce.documents import Shift
from clientsync.commerce.judging import JUDGED
from clientsync.commerce.store import DOCS, SHIFTS, upserting
from clientsync.commerce.timing import SyncMode, eligible
from clientsync.database import among


def take_in_shifts(
    connection: Connection, name: str, shifts: Iterable[Shift], mode: SyncMode, at: datetime
) -> set[int]:
    """Keep shifts, and say anew when the sales of their registers may be sent; return the sales concerned."""
    newest = {one.shift_id: one for one in shifts}
    if not newest:
        return set()
    statement = upserting(connection, SHIFTS)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["connection", "shift_id"],
            set_={name_: statement.excluded[name_] for name_ in ("register_id", "opened_at", "closed_at")},
        ),
        [
            {
                "connection": name,
                "shift_id": one.shift_id,
                "register_id": one.register,
                "opened_at": one.opened_at,
                "closed_at": one.closed_at,
            }
            for one in newest.values()
        ],
    )
    if mode.sales != "shift_close":
        return set()
    return time_anew(connection, name, mode, at, registers={one.register for one in newest.values()})


def shifts_of(
    connection: Connection, name: str, registers: Collection[str], mode: SyncMode
) -> dict[str, list[Shift]]:
    """Return the shifts of registers, when they matter in a mode."""
    if mode.sales != "shift_close" or not registers:
        return {}
    found: dict[str, list[Shift]] = {}
    for row in connection.execute(
        select(SHIFTS).where(SHIFTS.c.connection == name, among(connection, SHIFTS.c.register_id, registers))
    ):
        found.setdefault(row.register_id, []).append(
            Shift(row.shift_id, row.register_id, row.opened_at, row.closed_at)
        )
    return found


def time_anew(
    connection: Connection, name: str, mode: SyncMode, at: datetime, registers: Collection[str] | None = None
) -> set[int]:
    """Say anew when documents that are not sent yet may be; return those for which it changed.

    Args:
        connection: of a transaction.
        name: of the connection.
        mode: as it is set now.
        at: the moment.
        registers: only sales of these; None: everything.
    """
    where = [DOCS.c.connection == name, DOCS.c.state.in_(JUDGED)]
    if registers is not None:
        where.append(among(connection, DOCS.c.register_id, registers))
    rows = connection.execute(
        select(
            DOCS.c.doc_id, DOCS.c.type, DOCS.c.arrived_at, DOCS.c.occurred_at, DOCS.c.closed_at, DOCS.c.register_id,
            DOCS.c.eligible_at,
        ).where(*where)
    ).all()  # fmt: skip
    shifts = shifts_of(connection, name, {row.register_id for row in rows if row.register_id}, mode)
    changed = []
    for row in rows:
        when = eligible(
            mode, row.type, arrived_at=row.arrived_at, sold_at=row.closed_at or row.occurred_at,
            register=row.register_id, shifts=shifts.get(row.register_id, ()),
        )  # fmt: skip
        if when.at != row.eligible_at:
            changed.append({"of": row.doc_id, "to": when.at, "at": at})
    if changed:
        connection.execute(
            update(DOCS)
            .where(DOCS.c.doc_id == bindparam("of"))
            .values(eligible_at=bindparam("to"), changed_at=bindparam("at"), reason_code="", reason=""),
            changed,
        )
    return {one["of"] for one in changed}
