"""Replay and dismissal: what a fixed rule lets through goes in once, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from clientsync.database import writing
from clientsync.errors import InvalidInput, UnknownName
from clientsync.ledger import leases
from clientsync.ledger.tables import SyncDecision, SyncQuarantine, SyncUnit
from clientsync.outcomes import Outcome
from clientsync.spec.module import Record, TableSpec
from clientsync.staged import Breach, StagedCell, StagedUnit
from clientsync.warehouse.quarantine import HeldFilter, dismiss, open_rows, replay
from clientsync.warehouse.replaying import typed_values
from clientsync.warehouse.schema import warehouse_table
from tests.support.demo_warehouse import ENTRIES, INVOICES, TABLES, House, answer, invoice

Validator = Callable[[Sequence[StagedUnit], Mapping[str, TableSpec]], list[Breach]]


def nothing(_units: Sequence[StagedUnit], _tables: Mapping[str, TableSpec]) -> list[Breach]:
    """Pass every row."""
    return []


def below(limit: int, action: str = "reject_row") -> Validator:
    """Return a validator that breaches every row whose value is below the limit."""

    def check(units: Sequence[StagedUnit], _tables: Mapping[str, TableSpec]) -> list[Breach]:
        return [
            Breach(unit.unit_id, cell.section, number, "DEMO-01", "value too small", action)
            for unit in units
            for cell in unit.cells
            for number, record in enumerate(cell.records)
            if isinstance(record.values.get("taxable_paise"), int) and record.values["taxable_paise"] < limit
        ]

    return check


def hold(house: House, *records: Record, **unit: str) -> StagedUnit:
    """Load one answer of which the rows below zero are held."""
    staged = house.unit(answer(*records), **unit)
    house.load(staged, breaches=below(0)([staged], TABLES))
    leases.release(house.engine, house.fences)
    house.fences.clear()
    return staged


def unit_row(house: House, unit_id: str) -> dict[str, object]:
    [row] = [one for one in house.rows(SyncUnit.__table__) if one["unit_id"] == unit_id]  # type: ignore[attr-defined]
    return row


def good(count: int = 12) -> list[Record]:
    return [invoice(f"G{number}", 100 + number) for number in range(count)]


def test_a_row_that_passes_after_a_fix_is_loaded_and_its_siblings_stay(house: House) -> None:
    staged = hold(house, *good(), invoice("B1", -5, invoice_on=date(2026, 10, 3)))
    before = house.invoices()
    house.night += timedelta(minutes=1)
    result = replay(house.engine, HeldFilter(client="C1"), TABLES, nothing, now=house.night)
    assert (result.asked, result.replayed, result.inserted, result.still_held, result.busy) == (1, 1, 1, 0, 0)
    assert house.invoices() == before | {("C1", "102026", "b2b", "B1"): -5}
    assert house.held() == []
    [stored] = [row for row in house.rows(warehouse_table(INVOICES).core) if row["number"] == "B1"]
    assert stored["invoice_on"] == date(2026, 10, 3)
    assert (stored["unit_id"], stored["run_id"]) == (staged.unit_id, staged.run_id)


def test_rows_in_stay_rows_loaded_plus_held(house: House) -> None:
    staged = hold(house, *good(), invoice("B1", -5), invoice("B2", -9))
    replay(house.engine, HeldFilter(), TABLES, below(-6), now=house.night + timedelta(minutes=1))
    unit = unit_row(house, staged.unit_id)
    assert (unit["rows_in"], unit["rows_loaded"], unit["rows_quarantined"]) == (14, 13, 1)
    assert unit["inserted"] == 13
    assert [row["reason"] for row in house.held()] == ["value too small"]


def test_a_second_replay_changes_nothing(house: House) -> None:
    staged = hold(house, *good(), invoice("B1", -5))
    replay(house.engine, HeldFilter(), TABLES, nothing, now=house.night + timedelta(minutes=1))
    stored, unit = house.rows(warehouse_table(INVOICES).core), unit_row(house, staged.unit_id)
    again = replay(house.engine, HeldFilter(), TABLES, nothing, now=house.night + timedelta(minutes=2))
    assert (again.asked, again.replayed) == (0, 0)
    assert house.rows(warehouse_table(INVOICES).core) == stored
    assert unit_row(house, staged.unit_id) == unit


def test_a_row_that_still_breaks_a_rule_stays_with_todays_reason(sqlite_house: House) -> None:
    house = sqlite_house
    hold(house, *good(), invoice("B1", -5))

    def other(units: Sequence[StagedUnit], tables: Mapping[str, TableSpec]) -> list[Breach]:
        return [
            Breach(one.unit_id, one.section, one.record, "DEMO-02", "another rule", "halt_unit")
            for one in below(0)(units, tables)
        ]

    result = replay(house.engine, HeldFilter(), TABLES, other)
    assert (result.still_held, dict(result.codes)) == (1, {"DEMO-02": 1})
    assert [(row["codes"], row["reason"]) for row in house.held()] == [("DEMO-02", "another rule")]


def test_a_version_that_the_source_has_told_anew_is_not_overwritten(house: House) -> None:
    hold(house, *good(), invoice("B1", -5))
    newer = house.unit(answer(invoice("B1", 700), is_whole=False))
    house.load(newer)
    leases.release(house.engine, house.fences)
    result = replay(house.engine, HeldFilter(), TABLES, nothing, now=house.night + timedelta(minutes=1))
    assert (result.replayed, result.superseded) == (0, 1)
    house.night += timedelta(minutes=2)
    assert house.invoices()["C1", "102026", "b2b", "B1"] == 700
    assert house.held() == []


def test_of_two_contradicting_rows_a_person_chooses_one_by_its_id(house: House) -> None:
    hold(house, *good(), invoice("K", 500), invoice("K", 900))
    both = replay(house.engine, HeldFilter(code="KEY_CONFLICT"), TABLES, nothing, now=house.night)
    assert (both.replayed, both.still_held) == (0, 2)
    [chosen] = [row for row in open_rows(house.engine) if row.values["taxable_paise"] == 900]
    house.night += timedelta(minutes=1)
    assert replay(house.engine, [chosen.quarantine_id], TABLES, nothing, now=house.night).replayed == 1
    assert house.invoices()["C1", "102026", "b2b", "K"] == 900
    rest = replay(house.engine, HeldFilter(), TABLES, nothing, now=house.night + timedelta(minutes=1))
    assert (rest.superseded, rest.replayed) == (1, 0)
    assert house.invoices()["C1", "102026", "b2b", "K"] == 900


def test_a_row_that_could_not_be_read_stays_with_its_reason(sqlite_house: House) -> None:
    house = sqlite_house
    unread = Record(INVOICES.name, {"source_row": {"inum": "?"}}, problem="inum is not text")
    staged = house.unit(answer(*good(), unread))
    house.load(staged)
    result = replay(house.engine, HeldFilter(), TABLES, nothing)
    assert (result.asked, result.still_held, result.replayed) == (1, 1, 0)
    assert [row["reason"] for row in house.held()] == ["inum is not text"]


def test_a_wrong_type_stays_held_whatever_the_checks_say(sqlite_house: House) -> None:
    house = sqlite_house
    staged = house.unit(
        answer(*good(), Record(INVOICES.name, invoice("T").values | {"taxable_paise": "12.50"}))
    )
    house.load(staged)
    leases.release(house.engine, house.fences)
    result = replay(house.engine, HeldFilter(), TABLES, nothing)
    assert (result.still_held, dict(result.codes)) == (1, {"ROW_INVALID": 1})


def test_rows_on_which_another_run_works_are_left_alone(sqlite_house: House) -> None:
    house = sqlite_house
    hold(house, *good(), invoice("B1", -5))
    held = leases.take(house.engine, [("C1", "demo", "invoices")], "a run", 60)
    result = replay(house.engine, HeldFilter(), TABLES, nothing)
    assert (result.busy, result.replayed) == (1, 0)
    leases.release(house.engine, held)
    assert replay(house.engine, HeldFilter(), TABLES, nothing).replayed == 1


def test_a_lease_lost_during_validation_writes_nothing(sqlite_house: House) -> None:
    house = sqlite_house
    hold(house, *good(), invoice("B1", -5))
    lease = SyncQuarantine.metadata.tables["sync_lease"]

    def slow(_units: Sequence[StagedUnit], _tables: Mapping[str, TableSpec]) -> list[Breach]:
        with writing(house.engine) as connection:
            connection.execute(update(lease).values(fence=lease.c.fence + 1, holder="another"))
        return []

    result = replay(house.engine, HeldFilter(), TABLES, slow)
    assert (result.busy, result.replayed, len(house.held())) == (1, 0, 1)


def test_rows_of_a_suspect_unit_wait_for_its_release(sqlite_house: House) -> None:
    house = sqlite_house
    hold(house, *[invoice(f"B{number}", -number) for number in range(1, 13)])
    result = replay(house.engine, HeldFilter(), TABLES, nothing)
    assert (result.still_held, dict(result.codes)) == (12, {"SUSPECT": 12})
    assert house.invoices() == {}


@pytest.mark.parametrize(
    "outcome", [Outcome.TRANSIENT, Outcome.NEEDS_PERSON, Outcome.BROKEN, Outcome.CANCELLED]
)
def test_a_later_night_without_an_answer_releases_no_suspect_row(
    sqlite_house: House, outcome: Outcome
) -> None:
    house = sqlite_house
    hold(house, *[invoice(f"B{number}", -number) for number in range(1, 13)])
    house.load(house.unit(StagedCell("b2b", outcome)))
    leases.release(house.engine, house.fences)
    result = replay(house.engine, HeldFilter(), TABLES, nothing)
    assert (result.still_held, dict(result.codes)) == (12, {"SUSPECT": 12})
    assert house.invoices() == {}


def test_the_same_row_held_for_two_clients_goes_in_for_both(sqlite_house: House) -> None:
    house = sqlite_house
    for client in ("C1", "C2"):
        hold(house, *good(), invoice("B1", -5), client=client)
    assert replay(house.engine, HeldFilter(), TABLES, nothing, now=house.night).replayed == 2
    assert {key[0] for key in house.invoices() if key[3] == "B1"} == {"C1", "C2"}


def test_open_rows_are_found_by_where_and_why_they_are_held(sqlite_house: House) -> None:
    house = sqlite_house
    for client in ("C1", "C2"):
        hold(house, *good(), invoice("B1", -5), client=client)
    assert [row.client_id for row in open_rows(house.engine, client="C2")] == ["C2"]
    assert len(open_rows(house.engine, module="invoices", section="b2b", code="DEMO-01")) == 2
    assert len(open_rows(house.engine, table=INVOICES.name, limit=1)) == 1
    assert open_rows(house.engine, code="DEMO-0") == []


def test_a_failing_validator_leaves_rows_and_leases_as_they_were(sqlite_house: House) -> None:
    house = sqlite_house
    hold(house, *good(), invoice("B1", -5))

    def fail(_units: Sequence[StagedUnit], _tables: Mapping[str, TableSpec]) -> list[Breach]:
        raise InvalidInput("a check is wrong")

    with pytest.raises(InvalidInput):
        replay(house.engine, HeldFilter(), TABLES, fail)
    assert len(house.held()) == 1
    assert leases.holder_of(house.engine, ("C1", "demo", "invoices")) is None


def test_a_dismissal_is_kept_with_its_reason_and_the_row_is_not_loaded(house: House) -> None:
    hold(house, *good(), invoice("B1", -5))
    [row] = open_rows(house.engine)
    decision_id = dismiss(house.engine, row.quarantine_id, " a test entry of the supplier ")
    [decision] = house.rows(SyncDecision.__table__)  # type: ignore[attr-defined]
    assert decision["decision_id"] == decision_id
    assert (decision["kind"], decision["subject"], decision["client_id"]) == (
        "dismiss",
        row.quarantine_id,
        "C1",
    )
    assert decision["reason"] == "a test entry of the supplier"
    assert open_rows(house.engine) == []
    assert replay(house.engine, [row.quarantine_id], TABLES, nothing).asked == 0
    with pytest.raises(UnknownName, match="none yet"):
        dismiss(house.engine, row.quarantine_id, "again")


def test_a_dismissal_without_a_reason_is_refused(sqlite_house: House) -> None:
    with pytest.raises(InvalidInput):
        dismiss(sqlite_house.engine, "qua-1", "  ")


def test_a_replay_that_ends_before_its_commit_leaves_everything_as_it_was(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = sqlite_house
    staged = hold(house, *good(), invoice("B1", -5))
    before = (house.rows(warehouse_table(INVOICES).core), house.held(), unit_row(house, staged.unit_id))

    def stop(name: str) -> None:
        if name == "before_commit":
            raise InvalidInput("stopped here")

    monkeypatch.setattr("clientsync.warehouse.replaying.crash_point", stop)
    with pytest.raises(InvalidInput):
        replay(house.engine, HeldFilter(), TABLES, nothing)
    assert (
        house.rows(warehouse_table(INVOICES).core),
        house.held(),
        unit_row(house, staged.unit_id),
    ) == before
    monkeypatch.undo()
    assert replay(house.engine, HeldFilter(), TABLES, nothing).replayed == 1


def test_two_replays_at_once_load_every_row_once(house: House) -> None:
    staged = hold(house, *good(40), *(invoice(f"B{number}", -number) for number in range(1, 6)))
    moment = house.night + timedelta(minutes=1)
    with ThreadPoolExecutor(3) as pool:
        futures = [
            pool.submit(replay, house.engine, HeldFilter(), TABLES, nothing, now=moment) for _ in range(3)
        ]
        results = [future.result() for future in futures]
    assert sum(one.replayed for one in results) == 5
    assert sum(one.asked - one.busy - one.replayed for one in results) == 0
    unit = unit_row(house, staged.unit_id)
    assert (unit["rows_in"], unit["rows_loaded"], unit["rows_quarantined"]) == (45, 45, 0)


def test_a_row_held_again_by_a_later_answer_is_replayed_once(house: House) -> None:
    first = hold(house, *good(), invoice("B1", -5))
    hold(house, *good(), invoice("B1", -5))
    house.night += timedelta(minutes=1)
    assert replay(house.engine, HeldFilter(), TABLES, nothing, now=house.night).replayed == 1
    assert house.invoices()["C1", "102026", "b2b", "B1"] == -5
    unit = unit_row(house, first.unit_id)
    assert (unit["rows_loaded"], unit["rows_quarantined"]) == (13, 0)


def test_a_replayed_row_vanishes_like_any_other_when_a_whole_answer_lacks_it(house: House) -> None:
    hold(house, *good(), invoice("B1", -5))
    house.night += timedelta(minutes=1)
    replay(house.engine, HeldFilter(), TABLES, nothing, now=house.night)
    house.load(house.unit(answer(*good())))
    assert ("C1", "102026", "b2b", "B1") not in house.invoices()


def test_a_table_that_no_module_declares_any_more_keeps_its_rows(sqlite_house: House) -> None:
    house = sqlite_house
    hold(house, *good(), invoice("B1", -5))
    result = replay(house.engine, HeldFilter(), {}, nothing)
    assert (result.still_held, dict(result.codes)) == (1, {"DEMO-01": 1})


def test_values_kept_as_json_come_back_as_dates_and_moments_and_nothing_else_does() -> None:
    moment = datetime(2026, 10, 3, 4, 5, tzinfo=UTC)
    entries, invoices = warehouse_table(ENTRIES), warehouse_table(INVOICES)
    assert typed_values(entries, {"ref": "2026-10-03", "at": moment.isoformat()}) == {
        "ref": "2026-10-03",
        "at": moment,
    }
    assert typed_values(invoices, {"invoice_on": "2026-10-03"}) == {"invoice_on": date(2026, 10, 3)}
    for text in ("20261003", "03-10-2026", ""):
        assert typed_values(invoices, {"invoice_on": text}) == {"invoice_on": text}
