"""Validation and loading together: bad rows are found among thousands, and nothing is lost or doubled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from clientsync.ledger import leases
from clientsync.outcomes import Outcome
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.warehouse.loading import load_batch
from clientsync.warehouse.quarantine import HeldFilter, replay
from tests.support.checked_rows import check, row, table_of, unit
from tests.support.demo_warehouse import INVOICES, House, answer, invoice, sections_of
from validations import validate

NOT_NEGATIVE = Check(
    "DEMO-01", CheckKind.BETWEEN, ("taxable_paise",), OnBreach.REJECT_ROW, "not negative", {"low": 0}
)
UNIQUE = Check("DEMO-02", CheckKind.UNIQUE, ("section", "number"), OnBreach.REJECT_ROW, "one of each")
TABLES = {INVOICES.name: replace(INVOICES, checks=(NOT_NEGATIVE, UNIQUE))}


def test_one_bad_row_among_ten_thousand_is_found_exactly() -> None:
    table = table_of(check(CheckKind.BETWEEN, "taxable_paise", low=0), check(CheckKind.UNIQUE, "number"))
    rows = [row(number, taxable_paise=-1 if number == 7_321 else number) for number in range(10_000)]
    [found] = validate(
        [unit(rows[:5_000], unit_id="u1"), unit(rows[5_000:], unit_id="u2")], {table.name: table}
    )
    assert (found.unit_id, found.section, found.record, found.code) == ("u2", "b2b", 2_321, "T-BETWEEN")


def test_every_row_bad_is_every_row_named() -> None:
    table = table_of(check(CheckKind.BETWEEN, "taxable_paise", low=1), check(CheckKind.NOT_NULL, "kind"))
    found = validate([unit(row(number) for number in range(5_000))], {table.name: table})
    assert {(one.record, one.code) for one in found} == {
        (number, code) for number in range(5_000) for code in ("T-BETWEEN", "T-NOT_NULL")
    }


def test_two_clients_with_the_same_keys_are_both_fine() -> None:
    table = table_of(check(CheckKind.UNIQUE, "number"))
    rows = [row(number) for number in range(50)]
    assert validate([unit(rows, client="C1"), unit(rows, client="C2")], {table.name: table}) == []


def test_two_answers_for_one_unit_in_a_batch_do_not_reject_each_other() -> None:
    table = table_of(check(CheckKind.UNIQUE, "number"))
    rows = [row(number) for number in range(50)]
    assert validate([unit(rows, unit_id="u1"), unit(rows, unit_id="u2")], {table.name: table}) == []


def test_no_units_and_empty_units_cost_nothing() -> None:
    table = table_of(check(CheckKind.NOT_NULL, "kind"))
    assert validate([], {table.name: table}) == []
    assert validate([unit([])], {table.name: table}) == []


@pytest.mark.integration
def test_of_ten_thousand_rows_the_bad_one_is_held_and_after_the_fix_replayed(sqlite_house: House) -> None:
    house = sqlite_house
    records = [invoice(f"N{number}", -7 if number == 4_000 else number) for number in range(10_000)]
    staged = house.unit(answer(*records))
    [result] = load_batch(
        house.engine, [staged], validate([staged], TABLES), TABLES, now=house.night, sections=sections_of
    )
    assert (result.rows_in, result.rows_loaded, result.rows_quarantined) == (10_000, 9_999, 1)
    assert [(one["codes"], one["reason"]) for one in house.held()] == [("DEMO-01", "not negative")]
    leases.release(house.engine, house.fences)
    unfixed = replay(house.engine, HeldFilter(), TABLES, validate, now=house.night + timedelta(minutes=1))
    assert (unfixed.replayed, unfixed.still_held) == (0, 1)
    fixed = {INVOICES.name: replace(INVOICES, checks=(UNIQUE,))}
    house.night += timedelta(minutes=2)
    assert replay(house.engine, HeldFilter(), fixed, validate, now=house.night).replayed == 1
    assert len(house.invoices()) == 10_000
    assert house.held() == []


@pytest.mark.integration
def test_a_unit_with_too_many_bad_rows_stops_and_its_neighbour_is_loaded(sqlite_house: House) -> None:
    house = sqlite_house
    bad = house.unit(answer(*(invoice(f"N{number}", -1 if number < 30 else 1) for number in range(100))))
    good = house.unit(answer(*(invoice(f"N{number}") for number in range(100))), client="C2")
    results = load_batch(
        house.engine,
        [bad, good],
        validate([bad, good], TABLES),
        TABLES,
        now=house.night,
        sections=sections_of,
    )
    assert [one.outcome for one in results] == [Outcome.SUSPECT, Outcome.LOADED]
    assert {key[0] for key in house.invoices()} == {"C2"}
