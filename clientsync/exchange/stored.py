"""Documents as a node has stored them, by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from clientsync.database import among
from clientsync.exchange import tables as t
from clientsync.exchange.documents import Control, Document, canonical_of_exact, read_json

AT_ONCE = 500
One = TypeVar("One")


def parts_of(values: Iterable[One], size: int = AT_ONCE) -> Iterator[list[One]]:
    """Yield values in lists of at most ``size``, as many as one statement takes."""
    source = iter(values)
    while part := list(islice(source, size)):
        yield part


def document_of(row: Any) -> Document:
    """Return the document of a row of ``sync_document`` or ``sync_inbox``."""
    return document_in(_fields(row))


def document_in(values: Iterable[Any]) -> Document:
    """Return the document of the values of ``DOCUMENT_FIELDS``."""
    ident, event, kind, schema, op, key, version, day, deps, *control, sha256, text = values
    needs = tuple(map(tuple, read_json(deps)))
    return Document(ident, event, kind, schema, op, key, version, day, text, sha256, needs, Control(*control))


DOCUMENT_FIELDS = (
    "document_id", "event_id", "doc_type", "schema_version", "op", "key", "version", "business_date", "deps",
    "quantity", "net", "tax", "tender", "sha256", "body",
)  # fmt: skip
"""Columns of a document in ``sync_document`` and ``sync_inbox``, in the order of ``values_of``."""
_fields = attrgetter(*DOCUMENT_FIELDS)


def values_of(one: Document) -> tuple[Any, ...]:
    """Return a document as the values of ``DOCUMENT_FIELDS``."""
    return (
        one.document_id,
        one.event_id,
        one.doc_type,
        one.schema_version,
        one.op,
        one.key,
        one.version,
        one.business_date,
        canonical_of_exact(one.deps),
        *one.control.as_list(),
        one.sha256,
        one.text,
    )


def documents_by_id(connection: Connection, ids: Sequence[str]) -> dict[str, Document]:
    """Return own documents by id."""
    rows = connection.execute(select(t.document).where(among(connection, t.document.c.document_id, ids)))
    return {row.document_id: document_of(row) for row in rows}
