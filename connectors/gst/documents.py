"""What invoices and notes have in common in GSTR-1, GSTR-1A and GSTR-2A: parties with documents with lines.

A line's figures stand in ``itm_det`` or, for exports, in the line itself. Invariant: a document's taxes are the sum
of its lines, so a line that cannot be read makes its document unreadable and neither is loaded alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from clientsync.spec.module import Context, Finding, Record
from connectors.gst import fields
from connectors.gst.fields import Raw

TAXES: Mapping[str, str] = {
    "igst_paise": "iamt",
    "cgst_paise": "camt",
    "sgst_paise": "samt",
    "cess_paise": "csamt",
}
"""Column to the portal's name of each tax."""
NOTE_TYPES: Mapping[str, str] = {"C": "CN", "D": "DN"}
ENVELOPE = frozenset({"gstin", "fp", "ret_period", "chksum"})


def nested(groups: Sequence[Any], name: str) -> Iterator[tuple[Any, Any]]:
    """Yield (group, document) for the documents that groups hold under ``name``.

    A group that is none, or whose list is none, is yielded once as its own document: reading it then fails with
    the reason, and nothing of the payload is lost.
    """
    for group in groups:
        held = group.get(name) if isinstance(group, Mapping) else group
        if held is None:
            continue
        if not isinstance(held, list):
            yield {}, group
            continue
        for document in held:
            yield group, document


def lines_of(document: Raw) -> list[Raw]:
    """Return the figures of a document's lines.

    Raises:
        ValueError: a line is not an object.
    """
    found = []
    for line in fields.items(document, "itms"):
        if not isinstance(line, Mapping):
            raise ValueError("itms holds something that is not a line")
        found.append(fields.obj(line, "itm_det") or line)
    return found


def taxes(source: Raw, sign: int = 1) -> dict[str, int]:
    """Return the four taxes of a row in paise, with the sign given.

    Raises:
        ValueError: an amount is not exact.
    """
    return {column: sign * fields.paise(source, name) for column, name in TAXES.items()}


def line_figures(line: Raw, sign: int = 1) -> dict[str, int | None]:
    """Return rate, taxable value and taxes of one line.

    Raises:
        ValueError: a figure is not exact.
    """
    return {
        "rate_bp": fields.rate_bp(line, "rt"),
        "taxable_paise": sign * fields.paise(line, "txval"),
        **taxes(line, sign),
    }


def document_figures(document: Raw, sign: int) -> dict[str, int]:
    """Return value, taxable value and taxes of a document, summed over its lines.

    Raises:
        ValueError: an amount is not exact, or a line is none.
    """
    sums = {"taxable_paise": 0, **dict.fromkeys(TAXES, 0)}
    for line in lines_of(document):
        for column, amount in line_figures(line, sign).items():
            if column != "rate_bp":
                sums[column] += amount or 0
    return {"document_value_paise": sign * fields.paise(document, "val"), **sums}


def item_records(table: str, key: Sequence[str], document: Record, source: Any) -> Iterator[Record]:
    """Yield one record for each line of a document; ``key`` is copied from the document.

    The lines of a document that could not be read have its problem, so that every line is accounted for.
    """
    if document.problem is not None:
        held = source.get("itms") if isinstance(source, Mapping) else None
        for line in held if isinstance(held, list) else []:
            yield Record(table, {"source_row": line}, problem=f"its document: {document.problem}")
        return
    sign = -1 if document.values["document_type"] == "CN" else 1
    taken: set[int] = set()
    parent = {name: document.values[name] for name in key}
    for place, (line, figures) in enumerate(
        zip(fields.items(source, "itms"), lines_of(source), strict=True), start=1
    ):
        yield fields.row(table, line, partial(_item, parent, line, figures, place, sign, taken))


def _item(
    parent: Mapping[str, Any], line: Raw, figures: Raw, place: int, sign: int, taken: set[int]
) -> dict[str, Any]:
    return {**parent, "item_number": _number(line, place, taken), **line_figures(figures, sign)}


def _number(line: Raw, place: int, taken: set[int]) -> int:
    """Return the portal's number of a line; its place when there is none or when it is taken already."""
    number = fields.whole(line, "num") or place
    while number in taken:
        number += 1
    taken.add(number)
    return number


def note_type(note: Raw) -> str:
    """Return CN or DN.

    Raises:
        ValueError: the note says neither C nor D.
    """
    found = NOTE_TYPES.get(fields.text(note, "ntty", required=True).upper())
    if found is None:
        raise ValueError("ntty is neither C nor D")
    return found


def written(value: date | None) -> date:
    """Return a date that ``fields.day(..., required=True)`` has read.

    Raises:
        ValueError: there is none.
    """
    if value is None:
        raise ValueError("the date is missing")
    return value


def section_rows(payload: Any, names: Sequence[str], envelope: frozenset[str] = ENVELOPE) -> Any:
    """Return what a payload holds under the first of ``names``, None when it says nothing of any of them.

    Raises:
        ValueError: the payload is no object, or holds something else instead, so that it cannot be taken as empty.
    """
    if not isinstance(payload, Mapping):
        raise ValueError("the payload is not an object")
    for name in names:
        if name in payload:
            return payload[name]
    if set(payload) - envelope:
        raise ValueError(f"{names[0]} is missing")
    return None


def row_list(rows: Any, name: str) -> list[Any]:
    """Return rows as a list; None is empty.

    Raises:
        ValueError: something else.
    """
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise ValueError(f"{name} is not a list")
    return rows


def all_names(value: Any) -> set[str]:
    """Return the names of all fields of a payload, at any depth."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            found.update(one)
            waiting.extend(inner for inner in one.values() if isinstance(inner, Mapping | list))
        elif isinstance(one, list):
            waiting.extend(inner for inner in one if isinstance(inner, Mapping | list))
    return found


def identity_and_drift(payload: Any, context: Context, known: frozenset[str], what: str) -> Iterable[Finding]:
    """Yield what contradicts the question (halting), and a warning for fields that nobody reads."""
    if not isinstance(payload, Mapping):
        return
    period = payload.get("fp") or payload.get("ret_period")
    yield from fields.identity(context, payload.get("gstin"), period, what)
    yield from fields.unknown_fields(dict.fromkeys(all_names(payload)), known, what)
