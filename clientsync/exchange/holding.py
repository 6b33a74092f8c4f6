"""What a person does with a document that is held: try it again, correct it, or leave it out; each with a reason.

Leaving out counts as having had the version, so that the next one may be applied; not when the object belongs to
another store. The digest of what came stays with what was corrected, so that the same document is known again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.applying import OPEN, mark, see, why
from clientsync.exchange.catalogue import DocType, DocumentRefused
from clientsync.exchange.documents import Document, canonical, refuse_nul
from clientsync.exchange.nodes import Node, moment, note_audit
from clientsync.exchange.stored import DOCUMENT_FIELDS, document_of, values_of


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
        versions = dict(
            connection.execute(
                select(t.seen.c.origin, t.seen.c.version).where(
                    t.seen.c.doc_type == one.doc_type, t.seen.c.key == one.key
                )
            ).all()
        )
        kind = node.catalogue.get(one.doc_type)
        is_ours = kind is not None and kind.owner == node.kind
        if not is_ours and set(versions) <= {row.peer} and versions.get(row.peer, 0) < one.version:
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
        InvalidInput: as ``try_again``, a field that the body does not have, the one with the key, or values that do not
            have the form of the type.
    """
    with node.writing("request") as connection:
        row = _held(connection, document_id)
        one = document_of(row)
        body = one.body
        unknown = sorted(set(changes) - set(body))
        if unknown:
            raise InvalidInput(f"{', '.join(unknown)} is no field of it. Valid: {', '.join(sorted(body))}.")
        was = {name: body[name] for name in changes}
        _note(connection, actor, f"correct {canonical(was)} to {canonical(dict(changes))}", row, reason)
        refuse_nul(changes, "the new value")
        corrected = one._replace(text=canonical({**body, **changes}))
        kind = node.catalogue.get(row.doc_type)
        if kind is not None and one.op == "upsert":
            corrected = _with_figures(kind, corrected, changes)
        values = dict(zip(DOCUMENT_FIELDS, values_of(corrected), strict=True))
        _set(connection, row, **values, state="RECEIVED", code="", reason="", blocked_by="")
    return f"{row.doc_type} {row.key}"


def _with_figures(kind: DocType, one: Document, changes: Mapping[str, Any]) -> Document:
    """Return a corrected document with what its body says now: what it needs, its business day, its control figures."""
    if kind.key_field in changes:
        raise InvalidInput(
            f"{kind.key_field} is what it is known by. Leave it out, and write it anew where it came from."
        )
    try:
        body = kind.current(one)
        day = str(body[kind.date_field]) if kind.date_field in changes else one.business_date
        deps = tuple((name, str(key)) for name, key in kind.deps(body))
        return one._replace(deps=deps, control=kind.control(body), business_date=day)
    except (DocumentRefused, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{kind.title} cannot be read with these values: {why(error)[1]}.") from None
