"""What the warehouse holds of a taxpayer, for rules that decide what need not be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine

from clientsync.spec.module import TableSpec
from connectors.gst import notices
from connectors.known_rows import KnownRows


def known(engine: Engine, client_id: str) -> Mapping[str, Any]:
    """Return what is known of a client: key to value, each read from the warehouse on first use.

    ``notices`` and ``notice_details``: (reference, case, day of issue) of the notices that were listed, and of those
    whose detail is stored; the reference of a detail is empty where the portal does not repeat it.

    Raises:
        WarehouseError: when a value is read and the database cannot be.
    """
    return KnownRows(engine, client_id, _READERS)


def _notices_of(table: TableSpec) -> Callable[[KnownRows], frozenset[tuple[Any, ...]]]:
    return lambda of: frozenset(
        (row["reference"], row["arn"], row["issued_on"])
        for row in of.rows(table, "reference", "arn", "issued_on")
    )


_READERS = {
    notices.LISTED: _notices_of(notices.NOTICES),
    notices.DETAILED: _notices_of(notices.DETAILS),
}
