"""From a path to documents: plain, gzip, or zip with several members; told apart by content, not by name.

A document is JSON, or bytes that a module may know how to read.

Nothing is ever unpacked to disk, and what a header says of a size is not believed: reading stops at the limit.
"""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from clientsync.config import Settings
from clientsync.errors import InvalidInput, SyncError
from clientsync.http.strict_json import parse_json

MAX_MEMBERS = 1000
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
_SMALL = 1 << 20  # a ratio says nothing of a file that stays small
_PDF = b"%PDF"
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "it is an old Excel file; download the JSON instead.",
    b"7z\xbc\xaf": "it is a 7z archive. Valid: .json, .zip, .gz.",
    b"Rar!": "it is a RAR archive. Valid: .json, .zip, .gz.",
}


@dataclass(frozen=True)
class Document:
    """One document of a file, or why there is none.

    Attributes:
        member: name inside an archive, empty for a plain file.
        payload: parsed, with exact numbers; None for bytes that are no JSON.
        raw: its bytes.
        refusal: a sentence; empty for a good one.
        undecoded: a sentence that refuses bytes that are no JSON, unless a module can read them; else empty.
        name: of the file, or of the member in its archive, without folders.
    """

    member: str
    payload: Any = None
    raw: bytes = b""
    refusal: str = ""
    undecoded: str = ""
    name: str = ""


class _Refusal(Exception):
    """Why a file or a member cannot be read; the text is a sentence."""


def read_documents(path: Path, limits: Settings) -> Iterator[Document]:
    """Yield the documents of a file; a file that cannot be read is one refusal."""
    try:
        for document in _documents(path, limits):
            name = PurePosixPath(document.member.replace("\\", "/")).name or path.name
            yield replace(document, name=name)
    except _Refusal as refusal:
        yield Document("", refusal=str(refusal))
    except OSError as error:
        yield Document("", refusal=f"it cannot be read ({error.strerror or type(error).__name__}).")


def _documents(path: Path, limits: Settings) -> Iterator[Document]:
    if path.stat().st_size > limits.file_limit_bytes:
        raise _Refusal(f"it is larger than {limits.file_limit_bytes // 1_000_000} MB.")
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == _EMPTY_ZIP:
            raise _Refusal("it is an empty archive.")
        if start == _ZIP:
            yield from _zip_documents(file, limits)
        elif start[:2] == _GZIP:
            size = path.stat().st_size
            with gzip.GzipFile(fileobj=file) as inner:
                yield _document(
                    "", _bounded(inner, limits.file_limit_bytes, size, limits.ratio_limit), limits
                )
        else:
            yield _document("", file.read(limits.file_limit_bytes), limits)


def _zip_documents(file: IO[bytes], limits: Settings) -> Iterator[Document]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise _Refusal("it is a damaged archive; download it again.") from None
    with archive:
        if any(_leads_outside(info) for info in archive.infolist()):
            raise _Refusal("it is an archive with a member that leads outside its folder.")
        members = [info for info in archive.infolist() if not _is_clutter(info)]
        if not members:
            raise _Refusal("it is an archive without files.")
        if len(members) > MAX_MEMBERS:
            raise _Refusal(f"it is an archive of more than {MAX_MEMBERS} files.")
        names = {info.filename for info in members}
        if "[Content_Types].xml" in names:
            raise _Refusal("it is an Excel or Word file; download the JSON instead.")
        left = limits.file_limit_bytes
        documents = []  # read whole before any is used: an archive with a bomb in it is refused as one
        for info in sorted(members, key=lambda one: one.filename):
            document, used = _member(archive, info, left, limits)
            left -= used
            documents.append(document)
    yield from documents


def _is_clutter(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename).parts
    return info.is_dir() or "__MACOSX" in parts or bool(parts and parts[-1].startswith("."))


def _leads_outside(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    return path.is_absolute() or ".." in path.parts or ":" in info.filename or is_link


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int, limits: Settings
) -> tuple[Document, int]:
    if info.flag_bits & 0x1:
        return Document(info.filename, refusal="it is locked with a password; unpack it first."), 0
    try:
        with archive.open(info) as inner:
            raw = _bounded(inner, left, info.compress_size, limits.ratio_limit)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, NotImplementedError, EOFError):
        return Document(info.filename, refusal="it is damaged; download it again."), 0
    if raw[:4] in (_ZIP, _EMPTY_ZIP) or raw[:2] == _GZIP:
        return Document(info.filename, refusal="it is an archive inside an archive; unpack it first."), len(
            raw
        )
    return _document(info.filename, raw, limits), len(raw)


def _bounded(inner: IO[bytes] | gzip.GzipFile, limit: int, packed: int, ratio: int) -> bytes:
    """Read to the end, but never beyond the limits; the archive may be lying about its sizes."""
    whole = io.BytesIO()
    try:
        while block := inner.read(_BLOCK):
            whole.write(block)
            if whole.tell() > limit:
                raise _Refusal("it unpacks to more than is allowed.")
            if whole.tell() > max(_SMALL, packed * ratio):
                raise _Refusal(f"it unpacks to more than {ratio} times its size, as no portal file does.")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _Refusal("it is damaged; download it again.") from None
    return whole.getvalue()


def _document(member: str, raw: bytes, limits: Settings) -> Document:
    for start, reason in _FOREIGN.items():
        if raw.startswith(start):
            return Document(member, refusal=reason)
    if raw.startswith(_PDF):
        return Document(member, raw=raw, undecoded="it is a PDF; download the JSON instead.")
    text = raw
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = text.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    text = text.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return Document(member, refusal="it is empty.")
    if raw[257:262] == b"ustar":
        return Document(member, refusal="it is a tar archive; unpack it first.")
    return _json_document(member, text, raw, limits)


def _json_document(member: str, text: bytes, raw: bytes, limits: Settings) -> Document:
    try:
        payload = parse_json(text, depth=limits.json_depth)
    except SyncError as error:
        words = error.message.replace("The answer is", "it is").replace("The JSON", "the JSON")
        return Document(member, raw=raw, undecoded=words)
    if not isinstance(payload, dict | list):
        return Document(member, raw=raw, undecoded="it is JSON without any data.")
    return Document(member, payload, text)


def expand_paths(paths: list[Path]) -> list[Path]:
    """Return files for files and folders (not their subfolders), in order, each once.

    Raises:
        InvalidInput: a path does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(one for one in sorted(path.iterdir()) if is_candidate(one)))
        elif path.is_file():
            found[path] = None
        else:
            raise InvalidInput(f"There is no file or folder {path}.")
    return list(found)


def is_candidate(path: Path) -> bool:
    """Whether a file of a folder is meant to be imported: not hidden, not a download that is under way."""
    partial = (".part", ".partial", ".crdownload", ".tmp", ".download")
    return path.is_file() and not path.name.startswith((".", "~")) and path.suffix.lower() not in partial
