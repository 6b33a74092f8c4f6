"""The records of the system, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulators.http import Request, Response, Served

KINDS = ("customers", "employees")
TOKEN = "simulated-token"  # noqa: S105 - of a simulator


@dataclass
class System:
    """Records by kind and id.

    Attributes:
        keeps: how the system writes what it is given; some cut and capitalise.
        fail_after: answers 503 to every call that writes, after so many of them; -1: never.
        writes: every call that wrote, as (method, kind, id).
    """

    keeps: Callable[[dict[str, Any]], dict[str, Any]] = dict
    fail_after: int = -1
    records: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    drop_page: int = 0

    def put(self, kind: str, **values: Any) -> str:
        """Add a record as somebody does who works in the system; return its id."""
        ext_id = f"{kind[0].upper()}{len(self.records[kind]) + 1:05d}"
        self.records[kind][ext_id] = {"id": ext_id, "active": True, **self.keeps(values)}
        return ext_id

    def answer(self, request: Request) -> Response:
        """Return the answer to a request."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response.of({"error": "no such token"}, 401)
        parts = request.path.strip("/").split("/")
        if len(parts) not in (2, 3) or parts[0] != "v1" or parts[1] not in KINDS:
            return Response.of({"error": "no such address"}, 404)
        kind = parts[1]
        if request.method != "GET":
            if self.fail_after == 0:
                return Response(status=503)
            self.fail_after -= self.fail_after > 0
        if len(parts) == 2:
            return self._list(kind, request) if request.method == "GET" else self._create(kind, request)
        return self._one(kind, parts[2], request)

    def _list(self, kind: str, request: Request) -> Response:
        rows = list(self.records[kind].values())
        for name in ("number", "external_reference"):
            if name in request.query:
                rows = [row for row in rows if row.get(name) == request.query[name]]
        page, size = int(request.query.get("page", "1")), int(request.query.get("page_size", "100"))
        items = [] if page == self.drop_page else rows[(page - 1) * size : page * size]
        return Response.of({"items": items, "total": len(rows)})

    def _create(self, kind: str, request: Request) -> Response:
        body = request.json()
        if not body.get("name"):
            return Response.of({"error": "a name is needed"}, 422)
        if any(row.get("number") == body.get("number") for row in self.records[kind].values()):
            return Response.of({"error": f"number {body.get('number')} is taken"}, 409)
        ext_id = self.put(kind, **body)
        self.writes.append(("POST", kind, ext_id))
        return Response.of(self.records[kind][ext_id], 201)

    def _one(self, kind: str, ext_id: str, request: Request) -> Response:
        row = self.records[kind].get(ext_id)
        if row is None:
            return Response.of({"error": "no such record"}, 404)
        if request.method == "PATCH":
            row.update(self.keeps(request.json()))
            self.writes.append(("PATCH", kind, ext_id))
        elif request.method == "DELETE":
            del self.records[kind][ext_id]
            self.writes.append(("DELETE", kind, ext_id))
            return Response(status=204)
        return Response.of(row)


class Running(Served):
    """The system on a loopback port, until it is closed."""

    def __init__(self, system: System) -> None:
        super().__init__(system.answer)
        self.system = system
