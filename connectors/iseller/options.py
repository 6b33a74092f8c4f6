"""Options of a connection: what the vendor leaves open, with what is taken when nothing is set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from clientsync.errors import InvalidInput

TRANSFER_FIELDS = (
    "transfer_id",
    "reference_code",
    "action",
    "type",
    "outlet_code",
    "other_outlet_code",
    "date",
    "modified_date",
    "transfer_out_id",
    "tags",
    "products",
    "sku",
    "product_id",
    "product_name",
    "quantity",
    "counted_quantity",
)
"""Our names of what ``GetTransfer`` answers; theirs are the same unless ``transfer_fields`` says otherwise."""
MAX_PAGE_SIZE = 500
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")


@dataclass(frozen=True)
class Options:
    """What a connection may set.

    Attributes:
        page_size: rows of a page, 1 to 500.
        sends_created_after: ``GetOrders`` is given ``created_after``, which the vendor's document demands.
        created_after_floor: that moment, ISO 8601 without a zone; no order is older.
        includes: what ``GetOrders`` adds to an order.
        modified_field: field with the moment of the last change, where a row has one. The vendor's document has it
            for products only; a row without it counts as changed at the latest moment that stands in it.
        line_discounts_in_total: ``total_discount_amount`` of an order contains the discounts of its lines.
        paid_statuses: statuses of a transaction whose money has come.
        unpaid_statuses: statuses of a transaction whose money has not come; any other one is refused.
        product_kinds: values of ``track_inventory`` with which products are read, one after another.
        adjustments: ``count``: an adjustment is booked as a count, and must say what was counted; ``skip``: it
            is booked by hand.
        money_back: ``tell``: money that was paid back to a customer is shown until a person has booked it; ``skip``: it
            is booked by hand without being shown.
        transfer_fields: our name to theirs, of ``GetTransfer``.
        transfer_status: status of a transfer that is created.
        transfer_tags: tags of a transfer that is created; by the first one it is known as ours, and one more, which
            begins with the first, names the document that it was made for.
        webhook_type_field: field of a webhook that says its type.
        webhook_id_field: field of a webhook with the id of the order.
        webhook_member_field: field of a webhook of type Member with the id of the customer.
    """

    page_size: int = 200
    sends_created_after: bool = True
    created_after_floor: str = "2000-01-01T00:00:00"
    includes: str = (
        "OrderDetails,Transactions,DiscountDetails,PromotionDetails,TrackInventory,MDR,ShippingDetail"
    )
    modified_field: str = "modified_date"
    line_discounts_in_total: bool = True
    paid_statuses: tuple[str, ...] = ("success",)
    unpaid_statuses: tuple[str, ...] = ("error", "pending", "failure")
    product_kinds: tuple[str, ...] = ("true", "false")
    adjustments: str = "count"
    money_back: str = "tell"
    transfer_fields: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in TRANSFER_FIELDS}
    )
    transfer_status: str = "completed"
    transfer_tags: tuple[str, ...] = ("clientsync",)
    webhook_type_field: str = "type"
    webhook_id_field: str = "order_id"
    webhook_member_field: str = "customer_id"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Return the options of a connection.

        Raises:
            InvalidInput: a name is unknown, or a value is not what it should be.
        """
        known = {one.name: one for one in fields(cls)}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise InvalidInput(
                f"iSeller has no option {', '.join(unknown)}. Valid: {', '.join(sorted(known))}."
            )
        values = {name: _checked(name, getattr(cls(), name), value) for name, value in given.items()}
        return cls(**values)


def _checked(name: str, default: Any, value: Any) -> Any:
    if isinstance(default, Mapping):
        return _transfer_fields(name, value)
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
            raise InvalidInput(f"The option {name} must be a list of texts.")
        return tuple(value)
    if type(value) is not type(default):
        raise InvalidInput(f"The option {name} must be of the kind {type(default).__name__}.")
    if name == "page_size" and not 1 <= value <= MAX_PAGE_SIZE:
        raise InvalidInput(f"The option page_size must be between 1 and {MAX_PAGE_SIZE}.")
    if name == "adjustments" and value not in {"count", "skip"}:
        raise InvalidInput("The option adjustments must be count or skip.")
    if name == "money_back" and value not in {"tell", "skip"}:
        raise InvalidInput("The option money_back must be tell or skip.")
    if name == "created_after_floor" and not _MOMENT.fullmatch(value):
        raise InvalidInput("The option created_after_floor must look like 2000-01-01T00:00:00.")
    return value


def _transfer_fields(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(one, str) and one for one in value.values()):
        raise InvalidInput(f"The option {name} must map our names to the names of the shop.")
    unknown = sorted(set(value) - set(TRANSFER_FIELDS))
    if unknown:
        raise InvalidInput(
            f"The option {name} has unknown names {', '.join(unknown)}. Valid: {', '.join(TRANSFER_FIELDS)}."
        )
    return {one: value.get(one, one) for one in TRANSFER_FIELDS}
