"""What a person decides: refresh, waive, take back, mappings and modes, each written down."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clientsync.commerce import deciding, store
from clientsync.commerce.documents import Booked, Key, State
from clientsync.commerce.systems import Job
from clientsync.errors import InvalidInput, UnknownName
from tests.support.commerce_world import START, CommerceWorld, expected_states, random_graph

SEEN = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


def choices(world: CommerceWorld) -> list[tuple[Any, ...]]:
    with world.engine.connect() as connection:
        rows = connection.execute(store.CHOICES.select().order_by(store.CHOICES.c.choice_id)).all()
    return [(row.actor, row.action, row.doc_id, row.detail) for row in rows]


def number(world: CommerceWorld, key: Key) -> int:
    return int(world.row(key.type, key.source_id).doc_id)


def state(world: CommerceWorld, key: Key) -> State:
    return State(world.row(key.type, key.source_id).state)


def chain(*broken: str) -> CommerceWorld:
    """Return a world with item -> sale -> payment, and another item -> sale."""
    world = CommerceWorld()
    for name in ("1", "2"):
        item = world.add("item", f"i{name}", is_broken=f"i{name}" in broken)
        sale = world.add("sale", f"s{name}", needs=[item.key], at=1, is_broken=f"s{name}" in broken)
        world.add("payment", f"p{name}", needs=[sale.key], at=2)
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.work()
    return world


def mend(world: CommerceWorld) -> None:
    """Let the accounting take what it refused; the ledger does not know of it."""
    for one in world.shop.given.values():
        one.is_broken = False


def refresh(world: CommerceWorld, *keys: Key) -> int:
    return deciding.refresh(world.of, [number(world, key) for key in keys], actor="asha")


# refresh


def test_a_refresh_of_one_tries_it_and_its_failed_ancestors_again_and_no_others() -> None:
    world = chain("i1", "i2")
    mend(world)
    assert refresh(world, Key("payment", "p1")) == 1
    world.work()
    found = {key.source_id: one for key, one in world.states().items()}
    assert found["i1"] == found["s1"] == found["p1"] == State.SUCCESS
    assert (found["i2"], found["s2"], found["p2"]) == (State.FAILED, State.HELD, State.HELD)
    assert choices(world) == [
        ("asha", "refresh", number(world, Key("payment", "p1")), "1 documents: 1 tried again")
    ]


def test_a_refresh_of_what_still_is_broken_ends_where_it_was() -> None:
    world = chain("i1")
    before = world.verdicts()
    assert refresh(world, Key("sale", "s1")) == 1
    world.work()
    assert world.verdicts() == before


def test_a_refresh_of_all_tries_everything_that_is_not_done() -> None:
    world = chain("i1", "s2")
    mend(world)
    assert deciding.refresh(world.of, None, actor="asha") == 2
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}
    assert choices(world) == [("asha", "refresh", None, "all: 2 tried again")]


def test_a_refresh_of_what_is_booked_does_nothing() -> None:
    world = chain()
    before = world.rows()
    assert refresh(world, Key("sale", "s1"), Key("item", "i1")) == 0
    world.work()
    assert world.rows() == before
    assert (world.accounting.sends, world.accounting.looks) == (6, 0)


def test_a_refresh_of_an_unknown_document_looks_it_up_now() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1")
    world.arrive(sale)
    world.accounting.faults = ["lost"]
    world.turn()
    assert state(world, sale.key) == State.UNKNOWN
    assert refresh(world, sale.key) == 1
    assert state(world, sale.key) == State.UNKNOWN, "only a look-up settles it"
    world.turn()
    assert state(world, sale.key) == State.SUCCESS
    assert (world.accounting.looks, world.accounting.sends) == (1, 1)


def test_a_refresh_of_what_never_came_asks_for_it_again() -> None:
    world = CommerceWorld()
    lost = world.add("sale", "s1", is_lost=True)
    payment = world.add("payment", "p1", needs=[lost.key])
    world.arrive(payment)
    world.work()
    world.shop.given[lost.key].is_lost = False
    world.work()
    assert state(world, payment.key) == State.HELD
    assert refresh(world, payment.key) == 1
    world.work()
    assert state(world, payment.key) == State.SUCCESS
    assert world.shop.fetched == [lost.key, lost.key]


def test_a_refresh_of_a_throttled_document_does_not_wait_any_longer() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1")
    world.arrive(sale)
    world.accounting.faults = ["away"]
    world.turn()
    assert world.row("sale", "s1").reason_code == "not_reached"
    refresh(world, sale.key)
    world.turn()
    assert state(world, sale.key) == State.SUCCESS


def test_a_refresh_of_a_count_tries_all_that_it_waits_for_again() -> None:
    world = CommerceWorld()
    for name in ("t1", "t2"):
        world.add("transfer_out", name, lane="A", lines=[{"sku": "G"}], is_broken=True)
    count = world.add("stock_count", "c1", lane="A", lines=[{"sku": "G"}], at=5)
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.work()
    mend(world)
    assert refresh(world, count.key) == 2
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}


def test_a_refresh_of_a_document_that_does_not_exist_is_refused_and_nothing_is_written() -> None:
    world = chain()
    with pytest.raises(InvalidInput, match="There is no document 999 in shop"):
        deciding.refresh(world.of, [number(world, Key("sale", "s1")), 999], actor="asha")
    assert choices(world) == []


@settings(SEEN, max_examples=15)
@given(st.integers(0, 2**48))
def test_after_a_repair_a_refresh_of_the_failed_ones_books_all_that_can_be_reached(seed: int) -> None:
    dice = random.Random(seed)
    world = random_graph(dice, dice.randrange(2, 10))
    there = [key for key, one in world.shop.given.items() if not one.is_lost]
    world.arrive(*(world.shop.given[key].received for key in there))
    world.work()
    for one in world.shop.given.values():
        if dice.random() < 0.7:
            one.is_broken = False
    failed = world.rows(state=State.FAILED)
    deciding.refresh(world.of, [row.doc_id for row in failed], actor="asha")
    world.work()
    assert world.states() == expected_states(world, set(there))
    assert world.accounting.complaints == []


# waive and take back


def test_a_waiver_releases_its_descendants_and_nothing_else() -> None:
    world = chain("s1", "s2")
    assert (
        deciding.waive(world.of, number(world, Key("sale", "s1")), actor="asha", target_number="SI-7")
        == "sale s1"
    )
    world.accounting.done_by_hand.add(Key("sale", "s1"))
    told: list[Job] = []
    whole = world.accounting.send

    def send(job: Job) -> Booked:
        told.append(job)
        return whole(job)

    world.accounting.send = send  # type: ignore[method-assign]
    world.work()
    found = {key.source_id: one for key, one in world.states().items()}
    assert (found["s1"], found["p1"]) == (State.WAIVED, State.SUCCESS)
    assert (found["s2"], found["p2"]) == (State.FAILED, State.HELD)
    (job,) = told
    assert job.document.needs[Key("sale", "s1")].number == "SI-7"
    assert choices(world) == [("asha", "waive", number(world, Key("sale", "s1")), "SI-7")]


def test_what_never_came_can_be_waived_and_stays_so_when_it_comes() -> None:
    world = CommerceWorld()
    lost = world.add("sale", "s1", is_lost=True)
    world.arrive(world.add("payment", "p1", needs=[lost.key]))
    world.work()
    deciding.waive(world.of, number(world, lost.key), actor="asha")
    world.accounting.done_by_hand.add(lost.key)
    world.arrive(lost)
    world.work()
    assert state(world, lost.key) == State.WAIVED
    assert state(world, Key("payment", "p1")) == State.SUCCESS
    assert world.accounting.booked.keys() == {Key("payment", "p1")}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"payload": {"total": "2"}}, State.FAILED),
        ({"occurred_at": START + timedelta(days=1)}, State.FAILED),
        ({"payload": {"status": "completed", "paid": "1"}}, State.WAIVED),
        ({"payload": {"status": "void"}, "is_withdrawn": True}, State.WAIVED),
    ],
)
def test_what_was_booked_by_hand_is_told_when_the_shop_changes_it_and_never_booked_beside(
    change: dict[str, Any], expected: State
) -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1", is_broken=True, payload={"total": "1"})
    world.arrive(sale)
    world.work()
    deciding.waive(world.of, number(world, sale.key), actor="asha", target_number="SI-7")
    world.arrive(world.change(sale, **change))
    world.work()
    assert state(world, sale.key) == expected
    assert world.row("sale", "s1").reason_code == (
        "changed_after_booking" if expected == State.FAILED else ""
    )
    assert deciding.refresh(world.of, None, actor="asha") == 0
    assert world.accounting.booked == {}
    if expected == State.FAILED:
        deciding.waive(world.of, number(world, sale.key), actor="asha")
        assert world.row("sale", "s1").target_number == "SI-7"


@pytest.mark.parametrize(
    ("at_state", "said"),
    [
        (State.SUCCESS, "sale s1 is done already."),
        (State.WAIVED, "sale s1 is done already."),
        (State.SUPERSEDED, "sale s1 is done already."),
        (State.SENDING, "sale s1 is being sent; look again in a moment."),
    ],
)
def test_what_is_done_or_being_sent_is_not_waived(at_state: State, said: str) -> None:
    world = chain()
    doc_id = number(world, Key("sale", "s1"))
    with world.engine.begin() as connection:
        connection.execute(store.DOCS.update().where(store.DOCS.c.doc_id == doc_id).values(state=at_state))
    with pytest.raises(InvalidInput) as error:
        deciding.waive(world.of, doc_id, actor="asha")
    assert error.value.message == said
    assert state(world, Key("sale", "s1")) == at_state
    assert choices(world) == []


def test_a_waiver_that_is_taken_back_holds_its_dependants_again_and_looks_before_it_sends() -> None:
    world = CommerceWorld()
    sale = world.add("sale", "s1")
    world.arrive(sale)
    deciding.waive(world.of, number(world, sale.key), actor="asha", target_number="SI-7")
    world.accounting.is_shut = True
    world.arrive(world.add("payment", "p1", needs=[sale.key], at=1))
    assert state(world, Key("payment", "p1")) == State.READY
    assert deciding.take_back(world.of, number(world, sale.key), actor="asha") == "sale s1"
    assert world.row("sale", "s1").target_number == ""
    assert state(world, Key("payment", "p1")) == State.HELD
    world.accounting.is_shut = False
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}
    assert world.accounting.looks == 1
    assert [one[1] for one in choices(world)] == ["waive", "take back"]


def test_a_waiver_of_what_never_came_is_taken_back_to_waiting_for_it() -> None:
    world = CommerceWorld()
    lost = world.add("sale", "s1", is_lost=True)
    world.arrive(world.add("payment", "p1", needs=[lost.key]))
    world.work()
    deciding.waive(world.of, number(world, lost.key), actor="asha")
    deciding.take_back(world.of, number(world, lost.key), actor="asha")
    assert state(world, lost.key) == State.EXPECTED
    assert state(world, Key("payment", "p1")) == State.HELD
    world.arrive(lost)
    world.work()
    assert set(world.states().values()) == {State.SUCCESS}


def test_only_a_waiver_is_taken_back_and_only_of_a_document_that_exists() -> None:
    world = chain()
    with pytest.raises(InvalidInput, match="sale s1 was not waived"):
        deciding.take_back(world.of, number(world, Key("sale", "s1")), actor="asha")
    for decide in (deciding.take_back, deciding.waive):
        with pytest.raises(InvalidInput, match="There is no document 999 in shop"):
            decide(world.of, 999, actor="asha")


# mappings


def test_a_mapping_that_is_set_repairs_what_asked_for_it_and_nothing_else() -> None:
    world = CommerceWorld()
    for name, outlet in (("s1", "A"), ("s2", "B")):
        world.add("sale", name, payload={"outlet": outlet})
    whole = world.accounting.send

    def send(job: Job) -> Booked:
        job.mappings.need("outlet", job.document.payload["outlet"])
        return whole(job)

    world.accounting.send = send  # type: ignore[method-assign]
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.work()
    assert world.row("sale", "s1").reason == "no outlet mapping for A"
    assert (
        deciding.set_mappings(world.of, {("outlet", "A"): "Gudang", ("tax", "11"): "PPN"}, actor="asha") == 1
    )
    world.work()
    assert [row.state for row in world.rows()] == ["success", "failed"]
    assert deciding.set_mappings(world.of, {("outlet", "B"): ""}, actor="asha") == 0
    assert choices(world) == [
        ("asha", "map", None, "outlet A = Gudang"),
        ("asha", "map", None, "tax 11 = PPN"),
        ("asha", "map", None, "outlet B = none"),
    ]


def test_a_kind_of_mapping_that_does_not_exist_is_refused_with_those_that_do() -> None:
    world = CommerceWorld()
    with pytest.raises(
        UnknownName, match="outlet, payment, item, tax, unit, category, charge, customer, warehouse"
    ):
        deciding.set_mappings(world.of, {("outlet", "A"): "Gudang", ("colour", "red"): "blue"}, actor="asha")
    assert choices(world) == []


# modes


def test_a_mode_is_kept_described_and_written_down() -> None:
    world = CommerceWorld()
    mode, changed = deciding.change_mode(
        world.of,
        deciding.ModeChange("scheduled", ["21:30", "12:00"], True, ["20:00"], True),
        actor="asha",
    )
    said = "sales at 12:00, 21:30; transfers and stock counts at 20:00; ids of customers are used"
    assert (changed, deciding.describe(mode, True)) == (0, said)
    assert choices(world) == [("asha", "mode", None, said)]
    with world.engine.connect() as connection:
        found = world.of.switches(connection)
    assert (found.mode, found.uses_customer_ids) == (mode, True)
    world.set_mode(sales="shift_close")
    assert choices(world)[-1][3].startswith("sales when the register shift is closed; transfers")
    world.set_mode(sales="real_time", transfers_scheduled=False, uses_customer_ids=False)
    assert choices(world)[-1][3] == (
        "sales in real time; transfers and stock counts in real time; the accounting numbers customers"
    )
