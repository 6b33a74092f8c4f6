"""One session of a deductor: every question goes to the portal that its endpoint names, and opens only that one.

A list that several units of a run read is asked once: its answer is used again for the same question, costs nothing
then, and carries the moment at which the portal gave it. Invariant: no answer outlives the session or a refusal.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, Protocol, cast

from clientsync import money
from clientsync.errors import InvalidSpec, SyncError, UnknownName
from clientsync.spec.connector import Answer, ClientIdentity, Question

PORTALS = {"income_tax": "connectors.income_tax", "traces": "connectors.traces"}
REPEATED = frozenset({"income_tax.filed_forms", "traces_old.inbox"})
"""Lists that more than one unit of a run reads: forms of every quarter, notices and certificates."""
USED_FOR = timedelta(hours=6)
"""How old an answer may be to be used again; as old as one that an interrupted run left."""
KEPT_ANSWERS = 40
KEPT_BYTES = 2_000_000
"""So much is kept of one client; what is more is asked again."""

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
        self._kept: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[datetime, Answer]] = {}

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
        """Ask the portal that the endpoint names, or use what it answered to the same question a while ago."""
        prefix = question.endpoint.partition(".")[0]
        if prefix not in _OF_PREFIX:
            raise InvalidSpec(f"No portal has the endpoint {question.endpoint}.")
        if question.endpoint not in REPEATED:
            return self.at(_OF_PREFIX[prefix]).ask(question)
        key = question.endpoint, tuple(sorted(question.params.items()))
        now = self._services.now()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] <= USED_FOR:
            # parsed anew, so that no unit can change what another one reads
            return replace(kept[1], payload=money.loads(kept[1].raw[0]), calls=0, asked_at=kept[0])
        try:
            answer = self.at(_OF_PREFIX[prefix]).ask(question)
        except SyncError:
            self._forget(question.endpoint)
            raise
        self._keep(key, now, answer)
        return answer

    def _keep(self, key: tuple[str, tuple[tuple[str, str], ...]], moment: datetime, answer: Answer) -> None:
        size = sum(len(raw) for _, one in self._kept.values() for raw in one.raw)
        fits = len(self._kept) < KEPT_ANSWERS and size + sum(map(len, answer.raw)) <= KEPT_BYTES
        if fits and len(answer.raw) == 1:
            self._kept[key] = moment, replace(answer, payload=None)

    def _forget(self, endpoint: str) -> None:
        """Drop the pages of a list that was not read whole, so that old pages are never joined with new ones."""
        for key in [one for one in self._kept if one[0] == endpoint]:
            del self._kept[key]

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
            self._kept.clear()
