"""The provider behind both wires: accounts, rate limits, faults, statistics and the ground truth.

Every data answer of either wire passes `serve`, so nothing is served without being counted and written down.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators.faults import BODIES, INTACT, PAYLOADS, TOXICS, Fault, FaultBox, mutate
from simulators.gst.crypto import KeyPair
from simulators.gst.errors import message
from simulators.gst.parties import Client
from simulators.gst.portal import Answer, Portal, PortalError, Settings
from simulators.gst.sessions import Sessions
from simulators.gst.truth import TruthWriter
from simulators.http import Request, Response

Json = dict[str, Any]
GSP_ID, GSP_SECRET = "gsp-client", "gsp-secret"
PUBLIC_USER, PUBLIC_PASSWORD = "gsp-public", "gsp-password"
SANDBOX_KEY, SANDBOX_SECRET = "sandbox-key", "sandbox-secret"


class Service:
    """One running simulator."""

    def __init__(self, settings: Settings, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self.state = state
        self.portal = Portal(settings)
        self.sessions = Sessions(self.portal)
        self.keys = KeyPair(state)
        self.faults = FaultBox()
        self.truth = TruthWriter(state / "truth.jsonl" if settings.truth else None)
        self.calls: Counter[tuple[str, str, str, str]] = Counter()
        self.kinds: Counter[str] = Counter()
        self._windows: dict[str, deque[float]] = {}

    def count(self, kind: str, gstin: str, endpoint: str, action: str, period: str) -> None:
        """Count a call; kind is `data`, `auth` or `public`."""
        self.kinds[kind] += 1
        self.calls[(gstin, endpoint, action, period)] += 1

    def limited(self, key: str) -> Response | None:
        """Give a 429 when the provider key has used up its minute."""
        limit = self.settings.rate_per_minute
        if not limit:
            return None
        now = time.monotonic()
        window = self._windows.setdefault(key, deque())
        while window and window[0] <= now - 60:
            window.popleft()
        if len(window) < limit:
            window.append(now)
            return None
        self.kinds["rate_limited"] += 1
        wait = int(window[0] + 60 - now) + 1
        refused = Response.of({"code": 429, "message": "Too many requests"}, 429)
        refused.headers["Retry-After"] = str(wait)
        return refused

    def serve(
        self,
        client: Client | None,
        endpoint: str,
        action: str,
        section: str,
        ask: Callable[[], Answer],
        wrap: Callable[[Answer, list[Fault]], Response],
        refuse: Callable[[str], Response],
    ) -> Response:
        """Answer a data call with the armed faults, and write down what went out."""
        gstin = client.gstin if client else ""
        picked = self.faults.pick(gstin=gstin, endpoint=endpoint, action=action, section=section)
        for fault in picked:
            if fault.status is not None:
                refused = Response.of({"message": "simulated"}, fault.status)
                if fault.status in {429, 503} and "retry_after" in fault.params:
                    refused.headers["Retry-After"] = str(fault.params["retry_after"])
                return refused
            if fault.code is not None:
                return self.delayed(refuse(fault.code), picked)
        try:
            answer = ask()
        except PortalError as error:
            return self.delayed(refuse(error.code), picked)
        clean = answer
        if any(fault.name in PAYLOADS for fault in picked):
            answer = Answer.of(answer.statement, answer.period, mutate(answer.payload, picked))
        response = self.delayed(wrap(answer, picked), picked)
        if answer.statement != "QUEUED":
            self._note(gstin, clean, picked)
        return response

    def _note(self, gstin: str, answer: Answer, picked: list[Fault]) -> None:
        broken = [
            one.name
            for one in picked
            if one.name not in {*INTACT, "latency", "slicer", "bandwidth", "slow_close"}
        ]
        self.truth.served(
            gstin=gstin, period=answer.period, statement=answer.statement, payload=answer.payload, mark=answer.mark,
            day=self.portal.today, fault=",".join(broken),
        )  # fmt: skip

    def delayed(self, response: Response, picked: list[Fault]) -> Response:
        """Hand the faults of the wire to the connection."""
        response.faults = [one for one in picked if one.name in (*TOXICS, *BODIES)]
        response.delay = self.settings.latency_ms / 1000
        return response

    @staticmethod
    def error(code: str) -> Json:
        """Give the portal's error envelope."""
        return {"status_cd": 0, "error": {"error_cd": code, "message": message(code)}}

    def period(self, request: Request) -> str:
        """Find the period a request is about."""
        query = request.query
        return query.get("ret_period") or query.get("rtnprd") or request.headers.get("ret_period", "")
