"""The law that the reconciliations need, as dated tables: Acts, due dates, interest and fees.

Invariant: every figure stands in a table with the day it holds from and its source; nothing below writes a figure
of the law into a formula. Rates are percent per month or part of a month.

Rounding: interest is simple, a part of a month counts as a whole month, and each amount is rounded half up to the
whole paisa, once per deductee row. Nothing is rounded to the rupee here; TRACES rounds the net demand of a
statement to ten rupees (section 288B), and that figure is taken from TRACES as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from clientsync.periods import Quarter

NEW_ACT_FROM = date(2026, 4, 1)
"""First day of the Income-tax Act, 2025; the earlier of credit and payment decides (notified commencement)."""

COLLECTION_FORMS = frozenset({"27EQ"})
"""Forms of tax collected at source; the others are of tax deducted (rule 31AA)."""


@dataclass(frozen=True, slots=True)
class StatementDue:
    """Due days of statements by quarter number, as (years after the start of the year, month, day)."""

    is_collection: bool
    since: Quarter
    days: Mapping[int, tuple[int, int, int]]


STATEMENT_DUES: tuple[StatementDue, ...] = (
    # Rule 31A from 1 June 2016; rule 219 of the 2026 rules has the same days.
    StatementDue(False, Quarter(2016, 1), {1: (0, 7, 31), 2: (0, 10, 31), 3: (1, 1, 31), 4: (1, 5, 31)}),
    # Rule 31AA: fifteen days after the quarter, for the last quarter 15 May. Tax year 2026-27 is not confirmed.
    StatementDue(True, Quarter(2016, 1), {1: (0, 7, 15), 2: (0, 10, 15), 3: (1, 1, 15), 4: (1, 5, 15)}),
)


@dataclass(frozen=True, slots=True)
class DepositDue:
    """Due day of the deposit, in the month after the deduction: ``day``, and ``march_day`` for March."""

    is_collection: bool
    since: date
    day: int
    march_day: int


DEPOSIT_DUES: tuple[DepositDue, ...] = (
    # Rule 30 and rule 218: the 7th of the next month, for March 30 April.
    DepositDue(False, date(2010, 4, 1), 7, 30),
    # Rule 37CA: seven days from the end of the month, March included.
    DepositDue(True, date(2010, 4, 1), 7, 7),
)


@dataclass(frozen=True, slots=True)
class InterestRate:
    """Interest in percent per month or part of a month."""

    is_collection: bool
    since: date
    late_deposit: Decimal
    late_deduction: Decimal
    section: str


INTEREST_RATES: tuple[InterestRate, ...] = (
    # Section 201(1A) from 1 July 2010: 1 % from deductible to deducted, 1.5 % from deducted to deposited.
    InterestRate(False, date(2010, 7, 1), Decimal("1.5"), Decimal(1), "section 201(1A) of the 1961 Act"),
    # Section 398(3)(a) of the 2025 Act: the same two rates.
    InterestRate(False, NEW_ACT_FROM, Decimal("1.5"), Decimal(1), "section 398(3)(a) of the 2025 Act"),
    # Section 206C(7): 1 % until 31 March 2025; from then 1.5 % on tax that was collected (Finance (No. 2) Act, 2024).
    InterestRate(True, date(2010, 7, 1), Decimal(1), Decimal(1), "section 206C(7) of the 1961 Act"),
    InterestRate(True, date(2025, 4, 1), Decimal("1.5"), Decimal(1), "section 206C(7) of the 1961 Act"),
    InterestRate(True, NEW_ACT_FROM, Decimal("1.5"), Decimal(1), "section 398(3) of the 2025 Act"),
)


@dataclass(frozen=True, slots=True)
class LateFee:
    """The fee for a late statement, in paise per day, never more than the tax of the statement."""

    since: Quarter
    paise_per_day: int
    section: str


LATE_FEES: tuple[LateFee, ...] = (
    # Section 234E from 1 July 2012: Rs 200 a day.
    LateFee(Quarter(2012, 2), 20_000, "section 234E of the 1961 Act"),
    # Section 427 of the 2025 Act: the same words.
    LateFee(Quarter(2026, 1), 20_000, "section 427 of the 2025 Act"),
)

DEMAND_DAYS = 30
"""Days to pay a demand (section 220(1) of the 1961 Act)."""
DEMAND_INTEREST = Decimal(1)
"""Percent per month or part of a month after those days (section 220(2) of the 1961 Act)."""


def act_of(trigger: date) -> str:
    """Return ``1961`` or ``2025`` for the earlier of credit and payment."""
    return "1961" if trigger < NEW_ACT_FROM else "2025"


def is_collection(form: str) -> bool:
    """Whether the form is one of tax collected at source."""
    return form in COLLECTION_FORMS


def statement_due(
    quarter: Quarter, form: str, extensions: Mapping[tuple[str, str], date] | None = None
) -> date:
    """Return the last day to file; ``extensions`` by (quarter label, form) come before the table.

    Quarters older than the table follow its first row.
    """
    extended = (extensions or {}).get((quarter.label, form))
    if extended is not None:
        return extended
    rules = [rule for rule in STATEMENT_DUES if rule.is_collection == is_collection(form)]
    rule = next((rule for rule in reversed(rules) if rule.since <= quarter), rules[0])
    years, month, day = rule.days[quarter.number]
    return date(quarter.start + years, month, day)


def deposit_due(deducted_on: date, form: str, *, is_book_entry: bool = False) -> date:
    """Return the last day to deposit tax that was deducted on a day; a book entry is due the same day."""
    if is_book_entry:
        return deducted_on
    rules = [rule for rule in DEPOSIT_DUES if rule.is_collection == is_collection(form)]
    rule = next((rule for rule in reversed(rules) if rule.since <= deducted_on), rules[0])
    if deducted_on.month == 12:
        return date(deducted_on.year + 1, 1, rule.day)
    day = rule.march_day if deducted_on.month == 3 else rule.day
    return date(deducted_on.year, deducted_on.month + 1, day)


def statement_quarter(deposited_on: date, act: str = "", year: str = "") -> Quarter:
    """Return the quarter whose statement a deposit is for, as far as the challan tells.

    Tax is deposited in the month after its deduction, so a deposit that is in time for the month before belongs to
    the quarter of that month: 7 July to the first quarter, 30 April to the last. It never lies outside the year that
    the challan names, nor outside its Act.

    Args:
        deposited_on: day of deposit.
        act: ``1961`` or ``2025`` when the challan was paid under it, empty when it is not known.
        year: financial or tax year that the challan names, such as 2025-26, empty when it names none.
    """
    before = deposited_on.replace(day=1) - timedelta(days=1)
    is_in_time = deposited_on <= deposit_due(before, "26Q")
    quarter = Quarter.of(before if is_in_time else deposited_on)
    if year:
        start = int(year[:4])
        quarter = min(max(quarter, Quarter(start, 1)), Quarter(start, 4))
    if act == "1961":
        return min(quarter, Quarter.of(NEW_ACT_FROM - timedelta(days=1)))
    return max(quarter, Quarter.of(NEW_ACT_FROM)) if act == "2025" else quarter


def interest_rate(day: date, form: str) -> InterestRate:
    """Return the rates that hold for tax which became deductible on ``day``; days before the table get its first."""
    rules = [rule for rule in INTEREST_RATES if rule.is_collection == is_collection(form)]
    return next((rule for rule in reversed(rules) if rule.since <= day), rules[0])


def late_fee_rule(quarter: Quarter) -> LateFee | None:
    """Return the fee that holds for a quarter's statement; None before the fee began."""
    return next((rule for rule in reversed(LATE_FEES) if rule.since <= quarter), None)


def months_touched(first: date, last: date) -> int:
    """Return how many calendar months two days touch: 30 September to 8 October touches two."""
    return (last.year - first.year) * 12 + (last.month - first.month) + 1


def months_or_part(first: date, last: date) -> int:
    """Return how many months have begun from ``first`` to ``last``, both included, counted from ``first``'s day."""
    if last < first:
        return 0
    whole = (last.year - first.year) * 12 + (last.month - first.month)
    return whole + 1 if last.day >= first.day else max(whole, 1)


def share(amount_paise: int, percent: Decimal, times: int = 1) -> int:
    """Return ``percent`` of an amount, ``times`` over, rounded half up to the whole paisa."""
    exact = Decimal(amount_paise) * percent * times / 100
    return int(exact.to_integral_value(rounding=ROUND_HALF_UP))


def working_days_after(day: date, until: date, holidays: frozenset[date] = frozenset()) -> int:
    """Return the working days after ``day`` up to and including ``until``; Saturdays and Sundays are none.

    Holidays that fall on a weekend count once.
    """
    days = (until - day).days
    if days <= 0:
        return 0
    weeks, rest = divmod(days, 7)
    working = weeks * 5
    working += sum((day + timedelta(days=weeks * 7 + step)).weekday() < 5 for step in range(1, rest + 1))
    return working - sum(1 for holiday in holidays if day < holiday <= until and holiday.weekday() < 5)
