"""What a person does with a document that is held: try it again, correct it, or leave it out; each with a reason.

Leaving out counts as having had the version, so that the next one may be applied. The original stays as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.applying import OPEN, mark, see
from clientsync.exchange.documents import canonical, digest
from clientsync.exchange.nodes import Node, moment, note_audit
from clientsync.exchange.stored import document_of


def _held(connection: Connection, document_id: str) -> Any:
    row = connection.execute(
        select(t.inbox)
        .where(t.inbox.c.document_id == document_id, t.inbox.c.state.in_(OPEN))
        .order_by(t.inbox.c.epoch, t.inbox.c.seq, t.inbox.c.idx)
        .limit(1)
    ).one_or_none()
    if row is None:
        raise InvalidInput(
            f"No held document has the id {document_id}. `clientsync exchange quarantine` lists them."
        )
    return row


def _note(connection: Connection, actor: str, action: str, row: Any, reason: str) -> None:
    if not actor.strip() or not reason.strip():
        raise InvalidInput("Say who does it and why: --reason TEXT.")
    note_audit(connection, actor, action, f"{row.doc_type} {row.key}", reason)


def _set(connection: Connection, row: Any, **values: Any) -> None:
    connection.execute(
        update(t.inbox)
        .where(t.at(t.inbox, row.peer, row.epoch, row.seq), t.inbox.c.idx == row.idx)
        .values(**values)
    )


def try_again(node: Node, document_id: str, *, actor: str, reason: str) -> str:
    """Let the next sync try a held document again, and return its object in words.

    Raises:
        InvalidInput: no held document has the id, or it is not said who does it and why.
    """
    with node.writing("request") as connection:
        row = _held(connection, document_id)
        _note(connection, actor, "try again", row, reason)
        _set(connection, row, state="RECEIVED", code="", reason="", blocked_by="")
    return f"{row.doc_type} {row.key}"


def skip(node: Node, document_id: str, *, actor: str, reason: str) -> str:
    """Leave a held document out for good, and return its object in words; what waits for it goes on.

    Raises:
        InvalidInput: as ``try_again``.
    """
    with node.writing("request") as connection:
        row = _held(connection, document_id)
        _note(connection, actor, "skip", row, reason)
        _set(connection, row, state="SKIPPED", reason=f"{actor}: {reason}", settled_at=moment())
        one = document_of(row)
        marked = connection.execute(
            select(t.applied.c.sha256).where(
                t.applied.c.origin == row.peer, t.applied.c.document_id == one.document_id
            )
        ).one_or_none()
        if marked is None:
            mark(connection, row.peer, [one], moment(), has_effect=False)
        have = connection.execute(
            select(t.seen.c.version).where(
                t.seen.c.origin == row.peer, t.seen.c.doc_type == one.doc_type, t.seen.c.key == one.key
            )
        ).scalar_one_or_none()
        if (have or 0) < one.version:
            see(connection, row.peer, [one])
    return f"{row.doc_type} {row.key}"


def correct(node: Node, document_id: str, changes: Mapping[str, Any], *, actor: str, reason: str) -> str:
    """Try a held document again with other values, and return its object in words; what it was stays in the audit.

    Args:
        node: the receiver.
        document_id: of the held document.
        changes: fields of the body to their new values.
        actor: who does it.
        reason: why.

    Raises:
        InvalidInput: as ``try_again``, or a field that the body does not have.
    """
    with node.writing("request") as connection:
        row = _held(connection, document_id)
        body = document_of(row).body
        unknown = sorted(set(changes) - set(body))
        if unknown:
            raise InvalidInput(f"{', '.join(unknown)} is no field of it. Valid: {', '.join(sorted(body))}.")
        was = {name: body[name] for name in changes}
        _note(connection, actor, f"correct {canonical(was)} to {canonical(dict(changes))}", row, reason)
        text = canonical({**body, **changes})
        _set(
            connection, row, body=text, sha256=digest(text), state="RECEIVED", code="", reason="", blocked_by="",
        )  # fmt: skip
    return f"{row.doc_type} {row.key}"
