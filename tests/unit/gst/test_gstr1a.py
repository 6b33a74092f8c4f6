"""GSTR-1A: as GSTR-1, in tables of its own, and asked only where one can exist."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from clientsync.outcomes import Outcome
from clientsync.periods import Period
from clientsync.spec.module import Filing, SkipKind
from connectors.gst.gstr1a import before_gstr1, not_applicable
from connectors.gst.outward_summary import SECTIONS
from tests.golden.regenerate import load, rows_of
from tests.support.module_contract import PERIOD, asking_of, read
from tests.support.statements import Unit, gst_module, session

MODULE = gst_module("gstr1a")
GOLDEN = load("gstr1a")
NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def test_the_stored_sample_is_read_to_the_stored_rows() -> None:
    assert json.loads(json.dumps(rows_of(MODULE, GOLDEN))) == load("gstr1a", "expected.json")


def test_every_section_has_a_sample_without_a_problem_in_tables_of_its_own() -> None:
    assert set(GOLDEN) == {"retsum", *SECTIONS}
    for section in MODULE.sections:
        records = read(MODULE, section, GOLDEN[section.name])
        assert records
        assert all(one.problem is None and one.table.startswith("gst__gstr1a_") for one in records)
        assert section.endpoint == f"gstr1a.{section.name}"


def test_its_rows_add_up_to_its_summary() -> None:
    cells = Unit(MODULE, session(0)).fetch(NOON)
    assert [finding for cell in cells.values() for finding in cell.findings] == []
    assert all(cell.outcome is Outcome.LOADED for cell in cells.values())


@pytest.mark.parametrize(
    ("period", "frequency", "applies"),
    [(Period(2024, 6), "M", False), (Period(2024, 7), "M", True), (Period(2026, 8), "Q", False),
     (Period(2026, 9), "Q", True)],
)  # fmt: skip
def test_it_exists_from_july_2024_and_in_the_last_month_of_a_quarter(
    period: Period, frequency: str, applies: bool
) -> None:
    reason = not_applicable(asking_of(MODULE, frequency=frequency, period=period))
    assert (reason is None) == applies


def test_it_is_not_asked_when_the_register_read_today_has_no_gstr1() -> None:
    section, asking = MODULE.section("retsum"), asking_of(MODULE)
    assert before_gstr1(asking, section) is None
    older = Filing("GSTR1", Period(2026, 8), date(2026, 9, 10), asking.now)
    asking.filings = (older,)
    skip = before_gstr1(asking, section)
    assert skip is not None
    assert skip.kind is SkipKind.NOT_APPLICABLE
    asking.filings = (older, Filing("GSTR1", PERIOD, date(2026, 10, 10), asking.now))
    assert before_gstr1(asking, section) is None
    for read_at, period in ((asking.now - timedelta(days=1), Period(2026, 8)), (asking.now, Period(2026, 3))):
        asking.filings = (Filing("GSTR1", period, date(2026, 4, 10), read_at),)
        assert before_gstr1(asking, section) is None


def test_an_empty_one_costs_the_summary_alone_and_nothing_once_gstr3b_is_filed() -> None:
    unit = Unit(MODULE, session(2, clients=6))
    cells = unit.fetch(NOON)
    assert unit.calls == 1
    assert {cell.outcome for cell in cells.values()} == {Outcome.EMPTY}
    unit.filings = (
        Filing("GSTR1", PERIOD, date(2026, 10, 10), NOON),
        Filing("GSTR3B", PERIOD, date(2026, 10, 20), NOON),
    )
    later = unit.fetch(NOON + timedelta(days=1))
    assert unit.calls == 0
    assert later["retsum"].skip is not None


def test_one_that_is_stored_completely_is_final_once_it_is_filed() -> None:
    unit = Unit(MODULE, session(0))
    unit.fetch(NOON)
    unit.filings = (
        Filing("GSTR1", PERIOD, date(2026, 10, 10), NOON),
        Filing("GSTR1A", PERIOD, date(2026, 10, 15), NOON),
    )
    cells = unit.fetch(NOON + timedelta(days=1))
    assert unit.calls == 0
    assert {cell.outcome for cell in cells.values()} == {Outcome.NOT_ASKED}


def test_no_downloaded_file_is_taken_for_one() -> None:
    assert MODULE.files is None
