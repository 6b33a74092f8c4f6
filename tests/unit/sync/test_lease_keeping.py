"""The keeper of leases works beside their takers: what is free stays free, what is held stays held."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clientsync.ledger import leases
from clientsync.sync.run import LeaseKeeper
from clientsync.sync.services import Services
from tests.support.engine import fake_services

KEY = ("A", "fake", "things")
PATIENCE = 10


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with fake_services(tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture
def keeper(services: Services) -> Iterator[LeaseKeeper]:
    soon = replace(services, settings=services.settings.model_copy(update={"lease_seconds": 0.3}))
    opened = LeaseKeeper(soon, "run-1", "run-1@here")
    yield opened
    opened.close()


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_a_lease_given_back_is_not_revived_by_a_renewal_under_way(services: Services) -> None:
    fences = leases.take(services.engine, [KEY], "first", 60)
    leases.release(services.engine, fences)
    assert leases.renew(services.engine, fences, 60) == {KEY}
    assert leases.holder_of(services.engine, KEY) is None
    assert KEY in leases.take(services.engine, [KEY], "second", 60)


def test_a_lease_taken_again_during_a_renewal_is_kept_from_then_on(
    services: Services, keeper: LeaseKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[dict[leases.Key, int]] = []
    renew = leases.renew

    def meanwhile(engine: object, fences: dict[leases.Key, int], seconds: float) -> set[leases.Key]:
        if fences and not renewed:
            keeper.release(dict(fences))
            keeper.take([KEY])
        renewed.append(fences)
        return renew(services.engine, fences, seconds)

    monkeypatch.setattr(leases, "renew", meanwhile)
    first = keeper.take([KEY])
    until(lambda: any(fences.get(KEY, 0) > first[KEY] for fences in renewed))
    assert leases.holder_of(services.engine, KEY) == "run-1@here"
