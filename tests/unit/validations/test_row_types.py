"""Rows that a database could not store are found before anything is counted on, and named without their values."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import pytest
from pydantic import model_validator

from clientsync.spec.columns import amount
from clientsync.spec.module import Record, Row, TableSpec
from tests.support.checked_rows import row, table_of
from validations.rows import ROW_RULES, RowTypes

TYPES = RowTypes(table_of())


def problem(**values: Any) -> tuple[str, str] | None:
    return TYPES.problem(Record("demo__checked", row() | values))


@pytest.mark.parametrize(
    ("values", "code", "reason"),
    [
        ({"taxable_paise": "100"}, "ROW-TYPE", "taxable_paise is not a whole number"),
        ({"taxable_paise": 1.0}, "ROW-TYPE", "taxable_paise is not a whole number"),
        ({"taxable_paise": True}, "ROW-TYPE", "taxable_paise is not a whole number"),
        ({"taxable_paise": float("nan")}, "ROW-TYPE", "taxable_paise is not a whole number"),
        ({"taxable_paise": float("inf")}, "ROW-TYPE", "taxable_paise is not a whole number"),
        ({"is_open": 1}, "ROW-TYPE", "is_open is neither true nor false"),
        ({"number": 7}, "ROW-TYPE", "number is not text"),
        ({"issued_on": "2026-10-01"}, "ROW-TYPE", "issued_on is not a date"),
        ({"issued_on": datetime(2026, 10, 1, tzinfo=UTC)}, "ROW-TYPE", "issued_on is not a date"),
        ({"seen_at": date(2026, 10, 1)}, "ROW-TYPE", "seen_at is not a moment"),
        ({"number": None}, "ROW-MISSING", "number is null"),
        ({"number": "x" * 21}, "ROW-LENGTH", "number is longer than its column"),
        ({"kind": "x" * 10**6}, "ROW-LENGTH", "kind is longer than its column"),
        ({"number": "a\x00b"}, "ROW-TEXT", "number holds characters that no database stores"),
        ({"number": "a\ud800"}, "ROW-TEXT", "number holds characters that no database stores"),
        ({"taxable_paise": 2**63}, "ROW-RANGE", "taxable_paise does not fit 64 bits"),
        ({"taxable_paise": -(10**40)}, "ROW-RANGE", "taxable_paise does not fit 64 bits"),
        ({"seen_at": datetime(2026, 10, 1)}, "ROW-RANGE", "seen_at is a moment without a zone"),  # noqa: DTZ001
        ({"colour": "red"}, "ROW-UNKNOWN", "colour is not a column of the table"),
        ({"DROP TABLE x;--": 1}, "ROW-UNKNOWN", "a name of the source is not a column of the table"),
    ],
)
def test_a_misfit_is_named_by_its_column_and_rule(values: dict[str, Any], code: str, reason: str) -> None:
    assert problem(**values) == (code, reason)
    assert code in ROW_RULES


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"number": "x" * 20},
        {"number": "'; DELETE FROM t; --"},
        {"kind": "\u200f\u0627\u200b\U0001f600"},
        {"taxable_paise": 2**63 - 1, "igst_paise": -(2**63) + 1},
        {"issued_on": date.max, "seen_at": datetime.max.replace(tzinfo=UTC)},
        {"value_paise": None, "is_open": False},
    ],
)
def test_an_odd_but_storable_row_passes(values: dict[str, Any]) -> None:
    assert problem(**values) is None


def test_a_missing_column_is_named() -> None:
    assert TYPES.problem(Record("demo__checked", {})) == ("ROW-MISSING", "number is missing")


def test_several_misfits_are_named_together_and_no_more_than_five() -> None:
    found = problem(number=1, kind=2, gstin=3, igst_paise="", cgst_paise="", sgst_paise="")
    assert found is not None
    assert found[1].count(" is not ") == 5
    assert found[1].endswith("; and 1 more")


def test_validating_keeps_the_record_as_it_was() -> None:
    values = row(kind=" blank ", taxable_paise=5)
    TYPES.problem(Record("demo__checked", values))
    assert values == row(kind=" blank ", taxable_paise=5)


def test_sixty_thousand_good_rows_take_at_most_a_second() -> None:
    records = [
        Record("demo__checked", row(number, kind="sale", issued_on=date(2026, 10, 1), taxable_paise=number))
        for number in range(60_000)
    ]
    began = time.process_time()
    assert all(TYPES.problem(record) is None for record in records)
    assert time.process_time() - began < 1


class StrictRow(Row):
    """A row with a rule of its own."""

    low: int = amount("Low")
    high: int = amount("High")

    @model_validator(mode="after")
    def ordered(self) -> StrictRow:
        """Refuse a row whose high is below its low."""
        if self.high < self.low:
            raise ValueError("high is below low")
        return self


class Colour(StrEnum):
    """A text that is not of the plain type."""

    GOOD = "red"
    BAD = "re\x00d"


def test_rules_that_a_row_adds_itself_are_kept() -> None:
    types = RowTypes(TableSpec("demo__strict", StrictRow, ("low",), (), "Strict rows."))
    assert types.problem(Record("demo__strict", {"low": 1, "high": 1})) is None
    assert types.problem(Record("demo__strict", {"low": 2, "high": 1})) == (
        "ROW-TYPE",
        "the row breaks the rule value error",
    )


def test_a_text_of_a_derived_type_is_looked_at_too() -> None:
    assert problem(kind=Colour.GOOD) is None
    assert problem(kind=Colour.BAD) == ("ROW-TEXT", "kind holds characters that no database stores")
