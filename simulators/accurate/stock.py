"""Balances of goods by warehouse and item, and what is on its way between two warehouses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from simulators.accurate.texts import Invalid

Row = dict[str, Any]
Place = tuple[str, str]
_SIGNS = {"sales-invoice": -1, "sales-return": 1, "receive-item": 1, "item-adjustment": 1}
"""Module to what it does to the stock of a line's warehouse."""


@dataclass
class Stock:
    """Stock of a database.

    Attributes:
        balances: (warehouse, item number) to quantity.
        transit: (number of the transfer-out, item number) to quantity on its way.
    """

    balances: dict[Place, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    transit: dict[Place, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def apply(self, module: str, row: Row, sign: int = 1) -> None:
        """Move the goods of a document; with ``sign`` -1 take it back.

        Raises:
            Invalid: more is received than is on its way; nothing was moved.
        """
        if module == "item-transfer":
            self._transfer(row, sign)
        elif module in _SIGNS:
            for warehouse, item, quantity in _lines(row):
                self.balances[(warehouse, item)] += sign * _SIGNS[module] * quantity

    def on_hand(self, warehouse: str, item: str) -> Decimal:
        """Return the quantity in a warehouse."""
        return self.balances.get((warehouse, item), Decimal(0))

    def on_the_way(self, item: str = "") -> Decimal:
        """Return the quantity between warehouses, of an item or of all."""
        return sum((held for (_, no), held in self.transit.items() if item in {"", no}), Decimal(0))

    def _transfer(self, row: Row, sign: int) -> None:
        is_out = row["itemTransferType"] == "TRANSFER_OUT"
        number = row["number"] if is_out else row["fromItemTransfer"]["number"]
        moved = list(_lines(row))
        if not is_out and sign > 0:
            wanted: dict[str, Decimal] = defaultdict(Decimal)
            for _, item, quantity in moved:
                wanted[item] += quantity
            if any(
                quantity > self.transit.get((number, item), Decimal(0)) for item, quantity in wanted.items()
            ):
                raise Invalid("over_received")
        way = -sign if is_out else sign
        for _, item, quantity in moved:
            self.balances[(row["warehouse"]["name"], item)] += way * quantity
            self.transit[(number, item)] -= way * quantity


def _lines(row: Row) -> Iterable[tuple[str, str, Decimal]]:
    for line in row.get("detailItem") or ():
        warehouse = (line.get("warehouse") or row.get("warehouse") or {}).get("name", "")
        yield warehouse, line["item"]["no"], Decimal(str(line["quantity"]))
