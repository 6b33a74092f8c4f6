"""What each stage of matching decides, at its edges: one document against another, as a bookkeeper would judge it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from clientsync.errors import InvalidInput
from clientsync.reconcile.documents.frames import DOCUMENT_COLUMNS, MatchSettings, Tolerance, Wishes
from clientsync.reconcile.documents.matching import match_documents
from tests.support.documents import OTHER, SAME_PAN, document, frame, groups_of, pairs_of, row_of

USUAL = MatchSettings()


def matched(
    left: list[dict[str, Any]],
    right: list[dict[str, Any]],
    settings: MatchSettings = USUAL,
    wishes: Wishes | None = None,
) -> Any:
    return match_documents(frame(left), frame(right), settings, wishes or Wishes())


def status(left: dict[str, Any], right: dict[str, Any], settings: MatchSettings = USUAL) -> str:
    """Return the status of the pair, or ``apart``."""
    found = matched([left], [right], settings)
    return str(row_of(found, left["id"])["status"]) if pairs_of(found) else "apart"


def test_documents_equal_in_everything_are_exact() -> None:
    row = row_of(matched([document("a")], [document("b")]), "a")
    assert (row["status"], row["score"], row["differs"]) == ("exact", 100, "")


@pytest.mark.parametrize(
    ("books", "portal"),
    [
        ("inv/101", "INV/101"),
        ("INV / 101", "INV-101"),
        ("INV/0101", "INV/101"),
        ("INV/2026-27/101", "INV/101"),
        ("INV/26-27/101", "INV/101"),
        ("FY26-27/INV/101", "INV/101"),
    ],
)
def test_spelling_of_a_number_makes_a_suggestion_at_least(books: str, portal: str) -> None:
    assert status(document("a", books), document("b", portal)) in ("exact", "suggested")


def test_a_year_that_was_left_out_is_named_in_the_reason_and_tagged() -> None:
    row = row_of(matched([document("a", "INV/2026-27/101")], [document("b", "INV/101")]), "a")
    assert "year_token" in row["tags"]
    assert "2026-27" in row["reason"]


@pytest.mark.parametrize(
    ("books", "portal", "expected"),
    [
        ("AMC/24-25/1", "AMC/25-26/1", "mismatch"),
        ("AMC/2024-25/1", "AMC/25-2026/1", "mismatch"),
        ("FY24-25/AMC/1", "AMC/2025-2026/1", "mismatch"),
        ("AMC/24-25/1", "AMC/2024-25/1", "suggested"),
        ("AMC/24-2025/1", "AMC/2024-2025/1", "suggested"),
        ("AMC/24-25/1", "AMC/1", "suggested"),
        ("AMC/FY25/1", "AMC/24-25/1", "suggested"),
    ],
)
@pytest.mark.parametrize("day", ["2025-04-01", "2025-04-02"])
def test_numbers_of_two_years_are_two_numbers(books: str, portal: str, expected: str, day: str) -> None:
    left = document("a", books, document_on="2025-04-01")
    assert status(left, document("b", portal, document_on=day)) == expected


def test_the_same_number_of_two_years_is_held_once_each() -> None:
    twice = [document("a", "AMC/24-25/1"), document("b", "AMC/25-26/1")]
    assert groups_of(matched(twice, [])) == {
        ("missing_there", frozenset("a")),
        ("missing_there", frozenset("b")),
    }


@pytest.mark.parametrize(("apart", "expected"), [(100, "suggested"), (101, "mismatch")])
def test_an_amount_at_the_tolerance_agrees_and_one_paisa_beyond_it_does_not(
    apart: int, expected: str
) -> None:
    assert status(document("a"), document("b", taxable_paise=1_000_00 + apart)) == expected


def test_a_share_of_the_amount_may_be_the_tolerance() -> None:
    settings = replace(USUAL, taxable=Tolerance(0, 100), tax=Tolerance(0, 100))
    assert status(document("a"), document("b", taxable_paise=1_000_00 + 1_000), settings) == "suggested"
    assert status(document("a"), document("b", taxable_paise=1_000_00 + 1_011), settings) == "mismatch"


def test_taxes_under_other_heads_are_a_mismatch_that_names_the_heads() -> None:
    row = row_of(matched([document("a", igst_paise=18000, cgst_paise=0, sgst_paise=0)], [document("b")]), "a")
    assert (row["status"], row["differs"]) == ("mismatch", "igst,cgst,sgst")


def test_an_equal_number_with_other_amounts_is_the_same_document_within_the_year() -> None:
    row = row_of(matched([document("a")], [document("b", taxable=5_000_00)]), "a")
    assert row["status"] == "mismatch"
    assert "Rs 4,000.00 more on the portal" in row["reason"]


def test_an_equal_number_of_another_year_with_other_amounts_is_another_document() -> None:
    assert status(document("a"), document("b", taxable=5_000_00, document_on="2025-09-05")) == "apart"


def test_an_equal_number_and_amount_of_another_year_is_another_document() -> None:
    assert status(document("a"), document("b", document_on="2025-10-05")) == "apart"


@pytest.mark.parametrize(
    ("books", "portal"),
    [("445566", "445656"), ("445566", "44556"), ("445566", "4455667"), ("445566", "445576")],
)
def test_one_slip_in_a_number_with_equal_amounts_and_date_is_suggested(books: str, portal: str) -> None:
    row = row_of(matched([document("a", books)], [document("b", portal)]), "a")
    assert (row["status"], row["differs"]) == ("suggested", "document_number")


def test_short_numbers_are_never_compared_loosely() -> None:
    assert status(document("a", "12", taxable_paise=7_000_00), document("b", "9912")) == "apart"
    row = row_of(matched([document("a", "129")], [document("b", "128"), document("c", "77", 1_000_00)]), "a")
    assert row["status"] == "missing_there"


def test_a_prefix_more_or_less_is_suggested() -> None:
    assert status(document("a", "00457"), document("b", "KA/457")) == "suggested"


def test_the_next_number_with_the_same_amount_on_another_day_is_another_document() -> None:
    left = [
        document("a", "RENT/1041", document_on="2026-10-03"),
        document("x", "RENT/1040", document_on="2026-09-28"),
    ]
    right = [document("b", "RENT/1042", document_on="2026-10-08")]
    assert pairs_of(matched(left, right)) == set()


def test_lonely_equal_amounts_with_near_dates_are_a_mismatch_of_the_number() -> None:
    left = [document("a", "ABC/77", 7_654_32, document_on="2026-10-01")]
    right = [document("b", "Q-1903", 7_654_32, document_on="2026-10-11")]
    row = row_of(matched(left, right), "a")
    assert (row["status"], row["differs"]) == ("mismatch", "document_number,document_on")


def test_lonely_equal_amounts_a_day_too_far_stay_apart() -> None:
    left = document("a", "ABC/77", 7_654_32, document_on="2026-10-01")
    assert status(left, document("b", "Q-1903", 7_654_32, document_on="2026-10-12")) == "apart"


def test_equal_amounts_that_two_documents_have_prove_nothing() -> None:
    left = [document("a", "ABC/77", 7_654_32)]
    right = [document("b", "Q-1903", 7_654_32), document("c", "Z-55871", 7_654_32)]
    assert pairs_of(matched(left, right)) == set()


def test_the_best_assignment_wins_over_the_first_fit() -> None:
    left = [document("a1", "INV/5501", 1_000_00), document("a2", "INV/5510", 1_000_00)]
    right = [document("b1", "INV/5510", 1_000_00), document("b2", "INV/5511", 1_000_00)]
    assert frozenset({"a2", "b1"}) in pairs_of(matched(left, right))


def test_one_entry_of_the_books_may_be_several_documents_of_the_portal() -> None:
    left = [document("a", "INV/9", 3_000_00)]
    right = [document("b", "INV/9A", 1_000_00), document("c", "INV/9B", 2_000_00)]
    assert groups_of(matched(left, right)) == {("one_to_many", frozenset({"a", "b", "c"}))}


def test_several_entries_may_be_one_document_of_the_portal() -> None:
    left = [document("a", "INV/9", 1_000_00), document("b", "INV/9", 2_000_00)]
    assert groups_of(matched(left, [document("c", "INV/9", 3_000_00)])) == {
        ("one_to_many", frozenset({"a", "b", "c"}))
    }


def test_parts_that_add_up_in_the_taxable_value_alone_are_no_parts() -> None:
    right = [document("b", "X/9A", 1_000_00), document("c", "X/9B", 2_000_00, cgst_paise=0, sgst_paise=0)]
    assert pairs_of(matched([document("a", "INV/7788", 3_000_00)], right)) == set()


@pytest.mark.parametrize(("parts", "expected"), [(4, 1), (5, 0)])
def test_there_are_at_most_as_many_parts_as_the_setting_says(parts: int, expected: int) -> None:
    right = [document(f"b{n}", f"Q{n}/88", 1_000_00 + n * 1_00) for n in range(parts)]
    whole = sum(one["taxable_paise"] for one in right)
    left = document("a", "INV/7788", whole, cgst_paise=sum(one["cgst_paise"] for one in right))
    left["sgst_paise"] = left["cgst_paise"]
    assert len(pairs_of(matched([left], right))) == expected


def test_two_sets_of_parts_that_fit_equally_well_are_not_taken() -> None:
    right = [document(f"b{n}", f"Q{n}/88", 1_500_00 + step) for n, step in enumerate((0, 0, 10_00, -10_00))]
    for one in right:
        one["cgst_paise"] = one["sgst_paise"] = 135_00
    left = document("a", "INV/7788", 3_000_00, cgst_paise=270_00, sgst_paise=270_00)
    assert pairs_of(matched([left], right)) == set()


def test_an_amendment_takes_the_place_of_the_original() -> None:
    right = [
        document("b", "INV/101"),
        document("c", "INV/101A", 2_000_00, period="112026", amends_number="INV/101", amends_on="2026-10-05"),
    ]
    found = matched([document("a", "INV/101A", 2_000_00)], right)
    assert groups_of(found) == {("amended", frozenset({"b"})), ("exact", frozenset({"a", "c"}))}
    assert set(row_of(found, "a")["tags"].split(",")) == {"late", "amends"}


def test_the_newest_of_several_amendments_counts() -> None:
    right = [
        document("b", "INV/101"),
        document("c", "INV/101", 2_000_00, period="112026", amends_number="INV/101", amends_on="2026-10-05"),
        document("d", "INV/101", 3_000_00, period="122026", amends_number="INV/101", amends_on="2026-10-05"),
    ]
    assert groups_of(matched([document("a", "INV/101", 3_000_00)], right)) == {
        ("amended", frozenset({"b"})),
        ("amended", frozenset({"c"})),
        ("exact", frozenset({"a", "d"})),
    }


def test_a_document_that_was_booked_twice_counts_once() -> None:
    found = matched([document("a1"), document("a2")], [document("b")])
    assert groups_of(found) == {("exact", frozenset({"a1", "b"})), ("duplicate", frozenset({"a2"}))}


def test_a_late_document_is_matched_and_tagged() -> None:
    found = matched([document("a")], [document("b", period="122026")])
    assert row_of(found, "a")["tags"] == "late"


def test_a_credit_note_is_never_an_invoice() -> None:
    note = document("b", "INV/101", -1_000_00, document_type="CN")
    assert status(document("a"), note) == "apart"


def test_a_debit_note_booked_as_an_invoice_is_a_mismatch_of_the_type() -> None:
    row = row_of(matched([document("a")], [document("b", document_type="DN")]), "a")
    assert (row["status"], row["differs"]) == ("mismatch", "document_type")


def test_another_registration_of_the_same_pan_is_never_better_than_a_mismatch() -> None:
    row = row_of(matched([document("a")], [document("b", party_gstin=SAME_PAN)]), "a")
    assert (row["status"], row["differs"]) == ("mismatch", "party_gstin")
    assert "other_registration" in row["tags"]


def test_another_supplier_is_never_the_same_document() -> None:
    assert status(document("a"), document("b", party_gstin=OTHER)) == "apart"


def test_another_client_is_never_the_same_document() -> None:
    assert status(document("a"), document("b", owner_gstin=SAME_PAN)) == "apart"


def test_a_document_alone_names_the_nearest_and_why_it_was_not_taken() -> None:
    found = matched([document("a", "INV/5501", 1_000_00)], [document("b", "ABC/1", 9_000_00)])
    nearest = found.candidates.set_index("id").loc["a"]
    assert nearest["candidate_id"] == "b"
    assert "Rs 8,000.00" in nearest["why_not"]


def test_a_link_of_a_person_stands_whatever_the_documents_say() -> None:
    wishes = Wishes(links=((("a",), ("b", "c")),))
    found = matched(
        [document("a")], [document("b", "Z", 5), document("c", "Y", 7), document("d")], wishes=wishes
    )
    assert groups_of(found) == {("linked", frozenset({"a", "b", "c"})), ("missing_here", frozenset({"d"}))}


def test_an_amendment_takes_the_place_of_its_original_in_a_link_too() -> None:
    right = [
        document("b", "Z/9", 5_00),
        document("c", "Z/9", 6_00, period="112026", amends_number="Z/9", amends_on="2026-10-05"),
    ]
    found = matched([document("a")], right, wishes=Wishes(links=((("a",), ("b",)),)))
    assert groups_of(found) == {("amended", frozenset({"b"})), ("linked", frozenset({"a", "c"}))}


def test_documents_that_a_person_parted_are_not_matched_again() -> None:
    found = matched([document("a")], [document("b")], wishes=Wishes(parted=frozenset({("a", "b")})))
    assert pairs_of(found) == set()


def test_wishes_about_documents_that_are_gone_change_nothing() -> None:
    wishes = Wishes(links=((("gone",), ("b",)),), parted=frozenset({("a", "gone")}))
    assert groups_of(matched([document("a")], [document("b")], wishes=wishes)) == {
        ("exact", frozenset({"a", "b"}))
    }


@pytest.mark.parametrize("sides", [([], []), ([document("a")], []), ([], [document("b")])])
def test_an_empty_side_leaves_the_other_alone(sides: tuple[list[Any], list[Any]]) -> None:
    found = matched(*sides)
    assert len(found.members) == len(sides[0]) + len(sides[1])
    assert pairs_of(found) == set()


def test_a_date_that_is_not_known_is_no_difference() -> None:
    assert status(document("a", document_on=None), document("b")) in ("exact", "suggested")


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput, match="party_gstin"):
        match_documents(frame([document("a")]).drop(columns=["party_gstin"]), frame([]))


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="more than once"):
        matched([document("a"), document("a")], [])


def test_amounts_that_are_no_whole_numbers_are_refused() -> None:
    broken = frame([document("a")]).astype({"igst_paise": "float64"})
    with pytest.raises(InvalidInput, match="igst_paise"):
        match_documents(broken, frame([]))


def test_a_frame_without_rows_has_the_promised_columns() -> None:
    nothing = pd.DataFrame(columns=list(DOCUMENT_COLUMNS))
    found = match_documents(nothing, nothing)
    assert len(found.groups) == len(found.members) == len(found.candidates) == 0
    assert "reason" in found.groups.columns
