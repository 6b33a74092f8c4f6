"""What a connector is: one outside system, its module groups, and how to open a session with it.

The index of connectors (``connectors.INDEX``) holds dotted names and is imported lazily, so a broken connector
fails its own clients only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from clientsync.periods import Period
from clientsync.spec.module import Module


@dataclass(frozen=True)
class ModuleGroup:
    """What an operator ticks: a label and the modules behind it."""

    label: str
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One question to the portal.

    Attributes:
        endpoint: name in the endpoint map of the provider adapter.
        period: month it is about, None when the call has none.
        params: what else it carries.
        token: handle of a queued file that is asked again, None for a first question.
    """

    endpoint: str
    period: Period | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the portal said.

    Attributes:
        payload: parsed JSON with exact numbers.
        raw: the decrypted JSON bytes as they came, one item per page or file.
        calls: HTTP calls it cost, retries included.
        version: version of the endpoint's contract that was used.
    """

    payload: Any
    raw: tuple[bytes, ...]
    calls: int
    version: str


class PortalSession(Protocol):
    """One live session of one client; used by one thread at a time."""

    def ask(self, question: Question) -> Answer:
        """Ask and return the answer.

        Raises:
            SourceError: with its outcome; ``FileQueued`` carries the token to ask again with.
        """
        ...

    def request_otp(self) -> None:
        """Make the portal send an OTP to the person. Costs one auth call."""
        ...

    def answer_otp(self, otp: str) -> None:
        """Open the session with the person's OTP; stores the token in the vault.

        Raises:
            OtpRejected: the portal refused it.
        """
        ...

    def close(self) -> None:
        """Release sockets; the stored token stays."""
        ...


@dataclass(frozen=True)
class ClientIdentity:
    """What a provider adapter needs to know of a client; secrets stay behind references."""

    client_id: str
    gstin: str
    portal_username: str
    provider: str
    consent_ends_at: datetime | None
    settings: Mapping[str, Any] = field(default_factory=dict)


class Connector(Protocol):
    """One outside system."""

    name: str
    title: str
    groups: tuple[ModuleGroup, ...]

    def module(self, name: str) -> Module:
        """Import and return one module of the system.

        Raises:
            UnknownModule: no such module; lists those that exist.
        """
        ...

    def module_names(self) -> tuple[str, ...]:
        """Return the names of all modules, without importing them."""
        ...

    def open_session(self, client: ClientIdentity, services: Any) -> PortalSession:
        """Return a session object; nothing is sent before the first question."""
        ...
