"""The firm's reports: honest verdicts, text that stays text in every format, charts over the right cells, one page."""

from __future__ import annotations

import csv
import html.parser
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.escape import unescape
from pypdf import PdfReader

from clientsync.errors import InvalidInput
from clientsync.reports import sheets
from clientsync.reports.files import sheet_text
from clientsync.reports.firm import FirmReport, at_stake, tally
from clientsync.reports.firm_page import page_of, write_page
from clientsync.reports.firm_workbook import KINDS, next_step, write_firm_csv, write_firm_workbook
from clientsync.reports.matches import Candidate, MatchLine
from clientsync.reports.reconciliations import ReconLine, ReconState
from clientsync.reports.sheets import SheetColumn
from clientsync.reports.worklists import Worklist, joined
from clientsync.spreadsheets import unguarded
from tests.support.gstins import gstin_of
from tests.support.hostile import HOSTILE

DAY = date(2026, 11, 20)
CREATED = datetime(2026, 11, 21, 4, tzinfo=UTC)


def line(status: str = "missing_there", **changes: Any) -> MatchLine:
    both = status not in ("missing_there", "missing_here", "amended", "duplicate")
    usual = MatchLine(
        client_id="C1",
        client_name="Client One",
        recon="2B-BOOKS",
        period="102026",
        match_id="ab" * 16,
        status=status,
        severity="ok" if status == "exact" else "error",
        score=100 if status == "exact" else 0,
        differs=(),
        tags=(),
        reason="Because.",
        action="Do something.",
        decision="",
        decision_reason="",
        party_gstin=gstin_of(3),
        party_name="Supplier",
        left_number="A/1" if status != "missing_here" else "",
        left_on=DAY,
        left_period="102026",
        right_number="A/1" if both or status == "missing_here" else "",
        right_on=DAY,
        right_period="102026",
        left_count=0 if status == "missing_here" else 1,
        right_count=1 if both or status == "missing_here" else 0,
        left_taxable_paise=0 if status == "missing_here" else 100_00,
        left_tax_paise=0 if status == "missing_here" else 18_00,
        right_taxable_paise=100_00 if both or status == "missing_here" else 0,
        right_tax_paise=18_00 if both or status == "missing_here" else 0,
        left_heads_paise=(18_00, 0, 0, 0),
        right_heads_paise=(18_00, 0, 0, 0),
        since=DAY,
        candidates=(Candidate("x", "A/2", DAY, 5, 1, 40, "the number is another one"),),
    )
    return replace(usual, **changes)


def state(name: str = "exceptions", missing: tuple[str, ...] = ()) -> ReconState:
    return ReconState("C1", "2B-BOOKS", name, 3, 1, 0, missing, DAY)


def lines_of(found: Iterable[MatchLine]) -> Callable[[Sequence[str]], list[MatchLine]]:
    kept = list(found)
    return lambda statuses: [one for one in kept if not statuses or one.status in statuses]


def report(*found: MatchLine, states: Sequence[ReconState] = (state(),), **more: Any) -> FirmReport:
    values = {"exceptions": (), "worklists": (), **more}
    return FirmReport("The firm", DAY, CREATED, states, lines=lines_of(found), **values)


def test_a_report_with_something_incomplete_never_says_clean(tmp_path: Path) -> None:
    made = report(
        line("exact"), states=[state("clean"), state("incomplete", ("gstr2b 10/2026: never asked",))]
    )
    assert not made.is_clean
    assert "incomplete" in made.verdict
    write_firm_workbook(made, tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    (row,) = list(book["Incomplete"].iter_rows(min_row=2, values_only=True))
    assert row[2] == "gstr2b 10/2026: never asked"
    assert "clientsync sync" in str(row[3])


@pytest.mark.parametrize(
    ("one", "paise"),
    [
        (line("missing_there"), 18_00),
        (line("missing_here"), 18_00),
        (line("mismatch", right_tax_paise=20_00), 2_00),
        (line("exact"), 0),
        (line("exact", severity="warning"), 18_00),
        (line("missing_there", decision="accept"), 0),
        (line("missing_there", severity="info"), 0),
    ],
)
def test_what_is_at_stake_is_the_tax_that_waits_for_a_person(one: MatchLine, paise: int) -> None:
    assert at_stake(one) == paise


def test_every_document_is_counted_once_and_the_kinds_have_a_sheet(tmp_path: Path) -> None:
    statuses = (
        "exact",
        "suggested",
        "mismatch",
        "one_to_many",
        "linked",
        "amended",
        "duplicate",
        "missing_here",
        "missing_there",
    )
    made = report(*(line(one) for one in statuses))
    found = tally(made)
    assert {status: found.groups["2B-BOOKS", status] for status in statuses} == dict.fromkeys(statuses, 1)
    write_firm_workbook(made, tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    counts = {name: book[name].max_row - 1 for name in KINDS}
    assert counts == {**dict.fromkeys(KINDS, 1), "Without credit": 0}


def test_amounts_are_numbers_in_rupees_and_dates_are_dates(tmp_path: Path) -> None:
    write_firm_workbook(report(line("missing_there")), tmp_path / "r.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "r.xlsx")["Missing on the portal"]
    row = dict(zip([cell.value for cell in sheet[1]], sheet[2], strict=True))
    assert row["tax in books"].value == 18
    assert row["tax in books"].data_type == "n"
    assert row["date in books"].value == datetime(2026, 11, 20)  # noqa: DTZ001 - a cell has no zone


def test_charts_point_at_the_rows_they_name(tmp_path: Path) -> None:
    found = [
        line(recon=recon, client_id=client) for recon in ("2A-BOOKS", "2B-BOOKS") for client in ("C1", "C2")
    ]
    write_firm_workbook(report(*found), tmp_path / "r.xlsx")
    with zipfile.ZipFile(tmp_path / "r.xlsx") as archive:
        charts = [
            archive.read(name).decode() for name in sorted(archive.namelist()) if "charts/chart" in name
        ]
    assert len(charts) == 3
    assert "'Documents by status'!$B$2:$B$3" in charts[0]
    assert "'At stake'!$C$2:$C$3" in charts[1]
    assert "'Top clients'!$C$2:$C$3" in charts[2]


def test_suppliers_are_written_to_about_what_they_can_mend(tmp_path: Path) -> None:
    made = report(
        line("missing_there", left_number="A/1"),
        line("mismatch", left_number="A/2", right_tax_paise=20_00),
        line("exact", left_number="A/3", severity="warning"),
        line("missing_here"),
        line("duplicate"),
        line("missing_there", recon="2A-BOOKS"),
    )
    (vendor,) = tally(made).vendors
    assert (vendor.missing, vendor.mismatching, vendor.without_credit) == (1, 1, 1)
    assert vendor.stake_paise == 18_00 + 2_00 + 18_00
    assert vendor.request.startswith("Please report 1 documents of ours in your next GSTR-1;")
    assert vendor.request.endswith("A/1, A/2, A/3.")


def test_rows_beyond_what_a_sheet_holds_go_on_on_a_further_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 11)
    with sheets.new_book(tmp_path / "r.xlsx", CREATED) as book:
        assert book.sheet("Many", [SheetColumn("n")], ((number,) for number in range(25))) == 25
    found = openpyxl.load_workbook(tmp_path / "r.xlsx")
    assert found.sheetnames == ["Many", "Many (2)", "Many (3)"]
    values = [
        row[0] for name in found.sheetnames for row in found[name].iter_rows(min_row=2, values_only=True)
    ]
    assert values == list(range(25))


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("purchase_register 10/2026: not imported", "books import"),
        ("gstr2b 10/2026: 3 rows in quarantine", "quarantine list"),
        ("gstr2b 10/2026: never asked", "clientsync sync"),
        ("compared last with the data of 20-09-2026", "clientsync reconcile"),
        ("could not be compared: its data cannot be read", "clientsync reconcile"),
        ("gstr2b 10/2026: waits for a person", "exceptions"),
    ],
)
def test_everything_that_is_missing_has_a_next_step(missing: str, words: str) -> None:
    assert words in next_step(missing)


# --- hostile texts --------------------------------------------------------------------------------------------------


def hostile(*texts: str) -> FirmReport:
    """Return a report with texts in every place that comes from outside."""
    exceptions = [
        ReconLine("e", "C1", "G5", "CODE", "error", (text,), text, text, 5, text, text, (), DAY, DAY, "open")
        for text in texts
    ]
    return FirmReport(
        texts[0],
        DAY,
        CREATED,
        [state("incomplete", (texts[0],))],
        exceptions,
        lines_of(
            line(party_name=text, left_number=text, reason=text, remark=text, client_name=text)
            for text in texts
        ),
        [Worklist("Notices due", "what", (SheetColumn("client"), SheetColumn("about")), (("C1", texts[0]),))],
    )


def test_hostile_texts_stay_texts_in_the_workbook(tmp_path: Path) -> None:
    write_firm_workbook(hostile(*HOSTILE), tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    sheet = book["Missing on the portal"]
    head = [cell.value for cell in sheet[1]]
    for text, row in zip(HOSTILE, sheet.iter_rows(min_row=2), strict=True):
        cells = dict(zip(head, row, strict=True))
        for name in ("name", "number in books", "why", "remark"):
            assert unescape(str(cells[name].value or "")) == sheet_text(text)
    kinds = {cell.data_type for name in book.sheetnames for row in book[name].iter_rows() for cell in row}
    assert "f" not in kinds


def test_hostile_texts_come_back_from_csv_as_they_were(tmp_path: Path) -> None:
    write_firm_csv(hostile(*HOSTILE), tmp_path)
    with (tmp_path / "missing_on_the_portal.csv").open(newline="", encoding="utf-8-sig") as file:
        head, *rows = list(csv.reader(file))
    for text, row in zip(HOSTILE, rows, strict=True):
        expected = text.encode("utf-8", "replace").decode()
        assert unguarded(row[head.index("name")]) == expected


class Reader(html.parser.HTMLParser):
    """Gathers text and tags of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "p",
    "div",
    "span",
    "table",
    "tr",
    "th",
    "td",
    "i",
}


def test_hostile_texts_are_shown_on_the_page_and_no_markup_of_them_lives(tmp_path: Path) -> None:
    for text in HOSTILE:
        made = hostile(text)
        write_page(made, tmp_path / "p.html")
        reader = Reader()
        reader.feed((tmp_path / "p.html").read_text(encoding="utf-8"))
        assert reader.tags <= TAGS
        assert page_of(made).title.encode("utf-8", "replace").decode() in "".join(reader.texts)


def test_hostile_texts_make_a_pdf_of_one_page_without_control_characters(tmp_path: Path) -> None:
    for text in HOSTILE[:: max(1, len(HOSTILE) // 60)]:
        write_page(hostile(text), tmp_path / "p.pdf")
        (page,) = PdfReader(tmp_path / "p.pdf").pages
        assert all(one.isprintable() or one == "\n" for one in page.extract_text())


def test_a_firm_with_very_much_to_say_still_fits_on_one_page(tmp_path: Path) -> None:
    found = [line(client_id=f"C{n}", party_gstin=gstin_of(n), left_number=f"N{n}") for n in range(300)]
    states = [ReconState(f"C{n}", f"G{n % 14}", "incomplete", 1, 1, 1, ("gstr2b",), DAY) for n in range(300)]
    write_page(report(*found, states=states), tmp_path / "p.pdf")
    assert len(PdfReader(tmp_path / "p.pdf").pages) == 1


def test_a_page_of_another_kind_is_refused_with_those_that_can_be(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"\.html or \.pdf"):
        write_page(report(), tmp_path / "p.doc")


def test_what_is_most_urgent_of_several_portals_stands_first() -> None:
    columns = tuple(SheetColumn(name) for name in ("client", "issued", "answer until"))
    gst = [("C1", date(2026, 11, 1), date(2026, 11, 20)), ("C2", date(2026, 11, 25), None)]
    tds = [("C3", date(2026, 10, 1), date(2026, 11, 10)), ("C3", date(2026, 10, 1), date(2026, 12, 1))]
    lists = [Worklist("Notices due", "what", columns, tuple(rows), 1) for rows in (gst, tds)]
    (one,) = joined(lists)
    assert one.rows == (tds[0], *gst, tds[1])
    assert one.urgent == 2
