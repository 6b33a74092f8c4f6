"""From an answer of the e-filing portal to its content, or to the error that it stands for.

The portal refuses with HTTP 200 as well; of its words only the code is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any

from clientsync.errors import (
    AccountLocked,
    BadRequest,
    ContractChanged,
    DualLogin,
    NoData,
    NotEntitled,
    PasswordExpired,
    PasswordRejected,
    SecondFactorRequired,
    SessionExpired,
    SourceError,
    SourceUnavailable,
    WaitingSource,
)
from clientsync.http.client import Reply, error_of_status
from connectors.income_tax.endpoints import Endpoint
from connectors.income_tax.tokens import IncomeTaxTokens
from connectors.portal_sessions import DUAL_LOGIN_REST, wall_clock

LOCKED_FOR = timedelta(minutes=30)
"""The portal unlocks an account by itself thirty minutes after the fifth refusal."""
XSRF_COOKIE = "XSRF-TOKEN"
_CODE = re.compile(r"[A-Za-z0-9_.-]{2,20}")
_DUAL_CODE, _DUAL_WORDS = "EF00177D", "dual login detected"

_REFUSALS: tuple[tuple[type[SourceError], str, tuple[str, ...], str], ...] = (
    (DualLogin, _DUAL_CODE, (_DUAL_WORDS,), "Somebody else is logged in on the e-filing portal."),
    (
        SourceUnavailable,
        "EF00055",
        ("please start again",),
        "The e-filing portal wants the log-in to begin anew.",
    ),
    (
        AccountLocked,
        "EF00027",
        ("account is locked", "been locked", "account locked"),
        "The e-filing portal has locked the account after refused log-ins.",
    ),
    (
        PasswordExpired,
        "EF00177",
        ("password has expired", "password expired", "password is expired"),
        "The e-filing portal wants a new password.",
    ),
    (
        SecondFactorRequired,
        "EF00136",
        ("vault", "higher security"),
        "The account on the e-filing portal is protected by a second factor.",
    ),
    (
        NotEntitled,
        "EF00022",
        ("not registered", "does not exist"),
        "The e-filing portal does not know this client.",
    ),
    (
        PasswordRejected,
        "EF00054",
        ("invalid password", "incorrect password", "wrong password"),
        "The e-filing portal refused the password.",
    ),
)
"""Which refusal of a log-in is which error: by the portal's code, else by words, of which the first counts."""


@dataclass(frozen=True)
class Greeting:
    """What the first step of a log-in says.

    Attributes:
        request_id: handle of this log-in.
        has_vault: whether a second factor protects the account.
    """

    request_id: str = field(repr=False)
    has_vault: bool


def read_answer(endpoint: Endpoint, reply: Reply) -> tuple[Any, bytes]:
    """Return the content of an answer, and its JSON bytes.

    Raises:
        NoData: the portal says that there is nothing.
        SessionExpired: the session is gone.
        DualLogin: somebody else has logged in.
        NotEntitled: the account has no right to this.
        SourceUnavailable: a web page where data should be.
        BadRequest: the portal refuses the question.
        ContractChanged: the answer is of another shape.
    """
    body = read_success(reply)
    if endpoint.holds not in body:
        raise ContractChanged(f"The answer to {endpoint.name} lacks {endpoint.holds}.")
    held = body[endpoint.holds]
    if endpoint.nothing and isinstance(held, str) and held.strip().lower() == endpoint.nothing.lower():
        raise NoData("The e-filing portal says that there is nothing.", source_code=endpoint.nothing)
    return body, reply.body


def read_success(reply: Reply) -> dict[str, Any]:
    """Return the body of an answer in a session, which refuses nothing.

    Raises:
        SourceError: what the answer stands for.
    """
    code, words = _message_in(reply)
    if code == _DUAL_CODE or _DUAL_WORDS in words:
        raise _refusal(DualLogin, "Somebody else has logged in on the e-filing portal.", code)
    if reply.status == 401 or code == "EF00401":
        raise SessionExpired(
            "The e-filing portal does not accept the session.", source_code=code or "HTTP 401"
        )
    if reply.status == 403:
        raise NotEntitled(
            "The account on the e-filing portal has no right to what was asked.",
            source_code=code or "HTTP 403",
        )
    if reply.status >= 400:
        raise error_of_status(reply.status)
    body = reply.json()
    if not isinstance(body, dict):
        raise ContractChanged("The answer of the e-filing portal is not an object.")
    if body.get("successFlag") is not True:
        raise BadRequest("The e-filing portal refused the question.", source_code=code or None)
    return body


def read_greeting(reply: Reply) -> Greeting:
    """Return what the first step of a log-in says.

    Raises:
        NotEntitled: the portal does not know the client.
        AccountLocked: the portal has locked the account.
        ContractChanged: it says something else.
    """
    body = _login_body(reply)
    if not body.get("reqId"):
        raise _refused_login(reply)
    return Greeting(str(body["reqId"]), body.get("vault") is True)


def read_login(reply: Reply) -> IncomeTaxTokens:
    """Return the session that a log-in gave.

    Raises:
        PasswordRejected: the password is wrong.
        PasswordExpired: the portal wants a new one.
        AccountLocked: the portal has locked the account.
        SecondFactorRequired: a second factor protects the account.
        DualLogin: somebody else is logged in.
        SourceUnavailable: the log-in must begin anew.
        ContractChanged: a refusal that is not known, or an answer without a session.
    """
    body = _login_body(reply)
    if body.get("successFlag") is not True:
        raise _refused_login(reply)
    jar: dict[str, str] = {}
    try:
        for header in reply.set_cookies:
            jar.update({name: one.coded_value for name, one in SimpleCookie(header).items() if one.value})
    except CookieError:
        raise ContractChanged("A cookie of the e-filing portal cannot be read.") from None
    token, xsrf = str(body.get("authToken") or ""), jar.get(XSRF_COOKIE, "")
    if not token or not xsrf:
        raise ContractChanged("The log-in on the e-filing portal gave no session.")
    return IncomeTaxTokens(
        access=token, cookie="; ".join(f"{name}={value}" for name, value in jar.items()), xsrf=xsrf
    )


def _login_body(reply: Reply) -> dict[str, Any]:
    if reply.status >= 400:
        raise _refused_login(reply)
    body = reply.json()
    if not isinstance(body, dict):
        raise ContractChanged("The log-in on the e-filing portal answered with no object.")
    return body


def _refused_login(reply: Reply) -> SourceError:
    code, words = _message_in(reply)
    kinds = [(kind, message) for kind, known, _, message in _REFUSALS if code == known]
    kinds += [
        (kind, message) for kind, _, known, message in _REFUSALS if any(word in words for word in known)
    ]
    if not kinds and reply.status == 401:
        kinds.append((PasswordRejected, "The e-filing portal refused the password."))
    if not kinds:
        return ContractChanged(
            "The e-filing portal refused the log-in for a reason that is not known.", source_code=code or None
        )
    return _refusal(*kinds[0], code)


def _refusal(kind: type[SourceError], message: str, code: str) -> SourceError:
    if issubclass(kind, WaitingSource):
        wait = LOCKED_FOR if kind is AccountLocked else DUAL_LOGIN_REST
        return kind(message, ready_at=wall_clock() + wait, source_code=code or None)
    return kind(message, source_code=code or None)


def _message_in(reply: Reply) -> tuple[str, str]:
    """Return code and words, in lower case, of the first message that is an error; empty when there is none."""
    try:
        body = reply.json()
    except SourceError:
        return "", ""
    messages = body.get("messages") if isinstance(body, dict) else None
    for one in messages if isinstance(messages, list) else ():
        if isinstance(one, dict) and str(one.get("type") or "").upper() == "ERROR":
            code = str(one.get("code") or "")
            return (code if _CODE.fullmatch(code) else ""), str(one.get("desc") or "").lower()
    return "", ""
