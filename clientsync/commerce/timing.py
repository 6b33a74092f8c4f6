"""Sync modes: they say when a document is sent, never what is sent.

Source: the vendor's article on synchronising and checking data. Sales go in real time, when the register's shift is
closed, or at hours of the shop's zone; transfers and stock counts at hours (the switch is on) or in real time (off).
Purchases and transfers that were made in the accounting always go at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from clientsync.commerce.documents import TYPES, Shift
from clientsync.commerce.reasons import NONE, WAITING_SHIFT, Reason, waiting_time
from clientsync.errors import InvalidInput

SalesMode = Literal["real_time", "shift_close", "scheduled"]
SALES_MODES: tuple[SalesMode, ...] = ("real_time", "shift_close", "scheduled")
JAKARTA = ZoneInfo("Asia/Jakarta")
DEFAULT_HOUR = time(23, 0)
"""When sales go that no shift covers, and no hour is set."""


@dataclass(frozen=True)
class SyncMode:
    """When what is sent.

    Attributes:
        sales: mode of sales and returns.
        sales_at: hours of the shop's zone, for ``scheduled``, and for sales that no shift covers.
        transfers_scheduled: the switch of transfers and stock counts.
        transfers_at: hours for it.
        zone: of the shop.
    """

    sales: SalesMode = "real_time"
    sales_at: tuple[time, ...] = ()
    transfers_scheduled: bool = False
    transfers_at: tuple[time, ...] = ()
    zone: ZoneInfo = JAKARTA

    def __post_init__(self) -> None:
        """Refuse a schedule without hours.

        Raises:
            InvalidInput: scheduled, but at no hour.
        """
        if self.sales not in SALES_MODES:
            raise InvalidInput(f"There is no sync mode {self.sales!r}. Valid: {', '.join(SALES_MODES)}.")
        if self.sales == "scheduled" and not self.sales_at:
            raise InvalidInput("Sales that are scheduled need hours, for example 12:00 and 21:30.")
        if self.transfers_scheduled and not self.transfers_at:
            raise InvalidInput("Transfers that are scheduled need hours, for example 21:00.")


@dataclass(frozen=True)
class Eligible:
    """From when a document may be sent; ``at`` is None while nobody knows."""

    at: datetime | None
    reason: Reason = NONE


def hours_of(texts: Iterable[str]) -> tuple[time, ...]:
    """Return hours, sorted, each once.

    Raises:
        InvalidInput: one is not HH:MM.
    """
    found = set()
    for text in texts:
        try:
            found.add(datetime.strptime(text.strip(), "%H:%M").time())  # noqa: DTZ007 - an hour of any day
        except ValueError:
            raise InvalidInput(f"{text!r} is not an hour. Valid: HH:MM, for example 21:30.") from None
    return tuple(sorted(found))


def next_hour(after: datetime, hours: Sequence[time], zone: ZoneInfo) -> datetime:
    """Return the first of the hours at or after a moment, in UTC."""
    local = after.astimezone(zone)
    for day in (0, 1):
        for hour in sorted(hours):
            found = datetime.combine(local.date() + timedelta(days=day), hour, zone).astimezone(after.tzinfo)
            if found >= after:
                return found
    raise AssertionError("unreachable: tomorrow has every hour")


def eligible(
    mode: SyncMode,
    type_name: str,
    *,
    arrived_at: datetime,
    sold_at: datetime,
    register: str = "",
    shifts: Sequence[Shift] = (),
) -> Eligible:
    """Return from when a document may be sent.

    Args:
        mode: of the connection.
        type_name: of the document.
        arrived_at: when the ledger got it.
        sold_at: when it was closed in the shop; decides the shift.
        register: where it was sold; empty for web orders.
        shifts: of that register.
    """
    timed = TYPES[type_name].timed
    if timed == "transfers" and mode.transfers_scheduled:
        return _at_hour(arrived_at, mode.transfers_at, mode.zone)
    if timed != "sales" or mode.sales == "real_time":
        return Eligible(arrived_at)
    if mode.sales == "scheduled":
        return _at_hour(arrived_at, mode.sales_at, mode.zone)
    shift = shift_of(sold_at, shifts) if register else None
    if shift is None:
        return _at_hour(arrived_at, mode.sales_at or (DEFAULT_HOUR,), mode.zone)
    if shift.closed_at is None:
        return Eligible(None, WAITING_SHIFT)
    return Eligible(max(arrived_at, shift.closed_at))


def shift_of(moment: datetime, shifts: Sequence[Shift]) -> Shift | None:
    """Return the shift that covers a moment, the newest when several do."""
    covering = [
        one
        for one in shifts
        if one.opened_at <= moment and (one.closed_at is None or moment <= one.closed_at)
    ]
    return max(covering, key=lambda one: one.opened_at, default=None)


def _at_hour(arrived_at: datetime, hours: Sequence[time], zone: ZoneInfo) -> Eligible:
    at = next_hour(arrived_at, hours, zone)
    return Eligible(at, waiting_time(f"{at.astimezone(zone):%H:%M on %d %b}"))
