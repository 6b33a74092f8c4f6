"""What is done in Accurate and must reach the shop: goods that came in, and transfers that arrived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from clientsync.commerce.documents import PART, Key, Page, Received, whole_of
from clientsync.errors import ContractChanged, UnknownName
from connectors.accurate.answers import AccurateRefused
from connectors.accurate.calling import AccurateClient
from connectors.accurate.desk import path_of
from connectors.accurate.listing import all_rows
from connectors.accurate.numbers import IN
from connectors.accurate.options import Options
from connectors.accurate.values import amount, moment_of, moment_text, plain

RECEIVE, ORDER, TRANSFER = "receive-item", "purchase-order", "item-transfer"
APPROVED = frozenset({"", "APPROVED"})
"""Approval states of documents that count; a draft reaches the shop when it is approved."""
_TYPE_OF = {RECEIVE: "goods_receipt", ORDER: "goods_receipt", TRANSFER: "goods_moved_in"}


class Inbound:
    """Documents of Accurate for the shop."""

    def __init__(self, client: AccurateClient, options: Options, zone: ZoneInfo) -> None:
        """Prepare; nothing is sent."""
        self._client = client
        self._options = options
        self._zone = zone
        self._purchases = ORDER if options.inbound == "purchase_order" else RECEIVE
        self.streams = (self._purchases, TRANSFER)

    def changed(self, stream: str, since: datetime) -> Iterator[Page]:
        """Yield the documents of a stream that changed since a moment, the earliest change first.

        Raises:
            UnknownName: there is no such stream.
            SourceError: as its class says.
        """
        if stream not in self.streams:
            raise UnknownName("stream", stream, self.streams)
        filters = [
            ("filter.lastUpdate.op", "GREATER_EQUAL_THAN"),
            ("filter.lastUpdate.val", moment_text(since, self._zone)),
        ]
        size = self._options.page_size
        rows = all_rows(self._client, stream, ("id", "number", "lastUpdate"), filters, size)
        changes = sorted(((self._changed_at(row), row) for row in rows), key=lambda pair: pair[0])
        for start in range(0, len(changes), size):
            part = changes[start : start + size]
            documents = [
                document for _, row in part for document in self.fetch(Key(_TYPE_OF[stream], str(row["id"])))
            ]
            yield Page(documents=tuple(documents), position=part[-1][0])

    def fetch(self, key: Key) -> list[Received]:
        """Return a document as it stands now; empty when it is not there, or is nothing for the shop.

        A receipt gives one document for each warehouse, whose id is that of the receipt, ``|`` and the warehouse.

        Raises:
            UnknownName: no document of this type comes from Accurate.
            SourceError: as its class says.
        """
        if key.type not in {"goods_receipt", "goods_moved_in"}:
            raise UnknownName("type", key.type, ("goods_receipt", "goods_moved_in"))
        target_id = whole_of(key)
        if key.type == "goods_moved_in":
            return self._moved(self._detail(TRANSFER, target_id))
        return self._receipts(self._detail(self._purchases, target_id))

    def _detail(self, module: str, target_id: str) -> dict[str, Any]:
        """Return a record that counts, empty when there is none."""
        try:
            found = self._client.call("GET", path_of(module, "detail"), [("id", target_id)]).get("d")
        except AccurateRefused as error:
            if error.is_not_found:
                return {}
            raise
        if not isinstance(found, dict) or found.get("id") is None:
            raise ContractChanged("The answer of Accurate holds no record.")
        return found if str(found.get("approvalStatus") or "") in APPROVED else {}

    def _moved(self, detail: dict[str, Any]) -> list[Received]:
        if not detail or detail.get("itemTransferType") != "TRANSFER_IN":
            return []
        warehouse = _name(detail, "warehouse")
        payload = {
            "number": str(detail.get("number", "")),
            "warehouse": warehouse,
            "other_warehouse": _name(detail, "referenceWarehouse"),
            "lines": [_line(row) for row in detail.get("detailItem") or ()],
        }
        found = self._received("goods_moved_in", str(detail["id"]), detail, payload, warehouse)
        return [replace(found, is_ours=self._is_ours(detail))]

    def _receipts(self, detail: dict[str, Any]) -> list[Received]:
        if not detail:
            return []
        by_warehouse: dict[str, list[dict[str, Any]]] = {}
        for row in detail.get("detailItem") or ():
            by_warehouse.setdefault(_name(row, "warehouse") or _name(detail, "warehouse"), []).append(row)
        vendor = detail.get("vendor")
        found: list[Received] = []
        for warehouse, rows in by_warehouse.items():
            source_id = f"{detail['id']}{PART}{warehouse}"
            payload = {
                "number": str(detail.get("number", "")),
                "supplier": str(vendor.get("name") or "") if isinstance(vendor, dict) else "",
                "warehouse": warehouse,
                "lines": [_line(row) for row in rows],
            }
            found.append(self._received("goods_receipt", source_id, detail, payload, warehouse))
        return found

    def _received(
        self, kind: str, source_id: str, detail: dict[str, Any], payload: dict[str, Any], warehouse: str
    ) -> Received:
        moment = moment_of(detail.get("transDate"), self._zone)
        if moment is None:
            raise ContractChanged("A record of Accurate has no date.")
        return Received(kind, source_id, payload["number"], moment, payload, lane=warehouse)

    def _is_ours(self, detail: dict[str, Any]) -> bool:
        """Whether a transfer is one that we booked for the shop, which must not go back to it."""
        return bool(detail.get(self._options.field_for_source)) or str(detail.get("number", "")).startswith(
            IN
        )

    def _changed_at(self, row: dict[str, Any]) -> datetime:
        moment = moment_of(row.get("lastUpdate"), self._zone)
        if moment is None:
            raise ContractChanged("A row of Accurate does not say when it changed.")
        return moment


def _name(row: dict[str, Any], name: str) -> str:
    """Return the name of a part, given as an object or as ``<name>Name``."""
    part = row.get(name)
    return str((part.get("name") if isinstance(part, dict) else "") or row.get(f"{name}Name") or "")


def _line(row: dict[str, Any]) -> dict[str, str]:
    item = row.get("item") if isinstance(row.get("item"), dict) else {}
    found = item if isinstance(item, dict) else {}
    return {
        "sku": str(found.get("no") or ""),
        "product_id": str(found.get("id") or ""),
        "name": str(row.get("detailName") or found.get("name") or ""),
        "quantity": plain(amount(row.get("quantity"))),
    }
