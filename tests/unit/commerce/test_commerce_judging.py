"""Judging against an oracle that is slow and plain, and incremental judging against judging everything."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clientsync.commerce import deciding, judging, reasons, verdicts
from clientsync.commerce.claims import wake_due
from clientsync.commerce.documents import DONE, Fact, Key, Shift, State
from clientsync.commerce.judging import JUDGED, Standing, Verdict, judge
from clientsync.commerce.reasons import Reason
from clientsync.database import writing
from tests.support.commerce_world import FAULTS, OUT, START, CommerceWorld, random_graph

AT = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
SEEN = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)
WAITS = reasons.waiting_time("21:00 on 28 Nov")


def standing(number: int, state: State, *needs: int, age: int | None = None, later: bool = False) -> Standing:
    reason = WAITS if later else Reason(f"why_{state}", f"why {number}") if state not in JUDGED else WAITS
    return Standing(
        number,
        (AT + timedelta(minutes=number if age is None else age), 0, str(number)),
        f"sale S{number}",
        state,
        needs,
        reason,
        AT + timedelta(hours=1) if later else AT,
    )


def graph(dice: random.Random) -> dict[int, Standing]:
    """Return documents in any state that need any others, themselves and unknown ones among them."""
    size = dice.randrange(1, 14)
    numbers = dice.sample(range(100), size)
    states = [*State, State.RECEIVED, State.HELD, State.READY, State.WAITING, State.RECEIVED]
    is_plain = dice.random() < 0.5
    found = {}
    for place, number in enumerate(numbers):
        pool = numbers[:place] if is_plain else [*numbers, 777, 888]
        needs = dice.sample(pool, min(len(pool), dice.choice((0, 1, 1, 2, 3))))
        found[number] = standing(
            number, dice.choice(states), *needs, age=dice.randrange(40), later=dice.random() < 0.2
        )
    return found


def unmet(known: Mapping[int, Standing], number: int) -> list[int]:
    return [need for need in known[number].needs if need in known and known[need].state not in DONE]


def reached(known: Mapping[int, Standing], number: int) -> set[int]:
    """Return every document that one waits for, through those that judging decides about."""
    found: set[int] = set()
    new = set(unmet(known, number))
    while new:
        found |= new
        new = {need for one in new if known[one].state in JUDGED for need in unmet(known, one)} - found
    return found


def circles(known: Mapping[int, Standing]) -> set[int]:
    return {one for one in known if known[one].state in JUDGED and one in reached(known, one)}


def check(known: Mapping[int, Standing], found: Mapping[int, Verdict]) -> None:
    """B1, read off the graph alone."""
    in_circle = circles(known)
    assert found.keys() == {number for number, one in known.items() if one.state in JUDGED}
    for number, verdict in found.items():
        needs = unmet(known, number)
        if number in in_circle:
            assert verdict.state is State.FAILED
            assert verdict.reason.code == "needs_circle"
            assert (verdict.blocker, verdict.root) == (None, None)
            continue
        if not needs:
            is_due = known[number].eligible_at == AT
            assert verdict == (Verdict(State.READY) if is_due else Verdict(State.WAITING, WAITS))
            continue
        assert verdict.state is State.HELD
        assert verdict.blocker in needs
        ends = {need: _end(known, found, need) for need in needs}
        assert verdict.root == ends[verdict.blocker]
        broken = [need for need in needs if _is_broken(known, in_circle, ends[need])]
        assert verdict.blocker == min(broken or needs, key=lambda need: known[need].age)
        assert bool(broken) == bool(
            {one for one in reached(known, number) if _is_broken(known, in_circle, one)}
        ), "a broken root is named whenever one is reached"
        _check_words(known, found, in_circle, verdict)


def _is_broken(known: Mapping[int, Standing], in_circle: set[int], number: int) -> bool:
    return number in in_circle or known[number].state in (State.FAILED, State.EXPECTED)


def _end(known: Mapping[int, Standing], found: Mapping[int, Verdict], number: int) -> int:
    """Return where the chain of blockers ends."""
    while known[number].state in JUDGED and found[number].blocker is not None:
        number = found[number].blocker or 0
    return number


def _check_words(
    known: Mapping[int, Standing], found: Mapping[int, Verdict], in_circle: set[int], verdict: Verdict
) -> None:
    assert verdict.blocker is not None
    assert verdict.root is not None
    root = known[verdict.root]
    through = known[verdict.blocker].title if verdict.blocker != verdict.root else ""
    own = found[verdict.root].reason.text if verdict.root in found else root.reason.text
    if root.state is State.EXPECTED:
        assert verdict.reason == reasons.needs_not_received(root.title, through, root.reason.text)
    elif _is_broken(known, in_circle, verdict.root):
        assert verdict.reason == reasons.needs_failed(root.title, own, through)
    else:
        assert verdict.reason == reasons.needs_not_synced(root.title, own, through)


@settings(SEEN, max_examples=3_000)
@given(st.integers(0, 2**48))
@example(1642)
def test_what_is_held_waits_for_a_need_and_names_the_broken_end_of_its_chain(seed: int) -> None:
    known = graph(random.Random(seed))
    check(known, judge(known, AT))


@settings(SEEN, max_examples=1_500)
@given(st.integers(0, 2**48))
@example(457)
def test_judging_some_with_the_rest_known_is_judging_all(seed: int) -> None:
    dice = random.Random(seed)
    known = graph(dice)
    whole = judge(known, AT)
    settled = {
        number: replace(
            one, state=whole[number].state, reason=_kept(one, whole[number]), root=whole[number].root
        )
        if number in whole
        else one
        for number, one in known.items()
    }
    assert {one: two for one, two in whole.items() if two.state is not State.FAILED} == judge(settled, AT), (
        "judging twice is judging once"
    )
    chosen = {number for number, one in settled.items() if dice.random() < 0.4 and one.state in JUDGED}
    while True:  # those that wait for the chosen ones are judged with them
        more = {
            number
            for number, one in settled.items()
            if one.state in JUDGED and set(unmet(settled, number)) & chosen
        } - chosen
        if not more:
            break
        chosen |= more
    needed = {need for number in chosen for need in unmet(settled, number)} - chosen
    roots = {settled[need].root for need in needed} - {None}
    around = {number: replace(settled[number], needs=()) for number in needed | roots if number is not None}
    some = {number: settled[number] for number in chosen}
    assert judge({**around, **some}, AT, chosen) == {number: whole[number] for number in chosen}


def _kept(one: Standing, verdict: Verdict) -> Reason:
    """Return what the ledger tells about a judged document the next time."""
    return verdict.reason if verdict.state is State.FAILED else one.reason


def test_members_of_a_circle_fail_and_are_named_and_who_needs_them_is_held() -> None:
    known = {
        one.doc_id: one
        for one in (
            standing(1, State.RECEIVED, 3),
            standing(2, State.RECEIVED, 1),
            standing(3, State.RECEIVED, 2),
            standing(4, State.RECEIVED, 2),
            standing(5, State.RECEIVED, 4),
            standing(6, State.RECEIVED, 6),
            standing(7, State.RECEIVED),
        )
    }
    found = judge(known, AT)
    named = reasons.in_a_circle("sale S1, sale S2, sale S3, sale S6")
    assert {found[one] for one in (1, 2, 3, 6)} == {Verdict(State.FAILED, named)}
    assert found[4] == Verdict(State.HELD, reasons.needs_failed("sale S2", named.text), 2, 2)
    assert found[5] == Verdict(State.HELD, reasons.needs_failed("sale S2", named.text, "sale S4"), 4, 2)
    assert found[7] == Verdict(State.READY)


def test_a_need_that_is_younger_than_its_dependant_holds_it() -> None:
    known = {1: standing(1, State.RECEIVED, 2, age=0), 2: standing(2, State.FAILED, age=50)}
    assert judge(known, AT)[1] == Verdict(State.HELD, reasons.needs_failed("sale S2", "why 2"), 2, 2)


def test_needs_that_nothing_is_known_of_are_done() -> None:
    assert judge({1: standing(1, State.HELD, 99)}, AT) == {1: Verdict(State.READY)}


def test_a_dependant_does_not_pass_what_waits_for_its_hour() -> None:
    known = {1: standing(1, State.WAITING, later=True), 2: standing(2, State.RECEIVED, 1)}
    why = "waits for sale S1, not synchronised yet: scheduled for 21:00 on 28 Nov"
    assert judge(known, AT)[2] == Verdict(State.HELD, Reason("needs_not_synced", why), 1, 1)


def test_of_several_broken_needs_the_oldest_is_named() -> None:
    known = {
        1: standing(1, State.FAILED, age=9),
        2: standing(2, State.EXPECTED, age=8),
        3: standing(3, State.READY, age=0),
        4: standing(4, State.RECEIVED, 1, 2, 3, age=20),
    }
    assert judge(known, AT)[4].blocker == 2


def chain(count: int, needs: int) -> dict[int, Standing]:
    return {
        one: standing(
            one,
            State.FAILED if not one else State.RECEIVED,
            *(one - back for back in range(1, needs + 1) if one - back >= 0),
        )
        for one in range(count)
    }


@pytest.mark.parametrize(("count", "needs"), [(5_000, 1), (100_000, 3)])
def test_a_long_chain_is_judged_in_one_pass_and_every_link_names_the_first(count: int, needs: int) -> None:
    known = chain(count, needs)
    began = time.monotonic()
    found = judge(known, AT)
    assert time.monotonic() - began < 20
    assert len(found) == count - 1
    assert {one.root for one in found.values()} == {0}
    assert found[count - 1].blocker == count - 1 - needs, "all lead to the same root, so the oldest is named"


def test_a_long_circle_is_found_without_recursion() -> None:
    known = {one: standing(one, State.RECEIVED, (one + 1) % 20_000) for one in range(20_000)}
    assert {one.state for one in judge(known, AT).values()} == {State.FAILED}


# on the ledger


STEPS = (
    *("arrive",) * 3, *("turn",) * 2, "waive", "back", "learn", "change", "withdraw", "refresh", "mode", "pass",
)  # fmt: skip


def operate(world: CommerceWorld, dice: random.Random, count: int = 14) -> None:
    """Do anything that changes what documents wait for; after each step the incremental verdicts are the whole ones."""
    given_ = [one for one in world.shop.given.values() if not one.is_lost]
    for _ in range(count):
        step = dice.choice(STEPS)
        rows = world.rows()
        if step == "arrive":
            world.arrive(
                *(one.received for one in dice.sample(given_, min(len(given_), dice.randrange(1, 4))))
            )
        elif step == "turn":
            world.accounting.faults = [dice.choice(("", *FAULTS[:5])) for _ in range(3)]
            world.turn()
        elif step in ("waive", "back", "refresh") and rows:
            _decide(world, dice.choice(rows), step)
        elif step == "learn":
            broken = [key for key, one in world.shop.given.items() if one.is_broken]
            if broken:
                key = dice.choice(broken)
                world.learn(Fact("sku", key.source_id, f"SKU-{key.source_id}"))
        elif step in ("change", "withdraw") and given_:
            one = dice.choice(given_).received
            needs = dice.sample(one.needs, len(one.needs) // 2) if dice.random() < 0.5 else one.needs
            more = {"is_withdrawn": not one.is_withdrawn} if step == "withdraw" else {"needs": tuple(needs)}
            world.arrive(world.change(one, payload={"note": dice.random()}, **more))
        elif step == "mode":
            world.set_mode(sales=dice.choice(("real_time", "shift_close", "scheduled")), sales_at=("12:00",),
                           transfers_scheduled=dice.random() < 0.5, transfers_at=("13:00",))  # fmt: skip
        else:
            world.at += timedelta(minutes=dice.choice((1, 30, 200)))
            with writing(world.engine) as connection:
                wake_due(connection, world.of.name, world.of.switches(connection).mode, world.at)
        before = world.verdicts()
        assert world.judge_all() == 0, (step, before, world.verdicts())


def _decide(world: CommerceWorld, row: object, step: str) -> None:
    doc_id, state = row.doc_id, State(row.state)  # type: ignore[attr-defined]
    if step == "refresh":
        deciding.refresh(world.of, [doc_id], actor="somebody")
    elif step == "waive" and state not in DONE | {State.SENDING}:
        deciding.waive(world.of, doc_id, actor="somebody")
    elif step == "back" and state is State.WAIVED:
        deciding.take_back(world.of, doc_id, actor="somebody")


def _operated(seed: int) -> None:
    dice = random.Random(seed)
    world = random_graph(dice, dice.randrange(2, 12))
    for number in range(dice.randrange(3)):
        lines = [{"sku": f"G{dice.randrange(2)}", "quantity": "1"}]
        for type_name in ("transfer_out", "sale", "stock_count"):
            world.add(type_name, f"{type_name}{number}", at=dice.randrange(600), lane="A", lines=lines)
    operate(world, dice)


@settings(SEEN, max_examples=50)
@given(st.integers(0, 2**48))
@example(1)
def test_whatever_is_done_judging_everything_anew_changes_nothing(seed: int) -> None:
    _operated(seed)


def test_that_test_finds_verdicts_that_wake_only_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = verdicts._to_judge

    def only_itself(connection: object, name: str, ids: object) -> object:
        return {one: row for one, row in whole(connection, name, ids).items() if ids is None or one in ids}  # type: ignore[arg-type,operator]

    monkeypatch.setattr(verdicts, "_to_judge", only_itself)
    with pytest.raises(AssertionError):
        for seed in range(30):
            _operated(seed)


def test_the_oracle_finds_a_root_that_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging._Pass, "_root_of", lambda _, need: need)
    with pytest.raises(AssertionError):
        for seed in range(200):
            known = graph(random.Random(seed))
            check(known, judge(known, AT))


def test_a_count_waits_for_earlier_documents_of_its_goods_in_its_warehouse_and_for_nothing_else() -> None:
    world = CommerceWorld()
    goods = [{"sku": "G1"}]
    for name, more in {
        "earlier": {"at": 1, "lane": "A", "lines": goods},
        "later": {"at": 30, "lane": "A", "lines": goods},
        "elsewhere": {"at": 2, "lane": "B", "lines": goods},
        "other goods": {"at": 3, "lane": "A", "lines": [{"sku": "G2"}]},
        "no sku": {"at": 4, "lane": "A", "lines": [{"sku": ""}]},
    }.items():
        world.add("transfer_out", name, is_broken=True, **more)  # type: ignore[arg-type]
    world.add("payment", "a payment", at=5, lane="A", lines=goods, is_broken=True)
    world.add("sale", "a later sale", at=11, lane="A", lines=goods, is_broken=True)
    world.add("sale", "a sale elsewhere", at=5, lane="B", lines=goods, is_broken=True)
    world.add("sale", "a sale of other goods", at=5, lane="A", lines=[{"sku": "G2"}], is_broken=True)
    world.add("stock_count", "count", at=10, lane="A", lines=goods)
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.work()
    count = world.row("stock_count", "count")
    assert count.state == State.HELD
    assert count.root_id == world.row("transfer_out", "earlier").doc_id
    deciding.waive(world.of, count.root_id, actor="somebody")
    world.work()
    assert world.row("stock_count", "count").state == State.SUCCESS
    assert world.row("transfer_out", "later").state == State.FAILED


@pytest.mark.parametrize("type_name", ["sale", "sale_return"])
def test_a_count_waits_for_earlier_sales_and_returns_that_have_their_hour_later(type_name: str) -> None:
    world = CommerceWorld()
    world.set_mode(sales="scheduled", sales_at=("21:00",))
    sold = world.add(type_name, "sold", lane="A", lines=[{"sku": "G1"}, {"sku": "G2"}])
    world.add("stock_count", "count", at=10, lane="A", lines=[{"sku": "G2"}, {"sku": "G3"}])
    world.add("stock_count", "other", at=10, lane="A", lines=[{"sku": "G4"}])
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.turn()
    count = world.row("stock_count", "count")
    assert (count.state, count.blocker_id) == (State.HELD, world.row(type_name, "sold").doc_id)
    assert count.reason.endswith("sold, not synchronised yet: scheduled for 21:00 on 28 Nov")
    assert world.row("stock_count", "other").state == State.SUCCESS
    world.arrive(world.change(sold, lane="B", payload={"outlet": "B"}))
    assert world.row("stock_count", "count").state == State.READY
    world.arrive(world.change(sold, lane="A", payload={"outlet": "A"}))
    assert world.row("stock_count", "count").state == State.HELD
    world.set_mode(sales="real_time")
    world.work()
    assert world.row("stock_count", "count").state == State.SUCCESS
    assert world.accounting.times[sold.key] <= world.accounting.times[Key("stock_count", "count")]


def test_of_many_sales_that_a_count_waits_for_one_that_failed_is_named_and_else_the_first() -> None:
    world = CommerceWorld()
    world.set_mode(sales="scheduled", sales_at=("21:00",))
    for number in range(250):
        goods = [{"sku": "G1" if number >= 220 else "G2"}]
        world.add("sale", f"s{number:03}", at=number, lane="A", lines=goods, is_broken=number == 240)
    world.add("stock_count", "count", at=300, lane="A", lines=[{"sku": "G1"}])
    world.arrive(*(one.received for one in world.shop.given.values()))
    assert world.row("stock_count", "count").blocker_id == world.row("sale", "s220").doc_id
    world.set_mode(sales="real_time")
    world.turn()
    count = world.row("stock_count", "count")
    assert (count.blocker_id, count.reason_code) == (world.row("sale", "s240").doc_id, "needs_failed")
    assert world.judge_all() == 0


def test_a_count_waits_for_sales_of_another_outlet_that_take_from_its_warehouse() -> None:
    world = CommerceWorld()
    world.add("sale", "web", lane="tokopedia", lines=[{"sku": "G1"}], is_broken=True)
    world.add("stock_count", "count", at=10, lane="A", lines=[{"sku": "G1"}])
    maps = {("outlet", "tokopedia"): "Main", ("outlet", "A"): "Main|Branch"}
    deciding.set_mappings(world.of, {**maps, ("outlet", "A"): "Shop"}, actor="somebody")
    world.set_mode(transfers_scheduled=True, transfers_at=("21:00",))
    world.arrive(*(one.received for one in world.shop.given.values()))
    assert world.row("stock_count", "count").state == State.WAITING
    deciding.set_mappings(world.of, maps, actor="somebody")
    assert world.row("stock_count", "count").state == State.HELD
    world.work()
    assert world.row("stock_count", "count").state == State.HELD
    deciding.waive(world.of, world.row("sale", "web").doc_id, actor="somebody")
    assert world.row("stock_count", "count").state == State.WAITING
    assert world.judge_all() == 0


@settings(SEEN, max_examples=25)
@given(st.integers(0, 2**48))
def test_a_count_is_never_booked_before_an_earlier_document_of_its_goods(seed: int) -> None:
    dice = random.Random(seed)
    world = CommerceWorld()
    order: list[Key] = []
    world.accounting.on_send = order.append
    for number in range(9):
        world.add(
            "stock_count" if number % 3 == 2 else dice.choice(("transfer_out", "sale")), f"d{number}",
            at=dice.randrange(5),
            lane=dice.choice("AB"), lines=[{"sku": sku} for sku in dice.sample(("x", "y", "z"), 2)],
        )  # fmt: skip
    everything = [one.received for one in world.shop.given.values()]
    dice.shuffle(everything)
    world.arrive(*everything)
    world.work()
    place = {key: number for number, key in enumerate(order)}
    assert len(place) == 9
    for count in everything:
        for moved in everything:
            same = {line["sku"] for line in count.payload["lines"]} & {
                line["sku"] for line in moved.payload["lines"]
            }
            is_earlier = (moved.occurred_at, moved.type == "stock_count", moved.source_id) < (
                count.occurred_at, count.type == "stock_count", count.source_id,
            )  # fmt: skip
            if count.type == "stock_count" and count.lane == moved.lane and same and is_earlier:
                assert place[moved.key] < place[count.key]


def test_a_count_goes_on_when_what_it_waited_for_turns_out_to_be_of_another_warehouse() -> None:
    world = CommerceWorld()
    moved = world.add("transfer_out", "TO-1", lane="A", lines=[{"sku": "G1"}], is_broken=True)
    world.add("stock_count", "SC-1", at=9, lane="A", lines=[{"sku": "G1"}])
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.work()
    assert world.row("stock_count", "SC-1").state == State.HELD
    world.arrive(world.change(moved, lane="B", payload={"outlet": "B"}))
    world.work()
    assert world.row("stock_count", "SC-1").state == State.SUCCESS


def test_a_document_that_turns_out_to_be_of_the_warehouse_holds_its_count() -> None:
    world = CommerceWorld()
    moved = world.add("transfer_out", "TO-1", lane="B", lines=[{"sku": "G1"}])
    world.add("stock_count", "SC-1", at=9, lane="A", lines=[{"sku": "G1"}])
    world.set_mode(transfers_scheduled=True, transfers_at=("23:00",))
    world.arrive(*(one.received for one in world.shop.given.values()))
    world.arrive(world.change(moved, lane="A", payload={"outlet": "A"}))
    assert world.row("stock_count", "SC-1").state == State.HELD
    assert world.judge_all() == 0


def test_names_of_states_that_are_judged_and_done_do_not_overlap() -> None:
    assert not JUDGED & DONE
    assert {State.SENDING, State.UNKNOWN} | JUDGED | DONE | judging.BROKEN == set(State)
    assert OUT
    assert Shift("s", "r", START, None).closed_at is None
