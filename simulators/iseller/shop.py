"""The shop: what happens in it, and the truth about it. The same seed and the same acts make the same shop."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from simulators.http import Request, Response
from simulators.iseller import answers, making, names, signing
from simulators.iseller.oddities import Oddities, Trouble
from simulators.iseller.records import (
    ZERO,
    Customer,
    Order,
    Outlet,
    Paid,
    Product,
    Refund,
    Shift,
    Transfer,
)

START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
_STOCK = Decimal(1000)
ANY = "any"


@dataclass
class Shop:
    """A chain of shops.

    Attributes:
        seed: of everything that is invented.
        now: its clock; every act without a moment of its own takes place a second later than the one before.
        clock: instead of ``now``.
        on_call: told before every call of the API is answered; things may happen while a list is read.
        calls: (name, fields) of every call, in order.
    """

    seed: int = 1
    now: datetime = START
    clock: Callable[[], datetime] | None = None
    client_id: str = "simulated-client"
    client_secret: str = "simulated-secret"  # noqa: S105 - of a simulator
    webhook_key: str = "simulated-webhook-key"
    odd: Oddities = field(default_factory=Oddities)
    troubles: list[Trouble] = field(default_factory=list)
    on_call: Callable[[str, Mapping[str, Any]], None] | None = None
    outlet_count: int = 3
    product_count: int = 14
    customer_count: int = 10

    def __post_init__(self) -> None:
        """Open the outlets and fill the shelves."""
        self.dice = random.Random(self.seed)
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.tokens: dict[str, datetime] = {}
        self.refresh_tokens: set[str] = set()
        self.orders: dict[str, Order] = {}
        self.by_change: list[tuple[datetime, int, str]] = []
        self.products: dict[str, Product] = {}
        self.customers: dict[str, Customer] = {}
        self.shifts: dict[str, Shift] = {}
        self.transfers: dict[str, Transfer] = {}
        self.stock: dict[tuple[str, str], Decimal] = {}
        self.outlets = [
            Outlet(self.guid(), code, name, self.guid()) for code, name in names.OUTLETS[: self.outlet_count]
        ]
        for number in range(self.product_count):
            name, price = names.PRODUCTS[number % len(names.PRODUCTS)]
            size = "" if number < len(names.PRODUCTS) else f" {number // len(names.PRODUCTS) + 1}"
            self.add_product(f"SKU-{number + 1:03d}", name=name + size, price=Decimal(price), at=self.now)
        for number in range(self.customer_count):
            self.add_customer("" if number % 3 == 0 else f"C-{number:04d}", at=self.now)

    def answer(self, request: Request) -> Response:
        """Return the answer to a request of the API."""
        return answers.answer(self, request)

    def guid(self) -> str:
        """Return an id."""
        return making.guid(self.dice)

    def moment(self, at: datetime | None = None) -> datetime:
        """Return when the next act takes place, and let the clock go there."""
        if at is None:
            at = self.clock() if self.clock else self.now + timedelta(seconds=1)
        self.now = max(self.now, at)
        return at

    def trouble(self, call: str, kind: str, times: int = 1) -> None:
        """Arm what shall befall the next calls."""
        self.troubles.append(Trouble(call, kind, times))

    def outlet(self, code: str = "") -> Outlet:
        """Return an outlet by its code, the first one without."""
        return next(one for one in self.outlets if code in {"", one.code})

    # --- master data -----------------------------------------------------------------------------------

    def add_product(
        self,
        sku: str = "",
        *,
        name: str = "",
        price: Decimal | None = None,
        tracks_stock: bool = True,
        at: datetime | None = None,
    ) -> str:
        """Add a product, without a SKU unless one is given; return its id."""
        product = Product(
            product_id=self.guid(),
            sku=sku,
            name=name or f"Titipan {len(self.products) + 1}",
            price=price or Decimal(self.dice.randrange(10, 400) * 500),
            kind=self.dice.choice(names.TYPES),
            modified=self.moment(at),
            tracks_stock=tracks_stock,
        )
        self.products[product.product_id] = product
        for outlet in self.outlets:
            self.stock[(outlet.code, product.product_id)] = _STOCK
        return product.product_id

    def set_sku(
        self, product_id: str, sku: str, *, relabels: bool = False, at: datetime | None = None
    ) -> None:
        """Give a product another SKU; with ``relabels`` orders and transfers show it too, as changed."""
        product, moment = self.products[product_id], self.moment(at)
        product.sku, product.modified = sku, moment
        if not relabels:
            return
        for order in list(self.orders.values()):
            lines = [line for line in order.lines if line.product_id == product_id]
            for line in lines:
                line.sku = sku
            if lines:
                self._touch(order, moment)
        for transfer in self.transfers.values():
            if any(one[0] is product for one in transfer.lines):
                transfer.lines = [(p, p.sku if p is product else s, q, c) for p, s, q, c in transfer.lines]
                transfer.modified = moment

    def add_customer(self, external_id: str = "", *, at: datetime | None = None) -> str:
        """Add a customer; return the id."""
        first, last = self.dice.choice(names.FIRST), self.dice.choice(names.LAST)
        number = len(self.customers) + 1
        one = Customer(
            customer_id=self.guid(),
            external_id=external_id,
            first_name=first,
            last_name=last,
            phone=f"0812000{number:05d}",
            email=f"{first.lower()}.{number}@contoh.example",
            created=self.moment(at),
        )
        self.customers[one.customer_id] = one
        return one.customer_id

    # --- sales -----------------------------------------------------------------------------------------

    def sell(
        self,
        *,
        outlet: str = "",
        customer: str | None = ANY,
        lines: Sequence[tuple[str, Decimal | int]] = (),
        channel: str = "pos",
        on_account: bool = False,
        tax_inclusive: bool | None = None,
        status: str = "completed",
        at: datetime | None = None,
    ) -> str:
        """Sell something; return the id of the order.

        Args:
            outlet: code; any one when empty.
            customer: id, ``ANY`` for one of them or nobody, None for nobody.
            lines: (product id, quantity); 1 to 4 of any kind when empty.
            channel: ``pos``, or ``any`` for one of the channels, most often ``pos``.
            on_account: nothing is paid; somebody buys.
            tax_inclusive: prices contain the tax; either when None.
            status: ``completed``, ``draft`` or ``reserved``.
            at: when it was sold and changed.
        """
        dice, moment = self.dice, self.moment(at)
        detail = ""
        if channel == ANY:
            channel, detail = dice.choice(names.MARKETS) if dice.random() < 0.2 else ("pos", "")
        where = self.outlet(outlet) if outlet else dice.choice(self.outlets)
        buyer = self._buyer(customer, must=on_account)
        order = Order(
            order_id=self.guid(),
            reference=f"#{3300 + self.outlets.index(where)}-{10001 + len(self.orders)}",
            number=len(self.orders),
            channel=channel,
            channel_detail=detail,
            sold_at=moment,
            closed_at=moment if status == "completed" else None,
            modified=moment,
            status=status,
            outlet=where,
            register_id=where.register_id if channel == "pos" else "",
            customer=buyer,
            lines=making.lines_of(dice, self._chosen(lines)),
            tax_inclusive=dice.random() < 0.4 if tax_inclusive is None else tax_inclusive,
            on_account=on_account,
        )
        making.adorn(dice, order)
        if status == "completed":
            self._move(order, -1)
            if not on_account:
                order.paid += making.paid(self.dice, order.total, moment)
        self.orders[order.order_id] = order
        insort(self.by_change, (moment, order.number, order.order_id))
        return order.order_id

    def complete(self, order_id: str, *, at: datetime | None = None) -> None:
        """Close a draft or a reservation, which makes it a sale."""
        order, moment = self.orders[order_id], self.moment(at)
        order.status, order.closed_at = "completed", moment
        self._move(order, -1)
        if not order.on_account:
            order.paid += making.paid(self.dice, order.total, moment)
        self._touch(order, moment)

    def edit_order(
        self,
        order_id: str,
        *,
        drop: int | None = None,
        quantity: Decimal | int | None = None,
        at: datetime | None = None,
    ) -> None:
        """Change the quantity of the first line, or drop a line by its place; what was paid follows."""
        order, moment = self.orders[order_id], self.moment(at)
        self._move(order, +1)
        if drop is not None:
            del order.lines[drop]
        if quantity is not None:
            order.lines[0].quantity, order.lines[0].discount = Decimal(quantity), ZERO
        order.order_discount = min(order.order_discount, order.subtotal + order.order_discount)
        self._move(order, -1)
        making.share(order.paid, order.total)
        self._touch(order, moment)

    def touch(self, order_id: str, *, at: datetime | None = None) -> None:
        """Change nothing of an order but the moment of its change."""
        self._touch(self.orders[order_id], self.moment(at))

    def refund(
        self, order_id: str, *, units: Mapping[int, Decimal | int] | None = None, at: datetime | None = None
    ) -> None:
        """Take back units by the place of their line, the first line whole when none are named."""
        order, moment = self.orders[order_id], self.moment(at)
        wanted = units or {0: order.lines[0].quantity}
        back = [(order.lines[place], Decimal(quantity)) for place, quantity in wanted.items()]
        money = ZERO
        for line, quantity in back:
            tax = ZERO if order.tax_inclusive else line.tax(is_inclusive=False)
            money += ((line.net + tax) * quantity / line.quantity).quantize(Decimal(1))
            self.stock[(order.outlet.code, line.product_id)] += quantity
        order.refunds.append(Refund(moment, money, back))
        order.paid.append(Paid(self.guid(), "refund", "success", "Cash", "cash", money, ZERO, moment))
        self._touch(order, moment)

    def void(self, order_id: str, *, reason: str = "salah input", at: datetime | None = None) -> None:
        """Void an order."""
        order, moment = self.orders[order_id], self.moment(at)
        order.status, order.cancelled_at, order.cancel_reason = "void", moment, reason
        self._move(order, +1)
        if order.paid:
            order.paid.append(Paid(self.guid(), "void", "success", "Cash", "cash", order.total, ZERO, moment))
        self._touch(order, moment)

    # --- shifts and stock --------------------------------------------------------------------------------

    def open_shift(self, outlet: str = "", *, at: datetime | None = None) -> str:
        """Open the shift of an outlet's register; return its id."""
        where, moment = self.outlet(outlet), self.moment(at)
        shift = Shift(self.guid(), where.register_id, where, moment, None, moment)
        self.shifts[shift.shift_id] = shift
        return shift.shift_id

    def close_shift(self, shift_id: str, *, at: datetime | None = None) -> None:
        """Close a shift."""
        shift = self.shifts[shift_id]
        shift.closed_at = shift.modified = self.moment(at)

    def transfer_out(
        self,
        outlet: str,
        other: str,
        lines: Sequence[tuple[str, Decimal | int]] = (),
        *,
        at: datetime | None = None,
    ) -> str:
        """Send goods from an outlet to another one; return the id."""
        taken = self._chosen(lines)
        return self._transfer("TO", "Start", outlet, other, taken, at, sign=-1)

    def transfer_in(
        self, out_id: str, *, quantities: Sequence[Decimal | int] = (), at: datetime | None = None
    ) -> str:
        """Accept goods that were sent, all of them unless other quantities are given; return the id."""
        out = self.transfers[out_id]
        given = [Decimal(one) for one in quantities] or [one[2] for one in out.lines]
        taken = [(one[0], quantity) for one, quantity in zip(out.lines, given, strict=True)]
        return self._transfer("TI", "Accept", out.other_outlet, out.outlet, taken, at, sign=1, out_id=out_id)

    def opname(
        self,
        outlet: str,
        counts: Sequence[tuple[str, Decimal | int]],
        *,
        action: str = "Opname",
        at: datetime | None = None,
    ) -> str:
        """Count goods at an outlet; return the id."""
        moment, lines = self.moment(at), []
        for product_id, counted in counts:
            place = (outlet, product_id)
            lines.append(
                (
                    self.products[product_id],
                    self.products[product_id].sku,
                    Decimal(counted) - self.stock[place],
                    Decimal(counted),
                )
            )
            self.stock[place] = Decimal(counted)
        one = Transfer(self.guid(), self._reference("SO"), action, outlet, "", moment, moment, list(lines))
        self.transfers[one.transfer_id] = one
        return one.transfer_id

    def receive(
        self,
        outlet: str,
        reference: str,
        lines: Sequence[tuple[Product, Decimal]],
        *,
        supplier: str = "",
        tags: Sequence[str] = (),
        at: datetime | None = None,
    ) -> str:
        """Receive goods from a supplier, as ``CreateTransfer`` does; return the id."""
        transfer_id = self._transfer("IN", "Accept", outlet, "", lines, at, sign=1)
        made = self.transfers[transfer_id]
        made.reference, made.supplier, made.tags = reference, supplier, list(tags)
        return transfer_id

    # --- webhooks and truth --------------------------------------------------------------------------------

    def webhook(
        self, order_id: str, type_name: str = "Order", *, at: datetime | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a webhook about an order, or about a customer for the type Member."""
        name = "customer_id" if type_name == "Member" else "order_id"
        return signing.signed(self.webhook_key, {"type": type_name, name: order_id}, at or self.now)

    def deliver(
        self, url: str, order_id: str, type_name: str = "Order", *, at: datetime | None = None
    ) -> int:
        """Send a webhook; return the status of the answer."""
        headers, body = self.webhook(order_id, type_name, at=at)
        with httpx.Client(trust_env=False, timeout=15) as client:
            return client.post(url, headers=headers, content=body).status_code

    def expire_tokens(self) -> None:
        """Let every token end now."""
        self.tokens.clear()

    # --- helpers -------------------------------------------------------------------------------------------

    def _buyer(self, customer: str | None, *, must: bool) -> Customer | None:
        if customer is None and not must:
            return None
        if customer in {None, ANY}:
            who = self.dice.choice(list(self.customers.values()))
            return who if must or self.dice.random() < 0.5 else None
        return self.customers[str(customer)]

    def _chosen(self, wanted: Sequence[tuple[str, Decimal | int]]) -> list[tuple[Product, Decimal]]:
        if wanted:
            return [(self.products[one], Decimal(quantity)) for one, quantity in wanted]
        count = self.dice.randint(1, min(4, len(self.products)))
        chosen = self.dice.sample(list(self.products.values()), count)
        return [(one, Decimal(self.dice.randint(1, 5))) for one in chosen]

    def _move(self, order: Order, sign: int) -> None:
        for line in order.lines:
            self.stock[(order.outlet.code, line.product_id)] += sign * line.quantity

    def _touch(self, order: Order, at: datetime) -> None:
        old = (order.modified, order.number, order.order_id)
        del self.by_change[bisect_left(self.by_change, old)]
        order.modified = at
        insort(self.by_change, (at, order.number, order.order_id))

    def _reference(self, kind: str) -> str:
        return f"{kind}-{len(self.transfers) + 1:04d}"

    def _transfer(
        self,
        kind: str,
        action: str,
        outlet: str,
        other: str,
        lines: Sequence[tuple[Product, Decimal]],
        at: datetime | None,
        *,
        sign: int,
        out_id: str = "",
    ) -> str:
        moment = self.moment(at)
        for product, quantity in lines:
            self.stock[(outlet, product.product_id)] += sign * quantity
        one = Transfer(
            transfer_id=self.guid(),
            reference=self._reference(kind),
            action=action,
            outlet=outlet,
            other_outlet=other,
            at=moment,
            modified=moment,
            lines=[(product, product.sku, quantity, None) for product, quantity in lines],
            out_id=out_id,
        )
        self.transfers[one.transfer_id] = one
        return one.transfer_id
