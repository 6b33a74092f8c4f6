"""Bringing the tables of an earlier version up to date: columns that came later are added, empty."""

from __future__ import annotations

from sqlalchemy import Connection, MetaData, inspect, text


def add_missing_columns(connection: Connection, tables: MetaData, schema: str | None = None) -> list[str]:
    """Add the columns that tables lack, and return them as ``table.column``.

    Args:
        connection: of a write transaction, with a login that may alter tables.
        tables: as they should be; a column that comes later is text that may be empty, or a number that may be 0.
        schema: where they lie; None: the default one.
    """
    added = []
    look = inspect(connection)
    for table in tables.sorted_tables:
        there = {column["name"] for column in look.get_columns(table.name, schema=schema)}
        place = f"{schema}.{table.name}" if schema else table.name
        for column in table.columns:
            if column.name in there:
                continue
            kind = column.type.compile(connection.dialect)
            default = column.server_default.arg if column.server_default is not None else "''"  # type: ignore[attr-defined]
            empty = str(default) if str(default).isdigit() else "''"
            connection.execute(
                text(f"ALTER TABLE {place} ADD COLUMN {column.name} {kind} NOT NULL DEFAULT {empty}")
            )
            added.append(f"{table.name}.{column.name}")
    return added
