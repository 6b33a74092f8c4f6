"""Records become rows that the database cannot refuse, with a hash of their content.

Checks run column by column over a whole batch, because that costs a tenth of checking row by row; only a
column that fails is looked at value by value. Invariant: a record leaves here as a good row or with a reason
that names columns and types, never values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from operator import itemgetter
from typing import Any

from clientsync.warehouse.schema import ColumnSpec, WarehouseTable

_NONE = "\ud800"  # stands for null in a hash: no text that passed the checks can hold a lone surrogate
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LARGEST = 2**63 - 1
_MISSING = object()


@dataclass
class GoodRows:
    """Rows of one table that may be stored; the lists run in parallel.

    Attributes:
        origins: position of each row in the records given.
        values: values in the order of the table's columns, as the driver stores them.
        hashes: 128 bits of the SHA-256 of the content, in hex.
        keys: key values, as the driver stores them, ``client_id`` not among them.
    """

    origins: list[int]
    values: list[tuple[Any, ...]]
    hashes: list[str]
    keys: list[tuple[Any, ...]]


def read_rows(
    table: WarehouseTable, records: Sequence[dict[str, Any]], dialect: str
) -> tuple[GoodRows, dict[int, str]]:
    """Return the rows that can be stored, and why each of the others cannot, by position in ``records``.

    The values of the good rows have the form that the driver of ``dialect`` stores.
    """
    names = {column.name for column in table.columns}
    bad: dict[int, list[str]] = {}
    for number, record in enumerate(records):
        if not record.keys() <= names:
            bad.setdefault(number, []).append(f"unknown columns: {', '.join(sorted(record.keys() - names))}")
    columns = [
        _read_column(column, values, bad)
        for column, values in zip(table.columns, _turned(table.columns, records), strict=True)
    ]
    origins = [number for number in range(len(records)) if number not in bad]
    if bad:
        columns = [[values[number] for number in origins] for values in columns]
    stored = [
        _for_driver(column.python, each, dialect) for column, each in zip(table.columns, columns, strict=True)
    ]
    rows = list(zip(*stored, strict=True))
    positions = [[one.name for one in table.columns].index(name) for name in table.spec.key]
    keys = list(zip(*(stored[position] for position in positions), strict=True))
    good = GoodRows(origins, rows, _hashes(table.columns, columns, stored), keys)
    return good, {number: "; ".join(reasons) for number, reasons in bad.items()}


def _turned(columns: Sequence[ColumnSpec], records: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """Return the values of the records column by column; what a record leaves out has its default."""
    return [_values_of(column, records) for column in columns]


def _values_of(column: ColumnSpec, records: Sequence[dict[str, Any]]) -> list[Any]:
    try:
        return list(map(itemgetter(column.name), records))
    except KeyError:
        default = _MISSING if column.default is ... else column.default
        return [record.get(column.name, default) for record in records]


def _read_column(column: ColumnSpec, values: list[Any], bad: dict[int, list[str]]) -> list[Any]:
    if _all_fit(column, values):
        return values
    for number, value in enumerate(values):
        stored, reason = _read_value(column, value)
        if reason:
            bad.setdefault(number, []).append(f"{column.name} {reason}")
        else:
            values[number] = stored
    return values


def _all_fit(column: ColumnSpec, values: list[Any]) -> bool:
    """Say whether every value can be stored as it is; False when one must be looked at."""
    kinds = set(map(type, values))
    if column.is_optional and type(None) in kinds:
        values = [value for value in values if value is not None]
        kinds.discard(type(None))
    if not values:
        return True
    if kinds != {column.python}:
        return False
    if column.python is str:
        is_short = column.length is None or max(map(len, values)) <= column.length
        return is_short and _UNSTORABLE.search("".join(values)) is None
    if column.python is int:
        return bool(min(values) >= -_LARGEST and max(values) <= _LARGEST)
    return column.python is not datetime or all(value.tzinfo is UTC for value in values)


def _read_value(column: ColumnSpec, value: Any) -> tuple[Any, str]:
    """Return the value to store and an empty reason, or why it cannot be stored."""
    if value is _MISSING:
        return None, "is missing"
    if value is None:
        return None, "" if column.is_optional else "is null"
    if not isinstance(value, column.python) or (isinstance(value, bool) and column.python is int):
        return None, f"is {type(value).__name__} and must be {column.python.__name__}"
    return _READERS[column.python](column, value)


def _read_text(column: ColumnSpec, value: str) -> tuple[str, str]:
    if column.length is not None and len(value) > column.length:
        return value, f"is longer than {column.length} characters"
    return value, "holds characters that no database stores" if _UNSTORABLE.search(value) else ""


def _read_int(_: ColumnSpec, value: int) -> tuple[int, str]:
    return int(value), "" if abs(value) <= _LARGEST else "is too large"


def _read_moment(_: ColumnSpec, value: datetime) -> tuple[datetime, str]:
    return (value.astimezone(UTC), "") if value.tzinfo else (value, "is a moment without a zone")


def _read_date(_: ColumnSpec, value: date) -> tuple[date, str]:
    return value, "is datetime and must be date" if isinstance(value, datetime) else ""


def _read_flag(_: ColumnSpec, value: bool) -> tuple[bool, str]:
    return value, ""


_READERS: dict[type, Callable[[ColumnSpec, Any], tuple[Any, str]]] = {
    str: lambda column, value: _read_text(column, str.__str__(value)),
    int: _read_int,
    bool: _read_flag,
    date: _read_date,
    datetime: _read_moment,
}


def _hashes(
    columns: Sequence[ColumnSpec], values: Sequence[list[Any]], stored: Sequence[Sequence[Any]]
) -> list[str]:
    by_name = sorted(zip(columns, values, stored, strict=True), key=lambda one: one[0].name)
    texts = [
        # SQLite stores dates in the very form that is hashed
        [_NONE if one is None else one for one in driven]
        if column.python is date and driven is not each
        else _as_texts(column, each)
        for column, each, driven in by_name
    ]
    return [
        sha256("\x00".join(row).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        for row in zip(*texts, strict=True)
    ]


def _as_texts(column: ColumnSpec, values: list[Any]) -> list[str]:
    if column.python is str:
        return [_NONE if value is None else value for value in values] if column.is_optional else values
    if column.python in (date, datetime):
        return [_NONE if value is None else value.isoformat() for value in values]
    if column.is_optional:
        return [_NONE if value is None else str(value) for value in values]
    return list(map(str, values))


def to_driver(
    kinds: Sequence[type], rows: Sequence[tuple[Any, ...]], dialect: str
) -> Sequence[tuple[Any, ...]]:
    """Return rows, whose values are of ``kinds`` or null, in the form that the driver of ``dialect`` stores."""
    if dialect != "sqlite" or not rows or not {date, datetime} & set(kinds):
        return rows
    columns = [
        _for_driver(kind, values, dialect)
        for kind, values in zip(kinds, zip(*rows, strict=True), strict=True)
    ]
    return list(zip(*columns, strict=True))


def _for_driver(kind: type, values: Sequence[Any], dialect: str) -> Sequence[Any]:
    if dialect == "sqlite" and kind is date:
        return [None if one is None else one.isoformat() for one in values]
    if dialect == "sqlite" and kind is datetime:
        return [None if one is None else moment_text(one) for one in values]
    return values


def moment_text(moment: datetime) -> str:
    """Return a moment in the text form in which SQLAlchemy stores it on SQLite."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
