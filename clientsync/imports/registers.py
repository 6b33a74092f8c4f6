"""Registers of purchases and sales as accounting programs write them, read into one plain form per month.

Lines of one document are summed when the register has a line per rate or item; a document that was entered twice stays
twice, so that a reconciliation can say so. Invariant: lines of the file = lines in documents + lines refused, and every
amount of a line is in its document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from clientsync.clients.files import lines_of
from clientsync.errors import InvalidInput, InvalidPeriod
from clientsync.imports import register_values as values
from clientsync.imports.register_columns import AMOUNTS, Header, header_of, refuse_incomplete
from clientsync.periods import Period

REGISTERS = ("purchases", "sales")
FORM = "clientsync_register"
_HEADER_WITHIN = 30  # rows above it are titles
_TOTAL_WORDS = ("total", "grand total", "sub total", "subtotal")


@dataclass(frozen=True)
class Line:
    """One line of a register that could be read; amounts in paise, notes that reduce negative."""

    row: int
    period: str
    document_type: str
    party_gstin: str
    document_number: str
    document_on: date
    texts: Mapping[str, Any]
    amounts: Mapping[str, int]

    def belongs_with(self, *, with_voucher: bool) -> tuple[Any, ...]:
        """Return what lines of one document share."""
        voucher = self.texts["voucher_number"] if with_voucher else ""
        return (
            self.period,
            self.document_type,
            self.party_gstin,
            self.document_number.casefold(),
            self.document_on,
            voucher,
        )


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
        has_lines: whether several lines may make up one document.
    """

    name: str
    register: str
    header: Header | None = None
    lines: list[Line] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    totals: dict[str, str] = field(default_factory=dict)
    has_lines: bool = False

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
        sheet: of a workbook; empty: the first.
        period: month of every line, MMYYYY; empty: what the lines say.
    """

    register: str
    columns: Mapping[str, str] = field(default_factory=dict)
    day_first: bool = True
    sheet: str = ""
    period: str = ""


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
    sums: dict[str, int] = dict.fromkeys(AMOUNTS, 0)
    totals: dict[str, Any] = {}
    above = 0
    for row, cells in lines_of(path, how.sheet):
        if not any(values.plain(cell) for cell in cells):
            continue
        if found.header is None:
            found.header = header_of(cells, how.columns)
            above += 1
            if found.header is None and above > _HEADER_WITHIN:
                break
            continue
        named = found.header.named(cells)
        if _is_total(cells, named):
            totals = named
            continue
        _take(found, row, named, how, sums)
    if found.header is None:
        raise InvalidInput(
            f"{path.name} has no row with headers of a register in its first {_HEADER_WITHIN} rows."
        )
    refuse_incomplete(found.header, path.name)
    found.has_lines = bool({"rate", "hsn"} & set(found.header.columns))
    if not found.lines and not found.refused:
        raise InvalidInput(f"{path.name} has a header and no line below it.")
    found.totals = _differences(totals, sums)
    return found


def _is_total(cells: Sequence[Any], named: Mapping[str, Any]) -> bool:
    first = next((text for cell in cells if (text := values.plain(cell))), "")
    is_named = first.casefold().rstrip(" :").startswith(_TOTAL_WORDS)
    return is_named and not values.plain(named.get("document_on"))


def _take(found: Register, row: int, named: Mapping[str, Any], how: Reading, sums: dict[str, int]) -> None:
    texts = {name: values.plain(cell) for name, cell in named.items() if values.plain(cell)}
    try:
        raw = {name: values.amount(named.get(name)) for name in AMOUNTS}
    except ValueError as error:
        found.refused.append(Refused(row, _month_or_nothing(named, how), str(error), texts))
        return
    for name in AMOUNTS:
        sums[name] += raw[name]
    try:
        found.lines.append(_line(row, named, raw, how))
    except (ValueError, InvalidPeriod) as error:
        reason = error.message if isinstance(error, InvalidPeriod) else str(error)
        found.refused.append(Refused(row, _month_or_nothing(named, how), reason, texts))


def _line(row: int, named: Mapping[str, Any], raw: Mapping[str, int], how: Reading) -> Line:
    document_on = values.day(named.get("document_on"), day_first=how.day_first)
    booked_on = values.day(named.get("booked_on"), day_first=how.day_first)
    number = values.plain(named.get("document_number"))
    if not number:
        raise ValueError("it has no document number")
    if document_on is None:
        raise ValueError("it has no document date")
    kind = values.document_type(named.get("document_type"))
    if kind == "INV" and raw["taxable"] < 0:
        kind = "CN"  # a register without types writes what it takes back as a negative line
    return Line(
        row=row,
        period=_period(named, how, booked_on or document_on),
        document_type=kind,
        party_gstin=values.plain(named.get("party_gstin")).upper().replace(" ", ""),
        document_number=number[:50],
        document_on=document_on,
        texts={
            "party_name": values.plain(named.get("party_name"))[:255],
            "voucher_number": values.plain(named.get("voucher_number"))[:50],
            "place_of_supply": values.place(named.get("place_of_supply")),
            "is_reverse_charge": values.yes_no(named.get("is_reverse_charge")),
            "is_itc_eligible": values.yes_no(named.get("is_itc_eligible")),
            "port_code": values.plain(named.get("port_code"))[:10],
            "original_number": values.plain(named.get("original_number"))[:50],
            "original_on": values.day(named.get("original_on"), day_first=how.day_first),
        },
        amounts=signed(kind, raw),
    )


def signed(kind: str, raw: Mapping[str, int]) -> dict[str, int]:
    """Return amounts with the sign of the document: of a credit note negative, however the books write them."""
    if kind != "CN":
        return dict(raw)
    is_written_negative = raw["taxable"] < 0 or (raw["taxable"] == 0 and sum(raw.values()) < 0)
    return dict(raw) if is_written_negative else {name: -value for name, value in raw.items()}


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


def _differences(totals: Mapping[str, Any], sums: Mapping[str, int]) -> dict[str, str]:
    found = {}
    for name in AMOUNTS:
        if values.plain(totals.get(name)):
            try:
                difference = values.amount(totals[name]) - sums[name]
            except ValueError:
                continue  # a total row may hold words where a column has no total
            if difference:
                found[name] = f"{difference / 100:,.2f}"
    return found


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
            "documents": _documents(lines[month], has_lines=register.has_lines),
            "refused": [
                {"row": row.row, "reason": row.reason, "values": dict(row.values)} for row in refused[month]
            ],
            "totals": register.totals if month == months[-1] else {},
        }
        for month in months
    }


def _documents(lines: Sequence[Line], *, has_lines: bool) -> list[dict[str, Any]]:
    with_voucher = any(line.texts["voucher_number"] for line in lines)
    groups: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in lines:
        key = line.belongs_with(with_voucher=with_voucher)
        groups[key if has_lines else (*key, line.row)].append(line)
    return [_document(group) for group in groups.values()]


def _document(group: Sequence[Line]) -> dict[str, Any]:
    first = group[0]
    sums = {name: sum(line.amounts[name] for line in group) for name in AMOUNTS}
    if not sums["document_value"]:
        sums["document_value"] = sum(sums[name] for name in AMOUNTS if name != "document_value")
    original_on = first.texts["original_on"]
    return {
        "document_type": first.document_type,
        "party_gstin": first.party_gstin,
        "document_number": first.document_number,
        "document_on": first.document_on.isoformat(),
        **{name: value for name, value in first.texts.items() if name != "original_on"},
        "original_on": original_on.isoformat() if original_on else None,
        "lines": len(group),
        **{f"{name}_paise": value for name, value in sums.items()},
    }


def summed(documents: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the sums of the amounts of documents in the plain form, in paise."""
    found = dict.fromkeys((f"{name}_paise" for name in AMOUNTS), 0)
    for one in documents:
        for name in found:
            found[name] += int(one[name])
    return found
