"""GSTR-1A: the one amendment of a period's GSTR-1, between its filing and that of GSTR-3B.

It has the sections and shapes of GSTR-1 and tables of its own. It exists from July 2024 on (notification
12/2024-CT, CGST Rules, rule 59(1) proviso). A downloaded file is not recognised: nothing in its content tells it
from a GSTR-1. Invariant: what the register did not say is asked; only a register read today can spare the question.
"""

from __future__ import annotations

from clientsync.clock import INDIA
from clientsync.periods import Period
from clientsync.spec.module import Asking, Module, Section, Skip, SkipKind
from connectors.gst.outward import sections_of
from connectors.gst.outward_summary import (
    closed_by,
    empty_by_count,
    final_section,
    final_summary,
    unchanged_by_checksum,
)
from connectors.gst.outward_tables import tables_of

TITLE = "GSTR-1A"
BEGAN = Period(2024, 7)
TABLES = tables_of("gstr1a", TITLE, "R1A")
CLOSING = closed_by(
    "GSTR1A",
    "GSTR3B",
    why="there is one GSTR-1A a period, and none after its GSTR-3B (CGST Rules, rule 59(1))",
)


def not_applicable(asking: Asking) -> str | None:
    """Return why a period has no GSTR-1A: it is older than the form, or lies inside a quarterly filer's quarter."""
    if asking.period is None:
        return None
    if asking.period < BEGAN:
        return "GSTR-1A exists for periods from 072024 on"
    if asking.frequency == "Q" and not asking.period.is_quarter_end:
        return "a quarterly filer amends the quarter in its last month; invoices furnished by IFF have no GSTR-1A"
    return None


def before_gstr1(asking: Asking, _: Section) -> Skip | None:
    """Not applicable yet: the register of the year was read today and has no GSTR-1 of the period."""
    period = asking.period
    if period is None or asking.filed("GSTR1") is not None:
        return None
    read = [
        filing.read_at
        for filing in asking.filings
        if filing.period.financial_year == period.financial_year
        and filing.read_at.astimezone(INDIA).date() == asking.today
    ]
    if not read:
        return None
    at = max(read).astimezone(INDIA)
    return Skip(
        SkipKind.NOT_APPLICABLE,
        f"GSTR-1A follows a filed GSTR-1, and the register read today at {at:%H:%M} has none of {period}",
    )


def window_passed(asking: Asking, _: Section) -> Skip | None:
    """Not applicable: the register that lists the period's GSTR-3B lists no GSTR-1A, which must come before it.

    One answer of the register holds the whole financial year, so the one that brought GSTR-3B would have had it.
    """
    closing = asking.filed("GSTR3B")
    if closing is None or asking.filed("GSTR1A") is not None:
        return None
    return Skip(
        SkipKind.NOT_APPLICABLE,
        f"GSTR-3B was filed on {closing.filed_on:%d-%m-%Y} and the register that lists it has no GSTR-1A, which "
        "cannot be filed after it (CGST Rules, rule 59(1))",
    )


MODULE = Module(
    name="gstr1a",
    title=TITLE,
    sections=sections_of(
        "gstr1a",
        TITLE,
        TABLES,
        summary_skip=(final_summary(CLOSING), before_gstr1, window_passed),
        section_skip=(empty_by_count, unchanged_by_checksum, final_section(CLOSING)),
    ),
    tables=TABLES.all(),
    not_applicable=not_applicable,
    naive_calls=24,
)
