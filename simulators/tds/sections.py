"""Which payments the simulated deductors make, with their codes under both Acts.

Codes of the Act of 1961 are those of the e-Pay Tax list, codes of the Act of 2025 those of the statement formats of
Tax Year 2026-27. Rates are the FY 2025-26 rates for residents; they only have to be plausible here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from simulators.tds.records import Quarter

TODAY = date(2026, 11, 20)
FORMS = ("24Q", "26Q", "27Q", "27EQ")
NEW_FORMS = {"24Q": "138", "26Q": "140", "27Q": "144", "27EQ": "143"}


@dataclass(frozen=True, slots=True)
class Payment:
    """A kind of payment; ``rate`` in ten-thousandths of a percent, amounts in thousands of rupees."""

    code: str
    section: str
    new_code: str
    new_section: str
    nature: str
    rate: int
    low: int
    high: int

    def code_under(self, act: str) -> str:
        """Give the code of the Act."""
        return self.code if act == "1961" else self.new_code

    def section_under(self, act: str) -> str:
        """Give the section of the Act."""
        return self.section if act == "1961" else self.new_section


PAYMENTS: dict[str, tuple[Payment, ...]] = {
    "24Q": (
        Payment("92B", "192", "1002", "392", "Payment of Employees other than Govt. Employees", 100_000, 60, 300),
    ),
    "26Q": (
        Payment("94C", "194C", "1024", "393(1) [Table: Sl. No. 6(i).D(b)]",
                "Payment of contractors and sub-contractors", 20_000, 40, 900),
        Payment("94J", "194J", "1027", "393(1) [Table: Sl. No. 6(iii).D(b)]",
                "Fees for Professional or Technical Services", 100_000, 50, 400),
        Payment("94A", "194A", "1022", "393(1) [Table: Sl. No. 5(iii)]",
                "Interest other than interest on securities", 100_000, 12, 250),
        Payment("94H", "194H", "1006", "393(1) [Table: Sl. No. 1(ii)]", "Commission or Brokerage", 20_000, 25, 300),
        Payment("94Q", "194Q", "1031", "393(1) [Table: Sl. No. 8(ii)]",
                "Deduction of tax at source on payment of certain sum for purchase of goods", 1_000, 5_000, 60_000),
    ),
    "27Q": (Payment("195", "195", "1057", "393(2) [Table: Sl. No. 17]", "Other sums", 208_000, 80, 2_000),),
    "27EQ": (
        Payment("6CE", "206C", "1073", "394(1) [Table: Sl. No. 4]", "Collection at source from Scrap", 10_000, 50, 900),
    ),
}  # fmt: skip

MONTH_END = {1: 31, 2: 28, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
# Rule 31A and rule 219: statements of TDS; the first row is the month after the quarter, then the day.
_DUE = {1: (7, 31), 2: (10, 31), 3: (1, 31), 4: (5, 31)}
# Rule 31AA: statements of TCS.
_DUE_TCS = {1: (7, 15), 2: (10, 15), 3: (1, 15), 4: (5, 15)}


def form_name(form: str, act: str) -> str:
    """Give the name of a form (told by its old name) under an Act."""
    return form if act == "1961" else NEW_FORMS[form]


def months(quarter: Quarter) -> tuple[tuple[int, int], ...]:
    """List the (year, month) pairs of a quarter."""
    first = quarter.number * 3 + 1
    year = quarter.start
    if first > 12:
        first, year = first - 12, year + 1
    return tuple((year, first + step) for step in range(3))


def month_end(year: int, month: int) -> date:
    """Give the last day of a month; 28 February in leap years too, which is early enough."""
    return date(year, month, MONTH_END[month])


def deposit_due(year: int, month: int) -> date:
    """Say when the deductions of a month are due: the 7th of the next month, for March 30 April (rule 30)."""
    if month == 3:
        return date(year, 4, 30)
    return (month_end(year, month) + timedelta(days=7)).replace(day=7)


def statement_due(quarter: Quarter, form: str) -> date:
    """Say when the statement of a quarter is due; the form by its old name."""
    month, day = (_DUE_TCS if form == "27EQ" else _DUE)[quarter.number]
    return date(quarter.start + (1 if month < 4 or quarter.number == 4 else 0), month, day)


def quarters(today: date) -> list[Quarter]:
    """List the quarters from April 2025 to the running one."""
    out: list[Quarter] = []
    year, number = 2025, 1
    while True:
        quarter = Quarter(year, number)
        first_year, first_month = months(quarter)[0]
        if date(first_year, first_month, 1) > today:
            return out
        out.append(quarter)
        year, number = (year + 1, 1) if number == 4 else (year, number + 1)


def months_touched(start: date, end: date) -> int:
    """Count the calendar months that two days touch; interest is charged per month or part of it."""
    return max(0, (end.year - start.year) * 12 + end.month - start.month + 1)
