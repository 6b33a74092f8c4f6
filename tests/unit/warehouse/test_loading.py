"""What a load promises: every row accounted for, nothing written twice, vanished rows kept as tombstones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from clientsync.database import writing
from clientsync.ledger import leases
from clientsync.ledger.tables import SyncCell, SyncException, SyncLease, SyncUnit
from clientsync.outcomes import Outcome
from clientsync.spec.module import Finding, Record, Skip, SkipKind, TableSpec
from clientsync.staged import Breach, Problem, StagedCell, StagedUnit
from clientsync.warehouse.schema import warehouse_table
from tests.support.demo_warehouse import ENTRIES, FIRST_NIGHT, INVOICES, POOL, House, answer, invoice, pooled

CORE = warehouse_table(INVOICES).core
HISTORY = warehouse_table(INVOICES).history
CELL: Any = SyncCell.__table__  # type: ignore[attr-defined]
UNIT: Any = SyncUnit.__table__  # type: ignore[attr-defined]


def reject(unit: StagedUnit, record: int, action: str = "reject_row") -> Breach:
    return Breach(unit.unit_id, "b2b", record, "DEMO-01", "taxable value is wrong", action)


def many(count: int, start: int = 0) -> list[Record]:
    return [invoice(f"{number:04d}", number) for number in range(start, start + count)]


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def test_new_rows_are_loaded_and_the_unit_ends_with_its_counts(house: House) -> None:
    unit = house.unit(answer(invoice("1"), invoice("2")), answer(section="cdn"))
    (result,) = house.load(unit)
    assert (result.outcome, result.rows_in, result.inserted) == (Outcome.LOADED, 2, 2)
    (row,) = house.rows(UNIT)
    assert (row["state"], row["outcome"], row["rows_loaded"]) == ("ended", "loaded", 2)
    assert (row["cells_asked"], row["ended_at"]) == (2, house.night)


def test_loading_the_same_again_writes_no_row_and_bumps_nothing(house: House) -> None:
    house.load(house.unit(answer(*many(20))))
    before = house.rows(CORE)
    (result,) = house.load(house.unit(answer(*many(20))))
    assert (result.outcome, result.unchanged, result.inserted) == (Outcome.UNCHANGED, 20, 0)
    assert house.rows(CORE) == before
    assert house.rows(HISTORY) == []


def test_a_changed_row_keeps_its_first_moment_and_its_old_version(house: House) -> None:
    house.load(house.unit(answer(invoice("1", 100))))
    first = house.night
    (result,) = house.load(house.unit(answer(invoice("1", 200))))
    assert (result.outcome, result.updated) == (Outcome.LOADED, 1)
    (row,) = house.rows(CORE)
    assert (row["first_loaded_at"], row["loaded_at"], row["taxable_paise"]) == (first, house.night, 200)
    (old,) = house.rows(HISTORY)
    assert (old["taxable_paise"], old["change"]) == (100, "updated")
    assert (old["valid_from"], old["valid_to"]) == (first, house.night)
    assert old["ended_by_unit_id"] == result.unit_id


def test_a_vanished_row_becomes_a_tombstone_and_is_restored_when_it_returns(house: House) -> None:
    house.load(house.unit(answer(invoice("1"), invoice("2"))))
    (gone,) = house.load(house.unit(answer(invoice("1"))))
    assert (gone.removed, gone.unchanged) == (1, 1)
    assert [row["number"] for row in house.rows(CORE) if row["removed_at"]] == ["2"]
    away = house.night
    (back,) = house.load(house.unit(answer(invoice("1"), invoice("2"))))
    assert (back.inserted, back.unchanged) == (1, 1)
    assert len(house.invoices()) == 2
    assert ("C1", "102026", "b2b", "2") not in house.invoices(away)
    assert [row["change"] for row in house.rows(HISTORY)] == ["removed", "restored"]


def test_an_empty_answer_empties_its_own_scope_only(house: House) -> None:
    house.load(house.unit(answer(invoice("1")), answer(invoice("9", section="cdn"), section="cdn")))
    house.load(house.unit(answer(invoice("1", period="092026")), period="092026"))
    (result,) = house.load(house.unit(answer()))
    assert (result.removed, result.outcome) == (1, Outcome.LOADED)
    assert set(house.invoices()) == {("C1", "102026", "cdn", "9"), ("C1", "092026", "b2b", "1")}


def test_a_failed_or_partial_section_makes_nothing_vanish(house: House) -> None:
    house.load(house.unit(answer(invoice("1")), answer(invoice("9", section="cdn"), section="cdn")))
    failed = StagedCell(
        "b2b", Outcome.TRANSIENT, is_whole=False, problem=Problem("X", "failed", "wait"), calls=1
    )
    partial = answer(invoice("8", section="cdn"), section="cdn", is_whole=False)
    (result,) = house.load(house.unit(failed, partial))
    assert (result.outcome, result.removed, result.inserted) == (Outcome.TRANSIENT, 0, 1)
    assert len(house.invoices()) == 3


def test_a_table_that_keeps_rows_never_removes_them(house: House) -> None:
    entry = Record(ENTRIES.name, {"ref": "A", "at": FIRST_NIGHT})
    house.load(house.unit(answer(entry, section="list")))
    (result,) = house.load(house.unit(answer(section="list")))
    assert (result.outcome, result.removed) == (Outcome.EMPTY, 0)


def test_two_clients_with_identical_keys_never_merge(house: House) -> None:
    house.load(house.unit(answer(invoice("1", 1))), house.unit(answer(invoice("1", 2)), client="C2"))
    house.load(house.unit(answer(), client="C2"))
    assert house.invoices() == {("C1", "102026", "b2b", "1"): 1}


def test_a_stale_fence_writes_nothing_at_all(house: House) -> None:
    stale = house.unit(answer(invoice("1")))
    leases.take(house.engine, [("C1", "demo", "invoices")], "tests", 600)
    other = house.unit(answer(invoice("1")), client="C2")
    lost, loaded = house.load(stale, other)
    assert (lost.outcome, codes(lost.problems)) == (Outcome.CANCELLED, ["LEASE_LOST"])
    assert loaded.outcome is Outcome.LOADED
    assert {row["client_id"] for row in house.rows(CORE)} == {"C2"}
    assert {row["client_id"] for row in house.rows(CELL)} == {"C2"}
    assert [row["outcome"] for row in house.rows(UNIT) if row["client_id"] == "C1"] == [None]


def test_a_lease_that_is_not_there_counts_as_lost(house: House) -> None:
    unit = house.unit(answer(invoice("1")))
    with writing(house.engine) as connection:
        connection.execute(SyncLease.__table__.delete())  # type: ignore[attr-defined]
    assert house.load(unit)[0].outcome is Outcome.CANCELLED


def test_rejected_rows_are_held_with_their_reason_and_the_others_loaded(house: House) -> None:
    unit = house.unit(answer(*many(10)))
    (result,) = house.load(unit, breaches=[reject(unit, 3)])
    assert (result.rows_in, result.rows_loaded, result.rows_quarantined) == (10, 9, 1)
    (held,) = house.held()
    assert (held["codes"], held["reason"], held["values"]["number"]) == (
        "DEMO-01",
        "taxable value is wrong",
        "0003",
    )
    assert codes(result.problems) == ["DEMO-01"]


def test_a_held_row_is_not_doubled_by_the_next_load_and_is_superseded_when_mended(house: House) -> None:
    for _ in range(2):
        unit = house.unit(answer(*many(10)))
        house.load(unit, breaches=[reject(unit, 3)])
        assert len(house.held()) == 1
    house.load(house.unit(answer(*many(10))))
    assert house.held() == []
    assert len(house.invoices()) == 10


def test_a_held_row_does_not_remove_the_stored_row_of_its_key(house: House) -> None:
    house.load(house.unit(answer(*many(10))))
    unit = house.unit(answer(*many(10)))
    (result,) = house.load(unit, breaches=[reject(unit, 3)])
    assert (result.removed, len(house.invoices())) == (0, 10)


def test_rows_whose_key_cannot_be_read_put_removal_off(house: House) -> None:
    house.load(house.unit(answer(*many(12))))
    bad = Record(INVOICES.name, {"what": "is this"}, problem="the row has no number")
    (result,) = house.load(house.unit(answer(*many(10), bad)))
    assert (result.removed, result.rows_quarantined) == (0, 1)
    assert "REMOVAL_PUT_OFF" in codes(result.problems)
    assert house.held()[0]["reason"] == "the row has no number"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"number": "x" * 17}, "number is longer than 16 characters"),
        ({"taxable_paise": "12"}, "taxable_paise is str and must be int"),
        ({"taxable_paise": True}, "taxable_paise is bool and must be int"),
        ({"taxable_paise": 2**63}, "taxable_paise is too large"),
        ({"remark": "a\x00b"}, "remark holds characters that no database stores"),
        ({"remark": "\ud800"}, "remark holds characters that no database stores"),
        ({"invoice_on": FIRST_NIGHT}, "invoice_on is datetime and must be date"),
        ({"is_amended": None}, "is_amended is null"),
        ({"surprise": 1}, "unknown columns: surprise"),
    ],
)
def test_a_row_that_a_database_would_refuse_is_held_not_fatal(
    house: House, values: dict[str, Any], reason: str
) -> None:
    (result,) = house.load(house.unit(answer(invoice("ok"), invoice(**({"number": "bad"} | values)))))
    assert (result.rows_loaded, result.rows_quarantined) == (1, 1)
    assert house.held()[0]["reason"] == reason


def test_exact_repetitions_are_one_row_and_are_counted(house: House) -> None:
    (result,) = house.load(house.unit(answer(invoice("1"), invoice("1"), invoice("1"))))
    assert (result.rows_in, result.inserted, result.unchanged, result.rows_loaded) == (3, 1, 2, 3)
    assert codes(result.problems) == ["REPEATED_ROWS"]


def test_one_key_with_different_contents_is_held_whole_and_changes_nothing_stored(house: House) -> None:
    house.load(house.unit(answer(invoice("1", 5), invoice("2"), invoice("3"))))
    (result,) = house.load(house.unit(answer(invoice("1", 6), invoice("2"), invoice("3"), invoice("1", 7))))
    assert (result.rows_in, result.rows_loaded, result.rows_quarantined) == (4, 2, 2)
    assert {row["codes"] for row in house.held()} == {"KEY_CONFLICT"}
    assert house.invoices()["C1", "102026", "b2b", "1"] == 5


def test_too_many_bad_rows_stop_the_unit_and_every_row_is_kept_in_quarantine(house: House) -> None:
    unit = house.unit(answer(*many(10)))
    (result,) = house.load(unit, breaches=[reject(unit, row) for row in range(3)])
    assert (result.outcome, result.rows_loaded, result.rows_quarantined) == (Outcome.SUSPECT, 0, 10)
    assert codes(result.problems)[0] == "TOO_MANY_BAD_ROWS"
    assert (house.rows(CORE), len(house.held())) == ([], 10)


def test_a_halting_breach_or_finding_stops_the_unit_alone(house: House) -> None:
    halted = house.unit(answer(*many(3)))
    found = house.unit(answer(*many(3), findings=[Finding("T-1", "totals disagree")]), client="C2")
    fine = house.unit(answer(*many(3, 50)), period="092026")
    results = house.load(halted, found, fine, breaches=[reject(halted, 0, "halt_unit")])
    assert [result.outcome for result in results] == [Outcome.SUSPECT, Outcome.SUSPECT, Outcome.LOADED]
    assert len(house.invoices()) == 3
    assert {row["code"] for row in house.rows(SyncException.__table__)} == {"DEMO-01", "T-1"}  # type: ignore[attr-defined]


def test_warnings_are_reported_and_the_rows_loaded(house: House) -> None:
    unit = house.unit(answer(*many(3), findings=[Finding("T-2", "rounded", is_halting=False)]))
    (result,) = house.load(unit, breaches=[reject(unit, 0, "warn"), reject(unit, 1, "warn")])
    assert result.rows_loaded == 3
    assert [(one.code, one.rows, one.is_warning) for one in result.problems] == [
        ("DEMO-01", 2, True),
        ("T-2", 0, True),
    ]


def test_a_suddenly_empty_source_removes_nothing_before_a_person_releases_it(house: House) -> None:
    house.load(house.unit(answer(*many(20))))
    (stopped,) = house.load(house.unit(answer()))
    assert (stopped.outcome, codes(stopped.problems)) == (Outcome.SUSPECT, ["SOURCE_SUDDENLY_EMPTY"])
    assert len(house.invoices()) == 20
    (released,) = house.load(house.unit(answer()), released={("C1", "invoices", "102026")})
    assert (released.outcome, released.removed, house.invoices()) == (Outcome.LOADED, 20, {})


def test_the_delete_share_is_counted_per_scope(house: House) -> None:
    house.load(house.unit(answer(*many(20))))
    assert house.load(house.unit(answer(*many(8))))[0].removed == 12  # 60 % is allowed, more is not
    house.load(house.unit(answer(*many(20))))
    assert house.load(house.unit(answer(*many(7))))[0].outcome is Outcome.SUSPECT


def test_the_rows_of_a_suspect_unit_do_not_stop_the_others_of_its_batch(house: House) -> None:
    house.load(house.unit(answer(*many(20))))
    results = house.load(house.unit(answer()), house.unit(answer(*many(2)), client="C2"))
    assert [one.outcome for one in results] == [Outcome.SUSPECT, Outcome.LOADED]


def test_two_units_of_one_batch_about_the_same_end_as_if_loaded_one_after_the_other(house: House) -> None:
    first, second = house.unit(answer(invoice("1", 1), invoice("2", 1))), house.unit(answer(invoice("1", 2)))
    results = house.load(first, second)
    assert [(one.inserted, one.updated, one.removed) for one in results] == [(2, 0, 0), (0, 1, 1)]
    assert house.invoices() == {("C1", "102026", "b2b", "1"): 2}


def test_sections_are_remembered_so_that_a_later_run_may_skip_them(house: House) -> None:
    house.load(house.unit(answer(*many(2), checksum="c1", summary_checksum="s1", version="4.0")))
    (cell,) = house.rows(CELL)
    assert (cell["checksum"], cell["summary_checksum"], cell["rows"]) == ("c1", "s1", 2)
    assert (cell["was_loaded"], cell["asked_at"]) == (True, house.night)


def skipped(kind: SkipKind, outcome: Outcome, **more: Any) -> StagedCell:
    return StagedCell("b2b", outcome, skip=Skip(kind, "because"), **more)


def test_a_skipped_section_keeps_its_memory_and_says_why(house: House) -> None:
    house.load(house.unit(answer(*many(2), checksum="c1")))
    asked = house.night
    cell = skipped(SkipKind.UNCHANGED_BY_CHECKSUM, Outcome.UNCHANGED, is_whole=False)
    (result,) = house.load(house.unit(cell))
    assert (result.outcome, result.removed) == (Outcome.NOT_ASKED, 0)
    (row,) = house.rows(CELL)
    assert (row["checksum"], row["rows"], row["asked_at"]) == ("c1", 2, asked)
    assert (row["skip_kind"], row["skip_reason"]) == ("unchanged_by_checksum", "because")


def test_a_section_emptied_by_count_forgets_the_checksum_of_its_rows(house: House) -> None:
    house.load(house.unit(answer(*many(2), checksum="c1", summary_checksum="s1")))
    (result,) = house.load(house.unit(skipped(SkipKind.EMPTY_BY_COUNT, Outcome.EMPTY, summary_checksum="s0")))
    assert (result.removed, result.outcome) == (2, Outcome.LOADED)
    (row,) = house.rows(CELL)
    assert (row["checksum"], row["summary_checksum"], row["rows"]) == (None, "s0", 0)


def test_a_suspect_unit_does_not_change_what_is_remembered_of_its_sections(house: House) -> None:
    house.load(house.unit(answer(*many(20), checksum="c1")))
    house.load(house.unit(answer(checksum="c2")))
    (row,) = house.rows(CELL)
    assert (row["checksum"], row["rows"], row["outcome"]) == ("c1", 20, "suspect")


def test_a_file_that_changed_rows_makes_the_portal_be_asked_again(house: House) -> None:
    house.load(house.unit(answer(*many(2), checksum="c1")))
    house.load(house.unit(answer(*many(2), checksum="f1"), source="file"))
    assert house.rows(CELL)[0]["checksum"] == "c1"
    house.load(house.unit(answer(*many(1), checksum="f2"), source="file"))
    (row,) = house.rows(CELL)
    assert (row["checksum"], row["was_loaded"]) == (None, False)


def test_the_token_of_a_queued_file_survives_until_it_is_answered(house: House) -> None:
    ready = FIRST_NIGHT + timedelta(hours=1)
    wait = Problem("FILE_QUEUED", "wait", "None")
    queued = StagedCell(
        "b2b", Outcome.QUEUED, is_whole=False, problem=wait, token="T", ready_at=ready, calls=1
    )
    (result,) = house.load(house.unit(queued))
    assert (result.outcome, result.next_try_at) == (Outcome.QUEUED, ready)
    failed = StagedCell("b2b", Outcome.TRANSIENT, is_whole=False, problem=Problem("X", "x", "x"), calls=1)
    house.load(house.unit(failed))
    assert house.rows(CELL)[0]["file_token"] == "T"
    house.load(house.unit(answer(*many(1))))
    assert house.rows(CELL)[0]["file_token"] is None


def test_the_worst_section_explains_the_unit(house: House) -> None:
    broken = StagedCell(
        "cdn", Outcome.BROKEN, is_whole=False, problem=Problem("CONTRACT_CHANGED", "shape", "report"), calls=1
    )
    house.load(house.unit(answer(*many(2)), broken))
    (row,) = house.rows(UNIT)
    assert (row["outcome"], row["reason_code"], row["reason"], row["next_step"]) == (
        "broken",
        "CONTRACT_CHANGED",
        "shape",
        "report",
    )
    assert (row["inserted"], len(house.invoices())) == (2, 2)


@pytest.mark.parametrize(
    ("cells", "outcome"),
    [
        ([skipped(SkipKind.FINAL, Outcome.NOT_ASKED)], Outcome.NOT_ASKED),
        ([skipped(SkipKind.NOT_APPLICABLE, Outcome.NOT_APPLICABLE)], Outcome.NOT_APPLICABLE),
        ([answer()], Outcome.EMPTY),
        ([StagedCell("b2b", Outcome.UNCHANGED, row_count=4, is_whole=False, calls=1)], Outcome.UNCHANGED),
    ],
)
def test_a_unit_without_changes_says_which_kind_of_nothing_it_was(
    sqlite_house: House, cells: list[StagedCell], outcome: Outcome
) -> None:
    assert sqlite_house.load(sqlite_house.unit(*cells))[0].outcome is outcome


def test_a_record_of_an_unknown_table_breaks_its_unit_alone(house: House) -> None:
    odd = house.unit(answer(Record("nowhere", {})))
    results = house.load(odd, house.unit(answer(*many(1)), client="C2"))
    assert [one.outcome for one in results] == [Outcome.BROKEN, Outcome.LOADED]


def test_an_empty_batch_is_nothing(house: House) -> None:
    assert house.load() == []


def test_what_the_database_refuses_breaks_one_unit_and_loads_the_others(house: House) -> None:
    good = house.unit(answer(*many(2)))
    bad = house.unit(answer(*many(2)), client="C2", source=None)  # a column that must not be null
    results = house.load(good, bad)
    assert [one.outcome for one in results] == [Outcome.LOADED, Outcome.BROKEN]
    assert codes(results[1].problems) == ["INTEGRITY_BROKEN"]
    assert {row["client_id"] for row in house.rows(CORE)} == {"C1"}


def test_a_load_takes_a_fixed_number_of_statements_whatever_the_rows(house: House) -> None:
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    counts = []
    for size, period in ((50, "092026"), (2000, "102026")):
        records = [invoice(str(number), period=period) for number in range(size)]
        unit = house.unit(answer(*records), period=period)
        event.listen(house.engine, "before_cursor_execute", note)
        house.load(unit)
        event.remove(house.engine, "before_cursor_execute", note)
        counts.append(len(statements))
        statements.clear()
    assert counts[0] == counts[1] < 20


def test_units_may_be_ended_again_without_doubling_their_exceptions_or_losing_those_of_others(
    house: House,
) -> None:
    unit = house.unit(answer(*many(10)))
    for _ in range(2):
        house.load(unit, breaches=[reject(unit, 1)])
    exceptions: Any = SyncException.__table__  # type: ignore[attr-defined]
    (own,) = house.rows(exceptions)
    with writing(house.engine) as connection:
        connection.execute(
            exceptions.insert().values(own | {"exception_id": "exc-1", "code": "WARNED_BEFORE"})
        )
    house.load(unit, breaches=[reject(unit, 1)])
    assert sorted(row["code"] for row in house.rows(exceptions)) == ["DEMO-01", "WARNED_BEFORE"]


def test_a_row_that_moves_to_another_scope_is_moved_not_lost(house: House) -> None:
    house.load(house.unit(answer(pooled("1", "open"), pooled("2", "open"), section="pool")))
    (result,) = house.load(house.unit(answer(pooled("1", "closed"), pooled("2", "open"), section="pool")))
    assert (result.updated, result.removed, result.unchanged) == (1, 0, 1)
    assert sorted(row["state"] for row in house.rows(warehouse_table(POOL).core)) == ["closed", "open"]


@pytest.mark.parametrize("spec", [INVOICES, POOL])
def test_a_load_never_scans_a_whole_table(sqlite_house: House, spec: TableSpec) -> None:
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and spec.name in statement:
            found = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.extend(row[3] for row in found)

    event.listen(sqlite_house.engine, "before_cursor_execute", explain)
    sqlite_house.load(sqlite_house.unit(answer(*many(3)), answer(pooled("1", "open"), section="pool")))
    event.remove(sqlite_house.engine, "before_cursor_execute", explain)
    assert any(f"SEARCH core_{spec.name}" in plan for plan in plans)
    assert not [plan for plan in plans if plan.startswith(f"SCAN core_{spec.name}")]
