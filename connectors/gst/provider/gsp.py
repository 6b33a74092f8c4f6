"""The raw GSTN protocol, as a GSP passes it through: RSA and AES sessions, sealed answers, the GSP's headers.

Pure: builds calls and opens answers. A session key never leaves ``Tokens``; an OTP is sealed at once.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from clientsync.config import ProviderSettings
from clientsync.errors import ContractChanged, MissingSecret
from connectors.gst.provider import crypto
from connectors.gst.provider.adapter import Call, Content, Taxpayer, Tokens
from connectors.gst.provider.errors import Refusal, refusal_in
from connectors.gst.provider.requests import Request

AUTH = "auth.taxpayer"
PUBLIC_AUTH = "auth.public"
VERSIONS = {AUTH: "v1.0", PUBLIC_AUTH: "v0.2"}


class GspAdapter:
    """Raw GSTN through a GSP."""

    kind = "gsp"

    def __init__(
        self, settings: ProviderSettings, credentials: Mapping[str, str], public_key: rsa.RSAPublicKey
    ) -> None:
        """Keep the practice's account and the portal's public key."""
        self._settings = settings
        self._credentials = credentials
        self._public_key = public_key

    def ask(self, request: Request, who: Taxpayer, tokens: Tokens, app_token: str) -> Call:
        """Return the call of a question."""
        headers = self._headers(who) | {"auth-token": tokens.access}
        if "ret_period" in request.query:
            headers["ret_period"] = request.query["ret_period"]
        body: dict[str, str] | None = None
        query = dict(request.query)
        if request.sealed:
            sealed = crypto.seal_request(tokens.session_key, json.dumps(dict(request.sealed)).encode())
            body = {"action": query.pop("action", ""), **sealed}
        return Call(request.method, request.path, query, headers, body)

    def refusal(self, body: Any) -> Refusal | None:
        """Return what an envelope says went wrong."""
        return refusal_in(body)

    def content(self, body: Any, tokens: Tokens) -> Content:
        """Open an answer; some GSPs hand over small answers unsealed."""
        if not isinstance(body, dict):
            raise ContractChanged("The answer is not an object.")
        if "rek" in body:
            return Content(opened=crypto.open_answer(tokens.session_key, body))
        data = body.get("data")
        if isinstance(data, dict):
            return Content(parsed=data)
        if "data" in body or "hmac" in body:
            raise ContractChanged("The answer holds sealed data without the key that opens it.")
        return Content(parsed={name: value for name, value in body.items() if name != "status_cd"})

    def app_login(self) -> Call | None:
        """A GSP knows the practice by its client id and secret; there is no login."""
        return None

    def app_token(self, body: Any) -> str:
        """There is none."""
        return ""

    def public_login(self, app_key: bytes) -> Call | None:
        """Return the call that opens public questions."""
        body = {
            "action": "ACCESSTOKEN",
            "username": self._credential("public_username"),
            "password": crypto.seal_text(app_key, self._credential("public_password")),
            "app_key": crypto.wrap_app_key(self._public_key, app_key),
        }
        return self._auth(f"/commonapi/{self._version(PUBLIC_AUTH)}/authenticate", body, None)

    def request_otp(self, who: Taxpayer, app_key: bytes, app_token: str) -> Call:
        """Return the call that makes the portal send an OTP."""
        return self._taxpayer_auth(
            who, {"action": "OTPREQUEST", "app_key": crypto.wrap_app_key(self._public_key, app_key)}
        )

    def answer_otp(self, who: Taxpayer, otp: str, app_key: bytes, app_token: str) -> Call:
        """Return the call that opens a session with an OTP."""
        return self._taxpayer_auth(
            who,
            {
                "action": "AUTHTOKEN",
                "app_key": crypto.wrap_app_key(self._public_key, app_key),
                "otp": crypto.seal_text(app_key, otp),
            },
        )

    def refresh(self, who: Taxpayer, tokens: Tokens, app_key: bytes, app_token: str) -> Call:
        """Return the call that prolongs a session; the new key travels under the current session key."""
        return self._taxpayer_auth(
            who,
            {
                "action": "REFRESHTOKEN",
                "auth_token": tokens.access,
                "app_key": crypto.seal_key(tokens.session_key, app_key),
            },
        )

    def tokens(self, body: Any, app_key: bytes, now: datetime) -> Tokens:
        """Return the session in an auth answer."""
        access, sek = (
            (body.get(name) for name in ("auth_token", "sek")) if isinstance(body, dict) else ("", "")
        )
        if not (isinstance(access, str) and access and isinstance(sek, str) and sek):
            raise ContractChanged("The portal's auth answer holds no session.")
        return Tokens(
            access=access,
            session_key=crypto.open_session_key(app_key, sek),
            expires_at=_in_minutes(body.get("expiry"), now),
        )

    def _taxpayer_auth(self, who: Taxpayer, body: dict[str, str]) -> Call:
        path = f"/taxpayerapi/{self._version(AUTH)}/authenticate"
        return self._auth(path, {**body, "username": who.username}, who)

    def _auth(self, path: str, body: dict[str, str], who: Taxpayer | None) -> Call:
        return Call("POST", path, {}, self._headers(who), body)

    def _headers(self, who: Taxpayer | None) -> dict[str, str]:
        headers = {
            "clientid": self._credential("client_id"),
            "client-secret": self._credential("client_secret"),
            "ip-usr": self._settings.ip_address,
            "txn": uuid.uuid4().hex,
        }
        if who is None:
            return headers
        return headers | {"username": who.username, "state-cd": who.gstin[:2], "gstin": who.gstin}

    def _credential(self, name: str) -> str:
        if name not in self._credentials:
            raise MissingSecret(f"The provider's credentials name no {name}.")
        return self._credentials[name]

    def _version(self, name: str) -> str:
        return self._settings.endpoint_versions.get(name, VERSIONS[name])


def _in_minutes(value: Any, now: datetime) -> datetime | None:
    try:
        minutes = float(str(value))
    except ValueError:
        return None
    return now + timedelta(minutes=minutes) if 0 < minutes < 1e6 else None
