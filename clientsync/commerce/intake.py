"""Webhooks as they come in: stored before they are answered, genuine or not, each event once.

Nothing is worked on here, so the answer never waits for another system; the worker is woken by whoever calls this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete, insert, select

from clientsync.commerce import store
from clientsync.commerce.connected import Commerce
from clientsync.commerce.events import EVENTS, store_events
from clientsync.commerce.store import length_of
from clientsync.commerce.systems import EventSeen
from clientsync.crash import crash_point
from clientsync.database import writing
from clientsync.errors import ContractChanged
from clientsync.ledger import commerce_tables as t

INBOUND: Table = t.CommerceInbound.__table__  # type: ignore[attr-defined]
LARGEST = 1_000_000
"""Bytes of a webhook; a larger one is refused unread."""
KEPT_OF_REJECTED = 2_000
"""Bytes that are kept of one that is not genuine."""
MOST_REJECTED = 10_000
"""Rejected webhooks that are kept of a connection; the oldest go."""
_KEPT_HEADERS = (
    "content-type",
    "user-agent",
    "timestamp",
    "webhook-id",
    "webhook-timestamp",
    "x-client-address",
)


@dataclass(frozen=True)
class Received:
    """What became of a webhook.

    Attributes:
        reason: why it was rejected; empty when it was taken.
        fresh: how many of its events are new.
    """

    reason: str
    fresh: int = 0


def receive(
    of: Commerce, system: str, headers: Mapping[str, str], body: bytes, *, reason: str = ""
) -> Received:
    """Store a webhook with its events in one transaction; when this returns, it is on disk.

    Args:
        of: the connection.
        system: shop or accounting.
        headers: names in lower case.
        body: as it came.
        reason: why it is rejected whatever it says, for example a path that nobody was told.

    Raises:
        WarehouseError: it is not stored; the sender must send it again.
    """
    at = of.now()
    side = of.system(system)
    reason = reason or side.verify(headers, body, at)
    seen: list[EventSeen] = []
    if not reason:
        try:
            seen = side.events(body)
            reason = _too_long(seen)
        except ContractChanged as error:
            reason = error.message
    with writing(of.engine) as connection:
        of.switches(connection, is_writing=False)  # it judges nothing, so it waits for no worker
        inbound_id = connection.execute(
            insert(INBOUND)
            .values(
                connection=of.name,
                system=system,
                received_at=at,
                headers={name: headers[name][:200] for name in _KEPT_HEADERS if name in headers},
                body=body if not reason else body[:KEPT_OF_REJECTED],
                body_sha=hashlib.sha256(body).hexdigest(),
                is_verified=not reason,
                reason=reason,
            )
            .returning(INBOUND.c.inbound_id)
        ).scalar_one()
        fresh = 0 if reason else store_events(connection, of.name, system, seen, at, inbound_id)
        if reason:
            _forget_oldest(connection, of.name)
        else:
            store.note_event(connection, of.name, system, at)
    crash_point("commerce_intake")
    return Received(reason, fresh)


def _too_long(seen: list[EventSeen]) -> str:
    """Return why events cannot be kept: a part is longer than its column."""
    for one in seen:
        for part, column in (
            (one.entity_id, EVENTS.c.entity_id),
            (one.type, EVENTS.c.type),
            (one.action, EVENTS.c.action),
        ):
            longest = length_of(column)
            if len(part) > longest:
                return f"a part of an event has {len(part)} characters, more than {longest}"
    return ""


def _forget_oldest(connection: Connection, name: str) -> None:
    """Let forgeries not fill the disk."""
    rejected = (INBOUND.c.connection == name, ~INBOUND.c.is_verified)
    last_kept = (
        select(INBOUND.c.inbound_id)
        .where(*rejected)
        .order_by(INBOUND.c.inbound_id.desc())
        .offset(MOST_REJECTED)
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(delete(INBOUND).where(*rejected, INBOUND.c.inbound_id <= last_kept))
