"""Goods return challan: goods that a store gives back to the head office."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables
from connectors.retail.common import items_of_lines, quantities

GRT = DocType(
    name="grt",
    title="Goods return challan",
    owner="STORE",
    route=Route(to="HO"),
    adapter=TableAdapter(tables.grt, "number", tables.grt_line, "number", is_frozen=True),
    key_field="number",
    deps=items_of_lines,
    control=quantities,
    date_field="on_day",
)
