"""The plain-JSON style of Sandbox: an application login shared by all clients, tokens in headers, nested data.

Pure: builds calls and unwraps answers. The OTP travels as a query parameter, as this provider demands; calls are
never logged with their query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from clientsync.config import ProviderSettings
from clientsync.errors import ContractChanged, MissingSecret
from connectors.gst.provider.adapter import Call, Content, Taxpayer, Tokens
from connectors.gst.provider.errors import Refusal, refusal_in, refusal_of_status
from connectors.gst.provider.requests import Request

APP_AUTH = "auth.app"
API_VERSION = "1.0.0"
_T = "/gst/compliance/tax-payer"
_WRAPPING = frozenset({"status_cd", "code", "transaction_id", "timestamp"})


class SandboxAdapter:
    """Plain JSON through Sandbox."""

    kind = "sandbox"

    def __init__(self, settings: ProviderSettings, credentials: Mapping[str, str]) -> None:
        """Keep the practice's account."""
        self._settings = settings
        self._credentials = credentials

    def ask(self, request: Request, who: Taxpayer, tokens: Tokens, app_token: str) -> Call:
        """Return the call of a question; public questions carry the application's token."""
        headers = self._headers(tokens.access or app_token)
        return Call(request.method, request.path, request.query, headers, request.body or None)

    def refusal(self, body: Any) -> Refusal | None:
        """Return what the inner or the outer envelope says went wrong."""
        inner = body.get("data") if isinstance(body, dict) else None
        found = refusal_in(inner)
        if found is not None:
            return found
        found = refusal_in(body)
        if found is not None:
            return found
        code = body.get("code") if isinstance(body, dict) else None
        return refusal_of_status(code) if isinstance(code, int) and 400 <= code < 600 else None

    def content(self, body: Any, tokens: Tokens) -> Content:
        """Unwrap an answer: ``{code, transaction_id, data: {status_cd, data: payload}}``."""
        inner = body.get("data") if isinstance(body, dict) else None
        if not isinstance(inner, dict):
            raise ContractChanged("The answer holds no data.")
        if "status_cd" in inner and isinstance(inner.get("data"), dict):
            return Content(parsed=inner["data"])
        if set(inner) == {"data"} and isinstance(inner["data"], dict):
            return Content(parsed=inner["data"])
        return Content(parsed={name: value for name, value in inner.items() if name not in _WRAPPING})

    def app_login(self) -> Call | None:
        """Return the call that logs the practice in."""
        headers = self._headers("")
        headers["x-api-secret"] = self._credential("api_secret")
        return Call("POST", "/authenticate", {}, headers, {})

    def app_token(self, body: Any) -> str:
        """Return the token in the answer of ``app_login``."""
        token = _first(body, "access_token")
        if not token:
            raise ContractChanged("The provider's login answer holds no token.")
        return token

    def public_login(self, app_key: bytes) -> Call | None:
        """Public questions need the application's login only."""
        return None

    def request_otp(self, who: Taxpayer, app_key: bytes, app_token: str) -> Call:
        """Return the call that makes the portal send an OTP."""
        return self._auth("/otp", app_token, who)

    def answer_otp(self, who: Taxpayer, otp: str, app_key: bytes, app_token: str) -> Call:
        """Return the call that opens a session with an OTP."""
        return replace(self._auth("/otp/verify", app_token, who), query={"otp": otp})

    def refresh(self, who: Taxpayer, tokens: Tokens, app_key: bytes, app_token: str) -> Call:
        """Return the call that prolongs a session."""
        body = {"refresh_token": tokens.refresh} if tokens.refresh else {}
        return self._call("/session/refresh", tokens.access, body)

    def tokens(self, body: Any, app_key: bytes, now: datetime) -> Tokens:
        """Return the session in an auth answer."""
        access = _first(body, "access_token")
        if not access:
            raise ContractChanged("The provider's auth answer holds no session.")
        return Tokens(
            access=access,
            refresh=_first(body, "refresh_token"),
            expires_at=_moment(_first(body, "token_expiry")),
            consent_ends_at=_moment(_first(body, "session_expiry")),
        )

    def _auth(self, path: str, token: str, who: Taxpayer) -> Call:
        return self._call(path, token, {"gstin": who.gstin, "username": who.username})

    def _call(self, path: str, token: str, body: Mapping[str, str]) -> Call:
        return Call("POST", f"{_T}{path}", {}, self._headers(token), body)

    def _headers(self, token: str) -> dict[str, str]:
        headers = {
            "x-api-key": self._credential("api_key"),
            "x-api-version": self._settings.endpoint_versions.get(APP_AUTH, API_VERSION),
            "x-source": "primary",
        }
        return headers | {"Authorization": token} if token else headers

    def _credential(self, name: str) -> str:
        if name not in self._credentials:
            raise MissingSecret(f"The provider's credentials name no {name}.")
        return self._credentials[name]


def _first(body: Any, name: str) -> str:
    """Return a field of an answer wherever the wrapping put it, empty when it is nowhere."""
    level = body
    for _ in range(3):
        if not isinstance(level, dict):
            return ""
        if level.get(name) not in (None, ""):
            return str(level[name])
        level = level.get("data")
    return ""


def _moment(text: str) -> datetime | None:
    """Read a moment given as Unix seconds, Unix milliseconds or ISO 8601; None when it is none of these."""
    try:
        number = float(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    seconds = number / 1000 if number > 1e11 else number
    return datetime.fromtimestamp(seconds, UTC) if 1e9 < seconds < 1e10 else None
