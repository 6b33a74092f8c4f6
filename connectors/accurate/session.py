"""The two ways in: an API token that signs every call, or OAuth with a session of one database.

What is learned on the way (tokens, session, host) is kept in the memory of the connection. A refresh token is good
once, so the new one is kept before anything is done with it.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from clientsync.commerce.systems import Opening
from clientsync.errors import ContractChanged, MissingSecret, ProviderMisconfigured, SessionExpired
from connectors.accurate.answers import SESSION, TOKEN, WORDS, read_answer, rows_of
from connectors.accurate.hosts import data_host
from connectors.accurate.options import Options
from connectors.accurate.signing import signed_headers

HOST_DAYS = 30
"""The host of an API token is asked for again after so many days (vendor PDF)."""
EARLY = timedelta(minutes=5)
"""An access token is renewed so long before it ends."""
_HOST = "accurate_host"
_SESSION = "accurate_session"


class Access(Protocol):
    """A way in."""

    def mark(self, *, is_data: bool) -> str:
        """Make ready for a call and return what changes when the access is renewed; it is no secret."""
        ...

    def account_headers(self) -> dict[str, str]:
        """Return the headers of one try at the account layer."""
        ...

    def data_headers(self) -> dict[str, str]:
        """Return the headers of one try at the data layer."""
        ...

    def host(self) -> str:
        """Return scheme, host and port of the data, asked for when it is not known."""
        ...

    def move(self, host: str) -> None:
        """Keep another host, which Accurate redirected to."""
        ...

    def renew(self, mark: str, error: SessionExpired) -> bool:
        """Renew what was refused; False when that is not possible.

        Args:
            mark: of the access that was refused; when it was renewed meanwhile, nothing is done.
            error: the refusal.
        """
        ...


def open_access(opening: Opening, options: Options) -> Access:
    """Return the way in that the credentials allow.

    Raises:
        MissingSecret: they are neither ``token`` and ``signature_secret`` nor ``client_id``, ``client_secret`` and
            ``refresh_token``.
    """
    given = {name for name, value in opening.credentials.items() if value}
    if {"token", "signature_secret"} <= given:
        return ApiToken(opening, options)
    if {"client_id", "client_secret", "refresh_token"} <= given:
        return OAuth(opening, options)
    raise MissingSecret(
        "Accurate needs token and signature_secret, or client_id, client_secret and refresh_token."
    )


class ApiToken:
    """An API token and the secret of the app that issued it; there is no session."""

    def __init__(self, opening: Opening, options: Options) -> None:
        """Prepare; nothing is sent."""
        self._opening = opening
        self._options = options
        self._token = opening.credentials["token"]
        self._secret = opening.credentials["signature_secret"]
        self._of_token = _short_digest(self._token)
        self._lock = threading.Lock()
        self._host = ""
        self._checked_at: datetime | None = None

    def mark(self, *, is_data: bool) -> str:
        """Return the digest of the token."""
        return self._of_token

    def account_headers(self) -> dict[str, str]:
        """Return bearer, timestamp, signature and language."""
        return {
            "authorization": f"Bearer {self._token}",
            "x-language-profile": self._options.language,
            **signed_headers(self._secret, self._opening.now()),
        }

    def data_headers(self) -> dict[str, str]:
        """Return the same as at the account layer."""
        return self.account_headers()

    def host(self) -> str:
        """Return the host of the token's database, asked for again after ``HOST_DAYS`` days."""
        with self._lock:
            if not self._host:
                self._remember()
            at = self._opening.now()
            if self._checked_at is None or at - self._checked_at >= timedelta(days=HOST_DAYS):
                self._keep(self._discovered(), at)
            return self._host

    def move(self, host: str) -> None:
        """Keep another host."""
        with self._lock:
            self._keep(host, self._opening.now())

    def renew(self, mark: str, error: SessionExpired) -> bool:
        """Return False: only a person can make another token."""
        return False

    def _remember(self) -> None:
        kept = self._opening.memory.get(_HOST)
        if kept.get("of") == self._of_token:
            self._host = data_host(self._opening.client, str(kept["host"]))
            self._checked_at = datetime.fromisoformat(str(kept["checked_at"]))

    def _keep(self, host: str, at: datetime) -> None:
        self._host, self._checked_at = host, at
        self._opening.memory.put(_HOST, {"host": host, "checked_at": at.isoformat(), "of": self._of_token})

    def _discovered(self) -> str:
        client = self._opening.client

        def asked() -> dict[str, Any]:
            # Sent again like a question: it changes nothing at Accurate.
            reply = client.send(
                "POST", "/api/api-token.do", client=self._opening.account, headers=self.account_headers()
            )
            return read_answer(reply, WORDS[self._options.language])

        return data_host(client, _host_in(client.run(asked).get("d")))


class OAuth:
    """An authorisation that a person gave: access token, database, session."""

    def __init__(self, opening: Opening, options: Options) -> None:
        """Prepare; nothing is sent."""
        self._opening = opening
        self._options = options
        self._words = WORDS[options.language]
        self._of_credentials = _short_digest(opening.credentials["refresh_token"])
        self._lock = threading.Lock()
        self._kept: dict[str, Any] = {}

    def mark(self, *, is_data: bool) -> str:
        """Have a token, for data also a session, and return the digest of both."""
        with self._lock:
            self._have_session() if is_data else self._have_token()
            return _mark_of(self._kept)

    def account_headers(self) -> dict[str, str]:
        """Return bearer and language."""
        with self._lock:
            self._have_token()
            return self._bearer()

    def data_headers(self) -> dict[str, str]:
        """Return bearer, language and session."""
        with self._lock:
            self._have_session()
            return {**self._bearer(), "x-session-id": str(self._kept["session"])}

    def host(self) -> str:
        """Return the host that came with the session."""
        with self._lock:
            self._have_session()
            return str(self._kept["host"])

    def move(self, host: str) -> None:
        """Keep another host."""
        with self._lock:
            self._keep(host=host)

    def renew(self, mark: str, error: SessionExpired) -> bool:
        """Open the database anew, with another access token when the token was refused.

        Raises:
            SessionExpired: the authorisation has ended.
        """
        with self._lock:
            if _mark_of(self._kept) == mark:
                self._adopt()
            if _mark_of(self._kept) != mark:
                return True
            if error.source_code == SESSION:
                try:
                    self._open_database()
                except SessionExpired as refused:
                    if refused.source_code != TOKEN:
                        raise
                else:
                    return True
            self._keep(session="")
            self._refresh()
            return True

    def _bearer(self) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self._kept['access_token']}",
            "x-language-profile": self._options.language,
        }

    def _adopt(self) -> None:
        """Take what another process may have renewed; what comes of other credentials is left."""
        kept = self._opening.memory.get(_SESSION)
        if kept.get("of") == self._of_credentials:
            self._kept = kept
        elif not self._kept:
            self._kept = {
                "of": self._of_credentials,
                "refresh_token": self._opening.credentials["refresh_token"],
            }

    def _keep(self, **values: Any) -> None:
        self._kept = {**self._kept, **values}
        self._opening.memory.put(_SESSION, self._kept)

    def _have_token(self) -> None:
        if not self._kept:
            self._adopt()
        ends = self._kept.get("ends_at")
        if not self._kept.get("access_token") or (
            ends and self._opening.now() >= datetime.fromisoformat(str(ends)) - EARLY
        ):
            self._refresh()

    def _have_session(self) -> None:
        self._have_token()
        database = self._options.database_id
        if not self._kept.get("session") or (database and self._kept.get("database_id") != database):
            try:
                self._open_database()
            except SessionExpired as refused:
                if refused.source_code != TOKEN:
                    raise
                self._refresh()
                self._open_database()

    def _refresh(self) -> None:
        """Change the refresh token for an access token; sent once, because the token is good once."""
        given = str(self._kept["refresh_token"])
        names = self._opening.credentials
        pair = base64.b64encode(f"{names['client_id']}:{names['client_secret']}".encode()).decode()
        reply = self._opening.client.send(
            "POST",
            "/oauth/token",
            client=self._opening.account,
            headers={"authorization": f"Basic {pair}"},
            form={"grant_type": "refresh_token", "refresh_token": given},
        )
        if reply.status in {400, 401, 403}:
            before = _mark_of(self._kept)
            self._adopt()
            if _mark_of(self._kept) != before:  # another process was first with the same token
                return
            raise SessionExpired(
                "The authorisation of Accurate has ended; give access anew.", source_code=TOKEN
            )
        body = reply.raise_for_status().json()
        if not isinstance(body, dict) or not isinstance(body.get("access_token"), str):
            raise ContractChanged("The answer of Accurate holds no access token.")
        seconds = body.get("expires_in")
        ends = (
            (self._opening.now() + timedelta(seconds=int(seconds))).isoformat()
            if isinstance(seconds, int | str) and str(seconds).isdigit()
            else ""
        )
        # The old refresh token is worth nothing from here on, so this is kept before anything else is asked.
        self._keep(
            access_token=body["access_token"],
            refresh_token=str(body.get("refresh_token") or given),
            ends_at=ends,
        )

    def _open_database(self) -> None:
        database = self._options.database_id or self._only_database()
        body = self._ask("/api/open-db.do", {"id": database})
        session, host = body.get("session"), body.get("host")
        if not isinstance(session, str) or not isinstance(host, str) or not session:
            raise ContractChanged("The answer of Accurate holds no session or no host.")
        self._keep(session=session, host=data_host(self._opening.client, host), database_id=database)

    def _only_database(self) -> str:
        found = [row for row in rows_of(self._ask("/api/db-list.do", {})) if not row.get("expired")]
        if len(found) != 1:
            raise ProviderMisconfigured(
                f"The account can open {len(found)} databases of Accurate; name one in the option database_id."
            )
        return str(found[0].get("id"))

    def _ask(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        client = self._opening.client

        def asked() -> dict[str, Any]:
            reply = client.send(
                "GET", path, client=self._opening.account, params=params, headers=self._bearer()
            )
            return read_answer(reply, self._words)

        return client.run(asked)


def _host_in(found: Any) -> str:
    """Return the host in the answer about an API token, which is described with two names."""
    for name in ("database", "data usaha"):
        part = found.get(name) if isinstance(found, dict) else None
        if isinstance(part, dict) and isinstance(part.get("host"), str) and part["host"]:
            return str(part["host"])
    raise ContractChanged("The answer of Accurate holds no host.")


def _mark_of(kept: Mapping[str, Any]) -> str:
    return _short_digest(f"{kept.get('access_token', '')} {kept.get('session', '')}")


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
