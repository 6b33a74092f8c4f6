"""Tax periods as `MMYYYY` text, and what the calendar of the law says about them.

Internally a period is a month number (year * 12 + month - 1), so that arithmetic on periods is arithmetic on integers.
"""

import calendar
from datetime import date

FIRST = 2017 * 12 + 6
IMS_FROM = 2024 * 12 + 9
FLAT_2B_FROM = 2024 * 12 + 9
PENDING_NOTES_FROM = 2025 * 12 + 9
HSN_SPLIT_FROM = 2025 * 12 + 4
R1A_FROM = 2024 * 12 + 6
NEW_RATES = date(2025, 9, 22)


def parse(text: str) -> int | None:
    """Read `MMYYYY`; anything else is None."""
    if len(text) != 6 or not text.isdigit() or not 1 <= int(text[:2]) <= 12:
        return None
    return int(text[2:]) * 12 + int(text[:2]) - 1


def show(month: int) -> str:
    """Write a month number as `MMYYYY`."""
    return f"{month % 12 + 1:02d}{month // 12}"


def of(day: date) -> int:
    """Give the month number of a date."""
    return day.year * 12 + day.month - 1


def on(month: int, day: int) -> date:
    """Give a day of the month, clamped to its last day."""
    year, index = divmod(month, 12)
    return date(year, index + 1, min(day, calendar.monthrange(year, index + 1)[1]))


def quarter_start(month: int) -> int:
    """Give the first month of the quarter."""
    return month - month % 3


def is_quarter_end(month: int) -> bool:
    """Tell whether the month closes a quarter."""
    return month % 3 == 2


def financial_year(month: int) -> int:
    """Give the calendar year in which the financial year of the month began."""
    year, index = divmod(month, 12)
    return year if index >= 3 else year - 1


def parse_financial_year(text: str) -> int | None:
    """Read `2024-25` or `FY 2024-25`; anything else is None."""
    bare = text.removeprefix("FY").strip()
    return int(bare[:4]) if len(bare) == 7 and bare[:4].isdigit() and bare[4] == "-" else None


def dmy(day: date) -> str:
    """Write a date as DD-MM-YYYY."""
    return f"{day.day:02d}-{day.month:02d}-{day.year}"


def dmy_slash(day: date) -> str:
    """Write a date as DD/MM/YYYY."""
    return f"{day.day:02d}/{day.month:02d}/{day.year}"


def parse_dmy(text: str) -> date | None:
    """Read DD/MM/YYYY or DD-MM-YYYY; anything else is None."""
    parts = text.replace("/", "-").split("-")
    try:
        return date(int(parts[2]), int(parts[1]), int(parts[0]))
    except (ValueError, IndexError):
        return None


def dmon(day: date) -> str:
    """Write a date as DD-Mon-YY."""
    return f"{day.day:02d}-{calendar.month_abbr[day.month]}-{day.year % 100:02d}"


def mon(month: int) -> str:
    """Write a period as Mon-YY."""
    return f"{calendar.month_abbr[month % 12 + 1]}-{month // 12 % 100:02d}"
