"""Imports the registers of a folder, named ``C0001-purchases.csv`` and the like, and says how many documents came in.

``python -m deployments.books FOLDER``; what an operator does one by one with ``clientsync books import``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from clientsync.imports.books import counted, import_books
from clientsync.sync.services import services_from_settings


def main(folder: Path) -> int:
    """Import every register of the folder; 1 when one could not be loaded."""
    services = services_from_settings()
    try:
        results = []
        for path in sorted(folder.glob("*-*.*")):
            client_id, _, register = path.stem.partition("-")
            results += import_books(services, [path], client_id=client_id, register=register)
    finally:
        services.close()
    refused = [result for result in results if not result.is_loaded]
    found = counted(results)
    console = Console()
    console.print(
        f"   {len(results)} registers, {found['documents']} documents"
        + (f", {found['refused']} lines refused" if found["refused"] else "")
    )
    for result in refused:
        reason = result.refusal or "; ".join(one.reason for one in result.results if not one.is_loaded)
        console.print(f"   {result.path.name}: {reason}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
