"""One night of a system as a process, ``python -m benchmarks.night [gst|tds]``.

Prints seconds, peak memory in MB, units, calls, rows.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module

from sqlalchemy import func, select

from benchmarks.practice import now, peak_mb
from clientsync.database import reading
from clientsync.ledger.runs import latest_run
from clientsync.ledger.tables import SyncUnit
from clientsync.sync.services import services_from_settings


def main(system: str) -> None:
    """Run the system's flow and print its figures."""
    logging.getLogger("prefect").setLevel(logging.CRITICAL)
    name = f"{system}_multi_client_sync"
    flow = getattr(import_module(f"flows.{name}"), name)
    began = now()
    flow(kind="nightly", return_state=True)
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
    main(sys.argv[1] if len(sys.argv) > 1 else "gst")
