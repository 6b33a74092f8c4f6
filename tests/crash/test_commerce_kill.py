"""The service, killed at each of its points while sales come in, and started again: each sale is booked once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clientsync.crash import COMMERCE_POINTS
from tests.support.commerce_service import Place, commerce_place

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with commerce_place(tmp_path) as found:
        yield found


NTH = {"commerce_intake": 2, "commerce_taken_in": 2}
"""Which passing of a point kills; of the others the fourth, when some sales are booked."""


@pytest.mark.parametrize(("point", "nth"), [(point, NTH.get(point, 4)) for point in COMMERCE_POINTS])
def test_every_sale_is_booked_once_though_the_service_is_killed(place: Place, point: str, nth: int) -> None:
    orders = [place.shop.sell(channel="pos") for _ in range(6)]
    place.start(f"{point}:{nth}")
    told = []
    for order in orders:
        try:
            if place.post(order).status_code == 200:
                told.append(order)
        except httpx.HTTPError:
            break  # it is dead
    assert place.wait_for_death() == -9
    place.start()
    for order in orders:
        if order not in told:
            assert place.post(order).status_code == 200, "the sender sends again what was not taken"
    place.until_booked(*orders)
    assert place.books.truth.doubled() == []
    assert sorted(place.invoices()) == sorted(orders)
