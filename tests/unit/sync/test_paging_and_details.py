"""Pages, follow-up questions of follow-up questions, and portals that are closed to a client while others are open."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from clientsync import money
from clientsync.errors import CaptchaRequired, NoData, SourceUnavailable, SyncError
from clientsync.outcomes import Outcome
from clientsync.spec.connector import Answer, PortalSession, Question
from clientsync.spec.module import Asking, Cadence, Context, Deductor, Module, Record, Section
from clientsync.staged import StagedCell
from clientsync.sync.fetching import MAX_PAGES, UnitInput, fetch_unit, portal_of
from tests.support.fake_connector import THINGS, parse_nothing, parse_things, things


class Scripted:
    """Answers by endpoint and the parameter ``at``; remembers what was asked."""

    def __init__(self, answers: dict[tuple[str, str], Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def ask(self, question: Question) -> Answer:
        key = (question.endpoint, question.params.get("at", ""))
        self.asked.append(key)
        found = self.answers[key]
        if isinstance(found, SyncError):
            raise found
        raw = json.dumps(found).encode()
        return Answer(money.loads(raw), (raw,), 1, "1")

    def request_otp(self) -> None: ...

    def answer_otp(self, otp: str) -> None: ...

    def close(self) -> None: ...


def fetch(session: PortalSession, *sections: Section) -> dict[str, StagedCell]:
    module = Module("m", "M", sections, (THINGS,), cadence=Cadence.CLIENT)
    unit = UnitInput(
        gstin="",
        frequency="M",
        unit_period="current",
        memory={},
        queued={},
        filings=(),
        settings={},
        deductor=Deductor("MUMA12345B"),
    )
    surroundings = SimpleNamespace(stop=threading.Event(), now=lambda: datetime(2026, 11, 20, tzinfo=UTC))
    return {cell.section: cell for cell in fetch_unit(session, module, unit, surroundings).cells}


def joined(pages: Iterable[Any]) -> Any:
    return {"things": [one for page in pages for one in page["things"]]}


def paged(payload: Any, pages: int) -> dict[str, str] | None:
    return {"at": str(pages)} if payload["more"] else None


def test_pages_are_asked_until_one_says_that_it_is_the_last_and_are_read_as_one() -> None:
    session = Scripted(
        {
            ("p.list", ""): {**things("1"), "more": True},
            ("p.list", "1"): {**things("2"), "more": True},
            ("p.list", "2"): {**things("3"), "more": False},
        }
    )
    section = Section("list", "p.list", parse_things, ("fake__thing",), next_page=paged, merge=joined)
    cell = fetch(session, section)["list"]
    assert [record.values["number"] for record in cell.records] == ["1", "2", "3"]
    assert (cell.calls, len(cell.payloads), cell.is_whole) == (3, 3, True)


def test_pages_that_never_end_are_a_changed_contract_and_not_an_endless_run() -> None:
    section = Section(
        "list", "p.list", parse_things, ("fake__thing",), next_page=lambda *_: {"at": "x"}, merge=joined
    )
    session = Scripted({("p.list", ""): things("1"), ("p.list", "x"): things("2")})
    cell = fetch(session, section)["list"]
    assert (cell.outcome, cell.is_whole) == (Outcome.BROKEN, False)
    assert len(session.asked) == MAX_PAGES + 1


def test_a_page_that_fails_leaves_nothing_of_the_section_half_read() -> None:
    session = Scripted(
        {("p.list", ""): {**things("1"), "more": True}, ("p.list", "1"): SourceUnavailable("down")}
    )
    section = Section("list", "p.list", parse_things, ("fake__thing",), next_page=paged, merge=joined)
    cell = fetch(session, section)["list"]
    assert (cell.outcome, cell.records, cell.is_whole) == (Outcome.TRANSIENT, [], False)


def test_a_later_page_that_says_there_is_nothing_is_no_empty_list() -> None:
    session = Scripted({("p.list", ""): {**things("1"), "more": True}, ("p.list", "1"): NoData("nothing")})
    section = Section("list", "p.list", parse_things, ("fake__thing",), next_page=paged, merge=joined)
    cell = fetch(session, section)["list"]
    assert (cell.outcome, cell.records, cell.is_whole) == (Outcome.TRANSIENT, [], False)


def follow_all(name: str) -> Any:
    return lambda payload, _: [(name, {"at": one["number"]}) for one in payload["things"]]


def tree(**listed: Any) -> tuple[Section, ...]:
    return (
        Section("list", "p.list", parse_nothing, (), follow=follow_all("middle"), **listed),
        Section(
            "middle",
            "p.middle",
            parse_things,
            ("fake__thing",),
            follow=follow_all("leaf"),
            is_detail=True,
            whole_with="list",
        ),
        Section("leaf", "p.leaf", parse_things, ("fake__thing",), is_detail=True, whole_with="list"),
    )


def test_details_have_details_of_their_own_and_are_whole_when_all_were_followed() -> None:
    session = Scripted(
        {
            ("p.list", ""): things("a", "b"),
            ("p.middle", "a"): things("a1"),
            ("p.middle", "b"): things(),
            ("p.leaf", "a1"): things("leaf"),
        }
    )
    cells = fetch(session, *tree())
    assert [record.values["number"] for record in cells["leaf"].records] == ["leaf"]
    assert cells["middle"].is_whole
    assert cells["leaf"].is_whole
    assert (cells["middle"].calls, cells["leaf"].calls) == (2, 1)


def test_a_list_without_entries_empties_its_details() -> None:
    cells = fetch(Scripted({("p.list", ""): things()}), *tree())
    assert [(cells[name].outcome, cells[name].is_whole) for name in ("middle", "leaf")] == [
        (Outcome.EMPTY, True),
        (Outcome.EMPTY, True),
    ]


def test_details_stay_as_they_are_when_nothing_is_followed() -> None:
    def unchanged(_: Any, __: Asking) -> None:
        return None

    sections = (Section("list", "p.list", parse_nothing, (), follow=unchanged), *tree()[1:])
    cells = fetch(Scripted({("p.list", ""): things("a")}), *sections)
    assert [(cells[name].outcome, cells[name].is_whole) for name in ("middle", "leaf")] == [
        (Outcome.NOT_ASKED, False),
        (Outcome.NOT_ASKED, False),
    ]


def test_a_detail_that_fails_leaves_the_details_partial_and_the_list_not_done() -> None:
    session = Scripted(
        {
            ("p.list", ""): things("a", "b"),
            ("p.middle", "a"): things(),
            ("p.middle", "b"): SourceUnavailable("down"),
        }
    )
    cells = fetch(session, *tree())
    assert cells["list"].outcome is Outcome.TRANSIENT
    assert not cells["middle"].is_whole


def test_an_entry_without_anything_behind_it_says_nothing_of_its_list() -> None:
    session = Scripted(
        {
            ("p.list", ""): things("a", "b"),
            ("p.middle", "a"): NoData("none"),
            ("p.middle", "b"): things("b1"),
            ("p.leaf", "b1"): things("leaf"),
        }
    )
    cells = fetch(session, *tree())
    assert [cells[name].outcome for name in ("list", "middle", "leaf")] == [
        Outcome.EMPTY,  # this list has no rows of its own
        Outcome.LOADED,
        Outcome.LOADED,
    ]
    assert cells["middle"].calls == 2
    assert cells["middle"].is_whole


def test_a_portal_that_waits_for_a_person_bars_its_own_sections_only() -> None:
    waiting = CaptchaRequired("A picture waits.")
    waiting.portal = "traces"
    session = Scripted(
        {("traces_old.a", ""): waiting, ("income_tax.b", ""): things("1"), ("traces_new.c", ""): things("2")}
    )

    def section(name: str, endpoint: str) -> Section:
        return Section(name, endpoint, parse_things, ("fake__thing",))

    cells = fetch(
        session, section("a", "traces_old.a"), section("b", "income_tax.b"), section("c", "traces_new.c")
    )
    assert {name: cell.outcome for name, cell in cells.items()} == {
        "a": Outcome.NEEDS_PERSON,
        "b": Outcome.LOADED,
        "c": Outcome.NEEDS_PERSON,
    }
    assert ("traces_new.c", "") not in session.asked


def test_a_parser_is_told_the_deductors_number() -> None:
    seen: list[Context] = []

    def remember(_: Any, context: Context) -> Iterable[Record]:
        seen.append(context)
        return ()

    fetch(Scripted({("p.list", ""): things()}), Section("list", "p.list", remember, ()))
    assert (seen[0].tan, seen[0].gstin, seen[0].quarter) == ("MUMA12345B", "", None)


@pytest.mark.parametrize(
    ("endpoint", "portal"),
    [("traces_old.inbox", "traces"), ("traces_new.challans", "traces"), ("income_tax.csi", "income_tax")],
)
def test_an_endpoint_names_its_portal(endpoint: str, portal: str) -> None:
    assert portal_of(endpoint) == portal
