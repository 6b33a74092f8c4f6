"""How amounts, days and moments are written on the wire, and read from it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from clientsync.errors import ContractChanged

DAY_FORMAT = "%d/%m/%Y"
MOMENT_FORMAT = "%d/%m/%Y %H:%M:%S"


def amount(value: Any) -> Decimal:
    """Return an amount or a quantity; None and "" are zero.

    Raises:
        ContractChanged: it is not a finite number.
    """
    if value is None or value == "":
        return Decimal(0)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ContractChanged("An amount is not a number.") from None
    if isinstance(value, bool) or not found.is_finite():
        raise ContractChanged("An amount is not a number.")
    return found


def plain(value: Decimal) -> str:
    """Return decimal text without an exponent and without zeros at the end."""
    text = f"{value or Decimal(0):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def wire(value: Decimal) -> int | float | str:
    """Return a number as the HTTP client can send it in JSON, with exactly its digits.

    A Decimal cannot be sent. A whole number goes as an integer. Another goes as the float whose text is the same
    number, which holds up to 15 digits. What a float would change goes as text, which Accurate's form bodies use
    for every number.
    """
    if value == value.to_integral_value():
        return int(value)
    near = float(value)
    return near if Decimal(repr(near)) == value else plain(value)


def day_text(moment: datetime, zone: ZoneInfo) -> str:
    """Return the local day of a moment as ``dd/MM/yyyy``."""
    return moment.astimezone(zone).strftime(DAY_FORMAT)


def moment_text(moment: datetime, zone: ZoneInfo) -> str:
    """Return a moment as local ``dd/MM/yyyy HH:mm:ss``."""
    return moment.astimezone(zone).strftime(MOMENT_FORMAT)


def moment_of(text: Any, zone: ZoneInfo) -> datetime | None:
    """Return the moment of ``dd/MM/yyyy``, with or without a time, in UTC; None when it is neither."""
    for form in (MOMENT_FORMAT, DAY_FORMAT):
        try:
            return datetime.strptime(str(text), form).replace(tzinfo=zone).astimezone(UTC)
        except ValueError:
            continue
    return None


def day_of(text: Any) -> date | None:
    """Return the day of ``dd/MM/yyyy``; None when it is none."""
    try:
        return datetime.strptime(str(text), DAY_FORMAT).replace(tzinfo=UTC).date()
    except ValueError:
        return None
