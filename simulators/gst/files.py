"""Large answers: files built in the background behind a token, and a 2B cut into pages.

The parts of a large answer put together are exactly the answer; a link stops working when its time is over.
"""

import base64
import hashlib
import io
import json
import os
import secrets
import tarfile
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from simulators.gst.crypto import b64, encrypt

Json = dict[str, Any]
ROWS_PER_FILE = 10_000
LISTS = ("inv", "nt", "doclist", "boe")


@dataclass(slots=True)
class Job:
    """A file under construction or ready."""

    gstin: str
    statement: str
    period: str
    ready: float
    payload: Json
    key: bytes
    files: list[tuple[bytes, int]]


def cut(payload: Json, size: int) -> list[Json]:
    """Cut the list sections of a payload into parts of about `size` documents; other fields stay in every part."""
    fixed = {name: value for name, value in payload.items() if not isinstance(value, list)}
    parts: list[Json] = [dict(fixed)]
    used = 0
    for name, rows in payload.items():
        if not isinstance(rows, list):
            continue
        for row in rows:
            inner = next((one for one in LISTS if isinstance(row.get(one), list)), "")
            chunks = (
                [row[inner][at : at + size] for at in range(0, len(row[inner]), size)] if inner else [[row]]
            )
            for chunk in chunks:
                if used and used + len(chunk) > size:
                    parts.append(dict(fixed))
                    used = 0
                parts[-1].setdefault(name, []).append({**row, inner: chunk} if inner else row)
                used += len(chunk)
    return parts


def paged(whole: Json, above: int, page: str) -> Json:
    """Give a 2B whole, or its summary, or one of its pages.

    A page number of a small 2B gives the whole, as a careless client may ask.
    """
    data = whole["data"]
    mixed: Json = {
        **{f"docdata/{name}": rows for name, rows in data["docdata"].items()},
        **{f"docRejdata/{name}": rows for name, rows in data.get("docRejdata", {}).items()},
    }
    count = sum(
        len(next((row[one] for one in LISTS if one in row), [row])) for rows in mixed.values() for row in rows
    )
    if count <= above:
        return whole
    parts = cut(mixed, above)
    head = {name: value for name, value in data.items() if name not in {"docdata", "docRejdata"}}
    if not page:
        return {"chksum": whole["chksum"], "data": {**head, "fc": len(parts)}}
    number = int(page) if page.isdigit() else 0
    wanted: dict[str, Json] = defaultdict(dict)
    if 1 <= number <= len(parts):
        for name, rows in parts[number - 1].items():
            place, section = name.split("/")
            wanted[place][section] = rows
    short = {name: head[name] for name in ("gstin", "rtnprd", "version", "gendt")}
    return {"chksum": whole["chksum"], "data": {**short, "fc": len(parts), "docdata": {}, **wanted}}


class FileStore:
    """The files that wait to be fetched."""

    def __init__(self, est_seconds: float, link_seconds: float) -> None:
        self._est = est_seconds
        self._link = link_seconds
        self._jobs: dict[str, Job] = {}
        self._secret = os.urandom(16)
        self._open: dict[tuple[str, str, str], str] = {}

    def queue(self, gstin: str, statement: str, payload: Json, period: str) -> Json:
        """Start building files for a payload; the same unfinished question gets the same token."""
        digest = hashlib.sha256(json.dumps(payload).encode()).hexdigest()
        place = (gstin, statement, digest)
        token = self._open.get(place)
        if token is None:
            token = self._open[place] = secrets.token_hex(16)
            self._jobs[token] = Job(
                gstin, statement, period, time.time() + self._est, payload, os.urandom(32), []
            )
        return {"est": str(int(self._est // 60)), "token": token}

    def job(self, token: str) -> Job | None:
        """Find a job."""
        return self._jobs.get(token)

    def ready(self, token: str) -> Json | None:
        """Give the list of files, or None while they are being built."""
        job = self._jobs[token]
        if time.time() < job.ready:
            return None
        if not job.files:
            for part in cut(job.payload, ROWS_PER_FILE):
                job.files.append(_archive(part, job.key))
        expires = int(time.time() + self._link)
        urls = []
        for place, (raw, count) in enumerate(job.files):
            path = f"/returns/{token}/{job.gstin}_{place}.tar.gz"
            link = f"{path}?md5={self._mark(path, expires)}&expires={expires}"
            urls.append({"ul": link, "ic": count, "hash": hashlib.sha256(raw).hexdigest()})
        return {"fc": len(urls), "ek": b64(job.key), "urls": urls}

    def _mark(self, path: str, expires: int) -> str:
        raw = hashlib.md5(self._secret + f"{path}{expires}".encode()).digest()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def fetch(self, path: str, query: dict[str, str]) -> bytes | None:
        """Give a file, or None when the link is wrong or too old."""
        expires = query.get("expires", "0")
        if (
            not expires.isdigit()
            or int(expires) < time.time()
            or query.get("md5") != self._mark(path, int(expires))
        ):
            return None
        _, _, token, name = path.split("/")
        job = self._jobs.get(token)
        return job.files[int(name.split("_")[-1].split(".")[0])][0] if job else None


def _archive(part: Json, key: bytes) -> tuple[bytes, int]:
    """Pack a part into a tar.gz of several encrypted members."""
    count = sum(
        len(next((row[one] for one in LISTS if one in row), [row]))
        for rows in part.values() if isinstance(rows, list) for row in rows
    )  # fmt: skip
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for place, piece in enumerate(cut(part, max(1, -(-count // 2)))):
            secret = encrypt(key, base64.b64encode(json.dumps(piece).encode()))
            member = base64.b64encode(secret)
            info = tarfile.TarInfo(f"part_{place}.json")
            info.size = len(member)
            archive.addfile(info, io.BytesIO(member))
    return out.getvalue(), count
