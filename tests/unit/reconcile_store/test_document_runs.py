"""Runs over documents are stored so that each can be read back exactly, and what persons decide survives them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update

from clientsync.database import reading, writing
from clientsync.errors import InvalidInput, UnknownName
from clientsync.ledger.match_tables import ReconMatch, ReconRun
from clientsync.ledger.tables import SyncClient
from clientsync.reports.matches import read_document_states
from clientsync.sync.match_decisions import decide, read_decisions, revoke
from tests.support.document_runs import DAY, Desk, a_desk, paper

MATCH: Any = ReconMatch.__table__  # type: ignore[attr-defined]
RUN: Any = ReconRun.__table__  # type: ignore[attr-defined]
CLIENT: Any = SyncClient.__table__  # type: ignore[attr-defined]


@pytest.fixture
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A desk over SQLite; over PostgreSQL too in tests that say so."""
    kind = getattr(request, "param", "sqlite")
    with a_desk(str(request.getfixturevalue(f"{kind}_url"))) as made:
        yield made


on_both = pytest.mark.parametrize("desk", ["sqlite", "postgres"], indirect=True)


def stored(desk: Desk) -> int:
    with reading(desk.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(MATCH)).scalar_one())


@on_both
def test_a_run_that_finds_nothing_new_writes_no_group(desk: Desk) -> None:
    desk.left, desk.right = [paper("a"), paper("b", "X/1", 5)], [paper("p")]
    first = desk.run()
    again = desk.run(DAY + timedelta(days=1))
    assert (first.opened, again.opened, again.closed) == (2, 0, 0)
    assert stored(desk) == 2


def test_a_late_document_changes_what_stands_and_not_what_an_earlier_run_said(desk: Desk) -> None:
    desk.left = [paper("a")]
    before = desk.run()
    desk.right = [paper("p", period="112026")]
    after = desk.run(DAY + timedelta(days=30))
    assert [one.status for one in desk.lines(run_id=before.run_id)] == ["missing_there"]
    assert [one.status for one in desk.lines(run_id=after.run_id)] == ["exact"]
    assert desk.lines()[0].tags == ("late",)


@on_both
def test_what_changed_since_the_last_run_is_a_view(desk: Desk) -> None:
    desk.left = [paper("a")]
    desk.run()
    desk.right = [paper("p")]
    desk.run()
    with reading(desk.engine) as connection:
        rows = connection.execute(
            text("SELECT change, status FROM v_recon_match_changes ORDER BY change")
        ).all()
    assert [tuple(row) for row in rows] == [("came", "exact"), ("went", "missing_there")]


@on_both
def test_totals_of_a_run_are_those_of_its_documents(desk: Desk) -> None:
    desk.left = [paper("a"), paper("b", "X/1", 5_00)]
    desk.right = [paper("p", taxable=1_000_50)]
    desk.run()
    with reading(desk.engine) as connection:
        row = connection.execute(select(RUN).where(RUN.c.client_id == "C1")).mappings().one()
    assert (row["left_documents"], row["right_documents"]) == (2, 1)
    assert (row["left_taxable_paise"], row["right_taxable_paise"]) == (1_005_00, 1_000_50)


def test_a_run_for_an_earlier_day_stores_nothing(desk: Desk) -> None:
    desk.left = [paper("a")]
    desk.run()
    desk.right = [paper("p")]
    earlier = desk.run(DAY - timedelta(days=5))
    assert not earlier.is_stored
    assert [one.status for one in desk.lines()] == ["missing_there"]
    assert earlier.counts["exact"] == 1


def test_a_trial_stores_nothing_and_keeps_its_rows(desk: Desk) -> None:
    desk.left, desk.right = [paper("a")], [paper("p")]
    trial = desk.run(is_trial=True)
    assert stored(desk) == 0
    assert sum(len(rows) for rows in trial.rows) == 1


def test_a_client_whose_data_is_not_complete_is_never_clean(desk: Desk) -> None:
    desk.left, desk.right = [paper("a")], [paper("p")]
    desk.missing = {"C1": ("gstr2b 10/2026: never asked",)}
    desk.run()
    states = {one.client_id: one for one in read_document_states(desk.engine)}
    assert states["C1"].state == "incomplete"
    assert states["C1"].missing == ("gstr2b 10/2026: never asked",)


def test_equal_documents_of_complete_data_are_clean(desk: Desk) -> None:
    desk.left, desk.right, desk.left_out = [paper("a")], [paper("p")], {"C2": "no books"}
    assert desk.run().is_clean


def test_a_client_without_books_is_left_out_and_counted(desk: Desk) -> None:
    desk.left_out = {"C2": "no purchase register is imported"}
    assert desk.run().left_out == [("C2", "no purchase register is imported")]


def test_one_client_that_cannot_be_read_does_not_keep_the_other_from_its_answer(desk: Desk) -> None:
    desk.left, desk.right, desk.broken = [paper("a")], [paper("p")], frozenset({"C2"})
    run = desk.run()
    assert run.failed == [("C2", "its documents cannot be read")]
    assert [one.client_id for one in run.states] == ["C1"]


def test_a_document_of_a_month_without_statement_waits_for_nobody(desk: Desk) -> None:
    desk.left, desk.newest = [paper("a", period="112026")], "202610"
    desk.run()
    line = desk.lines()[0]
    assert (line.severity, line.tags) == ("info", ("not_yet",))
    assert "11/2026" in line.reason


def test_a_document_of_a_month_without_books_waits_for_nobody(desk: Desk) -> None:
    desk.right = [paper("p", period="092026")]
    desk.run()
    line = desk.lines()[0]
    assert (line.severity, line.tags) == ("info", ("no_books",))


def test_a_matched_document_without_credit_asks_for_a_person(desk: Desk) -> None:
    desk.left, desk.right = [paper("a")], [paper("p", mark="no_credit", note="credit not available")]
    desk.run()
    line = desk.lines()[0]
    assert (line.status, line.severity, line.remark) == ("exact", "warning", "credit not available")
    assert "Do not claim" in line.action


def test_a_client_may_have_its_own_tolerance(desk: Desk) -> None:
    desk.left, desk.right = [paper("a")], [paper("p", taxable_paise=1_005_00)]
    with writing(desk.engine) as connection:
        connection.execute(
            update(CLIENT).where(CLIENT.c.client_id == "C1").values(settings={"matching": {"paise": 500}})
        )
    desk.run()
    assert desk.lines()[0].status == "suggested"


def test_a_setting_that_does_not_exist_fails_its_client_and_names_those_that_do(desk: Desk) -> None:
    with writing(desk.engine) as connection:
        connection.execute(
            update(CLIENT).where(CLIENT.c.client_id == "C1").values(settings={"matching": {"rupees": 5}})
        )
    run = desk.run()
    assert run.failed[0][0] == "C1"
    assert "basis_points" in run.failed[0][1]


@on_both
def test_what_was_accepted_waits_no_more_until_its_values_change(desk: Desk) -> None:
    desk.left, desk.right = [paper("a")], [paper("p", taxable=2_000_00)]
    desk.run()
    decide(
        desk.engine,
        "C1",
        "2B-BOOKS",
        "accept",
        [desk.lines()[0].match_id],
        reason="agreed by phone",
        by="asha",
    )
    desk.run()
    assert (desk.lines()[0].decision, desk.lines()[0].needs_person) == ("accept", False)
    desk.run(DAY + timedelta(days=1))
    assert not desk.lines()[0].needs_person
    desk.right = [paper("p", taxable=3_000_00)]
    desk.run(DAY + timedelta(days=2))
    line = desk.lines()[0]
    assert (line.decision, line.needs_person) == ("", True)
    assert "the values have changed since" in line.decision_reason


def test_a_decision_that_is_taken_back_no_longer_counts_and_stays_in_the_list(desk: Desk) -> None:
    desk.left = [paper("a")]
    desk.run()
    (made,) = decide(
        desk.engine, "C1", "2B-BOOKS", "ignore", [desk.lines()[0].match_id[:8]], reason="private"
    )
    desk.run()
    assert not desk.lines()[0].needs_person
    revoke(desk.engine, made.decision_id, reason="it was not", by="ravi")
    desk.run()
    assert desk.lines()[0].needs_person
    assert read_decisions(desk.engine, "C1") == []
    kept = read_decisions(desk.engine, "C1", with_revoked=True)[0]
    assert (kept.kind, kept.revoked_by, kept.revoked_reason, kept.stands) == (
        "ignore",
        "ravi",
        "it was not",
        False,
    )


@on_both
def test_documents_linked_by_hand_stay_together_and_come_apart_when_it_is_taken_back(desk: Desk) -> None:
    desk.left, desk.right = [paper("a", "AA/77", 7_00)], [paper("p", "ZZ/99999", 999_00)]
    desk.run()
    ids = [one.match_id for one in desk.lines()]
    (made,) = decide(desk.engine, "C1", "2B-BOOKS", "link", ids, reason="one delivery")
    desk.run()
    (line,) = desk.lines()
    assert (line.status, line.decision, line.decision_reason) == ("linked", "link", "one delivery")
    revoke(desk.engine, made.decision_id)
    desk.run()
    assert len(desk.lines()) == 2


def test_documents_that_were_parted_are_not_matched_again(desk: Desk) -> None:
    desk.left, desk.right = [paper("a")], [paper("p")]
    desk.run()
    decide(desk.engine, "C1", "2B-BOOKS", "unlink", [desk.lines()[0].match_id], reason="another invoice")
    desk.run()
    assert {one.status for one in desk.lines()} == {"missing_there", "missing_here"}


def test_a_link_against_a_standing_decision_names_it(desk: Desk) -> None:
    desk.left, desk.right = [paper("a")], [paper("p")]
    desk.run()
    (made,) = decide(desk.engine, "C1", "2B-BOOKS", "unlink", [desk.lines()[0].match_id])
    desk.run()
    with pytest.raises(InvalidInput, match=made.decision_id):
        decide(desk.engine, "C1", "2B-BOOKS", "link", [one.match_id for one in desk.lines()])


@pytest.mark.parametrize(
    ("kind", "reason", "words"), [("ignore", " ", "reason"), ("approve", "x", "accept, ignore")]
)
def test_a_decision_that_cannot_be_is_refused_with_what_can(
    desk: Desk, kind: str, reason: str, words: str
) -> None:
    desk.left = [paper("a")]
    desk.run()
    with pytest.raises(InvalidInput, match=words):
        decide(desk.engine, "C1", "2B-BOOKS", kind, [desk.lines()[0].match_id], reason=reason)


def test_a_document_alone_cannot_be_parted(desk: Desk) -> None:
    desk.left = [paper("a")]
    desk.run()
    with pytest.raises(InvalidInput, match="stands alone"):
        decide(desk.engine, "C1", "2B-BOOKS", "unlink", [desk.lines()[0].match_id])


def test_a_group_that_does_not_stand_is_unknown(desk: Desk) -> None:
    desk.run()
    with pytest.raises(UnknownName):
        decide(desk.engine, "C1", "2B-BOOKS", "accept", ["ffff"])


def test_a_run_that_never_was_is_unknown_and_the_newest_are_named(desk: Desk) -> None:
    run = desk.run()
    with pytest.raises(UnknownName, match=run.run_id):
        desk.lines(run_id="recon-none")


DOCUMENTS = st.lists(
    st.tuples(
        st.sampled_from(("INV/1", "INV/2", "X/77")), st.sampled_from((1_000_00, 2_000_00)), st.booleans()
    ),
    max_size=5,
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(DOCUMENTS, DOCUMENTS), min_size=2, max_size=4))
def test_every_past_run_is_read_back_as_it_was(nights: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, a_desk(f"sqlite:///{Path(folder) / 'w.db'}") as desk:
        seen = []
        for night, (left, right) in enumerate(nights):
            desk.left = [_paper("b", n, *one) for n, one in enumerate(left)]
            desk.right = [_paper("p", n, *one) for n, one in enumerate(right)]
            run = desk.run(DAY + timedelta(days=night))
            seen.append((run.run_id, desk.lines()))
        for run_id, lines in seen:
            assert desk.lines(run_id=run_id) == lines


def _paper(side: str, place: int, number: str, taxable: int, is_late: bool) -> dict[str, Any]:
    return paper(f"{side}{place}", number, taxable, period="112026" if is_late else "102026")


def test_the_day_since_which_something_stands_is_that_of_its_first_run(desk: Desk) -> None:
    desk.left = [paper("a")]
    desk.run()
    desk.run(DAY + timedelta(days=3))
    assert desk.lines()[0].since == date(2026, 11, 20)
    assert replace(desk.lines()[0], since=DAY) == desk.lines()[0]
