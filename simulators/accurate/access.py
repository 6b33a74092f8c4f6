"""Who may call: API tokens that sign, OAuth tokens that live once, sessions that end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

from simulators.accurate.settings import CLIENT_ID, CLIENT_SECRET, SIGNATURE_SECRET, TOKEN, Settings
from simulators.accurate.texts import text as text_of
from simulators.http import Request, Response

SKEW = 600.0
_JAKARTA = timezone(timedelta(hours=7))


@dataclass
class Access:
    """Tokens and sessions.

    Attributes:
        refresh_tokens: those that were not used yet.
        used: refresh tokens that were used.
        sessions_opened: how many sessions were opened.
    """

    settings: Settings
    now: Callable[[], datetime]
    token: str = TOKEN
    secret: str = SIGNATURE_SECRET
    refresh_tokens: set[str] = field(default_factory=set)
    used: list[str] = field(default_factory=list)
    access_tokens: dict[str, datetime] = field(default_factory=dict)
    sessions: dict[str, datetime] = field(default_factory=dict)
    sessions_opened: int = 0

    def authorise(self) -> str:
        """Give access anew, as a person does; every older token dies. Return the refresh token."""
        self.refresh_tokens.clear()
        self.access_tokens.clear()
        self.sessions.clear()
        return self._new_refresh_token()

    def exchange(self, request: Request) -> Response:
        """Answer ``POST /oauth/token``."""
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return Response.of({"error": "invalid_client"}, 401)
        form = dict(parse_qsl(request.body.decode()))
        given = form.get("refresh_token", "")
        if form.get("grant_type") != "refresh_token" or given not in self.refresh_tokens:
            return Response.of({"error": "invalid_grant"}, 400)
        self.refresh_tokens.discard(given)
        self.used.append(given)
        access = secrets.token_hex(12)
        self.access_tokens[access] = self.now() + timedelta(seconds=self.settings.access_seconds)
        return Response.of(
            {
                "access_token": access,
                "refresh_token": self._new_refresh_token(),
                "token_type": "bearer",
                "expires_in": int(self.settings.access_seconds),
            }
        )

    def open_session(self) -> str:
        """Open a session and return it."""
        session = secrets.token_hex(8)
        self.sessions[session] = self.now() + timedelta(seconds=self.settings.session_seconds)
        self.sessions_opened += 1
        return session

    def refusal(self, request: Request, *, needs_session: bool) -> Response | None:
        """Return the answer to a caller who may not call, None when it may."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not bearer:
            return _plain("Unauthorized")
        if bearer.startswith("aat."):
            return self._unsigned(bearer, request)
        if self.access_tokens.get(bearer, self.now()) <= self.now():
            return Response.of({"error": "invalid_token"}, 401)
        session = request.headers.get("x-session-id", "")
        if needs_session and self.sessions.get(session, self.now()) <= self.now():
            language = request.headers.get("x-language-profile", "ID")
            return Response.of({"s": False, "d": [text_of("session", language)]}, 401)
        return None

    def _unsigned(self, bearer: str, request: Request) -> Response | None:
        stamp, given = (request.headers.get(f"x-api-{name}", "") for name in ("timestamp", "signature"))
        moment = _moment(stamp)
        digest = hmac.digest(self.secret.encode(), stamp.encode(), hashlib.sha256)
        checks = (
            (bearer != self.token, "Invalid or Revoked API Token"),
            (not stamp, "Header X-Api-Timestamp is required"),
            (moment is None, "Header X-Api-Timestamp is invalid"),
            (
                moment is not None and abs((moment - self.now()).total_seconds()) > SKEW,
                "Header X-Api-Timestamp difference more than 600 seconds",
            ),
            (not given, "Header X-Api-Signature is required"),
            (
                given not in {base64.b64encode(digest).decode(), digest.hex()},
                "Header X-Api-Signature is invalid",
            ),
        )
        return next((_plain(text) for is_wrong, text in checks if is_wrong), None)

    def _new_refresh_token(self) -> str:
        made = secrets.token_hex(12)
        self.refresh_tokens.add(made)
        return made


def _moment(stamp: str) -> datetime | None:
    if stamp.isdigit():
        seconds = int(stamp) / (1000 if len(stamp) > 11 else 1)
        return datetime.fromtimestamp(seconds, UTC)
    try:
        return datetime.strptime(stamp, "%d/%m/%Y %H:%M:%S").replace(tzinfo=_JAKARTA)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=_JAKARTA)


def _plain(body: str) -> Response:
    return Response(body.encode(), 401, "text/plain")
