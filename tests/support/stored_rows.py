"""Rows in the warehouse as a load would have left them, for tests of what reads them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, insert

from clientsync.database import writing
from clientsync.spec.module import TableSpec
from clientsync.warehouse.schema import columns_of, warehouse_table


def put_row(engine: Engine, spec: TableSpec, moment: datetime, **values: Any) -> None:
    """Write one row of client C1, loaded at a moment; columns that are not given are neutral.

    Raises:
        KeyError: the table has no such column.
    """
    neutral: dict[type, Any] = {str: "", int: 0, bool: False, date: date(2026, 10, 5), datetime: moment}
    row: dict[str, Any] = {
        one.name: None if one.is_optional else neutral[one.python] for one in columns_of(spec)
    }
    own = {"client_id": "C1", "row_hash": "x", "run_id": "r", "unit_id": "u", "source": "portal"}
    unknown = set(values) - {*row, *own}
    if unknown:
        raise KeyError(f"{spec.name} has no {unknown}")
    moments = {"first_loaded_at": moment, "loaded_at": moment}
    with writing(engine) as connection:
        connection.execute(insert(warehouse_table(spec).core).values(**row | own | moments | values))
