"""The commands for books, documents and reports: what they print, what they leave, and how they end."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clientsync.cli.app import app
from clientsync.config import reset_settings
from tests.support.gstins import gstin_of

HEAD = ("Bill No", "Bill Date", "Party Name", "GSTIN/UIN", "Taxable Value", "IGST", "CGST", "SGST")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client C1 in a new warehouse whose validator passes everything, and a way to run commands there."""
    from clientsync.sync.services import Services

    monkeypatch.setenv("CLIENTSYNC_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("CLIENTSYNC_VAULT_KEY_REF", f"file:{tmp_path / 'vault.key'}")
    monkeypatch.delenv("CLIENTSYNC_CONFIG", raising=False)
    monkeypatch.setattr(Services, "validate", lambda *_: [])
    reset_settings()
    runner = CliRunner()

    def invoke(*arguments: str, code: int = 0) -> str:
        done = runner.invoke(app, list(arguments))
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    invoke("clients", "add", "C1", "--name", "Client One", "--gstin", gstin_of(9))
    yield invoke
    reset_settings()


def register(folder: Path, *rows: tuple[str, ...]) -> Path:
    path = folder / "purchases.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([HEAD, *rows])
    return path


def line(number: str = "A/1", on: str = "05-10-2026", taxable: str = "100.00") -> tuple[str, ...]:
    return (number, on, "Supplier", gstin_of(1, "29"), taxable, "18.00", "", "")


def test_a_dry_run_shows_columns_months_and_totals_and_writes_nothing(run: Any, tmp_path: Path) -> None:
    path = register(tmp_path, line(), line("A/2", "soon"))
    text = run("books", "import", str(path), "--client", "C1", "--register", "purchases", "--dry-run", code=3)
    assert "Bill No = document_number" in text
    assert "row 3 refused: 'soon' is no date" in text
    assert "dry run" in text
    assert "has not been reconciled" in run("reconcile", "show", "C1", "--connector", "gst")
    assert "No document stands" in run("books", "duplicates", "C1")


def test_a_register_comes_in_and_its_mapping_is_remembered_until_it_is_forgotten(
    run: Any, tmp_path: Path
) -> None:
    path = register(tmp_path, line())
    path.write_text(path.read_text().replace("Taxable Value", "Taxable worth"))
    text = run("books", "import", str(path), "--client", "C1", "--register", "purchases", code=3)
    assert '--map "taxable worth=taxable"' in text.replace("\n", " ")
    run(
        "books",
        "import",
        str(path),
        "--client",
        "C1",
        "--register",
        "purchases",
        "--map",
        "Taxable worth=taxable",
    )
    assert "Taxable worth" in run("books", "mapping", "C1")
    again = run("books", "import", str(path), "--client", "C1", "--register", "purchases")
    assert "unchanged" in again
    run("books", "mapping", "C1", "--forget")
    assert "No column is mapped" in run("books", "mapping", "C1")


def test_what_was_entered_twice_is_listed(run: Any, tmp_path: Path) -> None:
    run(
        "books",
        "import",
        str(register(tmp_path, line(), line())),
        "--client",
        "C1",
        "--register",
        "purchases",
    )
    found = json.loads(run("books", "duplicates", "C1", "--json"))
    assert [(one["document_number"], one["times"]) for one in found] == [("A/1", 2)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--register", "cash"), "Valid: purchases, sales"),
        (("--register", "purchases", "--map", "Bill No"), "cannot be read"),
        (("--register", "purchases", "--map", "Bill No=invoice"), "document_number"),
        (("--register", "purchases", "--dates", "ymd"), "dmy, mdy"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_right(
    run: Any, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    path = register(tmp_path, line())
    assert words in run("books", "import", str(path), "--client", "C1", *arguments, code=2)


def test_reconciling_says_what_is_missing_and_decisions_are_made_and_taken_back(
    run: Any, tmp_path: Path
) -> None:
    run("books", "import", str(register(tmp_path, line())), "--client", "C1", "--register", "purchases")
    text = run("reconcile", "gst", "--reconciliations", "2B-BOOKS", code=3)
    assert "1 missing there" in text
    report = json.loads(run("reconcile", "gst", "--reconciliations", "2b-books", "--json", code=3))
    assert report["incomplete"][0]["missing"] == ["gstr2b 10/2026: never asked"]
    (row,) = json.loads(run("reconcile", "documents", "C1", "--all", "--json"))
    assert (row["status"], row["tags"]) == ("missing_there", ["not_yet"])
    made = run("reconcile", "ignore", "C1", "2B-BOOKS", row["match_id"][:8], "--reason", "private")
    decision = made.split("decision ")[1].split(":")[0]
    (after,) = json.loads(run("reconcile", "documents", "C1", "--all", "--json"))
    assert (after["decision"], after["decision_reason"]) == ("ignore", "private")
    assert decision in run("reconcile", "decisions", "C1")
    assert "Taken back" in run("reconcile", "revoke", decision, "--reason", "it is not")
    assert "Nothing was decided" in run("reconcile", "decisions", "C1")
    assert decision in run("reconcile", "decisions", "C1", "--revoked")


def test_a_trial_of_a_reconciliation_stores_nothing(run: Any, tmp_path: Path) -> None:
    run("books", "import", str(register(tmp_path, line())), "--client", "C1", "--register", "purchases")
    assert "A trial" in run("reconcile", "gst", "--reconciliations", "2B-BOOKS", "--dry-run", code=3)
    assert json.loads(run("reconcile", "documents", "C1", "--all", "--json")) == []


def test_a_reconciliation_that_does_not_exist_is_refused_with_those_that_do(run: Any) -> None:
    assert "2B-BOOKS" in run("reconcile", "gst", "--reconciliations", "3B-BOOKS", code=2)


def test_the_report_is_written_in_the_formats_that_are_named(run: Any, tmp_path: Path) -> None:
    run("books", "import", str(register(tmp_path, line())), "--client", "C1", "--register", "purchases")
    run("reconcile", "gst", "--reconciliations", "2B-BOOKS", code=3)
    run("report", "--out", str(tmp_path / "out"), "--format", "xlsx,html,pdf,csv")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".xlsx", ".html", ".pdf", ""}
    run("report", "--out", str(tmp_path / "each"), "--each", "--format", "html")
    assert [path.name.startswith("C1-") for path in (tmp_path / "each").iterdir()] == [True]
    assert "xlsx, html, pdf, csv" in run("report", "--out", str(tmp_path / "out"), "--format", "doc", code=2)


def test_a_client_gets_tolerances_of_its_own_and_loses_them_again(run: Any) -> None:
    assert "usual settings" in run("reconcile", "matching", "C1")
    assert "500" in run("reconcile", "matching", "C1", "--set", "paise=500", "--set", "near_days=15")
    assert "near_days" in run("reconcile", "matching", "C1")
    assert "basis_points" in run("reconcile", "matching", "C1", "--set", "rupees=5", code=2)
    assert "NAME=NUMBER" in run("reconcile", "matching", "C1", "--set", "paise=-5", code=2)
    assert "usual settings" in run("reconcile", "matching", "C1", "--clear")


def test_a_register_that_is_there_twice_does_not_double_its_month(run: Any, tmp_path: Path) -> None:
    path = register(tmp_path, line(), line("A/2"))
    copy = tmp_path / "purchases (1).csv"
    copy.write_bytes(path.read_bytes())
    text = run("books", "import", str(copy), str(path), "--client", "C1", "--register", "purchases")
    assert "the same as in purchases (1).csv" in text.replace("\n", " ")
    assert json.loads(run("books", "duplicates", "C1", "--json")) == []


def test_two_files_of_one_month_are_joined(run: Any, tmp_path: Path) -> None:
    first = register(tmp_path, line())
    first = first.rename(tmp_path / "cash.csv")
    second = register(tmp_path, line("A/2"))
    run("books", "import", str(first), str(second), "--client", "C1", "--register", "purchases")
    text = run("books", "import", str(first), str(second), "--client", "C1", "--register", "purchases")
    assert "unchanged" in text


def test_a_client_that_was_never_compared_is_not_said_to_have_nothing_open(run: Any, tmp_path: Path) -> None:
    for command in ("documents", "changes"):
        text = run("reconcile", command, "C1")
        assert "were never compared: clientsync reconcile gst --clients C1" in text.replace("\n", " ")
    run("books", "import", str(register(tmp_path, line())), "--client", "C1", "--register", "purchases")
    run("reconcile", "gst", code=3)
    text = run("reconcile", "documents", "C1", "--reconciliations", "2B-BOOKS", "--period", "012026")
    assert "No documents wait for a person" in text
    assert "2B-BOOKS is incomplete" in text
    assert "no such documents" in run("reconcile", "documents", "C1", "--status", "linked")
