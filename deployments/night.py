"""One night, or a re-sync, as flow runs in this process, with one summary of all of them in the terminal.

``python -m deployments.night [night|resync] [gst tds ...]``; the Prefect server is the one in ``PREFECT_API_URL``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from clientsync.ledger.runs import run_ids
from clientsync.reports.summary import read_joined, render_summary_terminal
from clientsync.sync.services import services_from_settings
from flows.gst_multi_client_sync import gst_multi_client_sync
from flows.resync_failed import resync_failed
from flows.tds_multi_client_sync import tds_multi_client_sync

NIGHTLY: dict[str, Callable[..., Any]] = {"gst": gst_multi_client_sync, "tds": tds_multi_client_sync}


def main(what: str, systems: Sequence[str]) -> None:
    """Run the flows and print what came of them."""
    logging.getLogger("prefect.task_runs").setLevel(
        logging.CRITICAL
    )  # states are in the summary and the dashboard
    logging.getLogger("prefect.flow_runs").setLevel(logging.CRITICAL)
    services = services_from_settings()
    before = set(run_ids(services.engine))
    if what == "resync":
        resync_failed(return_state=True)
    else:
        for system in systems:
            NIGHTLY[system](kind="nightly", return_state=True)
    made = [run_id for run_id in run_ids(services.engine) if run_id not in before]
    if not made:
        sys.exit("No run was made.")
    console = Console()
    console.print(render_summary_terminal(read_joined(services.engine, made)))
    for run_id in made:
        console.print(f"Workbook: {services.settings.home / 'reports' / f'{run_id}.xlsx'}")
    services.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "night", sys.argv[2:] or ["gst"])
