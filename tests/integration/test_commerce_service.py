"""The service over real sockets: what it takes, what it refuses, and that nothing it took is lost."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from clientsync.commerce.documents import Page
from clientsync.commerce.events import EVENTS
from clientsync.commerce.intake import INBOUND, LARGEST
from clientsync.commerce.systems import EventSeen
from clientsync.config import CommerceSettings
from clientsync.database import open_engine
from clientsync.errors import ContractChanged
from clientsync.service import running
from clientsync.service.app import app_of
from clientsync.service.running import Served
from deployments.commerce import NAME, WEBHOOK_PATH
from tests.support.commerce_service import Place, commerce_place
from tests.support.commerce_world import CommerceWorld, file_world

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with commerce_place(tmp_path_factory.mktemp("service")) as found:
        found.start()
        yield found


def _accounting(place: Place, token: str, envelopes: object) -> httpx.Response:
    return httpx.post(
        f"{place.url}/webhooks/{NAME}/accounting/{token}",
        content=json.dumps(envelopes),
        trust_env=False,
        timeout=30,
    )


def test_a_sale_is_booked_by_its_webhook_alone(place: Place) -> None:
    order = place.shop.sell(channel="pos")
    answer = place.post(order)
    assert (answer.status_code, answer.json()) == (200, {"stored": 1})
    place.until_booked(order)


def test_a_delivery_that_comes_again_is_one_event(place: Place) -> None:
    order = place.shop.sell(channel="pos")
    headers, body = place.shop.webhook(order)
    answers = [place.post(order, headers=headers, body=body).json()["stored"] for _ in range(5)]
    assert answers == [1, 0, 0, 0, 0]
    place.until_booked(order)
    assert place.invoices().count(order) == 1


def test_one_flipped_byte_is_refused_and_kept_as_rejected(place: Place) -> None:
    order = place.shop.sell(channel="pos")
    headers, body = place.shop.webhook(order)
    for changed in (bytes([body[0] ^ 1]) + body[1:], body + b" "):
        assert place.post(order, headers=headers, body=changed).status_code == 401
    engine = place.engine()
    with engine.connect() as connection:
        rejected = connection.execute(select(INBOUND).where(~INBOUND.c.is_verified)).all()
    engine.dispose()
    assert rejected
    assert all(row.reason for row in rejected)


def test_only_the_address_that_was_told_takes_events_of_the_accounting(place: Place) -> None:
    place.books.put_items("SKU-900")
    envelopes = place.books.webhooks.take()
    assert _accounting(place, "guessed", envelopes).status_code == 401
    assert _accounting(place, WEBHOOK_PATH, envelopes).status_code == 200
    engine = place.engine()
    with engine.connect() as connection:
        seen = connection.execute(select(EVENTS).where(EVENTS.c.system == "accounting")).all()
    engine.dispose()
    assert len(seen) == sum(len(one["data"]) for one in envelopes)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/webhooks/nobody/shop", b"{}", 404),
        (f"/webhooks/{NAME}/shop", b"x" * (LARGEST + 1), 413),
        (f"/webhooks/{NAME}/shop", b"{}", 401),
        (f"/webhooks/{NAME}", b"{}", 404),
    ],
)
def test_what_is_no_webhook_is_refused(place: Place, path: str, body: bytes, status: int) -> None:
    assert httpx.post(f"{place.url}{path}", content=body, trust_env=False, timeout=30).status_code == status


def test_the_service_says_that_it_is_well(place: Place) -> None:
    assert httpx.get(f"{place.url}/health", trust_env=False).json() == {"status": "ok", "failing": {}}


def test_a_service_that_is_ended_finishes_and_a_new_one_goes_on(tmp_path: Path) -> None:
    with commerce_place(tmp_path) as place:
        place.start()
        orders = [place.shop.sell(channel="pos") for _ in range(10)]
        for order in orders:
            assert place.post(order).status_code == 200
        assert place.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
        assert [row for row in place.rows() if row.state == "sending"] == []
        place.start()
        place.until_booked(*orders)
        assert place.books.truth.doubled() == []


def test_a_sale_without_a_webhook_is_found_by_reading(tmp_path: Path) -> None:
    with commerce_place(tmp_path) as place:
        order = place.shop.sell(channel="pos")
        place.start()
        place.until_booked(order)


def _served(world: CommerceWorld) -> Mapping[str, Served]:
    configured = CommerceSettings(shop_provider="a", accounting_provider="b")
    return {"shop": Served(world.of, configured, "told")}


def _post(served: Mapping[str, Served]) -> httpx.Response:
    """Send a webhook to the application itself."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app_of(served))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post("/webhooks/shop/shop", content=b"1|sale|s1", headers={"genuine": "yes"})

    return asyncio.run(send())


def test_a_webhook_that_cannot_be_stored_is_to_be_sent_again() -> None:
    world = CommerceWorld()
    away = open_engine("postgresql://nobody@127.0.0.1:9/nothing")
    served = _served(world)
    served["shop"].of = replace(world.of, engine=away)
    answer = _post(served)
    away.dispose()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_an_answer_of_success_means_that_the_webhook_is_stored() -> None:
    world = CommerceWorld()
    assert _post(_served(world)).status_code == 200
    with world.engine.connect() as connection:
        assert connection.execute(select(EVENTS.c.entity_id)).scalars().all() == ["s1"]


@pytest.mark.parametrize("error", [ContractChanged("The renewal gave no day."), KeyError("renewal")])
def test_a_webhook_that_is_not_renewed_is_told_and_keeps_no_sweep_from_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world, asked = file_world(tmp_path), threading.Event()

    def renew() -> date:
        raise error

    def missed(*_: object) -> list[EventSeen]:
        asked.set()
        return []

    monkeypatch.setattr(world.accounting, "renew_webhook", renew)
    monkeypatch.setattr(world.accounting, "missed", missed)
    (served,) = _served(world).values()
    served.start()
    try:
        assert asked.wait(20)
        assert (
            "renewal" in served.failing["webhook renewal"] or "KeyError" in served.failing["webhook renewal"]
        )
        assert set(served.failing) == {"webhook renewal"}
    finally:
        served.stop()
        world.engine.dispose()


def test_the_service_forgets_once_a_day_what_is_long_done(tmp_path: Path) -> None:
    world = file_world(tmp_path)
    world.add("sale", "s1")
    world.tell("1|sale|s1")
    world.work()
    world.at += timedelta(days=181)
    (served,) = _served(world).values()
    served.start()
    try:
        for _ in range(200):
            if not world.events():
                break
            served._stop.wait(0.1)
        assert world.events() == []
        assert world.row("sale", "s1").state == "success"
    finally:
        served.stop()
        world.engine.dispose()


def test_a_clock_that_begins_anew_reads_no_sooner_than_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = file_world(tmp_path)
    tries: list[object] = []

    def changed(*asked: object) -> Iterator[Page]:
        tries.append(asked)
        raise KeyError("defect")

    monkeypatch.setattr(running, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(world.shop, "changed", changed)
    (served,) = _served(world).values()
    served.start()
    served._stop.wait(1.0)
    served.stop()
    world.engine.dispose()
    assert len(tries) == 1
    assert "KeyError" in served.failing["clock"]
