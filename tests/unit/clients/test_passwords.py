"""Lists of portal passwords: what goes into the vault, what is refused, and that nothing is shown."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import Engine

from clientsync.clients.master import put_client
from clientsync.clients.passwords import read_passwords
from clientsync.database import open_engine, upgrade
from clientsync.errors import InvalidInput


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = open_engine(f"sqlite:///{tmp_path / 'clients.db'}")
    upgrade(made)
    cells = {"client_id": "C1", "name": "One", "tan": "MUMA12345B"}
    put_client(made, cells, providers=(), is_new=True)
    return made


def listed(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "passwords.csv"
    path.write_text("\n".join(("Client ID,Portal,Password", *lines)), encoding="utf-8")
    return path


def test_good_rows_are_named_for_the_vault(engine: Engine, tmp_path: Path) -> None:
    found = read_passwords(listed(tmp_path, "C1,TRACES,s3cret", "C1,income_tax,other"), engine)
    assert [one.secret_name for one in found.passwords] == ["tds/C1/traces", "tds/C1/income_tax"]
    assert found.passwords[0].password == "s3cret"
    assert found.problems == []


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("C9,traces,x", "client_id"),
        ("C1,gst,x", "portal"),
        ("C1,traces,", "password"),
        ("C1,traces,y", "client_id"),
    ],
)
def test_a_wrong_row_is_refused_with_its_reason_and_the_good_row_goes_in(
    engine: Engine, tmp_path: Path, line: str, column: str
) -> None:
    found = read_passwords(listed(tmp_path, "C1,traces,s3cret", line), engine)
    assert [one.password for one in found.passwords] == ["s3cret"]
    assert [(one.row, one.column) for one in found.problems] == [(3, column)]


def test_a_password_that_was_cut_at_a_sign_of_the_file_is_refused_and_never_sent(
    engine: Engine, tmp_path: Path
) -> None:
    found = read_passwords(listed(tmp_path, "C1,traces,s3,cr;;;;et", 'C1,income_tax,"s3,cr;;;;et"'), engine)
    assert [(one.row, one.column) for one in found.problems] == [(2, "password")]
    assert [one.password for one in found.passwords] == ["s3,cr;;;;et"]


@pytest.mark.parametrize("cell", [date(2026, 12, 31), 12.5, True, "#N/A"])
def test_a_cell_that_a_spreadsheet_took_for_something_else_is_no_password(
    engine: Engine, tmp_path: Path, cell: object
) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["client_id", "portal", "password"], ["C1", "traces", cell], ["C1", "income_tax", 123456]):
        book.active.append(row)
    book.save(tmp_path / "passwords.xlsx")
    found = read_passwords(tmp_path / "passwords.xlsx", engine)
    assert [(one.row, one.column) for one in found.problems] == [(2, "password")]
    assert [one.password for one in found.passwords] == ["123456"]


def test_no_password_stands_in_a_reason_or_a_printed_row(engine: Engine, tmp_path: Path) -> None:
    found = read_passwords(listed(tmp_path, "C1,traces,s3cret", "C9,traces,hidden"), engine)
    shown = repr(found)
    assert "s3cret" not in shown
    assert "hidden" not in shown


def test_a_list_without_its_columns_is_refused(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="client_id and portal and password"):
        read_passwords(path, engine)
