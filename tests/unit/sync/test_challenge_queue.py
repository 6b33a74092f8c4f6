"""The queue of what only a person can do: one challenge per client, portal and kind, with its picture."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from clientsync.database import writing
from clientsync.errors import CaptchaRequired, UnknownName
from clientsync.ledger import challenges
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncChallenge
from clientsync.spec.connector import ClientIdentity
from clientsync.sync.challenges import accept_answer, open_challenge, picture
from clientsync.sync.services import Services
from tests.support import fake_connector
from tests.support.engine import add_clients, fake_services

GOOD_UNTIL = datetime(2030, 1, 1, tzinfo=UTC)


class Answering(fake_connector.FakeSession):
    """A session whose picture shows ``right``."""

    asked = 0
    told: tuple[tuple[str, str], ...] = ()

    def request_challenge(self, portal: str, kind: str) -> bytes | None:
        Answering.asked += 1
        return f"{portal}/{kind}".encode()

    def answer_challenge(self, portal: str, kind: str, text: str) -> None:
        Answering.told += ((portal, kind),)
        if kind == "captcha" and text != "right":
            raise CaptchaRequired("Not what the picture shows.")


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    def opened(_: object, client: ClientIdentity, __: object) -> Answering:
        return Answering(client)

    monkeypatch.setattr(fake_connector.FakeConnector, "open_session", opened)
    monkeypatch.setattr(Answering, "asked", 0)
    monkeypatch.setattr(Answering, "told", ())
    with fake_services(tmp_path, monkeypatch) as made:
        add_clients(made, ["A", "B"])
        yield made


def waiting(
    services: Services, portal: str = "traces", image: bytes | None = b"png", kind: str = "captcha"
) -> str:
    return challenges.raise_challenge(
        services.engine, "A", "fake", kind, portal=portal, image=image, expires_at=GOOD_UNTIL
    )


def test_the_same_challenge_is_raised_once_and_a_new_picture_replaces_the_old_one(services: Services) -> None:
    first = waiting(services)
    assert waiting(services, image=b"newer") == first
    rows = challenges.open_challenges(services.engine)
    assert [(row["challenge_id"], row["image"]) for row in rows] == [(first, b"newer")]


def test_two_runs_that_meet_one_closed_session_at_once_raise_one_challenge(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_services(tmp_path, monkeypatch, database_url=database_url) as services:
        add_clients(services, ["A"])
        both = threading.Barrier(2)

        def slow(prefix: str) -> str:
            """Wait until the other has looked too, if it can."""
            with suppress(threading.BrokenBarrierError):
                both.wait(1)
            return new_id(prefix)

        monkeypatch.setattr("clientsync.ledger.challenges.new_id", slow)
        threads = [threading.Thread(target=waiting, args=(services,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(challenges.open_challenges(services.engine, "A")) == 1


def test_a_challenge_that_stands_twice_is_the_older_one_and_ends_no_unit(services: Services) -> None:
    first = waiting(services)
    row = challenges.open_challenges(services.engine)[0]
    with writing(services.engine) as connection:
        again = {**row, "challenge_id": "chal-9", "raised_at": row["raised_at"] + timedelta(minutes=1)}
        connection.execute(insert(SyncChallenge).values(again))
    assert waiting(services) == first
    challenges.mark_answered(services.engine, "A", "fake")
    assert challenges.open_challenges(services.engine) == []


def test_two_portals_of_a_client_wait_apart_and_are_answered_apart(services: Services) -> None:
    waiting(services)
    waiting(services, portal="income_tax", image=None, kind="password")
    accept_answer(services, open_challenge(services, "A", "fake", "traces"), "right")
    assert [row["portal"] for row in challenges.open_challenges(services.engine)] == ["income_tax"]


def test_a_picture_that_is_still_good_is_not_asked_for_again(services: Services) -> None:
    waiting(services)
    assert picture(services, open_challenge(services, "A", "fake")) == b"png"
    assert Answering.asked == 0


def test_a_picture_that_is_too_old_is_asked_for_again(services: Services) -> None:
    challenges.raise_challenge(
        services.engine,
        "A",
        "fake",
        "captcha",
        portal="traces",
        image=b"old",
        expires_at=services.now() - timedelta(seconds=1),
    )
    assert picture(services, open_challenge(services, "A", "fake")) == b"traces/captcha"


def test_a_wrong_answer_leaves_the_challenge_waiting_and_counts(services: Services) -> None:
    waiting(services)
    with pytest.raises(CaptchaRequired):
        accept_answer(services, open_challenge(services, "A", "fake"), "wrong")
    row = open_challenge(services, "A", "fake")
    assert (row["state"], row["attempts"]) == ("rejected", 1)


def test_a_picture_leaves_the_queue_with_its_answer(services: Services) -> None:
    waiting(services)
    accept_answer(services, open_challenge(services, "A", "fake"), "right")
    assert challenges.open_challenges(services.engine) == []


def test_a_person_who_vouches_for_a_password_tells_the_session_that_holds_it_back(services: Services) -> None:
    for kind in ("password", "second_factor"):
        waiting(services, kind=kind, image=None)
        accept_answer(services, open_challenge(services, "A", "fake"), "")
    assert Answering.told == (("traces", "password"),)
    assert challenges.open_challenges(services.engine) == []


def test_a_client_without_a_challenge_is_refused_with_those_that_wait(services: Services) -> None:
    waiting(services)
    with pytest.raises(UnknownName, match="Valid: A"):
        open_challenge(services, "B", "fake")


@pytest.mark.parametrize("code", sorted(challenges.RAISED_BY_SESSIONS))
def test_the_engine_raises_no_second_challenge_for_what_a_session_raised(code: str) -> None:
    assert challenges.kind_of(code) is None


def test_every_kind_of_challenge_tells_a_person_what_to_do() -> None:
    assert all(len(prompt) > 20 for prompt in challenges.PROMPTS.values())
