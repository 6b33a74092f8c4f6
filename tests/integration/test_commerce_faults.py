"""Whatever goes wrong on the way to the books, each document of the shop is in them exactly once."""

from __future__ import annotations

import random
import resource
import time
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from clientsync.commerce.collecting import collect
from simulators.accurate import Books, Fault
from simulators.accurate.settings import TOKEN, FaultName
from simulators.accurate.stock import Row, Stock
from simulators.http import Request, Response, Served
from simulators.iseller.shop import ANY
from tests.support.commerce_real import (
    QUICK,
    Clock,
    RealCommerce,
    by_oauth,
    patient_breaker,
    real_commerce,
    small_shop,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
MODULES = (
    "item", "customer", "sales-invoice", "sales-receipt", "sales-return", "item-transfer", "item-transfer",
    "item-adjustment",
)  # fmt: skip
"""Modules that are saved to; transfers twice, out and in."""
NAMES: tuple[FaultName, ...] = (
    "lost", "late", "fails_before", "fails_after", "throttled", "session", "token",
)  # fmt: skip


class WatchedStock(Stock):
    """Stock that may at no moment have more goods arrive than left."""

    def apply(self, module: str, row: Row, sign: int = 1) -> None:
        """Move goods, and look at what is on its way."""
        super().apply(module, row, sign)
        below = {place: held for place, held in self.transit.items() if held < 0}
        assert not below, below


def watched_books(clock: Clock) -> Books:
    """Books whose goods in transit are looked at after every movement."""
    books = Books(now=clock)
    books.settings.retry_after = "0"
    books.stock.__class__ = WatchedStock
    return books


def a_bit_of_everything(world: RealCommerce) -> None:
    """One document of each type, and a few more."""
    shop = world.shop
    goods = list(shop.products)
    sold = [shop.sell(customer=one, channel="pos") for one in list(shop.customers)[:2]]
    shop.refund(sold[0])
    shop.transfer_in(shop.transfer_out("KMG", "GI", [(goods[0], 4), (goods[1], 2)]))
    shop.opname("KMG", [(goods[0], 7)])


def all_is_booked_once(world: RealCommerce, *, within: float = 20.0) -> None:
    """Wait until nothing is open, and look at the books."""
    until = time.monotonic() + within
    while not world.is_all_booked() and time.monotonic() < until:
        world.work()
    assert world.is_all_booked(), world.states()
    assert world.books.truth.doubled() == []
    assert world.disagreements() == []


def way_in(books: Books, name: FaultName) -> dict[str, Any]:
    """Return how to call so that a fault means something: sessions need an authorisation, late answers a deadline.

    With an authorisation no answer may be late: its token is good once.
    """
    return {"credentials": by_oauth(books)} if name in {"session", "token"} else {"deadline": 0.3}


# --- answers that are lost ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_one_lost_answer_of_each_kind_of_document_leaves_each_in_the_books_once(
    engine: Engine, clock: Clock, name: FaultName
) -> None:
    books = watched_books(clock)
    with real_commerce(
        engine, clock=clock, shop=small_shop(clock), books=books, policy=QUICK, **way_in(books, name)
    ) as world:
        a_bit_of_everything(world)
        for module in MODULES:
            action = "save-target-quantity" if module == "item-adjustment" else "save"
            books.arm(Fault(name, module, action, seconds=0.6))
        world.sync()
        all_is_booked_once(world)
        assert all(not fault.times for fault in books.faults), "every fault struck"
        assert books.stock.on_the_way() == 0
        assert books.stock.on_hand("Gudang Utama", "SKU-001") <= 7


@pytest.mark.parametrize("name", ["lost", "fails_before", "throttled", "session"])
def test_an_answer_that_is_lost_again_when_it_is_looked_up_still_leaves_one_document(
    engine: Engine, clock: Clock, name: FaultName
) -> None:
    books = watched_books(clock)
    with real_commerce(
        engine, clock=clock, shop=small_shop(clock), books=books, policy=QUICK, breaker=patient_breaker,
        **way_in(books, name),
    ) as world:  # fmt: skip
        a_bit_of_everything(world)
        collect(world.of)
        for module in MODULES:
            books.arm(Fault("lost", module, times=2))
            books.arm(Fault(name, module, "list", times=2, seconds=0.6))
        all_is_booked_once(world)


# --- a whole day ----------------------------------------------------------------------------------------------


@dataclass
class Day:
    """A day in the shop by the dice: every act may follow every other one."""

    world: RealCommerce
    clock: Clock
    dice: random.Random
    names: list[FaultName]

    def __post_init__(self) -> None:
        self.plain: list[str] = []
        self.edited: set[str] = set()
        self.outs: list[str] = []

    def act(self) -> None:
        """Let one thing happen."""
        shop, dice = self.world.shop, self.dice
        self.clock.forward(seconds=dice.randint(1, 90))
        what = dice.random()
        if what < 0.55 or not self.plain:
            self.plain.append(shop.sell(channel="any", on_account=dice.random() < 0.4))
        elif what < 0.65:
            self._edit()
        elif what < 0.73:
            shop.refund(self.plain.pop(dice.randrange(len(self.plain))))
        elif what < 0.81 and self.plain[-1] not in self.edited:
            shop.void(self.plain.pop())
        elif what < 0.90:
            here, there = dice.sample(("KMG", "GI", "BDG"), 2)
            self.outs.append(shop.transfer_out(here, there))
        elif what < 0.97 and self.outs:
            shop.transfer_in(self.outs.pop(dice.randrange(len(self.outs))))
        else:
            shop.opname("BDG", [(dice.choice(list(shop.products)), dice.randint(0, 50))])

    def _edit(self) -> None:
        shop, dice = self.world.shop, self.dice
        sold = [one for one in self.plain if shop.orders[one].on_account]
        if not sold:
            return
        one = dice.choice(sold)
        self.edited.add(one)
        lines = len(shop.orders[one].lines)
        if lines > 1 and dice.random() < 0.5:
            shop.edit_order(one, drop=dice.randrange(lines))
        else:
            shop.edit_order(one, quantity=dice.randint(1, 9))

    def trouble(self) -> None:
        """Arm something that goes wrong."""
        books, shop, dice = self.world.books, self.world.shop, self.dice
        module = dice.choice((*MODULES, ""))
        action = dice.choice(("save", "save", "list", "delete", ""))
        books.arm(
            Fault(
                dice.choice(self.names), module, action, times=dice.randint(1, 3), seconds=0.5,
                status=dice.choice((500, 502, 503)), after=dice.randint(0, 3),
            )
        )  # fmt: skip
        if dice.random() < 0.5:
            shop.trouble(
                dice.choice(("GetOrders", "GetTransfer", "GetCustomer", "GetProducts", "token")),
                dice.choice(("drop", "http_503", "token")),
            )


@pytest.mark.parametrize("seed", range(4))
def test_a_day_full_of_faults_ends_with_every_document_booked_once_and_totals_that_agree(
    engine: Engine, clock: Clock, seed: int
) -> None:
    books = watched_books(clock)
    with real_commerce(
        engine, clock=clock, seed=seed, books=books, policy=QUICK, breaker=patient_breaker,
        **way_in(books, "token" if seed % 2 else "late"),
    ) as world:  # fmt: skip
        day = Day(world, clock, random.Random(seed), [one for one in NAMES if seed % 2 == 0 or one != "late"])
        while len(world.shop.orders) < 40:
            for _ in range(day.dice.randint(4, 12)):
                day.act()
            for _ in range(day.dice.randint(0, 3)):
                day.trouble()
            if not collect(world.of).errors:
                day.edited.clear()
            if day.dice.random() < 0.7:
                world.work(patience=0.3)
        books.faults.clear()
        world.shop.troubles.clear()
        clock.forward(minutes=6)
        world.sync()
        all_is_booked_once(world)
        way = sum(
            (quantity for out in day.outs for _, _, quantity, _ in world.shop.transfers[out].lines),
            Decimal(0),
        )
        assert books.stock.on_the_way() == way


# --- limits, doors, moves ----------------------------------------------------------------------------------------


def test_a_limit_that_nobody_told_us_of_slows_us_down_and_every_document_is_booked_once(
    engine: Engine, clock: Clock
) -> None:
    books = watched_books(clock)
    books.settings.per_second = books.settings.in_flight = 8
    books.settings.retry_after = "1"
    books.settings.latency = 0.02
    with real_commerce(engine, clock=clock, shop=small_shop(clock), books=books, policy=QUICK) as world:
        a_bit_of_everything(world)
        for _ in range(6):
            world.shop.sell(customer=None)
        world.sync()
        all_is_booked_once(world, within=40)
        assert books.truth.refused > 0
        assert books.truth.most_in_flight <= 8


def lanes_of(world: RealCommerce) -> dict[str, list[str]]:
    """Movements as they were booked, by the outlet of each."""
    numbers = {f"{one.reference}-{one.transfer_id[-8:]}": one for one in world.shop.transfers.values()}
    found: dict[str, list[str]] = {}
    for made in world.books.truth.booked:
        if made.module in {"item-transfer", "item-adjustment"}:
            one = (
                numbers[made.number.removeprefix("SC-")]
                if made.number not in numbers
                else numbers[made.number]
            )
            found.setdefault(one.outlet, []).append(one.reference[3:])
    return found


def movements(world: RealCommerce, clock: Clock) -> None:
    """Goods that are booked already leave two outlets by turns, and one of them counts."""
    world.sync()
    goods = list(world.shop.products)
    for _ in range(4):
        for here, there in (("KMG", "GI"), ("BDG", "GI")):
            clock.forward(seconds=2)
            world.shop.transfer_out(here, there, [(goods[0], 1)])
        clock.forward(seconds=2)
        world.shop.opname("KMG", [(goods[1], 5)])


def test_movements_of_one_outlet_are_booked_in_their_order_and_those_of_another_do_not_wait(
    engine: Engine, clock: Clock
) -> None:
    books = watched_books(clock)
    with real_commerce(engine, clock=clock, shop=small_shop(clock), books=books) as world:
        movements(world, clock)
        world.sync()
        assert world.is_all_booked()
        lanes = lanes_of(world)
        assert {lane: len(numbers) for lane, numbers in lanes.items()} == {"KMG": 8, "BDG": 4}
        assert all(numbers == sorted(numbers) for numbers in lanes.values())


@pytest.mark.parametrize("name", ["throttled", "fails_before"])
def test_movements_of_one_outlet_keep_their_order_when_the_first_must_be_tried_again(
    engine: Engine, clock: Clock, name: FaultName
) -> None:
    books = watched_books(clock)
    books.settings.retry_after = "1"
    with real_commerce(engine, clock=clock, shop=small_shop(clock), books=books) as world:
        movements(world, clock)
        collect(world.of)
        books.arm(Fault(name, "item-transfer", "save"))
        world.work()
        assert world.is_all_booked()
        assert all(numbers == sorted(numbers) for numbers in lanes_of(world).values())


def test_the_sales_of_a_customer_are_not_put_off_because_the_customer_came_again_later(
    engine: Engine, clock: Clock
) -> None:
    books = watched_books(clock)
    with real_commerce(engine, clock=clock, shop=small_shop(clock), books=books) as world:
        who = next(iter(world.shop.customers))
        world.sync()
        for place in range(60):
            clock.forward(seconds=5)
            world.shop.sell(customer=who if place in {0, 59} else None)
        world.sync()
        places = [one.number[-5:] for one in books.truth.booked if one.module == "sales-invoice"]
        assert places.index("10001") < 30


def test_a_sale_that_is_edited_and_voided_between_two_readings_leaves_nothing(
    engine: Engine, clock: Clock
) -> None:
    with real_commerce(engine, clock=clock, shop=small_shop(clock)) as world:
        shop = world.shop
        sold = shop.sell(lines=[(one, 2) for one in list(shop.products)[:3]], on_account=True)
        world.sync()
        shop.edit_order(sold, quantity=1)
        shop.void(sold)
        world.sync()
        assert world.disagreements() == []


def test_a_session_and_a_token_that_end_in_the_middle_are_renewed_and_nobody_notices(
    engine: Engine, clock: Clock
) -> None:
    books = watched_books(clock)
    with real_commerce(
        engine, clock=clock, shop=small_shop(clock), books=books, credentials=by_oauth(books)
    ) as world:
        for _ in range(15):
            world.shop.sell()
        collect(world.of)
        books.arm(Fault("session", after=4))
        books.arm(Fault("token", after=30))
        world.shop.expire_tokens()
        report = world.work()
        assert report.stopped == {}
        assert set(report.outcomes) == {"success"}
        assert books.access.sessions_opened >= 3
        all_is_booked_once(world)


class Forgetful(Books):
    """Books whose next access token dies as soon as it is given."""

    forgets = False

    def answer(self, request: Request) -> Response:
        """Answer, and forget."""
        response = super().answer(request)
        if self.forgets and request.path == "/oauth/token":
            self.forgets = False
            self.access.access_tokens.clear()
        return response


def test_a_token_that_dies_before_a_session_was_opened_with_it_is_renewed_too(
    engine: Engine, clock: Clock
) -> None:
    books = Forgetful(now=clock)
    with real_commerce(
        engine, clock=clock, shop=small_shop(clock), books=books, credentials=by_oauth(books)
    ) as world:
        world.sync()
        for _ in range(3):
            world.shop.sell()
        books.access.access_tokens.clear()
        books.forgets = True
        world.sync()
        assert world.is_all_booked()


def test_wrong_credentials_stop_everything_in_its_place_and_right_ones_let_it_go_on(
    engine: Engine, clock: Clock
) -> None:
    shop, books = small_shop(clock), watched_books(clock)
    sold = [shop.sell(channel="pos") for _ in range(5)]
    wrong = {"token": TOKEN, "signature_secret": "of another app"}
    with real_commerce(engine, clock=clock, shop=shop, books=books, credentials=wrong) as world:
        collect(world.of)
        report = world.work()
        assert set(report.stopped) == {"out"}
        assert set(report.outcomes) == {"auth"}
        assert not books.truth.booked
        assert {world.sale_of(one)["status"] for one in sold} <= {"Waiting", "Held"}
        items = world.of_type("item")
        assert {one["code"] for one in items} == {"auth_expired"}
        assert all("the connection must be renewed" in one["reason"] for one in items)
        states = world.states()
        world.work()
        assert world.states() == states
    with real_commerce(engine, clock=clock, shop=shop, books=books) as world:
        world.sync()
        assert world.is_all_booked()
        assert world.disagreements() == []
        assert books.truth.doubled() == []


def test_wrong_credentials_of_the_shop_are_told_and_the_accounting_goes_on(
    engine: Engine, clock: Clock
) -> None:
    shop, books = small_shop(clock), watched_books(clock)
    with real_commerce(engine, clock=clock, shop=shop, books=books) as world:
        shop.sell()
        collect(world.of)
    with real_commerce(
        engine, clock=clock, shop=shop, books=books, shop_credentials={"client_secret": "another"}
    ) as world:
        found = collect(world.of)
        assert set(found.errors) == {"shop.orders", "shop.shifts", "shop.transfers", "shop.products"}
        world.work()
        assert world.is_all_booked()
        assert len(books.truth.live("sales-invoice")) == 1


class Moving(Books):
    """Books that note at which address they are called."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(now=clock)
        self.called: list[str] = []

    def answer(self, request: Request) -> Response:
        """Answer, and note it."""
        if request.path.startswith("/accurate/"):
            self.called.append(request.headers["host"])
        return super().answer(request)


def test_a_data_host_that_moves_in_the_middle_is_followed_and_remembered(
    engine: Engine, clock: Clock
) -> None:
    books = Moving(clock)
    with (
        Served(books.answer) as new,
        real_commerce(
            engine, clock=clock, shop=small_shop(clock), books=books, also_allowed=(new.url,)
        ) as world,
    ):
        for _ in range(3):
            world.shop.sell()
        world.sync()
        before = len(books.called)
        for _ in range(12):
            world.shop.sell()
        collect(world.of)
        books.move(world.urls[1], new.url)
        world.work()
        assert world.is_all_booked()
        assert world.disagreements() == []
        assert books.truth.doubled() == []
        old = world.urls[1].removeprefix("http://")
        assert books.called[before:].count(old) <= 2 + world.of.at_once
        assert books.called[-1] != old


def test_books_that_are_away_for_a_while_are_tried_again_and_nothing_is_lost_or_doubled(
    engine: Engine, clock: Clock
) -> None:
    books = watched_books(clock)
    with real_commerce(
        engine, clock=clock, shop=small_shop(clock), books=books, policy=QUICK, breaker=patient_breaker
    ) as world:
        a_bit_of_everything(world)
        collect(world.of)
        books.arm(Fault("fails_before", times=25, status=502))
        world.work()
        clock.forward(minutes=6)
        all_is_booked_once(world)


# --- a backlog --------------------------------------------------------------------------------------------------


def test_a_backlog_of_a_thousand_sales_is_booked_once_in_the_order_of_the_day_within_sane_bounds(
    engine: Engine, clock: Clock
) -> None:
    books = watched_books(clock)
    with real_commerce(engine, clock=clock, shop=small_shop(clock), books=books) as world:
        shop = world.shop
        begun = clock()
        for place in range(1000):
            shop.sell(
                at=begun + timedelta(seconds=place),
                channel="any",
                lines=[(list(shop.products)[place % 5], 1)],
                customer=ANY if place % 4 == 0 else None,
                on_account=place % 4 == 0,
            )
        for one in list(shop.orders.values())[1::4]:
            one.paid = one.paid[:1]
        for place in (2, 3):
            for one in list(shop.orders.values())[place::4]:
                one.paid.clear()
        clock.forward(minutes=20)
        started, size = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        world.sync()
        assert time.monotonic() - started < 60
        assert world.is_all_booked()
        assert len(books.truth.live("sales-invoice")) == 1000
        assert books.truth.doubled() == []
        assert world.disagreements() == []
        walk_ins = [one.reference[-5:] for one in shop.orders.values() if one.customer is None]
        booked = [
            made.number[-5:] for made in books.truth.live("sales-invoice") if made.number[-5:] in walk_ins
        ]
        furthest = max(abs(walk_ins.index(number) - at) for at, number in enumerate(booked))
        assert furthest < 60, "earliest first, as far as eight calls at once allow"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size
        assert grown < 400_000, "kilobytes"
