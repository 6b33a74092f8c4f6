"""One night, or a re-sync, as a flow run in this process, with the summary in the terminal.

``python -m deployments.night [resync]``; the Prefect server is the one in ``PREFECT_API_URL``.
"""

from __future__ import annotations

import logging
import sys

from rich.console import Console

from clientsync.ledger.runs import latest_run
from clientsync.reports.summary import read_summary, render_summary_terminal
from clientsync.sync.services import services_from_settings
from flows.gst_multi_client_sync import gst_multi_client_sync
from flows.resync_failed import resync_failed


def main(what: str) -> None:
    """Run the flow and print what came of it."""
    logging.getLogger("prefect.task_runs").setLevel(
        logging.CRITICAL
    )  # states are in the summary and the dashboard
    logging.getLogger("prefect.flow_runs").setLevel(logging.CRITICAL)
    if what == "resync":
        resync_failed(return_state=True)
    else:
        gst_multi_client_sync(kind="nightly", return_state=True)
    services = services_from_settings()
    run_id = latest_run(services.engine)
    if run_id is None:
        sys.exit("No run was made.")
    console = Console()
    console.print(render_summary_terminal(read_summary(services.engine, run_id)))
    console.print(f"Workbook: {services.settings.home / 'reports' / f'{run_id}.xlsx'}")
    services.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "night")
