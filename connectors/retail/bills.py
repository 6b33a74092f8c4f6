"""Bill: a sale or a return at a store; fiscal, so it is never changed, only taken back by another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, DocumentRefused, Key, Route
from clientsync.exchange.documents import Control
from connectors.retail import tables
from connectors.retail.common import items_of_lines


def needs(body: Mapping[str, Any]) -> Iterator[Key]:
    """Yield what a bill needs: its customer, where it names one, and the items of its lines."""
    if body["customer_id"]:
        yield "customer", str(body["customer_id"])
    yield from items_of_lines(body)


def figures(body: Mapping[str, Any]) -> Control:
    """Return the control figures of a bill."""
    quantity = sum(int(line["quantity"]) for line in body["lines"])
    return Control(quantity, int(body["net"]), int(body["tax"]), int(body["tender"]))


def check(body: Mapping[str, Any]) -> None:
    """Refuse a bill whose lines or payments do not add up.

    Raises:
        DocumentRefused: says by how many paise they differ.
    """
    lines = sum(int(line["net"]) for line in body["lines"])
    if lines != int(body["net"]):
        raise DocumentRefused(
            "TOTALS", f"bill {body['number']}: its lines differ by {lines - int(body['net'])} paise"
        )
    owed = int(body["net"]) + int(body["tax"])
    if owed != int(body["tender"]):
        raise DocumentRefused(
            "TENDER", f"bill {body['number']}: paid and owed differ by {int(body['tender']) - owed} paise"
        )


BILL = DocType(
    name="bill",
    title="Bill",
    owner="STORE",
    route=Route(to="HO"),
    adapter=TableAdapter(tables.bill, "number", tables.bill_line, "number", check, is_frozen=True),
    key_field="number",
    deps=needs,
    control=figures,
    date_field="on_day",
    is_series=True,
)
