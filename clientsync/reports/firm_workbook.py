"""The firm's workbook: a summary with charts, one sheet per kind of exception, suppliers to write to, what falls due.

Text is never a formula, amounts are numbers in rupees, and a kind with more rows than Excel can hold goes on on a
further sheet. The same sheets as CSV files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from clientsync.money import rupees
from clientsync.reports.files import write_csv
from clientsync.reports.firm import FirmReport, Tally, missing_by_client, tally
from clientsync.reports.matches import MATCH_COLUMNS, SHOWN_WORDS, match_rows
from clientsync.reports.reconciliations import counts
from clientsync.reports.sheets import SheetColumn, new_book
from clientsync.reports.vendors import VENDOR_COLUMNS
from clientsync.reports.words import Coloured

KINDS = {
    "Mismatch": ("mismatch",),
    "Missing on the portal": ("missing_there",),
    "Missing in books": ("missing_here",),
    "Duplicates": ("duplicate",),
    "One to many": ("one_to_many",),
    "Suggested": ("suggested",),
    "Linked by hand": ("linked",),
    "Amended": ("amended",),
    "Without credit": ("exact",),
}
"""Sheets of documents and the statuses in each; of exact ones only those that wait for a person."""
_MANY = SheetColumn("reconciliation", 16)
_EXCEPTIONS = (
    SheetColumn("client", 12),
    _MANY,
    SheetColumn("severity", 10),
    SheetColumn("code", 26),
    SheetColumn("about", 40),
    SheetColumn("expected", 20),
    SheetColumn("found", 20),
    SheetColumn("difference", 16, is_money=True),
    SheetColumn("why", 60),
    SheetColumn("what to do", 50),
    SheetColumn("since", 12),
    SheetColumn("status", 10),
)
_MISSING = (
    SheetColumn("client", 12),
    _MANY,
    SheetColumn("what is missing", 60),
    SheetColumn("next step", 60),
)
_TOP = 10
Sheet = tuple[str, tuple[SheetColumn, ...], Iterable[tuple[Any, ...]]]


def write_firm_workbook(report: FirmReport, path: Path) -> Path:
    """Write the workbook at ``path`` and return it.

    Raises:
        OutOfSpace, InvalidInput: it could not be written; what was there before still is.
    """
    found = tally(report)
    with new_book(path, report.created) as book:
        rows = counts(report.states)
        head = list(rows[0]) if rows else ["reconciliation"]
        book.sheet(
            "Summary",
            [SheetColumn(name, 24 if name == "reconciliation" else 12) for name in head],
            (tuple(row.values()) for row in rows),
            above=_facts(report, found),
        )
        for name, columns, lines in _tables(found):
            book.sheet(name, columns, lines)
        last = len(SHOWN_WORDS)
        book.chart(
            "Summary",
            "I2",
            "Documents by status",
            "bar",
            "Documents by status",
            range(1, last + 1),
            stacked=True,
        )
        book.chart("Summary", "I18", "Tax at stake by kind, in rupees", "column", "At stake", [2])
        book.chart(
            "Summary",
            "I34",
            f"Clients with the most credit at stake, in rupees (first {_TOP})",
            "bar",
            "Top clients",
            [2],
        )
        for name, columns, lines in _sheets(report, found):
            book.sheet(name, columns, lines, frozen_columns=1)
    return path


def write_firm_csv(report: FirmReport, folder: Path) -> list[Path]:
    """Write every sheet as a CSV file and return the paths.

    Raises:
        OutOfSpace, InvalidInput: one could not be written; those written before it are whole.
    """
    found = tally(report)
    paths = []
    for name, columns, lines in (*_tables(found), *_sheets(report, found)):
        path = folder / f"{name.lower().replace(' ', '_')}.csv"
        write_csv(path, [column.title for column in columns], (_in_rupees(columns, row) for row in lines))
        paths.append(path)
    return paths


def _in_rupees(columns: tuple[SheetColumn, ...], row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        rupees(value) if column.is_money and isinstance(value, int) else value
        for column, value in zip(columns, row, strict=True)
    )


def _facts(report: FirmReport, found: Tally) -> list[tuple[str, Any]]:
    return [
        ("report", report.title),
        ("as of", report.as_of),
        ("verdict", Coloured(report.verdict, "good" if report.is_clean else "wait")),
        ("clients", report.clients),
        ("credit at stake (Rs)", rupees(found.at_stake_paise)),
        ("suppliers to write to", len(found.vendors)),
        *((f"{one.name}: urgent", one.urgent) for one in report.worklists),
    ]


def _tables(found: Tally) -> Iterator[Sheet]:
    """Yield the small tables that the charts are drawn from."""
    statuses = list(SHOWN_WORDS)
    yield (
        "Documents by status",
        (_MANY, *(SheetColumn(SHOWN_WORDS[one], 14) for one in statuses)),
        [(recon, *(found.groups[recon, one] for one in statuses)) for recon in found.recons],
    )
    yield (
        "At stake",
        (SheetColumn("kind", 34), SheetColumn("waiting", 12), SheetColumn("tax at stake", 18, is_money=True)),
        [
            (f"{recon}: {SHOWN_WORDS[one]}", found.waiting[recon, one], found.stake[recon, one])
            for recon in found.recons
            for one in statuses
            if found.waiting[recon, one]
        ],
    )
    yield (
        "Top clients",
        (
            SheetColumn("client", 14),
            SheetColumn("name", 30),
            SheetColumn("credit at stake", 18, is_money=True),
        ),
        [
            (client, found.names[client], amount)
            for client, amount in found.by_client.most_common(_TOP)
            if amount
        ],
    )


def _sheets(report: FirmReport, found: Tally) -> Iterator[Sheet]:
    columns = (MATCH_COLUMNS[0], _MANY, *MATCH_COLUMNS[1:])
    for name, statuses in KINDS.items():
        yield name, columns, _documents(report, statuses)
    yield (
        "Other exceptions",
        _EXCEPTIONS,
        (
            (
                one.client_id,
                one.recon,
                one.severity,
                one.code,
                one.about,
                one.expected,
                one.actual,
                one.difference_paise,
                one.why,
                one.action,
                one.first_seen,
                one.status,
            )
            for one in report.exceptions
        ),
    )
    yield "Vendor follow-up", VENDOR_COLUMNS, found.vendors.rows()
    for one in report.worklists:
        yield one.name, one.columns, one.rows
    yield (
        "Incomplete",
        _MISSING,
        ((client, recon, what, next_step(what)) for client, recon, what in missing_by_client(report.states)),
    )


def _documents(report: FirmReport, statuses: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    wanted = (line for line in report.lines(statuses) if line.status != "exact" or line.needs_person)
    for line in wanted:
        (row,) = match_rows([line])
        yield (row[0], line.recon, *row[1:])


def next_step(missing: str) -> str:
    """Return what a person does about something that is missing for a reconciliation."""
    if "not imported" in missing:
        return "Import the register of this month: clientsync books import."
    if "quarantine" in missing:
        return "Look at the rows: clientsync quarantine list; then replay or dismiss them."
    if "never asked" in missing or "not ended" in missing:
        return "Synchronise this month: clientsync sync."
    return "Clear what holds the module up (clientsync exceptions), then synchronise again."
