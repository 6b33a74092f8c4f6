"""The simulated portal asked in this process: what the modules see, without sockets, encryption or waiting.

A ``DirectSession`` fills the same endpoint map as the real session and raises the same errors by the same codes; it
counts every question, so that the calls of a client and period can be measured in milliseconds.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, time

from clientsync import money
from clientsync.clock import INDIA
from clientsync.errors import BadRequest
from clientsync.spec.connector import Answer, Question
from connectors.gst.provider.endpoints import endpoint_of
from connectors.gst.provider.errors import raise_for
from connectors.gst.provider.requests import fill
from simulators.gst.parties import Client
from simulators.gst.portal import Answer as Built
from simulators.gst.portal import Portal, PortalError, Settings

STATEMENTS = {
    "gstr1": "GSTR1",
    "gstr1a": "GSTR1A",
    "gstr2a": "GSTR2A",
    "gstr2b": "GSTR2B",
    "gstr3b": "GSTR3B",
    "ims": "IMS",
    "ledgers": "LEDGER",
    "notices": "NOTICES",
    "returns": "RETURNS",
}


def small_portal(today: date, *, clients: int = 6, documents: int = 12, seed: int = 7) -> Portal:
    """Return a simulated portal of a few clients; the first one has every section non-empty."""
    return Portal(Settings(clients=clients, documents=documents, seed=seed, today=today))


class DirectSession:
    """One client's session; ``calls`` counts the questions by endpoint."""

    def __init__(self, portal: Portal, client: Client) -> None:
        """Remember whom to ask about; nothing is asked yet."""
        self.portal = portal
        self.client = client
        self.calls: Counter[str] = Counter()

    @property
    def now(self) -> datetime:
        """Noon of the portal's day in India."""
        return datetime.combine(self.portal.today, time(12), INDIA).astimezone(UTC)

    def ask(self, question: Question) -> Answer:
        """Answer as the portal would.

        Raises:
            SyncError: of the class that the portal's code stands for.
            BadRequest: the question does not fit its endpoint.
        """
        self.calls[question.endpoint] += 1
        endpoint = endpoint_of(question.endpoint)
        request = fill(
            endpoint,
            "gsp",
            gstin=self.client.gstin,
            period=question.period,
            params=question.params,
            versions={},
        )
        if request is None:
            raise BadRequest(f"{question.endpoint} has no raw route.")
        action = request.query["action"]
        statement = STATEMENTS[request.path.rsplit("/", 1)[-1]]
        try:
            built = self._build(statement, action, dict(request.query))
        except PortalError as error:
            raise_for(question.endpoint, error.code, "", self.now, period=question.period)
            raise
        return Answer(money.loads(built.text), (built.text,), 1, request.version)

    def _build(self, statement: str, action: str, query: dict[str, str]) -> Built:
        if action == "RETTRACK":
            return self.portal.track(self.client.gstin, query["fy"], query.get("type", ""))
        hidden = {"action", "gstin"}
        return self.portal.ask(
            self.client, statement, action, {k: v for k, v in query.items() if k not in hidden}
        )

    def request_otp(self) -> None:
        """A direct session needs no password."""

    def answer_otp(self, otp: str) -> None:
        """A direct session needs no password."""

    def close(self) -> None:
        """Nothing is open."""


def as_json(payload: object) -> str:
    """Return a payload with exact numbers as readable JSON."""
    return json.dumps(payload, indent=1, default=float, ensure_ascii=False)
