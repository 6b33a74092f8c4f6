"""``make up``: server, worker, service and simulated systems, left running for a look around until ctrl-c.

The stack keeps its data under ``.clientsync/up``; a second start goes on where the first ended.
"""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from pathlib import Path

from rich.console import Console

from deployments.commerce import commerce_lines, set_up, start_pair, start_service
from deployments.portal import (
    answer_captchas,
    answer_phones,
    import_clients,
    import_deductors,
    start_tds_portals,
    write_settings,
)
from deployments.stack import Stack, StackError

HOME = Path(".clientsync/up")
PORT = 4200
LATE = ("C0008", "C0017")  # two clients who have not answered their OTP yet


def main() -> int:
    """Start everything, say where the dashboard is, wait, end everything."""
    console = Console()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with Stack(HOME, port=PORT) as stack:
        try:
            console.print(
                "Starting the simulated portals, a shop with its books, the service and the Prefect server …"
            )
            address = stack.start_simulator(["--clients", "25", "--documents", "40", "--seed", "7"])
            tds_url = start_tds_portals(stack, ["--clients", "25", "--seed", "7"])
            pair = start_pair(stack, ["--real-clock"])
            write_settings(stack, tds_url=tds_url, more=commerce_lines(pair))
            import_clients(stack)
            import_deductors(stack)
            answer_phones(stack, LATE)
            answer_captchas(stack, tds_url, LATE)
            set_up(stack)
            service = start_service(stack)
            stack.start_server()
            console.print("Deploying flows and schedules …")
            stack.deploy()
            stack.end_dead_runs()
            stack.start_worker()
        except StackError as error:
            console.print(f"[red]{error}[/red]")
            return 1
        console.print(
            f"\nDashboard:        [bold]{stack.dashboard}[/bold]  "
            "(Deployments, gst- or tds-multi-client-sync, Custom run)\n"
            f"Simulated GST:    {address}\n"
            f"Simulated TDS:    {tds_url}\n"
            f"Shop and books:   {pair.shop} and {pair.books}, kept in step by the service on {service}\n"
            f"Command line:     . {write_environment(stack)}; {Path(sys.executable).parent / 'clientsync'} --help\n"
            "\nctrl-c ends everything; the data stays in .clientsync/up.",
            soft_wrap=True,
        )
        while not ended.wait(1.0):
            pass
        console.print("Ending …")
    return 0


def write_environment(stack: Stack) -> Path:
    """Write the environment of the stack's processes as a file to read into a shell; return its path."""
    path = stack.home / "environment"
    path.touch(mode=0o600)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in stack.environment.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
