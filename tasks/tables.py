"""Lists as table artifacts of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_table_artifact

SHOWN_ROWS = 500
"""Rows of a table artifact at most: it is parsed whole by the browser."""


def cut_words(count: int) -> str:
    """Return the sentence that says that not every row is shown; empty when all of them are."""
    return f" The first {SHOWN_ROWS} are shown." if count > SHOWN_ROWS else ""


def publish_tables(tables: Mapping[str, tuple[Sequence[dict[str, Any]], str]]) -> None:
    """Publish lists, each under its key with its words; one that is cut says so, an empty one says that too.

    Args:
        tables: key of the artifact to its rows and description.
    """
    for key, (rows, words) in tables.items():
        create_table_artifact(
            list(rows[:SHOWN_ROWS]) or [{"": "Nothing."}], key=key, description=words + cut_words(len(rows))
        )
