"""What is told of all documents of a batch together is what the rules tell one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from clientsync.exchange.applying import Known, _are_all_new, _can_take_effect
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.documents import Document
from clientsync.exchange.envelopes import Signer
from clientsync.exchange.nodes import Node
from connectors.retail.catalogue import catalogue

OFFICE = Node(create_engine("sqlite://"), HEAD_OFFICE, catalogue(), Signer.new())
TYPES = st.sampled_from(["bill", "customer", "item", "unheard of"])
OBJECTS = st.tuples(TYPES, st.sampled_from(["1", "2", "3"]))

NEEDED = OBJECTS | st.just(("item", "4\0"))


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Document], Known]:
    """Draw a batch and what is known; mostly such that little stands in its way."""
    documents = [
        Document(f"D{place}", "", kind, 1, "upsert", key, draw(st.integers(0, 2)), "", "{}", "", tuple(needs))
        for place, (kind, key, needs) in enumerate(
            draw(
                st.lists(st.tuples(TYPES, st.sampled_from("1234"), st.lists(NEEDED, max_size=2)), max_size=4)
            )
        )
    ]
    known = Known(
        marks={one.document_id: ("", True) for one in documents if draw(st.integers(0, 9)) == 0},
        versions=draw(st.dictionaries(OBJECTS, st.integers(1, 2), max_size=2)),
        own=draw(st.sets(OBJECTS, max_size=4)),
        removed=draw(st.sets(OBJECTS, max_size=1)),
        before={one.document_id: draw(st.sampled_from([0, 0, 0, 1])) for one in documents},
        others=draw(st.dictionaries(OBJECTS, st.just("S9"), max_size=1)),
    )
    return documents, known


@given(batches())
def test_a_batch_of_which_all_is_new_meets_no_rule(drawn: tuple[list[Document], Known]) -> None:
    documents, known = drawn
    if _are_all_new(OFFICE, documents, known):
        assert _can_take_effect(OFFICE, documents, known)


@given(st.lists(st.integers(1, 99), unique=True, min_size=1))
def test_first_bills_with_all_their_items_there_are_all_new(numbers: list[int]) -> None:
    documents = [
        Document(f"D{one}", "", "bill", 1, "upsert", str(one), 1, "", "{}", "", (("item", "I1"),))
        for one in numbers
    ]
    known = Known(own={("item", "I1")}, before={one.document_id: 0 for one in documents})
    assert _are_all_new(OFFICE, documents, known)
    known.own.clear()
    assert not _are_all_new(OFFICE, documents, known)
