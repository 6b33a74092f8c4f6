"""Writing down that a business object changed, in the very transaction that changes it.

What is never changed is frozen there and then, as the document that is sent.

The version of an object is raised under the lock of its row, so what is visible of an object is always a prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert
from sqlalchemy.dialects import postgresql, sqlite

from clientsync.clock import today
from clientsync.database import insert_rows
from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.catalogue import DocType
from clientsync.exchange.documents import OPS, Document, canonical, canonical_of_exact, digest, refuse_nul
from clientsync.exchange.freezing import NO_FORM, frozen
from clientsync.exchange.nodes import Node, moment
from clientsync.exchange.stored import DOCUMENT_FIELDS, values_of


def upsert(connection: Connection) -> Any:
    """Return the insert of the database's dialect that knows ``on conflict``."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def record(
    node: Node,
    connection: Connection,
    doc_type: str,
    key: str,
    body: Mapping[str, Any],
    *,
    op: str = "upsert",
    actor: str = "",
) -> int:
    """Write the event of a change into the transaction that makes it, and return the version of the object.

    Raises:
        InvalidInput: an unknown type or operation, a type that this node does not own, no key, or the character NUL.
    """
    kind = node.catalogue.known(doc_type)
    if kind.owner != node.kind:
        raise InvalidInput(f"{kind.title} is written by {kind.owner} only; this node is {node.node_id}.")
    if op not in OPS:
        raise InvalidInput(f"There is no operation {op!r}. Valid: {', '.join(OPS)}.")
    if not key:
        raise InvalidInput(f"{kind.title} has no key.")
    refuse_nul(key, kind.key_field)
    refuse_nul(body, kind.title)
    raised = connection.execute(_raise(upsert(connection)), {"doc_type": doc_type, "key": key, "version": 1})
    version = int(raised.scalar_one())
    day = str(body.get(kind.date_field) or "") if kind.date_field else ""
    event = {
        "event_id": str(uuid4()),
        "op": op,
        "key": key,
        "version": version,
        "business_date": day or today().isoformat(),
    }
    at = moment()
    payload = canonical(body) if kind.is_snapshot else None
    document = None
    if payload is not None:
        document = _frozen(node, connection, kind, event, body, payload, created_at=at, actor=actor)
    connection.execute(
        insert(t.outbox),
        {
            **event,
            "occurred_at": at,
            "doc_type": doc_type,
            "payload": None if document else payload,
            "state": "NEW",
            "actor": actor,
            "document_id": document.document_id if document else "",
        },
    )
    return version


@cache
def _raise(insert_of: Any) -> Any:
    """Return the statement that raises the version of an object, and locks its row until the end of the transaction."""
    return (
        insert_of(t.aggregate)
        .on_conflict_do_update(
            index_elements=["doc_type", "key"], set_={"version": t.aggregate.c.version + 1}
        )
        .returning(t.aggregate.c.version)
    )


def _frozen(
    node: Node,
    connection: Connection,
    kind: DocType,
    event: Mapping[str, Any],
    body: Mapping[str, Any],
    text: str,
    **more: str,
) -> Document | None:
    """Store the document of an event; None when the body does not have the form of its type, which packing tells."""
    try:
        one = frozen(node.node_id, kind, **event, body=body, text=text)
    except NO_FORM:
        return None
    receivers, rule = kind.route.receivers(body, ()) if kind.route.is_fixed else ((), "")
    connection.execute(
        insert(t.document),
        {
            **dict(zip(DOCUMENT_FIELDS, values_of(one), strict=True)),
            "receivers": canonical_of_exact(receivers),
            "rule": rule,
            **more,
        },
    )
    return one


def record_existing(
    node: Node, connection: Connection, doc_type: str, bodies: Mapping[str, Mapping[str, Any]], actor: str
) -> None:
    """Write a first event for objects that stand in the business tables and never had one; it is not sent by itself.

    Args:
        node: whose objects they are.
        connection: of a write transaction.
        doc_type: of all of them.
        bodies: by key.
        actor: who asked for the load that found them.
    """
    kind = node.catalogue.known(doc_type)
    at, day = moment(), today().isoformat()
    insert_rows(
        connection, t.aggregate, ("doc_type", "key", "version"), [(doc_type, key, 1) for key in bodies]
    )
    insert_rows(
        connection,
        t.outbox,
        (
            "event_id", "occurred_at", "doc_type", "key", "version", "op", "business_date", "payload", "state",
            "actor",
        ),
        [
            (
                str(uuid4()),
                at,
                doc_type,
                key,
                1,
                "upsert",
                str(body.get(kind.date_field) or day),
                canonical(body) if kind.is_snapshot else None,
                "PACKED",
                actor,
            )
            for key, body in bodies.items()
        ],
    )  # fmt: skip


def enter(
    node: Node, connection: Connection, doc_type: str, body: Mapping[str, Any], *, actor: str = ""
) -> int:
    """Write an object into the business tables and its event with it; return the version of the object.

    Raises:
        InvalidInput: an unknown type, one that this node does not own, or the character NUL.
        DocumentRefused: the check of the type refuses the body.
    """
    kind = node.catalogue.known(doc_type)
    refuse_nul(body, kind.title)
    text = canonical(body)
    key = str(body[kind.key_field])
    written = Document("", "", doc_type, kind.schema_version, "upsert", key, 0, "", text, digest(text))
    kind.adapter.apply(connection, [(written, body)])
    return record(node, connection, doc_type, key, body, actor=actor)


def remove(node: Node, connection: Connection, doc_type: str, key: str, *, actor: str = "") -> int:
    """Remove an object from the business tables and write the event with it; return the version of the object.

    Raises:
        InvalidInput: an unknown type, one that this node does not own, or one that is never removed.
    """
    kind = node.catalogue.known(doc_type)
    if kind.is_snapshot:
        raise InvalidInput(f"{kind.title} is never removed; write a document that takes it back.")
    gone = Document("", "", doc_type, kind.schema_version, "delete", key, 0, "", "{}", digest("{}"))
    kind.adapter.apply(connection, [(gone, {})])
    return record(node, connection, doc_type, key, {}, op="delete", actor=actor)
