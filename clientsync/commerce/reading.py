"""What is read of the two systems because an event announced it, or because another document needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from clientsync.commerce import events, reasons, store
from clientsync.commerce.connected import Commerce
from clientsync.commerce.documents import Key, Received, State
from clientsync.commerce.judging import JUDGED
from clientsync.commerce.taking_in import follow_withdrawn, take_in
from clientsync.commerce.timing import SyncMode
from clientsync.commerce.verdicts import rejudge
from clientsync.errors import SyncError

_UNSENT = frozenset({*JUDGED, State.FAILED})


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
            changed |= _gone(connection, of, one.key, at)
        events.settle(connection, one.events, one.error, at, is_passing=one.is_passing)
    for one in brought:
        if not one.is_passing:
            changed |= _not_received(connection, of.name, one.key, one.error, at)
    rejudge(connection, of.name, changed, mode, at)
    return len(changed)


def _gone(connection: Connection, of: Commerce, key: Key, at: datetime) -> set[int]:
    """Let a document that its source no longer has not be sent; one that is booked waits for a person."""
    docs = store.DOCS
    row = connection.execute(
        select(docs.c.doc_id, docs.c.state, docs.c.attempts, docs.c.target_id, docs.c.reason_code).where(
            docs.c.connection == of.name, docs.c.type == key.type, docs.c.source_id == key.source_id
        )
    ).one_or_none()
    if row is None:
        return set()
    if row.state in _UNSENT and not row.attempts:
        store.set_state(connection, [row.doc_id], State.SUPERSEDED, reasons.NONE, at)
        return {row.doc_id} | follow_withdrawn(connection, [row.doc_id], at)
    if row.state in (*_UNSENT, State.UNKNOWN) and row.reason_code != "source_deleted" and not row.target_id:
        # it may have been sent: it is looked up, and not sent when nothing is found
        state = State.RECEIVED if row.state == State.FAILED else State(row.state)
        connection.execute(
            update(docs).where(docs.c.doc_id == row.doc_id).values(is_withdrawn=True, state=state)
        )
    elif row.state == State.SUCCESS:
        store.set_state(connection, [row.doc_id], State.FAILED, reasons.SOURCE_DELETED, at)
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
            .values(fetched_at=at, changed_at=at)
            .returning(docs.c.doc_id)
        ).scalars()
    )
    if error:
        store.set_state(connection, ids, State.FAILED, reasons.unreadable(error), at)
    return ids
