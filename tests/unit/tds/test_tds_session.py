"""Lists that several units of a run read are asked once; their answers stay apart, whole and of known age."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clientsync import money
from clientsync.errors import SourceUnavailable
from clientsync.spec.connector import Answer, ClientIdentity, Question
from connectors.tds import session as sessions
from connectors.tds.session import TdsSession

START = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
RAW = b'{"rows": [{"commRefNo": "1"}], "page": 1}'


@dataclass
class Portal:
    """Answers everything alike and counts."""

    asked: list[Question] = field(default_factory=list)
    raw: bytes = RAW
    is_down: bool = False

    def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        if self.is_down:
            raise SourceUnavailable("The portal does not answer.")
        return Answer(money.loads(self.raw), (self.raw,), 2, "v1")

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Night:
    """A session with one portal and a clock."""

    portal: Portal
    clock: list[datetime]
    session: TdsSession

    def ask(self, endpoint: str = "traces_old.inbox", **params: str) -> Answer:
        return self.session.ask(Question(endpoint=endpoint, period=None, params=params))


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> Night:
    clock, portal = [START], Portal()
    services = SimpleNamespace(now=lambda: clock[0], stop=threading.Event())
    session = TdsSession(cast(ClientIdentity, SimpleNamespace(client_id="C1")), services)
    monkeypatch.setattr(TdsSession, "at", lambda _, __: portal)
    return Night(portal, clock, session)


def test_the_same_question_costs_nothing_the_second_time_and_keeps_its_moment(night: Night) -> None:
    first = night.ask(commClassify="1", page="1")
    night.clock[0] += timedelta(hours=1)
    second = night.ask(page="1", commClassify="1")
    assert len(night.portal.asked) == 1
    assert (first.calls, first.asked_at) == (2, None)
    assert (second.calls, second.asked_at) == (0, START)
    assert (second.payload, second.raw, second.version) == (first.payload, first.raw, first.version)


def test_another_question_and_another_list_are_asked(night: Night) -> None:
    for tab in ("1", "0"):
        night.ask(commClassify=tab, page="1")
    for _ in range(2):
        night.ask("traces_old.demand")
    assert len(night.portal.asked) == 4


def test_what_one_unit_does_to_its_answer_no_other_sees(night: Night) -> None:
    night.ask(page="1").payload["rows"].clear()
    night.ask(page="1").payload["rows"].clear()
    assert night.ask(page="1").payload["rows"] == [{"commRefNo": "1"}]


def test_an_answer_is_not_used_for_longer_than_some_hours(night: Night) -> None:
    night.ask(page="1")
    night.clock[0] += sessions.USED_FOR + timedelta(seconds=1)
    assert night.ask(page="1").asked_at is None
    assert len(night.portal.asked) == 2


def test_pages_of_a_list_that_broke_off_are_asked_again(night: Night) -> None:
    night.ask(page="1")
    night.portal.is_down = True
    with pytest.raises(SourceUnavailable):
        night.ask(page="2")
    night.portal.is_down = False
    night.ask(page="1")
    assert [one.params["page"] for one in night.portal.asked] == ["1", "2", "1"]


def test_what_is_kept_has_a_bound(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "KEPT_ANSWERS", 1)
    for page in ("1", "2", "2"):
        night.ask(page=page)
    assert len(night.portal.asked) == 3
    monkeypatch.setattr(sessions, "KEPT_BYTES", len(RAW) - 1)
    night.session.close()
    for _ in range(2):
        night.ask(page="1")
    assert len(night.portal.asked) == 5


def test_a_closed_session_knows_nothing(night: Night) -> None:
    night.ask(page="1")
    night.session.close()
    night.ask(page="1")
    assert len(night.portal.asked) == 2


def test_only_lists_that_are_read_by_several_units_are_kept() -> None:
    assert frozenset({"income_tax.filed_forms", "traces_old.inbox"}) == sessions.REPEATED
    assert cast(Any, sessions.USED_FOR) <= timedelta(hours=6)
