"""Which column of a register is which: by the headers that accounting programs write, and by what a person said.

Headers are compared without case, blanks, signs and units. What a person maps is remembered per client and register.
Invariant: an amount is never dropped in silence: columns per rate of one head are added, any other column that is not
read is listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from clientsync.errors import InvalidInput
from clientsync.imports.register_names import AMOUNTS, COLUMNS, REQUIRED, SYNONYMS
from clientsync.imports.register_values import plain

_UNITS = re.compile(r"\(\s*(?:in\s+)?(?:rs\.?|inr|₹|rupees)\s*\)|\bin\s+(?:rs\.?|inr|rupees)(?!\w)|₹")
_PER_RATE = re.compile(
    r"(?:input|output)?(?P<head>igst|cgst|sgst|utgst|taxable|taxablevalue|taxableamount)(?:amount|amt)?"
    r"\d{1,2}(?:\.\d+)?(?:pct)?"
)


def _bare(header: str) -> str:
    words = _UNITS.sub("", header.casefold()).replace("%", " pct ").replace("#", " no ")
    return re.sub(r"[^a-z0-9.]+|\.(?!\d)|(?<!\d)\.", "", words)


_KNOWN = {
    **{_bare(column): column for column in COLUMNS},
    **{_bare(name): column for column, names in SYNONYMS.items() for name in names},
}


@dataclass(frozen=True)
class Header:
    """The header of a register.

    Attributes:
        columns: our column of each cell, None for one that is not read.
        titles: the cells as they are written.
        said: titles that a person's mapping named, with our column.
    """

    columns: tuple[str | None, ...]
    titles: tuple[str, ...]
    said: Mapping[str, str]

    @property
    def unread(self) -> tuple[str, ...]:
        """Titles of columns that are not read."""
        pairs = zip(self.titles, self.columns, strict=True)
        return tuple(title for title, column in pairs if title and column is None)

    @property
    def is_by_voucher(self) -> bool:
        """Whether types are those of the client's own vouchers, so that its debit note takes goods back."""
        if "document_type" not in self.columns:
            return False
        return _bare(self.titles[self.columns.index("document_type")]).startswith(("vch", "voucher"))

    @property
    def has_tax(self) -> bool:
        """Whether a column of IGST, CGST or SGST is read."""
        return bool({"igst", "cgst", "sgst"} & set(self.columns))

    def named(self, cells: Sequence[Any]) -> dict[str, Any]:
        """Return the cells of a row under our names; of an amount in several columns the first."""
        found: dict[str, Any] = {}
        for column, cell in zip(self.columns, cells, strict=False):
            if column is not None:
                found.setdefault(column, cell)
        return found

    def amount_cells(self, cells: Sequence[Any]) -> dict[str, list[Any]]:
        """Return the cells of every amount; it has several when the register has a column per rate."""
        found: dict[str, list[Any]] = {name: [] for name in AMOUNTS}
        for column, cell in zip(self.columns, cells, strict=False):
            if column in found:
                found[column].append(cell)
        return found


def checked_mapping(said: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping of header to our column as it can be used.

    Raises:
        InvalidInput: it names a column that is none of ours; lists those that are.
    """
    for title, column in said.items():
        if column not in COLUMNS:
            raise InvalidInput(f"{title!r} cannot be {column!r}. Valid: {', '.join(COLUMNS)}.")
    return dict(said)


def header_of(cells: Sequence[Any], said: Mapping[str, str]) -> Header | None:
    """Return the header that a row is, None when it is no header: it must hold at least three columns of ours.

    A column that is there twice is the first one; what a person said wins over the names that are known. Several
    columns of one amount are read when a person said so, or when they are per rate and none holds the sum.

    Raises:
        InvalidInput: a person's mapping gives two headers of the file the same meaning, and it is no amount.
    """
    titles = tuple(plain(cell) for cell in cells)
    by_person = {_bare(title): column for title, column in said.items()}
    columns: list[str | None] = [by_person.get(_bare(title)) if title else None for title in titles]
    for column in {one for one in columns if one is not None and one not in AMOUNTS}:
        if columns.count(column) > 1:
            twice = [title for title, one in zip(titles, columns, strict=True) if one == column]
            raise InvalidInput(
                f"{' and '.join(twice)} are both mapped to {column}; forget or change one of them."
            )
    for place, title in enumerate(titles):
        known = _KNOWN.get(_bare(title)) if title else None
        if columns[place] is None and known is not None and known not in columns:
            columns[place] = known
    _add_columns_per_rate(columns, titles)
    if "document_on" not in columns and "booked_on" in columns:  # a register whose only date is "Date"
        columns[columns.index("booked_on")] = "document_on"
    if "document_number" not in columns and "voucher_number" in columns:
        columns[columns.index("voucher_number")] = "document_number"
    if sum(column is not None for column in columns) < 3:
        return None
    used = {title: by_person[_bare(title)] for title in titles if _bare(title) in by_person}
    return Header(tuple(columns), titles, used)


def _add_columns_per_rate(columns: list[str | None], titles: Sequence[str]) -> None:
    whole = {column for column in columns if column is not None}
    for place, title in enumerate(titles):
        found = _PER_RATE.fullmatch(_bare(title)) if columns[place] is None else None
        if found is None:
            continue
        head = "taxable" if found["head"].startswith("taxable") else found["head"].replace("utgst", "sgst")
        if head not in whole:
            columns[place] = head


def refuse_incomplete(header: Header, name: str) -> None:
    """Refuse a register that lacks a column that must be there.

    Raises:
        InvalidInput: says what is missing, which headers the file has, and what could be meant.
    """
    missing = [column for column in REQUIRED if column not in header.columns]
    if not missing:
        return
    guesses = []
    for column in missing:
        near = _nearest(column, header.unread)
        if near:
            guesses.append(f'--map "{near}={column}"')
    hint = f" Perhaps {' '.join(guesses)}?" if guesses else ' Say which it is with --map "HEADER=COLUMN".'
    raise InvalidInput(
        f"{name} has no column for {', '.join(missing)}. Its headers: "
        f"{', '.join(title for title in header.titles if title)}.{hint}"
    )


def _nearest(column: str, titles: Sequence[str]) -> str:
    """Return the title that is most like a name of the column, empty when none is."""
    names = [column.replace("_", " "), *SYNONYMS[column]]
    best: tuple[float, str] = (0.0, "")
    for title in titles:
        for name in get_close_matches(title.casefold(), names, n=1, cutoff=0.5):
            best = max(best, (SequenceMatcher(None, title.casefold(), name).ratio(), title.casefold()))
    return best[1]
