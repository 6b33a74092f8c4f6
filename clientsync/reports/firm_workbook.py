"""The firm's workbook: a summary with charts, one sheet per kind of exception, suppliers to write to, what falls due.

Text is never a formula, amounts are numbers in rupees, and a kind with more rows than Excel can hold goes on on a
further sheet. The same sheets as CSV files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from clientsync.money import rupees
from clientsync.reports.files import write_csv
from clientsync.reports.firm import FirmReport, Tally, missing_by_client, tally
from clientsync.reports.matches import MATCH_COLUMNS, SHOWN_WORDS, match_rows
from clientsync.reports.reconciliations import counts
from clientsync.reports.sheets import Book, SheetColumn, new_book
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
_SUMMARY = "Summary"
_TOP = 10


@dataclass(frozen=True)
class _Sheet:
    """One sheet: its rows and, above them, what stands in it where the name does not say it."""

    name: str
    columns: tuple[SheetColumn, ...]
    rows: Iterable[tuple[Any, ...]]
    note: str = ""


def write_firm_workbook(report: FirmReport, path: Path) -> Path:
    """Write the workbook at ``path`` and return it.

    Raises:
        OutOfSpace, InvalidInput: it could not be written; what was there before still is.
    """
    found = tally(report)
    with new_book(path, report.created) as book:
        summary = _summary(report)
        book.sheet(summary.name, summary.columns, summary.rows, above=_facts(report, found))
        for one in _tables(found):
            book.sheet(one.name, one.columns, one.rows)
        _charts(book, "Top clients" if len(found.names) > 1 else "Top suppliers")
        for one in _sheets(report, found):
            above = [(one.note, "")] if one.note else []
            book.sheet(one.name, one.columns, one.rows, above=above, frozen_columns=1)
    return path


def _charts(book: Book, top: str) -> None:
    """Draw the charts of the summary; where one client alone has documents, its suppliers stand for clients."""
    statuses = range(1, len(SHOWN_WORDS) + 1)
    who = "Clients" if top == "Top clients" else "Suppliers"
    title = f"{who} with the most credit at stake, in rupees (first {_TOP})"
    book.chart(_SUMMARY, "I2", "Documents by status", "bar", "Documents by status", statuses, stacked=True)
    book.chart(_SUMMARY, "I18", "Tax at stake by kind, in rupees", "column", "At stake", [2])
    book.chart(_SUMMARY, "I34", title, "bar", top, [2])


def write_firm_csv(report: FirmReport, folder: Path) -> list[Path]:
    """Write every sheet as a CSV file and return the paths.

    Raises:
        OutOfSpace, InvalidInput: one could not be written; those written before it are whole.
    """
    found = tally(report)
    paths = []
    for one in (_summary(report), *_tables(found), *_sheets(report, found)):
        path = folder / f"{one.name.lower().replace(' ', '_')}.csv"
        head = [column.title for column in one.columns]
        write_csv(path, head, (_in_rupees(one.columns, row) for row in one.rows))
        paths.append(path)
    return paths


def _summary(report: FirmReport) -> _Sheet:
    rows = counts(report.states)
    head = list(rows[0]) if rows else ["reconciliation"]
    columns = tuple(SheetColumn(name, 24 if name == "reconciliation" else 12) for name in head)
    return _Sheet(_SUMMARY, columns, (tuple(row.values()) for row in rows))


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


def _tables(found: Tally) -> Iterator[_Sheet]:
    """Yield the small tables that the charts are drawn from."""
    statuses = list(SHOWN_WORDS)
    yield _Sheet(
        "Documents by status",
        (_MANY, *(SheetColumn(SHOWN_WORDS[one], 14) for one in statuses)),
        [(recon, *(found.groups[recon, one] for one in statuses)) for recon in found.recons],
    )
    yield _Sheet(
        "At stake",
        (SheetColumn("kind", 34), SheetColumn("waiting", 12), SheetColumn("tax at stake", 18, is_money=True)),
        [
            (f"{recon}: {SHOWN_WORDS[one]}", found.waiting[recon, one], found.stake[recon, one])
            for recon in found.recons
            for one in statuses
            if found.waiting[recon, one]
        ],
    )
    yield _Sheet(
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
    yield _Sheet(
        "Top suppliers",
        (
            SheetColumn("supplier", 30),
            SheetColumn("documents", 12),
            SheetColumn("credit at stake", 18, is_money=True),
        ),
        [
            (one.name or one.gstin, len(one.numbers), one.stake_paise)
            for one in islice(found.vendors, _TOP)
            if one.stake_paise
        ],
    )


def _sheets(report: FirmReport, found: Tally) -> Iterator[_Sheet]:
    columns = (MATCH_COLUMNS[0], _MANY, *MATCH_COLUMNS[1:])
    for name, statuses in KINDS.items():
        yield _Sheet(name, columns, _documents(report, statuses))
    yield _Sheet(
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
    yield _Sheet("Vendor follow-up", VENDOR_COLUMNS, found.vendors.rows())
    for one in report.worklists:
        yield _Sheet(one.name, one.columns, one.rows, one.what)
    yield _Sheet(
        "Incomplete",
        _MISSING,
        (
            (client, recon, what, next_step(what))
            for client, recon, what in (
                *missing_by_client(report.states),
                *((client, recon, why) for recon, client, why in report.left_out),
            )
        ),
    )


def _documents(report: FirmReport, statuses: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    wanted = (line for line in report.lines(statuses) if line.status != "exact" or line.needs_person)
    for line in wanted:
        (row,) = match_rows([line])
        yield (row[0], line.recon, *row[1:])


_NEXT_STEPS = (
    (("could not be compared",), "Mend what stood in the way, then compare again: clientsync reconcile."),
    (("compared last",), "Compare again with the data of the day: clientsync reconcile."),
    (("ever compared",), "Synchronise the client, then compare: clientsync reconcile."),
    (("not imported", "none is imported"), "Import the register of this month: clientsync books import."),
    (("quarantine",), "Look at the rows: clientsync quarantine list; then replay or dismiss them."),
    (("never asked", "not ended"), "Synchronise this month: clientsync sync."),
)
_CLEAR = "Clear what holds the module up (clientsync exceptions), then synchronise again."


def next_step(missing: str) -> str:
    """Return what a person does about something that is missing for a reconciliation."""
    return next((step for words, step in _NEXT_STEPS if any(one in missing for one in words)), _CLEAR)
