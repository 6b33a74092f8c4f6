"""What a webhook says: that something changed. What it is now is asked again, so order and doubles do not matter."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from clientsync.commerce.documents import Key
from clientsync.commerce.systems import EventSeen
from clientsync.errors import ContractChanged, SourceError
from clientsync.http.strict_json import parse_json
from connectors.iseller.fields import text
from connectors.iseller.options import Options

OF_AN_ORDER = frozenset({"order", "refund", "fulfillment"})
_STAMPS = ("timestamp", "modified_date", "event_date")


def events_of(body: bytes, options: Options) -> list[EventSeen]:
    """Return the events of a body: an object, or a list of objects.

    The dedupe key is ``iseller|type|id|moment|digest of the body``. The moment is that of the body, if it has one,
    not that of the header, which is new for every delivery. Two events with equal bodies and no moment count as
    one; they lead to the same question to the shop anyway. An object without a type that has the id of an order is
    of type Order.

    Raises:
        ContractChanged: it is not JSON, or says neither a type nor an order.
    """
    try:
        found = parse_json(body)
    except SourceError as error:
        raise ContractChanged("The webhook of iSeller is not JSON.") from error
    bodies = found if isinstance(found, list) else [found]
    if not bodies or not all(isinstance(one, dict) for one in bodies):
        raise ContractChanged("The webhook of iSeller is not an object.")
    digest = hashlib.sha256(body).hexdigest()
    return [_event(one, digest, options) for one in bodies]


def _event(one: dict[str, Any], digest: str, options: Options) -> EventSeen:
    type_name, order_id = text(one, options.webhook_type_field), text(one, options.webhook_id_field)
    if not type_name:
        if not order_id:
            raise ContractChanged(
                f"The webhook of iSeller lacks {options.webhook_type_field} and {options.webhook_id_field}."
            )
        type_name = "Order"
    is_member = type_name.lower() == "member"
    entity = text(one, options.webhook_member_field) if is_member else order_id
    if not entity and (is_member or type_name.lower() in OF_AN_ORDER):
        name = options.webhook_member_field if is_member else options.webhook_id_field
        raise ContractChanged(f"The webhook of iSeller lacks {name}.")
    stamp = text(one, *_STAMPS)
    return EventSeen(
        dedupe_key="|".join(["iseller", type_name, entity, *([stamp] if stamp else []), digest]),
        type=type_name,
        entity_id=entity,
        action=text(one, "action"),
        happened_at=_aware(stamp),
    )


def keys_of(event: EventSeen) -> list[Key]:
    """Return what an event says was changed."""
    name = event.type.lower()
    if name in OF_AN_ORDER:
        return [Key("sale", event.entity_id)]
    return [Key("customer", event.entity_id)] if name == "member" else []


def _aware(stamp: str) -> datetime | None:
    """Return the moment of a body if it names its zone; one without a zone could be of any."""
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None
