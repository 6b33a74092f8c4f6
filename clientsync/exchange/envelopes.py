"""Batches: a numbered envelope around documents, chained to the one before it and signed.

The digest of a batch covers the digest before it and its header; the header holds the digest of the stored body, so one
body serves many receivers. ``before`` in the header holds, per document, the version of its object that this stream
carried last: it differs between receivers, the body does not.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from isal import isal_zlib

from clientsync.exchange.documents import (
    Control,
    Document,
    canonical,
    canonical_of_exact,
    digest,
    from_columns,
    from_sent,
    in_columns,
    read_json,
)

PROTOCOL = (1, 1)
"""Major and minor version of the envelope; both sides need the same major one."""
COLUMNS_SINCE = 1
"""Minor version from which on a receiver reads bodies in columns."""
MAX_DOCUMENTS = 500
MAX_COMPRESSED = 256_000
"""Bytes; one document that is larger travels alone."""
MAX_STORED = 32_000_000
"""Bytes of a compressed body that a receiver takes at all."""
MAX_RAW = 128_000_000
MAX_RATIO = 200
_EXPECTED_RATIO = 4
_LEVEL = 1
"""Of compression: a day of bills takes 159 bytes a bill; Python's own needs five times the time for the same."""
_UNPACKING_FAILED = cast("type[Exception]", isal_zlib.IsalError)
_ROWS, _COLUMNS = "zlib", "zlib, columns"
"""Encodings of a body: one list of fields per document, or one per field with the texts after it, each in a line."""


class EnvelopeBroken(Exception):
    """A batch is not what its sender made: nothing of it is taken.

    Attributes:
        code: ``DIGEST``, ``SIGNATURE``, ``CHAIN``, ``SIZE``, ``FORM`` or ``PROTOCOL``.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Batch:
    """A batch as it lies in the mailbox; ``header`` is the canonical text that was digested."""

    sender: str
    receiver: str
    epoch: int
    seq: int
    prev_hash: str
    hash: str
    header: str
    signature: str
    body_sha: str


def batch_of(sender: str, receiver: str, row: Any) -> Batch:
    """Return the batch of a row of the mailbox, or of the batches that a node has numbered."""
    return Batch(
        sender,
        receiver,
        row.epoch,
        row.seq,
        row.prev_hash,
        row.hash,
        row.header,
        row.signature,
        row.body_sha,
    )


@dataclass(frozen=True)
class Opened:
    """What a verified batch holds.

    Attributes:
        before: per document, the version of its object that the stream carried last.
        load_id: of the load that it belongs to, empty for none.
        manifest: of a load that ends with this batch, in canonical JSON; else empty.
        restarts: all that the receiver may lack of the stream before it follows after it.
        follows: the sender had more to pack when it packed this, and brings it in the same sync.
    """

    documents: list[Document]
    before: list[int]
    load_id: str
    manifest: str
    restarts: bool
    follows: bool


class Body(NamedTuple):
    """The documents of a batch as they are stored and sent.

    Attributes:
        stored: compressed bytes.
        raw_bytes: size of what they unpack to.
        encoding: how they are written.
    """

    stored: bytes
    raw_bytes: int
    encoding: str


class Signer:
    """Signs batches with the private key of a node."""

    def __init__(self, private: bytes) -> None:
        """Take a private key of Ed25519: 32 bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(private)

    @classmethod
    def new(cls) -> Signer:
        """Return a signer with a new key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def public(self) -> str:
        """The public key in hexadecimal, by which others verify."""
        return self._key.public_key().public_bytes_raw().hex()

    @property
    def private(self) -> bytes:
        """The private key, to be kept in a vault."""
        return self._key.private_bytes_raw()

    def sign(self, text: str) -> str:
        """Return the signature in hexadecimal."""
        return self._key.sign(text.encode()).hex()


def is_signed(text: str, signature: str, public: str) -> bool:
    """Whether a signature in hexadecimal is that of the owner of a public key."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            bytes.fromhex(signature), text.encode()
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def chunks(documents: Sequence[Document]) -> Iterator[Sequence[Document]]:
    """Yield documents in their order in parts that fit one batch each; a very large one stands alone."""
    start, size = 0, 0
    for place, one in enumerate(documents):
        added = len(one.text)
        if place > start and (
            place - start >= MAX_DOCUMENTS or size + added > MAX_COMPRESSED * _EXPECTED_RATIO
        ):
            yield documents[start:place]
            start, size = place, 0
        size += added
    if start < len(documents):
        yield documents[start:]


def body_of(documents: Sequence[Document], minor: int = PROTOCOL[1]) -> Body:
    """Return the compressed body of a batch; text that shrinks beyond what receivers unpack is left as it is.

    Args:
        documents: of the batch.
        minor: version of the protocol that its receivers read.
    """
    encoding, text = _written_in_columns(documents) if minor >= COLUMNS_SINCE else _written_in_rows(documents)
    raw = text.encode()
    packed = isal_zlib.compress(raw, _LEVEL)
    stored = packed if len(raw) <= MAX_RATIO * len(packed) else zlib.compress(raw, 0)
    return Body(stored, len(raw), encoding)


def _written_in_rows(documents: Sequence[Document]) -> tuple[str, str]:
    return _ROWS, canonical_of_exact([one.as_sent() for one in documents])


def _written_in_columns(documents: Sequence[Document]) -> tuple[str, str]:
    columns, texts = in_columns(documents)
    found = "\n".join((canonical_of_exact(columns), *texts))
    return (_COLUMNS, found) if found.count("\n") == len(documents) else _written_in_rows(documents)


def _read_columns(raw: bytes) -> list[Document]:
    columns, *texts = raw.decode().split(
        "\n"
    )  # JSON writes a line feed within a text as two other characters
    return from_columns(read_json(columns), texts)


def totals_by_type(documents: Sequence[Document]) -> dict[str, list[int]]:
    """Return count, quantity, net, tax and tender by type."""
    found: dict[str, list[Control]] = defaultdict(list)
    for one in documents:
        found[one.doc_type].append(one.control)
    return {name: [len(each), *map(sum, zip(*each, strict=True))] for name, each in found.items()}


def sealed(
    signer: Signer,
    *,
    sender: str,
    receiver: str,
    epoch: int,
    seq: int,
    prev_hash: str,
    documents: Sequence[Document],
    before: Sequence[int],
    body: Body,
    about: Mapping[str, Any],
) -> Batch:
    """Return a batch around a body.

    ``before`` holds per document the version of its object that the stream carried last, 0 for none; ``about`` further
    fields of the header: incarnation of the sender, moment, offset of its clock.
    """
    body_sha = digest(body.stored)
    header = canonical(
        {
            "protocol": list(PROTOCOL),
            "sender": sender,
            "receiver": receiver,
            "epoch": epoch,
            "seq": seq,
            "prev_hash": prev_hash,
            "doc_types": {one.doc_type: one.schema_version for one in documents},
            "n": len(documents),
            "raw_bytes": body.raw_bytes,
            "compressed_bytes": len(body.stored),
            "encoding": body.encoding,
            "control": totals_by_type(documents),
            "before": list(before),
            "body_sha256": body_sha,
            **about,
        }
    )
    own = digest(prev_hash + header)
    return Batch(sender, receiver, epoch, seq, prev_hash, own, header, signer.sign(own), body_sha)


def opened(batch: Batch, body: bytes, prev_hash: str, public: str) -> Opened:
    """Return what a batch holds, after everything about it was verified.

    ``prev_hash`` is the digest of the batch that was taken before it in this epoch, empty for the first; ``public`` the
    key of the sender.

    Raises:
        EnvelopeBroken: anything is not as the sender signed it.
    """
    if batch.prev_hash != prev_hash:
        raise EnvelopeBroken("CHAIN", f"batch {batch.seq} does not follow the batch that was taken before it")
    if digest(batch.prev_hash + batch.header) != batch.hash:
        raise EnvelopeBroken("DIGEST", f"the header of batch {batch.seq} is not what its digest says")
    if not is_signed(batch.hash, batch.signature, public):
        raise EnvelopeBroken("SIGNATURE", f"batch {batch.seq} is not signed by {batch.sender}")
    header = _header(batch)
    try:
        return _opened(batch, header, body)
    except (ValueError, LookupError, TypeError):
        raise EnvelopeBroken("FORM", f"the header of batch {batch.seq} cannot be read") from None


def _opened(batch: Batch, header: Mapping[str, Any], body: bytes) -> Opened:
    if digest(body) != header["body_sha256"] or len(body) != header["compressed_bytes"]:
        raise EnvelopeBroken("DIGEST", f"the body of batch {batch.seq} is not what its digest says")
    documents = _unpacked(batch, header, body)
    before = header["before"]
    if len(documents) != header["n"] or len(before) != header["n"]:
        raise EnvelopeBroken("FORM", f"batch {batch.seq} holds {len(documents)} documents, not {header['n']}")
    manifest = header.get("manifest")
    return Opened(
        documents,
        [int(one) for one in before],
        str(header.get("load_id", "")),
        canonical(manifest) if manifest else "",
        bool(header.get("restarts", False)),
        bool(header.get("follows", False)),
    )


def _header(batch: Batch) -> dict[str, Any]:
    try:
        header: dict[str, Any] = read_json(batch.header)
        said = [header[name] for name in ("sender", "receiver", "epoch", "seq", "prev_hash", "body_sha256")]
        major = int(header["protocol"][0])
    except (ValueError, KeyError, TypeError, IndexError):
        raise EnvelopeBroken("FORM", f"the header of batch {batch.seq} cannot be read") from None
    if major != PROTOCOL[0]:
        raise EnvelopeBroken("PROTOCOL", f"batch {batch.seq} has protocol {major}, this node {PROTOCOL[0]}")
    place = [batch.sender, batch.receiver, batch.epoch, batch.seq, batch.prev_hash, batch.body_sha]
    if said != place:
        raise EnvelopeBroken("FORM", f"batch {batch.seq} lies in another place than its header says")
    return header


def _unpacked(batch: Batch, header: Mapping[str, Any], body: bytes) -> list[Document]:
    limit = int(header["raw_bytes"])
    if len(body) > MAX_STORED or limit > MAX_RAW or limit > MAX_RATIO * max(len(body), 1):
        raise EnvelopeBroken("SIZE", f"batch {batch.seq} unpacks to more than is allowed")
    encoding = header["encoding"]
    if encoding not in (_ROWS, _COLUMNS):
        raise EnvelopeBroken("FORM", f"the body of batch {batch.seq} has the unknown encoding {encoding!r}")
    try:
        unpacker = isal_zlib.decompressobj()
        raw = unpacker.decompress(body, limit + 1)
    except _UNPACKING_FAILED:
        raise EnvelopeBroken("FORM", f"the body of batch {batch.seq} cannot be unpacked") from None
    if len(raw) != limit or unpacker.unconsumed_tail:
        raise EnvelopeBroken("SIZE", f"batch {batch.seq} unpacks to another size than it says")
    try:
        return _read_columns(raw) if encoding == _COLUMNS else from_sent(read_json(raw))
    except (ValueError, TypeError) as error:
        raise EnvelopeBroken("FORM", f"batch {batch.seq}: {error}") from None
