"""Lists of portal passwords, as practices keep them in a sheet: read once into the vault, never kept or shown.

A reason for a refused row names its row and what is valid, never a password or a registration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from clientsync.clients.rows import SHEET_ERRORS, RowProblem, text_of
from clientsync.clients.selection import list_clients
from clientsync.clients.tabular import PLAIN_SUFFIXES, lines_of
from clientsync.database import reading
from clientsync.errors import InvalidInput

PORTALS = ("income_tax", "traces")
COLUMNS = ("client_id", "portal", "password")


def secret_name(client_id: str, portal: str) -> str:
    """Return the name in the vault of a client's password at a portal."""
    return f"tds/{client_id}/{portal}"


@dataclass(frozen=True)
class PortalPassword:
    """One password on its way to the vault."""

    client_id: str
    portal: str
    password: str = field(repr=False)

    @property
    def secret_name(self) -> str:
        """Its name in the vault."""
        return secret_name(self.client_id, self.portal)


@dataclass
class PasswordList:
    """What a list holds: passwords that can be stored, and the reasons for rows that cannot."""

    passwords: list[PortalPassword] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)


def read_passwords(path: Path, engine: Engine) -> PasswordList:
    """Return the passwords of a CSV or Excel list with the columns client_id, portal and password.

    Raises:
        InvalidInput: the file cannot be read as such a list.
    """
    with reading(engine) as connection:
        known = {one.client_id for one in list_clients(connection, only_active=False)}
    found = PasswordList()
    places: dict[str, int] | None = None
    seen: dict[tuple[str, str], int] = {}
    width: int | None = None
    for number, cells in lines_of(path, named=_named):
        if not any(text_of(cell) for cell in cells):
            continue
        if places is None:
            places = _places(path, cells)
            width = len(cells) if path.suffix.casefold() in PLAIN_SUFFIXES else None
            continue
        row = {name: text_of(cells[place]) if place < len(cells) else "" for name, place in places.items()}
        problem = _problem(number, row, known, seen) or _unsure(number, cells, places["password"], width)
        if problem is not None:
            found.problems.append(problem)
            continue
        portal = row["portal"].casefold()
        seen[(row["client_id"], portal)] = number
        found.passwords.append(PortalPassword(row["client_id"], portal, row["password"]))
    if places is None:
        raise InvalidInput(f"{path.name} is empty. Its first row must hold: {', '.join(COLUMNS)}.")
    return found


def _named(cells: Sequence[str]) -> int:
    return sum(cell.strip().casefold().replace(" ", "_") in COLUMNS for cell in cells)


def _unsure(number: int, cells: Sequence[Any], place: int, width: int | None) -> RowProblem | None:
    """Return why a password may be another than the person meant: a wrong one locks an account at the portal."""
    if width is not None and any(text_of(cell) for cell in cells[width:]):
        return RowProblem(
            number,
            "password",
            "the row has more cells than the header; a password with such a sign stands in quotes.",
        )
    cell = cells[place]
    if not isinstance(cell, str | int) or isinstance(cell, bool) or str(cell).upper() in SHEET_ERRORS:
        return RowProblem(
            number, "password", "its cell is no text; format the column as text and type it again."
        )
    return None


def _places(path: Path, cells: Sequence[Any]) -> dict[str, int]:
    names = [text_of(cell).casefold().replace(" ", "_") for cell in cells]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InvalidInput(
            f"{path.name} has no column {' and '.join(missing)} in its first row. Columns: {', '.join(COLUMNS)}."
        )
    return {name: names.index(name) for name in COLUMNS}


def _problem(
    number: int, row: dict[str, str], known: set[str], seen: dict[tuple[str, str], int]
) -> RowProblem | None:
    portal = row["portal"].casefold()
    if row["client_id"] not in known:
        return RowProblem(number, "client_id", "there is no such client.")
    if portal not in PORTALS:
        return RowProblem(number, "portal", f"it is no portal. Valid: {', '.join(PORTALS)}.")
    if not row["password"]:
        return RowProblem(number, "password", "it is missing.")
    first = seen.get((row["client_id"], portal))
    if first is not None:
        return RowProblem(number, "client_id", f"row {first} of the file has the same client and portal.")
    return None
