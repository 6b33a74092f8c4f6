"""The simulated system: its state, its truth, and what it answers."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from simulators.accurate.access import Access
from simulators.accurate.bulk import rows_of
from simulators.accurate.making import Maker
from simulators.accurate.seed import MASTERS
from simulators.accurate.sending import MOMENT, ZONE, Sender
from simulators.accurate.settings import DATABASE_ID, Fault, Settings
from simulators.accurate.stock import Stock
from simulators.accurate.tables import Row, Table, fields_of
from simulators.accurate.texts import Invalid, text
from simulators.accurate.truth import Truth
from simulators.faults import Fault as WireFault
from simulators.http import Request, Response

DATA = "/accurate/api/"
SAVED = (
    "item", "customer", "sales-invoice", "sales-receipt", "sales-return", "item-transfer", "item-adjustment",
    "receive-item", "purchase-order",
)  # fmt: skip
BULK_SAVED = frozenset({"item"})
_KEYS = {"item": "no", "customer": "customerNo", "vendor": "vendorNo", "glaccount": "no"}
_PREFIXES = {
    "sales-invoice": "SI", "sales-receipt": "SR", "sales-return": "SRT", "item-transfer": "IT",
    "item-adjustment": "IA", "receive-item": "RI", "purchase-order": "PO",
}  # fmt: skip


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Books:
    """The account layer and the data layer of one firm; ``answer`` is a handler for ``simulators.http.Served``.

    Attributes:
        settings: how it behaves.
        faults: what goes wrong, in the order in which it was armed.
        access: tokens and sessions.
        truth: what really happened.
        stock: balances and goods on their way.
        webhooks: the sender of events.
        data_url: address of the data layer that is told; "": the address that was called.
    """

    def __init__(self, settings: Settings | None = None, now: Callable[[], datetime] = _utc_now) -> None:
        self.settings = settings or Settings()
        self.now = now
        self.data_url = ""
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the settings, the clock and the address."""
        with self._lock:
            self.faults: list[Fault] = []
            self.access = Access(self.settings, self.now)
            self.truth = Truth()
            self.stock = Stock()
            self.webhooks = Sender(self.now, self.settings.webhook_days)
            self._ids = itertools.count(100)
            self.tables = {name: Table() for name in {*MASTERS, *SAVED}}
            self._maker = Maker(self.tables, self.stock, self.settings, lambda: next(self._ids))
            self._moved: dict[str, str] = {}
            self._begun: deque[float] = deque()
            self._ends: list[float] = []
            for module, rows in MASTERS.items():
                for row in rows:
                    self.tables[module].put({"id": next(self._ids), **row})

    def arm(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        with self._lock:
            self.faults.append(fault)

    def move(self, old_url: str, new_url: str) -> None:
        """Answer 308 to every call to the data layer at an address, to another address."""
        self._moved[urlsplit(old_url).netloc] = new_url.rstrip("/")

    def put_items(self, *skus: str, name: str = "") -> None:
        """Add items as somebody does who works in Accurate."""
        for sku in skus:
            body = {
                "no": sku,
                "name": name or f"Barang {sku}",
                "itemType": "INVENTORY",
                "itemCategoryName": "Umum",
                "unit1Name": "PCS",
            }
            self.save("item", body)

    def save(self, module: str, body: Row) -> Row:
        """Save a record as somebody does who works in Accurate; it is no part of the truth.

        Raises:
            Invalid: it is refused.
        """
        with self._lock:
            return self._save(module, body, is_call=False)

    def delete(self, module: str, number: str) -> None:
        """Delete a record by its number, as somebody does who works in Accurate.

        Raises:
            Invalid: it is not there, or is refused.
        """
        with self._lock:
            self._delete(module, {_KEYS.get(module, "number"): number})

    def row(self, module: str, number: str) -> Row | None:
        """Return the record with a number, None when there is none."""
        with self._lock:
            return self.tables[module].one(_KEYS.get(module, "number"), number)

    def count(self, module: str) -> int:
        """Return how many records a module has."""
        return len(self.tables[module].rows)

    def answer(self, request: Request) -> Response:
        """Return the answer to a request."""
        with self._lock:
            if request.path.startswith("/_control/"):
                return self._control(request)
            response = self._limited()
            if response is None:
                response = self._data(request) if request.path.startswith(DATA) else self._account(request)
            response.delay += self.settings.latency
            if response.delay:
                self._ends.append(time.monotonic() + response.delay)
            return response

    def _limited(self) -> Response | None:
        """Return 429 when too many calls begin in a second or are under way."""
        at = time.monotonic()
        while self._begun and at - self._begun[0] >= 1.0:
            self._begun.popleft()
        self._ends = [end for end in self._ends if end > at] if self._ends else []
        under_way = len(self._ends) + 1
        per_second, in_flight = self.settings.per_second, self.settings.in_flight
        if (per_second is not None and len(self._begun) >= per_second) or (
            in_flight is not None and under_way > in_flight
        ):
            self.truth.refused += 1
            return self._throttled()
        self._begun.append(at)
        self.truth.most_in_flight = max(self.truth.most_in_flight, under_way)
        return None

    def _throttled(self) -> Response:
        headers = {"Retry-After": self.settings.retry_after} if self.settings.retry_after else {}
        return Response(b"Too many requests", 429, "text/plain", headers)

    # --- the account layer -------------------------------------------------------------------------

    def _account(self, request: Request) -> Response:
        if request.path == "/oauth/token":
            return self.access.exchange(request)
        refused = self.access.refusal(request, needs_session=False)
        if refused is not None:
            return refused
        questions: dict[str, Callable[[Request], Row]] = {
            "/api/api-token.do": self._host,
            "/api/db-list.do": lambda _: {"d": self.settings.databases},
            "/api/open-db.do": self._opened,
            "/api/db-refresh-session.do": self._opened,
            "/api/db-check-session.do": lambda one: {"d": one.query.get("session") in self.access.sessions},
            "/api/webhook-renew.do": lambda _: {"d": self.webhooks.renew()},
            "/api/webhook-history.do": lambda one: {"d": self.webhooks.history(one.query)},
        }
        if request.path not in questions:
            return self._unknown(request)
        try:
            return Response.of({"s": True, **questions[request.path](request)})
        except Invalid as error:
            return self._no(error, request)

    def _host(self, request: Request) -> Row:
        return {"d": {self.settings.host_key: {"id": DATABASE_ID, "host": self._url(request)}}}

    def _opened(self, request: Request) -> Row:
        if request.query.get("id") not in {str(row["id"]) for row in self.settings.databases}:
            raise Invalid("invalid", "id", request.query.get("id"))
        return {"session": self.access.open_session(), "host": self._url(request), "dataVersion": 1}

    def _url(self, request: Request) -> str:
        return self.data_url or f"http://{request.headers.get('host', '')}"

    # --- the data layer ----------------------------------------------------------------------------

    def _data(self, request: Request) -> Response:
        moved = self._moved.get(request.headers.get("host", ""))
        if moved is not None:
            query = f"?{request.raw_query}" if request.raw_query else ""
            return Response(b"", 308, headers={"Location": f"{moved}{request.path}{query}"})
        module, _, action = request.path.removeprefix(DATA).removesuffix(".do").partition("/")
        fault = next((one for one in self.faults if one.strikes(module, action)), None)
        if fault is not None and fault.name in {"session", "token"}:
            self.access.sessions.clear()
            if fault.name == "token":
                self.access.access_tokens.clear()
        refused = self.access.refusal(request, needs_session=True)
        if refused is not None:
            return refused
        self.truth.calls.append((request.method, request.path, time.monotonic()))
        if fault is None:
            return self._done(request, module, action)
        return self._struck(fault, request, module, action)

    def _struck(self, fault: Fault, request: Request, module: str, action: str) -> Response:
        """Return the answer to a call that a fault struck."""
        if fault.name == "throttled":
            return self._throttled()
        broken = Response(b"<html>error</html>", fault.status, "text/html")
        if fault.name == "fails_before":
            return broken
        response = self._done(request, module, action)
        if fault.name == "fails_after":
            return broken
        if fault.name == "lost":
            response.faults.append(WireFault("down"))
        if fault.name == "late":
            response.delay += fault.seconds
        return response

    def _done(self, request: Request, module: str, action: str) -> Response:
        method = {"list": "GET", "detail": "GET", "delete": "DELETE"}.get(action, "POST")
        saves = "save-target-quantity" if module == "item-adjustment" else "save"
        many = {"bulk-save"} if module in BULK_SAVED else set()
        if module not in self.tables or action not in {"list", "detail", "delete", saves, *many}:
            return self._unknown(request)
        if request.method != method:
            return self._unknown(request)
        right = {"list": "view", "detail": "view", "delete": "delete"}.get(action, "save")
        scope = f"{module.replace('-', '_')}_{right}"
        if self.settings.scopes is not None and scope not in self.settings.scopes:
            body = (
                f"<OAuth2Exception><error>insufficient_scope</error><scope>{scope}</scope></OAuth2Exception>"
            )
            return Response(body.encode(), 403, "application/xml")
        try:
            return Response.of(self._result(request, module, action))
        except Invalid as error:
            return self._no(error, request)

    def _result(self, request: Request, module: str, action: str) -> Row:
        language = request.headers.get("x-language-profile", "ID")
        if action == "list":
            return self.tables[module].listed(request.query, fields_of(request.raw_query))
        if action == "detail":
            return {"s": True, "d": self._one(module, request.query)}
        if action == "delete":
            self._delete(module, request.query)
            return {"s": True, "d": [text("deleted", language)]}
        if module not in SAVED:
            raise Invalid("invalid", "URL API", module)
        if action == "bulk-save":
            return {"s": True, "d": [self._saved_row(module, row, language) for row in rows_of(request.body)]}
        return self._saved(module, json.loads(request.body or b"{}", parse_float=Decimal), language)

    def _saved(self, module: str, body: Row, language: str) -> Row:
        row = self._save(module, body, is_call=True)
        number = row.get(_KEYS.get(module, "number"), "")
        return {"s": True, "d": [text("saved", language, module, number)], "r": row}

    def _saved_row(self, module: str, body: Row, language: str) -> Row:
        """Return what one row of many is answered; a wrong one does not keep the others from being saved."""
        try:
            return self._saved(module, body, language)
        except Invalid as error:
            return {"s": False, "d": [error.text(language)]}

    def _one(self, module: str, query: dict[str, str]) -> Row:
        table = self.tables[module]
        for name in ("id", "number", "no", "customerNo", "name"):
            if name in query:
                given = query[name]
                found = (
                    table.rows.get(int(given) if given.isdigit() else -1)
                    if name == "id"
                    else table.one(name, given)
                )
                if found is None:
                    raise Invalid("invalid", module, given)
                return found
        raise Invalid("required", "id")

    def _save(self, module: str, body: Row, *, is_call: bool) -> Row:
        table, key = self.tables[module], _KEYS.get(module, "number")
        old = self._one(module, {"id": str(body["id"])}) if body.get("id") is not None else None
        row = self._maker.made(module, body, old)
        if key == "number":
            row["number"] = self._number(module, body, row, old)
        self._check_number(table, key, row)
        if old is not None:
            self._effect(module, old, -1)
        try:
            self._effect(module, row, 1)
        except Invalid:
            if old is not None:
                self._effect(module, old, 1)
            raise
        row["lastUpdate"] = self.now().astimezone(ZONE).strftime(MOMENT)
        table.put(row)
        if old is None and is_call:
            self.truth.made(module, row["id"], str(row[key]), str(row.get("charField1", "")))
        self.webhooks.note(module, row, "WRITE")
        return row

    def _number(self, module: str, body: Row, row: Row, old: Row | None) -> str:
        given = str(body.get("number") or (old or {}).get("number") or "")
        return given or f"{_PREFIXES[module]}.{row['transDate'][6:]}.{row['transDate'][3:5]}.{row['id']:05d}"

    def _check_number(self, table: Table, key: str, row: Row) -> None:
        is_master = key != "number"
        if (is_master or self.settings.refuses_duplicates) and any(
            other["id"] != row["id"] for other in table.find(key, row[key])
        ):
            raise Invalid("duplicate", value=row[key])

    def _effect(self, module: str, row: Row, sign: int) -> None:
        self.stock.apply(module, row, sign)
        if module == "sales-receipt":
            self._maker.paid(row, sign)

    def _delete(self, module: str, query: dict[str, str]) -> None:
        row = self._one(module, query)
        if module == "sales-invoice" and row["paidAmount"]:
            raise Invalid("paid")
        self._effect(module, row, -1)
        self.tables[module].remove(row["id"])
        self.truth.deleted(module, row["id"])
        self.webhooks.note(module, row, "DELETE")

    def _no(self, error: Invalid, request: Request) -> Response:
        language = request.headers.get("x-language-profile", "ID")
        return Response.of({"s": False, "d": [error.text(language)]})

    def _unknown(self, request: Request) -> Response:
        language = request.headers.get("x-language-profile", "ID")
        return Response.of({"s": False, "d": [text("address", language)]}, 404)

    # --- for tests that run it as a process --------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return truth, counts and stock as JSON."""
        with self._lock:
            return {
                **self.truth.as_json(),
                "counts": {name: len(table.rows) for name, table in self.tables.items()},
                "balances": [[*place, str(held)] for place, held in self.stock.balances.items()],
                "transit": [[*place, str(held)] for place, held in self.stock.transit.items() if held],
                "envelopes": [envelope for _, envelope in self.webhooks.envelopes],
                "refresh_tokens": sorted(self.access.refresh_tokens),
            }

    def _control(self, request: Request) -> Response:
        name = request.path.removeprefix("/_control/")
        given = request.json()
        try:
            if (request.method, name) == ("GET", "state"):
                return Response.of(self.state())
            if (request.method, name) == ("POST", "set"):
                for fault in given.pop("faults", ()):
                    self.arm(Fault(**fault))
                self.settings.change(given)
            elif (request.method, name) == ("POST", "reset"):
                self.reset()
            elif (request.method, name) == ("POST", "save"):
                return Response.of(self.save(str(given["module"]), dict(given["body"])))
            elif (request.method, name) == ("POST", "delete"):
                self.delete(str(given["module"]), str(given["number"]))
            elif (request.method, name) == ("POST", "authorise"):
                return Response.of({"refresh_token": self.access.authorise()})
            else:
                return Response.of({"error": "no such control"}, 404)
        except (Invalid, ValueError, TypeError, KeyError) as error:
            return Response.of({"error": str(error)}, 400)
        return Response.of({"ok": True})
