"""Events that webhooks or a sweep announced, and what became of each.

An event is a hint only: the document is read again as it stands now, so neither order nor repetition matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Table, func, or_, select, update

from clientsync.commerce import reasons, store
from clientsync.commerce.connected import Commerce
from clientsync.commerce.documents import Key, State, digest
from clientsync.commerce.store import upserting
from clientsync.commerce.systems import EventSeen
from clientsync.commerce.verdicts import rejudge
from clientsync.database import among
from clientsync.errors import InvalidInput
from clientsync.ledger import commerce_tables as t

EVENTS: Table = t.CommerceEvent.__table__  # type: ignore[attr-defined]
TRIES = 8
"""After so many a passing failure counts as one: the event is shown as failed, and a replay tries it again."""
_LONGEST = timedelta(minutes=10)


def _key(text: str) -> str:
    """Return a key that fits into its column and is as different as the text."""
    return text if len(text) <= 300 else text[:235] + "|" + digest(text)


def _fresh(
    name: str, system: str, key: str, seen: EventSeen, at: datetime, inbound_id: int | None
) -> dict[str, Any]:
    """Return the row of an event that has just come."""
    return {
        "connection": name,
        "system": system,
        "dedupe_key": key,
        "inbound_id": inbound_id,
        "type": seen.type,
        "entity_id": seen.entity_id,
        "action": seen.action,
        "happened_at": seen.happened_at,
        "received_at": at,
        "state": "new",
        "reason": "",
        "tries": 0,
        "due_at": at,
        "deliveries": 1,
    }


def store_events(
    connection: Connection,
    name: str,
    system: str,
    seen: Iterable[EventSeen],
    at: datetime,
    inbound_id: int | None = None,
) -> int:
    """Keep events, each once however often it is delivered; return how many are new."""
    fresh = 0
    # an event that tells no moment may be a new one in the same words
    again = {"state": "new", "due_at": at, "tries": 0}
    for one in seen:
        key = _key(f"{name}|{system}|{one.dedupe_key}")
        statement = upserting(connection, EVENTS).values(_fresh(name, system, key, one, at, inbound_id))
        count = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["dedupe_key"],
                set_={"deliveries": EVENTS.c.deliveries + 1, **({} if one.happened_at else again)},
            ).returning(EVENTS.c.deliveries)
        ).scalar_one()
        fresh += count == 1
    return fresh


Announced = tuple[int, int]
"""Number of an event, and how often it had come when its document was about to be read."""


def due(
    connection: Connection, of: Commerce, at: datetime, limit: int
) -> dict[tuple[str, Key], list[Announced]]:
    """Return what new events say must be read, as (system, key), with the events that say so.

    Those of no concern are settled here.
    """
    if limit < 1:
        return {}
    rows = connection.execute(
        select(EVENTS)
        .where(EVENTS.c.connection == of.name, EVENTS.c.state == "new", EVENTS.c.due_at <= at)
        .order_by(EVENTS.c.event_id)
        .limit(limit)
    ).all()
    found: dict[tuple[str, Key], list[Announced]] = {}
    for row in rows:
        is_told = _told_at_once(connection, of, row, at)
        keys = of.system(row.system).keys_of(_seen(row))
        if not keys:
            reason = "" if is_told else "No document of this connection is concerned."
            _end(connection, [row.event_id], "success" if is_told else "ignored", reason, at)
        for key in keys:
            found.setdefault((row.system, key), []).append((row.event_id, row.deliveries))
    return found


def next_due(connection: Connection, name: str, after: datetime) -> datetime | None:
    """Return when the next event becomes due that is not due at a moment."""
    found: datetime | None = connection.execute(
        select(func.min(EVENTS.c.due_at)).where(
            EVENTS.c.connection == name, EVENTS.c.state == "new", EVENTS.c.due_at > after
        )
    ).scalar_one()
    return found


def _seen(row: Any) -> EventSeen:
    told = row.dedupe_key.removeprefix(f"{row.connection}|{row.system}|")
    return EventSeen(told, row.type, row.entity_id, row.action, row.happened_at)


def _told_at_once(connection: Connection, of: Commerce, row: Any, at: datetime) -> bool:
    """Do what an event says of booked documents and of masters; return whether it was of any.

    Nothing has to be read for it.
    """
    system, seen = of.system(row.system), _seen(row)
    changed = _target_deleted(connection, of.name, system.about_booked(seen), at)
    changed |= _repaired_there(connection, of.name, system.masters_of(seen), at)
    if changed:
        rejudge(connection, of.name, changed, of.switches(connection).mode, at)
    return bool(changed)


def _target_deleted(connection: Connection, name: str, booked: Sequence[Key], at: datetime) -> set[int]:
    docs = store.DOCS
    ids: set[int] = set()
    for key in booked:
        ids |= set(
            connection.execute(
                select(docs.c.doc_id).where(
                    docs.c.connection == name,
                    docs.c.type == key.type,
                    docs.c.target_id == key.source_id,
                    docs.c.state == State.SUCCESS,
                )
            ).scalars()
        )
    store.set_state(connection, ids, State.FAILED, reasons.TARGET_DELETED, at)
    return ids


def _repaired_there(connection: Connection, name: str, masters: Sequence[Key], at: datetime) -> set[int]:
    """Let what failed be tried again when an item or a customer of it was changed in the target."""
    docs, needs = store.DOCS, store.NEEDS
    ids: set[int] = set()
    for key in masters:
        mapped = select(store.MAPS.c.source_key).where(
            store.MAPS.c.connection == name,
            store.MAPS.c.kind == key.type,
            store.MAPS.c.target_key == key.source_id,
        )
        master = select(docs.c.doc_id).where(
            docs.c.connection == name,
            docs.c.type == key.type,
            or_(docs.c.source_id == key.source_id, docs.c.source_id.in_(mapped)),
        )
        ids |= set(
            connection.execute(
                select(docs.c.doc_id).where(
                    docs.c.connection == name,
                    docs.c.state == State.FAILED,
                    docs.c.reason_code == "target_rejected",
                    docs.c.doc_id.in_(
                        select(needs.c.doc_id).where(needs.c.need_id.in_(master)).union(master)
                    ),
                )
            ).scalars()
        )
    store.set_state(connection, ids, State.RECEIVED, reasons.NONE, at)
    return ids


def settle(
    connection: Connection, announced: Sequence[Announced], error: str, at: datetime, *, is_passing: bool
) -> None:
    """End events whose document was read after they came, or say when it is read again.

    One that came once more in the meantime stays: the reading may have begun before.
    """
    times = dict(announced)
    came = connection.execute(
        select(EVENTS.c.event_id, EVENTS.c.deliveries).where(among(connection, EVENTS.c.event_id, times))
    )
    ids = [row.event_id for row in came if row.deliveries == times[row.event_id]]
    if not error:
        _end(connection, ids, "success", "", at)
        return
    for row in connection.execute(select(EVENTS).where(among(connection, EVENTS.c.event_id, ids))).all():
        if is_passing and row.tries + 1 < TRIES:
            later = at + min(timedelta(seconds=2) * 2**row.tries, _LONGEST)
            connection.execute(
                update(EVENTS)
                .where(EVENTS.c.event_id == row.event_id)
                .values(tries=row.tries + 1, due_at=later, reason=error)
            )
        else:
            _end(connection, [row.event_id], "failed", error, at)


def _end(connection: Connection, ids: Sequence[int], state: str, reason: str, at: datetime) -> None:
    if not ids:
        return
    values: dict[str, Any] = {"state": state, "processed_at": at, "due_at": None}
    if reason or state == "success":
        values["reason"] = reason
    connection.execute(update(EVENTS).where(among(connection, EVENTS.c.event_id, ids)).values(**values))


def replay(connection: Connection, name: str, event_id: int, at: datetime, actor: str) -> int:
    """Let an event be worked on again, by the path of all others; return the number of the new one.

    Raises:
        InvalidInput: there is no such event.
    """
    row = connection.execute(
        select(EVENTS).where(EVENTS.c.connection == name, EVENTS.c.event_id == event_id)
    ).one_or_none()
    if row is None:
        raise InvalidInput(f"There is no event {event_id}.")
    key = _key(f"{row.dedupe_key}|replay|{uuid4()}")
    values = _fresh(name, row.system, key, _seen(row), at, row.inbound_id)
    made = connection.execute(
        EVENTS.insert().values({**values, "replay_of": event_id}).returning(EVENTS.c.event_id)
    )
    fresh = int(made.scalar_one())
    store.note_choice(connection, name, at, actor, "replay", f"event {event_id} as {fresh}")
    return fresh
