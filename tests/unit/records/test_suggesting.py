"""Which records are suggested as partners, and which never are."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clientsync.records.entities import CUSTOMERS, EMPLOYEES
from clientsync.records.planning import Record, hash_of
from clientsync.records.suggesting import Suggestion, name_form, suggest


def records(side: str, *rows: dict[str, str], entity: object = CUSTOMERS) -> dict[str, Record]:
    found = {}
    for number, row in enumerate(rows, start=1):
        values = CUSTOMERS.canonical(row, "IN") if entity is CUSTOMERS else EMPLOYEES.canonical(row, "IN")
        found[f"{side}{number}"] = Record(f"{side}{number}", values, hash_of(values))
    return found


def one(a: dict[str, str], b: dict[str, str]) -> Suggestion | None:
    found = suggest(CUSTOMERS, records("a", a), records("b", b))
    return found[0] if found else None


@pytest.mark.parametrize(
    ("a", "b", "level"),
    [
        ({"name": "Asha Traders", "tax_id": "27AAA"}, {"name": "Asha Trader", "tax_id": "27AAA"}, "sure"),
        ({"name": "Asha Traders", "number": "007"}, {"name": "Asha Traders Ltd", "number": "7"}, "sure"),
        (
            {"name": "Budi Santoso", "phone": "98200 12345"},
            {"name": "Budi Santosa", "phone": "+919820012345"},
            "sure",
        ),
        ({"name": "Budi Santoso"}, {"name": "Budi Santosa"}, "likely"),
        ({"name": "Søren Ærø ApS"}, {"name": "Soeren Aeroe"}, "likely"),
        (
            {"name": "Anna Maria Nielsen", "city": "Pune"},
            {"name": "Anna Nielsen", "city": "Pune"},
            "possible",
        ),
        ({"name": "Asha Traders", "email": "x@y.in"}, {"name": "Quick Foods", "email": "X@Y.in"}, "possible"),
        ({"name": "Toko Makmur 1"}, {"name": "Toko Makmur 2"}, None),
        (
            {"name": "Toko Makmur 1/2", "email": "x@y.in"},
            {"name": "Toko Makmur 12", "email": "x@y.in"},
            "possible",
        ),
        ({"name": "Asha Traders"}, {"name": "Quick Foods"}, None),
        ({"name": "Asha Traders", "tax_id": "27AAA"}, {"name": "Asha Traders", "tax_id": "27BBB"}, None),
    ],
)
def test_a_pair_is_suggested_as_surely_as_its_reasons_allow(
    a: dict[str, str], b: dict[str, str], level: str | None
) -> None:
    found = one(a, b)
    assert (found.level if found else None) == level


def test_a_name_alone_is_never_sure_and_a_differing_digit_never_either() -> None:
    found = one({"name": "Toko Makmur 1", "email": "a@b.in"}, {"name": "Toko Makmur 2", "email": "a@b.in"})
    assert found is not None
    assert found.level == "possible"
    assert "the digits in the names differ" in found.reasons
    assert one({"name": "Asha Traders"}, {"name": "Asha Traders"}).level == "likely"  # type: ignore[union-attr]


def test_a_mailbox_that_many_share_identifies_nobody() -> None:
    names = ["Asha", "Bela", "Chitra", "Devi"]
    a = records("a", *({"name": f"{name} Traders", "email": "office@x.in"} for name in names))
    b = records("b", {"name": "Gita Foods", "email": "office@x.in"})
    assert suggest(CUSTOMERS, a, b) == []


def test_a_mailbox_that_linked_records_share_identifies_nobody_who_is_left() -> None:
    names = ["Ravi Kumar", "Ravi Kumari", "Ravi Kumaran"]
    every = records("a", *({"name": name, "email": "office@x.in"} for name in names))
    b = records("b", {"name": "Ravi Kumar Jain", "email": "office@x.in"})
    left = {"a3": every["a3"]}
    assert suggest(CUSTOMERS, left, b)[0].level == "sure"
    assert [one.level for one in suggest(CUSTOMERS, left, b, all_a=every, all_b=b)] in ([], ["possible"])


def test_two_partners_that_are_equally_sure_are_only_possible_and_say_so() -> None:
    a = records("a", {"name": "Asha Patel", "phone": "+919820012345", "email": "a@x.in"})
    b = records(
        "b", {"name": "Asha Patel", "email": "a@x.in"}, {"name": "Asha Patel", "phone": "98200 12345"}
    )
    for found in (suggest(CUSTOMERS, a, b), suggest(CUSTOMERS, b, a)):
        assert [one.level for one in found] == ["possible"]
        assert "another one is as sure" in found[0].reasons


def test_two_that_are_almost_equally_like_are_only_possible_and_say_so() -> None:
    a = records("a", {"name": "Jens Hansen"}, {"name": "Jens Hansenn"})
    b = records("b", {"name": "Jens Hansen"})
    (found,) = suggest(CUSTOMERS, a, b)
    assert (found.a, found.level) == ("a1", "possible")
    assert "another one is almost as like" in found.reasons


def test_a_pair_that_was_refused_never_returns() -> None:
    a, b = records("a", {"name": "Asha", "number": "1"}), records("b", {"name": "Asha", "number": "1"})
    assert suggest(CUSTOMERS, a, b)
    assert suggest(CUSTOMERS, a, b, {("a1", "b1")}) == []


def test_a_birth_date_that_differs_speaks_against_an_employee() -> None:
    a = records("a", {"name": "Asha K", "email": "a@x.in", "birth_date": "1990-01-02"}, entity=EMPLOYEES)
    b = records("b", {"name": "Asha K", "email": "a@x.in", "birth_date": "02/01/1991"}, entity=EMPLOYEES)
    (found,) = suggest(EMPLOYEES, a, b)
    assert found.level == "possible"
    assert "Date of birth differs" in found.reasons


@given(
    st.lists(
        st.tuples(st.sampled_from(["Asha", "Asha K", "Bela", "Toko 1", "Toko 2"]), st.integers(0, 5)),
        max_size=8,
    ),
    st.lists(
        st.tuples(st.sampled_from(["Asha", "Asha K", "Bela", "Toko 1", "Toko 2"]), st.integers(0, 5)),
        max_size=8,
    ),
)
def test_a_record_stands_in_one_suggestion_at_most_and_swapping_the_sides_mirrors_the_sure_ones(
    left: list[tuple[str, int]], right: list[tuple[str, int]]
) -> None:
    a = records("a", *({"name": name, "number": str(number) if number else ""} for name, number in left))
    b = records("b", *({"name": name, "number": str(number) if number else ""} for name, number in right))
    found = suggest(CUSTOMERS, a, b)
    assert len({one.a for one in found}) == len({one.b for one in found}) == len(found)
    mirrored = suggest(CUSTOMERS, b, a)
    assert {(one.a, one.b) for one in found if one.level == "sure"} == {
        (one.b, one.a) for one in mirrored if one.level == "sure"
    }


@given(st.text(max_size=30))
@example("𝖠")
def test_the_form_of_a_name_is_that_of_itself(text: str) -> None:
    assert name_form(name_form(text)) == name_form(text)
