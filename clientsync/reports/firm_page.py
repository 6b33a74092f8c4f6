"""One page about a firm or a client: as HTML that prints on A4, and as PDF. The workbook holds every row.

Both are rendered from the same ``Page``. In HTML every text is escaped and nothing is loaded from elsewhere. The PDF
uses the standard fonts, which know Latin letters; a letter of another script is shown as a question mark there, the
HTML shows it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from clientsync.drafts import whole_file
from clientsync.errors import InvalidInput
from clientsync.money import grouped
from clientsync.reports.files import sheet_text
from clientsync.reports.firm import FirmReport, Tally, missing_by_client, states_by_recon, tally
from clientsync.reports.matches import SHOWN_WORDS
from clientsync.reports.reconciliations import recon_order

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")

SHOWN = 6
LONGEST = 70
COLOURS = {
    "exact": "#4c9f70",
    "suggested": "#9ccc9c",
    "one_to_many": "#7fb8c9",
    "linked": "#5b8db8",
    "amended": "#b8c4cf",
    "mismatch": "#e8a33d",
    "duplicate": "#c77dba",
    "missing_here": "#f0c674",
    "missing_there": "#d9534f",
    "not_yet": "#dfe5ea",
    "no_books": "#c9d3dd",
}
_HEIGHT_MM = 297.0


@dataclass(frozen=True)
class Part:
    """A piece of a bar: its share in per cent, its colour, and its words."""

    share: float
    colour: str
    words: str


@dataclass(frozen=True)
class ReconRow:
    """One reconciliation: clients by state, and its documents as a bar."""

    name: str
    clean: int
    exceptions: int
    incomplete: int
    parts: tuple[Part, ...]
    words: str


@dataclass(frozen=True)
class Block:
    """A small table; the last column is aligned to the right. ``more`` says what was cut."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str = ""


@dataclass(frozen=True)
class Page:
    """What the page shows; every text as it is, without markup.

    ``recons`` are those with documents or exceptions; ``others`` names the rest in a sentence.
    """

    title: str
    as_of: str
    verdict: str
    is_clean: bool
    facts: tuple[tuple[str, str], ...]
    recons: tuple[ReconRow, ...]
    others: str
    blocks: tuple[Block, ...]


def page_of(report: FirmReport) -> Page:
    """Return the page of a report: the figures, and of each list the first rows with how many more there are."""
    found = tally(report)
    urgent = sum(one.urgent for one in report.worklists)
    recons = list(_recon(report, found))
    return Page(
        _short(report.title),
        _day(report.as_of),
        report.verdict,
        report.is_clean,
        (
            ("clients", str(report.clients)),
            ("credit at stake, Rs", grouped(found.at_stake_paise)),
            ("suppliers to write to", str(len(found.vendors))),
            ("urgent dates", str(urgent)),
        ),
        tuple(one for one in recons if one.parts or one.exceptions),
        _others([one for one in recons if not one.parts and not one.exceptions]),
        tuple(_blocks(report, found)),
    )


def _recon(report: FirmReport, found: Tally) -> Iterable[ReconRow]:
    for name, of in sorted(states_by_recon(report.states).items(), key=lambda one: recon_order(one[0])):
        total = sum(found.groups[name, status] for status in SHOWN_WORDS)
        parts = tuple(
            Part(
                round(100 * found.groups[name, status] / total, 2),
                COLOURS[status],
                f"{found.groups[name, status]} {words}",
            )
            for status, words in SHOWN_WORDS.items()
            if found.groups[name, status]
        )
        yield ReconRow(
            name,
            of["clean"],
            of["exceptions"],
            of["incomplete"],
            parts,
            ", ".join(one.words for one in parts),
        )


def _others(recons: Sequence[ReconRow]) -> str:
    clean = [one.name for one in recons if not one.incomplete]
    incomplete = [f"{one.name} ({one.incomplete})" for one in recons if one.incomplete]
    parts = [f"Clean: {', '.join(clean)}"] if clean else []
    parts += (
        [f"Without exceptions, incomplete for so many clients: {', '.join(incomplete)}"] if incomplete else []
    )
    return "; ".join(parts) + "." if parts else ""


def _blocks(report: FirmReport, found: Tally) -> Iterable[Block]:
    vendors = [
        (one.client_id, _short(one.name or one.gstin), str(len(one.numbers)), grouped(one.stake_paise))
        for one in found.vendors
    ]
    if vendors:
        yield _block(
            "Suppliers to write to", ("client", "supplier", "documents", "credit at stake, Rs"), vendors
        )
    for one in report.worklists:
        rows = [_worklist_row(one.columns, row) for row in one.rows]
        if rows:
            yield _block(one.name, ("client", "what", "until or since"), rows)
    worst = [
        (one.client_id, one.recon, _short(one.why), grouped(one.difference_paise or 0))
        for one in report.exceptions
    ]
    if worst:
        yield _block("Other exceptions", ("client", "reconciliation", "why", "difference, Rs"), worst)
    missing = [(client, recon, _short(what)) for client, recon, what in missing_by_client(report.states)]
    if missing:
        yield _block(
            "Not complete, so not called clean", ("client", "reconciliation", "what is missing"), missing
        )


def _block(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Block:
    left = len(rows) - SHOWN
    return Block(title, head, tuple(rows[:SHOWN]), f"and {left} more, in the workbook" if left > 0 else "")


def _worklist_row(columns: Sequence[Any], row: Sequence[Any]) -> tuple[str, str, str]:
    """Return client, what it is about, and the day that counts, of a row of a list."""
    by_name = {column.title: value for column, value in zip(columns, row, strict=True)}
    about = [
        str(by_name[name])
        for name in ("return", "period", "portal", "reference", "about", "number")
        if by_name.get(name)
    ]
    on = next(
        (by_name[name] for name in ("deemed accepted on", "answer until", "due") if by_name.get(name)), None
    )
    return str(row[0]), _short(" · ".join(about)), _day(on) if isinstance(on, date) else ""


def _short(text: str) -> str:
    plain = " ".join(_CONTROL.sub(" ", sheet_text(text)).split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def _day(on: date) -> str:
    return f"{on:%d-%m-%Y}"


def write_page(report: FirmReport, path: Path) -> Path:
    """Write the page as ``.html`` or ``.pdf`` and return the path.

    Raises:
        InvalidInput: another ending, or the place cannot be written.
        OutOfSpace: the disk is full.
    """
    renderers = {".html": _html, ".pdf": _pdf}
    render = renderers.get(path.suffix.casefold())
    if render is None:
        raise InvalidInput(f"A page is written as .html or .pdf, not {path.suffix!r}.")
    content = render(page_of(report))
    with whole_file(path) as draft:
        draft.write_bytes(content)
    return path


def _html(page: Page) -> bytes:
    from jinja2 import Environment, StrictUndefined

    source = files("clientsync.reports").joinpath("templates/summary.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(source).render(page=page).encode("utf-8", "replace")


def _latin(text: str) -> str:
    return (
        text.replace("…", "...")
        .replace("–", "-")
        .replace("·", "-")
        .encode("latin-1", "replace")
        .decode("latin-1")
    )


def _pdf(page: Page) -> bytes:
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.set_auto_page_break(auto=False)
    pdf.set_margins(14, 12)
    pdf.add_page()
    pdf.set_title(_latin(page.title))
    pdf.set_font("Helvetica", "B", 15)
    pdf.cell(0, 8, _latin(page.title), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", "", 9)
    pdf.cell(0, 5, f"As of {page.as_of}", new_x="LMARGIN", new_y="NEXT")
    pdf.set_fill_color(*((198, 239, 206) if page.is_clean else (255, 235, 156)))
    pdf.set_font("Helvetica", "B", 9)
    pdf.multi_cell(0, 6, _latin(page.verdict), fill=True, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", "", 9)
    pdf.cell(
        0,
        7,
        _latin("    ".join(f"{name}: {value}" for name, value in page.facts)),
        new_x="LMARGIN",
        new_y="NEXT",
    )
    _pdf_recons(pdf, page)
    for block in page.blocks:
        if not _pdf_block(pdf, block):
            break
    return bytes(pdf.output())


def _pdf_recons(pdf: Any, page: Page) -> None:
    _heading(pdf, "Reconciliations: clean, exceptions, incomplete, documents")
    for row in page.recons:
        if pdf.get_y() > _HEIGHT_MM - 40:
            return
        pdf.set_font("Helvetica", "", 8)
        pdf.cell(26, 5, _latin(row.name))
        for number in (row.clean, row.exceptions, row.incomplete):
            pdf.cell(14, 5, str(number), align="R")
        x, y = pdf.get_x() + 4, pdf.get_y() + 1
        for part in row.parts:
            width = (182 - 72) * part.share / 100
            pdf.set_fill_color(*(int(part.colour[place : place + 2], 16) for place in (1, 3, 5)))
            pdf.rect(x, y, width, 3, style="F")
            x += width
        pdf.ln(5)
    if page.others:
        pdf.set_font("Helvetica", "I", 8)
        pdf.multi_cell(0, 4.5, _latin(page.others), new_x="LMARGIN", new_y="NEXT")


def _heading(pdf: Any, text: str) -> None:
    pdf.ln(1.5)
    pdf.set_font("Helvetica", "B", 9.5)
    pdf.cell(0, 6, _latin(text), new_x="LMARGIN", new_y="NEXT")


def _pdf_block(pdf: Any, block: Block) -> bool:
    """Write a block; return whether there was room. What does not fit is named, so nothing is cut in silence."""
    if pdf.get_y() + 14 + 4.5 * len(block.rows) > _HEIGHT_MM - 12:
        pdf.set_font("Helvetica", "I", 8)
        pdf.cell(0, 5, _latin(f"{block.title} and what follows: in the workbook."))
        return False
    _heading(pdf, block.title)
    widths = _widths(len(block.head))
    for number, row in enumerate((block.head, *block.rows)):
        pdf.set_font("Helvetica", "B" if number == 0 else "", 7.5)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            text = _latin(cell)
            while text and pdf.get_string_width(text) > width - 2:
                text = text[:-1]
            pdf.cell(width, 4.5, text, align="R" if place == len(row) - 1 else "L")
        pdf.ln(4.5)
    if block.more:
        pdf.set_font("Helvetica", "I", 7.5)
        pdf.cell(0, 4.5, _latin(block.more), new_x="LMARGIN", new_y="NEXT")
    return True


def _widths(columns: int) -> list[float]:
    last, first = 34.0, 24.0
    middle = (182.0 - first - last) / max(1, columns - 2)
    return [first, *[middle] * (columns - 2), last]
