"""The control side of the simulated tax portals: what only a test, a benchmark or the demo may do, under `/control`.

It changes the world or looks behind the scenes; no answer of the portals depends on it being asked. A client is named
by `client_id` or `tan`, in the query or in the JSON body.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from simulators.http import Request, Response
from simulators.income_tax.portal import IncomeTaxPortal
from simulators.tds.changes import World
from simulators.tds.faults import FaultBoard
from simulators.tds.records import Deductor
from simulators.traces.portal import TracesPortal

Json = dict[str, Any]
INCOME_TAX, TRACES = "income_tax", "traces"


class Control:
    """Answers requests under `/control`; `portal` chooses `income_tax` or `traces` where one is meant."""

    def __init__(
        self, world: World, faults: FaultBoard, income_tax: IncomeTaxPortal, traces: TracesPortal
    ) -> None:
        self._world = world
        self._faults = faults
        self._income_tax = income_tax
        self._traces = traces

    def handle(self, request: Request) -> Response:
        """Answer a request; the path has lost its `/control`."""
        name = f"_{request.method.lower()}_{request.path.strip('/').replace('-', '_')}"
        method = getattr(self, name, None)
        if method is None:
            return Response.of({"error": "no such control"}, 404)
        try:
            found: Json = method({**request.query, **request.json()})
        except (ValueError, KeyError) as error:
            return Response.of({"error": str(error)}, 400)
        return Response.of(found)

    def _client(self, asked: Json) -> Deductor:
        return self._world.find(str(asked.get("client_id") or asked.get("tan") or ""))

    # --- the world

    def _get_health(self, _: Json) -> Json:
        day = self._world.today().isoformat()
        return {"status": "ok", "today": day, "clients": len(self._world.deductors)}

    def _post_today(self, asked: Json) -> Json:
        self._world.set_today(date.fromisoformat(str(asked["today"])))
        return {"today": self._world.today().isoformat()}

    def _post_new_day(self, asked: Json) -> Json:
        self._world.set_today(self._world.today() + timedelta(days=int(asked.get("days", 1))))
        return {"today": self._world.today().isoformat()}

    def _post_challan(self, asked: Json) -> Json:
        day = date.fromisoformat(asked["day"]) if "day" in asked else None
        made = self._world.add_challan(self._client(asked).client_id, day)
        return {"cin": made.cin, "bsr": made.bsr, "serial": made.serial, "amount": made.amount}

    def _post_correction(self, asked: Json) -> Json:
        made = self._world.add_correction(self._client(asked).client_id)
        return {"token": made.token, "quarter": made.quarter.label, "form": made.form}

    # --- faults

    def _post_faults(self, asked: Json) -> Json:
        wanted = dict(asked)
        if "client_id" in wanted:
            wanted["client"] = wanted.pop("client_id")
        return {"armed": self._faults.arm(wanted).name, "count": len(self._faults.armed)}

    def _get_faults(self, _: Json) -> Json:
        return {"armed": [one.name for one in self._faults.armed]}

    def _delete_faults(self, _: Json) -> Json:
        self._faults.armed.clear()
        return {"count": 0}

    # --- sessions and accounts

    def _post_foreign_session(self, asked: Json) -> Json:
        one, is_open = self._client(asked), bool(asked.get("open", True))
        if asked["portal"] == TRACES:
            if is_open:
                self._traces.open_foreign_session(one.tan)
            else:
                self._traces.expire_sessions(one.tan)
            return {"open": is_open}
        self._income_tax.sessions.account(one.tan).is_elsewhere = is_open
        if is_open:
            self._income_tax.sessions.expire(one.tan)
        return {"open": is_open}

    def _post_expire_sessions(self, asked: Json) -> Json:
        tan = self._client(asked).tan if asked.get("client_id") or asked.get("tan") else ""
        portal, ended = asked.get("portal", ""), 0
        if portal in {"", INCOME_TAX}:
            ended += self._income_tax.sessions.expire(tan)
        if portal in {"", TRACES}:
            ended += self._traces.expire_sessions(tan)
        return {"expired": ended}

    def _post_lock(self, asked: Json) -> Json:
        one, seconds = self._client(asked), float(asked.get("seconds", 1800))
        if asked["portal"] == INCOME_TAX:
            self._income_tax.sessions.lock(one.tan, seconds)
        elif seconds:
            self._traces.lock(one.tan, seconds)
        else:
            self._traces.unlock(one.tan)
        return {"seconds": seconds}

    def _post_password(self, asked: Json) -> Json:
        one, portal = self._client(asked), asked["portal"]
        is_expired = bool(asked.get("expired", False))
        if "password" in asked:
            name = "efiling_password" if portal == INCOME_TAX else "traces_password"
            setattr(one, name, str(asked["password"]))
        if portal == INCOME_TAX:
            self._income_tax.sessions.account(one.tan).is_expired = is_expired
        else:
            self._traces.expire_password(one.tan, expired=is_expired)
        return {"expired": is_expired}

    def _post_second_factor(self, asked: Json) -> Json:
        is_on = bool(asked.get("on", True))
        self._income_tax.sessions.account(self._client(asked).tan).has_vault = is_on
        return {"on": is_on}

    def _get_captcha(self, asked: Json) -> Json:
        number = str(asked.get("id") or self._traces.newest_captcha())
        return {"id": number, "text": self._traces.captcha_text(number)}

    # --- what was asked

    def _calls(self) -> Counter[tuple[str, str]]:
        """Count by client id and endpoint, the endpoint with its portal in front."""
        names = {one.tan: one.client_id for one in self._world.deductors}
        out: Counter[tuple[str, str]] = Counter()
        for (tan, name), count in self._income_tax.calls.items():
            out[(names.get(tan, ""), f"income_tax.{name}")] += count
        for (tan, name), count in self._traces.calls.items():
            out[(names.get(tan, ""), name)] += count
        return out

    def _get_stats(self, _: Json) -> Json:
        calls = self._calls()
        endpoints: Counter[str] = Counter()
        clients: Counter[str] = Counter()
        for (client_id, endpoint), count in calls.items():
            endpoints[endpoint] += count
            clients[client_id] += count
        rows = [[*key, count] for key, count in sorted(calls.items())]
        return {"total": calls.total(), "calls": rows, "by": {"endpoint": endpoints, "client": clients}}

    def _delete_stats(self, _: Json) -> Json:
        self._income_tax.calls.clear()
        self._traces.calls.clear()
        return {"reset": True}
