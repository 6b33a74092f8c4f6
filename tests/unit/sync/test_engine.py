"""The engine's promises, with a scripted portal and a real warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from clientsync.database import reading, writing
from clientsync.errors import (
    ConsentLapsed,
    FileQueued,
    NoData,
    NotGenerated,
    OtpRequired,
    ProviderMisconfigured,
    SourceUnavailable,
    UnknownClient,
    UnknownModule,
    UnknownName,
)
from clientsync.ledger import challenges, leases
from clientsync.ledger.tables import SyncCell, SyncClient, SyncException, SyncRun, SyncUnit
from clientsync.sync.challenges import answer_otp
from clientsync.sync.planning import Selection, plan, resolve_modules
from clientsync.sync.retries import retry_schedule
from clientsync.sync.service import release, resync_plan, run
from clientsync.sync.services import Services
from clientsync.warehouse.schema import warehouse_table
from tests.support.engine import add_clients, fake_services
from tests.support.fake_connector import ASKED, CONNECTOR, SCRIPT, THINGS, good_client, things


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with fake_services(tmp_path, monkeypatch) as opened:
        add_clients(opened, ["A", "B", "C"])
        for client in ("A", "B", "C"):
            good_client(client)
        yield opened


def sync(services: Services, *clients: str, modules: tuple[str, ...] = ("Things",)) -> str:
    selection = Selection("fake", clients=clients, modules=modules, periods=("102026",))
    return run(services, plan(services, selection))


def unit(services: Services, run_id: str, client: str) -> dict[str, Any]:
    table = SyncUnit.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        row = (
            connection.execute(select(table).where(table.c.run_id == run_id, table.c.client_id == client))
            .mappings()
            .one()
        )
    return dict(row)


def rows(services: Services, client: str) -> set[tuple[str, int]]:
    core = warehouse_table(THINGS).core
    with reading(services.engine) as connection:
        found = connection.execute(
            select(core.c.number, core.c.value_paise).where(
                core.c.client_id == client, core.c.removed_at.is_(None)
            )
        )
        return {(row[0], row[1]) for row in found}


def test_rows_in_equal_rows_loaded_plus_quarantined_for_every_unit(services: Services) -> None:
    SCRIPT["A"]["things.summary"] = {"counts": {"red": 6}}
    SCRIPT["A"]["things.red"] = {
        "things": [{"number": f"R{n}", "value": "-1.00" if n == 3 else "1.00"} for n in range(6)]
    }
    ended = unit(services, sync(services), "A")
    assert (ended["rows_in"], ended["rows_loaded"], ended["rows_quarantined"]) == (6, 5, 1)
    assert ended["outcome"] == "loaded"
    assert len(rows(services, "A")) == 5


def test_a_second_run_on_unchanged_data_writes_nothing_and_says_unchanged(services: Services) -> None:
    sync(services)
    ended = unit(services, sync(services), "A")
    assert ended["outcome"] == "unchanged"
    assert (ended["inserted"], ended["updated"], ended["removed"]) == (0, 0, 0)


def test_a_section_counted_as_empty_is_not_asked_and_the_reason_is_kept(services: Services) -> None:
    sync(services, "A")
    assert ASKED[("A", "things.blue")] == 0
    table = SyncCell.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        cell = (
            connection.execute(select(table).where(table.c.client_id == "A", table.c.section == "blue"))
            .mappings()
            .one()
        )
    assert cell["skip_kind"] == "empty_by_count"
    assert cell["skip_reason"] == "the summary counts none"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (SourceUnavailable("The portal answered 503."), "transient"),
        (OtpRequired("The portal wants an OTP."), "needs_person"),
        (ConsentLapsed("Consent ended."), "needs_person"),
        (NotGenerated("Not produced."), "not_generated"),
        (FileQueued("Building.", token="t"), "queued"),
        (NoData("No records.", source_code="RET13510"), "loaded"),
    ],
)
def test_one_clients_trouble_ends_in_its_outcome_and_leaves_the_others_untouched(
    services: Services, error: Exception, outcome: str
) -> None:
    SCRIPT["B"]["things.red"] = error
    SCRIPT["B"]["things.summary"] = {"counts": {"red": 1, "blue": 1}}
    SCRIPT["B"]["things.blue"] = things("B1")
    run_id = sync(services)
    assert unit(services, run_id, "B")["outcome"] == outcome
    for other in ("A", "C"):
        assert unit(services, run_id, other)["outcome"] == "loaded"
        assert rows(services, other) == {("R1", 100)}


def test_after_a_refused_session_no_further_section_of_the_client_is_asked(services: Services) -> None:
    SCRIPT["A"]["things.summary"] = OtpRequired("The portal wants an OTP.")
    sync(services, "A")
    assert ASKED[("A", "things.red")] == 0


def test_a_challenge_answered_continues_exactly_the_units_that_waited(services: Services) -> None:
    SCRIPT["A"]["things.summary"] = [OtpRequired("The portal wants an OTP."), {"counts": {"red": 1}}]
    sync(services)
    waiting = challenges.open_challenges(services.engine)
    assert [(row["client_id"], row["kind"]) for row in waiting] == [("A", "otp")]
    before = dict(ASKED)
    run_id = answer_otp(services, "A", "123456", "fake")
    assert run_id is not None
    assert unit(services, run_id, "A")["outcome"] == "loaded"
    assert {client for (client, _), count in ASKED.items() if count != before.get((client, _), 0)} == {"A"}
    assert challenges.open_challenges(services.engine) == []


def test_a_provider_that_refuses_the_practice_stops_the_whole_run(services: Services) -> None:
    for client in ("A", "B", "C"):
        SCRIPT[client]["things.summary"] = ProviderMisconfigured("The provider refused our account.")
    run_id = sync(services)
    table = SyncRun.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        state = connection.execute(select(table.c.state).where(table.c.run_id == run_id)).scalar_one()
    assert state == "stopped"
    assert sum(ASKED.values()) <= 3


def test_a_payload_without_the_promised_shape_is_broken_and_nothing_of_it_is_loaded(
    services: Services,
) -> None:
    SCRIPT["A"]["things.red"] = {"unexpected": []}
    ended = unit(services, sync(services), "A")
    assert (ended["outcome"], ended["reason_code"]) == ("broken", "CONTRACT_CHANGED")
    assert rows(services, "A") == set()


def test_two_runs_never_work_on_the_same_client_and_module(services: Services) -> None:
    held = leases.take(services.engine, [("A", "fake", "things")], "somebody else", 60)
    run_id = sync(services)
    assert unit(services, run_id, "A")["reason_code"] == "ALREADY_RUNNING"
    assert unit(services, run_id, "B")["outcome"] == "loaded"
    leases.release(services.engine, held)
    assert unit(services, sync(services, "A"), "A")["outcome"] == "loaded"


def test_leases_are_free_after_a_run(services: Services) -> None:
    sync(services)
    assert leases.holder_of(services.engine, ("A", "fake", "things")) is None


def test_resync_repeats_only_what_is_not_done(services: Services) -> None:
    SCRIPT["B"]["things.summary"] = [SourceUnavailable("503"), {"counts": {"red": 1}}]
    first = sync(services)
    planned = resync_plan(services, first)
    assert [key.client_id for key in planned.keys] == ["B"]
    second = run(services, planned, kind="resync")
    assert unit(services, second, "B")["outcome"] == "loaded"
    assert resync_plan(services, first).keys == []


def test_a_unit_asked_before_its_day_is_too_early_and_costs_no_call(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-10T10:00:00+05:30")
    run_id = sync(services, "A", modules=("Late",))
    ended = unit(services, run_id, "A")
    assert ended["outcome"] == "too_early"
    assert ASKED[("A", "late.get")] == 0
    schedule = retry_schedule(services, run_id)
    assert [group.outcome for group in schedule] == ["too_early"]
    assert f"{schedule[0].at:%d-%m-%Y}" == "14-11-2026"


def test_a_transient_failure_is_scheduled_again_and_a_waiting_person_is_not(services: Services) -> None:
    SCRIPT["A"]["things.summary"] = SourceUnavailable("503")
    SCRIPT["B"]["things.summary"] = OtpRequired("OTP")
    schedule = retry_schedule(services, sync(services))
    assert [(group.outcome, len(group.unit_ids)) for group in schedule] == [("transient", 1)]


def test_a_source_that_is_suddenly_empty_is_suspect_until_a_person_releases_it(services: Services) -> None:
    many = tuple(f"R{n}" for n in range(20))
    good_client("A", red=many)
    sync(services, "A")
    good_client("A", red=("R1",))
    run_id = sync(services, "A")
    suspect = unit(services, run_id, "A")
    assert suspect["outcome"] == "suspect"
    assert (suspect["rows_in"], suspect["rows_loaded"], suspect["rows_quarantined"]) == (1, 0, 1)
    assert len(rows(services, "A")) == 20
    released = release(services, suspect["unit_id"], "compared with the portal")
    assert unit(services, released, "A")["outcome"] == "loaded"
    assert rows(services, "A") == {("R1", 100)}


def test_every_unit_that_is_not_done_has_an_exception_with_a_next_step(services: Services) -> None:
    SCRIPT["A"]["things.summary"] = SourceUnavailable("503")
    run_id = sync(services)
    table = SyncException.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        found = connection.execute(select(table).where(table.c.run_id == run_id)).mappings().all()
    assert {row["client_id"] for row in found} == {"A"}
    assert all(row["next_step"] for row in found)


def test_unknown_names_are_refused_with_the_valid_ones(services: Services) -> None:
    with pytest.raises(UnknownClient, match="A"):
        plan(services, Selection("fake", clients=("Z",)))
    with pytest.raises(UnknownModule, match="Things"):
        resolve_modules(CONNECTOR, ["Nonsense"])
    with pytest.raises(UnknownName, match="fake"):
        plan(services, Selection("nope"))


def test_a_consent_that_ends_within_a_week_is_a_warning_in_the_exceptions(services: Services) -> None:
    table = SyncClient.__table__  # type: ignore[attr-defined]
    with writing(services.engine) as connection:
        for client, ends in (("A", date(2026, 11, 30)), ("B", date(2026, 12, 1))):
            connection.execute(update(table).where(table.c.client_id == client).values(consent_ends_on=ends))
    run_id = sync(services)
    found = SyncException.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        rows_found = connection.execute(
            select(found.c.client_id, found.c.code, found.c.is_warning).where(found.c.run_id == run_id)
        ).all()
    assert [tuple(row) for row in rows_found] == [("A", "CONSENT_ENDS_SOON", True)]


def test_a_run_that_is_asked_to_stop_cancels_what_is_not_done_and_is_resumed(services: Services) -> None:
    services.stop.set()
    first = sync(services)
    assert {unit(services, first, client)["outcome"] for client in ("A", "B", "C")} == {"cancelled"}
    assert sum(ASKED.values()) == 0
    services.stop.clear()
    second = run(services, resync_plan(services, first), kind="resync")
    assert {unit(services, second, client)["outcome"] for client in ("A", "B", "C")} == {"loaded"}
