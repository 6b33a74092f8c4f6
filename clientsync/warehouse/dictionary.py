"""The data dictionary: every table and column of the warehouse in words, generated from the specs.

Nothing in it is written by hand, so it cannot disagree with the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from clientsync.spec.module import Deletes, TableSpec
from clientsync.warehouse.schema import ColumnSpec, columns_of

_TYPES = {str: "text", int: "whole number", bool: "true or false", date: "date", datetime: "moment (UTC)"}
_DELETES = {
    Deletes.TOMBSTONE: "Rows that the source no longer has are kept with `removed_at`, and show in `…_removed`.",
    Deletes.KEEP: "The source lists only what is new, so rows are never removed.",
}
_ENGINE = """## Columns that every table has

| column | type | meaning |
|---|---|---|
| `client_id` | text | The client; first part of every key |
| `row_hash` | text | Hash of the row's content |
| `run_id`, `unit_id` | text | Run and unit that wrote this version |
| `source` | text | `portal` or `file` |
| `first_loaded_at` | moment (UTC) | When the row was first seen |
| `loaded_at` | moment (UTC) | When this version was written; an unchanged night does not move it |
| `removed_at` | moment (UTC) | When the source no longer had the row, else null |

`core_<table>_history` keeps every replaced version with `valid_from`, `valid_to` and `change`, which says what
ended it: `updated`, `removed`, or `restored` for a time in which the source did not have the row. The views
`v_<table>` show current rows with the client's name and amounts in rupees (`…_rupees`).
"""


def data_dictionary(specs: Iterable[TableSpec]) -> str:
    """Return the dictionary of these tables as Markdown, tables in order of their names."""
    parts = ["# Data dictionary", "", "Generated from the modules; do not edit.", "", _ENGINE]
    for spec in sorted(specs, key=lambda one: one.name):
        parts.extend(_table(spec))
    return "\n".join(parts).rstrip() + "\n"


def _table(spec: TableSpec) -> list[str]:
    lines = [
        f"## `core_{spec.name}`",
        "",
        _cell(spec.description),
        "",
        f"Key: {_names(('client_id', *spec.key))}. A whole answer replaces: {_names(('client_id', *spec.scope))}. "
        f"{_DELETES[spec.deletes]}",
        "",
        "| column | type | unit | personal | meaning |",
        "|---|---|---|---|---|",
        *(_column(one) for one in columns_of(spec)),
        "",
    ]
    if spec.checks:
        lines += ["| check | columns | on breach | rule | source |", "|---|---|---|---|---|"]
        lines += [
            f"| {one.code} | {_names(one.columns)} | {one.breach} | {_cell(one.message)} | {_cell(one.source)} |"
            for one in spec.checks
        ]
        lines.append("")
    return lines


def _column(column: ColumnSpec) -> str:
    kind = _TYPES[column.python]
    if column.length is not None:
        kind += f" ({column.length})"
    if column.is_optional:
        kind += ", or null"
    personal = "" if column.personal == "none" else column.personal
    return f"| `{column.name}` | {kind} | {column.unit} | {personal} | {_cell(column.description)} |"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    """Return a text that cannot break a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())
