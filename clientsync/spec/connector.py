"""What a connector is: one outside system, its module groups, and how to open a session with it.

The index of connectors (``connectors.INDEX``) holds dotted names and is imported lazily, so a broken connector
fails its own clients only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from clientsync.periods import Period
from clientsync.spec.module import Deductor, Module


@dataclass(frozen=True)
class ModuleGroup:
    """What an operator ticks: a label and the modules behind it.

    Attributes:
        label: what the operator sees.
        modules: names of the modules behind it.
        goes_first: worked on before the groups that are shown before it, because what it shares tells them what
            has moved.
    """

    label: str
    modules: tuple[str, ...]
    goes_first: bool = False


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
        asked_at: when the portal was asked, None: just now; an answer that is used again is older.
    """

    payload: Any
    raw: tuple[bytes, ...]
    calls: int
    version: str
    asked_at: datetime | None = None


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


class AnsweringSession(PortalSession, Protocol):
    """A session at portals that ask more of a person than an OTP."""

    def request_challenge(self, portal: str, kind: str) -> bytes | None:
        """Make a portal show what a person must answer; return its picture, None when there is none."""
        ...

    def answer_challenge(self, portal: str, kind: str, text: str) -> None:
        """Open the session with what the person typed.

        Raises:
            NeedsPerson: the portal refused it.
        """
        ...


@dataclass(frozen=True)
class ClientIdentity:
    """What a provider adapter needs to know of a client; secrets stay behind references.

    Attributes:
        provider: account of the provider that serves the client's registration.
        deductor: the client as a deductor of tax, None when it is none.
        tds_source: ``portal``, or ``file`` for one whose files are imported by hand.
        traces_username: user id on TRACES.
        tds_consent_ends_on: last day of the client's authority for its TAN, None when it has no end.
    """

    client_id: str
    gstin: str
    portal_username: str
    provider: str
    consent_ends_at: datetime | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    deductor: Deductor | None = None
    tds_source: str = "file"
    traces_username: str = ""
    tds_consent_ends_on: date | None = None


class Calendar(StrEnum):
    """In what an operator chooses periods for a connector."""

    MONTHS = "months"  # MMYYYY
    QUARTERS = "quarters"  # 2025-26-Q4


class Connector(Protocol):
    """One outside system.

    Attributes:
        calendar: in what periods are chosen.
        how_to_renew: what a client does whose consent ends, one sentence.
    """

    name: str
    title: str
    groups: tuple[ModuleGroup, ...]
    calendar: Calendar
    how_to_renew: str

    def cannot_ask(self, client: ClientIdentity) -> str | None:
        """Return why the system is never asked about a client (no registration, files only), None when it is."""
        ...

    def consent_ends_on(self, client: ClientIdentity) -> date | None:
        """Return the last day on which the client lets us ask this system, None when there is no such day."""
        ...

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
