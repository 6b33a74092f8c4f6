"""Reading one row of an answer: texts, exact amounts, moments. What is wrong is named by its field, never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from clientsync.errors import ContractChanged, InvalidInput

Row = Mapping[str, Any]
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6})\d*)?(Z?)")
_NO_ID = "00000000-0000-0000-0000-000000000000"
_NO_DAY = "0001-01-01"
_MAX_DIGITS = 40


def hours_of(zone: ZoneInfo, at: datetime) -> int:
    """Return by how many whole hours a zone is ahead of UTC at a moment: the vendor's ``time_zone``.

    Raises:
        InvalidInput: it is not a whole number of hours.
    """
    offset = at.astimezone(zone).utcoffset() or timedelta()
    hours, rest = divmod(offset, timedelta(hours=1))
    if rest:
        raise InvalidInput(f"iSeller knows only zones of whole hours; {zone.key} is not one.")
    return hours


def zone_of(hours: int) -> tzinfo:
    """Return the zone of a vendor's ``time_zone``."""
    return timezone(timedelta(hours=hours))


def filter_moment(at: datetime, hours: int) -> str:
    """Return a moment as filters want it: ISO 8601 in the asked zone, without naming it."""
    return at.astimezone(zone_of(hours)).strftime("%Y-%m-%dT%H:%M:%S")


def lacks(what: str, name: str) -> ContractChanged:
    """Return the error of a field that is missing or empty."""
    return ContractChanged(f"The {what} of iSeller lacks {name}.")


def unreadable(what: str, name: str) -> ContractChanged:
    """Return the error of a field whose value is not what it should be."""
    return ContractChanged(f"The {what} of iSeller has a {name} that cannot be read.")


def text(row: Row, *names: str) -> str:
    """Return the first of some fields that is not empty, as text; empty when all are."""
    for name in names:
        value = row.get(name)
        if value is not None and not isinstance(value, dict | list | bool):
            found = str(value).strip()
            if found:
                return found
    return ""


def id_text(row: Row, name: str) -> str:
    """Return an id; the id of nothing, all zeros, is empty."""
    found = text(row, name)
    return "" if found == _NO_ID else found


def need_text(row: Row, what: str, name: str) -> str:
    """Return a field as text.

    Raises:
        ContractChanged: it is missing or empty.
    """
    found = id_text(row, name)
    if not found:
        raise lacks(what, name)
    return found


def amount(row: Row, what: str, name: str) -> Decimal:
    """Return a number; 0 when it is missing.

    Raises:
        ContractChanged: it is not a number.
    """
    value = row.get(name)
    if value is None or value == "":
        return Decimal(0)
    try:
        is_number = isinstance(value, int | str | Decimal) and not isinstance(value, bool)
        number = Decimal(value) if is_number else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or abs(number.adjusted()) > _MAX_DIGITS:
        raise unreadable(what, name)
    return number


def need_amount(row: Row, what: str, name: str) -> Decimal:
    """Return a number.

    Raises:
        ContractChanged: it is missing, or not a number.
    """
    value = row.get(name)
    if value is None or value == "":
        raise lacks(what, name)
    return amount(row, what, name)


def decimal_text(number: Decimal) -> str:
    """Return a number as decimal text that is the same for the same value: no exponent, no zeros at the end."""
    if not number:
        return "0"
    found = format(number, "f")
    return found.rstrip("0").rstrip(".") if "." in found else found


def flag(row: Row, name: str) -> bool:
    """Return a truth value; some answers write it as a text or a number."""
    value = row.get(name)
    return value is True or str(value).strip().lower() in {"true", "1"}


def rows_in(row: Row, what: str, name: str) -> list[dict[str, Any]]:
    """Return a list of objects; empty when it is missing or null.

    Raises:
        ContractChanged: it is something else.
    """
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise unreadable(what, name)
    return value


def moment(row: Row, what: str, name: str, hours: int) -> datetime | None:
    """Return a moment in UTC, None when it is empty or the first day of all, by which the vendor's system means none.

    Args:
        row: with texts like ``2023-01-02 02:53:37``, in the asked zone.
        what: what the row is, for the error.
        name: field.
        hours: the asked ``time_zone``.

    Raises:
        ContractChanged: it cannot be read.
    """
    found = text(row, name)
    if not found:
        return None
    match = _MOMENT.fullmatch(found)
    if match is None:
        raise unreadable(what, name)
    day, time, parts, is_utc = match.groups()
    if day == _NO_DAY:
        return None
    try:
        naive = datetime.fromisoformat(f"{day}T{time}.{(parts or '').ljust(6, '0')}")
        return naive.replace(tzinfo=UTC if is_utc else zone_of(hours)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise unreadable(what, name) from None


def need_moment(row: Row, what: str, name: str, hours: int) -> datetime:
    """Return a moment in UTC.

    Raises:
        ContractChanged: it is missing, or cannot be read.
    """
    found = moment(row, what, name, hours)
    if found is None:
        raise lacks(what, name)
    return found
