"""The token of a connection: asked for with id and secret, renewed before it ends, and kept in the memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from clientsync.commerce.systems import Opening
from clientsync.errors import ContractChanged, MissingSecret, RetryableSourceError, SessionExpired
from clientsync.http.client import Reply
from connectors.iseller.fields import text

NAME = "iseller_token"
"""Under which the memory keeps it."""
EARLY = timedelta(days=1)
"""How long before its end a token is renewed; one that lives shorter than two days, after half of its life."""
_REFUSALS = frozenset({400, 401, 403})


@dataclass(frozen=True)
class Token:
    """What a call needs: the token, and the address of the shop's own host."""

    access: str = field(repr=False)
    resource_url: str


class Session:
    """Gives out the token; safe to share between threads. Nothing here tries again: wrap it in ``client.run``."""

    def __init__(self, opening: Opening) -> None:
        """Keep with what the shop was opened; nothing is sent yet."""
        self._opening = opening
        self._lock = threading.Lock()

    def token(self) -> Token:
        """Return a token, renewed if it is about to end.

        Raises:
            MissingSecret: the connection has no ``client_id`` or ``client_secret``.
            SessionExpired: the shop does not accept them.
            ForbiddenHost: the shop's own host is not among the allowed ones.
        """
        with self._lock:
            kept = self._opening.memory.get(NAME)
            now = self._opening.now()
            if kept.get("access_token") and now < datetime.fromisoformat(kept["renew_at"]):
                return _token_of(kept)
            try:
                renewed = self._renewed(str(kept.get("refresh_token") or ""))
            except RetryableSourceError:
                if kept.get("access_token") and now < datetime.fromisoformat(kept["ends_at"]):
                    return _token_of(kept)
                raise
            self._opening.memory.put(NAME, renewed)
            return _token_of(renewed)

    def refused(self, token: Token) -> None:
        """Forget a token that the shop refused, unless another one has taken its place already."""
        with self._lock:
            kept = self._opening.memory.get(NAME)
            if kept.get("access_token") == token.access:
                self._opening.memory.put(NAME, {**kept, "access_token": ""})

    def _renewed(self, refresh_token: str) -> dict[str, Any]:
        if refresh_token:
            try:
                return self._granted({"grant_type": "refresh_token", "refresh_token": refresh_token})
            except SessionExpired:  # used up by another process, or too old: id and secret are asked instead
                return self._granted({"grant_type": "client_credentials"})
        return self._granted({"grant_type": "client_credentials"})

    def _granted(self, grant: Mapping[str, str]) -> dict[str, Any]:
        opening, form = self._opening, dict(grant)
        for name in ("client_id", "client_secret"):
            form[name] = opening.credentials.get(name, "")
            if not form[name]:
                raise MissingSecret(f"The connection to iSeller has no {name}.")
        asked_at = opening.now()
        found: list[dict[str, Any]] = []
        opening.client.send(
            "POST",
            "/oauth/token",
            client=opening.account,
            form=form,
            check=lambda reply: found.append(_read(reply)),
        )
        answer = found[0]
        opening.client.allowed.check(answer["resource_url"])
        life = timedelta(seconds=answer["expires_in"])
        return {
            "access_token": answer["access_token"],
            "refresh_token": answer["refresh_token"],
            "resource_url": answer["resource_url"].rstrip("/"),
            "renew_at": (asked_at + life - min(EARLY, life / 2)).isoformat(),
            "ends_at": (asked_at + life).isoformat(),
        }


def _token_of(kept: Mapping[str, Any]) -> Token:
    return Token(kept["access_token"], kept["resource_url"])


def _read(reply: Reply) -> dict[str, Any]:
    if reply.status in _REFUSALS:
        raise SessionExpired(
            "iSeller does not accept the credentials of the connection.", source_code=str(reply.status)
        )
    body = reply.raise_for_status().json()
    if not isinstance(body, dict):
        raise ContractChanged("The token of iSeller is not an object.")
    if body.get("error"):
        raise SessionExpired("iSeller does not accept the credentials of the connection.")
    found: dict[str, Any] = {name: text(body, name) for name in ("access_token", "resource_url")}
    for name, value in found.items():
        if not value:
            raise ContractChanged(f"The token of iSeller lacks {name}.")
    seconds = text(body, "expires_in")
    if not seconds.isdecimal() or not 0 < int(seconds) < 10**9:
        raise ContractChanged("The token of iSeller has an expires_in that cannot be read.")
    return {**found, "expires_in": int(seconds), "refresh_token": text(body, "refresh_token")}
