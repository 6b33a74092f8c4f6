"""Whether a webhook is genuine.

``Signature`` is the SHA-256, in capitals, of the key, the raw body and the text of ``Timestamp``. A plain digest with
the key in front can be lengthened by somebody who does not know the key. What is put between body and timestamp then
is not text, so a body that must be strict JSON and a timestamp with one exact grammar leave no room for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from clientsync.errors import SourceError
from clientsync.http.strict_json import parse_json

WINDOW = timedelta(minutes=5)
"""How far the moment of sending may be from ours, either way."""
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,7}))?Z", re.ASCII)
_DIGEST = re.compile(r"[0-9A-F]{64}", re.ASCII)


def signature_of(key: str, body: bytes, stamp: str) -> str:
    """Return the signature of a body that was sent at a moment."""
    return hashlib.sha256(key.encode() + body + stamp.encode()).hexdigest().upper()


def reason_against(key: str, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
    """Return why a webhook is not genuine, empty when it is.

    Args:
        key: shared with the shop; without one nothing is genuine.
        headers: ``timestamp`` and ``signature``, names in lower case.
        body: as it came.
        at: our moment, aware.
    """
    stamp, signature = headers.get("timestamp", ""), headers.get("signature", "")
    if not key:
        return "no webhook key is set"
    sent_at = _moment(stamp)
    if sent_at is None or abs(at - sent_at) > WINDOW:
        return "the timestamp is not well formed" if sent_at is None else "the timestamp is too far from now"
    is_whole = _DIGEST.fullmatch(signature) is not None
    if not is_whole or not hmac.compare_digest(signature_of(key, body, stamp), signature):
        return "the signature is wrong"
    try:
        parse_json(body)
    except SourceError:
        return "the body is not strict JSON"
    return ""


def _moment(stamp: str) -> datetime | None:
    match = _STAMP.fullmatch(stamp)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]}.{(match[2] or '').ljust(6, '0')[:6]}").replace(tzinfo=UTC)
    except ValueError:
        return None
