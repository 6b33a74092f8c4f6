"""Transfer order: goods of the head office on their way to a consignment store."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables
from connectors.retail.common import items_of_lines, quantities

TRANSFER_ORDER = DocType(
    name="transfer_order",
    title="Transfer order",
    owner="HO",
    route=Route(to="STORE", store_type="consignment", site_field="site"),
    adapter=TableAdapter(
        tables.transfer_order, "number", tables.transfer_order_line, "number", is_frozen=True
    ),
    key_field="number",
    deps=items_of_lines,
    control=quantities,
    date_field="on_day",
)
