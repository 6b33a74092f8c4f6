"""The ledger of a shop and its accounting on PostgreSQL: the same histories, and workers that do not clash."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest

from clientsync.commerce import deciding
from clientsync.commerce.alarms import alarms
from clientsync.commerce.claims import Outcome, claim, settle
from clientsync.commerce.collecting import sweep
from clientsync.commerce.documents import Booked, Fact, Key, Shift, State
from clientsync.commerce.reconciling import reconcile
from clientsync.commerce.status import Filter, details, documents, overview, webhook_log
from clientsync.commerce.systems import DayTotal, Job
from clientsync.commerce.taking_in import take_in
from clientsync.commerce.verdicts import rejudge
from clientsync.commerce.working import Worker
from clientsync.database import open_engine, upgrade, writing
from clientsync.errors import SessionExpired
from tests.support.commerce_world import FAULTS, CommerceWorld, expected_states, random_graph

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
WAITS = 1.5
"""Seconds that one transaction waits for another, which may have to wait for it."""


@pytest.fixture
def world(postgres_url: str) -> Iterator[CommerceWorld]:
    engine = open_engine(postgres_url)
    upgrade(engine)
    yield CommerceWorld(engine)
    engine.dispose()


@contextmanager
def together(work: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread meanwhile; what goes wrong there is raised here."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
    for one in failures:
        raise one


@pytest.mark.parametrize("seed", [3, 4, 5, 6])
def test_a_history_with_faults_ends_as_the_graph_says(world: CommerceWorld, seed: int) -> None:
    dice = random.Random(seed)
    random_graph(dice, 14, world)
    there = [key for key, one in world.shop.given.items() if not one.is_lost]
    dice.shuffle(there)
    for start in range(0, len(there), 4):
        world.arrive(*(world.shop.given[key].received for key in there[start : start + 4]))
        world.accounting.faults = [dice.choice(("", *FAULTS)) for _ in range(4)]
        world.work(minutes=30)
    world.work(minutes=600)
    assert world.accounting.complaints == []
    assert world.states() == expected_states(world, set(there))
    assert world.judge_all() == 0
    facts = [
        Fact("sku", key.source_id, f"SKU-{key.source_id}")
        for key, one in world.shop.given.items()
        if one.is_broken
    ]
    for one in world.shop.given.values():
        one.is_lost = False
    world.learn(*facts)
    deciding.refresh(world.of, None, actor="somebody")
    world.work(minutes=600)
    assert set(world.states().values()) == {State.SUCCESS}
    assert world.accounting.complaints == []
    assert world.judge_all() == 0


def test_webhooks_modes_shifts_counts_and_lists_work_as_they_do_in_a_file(world: CommerceWorld) -> None:
    sale = world.add("sale", "s1", register="R1", lane="A", payload={"outlet": "A", "total": "10"})
    world.add("payment", "p1", needs=[sale.key], register="R1", at=1)
    world.set_mode(sales="shift_close", transfers_scheduled=True, transfers_at=["12:00"])
    world.hear_shifts(Shift("one", "R1", world.at - timedelta(hours=1), None))
    world.tell("1|sale|s1", "2|payment|p1")
    world.tell("1|sale|s1")
    world.turn()
    assert world.row("sale", "s1").reason_code == "waiting_shift"
    world.add("transfer_out", "t1", lane="A", lines=[{"sku": "G"}], at=2)
    world.add("stock_count", "c1", lane="A", lines=[{"sku": "G"}], at=3)
    assert sweep(world.of).counts["shop.documents"] == 2
    assert world.row("stock_count", "c1").blocker_id == world.row("transfer_out", "t1").doc_id
    world.hear_shifts(Shift("one", "R1", world.at - timedelta(hours=1), world.at + timedelta(hours=1)))
    world.work(minutes=600)
    assert set(world.states().values()) == {State.SUCCESS}
    world.shop.totals = [DayTotal("A", 1, "10")]
    (outlet,) = reconcile(world.of, date(2026, 11, 28))
    assert [one.number for one in outlet.differences] == ["s1"]
    assert len(documents(world.of, Filter(number="1"))) == 4
    assert [one["deliveries"] for one in webhook_log(world.of)] == [1, 2]
    assert details(world.of, world.row("payment", "p1").doc_id)["needs"][0]["what"] == "sale s1"
    assert overview(world.of)["counts"][3]["to accounting"] == 4
    assert alarms(world.of)


def test_two_workers_in_threads_send_every_document_once(world: CommerceWorld) -> None:
    for number in range(30):
        sale = world.add("sale", f"s{number}", at=number)
        world.add("payment", f"p{number}", at=number, needs=[sale.key])
    world.arrive(*(one.received for one in world.shop.given.values()))
    sent: list[Key] = []
    world.accounting.on_send = sent.append

    def work() -> None:
        for _ in range(200):
            Worker(world.of, patience=timedelta(0)).until_idle()
            if {row.state for row in world.rows()} == {"success"}:
                return

    with together(work):
        work()
    assert world.accounting.complaints == []
    assert len(sent) == len(set(sent)) == 60
    assert set(world.states().values()) == {State.SUCCESS}


def test_two_workers_that_claim_at_one_moment_do_not_send_two_stock_documents_of_one_lane(
    world: CommerceWorld,
) -> None:
    for number in range(9):
        world.add("transfer_out", f"t{number}", at=number, lane="A")
    world.arrive(*(one.received for one in world.shop.given.values()))
    claimed: list[str] = []
    began, ended = threading.Event(), threading.Event()

    def take(holder: str) -> None:
        with writing(world.engine) as connection:
            world.of.switches(connection)
            found = claim(
                connection, world.of.name, holder, 1, world.at, world.at + timedelta(minutes=5), ["out"]
            )
            claimed.extend(one.document.source_id for one in found)
            if holder == "first":
                began.set()
                ended.wait(WAITS)

    def second() -> None:
        began.wait(30)
        take("second")
        ended.set()

    with together(second):
        take("first")
    assert claimed == ["t0"]


def _settled(world: CommerceWorld, holder: str, *, after: Callable[[], object] = lambda: None) -> None:
    """Claim one document and settle it as booked; something may happen before that is committed."""
    with writing(world.engine) as connection:
        until = world.at + timedelta(minutes=5)
        (one,) = claim(connection, world.of.name, holder, 1, world.at, until, ["out"])
    with writing(world.engine) as connection:
        mode = world.of.switches(connection).mode
        outcome = Outcome("success", Booked(f"T-{holder}", f"N-{holder}"))
        settle(connection, world.of.name, [(one, outcome)], holder, mode, world.at)
        after()


def test_a_document_that_arrives_while_its_need_is_settled_is_not_held_for_ever(world: CommerceWorld) -> None:
    sale = world.add("sale", "s1")
    payment = world.add("payment", "p1", needs=[sale.key], at=1)
    world.arrive(sale)
    began, ended = threading.Event(), threading.Event()

    def arrive() -> None:
        with writing(world.engine) as connection:
            mode = world.of.switches(connection).mode
            changed = take_in(connection, world.of.name, [payment], mode, world.at)
            rejudge(connection, world.of.name, changed, mode, world.at)
            began.set()
            ended.wait(WAITS)

    def settles() -> None:
        began.wait(30)
        _settled(world, "worker")
        ended.set()

    with together(settles):
        arrive()
    assert world.row("sale", "s1").state == State.SUCCESS
    assert world.row("payment", "p1").state == State.READY


def test_a_document_whose_two_needs_are_settled_at_one_moment_is_not_held_for_ever(
    world: CommerceWorld,
) -> None:
    one, other = world.add("sale", "s1"), world.add("sale", "s2")
    world.arrive(one, other, world.add("payment", "p1", needs=[one.key, other.key], at=1))
    began, ended = threading.Event(), threading.Event()

    def wait_for_the_other() -> None:
        began.set()
        ended.wait(WAITS)

    def second() -> None:
        began.wait(30)
        _settled(world, "second")
        ended.set()

    with together(second):
        _settled(world, "first", after=wait_for_the_other)
    assert {row.state for row in world.rows(type="sale")} == {"success"}
    assert world.row("payment", "p1").state == State.READY


def test_a_long_reason_for_which_nothing_is_sent_can_be_kept(world: CommerceWorld) -> None:
    why = "The access token was revoked by the owner of the database; log in again and give access once more."

    def refuse(job: Job) -> Booked:
        raise SessionExpired(why)

    world.accounting.send = refuse  # type: ignore[method-assign]
    world.arrive(world.add("sale", "s1"))
    assert world.turn().stopped["out"].endswith(why)
    assert why in alarms(world.of)[0]["alarm"]


def test_a_need_with_a_long_number_can_be_expected(world: CommerceWorld) -> None:
    need = Key("sale", "s" * 120)
    world.arrive(world.add("payment", "p1", needs=[need], at=1))
    assert world.row("payment", "p1").state == State.HELD
