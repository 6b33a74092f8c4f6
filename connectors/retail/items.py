"""Item: kept at the head office, newest state to the stores."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables

ITEM = DocType(
    name="item",
    title="Item",
    owner="HO",
    route=Route(to="STORE"),
    adapter=TableAdapter(tables.item, "item_code"),
    key_field="item_code",
    is_snapshot=False,
)
