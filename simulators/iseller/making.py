"""What is in an order: lines, discounts, charges and payments, by the dice."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from simulators.iseller import names
from simulators.iseller.records import ZERO, Line, Order, Paid, Product

RATE = Decimal(11)


def guid(dice: random.Random) -> str:
    """Return an id."""
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def lines_of(dice: random.Random, wanted: Sequence[tuple[Product, Decimal]]) -> list[Line]:
    """Return lines, some with a discount, some with tax."""
    made = []
    for one, quantity in wanted:
        cut = dice.choice((0, 0, 0, 5, 10))
        made.append(
            Line(
                line_id=guid(dice),
                product_id=one.product_id,
                sku=one.sku,
                name=one.name,
                quantity=quantity,
                price=one.price,
                discount=(one.price * quantity * cut / 100).quantize(Decimal(1)),
                tax_rate=dice.choice((ZERO, RATE, RATE)),
            )
        )
    return made


def adorn(dice: random.Random, order: Order) -> None:
    """Add what an order may have besides lines: discounts, charges, shipping, rounding."""
    if dice.random() < 0.3:
        order.order_discount = (order.gross * 5 / 100).quantize(Decimal(1))
    if dice.random() < 0.2:
        order.promotion = Decimal(1000)
    if dice.random() < 0.2:
        order.charge_subtotal = (order.gross * 5 / 100).quantize(Decimal(1))
    if dice.random() < 0.1:
        order.charge_order = Decimal(500)
    if dice.random() < 0.1:
        order.charge_final = Decimal("750.50")
    if order.channel != "pos":
        order.shipping = Decimal(dice.randrange(9, 30) * 1000)
    order.rounds_to = dice.choice((0, 100, 500))


def paid(dice: random.Random, total: Decimal, at: datetime) -> list[Paid]:
    """Return one or two payments of a total."""
    first = total if dice.random() < 0.7 else (total / 2).quantize(Decimal(1))
    made = []
    for money in (first, total - first):
        if money > 0:
            name, gateway, percent = dice.choice(names.PAYMENTS)
            fee = (money * Decimal(percent) / 100).quantize(Decimal("0.01"))
            made.append(Paid(guid(dice), "sale", "success", name, gateway, money, fee, at))
    return made


def share(payments: list[Paid], total: Decimal) -> None:
    """Let payments make another total; they keep their ids, and one of which nothing is left has failed."""
    left = total
    for number, one in enumerate(payments, start=1):
        one.amount = left if number == len(payments) else min(one.amount, left)
        one.status = "success" if one.amount > 0 else "failure"
        left -= one.amount
