"""The sections of GSTR-1 and GSTR-1A as declared: the summary first, then those that it says must be asked.

Both forms have the same sections, read by ``outward_reading``. Invariant: every section of the summary has a plan, so
nothing that the portal counts stays unasked for want of a parser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from clientsync.spec.module import Context, Finding, Parser, Record, Section, SkipRule
from connectors.gst.documents import identity_and_drift
from connectors.gst.outward_reading import (
    INVOICES,
    KNOWN,
    NOTES,
    NOTES_ALONE,
    parse_advances,
    parse_b2cs,
    parse_docs_issued,
    parse_documents,
    parse_ecom,
    parse_hsn,
    parse_nil,
    parse_supeco,
)
from connectors.gst.outward_summary import (
    KNOWN_IN_SUMMARY,
    SECTIONS,
    checksum_in_summary,
    condensed,
    read_summary,
)
from connectors.gst.outward_tables import OutwardTables
from connectors.gst.outward_totals import parse_summary, totals_against_summary

Parse = Callable[[OutwardTables, Any, Context], Iterator[Record]]


def _plan(tables: OutwardTables) -> dict[str, tuple[Parse, tuple[str, ...]]]:
    """Return for each section how it is read and which tables it fills."""
    documents = (tables.document.name, tables.item.name)
    plan: dict[str, tuple[Parse, tuple[str, ...]]] = dict.fromkeys(
        (*INVOICES, *NOTES, *NOTES_ALONE), (parse_documents, documents)
    )
    plan |= dict.fromkeys(("b2cs", "b2csa"), (parse_b2cs, (tables.b2cs.name,)))
    plan |= dict.fromkeys(("at", "ata", "txpd", "txpda"), (parse_advances, (tables.advance.name,)))
    plan |= dict.fromkeys(("supeco", "supecoa"), (parse_supeco, (tables.eco.name,)))
    plan |= dict.fromkeys(("ecom", "ecoma"), (parse_ecom, (*documents, tables.eco.name)))
    plan["nil"] = (parse_nil, (tables.nil.name,))
    plan["hsn"] = (parse_hsn, (tables.hsn.name,))
    plan["doc_issue"] = (parse_docs_issued, (tables.docs_issued.name,))
    return plan


def sections_of(
    form: str,
    title: str,
    tables: OutwardTables,
    *,
    summary_skip: tuple[SkipRule, ...],
    section_skip: tuple[SkipRule, ...],
) -> tuple[Section, ...]:
    """Return the sections of a form: the summary first, then those that it says must be asked."""
    plan = _plan(tables)
    summary = Section(
        name="retsum",
        endpoint=f"{form}.retsum",
        parse=partial(parse_summary, tables),
        tables=(tables.summary.name,),
        skip=summary_skip,
        integrity=(partial(summary_findings, title),),
        summary_checksum=condensed,
    )
    asked = tuple(
        Section(
            name=name,
            endpoint=f"{form}.{name}",
            parse=_bound(plan[name][0], tables),
            tables=plan[name][1],
            skip=section_skip,
            integrity=(partial(section_findings, title),),
            summary_checksum=partial(checksum_in_summary, name),
            reconcile=partial(totals_against_summary, name),
            after="retsum",
        )
        for name in SECTIONS
    )
    return (summary, *asked)


def _bound(parse: Parse, tables: OutwardTables) -> Parser:
    return partial(parse, tables)


def section_findings(title: str, payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Yield identity mismatches (halting) and fields that nobody reads (a warning)."""
    return identity_and_drift(payload, context, KNOWN, f"{title} {context.section}")


def summary_findings(title: str, payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Yield identity mismatches, unknown fields, and sections that the summary names and nobody asks."""
    yield from identity_and_drift(payload, context, KNOWN_IN_SUMMARY, f"The summary of {title}")
    unknown = read_summary(payload).unknown if isinstance(payload, Mapping) else ()
    if unknown:
        yield Finding(
            "SCHEMA-NEW-SECTION",
            f"The summary of {title} counts records in sections that are not known: {', '.join(unknown[:8])}.",
            is_halting=False,
        )
