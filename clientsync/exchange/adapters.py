"""The usual way in which a type of document stands in tables: one row per object, and rows for its lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import JSON, Connection, Table, delete, select

from clientsync.database import among, insert_rows
from clientsync.exchange.capturing import upsert
from clientsync.exchange.documents import Document, canonical


@dataclass(frozen=True)
class TableAdapter:
    """An object is a row of ``table``; its body has the columns of the table, and ``lines`` where there are some.

    Attributes:
        key: column that holds the key of the document.
        lines: table of the lines; its column ``line`` counts them from 1.
        parent: column of ``lines`` with the key.
        check: refuses a body by raising ``DocumentRefused``.
        is_frozen: an object is written once; a second one under its key is refused by the database.
    """

    table: Table
    key: str
    lines: Table | None = None
    parent: str = ""
    check: Callable[[Mapping[str, Any]], None] | None = None
    is_frozen: bool = False

    def gather(self, connection: Connection, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the objects that exist, by key."""
        found: dict[str, dict[str, Any]] = {}
        column = self.table.c[self.key]
        for row in connection.execute(select(self.table).where(among(connection, column, keys))).mappings():
            found[str(row[self.key])] = dict(row) if self.lines is None else {**row, "lines": []}
        for key, lines in self._lines(connection, list(found)).items():
            found[key]["lines"] = lines
        return found

    def _lines(self, connection: Connection, keys: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        if self.lines is None:
            return found
        parent = self.lines.c[self.parent]
        statement = (
            select(self.lines).where(among(connection, parent, keys)).order_by(parent, self.lines.c.line)
        )
        for row in connection.execute(statement).mappings():
            found[str(row[self.parent])].append(
                {name: value for name, value in row.items() if name not in (self.parent, "line")}
            )
        return found

    def apply(self, connection: Connection, documents: Sequence[tuple[Document, Mapping[str, Any]]]) -> None:
        """Write the newest state of every object; a tombstone removes it.

        Raises:
            DocumentRefused: the check of the type refuses a body.
            KeyError: a body lacks a column.
        """
        newest = {one.key: (one, body) for one, body in documents}
        gone = [key for key, (one, _) in newest.items() if one.op == "delete"]
        kept = [body for one, body in newest.values() if one.op != "delete"]
        if self.check is not None:
            for body in kept:
                self.check(body)
        self._remove_lines(connection, gone if self.is_frozen else list(newest))
        if gone:
            connection.execute(delete(self.table).where(among(connection, self.table.c[self.key], gone)))
        self._put(connection, kept)

    def _remove_lines(self, connection: Connection, keys: Sequence[str]) -> None:
        if self.lines is not None and keys:
            connection.execute(delete(self.lines).where(among(connection, self.lines.c[self.parent], keys)))

    def _put(self, connection: Connection, bodies: Sequence[Mapping[str, Any]]) -> None:
        if not bodies:
            return
        names = [column.name for column in self.table.columns]
        if self.is_frozen:
            stored = _stored(self.table, names)
            insert_rows(connection, self.table, names, [stored(body) for body in bodies])
        else:
            rows = [{name: body[name] for name in names} for body in bodies]
            put = upsert(connection)(self.table)
            changed = {name: put.excluded[name] for name in names if name != self.key}
            connection.execute(put.on_conflict_do_update(index_elements=[self.key], set_=changed), rows)
        self._put_lines(connection, bodies)

    def _put_lines(self, connection: Connection, bodies: Sequence[Mapping[str, Any]]) -> None:
        if self.lines is None:
            return
        fields = [column.name for column in self.lines.columns if column.name not in (self.parent, "line")]
        stored = _stored(self.lines, fields)
        rows = [
            (body[self.key], number, *stored(line))
            for body in bodies
            for number, line in enumerate(body["lines"], start=1)
        ]
        insert_rows(connection, self.lines, [self.parent, "line", *fields], rows)

    def existing(self, connection: Connection, keys: Collection[str]) -> set[str]:
        """Return those keys that exist."""
        column = self.table.c[self.key]
        rows = connection.execute(select(column).where(among(connection, column, keys)))
        return {str(one) for one in rows.scalars()}

    def keys_after(self, connection: Connection, key: str, limit: int) -> list[str]:
        """Return the next keys after a key, in their order."""
        column = self.table.c[self.key]
        rows = connection.execute(select(column).where(column > key).order_by(column).limit(limit))
        return [str(one) for one in rows.scalars()]


def _stored(table: Table, names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return what makes a row as the driver stores it: the values of some columns in their order, JSON as text."""
    as_text = [isinstance(table.c[name].type, JSON) for name in names]
    if any(as_text) or len(names) == 1:
        return lambda row: tuple(
            canonical(row[name]) if is_text else row[name]
            for name, is_text in zip(names, as_text, strict=True)
        )
    return itemgetter(*names)
