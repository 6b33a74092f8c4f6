"""Webhooks of Accurate: unsigned, thin, at times doubled, and silent after seven days without a renewal."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from clientsync.commerce.documents import Key
from clientsync.commerce.systems import EventSeen, Memory
from clientsync.errors import ContractChanged, SourceError
from clientsync.http.strict_json import parse_json
from connectors.accurate.calling import AccurateClient
from connectors.accurate.options import Options
from connectors.accurate.replacing import was_ours_to_delete
from connectors.accurate.values import day_of, moment_of, moment_text

WINDOW = timedelta(hours=24)
"""Longest time that one question about the past may cover."""
REMEMBERED = timedelta(days=30)
"""How far back Accurate remembers."""
_BOOKED = {
    "SALES_INVOICE": ("sale",),
    "SALES_RECEIPT": ("payment",),
    "SALES_RETURN": ("sale_return",),
    "ITEM_TRANSFER": ("transfer_out", "transfer_in"),
    "ITEM_ADJUSTMENT": ("stock_count",),
    "CUSTOMER": ("customer",),
}
"""Type of event to the types of our documents; a transfer is read as well, since it may be inbound."""
ADDRESS_HEADER = "x-client-address"
"""Set by our own web service to the address that the delivery came from."""


class Webhooks:
    """The webhooks of one connection."""

    def __init__(self, client: AccurateClient, options: Options, zone: ZoneInfo, memory: Memory) -> None:
        """Prepare; nothing is sent."""
        self._memory = memory
        self._client = client
        self._options = options
        self._zone = zone

    def verify(self, headers: Mapping[str, str]) -> str:
        """Return why a delivery is not genuine, "" when nothing speaks against it.

        Accurate signs nothing. The unguessable path is checked before; here the sender's address, when addresses are
        set: one that is missing or cannot be read does not pass.
        """
        if not self._options.allowed_ips:
            return ""
        try:
            address = ipaddress.ip_address(headers.get(ADDRESS_HEADER, "").strip())
        except ValueError:
            return "the address of the sender is not known"
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self._options.allowed_ips):
            return ""
        return "the address of the sender is not allowed"

    def events(self, body: bytes) -> list[EventSeen]:
        """Return the events of a delivery, one for each element of ``data``.

        Raises:
            ContractChanged: it is not an array of envelopes.
        """
        try:
            envelopes = parse_json(body)
        except SourceError:
            raise ContractChanged("The webhook is not JSON.") from None
        return self._events(envelopes)

    def keys_of(self, event: EventSeen) -> list[Key]:
        """Return the documents for the shop that an event is about; of another database none."""
        if self._is_foreign(event):
            return []
        purchases = "PURCHASE_ORDER" if self._options.inbound == "purchase_order" else "RECEIVE_ITEM"
        types = {purchases: "goods_receipt", "ITEM_TRANSFER": "goods_moved_in"}
        found = types.get(event.type)
        return [] if found is None else [Key(found, event.entity_id)]

    def about_booked(self, event: EventSeen) -> list[Key]:
        """Return types and id of a document of the shop that is booked here and that an event deletes.

        Receipts that we deleted ourselves, to make them anew, are not meant.
        """
        kinds = _BOOKED.get(event.type, ())
        if not kinds or not was_deleted(event) or self._is_foreign(event):
            return []
        if "payment" in kinds and was_ours_to_delete(self._memory, event.entity_id):
            return []
        return [Key(kind, event.entity_id) for kind in kinds]

    def masters_of(self, event: EventSeen) -> list[Key]:
        """Return the item of the shop whose record an event says was changed.

        Of a customer an event tells the number of Accurate only, which names no customer of the shop.
        """
        if event.type != "ITEM" or was_deleted(event) or self._is_foreign(event):
            return []
        return [Key("item", event.entity_id)]

    def missed(self, since: datetime, until: datetime) -> list[EventSeen]:
        """Return the events of a time, as far back as Accurate remembers, each once.

        Raises:
            ContractChanged: the answer is not a history.
            SourceError: as its class says.
        """
        found: dict[str, EventSeen] = {}
        start = max(since, until - REMEMBERED)
        while start < until:
            end = min(start + WINDOW, until)
            query = [("from", moment_text(start, self._zone)), ("to", moment_text(end, self._zone))]
            if self._options.database_id:
                query.append(("databaseId", self._options.database_id))
            rows = self._client.call("GET", "/api/webhook-history.do", query).get("d")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ContractChanged("The history of webhooks is not a list.")
            for row in rows:
                for event in self._events(row.get("payload")):
                    found.setdefault(event.dedupe_key, event)
            start = end
        return list(found.values())

    def renew(self, today: date) -> date:
        """Renew the registration and return the day on which it ends.

        Args:
            today: in the zone of the books.

        Raises:
            ContractChanged: the answer is not a day after today, so nothing was renewed.
        """
        ends = day_of(self._client.call("GET", "/api/webhook-renew.do").get("d"))
        if ends is None or ends <= today:
            raise ContractChanged("The renewal of the webhook gave no day in the future.")
        return ends

    def _is_foreign(self, event: EventSeen) -> bool:
        """Whether an event is of another database, or does not say what it is about."""
        database = self._options.database_id
        return not event.entity_id or bool(database and event.dedupe_key.partition("|")[0] != database)

    def _events(self, envelopes: Any) -> list[EventSeen]:
        if not isinstance(envelopes, list):
            raise ContractChanged("The webhook is not an array.")
        found: dict[str, EventSeen] = {}
        for envelope in envelopes:
            data = envelope.get("data") if isinstance(envelope, dict) else None
            if not isinstance(data, list) or not isinstance(envelope.get("type"), str):
                raise ContractChanged("The webhook holds what is no envelope.")
            for one in data:
                if not isinstance(one, dict):
                    raise ContractChanged("The webhook holds what is no event.")
                event = self._event(envelope, one)
                found.setdefault(event.dedupe_key, event)
        return list(found.values())

    def _event(self, envelope: Mapping[str, Any], data: Mapping[str, Any]) -> EventSeen:
        kind = str(envelope["type"])
        name = _camel(kind)
        number = str(data.get(f"{name}No") or data.get("itemNo") or "")
        own_id = str(data.get(f"{name}Id") or "")
        if not own_id:
            own_id = "/".join(part for part in (number, str(data.get("warehouseName") or "")) if part)
        action = str(data.get("action") or "")
        timestamp = str(envelope.get("timestamp") or "")
        key = (envelope.get("databaseId", ""), kind, envelope.get("uuid", ""), own_id, action, timestamp)
        return EventSeen(
            "|".join(str(part) for part in key),
            kind,
            number if kind == "ITEM" else own_id,
            action,
            moment_of(timestamp, self._zone),
        )


def was_deleted(event: EventSeen) -> bool:
    """Whether an event says that its record was deleted."""
    return event.action == "DELETE"


def _camel(kind: str) -> str:
    """Return ``salesInvoice`` for ``SALES_INVOICE``."""
    first, *others = kind.lower().split("_")
    return first + "".join(word.capitalize() for word in others)
