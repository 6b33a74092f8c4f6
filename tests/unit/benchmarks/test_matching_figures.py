"""What the benchmark of matching counts: precision, recall and recall by mishap."""

from dataclasses import replace
from datetime import date

from benchmarks.greedy import greedy
from benchmarks.matching import frame_of, pairs_of, quality, without_splits
from clientsync.reconcile.documents.frames import AMOUNTS, DOCUMENT_COLUMNS
from clientsync.reconcile.documents.matching import match_documents
from simulators.gst.labelled import Labelled, labelled
from simulators.gst.labelled_world import Paper

BILL = Paper(
    "p1", "27ABCDE1234F1Z5", "29PQRST5678L1Z1", "INV", "SUP/0101", date(2025, 10, 20), "102025", "27", 100_000_00,
    (18_000_00, 0, 0, 0),
)  # fmt: skip
TRUTH = Labelled(
    pairs={("b1", "p1"): ("none",), ("b2", "p2"): ("typo", "late"), ("b3", "p3"): ("typo",)},
    either={("b4", "p1"): ("b1", "p1")},
)


def test_precision_and_recall_are_shares_of_pairs() -> None:
    precision, recall, kinds = quality([("b1", "p1"), ("b2", "p3")], TRUTH)
    assert precision == 50
    assert round(recall, 2) == 33.33
    assert kinds == {"none": (1, 1), "typo": (0, 2), "late": (0, 1)}


def test_the_second_entry_of_a_duplicate_stands_for_the_first() -> None:
    assert quality([("b4", "p1")], TRUTH)[0] == 100


def test_what_nobody_could_know_counts_neither_way() -> None:
    truth = replace(TRUTH, unknowable={("b2", "p2"), ("b9", "p9")})
    precision, recall, kinds = quality([("b1", "p1"), ("b9", "p9"), ("b3", "p3")], truth)
    assert (precision, recall) == (100, 100)
    assert "late" not in kinds


def test_finding_nothing_is_precise_and_recalls_nothing() -> None:
    assert quality([], TRUTH)[:2] == (100, 0)


def test_recall_without_splits_asks_for_the_other_pairs_alone() -> None:
    truth = replace(
        TRUTH, pairs={**TRUTH.pairs, ("b5", "p5"): ("split_there",), ("b5", "p6"): ("split_there",)}
    )
    assert without_splits(truth).pairs == TRUTH.pairs


def test_papers_become_a_frame_of_the_contract() -> None:
    frame = frame_of([replace(BILL, amends="SUP/0100", amends_day=date(2025, 9, 1)), BILL])
    assert list(frame.columns) == list(DOCUMENT_COLUMNS)
    assert frame[list(AMOUNTS)].dtypes.map(str).unique().tolist() == ["int64"]
    assert str(frame["document_on"].dtype) == str(frame["amends_on"].dtype) == "datetime64[s]"
    assert frame["amends_on"].isna().tolist() == [False, True]


def test_every_cross_pair_of_a_group_counts_and_duplicates_do_not() -> None:
    whole = replace(BILL, name="b1")
    halves = [
        replace(BILL, name=name, taxable=50_000_00, taxes=(9_000_00, 0, 0, 0), number=f"SUP/0101{letter}")
        for name, letter in (("p1", "A"), ("p2", "B"))
    ]
    single = replace(BILL, name="b2", number="SUP/0777")
    again = replace(single, name="b3")
    found = pairs_of(
        match_documents(frame_of([whole, single, again]), frame_of([*halves, replace(single, name="p3")]))
    )
    assert found - {("b2", "p3"), ("b3", "p3")} == {("b1", "p1"), ("b1", "p2")}
    assert len(found & {("b2", "p3"), ("b3", "p3")}) == 1


def test_the_matching_is_righter_than_the_greedy_rules() -> None:
    data = labelled(5, 3_000)
    ours = quality(pairs_of(match_documents(frame_of(data.books), frame_of(data.portal))), data)
    base = quality(greedy(data), data)
    assert ours[0] >= max(99.5, base[0])
    assert ours[1] >= max(98, base[1] + 3)
