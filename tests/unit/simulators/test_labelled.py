"""The labelled documents are coherent: what is called a pair is one, and every mishap is what its name says."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from simulators.gst.identifiers import is_valid_gstin
from simulators.gst.labelled import MISHAPS, SECOND_SHARE, UNFILED_SHARE, Labelled, labelled, unknowable
from simulators.gst.labelled_mishaps import FIELD_MISHAPS
from simulators.gst.labelled_world import LONGEST_NUMBER, Paper, year_of

DOCUMENTS = 6_000
DATA = {seed: labelled(seed, DOCUMENTS) for seed in (1, 2)}
BILL = Paper(
    "p1", "27ABCDE1234F1Z5", "29PQRST5678L1Z1", "INV", "S-101", date(2025, 10, 5), "102025", "27", 100_00,
    (18_00, 0, 0, 0),
)  # fmt: skip


@pytest.fixture(params=sorted(DATA))
def data(request: pytest.FixtureRequest) -> Labelled:
    return DATA[request.param]


def names(data: Labelled) -> dict[str, Paper]:
    return {one.name: one for one in (*data.books, *data.portal)}


def pairs(data: Labelled, *kinds: str) -> Iterator[tuple[Paper, Paper]]:
    """Give the pairs (books, portal) that met exactly these mishaps."""
    by_name = names(data)
    found = [pair for pair, met in data.pairs.items() if met == kinds]
    assert found, kinds
    for books, portal in found:
        yield by_name[books], by_name[portal]


def compared(paper: Paper) -> tuple[object, ...]:
    return (paper.owner, paper.party, paper.kind, paper.number, paper.day, paper.place, paper.amounts)


def test_the_same_seed_gives_the_same_documents_and_another_seed_others() -> None:
    assert labelled(1, 300) == labelled(1, 300)
    assert labelled(1, 300) != labelled(2, 300)


def test_every_name_in_the_truth_is_a_document_of_its_side_and_names_are_unique(data: Labelled) -> None:
    books, portal = {one.name for one in data.books}, {one.name for one in data.portal}
    assert len(books) == len(data.books)
    assert len(portal) == len(data.portal)
    for left, right in (*data.pairs, *data.either, *data.unknowable):
        assert left in books
        assert right in portal
    assert data.replaced <= portal
    assert set(data.either.values()) <= data.pairs.keys()


def test_every_gstin_has_a_right_check_character(data: Labelled) -> None:
    assert all(is_valid_gstin(one.owner) and is_valid_gstin(one.party) for one in (*data.books, *data.portal))


def test_a_true_pair_is_of_one_owner_one_pan_and_one_type(data: Labelled) -> None:
    by_name = names(data)
    for left, right in data.pairs:
        books, portal = by_name[left], by_name[right]
        assert (books.owner, books.party[2:12], books.kind) == (portal.owner, portal.party[2:12], portal.kind)


def test_only_split_documents_stand_in_more_than_one_pair(data: Labelled) -> None:
    seen: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for pair, kinds in data.pairs.items():
        for name in pair:
            seen[name].append(kinds)
    for met in seen.values():
        assert len(met) == 1 or (2 <= len(met) <= 4 and met[0][0].startswith("split_"))


def test_shares_are_those_of_the_table() -> None:
    many = labelled(3, 20_000)
    documents = 20_000 * (1 - UNFILED_SHARE)
    counted = Counter(kinds[0] for kinds in many.pairs.values())
    for name, share in MISHAPS:
        parts = 3 if name.startswith("split_") else 1  # two to four pairs each
        if name != "missing":
            assert counted[name] / parts / documents == pytest.approx(share, rel=0.25), name
    paired = {name for pair in (*many.pairs, *many.either) for name in pair} | many.replaced
    alone = Counter(name[0] for name in names(many) if name not in paired)
    half = dict(MISHAPS)["missing"] / 2
    assert alone["p"] / 20_000 == pytest.approx(half, rel=0.2)
    assert alone["b"] / 20_000 == pytest.approx(half + UNFILED_SHARE, rel=0.25)
    seconds = sum(len(kinds) == 2 for kinds in many.pairs.values())
    fields = sum(counted[name] for name in (*FIELD_MISHAPS, "late"))
    assert seconds / fields == pytest.approx(SECOND_SHARE, rel=0.25)


def test_without_a_mishap_both_sides_show_the_same(data: Labelled) -> None:
    assert all(compared(books) == compared(portal) for books, portal in pairs(data, "none"))


@pytest.mark.parametrize("kind", ["spelling", "year_token", "prefix", "typo"])
def test_a_mishap_of_the_number_changes_the_number_alone(data: Labelled, kind: str) -> None:
    for books, portal in pairs(data, kind):
        assert books.number != portal.number
        assert compared(replace(books, number=portal.number)) == compared(portal)


def test_rounding_changes_every_amount_by_a_rupee_at_most(data: Labelled) -> None:
    for books, portal in pairs(data, "rounding"):
        apart = [abs(a - b) for a, b in zip(books.amounts, portal.amounts, strict=True)]
        assert 0 < max(apart) <= 100


def test_swapped_taxes_keep_their_sum_under_other_heads(data: Labelled) -> None:
    for books, portal in pairs(data, "swapped"):
        assert sum(books.taxes) == sum(portal.taxes)
        assert bool(books.taxes[0]) != bool(portal.taxes[0])


def test_a_wrong_amount_differs_by_more_than_rounding(data: Labelled) -> None:
    for books, portal in pairs(data, "wrong_amount"):
        assert max(abs(a - b) for a, b in zip(books.amounts, portal.amounts, strict=True)) > 100


def test_near_dates_are_at_most_a_week_apart_and_far_ones_are_not_equal(data: Labelled) -> None:
    assert all(0 < abs((a.day - b.day).days) <= 7 for a, b in pairs(data, "near_date"))
    assert all(a.day != b.day for a, b in pairs(data, "far_date"))


def test_late_documents_are_shown_in_a_later_period_and_some_in_the_next_financial_year(
    data: Labelled,
) -> None:
    years = set()
    for books, portal in pairs(data, "late"):
        shown = date(int(portal.period[2:]), int(portal.period[:2]), 1)
        months = (shown.year - books.day.year) * 12 + shown.month - books.day.month
        assert 1 <= months <= 3
        years.add(year_of(shown) - year_of(books.day))
    assert years == {0, 1}


def test_an_amendment_names_its_original_which_the_portal_shows_too(data: Labelled) -> None:
    originals = {(one.owner, one.party, one.number, one.day) for one in data.portal}
    for _, portal in pairs(data, "amended"):
        assert (portal.owner, portal.party, portal.amends, portal.amends_day) in originals
    booked = Counter(books.number == portal.amends for books, portal in pairs(data, "amended"))
    assert booked[True]
    assert booked[False]


def test_the_wrong_registration_is_of_the_same_pan(data: Labelled) -> None:
    for books, portal in pairs(data, "other_gstin"):
        assert books.party != portal.party
        assert books.party[2:12] == portal.party[2:12]


@pytest.mark.parametrize(("kind", "whole"), [("split_there", 0), ("split_here", 1)])
def test_the_parts_of_a_split_document_add_up_to_the_paisa(data: Labelled, kind: str, whole: int) -> None:
    parts: dict[Paper, list[Paper]] = defaultdict(list)
    for pair in pairs(data, kind):
        parts[pair[whole]].append(pair[1 - whole])
    for one, several in parts.items():
        assert 2 <= len(several) <= 4
        assert tuple(map(sum, zip(*(part.amounts for part in several), strict=True))) == one.amounts


def test_the_portal_shows_only_numbers_that_it_would_take(data: Labelled) -> None:
    lettered = {
        right for (_, right), kinds in data.pairs.items() if kinds[0] in ("split_there", "amended")
    }  # a letter more is behind these
    for one in data.portal:
        assert len(one.number) <= LONGEST_NUMBER + (one.name in lettered), one.number


def test_credit_notes_are_negative_on_both_sides(data: Labelled) -> None:
    notes = [one for one in (*data.books, *data.portal) if one.kind == "CN"]
    assert notes
    assert all(one.taxable < 0 and max(one.taxes) <= 0 for one in notes)
    assert all(one.taxable > 0 for one in (*data.books, *data.portal) if one.kind == "INV")


def test_hard_cases_are_there_without_any_mishap(data: Labelled) -> None:
    portal = [one for one in data.portal if one.kind == "INV"]
    by_number = defaultdict(set)
    for one in portal:
        by_number[one.party, one.number].add((one.owner, year_of(one.day)))
    assert any(len({owner for owner, _ in uses}) > 1 for uses in by_number.values())
    assert any(len({year for _, year in uses}) > 1 for uses in by_number.values())
    rents = Counter((one.owner, one.party, one.taxable) for one in portal)
    assert max(rents.values()) >= 12
    assert any(one.number.isdigit() and len(one.number) < 3 for one in portal)
    pans = defaultdict(set)
    for one in portal:
        pans[one.owner, one.party[2:12], one.number].add(one.party)
    assert any(len(parties) > 1 for parties in pans.values())


def test_few_pairs_are_unknowable(data: Labelled) -> None:
    assert len(data.unknowable) < len(data.pairs) / 200


def test_a_pair_with_an_equally_near_double_that_is_missing_is_unknowable() -> None:
    """Of two equal bills of one day one is mistyped and the other not booked: the entry may be either."""
    books = replace(BILL, name="b1", number="S-10")
    double = replace(BILL, name="p2", number="S-102")
    data = Labelled([books], [BILL, double], {("b1", "p1"): ("typo",)})
    assert unknowable(data) == {("b1", "p1"), ("b1", "p2")}


def test_a_double_of_another_day_leaves_a_pair_knowable() -> None:
    books = replace(BILL, name="b1", number="S-10")
    double = replace(BILL, name="p2", number="S-102", day=date(2025, 11, 5))
    data = Labelled([books], [BILL, double], {("b1", "p1"): ("typo",)})
    assert unknowable(data) == set()


def test_two_missing_documents_that_are_alike_are_unknowable() -> None:
    data = Labelled([replace(BILL, name="b1", number="S-102")], [BILL], {})
    assert unknowable(data) == {("b1", "p1")}
