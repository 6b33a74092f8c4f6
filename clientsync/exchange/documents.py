"""What travels: one immutable version of a business object, in canonical JSON, with a digest of its own.

Canonical JSON: UTF-8, keys sorted, no blanks, decimals and dates as text. The text that was digested is what is stored
and sent; nothing is written out again to be verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import orjson

from clientsync.errors import InvalidInput

OPS = ("upsert", "delete", "void")


def canonical(value: Any) -> str:
    """Return canonical JSON.

    Raises:
        InvalidInput: a value is no JSON, a whole number of more than 64 bits, or a binary float, which has no exact
            decimal form.
    """
    return canonical_of_exact(_exact(value))


def canonical_of_exact(value: Any) -> str:
    """Return canonical JSON of a value that is known to hold texts and whole numbers only.

    Raises:
        InvalidInput: as ``canonical``.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError as error:
        raise InvalidInput(f"A document cannot hold this value: {error}.") from None


def read_json(text: str | bytes) -> Any:
    """Return the value of canonical JSON.

    Raises:
        ValueError: it is no JSON.
    """
    return orjson.loads(text)


def _exact(value: Any) -> Any:
    if type(value) is str or type(value) is int:
        return value
    if isinstance(value, dict):
        return {str(name): _exact(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(one) for one in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, float):
        raise InvalidInput("A document cannot hold a binary float; write amounts in paise or as a decimal.")
    return value


def refuse_nul(value: Any, name: str) -> None:
    """Refuse a text with the character NUL, which one of the two databases cannot hold.

    Args:
        value: of a body, with all that it holds.
        name: of the value, for the words.

    Raises:
        InvalidInput: names the field.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInput(f"{name} holds the character NUL, which a document cannot hold.")
    elif isinstance(value, Mapping):
        for field, one in value.items():
            refuse_nul(field, "the name of a field")
            refuse_nul(one, str(field))
    elif isinstance(value, list | tuple):
        for one in value:
            refuse_nul(one, name)


def digest(text: str | bytes) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def document_id(origin: str, doc_type: str, key: str, version: int) -> str:
    """Return the id of a version of an object: the same from every life of the database that wrote it."""
    return str(uuid5(NAMESPACE_URL, canonical_of_exact([origin, doc_type, key, version])))


def withdrawal_id(origin: str, doc_type: str, key: str, version: int) -> str:
    """Return the id of the document that takes an object away where its version does not go."""
    return str(uuid5(NAMESPACE_URL, canonical_of_exact([origin, doc_type, key, version, "withdrawn"])))


class Control(NamedTuple):
    """What a document adds to the control totals of its business day.

    Attributes:
        quantity: in thousandths.
        net: paise without tax.
        tax: paise.
        tender: paise that were paid.
    """

    quantity: int = 0
    net: int = 0
    tax: int = 0
    tender: int = 0

    def as_list(self) -> list[int]:
        """Return quantity, net, tax, tender."""
        return [self.quantity, self.net, self.tax, self.tender]


class Document(NamedTuple):
    """One version of an object as it is sent.

    Attributes:
        deps: objects that must be there before it, as (doc_type, key).
        business_date: ISO day to which it belongs, whenever it travels.
        text: the body in canonical JSON.
        sha256: digest of ``text`` as it was sent; what a person corrected at the receiver keeps it.
    """

    document_id: str
    event_id: str
    doc_type: str
    schema_version: int
    op: str
    key: str
    version: int
    business_date: str
    text: str
    sha256: str
    deps: tuple[tuple[str, str], ...] = ()
    control: Control = Control()

    @property
    def aggregate(self) -> tuple[str, str]:
        """Its object: type and key."""
        return self.doc_type, self.key

    @property
    def body(self) -> dict[str, Any]:
        """The body, read anew at every call."""
        found: dict[str, Any] = read_json(self.text)
        return found

    def as_sent(self) -> list[Any]:
        """Return the fields in the order in which a batch holds them."""
        return [
            self.document_id,
            self.event_id,
            self.doc_type,
            self.schema_version,
            self.op,
            self.key,
            self.version,
            self.business_date,
            [list(one) for one in self.deps],
            self.control.as_list(),
            self.sha256,
            self.text,
        ]


def in_columns(documents: Sequence[Document]) -> tuple[list[Any], list[str]]:
    """Return the fields of documents as one list per field, in the order of ``as_sent``, and their texts apart."""
    if not documents:
        return [], []
    ids, events, kinds, schemas, ops, keys, versions, days, texts, shas, deps, controls = zip(
        *documents, strict=True
    )
    figures = list(map(tuple, controls))  # a tuple of its own class is no JSON
    return [ids, events, kinds, schemas, ops, keys, versions, days, deps, figures, shas], list(texts)


def from_sent(rows: Any) -> list[Document]:
    """Return the documents out of a batch that holds one list of fields per document.

    Raises:
        ValueError: the fields are not those of ``as_sent``, or a body is not what its digest says.
    """
    if rows == []:
        return []
    try:
        *columns, texts = zip(*rows, strict=True)
    except (TypeError, ValueError):
        raise ValueError(_NO_DOCUMENT) from None
    return from_columns(columns, texts)


_NO_DOCUMENT = "a document of the batch does not have the fields of a document"


def from_columns(columns: Any, texts: Sequence[Any]) -> list[Document]:
    """Return the documents out of a batch; looked at field by field over all of them, because batches are large.

    Args:
        columns: one list per field, as ``in_columns`` returns them.
        texts: bodies in canonical JSON.

    Raises:
        ValueError: the fields are not those of a document, or a body is not what its digest says.
    """
    if columns == [] and not texts:
        return []
    try:
        ids, events, kinds, schemas, ops, keys, versions, days, deps, controls, shas = columns
        if any(len(one) != len(texts) for one in columns):
            raise ValueError(_NO_DOCUMENT)
        needs = [tuple(map(tuple, each)) for each in deps]
        figures = [Control(*each) for each in controls]
        named = list(chain.from_iterable(needs))
        is_sound = (
            _are(str, ids, events, kinds, ops, keys, days, shas, texts, chain.from_iterable(named))
            and _are(int, schemas, versions, chain.from_iterable(figures))
            and set(map(len, named)) <= {2}
        )
    except (TypeError, ValueError):
        is_sound = False
    if not is_sound:
        raise ValueError(_NO_DOCUMENT)
    for ident, sha, text in zip(ids, shas, texts, strict=True):
        if digest(text) != sha:
            raise ValueError(f"document {ident} is not what its digest says")
    for ident, op in zip(ids, ops, strict=True):
        if op not in OPS:
            raise ValueError(f"document {ident} has the unknown operation {op[:20]!r}")
    return list(
        map(Document, ids, events, kinds, schemas, ops, keys, versions, days, texts, shas, needs, figures)
    )


def _are(kind: type, *columns: Iterable[Any]) -> bool:
    """Whether all values of all columns are of a type, and of none that is derived from it."""
    return set(map(type, chain.from_iterable(columns))) <= {kind}
