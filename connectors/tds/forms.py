"""Statements of tax deduction under both Acts: their forms, quarters as TRACES codes them, statuses, due dates.

A form has a name in each Act; clients' profiles use those of the Act of 1961 and the quarter says which name holds.
Every rule of the law stands in a dated table with its source. Invariant: for a form and a quarter at most one
due-date rule holds, and an extension wins over it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from clientsync.periods import Quarter

NEW_FORMS: Mapping[str, str] = {"24Q": "138", "26Q": "140", "27Q": "144", "27EQ": "143"}
"""Form of the Act of 1961 to that of the Act of 2025. Source: Income-tax Rules, 2026; Protean file formats V1.0."""
OLD_FORMS: Mapping[str, str] = {new: old for old, new in NEW_FORMS.items()}
ALL_FORMS = (*NEW_FORMS, *OLD_FORMS)
COLLECTION_FORMS = frozenset({"27EQ", "143"})
"""Statements of tax collected at source; the others are of tax deducted."""
ACTS = ("1961", "2025")

QUARTER_CODES: Mapping[int, str] = {1: "3", 2: "4", 3: "5", 4: "6"}
"""Quarter to its code on TRACES: the last month of the quarter's order, April being 1. Source: TRACES."""


def act_of_form(form: str) -> str:
    """Return the Act of a form, ``1961`` or ``2025``.

    Raises:
        KeyError: no such form.
    """
    return {**dict.fromkeys(NEW_FORMS, "1961"), **dict.fromkeys(OLD_FORMS, "2025")}[form]


def form_in(form: str, act: str) -> str:
    """Return the name that a form of either Act has in ``act``.

    Raises:
        KeyError: no such form.
    """
    old = OLD_FORMS.get(form, form)
    return NEW_FORMS[old] if act == "2025" else OLD_FORMS[NEW_FORMS[old]]


def forms_of(profile: Collection[str], quarter: Quarter) -> tuple[str, ...]:
    """Return the statements that a deductor with this form profile files for a quarter.

    Args:
        profile: names of the Act of 1961; empty when the profile is not known, then all forms are returned.
        quarter: whose Act names the forms.
    """
    return tuple(form_in(old, quarter.act) for old in NEW_FORMS if not profile or old in profile)


def quarter_name(text: str) -> str:
    """Return ``Q1`` to ``Q4`` for a quarter's name or its code on TRACES (3 to 6); other texts stay as they are."""
    word = text.strip().upper()
    codes = {code: f"Q{number}" for number, code in QUARTER_CODES.items()}
    return word if word in codes.values() else codes.get(word, text.strip())


def form_name(text: str) -> str:
    """Return a form's name without the word Form, blanks and hyphens: ``Form 26-Q`` is ``26Q``."""
    word = text.strip().upper().removeprefix("FORM").replace(" ", "").replace("-", "")
    return word if word in ALL_FORMS else text.strip()


class StatementStatus(StrEnum):
    """What TRACES says of a filed statement. Source: TRACES; Rejected is for corrections only."""

    NOT_AVAILABLE = "Not Available"
    PENDING = "Pending for Processing"
    FOR_26AS = "Processed for Form 26AS"
    WITHOUT_DEFAULTS = "Processed Without Defaults"
    WITH_DEFAULTS = "Processed With Defaults"
    REJECTED = "Rejected"


STATUSES = tuple(one.value for one in StatementStatus)
EFILING_WAITS = "Filed"
EFILING_ACCEPTED = "Accepted"
EFILING_STATUSES = (EFILING_WAITS, EFILING_ACCEPTED)
"""What the e-filing portal says of a filed form; its list is not published, so these are assumed."""
_STATUS_BY_LETTERS = {"".join(one.lower().split()): one for one in (*STATUSES, *EFILING_STATUSES)}


def status_name(text: str) -> str:
    """Return a status in the portal's own spelling, whatever case and blanks; an unknown one stays as it is."""
    return _STATUS_BY_LETTERS.get("".join(text.lower().split()), text.strip())


def is_settled(statements: Iterable[Mapping[str, Any]]) -> bool:
    """Whether nothing is open in the statements of one quarter and form.

    The newest statement that was not rejected is processed without defaults, so that it is clean or has cured the
    defaults of those before it, and none waits to be processed. Without any statement nothing is settled.

    Args:
        statements: each with ``token``, ``status`` and ``filed_on`` (a date, None when it is not known).
    """
    return _newest_processed(statements) == StatementStatus.WITHOUT_DEFAULTS


def has_open_defaults(statements: Iterable[Mapping[str, Any]]) -> bool:
    """Whether everything of one quarter and form is processed, and its newest statement has defaults.

    Args:
        statements: as of ``is_settled``.
    """
    return _newest_processed(statements) == StatementStatus.WITH_DEFAULTS


def _newest_processed(statements: Iterable[Mapping[str, Any]]) -> str:
    """Return the status of the newest statement that was not rejected, empty while one waits or there is none."""
    accepted = [one for one in statements if status_name(str(one["status"])) != StatementStatus.REJECTED]
    done = (StatementStatus.WITHOUT_DEFAULTS, StatementStatus.WITH_DEFAULTS)
    if not accepted or any(status_name(str(one["status"])) not in done for one in accepted):
        return ""
    newest = max(accepted, key=lambda one: (one["filed_on"] or date.min, str(one["token"])))
    return status_name(str(newest["status"]))


@dataclass(frozen=True)
class DueRule:
    """The day on which the statement of a quarter is due.

    Attributes:
        is_collection: whether it is for tax collected (27EQ, 143) or deducted.
        valid_from, valid_to: first and last quarter, ``valid_to`` None for no end.
        days: number of the quarter to (month, day) after its end.
        source: where it stands in the law.
    """

    is_collection: bool
    valid_from: Quarter
    valid_to: Quarter | None
    days: Mapping[int, tuple[int, int]]
    source: str


@dataclass(frozen=True)
class Extension:
    """A due date that the Board moved for one quarter of some forms."""

    forms: frozenset[str]
    quarter: Quarter
    due_on: date
    source: str


@dataclass(frozen=True)
class DueDate:
    """A due date and where it comes from."""

    on: date
    source: str
    is_extended: bool = False


_DEDUCTED = {1: (7, 31), 2: (10, 31), 3: (1, 31), 4: (5, 31)}
_COLLECTED = {1: (7, 15), 2: (10, 15), 3: (1, 15), 4: (5, 15)}
_LAST_OF_1961 = Quarter(2025, 4)
_FIRST_OF_2025 = Quarter(2026, 1)

RULES: tuple[DueRule, ...] = (
    DueRule(
        False,
        Quarter(2016, 1),
        _LAST_OF_1961,
        _DEDUCTED,
        "Rule 31A(2) Income-tax Rules, 1962 as amended from 01-06-2016",
    ),
    DueRule(False, _FIRST_OF_2025, None, _DEDUCTED, "Rule 219 Income-tax Rules, 2026"),
    DueRule(True, Quarter(2016, 1), _LAST_OF_1961, _COLLECTED, "Rule 31AA(2) Income-tax Rules, 1962"),
    DueRule(
        True,
        _FIRST_OF_2025,
        None,
        _COLLECTED,
        "As under rule 31AA(2); a change for tax year 2026-27 is not established",
    ),
)

_RELAXATION_2020 = "Notification 35/2020 of 24-06-2020 (S.O. 2033(E)), under Ordinance 2 of 2020"
EXTENSIONS: tuple[Extension, ...] = (
    Extension(
        frozenset({"24Q"}),
        Quarter(2018, 4),
        date(2019, 6, 30),
        "CBDT order under section 119 of 04-06-2019, F.No. 275/38/2017-IT(B)",
    ),
    Extension(frozenset(NEW_FORMS), Quarter(2019, 4), date(2020, 7, 31), _RELAXATION_2020),
    Extension(frozenset(NEW_FORMS), Quarter(2020, 1), date(2021, 3, 31), _RELAXATION_2020),
    Extension(frozenset(NEW_FORMS), Quarter(2020, 2), date(2021, 3, 31), _RELAXATION_2020),
    Extension(
        frozenset({"24Q", "26Q", "27Q"}),
        Quarter(2020, 4),
        date(2021, 7, 15),
        "CBDT Circular 12/2021 of 25-06-2021, after Circular 9/2021 of 20-05-2021; rule 31A only",
    ),
    Extension(
        frozenset({"26Q"}), Quarter(2022, 2), date(2022, 11, 30), "CBDT Circular 21/2022 of 27-10-2022"
    ),
    Extension(
        frozenset({"26Q", "27Q", "27EQ"}),
        Quarter(2023, 1),
        date(2023, 9, 30),
        "CBDT Circular 9/2023 of 28-06-2023",
    ),
)
"""Orders for the whole country; those for one State (Odisha, 2018-19-Q4) are not here, because nobody says where a
deductor sits."""


def statement_due(
    form: str, quarter: Quarter, extensions: Sequence[Extension] = EXTENSIONS
) -> DueDate | None:
    """Return when a statement is due; None for quarters before 2016-17, whose rules are not in the table.

    Args:
        form: a name of either Act.
        quarter: it is about.
        extensions: the last that fits wins over the rule.

    Raises:
        KeyError: no such form.
    """
    name = form_in(form, quarter.act)
    for extension in reversed(extensions):
        if extension.quarter == quarter and name in extension.forms:
            return DueDate(extension.due_on, extension.source, is_extended=True)
    for rule in RULES:
        if rule.is_collection != (name in COLLECTION_FORMS) or quarter < rule.valid_from:
            continue
        if rule.valid_to is None or quarter <= rule.valid_to:
            month, day = rule.days[quarter.number]
            return DueDate(date(quarter.last_day.year + (quarter.number == 3), month, day), rule.source)
    return None


def deposit_due(deducted_on: date, *, without_challan: bool = False) -> DueDate:
    """Return when tax deducted on a day must be deposited.

    Args:
        deducted_on: day of deduction.
        without_challan: an office of the Government that pays by book entry, so without a challan.
    """
    if without_challan:
        return DueDate(deducted_on, "Rule 30(1)(a) Income-tax Rules, 1962; rule 218 of 2026: the same day")
    if deducted_on.month == 3:
        return DueDate(
            date(deducted_on.year, 4, 30), "Rule 30(2)(a) Income-tax Rules, 1962; rule 218 of 2026: 30 April"
        )
    year = deducted_on.year + (deducted_on.month == 12)
    return DueDate(
        date(year, deducted_on.month % 12 + 1, 7),
        "Rule 30(2)(b) Income-tax Rules, 1962; rule 218 of 2026: the 7th of the next month",
    )
