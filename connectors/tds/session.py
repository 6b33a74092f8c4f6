"""One session of a deductor: every question goes to the portal that its endpoint names, and opens only that one."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import Any, Protocol, cast

from clientsync.errors import InvalidSpec, UnknownName
from clientsync.spec.connector import Answer, ClientIdentity, Question

PORTALS = {"income_tax": "connectors.income_tax", "traces": "connectors.traces"}
_OF_PREFIX = {"income_tax": "income_tax", "traces_old": "traces", "traces_new": "traces"}


class SinglePortalSession(Protocol):
    """A session of one client at one portal."""

    def ask(self, question: Question) -> Answer:
        """Ask and return the answer."""
        ...

    def request_challenge(self, kind: str) -> bytes | None:
        """Make the portal show what a person must answer; return its picture, None when there is none."""
        ...

    def answer_challenge(self, kind: str, text: str) -> None:
        """Open the session with what the person typed."""
        ...

    def close(self) -> None:
        """Release sockets."""
        ...


def open_session(client: ClientIdentity, services: Any) -> TdsSession:
    """Return a session of a client; nothing is sent and no portal is opened before the first question."""
    return TdsSession(client, services)


def release(engine: Any) -> None:
    """Close the sockets of the portals that were opened for this warehouse; stored sessions stay."""
    for place in PORTALS.values():
        import_module(place).release(engine)


class TdsSession:
    """Both portals of one client behind one session; used by one thread at a time."""

    def __init__(self, client: ClientIdentity, services: Any) -> None:
        """Remember whose session it is."""
        self._client = client
        self._services = services
        self._open: dict[str, SinglePortalSession] = {}

    def at(self, portal: str) -> SinglePortalSession:
        """Return the session at one portal.

        Raises:
            UnknownName: no such portal.
        """
        if portal not in PORTALS:
            raise UnknownName("portal", portal, PORTALS)
        found = self._open.get(portal)
        if found is None:
            opened = import_module(PORTALS[portal]).open_session(self._client, self._services)
            found = self._open[portal] = cast(SinglePortalSession, opened)
        return found

    def ask(self, question: Question) -> Answer:
        """Ask the portal that the endpoint names."""
        prefix = question.endpoint.partition(".")[0]
        if prefix not in _OF_PREFIX:
            raise InvalidSpec(f"No portal has the endpoint {question.endpoint}.")
        return self.at(_OF_PREFIX[prefix]).ask(question)

    def request_challenge(self, portal: str, kind: str) -> bytes | None:
        """Make a portal show what a person must answer; return its picture, None when there is none."""
        return self.at(portal).request_challenge(kind)

    def answer_challenge(self, portal: str, kind: str, text: str) -> None:
        """Open the session at a portal with what the person typed."""
        self.at(portal).answer_challenge(kind, text)

    def request_otp(self) -> None:
        """Refuse: these portals ask for pictures and passwords, which are challenges of their own."""
        raise InvalidSpec("The TDS portals send no OTP; see `clientsync challenge list`.")

    def answer_otp(self, otp: str) -> None:
        """Refuse: these portals ask for pictures and passwords, which are challenges of their own."""
        raise InvalidSpec("The TDS portals take no OTP; see `clientsync challenge list`.")

    def close(self) -> None:
        """Release the sockets of every portal that was opened."""
        with ExitStack() as stack:
            for session in self._open.values():
                stack.callback(session.close)
            self._open.clear()
