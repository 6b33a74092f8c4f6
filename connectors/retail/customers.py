"""Customer: written at the store, newest state to the head office."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables

CUSTOMER = DocType(
    name="customer",
    title="Customer",
    owner="STORE",
    route=Route(to="HO"),
    adapter=TableAdapter(tables.customer, "customer_id"),
    key_field="customer_id",
    is_snapshot=False,
)
