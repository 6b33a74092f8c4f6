"""Promotion: kept at the head office, newest state to the stores."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables

PROMOTION = DocType(
    name="promotion",
    title="Promotion",
    owner="HO",
    route=Route(to="STORE", site_field="sites"),
    adapter=TableAdapter(tables.promotion, "promotion_id"),
    key_field="promotion_id",
    is_snapshot=False,
)
