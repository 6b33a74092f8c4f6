"""Writes the reports of a firm or of single clients: workbook, CSV files, one page as HTML and PDF."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Engine, select

from clientsync.clients.selection import select_clients
from clientsync.clock import now
from clientsync.database import reading
from clientsync.errors import InvalidInput
from clientsync.ledger.tables import SyncClient
from clientsync.registry import connector as find_connector
from clientsync.registry import index
from clientsync.reports.firm import FirmReport, read_firm_report
from clientsync.reports.firm_page import write_page
from clientsync.reports.firm_workbook import write_firm_csv, write_firm_workbook
from clientsync.reports.worklists import Worklist, joined

FORMATS = ("xlsx", "html", "pdf", "csv")
ORDER = ("IMS lapse", "Notices due", "Returns late")
_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]


def firm_report(
    engine: Engine,
    day: date,
    clients: Sequence[str] = (),
    groups: Sequence[str] = (),
    *,
    title: str = "",
    run_id: str = "",
    failed: Sequence[tuple[str, str]] = (),
) -> FirmReport:
    """Return the report of the chosen clients, all active ones when none is chosen.

    ``failed`` names clients that could not be compared on that day, and why.

    Raises:
        UnknownName: no such client, group or run.
        InvalidInput: no client was chosen.
        WarehouseError: the database cannot be read.
    """
    with reading(engine) as connection:
        chosen = [one.client_id for one in select_clients(connection, clients, groups=groups)]
        if not chosen:
            raise InvalidInput("No client is chosen.")
        names = {
            row.client_id: row.name
            for row in connection.execute(
                select(_CLIENT.c.client_id, _CLIENT.c.name).where(_CLIENT.c.client_id.in_(chosen))
            )
        }
    usual = f"{chosen[0]} {names[chosen[0]]}" if len(chosen) == 1 else f"The firm: {len(chosen)} clients"
    return read_firm_report(
        engine,
        title=title or usual,
        day=day,
        created=now(),
        client_ids=chosen,
        connectors=[name for name in index() if hasattr(find_connector(name), "reconcile")],
        worklists=_worklists(engine, chosen, day),
        run_id=run_id,
        failed=failed,
    )


def _worklists(engine: Engine, client_ids: Sequence[str], day: date) -> tuple[Worklist, ...]:
    found: list[Worklist] = []
    for name in index():
        lists = getattr(find_connector(name), "worklists", None)
        if lists is not None:
            found.extend(cast(Any, lists)(engine, client_ids, day))
    return joined(found, ORDER)


def write_reports(
    report: FirmReport, folder: Path, name: str, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write a report in the formats named and return the paths.

    Args:
        report: what is written.
        folder: where; made when it is not there.
        name: of the files, without ending.
        formats: of ``FORMATS``.

    Raises:
        InvalidInput: no such format, or a file could not be written.
        OutOfSpace: the disk is full; files written before it are whole.
    """
    unknown = [one for one in formats if one not in FORMATS]
    if unknown:
        raise InvalidInput(f"There is no format {unknown[0]!r}. Valid: {', '.join(FORMATS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for one in dict.fromkeys(formats):
        if one == "xlsx":
            paths.append(write_firm_workbook(report, folder / f"{name}.xlsx"))
        elif one == "csv":
            (folder / f"{name}-csv").mkdir(exist_ok=True)
            paths.extend(write_firm_csv(report, folder / f"{name}-csv"))
        else:
            paths.append(write_page(report, folder / f"{name}.{one}"))
    return paths
