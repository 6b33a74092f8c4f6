"""CSV and Excel lists as programs write them: no row, column or cell of a list is lost in silence."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from openpyxl.styles import Font

from clientsync.clients.tabular import lines_of
from clientsync.errors import InvalidInput

SHEET = "xl/worksheets/sheet1.xml"


def workbook(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """Write a sheet of six rows and four columns whose XML is changed after Excel's manner of writing."""
    whole = path.with_name("whole.xlsx")
    book = openpyxl.Workbook()
    assert book.active is not None
    for number in range(6):
        book.active.append([f"row {number}", "b", "c", "d"])
    book.save(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, change(content) if name == SHEET else content)
    return path


@pytest.mark.parametrize("said", ["A1", "A1:B2", "A1:XFD1048576", ""])
def test_all_rows_and_columns_are_read_whatever_the_sheet_says_of_its_size(tmp_path: Path, said: str) -> None:
    element = f'<dimension ref="{said}"/>'.encode() if said else b""
    path = workbook(tmp_path / "list.xlsx", lambda xml: re.sub(rb"<dimension[^>]*>", element, xml))
    assert [(row, tuple(cells)) for row, cells in lines_of(path)] == [
        (number + 1, (f"row {number}", "b", "c", "d")) for number in range(6)
    ]


def test_every_row_is_as_wide_as_the_header_and_empty_cells_behind_it_do_not_count(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["client_id", "name", "gstin"])
    sheet.append(["C1"])
    sheet["F3"].font = Font(bold=True)
    sheet["A3"] = "C2"
    book.save(tmp_path / "list.xlsx")
    assert [tuple(cells) for _, cells in lines_of(tmp_path / "list.xlsx")] == [
        ("client_id", "name", "gstin"),
        ("C1", None, None),
        ("C2", None, None),
    ]


def test_a_damaged_sheet_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", lambda xml: xml[:-60])
    with pytest.raises(InvalidInput, match=r"list\.xlsx is damaged"):
        list(lines_of(path))
