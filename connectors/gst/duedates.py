"""When each return is due: a dated table of rules, and the extensions that notifications gave single periods.

A rule holds for the periods from ``valid_from`` to ``valid_to``; an extension replaces the day of one period. A
firm adds extensions of its own in ``gst-due-dates.csv`` in the user's configuration folder, with the columns
``return_type,period,frequency,states,due_on,source`` (period MMYYYY, states two-digit codes separated by blanks,
frequency and states empty for all, due_on YYYY-MM-DD). Invariant: for a period, a frequency and a state at most
one rule holds, and the last matching extension wins over it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from clientsync.config import user_config_folder
from clientsync.errors import InvalidInput, InvalidPeriod
from clientsync.periods import GST_BEGAN, Period

FILE_NAME = "gst-due-dates.csv"
COLUMNS = ("return_type", "period", "frequency", "states", "due_on", "source")
AVAILABLE_2B_DAY = 14

GROUP_22 = frozenset(
    {"22", "23", "24", "25", "26", "27", "29", "30", "31", "32", "33", "34", "35", "36", "37"}
)
"""States whose quarterly GSTR-3B is due on the 22nd (Notification 84/2020-CT, 10-11-2020, and its successors)."""

QRMP_BEGAN = Period(2021, 1)


@dataclass(frozen=True)
class DueRule:
    """The day of the month after the period on which a return is due.

    Attributes:
        return_type: as the register names it, ``GSTR1``, ``GSTR3B``, ``IFF``.
        frequency: ``M`` monthly or ``Q`` quarterly filer.
        group: ``22`` or ``24`` for the quarterly GSTR-3B by state, empty for all states.
        valid_from, valid_to: first and last period, ``valid_to`` None for no end.
        day: of the following month.
        source: where the rule stands in the law.
    """

    return_type: str
    frequency: str
    group: str
    valid_from: Period
    valid_to: Period | None
    day: int
    source: str


@dataclass(frozen=True)
class Extension:
    """A due date that a notification moved for one period; empty frequency or states mean all."""

    return_type: str
    period: Period
    frequency: str
    states: frozenset[str]
    due_on: date
    source: str


@dataclass(frozen=True)
class DueDate:
    """A due date and where it comes from."""

    on: date
    source: str
    is_extended: bool


RULES: tuple[DueRule, ...] = (
    DueRule(
        "GSTR1", "M", "", Period(2020, 10), None, 11, "s. 37 CGST Act, Notification 83/2020-CT: the 11th"
    ),
    DueRule("GSTR1", "M", "", Period(2018, 9), Period(2020, 9), 11, "Notifications 44/2018-CT and following"),
    DueRule("GSTR1", "Q", "", QRMP_BEGAN, None, 13, "Notification 83/2020-CT: the 13th after the quarter"),
    DueRule("IFF", "Q", "", QRMP_BEGAN, None, 13, "rule 59(2) CGST Rules: the 13th of the following month"),
    DueRule("GSTR3B", "M", "", Period(2021, 1), None, 20, "rule 61(1)(i) CGST Rules: the 20th"),
    DueRule(
        "GSTR3B", "M", "", GST_BEGAN, Period(2020, 12), 20, "rule 61(5) CGST Rules as it stood: the 20th"
    ),
    DueRule("GSTR3B", "Q", "22", QRMP_BEGAN, None, 22, "rule 61(1)(ii) CGST Rules: the 22nd, first group"),
    DueRule("GSTR3B", "Q", "24", QRMP_BEGAN, None, 24, "rule 61(1)(ii) CGST Rules: the 24th, second group"),
)
"""Rules in force; earlier regimes that no rule covers have no due date and are shown as such."""

_NO_STATES: frozenset[str] = frozenset()

MANIPUR = frozenset({"14"})

EXTENSIONS: tuple[Extension, ...] = (
    Extension(
        "GSTR3B",
        Period(2020, 5),
        "M",
        _NO_STATES,
        date(2020, 6, 27),
        "Notification 36/2020-CT, 03-04-2020: turnover above Rs 5 crore; others later, by state",
    ),
    Extension(
        "GSTR1", Period(2021, 4), "M", _NO_STATES, date(2021, 5, 26), "Notification 12/2021-CT, 01-05-2021"
    ),
    Extension(
        "IFF", Period(2021, 4), "Q", _NO_STATES, date(2021, 5, 28), "Notification 13/2021-CT, 01-05-2021"
    ),
    Extension(
        "GSTR1", Period(2021, 5), "M", _NO_STATES, date(2021, 6, 26), "Notification 17/2021-CT, 01-06-2021"
    ),
    Extension(
        "IFF", Period(2021, 5), "Q", _NO_STATES, date(2021, 6, 28), "Notification 27/2021-CT, 01-06-2021"
    ),
    Extension(
        "GSTR1", Period(2023, 4), "M", MANIPUR, date(2023, 5, 31), "Notification 11/2023-CT, 24-05-2023"
    ),
    Extension(
        "GSTR3B", Period(2023, 4), "M", MANIPUR, date(2023, 5, 31), "Notification 12/2023-CT, 24-05-2023"
    ),
    Extension(
        "GSTR1", Period(2024, 12), "M", _NO_STATES, date(2025, 1, 13), "Notification 01/2025-CT, 10-01-2025"
    ),
    Extension(
        "GSTR1", Period(2024, 12), "Q", _NO_STATES, date(2025, 1, 15), "Notification 01/2025-CT, 10-01-2025"
    ),
    Extension(
        "GSTR3B", Period(2024, 12), "M", _NO_STATES, date(2025, 1, 22), "Notification 02/2025-CT, 10-01-2025"
    ),
    Extension(
        "GSTR3B", Period(2024, 12), "Q", _NO_STATES, date(2025, 1, 26), "Notification 02/2025-CT, 10-01-2025"
    ),
    Extension(
        "GSTR3B", Period(2024, 12), "Q", GROUP_22, date(2025, 1, 24), "Notification 02/2025-CT, 10-01-2025"
    ),
    Extension(
        "GSTR3B", Period(2025, 9), "", _NO_STATES, date(2025, 10, 25), "Notification 17/2025-CT, 18-10-2025"
    ),
)
"""Extensions that the program ships with; the last one that matches wins, so a narrower one stands below.

Only what a notification says in words that were read; others belong into the firm's file. The relief of February to
April 2020 (Notification 32/2020-CT) and of March to May 2021 (08, 09, 18 and 19/2021-CT) lowered interest and late fee
and moved no due date of GSTR-3B. Due dates by turnover, as those of small taxpayers in 2020, have no rule: the turnover
is not known.
"""


def state_group(state: str) -> str:
    """Return ``22`` or ``24``: the day on which a quarterly GSTR-3B of that state is due."""
    return "22" if state in GROUP_22 else "24"


def due_date(
    return_type: str,
    period: Period,
    frequency: str,
    state: str,
    extensions: Sequence[Extension] = EXTENSIONS,
) -> DueDate | None:
    """Return when a return is due, None when no rule covers that return, frequency and period.

    ``frequency`` is ``M`` or ``Q``; of a quarterly filer's GSTR1 and GSTR3B ``period`` is the quarter's last month.
    """
    for one in reversed(extensions):
        if (
            one.return_type == return_type
            and one.period == period
            and one.frequency in ("", frequency)
            and (not one.states or state in one.states)
        ):
            return DueDate(one.due_on, one.source, True)
    for rule in RULES:
        if (
            rule.return_type == return_type
            and rule.frequency == frequency
            and rule.group in ("", state_group(state))
            and rule.valid_from <= period
            and (rule.valid_to is None or period <= rule.valid_to)
        ):
            after = period.next()
            return DueDate(date(after.year, after.month, rule.day), rule.source, False)
    return None


def available_2b(period: Period) -> date:
    """Return the first day on which the GSTR-2B of a period can be read: the 14th of the following month."""
    after = period.next()
    return date(after.year, after.month, AVAILABLE_2B_DAY)


def extensions_in_force(path: Path | None = None) -> tuple[Extension, ...]:
    """Return the extensions shipped and those of the firm's own file, whose rows win.

    Raises:
        InvalidInput: a row of the file cannot be read; names the row and the reason.
    """
    file = path or user_config_folder() / FILE_NAME
    if not file.is_file():
        return EXTENSIONS
    return (*EXTENSIONS, *_read(file, file.stat().st_mtime_ns))


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> tuple[Extension, ...]:
    with path.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.DictReader(source)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise InvalidInput(f"{path.name} needs the columns {','.join(COLUMNS)} in this order.")
        return tuple(_rows(path.name, reader))


def _rows(name: str, reader: Iterable[dict[str, str | None]]) -> Iterable[Extension]:
    known = sorted({rule.return_type for rule in RULES})
    for number, given in enumerate(reader, start=2):
        row = {column: (given.get(column) or "").strip() for column in COLUMNS}
        try:
            if row["return_type"] not in known:
                raise InvalidInput(f"Unknown return. Valid: {', '.join(known)}.")
            if row["frequency"] not in ("", "M", "Q"):
                raise InvalidInput("Unknown frequency. Valid: M, Q, or empty for both.")
            yield Extension(
                row["return_type"],
                Period.parse(row["period"]),
                row["frequency"],
                frozenset(row["states"].split()),
                date.fromisoformat(row["due_on"]),
                row["source"],
            )
        except (InvalidInput, InvalidPeriod) as error:
            raise InvalidInput(f"{name} row {number}: {error.message}") from None
        except ValueError:
            raise InvalidInput(f"{name} row {number}: due_on is not a date YYYY-MM-DD.") from None
