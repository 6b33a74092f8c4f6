"""Movements of stock within iSeller, as documents. Pure.

The vendor does not publish the fields of ``GetTransfer``; ``transfer_fields`` maps ours to theirs. By its action a
movement is:

* Start, or type out: a transfer-out, in the lane of the outlet that gives;
* Accept: a transfer-in, in the lane of the outlet that gets. One with our tag came from the accounting and is ours.
  Another one that comes from no outlet is a purchase, which is entered in the accounting: it is no document;
* Opname: a stock count;
* Adjustment: a stock count as well, since a count is all that can be booked again without harm. One that does not
  say what was counted is refused, unless the option ``adjustments`` says that adjustments are booked by hand.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from clientsync.commerce.documents import Key, Received
from clientsync.errors import ContractChanged
from connectors.iseller.fields import (
    Row,
    decimal_text,
    id_text,
    lacks,
    moment,
    need_amount,
    need_moment,
    need_text,
    rows_in,
    text,
)
from connectors.iseller.options import Options
from connectors.iseller.orders import item_needs

_WHAT = "transfer"


def transfer_of(row: Row, options: Options, hours: int) -> Received | None:
    """Return the document of a row of ``InventoryAdjustments``, None when it leads to none.

    Raises:
        ContractChanged: a field is missing or cannot be read; it is named as the shop names it.
    """
    names = options.transfer_fields
    action, is_ours = action_of(row, options), options.transfer_tags[0] in tags_of(row, options)
    if action == "adjustment" and options.adjustments == "skip":
        return None
    other, out_id = text(row, names["other_outlet_code"]), id_text(row, names["transfer_out_id"])
    is_count = action in {"opname", "adjustment"}
    if action == "accept" and not (other or out_id or is_ours):
        return None
    outlet = need_text(row, _WHAT, names["outlet_code"])
    lines = [_line(one, options, is_count=is_count) for one in rows_in(row, _WHAT, names["products"])]
    payload: dict[str, Any] = {"outlet": outlet, "lines": lines}
    needs = item_needs([line["sku"] for line in lines])
    if not is_count:
        payload["other_outlet"] = other
        if not other and not is_ours:
            raise lacks(_WHAT, names["other_outlet_code"])
    if action == "accept":
        payload["transfer_out"] = out_id
        if not out_id and not is_ours:
            raise lacks(_WHAT, names["transfer_out_id"])
        needs = (Key("transfer_out", out_id), *needs) if out_id else needs
    transfer_id = need_text(row, _WHAT, names["transfer_id"])
    return Received(
        {"start": "transfer_out", "accept": "transfer_in"}.get(action, "stock_count"),
        transfer_id,
        number=text(row, names["reference_code"]) or transfer_id,
        occurred_at=need_moment(row, _WHAT, names["date"], hours),
        payload=payload,
        needs=needs,
        lane=outlet,
        is_ours=is_ours,
    )


def tags_of(row: Row, options: Options) -> list[str]:
    """Return the tags of a movement, which may be written as a list or with commas."""
    tags = row.get(options.transfer_fields["tags"])
    return [str(one).strip() for one in (tags if isinstance(tags, list) else str(tags or "").split(","))]


def action_of(row: Row, options: Options) -> str:
    """Return ``start``, ``accept``, ``opname`` or ``adjustment``.

    Raises:
        ContractChanged: it says something else.
    """
    names = options.transfer_fields
    action = text(row, names["action"]).lower()
    if not action and text(row, names["type"]).lower() in {"in", "out"}:
        return "accept" if text(row, names["type"]).lower() == "in" else "start"
    if action not in {"start", "accept", "opname", "adjustment"}:
        raise ContractChanged(f"The transfer of iSeller has an unknown {names['action']}.")
    return action


def changed_at(row: Row, options: Options, hours: int) -> datetime | None:
    """Return when a movement was changed; if it does not say, when it was made.

    Raises:
        ContractChanged: a moment cannot be read.
    """
    names = options.transfer_fields
    return moment(row, _WHAT, names["modified_date"], hours) or moment(row, _WHAT, names["date"], hours)


def _line(row: Row, options: Options, *, is_count: bool) -> dict[str, Any]:
    names = options.transfer_fields
    sku, product_id = text(row, names["sku"]), id_text(row, names["product_id"])
    name = text(row, names["product_name"]) or sku or product_id
    if not name:
        raise ContractChanged(f"The line of a transfer of iSeller lacks {names['product_id']}.")
    line: dict[str, Any] = {"sku": sku, "product_id": product_id, "name": name}
    if not is_count:
        return {**line, "quantity": _number(row, names["quantity"])}
    counted = _number(row, names["counted_quantity"])
    told = row.get(names["quantity"]) is not None
    return {**line, "quantity": _number(row, names["quantity"]) if told else counted, "counted": counted}


def _number(row: Row, name: str) -> str:
    number: Decimal = need_amount(row, "line of a transfer", name)
    return decimal_text(number)
