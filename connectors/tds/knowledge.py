"""What the warehouse holds of a deductor, for rules that decide what need not be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from connectors.known_rows import KnownRows
from connectors.tds import (
    certificates,
    challans,
    notices,
    outstanding_demand,
    receipts,
    return_summary,
    unconsumed_challans,
)
from connectors.tds.statement_rows import FILE_DEDUCTEE


def known(engine: Engine, client_id: str) -> Mapping[str, Any]:
    """Return what is known of a client: key to value, each read from the warehouse on first use.

    ``challans``: dicts of bsr, serial, deposited_on, amount_paise, act. ``details``: CINs whose heads are stored.
    ``consumption``: (bsr, serial, deposited_on) to available_paise and status. ``statements``: (quarter, form) to
    dicts of token, kind, status, filed_on, processed_on. ``certificates``: dicts of number, act, year, pan, source,
    verified_on. ``certificate_notices``: numbers that the inbox announced. ``statuses``: dicts of bsr, serial,
    deposited_on, status, is_claimed. ``unconsumed``: dicts of bsr, serial, deposited_on, as the grid of old TRACES
    listed them. ``demand_quarters``: dicts of year, quarter, form and loaded_at, when what TRACES demands was last
    another. ``demand_moved_at``: when the list of demand last changed, None when there was none. ``requests``: dicts
    of section, status.

    Raises:
        WarehouseError: when a value is read and the database cannot be.
    """
    return KnownRows(engine, client_id, _READERS)


def _challans(of: KnownRows) -> list[dict[str, Any]]:
    return of.rows(challans.CHALLANS, "bsr", "serial", "deposited_on", "amount_paise", "act")


def _details(of: KnownRows) -> set[str]:
    return {row["cin"] for row in of.rows(challans.DETAILS, "cin")}


def _consumption(of: KnownRows) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = of.rows(unconsumed_challans.TOTALS, "bsr", "serial", "deposited_on", "available_paise", "status")
    return {(row["bsr"], row["serial"], row["deposited_on"]): row for row in rows}


def _statements(of: KnownRows) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in of.rows(
        return_summary.STATEMENTS, "period", "form", "token", "kind", "status", "filed_on", "processed_on"
    ):
        found.setdefault((row["period"], row["form"]), []).append(row)
    return found


def _certificates(of: KnownRows) -> list[dict[str, Any]]:
    """List every certificate whose deductee is known, those that TRACES itself has verified last, so that they win."""
    registered = of.rows(receipts.REGISTER_TABLE, "certificate_number", "act", "year", "pan")
    used = of.rows(FILE_DEDUCTEE, "certificate_number", "act", "period", "pan", "is_pan_missing")
    verified = of.rows(certificates.CERTIFICATES, "number", "act", "year", "pan", "verified_on")
    return [
        *({**row, "number": row["certificate_number"], "source": "register"} for row in registered),
        *(
            {
                "number": row["certificate_number"],
                "act": row["act"],
                "year": row["period"][:7],
                "pan": row["pan"],
                "source": "statement",
            }
            for row in used
            if row["certificate_number"] and not row["is_pan_missing"]
        ),
        *({**row, "source": "verified"} for row in verified),
    ]


def _notices(of: KnownRows) -> set[str]:
    return {row["number"] for row in of.rows(certificates.NOTICES, "number")}


def _statuses(of: KnownRows) -> list[dict[str, Any]]:
    return of.rows(unconsumed_challans.STATUSES, "bsr", "serial", "deposited_on", "status", "is_claimed")


def _unconsumed(of: KnownRows) -> list[dict[str, Any]]:
    rows = of.rows(unconsumed_challans.BALANCES, "section", "bsr", "serial", "deposited_on")
    return [row for row in rows if row["section"] == "unconsumed"]


def _demand_quarters(of: KnownRows) -> list[dict[str, Any]]:
    return of.rows(outstanding_demand.QUARTERS, "year", "quarter", "form", "loaded_at")


def _demand_moved_at(of: KnownRows) -> datetime | None:
    return of.moved_at(outstanding_demand.DEMANDS)


def _requests(of: KnownRows) -> list[dict[str, Any]]:
    return of.rows(notices.REQUESTS, "section", "status")


_READERS: dict[str, Callable[[KnownRows], Any]] = {
    "challans": _challans,
    "details": _details,
    "consumption": _consumption,
    "statements": _statements,
    "certificates": _certificates,
    "certificate_notices": _notices,
    "statuses": _statuses,
    "unconsumed": _unconsumed,
    "demand_quarters": _demand_quarters,
    "demand_moved_at": _demand_moved_at,
    "requests": _requests,
}
