"""What a provider adapter is: how calls are dressed for the wire, and how answers are undressed.

Adapters are pure: they build calls and read parsed bodies, they send nothing and remember nothing. Everything
that must be done for both kinds alike (budget, retries, sessions, queued files) is done by those who use them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from clientsync.errors import MissingSecret
from connectors.gst.provider.errors import Refusal
from connectors.gst.provider.requests import Request


@dataclass(frozen=True)
class Call:
    """One HTTP call, ready to be sent below the provider's base address; ``repr`` hides what may be secret."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Tokens:
    """A session with the portal; ``repr`` shows nothing of it.

    Attributes:
        access: token that goes with every call; empty while only an OTP was asked for.
        session_key: key that opens answers, empty for plain-JSON providers.
        refresh: token that prolongs the session, empty when ``access`` itself does.
        pending_key: application key with which an OTP was asked for, empty when none is awaited.
        consent_ends_at: when the portal's consent ends, None when the provider did not say.
        expires_at: when the provider says that ``access`` ends, None when it did not say; never trusted beyond
            our own refresh clock.
    """

    access: str = field(default="", repr=False)
    session_key: bytes = field(default=b"", repr=False)
    refresh: str = field(default="", repr=False)
    pending_key: bytes = field(default=b"", repr=False)
    consent_ends_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session, and not only an OTP that is awaited."""
        return bool(self.access)

    def to_bytes(self) -> bytes:
        """Return what the vault seals."""
        return json.dumps(
            {
                "access": self.access,
                "session_key": base64.b64encode(self.session_key).decode(),
                "refresh": self.refresh,
                "pending_key": base64.b64encode(self.pending_key).decode(),
            }
        ).encode()

    @classmethod
    def from_bytes(cls, plain: bytes) -> Tokens:
        """Return what was sealed.

        Raises:
            MissingSecret: it is not a session of this program.
        """
        try:
            found = json.loads(plain)
            return cls(
                access=str(found["access"]),
                session_key=base64.b64decode(found["session_key"], validate=True),
                refresh=str(found["refresh"]),
                pending_key=base64.b64decode(found["pending_key"], validate=True),
            )
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise MissingSecret("The stored session of a client cannot be read.") from None


@dataclass(frozen=True)
class Taxpayer:
    """Whom a call is about."""

    gstin: str
    username: str


@dataclass(frozen=True)
class Content:
    """What an answer holds: what GSTN means, either as sealed JSON that was opened or parsed already.

    Attributes:
        opened: decrypted JSON bytes, None when the answer was plain.
        parsed: the plain answer without its wrapping, None when it was sealed.
    """

    opened: bytes | None = None
    parsed: Any = None


class Adapter(Protocol):
    """One kind of provider."""

    kind: str

    def ask(self, request: Request, who: Taxpayer, tokens: Tokens, app_token: str) -> Call:
        """Return the call of a question; ``tokens`` are the public ones for public questions."""
        ...

    def refusal(self, body: Any) -> Refusal | None:
        """Return what a parsed answer says went wrong, None when nothing did."""
        ...

    def content(self, body: Any, tokens: Tokens) -> Content:
        """Return what a parsed answer holds.

        Raises:
            ContractChanged: it does not have the promised shape, or does not open.
        """
        ...

    def app_login(self) -> Call | None:
        """Return the call that logs the practice in, None when the provider has no such login."""
        ...

    def app_token(self, body: Any) -> str:
        """Return the token in the answer of ``app_login``."""
        ...

    def public_login(self, app_key: bytes) -> Call | None:
        """Return the call that opens public questions, None when none is needed."""
        ...

    def request_otp(self, who: Taxpayer, app_key: bytes, app_token: str) -> Call:
        """Return the call that makes the portal send an OTP."""
        ...

    def answer_otp(self, who: Taxpayer, otp: str, app_key: bytes, app_token: str) -> Call:
        """Return the call that opens a session with an OTP."""
        ...

    def refresh(self, who: Taxpayer, tokens: Tokens, app_key: bytes, app_token: str) -> Call:
        """Return the call that prolongs a session."""
        ...

    def tokens(self, body: Any, app_key: bytes, now: datetime) -> Tokens:
        """Return the session in the answer of ``answer_otp``, ``refresh`` or ``public_login``.

        Raises:
            ContractChanged: it holds none.
        """
        ...
