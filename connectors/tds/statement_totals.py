"""What must hold between the records of a statement file: totals, counts, identity, order of lines.

A file whose totals disagree is held whole, because it is damaged or not the one that was filed. Where a line of the
file could not be read, totals cannot agree; then they are a warning and the readable lines go in. Messages name
records and fields, never amounts or identities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from clientsync.periods import Quarter
from clientsync.spec.module import Context, Finding, Record
from connectors.tds.statement_layouts import BATCH_HEADER, FILE_HEADER
from connectors.tds.statement_reading import StatementText, split_statement
from connectors.tds.statement_rows import FILE_CHALLAN, FILE_DEDUCTEE, STATEMENT_FILE

IDENTITY = "IDENTITY_MISMATCH"
SUMS = (
    ("deductee_deposited_paise", "deposited_paise", "tax deposited"),
    ("deductee_tax_paise", "tax_paise", "tax deducted"),
)
"""Column of a challan, column of its deductees that must add up to it, in words (V23)."""
SHOWN = 5


def identity(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Find a file that is about another deductor, quarter or form than its unit."""
    text = split_statement(payload)
    tans = {value for value in (text.header.get("tan", ""), text.batch.get("tan", "")) if value}
    if tans != {context.tan}:
        yield Finding(IDENTITY, "The statement file is about another deductor than the client.")
    expected = context.quarter or Quarter.parse(context.unit_period)
    if text.quarter != expected:
        yield Finding(IDENTITY, f"The statement file is about another quarter than {expected}.")
    if text.layout.family != context.section:
        yield Finding(IDENTITY, f"The statement file is not of form {context.section}.")
    if text.layout.act != expected.act:
        yield Finding(
            IDENTITY,
            f"Form {text.layout.form} is not a form of the Act of {expected.act}, which rules {expected}.",
        )


def completeness(payload: Any, _: Sequence[Record], __: Context) -> Iterable[Finding]:
    """Find corrections, missing or repeated lines, a wrong assessment year, and salary details that are not read."""
    text = split_statement(payload)
    if not text.is_regular:
        yield Finding(
            "TDS-FILE-CORRECTION", "The file is a correction statement; only regular statements are read."
        )
    numbers = [line.parts[0].strip() for line in text.lines]
    if numbers != [str(number) for number in range(1, len(numbers) + 1)]:
        yield Finding(
            "TDS-FILE-SEQUENCE", "The lines are not numbered from one without gaps.", is_halting=False
        )
    quarter = text.quarter
    if quarter is not None:
        follows = f"{quarter.start + 1}{(quarter.start + 2) % 100:02d}"
        if text.batch["assessment_year"] not in ("", follows):
            yield Finding(
                "TDS-FILE-YEAR",
                "The assessment year does not follow the year of the statement.",
                is_halting=False,
            )
    if text.batch["filed_earlier"] == "Y" and not text.batch["previous_token"]:
        yield Finding(
            "TDS-FILE-V06",
            "An earlier statement was filed, but its token is not given.",
            is_halting=False,
        )
    if salaries := text.salary_lines():
        yield Finding(
            "TDS-FILE-SALARY",
            f"{salaries} lines of annual salary details are kept with the file and not read.",
            is_halting=False,
        )


def totals(payload: Any, records: Sequence[Record], _: Context) -> Iterable[Finding]:
    """Find totals and counts that disagree between the records of a file (V22, V23, V24)."""
    text = split_statement(payload)
    is_whole = all(record.problem is None for record in records)
    for code, message in _disagreements(text, records):
        yield Finding(code, message, is_halting=is_whole)


def _disagreements(text: StatementText, records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    good = [record for record in records if record.problem is None]
    headers = [record.values for record in good if record.table == STATEMENT_FILE.name]
    challans = [record.values for record in good if record.table == FILE_CHALLAN.name]
    deductees = [record.values for record in good if record.table == FILE_DEDUCTEE.name]
    if not any(line.kind not in (FILE_HEADER, BATCH_HEADER) for line in text.lines) or not deductees:
        yield "TDS-FILE-V24", "The statement has no deductee."
    for header in headers:
        if header["challan_count"] != len(challans):
            yield "TDS-FILE-COUNT", "The header counts other challans than the file holds."
        if header["total_deposited_paise"] != sum(one["total_paise"] for one in challans):
            yield "TDS-FILE-V22", "The header's total is not the sum of the challans."
    by_challan: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in deductees:
        by_challan[one["challan_record"]].append(one)
    for total, part, words in SUMS:
        wrong = [
            one["challan_record"]
            for one in challans
            if one[total] != sum(each[part] for each in by_challan[one["challan_record"]])
        ]
        if wrong:
            yield "TDS-FILE-V23", f"The {words} of the deductees is not the challan's in {_named(wrong)}."
    wrong = [one["challan_record"] for one in challans if one["deductee_count"] != one["deductees_found"]]
    if wrong:
        yield "TDS-FILE-V23", f"Another number of deductees than counted stands in {_named(wrong)}."
    strays = by_challan.keys() - {one["challan_record"] for one in challans}
    if strays:
        yield (
            "TDS-FILE-V23",
            f"Deductees stand under a challan that is not in the file: {_named(sorted(strays))}.",
        )


def _named(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(one) for one in numbers[:SHOWN])
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"challan record {shown}{more}"
