"""Registers of purchases and sales as accounting programs write them, read into one plain form per month.

Invariant: lines of the file = lines in documents + lines refused, and every amount of a line is in its document.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from clientsync.clients.tabular import lines_of, sheets_of
from clientsync.errors import InvalidInput, InvalidPeriod
from clientsync.imports import register_values as values
from clientsync.imports.register_columns import Header, header_of, refuse_incomplete
from clientsync.imports.register_documents import Line, documents_of, settled
from clientsync.imports.register_names import AMOUNTS, REQUIRED
from clientsync.periods import Period

REGISTERS = ("purchases", "sales")
FORM = "clientsync_register"
_HEADER_WITHIN = 30  # rows above it are titles
_TOTAL = re.compile(r"(?:grand |sub[- ]?)?totals?\b(?: (?:of|for|in)\b.*)?[ :.]*", re.IGNORECASE)
_POSITIVE_SIDE = {"purchases": "dr", "sales": "cr"}
_NOTES = ("CN", "DN")


@dataclass(frozen=True)
class Refused:
    """One line that could not be read; ``values`` are its cells as text."""

    row: int
    period: str
    reason: str
    values: Mapping[str, str]


@dataclass
class Register:
    """What a file holds.

    Attributes:
        name: of the file.
        register: ``purchases`` or ``sales``.
        header: how its columns were read; None for a day book.
        lines: that could be read.
        refused: that could not.
        left_out: what is not booked, with how many: cancelled vouchers and the like.
        totals: our column to the rupees by which the total row of the file differs from the sum of its lines.
        notes: what a person should know of how it was read.
        ledgers: of a day book, ledger to head.
    """

    name: str
    register: str
    header: Header | None = None
    lines: list[Line] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    totals: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ledgers: dict[str, str] = field(default_factory=dict)

    @property
    def months(self) -> list[str]:
        """The months in which its lines were booked, oldest first."""
        found = {line.period for line in self.lines} | {row.period for row in self.refused if row.period}
        return sorted(found, key=lambda period: (period[2:], period))


@dataclass(frozen=True)
class Reading:
    """How a register is to be read.

    Attributes:
        register: ``purchases`` or ``sales``.
        columns: header to our column, as a person said.
        day_first: whether 03/04/2026 is the third of April.
        sheet: of a workbook; empty: the only one that has the columns of a register.
        period: month of every line, MMYYYY; empty: what the lines say.
        state: code of the client's own state, to calculate taxes where a register has rates only; empty: not known.
    """

    register: str
    columns: Mapping[str, str] = field(default_factory=dict)
    day_first: bool = True
    sheet: str = ""
    period: str = ""
    state: str = ""


def checked_register(name: str) -> str:
    """Return the name of a register.

    Raises:
        InvalidInput: no such register.
    """
    if name not in REGISTERS:
        raise InvalidInput(f"There is no register {name!r}. Valid: {', '.join(REGISTERS)}.")
    return name


def read_register(path: Path, how: Reading) -> Register:
    """Read a register from a CSV or Excel file.

    Raises:
        InvalidInput: no such file or sheet, no header, a column that must be there is missing, or no line at all.
    """
    found = Register(path.name, checked_register(how.register))
    totals = _Totals()
    above = 0
    for row, cells in lines_of(path, how.sheet or _sheet(path, how)):
        if not any(values.plain(cell) for cell in cells):
            continue
        if found.header is None:
            found.header = header_of(cells, how.columns)
            above += 1
            if found.header is None and above > _HEADER_WITHIN:
                break
            continue
        named = found.header.named(cells)
        amounts = found.header.amount_cells(cells)
        if _is_total(cells, named):
            totals.compare(amounts, how)
        else:
            _take(found, row, named, amounts, how, totals)
    if found.header is None:
        raise InvalidInput(
            f"{path.name} has no row with headers of a register in its first {_HEADER_WITHIN} rows."
        )
    refuse_incomplete(found.header, path.name)
    if not found.lines and not found.refused:
        raise InvalidInput(f"{path.name} has a header and no line below it.")
    has_lines = bool({"rate", "hsn"} & set(found.header.columns))
    found.lines = settled(found.lines, has_lines=has_lines)
    found.totals = totals.differences(sum(one["document_value_paise"] for one in documents_of(found.lines)))
    _tell_missing_tax(found)
    return found


def _tell_missing_tax(found: Register) -> None:
    header = found.header
    if header is None or header.has_tax:
        return
    found.notes.append(
        "it has no column of IGST, CGST or SGST; they were calculated from rate and place of supply"
        if "rate" in header.columns
        else "it has no column of IGST, CGST or SGST that was recognised, so no tax was read"
    )


def _sheet(path: Path, how: Reading) -> str:
    """Return the only sheet of a workbook that has the columns of a register; empty: of another file, or none has.

    Raises:
        InvalidInput: several sheets have them.
    """
    names = sheets_of(path)
    if len(names) < 2:
        return ""
    fitting = [name for name in names if _fits(path, name, how)]
    if len(fitting) > 1:
        raise InvalidInput(
            f"{path.name} has several sheets that can be a register: {', '.join(fitting)}. "
            "Say which with --sheet NAME."
        )
    return fitting[0] if fitting else ""


def _fits(path: Path, sheet: str, how: Reading) -> bool:
    above = 0
    header: Header | None = None
    for _, cells in lines_of(path, sheet):
        if not any(values.plain(cell) for cell in cells):
            continue
        if header is not None:
            return True  # it has a line below its header
        above += 1
        if above > _HEADER_WITHIN:
            return False
        header = header_of(cells, how.columns)
        if header is not None and not set(REQUIRED) <= set(header.columns):
            return False
    return False


@dataclass
class _Totals:
    """Sums of the lines as they are written, to be compared with total rows; a row of sub-totals starts anew."""

    whole: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AMOUNTS, 0))
    since: dict[str, int] = field(default_factory=lambda: dict.fromkeys(AMOUNTS, 0))
    said: dict[str, int] = field(default_factory=dict)
    off: dict[str, int] = field(default_factory=dict)

    def add(self, raw: Mapping[str, int]) -> None:
        for name, value in raw.items():
            self.whole[name] += value
            self.since[name] += value

    def compare(self, cells: Mapping[str, Sequence[Any]], how: Reading) -> None:
        """Note what the last total row says and by how much it is off; words where there is no total are nothing."""
        self.said = {}
        for name, ones in cells.items():
            try:
                if any(values.plain(one) for one in ones):
                    self.said[name] = _amount(ones, how)
            except ValueError:
                continue
        self.off = {
            name: said - self.whole[name] for name, said in self.said.items() if said != self.whole[name]
        }
        if all(said == self.since[name] for name, said in self.said.items()):
            self.off = {}
        self.since = dict.fromkeys(AMOUNTS, 0)

    def differences(self, document_value: int) -> dict[str, str]:
        """Return amounts by which the last total row is off, in rupees.

        Args:
            document_value: sum of the documents in paise; a value that stands on every line of a document is
                sometimes added up once and sometimes line by line, and both are right.
        """
        if abs(self.said.get("document_value", 0)) == abs(document_value):
            self.off.pop("document_value", None)
        return {name: f"{value / 100:,.2f}" for name, value in self.off.items()}


def _is_total(cells: Sequence[Any], named: Mapping[str, Any]) -> bool:
    if any(values.plain(named.get(name)) for name in ("document_on", "party_gstin")):
        return False
    texts = [text for cell in cells if (text := values.plain(cell))]
    if _TOTAL.fullmatch(texts[0]):
        return True
    said = {name for name, cell in named.items() if values.plain(cell)}
    return bool(said) and said <= set(AMOUNTS) and len(texts) > 1  # sums below their columns, without a word


def _amount(cells: Sequence[Any], how: Reading) -> int:
    return sum(values.amount(cell, positive=_POSITIVE_SIDE[how.register]) for cell in cells)


def _take(
    found: Register,
    row: int,
    named: Mapping[str, Any],
    cells: Mapping[str, Sequence[Any]],
    how: Reading,
    totals: _Totals,
) -> None:
    try:
        raw = {name: _amount(ones, how) for name, ones in cells.items()}
        totals.add(raw)
        found.lines.append(_line(row, named, raw, how, found.header))
    except (ValueError, InvalidPeriod) as error:
        reason = error.message if isinstance(error, InvalidPeriod) else str(error)
        texts = {name: values.plain(cell) for name, cell in named.items() if values.plain(cell)}
        found.refused.append(Refused(row, _month_or_nothing(named, how), reason, texts))


def _line(
    row: int, named: Mapping[str, Any], raw: dict[str, int], how: Reading, header: Header | None
) -> Line:
    document_on = values.day(named.get("document_on"), day_first=how.day_first)
    booked_on = values.day(named.get("booked_on"), day_first=how.day_first)
    number = values.plain(named.get("document_number"))
    if not number:
        raise ValueError("it has no document number")
    if document_on is None:
        raise ValueError("it has no document date")
    kind = values.document_type(named.get("document_type"))
    if kind in _NOTES and how.register == "purchases" and header is not None and header.is_by_voucher:
        kind = _NOTES[
            kind == "CN"
        ]  # the client's own debit note takes goods back, as the supplier's credit note
    line = Line(
        row=row,
        period=_period(named, how, booked_on or document_on),
        document_type=kind,
        party_gstin=values.gstin(named.get("party_gstin")),
        document_number=number[:50],
        document_on=document_on,
        texts={
            "party_name": values.plain(named.get("party_name"))[:255],
            "voucher_number": values.plain(named.get("voucher_number"))[:50],
            "place_of_supply": values.place(named.get("place_of_supply")),
            "is_reverse_charge": values.yes_no(named.get("is_reverse_charge")),
            "is_itc_eligible": values.eligible(named.get("is_itc_eligible")),
            "port_code": values.plain(named.get("port_code"))[:10],
            "original_number": values.plain(named.get("original_number"))[:50],
            "original_on": values.day(named.get("original_on"), day_first=how.day_first),
        },
        amounts=raw,
    )
    if header is not None and not header.has_tax and "rate" in header.columns:
        return _with_tax(line, named, how)
    return line


def _with_tax(line: Line, named: Mapping[str, Any], how: Reading) -> Line:
    """Return a line with the tax of its rate, as the portal's offline tools leave it to be calculated.

    Within a state it is CGST and SGST in halves, else IGST (IGST Act s.7-8); to and from special economic zones and
    abroad it is IGST, or none where the supply is without payment of tax (IGST Act s.7(5), s.16).

    Raises:
        ValueError: the rate is no number, or neither place of supply nor registration tells the state.
    """
    kind = values.plain(named.get("document_type")).casefold()
    rate = values.plain(named.get("rate")).removesuffix("%").strip()
    basis_points = values.amount(rate)
    if not basis_points or "without" in kind or kind in {"sewop", "expwop", "wopay"}:
        return line
    theirs = line.party_gstin[:2]
    if how.register == "purchases" and not theirs and line.document_type != "BOE":
        return line  # who is not registered charges none
    supplier, recipient = (how.state, theirs) if how.register == "sales" else (theirs, how.state)
    place = line.texts["place_of_supply"] or recipient
    if line.document_type != "BOE" and not (supplier and place):
        raise ValueError("its tax cannot be calculated: the states of supplier and supply are not both known")
    tax = Decimal(line.amounts["taxable"]) * basis_points / 10_000
    is_within = (
        place == supplier
        and line.document_type != "BOE"
        and not re.search(r"sez|sew|exp|attracting igst|import", kind)
    )
    shares = {"cgst": tax / 2, "sgst": tax / 2} if is_within else {"igst": tax}
    taxes = {name: int(one.to_integral_value(ROUND_HALF_UP)) for name, one in shares.items()}
    return replace(line, amounts={**line.amounts, **taxes})


def _period(named: Mapping[str, Any], how: Reading, on: date) -> str:
    said = how.period or values.plain(named.get("period"))
    if not said:
        return str(Period.of(on))
    return str(Period.parse(said.zfill(6) if said.isdigit() else said))


def _month_or_nothing(named: Mapping[str, Any], how: Reading) -> str:
    """Return the month of a line that is refused, as far as it can be told."""
    for name in ("booked_on", "document_on"):
        try:
            on = values.day(named.get(name), day_first=how.day_first)
            if on is not None or how.period:
                return _period(named, how, on or date.min)
        except (ValueError, InvalidPeriod):
            continue
    return how.period


def payloads(register: Register, gstin: str) -> dict[str, dict[str, Any]]:
    """Return by month the plain form that the module of the register reads.

    Lines that were refused without a month are told with the newest month of the file.
    """
    months = register.months
    if not months:
        raise InvalidInput(
            f"{register.name} has no line whose month can be told; say it with --period MMYYYY."
        )
    lines: dict[str, list[Line]] = defaultdict(list)
    refused: dict[str, list[Refused]] = defaultdict(list)
    for line in register.lines:
        lines[line.period].append(line)
    for row in register.refused:
        refused[row.period or months[-1]].append(row)
    return {
        month: {
            FORM: register.register,
            "gstin": gstin,
            "period": month,
            "lines": len(lines[month]) + len(refused[month]),
            "file": register.name,
            "documents": documents_of(lines[month]),
            "refused": [
                {"row": row.row, "reason": row.reason, "values": dict(row.values)} for row in refused[month]
            ],
            "totals": register.totals if month == months[-1] else {},
        }
        for month in months
    }


def summed(documents: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the sums of the amounts of documents in the plain form, in paise."""
    found = dict.fromkeys((f"{name}_paise" for name in AMOUNTS), 0)
    for one in documents:
        for name in found:
            found[name] += int(one[name])
    return found
