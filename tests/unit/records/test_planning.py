"""The plan is pure: the same records and pairs make the same plan in whatever order they come."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from clientsync.records.entities import CUSTOMERS, Entity, FieldRule
from clientsync.records.planning import FieldState, Link, Listing, Record, decided, hash_of, plan

VALUES = st.fixed_dictionaries(
    {
        "number": st.sampled_from(["1", "2", "3", ""]),
        "name": st.sampled_from(["A", "B"]),
        "city": st.sampled_from(["", "X", "Y"]),
    }
)
ROWS = st.lists(VALUES, max_size=6)


def listing(side: str, rows: list[dict[str, str]], order: random.Random | None = None) -> Listing:
    found = [(f"{side}{number}", row) for number, row in enumerate(rows)]
    if order is not None:
        order.shuffle(found)
    return Listing({ext_id: Record(ext_id, row, hash_of(row)) for ext_id, row in found})


@given(ROWS, ROWS, st.integers(0, 6), st.randoms())
def test_the_order_of_records_and_pairs_does_not_change_the_plan(
    left: list[dict[str, str]], right: list[dict[str, str]], number: int, order: random.Random
) -> None:
    links = [
        Link(one + 1, f"a{one}", f"b{one}", left[one] if one < len(left) else None, None)
        for one in range(number)
    ]
    shuffled = list(links)
    order.shuffle(shuffled)
    for policy in ("ask", "three_way"):
        first = plan(CUSTOMERS, listing("a", left), listing("b", right), links, policy=policy)
        second = plan(
            CUSTOMERS, listing("a", left, order), listing("b", right, order), shuffled, policy=policy
        )
        assert first == second


def test_another_value_makes_another_digest() -> None:
    one = plan(CUSTOMERS, listing("a", [{"name": "A"}]), listing("b", []), [], policy="ask")
    two = plan(CUSTOMERS, listing("a", [{"name": "B"}]), listing("b", []), [], policy="ask")
    assert one.hash != two.hash


def state(name: str, kind: str, a: str, b: str) -> FieldState:
    return FieldState(name, kind, a, b, "old", "old", kind[0] if kind.endswith("changed") else "")


def test_a_rule_decides_only_what_it_may_decide() -> None:
    cases = [
        (FieldRule("x", "X"), "a_changed", "new", "old", "three_way", "a"),
        (FieldRule("x", "X"), "a_changed", "new", "old", "ask", ""),
        (FieldRule("x", "X"), "a_changed", "", "old", "three_way", ""),
        (FieldRule("x", "X", blank_is_value=True), "a_changed", "", "old", "three_way", "a"),
        (FieldRule("x", "X"), "conflict", "one", "two", "three_way", ""),
        (FieldRule("x", "X", on_conflict="b"), "conflict", "one", "two", "three_way", "b"),
        (FieldRule("x", "X", on_conflict="b"), "conflict", "one", "two", "ask", ""),
        (FieldRule("x", "X", on_conflict="b_unless_blank"), "conflict", "one", "", "three_way", "a"),
        (FieldRule("x", "X", direction="a_to_b"), "b_changed", "old", "new", "ask", "a"),
    ]
    for rule, kind, a, b, policy, winner in cases:
        assert decided(rule, state("x", kind, a, b), policy) == winner, (rule, kind, policy)


def test_what_a_one_way_field_reverts_is_told() -> None:
    entity = Entity(
        "x", "X", (FieldRule("number", "No"), FieldRule("name", "Name", direction="a_to_b")), "number", "name"
    )
    base = {"number": "1", "name": "A"}
    a, b = listing("a", [base]), listing("b", [{"number": "1", "name": "changed"}])
    made = plan(entity, a, b, [Link(1, "a0", "b0", base, base)], policy="three_way")
    (row,) = made.rows
    assert (row.category, row.reason) == ("pending", "will be reverted: Name")
    assert made.writes[0].values == (("name", "A"),)


def test_what_would_flow_to_a_side_that_takes_no_changes_waits_with_its_reason() -> None:
    base = {"number": "1", "name": "A", "city": "X"}
    a, b = listing("a", [base]), listing("b", [{**base, "city": "Y"}])
    links = [Link(1, "a0", "b0", base, base)]
    assert len(plan(CUSTOMERS, a, b, links, policy="three_way").writes) == 1
    made = plan(CUSTOMERS, a, b, links, policy="three_way", updated=["b"])
    (row,) = made.rows
    assert (row.category, row.reason, made.writes) == ("conflict", "side a takes no changes: City", ())
    assert len(plan(CUSTOMERS, a, b, links, policy="three_way", updated=["a"]).writes) == 1
