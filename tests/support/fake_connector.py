"""A connector without a portal: answers come from a script, so that the engine's own behaviour can be tested.

``SCRIPT[client_id][endpoint]`` is a payload, an exception to raise, a function that returns one of both, or a list of
them used up in order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

from clientsync import money
from clientsync.errors import UnknownModule
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.connector import Answer, Calendar, ClientIdentity, ModuleGroup, Question
from clientsync.spec.module import (
    Asking,
    Context,
    Module,
    Record,
    Row,
    Section,
    Skip,
    SkipKind,
    TableSpec,
)

INDEX = {"fake": "tests.support.fake_connector:CONNECTOR"}
SCRIPT: dict[str, dict[str, Any]] = {}
ASKED: Counter[tuple[str, str]] = Counter()
OTPS: dict[str, str] = {}


class ThingRow(Row):
    """A thing."""

    period: str = columns.text("Period", length=10)
    section: str = columns.text("Section", length=20)
    number: str = columns.text("Number", length=20)
    value_paise: int = columns.amount("Value")


THINGS = TableSpec(
    name="fake__thing",
    row=ThingRow,
    key=("period", "section", "number"),
    scope=("period", "section"),
    description="Things.",
    checks=(
        Check(
            "FAKE-01",
            CheckKind.BETWEEN,
            ("value_paise",),
            OnBreach.REJECT_ROW,
            "not negative",
            {"low": 0, "high": None},
        ),
    ),
)


def parse_things(payload: Any, context: Context) -> Iterable[Record]:
    """Return one record per thing."""
    for thing in payload["things"]:
        yield Record(
            "fake__thing",
            {
                "period": context.unit_period,
                "section": context.section,
                "number": thing["number"],
                "value_paise": money.paise(thing["value"]),
            },
        )


def skip_when_counted_empty(asking: Asking, section: Section) -> Skip | None:
    """Skip a section that the summary counts as empty."""
    if asking.answers["summary"]["counts"].get(section.name, 0) == 0:
        return Skip(SkipKind.EMPTY_BY_COUNT, "the summary counts none")
    return None


def parse_nothing(_: Any, __: Context) -> Iterable[Record]:
    """A summary has no rows."""
    return ()


MODULES = {
    "things": Module(
        name="things",
        title="Things",
        sections=(
            Section("summary", "things.summary", parse_nothing, ()),
            Section(
                "red",
                "things.red",
                parse_things,
                ("fake__thing",),
                skip=(skip_when_counted_empty,),
                after="summary",
            ),
            Section(
                "blue",
                "things.blue",
                parse_things,
                ("fake__thing",),
                skip=(skip_when_counted_empty,),
                after="summary",
            ),
        ),
        tables=(THINGS,),
        naive_calls=3,
    ),
    "late": Module(
        name="late",
        title="Late things",
        sections=(Section("late", "late.get", parse_things, ("fake__thing",)),),
        tables=(THINGS,),
        not_before=lambda period: date(period.next().year, period.next().month, 14),
    ),
}


class FakeSession:
    """Answers from the script."""

    def __init__(self, client: ClientIdentity) -> None:
        """Remember whose script it is."""
        self.client = client

    def ask(self, question: Question) -> Answer:
        """Return or raise what the script says."""
        ASKED[(self.client.client_id, question.endpoint)] += 1
        entry = SCRIPT[self.client.client_id][question.endpoint]
        if isinstance(entry, list):
            entry = entry.pop(0) if len(entry) > 1 else entry[0]
        if callable(entry):
            entry = entry()
        if isinstance(entry, Exception):
            raise entry
        raw = json.dumps(entry).encode()
        return Answer(money.loads(raw), (raw,), 1, "1")

    def request_otp(self) -> None:
        """Nothing is sent."""

    def answer_otp(self, otp: str) -> None:
        """Keep the OTP."""
        OTPS[self.client.client_id] = otp

    def close(self) -> None:
        """Nothing is open."""


class FakeConnector:
    """Two modules of things."""

    name = "fake"
    title = "Fake portal"
    groups: tuple[ModuleGroup, ...] = (ModuleGroup("Things", ("things",)), ModuleGroup("Late", ("late",)))
    calendar = Calendar.MONTHS
    how_to_renew = "Ask the client."

    def cannot_ask(self, client: ClientIdentity) -> str | None:
        """Say that clients without a provider are not asked."""
        return "the client has no provider: import files by hand" if client.provider == "file" else None

    def consent_ends_on(self, client: ClientIdentity) -> date | None:
        """Return the consent's last day."""
        return client.consent_ends_at.date() if client.consent_ends_at else None

    def module(self, name: str) -> Module:
        """Return a module."""
        if name not in MODULES:
            raise UnknownModule("module", name, MODULES)
        return MODULES[name]

    def module_names(self) -> tuple[str, ...]:
        """Return the names."""
        return tuple(MODULES)

    def open_session(self, client: ClientIdentity, services: Any) -> FakeSession:
        """Return a scripted session."""
        return FakeSession(client)


CONNECTOR = FakeConnector()


def things(*numbers: str, value: str = "1.00") -> dict[str, Any]:
    """Return a payload of things."""
    return {"things": [{"number": number, "value": value} for number in numbers]}


def good_client(client_id: str, *, red: tuple[str, ...] = ("R1",), blue: tuple[str, ...] = ()) -> None:
    """Script a client whose answers are all well."""
    SCRIPT[client_id] = {
        "things.summary": {"counts": {"red": len(red), "blue": len(blue)}},
        "things.red": things(*red),
        "things.blue": things(*blue),
        "late.get": things("L1"),
    }
