"""From the lines of a register to its documents.

Lines of one document are summed when the register has a line per rate or item; an entry that stands in the file a
second time stays a document of its own, so that a reconciliation can say so. Invariant: every line is in exactly one
document, and the taxable value and taxes of a document are the sums of those of its lines.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from clientsync.imports.register_names import AMOUNTS

_TAXES = ("igst", "cgst", "sgst", "cess")


@dataclass(frozen=True)
class Line:
    """One line of a register that could be read; amounts in paise, after ``settled`` those that reduce are negative.

    Attributes:
        row: of the file.
        document: lines with the same number make up one document.
    """

    row: int
    period: str
    document_type: str
    party_gstin: str
    document_number: str
    document_on: date
    texts: Mapping[str, Any]
    amounts: Mapping[str, int]
    document: int = 0

    @property
    def before_value(self) -> int:
        """Taxable value and taxes."""
        return self.amounts["taxable"] + sum(self.amounts[name] for name in _TAXES)

    def belongs_with(self) -> tuple[Any, ...]:
        """Return what lines of one document share; they must not contradict each other in date or party."""
        return (
            self.period,
            self.document_type,
            self.party_gstin or self.texts["party_name"].casefold(),
            self.document_number.casefold(),
            self.document_on,
            self.texts["voucher_number"],
        )


@dataclass
class _Document:
    lines: list[Line] = field(default_factory=list)

    def is_entered_again_by(self, block: Sequence[Line]) -> bool:
        return Counter(map(_figures, self.lines)) == Counter(map(_figures, block))


def _figures(line: Line) -> tuple[int, ...]:
    return tuple(line.amounts[name] for name in AMOUNTS)


def settled(lines: Sequence[Line], *, has_lines: bool) -> list[Line]:
    """Return lines in their order with the number of their document, and with type and signs of the whole document.

    A credit note is negative however the file writes it, by the sum of its lines: a discount within it stays the other
    way round. An invoice whose sum is negative takes something back and is a credit note.

    Args:
        lines: as they are written, in the order of the file.
        has_lines: whether several lines may make up one document; else each is one.
    """
    groups = _joined(lines) if has_lines else [_Document([line]) for line in lines]
    found: dict[int, Line] = {}
    for number, group in enumerate(groups, start=1):
        kind = group.lines[0].document_type
        total = sum(line.amounts["taxable"] for line in group.lines) or sum(
            line.before_value for line in group.lines
        )
        if kind == "INV" and total < 0:
            kind = "CN"
        sign = -1 if kind == "CN" and total > 0 else 1
        for line in group.lines:
            found[id(line)] = replace(line, document_type=kind, document=number, amounts=_signed(line, sign))
    return [found[id(line)] for line in lines]


def _signed(line: Line, sign: int) -> dict[str, int]:
    """Return amounts with a sign; the value follows taxable value and taxes, on whichever side it was written."""
    value = sign * line.amounts["document_value"]
    if line.before_value and (value < 0) != (sign * line.before_value < 0):
        value = -value
    return {**{name: sign * line.amounts[name] for name in AMOUNTS}, "document_value": value}


def _joined(lines: Sequence[Line]) -> list[_Document]:
    """Return documents: runs of lines that share a key are joined, unless a later run says the same once more."""
    runs: list[tuple[tuple[Any, ...], list[Line]]] = []
    for line in lines:
        key = line.belongs_with()
        if runs and runs[-1][0] == key:
            runs[-1][1].append(line)
        else:
            runs.append((key, [line]))
    documents: list[_Document] = []
    by_key: dict[tuple[Any, ...], list[_Document]] = defaultdict(list)
    for key, run in runs:
        known = by_key[key]
        if not known or any(one.is_entered_again_by(run) for one in known):
            known.append(_Document())
            documents.append(known[-1])
        known[-1].lines.extend(run)
    return documents


def documents_of(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return settled lines as documents in the plain form, in the order of their first lines."""
    groups: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.document].append(line)
    return [_document(group) for group in groups.values()]


def _document(group: Sequence[Line]) -> dict[str, Any]:
    first = group[0]
    sums = {name: sum(line.amounts[name] for line in group) for name in AMOUNTS}
    sums["document_value"] = _value(group)
    texts = {name: _first_said(group, name) for name in first.texts}
    original_on = texts.pop("original_on")
    return {
        "document_type": first.document_type,
        "party_gstin": first.party_gstin,
        "document_number": first.document_number,
        "document_on": first.document_on.isoformat(),
        **texts,
        "original_on": original_on.isoformat() if original_on else None,
        "lines": len(group),
        **{f"{name}_paise": value for name, value in sums.items()},
    }


def _first_said(group: Sequence[Line], name: str) -> Any:
    said = (line.texts[name] for line in group)
    return next((one for one in said if one not in ("", None)), group[0].texts[name])


def _value(group: Sequence[Line]) -> int:
    """Return the value of a document: written on every line whole or in part; else taxable value and taxes."""
    total = sum(line.before_value for line in group)
    values = [line.amounts["document_value"] for line in group]
    if not any(values):
        return total
    whole = max(values, key=abs)
    is_repeated = len(values) > 1 and {abs(one) for one in values} <= {0, abs(whole)}
    if is_repeated and abs(abs(whole) - abs(total)) < abs(abs(sum(values)) - abs(total)):
        return abs(whole) if total >= 0 else -abs(whole)
    return sum(values)
