"""The summary of GSTR-1 and GSTR-1A as rows, and its comparison with the rows of the sections (rule G12).

Invariant: where the portal's summary cannot be compared in the same unit (several parts of one section, unknown
names) nothing is claimed; a difference is a warning, because a draft can change between two questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from clientsync.spec.module import Asking, Context, Finding, Record
from connectors.gst import fields
from connectors.gst.documents import row_list
from connectors.gst.outward_summary import HEADS, section_of
from connectors.gst.outward_tables import OutwardTables

TOLERANCE_PAISE = 100
"""Difference between rows and summary that rounding explains: one rupee a section."""
_TOLD: Mapping[str, str] = {
    "taxable_paise": "ttl_tax",
    **{f"{head}_paise": f"ttl_{head}" for head in HEADS},
    "exempt_paise": "ttl_expt_amt",
    "nil_rated_paise": "ttl_nilsup_amt",
    "non_gst_paise": "ttl_ngsup_amt",
}
_COUNTED: Mapping[str, str] = {
    "issued": "ttl_doc_issued",
    "cancelled": "ttl_doc_cancelled",
    "net_issued": "net_doc_issued",
}
_ONE_RECORD_EACH = frozenset(
    {"b2b", "b2ba", "b2cl", "b2cla", "cdnr", "cdnra", "cdnur", "cdnura", "exp", "expa"}
)
"""Sections whose ``ttl_rec`` counts documents; in the others the portal's unit is not published."""


def totals_against_summary(section: str, records: Sequence[Record], asking: Asking) -> Iterable[Finding]:
    """Yield a warning when the rows of a section do not add up to what the summary of this unit says of it (G12)."""
    told = _row_of(section, asking.answers.get("retsum"))
    if told is None or any(record.problem for record in records):
        return
    summed = _sums(records)
    different = [
        column.removesuffix("_paise")
        for column, name in _TOLD.items()
        if name in told and abs(summed[column] - fields.paise(told, name)) > TOLERANCE_PAISE
    ]
    different += [
        column
        for column, name in _COUNTED.items()
        if name in told and summed[column] != fields.whole(told, name)
    ]
    if section in _ONE_RECORD_EACH and summed["documents"] != fields.whole(told, "ttl_rec"):
        different.append("number of documents")
    if different:
        yield Finding(
            "SUMMARY_DISAGREES",
            f"The rows of {section} do not add up to the return's own summary in: {', '.join(different)}.",
            is_halting=False,
        )


def _row_of(section: str, summary: Any) -> Mapping[str, Any] | None:
    """Return the summary's row of a section, None when there is none or it comes in several parts."""
    if not isinstance(summary, Mapping):
        return None
    found = [
        row
        for row in fields.items(summary, "sec_sum")
        if isinstance(row, Mapping) and section_of(fields.text(row, "sec_nm")) == section
    ]
    return found[0] if len(found) == 1 else None


def _sums(records: Sequence[Record]) -> Counter[str]:
    """Return the sums of the rows; lines of documents are in their documents already."""
    sums: Counter[str] = Counter()
    for record in records:
        values = record.values
        if "item_number" in values:
            continue
        sums["documents"] += 1
        sums["taxable_paise"] += values.get("advance_paise", 0)
        for column in (*_TOLD, *_COUNTED):
            sums[column] += values.get(column, 0)
    return sums


def parse_summary(tables: OutwardTables, payload: Any, context: Context) -> Iterator[Record]:
    """Yield the summary's rows: its sections, their parts, and the buyers in them."""
    if not isinstance(payload, Mapping):
        raise ValueError("the payload is not an object")
    if "sec_sum" not in payload:
        raise ValueError("sec_sum is missing")
    rows = _summary_rows(tables.summary.name, row_list(payload["sec_sum"], "sec_sum"), context)
    yield from fields.number_occurrences(rows, tables.summary.key[:-1])


def _summary_rows(table: str, sections: Sequence[Any], context: Context) -> Iterator[Record]:
    for row in sections:
        record = fields.row(table, row, partial(_summary_row, context, row, "section", "", row))
        yield record
        if not isinstance(row, Mapping):
            continue
        for level, name in (("part", "sub_sections"), ("buyer", "cpty_sum")):
            inner = row.get(name) or []
            for one in inner if isinstance(inner, list) else [inner]:
                yield fields.row(table, one, partial(_summary_row, context, one, level, "", row))
                for buyer in _buyers(one) if level == "part" else []:
                    yield fields.row(table, buyer, partial(_summary_buyer, context, buyer, one, row))


def _summary_buyer(context: Context, row: Any, part: Any, parent: Any) -> dict[str, Any]:
    return _summary_row(context, row, "buyer", fields.text(part, "sec_nm"), parent)


def _buyers(part: Any) -> list[Any]:
    held = part.get("cpty_sum") if isinstance(part, Mapping) else None
    return held if isinstance(held, list) else []


def _summary_row(context: Context, row: Any, level: str, part: str, parent: Any) -> dict[str, Any]:
    return {
        "period": context.unit_period,
        "section": context.section,
        "name": fields.text(parent, "sec_nm", required=True),
        "part": fields.text(row, "sec_nm") or fields.text(row, "typ") if level == "part" else part,
        "counterparty_gstin": fields.text(row, "ctin"),
        "level": level,
        "documents": fields.whole(row, "ttl_rec"),
        "value_paise": fields.paise(row, "ttl_val"),
        "taxable_paise": fields.paise(row, "ttl_tax"),
        **{f"{head}_paise": fields.paise(row, f"ttl_{head}") for head in HEADS},
        "exempt_paise": fields.paise(row, "ttl_expt_amt"),
        "nil_rated_paise": fields.paise(row, "ttl_nilsup_amt"),
        "non_gst_paise": fields.paise(row, "ttl_ngsup_amt"),
        "issued": fields.whole(row, "ttl_doc_issued"),
        "cancelled": fields.whole(row, "ttl_doc_cancelled"),
        "net_issued": fields.whole(row, "net_doc_issued"),
        "actual_value_paise": fields.paise(row, "act_val"),
        "actual_taxable_paise": fields.paise(row, "act_tax"),
        **{f"actual_{head}_paise": fields.paise(row, f"act_{head}") for head in HEADS},
        "checksum": fields.text(row, "chksum"),
    }
