"""One night, or a re-sync, as flow runs in this process, with one summary of all of them in the terminal.

``python -m deployments.night [night|resync|reconcile] [gst tds ...]``; the Prefect server is the one in
``PREFECT_API_URL``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from clientsync.clock import today
from clientsync.ledger.runs import run_ids
from clientsync.money import grouped
from clientsync.reports.firm import tally
from clientsync.reports.reconciliations import counts
from clientsync.reports.summary import read_joined, render_summary_terminal
from clientsync.sync.firm_reports import firm_report
from clientsync.sync.services import Services, services_from_settings
from flows.gst_multi_client_sync import gst_multi_client_sync
from flows.reconcile_gst import reconcile_gst
from flows.reconcile_tds import reconcile_tds
from flows.resync_failed import resync_failed
from flows.tds_multi_client_sync import tds_multi_client_sync

NIGHTLY: dict[str, Callable[..., Any]] = {"gst": gst_multi_client_sync, "tds": tds_multi_client_sync}


RECONCILE: dict[str, Callable[..., Any]] = {"gst": reconcile_gst, "tds": reconcile_tds}


def main(what: str, systems: Sequence[str]) -> None:
    """Run the flows and print what came of them."""
    logging.getLogger("prefect.task_runs").setLevel(
        logging.CRITICAL
    )  # states are in the summary and the dashboard
    logging.getLogger("prefect.flow_runs").setLevel(logging.CRITICAL)
    services = services_from_settings()
    if what == "reconcile":
        reconcile(services, systems)
        return
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


def reconcile(services: Services, systems: Sequence[str]) -> None:
    """Run the reconciliations and print the firm's figures and where its reports are."""
    for system in systems:
        RECONCILE[system](return_state=True)
    report = firm_report(services.engine, today())
    console = Console()
    console.print(f"   {report.verdict}")
    table = Table(show_edge=False, pad_edge=False)
    rows = counts(report.states)
    for name in rows[0] if rows else ():
        table.add_column(name, justify="left" if name == "reconciliation" else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
    found = tally(report)
    console.print(
        f"   Credit at stake: Rs {grouped(found.at_stake_paise)}; {len(found.vendors)} suppliers to write to."
    )
    reports = services.settings.home / "reports"
    for path in sorted(reports.glob("firm-*"), key=lambda one: one.stat().st_mtime)[-3:]:
        console.print(f"Firm's report: {path}", soft_wrap=True)
    services.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "night", sys.argv[2:] or ["gst"])
