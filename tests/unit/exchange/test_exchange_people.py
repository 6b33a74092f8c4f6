"""Rights of persons, numbers that are missing, and what waits, in rupees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from clientsync.errors import InvalidInput, NotAllowed
from clientsync.exchange import operators
from clientsync.exchange import tables as t
from clientsync.exchange.board import freshness, missing_numbers
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.lists import Unanswered, audit, sent, unanswered
from clientsync.exchange.operators import ADMINISTRATOR, DATA_EXCHANGE
from clientsync.exchange.series import Gap, gaps_in, own_gaps
from clientsync.logins import person
from tests.support.exchange_world import World


def test_who_sets_a_node_up_is_its_first_administrator_and_the_last_one_stays(world: World) -> None:
    node = world.nodes["S1"]
    with pytest.raises(NotAllowed, match="setup again"):
        operators.require(node.engine, DATA_EXCHANGE)
    assert operators.give_first(node.engine) == [DATA_EXCHANGE, ADMINISTRATOR]
    assert operators.give_first(node.engine) == []
    me = operators.require(node.engine, ADMINISTRATOR)
    with pytest.raises(InvalidInput, match="last administrator"):
        operators.take_away(node.engine, me, ADMINISTRATOR, actor=me)
    operators.give(node.engine, "asha", ADMINISTRATOR, actor=me)
    operators.take_away(node.engine, me, ADMINISTRATOR, actor="asha")
    with pytest.raises(NotAllowed, match="Administrators: asha"):
        operators.require(node.engine, ADMINISTRATOR)
    assert [(row["who"], row["what"], row["of"]) for row in audit(node)][:2] == [
        ("asha", "take away administrator", me),
        (me, "give administrator", "asha"),
    ]


def test_no_variable_makes_a_person_another_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    me = person()
    for name in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert person() == me


@pytest.mark.parametrize(("who", "right"), [("asha", "everything"), ("nobody", DATA_EXCHANGE)])
def test_a_right_that_does_not_exist_or_is_not_held_is_refused(world: World, who: str, right: str) -> None:
    node = world.nodes["S1"]
    with pytest.raises(InvalidInput):
        if right == "everything":
            operators.give(node.engine, who, right, actor="x")
        else:
            operators.take_away(node.engine, who, right, actor="x")


def test_gaps_are_told_by_series_with_their_leading_zeros() -> None:
    numbers = ["A-008", "A-010", "A-013", "B/1", "B/2", "note", "C9", "C11"]
    assert gaps_in(numbers) == [
        Gap("A-009", "A-009", 1),
        Gap("A-011", "A-012", 2),
        Gap("C10", "C10", 1),
    ]


@given(st.sets(st.integers(0, 300), min_size=2), st.integers(1, 5))
def test_numbers_that_are_there_and_those_that_are_missing_make_the_series_whole(
    there: set[int], width: int
) -> None:
    gaps = gaps_in(f"X{one:0{width}d}" for one in there)
    missing = {
        number for one in gaps for number in range(int(one.first.strip("X")), int(one.last.strip("X")) + 1)
    }
    assert missing == set(range(min(there), max(there) + 1)) - there
    assert sum(one.count for one in gaps) == len(missing)


def test_a_missing_bill_is_told_with_whether_its_store_ever_wrote_it(world: World) -> None:
    for number in (1, 2, 4, 5):
        world.bill("S1", f"S1-{number}")
    world.rounds(2)
    (gap,) = missing_numbers(world.nodes[HEAD_OFFICE], world.mailbox)
    assert (gap["from"], gap["count"], gap["why"]) == ("S1-3", 1, "S1 never wrote it")
    with world.nodes[HEAD_OFFICE].engine.begin() as connection:
        connection.execute(t.applied.delete().where(t.applied.c.key == "S1-2"))
    (gap,) = missing_numbers(world.nodes[HEAD_OFFICE], world.mailbox)
    assert (gap["from"], gap["to"], gap["count"]) == ("S1-2", "S1-3", 2)
    assert "did not say" in gap["why"]


def test_a_held_bill_is_no_missing_number(world: World) -> None:
    world.bill("S1", "S1-1")
    world.bill("S1", "S1-2", "I9")
    world.bill("S1", "S1-3")
    world.rounds(2)
    assert missing_numbers(world.nodes[HEAD_OFFICE], world.mailbox) == []


def test_a_bill_that_is_held_since_long_makes_no_gap_up_to_the_numbers_of_today(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, item in (("S1-01", "I9"), ("S1-02", "I1"), ("S1-05", "I1")):
        world.bill("S1", number, item, on_day="2026-10-01")
    world.bill("S1", "S1-06")
    world.rounds(2)
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-27T10:00:00+00:00")
    assert missing_numbers(world.nodes[HEAD_OFFICE], world.mailbox) == []


def test_what_waits_is_told_in_minutes_and_rupees(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-27T10:00:00+05:30")
    world.bill("S1", "S1-1", net=7_421_000)
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-27T10:20:00+05:30")
    world.sync("S1")
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-27T10:47:00+05:30")
    row = next(one for one in freshness(world.nodes[HEAD_OFFICE], world.mailbox) if one["store"] == "S1")
    assert (row["waiting"], row["oldest, minutes"], row["value, rupees"]) == (1, 47, "83,115.20")
    world.rounds(2)
    assert unanswered(world.nodes["S1"]).number == 0
    row = next(one for one in freshness(world.nodes[HEAD_OFFICE], world.mailbox) if one["store"] == "S1")
    assert (row["waiting"], row["oldest, minutes"], row["value, rupees"]) == (0, "", "0.00")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["A", "B-", "", "C\0"]), st.integers(0, 30), st.integers(1, 3), st.integers(1, 2)
        ),
        max_size=12,
    ),
    st.lists(st.sampled_from(["x", "A", "note "]), max_size=2),
)
def test_gaps_found_by_the_database_are_those_found_number_by_number(
    written: list[tuple[str, int, int, int]], others: list[str]
) -> None:
    documents = {(f"{prefix}{number:0{width}d}", version) for prefix, number, width, version in written}
    documents |= {(one, 1) for one in others}
    engine = create_engine("sqlite://")
    t.document.create(engine)
    with engine.begin() as connection:
        for key, version in sorted(documents):
            connection.execute(
                t.document.insert().values(
                    document_id=f"{key} {version}", doc_type="bill", key=key, version=version,
                    business_date="9999-01-01",
                )
            )  # fmt: skip
        assert own_gaps(connection, "bill") == gaps_in(key for key, _ in documents)
    engine.dispose()


def test_what_waits_is_counted_and_valued_whatever_became_of_its_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.nodes["S1"]
    for minute, (number, item) in enumerate([("S1-1", "I1"), ("S1-2", "I9"), ("S1-3", "I1")]):
        monkeypatch.setenv("CLIENTSYNC_NOW", f"2026-11-27T10:0{minute}:00+00:00")
        world.bill("S1", number, item, net=1000 * (minute + 1))
    first, second = "2026-11-27T10:00:00.000+00:00", "2026-11-27T10:01:00.000+00:00"
    assert unanswered(store) == Unanswered(3, first, 6720)
    world.sync("S1")
    assert unanswered(store) == Unanswered(3, first, 6720)
    world.rounds(2)
    assert {one["key"]: one["status"] for one in sent(store)} == {
        "S1-1": "PROCESSED", "S1-2": "ERROR", "S1-3": "PROCESSED"
    }  # fmt: skip
    assert unanswered(store) == Unanswered(1, second, 2240)
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-27T10:05:00+00:00")
    world.bill("S1", "S1-4", net=100)
    assert unanswered(store) == Unanswered(2, second, 2352)
    world.item("I9")
    world.rounds(3)
    assert unanswered(store) == Unanswered(0, "", 0)
    assert {one["status"] for one in sent(store)} == {"PROCESSED"}
