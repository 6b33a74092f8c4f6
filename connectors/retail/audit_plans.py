"""Item audit plan: kept at the head office, sent as written to the stores it lists."""

from __future__ import annotations

from clientsync.exchange.adapters import TableAdapter
from clientsync.exchange.catalogue import DocType, Route
from connectors.retail import tables

AUDIT_PLAN = DocType(
    name="audit_plan",
    title="Item audit plan",
    owner="HO",
    route=Route(to="STORE", site_field="sites"),
    adapter=TableAdapter(tables.audit_plan, "plan_id", is_frozen=True),
    key_field="plan_id",
    date_field="on_day",
)
