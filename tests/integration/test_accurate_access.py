"""The ways into the simulated Accurate over real sockets: tokens, sessions, hosts that move, limits."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clientsync.commerce.documents import Document
from clientsync.commerce.systems import Job, Mappings, Opening
from clientsync.errors import (
    ForbiddenHost,
    MissingSecret,
    NotEntitled,
    ProviderMisconfigured,
    SessionExpired,
    SourceUnavailable,
)
from clientsync.http.addresses import AllowList
from clientsync.http.budget import ClientGate, LocalBudget, Pace
from clientsync.http.client import HttpClient
from clientsync.http.retrying import RetryPolicy
from connectors.accurate import Accurate, open_accounting
from simulators.accurate import Books, Fault
from simulators.accurate.settings import CLIENT_ID, CLIENT_SECRET, SIGNATURE_SECRET, TOKEN
from simulators.http import Served
from tests.support.commerce_real import Memory

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
AT = datetime(2026, 11, 28, 2, tzinfo=UTC)
BY_TOKEN = {"token": TOKEN, "signature_secret": SIGNATURE_SECRET}


@dataclass
class Clock:
    """A clock that tests set forward."""

    at: datetime = AT

    def __call__(self) -> datetime:
        """Return the moment."""
        return self.at


@dataclass
class World:
    """Books at two addresses, and what opens them."""

    books: Books
    url: str
    other_url: str
    clock: Clock
    memory: Memory = field(default_factory=Memory)

    @contextmanager
    def open(
        self,
        credentials: Mapping[str, str] = BY_TOKEN,
        *allowed: str,
        limit: Pace | None = None,
        **options: Any,
    ) -> Iterator[Accurate]:
        """Open the accounting as a new process does; the other address is allowed when it is given."""
        client = HttpClient(
            base_url=self.url,
            allowed=AllowList((self.url, *allowed), allow_loopback=True),
            budget=LocalBudget(limit or Pace(60_000)),
            policy=RetryPolicy(retries=1, base_seconds=0.01),
            gate=ClientGate(16),
        )
        opening = Opening(
            client, "accurate", credentials, options, self.memory, ZoneInfo("Asia/Jakarta"), self.clock
        )
        with client:
            yield open_accounting(opening)

    def by_consent(self) -> dict[str, str]:
        """Give access, and return the credentials that come of it."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": self.books.access.authorise(),
        }


@pytest.fixture
def world() -> Iterator[World]:
    clock = Clock()
    books = Books(now=clock)
    books.put_items("KOPI-1")
    with Served(books.answer) as first, Served(books.answer) as second:
        yield World(books, first.url, second.url, clock)


def item(sku: str = "KOPI-1") -> Job:
    return Job(Document(1, "item", sku, sku, AT, {"sku": sku, "name": sku}), Mappings({}))


def found(accounting: Accurate, sku: str = "KOPI-1") -> bool:
    return accounting.find(item(sku)) is not None


def test_a_token_that_signs_is_let_in_and_its_host_is_asked_for_once_a_month(world: World) -> None:
    for key in ("database", "data usaha"):
        world.books.settings.host_key = key
        world.memory.values.clear()
        with world.open() as accounting:
            assert found(accounting)
    assert world.memory.get("accurate_host")["host"] == world.url
    world.books.data_url = "http://127.0.0.1:9"
    with world.open() as accounting:
        assert found(accounting)
    world.clock.at += timedelta(days=31)
    world.books.data_url = world.other_url
    with world.open(BY_TOKEN, world.other_url) as accounting:
        assert found(accounting)
    assert world.memory.get("accurate_host")["host"] == world.other_url


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ({"token": "aat.revoked.token", "signature_secret": SIGNATURE_SECRET}, "token"),
        ({"token": TOKEN, "signature_secret": "another"}, "signature"),
    ],
)
def test_a_token_or_signature_that_is_wrong_needs_a_person_and_is_never_shown(
    world: World, credentials: dict[str, str], said: str
) -> None:
    with world.open(credentials) as accounting, pytest.raises(SessionExpired, match=said) as refused:
        found(accounting)
    assert credentials["token"] not in str(refused.value)
    assert credentials["signature_secret"] not in repr(refused.value)


def test_a_clock_that_is_wrong_is_named(world: World) -> None:
    real = Clock(AT + timedelta(minutes=11))
    world.books.access.now = real
    with world.open() as accounting, pytest.raises(SessionExpired, match="our clock"):
        found(accounting)


def test_credentials_of_neither_way_are_refused_before_anything_is_sent(world: World) -> None:
    with pytest.raises(MissingSecret), world.open({"token": TOKEN}):
        pass


def test_consent_opens_the_only_database_and_other_processes_use_the_same_session(world: World) -> None:
    credentials = world.by_consent()
    with world.open(credentials) as accounting:
        assert found(accounting)
    with world.open(credentials) as accounting:
        assert found(accounting)
    assert world.books.access.sessions_opened == 1
    assert world.books.access.used == [credentials["refresh_token"]]
    kept = world.memory.get("accurate_session")
    assert kept["refresh_token"] in world.books.access.refresh_tokens


def test_a_session_that_ended_is_opened_again_once_and_the_call_goes_through(world: World) -> None:
    credentials = world.by_consent()
    with world.open(credentials) as accounting:
        assert found(accounting)
        world.books.arm(Fault("session"))
        assert found(accounting)
        assert world.books.access.sessions_opened == 2
        world.books.arm(Fault("session", times=2))
        with pytest.raises(SessionExpired):
            found(accounting)
        assert found(accounting)


def test_a_session_that_ended_between_two_processes_is_renewed_by_the_second(world: World) -> None:
    credentials = world.by_consent()
    with world.open(credentials) as accounting:
        assert found(accounting)
    world.clock.at += timedelta(hours=2)
    with world.open(credentials) as accounting:
        assert found(accounting)
    assert world.books.access.sessions_opened == 2


def test_an_access_token_that_ended_is_renewed_with_the_newest_refresh_token(world: World) -> None:
    credentials = world.by_consent()
    with world.open(credentials) as accounting:
        assert found(accounting)
        world.books.arm(Fault("token"))
        assert found(accounting)
        world.clock.at += timedelta(days=16)
        assert found(accounting)
    assert len(world.books.access.used) == 3


def test_a_session_that_ended_in_the_middle_books_the_document_once(world: World) -> None:
    with world.open(world.by_consent()) as accounting:
        world.books.arm(Fault("session", "item", "save"))
        accounting.send(item("TEH-1"))
    assert [one.number for one in world.books.truth.live("item")] == ["TEH-1"]


def test_what_another_process_renewed_is_used_and_the_refresh_token_is_not_spent_twice(world: World) -> None:
    credentials = world.by_consent()
    with world.open(credentials) as first, world.open(credentials) as second:
        assert found(first) and found(second)
        world.books.access.sessions.clear()
        world.books.access.access_tokens.clear()
        assert found(second)
        assert found(first)
    assert len(world.books.access.used) == 2
    assert world.books.access.sessions_opened == 2


def test_consent_that_ended_needs_a_person_and_new_consent_replaces_what_was_kept(world: World) -> None:
    old = world.by_consent()
    with world.open(old) as accounting:
        assert found(accounting)
    new = world.by_consent()
    with world.open(old) as accounting, pytest.raises(SessionExpired, match="give access anew") as refused:
        found(accounting)
    assert old["refresh_token"] not in str(refused.value)
    with world.open(new) as accounting:
        assert found(accounting)


def test_many_threads_that_meet_an_ended_session_renew_it_once(world: World) -> None:
    with world.open(world.by_consent()) as accounting, ThreadPoolExecutor(6) as pool:
        assert found(accounting)
        world.books.access.sessions.clear()
        assert all(pool.map(lambda _: found(accounting), range(12)))
    assert world.books.access.sessions_opened == 2


def test_of_several_databases_one_must_be_named(world: World) -> None:
    world.books.settings.databases.append({"id": 7, "alias": "Cabang", "trial": False, "expired": False})
    credentials = world.by_consent()
    with world.open(credentials) as accounting, pytest.raises(ProviderMisconfigured, match="2 databases"):
        found(accounting)
    with world.open(credentials, database_id="7") as accounting:
        assert found(accounting)


def test_a_right_that_was_not_given_is_told_apart_from_a_session_that_ended(world: World) -> None:
    world.books.settings.scopes = frozenset({"customer_view"})
    with world.open() as accounting, pytest.raises(NotEntitled):
        found(accounting)


def test_data_that_moved_to_an_allowed_host_is_followed_with_everything_and_remembered(world: World) -> None:
    for credentials in (BY_TOKEN, world.by_consent()):
        with world.open(credentials, world.other_url) as accounting:
            world.books.move(world.url, world.other_url)
            sku = f"TEH-{len(credentials)}"
            assert accounting.send(item(sku)).number == sku
            assert [one.number for one in world.books.truth.live("item")].count(sku) == 1
    assert world.memory.get("accurate_host")["host"] == world.other_url
    assert world.memory.get("accurate_session")["host"] == world.other_url


@pytest.mark.parametrize("foreign", ["https://zeus.accurate.id.example.com", "https://zeus.accurate.id"])
def test_data_that_moved_to_a_foreign_host_is_not_followed_and_nothing_is_remembered(
    world: World, foreign: str
) -> None:
    with world.open(BY_TOKEN, foreign) as accounting:
        assert found(accounting)
        world.books.move(world.url, foreign)
        with pytest.raises(ForbiddenHost):
            found(accounting)
    assert world.memory.get("accurate_host")["host"] == world.url


def test_a_host_that_is_not_on_the_list_of_the_client_is_not_followed(world: World) -> None:
    with world.open() as accounting:
        world.books.move(world.url, world.other_url)
        with pytest.raises(ForbiddenHost):
            found(accounting)


def test_hosts_that_send_to_each_other_do_not_hang_a_call(world: World) -> None:
    world.books.move(world.url, world.other_url)
    world.books.move(world.other_url, world.url)
    with world.open(BY_TOKEN, world.other_url) as accounting, pytest.raises(ForbiddenHost):
        found(accounting)


def test_a_host_of_an_account_on_this_machine_must_be_on_this_machine(world: World) -> None:
    world.books.data_url = "https://zeus.accurate.id"
    with world.open(BY_TOKEN, "https://zeus.accurate.id") as accounting, pytest.raises(ForbiddenHost):
        found(accounting)


def test_calls_that_keep_the_pace_stay_under_the_limit_and_others_are_refused(world: World) -> None:
    world.books.settings.per_second = 8
    world.books.settings.in_flight = 8
    with (
        world.open(limit=Pace(7, window=1.0)) as accounting,
        ThreadPoolExecutor(4) as pool,
    ):
        assert all(pool.map(lambda _: found(accounting), range(10)))
    assert world.books.truth.refused == 0
    world.books.settings.retry_after = "1"
    with world.open() as accounting, ThreadPoolExecutor(8) as pool:
        outcomes = [pool.submit(found, accounting) for _ in range(12)]
        for one in outcomes:
            one.exception()
    assert world.books.truth.refused > 0


def test_the_simulator_runs_as_a_process_and_is_controlled_from_outside(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulators.accurate", "--port", "0", "--state-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            posted(f"{url}/_control/set", {"latency": 0.01, "faults": [{"name": "fails_before"}]})
            memory, clock = Memory(), Clock(datetime.now(UTC))
            with World(Books(), url, url, clock, memory).open() as accounting:
                assert accounting.send(item("TEH-1")).number == "TEH-1"
            with urllib.request.urlopen(f"{url}/_control/state", timeout=5) as answer:
                state = json.load(answer)
            assert [one["number"] for one in state["booked"]] == ["TEH-1"]
            assert state["doubled"] == []
            posted(f"{url}/_control/reset", {})
        finally:
            process.terminate()
    assert json.loads((tmp_path / "state.json").read_text())["booked"] == []


def posted(url: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def test_a_server_that_keeps_failing_is_asked_again_and_then_told_as_unavailable(world: World) -> None:
    world.books.arm(Fault("fails_before", "item", "list", times=None))
    with world.open() as accounting, pytest.raises(SourceUnavailable):
        found(accounting)
