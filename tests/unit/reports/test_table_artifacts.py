"""Lists in the dashboard: one that is cut says so, and an empty one says that there is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tasks import tables


def test_a_list_that_is_cut_says_so_and_an_empty_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, tuple[list[dict[str, Any]], str]] = {}

    def keep(rows: list[dict[str, Any]], *, key: str, description: str) -> None:
        made[key] = rows, description

    monkeypatch.setattr(tables, "create_table_artifact", keep)
    long = [{"n": number} for number in range(tables.SHOWN_ROWS + 1)]
    tables.publish_tables({"long": (long, "Many."), "whole": (long[:-1], "Whole."), "none": ([], "None.")})
    assert made["long"] == (long[:-1], f"Many. The first {tables.SHOWN_ROWS} are shown.")
    assert made["whole"] == (long[:-1], "Whole.")
    assert made["none"] == ([{"": "Nothing."}], "None.")
