"""Making a document out of what was written of an object: once, and never changed after that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clientsync.errors import InvalidInput
from clientsync.exchange.catalogue import DocType
from clientsync.exchange.documents import Document, digest, document_id
from clientsync.exchange.envelopes import MAX_DOCUMENTS

NO_FORM = (InvalidInput, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What a body that does not have the form of its type may raise while it is frozen."""
LARGEST_FIGURE = (2**63 - 1) // MAX_DOCUMENTS
"""Of a control figure: those of a full batch add up to a number that JSON and both databases hold."""


def frozen(
    origin: str,
    kind: DocType,
    *,
    event_id: str,
    op: str,
    key: str,
    version: int,
    business_date: str,
    body: Mapping[str, Any],
    text: str,
) -> Document:
    """Return the document of a version of an object.

    Args:
        origin: node that writes it.
        kind: its type.
        event_id: of the event that tells of it.
        op: upsert, delete or void.
        key: of the object.
        version: of the object.
        business_date: ISO day.
        body: that is frozen.
        text: the same in canonical JSON.

    Raises:
        NO_FORM: the body does not have the form of its type, or cannot be routed.
    """
    one = Document(
        document_id=document_id(origin, kind.name, key, version),
        event_id=event_id,
        doc_type=kind.name,
        schema_version=kind.schema_version,
        op=op,
        key=key,
        version=version,
        business_date=business_date,
        text=text,
        sha256=digest(text),
        deps=tuple(kind.deps(body)) if op == "upsert" else (),
        control=kind.control(body),
    )
    if any(abs(figure) > LARGEST_FIGURE for figure in one.control):
        raise ValueError("a control figure is out of bounds")
    kind.route.receivers(body, ())
    return one
