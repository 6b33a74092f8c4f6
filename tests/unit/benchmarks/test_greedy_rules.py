"""The baseline follows its eleven rules in order; the first fit wins and each document is used once."""

from dataclasses import replace
from datetime import date

import pytest

from benchmarks.greedy import clean, greedy
from simulators.gst.labelled import Labelled
from simulators.gst.labelled_world import Paper

BILL = Paper(
    "p1", "27ABCDE1234F1Z5", "29PQRST5678L1Z1", "INV", "SUP/0101", date(2025, 10, 20), "102025", "27", 100_000_00,
    (18_000_00, 0, 0, 0),
)  # fmt: skip
BOOKED = replace(BILL, name="b1")
OTHER_REGISTRATION = "33PQRST5678L1Z2"
ELSEWHERE = replace(BOOKED, party=OTHER_REGISTRATION)
AT_HOME = (0, 9_000_00, 9_000_00, 0)


def found(*papers: Paper) -> dict[tuple[str, str], int]:
    """Run the rules over documents whose names begin with b (books) or p (portal)."""
    books = [one for one in papers if one.name.startswith("b")]
    return greedy(Labelled(books, [one for one in papers if one.name.startswith("p")]))


@pytest.mark.parametrize(
    ("rule", "booked"),
    [
        (1, BOOKED),
        (2, replace(BOOKED, number="INV/SUP/0101")),
        (3, replace(BOOKED, taxable=BILL.taxable + 100)),
        (4, replace(BOOKED, number="SUP/0101A", taxable=BILL.taxable + 100)),
        (5, replace(BOOKED, taxable=1, day=date(2026, 3, 20))),
        (6, replace(BOOKED, number="SUP0101", taxable=1)),
        (7, replace(BOOKED, number="X9", day=date(2025, 10, 30))),
        (8, replace(ELSEWHERE, taxes=AT_HOME, day=date(2026, 3, 20))),
        (9, replace(ELSEWHERE, number="INV/SUP/0101", taxes=AT_HOME)),
        (10, replace(ELSEWHERE, number="SUP0101", taxable=1)),
        (11, replace(ELSEWHERE, number="X9", taxes=AT_HOME)),
    ],
)
def test_each_rule_takes_what_the_rules_before_it_leave(rule: int, booked: Paper) -> None:
    assert found(booked, BILL) == {("b1", "p1"): rule}


@pytest.mark.parametrize(
    "booked",
    [
        replace(BOOKED, day=date(2026, 4, 1)),
        replace(BOOKED, owner="27ABCDE1234F2Z4"),
        replace(BOOKED, kind="CN"),
        replace(BOOKED, number="X9", day=date(2025, 10, 31)),
        replace(BOOKED, number="X9", taxable=BILL.taxable + 101),
        replace(BOOKED, number="X9", place="29"),
        replace(BOOKED, number="X9", reverse="Y"),
        replace(ELSEWHERE, number="X9", taxable=1),
        replace(BOOKED, party="29ZZZZZ5678L1Z1"),
    ],
    ids=["next year", "owner", "type", "eleven days", "over a rupee", "place", "reverse", "other", "pan"],
)
def test_what_no_rule_covers_stays_alone(booked: Paper) -> None:
    assert found(booked, BILL) == {}


def test_an_earlier_rule_comes_first_for_all_documents() -> None:
    loose = replace(BOOKED, name="b0", number="SUP0101")
    assert found(loose, BOOKED, BILL) == {("b1", "p1"): 1}


def test_within_a_rule_the_first_document_wins() -> None:
    twins = [replace(BILL, name=name, taxable=BILL.taxable + 50) for name in ("p1", "p2")]
    assert found(BOOKED, *twins) == {("b1", "p1"): 3}


def test_a_document_is_used_once() -> None:
    assert len(found(BOOKED, replace(BOOKED, name="b2"), BILL)) == 1


def test_a_part_of_a_number_is_enough_for_a_loose_number() -> None:
    """The weak spot that the baseline is known for: 12 is inside 9912."""
    short, long = replace(BOOKED, number="12", taxable=1), replace(BILL, number="9912")
    assert found(short, long) == {("b1", "p1"): 6}


def test_an_original_gives_way_to_its_amendment() -> None:
    amendment = replace(BILL, name="p2", amends=BILL.number, amends_day=BILL.day, taxable=90_000_00)
    assert found(BOOKED, BILL, amendment) == {("b1", "p2"): 5}


def test_an_amendment_of_another_year_leaves_the_document_alone() -> None:
    amendment = replace(BILL, name="p2", number="X9", amends=BILL.number, amends_day=date(2024, 10, 20))
    assert found(BOOKED, BILL, amendment) == {("b1", "p1"): 1}


@pytest.mark.parametrize(
    ("number", "cleaned"),
    [
        ("INV/2024-25/007", "INV 007"),
        ("24-25/INV-7", "INV 7"),
        ("2024/25/0012", "12"),
        ("0007", "7"),
        ("A--B//1", "A B 1"),
        ("124-250", "124 250"),
    ],
)
def test_cleaning_leaves_years_separators_and_leading_zeros_out(number: str, cleaned: str) -> None:
    assert clean(number) == cleaned
