"""Reading the fields of GST payloads: dates in five notations, rates, flags, amounts, and drift.

A field that is missing where the contract promises it, or of another type, raises ``ValueError`` with the field's
name and never its value; ``row`` turns that into a record with a problem, so that no row of a payload is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from clientsync import money
from clientsync.periods import Period
from clientsync.spec.module import Context, Finding, Record

_DATE_FORMATS = ("%d-%m-%Y", "%d/%m/%Y", "%d-%b-%y", "%d-%b-%Y", "%d/%m/%y")
_LARGEST_RUPEES = int(money.MAX_RUPEES)
_MONTH_FORMATS = ("%b-%y", "%b-%Y", "%m%Y")

Raw = Mapping[str, Any]


def obj(source: Raw, name: str) -> Raw:
    """Return a nested object; an absent or null one is empty.

    Raises:
        ValueError: something else stands there.
    """
    value = source.get(name)
    if value is None:
        return {}
    if type(value) is not dict and not isinstance(value, Mapping):
        raise ValueError(f"{name} is not an object")
    return value


def items(source: Raw, name: str) -> list[Any]:
    """Return a list; an absent or null one is empty.

    Raises:
        ValueError: something else stands there.
    """
    value = source.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name} is not a list")
    return value


def text(source: Raw, name: str, *, required: bool = False) -> str:
    """Return a field as text without surrounding blanks; absent is empty text. Numbers become their digits.

    Raises:
        ValueError: required and absent or empty, or an object, list or flag stands there.
    """
    value = source.get(name)
    if type(value) is not str:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            value = str(value)
        if value is None:
            value = ""
        if not isinstance(value, str):
            raise ValueError(f"{name} is not text")
    value = value.strip()
    if required and not value:
        raise ValueError(f"{name} is missing")
    return value


def paise(source: Raw, name: str) -> int:
    """Return an amount in paise; absent is zero.

    Raises:
        ValueError: not an exact amount.
    """
    value = source.get(name)
    if type(value) is int and -_LARGEST_RUPEES <= value <= _LARGEST_RUPEES:
        return value * 100
    try:
        return money.paise(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def whole(source: Raw, name: str) -> int:
    """Return a whole number; absent is zero.

    Raises:
        ValueError: not a whole number.
    """
    value = source.get(name)
    if value is None or value == "":
        return 0
    try:
        number = Decimal(str(value))
    except ArithmeticError as error:
        raise ValueError(f"{name} is not a number") from error
    if isinstance(value, bool) or number != number.to_integral_value():
        raise ValueError(f"{name} is not a whole number")
    return int(number)


def rate_bp(source: Raw, name: str) -> int | None:
    """Return a rate in per cent as basis points (18 % is 1800); absent is None.

    Raises:
        ValueError: not a rate between 0 and 100 with at most two decimals.
    """
    value = source.get(name)
    if value is None or value == "":
        return None
    try:
        points = Decimal(str(value)) * 100
    except ArithmeticError as error:
        raise ValueError(f"{name} is not a rate") from error
    if points != points.to_integral_value() or not 0 <= points <= 10_000:
        raise ValueError(f"{name} is not a rate")
    return int(points)


def day(source: Raw, name: str, *, required: bool = False) -> date | None:
    """Return a date written DD-MM-YYYY, DD/MM/YYYY or DD-Mon-YY; absent is None.

    Raises:
        ValueError: required and absent, or none of the notations.
    """
    value = source.get(name)
    if value is None or value == "":
        if required:
            raise ValueError(f"{name} is missing")
        return None
    found = _read_day(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{name} is not a date")
    return found


@lru_cache(maxsize=4096)
def _read_day(value: str) -> date | None:
    """Return the date of a text; the days of a statement are few, so each is read once."""
    for notation in _DATE_FORMATS:
        try:
            return datetime.strptime(value.strip(), notation).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    return None


def month(source: Raw, name: str) -> str:
    """Return a month written MMYYYY or Mon-YY as MMYYYY; absent is empty text.

    Raises:
        ValueError: neither notation.
    """
    value = text(source, name)
    if not value:
        return ""
    found = _read_month(value)
    if found is None:
        raise ValueError(f"{name} is not a month")
    return found


@lru_cache(maxsize=1024)
def _read_month(value: str) -> str | None:
    for notation in _MONTH_FORMATS:
        try:
            found = datetime.strptime(value, notation)  # noqa: DTZ007 - a month has no zone
        except ValueError:
            continue
        return f"{found.month:02d}{found.year}"
    return None


def yes(source: Raw, name: str) -> bool | None:
    """Return Y or N (also Yes, No, true, false) as a flag; absent is None.

    Raises:
        ValueError: something else stands there.
    """
    value = source.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    known = {"Y": True, "YES": True, "N": False, "NO": False}
    answer = known.get(str(value).strip().upper())
    if answer is None:
        raise ValueError(f"{name} is neither Y nor N")
    return answer


def row(table: str, evidence: Any, make: Callable[[], dict[str, Any]]) -> Record:
    """Return the record that ``make`` reads, or one with a problem that keeps the source's row as evidence."""
    try:
        return Record(table, make())
    except ValueError as error:
        return Record(table, {"source_row": evidence}, problem=str(error))
    except (TypeError, AttributeError, KeyError) as error:
        return Record(table, {"source_row": evidence}, problem=f"not a row ({type(error).__name__})")


def number_occurrences(
    records: Iterable[Record], key: Sequence[str], column: str = "occurrence"
) -> Iterator[Record]:
    """Number the records that share a key from 1 on, where the portal has no identity of its own for a row."""
    seen: dict[tuple[Any, ...], int] = {}
    for record in records:
        if record.problem is None:
            mark = (record.table, *(record.values[name] for name in key))
            seen[mark] = seen.get(mark, 0) + 1
            record.values[column] = seen[mark]
        yield record


def unknown_fields(source: Raw, known: frozenset[str], where: str) -> list[Finding]:
    """Return a warning when a payload holds fields that the contract does not name."""
    extra = sorted(set(source) - known)
    if not extra:
        return []
    shown = ", ".join(extra[:8])
    return [
        Finding(
            "SCHEMA-NEW-FIELD",
            f"{where} holds fields that are not known and were not loaded: {shown}. The raw answer is kept.",
            is_halting=False,
        )
    ]


def drift(payload: Any, known: frozenset[str], where: str) -> list[Finding]:
    """Return one warning when an answer holds, at any depth, a field that the contract names nowhere.

    One flat list of names per statement keeps this cheap for large answers (one set comparison a row).
    """
    extra: set[str] = set()
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if not value.keys() <= known:
                extra.update(str(name) for name in value.keys() - known)
            waiting.extend(inner for inner in value.values() if isinstance(inner, dict | list))
        elif isinstance(value, list):
            waiting.extend(inner for inner in value if isinstance(inner, dict | list))
    return unknown_fields(dict.fromkeys(extra), frozenset(), where)


def identity(context: Context, gstin: str | None, period: str | None, what: str) -> list[Finding]:
    """Return a halting finding when an answer is about another registration or period than was asked."""
    found = []
    if gstin and gstin.strip().upper() != context.gstin.upper():
        found.append(
            Finding(
                "IDENTITY_MISMATCH", f"{what} is about another registration than the one that was asked for."
            )
        )
    if period and context.period is not None and period != str(context.period):
        found.append(
            Finding("IDENTITY_MISMATCH", f"{what} is about period {period}, asked was {context.period}.")
        )
    return found


def financial_year(on: date) -> str:
    """Return the financial year of a date."""
    return Period.of(on).financial_year
