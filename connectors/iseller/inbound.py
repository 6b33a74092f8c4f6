"""Goods that the accounting received or moved, into the shop: once, and never as a guess.

The reference of a transfer in the shop is the number of the accounting's document; by it a transfer is found again.
Documents of different types, and the parts of a receipt into several warehouses, may have one number. So a further tag
names type and id of the document; where the shop does not tell the tags, the outlet must be the same.
The shop offers no way to change a transfer, so a document that was changed after it was booked is refused.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from clientsync.commerce import reasons
from clientsync.commerce.documents import Booked
from clientsync.commerce.systems import Job, refused
from clientsync.errors import ContractChanged
from connectors.iseller.calling import Calls, Listing, Refusal
from connectors.iseller.fields import Row, id_text, text
from connectors.iseller.options import Options
from connectors.iseller.transfers import action_of, tags_of

CREATE = "api/v3/CreateTransfer"
TYPES = ("goods_receipt", "goods_moved_in")


def find(calls: Calls, transfers: Listing, options: Options, job: Job) -> Booked | None:
    """Return the incoming transfer that has the document's number as its reference and was made for it.

    Raises:
        SourceError: the shop did not answer.
    """
    names, number = options.transfer_fields, job.document.number
    outlet = job.mappings.find("warehouse", str(job.document.payload.get("warehouse") or ""))
    for rows in calls.pages(transfers, {"reference_code": number}, job.calls):
        for row in rows:
            if text(row, names["reference_code"]) == number and _is_of(row, options, job, outlet):
                return Booked(id_text(row, names["transfer_id"]) or number, number)
    return None


def _is_of(row: Row, options: Options, job: Job, outlet: str) -> bool:
    if action_of(row, options) != "accept":
        return False
    marked = [one for one in tags_of(row, options) if one.startswith(f"{options.transfer_tags[0]}:")]
    if marked:
        return _mark(options, job) in marked
    return outlet in {"", text(row, options.transfer_fields["outlet_code"])}


def _mark(options: Options, job: Job) -> str:
    """Return the tag of a document; without commas, which part tags."""
    return f"{options.transfer_tags[0]}:{job.document.type}:{job.document.source_id}".replace(",", " ")


def send(calls: Calls, options: Options, job: Job) -> Booked:
    """Create the transfer.

    Raises:
        BookingRefused: an outlet is not mapped, a line has no SKU, or the shop said no.
        SourceError: there was no answer; whether the transfer was created is not known.
    """
    body = body_of(options, job)
    try:
        answer = calls.send_once(CREATE, body, job.calls)
    except Refusal as error:
        raise refused(reasons.target_rejected(error.text)) from error
    return Booked(
        id_text(answer, options.transfer_fields["transfer_id"]) or job.document.number, job.document.number
    )


def body_of(options: Options, job: Job) -> dict[str, Any]:
    """Return what is sent; every mapping is asked for first.

    Raises:
        BookingRefused: an outlet is not mapped, a line has no SKU, or the document was booked before.
        ContractChanged: the document is not one of goods that come in.
    """
    document = job.document
    payload = document.payload
    if document.type not in TYPES:
        raise ContractChanged(f"iSeller does not book a {document.type}.")
    outlet = job.mappings.need("warehouse", str(payload["warehouse"]))
    if document.booked is not None:
        raise refused(
            reasons.target_rejected("the shop cannot change a transfer that it has; correct it there by hand")
        )
    quantities: dict[str, Decimal] = {}
    for line in payload["lines"]:
        if not line["sku"]:
            raise refused(reasons.no_sku(str(line["name"])))
        quantities[line["sku"]] = quantities.get(line["sku"], Decimal(0)) + _quantity(line["quantity"])
    return {
        "outlet_code": outlet,
        "type": "in",
        "status": options.transfer_status,
        "supplier_name": str(payload.get("supplier") or payload.get("other_warehouse") or ""),
        "reference_code": document.number,
        "products": [{"sku": sku, "quantity": _json_number(number)} for sku, number in quantities.items()],
        "tags": [*options.transfer_tags, _mark(options, job)],
    }


def _quantity(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise refused(reasons.target_rejected("a line has a quantity that is not a number")) from None


def _json_number(number: Decimal) -> int | float:
    """Return a quantity for JSON; a float is written with the shortest digits that mean it, so none is added."""
    return int(number) if number == number.to_integral_value() else float(number)
