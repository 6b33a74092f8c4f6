"""Figures of the law with the days on which they hold: thresholds, late fees, interest, time bars.

Each row names its source. A day that no row covers raises, so a figure is never used outside its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from clientsync.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Dated:
    """A figure and the days from and until which it holds, both included; until None: still."""

    valid_from: date
    valid_to: date | None
    value: int
    source: str


def value_on(rows: Sequence[Dated], day: date, what: str) -> int:
    """Return the figure that holds on a day.

    Raises:
        InvalidInput: no row covers the day.
    """
    for row in rows:
        if row.valid_from <= day and (row.valid_to is None or day <= row.valid_to):
            return row.value
    raise InvalidInput(f"There is no {what} on {day:%d-%m-%Y}.")


INTIMATION_PERCENT = (
    Dated(date(2022, 12, 26), None, 20, "CGST Rules, rules 88C and 88D; GST Council, 48th and 50th meeting"),
)
"""Share in per cent that a difference must exceed before the portal sends DRC-01B or DRC-01C."""
INTIMATION_PAISE = (Dated(date(2022, 12, 26), None, 25_00_000_00, "as above: more than Rs 25 lakh as well"),)
"""Amount in paise that it must exceed as well."""
LATE_FEE_A_DAY_PAISE = (
    Dated(date(2017, 7, 1), date(2021, 5, 31), 50_00, "CGST Act s.47 as reduced by Notification 76/2018-CT"),
    Dated(
        date(2021, 6, 1),
        None,
        50_00,
        "Notifications 19/2021-CT and 20/2021-CT of 01-06-2021: Rs 25 and Rs 25",
    ),
)
"""Late fee of GSTR-1 and GSTR-3B for each day, central and state together, when tax is payable."""
LATE_FEE_MOST_PAISE = (
    Dated(date(2017, 7, 1), date(2021, 5, 31), 10_000_00, "CGST Act s.47: Rs 5,000 and Rs 5,000"),
    Dated(
        date(2021, 6, 1),
        None,
        10_000_00,
        "Notifications 19/2021-CT and 20/2021-CT: turnover above Rs 5 crore",
    ),
)
"""Most late fee of one return, central and state together; smaller turnovers have smaller caps."""
INTEREST_PERCENT = (Dated(date(2017, 7, 1), None, 18, "CGST Act s.50(1), Notification 13/2017-CT"),)
"""Interest a year on tax paid late in cash."""
PAYMENT_DAYS = (Dated(date(2017, 7, 1), None, 180, "CGST Act s.16(2), second proviso; CGST Rules, rule 37"),)
"""Days from the invoice within which the supplier must be paid, or the credit is reversed."""
RATES = (
    (date(2017, 7, 1), date(2025, 9, 21), (0, 10, 25, 100, 150, 300, 500, 600, 750, 1200, 1800, 2800)),
    (date(2025, 9, 22), None, (0, 10, 25, 100, 150, 300, 500, 600, 750, 1800, 2800, 4000)),
)
"""Total rates in basis points. Source: CBIC Notifications 9 and 10/2025-CT(Rate) of 17-09-2025, from 22-09-2025."""


def rates_on(day: date) -> tuple[int, ...]:
    """Return the total rates of tax in basis points that hold on a day.

    Raises:
        InvalidInput: the day lies before GST.
    """
    for first, last, rates in RATES:
        if first <= day and (last is None or day <= last):
            return rates
    raise InvalidInput(f"There is no rate of GST on {day:%d-%m-%Y}.")


def late_fee(due_on: date, filed_on: date) -> int:
    """Return the most late fee of a return in paise, central and state together; nothing when it is in time."""
    days = (filed_on - due_on).days
    if days <= 0:
        return 0
    a_day = value_on(LATE_FEE_A_DAY_PAISE, due_on, "late fee")
    return min(days * a_day, value_on(LATE_FEE_MOST_PAISE, due_on, "cap of the late fee"))


def interest(tax_paise: int, due_on: date, paid_on: date) -> int:
    """Return interest on tax paid late, in paise, rounded to the nearest paisa; by the day, 365 days a year."""
    days = (paid_on - due_on).days
    if days <= 0:
        return 0
    yearly = tax_paise * value_on(INTEREST_PERCENT, due_on, "rate of interest")
    return round(yearly * days / 36_500)


def time_bar_on(financial_year: int) -> date:
    """Return the last day to take credit of documents of a year, by the calendar year in which it began.

    CGST Act s.16(4) as amended by the Finance Act 2022: the 30th of November after the year.
    """
    return date(financial_year + 1, 11, 30)


def payment_due_on(document_on: date) -> date:
    """Return the day until which a supplier must be paid so that the credit stays (rule 37)."""
    return document_on + timedelta(days=value_on(PAYMENT_DAYS, document_on, "time of payment"))


def is_intimated(larger_paise: int, smaller_paise: int, day: date) -> bool:
    """Whether a difference is large enough for DRC-01B or DRC-01C: more than a fifth, and more than Rs 25 lakh.

    Args:
        larger_paise: what should have been paid (or may have been claimed at most, see ``smaller_paise``).
        smaller_paise: what it is compared with; the share is one of this figure.
        day: on which the rule must hold.
    """
    difference = larger_paise - smaller_paise
    percent = value_on(INTIMATION_PERCENT, day, "threshold")
    return difference * 100 > abs(smaller_paise) * percent and difference > value_on(
        INTIMATION_PAISE, day, "threshold"
    )
