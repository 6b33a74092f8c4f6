"""What the warehouse holds of a client, read when a rule first looks at it, so that little must be asked again.

Invariant: only rows that stand (not removed) are knowledge, so a rule never rests on what the portal took back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.spec.module import TableSpec
from clientsync.warehouse.schema import warehouse_table
from connectors.gst import notices

_TABLES: Mapping[str, TableSpec] = {notices.LISTED: notices.NOTICES, notices.DETAILED: notices.DETAILS}


def known(engine: Engine, client_id: str) -> Mapping[str, Any]:
    """Return what is known of a client: key to value, each read from the warehouse on first use.

    ``notices`` and ``notice_details``: (reference, case, day of issue) of the notices that were listed, and of those
    whose detail is stored; the reference of a detail is empty where the portal does not repeat it.

    Raises:
        WarehouseError: when a value is read and the database cannot be.
    """
    return _Knowledge(engine, client_id)


class _Knowledge(Mapping[str, Any]):
    def __init__(self, engine: Engine, client_id: str) -> None:
        self._engine = engine
        self._client_id = client_id
        self._read: dict[str, frozenset[tuple[Any, ...]]] = {}

    def __getitem__(self, name: str) -> frozenset[tuple[Any, ...]]:
        if name not in self._read:
            core = warehouse_table(_TABLES[name]).core
            statement = select(core.c.reference, core.c.arn, core.c.issued_on).where(
                core.c.client_id == self._client_id, core.c.removed_at.is_(None)
            )
            with reading(self._engine) as connection:
                self._read[name] = frozenset(tuple(row) for row in connection.execute(statement))
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_TABLES)

    def __len__(self) -> int:
        return len(_TABLES)
