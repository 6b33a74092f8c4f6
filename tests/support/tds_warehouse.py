"""A migrated warehouse with one deductor, filled by small loads as the engine makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, update

from clientsync.database import open_engine, upgrade, writing
from clientsync.ledger import leases
from clientsync.ledger.runs import UnitKey, start_run
from clientsync.ledger.tables import SyncClient, SyncRun
from clientsync.outcomes import Outcome
from clientsync.spec.module import Record, TableSpec
from clientsync.staged import StagedCell, StagedUnit
from clientsync.warehouse.loading import load_batch
from clientsync.warehouse.schema import columns_of
from connectors.tds import CONNECTOR
from connectors.tds.reconciling import PORTAL_MODULES

FIRST_NIGHT = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)
QUARTERS = ("2025-26-Q1", "2025-26-Q2", "2025-26-Q3", "2025-26-Q4", "2026-27-Q1", "2026-27-Q2")
DEDUCTEE = "ABCPK1234F"
NEUTRAL: Mapping[type, Any] = {
    str: "",
    int: 0,
    bool: False,
    date: date(2026, 5, 1),
    datetime: FIRST_NIGHT,
}


def whole_row(spec: TableSpec, **values: Any) -> Record:
    """Return a row whose other columns hold nothing: empty text, zero, no, or null where that may be."""
    full: dict[str, Any] = {}
    for column in columns_of(spec):
        if column.is_optional:
            full[column.name] = None
        else:
            full[column.name] = NEUTRAL[column.python]
    return Record(spec.name, full | values)


@dataclass
class Practice:
    """A warehouse with the client C1; every load is one unit of one run, a night after the one before."""

    engine: Engine
    night: datetime = FIRST_NIGHT
    specs: dict[str, TableSpec] = field(default_factory=dict)
    fences: dict[tuple[str, str, str], int] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The Indian day on which the newest load ended, in the morning."""
        return (self.night + timedelta(hours=6)).date()

    def load(
        self,
        module: str,
        *cells: tuple[str, list[Record]],
        period: str = "current",
        outcome: Outcome | None = None,
        client: str = "C1",
    ) -> None:
        """Load the whole answers of sections; a cell without rows says that there are none.

        With an ``outcome`` that is no end the section had no answer.
        """
        lease = (client, "tds", module)
        if lease not in self.fences:
            self.fences |= leases.take(self.engine, [lease], "tests", 600)
        key = UnitKey(client, "tds", module, period)
        run_id, units = start_run(self.engine, connector="tds", kind="manual", selection={}, keys=[key])
        run: Any = SyncRun.__table__  # type: ignore[attr-defined]
        with writing(self.engine) as connection:
            connection.execute(update(run).where(run.c.run_id == run_id).values(started_at=self.night))
        staged = [
            StagedCell(
                section=section,
                outcome=outcome or (Outcome.LOADED if records else Outcome.EMPTY),
                records=records,
                row_count=len(records),
                calls=1,
            )
            for section, records in cells
        ]
        unit = StagedUnit(
            unit_id=units[0].unit_id,
            run_id=run_id,
            client_id=client,
            connector="tds",
            module=module,
            unit_period=period,
            gstin="",
            fence=self.fences[lease],
            cells=staged,
        )
        load_batch(self.engine, [unit], [], self.specs, now=self.night, sections=_sections)

    def load_nothing(self, *but: str, client: str = "C1") -> None:
        """Let every portal module end with nothing to show, but for those that are named."""
        for module in PORTAL_MODULES:
            if module in but:
                continue
            section = CONNECTOR.module(module).sections[0].name
            for period in QUARTERS if module == "return_summary" else ("current",):
                self.load(module, (section, []), period=period, client=client)

    def sleep(self) -> None:
        """Go on to the next night."""
        self.night += timedelta(days=1)


def _sections(_: str, module: str) -> dict[str, tuple[str, ...]]:
    return {one.name: one.tables for one in CONNECTOR.module(module).sections}


def make_practice(url: str, clients: tuple[str, ...] = ("C1",)) -> Practice:
    """Return a migrated warehouse whose clients file 26Q."""
    engine = open_engine(url)
    upgrade(engine, [])
    with writing(engine) as connection:
        for number, client_id in enumerate(clients):
            connection.execute(
                insert(SyncClient).values(
                    client_id=client_id,
                    name=f"Client {client_id}",
                    gstin="",
                    portal_username="",
                    provider="file",
                    state_code="",
                    filing_frequency="M",
                    tan=f"MUMT0000{number}A",
                    deductor_pan="",
                    deductor_category="K",
                    tds_forms="26Q",
                    tds_source="portal",
                    traces_username="",
                    is_active=True,
                    settings={},
                    created_at=FIRST_NIGHT,
                    updated_at=FIRST_NIGHT,
                )
            )
    specs = {
        table.name: table for name in CONNECTOR.module_names() for table in CONNECTOR.module(name).tables
    }
    return Practice(engine, specs=specs)
