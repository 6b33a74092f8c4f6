"""A small module to load, and what stands around loading: a warehouse with its tables, units with leases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select

from clientsync.database import open_engine, reading, writing
from clientsync.ledger import leases
from clientsync.ledger.runs import UnitKey, start_run
from clientsync.ledger.tables import SyncClient, SyncQuarantine
from clientsync.outcomes import Outcome
from clientsync.spec.columns import amount, day, flag, number, text
from clientsync.spec.module import Deletes, Record, Row, TableSpec
from clientsync.staged import Breach, LoadResult, StagedCell, StagedUnit
from clientsync.warehouse.loading import load_batch
from clientsync.warehouse.schema import as_of, target_metadata, warehouse_table

FIRST_NIGHT = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)


class Invoice(Row):
    """One invoice of the test module."""

    period: str = text("Tax period", length=10)
    section: str = text("Section", length=20)
    number: str = text("Invoice number", length=16)
    taxable_paise: int = amount("Taxable value")
    invoice_on: date | None = day("Invoice date", default=None)
    is_amended: bool = flag("Amended", default=False)
    remark: str | None = text("Remark", default=None)


class Entry(Row):
    """One entry of a list that only tells what is new."""

    ref: str = text("Reference", length=30)
    at: datetime = day("Moment")
    rate_bp: int = number("Rate", unit="basis points", default=0)


class Pooled(Row):
    """One row of a pool whose scope is not a part of the key."""

    ref: str = text("Reference", length=30)
    state: str = text("State", length=10)
    seen_on: date = day("Seen on")
    noted_at: datetime | None = day("Noted", default=None)


INVOICES = TableSpec(
    name="demo__invoices",
    row=Invoice,
    key=("period", "section", "number"),
    scope=("period", "section"),
    description="Invoices of the test module.",
)
ENTRIES = TableSpec(
    name="demo__entries",
    row=Entry,
    key=("ref",),
    scope=(),
    description="Entries of the test module.",
    deletes=Deletes.KEEP,
)
POOL = TableSpec(
    name="demo__pool",
    row=Pooled,
    key=("ref", "seen_on"),
    scope=("state",),
    description="A pool whose rows move between states.",
)
TABLES = {spec.name: spec for spec in (INVOICES, ENTRIES, POOL)}
SECTIONS: dict[str, tuple[str, ...]] = {
    "pool": (POOL.name,),
    "b2b": (INVOICES.name,),
    "cdn": (INVOICES.name,),
    "list": (ENTRIES.name,),
}


def sections_of(_connector: str, _module: str) -> dict[str, tuple[str, ...]]:
    """Say which tables the sections of the test module cover."""
    return SECTIONS


def invoice(
    number: str, paise: int = 100, *, section: str = "b2b", period: str = "102026", **more: Any
) -> Record:
    """Return an invoice as a parser would."""
    return Record(
        INVOICES.name,
        {"period": period, "section": section, "number": number, "taxable_paise": paise, **more},
    )


def pooled(ref: str, state: str) -> Record:
    """Return a row of the pool."""
    return Record(
        POOL.name, {"ref": ref, "state": state, "seen_on": date(2026, 10, 1), "noted_at": FIRST_NIGHT}
    )


def answer(*records: Record, section: str = "b2b", **more: Any) -> StagedCell:
    """Return the whole answer of a section."""
    values: dict[str, Any] = {
        "section": section,
        "outcome": Outcome.LOADED if records else Outcome.EMPTY,
        "records": list(records),
        "row_count": len(records),
        "calls": 1,
    }
    return StagedCell(**(values | more))


@dataclass
class House:
    """A warehouse with clients C1 and C2, and nights to load in."""

    engine: Engine
    night: datetime = FIRST_NIGHT
    fences: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def unit(self, *cells: StagedCell, client: str = "C1", period: str = "102026", **more: Any) -> StagedUnit:
        """Return a staged unit of a new run, under a live lease."""
        lease = (client, "demo", "invoices")
        if lease not in self.fences:
            self.fences |= leases.take(self.engine, [lease], "tests", 600)
        key = UnitKey(client, "demo", "invoices", period)
        run_id, units = start_run(self.engine, connector="demo", kind="manual", selection={}, keys=[key])
        values: dict[str, Any] = {
            "unit_id": units[0].unit_id,
            "run_id": run_id,
            "client_id": client,
            "connector": "demo",
            "module": "invoices",
            "unit_period": period,
            "gstin": "",
            "fence": self.fences[lease],
            "cells": list(cells),
        }
        return StagedUnit(**(values | more))

    def load(self, *units: StagedUnit, breaches: Sequence[Breach] = (), **more: Any) -> list[LoadResult]:
        """Load units as one batch, a minute after the load before."""
        self.night += timedelta(minutes=1)
        return load_batch(self.engine, units, breaches, TABLES, now=self.night, sections=sections_of, **more)

    def invoices(self, moment: datetime | None = None) -> dict[tuple[str, str, str, str], int]:
        """Return (client, period, section, number) to paise of the rows that stand, or stood at a moment."""
        statement = as_of(warehouse_table(INVOICES), moment or self.night)
        with reading(self.engine) as connection:
            return {
                (row.client_id, row.period, row.section, row.number): row.taxable_paise
                for row in connection.execute(statement)
            }

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        with reading(self.engine) as connection:
            return [dict(row) for row in connection.execute(select(table)).mappings()]

    def held(self) -> list[dict[str, Any]]:
        """Return the open rows of the quarantine."""
        return [row for row in self.rows(SyncQuarantine.__table__) if row["resolved_at"] is None]  # type: ignore[attr-defined]


def make_house(url: str) -> House:
    """Return a house whose tables are made from the specs of the test module."""
    engine = open_engine(url)
    target_metadata(TABLES.values()).create_all(engine)
    clients: list[dict[str, Any]] = [
        {
            "client_id": name,
            "name": f"Client {name}",
            "gstin": f"GSTIN-{name}",
            "portal_username": "",
            "provider": "file",
            "state_code": "27",
            "filing_frequency": "M",
            "is_active": True,
            "settings": {},
            "created_at": FIRST_NIGHT,
            "updated_at": FIRST_NIGHT,
        }
        for name in ("C1", "C2")
    ]
    with writing(engine) as connection:
        connection.execute(insert(SyncClient.__table__), clients)  # type: ignore[attr-defined]
    return House(engine)
