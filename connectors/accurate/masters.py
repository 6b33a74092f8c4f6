"""Items and customers: looked for first, adopted when they are there, created when that is allowed."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from clientsync.commerce import reasons
from clientsync.commerce.documents import Booked
from clientsync.commerce.systems import Job, refused
from connectors.accurate.answers import record_of
from connectors.accurate.desk import Desk, only_row
from connectors.accurate.options import Options
from connectors.accurate.values import day_text

_CUSTOMER_FIELDS = ("id", "customerNo", "name", "mobilePhone", "workPhone")


def find_item(desk: Desk, job: Job) -> Booked | None:
    """Return the item with the number of the document, None when Accurate has none.

    Raises:
        BookingRefused: the product has no SKU.
    """
    number = _item_number(job)
    row = only_row(desk, "item", ("id", "no", "name"), "no", number)
    return None if row is None else Booked(str(row.get("id", "")), number)


def send_item(desk: Desk, job: Job, options: Options) -> Booked:
    """Adopt the item, or create it.

    Raises:
        BookingRefused: no SKU, no such item and none may be created, or Accurate refuses it.
    """
    body = item_body(job, options)
    number = body["no"]
    found = find_item(desk, job)
    if found is not None:
        return found
    if not options.create_items:
        raise refused(reasons.target_rejected(f"item {number} is not in Accurate, and items are not created"))
    record = record_of(desk.post("item", "save", body))
    return Booked(str(record.get("id", "")), str(record.get("no") or number))


def item_body(job: Job, options: Options) -> dict[str, str]:
    """Return the item as it is saved; its number is ``no``.

    Raises:
        BookingRefused: the product has no SKU.
    """
    number = _item_number(job)
    payload = job.document.payload
    unit = str(payload.get("unit") or "")
    mapped = job.mappings.find("unit", unit) if unit else ""
    category = str(payload.get("category") or "")
    filed_under = job.mappings.find("category", category) if category else ""
    return {
        "no": number,
        "name": str(payload.get("name") or number),
        "itemType": "INVENTORY",
        "itemCategoryName": filed_under or options.item_category,
        "unit1Name": mapped or unit or options.item_unit,
        options.field_for_source: job.document.source_id,
    }


def find_customer(desk: Desk, job: Job, options: Options) -> Booked | None:
    """Return the customer, None when Accurate has none.

    A number that the document was booked under, or that a person mapped, comes first: links that exist are never
    made anew. Then our mark in the free field, then, with the switch, the id of the customer.

    Raises:
        BookingRefused: the number belongs to somebody else, or the mapped number does not exist.
    """
    document = job.document
    mapped = job.mappings.find("customer", document.source_id)
    fields = (*_CUSTOMER_FIELDS, options.field_for_source)
    linked = mapped or (document.booked.number if document.booked is not None else "")
    if linked:
        row = only_row(desk, "customer", fields, "customerNo", linked)
        if row is not None:
            return _as_booked(row)
        if mapped:
            raise refused(reasons.target_rejected(f"customer {mapped} is not in Accurate"))
    row = only_row(desk, "customer", fields, options.field_for_source, document.source_id)
    if row is not None:
        return _as_booked(row)
    number = _own_number(job)
    row = only_row(desk, "customer", fields, "customerNo", number) if number else None
    if row is None:
        return None
    if not is_same_customer(document.payload, row):
        raise refused(reasons.customer_number_taken(number, str(row.get("name") or "")))
    return _as_booked(row)


def send_customer(desk: Desk, job: Job, options: Options, zone: ZoneInfo) -> Booked:
    """Adopt the customer, or create it; without an id of its own Accurate chooses the number.

    Raises:
        BookingRefused: as ``find_customer``; none may be created; or Accurate refuses it.
    """
    found = find_customer(desk, job, options)
    if found is not None:
        return found
    document = job.document
    payload = document.payload
    name = str(payload.get("name") or payload.get("phone") or payload.get("email") or document.source_id)
    if not options.create_customers:
        raise refused(
            reasons.target_rejected(f"customer {name} is not in Accurate, and customers are not created")
        )
    number = _own_number(job)
    body = {
        "name": name,
        "transDate": day_text(document.occurred_at, zone),
        **({"customerNo": number} if number else {}),
        **{
            field: str(payload[key])
            for field, key in (("email", "email"), ("mobilePhone", "phone"))
            if payload.get(key)
        },
        options.field_for_source: document.source_id,
    }
    record = record_of(desk.post("customer", "save", body))
    if not record.get("customerNo"):
        made = only_row(
            desk,
            "customer",
            (*_CUSTOMER_FIELDS, options.field_for_source),
            options.field_for_source,
            document.source_id,
        )
        record = record if made is None else made
    return Booked(str(record.get("id", "")), str(record.get("customerNo") or number))


def is_same_customer(payload: Any, row: Any) -> bool:
    """Whether a customer of Accurate is the one of the shop: its name or its phone is the same.

    Another name and another phone are somebody else (reference, section 4.7).
    """
    name, phone = _folded(payload.get("name")), _digits(payload.get("phone"))
    phones = {_digits(row.get("mobilePhone")), _digits(row.get("workPhone"))} - {""}
    return (bool(name) and name == _folded(row.get("name"))) or phone in phones


def _own_number(job: Job) -> str:
    return str(job.document.payload.get("external_id") or "") if job.uses_customer_ids else ""


def _item_number(job: Job) -> str:
    payload = job.document.payload
    sku = str(payload.get("sku") or "") or job.mappings.find("sku", job.document.source_id)
    if not sku:
        raise refused(reasons.no_sku(str(payload.get("name") or job.document.source_id)))
    return job.mappings.find("item", sku) or sku


def _as_booked(row: Any) -> Booked:
    return Booked(str(row.get("id", "")), str(row.get("customerNo", "")))


def _folded(value: Any) -> str:
    return " ".join(str(value or "").casefold().split())


def _digits(value: Any) -> str:
    """Return the digits of a phone number without the trunk zero or the code of Indonesia."""
    found = "".join(letter for letter in str(value or "") if letter.isdigit())
    return found.removeprefix("62").lstrip("0")
