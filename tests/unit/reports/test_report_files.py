"""Promises of report files: whole or not at all, and nothing in them is taken for a formula."""

from __future__ import annotations

import csv
import errno
import os
import signal
import subprocess
import sys
import time
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from clientsync.drafts import whole_file
from clientsync.errors import InvalidInput, OutOfSpace
from clientsync.reports.files import sheet_text, write_csv
from clientsync.reports.sheets import SheetColumn, new_book
from clientsync.spreadsheets import guarded, is_dangerous, unguarded
from tests.support.hostile import HOSTILE

MOMENT = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)


def test_hundreds_of_hostile_texts_stay_text_in_a_workbook(tmp_path: Path) -> None:
    assert len(HOSTILE) > 200
    path = tmp_path / "hostile.xlsx"
    with new_book(path, MOMENT) as book:
        book.sheet("Hostile", [SheetColumn("text"), SheetColumn("n")], ((text, 1) for text in HOSTILE))
    sheet = openpyxl.load_workbook(path)["Hostile"]
    for number, text in enumerate(HOSTILE, start=2):
        cell = sheet.cell(number, 1)
        assert cell.data_type in ("s", "inlineStr"), text
        assert cell.hyperlink is None
        assert cell.number_format == "@"
        assert unescape(str(cell.value)) == sheet_text(text)
        assert sheet.cell(number, 2).value == 1
    with zipfile.ZipFile(path) as archive:
        names = " ".join(archive.namelist())
        body = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "externalLink" not in names
    assert ".rels" not in names.replace("_rels/.rels", "").replace("workbook.xml.rels", "")
    assert "<f>" not in body
    assert "<hyperlink" not in body


def test_hundreds_of_hostile_texts_begin_harmlessly_in_csv_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "hostile.csv"
    assert write_csv(path, ["text", "n"], ((text, 1) for text in HOSTILE)) == len(HOSTILE)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert len(rows) == len(HOSTILE)
    for (cell, one), text in zip(rows, HOSTILE, strict=True):
        assert one == "1"
        assert cell[:1] not in set("=+@\t\r\n\x00|%＝＋－＠−") or cell in ("",), text
        assert not cell.startswith("-") or cell == "-" or cell.replace(".", "").lstrip("-").isdigit()
        assert unguarded(cell) == text.encode("utf-8", "replace").decode()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30))
@example("'\r")
@example("''=1+1")
@example("'-5")
def test_guarding_is_undone_exactly_and_its_result_is_harmless(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text)[:1] or guarded(text)[0] not in "=+@\t\r\n\x00"


@pytest.mark.parametrize("number", ["-500.00", "-1", "0", "12.5"])
def test_numbers_stay_numbers_in_csv(number: str, tmp_path: Path) -> None:
    assert guarded(number) == number
    write_csv(tmp_path / "n.csv", ["a"], [[Decimal(number)]])
    assert (tmp_path / "n.csv").read_bytes().decode("utf-8-sig") == f"a\r\n{number}\r\n"


@pytest.mark.parametrize("text", ["abc", "A-1", "10%", "a=b", "", "12/INV/1", "O'Neil"])
def test_harmless_text_is_left_alone(text: str) -> None:
    assert not is_dangerous(text)
    assert guarded(text) == text


def test_money_is_numbers_in_rupees_and_dates_are_dates(tmp_path: Path) -> None:
    path = tmp_path / "typed.xlsx"
    columns = [
        SheetColumn("money", is_money=True),
        SheetColumn("day"),
        SheetColumn("moment"),
        SheetColumn("flag"),
    ]
    rows = [
        (-123456789012345, date(2026, 12, 31), MOMENT, True),
        (5, None, None, False),
        (10**17 + 1, None, None, None),
    ]
    with new_book(path, MOMENT) as book:
        assert book.sheet("T", columns, rows) == 3
    sheet = openpyxl.load_workbook(path)["T"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:D4"
    assert Decimal(str(sheet["A2"].value)) == Decimal("-1234567890123.45")
    assert sheet["A3"].value == 0.05
    assert sheet["A4"].value == "1000000000000000.01"
    assert sheet["B2"].value == datetime(2026, 12, 31)  # noqa: DTZ001 - workbooks have no zone
    assert sheet["C2"].value == datetime(2026, 11, 23, 10, 0)  # noqa: DTZ001
    assert (sheet["D2"].value, sheet["D3"].value) == ("yes", "no")


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for number in range(2):
        path = tmp_path / f"{number}" / "same.xlsx"
        with new_book(path, MOMENT) as book:
            book.sheet("S", [SheetColumn("a")], [(text,) for text in HOSTILE[:50]])
        made.append(path.read_bytes())
        time.sleep(1.1 if number == 0 else 0)
    assert made[0] == made[1]


def test_an_error_while_writing_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "r.xlsx"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), new_book(path, MOMENT) as book:
        book.sheet("S", [SheetColumn("a")], [("x",)])
        raise RuntimeError("boom")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["r.xlsx"]


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, OutOfSpace), (errno.EACCES, InvalidInput), (errno.EDQUOT, OutOfSpace)],
)
def test_a_full_or_forbidden_disk_is_a_typed_error(
    tmp_path: Path, number: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"r\.csv"), whole_file(tmp_path / "r.csv"):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be written"), whole_file(tmp_path / "file" / "r.csv"):
        pass


@pytest.mark.crash
@pytest.mark.parametrize(
    ("point", "expected"), [("before_report_rename", "old"), ("after_report_rename", "new")]
)
def test_a_kill_around_the_rename_leaves_the_old_or_the_new_file_whole(
    tmp_path: Path, point: str, expected: str
) -> None:
    path = tmp_path / "r.csv"
    path.write_text("old")
    code = (
        "import sys; from pathlib import Path; from clientsync.drafts import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as draft: draft.write_text('new')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], env=os.environ | {"CLIENTSYNC_CRASH_AT": point}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == expected
    left = [one for one in tmp_path.iterdir() if one != path]
    for one in left:
        os.utime(one, (0, 0))
    with whole_file(path) as draft:
        draft.write_text("next")
    assert [one.name for one in tmp_path.iterdir()] == ["r.csv"]


def test_a_day_that_excel_cannot_count_is_the_same_day_as_text(tmp_path: Path) -> None:
    days = (date(1753, 1, 1), date(1900, 3, 1))
    with new_book(tmp_path / "days.xlsx", MOMENT) as book:
        book.sheet("Days", [SheetColumn("day")], ((day,) for day in days))
    found = openpyxl.load_workbook(tmp_path / "days.xlsx")["Days"]
    assert [str(found.cell(row, 1).value)[:10] for row in (2, 3)] == ["1753-01-01", "1900-03-01"]
