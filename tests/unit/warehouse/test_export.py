"""Exported files hold what the warehouse holds, and no spreadsheet runs anything in them."""

from __future__ import annotations

import csv
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from pyarrow import parquet

from clientsync.errors import InvalidInput, OutOfSpace, UnknownName
from clientsync.spreadsheets import guarded
from clientsync.warehouse import export as exporting
from clientsync.warehouse.dictionary import data_dictionary
from clientsync.warehouse.export import export
from tests.support.demo_warehouse import INVOICES, TABLES, House, answer, invoice

HOSTILE = [
    "=1+1",
    "+1",
    "-1+1",
    "\u3000=1",
    "|x",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "\n=1",
    "'=1",
    '"=1"',
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "\ufeff=1",
]


def exported(house: House, folder: Path, form: str) -> Path:
    (path,) = export(house.engine, folder, formats=[form], tables=[INVOICES.name], specs=TABLES)
    return path


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_could_be_a_formula_is_shown_as_text(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["INV-1", "a=b", "", "5 - 3", "Müller & Söhne"])
def test_ordinary_texts_are_not_touched(text: str) -> None:
    assert guarded(text) == text


def test_csv_has_rupees_as_numbers_and_hostile_texts_disarmed(sqlite_house: House, tmp_path: Path) -> None:
    sqlite_house.load(
        sqlite_house.unit(
            answer(invoice("1", -50_000, remark="=cmd()"), invoice("2", 7, invoice_on=date(2026, 10, 2)))
        )
    )
    raw = exported(sqlite_house, tmp_path, "csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    first, second = csv.DictReader(raw.decode("utf-8-sig").splitlines())
    assert first["taxable_rupees"] == "-500.00"
    assert first["remark"] == "'=cmd()"
    assert (second["taxable_rupees"], second["invoice_on"]) == ("0.07", "2026-10-02")


def test_excel_has_numbers_as_numbers_and_no_formula(sqlite_house: House, tmp_path: Path) -> None:
    records = [invoice(str(number), number * 100, remark=text) for number, text in enumerate(HOSTILE)]
    sqlite_house.load(sqlite_house.unit(answer(*records)))
    sheet = load_workbook(exported(sqlite_house, tmp_path, "xlsx")).active
    assert sheet is not None
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    column = [cell.value for cell in sheet[1]].index("taxable_rupees")
    amounts = {row[column].value for row in sheet.iter_rows(min_row=2)}
    assert amounts == {float(number) for number in range(len(HOSTILE))}


def test_a_day_that_excel_cannot_count_is_the_same_day_as_text(sqlite_house: House, tmp_path: Path) -> None:
    days = (date(1, 1, 1), date(1753, 1, 1), date(1900, 3, 1))
    sqlite_house.load(
        sqlite_house.unit(answer(*(invoice(str(n), invoice_on=day) for n, day in enumerate(days))))
    )
    sheet = load_workbook(exported(sqlite_house, tmp_path, "xlsx")).active
    assert sheet is not None
    column = [cell.value for cell in sheet[1]].index("invoice_on")
    found = [row[column].value for row in sheet.iter_rows(min_row=2)]
    assert [str(one)[:10] for one in found] == ["0001-01-01", "1753-01-01", "1900-03-01"]


def test_parquet_keeps_exact_decimals_and_types(sqlite_house: House, tmp_path: Path) -> None:
    sqlite_house.load(sqlite_house.unit(answer(invoice("1", 10, invoice_on=date(2026, 10, 2)))))
    (row,) = parquet.read_table(exported(sqlite_house, tmp_path, "parquet")).to_pylist()
    assert row["taxable_rupees"] == Decimal("0.10")
    assert row["invoice_on"] == date(2026, 10, 2)
    assert row["is_amended"] is False


def test_an_export_of_a_past_night_and_of_one_client(house: House, tmp_path: Path) -> None:
    house.load(house.unit(answer(invoice("1", 1))), house.unit(answer(invoice("1", 5)), client="C2"))
    night = house.night
    house.load(house.unit(answer(invoice("1", 2))))
    (path,) = export(
        house.engine,
        tmp_path,
        formats=["parquet"],
        tables=[INVOICES.name],
        clients=["C1"],
        moment=night,
        specs=TABLES,
    )
    assert [row["taxable_rupees"] for row in parquet.read_table(path).to_pylist()] == [Decimal("0.01")]


def test_a_sheet_that_is_full_goes_on_on_the_next(
    sqlite_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MAX_ROWS", 2)
    sqlite_house.load(sqlite_house.unit(answer(*(invoice(str(number)) for number in range(5)))))
    book = load_workbook(exported(sqlite_house, tmp_path, "xlsx"))
    assert [sheet.max_row for sheet in book] == [3, 3, 2]


def test_unknown_tables_and_formats_list_the_valid_ones_and_write_nothing(
    sqlite_house: House, tmp_path: Path
) -> None:
    with pytest.raises(UnknownName, match="Valid: demo__entries, demo__invoices"):
        export(sqlite_house.engine, tmp_path / "out", tables=["x"], specs=TABLES)
    with pytest.raises(UnknownName, match="Valid: parquet, csv, xlsx"):
        export(sqlite_house.engine, tmp_path / "out", formats=["pdf"], specs=TABLES)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_the_old_file_whole(
    sqlite_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported(sqlite_house, tmp_path, "csv")
    before = path.read_bytes()

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    sqlite_house.load(sqlite_house.unit(answer(invoice("1"))))
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutOfSpace):
        exported(sqlite_house, tmp_path, "csv")
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(f".{path.name}.*"))


def test_a_disk_that_is_full_when_a_workbook_is_closed_is_told_and_leaves_nothing(
    sqlite_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    sqlite_house.load(sqlite_house.unit(answer(invoice("1"))))
    monkeypatch.setattr(zipfile.ZipFile, "write", refuse)
    monkeypatch.setattr(zipfile.ZipFile, "writestr", refuse)
    with pytest.raises(OutOfSpace, match="disk is full"):
        exported(sqlite_house, tmp_path, "xlsx")
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_cannot_be_written_is_named(sqlite_house: House, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="file cannot be written"):
        exported(sqlite_house, tmp_path / "file", "csv")
    (tmp_path / f"{INVOICES.name}.csv").mkdir()
    with pytest.raises(InvalidInput, match="cannot be written"):
        exported(sqlite_house, tmp_path, "csv")
    assert not list(tmp_path.glob(".*"))


def test_all_files_of_an_export_are_of_one_state_though_a_run_writes(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.load(house.unit(answer(invoice("1"))))
    write = exporting._export

    def meanwhile(*arguments: Any) -> Path:
        path = write(*arguments)
        if path.suffix == ".parquet":
            with ThreadPoolExecutor(1) as pool:
                pool.submit(house.load, house.unit(answer(invoice("1"), invoice("2")))).result()
        return path

    monkeypatch.setattr(exporting, "_export", meanwhile)
    first, second = export(
        house.engine, tmp_path, formats=["parquet", "csv"], tables=[INVOICES.name], specs=TABLES
    )
    assert parquet.read_table(first).num_rows == 1
    assert len(second.read_text(encoding="utf-8-sig").splitlines()) == 2


def test_the_dictionary_names_every_table_and_column() -> None:
    text = data_dictionary(TABLES.values())
    for spec in TABLES.values():
        assert f"## `core_{spec.name}`" in text
        for name in spec.row.model_fields:
            assert f"| `{name}` |" in text
    assert "| `taxable_paise` | whole number | paise |" in text
