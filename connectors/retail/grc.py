"""Goods receipt challan: goods that a store took in, against a transfer order or an invoice."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables
from connectors.retail.common import items_of_lines, quantities

GRC = DocType(
    name="grc",
    title="Goods receipt challan",
    owner="STORE",
    route=Route(to="HO"),
    adapter=TableAdapter(tables.grc, "number", tables.grc_line, "number", is_frozen=True),
    key_field="number",
    deps=items_of_lines,
    control=quantities,
    date_field="on_day",
)
