"""Raw answers come back byte for byte, are kept once per client, and are forgotten only when nobody needs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from clientsync.database import reading, writing
from clientsync.errors import IntegrityBroken
from clientsync.ledger.tables import SyncPayload
from clientsync.spec.module import Finding
from clientsync.warehouse.payloads import Purged, purge, read_answers, store_answers
from tests.support.demo_warehouse import House, answer, invoice

PAYLOAD: Any = SyncPayload.__table__  # type: ignore[attr-defined]
PAGES = st.dictionaries(st.sampled_from(["b2b", "cdn"]), st.lists(st.binary(max_size=40), max_size=3))


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sections=PAGES)
def test_what_is_read_back_is_what_was_stored(sqlite_house: House, sections: dict[str, list[bytes]]) -> None:
    with writing(sqlite_house.engine) as connection:
        store_answers(connection, "u1", "C1", sections)
    with reading(sqlite_house.engine) as connection:
        assert read_answers(connection, "u1") == {name: pages for name, pages in sections.items() if pages}


def test_the_same_bytes_are_kept_once_per_client_and_never_shared(house: House) -> None:
    with writing(house.engine) as connection:
        store_answers(connection, "u1", "C1", {"b2b": [b"same", b"same"]})
        store_answers(connection, "u2", "C1", {"b2b": [b"same"]})
        store_answers(connection, "u3", "C2", {"b2b": [b"same"]})
    assert [row["client_id"] for row in house.rows(PAYLOAD)] == ["C1", "C2"]


def test_a_damaged_payload_is_noticed(house: House) -> None:
    with writing(house.engine) as connection:
        store_answers(connection, "u1", "C1", {"b2b": [b"good"]})
        connection.execute(update(PAYLOAD).values(body=b"not zlib"))
    with reading(house.engine) as connection, pytest.raises(IntegrityBroken):
        read_answers(connection, "u1")


def test_purging_keeps_what_an_open_unit_still_needs(house: House) -> None:
    ended, still_open = house.unit(answer(invoice("1"))), house.unit(answer(invoice("1")))
    with writing(house.engine) as connection:
        store_answers(connection, ended.unit_id, "C1", {"b2b": [b"old", b"shared"]})
        store_answers(connection, still_open.unit_id, "C1", {"b2b": [b"shared"]})
    house.load(ended)
    with writing(house.engine) as connection:
        assert purge(connection, datetime.now(UTC) + timedelta(days=1)) == Purged(1, len(b"old"))
        assert read_answers(connection, still_open.unit_id) == {"b2b": [b"shared"]}


def test_purging_keeps_the_evidence_of_a_suspect_unit(house: House) -> None:
    unit = house.unit(answer(invoice("1"), findings=[Finding("T-1", "totals disagree")]))
    with writing(house.engine) as connection:
        store_answers(connection, unit.unit_id, "C1", {"b2b": [b"odd"]})
    house.load(unit)
    with writing(house.engine) as connection:
        assert purge(connection, datetime.now(UTC) + timedelta(days=1)) == Purged(0, 0)


def test_a_trial_says_what_would_go_and_nothing_does(house: House) -> None:
    unit = house.unit(answer(invoice("1")))
    with writing(house.engine) as connection:
        store_answers(connection, unit.unit_id, "C1", {"b2b": [b"first", b"second"]})
    house.load(unit)
    later = datetime.now(UTC) + timedelta(days=1)
    with writing(house.engine) as connection:
        assert purge(connection, later, is_trial=True) == Purged(2, len(b"firstsecond"))
    with reading(house.engine) as connection:
        assert read_answers(connection, unit.unit_id) == {"b2b": [b"first", b"second"]}
    with writing(house.engine) as connection:
        assert purge(connection, later) == Purged(2, len(b"firstsecond"))
        assert read_answers(connection, unit.unit_id) == {}


def test_what_came_later_stays(house: House) -> None:
    unit = house.unit(answer(invoice("1")))
    with writing(house.engine) as connection:
        store_answers(connection, unit.unit_id, "C1", {"b2b": [b"new"]})
    house.load(unit)
    with writing(house.engine) as connection:
        assert purge(connection, datetime.now(UTC) - timedelta(days=1)) == Purged(0, 0)
        assert read_answers(connection, unit.unit_id) == {"b2b": [b"new"]}
