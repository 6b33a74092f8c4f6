"""``make demo``: a practice with 25 simulated clients has its first night, under Prefect, and ends by itself.

Two of the clients do not answer their OTP before the night, one has a failing portal: what a morning looks like.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from deployments.portal import answer_phones, control, import_clients, write_settings
from deployments.stack import Stack, StackError

HOME = Path(".clientsync/demo")
CLIENTS = 25
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
    console.print(f"[bold]1.[/bold] A simulated GST portal with {CLIENTS} taxpayers, and a Prefect server …")
    stack.start_simulator(["--clients", str(CLIENTS), "--documents", "40", "--seed", "7"])
    write_settings(stack)
    import_clients(stack)
    stack.start_server()
    console.print(f"   Dashboard while this runs: {stack.dashboard}")
    console.print(f"[bold]2.[/bold] The clients' phones show OTPs; all but {' and '.join(LATE)} answer …")
    answer_phones(stack, LATE)
    control(stack, "POST", "faults", name="http_503", gstin=_gstin(stack, "C0012"), times=1000)
    console.print("[bold]3.[/bold] The night: ALL modules of all clients, under Prefect …\n")
    stack.run(["-m", "deployments.night"], quiet=False)
    console.print(
        "\n[bold]4.[/bold] The morning: the portal answers again, one late client reads the OTP …\n"
    )
    control(stack, "DELETE", "faults")
    answer_phones(stack, [name for name in _all(stack) if name != LATE[0]])
    stack.run(["-m", "deployments.night", "resync"], quiet=False)


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
