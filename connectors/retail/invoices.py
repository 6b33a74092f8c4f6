"""Invoice: what an outright store owes the head office."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables
from connectors.retail.common import items_of_lines, quantities

INVOICE = DocType(
    name="invoice",
    title="Invoice",
    owner="HO",
    route=Route(to="STORE", store_type="outright", site_field="site"),
    adapter=TableAdapter(tables.invoice, "number", tables.invoice_line, "number", is_frozen=True),
    key_field="number",
    deps=items_of_lines,
    control=quantities,
    date_field="on_day",
)
