"""One night as a process: prints seconds, peak memory in MB, units, calls, rows."""

from __future__ import annotations

import logging

from sqlalchemy import func, select

from benchmarks.practice import now, peak_mb
from clientsync.database import reading
from clientsync.ledger.runs import latest_run
from clientsync.ledger.tables import SyncUnit
from clientsync.sync.services import services_from_settings
from flows.gst_multi_client_sync import gst_multi_client_sync


def main() -> None:
    """Run the flow and print its figures."""
    logging.getLogger("prefect").setLevel(logging.CRITICAL)
    began = now()
    gst_multi_client_sync(kind="nightly", return_state=True)
    seconds = now() - began
    services = services_from_settings()
    table = SyncUnit.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        row = connection.execute(
            select(func.count(), func.sum(table.c.calls), func.sum(table.c.rows_loaded)).where(
                table.c.run_id == latest_run(services.engine)
            )
        ).one()
    print(f"{seconds:.2f} {peak_mb():.0f} {row[0]} {row[1]} {row[2]}")


if __name__ == "__main__":
    main()
