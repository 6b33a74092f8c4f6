"""What the warehouse holds of a client, read when a rule first looks at it, so that little must be asked again.

Invariant: only rows that stand (not removed) are knowledge, so a rule never rests on what the portal took back; of
that only the moment is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, func, select

from clientsync.database import reading
from clientsync.spec.module import TableSpec
from clientsync.warehouse.schema import warehouse_table


class KnownRows(Mapping[str, Any]):
    """Name to what is known under it, each read once, by a connector's readers.

    Raises:
        WarehouseError: when a value is read and the database cannot be.
    """

    def __init__(
        self, engine: Engine, client_id: str, readers: Mapping[str, Callable[[KnownRows], Any]]
    ) -> None:
        """Remember whose rows they are; nothing is read yet."""
        self._engine = engine
        self._client_id = client_id
        self._readers = readers
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = self._readers[name](self)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def rows(self, table: TableSpec, *columns: str) -> list[dict[str, Any]]:
        """Return the standing rows of the client in a table, with some of its columns."""
        core = warehouse_table(table).core
        statement = select(*(core.c[name] for name in columns)).where(
            core.c.client_id == self._client_id, core.c.removed_at.is_(None)
        )
        with reading(self._engine) as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def moved_at(self, table: TableSpec) -> datetime | None:
        """Return when a row of the client in a table was last new, another or removed; None when it never had one."""
        core = warehouse_table(table).core
        statement = select(func.max(core.c.loaded_at), func.max(core.c.removed_at)).where(
            core.c.client_id == self._client_id
        )
        with reading(self._engine) as connection:
            moments = [one for one in connection.execute(statement).one() if one is not None]
        return max(moments, default=None)
