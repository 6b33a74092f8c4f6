"""From an answer of TRACES to its content, or to the error that it stands for.

What an outage is, is decided here, while the call is still open; of the portal's words only its codes are kept.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any

from clientsync.errors import (
    AccountLocked,
    CaptchaRequired,
    ContractChanged,
    DualLogin,
    NoData,
    NotEntitled,
    PasswordExpired,
    PasswordRejected,
    SessionExpired,
    SourceError,
    SourceUnavailable,
    WaitingSource,
)
from clientsync.http.client import Reply, error_of_status
from connectors.portal_sessions import DUAL_LOGIN_REST, wall_clock
from connectors.traces.endpoints import Endpoint, Shape

LOCKED_FOR = timedelta(hours=1)
"""TRACES unlocks an account by itself one hour after five refusals in a row."""
CAPTCHA_CODES = frozenset({"CPT400", "CPT401", "CPT403"})
LOCK_CODES = frozenset({"AUTH423"})
EXPIRED_CODES = frozenset({"AUTH428"})
REFUSED_CODES = frozenset({"AUTH401"})
_CODE = re.compile(r"[A-Z0-9_]{2,20}")
_UNSETTLED = b"requested resource could not be found"
_DUAL = b"dual login detected"
_CREDENTIALS = ("password", "credential", "user id", "userid")
_UNKNOWN_USER = ("not registered", "does not exist", "no such user")


class NotSettled(SourceError):
    """The old portal does not know its own pages yet, which ends a few seconds after the bridge."""


Opened = tuple[Any, bytes]
"""A payload, and its JSON bytes."""


@dataclass(frozen=True)
class LoggedIn:
    """What a log-in gave."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    tan: str = field(repr=False)


def with_question(payload: dict[str, Any], raw: bytes, params: Mapping[str, str]) -> Opened:
    """Return an answer with what was asked beside it (``asked``), for answers that do not say what they are about."""
    asked = dict(params)
    whole = raw.rstrip()
    opener = b'"asked":' if not payload else b',"asked":'
    return {**payload, "asked": asked}, whole[:-1] + opener + json.dumps(asked).encode() + b"}"


def read_answer(endpoint: Endpoint, reply: Reply) -> Opened:
    """Return the content of an answer.

    Raises:
        NoData: the portal says that there is nothing.
        SessionExpired: the session of the portal that was asked is gone.
        DualLogin: somebody else has logged in.
        NotEntitled: the account has no right to this.
        NotSettled: the same question has an answer in a few seconds.
        SourceUnavailable: a web page where data should be.
        ContractChanged: the answer is of another shape.
    """
    _refuse(endpoint, reply)
    if endpoint.shape is Shape.PAGE:
        page = reply.body.decode("utf-8", "replace")
        if "<table" not in page.lower():
            raise SourceUnavailable("The page of TRACES has no table.")
        return {"html": page}, json.dumps({"html": page}).encode()
    payload = reply.json()
    if endpoint.shape is Shape.ROWS and isinstance(payload, list):
        return {"rows": payload}, b'{"rows":' + reply.body.removeprefix(b"\xef\xbb\xbf") + b"}"
    if not isinstance(payload, dict):
        raise ContractChanged(f"The answer to {endpoint.name} is not an object.")
    return payload, reply.body


def _refuse(endpoint: Endpoint, reply: Reply) -> None:
    lowered = reply.body[:4000].lower()
    is_data = reply.status < 400 and lowered.lstrip()[:1] in {b"{", b"["}
    if not is_data and _DUAL in lowered:
        raise dual_login()
    if not is_data and _UNSETTLED in lowered:
        raise NotSettled("The old portal of TRACES has not settled yet.")
    if reply.status < 400:
        return
    if reply.status in {401, 410}:
        raise SessionExpired("TRACES does not accept the session.", source_code=f"HTTP {reply.status}")
    if reply.status == 403:
        raise NotEntitled(
            "The account on TRACES has no right to what was asked.", source_code=_code_in(reply) or "HTTP 403"
        )
    if reply.status == 400 and endpoint.nothing and endpoint.nothing.encode() in lowered:
        raise NoData("TRACES says that there is nothing.", source_code="HTTP 400")
    raise error_of_status(reply.status)


def dual_login() -> DualLogin:
    """Return the error of somebody else being logged in."""
    return DualLogin(
        "Somebody else is logged in on TRACES with this client's account.",
        ready_at=wall_clock() + DUAL_LOGIN_REST,
    )


def read_captcha(reply: Reply) -> tuple[str, bytes]:
    """Return the portal's handle of a picture, and the picture.

    Raises:
        ContractChanged: there is none in the answer.
    """
    body = reply.raise_for_status().json()
    try:
        text = str(body["image"])
        image = base64.b64decode(text.rpartition(",")[2] if text.startswith("data:") else text, validate=True)
        handle = str(body["id"])
    except (KeyError, TypeError, binascii.Error):
        raise ContractChanged("The answer of TRACES holds no picture.") from None
    if not handle or not image:
        raise ContractChanged("The answer of TRACES holds no picture.")
    return handle, image


def read_login(reply: Reply) -> LoggedIn:
    """Return the tokens of a log-in.

    Raises:
        CaptchaRequired: the picture was misread, or is no longer good.
        PasswordRejected: user id or password are wrong.
        PasswordExpired: the portal wants a new password.
        AccountLocked: the portal has locked the account.
        DualLogin: somebody else is logged in.
        NotEntitled: the portal does not know the user.
        ContractChanged: a refusal that is not known, or an answer without tokens.
    """
    if reply.status >= 400:
        raise _refused_login(reply)
    body = reply.json()
    try:
        tokens = body["authTokenDto"]
        access, refresh = str(tokens["accessToken"]), str(tokens["refreshToken"])
    except (KeyError, TypeError):
        raise ContractChanged("The log-in on TRACES gave no tokens.") from None
    if not access:
        raise ContractChanged("The log-in on TRACES gave no tokens.")
    return LoggedIn(access, refresh, str(body.get("tan") or ""))


_REFUSALS: tuple[tuple[type[SourceError], frozenset[str], tuple[str, ...], str], ...] = (
    (CaptchaRequired, CAPTCHA_CODES, (), "The picture was misread or is no longer good."),
    (
        AccountLocked,
        LOCK_CODES,
        ("is locked", "been locked", "account locked"),
        "TRACES has locked the account after refused log-ins.",
    ),
    (DualLogin, frozenset(), (_DUAL.decode(),), "Somebody else is logged in on TRACES with this account."),
    (
        PasswordExpired,
        EXPIRED_CODES,
        ("password has expired", "password expired", "password is expired"),
        "TRACES wants a new password.",
    ),
    (NotEntitled, frozenset(), _UNKNOWN_USER, "TRACES does not know this client's user."),
    (PasswordRejected, REFUSED_CODES, _CREDENTIALS, "TRACES refused user id or password."),
)
"""Which refusal of a log-in is which error: by the portal's code, else by words, of which the first counts."""


def _refused_login(reply: Reply) -> SourceError:
    code = _code_in(reply)
    text = reply.body[:4000].decode("utf-8", "replace").lower()
    shown = code or f"HTTP {reply.status}"
    kinds = [(kind, message) for kind, codes, _, message in _REFUSALS if code in codes]
    kinds += [(kind, message) for kind, _, words, message in _REFUSALS if any(word in text for word in words)]
    if not kinds and reply.status == 401:
        kinds.append((PasswordRejected, "TRACES refused user id or password."))
    if not kinds:
        return ContractChanged("TRACES refused the log-in for a reason that is not known.", source_code=shown)
    kind, message = kinds[0]
    if issubclass(kind, WaitingSource):
        wait = LOCKED_FOR if kind is AccountLocked else DUAL_LOGIN_REST
        return kind(message, ready_at=wall_clock() + wait, source_code=shown)
    return kind(message, source_code=shown)


def _code_in(reply: Reply) -> str:
    try:
        body = reply.json()
    except SourceError:
        return ""
    code = str(body.get("errorCode") or "").upper() if isinstance(body, dict) else ""
    return code if _CODE.fullmatch(code) else ""


def read_bridge(reply: Reply) -> str:
    """Return the ``Cookie`` header of the old portal.

    Raises:
        SessionExpired: the new portal's session is gone.
        ContractChanged: the old portal gave no session.
    """
    if reply.status in {401, 410}:
        if _DUAL in reply.body.lower():
            raise dual_login()
        raise SessionExpired("The old portal does not accept the new one's session.", source_code="bridge")
    if reply.status >= 400:
        raise error_of_status(reply.status)
    cookie = cookie_header(reply.set_cookies)
    if reply.status < 300 or not cookie:
        raise ContractChanged("The bridge into the old portal of TRACES gave no session.")
    return cookie


def read_dashboard(reply: Reply) -> None:
    """Return if the dashboard greets somebody.

    Raises:
        NotSettled: it is not there yet.
        SourceUnavailable: it greets nobody.
    """
    lowered = reply.body.lower()
    if _UNSETTLED in lowered:
        raise NotSettled("The old portal of TRACES has not settled yet.")
    if reply.status >= 400 or b"welcome" not in lowered:
        raise SourceUnavailable("The bridge into the old portal of TRACES led to no session.")


def cookie_header(set_cookies: tuple[str, ...]) -> str:
    """Return the ``Cookie`` header that answers these ``Set-Cookie`` headers; empty for none.

    Raises:
        ContractChanged: one of them cannot be read.
    """
    jar: dict[str, str] = {}
    try:
        for header in set_cookies:
            morsels = SimpleCookie(header)
            jar.update({name: morsel.coded_value for name, morsel in morsels.items() if morsel.value})
    except CookieError:
        raise ContractChanged("A cookie of TRACES cannot be read.") from None
    return "; ".join(f"{name}={value}" for name, value in jar.items())
