"""The commands of record sets: a list of our own and a system behind a real socket, from preview to a settled sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from clientsync.cli.app import app
from clientsync.config import reset_settings
from simulators.cleanmanager.system import TOKEN, Running, System

ROWS = "No,Name,Mail,Town\n1,Asha Traders,a@x.in,Pune\n2,Bela Foods,b@x.in,Surat\n3,Chitra Mills,,\n"


class Desk:
    """A machine with one set of records; commands run at it."""

    def __init__(self, folder: Path, url: str, patch: pytest.MonkeyPatch) -> None:
        self.file = folder / "customers.csv"
        self.file.write_text(ROWS)
        config = folder / "clientsync.toml"
        config.write_text(
            f'''
[providers.cleanmanager]
kind = "records"
base_url = "{url}"
allow_loopback = true
calls_per_minute = 60000
burst = 1000
credentials = {{ token = "env:CLEANMANAGER_TOKEN" }}

[records.customers]
entity = "customers"
policy = "three_way"

[records.customers.a]
title = "our list"
path = "{self.file}"
columns = {{ number = "No", name = "Name", email = "Mail", city = "Town" }}
id_column = "No"
is_writable = true

[records.customers.b]
title = "CleanManager"
provider = "cleanmanager"
description = "connectors.cleanmanager.descriptions:CUSTOMERS"
'''
        )
        for name, value in (
            ("CLIENTSYNC_CONFIG", str(config)),
            ("CLIENTSYNC_HOME", str(folder / "data")),
            ("CLIENTSYNC_VAULT_KEY_REF", f"file:{folder / 'vault.key'}"),
            ("CLEANMANAGER_TOKEN", TOKEN),
        ):
            patch.setenv(name, value)
        reset_settings()

    def run(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["records", *arguments])
        assert done.exit_code == code, (done.output, done.exception)
        return done.stdout


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Desk, System]]:
    with Running(System()) as running:
        running.system.put("customers", number="0001", name="Asha Traders Ltd", email="a@x.in", city="Mumbai")
        running.system.put("customers", number="9", name="Devi Stores")
        yield Desk(tmp_path, running.url, monkeypatch), running.system
    reset_settings()


def counts(desk: Desk) -> dict[str, int]:
    found: dict[str, int] = json.loads(desk.run("preview", "customers", "--json"))["counts"]
    return found


def test_records_are_suggested_linked_made_and_settled_in_a_sheet(
    desk: tuple[Desk, System], tmp_path: Path
) -> None:
    at, system = desk
    assert "our list" in at.run("sets")
    assert counts(at)["new"] == 5
    (sure,) = [
        one for one in json.loads(at.run("suggest", "customers", "--json")) if one["how sure"] == "sure"
    ]
    assert (sure["side a"], sure["side b"]) == ("1", "C00001")
    assert "Number is equal without leading zeros; E-mail is equal" in sure["reasons"]
    at.run("link", "customers", "--all-sure")
    assert counts(at)["conflict"] == 1
    (city,) = [
        one
        for one in json.loads(at.run("window", "customers", "--pair", "1", "--json"))
        if one["field"] == "city"
    ]
    assert (city["side a"], city["side b"], city["changed on"]) == ("Pune", "Mumbai", "never agreed")
    at.run("create", "customers", "a", "--all")
    assert {row["name"] for row in system.records["customers"].values()} >= {"Bela Foods", "Chitra Mills"}
    sheet = tmp_path / "conflicts.xlsx"
    at.run("write-sheet", "customers", str(sheet))
    book = load_workbook(sheet)
    for row in book["conflicts"].iter_rows(min_row=2):
        row[-1].value = {"city": ":Thane", "number": "keep", "name": "b"}.get(str(row[3].value), "a")
    book.save(sheet)
    assert "1 pairs settled" in at.run("read-sheet", "customers", str(sheet))
    assert system.records["customers"]["C00001"]["city"] == "Thane"
    assert "1,Asha Traders Ltd,a@x.in,Thane" in at.file.read_text(encoding="utf-8-sig")
    assert (
        "no conflict in city any more"
        in CliRunner().invoke(app, ["records", "read-sheet", "customers", str(sheet)]).output
    )
    assert counts(at)["conflict"] == 0
    at.run("undo", "customers", "1")
    assert system.records["customers"]["C00001"]["city"] == "Mumbai"
    assert json.loads(at.run("runs", "customers", "--json"))[0]["mode"] == "preview"


def test_a_brake_stops_a_run_until_that_plan_is_approved(desk: tuple[Desk, System]) -> None:
    at, system = desk
    at.run("preview", "customers")
    at.run("create", "customers", "a", "2", "3")
    system.records["customers"].clear()
    stopped = json.loads(at.run("apply", "customers", "--json", code=3))
    assert stopped["brakes"] == ["side b is empty while 2 links exist"]
    at.run("apply", "customers", "--approve", "0" * 64, code=3)
    at.run("apply", "customers", "--approve", stopped["plan"])
    at.run("recreate", "customers", "1")
    at.run("unlink", "customers", "2")
    found = counts(at)
    assert (found["synchronized"], found["new"], found["deleted"]) == (1, 2, 0)


def test_pairs_are_switched_off_and_on_and_records_left_alone(desk: tuple[Desk, System]) -> None:
    at, _ = desk
    at.run("preview", "customers")
    at.run("create", "customers", "a", "2")
    at.run("deactivate", "customers", "1")
    at.run("ignore", "customers", "b", "C00002")
    assert counts(at)["deactivated"] == 2
    at.run("activate", "customers", "1")
    at.run("ignore", "customers", "b", "C00002", "--no-longer")
    at.run("refuse", "customers", "1", "C00001")
    assert json.loads(at.run("suggest", "customers", "--json")) == []
    assert counts(at)["deactivated"] == 0


def test_what_is_asked_wrongly_is_refused_with_what_is_valid(desk: tuple[Desk, System]) -> None:
    at, _ = desk
    at.run("window", "customers", code=2)
    for words in (
        ("preview", "suppliers"),
        ("window", "customers", "--category", "odd"),
        ("link", "customers", "1"),
        ("create", "customers", "a"),
        ("resolve", "customers", "7", "city=a"),
    ):
        at.run(*words, code=2)
