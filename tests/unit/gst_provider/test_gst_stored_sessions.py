"""A stored session that was read a moment ago is not read again for every question, and an end is never overlooked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clientsync.secrets.vault import Vault
from connectors import portal_sessions
from connectors.gst.provider.adapter import Tokens
from connectors.gst.provider.store import SessionStore
from tests.support.engine import fake_services

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=5)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Engine, Vault]]:
    with fake_services(tmp_path, monkeypatch) as services:
        yield services.engine, services.vault


def store(place: tuple[Engine, Vault]) -> SessionStore:
    """A session's place in the ledger, as a process of its own would open it."""
    return SessionStore(*place, "C1", "gsp", threading.Event())


def access(found: portal_sessions.Stored[Tokens] | None) -> str:
    assert found is not None
    return found.tokens.access


def test_what_was_read_a_moment_ago_is_taken_as_it_is_and_read_again_on_request(
    place: tuple[Engine, Vault],
) -> None:
    ours, theirs = store(place), store(place)
    assert ours.save(None, Tokens(access="first"), NOW, LATER)
    assert access(ours.recent()) == "first"
    assert theirs.save(theirs.load(), Tokens(access="second"), NOW, LATER)
    assert access(ours.recent()) == "first"
    assert access(ours.load()) == "second"
    assert access(ours.recent()) == "second"


def test_it_is_read_again_after_some_seconds(
    place: tuple[Engine, Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = store(place), store(place)
    ours.save(None, Tokens(access="first"), NOW, LATER)
    ours.load()
    theirs.save(theirs.load(), Tokens(access="second"), NOW, LATER)
    monkeypatch.setattr(portal_sessions, "RECENT_SECONDS", 0.0)
    assert access(ours.recent()) == "second"


def test_what_this_process_stores_is_seen_at_once(place: tuple[Engine, Vault]) -> None:
    ours = store(place)
    ours.save(None, Tokens(access="first"), NOW, LATER)
    assert ours.save(ours.load(), Tokens(access="second"), NOW, LATER)
    assert access(ours.recent()) == "second"


def test_a_session_that_is_not_open_is_looked_for_anew_each_time(place: tuple[Engine, Vault]) -> None:
    ours, theirs = store(place), store(place)
    assert ours.recent() is None
    theirs.save(None, Tokens(pending_key=b"waits"), NOW, NOW)
    found = ours.recent()
    assert found is not None
    assert not found.is_open
    theirs.save(theirs.load(), Tokens(access="opened by a person"), NOW, LATER)
    assert access(ours.recent()) == "opened by a person"


def test_a_refused_session_is_not_taken_again(place: tuple[Engine, Vault]) -> None:
    ours = store(place)
    ours.save(None, Tokens(access="first"), NOW, LATER)
    ours.save(ours.load(), Tokens(), NOW, NOW)
    found = ours.recent()
    assert found is not None
    assert not found.is_open
