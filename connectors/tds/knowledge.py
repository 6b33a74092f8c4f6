"""What the warehouse holds of a deductor, read when a rule first looks at it, so that little must be asked again.

Invariant: only rows that stand (not removed) are knowledge, so a rule never rests on what the portal took back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, Table, select

from clientsync.database import reading
from clientsync.warehouse.schema import warehouse_table
from connectors.tds import certificates, challans, notices, receipts, return_summary, unconsumed_challans
from connectors.tds.statement_rows import FILE_DEDUCTEE


def known(engine: Engine, client_id: str) -> Mapping[str, Any]:
    """Return what is known of a client: key to value, each read from the warehouse on first use.

    ``challans``: dicts of bsr, serial, deposited_on, amount_paise, act. ``details``: CINs whose heads are stored.
    ``consumption``: (bsr, serial, deposited_on) to available_paise and status. ``statements``: (quarter, form) to
    dicts of token, kind, status, filed_on, processed_on. ``certificates``: dicts of number, act, year, pan, source,
    verified_on. ``certificate_notices``: numbers that the inbox announced. ``statuses``: dicts of bsr, serial,
    deposited_on, status, is_claimed. ``requests``: dicts of section, status.

    Raises:
        WarehouseError: when a value is read and the database cannot be.
    """
    return _Knowledge(engine, client_id)


class _Knowledge(Mapping[str, Any]):
    def __init__(self, engine: Engine, client_id: str) -> None:
        self._engine = engine
        self._client_id = client_id
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = _READERS[name](self)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_READERS)

    def __len__(self) -> int:
        return len(_READERS)

    def rows(self, table: Table, *columns: str) -> list[dict[str, Any]]:
        """Return the standing rows of the client."""
        statement = select(*(table.c[name] for name in columns)).where(
            table.c.client_id == self._client_id, table.c.removed_at.is_(None)
        )
        with reading(self._engine) as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]


def _challans(of: _Knowledge) -> list[dict[str, Any]]:
    table = warehouse_table(challans.CHALLANS).core
    return of.rows(table, "bsr", "serial", "deposited_on", "amount_paise", "act")


def _details(of: _Knowledge) -> set[str]:
    return {row["cin"] for row in of.rows(warehouse_table(challans.DETAILS).core, "cin")}


def _consumption(of: _Knowledge) -> dict[tuple[Any, ...], dict[str, Any]]:
    table = warehouse_table(unconsumed_challans.TOTALS).core
    rows = of.rows(table, "bsr", "serial", "deposited_on", "available_paise", "status")
    return {(row["bsr"], row["serial"], row["deposited_on"]): row for row in rows}


def _statements(of: _Knowledge) -> dict[tuple[str, str], list[dict[str, Any]]]:
    table = warehouse_table(return_summary.STATEMENTS).core
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in of.rows(table, "period", "form", "token", "kind", "status", "filed_on", "processed_on"):
        found.setdefault((row["period"], row["form"]), []).append(row)
    return found


def _certificates(of: _Knowledge) -> list[dict[str, Any]]:
    """List every certificate whose deductee is known, those that TRACES itself has verified last, so that they win."""
    registered = of.rows(
        warehouse_table(receipts.REGISTER_TABLE).core, "certificate_number", "act", "year", "pan"
    )
    used = of.rows(
        warehouse_table(FILE_DEDUCTEE).core, "certificate_number", "act", "period", "pan", "is_pan_missing"
    )
    verified = of.rows(
        warehouse_table(certificates.CERTIFICATES).core, "number", "act", "year", "pan", "verified_on"
    )
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


def _notices(of: _Knowledge) -> set[str]:
    return {row["number"] for row in of.rows(warehouse_table(certificates.NOTICES).core, "number")}


def _statuses(of: _Knowledge) -> list[dict[str, Any]]:
    table = warehouse_table(unconsumed_challans.STATUSES).core
    return of.rows(table, "bsr", "serial", "deposited_on", "status", "is_claimed")


def _requests(of: _Knowledge) -> list[dict[str, Any]]:
    return of.rows(warehouse_table(notices.REQUESTS).core, "section", "status")


_READERS: dict[str, Callable[[_Knowledge], Any]] = {
    "challans": _challans,
    "details": _details,
    "consumption": _consumption,
    "statements": _statements,
    "certificates": _certificates,
    "certificate_notices": _notices,
    "statuses": _statuses,
    "requests": _requests,
}
