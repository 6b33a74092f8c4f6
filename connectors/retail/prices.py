"""Price: kept at the head office, newest state to the stores."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables

PRICE = DocType(
    name="price",
    title="Price",
    owner="HO",
    route=Route(to="STORE"),
    adapter=TableAdapter(tables.price, "price_id"),
    key_field="price_id",
    is_snapshot=False,
    deps=lambda body: (("item", str(body["item_code"])),),
)
