"""Reading a body within its limits, and proving that it is whole.

Bytes are decompressed piece by piece, so a small body that unpacks into a huge one is stopped at the limit and
never held. A body whose end cannot be known (no length, not chunked) counts as truncated.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from clientsync.config import Settings
from clientsync.errors import ContractChanged, ResponseTooLarge, TruncatedResponse

_PIECE = 65_536
_RATIO_COUNTS_FROM = 100_000  # bytes; tiny bodies of repeated text compress very well and harm nobody


@dataclass(frozen=True)
class Limits:
    """What one call may cost.

    Attributes:
        deadline_seconds: total time, from connecting to the last byte.
        connect_seconds: time to connect.
        wire_bytes: largest body as it comes.
        decoded_bytes: largest body after decompression.
        ratio: largest ratio of the two.
        json_depth: deepest nesting.
    """

    deadline_seconds: float = 60.0
    connect_seconds: float = 10.0
    wire_bytes: int = 5_000_000
    decoded_bytes: int = 10_000_000
    ratio: int = 100
    json_depth: int = 64

    @classmethod
    def of_calls(cls, configured: Settings) -> Limits:
        """Return the limits of ordinary calls."""
        return cls(
            deadline_seconds=configured.deadline_seconds,
            connect_seconds=configured.connect_seconds,
            wire_bytes=configured.wire_limit_bytes,
            decoded_bytes=configured.decoded_limit_bytes,
            ratio=configured.ratio_limit,
            json_depth=configured.json_depth,
        )

    @classmethod
    def of_files(cls, configured: Settings) -> Limits:
        """Return the limits of downloads of queued files."""
        return cls(
            deadline_seconds=configured.file_deadline_seconds,
            connect_seconds=configured.connect_seconds,
            wire_bytes=configured.file_limit_bytes,
            decoded_bytes=configured.file_limit_bytes,
            ratio=configured.ratio_limit,
            json_depth=configured.json_depth,
        )


def read_body(response: httpx.Response, limits: Limits) -> bytes:
    """Return the whole body, decompressed.

    Raises:
        TruncatedResponse: it ended early, or cannot be shown to be whole.
        ResponseTooLarge: it passed a limit and was not read further.
        ContractChanged: it is encoded in a way that was not asked for.
    """
    declared = response.headers.get("content-length", "")
    chunked = response.headers.get("transfer-encoding", "").lower().endswith("chunked")
    if response.status_code in {204, 304}:
        return b""
    if not declared and not chunked:
        raise TruncatedResponse("The answer's length is unknown, so it may have ended early.")
    if not chunked and declared.isdigit() and int(declared) > limits.wire_bytes:
        raise ResponseTooLarge(f"The answer is larger than {limits.wire_bytes} bytes.")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return _read_plain(response.iter_raw(), limits)
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return _read_compressed(response.iter_raw(), limits)
    raise ContractChanged("The answer is compressed in a way that was not asked for.")


def _read_plain(pieces: Iterable[bytes], limits: Limits) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > min(limits.wire_bytes, limits.decoded_bytes):
            raise ResponseTooLarge(
                f"The answer is larger than {min(limits.wire_bytes, limits.decoded_bytes)} bytes."
            )
    return bytes(body)


def _read_compressed(pieces: Iterable[bytes], limits: Limits) -> bytes:
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib by its header
    body = bytearray()
    wire = 0
    try:
        for piece in pieces:
            wire += len(piece)
            if wire > limits.wire_bytes:
                raise ResponseTooLarge(f"The answer is larger than {limits.wire_bytes} bytes.")
            waiting = piece
            while waiting and not inflate.eof:
                body += inflate.decompress(waiting, _PIECE)
                waiting = inflate.unconsumed_tail
                _check_decoded(len(body), wire, limits)
            if inflate.eof and (inflate.unused_data or waiting):
                raise ContractChanged("Something follows the compressed answer.")
    except zlib.error:
        raise ContractChanged("The answer is not compressed as it says.") from None
    if not inflate.eof:
        raise TruncatedResponse("The compressed answer ended early.")
    return bytes(body)


def _check_decoded(decoded: int, wire: int, limits: Limits) -> None:
    if decoded > limits.decoded_bytes:
        raise ResponseTooLarge(f"The answer unpacks to more than {limits.decoded_bytes} bytes.")
    if decoded > _RATIO_COUNTS_FROM and decoded > wire * limits.ratio:
        raise ResponseTooLarge(f"The answer unpacks to more than {limits.ratio} times its size.")
