"""No state grows old in silence: what does not move on by its deadline becomes an error with a next step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from clientsync.clock import now
from clientsync.exchange import tables as t
from clientsync.exchange.nodes import Lease, Node, note_error

INTERVAL = timedelta(minutes=15)
"""Time between two syncs, as the deployment is scheduled."""
SENT_WITHIN = 2 * INTERVAL
ANSWERED_WITHIN = 3 * INTERVAL
APPLIED_WITHIN = INTERVAL
REMINDED_AFTER = timedelta(days=1)


def watch(node: Node, lease: Lease, beats: Mapping[str, Mapping[str, Any]]) -> int:
    """Write an error for whatever is older than its deadline at the end of a sync, and return how many are new.

    Documents are to be sent within two intervals and answered within three, while the receiver syncs; else it is told
    since when it is away. What is held is told again every day.

    Args:
        node: whose states they are.
        lease: of its sync.
        beats: newest signs of life of its peers.
    """
    with node.writing("watch", lease) as connection:
        return sum(
            (_unsent(connection), _unanswered(connection, beats), _unapplied(connection), _held(connection))
        )


def _before(limit: timedelta) -> str:
    return (now() - limit).isoformat(timespec="milliseconds")


def _unsent(connection: Connection) -> bool:
    new = sum(
        connection.execute(
            select(func.count()).where(
                t.outbox.c.state == state, t.outbox.c.occurred_at < _before(SENT_WITHIN)
            )
        ).scalar_one()
        for state in ("NEW", "ASIDE")
    )
    packed = connection.execute(
        select(func.coalesce(func.sum(t.batch_out.c.n), 0)).where(
            t.batch_out.c.state == "PACKED", t.batch_out.c.packed_at < _before(SENT_WITHIN)
        )
    ).scalar_one()
    if not new and not packed:
        return False
    return note_error(
        connection,
        peer="",
        error_class="TRANSIENT",
        code="NOT_SENT_YET",
        what="documents to send",
        reason=f"{new + packed} are older than {SENT_WITHIN.seconds // 60} minutes and not in the web database",
        next_step="clientsync exchange test-connection; stores that are left out of a sync wait for their turn.",
    )


def _unanswered(connection: Connection, beats: Mapping[str, Mapping[str, Any]]) -> int:
    told = 0
    for row in connection.execute(
        select(t.batch_out.c.peer, func.min(t.batch_out.c.uploaded_at).label("since"))
        .where(t.batch_out.c.state == "UPLOADED", t.batch_out.c.uploaded_at < _before(ANSWERED_WITHIN))
        .group_by(t.batch_out.c.peer)
        .order_by(t.batch_out.c.peer)
    ).all():
        seen = str(beats[row.peer]["at"]) if row.peer in beats else ""
        is_there = bool(seen) and seen > _after(row.since, ANSWERED_WITHIN)
        told += note_error(
            connection,
            peer=row.peer,
            error_class="PROTOCOL" if is_there else "TRANSIENT",
            code="NOT_ANSWERED",
            what=f"stream to {row.peer}",
            reason=f"{row.peer} syncs and does not answer what lies there since {row.since}"
            if is_there
            else f"{row.peer} is away; it was there last: {seen or 'never'}",
            next_step=f"Look at {row.peer}: clientsync exchange errors."
            if is_there
            else "Nothing is given up; it gets everything when it is back.",
        )
    return told


def _after(moment: str, limit: timedelta) -> str:
    return (datetime.fromisoformat(moment) + limit).isoformat(timespec="milliseconds")


def _unapplied(connection: Connection) -> bool:
    left = connection.execute(
        select(func.count()).where(
            t.inbox.c.state == "RECEIVED", t.inbox.c.received_at < _before(APPLIED_WITHIN)
        )
    ).scalar_one()
    if not left:
        return False
    return note_error(
        connection,
        peer="",
        error_class="TRANSIENT",
        code="NOT_APPLIED_YET",
        what="received documents",
        reason=f"{left} lie in the inbox for more than {APPLIED_WITHIN.seconds // 60} minutes",
        next_step="The next sync tries them; when it stays, see the error of the phase apply.",
    )


def _held(connection: Connection) -> int:
    told = 0
    for row in connection.execute(
        select(t.inbox.c.peer, func.count().label("number"), func.min(t.inbox.c.received_at).label("since"))
        .where(
            t.inbox.c.state.in_(("BLOCKED", "QUARANTINED")), t.inbox.c.received_at < _before(REMINDED_AFTER)
        )
        .group_by(t.inbox.c.peer)
        .order_by(t.inbox.c.peer)
    ).all():
        days = (now() - datetime.fromisoformat(row.since)).days
        told += note_error(
            connection,
            peer=row.peer,
            error_class="DOCUMENT",
            code="STILL_HELD",
            what=f"documents of {row.peer}",
            reason=f"{row.number} are held, the oldest for {days} days",
            next_step="clientsync exchange quarantine lists them with what they wait for.",
        )
    return told
