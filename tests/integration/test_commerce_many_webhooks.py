"""Ten thousand webhooks, doubled and shuffled, against one pass in order: the ledger and the books end alike."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clientsync.commerce.intake import receive
from clientsync.commerce.working import work_until_idle
from clientsync.database import open_engine, upgrade
from simulators.iseller.shop import Shop
from tests.support.commerce_real import RealCommerce, real_commerce

ORDERS, DELIVERIES = 2_000, 5
AT = datetime(2026, 11, 27, 3, tzinfo=UTC)


def _sold(shop: Shop) -> list[str]:
    """Let the shop sell, and change some of what it sold."""
    orders = [shop.sell(channel="any", at=AT + timedelta(seconds=number)) for number in range(ORDERS)]
    for order in orders[::40]:
        shop.refund(order, at=AT + timedelta(hours=1))
    for order in orders[5::50]:
        shop.void(order, at=AT + timedelta(hours=2))
    return orders


def _end(world: RealCommerce) -> tuple[list[Any], list[Any]]:
    """Return documents of the ledger and what is in the books, both without the ids that were given on the way."""
    work_until_idle(world.of)
    rows = world.of.engine.connect()
    with rows as connection:
        documents = connection.exec_driver_sql(
            "SELECT type, source_id, number, payload_hash, state, reason, target_number, target_total "
            "FROM commerce_doc WHERE type <> 'customer' ORDER BY type, source_id"
        ).all()
    booked = sorted((one.module, one.source) for one in world.books.truth.live() if one.source)
    assert world.books.truth.doubled() == []
    return [tuple(row) for row in documents], booked


def _played(folder: Path, *, is_shuffled: bool) -> tuple[list[Any], list[Any]]:
    moment = AT + timedelta(hours=3)
    engine = open_engine(f"sqlite:///{folder / 'ledger.db'}")
    upgrade(engine, ())
    shop = Shop(seed=11, now=AT)
    orders = _sold(shop)
    webhooks = [shop.webhook(order, at=moment) for order in orders]
    if is_shuffled:
        webhooks *= DELIVERIES
        random.Random(5).shuffle(webhooks)
    with real_commerce(engine, clock=lambda: moment, shop=shop) as world:
        for number, (headers, body) in enumerate(webhooks):
            taken = receive(world.of, "shop", {name.lower(): value for name, value in headers.items()}, body)
            assert taken.reason == ""
            if is_shuffled and number % 2_500 == 0:
                work_until_idle(world.of)
        found = _end(world)
    engine.dispose()
    return found


@pytest.mark.bars
@pytest.mark.integration
@pytest.mark.timeout(1_800)
def test_ten_thousand_doubled_and_shuffled_webhooks_end_as_one_ordered_pass(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ordered, shuffled = _played(tmp_path / "a", is_shuffled=False), _played(tmp_path / "b", is_shuffled=True)
    assert len(ordered[0]) > ORDERS
    assert shuffled == ordered
