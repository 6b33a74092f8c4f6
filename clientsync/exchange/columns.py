"""Bringing the tables of an earlier version up to date: columns that came later are added, empty, and their indexes."""

from __future__ import annotations

from sqlalchemy import Connection, MetaData, exists, inspect, select, text, update

from clientsync.exchange import tables as t


def add_missing_columns(connection: Connection, tables: MetaData, schema: str | None = None) -> list[str]:
    """Add the columns and indexes that tables lack, and return the columns as ``table.column``.

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
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            index.create(connection, checkfirst=True)
    return added


def fill_marks(connection: Connection) -> None:
    """Fill the columns of marks that came later out of the inbox, in which their documents still lie."""
    same = (t.inbox.c.peer == t.applied.c.origin, t.inbox.c.document_id == t.applied.c.document_id)
    for name in ("doc_type", "key", "business_date", "quantity", "net", "tax", "tender"):
        found = select(t.inbox.c[name]).where(*same).limit(1).scalar_subquery()
        connection.execute(
            update(t.applied).values({name: found}).where(exists().where(*same).correlate(t.applied))
        )
    skipped = exists().where(*same, t.inbox.c.state == "SKIPPED").correlate(t.applied)
    connection.execute(update(t.applied).values(has_effect=0).where(skipped))
