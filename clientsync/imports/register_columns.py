"""Which column of a register is which: by the headers that accounting programs write, and by what a person said.

Headers are compared without case, blanks and signs. What a person maps is remembered per client and register.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from clientsync.errors import InvalidInput
from clientsync.imports.register_values import plain

COLUMNS = {
    "document_number": "Number of the supplier's document (purchases), or of the own document (sales)",
    "document_on": "Date of the document",
    "document_type": "Invoice, credit note, debit note or bill of entry; empty means invoice",
    "party_gstin": "GSTIN of the other party; empty when unregistered or overseas",
    "party_name": "Name of the other party",
    "place_of_supply": "State, by code or name",
    "is_reverse_charge": "Y when the recipient pays the tax",
    "is_itc_eligible": "Y when credit is claimed (purchases)",
    "period": "Month in which it was booked, MMYYYY; else from booked_on, else from the date",
    "booked_on": "Date of the entry in the books",
    "voucher_number": "Number of the entry in the books",
    "rate": "Rate in per cent; a register with this column has a line per rate",
    "hsn": "HSN or SAC; a register with this column has a line per item",
    "port_code": "Port of a bill of entry",
    "original_number": "Document behind a note",
    "original_on": "Date of that document",
    "taxable": "Taxable value in rupees",
    "igst": "IGST in rupees",
    "cgst": "CGST in rupees",
    "sgst": "SGST or UTGST in rupees",
    "cess": "Cess in rupees",
    "document_value": "Value of the document in rupees",
}
"""Our columns and what they mean; also the template."""
REQUIRED = ("document_number", "document_on", "taxable")
AMOUNTS = ("taxable", "igst", "cgst", "sgst", "cess", "document_value")
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "document_number": (
        *(
            "invoice number",
            "invoice no",
            "inv no",
            "bill no",
            "bill number",
            "supplier invoice no",
            "document no",
        ),
        *("supplier invoice number", "note number", "doc no", "ref no", "reference no", "supplier inv no"),
        *(
            "invoice/note number",
            "bill of entry number",
            "boe number",
            "purchase invoice no",
            "supplier bill no",
        ),
    ),
    "document_on": (
        *(
            "invoice date",
            "inv date",
            "bill date",
            "supplier invoice date",
            "document date",
            "doc date",
            "note date",
        ),
        *(
            "reference date",
            "ref date",
            "invoice/note date",
            "boe date",
            "bill of entry date",
            "supplier bill date",
        ),
    ),
    "document_type": (
        "type",
        "doc type",
        "invoice type",
        "voucher type",
        "note type",
        "transaction type",
        "vch type",
    ),
    "party_gstin": (
        *(
            "gstin",
            "supplier gstin",
            "party gstin",
            "gstin/uin",
            "gstin of supplier",
            "buyer gstin",
            "gst no",
        ),
        *(
            "customer gstin",
            "gstin of recipient",
            "gstin/uin of recipient",
            "gstin no",
            "gstin of buyer",
            "vendor gstin",
        ),
    ),
    "party_name": (
        *(
            "party name",
            "supplier name",
            "name",
            "particulars",
            "customer name",
            "vendor",
            "vendor name",
            "ledger",
        ),
        *("buyer name", "receiver name", "trade name", "supplier", "customer", "party", "legal name"),
    ),
    "place_of_supply": ("pos", "place of supply", "state", "state code", "place"),
    "is_reverse_charge": ("rcm", "reverse charge", "rev charge", "reverse charge applicable"),
    "is_itc_eligible": ("itc", "itc eligible", "eligible itc", "itc eligibility", "eligibility for itc"),
    "period": ("period", "return period", "month", "tax period", "booking month"),
    "booked_on": ("voucher date", "vch date", "entry date", "posting date", "booking date", "date"),
    "voucher_number": ("voucher no", "vch no", "voucher number", "entry no", "vch number", "internal no"),
    "rate": ("rate", "gst rate", "tax rate", "rate %", "gst %", "tax %"),
    "hsn": ("hsn", "hsn/sac", "hsn code", "sac"),
    "port_code": ("port code", "port"),
    "original_number": (
        "original invoice number",
        "original invoice no",
        "against invoice",
        "original document no",
    ),
    "original_on": ("original invoice date", "original document date"),
    "taxable": (
        *("taxable value", "taxable amount", "taxable", "assessable value", "basic amount", "taxable amt"),
        *("total taxable value", "net amount before tax", "value of supplies"),
    ),
    "igst": ("igst", "igst amount", "integrated tax", "integrated tax amount", "igst amt", "input igst"),
    "cgst": ("cgst", "cgst amount", "central tax", "central tax amount", "cgst amt", "input cgst"),
    "sgst": (
        *(
            "sgst",
            "sgst amount",
            "state tax",
            "sgst/utgst",
            "state/ut tax",
            "state/ut tax amount",
            "utgst",
            "sgst amt",
        ),
        *("input sgst", "state tax amount"),
    ),
    "cess": ("cess", "cess amount", "cess amt"),
    "document_value": (
        "invoice value",
        "total",
        "gross total",
        "invoice amount",
        "total amount",
        "bill amount",
        "value",
    ),
}


def _bare(header: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", header.casefold())


_KNOWN = {
    **{_bare(column): column for column in COLUMNS},
    **{_bare(name): column for column, names in _SYNONYMS.items() for name in names},
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

    def named(self, cells: Sequence[Any]) -> dict[str, Any]:
        """Return the cells of a row under our names."""
        return {column: cell for column, cell in zip(self.columns, cells, strict=False) if column is not None}


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

    A column that is there twice is the first one; what a person said wins over the names that are known.
    """
    titles = tuple(plain(cell) for cell in cells)
    by_person = {_bare(title): column for title, column in said.items()}
    columns: list[str | None] = [by_person.get(_bare(title)) for title in titles]
    for place, title in enumerate(titles):
        column = _KNOWN.get(_bare(title)) if title else None
        if columns[place] is None and column is not None and column not in columns:
            columns[place] = column
    if "document_on" not in columns and "booked_on" in columns:  # a register whose only date is "Date"
        columns[columns.index("booked_on")] = "document_on"
    if "document_number" not in columns and "voucher_number" in columns:
        columns[columns.index("voucher_number")] = "document_number"
    if sum(column is not None for column in columns) < 3:
        return None
    used = {title: by_person[_bare(title)] for title in titles if _bare(title) in by_person}
    return Header(tuple(columns), titles, used)


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
        near = get_close_matches(
            column.replace("_", " "), [title.casefold() for title in header.unread], n=1, cutoff=0.4
        )
        if near:
            guesses.append(f'--map "{near[0]}={column}"')
    hint = f" Perhaps {' '.join(guesses)}?" if guesses else ' Say which it is with --map "HEADER=COLUMN".'
    raise InvalidInput(
        f"{name} has no column for {', '.join(missing)}. Its headers: "
        f"{', '.join(title for title in header.titles if title)}.{hint}"
    )
