"""Promises of a run's reports: never complete when partial, every unit accounted for, the same bytes again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sqlalchemy import Engine

from clientsync.errors import UnknownName, WarehouseUnavailable
from clientsync.outcomes import Outcome
from clientsync.reports.exceptions import read_exceptions
from clientsync.reports.held import read_not_asked, read_quarantine
from clientsync.reports.live import LiveView, ModuleProgress, read_progress, seconds_left
from clientsync.reports.summary import (
    STANDING,
    ModuleSummary,
    read_summary,
    render_summary_markdown,
    render_summary_terminal,
    summary_rows,
)
from clientsync.reports.words import lasting
from clientsync.reports.workbook import write_csv_files, write_workbook
from clientsync.sync.services import Services
from tests.support.engine import fake_services
from tests.support.hostile import HOSTILE
from tests.support.ledger import (
    BEGAN,
    write_client,
    write_exception,
    write_quarantine,
    write_run,
    write_unit,
)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with fake_services(tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture
def engine(services: Services) -> Engine:
    return services.engine


def mixed_run(engine: Engine) -> str:
    run_id = write_run(engine)
    for number, outcome in enumerate(Outcome):
        client_id = write_client(engine, number)
        changes: dict[str, Any] = {"calls": 2, "reason": f"because {outcome}"}
        if outcome is Outcome.LOADED:
            changes |= {"rows_in": 10, "rows_loaded": 8, "rows_quarantined": 2, "inserted": 8}
            changes["staged"] = {
                "cells": [
                    {"section": "red", "skip": None},
                    {"section": "blue", "skip": ["empty_by_count", "the summary counts none"]},
                ]
            }
        if outcome is Outcome.TRANSIENT:
            changes["next_try_at"] = BEGAN + timedelta(hours=1)
        unit_id = write_unit(engine, run_id, number, client_id, outcome, **changes)
        if outcome is Outcome.LOADED:
            write_quarantine(
                engine,
                run_id,
                unit_id,
                client_id,
                [{"number": "R1", "value_paise": -12345}, {"number": "=1+1"}],
            )
            write_exception(engine, run_id, unit_id, client_id, outcome, code="HELD", rows=2, is_warning=True)
        if outcome is Outcome.TRANSIENT:
            write_exception(engine, run_id, unit_id, client_id, outcome, code="SOURCE_TIMEOUT")
    write_unit(engine, run_id, 50, "C0000", None, module="late")
    return run_id


def test_every_outcome_has_its_column_and_all_columns_add_up(engine: Engine) -> None:
    assert set(STANDING) == set(Outcome)
    run_id = mixed_run(engine)
    summary = read_summary(engine, run_id)
    total = summary.total
    assert total.units == len(Outcome) + 1
    assert (
        total.done + total.waiting_for_person + total.waiting_for_source + total.failed + total.unfinished
        == (total.units)
    )
    assert (total.done, total.not_done) == (5, 9)
    assert (total.rows_in, total.rows_loaded, total.rows_quarantined) == (10, 8, 2)
    assert [module.title for module in summary.modules] == ["Things", "Late things"]
    assert summary.next_try_at == BEGAN + timedelta(hours=1)
    unfinished = 1
    told = [line.is_warning for line in read_exceptions(engine, run_id)]
    assert (
        (summary.exceptions, summary.warnings) == (told.count(False) - unfinished, told.count(True)) == (8, 1)
    )
    assert summary.clients == len(Outcome)


def test_a_run_with_a_unit_that_is_not_done_is_never_called_complete(engine: Engine) -> None:
    summary = read_summary(engine, mixed_run(engine))
    assert summary.verdict == "incomplete: 9 of 14 units are not done"
    assert not summary.is_complete
    for text in (render_summary_markdown(summary), terminal(summary)):
        assert "incomplete: 9 of 14" in text
        assert "clean" not in text


@settings(max_examples=100, deadline=None)
@given(
    counts=st.dictionaries(
        st.sampled_from([*dict.fromkeys(STANDING.values()), "unfinished"]), st.integers(0, 5), min_size=1
    ),
    state=st.sampled_from(["running", "ended", "stopped"]),
    unbalanced=st.integers(0, 1),
)
def test_complete_means_ended_done_and_balanced(counts: dict[str, int], state: str, unbalanced: int) -> None:
    row = ModuleSummary("m", "M", units=sum(counts.values()), unbalanced=unbalanced, **counts)
    summary = replace(EMPTY, modules=(row,), state=state)
    is_clean = state == "ended" and row.not_done == 0 and not unbalanced
    assert summary.is_complete is is_clean
    assert summary.verdict.startswith("complete") is is_clean


def test_quarantine_is_named_in_the_verdict(engine: Engine) -> None:
    run_id = write_run(engine)
    client = write_client(engine, 1)
    write_unit(engine, run_id, 0, client, "loaded", rows_in=3, rows_loaded=2, rows_quarantined=1)
    assert read_summary(engine, run_id).verdict == "complete: 1 of 1 units are done; 1 rows are in quarantine"


def test_rows_that_do_not_add_up_are_said_aloud(engine: Engine) -> None:
    run_id = write_run(engine)
    write_unit(engine, run_id, 0, write_client(engine, 1), "loaded", rows_in=3, rows_loaded=2)
    assert read_summary(engine, run_id).verdict.startswith("wrong: rows of 1 of 1 units do not add up")


def test_an_unknown_run_lists_those_there_are(engine: Engine) -> None:
    write_run(engine, "run-7")
    with pytest.raises(UnknownName, match="Valid: run-7"):
        read_summary(engine, "run-8")


def test_every_unit_that_is_not_done_stands_in_the_exceptions(engine: Engine) -> None:
    run_id = mixed_run(engine)
    lines = read_exceptions(engine, run_id)
    assert len(lines) == 10
    assert [line.is_warning for line in lines] == [False] * 9 + [True]
    by_outcome = {line.outcome: line for line in lines}
    assert by_outcome["transient"].tried_next == "23-11-2026 11:00"
    assert by_outcome["suspect"].tried_next == "when a person releases it"
    assert by_outcome["running"].what == "the unit is running and has not ended"
    assert set(lines[0].as_row()) >= {
        "client",
        "module",
        "period",
        "what happened",
        "what to do",
        "tried next",
    }


def test_a_clean_run_has_no_exceptions(engine: Engine) -> None:
    run_id = write_run(engine)
    write_unit(engine, run_id, 0, write_client(engine, 1), "unchanged")
    assert read_exceptions(engine, run_id) == []


def test_what_was_not_asked_is_listed_with_its_proof(engine: Engine) -> None:
    found = list(read_not_asked(engine, mixed_run(engine)))
    assert [(one.section, one.kind, one.reason) for one in found] == [
        ("blue", "empty by count", "the summary counts none")
    ]


def test_quarantine_shows_exact_amounts(engine: Engine) -> None:
    run_id = mixed_run(engine)
    rows = list(read_quarantine(engine, run_id=run_id))
    assert (rows[0].values, rows[0].largest_paise) == ("number: R1; value: -123.45", -12345)
    assert rows[1].largest_paise is None
    assert list(read_quarantine(engine, client_id="nobody")) == []


def test_the_workbook_has_every_sheet_with_coloured_states(engine: Engine, tmp_path: Path) -> None:
    path = write_workbook(engine, mixed_run(engine), tmp_path / "reports" / "run.xlsx")
    book = openpyxl.load_workbook(path)
    listed = ["Exceptions", "Quarantine", "Units", "Not asked", "Left out"]
    assert book.sheetnames == ["Summary", *listed, "Client x Module"]
    assert book["Summary"]["B1"].value == "incomplete: 9 of 14 units are not done"
    assert book["Exceptions"].max_row == 11
    assert book["Quarantine"]["I2"].value == -123.45
    matrix = book["Client x Module"]
    assert [cell.value for cell in matrix[1]] == ["client", "name", "Things", "Late things"]
    assert (matrix["C2"].value, matrix["D2"].value) == ("loaded", "running")
    assert matrix["C2"].fill.fgColor.rgb == "FFC6EFCE"
    colours = {row[2].value: row[2].fill.fgColor.rgb for row in matrix.iter_rows(min_row=2)}
    assert colours["broken"] == "FFFFC7CE"
    assert colours["needs person"] == "FFFFEB9C"
    for sheet in book.worksheets:
        assert sheet.freeze_panes is not None
        assert sheet.auto_filter.ref


def test_several_periods_of_a_client_show_the_worst_and_how_many_are_done(
    engine: Engine, tmp_path: Path
) -> None:
    run_id, client = write_run(engine), write_client(engine, 1)
    for number, outcome in enumerate(["loaded", "broken", "empty"]):
        write_unit(engine, run_id, number, client, outcome, unit_period=f"0{number + 1}2026")
    book = openpyxl.load_workbook(write_workbook(engine, run_id, tmp_path / "r.xlsx"))
    assert book["Client x Module"]["C2"].value == "broken (2 of 3 done)"


def test_a_workbook_of_the_same_run_has_the_same_bytes(engine: Engine, tmp_path: Path) -> None:
    run_id = mixed_run(engine)
    first = write_workbook(engine, run_id, tmp_path / "1.xlsx").read_bytes()
    assert write_workbook(engine, run_id, tmp_path / "2.xlsx").read_bytes() == first


def test_csv_files_carry_the_same_rows_with_amounts_as_numbers(engine: Engine, tmp_path: Path) -> None:
    paths = write_csv_files(engine, mixed_run(engine), tmp_path / "csv")
    assert [path.name for path in paths] == [
        "summary.csv",
        "exceptions.csv",
        "quarantine.csv",
        "units.csv",
        "not_asked.csv",
        "left_out.csv",
    ]
    rows = list(csv.reader(io.StringIO(paths[2].read_text(encoding="utf-8-sig"))))
    assert rows[1][8] == "-123.45"
    assert len(list(csv.reader(io.StringIO(paths[3].read_text(encoding="utf-8-sig"))))) == 15


def test_hostile_names_harm_no_report(engine: Engine, tmp_path: Path) -> None:
    run_id = write_run(engine)
    texts = [
        text for text in HOSTILE if len(text) < 200 and not any("\ud800" <= c <= "\udfff" for c in text)
    ][:120]
    for number, text in enumerate(texts):
        client = write_client(engine, number, name=text.replace("\x00", ""))
        unit = write_unit(engine, run_id, number, client, "broken", reason=text)
        write_exception(engine, run_id, unit, client, "broken", message=text, next_step=text)
    book = openpyxl.load_workbook(write_workbook(engine, run_id, tmp_path / "r.xlsx"))
    for sheet in book.worksheets:
        assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    write_csv_files(engine, run_id, tmp_path)
    rows = list(csv.reader(io.StringIO((tmp_path / "exceptions.csv").read_text(encoding="utf-8-sig"))))
    assert len(rows) == 121
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "@", "\t", "\r")]


def terminal(summary: Any) -> str:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    console.print(render_summary_terminal(summary))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_markup_in_titles_is_shown_and_not_obeyed(engine: Engine) -> None:
    row = ModuleSummary("m", "[red]x[/red] | <b>", units=1, loaded=1)
    summary = replace(EMPTY, modules=(row,))
    assert "[red]x[/red] | <b>" in terminal(summary)
    markdown = render_summary_markdown(summary)
    assert "\\[red\\]x\\[/red\\] \\| &#60;b&#62;" in markdown
    tables = [block.splitlines() for block in markdown.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table}) == 1


def test_the_summarys_rows_end_with_the_total(engine: Engine) -> None:
    rows = summary_rows(read_summary(engine, mixed_run(engine)))
    assert rows[-1]["module"] == "All modules"
    assert rows[-1]["asked units"] == 14


def test_the_live_view_shows_a_row_per_module_and_outlives_a_busy_database(engine: Engine) -> None:
    run_id = mixed_run(engine)
    progress = read_progress(engine, run_id)
    assert progress[0] == ModuleProgress("Things", 13, 13, 8, 26, 8)
    assert progress[1] == ModuleProgress("Late things", 1, 0, 0, 0, 0)
    answers: list[Any] = [progress, WarehouseUnavailable("busy")]

    def read() -> Any:
        answer = answers.pop(0) if answers else progress
        if isinstance(answer, Exception):
            raise answer
        return answer

    ticks = iter([0.0, 130.0, 140.0])
    console = Console(file=io.StringIO(), width=120)
    view = LiveView(read, console=console, title="run-1", clock=lambda: next(ticks))
    for _ in range(2):
        console.print(view.draw())
    text = str(console.file.getvalue())  # type: ignore[attr-defined]
    assert text.count("Late things") == 2
    assert "13 of 14 units, 2 min 10 s so far, about 10 s left" in text


def test_the_live_view_ends_its_thread(engine: Engine) -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with LiveView(lambda: [ModuleProgress("T", 2, 1, 5, 6, 0)], console=console, seconds=0.01) as view:
        pass
    assert not view._thread.is_alive()
    assert "1/2" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ended", "total", "elapsed", "left"),
    [(0, 10, 5.0, None), (5, 10, 10.0, 10.0), (10, 10, 9.0, 0.0), (0, 0, 0.0, 0.0), (1, 2, 0.0, None)],
)
def test_time_left_follows_the_pace(ended: int, total: int, elapsed: float, left: float | None) -> None:
    assert seconds_left(ended, total, elapsed) == left


def test_durations_are_words() -> None:
    assert [lasting(value) for value in (0.4, 59, 61, 7320)] == ["0 s", "59 s", "1 min 1 s", "2 h 2 min"]


def _empty_summary() -> Any:
    from clientsync.reports.summary import RunSummary

    return RunSummary("run-1", "fake", "manual", "ended", None, BEGAN, BEGAN, 0.0, 1, (), 0, 0, None)


EMPTY = _empty_summary()
