"""What Accurate's answers mean (reference, section 3.1): its envelope, its texts by language, its errors.

An answer of HTTP 200 may still be a refusal. Bodies of 401, 403 and 404 are known from one source only, so they are
read for the words that matter and not for their exact form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clientsync.commerce import reasons
from clientsync.commerce.systems import refused
from clientsync.errors import (
    BadRequest,
    BookingRefused,
    ContractChanged,
    NotEntitled,
    SessionExpired,
    SourceError,
)
from clientsync.http.client import Reply, error_of_status

SESSION = "session"
TOKEN = "token"  # noqa: S105 - which of the two is refused
"""``source_code`` of a SessionExpired: which of the two must be renewed."""

_TOKEN_TEXTS = (
    "invalid_token",
    "invalid token",
    "invalid or revoked api token",
    "unauthorized",
    "header x-api-signature",
)
_CLOCK_TEXTS = ("header x-api-timestamp", "difference more than 600 seconds")
_SESSION_TEXTS = ("data session key", "x-session-id")


@dataclass(frozen=True)
class Words:
    """Parts of texts in one language; a text matches when it holds every part of one of the groups.

    Attributes:
        not_found: the record is not there.
        duplicate: the number is taken.
        closed: the accounting period is closed.
    """

    not_found: tuple[tuple[str, ...], ...]
    duplicate: tuple[tuple[str, ...], ...]
    closed: tuple[tuple[str, ...], ...]


WORDS: Mapping[str, Words] = {
    "ID": Words(
        not_found=(("tidak tepat",), ("tidak ditemukan",)),
        duplicate=(("sudah digunakan",), ("sudah terpakai",), ("sudah ada",)),
        closed=(("periode", "tutup"),),
    ),
    "US": Words(
        not_found=(("not correct",), ("not found",), ("is invalid",)),
        duplicate=(("already used",), ("already exists",), ("already taken",)),
        closed=(("period", "closed"),),
    ),
}
"""Only "tidak tepat" is established; the other texts are to be verified against a live account."""


class AccurateRefused(BadRequest):
    """Accurate did not do what was asked and said why, most often with HTTP 200 and ``s:false``.

    Attributes:
        text: its own words.
        is_not_found: they say that the record is not there.
        is_duplicate: they say that the number is taken.
        is_closed: they say that the period is closed.
    """

    def __init__(self, text: str, words: Words) -> None:
        """Keep the words, which are shown to people, and what they mean."""
        super().__init__("Accurate refused the request.")
        self.text = text
        self.is_not_found = _matches(text, words.not_found)
        self.is_duplicate = _matches(text, words.duplicate)
        self.is_closed = _matches(text, words.closed)

    def as_booking(self) -> BookingRefused:
        """Return the error that fails the document, with Accurate's words."""
        return refused(reasons.PERIOD_CLOSED if self.is_closed else reasons.target_rejected(self.text))


def read_answer(reply: Reply, words: Words) -> dict[str, Any]:
    """Return the envelope of an answer that says ``s:true``.

    Raises:
        AccurateRefused: it says ``s:false``.
        SessionExpired: session or token are not accepted; ``source_code`` says which.
        NotEntitled: the token lacks the scope.
        ContractChanged: no envelope, or the address is not known.
        SourceError: what else the status means.
    """
    if not 200 <= reply.status < 300:
        raise _error_of(reply, words)
    body = reply.json()
    if not isinstance(body, dict) or not isinstance(body.get("s"), bool):
        raise ContractChanged("The answer of Accurate is not an envelope.")
    if not body["s"]:
        text = text_of(body.get("d"))
        raise _session_error(text, is_beginning=True) or AccurateRefused(text or "(no reason given)", words)
    return body


def record_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record that was saved: ``r``, or ``d`` in another reading of the contract.

    Raises:
        ContractChanged: there is none.
    """
    for name in ("r", "d"):
        found = body.get(name)
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if isinstance(found, dict):
            return found
    raise ContractChanged("The answer of Accurate holds no record.")


def rows_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a list.

    Raises:
        ContractChanged: there is no list of objects.
    """
    rows = body.get("d")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ContractChanged("The answer of Accurate holds no list.")
    return rows


def text_of(value: Any) -> str:
    """Return texts as one."""
    if isinstance(value, list | tuple):
        return "; ".join(text_of(one) for one in value)
    return "" if value is None else str(value).strip()


def _error_of(reply: Reply, words: Words) -> SourceError:
    text = reply.body[:4_000].decode("utf-8", "replace")
    if reply.status == 403 and "insufficient_scope" in text:
        return NotEntitled("The authorisation of Accurate does not cover this call.", source_code="403")
    session = _session_error(text)
    if session is not None:
        return session
    if reply.status in {401, 403}:
        return SessionExpired("Accurate does not accept the token.", source_code=TOKEN)
    if reply.status == 404:
        return ContractChanged("Accurate does not know the address of the call.", source_code="404")
    if reply.status in {400, 409, 422} and '"s":false' in text.replace(" ", ""):
        body = reply.json()
        return AccurateRefused(text_of(body.get("d")) if isinstance(body, dict) else "", words)
    return error_of_status(reply.status)


def _session_error(text: str, *, is_beginning: bool = False) -> SessionExpired | None:
    """Return what a text says about the login; of a validation text only the beginning counts."""
    low = text.lower()

    def says(parts: tuple[str, ...]) -> bool:
        return any(low.startswith(part) if is_beginning else part in low for part in parts)

    if says(_SESSION_TEXTS):
        return SessionExpired("Accurate does not accept the session.", source_code=SESSION)
    if says(_CLOCK_TEXTS):
        return SessionExpired(
            "Accurate does not accept our clock: it may differ from theirs by 600 seconds at most.",
            source_code=TOKEN,
        )
    if says(_TOKEN_TEXTS):
        return SessionExpired("Accurate does not accept the token or its signature.", source_code=TOKEN)
    return None


def _matches(text: str, groups: tuple[tuple[str, ...], ...]) -> bool:
    low = text.lower()
    return any(all(part in low for part in group) for group in groups)
