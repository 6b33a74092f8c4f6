"""One row of a client list as a person wrote it, checked column by column.

A row is either whole and right or refused with every reason; a reason names the column and never repeats the
GSTIN. An empty cell leaves what is stored; ``-`` clears it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from clientsync.clients.selection import ALL_CLIENTS
from clientsync.identifiers import (
    STATES,
    Fault,
    IdentifierInvalid,
    check_gstin,
    check_pan,
    check_tan,
    is_gstin,
    is_pan,
    is_tan,
)
from clientsync.identifiers import normalise_identifier as normalised

COLUMNS: dict[str, str] = {
    "client_id": "Short name of your own, for example C0001; shown in logs and in the dashboard",
    "name": "Name of the client",
    "gstin": "GST registration, 15 characters; empty for a client that only deducts tax",
    "portal_username": "User name on the GST portal (never the password)",
    "provider": "Name of a provider in the settings, or file when files are imported by hand",
    "state_code": "First two digits of the GSTIN; may be left empty",
    "filing_frequency": "M monthly or Q quarterly (QRMP); M when empty",
    "consent_ends_on": "Last day of API consent on the portal, for example 31-12-2026",
    "tan": "Tax deduction account number, 10 characters; empty for a client that deducts no tax",
    "deductor_pan": "PAN of the deductor",
    "deductor_category": "Category code of statement files, for example K company, Q individual, F firm",
    "tds_forms": "TDS statements it files: 24Q, 26Q, 27Q, 27EQ (138, 140, 144, 143 mean the same), separated by ;",
    "tds_source": "portal, or file when TDS files are imported by hand; portal when empty and a TAN is given",
    "traces_username": "User id on TRACES (never the password)",
    "tds_consent_given_on": "Day of the client's authority letter for its TAN",
    "tds_consent_ends_on": "Last day of that authority, for example 31-03-2027",
    "groups": "Groups to select by, separated by ;",
}
TDS_FORMS = {"24Q": "24Q", "138": "24Q", "26Q": "26Q", "140": "26Q", "27Q": "27Q", "144": "27Q", "27EQ": "27EQ",
             "143": "27EQ"}  # fmt: skip
"""Form numbers of both Acts to the name of the Act of 1961 (rules notified for the Act of 2025)."""
DEDUCTOR_CATEGORIES = "ASDEGHLNKMPTJBQF"
"""Category codes of deductors (prescribed formats of Forms 138, 140, 143 and 144, version 1.0)."""
TDS_SOURCES = ("portal", "file")
CLEAR = "-"
SHEET_ERRORS = frozenset(
    {"#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"}
)
"""What a spreadsheet shows where a formula failed."""
FILE_PROVIDER = "file"
FREQUENCIES = {
    "m": "M",
    "monthly": "M",
    "month": "M",
    "q": "Q",
    "quarterly": "Q",
    "quarter": "Q",
    "qrmp": "Q",
}
DATE_FORMS = (
    "%Y-%m-%d",
    "%d-%m-%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%B-%Y",
    "%d-%m-%y",
    "%d/%m/%y",
    "%d-%b-%y",
    "%Y/%m/%d",
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,39}")
_GROUP = re.compile(r"[^;,\x00-\x1f\x7f]{1,60}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]|[\ud800-\udfff]")
_PLACES = "two digits of the state, five letters, four digits and a letter of the PAN"
_DIGIT_PLACES = frozenset({0, 1, 7, 8, 9, 10})
_LETTER_PLACES = frozenset({2, 3, 4, 5, 11})


@dataclass(frozen=True)
class RowProblem:
    """Why a row was refused.

    Attributes:
        row: number in the file as the person's program shows it; the header is row 1. 0: the whole file.
        column: name of ours, empty for the whole row.
        reason: one sentence that says what is valid; holds no GSTIN.
    """

    row: int
    column: str
    reason: str


@dataclass(frozen=True)
class ClientRow:
    """A row that passed its own checks.

    Attributes:
        row: number in the file.
        client_id: whom it is about.
        values: columns of ``SyncClient`` that it sets.
        groups: groups it asks for; None leaves them as they are.
    """

    row: int
    client_id: str
    values: dict[str, Any] = field(repr=False)
    groups: tuple[str, ...] | None = None


class _Refused(ValueError):
    """A cell cannot be used; the text says why."""


def check_row(row: int, cells: Mapping[str, Any], providers: Collection[str]) -> ClientRow | list[RowProblem]:
    """Return the row, or every reason why it cannot be used.

    Args:
        row: its number in the file.
        cells: column of ours to the cell as it was read.
        providers: names a client may have as provider.
    """
    problems: list[RowProblem] = []
    values: dict[str, Any] = {}
    for column, read in _READERS.items():
        try:
            cell = text_of(cells.get(column))
            if cell.upper() in SHEET_ERRORS:
                raise _Refused(f"its formula failed in the spreadsheet ({cell.upper()}).")
            if column == "client_id" or cell:
                values[column] = read(cells.get(column, ""), cell, providers)
        except _Refused as refused:
            problems.append(RowProblem(row, column, str(refused)))
    if "gstin" in values:
        state = values["gstin"][:2]
        if values.get("state_code", state) != state:
            problems.append(
                RowProblem(
                    row,
                    "state_code",
                    f"the GSTIN begins with {state} ({STATES[state]}), the state says {values['state_code']}.",
                )
            )
        values["state_code"] = state
    if values.get("tan") and "tds_source" not in values:
        values["tds_source"] = "portal"
    if problems:
        return problems
    groups = values.pop("groups", None)
    return ClientRow(row, values.pop("client_id"), values, groups)


def text_of(cell: Any) -> str:
    """Return a cell as text: without blanks at the ends, whole numbers without a decimal point."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return _CONTROL.sub("", str(cell).replace("\u00a0", " ")).strip()


def check_client_id(text: str) -> str:
    """Return a client id that may stand in logs, names of runs and of files.

    Raises:
        ValueError: with the reason.
    """
    if not text:
        raise _Refused("it is missing.")
    if not _ID.fullmatch(text):
        raise _Refused(
            "letters, digits, '-', '_' and '.' are valid, at most 40, beginning with letter or digit."
        )
    if is_gstin(text.upper()) or is_pan(text.upper()) or is_tan(text.upper()):
        raise _Refused("a GSTIN, PAN or TAN cannot be the id, which is shown in logs; choose a short name.")
    if text.casefold() == ALL_CLIENTS.casefold():
        raise _Refused(f"{ALL_CLIENTS!r} means every client.")
    return text


def check_group_name(text: str) -> str:
    """Return a group name that can be selected by.

    Raises:
        ValueError: with the reason.
    """
    name = " ".join(text.split())
    if not _GROUP.fullmatch(name):
        raise _Refused("a group has 1 to 60 characters without ';' and ','.")
    if name.casefold() == ALL_CLIENTS.casefold():
        raise _Refused(f"{ALL_CLIENTS!r} means every client and cannot be a group.")
    if is_gstin(name.upper()) or is_pan(name.upper()) or is_tan(name.upper()):
        raise _Refused("a GSTIN, PAN or TAN cannot be the name of a group.")
    return name


def read_date(cell: Any) -> date:
    """Return the date that a cell means; day before month, as India writes it.

    Raises:
        ValueError: it is no date; says which notations are valid.
    """
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = text_of(cell)
    for form in DATE_FORMS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise _Refused("it is no date. Valid: 31-12-2026, 31/12/2026, 31-Dec-2026, 2026-12-31.") from None


def _read_id(_: Any, text: str, __: Collection[str]) -> str:
    return check_client_id(text)


def _read_name(_: Any, text: str, __: Collection[str]) -> str:
    if text == CLEAR:
        raise _Refused("a client has a name; it cannot be cleared.")
    if len(text) > 200:
        raise _Refused("it is longer than 200 characters.")
    return text


def _read_gstin(_: Any, text: str, __: Collection[str]) -> str:
    gstin = normalised(text)
    try:
        check_gstin(gstin)
    except IdentifierInvalid as error:
        hint = misplaced(gstin) if error.fault is Fault.FORMAT else ""
        raise _Refused(hint or error.reason) from None
    return gstin


def misplaced(gstin: str) -> str:
    """Say which character stands where another sort belongs; empty when the sorts are right."""
    for number, character in enumerate(gstin[:12]):
        if number in _DIGIT_PLACES and not character.isdigit():
            return f"character {number + 1} must be a digit ({_PLACES})."
        if number in _LETTER_PLACES and not character.isalpha():
            return f"character {number + 1} must be a letter ({_PLACES})."
    return ""


def _read_username(_: Any, text: str, __: Collection[str]) -> str:
    if text == CLEAR:
        return ""
    if len(text) > 80 or re.search(r"\s", text):
        raise _Refused("a portal user name has at most 80 characters and no blanks.")
    return text


def _read_provider(_: Any, text: str, providers: Collection[str]) -> str:
    for name in providers:
        if name.casefold() == text.casefold():
            return name
    raise _Refused(f"unknown provider {text[:40]!r}. Valid: {', '.join(providers)}.")


def _read_state(_: Any, text: str, __: Collection[str]) -> str:
    code = text.zfill(2)
    if code in STATES:
        return code
    by_name = {name.casefold(): code for code, name in STATES.items()}
    if text.casefold() in by_name:
        return by_name[text.casefold()]
    raise _Refused("it is no state. Valid: the two digits with which the GSTIN begins, or the state's name.")


def _read_frequency(_: Any, text: str, __: Collection[str]) -> str:
    found = FREQUENCIES.get(text.casefold())
    if found is None:
        raise _Refused("Valid: M (monthly) or Q (quarterly, QRMP).")
    return found


def _read_consent(cell: Any, text: str, _: Collection[str]) -> date | None:
    return None if text == CLEAR else read_date(cell)


def _read_tan(_: Any, text: str, __: Collection[str]) -> str:
    tan = normalised(text)
    try:
        check_tan(tan)
    except IdentifierInvalid as error:
        raise _Refused(error.reason) from None
    return tan


def _read_pan(_: Any, text: str, __: Collection[str]) -> str:
    if text == CLEAR:
        return ""
    pan = normalised(text)
    try:
        check_pan(pan)
    except IdentifierInvalid as error:
        raise _Refused(error.reason) from None
    return pan


def _read_category(_: Any, text: str, __: Collection[str]) -> str:
    if text == CLEAR:
        return ""
    code = text.upper()
    if len(code) != 1 or code not in DEDUCTOR_CATEGORIES:
        raise _Refused(f"it is no category of deductors. Valid: {', '.join(sorted(DEDUCTOR_CATEGORIES))}.")
    return code


def _read_forms(_: Any, text: str, __: Collection[str]) -> str:
    if text == CLEAR:
        return ""
    found: set[str] = set()
    for part in re.split(r"[;,\s]+", text.upper()):
        if not part:
            continue
        if part not in TDS_FORMS:
            raise _Refused(f"unknown form {part[:10]!r}. Valid: {', '.join(TDS_FORMS)}.")
        found.add(TDS_FORMS[part])
    return ",".join(sorted(found))


def _read_source(_: Any, text: str, __: Collection[str]) -> str:
    if text.casefold() not in TDS_SOURCES:
        raise _Refused(f"Valid: {', '.join(TDS_SOURCES)}.")
    return text.casefold()


def _read_groups(_: Any, text: str, __: Collection[str]) -> tuple[str, ...]:
    if text == CLEAR:
        return ()
    names = tuple(dict.fromkeys(check_group_name(part) for part in re.split(r"[;,]", text) if part.strip()))
    if not names:
        raise _Refused(f"it names no group; a single {CLEAR} takes the client out of all.")
    return names


_READERS: dict[str, Callable[[Any, str, Collection[str]], Any]] = {
    "client_id": _read_id,
    "name": _read_name,
    "gstin": _read_gstin,
    "portal_username": _read_username,
    "provider": _read_provider,
    "state_code": _read_state,
    "filing_frequency": _read_frequency,
    "consent_ends_on": _read_consent,
    "tan": _read_tan,
    "deductor_pan": _read_pan,
    "deductor_category": _read_category,
    "tds_forms": _read_forms,
    "tds_source": _read_source,
    "traces_username": _read_username,
    "tds_consent_given_on": _read_consent,
    "tds_consent_ends_on": _read_consent,
    "groups": _read_groups,
}
