"""What the shop knows, and how an order adds up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

ZERO = Decimal(0)
_RUPIAH = Decimal(1)


@dataclass(slots=True)
class Outlet:
    """An outlet with one register."""

    outlet_id: str
    code: str
    name: str
    register_id: str


@dataclass(slots=True)
class Product:
    """A product; its SKU may be missing."""

    product_id: str
    sku: str
    name: str
    price: Decimal
    kind: str
    modified: datetime
    tracks_stock: bool = True


@dataclass(slots=True)
class Customer:
    """A customer; ``external_id`` is the id that the accounting may use."""

    customer_id: str
    external_id: str
    first_name: str
    last_name: str
    phone: str
    email: str
    created: datetime


@dataclass(slots=True)
class Line:
    """A line of an order; the discount is that of the whole line."""

    line_id: str
    product_id: str
    sku: str
    name: str
    quantity: Decimal
    price: Decimal
    discount: Decimal = ZERO
    tax_rate: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Amount after its own discount."""
        return self.quantity * self.price - self.discount

    def tax(self, *, is_inclusive: bool) -> Decimal:
        """Tax on the net amount, or within it, in whole rupiah."""
        base = 100 + self.tax_rate if is_inclusive else Decimal(100)
        return (self.net * self.tax_rate / base).quantize(_RUPIAH, ROUND_HALF_UP)


@dataclass(slots=True)
class Paid:
    """A transaction; ``kind`` is sale, refund or void."""

    transaction_id: str
    kind: str
    status: str
    name: str
    gateway: str
    amount: Decimal
    fee: Decimal
    at: datetime


@dataclass(slots=True)
class Refund:
    """What came back of an order: (line, quantity), and what was paid back."""

    at: datetime
    amount: Decimal
    units: list[tuple[Line, Decimal]]


@dataclass(slots=True)
class Order:
    """An order; all moments are aware and in UTC."""

    order_id: str
    reference: str
    number: int
    channel: str
    channel_detail: str
    sold_at: datetime
    closed_at: datetime | None
    modified: datetime
    status: str
    outlet: Outlet
    register_id: str
    customer: Customer | None
    lines: list[Line]
    tax_inclusive: bool = False
    on_account: bool = False
    order_discount: Decimal = ZERO
    promotion: Decimal = ZERO
    charge_order: Decimal = ZERO
    charge_subtotal: Decimal = ZERO
    charge_final: Decimal = ZERO
    shipping: Decimal = ZERO
    rounds_to: int = 0
    cancelled_at: datetime | None = None
    cancel_reason: str = ""
    paid: list[Paid] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)

    @property
    def gross(self) -> Decimal:
        """Quantities times prices."""
        return sum((line.quantity * line.price for line in self.lines), ZERO)

    @property
    def discount(self) -> Decimal:
        """Discounts of the lines and of the order."""
        return sum((line.discount for line in self.lines), self.order_discount)

    @property
    def tax(self) -> Decimal:
        """Taxes of the lines."""
        return sum((line.tax(is_inclusive=self.tax_inclusive) for line in self.lines), ZERO)

    @property
    def subtotal(self) -> Decimal:
        """What is left before tax, final charges and shipping."""
        return self.gross - self.discount - self.promotion + self.charge_order + self.charge_subtotal

    @property
    def before_rounding(self) -> Decimal:
        """What would be paid without rounding."""
        return self.subtotal + (ZERO if self.tax_inclusive else self.tax) + self.charge_final + self.shipping

    @property
    def rounding(self) -> Decimal:
        """What rounding adds or takes."""
        if not self.rounds_to:
            return ZERO
        step = Decimal(self.rounds_to)
        return (self.before_rounding / step).quantize(_RUPIAH, ROUND_HALF_UP) * step - self.before_rounding

    @property
    def total(self) -> Decimal:
        """What the customer is charged."""
        return self.before_rounding + self.rounding

    @property
    def received(self) -> Decimal:
        """What was paid with success."""
        done = (one.amount for one in self.paid if one.kind == "sale" and one.status == "success")
        return sum(done, ZERO)


@dataclass(slots=True)
class Shift:
    """A shift of a register."""

    shift_id: str
    register_id: str
    outlet: Outlet
    opened_at: datetime
    closed_at: datetime | None
    modified: datetime


@dataclass(slots=True)
class Transfer:
    """A movement of stock; lines are (product, SKU at that time, quantity, counted or None)."""

    transfer_id: str
    reference: str
    action: str
    outlet: str
    other_outlet: str
    at: datetime
    modified: datetime
    lines: list[tuple[Product, str, Decimal, Decimal | None]]
    out_id: str = ""
    supplier: str = ""
    tags: list[str] = field(default_factory=list)
