"""Sales order: what an outright store has ordered from the head office."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables
from connectors.retail.common import items_of_lines, quantities

SALES_ORDER = DocType(
    name="sales_order",
    title="Sales order",
    owner="HO",
    route=Route(to="STORE", store_type="outright", site_field="site"),
    adapter=TableAdapter(tables.sales_order, "number", tables.sales_order_line, "number", is_frozen=True),
    key_field="number",
    deps=items_of_lines,
    control=quantities,
    date_field="on_day",
)
