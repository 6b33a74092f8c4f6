"""What a run leaves: the same for the same data, a history that forgets nothing, and never a false clean."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from clientsync.cli import reconcile as command
from clientsync.config import settings
from clientsync.database import reading, writing
from clientsync.errors import InvalidInput, SourceUnavailable, UnknownClient
from clientsync.ledger.recon_tables import SyncRecon, SyncReconException
from clientsync.ledger.tables import SyncClient
from clientsync.outcomes import Outcome
from clientsync.reconcile.result import Reconciliation, ReconException, Severity, State
from clientsync.reports.reconciliations import (
    ReconState,
    counts,
    read_lines,
    read_states,
    verdict,
    write_report,
)
from clientsync.sync import reconciling
from clientsync.sync.reconciling import ReconRun, reconcile_clients
from connectors.tds import challans
from tests.support.tds_warehouse import DEDUCTEE, FIRST_NIGHT, Practice, make_practice, whole_row

RECON: Any = SyncRecon.__table__  # type: ignore[attr-defined]
EXCEPTION: Any = SyncReconException.__table__  # type: ignore[attr-defined]
PAID = date(2026, 5, 7)
IDENTITY = re.compile(r"[A-Z]{5}[0-9]{4}[A-Z]|[A-Z]{4}[0-9]{5}[A-Z]")


@pytest.fixture
def practice(sqlite_url: str) -> Iterator[Practice]:
    made = make_practice(sqlite_url, ("C1", "C2"))
    yield made
    made.engine.dispose()


def stored(practice: Practice, table: Any) -> list[dict[str, Any]]:
    with reading(practice.engine) as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def pay(practice: Practice, *amounts: int) -> None:
    """Let the portal list challans that TRACES does not have."""
    rows = [
        whole_row(
            challans.CHALLANS,
            section="act_2025",
            act="2025",
            cin=f"C{number}",
            bsr="0510002",
            serial=f"{number:05d}",
            deposited_on=PAID,
            amount_paise=amount,
        )
        for number, amount in enumerate(amounts, start=1)
    ]
    practice.load("challans", ("act_2025", rows))


def run(practice: Practice, day: date | None = None) -> ReconRun:
    return reconcile_clients(practice.engine, "tds", day or practice.day, ["C1"])


def missing_challans(practice: Practice) -> dict[str, tuple[str, date, date]]:
    return {
        row["key"][1]: (row["status"], row["first_seen"], row["last_seen"])
        for row in stored(practice, EXCEPTION)
        if row["code"] == "CHL_NOT_AT_TRACES"
    }


def test_a_rerun_on_the_same_data_changes_nothing_but_adds_its_own_results(practice: Practice) -> None:
    practice.load_nothing("challans")
    pay(practice, 100, 200)
    first = run(practice)
    before = stored(practice, EXCEPTION)
    second = run(practice)
    after = stored(practice, EXCEPTION)
    assert before and first.lines == second.lines and first.states == second.states
    for row in (*before, *after):
        row.pop("recon_run_id")
    assert before == after
    assert len(stored(practice, RECON)) == 2 * 14


def test_what_is_gone_is_closed_keeps_its_first_day_and_comes_back_reopened(practice: Practice) -> None:
    practice.load_nothing("challans")
    pay(practice, 100, 200)
    run(practice)
    first = practice.day
    practice.sleep()
    pay(practice, 100)
    run(practice)
    assert missing_challans(practice) == {
        "00001": ("open", first, practice.day),
        "00002": ("closed", first, first),
    }
    practice.sleep()
    pay(practice, 100, 200)
    run(practice)
    assert missing_challans(practice)["00002"] == ("reopened", first, practice.day)


def test_an_incomplete_run_closes_nothing(practice: Practice) -> None:
    practice.load_nothing("challans")
    pay(practice, 100)
    run(practice)
    practice.sleep()
    practice.load("unconsumed_challans", ("unconsumed", []), outcome=Outcome.TRANSIENT)
    result = run(practice)
    assert next(one for one in result.states if one.recon == "R2").state == "incomplete"
    assert missing_challans(practice)["00001"][0] == "open"


def test_a_run_for_an_earlier_day_leaves_the_history_alone(practice: Practice) -> None:
    practice.load_nothing("challans")
    pay(practice, 100)
    practice.sleep()
    pay(practice, 100, 200)
    run(practice)
    before = stored(practice, EXCEPTION)
    earlier = run(practice, practice.day - timedelta(days=1))
    assert [line.key[1] for line in earlier.lines if line.code == "CHL_NOT_AT_TRACES"] == ["00001"]
    assert stored(practice, EXCEPTION) == before


def test_a_run_for_an_earlier_day_leaves_how_the_client_stands_alone(practice: Practice) -> None:
    practice.load_nothing("challans")
    practice.sleep()
    pay(practice, 100)
    run(practice)
    before = read_states(practice.engine, "tds", "C1")
    assert next(one for one in before if one.recon == "R2").state == "exceptions"
    earlier = run(practice, practice.day - timedelta(days=1))
    assert next(one for one in earlier.states if one.recon == "R2").state != "exceptions"
    assert read_states(practice.engine, "tds", "C1") == before


def test_amounts_and_keys_are_stored_to_the_paisa_and_hold_no_identity(practice: Practice) -> None:
    practice.load_nothing("challans")
    pay(practice, 12_345_678_901)
    run(practice)
    rows = [row for row in stored(practice, EXCEPTION) if row["code"] == "CHL_NOT_AT_TRACES"]
    assert [row["difference_paise"] for row in rows] == [-12_345_678_901]
    assert rows[0]["expected"] == "Rs 123,456,789.01"
    assert rows[0]["evidence"] == ["portal:act_2025/C1"]
    text = json.dumps(stored(practice, EXCEPTION) + stored(practice, RECON), default=str)
    assert DEDUCTEE not in text and not IDENTITY.search(text)


def test_what_is_read_back_is_what_the_run_said(practice: Practice) -> None:
    practice.load_nothing("challans")
    pay(practice, 100)
    result = run(practice)
    assert sorted(map(repr, read_states(practice.engine, "tds", "C1"))) == sorted(map(repr, result.states))
    assert read_lines(practice.engine, "tds", "C1") == result.lines
    assert read_states(practice.engine, "tds", "C2") == []


def test_all_clients_are_those_with_a_tan(practice: Practice) -> None:
    table = SyncClient.__table__  # type: ignore[attr-defined]
    with writing(practice.engine) as connection:
        connection.execute(update(table).where(table.c.client_id == "C2").values(tan=""))
    found = reconcile_clients(practice.engine, "tds", practice.day)
    assert {one.client_id for one in found.states} == {"C1"}
    with pytest.raises(InvalidInput):
        reconcile_clients(practice.engine, "tds", practice.day, ["C2"])
    with pytest.raises(UnknownClient):
        reconcile_clients(practice.engine, "tds", practice.day, ["C9"])
    with pytest.raises(InvalidInput):
        reconcile_clients(practice.engine, "gst", practice.day)


def test_one_client_that_fails_does_not_stop_the_others(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = reconciling.reconciler_of("tds")

    def fails_for_one(engine: Any, client_id: str, day: date) -> Any:
        if client_id == "C1":
            raise SourceUnavailable("It broke.")
        return real(engine, client_id, day)

    monkeypatch.setattr(reconciling, "reconciler_of", lambda _: fails_for_one)
    found = reconcile_clients(practice.engine, "tds", practice.day)
    assert found.failed == [("C1", "It broke.")]
    assert {one.client_id for one in found.states} == {"C2"}
    assert not found.is_clean


def result_of(state: State) -> Any:
    class Given:
        reconciliations = (Reconciliation("R1", "C1", state, (), ()),)
        exceptions: tuple[ReconException, ...] = ()
        incomplete = frozenset({("C1", "R1")}) if state is State.INCOMPLETE else frozenset()

    return Given()


@pytest.mark.parametrize(("state", "clean"), [(State.CLEAN, True), (State.INCOMPLETE, False)])
def test_only_what_is_complete_is_called_clean(
    practice: Practice, monkeypatch: pytest.MonkeyPatch, state: State, clean: bool
) -> None:
    monkeypatch.setattr(reconciling, "reconciler_of", lambda _: lambda *_: result_of(state))
    found = run(practice)
    assert found.is_clean is clean
    assert ("are clean" in verdict(found.states)) is clean
    assert "incomplete" in verdict(found.states) or clean


def test_counts_go_by_reconciliation_in_the_order_of_their_numbers() -> None:
    states = [
        ReconState("C1", recon, state, 3, 1, 0, (), PAID)
        for recon, state in (("R10", "clean"), ("R2", "incomplete"), ("R2", "exceptions"))
    ]
    assert [(row["reconciliation"], row["incomplete"], row["errors"]) for row in counts(states)] == [
        ("R2", 1, 2),
        ("R10", 0, 1),
    ]
    assert verdict([], 0) == "0 clients: nothing was compared."


def test_reports_hold_every_exception_in_rupees(practice: Practice, tmp_path: Path) -> None:
    practice.load_nothing("challans")
    pay(practice, 12_345)
    found = run(practice)
    for name in ("a.xlsx", "b.csv"):
        write_report(tmp_path / name, found.states, found.lines, FIRST_NIGHT)
    with (tmp_path / "b.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.lines)
    assert "-123.45" in {row["difference"] for row in rows}
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book["Exceptions"].max_row == len(found.lines) + 1
    assert book["States"].max_row == 14 + 1
    with pytest.raises(InvalidInput):
        write_report(tmp_path / "c.pdf", found.states, found.lines, FIRST_NIGHT)


@pytest.fixture
def cli(practice: Practice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.setenv("CLIENTSYNC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIENTSYNC_DATABASE_URL", str(practice.engine.url))
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-20T12:00:00+05:30")
    settings.cache_clear()
    yield CliRunner()
    settings.cache_clear()


def test_the_command_says_what_is_not_clean_and_ends_with_three(
    practice: Practice, cli: CliRunner, tmp_path: Path
) -> None:
    practice.load_nothing("challans")
    pay(practice, 100)
    done = cli.invoke(command.app, ["tds", "--clients", "C1", "--json", "--out", str(tmp_path / "r.xlsx")])
    assert done.exit_code == 3
    told = json.loads(done.stdout)
    assert told["is_clean"] is False
    assert told["as_of"] == "2026-11-20"
    assert "CHL_NOT_AT_TRACES" in {one["code"] for one in told["exceptions"]}
    assert (tmp_path / "r.xlsx").exists()
    shown = cli.invoke(command.app, ["tds", "--clients", "C1"])
    assert shown.exit_code == 3
    assert "incomplete" in shown.stdout and "CHL_NOT_AT_TRACES" in shown.stdout


def test_show_tells_the_newest_results_of_a_client(practice: Practice, cli: CliRunner) -> None:
    practice.load_nothing("challans")
    pay(practice, 100)
    assert "has not been reconciled" in cli.invoke(command.app, ["show", "C1"]).stdout
    run(practice)
    assert "CHL_NOT_AT_TRACES" in cli.invoke(command.app, ["show", "C1"]).stdout
    told = json.loads(cli.invoke(command.app, ["show", "C1", "--json"]).stdout)
    assert len(told["states"]) == 14


@pytest.mark.parametrize("day", ["2026-11-21", "yesterday"])
def test_a_day_that_cannot_be_is_refused(practice: Practice, cli: CliRunner, day: str) -> None:
    done = cli.invoke(command.app, ["tds", "--as-of", day])
    assert isinstance(done.exception, InvalidInput)


def test_an_error_of_severity_warning_is_counted_as_a_warning(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ReconException("ODD", Severity.WARNING, "C1", ("a",), 5, None, None, "Why.", "Do.", ("x:1",), "R1")

    class Given:
        reconciliations = (Reconciliation("R1", "C1", State.EXCEPTIONS, (), (one,)),)
        exceptions = (one,)
        incomplete: frozenset[tuple[str, str]] = frozenset()

    monkeypatch.setattr(reconciling, "reconciler_of", lambda _: lambda *_: Given())
    found = run(practice)
    assert [(state.errors, state.warnings) for state in found.states] == [(0, 1)]
    assert [(line.expected, line.actual) for line in found.lines] == [("Rs 0.05", "")]
