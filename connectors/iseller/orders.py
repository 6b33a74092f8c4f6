"""An order of iSeller as the documents that it leads to. Pure.

========================== =========================================================================================
order                      documents
========================== =========================================================================================
draft, reserved            none: it is not a sale yet
completed                  its customer, the sale, a payment per successful transaction of type sale, a return per
                           element of ``refunded_orders``, money back per successful transaction of type refund or void
void, or cancelled         the same, with sale and payments withdrawn, and a further return, of what was not
                           returned before, that is void
========================== =========================================================================================

The ledger does not send what was withdrawn before it was booked, and with a sale it drops the returns that need it.
A sale that had been booked is taken back by the void return. So both always come, and which of them counts depends
on what was booked.

The totals of a sale agree when quantities times prices, less the discounts of the lines, less ``discount``, plus
``tax`` unless it is contained in the prices, plus charges and ``rounding`` make ``total``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from clientsync.commerce.documents import Key, Received
from clientsync.errors import ContractChanged
from connectors.iseller.fields import (
    Row,
    amount,
    decimal_text,
    flag,
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

NOT_YET = frozenset({"draft", "reserved"})
SOLD = "completed"
PAID, PAID_BACK = "sale", frozenset({"refund", "void"})
"""Types of transactions."""
TAKEN_BACK = frozenset({"void", "voided", "cancelled", "canceled"})
CHARGES = (
    ("additional_order", "total_additional_order_amount"),
    ("additional_subtotal", "total_additional_subtotal_amount"),
    ("additional_final", "total_additional_final_amount"),
    ("shipping", "total_shipping_amount"),
)
"""Name of a charge in the payload, and the field of the order that holds it."""
_ORDER, _LINE, _PAID, _REFUND = "order", "order line", "transaction", "refund"


@dataclass(frozen=True)
class Line:
    """A line of an order."""

    sku: str
    product_id: str
    name: str
    quantity: Decimal
    price: Decimal
    discount: Decimal
    tax: Decimal
    tax_code: str
    unit: str

    @classmethod
    def of(cls, row: Row) -> Line:
        """Read a line.

        Raises:
            ContractChanged: quantity or price is missing, or it names no product.
        """
        sku, product_id = text(row, "sku"), id_text(row, "product_id")
        name = text(row, "product_name", "name", "product_modifier_name")
        if not (sku or product_id or name):
            raise ContractChanged(f"The {_LINE} of iSeller lacks product_id.")
        rate = amount(row, _LINE, "tax_percentage")
        return cls(
            sku=sku,
            product_id=product_id,
            name=name or sku or product_id,
            quantity=need_amount(row, _LINE, "quantity"),
            price=need_amount(row, _LINE, "base_price"),
            discount=amount(row, _LINE, "discount_amount"),
            tax=amount(row, _LINE, "tax_amount"),
            tax_code=decimal_text(rate) if rate else "",
            unit=text(row, "unit_of_measurement", "unit"),
        )

    def payload(self) -> dict[str, Any]:
        """Return the line of a sale or return."""
        return {
            "sku": self.sku,
            "product_id": self.product_id,
            "name": self.name,
            "quantity": decimal_text(self.quantity),
            "unit_price": decimal_text(self.price),
            "discount": decimal_text(self.discount),
            "tax": decimal_text(self.tax),
            "tax_code": self.tax_code,
            "unit": self.unit,
        }


class _Kept:
    """What the customer keeps of the lines of an order, while one return after the other is taken from it."""

    def __init__(self, lines: tuple[Line, ...]) -> None:
        self._sold = lines
        self._left = list(lines)

    def take(self, row: Row, quantity: Decimal) -> list[Line]:
        """Return what comes back of the lines that a row means; empty when the order has no such line.

        Discount and tax go with the quantity; whoever takes the last of a line gets what is left of them. A line of
        which just so much is left is meant before others of the same product. What comes back beyond all that was
        sold has neither.
        """
        meant = [place for place, line in enumerate(self._sold) if _is_of(line, row)]
        found = []
        for place in sorted(meant, key=lambda one: self._left[one].quantity != quantity):
            taken = min(quantity, self._left[place].quantity)
            if taken > 0:
                found.append(self._part(place, taken))
                quantity -= taken
        if meant and (quantity > 0 or not found):
            none = Decimal(0)
            found.append(replace(self._sold[meant[0]], quantity=quantity, discount=none, tax=none))
        return found

    def rest(self) -> list[Line]:
        """Return what is left of all lines."""
        return [line for line in self._left if line.quantity]

    def _part(self, place: int, quantity: Decimal) -> Line:
        sold, left = self._sold[place], self._left[place]
        part = left
        if quantity != left.quantity:
            share = quantity / sold.quantity
            discount, tax = (_shared(whole, share) for whole in (sold.discount, sold.tax))
            part = replace(left, quantity=quantity, discount=discount, tax=tax)
        self._left[place] = replace(
            left,
            quantity=left.quantity - part.quantity,
            discount=left.discount - part.discount,
            tax=left.tax - part.tax,
        )
        return part


def _shared(whole: Decimal, share: Decimal) -> Decimal:
    """Return a share of an amount, with as many decimals as the amount has."""
    exponent = whole.as_tuple().exponent
    places = min(exponent, 0) if isinstance(exponent, int) else 0
    return (whole * share).quantize(Decimal(1).scaleb(places), ROUND_HALF_UP)


@dataclass(frozen=True)
class Order:
    """An order that is, or was, a sale.

    Attributes:
        sold_at: when it was placed.
        closed_at: when it was closed.
        outlet: code of the outlet; without one the detail of the channel, or the channel: they are mapped alike.
        is_taken_back: void or cancelled.
    """

    row: Row
    order_id: str
    reference: str
    sold_at: datetime
    closed_at: datetime | None
    outlet: str
    customer_id: str
    lines: tuple[Line, ...]
    total: Decimal
    is_taken_back: bool
    hours: int
    options: Options

    @property
    def key(self) -> Key:
        """Key of the sale."""
        return Key("sale", self.order_id)


def documents_of(row: Row, options: Options, hours: int) -> list[Received]:
    """Return the documents of an order as ``GetOrders`` gives it.

    Args:
        row: with ``OrderDetails``, ``Transactions`` and ``TrackInventory`` included; unknown fields do not matter.
        options: of the connection.
        hours: the asked ``time_zone``, in which the moments are written.

    Raises:
        ContractChanged: a field is missing or cannot be read; it is named.
    """
    status = need_text(row, _ORDER, "status").lower()
    if status in NOT_YET:
        return []
    if status != SOLD and status not in TAKEN_BACK:
        raise ContractChanged("The order of iSeller has a status that is not known.")
    order = Order(
        row=row,
        order_id=need_text(row, _ORDER, "order_id"),
        reference=need_text(row, _ORDER, "order_reference"),
        sold_at=need_moment(row, _ORDER, "order_date", hours),
        closed_at=moment(row, _ORDER, "closed_date", hours),
        outlet=outlet_of(row) or need_text(row, _ORDER, "outlet_code"),
        customer_id=id_text(row, "customer_id"),
        lines=tuple(Line.of(one) for one in rows_in(row, _ORDER, "order_details")),
        total=need_amount(row, _ORDER, "total_amount"),
        is_taken_back=status in TAKEN_BACK or _is_cancelled(row),
        hours=hours,
        options=options,
    )
    if row.get("order_details") is None and not order.is_taken_back:
        raise lacks(_ORDER, "order_details")
    found = [customer_of(row, order.sold_at)] if order.customer_id else []
    kept = _Kept(order.lines)
    paid, returned = _payments(order), _returns(order, kept)
    return [*found, _sale(order, paid), *paid, *returned, *_void(order, returned, kept), *_paid_back(order)]


def customer_of(row: Row, at: datetime) -> Received:
    """Return the customer of an order, or as ``GetCustomer`` gives it.

    Raises:
        ContractChanged: it has no id.
    """
    customer_id = need_text(row, "customer", "customer_id")
    first, last = (text(row, f"customer_{name}", name) for name in ("first_name", "last_name"))
    name = " ".join(one for one in (first, last) if one) or text(row, "customer_name", "name") or customer_id
    payload = {
        "external_id": text(row, "external_customer_id"),
        "name": name,
        "phone": text(row, "customer_phone_number", "customer_phone", "phone_number", "phone"),
        "email": text(row, "customer_email", "email"),
    }
    return Received("customer", customer_id, name, at, payload)


def changed_at(row: Row, options: Options, hours: int) -> datetime | None:
    """Return when an order was changed; if it does not say, the latest moment in it, before which it was not.

    Raises:
        ContractChanged: a moment cannot be read.
    """
    told = moment(row, _ORDER, options.modified_field, hours)
    if told is not None:
        return told
    moments = [moment(row, _ORDER, name, hours) for name in ("order_date", "closed_date", "cancel_date")]
    for rows, name in (("transactions", "transaction_date"), ("refunded_orders", "refund_date")):
        moments += [moment(one, rows, name, hours) for one in rows_in(row, _ORDER, rows)]
    return max((one for one in moments if one is not None), default=None)


def is_sold(row: Row) -> bool:
    """Whether an order is a sale that was not taken back."""
    return text(row, "status").lower() == SOLD and not _is_cancelled(row)


def _is_cancelled(row: Row) -> bool:
    return moment(row, _ORDER, "cancel_date", 0) is not None


def outlet_of(row: Row) -> str:
    """Return the outlet of an order: its code; without one the detail of its channel, or the channel; else empty."""
    return text(row, "outlet_code", "channel_detail", "channel")


def _sale(order: Order, paid: list[Received]) -> Received:
    row = order.row
    discounts = amount(row, _ORDER, "total_discount_amount") + amount(row, _ORDER, "total_promotion_amount")
    if order.options.line_discounts_in_total:
        discounts -= sum((line.discount for line in order.lines), Decimal(0))
    charges = [(name, amount(row, _ORDER, theirs)) for name, theirs in CHARGES]
    payload: Mapping[str, Any] = {
        "reference": order.reference,
        "outlet": order.outlet,
        "register": id_text(row, "register_id"),
        "customer": order.customer_id,
        "lines": [line.payload() for line in order.lines],
        "tax_inclusive": flag(row, "tax_inclusive"),
        "discount": decimal_text(discounts),
        "charges": [{"name": name, "amount": decimal_text(value)} for name, value in charges if value],
        "rounding": decimal_text(amount(row, _ORDER, "rounding_amount")),
        "tax": decimal_text(amount(row, _ORDER, "total_tax_amount")),
        "total": decimal_text(order.total),
        "paid": decimal_text(sum((Decimal(one.payload["amount"]) for one in paid), Decimal(0))),
        "on_account": flag(row, "on_account"),
        "status": text(row, "status").lower(),
    }
    customer = (Key("customer", order.customer_id),) if order.customer_id else ()
    return Received(
        *order.key,
        number=order.reference,
        occurred_at=order.sold_at,
        payload=payload,
        needs=(*customer, *item_needs([line.sku for line in order.lines])),
        lane=order.outlet,
        register=id_text(row, "register_id"),
        closed_at=order.closed_at,
        is_withdrawn=order.is_taken_back,
        is_whole=True,
    )


def item_needs(skus: list[str]) -> tuple[Key, ...]:
    """Return the items that lines with these SKUs need: each once, none for an empty SKU."""
    return tuple(Key("item", sku) for sku in dict.fromkeys(skus) if sku)


def _moved(order: Order) -> list[tuple[str, Row]]:
    """Return the transactions in which money moved, each with its type."""
    found: list[tuple[str, Row]] = []
    for one in rows_in(order.row, _ORDER, "transactions"):
        kind, status = need_text(one, _PAID, "type").lower(), need_text(one, _PAID, "status").lower()
        if kind != PAID and kind not in PAID_BACK:
            raise ContractChanged("The transaction of iSeller has a type that is not known.")
        if status in order.options.unpaid_statuses:
            continue
        if status not in order.options.paid_statuses:
            raise ContractChanged("The transaction of iSeller has a status that is not known.")
        found.append((kind, one))
    return found


def _payments(order: Order) -> list[Received]:
    return [
        replace(_transaction(order, row, "payment", "P"), is_withdrawn=order.is_taken_back)
        for kind, row in _moved(order)
        if kind == PAID
    ]


def _paid_back(order: Order) -> list[Received]:
    """Return what was paid back to the customer, with goods or without."""
    if order.options.money_back == "skip":
        return []
    return [
        _transaction(order, row, "money_back", "B", is_void=kind == "void")
        for kind, row in _moved(order)
        if kind != PAID and amount(row, _PAID, "amount")
    ]


def _transaction(order: Order, row: Row, type_name: str, letter: str, **more: Any) -> Received:
    transaction_id = need_text(row, _PAID, "transaction_id")
    at = moment(row, _PAID, "transaction_date", order.hours) or order.closed_at or order.sold_at
    fees = [amount(one, "MDR", "payment_method_fee") for one in rows_in(row, _PAID, "mdr")]
    money = need_amount(row, _PAID, "amount")
    payload = {
        "sale": order.order_id,
        "reference": order.reference,
        "outlet": order.outlet,
        "method": text(row, "payment_type_name", "gateway") or need_text(row, _PAID, "payment_type_name"),
        "amount": decimal_text(money if type_name == "payment" else abs(money)),
        "paid_at": at.isoformat(),
        "customer": order.customer_id,
        "mdr": decimal_text(sum(fees, Decimal(0))),
        **more,
    }
    return Received(
        type_name,
        transaction_id,
        number=f"{order.reference}-{letter}{transaction_id[:8]}",
        occurred_at=at,
        payload=payload,
        needs=(order.key,),
        lane=order.outlet,
        register=id_text(order.row, "register_id"),
        closed_at=order.closed_at,
    )


def _return(
    order: Order, tail: str, number: str, at: datetime, lines: list[dict[str, Any]], total: Decimal
) -> Received:
    payload = {
        "sale": order.order_id,
        "reference": order.reference,
        "outlet": order.outlet,
        "customer": order.customer_id,
        "lines": lines,
        "tax_inclusive": flag(order.row, "tax_inclusive"),
        "tax": decimal_text(sum((Decimal(line.get("tax", "0")) for line in lines), Decimal(0))),
        "total": decimal_text(total),
        "is_void": tail == "void",
    }
    return Received(
        "sale_return",
        f"{order.order_id}:{tail}",
        number=f"{order.reference}-{number}",
        occurred_at=at,
        payload=payload,
        needs=(order.key,),
        lane=order.outlet,
        register=id_text(order.row, "register_id"),
    )


def _returns(order: Order, kept: _Kept) -> list[Received]:
    """Return the refunds. They have no id, so they are counted from 1 in the order of their moments."""
    dated = [
        (need_moment(one, _REFUND, "refund_date", order.hours), one)
        for one in rows_in(order.row, _ORDER, "refunded_orders")
    ]
    found = []
    for number, (at, row) in enumerate(sorted(dated, key=lambda pair: pair[0]), start=1):
        total = need_amount(row, _REFUND, "refund_amount")
        tail = id_text(row, "refund_id") or str(number)
        found.append(_return(order, tail, f"R{number}", at, _returned_lines(order, row, kept), total))
    return found


def _returned_lines(order: Order, row: Row, kept: _Kept) -> list[dict[str, Any]]:
    """Return the lines of a refund: the units that came back, or what was paid back when those are parts of it.

    Of a composite product the parts come back, which the sale does not know.
    """
    units, details = (rows_in(row, _REFUND, name) for name in ("units_returned", "refund_details"))
    is_known = all(any(_is_of(line, one) for line in order.lines) for one in units)
    lines = []
    for one in units if (units and is_known) or not details else details:
        quantity = need_amount(one, _REFUND, "stock" if one.get("quantity") is None else "quantity")
        back = kept.take(one, quantity)
        if back:
            lines += [line.payload() for line in back]
            continue
        sku, product_id = text(one, "sku"), id_text(one, "product_id")
        lines.append(
            {
                "sku": sku,
                "product_id": product_id,
                "name": text(one, "product_name") or sku or product_id,
                "quantity": decimal_text(quantity),
                "unit_price": "0",
            }
        )
    return lines


def _is_of(line: Line, row: Row) -> bool:
    """Whether a row of a refund means the product of a line."""
    product_id, sku = id_text(row, "product_id"), text(row, "sku")
    return bool((product_id and line.product_id == product_id) or (sku and line.sku == sku))


def _void(order: Order, returned: list[Received], kept: _Kept) -> list[Received]:
    """Return the return of all that was not returned before, if the order was taken back."""
    if not order.is_taken_back:
        return []
    lines = [line.payload() for line in kept.rest()]
    total = order.total - sum((Decimal(one.payload["total"]) for one in returned), Decimal(0))
    at = moment(order.row, _ORDER, "cancel_date", order.hours) or order.closed_at or order.sold_at
    return [_return(order, "void", "VOID", at, lines, total)] if lines else []
