"""The flow shows what is not clean, names no identity, and never ends with a plain success when something is open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clientsync.errors import InvalidInput
from clientsync.reports.reconciliations import ReconState
from clientsync.sync.reconciling import ReconRun
from connectors.tds import challans
from flows import reconcile_tds as flow
from tests.support.tds_warehouse import Practice, make_practice, whole_row

DAY = date(2026, 11, 20)


@pytest.fixture
def practice(sqlite_url: str) -> Iterator[Practice]:
    made = make_practice(sqlite_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was published, by key."""
    found: dict[str, Any] = {}

    def table(rows: list[dict[str, Any]], *, key: str, description: str) -> None:
        found[key] = (rows, description)

    def markdown(text: str, *, key: str, description: str) -> None:
        found[key] = (text, description)

    monkeypatch.setattr(flow, "create_table_artifact", table)
    monkeypatch.setattr(flow, "create_markdown_artifact", markdown)
    return found


def state(name: str) -> ReconState:
    return ReconState("C1", "R2", name, 1, 0, 0, ("challans",) if name == "incomplete" else (), DAY)


def test_the_exceptions_and_the_counts_are_published(
    practice: Practice, shown: dict[str, Any], tmp_path: Path
) -> None:
    practice.load_nothing("challans")
    row = whole_row(
        challans.CHALLANS,
        section="act_2025",
        act="2025",
        cin="C1",
        bsr="0510002",
        serial="00042",
        deposited_on=date(2026, 5, 7),
        amount_paise=100,
    )
    practice.load("challans", ("act_2025", [row]))
    services: Any = SimpleNamespace(engine=practice.engine, settings=SimpleNamespace(home=tmp_path))
    ended = flow.reconcile_and_publish(services, day=practice.day)
    assert ended.name == "CompletedWithExceptions"
    rows, words = shown["tds-reconciliation"]
    assert "CHL_NOT_AT_TRACES" in {one.get("code") for one in rows}
    assert "incomplete" in words
    text, _ = shown["tds-reconciliation-summary"]
    assert "| R2 | 0 | 1 | 0 |" in text
    assert "books: 1 clients" in text
    assert len(list((tmp_path / "reports").glob("recon-*.xlsx"))) == 1


@pytest.mark.parametrize(
    ("states", "failed", "name"),
    [
        ([state("clean")], [], "Completed"),
        ([state("incomplete")], [], "CompletedWithExceptions"),
        ([state("clean")], [("C2", "It broke.")], "CompletedWithExceptions"),
        ([], [("C2", "It broke.")], "Failed"),
    ],
)
def test_the_state_is_plain_success_only_when_all_is_clean(
    states: list[ReconState], failed: list[tuple[str, str]], name: str
) -> None:
    run = ReconRun("recon-1", "tds", DAY, states=states, failed=failed)
    assert flow.final_state(run).name == name


def test_a_client_that_could_not_be_reconciled_stands_first(shown: dict[str, Any]) -> None:
    flow.publish_run(ReconRun("recon-1", "tds", DAY, failed=[("C2", "It broke.")]), "r.xlsx")
    rows, words = shown["tds-reconciliation"]
    assert rows[0]["why"] == "Not reconciled: It broke."
    assert "1 clients could not be reconciled" in words


def test_a_day_in_the_future_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-20T12:00:00+05:30")
    assert flow.day_of("") is None
    assert flow.day_of("2026-11-20") == DAY
    for text in ("2026-11-21", "soon"):
        with pytest.raises(InvalidInput):
            flow.day_of(text)
