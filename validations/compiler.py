"""From a check of the vocabulary to a Great Expectations expectation.

Rules over one column are native expectations. Others (patterns, check characters, equal columns, tax heads that exclude
each other, weighted sums) are computed into a boolean column that a native in-set expectation reads: custom expectation
classes are registered process-wide, multi-column ones compare in floating point and treat nulls each in their own way,
and the engine behind a text column decides what a pattern means and warns of its groups; a column of verdicts is exact
and says no value. Invariant: every expectation carries the
check's code in ``meta``, because results come in no order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from importlib import import_module
from math import lcm
from typing import Any

import pandas as pd

from clientsync.errors import InvalidSpec
from clientsync.identifiers import is_gstin
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import TableSpec
from validations.rows import ROW_RULES

CLIENT = "client_id"
UNIT = "unit of the batch"  # no column of a row can have this name
SEVERITY = {OnBreach.REJECT_ROW: "critical", OnBreach.WARN: "warning", OnBreach.HALT_UNIT: "critical"}
COMPUTED = frozenset(
    {
        CheckKind.MATCHES,
        CheckKind.GSTIN,
        CheckKind.EQUAL_COLUMNS,
        CheckKind.AT_MOST_ONE_NONZERO,
        CheckKind.WITHIN,
    }
)


def computed_column(check: Check) -> str:
    """Return the name of the boolean column that a computed check reads."""
    return f"holds {check.code}"


def columns_read(check: Check) -> tuple[str, ...]:
    """Return the columns of the row that a check reads."""
    terms = tuple(check.params.get("terms", ()))
    groups = tuple(name for group in _groups(check) for name in group)
    return tuple(dict.fromkeys((*check.columns, *terms, *groups)))


def require_sound(table: TableSpec) -> None:
    """Make sure that the checks of a table can be told apart and read only columns that exist.

    Raises:
        InvalidSpec: two checks share a code, or one reads a column that the row does not have.
    """
    seen: set[str] = set()
    for check in table.checks:
        if check.code in seen:
            raise InvalidSpec(f"Table {table.name} has two checks of code {check.code}.")
        seen.add(check.code)
        for name in columns_read(check):
            if name not in table.row.model_fields:
                valid = ", ".join(table.row.model_fields)
                raise InvalidSpec(
                    f"Check {check.code} reads {name!r}, no column of {table.name}. Columns: {valid}."
                )


def compute(check: Check, frame: pd.DataFrame) -> pd.Series[bool]:
    """Return for every row whether a computed check holds; a null among what it reads holds.

    A group of AT_MOST_ONE_NONZERO takes null for zero: a tax head that was left out was not charged. An empty text
    stands for no registration and holds as null does.

    Raises:
        InvalidSpec: the check lacks a parameter, or has one that its kind cannot use.
    """
    if check.kind is CheckKind.GSTIN:
        return _each(frame[check.columns[0]], lambda value: not value or is_gstin(str(value)))
    if check.kind is CheckKind.MATCHES:
        fits = _pattern(check).fullmatch
        return _each(frame[check.columns[0]], lambda value: fits(str(value)) is not None)
    if check.kind is CheckKind.EQUAL_COLUMNS:
        left, right = (frame[name].astype(object) for name in check.columns)
        return ((left == right) | left.isna() | right.isna()).astype(bool)
    if check.kind is CheckKind.AT_MOST_ONE_NONZERO:
        used = [(frame[list(group)].fillna(0) != 0).any(axis=1) for group in _groups(check)]
        return pd.concat(used, axis=1).sum(axis=1) <= 1
    return _is_within(check, frame)


def _each(column: pd.Series[Any], holds: Callable[[Any], bool]) -> pd.Series[bool]:
    """Return whether a rule holds for each value; each different value is looked at once, null holds."""
    known = {value: holds(value) for value in column.dropna().unique()}
    return column.astype(object).map(lambda value: known.get(value, True)).astype(bool)


def _pattern(check: Check) -> re.Pattern[str]:
    try:
        return re.compile(check.params["pattern"])
    except (KeyError, re.error) as error:
        raise InvalidSpec(f"Check {check.code} ({check.kind}) cannot be compiled: {error}") from error


def _groups(check: Check) -> list[tuple[str, ...]]:
    groups = check.params.get("groups", ())
    return [(group,) if isinstance(group, str) else tuple(group) for group in groups]


def _is_within(check: Check, frame: pd.DataFrame) -> pd.Series[bool]:
    """Return whether |sum of factor x column| <= tolerance, in exact whole numbers of any size."""
    try:
        factors = {name: Fraction(str(factor)) for name, factor in check.params["terms"].items()}
        tolerance = Fraction(str(check.params["tolerance"]))
    except (KeyError, ValueError) as error:
        raise InvalidSpec(f"Check {check.code} ({check.kind}) cannot be compiled: {error}") from error
    scale = lcm(tolerance.denominator, *(factor.denominator for factor in factors.values()))
    has_null = frame[list(factors)].isna().any(axis=1)
    total = pd.Series(0, index=frame.index, dtype=object)
    for name, factor in factors.items():
        total += frame[name].fillna(0).astype(object) * int(factor * scale)
    return ((total.abs() <= int(tolerance * scale)) | has_null).astype(bool)


def expectation(check: Check) -> Any:
    """Return the expectation that says what a check says.

    Raises:
        InvalidSpec: the check lacks a parameter, or has one that its kind cannot use.
    """
    try:
        return _expectation(check)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidSpec(f"Check {check.code} ({check.kind}) cannot be compiled: {error}") from error


def _expectation(check: Check) -> Any:
    gxe: Any = import_module("great_expectations.expectations")
    common: dict[str, Any] = {"meta": {"code": check.code}, "severity": SEVERITY[check.breach]}
    if check.kind in COMPUTED:
        return gxe.ExpectColumnValuesToBeInSet(column=computed_column(check), value_set=[True], **common)
    if check.kind is CheckKind.UNIQUE:
        # Within the unit, so that the verdict on a row does not hang on which other units share its batch.
        return gxe.ExpectCompoundColumnsToBeUnique(column_list=[CLIENT, UNIT, *check.columns], **common)
    column = check.columns[0]
    if check.kind is CheckKind.NOT_NULL:
        return gxe.ExpectColumnValuesToNotBeNull(column=column, **common)
    if check.kind is CheckKind.IN_SET:
        return gxe.ExpectColumnValuesToBeInSet(
            column=column, value_set=list(check.params["values"]), **common
        )
    if check.kind is CheckKind.BETWEEN:
        is_strict = not check.params.get("inclusive", True)
        return gxe.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=check.params.get("low"),
            max_value=check.params.get("high"),
            strict_min=is_strict,
            strict_max=is_strict,
            **common,
        )
    return gxe.ExpectColumnValueLengthsToBeBetween(
        column=column, min_value=0, max_value=int(check.params["length"]), **common
    )


def suite_document(tables: Mapping[str, TableSpec]) -> str:
    """Return the suites as a page: every check with what it does and where it comes from."""
    lines = [
        "# Checks",
        "",
        "Every table's rows are checked by Great Expectations before they are loaded. `reject_row` sends the row to",
        "quarantine, `warn` loads it and reports it, `halt_unit` stops the unit as suspect. Every table keeps these:",
        "",
        "| code | rule | breach |",
        "|---|---|---|",
        *(f"| `{code}` | {rule} | {OnBreach.REJECT_ROW} |" for code, rule in ROW_RULES.items()),
        "",
    ]
    for name, table in sorted(tables.items()):
        if not table.checks:
            continue
        lines += [
            f"## {name}",
            "",
            "| code | rule | columns | breach | in words | source |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| `{check.code}` | {check.kind} | {', '.join(columns_read(check))} | {check.breach} "
            f"| {_cell(check.message)} | {_cell(check.source)} |"
            for check in table.checks
        ]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
