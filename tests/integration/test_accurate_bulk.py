"""The first load of a catalogue over real sockets: many items in one call, each of them once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clientsync.commerce import deciding, status, store
from clientsync.commerce.documents import Received
from clientsync.commerce.taking_in import take_in
from clientsync.commerce.verdicts import rejudge
from clientsync.database import writing
from simulators.accurate.settings import SIGNATURE_SECRET, TOKEN, Fault
from tests.support.commerce_real import OPENED, Clock, RealCommerce, open_ledger, real_commerce

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
BULK, LIST, SAVE = (f"/accurate/api/item/{action}.do" for action in ("bulk-save", "list", "save"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[RealCommerce]:
    engine = open_ledger(tmp_path)
    with real_commerce(engine, clock=clock, deadline=1.0) as made:
        yield made
    engine.dispose()


def arrive(world: RealCommerce, numbers: range, **values: dict[str, Any]) -> None:
    """Let the ledger take in items, named by numbers; ``values`` are laid over the payload of some."""
    items = []
    for number in numbers:
        sku = sku_of(number)
        payload = {
            "sku": sku,
            "name": f"Barang & {number}",
            "unit": "",
            "category": "",
            **values.get(sku, {}),
        }
        items.append(Received("item", sku, sku, OPENED + timedelta(seconds=number), payload))
    with writing(world.of.engine) as connection:
        mode = world.of.switches(connection).mode
        changed = take_in(connection, world.of.name, items, mode, world.of.now())
        rejudge(connection, world.of.name, changed, mode, world.of.now())


def sku_of(number: int) -> str:
    return f"B{number:04d}"


def calls(world: RealCommerce) -> Counter[str]:
    return Counter(path for _, path, _ in world.books.truth.calls)


def made(world: RealCommerce) -> Counter[str]:
    return Counter(one.source for one in world.books.truth.live("item"))


def rows(world: RealCommerce) -> dict[str, Any]:
    with world.of.engine.connect() as connection:
        return {row.source_id: row for row in connection.execute(store.DOCS.select())}


def check_each_once(world: RealCommerce, numbers: range) -> None:
    """Every item is there once, and the ledger knows it by its own id."""
    assert made(world) == Counter(sku_of(number) for number in numbers)
    for sku, row in rows(world).items():
        item = world.books.row("item", sku)
        assert item is not None
        assert (row.state, row.target_id, row.target_number) == ("success", str(item["id"]), sku)


def test_a_catalogue_is_booked_with_few_calls_and_every_item_under_its_own_id(world: RealCommerce) -> None:
    arrive(world, range(250))
    assert world.work().outcomes == {"success": 250}
    assert sum(calls(world).values()) < 20
    assert (calls(world)[BULK], calls(world)[SAVE]) == (3, 0)
    check_each_once(world, range(250))
    item = world.books.row("item", "B0007")
    assert item is not None
    assert (item["name"], item["itemType"], item["unit1Name"]) == ("Barang & 7", "INVENTORY", "PCS")


def test_items_that_accurate_has_are_adopted_without_a_call_of_their_own(world: RealCommerce) -> None:
    world.books.put_items(*(sku_of(number).lower() for number in range(180)))
    arrive(world, range(200))
    assert world.work().outcomes == {"success": 200}
    assert made(world) == Counter(sku_of(number) for number in range(180, 200))
    assert calls(world) == {BULK: 1, LIST: 3}
    ids = {str(row["no"]).upper(): str(row["id"]) for row in world.books.tables["item"].rows.values()}
    assert {sku: row.target_id for sku, row in rows(world).items()} == ids


def test_one_wrong_item_fails_alone_with_the_words_of_accurate(world: RealCommerce) -> None:
    deciding.set_mappings(world.of, {("category", "Gaib"): "Hilang"}, actor="sari")
    arrive(world, range(30), B0003={"unit": "LUSIN"}, B0020={"category": "Gaib"}, B0021={"sku": ""})
    assert world.work().outcomes == {"success": 27, "failed": 3}
    found = {sku: (row.reason_code, row.reason) for sku, row in rows(world).items() if row.state == "failed"}
    assert found == {
        "B0003": ("target_rejected", found["B0003"][1]),
        "B0020": ("target_rejected", found["B0020"][1]),
        "B0021": ("no_sku", "product 'Barang & 21' has no SKU"),
    }
    assert '"LUSIN" tidak tepat' in found["B0003"][1]
    assert '"Hilang" tidak tepat' in found["B0020"][1]
    assert made(world) == Counter(sku_of(number) for number in range(30) if number not in (3, 20, 21))
    assert (calls(world)[BULK], calls(world)[SAVE]) == (1, 2)


def test_a_mapping_that_a_refused_item_asked_for_sends_it_again(world: RealCommerce) -> None:
    arrive(world, range(12), B0003={"unit": "LUSIN"})
    world.work()
    deciding.set_mappings(world.of, {("unit", "LUSIN"): "BOX"}, actor="sari")
    assert world.work().outcomes == {"success": 1}
    item = world.books.row("item", "B0003")
    assert item is not None
    assert item["unit1Name"] == "BOX"


def test_two_products_of_one_number_become_one_item(world: RealCommerce) -> None:
    arrive(world, range(12), B0003={"sku": "SAMA-1"}, B0004={"sku": "sama-1"})
    assert world.work().outcomes == {"success": 12}
    assert rows(world)["B0003"].target_id == rows(world)["B0004"].target_id
    assert world.books.count("item") == 11
    assert calls(world)[SAVE] == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("lost", "item", "bulk-save"),
        Fault("late", "item", "bulk-save", seconds=1.5),
        Fault("fails_before", "item", "bulk-save", status=502),
        Fault("fails_after", "item", "bulk-save", status=502),
        Fault("throttled", "item", "bulk-save"),
        Fault("lost", "item", "list", after=2, times=7),
        Fault("throttled", "item", "list", after=2, times=7),
    ],
    ids=lambda one: f"{one.name} {one.action}",
)
def test_whatever_is_lost_every_item_is_booked_once(world: RealCommerce, clock: Clock, fault: Fault) -> None:
    world.books.settings.retry_after = "0"
    world.books.arm(fault)
    arrive(world, range(40))
    for _ in range(4):
        world.work(patience=8)
        clock.forward(minutes=6)
    check_each_once(world, range(40))
    assert calls(world)[BULK] == 1, "what was tried is looked up one by one"
    assert world.books.truth.doubled() == []


def test_a_whole_call_that_is_refused_leaves_every_item_to_its_own(
    world: RealCommerce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.accurate.bulk.MOST", 5)
    arrive(world, range(15), B0003={"unit": "LUSIN"})
    assert world.work().outcomes == {"success": 14, "failed": 1}
    assert '"LUSIN" tidak tepat' in rows(world)["B0003"].reason
    assert (calls(world)[BULK], calls(world)[SAVE]) == (1, 15)


def test_items_that_somebody_made_by_hand_meanwhile_are_adopted(world: RealCommerce) -> None:
    arrive(world, range(100))
    world.work()
    world.books.put_items(*(sku_of(number) for number in range(100, 150)))
    world.books.put_items(*(f"LAIN-{number}" for number in range(300)))
    arrive(world, range(100, 170))
    assert world.work().outcomes == {"success": 70}
    assert made(world) == Counter(sku_of(number) for number in (*range(100), *range(150, 170)))
    assert {row.state for row in rows(world).values()} == {"success"}
    assert calls(world)[BULK] == 2


def test_items_that_may_not_be_created_are_adopted_or_refused(tmp_path: Path, clock: Clock) -> None:
    engine = open_ledger(tmp_path)
    with real_commerce(engine, clock=clock, options={"create_items": False}) as world:
        world.books.put_items(*(sku_of(number) for number in range(10)))
        arrive(world, range(12))
        assert world.work().outcomes == {"success": 10, "failed": 2}
        assert rows(world)["B0011"].reason == "item B0011 is not in Accurate, and items are not created"
        assert (calls(world)[BULK], calls(world)[SAVE]) == (0, 0)
    engine.dispose()


def test_for_a_few_items_a_long_list_is_not_read(world: RealCommerce) -> None:
    world.books.put_items(*(f"LAIN-{number}" for number in range(2_001)))
    arrive(world, range(10))
    assert world.work().outcomes == {"success": 10}
    assert calls(world) == {LIST: 11, SAVE: 10}


def test_the_list_of_items_is_read_again_after_a_while(world: RealCommerce, clock: Clock) -> None:
    arrive(world, range(20))
    world.work()
    world.books.put_items(*(sku_of(number) for number in range(20, 40)))
    clock.forward(minutes=11)
    arrive(world, range(20, 40))
    assert world.work().outcomes == {"success": 20}
    assert calls(world)[BULK] == 1


def test_every_try_shows_its_own_row_and_the_answer_and_no_secret(world: RealCommerce) -> None:
    arrive(world, range(100))
    world.work()
    shown = status.details(world.of, rows(world)["B0041"].doc_id)
    ((call,),) = [one["calls"] for one in shown["attempts"]]
    assert re.fullmatch(
        r'POST /accurate/api/item/bulk-save\.do row 42 of 100 \{"no":"B0041","name":"Barang & 41",.*\}',
        call["request"],
    )
    assert "B0040" not in call["request"]
    assert call["status"] == 200
    assert call["response"].startswith('{"s":true,"d":[{"s":true,')
    assert len(call["response"]) == 4_000
    assert TOKEN not in repr(shown) and SIGNATURE_SECRET not in repr(shown)


def test_a_call_takes_a_hundred_items_and_counts_as_one(world: RealCommerce) -> None:
    world.books.settings.per_second = 8
    arrive(world, range(210))
    assert world.work().outcomes == {"success": 210}
    assert world.books.truth.refused == 0
    check_each_once(world, range(210))
