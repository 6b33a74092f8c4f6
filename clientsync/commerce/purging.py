"""What may be forgotten: webhooks and events that are long done, and what was said in tries of booked documents.

Documents, their reasons and decisions stay for good. An event that is delivered again after it was forgotten is read
again, which changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, and_, cast, delete, func, select, update

from clientsync.commerce import store
from clientsync.commerce.connected import Commerce
from clientsync.commerce.documents import DONE
from clientsync.commerce.events import EVENTS
from clientsync.commerce.intake import INBOUND
from clientsync.database import writing


def purge(of: Commerce, before: datetime, *, is_trial: bool = False, actor: str) -> dict[str, int]:
    """Forget what is older than a moment; return how much went, or would go, by kind. It is noted when something went.

    Args:
        of: the connection.
        before: aware; what came or ended later stays.
        is_trial: count only.
        actor: who wants it.
    """
    attempts, docs = store.ATTEMPTS, store.DOCS
    is_open = select(EVENTS.c.inbound_id).where(
        EVENTS.c.connection == of.name,
        EVENTS.c.state.in_(("new", "failed")),
        EVENTS.c.inbound_id.is_not(None),
    )
    webhooks = and_(
        INBOUND.c.connection == of.name, INBOUND.c.received_at < before, INBOUND.c.inbound_id.not_in(is_open)
    )
    events = and_(
        EVENTS.c.connection == of.name,
        EVENTS.c.processed_at < before,
        EVENTS.c.state.in_(("success", "ignored")),
    )
    booked = select(docs.c.doc_id).where(docs.c.connection == of.name, docs.c.state.in_(DONE))
    said = and_(
        attempts.c.doc_id.in_(booked), attempts.c.ended_at < before, cast(attempts.c.calls, Text) != "[]"
    )
    with writing(of.engine) as connection:
        of.switches(connection)
        found = {
            name: int(connection.execute(select(func.count()).select_from(table).where(where)).scalar_one())
            for name, table, where in (
                ("webhooks", INBOUND, webhooks), ("events", EVENTS, events), ("answers", attempts, said),
            )
        }  # fmt: skip
        if any(found.values()) and not is_trial:
            connection.execute(delete(INBOUND).where(webhooks))
            connection.execute(delete(EVENTS).where(events))
            connection.execute(update(attempts).where(said).values(calls=[]))
            detail = ", ".join(f"{count} {name}" for name, count in found.items())
            store.note_choice(
                connection, of.name, of.now(), actor, "purge", f"before {before:%Y-%m-%d}: {detail}"
            )
    return found
