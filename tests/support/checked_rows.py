"""A table with every type of column and every kind of check, and its checks once more in plain Python."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from clientsync.identifiers import is_gstin
from clientsync.outcomes import Outcome
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import amount, day, flag, text
from clientsync.spec.module import Record, Row, TableSpec
from clientsync.staged import StagedCell, StagedUnit


class CheckedRow(Row):
    """A row with every type of column."""

    number: str = text("Number", length=20)
    kind: str | None = text("Kind", default=None)
    gstin: str | None = text("Registration", length=30, default=None)
    issued_on: date | None = day("Date", default=None)
    seen_at: datetime | None = day("Moment", default=None)
    is_open: bool | None = flag("Open", default=None)
    value_paise: int | None = amount("Value", default=None)
    taxable_paise: int = amount("Taxable value")
    igst_paise: int = amount("IGST")
    cgst_paise: int | None = amount("CGST")
    sgst_paise: int = amount("SGST")


def check(kind: CheckKind, *columns: str, breach: OnBreach = OnBreach.REJECT_ROW, **params: Any) -> Check:
    """Return a check whose code is its kind."""
    return Check(f"T-{kind.upper()}", kind, columns, breach, f"rule {kind}", params)


def table_of(*checks: Check) -> TableSpec:
    """Return the table with these checks."""
    return TableSpec("demo__checked", CheckedRow, ("number",), (), "Checked rows.", checks=checks)


def row(number: object = "N1", **values: Any) -> dict[str, Any]:
    """Return the values of a row."""
    return {"number": str(number), **values}


def unit(rows: Iterable[Mapping[str, Any]], *, client: str = "C1", unit_id: str = "") -> StagedUnit:
    """Return a unit with these rows in one section."""
    records = [Record("demo__checked", dict(values)) for values in rows]
    return StagedUnit(
        unit_id=unit_id or f"unit-{client}",
        run_id="run-1",
        client_id=client,
        connector="demo",
        module="checked",
        unit_period="102026",
        gstin="",
        fence=1,
        cells=[StagedCell("b2b", Outcome.LOADED, records=records, row_count=len(records))],
    )


def plain_failures(checks: Sequence[Check], rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, int]]:
    """Return (code, row) of every breach within one unit, worked out without any library."""
    whole = [
        {name: info.get_default() for name, info in CheckedRow.model_fields.items()} | values
        for values in map(dict, rows)
    ]
    return {
        (one.code, number)
        for one in checks
        for number, values in enumerate(whole)
        if not _holds(one, values, whole)
    }


def _holds(one: Check, values: Any, rows: Sequence[Mapping[str, Any]]) -> bool:  # noqa: PLR0911
    params = one.params
    first = values[one.columns[0]] if one.columns else None
    if one.kind is CheckKind.UNIQUE:
        seen = Counter(tuple(other[name] for name in one.columns) for other in rows)
        return seen[tuple(values[name] for name in one.columns)] == 1
    if one.kind is CheckKind.NOT_NULL:
        return first is not None
    if one.kind is CheckKind.AT_MOST_ONE_NONZERO:
        return sum(any(values[name] or 0 for name in group) for group in params["groups"]) <= 1
    if one.kind is CheckKind.WITHIN:
        if any(values[name] is None for name in params["terms"]):
            return True
        total = sum(Fraction(str(factor)) * values[name] for name, factor in params["terms"].items())
        return bool(abs(total) <= params["tolerance"])
    if any(values[name] is None for name in one.columns):
        return True
    if one.kind is CheckKind.EQUAL_COLUMNS:
        return bool(values[one.columns[0]] == values[one.columns[1]])
    if one.kind is CheckKind.IN_SET:
        return bool(first in params["values"])
    if one.kind is CheckKind.MATCHES:
        return re.fullmatch(params["pattern"], str(first)) is not None
    if one.kind is CheckKind.MAX_LENGTH:
        return bool(len(str(first)) <= params["length"])
    if one.kind is CheckKind.GSTIN:
        return first == "" or is_gstin(str(first))
    low, high = params.get("low"), params.get("high")
    if not params.get("inclusive", True) and first in (low, high):
        return False
    return not ((low is not None and first < low) or (high is not None and first > high))
