"""The control side of the simulator: what only a test, a benchmark or the demo may do, under `/_control`.

It changes the world or looks behind the scenes; no answer of the portal's own wires depends on it being asked.
"""

from collections import defaultdict
from datetime import date
from typing import Any

from simulators.gst.days import new_day
from simulators.gst.parties import Client
from simulators.gst.service import Service
from simulators.http import Request, Response

Json = dict[str, Any]


class Control:
    """Answers requests under `/_control`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def handle(self, request: Request) -> Response:
        """Answer a request; the path has lost its `/_control`."""
        name = f"_{request.method.lower()}_{request.path.strip('/').replace('-', '_')}"
        method = getattr(self, name, None)
        if method is None:
            return Response.of({"error": "no such control"}, 404)
        try:
            found: Json = method(request)
        except (ValueError, KeyError) as error:
            return Response.of({"error": str(error)}, 400)
        return Response.of(found)

    def _client(self, request: Request) -> Client:
        country = self._service.portal.country
        wanted = {**request.query, **request.json()}
        if "username" in wanted:
            return country.by_username[wanted["username"]]
        return country.by_gstin[wanted["gstin"]]

    def _get_health(self, _: Request) -> Json:
        portal = self._service.portal
        return {"status": "ok", "today": portal.today.isoformat(), "clients": len(portal.country.clients)}

    def _post_new_day(self, _: Request) -> Json:
        return new_day(self._service.portal)

    def _post_today(self, request: Request) -> Json:
        day = date.fromisoformat(str(request.json()["today"]))
        self._service.portal.set_today(day)
        return {"today": day.isoformat()}

    def _post_faults(self, request: Request) -> Json:
        fault = self._service.faults.arm(request.json())
        return {"armed": fault.name, "count": len(self._service.faults.armed)}

    def _get_faults(self, _: Request) -> Json:
        return {"armed": [one.name for one in self._service.faults.armed]}

    def _delete_faults(self, _: Request) -> Json:
        self._service.faults.armed.clear()
        return {"count": 0}

    def _get_otp(self, request: Request) -> Json:
        client = self._client(request)
        return {"username": client.username, "otp": self._service.sessions.phone(client.username)}

    def _get_stats(self, _: Request) -> Json:
        out: dict[str, dict[str, int]] = {
            name: defaultdict(int) for name in ("gstin", "endpoint", "action", "period")
        }
        for (gstin, endpoint, action, period), count in self._service.calls.items():
            for name, value in zip(out, (gstin, endpoint, action, period), strict=True):
                out[name][value] += count
        kinds = {name: self._service.kinds[name] for name in ("data", "auth", "public", "rate_limited")}
        calls = [[*key, count] for key, count in self._service.calls.items()]
        return {**kinds, "by": out, "calls": calls}

    def _delete_stats(self, _: Request) -> Json:
        self._service.calls.clear()
        self._service.kinds.clear()
        return {"reset": True}

    def _post_expire_token(self, request: Request) -> Json:
        return {"expired": self._service.sessions.expire(self._client(request))}

    def _post_lapse_consent(self, request: Request) -> Json:
        self._service.sessions.lapse(self._client(request))
        return {"lapsed": True}

    def _post_access(self, request: Request) -> Json:
        enabled = bool(request.json().get("enabled", True))
        self._service.sessions.set_access(self._client(request), enabled=enabled)
        return {"enabled": enabled}

    def _get_truth(self, _: Request) -> Json:
        self._service.truth.flush()
        return {"path": str(self._service.state / "truth.jsonl")}
