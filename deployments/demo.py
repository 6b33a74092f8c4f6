"""``make demo``: a practice with 25 simulated clients has its first night, imports books and reconciles, and ends.

Before the end a head office and its stores exchange documents, one of them without a network for a while, and two
systems are brought to agree on their customers.
Two of the clients do not answer before the night, one has a failing portal, one a second factor: what a morning
looks like.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from clientsync.clock import today
from clientsync.periods import newest_open
from deployments.portal import (
    answer_captchas,
    answer_phones,
    control,
    import_clients,
    import_deductors,
    start_tds_portals,
    tds_control,
    write_settings,
)
from deployments.stack import Stack, StackError

HOME = Path(".clientsync/demo")
CLIENTS = 25
DOCUMENTS = 40
LATE = ("C0008", "C0017")


def main() -> int:
    """Run the demo; 0 when it came to its end."""
    console = Console()
    began = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    with Stack(HOME) as stack:
        try:
            show(console, stack)
        except StackError as error:
            console.print(f"[red]{error}[/red]")
            return 1
    console.print(f"\nThe demo took {time.monotonic() - began:.0f} s and ended what it started.")
    console.print("Look around with [bold]make up[/bold]: server, worker and simulated portal stay up.")
    return 0


def show(console: Console, stack: Stack) -> None:
    """Play the night and the morning."""
    console.print(
        f"[bold]1.[/bold] Simulated GST and tax portals with {CLIENTS} clients, and a Prefect server …"
    )
    stack.start_simulator(["--clients", str(CLIENTS), "--documents", str(DOCUMENTS), "--seed", "7"])
    tds_url = start_tds_portals(stack, ["--clients", str(CLIENTS), "--seed", "7"])
    write_settings(stack, tds_url=tds_url)
    import_clients(stack)
    import_deductors(stack)
    stack.start_server()
    console.print(f"   Dashboard while this runs: {stack.dashboard}")
    console.print(
        f"[bold]2.[/bold] The clients' phones show OTPs, TRACES shows captchas; all but {' and '.join(LATE)} are "
        "answered …"
    )
    answer_phones(stack, LATE)
    answer_captchas(stack, tds_url, LATE)
    control(stack, "POST", "faults", name="http_503", gstin=_gstin(stack, "C0012"), times=1000)
    tds_control(tds_url, "POST", "second-factor", client_id="C0005", on=True)
    console.print("[bold]3.[/bold] The night: ALL modules of GST and TDS of all clients, under Prefect …\n")
    stack.run(["-m", "deployments.night", "night", "gst", "tds"], quiet=False)
    console.print(
        "\n[bold]4.[/bold] The morning: the portals answer again, one late client reads the OTP and an operator the "
        "captcha …\n"
    )
    control(stack, "DELETE", "faults")
    tds_control(tds_url, "POST", "second-factor", client_id="C0005", on=False)
    others = [name for name in _all(stack) if name != LATE[0]]
    answer_phones(stack, others)
    answer_captchas(stack, tds_url, others)
    stack.run(["-m", "deployments.night", "resync"], quiet=False)
    console.print(
        "\n[bold]5.[/bold] The books: the clients' registers come in (CSV, and day books of Tally) …"
    )
    bring_books(stack)
    console.print(
        "\n[bold]6.[/bold] What does not agree: books, statements, ledgers and demands, under Prefect …\n"
    )
    stack.run(["-m", "deployments.night", "reconcile", "gst", "tds"], quiet=False)
    console.print(
        "\n[bold]7.[/bold] A head office and three stores, one of them without a network for a while …\n"
    )
    stack.run(["-m", "simulators.retail.shops", "--folder", str(stack.home / "retail")], quiet=False)
    console.print("\n[bold]8.[/bold] Customers in a list and in another system, kept alike …\n")
    stack.run(["-m", "simulators.cleanmanager.show", "--folder", str(stack.home / "records")], quiet=False)
    console.print(
        "\n[bold]9.[/bold] A shop and its accounting: two failures with their reasons, a repair, a refresh …\n"
    )
    stack.run(["-m", "simulators.commerce.show", "--folder", str(stack.home / "commerce")], quiet=False)


def bring_books(stack: Stack) -> None:
    """Write the registers of the newest month as the clients' bookkeepers wrote them, and import them."""
    folder = stack.home / "registers"
    month = str(newest_open(today()))
    options = ["--clients", str(CLIENTS), "--documents", str(DOCUMENTS), "--seed", "7", "--months", month]
    stack.run(["-m", "simulators.gst.registers", "--out", str(folder), *options])
    stack.run(["-m", "deployments.books", str(folder)], quiet=False)


def _rows(stack: Stack) -> list[dict[str, str]]:
    import csv

    with (stack.home / "portal" / "clients.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _gstin(stack: Stack, client_id: str) -> str:
    return next(row["gstin"] for row in _rows(stack) if row["client_id"] == client_id)


def _all(stack: Stack) -> list[str]:
    return [row["client_id"] for row in _rows(stack)]


if __name__ == "__main__":
    sys.exit(main())
