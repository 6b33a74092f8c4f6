"""What is read of the two systems because an event announced it, or because another document needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from clientsync.commerce import events, reasons, store
from clientsync.commerce.connected import Commerce
from clientsync.commerce.documents import Key, Received, State
from clientsync.commerce.taking_in import let_go, parts_of, take_in
from clientsync.commerce.timing import SyncMode
from clientsync.commerce.verdicts import rejudge
from clientsync.errors import SyncError

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(minutes=5)
"""After which a document that others need and that its source could not give is asked for again."""


@dataclass(frozen=True)
class Read:
    """What a system said of a document.

    Attributes:
        events: that announced it before it was asked.
        error: why it could not be asked; empty: it answered.
        is_passing: asking again may help.
    """

    key: Key
    events: tuple[events.Announced, ...]
    found: tuple[Received, ...] = ()
    error: str = ""
    is_passing: bool = False


def read(of: Commerce, system: str, key: Key, announced: Sequence[events.Announced]) -> Read:
    """Ask a system for a document as it stands now; what goes wrong is told, not raised."""
    try:
        return Read(key, tuple(announced), tuple(of.system(system).fetch(key)))
    except SyncError as error:
        return Read(key, tuple(announced), error=error.message, is_passing=error.is_retryable)
    except Exception as error:  # noqa: BLE001 - a defect in reading one document does not end the worker
        return Read(key, tuple(announced), error=reasons.internal_error(type(error).__name__).text)


def keep(connection: Connection, of: Commerce, brought: Sequence[Read], mode: SyncMode, at: datetime) -> int:
    """Take in what was read, settle the events that announced it, and judge; return how many documents changed."""
    if not brought:
        return 0
    changed = take_in(connection, of.name, [one for read_ in brought for one in read_.found], mode, at)
    for one in brought:
        if not one.error and not one.found:
            for row in parts_of(connection, of.name, one.key):
                changed |= let_go(connection, row, at)
        events.settle(connection, one.events, one.error, at, is_passing=one.is_passing)
    for one in brought:
        settle = _put_off if one.is_passing else _not_received
        changed |= settle(connection, of.name, one.key, one.error, at)
    rejudge(connection, of.name, changed, mode, at)
    return len(changed)


def _put_off(connection: Connection, name: str, key: Key, error: str, at: datetime) -> set[int]:
    """Let a document that others need be asked for again, after twice as long as the last time."""
    docs = store.DOCS
    row = connection.execute(
        select(docs.c.doc_id, docs.c.eligible_at, docs.c.changed_at).where(
            docs.c.connection == name,
            docs.c.type == key.type,
            docs.c.source_id == key.source_id,
            docs.c.state == State.EXPECTED,
        )
    ).one_or_none()
    if row is None:
        return set()
    last = row.eligible_at - row.changed_at if row.eligible_at is not None else timedelta(0)
    later = at + min(max(2 * last, FIRST_WAIT), LONGEST_WAIT)
    connection.execute(
        update(docs).where(docs.c.doc_id == row.doc_id).values(eligible_at=later, changed_at=at, reason=error)
    )
    return {row.doc_id}


def _not_received(connection: Connection, name: str, key: Key, error: str, at: datetime) -> set[int]:
    """Note of a document that others need that its source was asked for it, and could not give it."""
    docs = store.DOCS
    ids = set(
        connection.execute(
            update(docs)
            .where(
                docs.c.connection == name,
                docs.c.type == key.type,
                docs.c.source_id == key.source_id,
                docs.c.state == State.EXPECTED,
            )
            .values(fetched_at=at, changed_at=at, reason="")
            .returning(docs.c.doc_id)
        ).scalars()
    )
    if error:
        store.set_state(connection, ids, State.FAILED, reasons.unreadable(error), at)
    return ids
