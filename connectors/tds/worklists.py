"""What falls due at the tax portals: notices with a day until which they are to be answered.

A notice that the portal calls closed or answered stands in no list, whatever day it once named.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.ledger.tables import SyncClient
from clientsync.reports.worklists import Worklist
from clientsync.warehouse.standing import rows_standing
from connectors.gst.worklists import NOTICE_COLUMNS, NOTICES_WHAT, OLDEST_NOTICE_DAYS, SOON_DAYS
from connectors.tds import notices

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
SETTLED = frozenset({"closed", "responded"})
"""Words of the portals for a notice that waits for nobody, in small letters."""


def worklists(engine: Engine, client_ids: Sequence[str], day: date) -> tuple[Worklist, ...]:
    """Return the notices of the clients that are to be answered, as of the end of a day.

    Raises:
        WarehouseError: the database cannot be read.
    """
    with reading(engine) as connection:
        named = select(_CLIENT.c.client_id, _CLIENT.c.name).where(_CLIENT.c.client_id.in_(client_ids))
        names = {row.client_id: row.name for row in connection.execute(named)}
    found = [
        (
            row["client_id"],
            names.get(row["client_id"], ""),
            "TDS",
            row["reference"],
            row["category"] or row["description"][:60],
            row["issued_on"],
            row["due_on"],
            (row["due_on"] - day).days,
            "Answer it on the portal; the day has passed."
            if row["due_on"] < day
            else "Answer it on the portal.",
        )
        for row in rows_standing(engine, notices.NOTICES, client_ids, day)
        if row["due_on"] is not None
        and (day - row["due_on"]).days <= OLDEST_NOTICE_DAYS
        and row["status"].strip().casefold() not in SETTLED
    ]
    found.sort(key=lambda one: (one[6], one[0], one[3]))
    return (
        Worklist(
            "Notices due",
            NOTICES_WHAT,
            NOTICE_COLUMNS,
            tuple(found),
            sum(one[7] <= SOON_DAYS for one in found),
        ),
    )
