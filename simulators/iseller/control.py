"""The shop as a process: below ``/_control/`` things are made to happen, and the truth is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from simulators.http import Request, Response
from simulators.iseller.oddities import Oddities
from simulators.iseller.rendering import number, order_row, transfer_row
from simulators.iseller.shop import ANY, Shop

ACTS = (
    "sell", "complete", "edit_order", "touch", "refund", "void", "open_shift", "close_shift", "transfer_out",
    "transfer_in", "opname", "add_product", "add_customer", "set_sku", "expire_tokens", "trouble",
)  # fmt: skip
"""What ``/_control/act`` may do."""


class Controlled:
    """A shop that can be controlled over HTTP.

    ================================ ===================================================================================
    call                             body and answer
    ================================ ===================================================================================
    POST /_control/sell              ``{"count", …arguments of sell}`` -> ``{"orders", "webhooks": [{headers, body}]}``
    POST /_control/act               ``{"act", "arguments", "webhook": type or absent}`` -> ``{"result", "webhook"}``
    POST /_control/webhook           ``{"id", "type"}`` -> ``{"headers", "body"}``
    POST /_control/set               fields of ``Oddities``, and ``now``
    GET /_control/state              the truth
    POST /_control/reset             ``{"seed"}``
    ================================ ===================================================================================
    """

    def __init__(self, make: Callable[[int], Shop], seed: int = 1) -> None:
        """Keep how a shop is made, and make one."""
        self._make = make
        self._seed = seed
        self.shop = make(seed)

    def answer(self, request: Request) -> Response:
        """Return the answer to a request."""
        if not request.path.startswith("/_control/"):
            return self.shop.answer(request)
        name = request.path.removeprefix("/_control/")
        acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "sell": self._sell,
            "act": self._act,
            "webhook": lambda body: self._webhook(body["id"], body.get("type", "Order")),
            "set": self._set,
            "state": lambda body: truth(self.shop),
            "reset": self._reset,
        }
        if name not in acts:
            return Response.of({"error": f"valid: {', '.join(acts)}"}, 404)
        try:
            return Response.of(acts[name](request.json()))
        except (KeyError, TypeError, ValueError, IndexError, StopIteration) as error:
            return Response.of({"error": f"{type(error).__name__}: {error}"}, 400)

    def _webhook(self, entity_id: str, type_name: str) -> dict[str, Any]:
        at = self.shop.now if self.shop.clock is None else self.shop.clock()
        headers, body = self.shop.webhook(entity_id, type_name, at=at)
        return {"headers": headers, "body": body.decode()}

    def _sell(self, body: dict[str, Any]) -> dict[str, Any]:
        arguments = {"channel": ANY, **_arguments({k: v for k, v in body.items() if k != "count"})}
        made = [self.shop.sell(**arguments) for _ in range(int(body.get("count", 1)))]
        return {"orders": made, "webhooks": [self._webhook(one, "Order") for one in made]}

    def _act(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["act"] not in ACTS:
            raise ValueError(f"valid acts: {', '.join(ACTS)}")
        arguments = _arguments(body.get("arguments") or {})
        result = getattr(self.shop, body["act"])(**arguments)
        entity = result or arguments.get("order_id")
        webhook = self._webhook(entity, body["webhook"]) if body.get("webhook") and entity else None
        return {"result": result, "webhook": webhook}

    def _set(self, body: dict[str, Any]) -> dict[str, Any]:
        known = {one.name: one for one in fields(Oddities)}
        unknown = set(body) - set(known) - {"now"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; valid: now, {', '.join(known)}")
        for name, value in body.items():
            if name == "now":
                self.shop.now = datetime.fromisoformat(value).astimezone(UTC)
            else:
                setattr(self.shop.odd, name, type(getattr(self.shop.odd, name))(value))
        return {"set": sorted(body)}

    def _reset(self, body: dict[str, Any]) -> dict[str, Any]:
        self._seed = int(body.get("seed", self._seed))
        self.shop = self._make(self._seed)
        return {"seed": self._seed}


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of an act: moments and places of lines are texts in JSON."""
    made = dict(given)
    if made.get("at"):
        made["at"] = datetime.fromisoformat(made["at"]).astimezone(UTC)
    if made.get("units"):
        made["units"] = {int(place): quantity for place, quantity in made["units"].items()}
    return made


def truth(shop: Shop) -> dict[str, Any]:
    """Return everything that is so, moments in UTC."""
    return {
        "now": shop.now.isoformat(),
        "calls": len(shop.calls),
        "orders": [order_row(one, 0, tells_modified=True) for one in shop.orders.values()],
        "transfers": [transfer_row(one, 0) for one in shop.transfers.values()],
        "products": [
            {"product_id": one.product_id, "sku": one.sku, "name": one.name} for one in shop.products.values()
        ],
        "customers": [
            {"customer_id": one.customer_id, "external_customer_id": one.external_id}
            for one in shop.customers.values()
        ],
        "outlets": [{"outlet_id": one.outlet_id, "outlet_code": one.code} for one in shop.outlets],
        "shifts": [
            {
                "register_shift_id": one.shift_id,
                "register_id": one.register_id,
                "is_open": one.closed_at is None,
            }
            for one in shop.shifts.values()
        ],
        "stock": [
            {"outlet_code": code, "product_id": product_id, "quantity": number(quantity)}
            for (code, product_id), quantity in shop.stock.items()
        ],
    }
