"""Queued files: what the portal builds when an answer is too big, read whole or not at all.

A file is a gzip tar; every member is JSON sealed under the file's key. Nothing is written to disk, so a
member's path cannot lead anywhere; sizes are capped before anything is decompressed beyond them.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from clientsync.errors import ContractChanged, ResponseTooLarge, SourceError, TruncatedResponse
from connectors.gst.provider.crypto import open_file_member

MAX_MEMBERS = 1_000
_CHUNK = 1 << 20


class LinkEnded(SourceError):
    """A link to a queued file no longer works; the list of files is asked for again."""

    code = "LINK_ENDED"


@dataclass(frozen=True)
class FileLink:
    """One file of a queued answer.

    Attributes:
        link: where it is, relative to the provider or whole; ends to work after some minutes.
        sha256: of the file's bytes, hex.
    """

    link: str
    sha256: str


@dataclass(frozen=True)
class FileList:
    """The files of one queued answer, and the key under which their members are sealed."""

    key: str
    files: tuple[FileLink, ...]


def file_list(payload: Any) -> FileList | None:
    """Return the files that a FILEDET answer names, None when it is not such an answer.

    Raises:
        ContractChanged: it names another number of files than it lists, or a file without link or hash.
    """
    if not isinstance(payload, dict) or "urls" not in payload:
        return None
    urls, key = payload["urls"], payload.get("ek")
    if not isinstance(urls, list) or not urls or not isinstance(key, str):
        raise ContractChanged("The portal's list of files is empty or has no key.")
    links = []
    for one in urls:
        link, digest = (one.get("ul"), one.get("hash")) if isinstance(one, dict) else (None, None)
        if not (isinstance(link, str) and link and isinstance(digest, str) and len(digest) == 64):
            raise ContractChanged("The portal's list of files has an entry without link or hash.")
        links.append(FileLink(link, digest.lower()))
    count = payload.get("fc")
    if count is not None and str(count) != str(len(links)):
        raise ContractChanged("The portal's list of files is shorter or longer than it says.")
    return FileList(key, tuple(links))


def check_hash(raw: bytes, sha256: str) -> None:
    """Compare a file with the hash that was promised.

    Raises:
        TruncatedResponse: they differ.
    """
    if not hmac.compare_digest(hashlib.sha256(raw).hexdigest(), sha256):
        raise TruncatedResponse("A downloaded file does not have the hash that the portal promised.")


def members(raw: bytes, key: str, limit: int) -> Iterator[bytes]:
    """Yield the JSON bytes of every member of a file, in order.

    Args:
        raw: the file as downloaded.
        key: the files' key, base64.
        limit: largest size of all members together, in bytes.

    Raises:
        ResponseTooLarge: the members pass ``limit`` or are more than ``MAX_MEMBERS``.
        TruncatedResponse: the file ends early.
        ContractChanged: it is no gzip tar, holds something else than plain JSON members, or does not open.
    """
    plain = io.BytesIO(_unzip(raw, limit))
    found = 0
    try:
        with tarfile.open(fileobj=plain, mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                found += 1
                if found > MAX_MEMBERS:
                    raise ResponseTooLarge("A downloaded file holds too many members.")
                yield open_file_member(key, _text_of(archive, member))
    except tarfile.TarError:
        raise ContractChanged("A downloaded file is not a tar archive.") from None
    if not found:
        raise ContractChanged("A downloaded file holds nothing.")


def _text_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    path = PurePosixPath(member.name)
    if not member.isreg() or path.is_absolute() or ".." in path.parts:
        raise ContractChanged("A downloaded file holds a link or a path that leads outside.")
    if path.suffix.lower() != ".json":
        raise ContractChanged("A downloaded file holds a member that is not JSON.")
    stream = archive.extractfile(member)
    text = stream.read() if stream is not None else b""
    if len(text) != member.size:
        raise TruncatedResponse("A downloaded file ends inside a member.")
    return text


def _unzip(raw: bytes, limit: int) -> bytes:
    machine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    out = bytearray()
    view = memoryview(raw)
    try:
        for start in range(0, len(raw), _CHUNK):
            part: bytes = view[start : start + _CHUNK].tobytes()
            while part and not machine.eof:
                out += machine.decompress(part, min(_CHUNK, limit + 1 - len(out)))
                if len(out) > limit:
                    raise ResponseTooLarge("A downloaded file passes the size limit when unpacked.")
                part = machine.unconsumed_tail
    except zlib.error:
        raise ContractChanged("A downloaded file is not gzip.") from None
    if not machine.eof:
        raise TruncatedResponse("A downloaded file ends early.")
    return bytes(out)


def merge(parts: Sequence[Any]) -> Any:
    """Return the parts of one answer as one: section by section, lists concatenate in order.

    Fields that stand in every part (the GSTIN, the period) are taken from the first.

    Raises:
        ContractChanged: a section is a list in one part and something else in another.
    """
    whole = parts[0]
    for part in parts[1:]:
        whole = _joined(whole, part)
    return whole


def _joined(left: Any, right: Any) -> Any:
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        merged = dict(left)
        for name, value in right.items():
            merged[name] = _joined(merged[name], value) if name in merged else value
        return merged
    if isinstance(left, list | Mapping) or isinstance(right, list | Mapping):
        raise ContractChanged("The parts of a queued file do not fit together.")
    return left
