"""What holds for every two lists of documents, however they look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from clientsync.reconcile.documents.frames import AMOUNTS, Matched, MatchSettings, Tolerance
from clientsync.reconcile.documents.matching import match_documents
from tests.support.documents import OTHER, OWNER, PARTY, SAME_PAN, document, frame, pairs_of

NUMBERS = (
    "INV/101",
    "INV/102",
    "INV-0101",
    "101",
    "INV/26-27/101",
    "5501",
    "5510",
    "KA/5501",
    "1",
    "12",
    "9912",
    "",
)
DAYS = ("2026-10-01", "2026-10-05", "2026-10-16", "2026-03-31", "2026-04-01", None)


def documents(prefix: str, *, amending: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    one: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "document_number": st.sampled_from(NUMBERS),
            "taxable": st.sampled_from((1_000_00, 1_000_60, 1_001_01, 2_000_00, 3_000_60, -1_000_00)),
            "document_on": st.sampled_from(DAYS),
            "party_gstin": st.sampled_from((PARTY, PARTY, SAME_PAN, OTHER, "")),
            "owner_gstin": st.sampled_from((OWNER, OWNER, OTHER)),
            "document_type": st.sampled_from(("INV", "INV", "CN", "DN", "BOE")),
            "period": st.sampled_from(("102026", "112026", "042026")),
            "amends_number": st.sampled_from(("", "", "INV/101")) if amending else st.just(""),
            "place_of_supply": st.sampled_from(("29", "27", "")),
        }
    )
    made = st.lists(one, max_size=9)
    return made.map(
        lambda rows: [
            document(f"{prefix}{n}", row.pop("document_number"), row.pop("taxable"), **row)
            for n, row in enumerate(dict(row) for row in rows)
        ]
    )


SIDES = (documents("l", amending=False), documents("r", amending=True))
PLAIN = (documents("l", amending=False), documents("r", amending=False))


def run(
    left: list[dict[str, Any]], right: list[dict[str, Any]], given_settings: MatchSettings | None = None
) -> Matched:
    return match_documents(frame(left), frame(right), given_settings or MatchSettings())


@settings(max_examples=120, deadline=None)
@given(*SIDES)
def test_every_document_is_in_one_group_and_the_amounts_add_up(left: list[Any], right: list[Any]) -> None:
    found = run(left, right)
    assert sorted(zip(found.members["side"], found.members["id"], strict=True)) == sorted(
        [("left", one["id"]) for one in left] + [("right", one["id"]) for one in right]
    )
    assert set(found.members["group"]) == set(found.groups["group"])
    for side, rows in (("left", left), ("right", right)):
        assert found.groups[f"{side}_count"].sum() == len(rows)
        for name in AMOUNTS:
            assert found.groups[f"{side}_{name}"].sum() == sum(one[name] for one in rows)


@settings(max_examples=80, deadline=None)
@given(*SIDES, st.randoms(use_true_random=False))
def test_the_order_of_the_documents_changes_nothing(left: list[Any], right: list[Any], random: Any) -> None:
    before = run(left, right)
    shuffled = [list(left), list(right)]
    for side in shuffled:
        random.shuffle(side)
    after = run(shuffled[0], shuffled[1])
    for name in ("groups", "members", "candidates"):
        assert_frame_equal(getattr(before, name), getattr(after, name))


@settings(max_examples=80, deadline=None)
@given(*PLAIN)
def test_the_pairs_are_the_same_seen_from_either_side(left: list[Any], right: list[Any]) -> None:
    assert pairs_of(run(left, right)) == pairs_of(run(right, left))


@settings(max_examples=60, deadline=None)
@given(*SIDES)
def test_matching_what_was_matched_gives_the_same_pairs(left: list[Any], right: list[Any]) -> None:
    found = run(left, right)
    pairs = pairs_of(found)
    kept = {name for pair in pairs for name in pair}
    again = run([one for one in left if one["id"] in kept], [one for one in right if one["id"] in kept])
    assert pairs_of(again) == pairs


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 500))
def test_a_larger_tolerance_never_makes_a_pair_worse(apart: int, tolerance: int, more: int) -> None:
    """For two documents with one number: what agreed still agrees, and they never come apart."""
    left, right = [document("l")], [document("r", taxable_paise=1_000_00 + apart)]
    order = ["missing_there", "mismatch", "suggested", "exact"]
    ranks = []
    for paise in (tolerance, tolerance + more):
        own = replace(MatchSettings(), taxable=Tolerance(paise), tax=Tolerance(paise))
        found = run(left, right, own)
        ranks.append(order.index(found.groups["status"].iloc[0]))
    assert ranks[0] <= ranks[1]


@settings(max_examples=60, deadline=None)
@given(*SIDES)
def test_scores_and_reasons_stand_on_every_row(left: list[Any], right: list[Any]) -> None:
    groups: pd.DataFrame = run(left, right).groups
    both = (groups["left_count"] > 0) & (groups["right_count"] > 0)
    assert groups.loc[both, "score"].between(1, 100).all()
    assert (groups.loc[~both, "score"] == 0).all()
    assert groups["reason"].str.endswith(".").all()
    assert not groups["reason"].str.contains(OWNER[2:12]).any()


@settings(max_examples=60, deadline=None)
@given(*SIDES)
def test_nothing_is_matched_across_owners_or_pans(left: list[Any], right: list[Any]) -> None:
    by_id = {one["id"]: one for one in [*left, *right]}
    for pair in pairs_of(run(left, right)):
        assert len({by_id[name]["owner_gstin"] for name in pair}) == 1
        assert len({by_id[name]["party_gstin"][2:12] for name in pair}) == 1
