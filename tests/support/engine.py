"""Services over a temporary warehouse, for tests of the engine with the fake connector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from clientsync.config import Settings, reset_settings, settings
from clientsync.database import open_engine, writing
from clientsync.ledger.tables import SyncClient
from clientsync.secrets.vault import Vault
from clientsync.spec.module import TableSpec
from clientsync.staged import Breach, StagedUnit
from clientsync.sync.services import Services
from clientsync.warehouse.schema import target_metadata
from tests.support import fake_connector
from tests.support.gstins import gstin_of


def refuse_negatives(units: Sequence[StagedUnit], tables: Mapping[str, TableSpec]) -> list[Breach]:
    """Check what the fake table's one check says, without the seconds that Great Expectations takes to import."""
    return [
        Breach(unit.unit_id, cell.section, number, "FAKE-01", "not negative", "reject_row")
        for unit in units
        for cell in unit.cells
        for number, record in enumerate(cell.records)
        if record.table in tables and record.values["value_paise"] < 0
    ]


@contextmanager
def fake_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, database_url: str | None = None, **overrides: Any
) -> Iterator[Services]:
    """Yield services whose connector index is the fake one, on an empty warehouse."""
    environment = {
        "CLIENTSYNC_HOME": str(tmp_path / "home"),
        "CLIENTSYNC_CONNECTOR_INDEX": "tests.support.fake_connector:INDEX",
        "CLIENTSYNC_VAULT_KEY_REF": f"file:{tmp_path / 'key' / 'vault.key'}",
        "CLIENTSYNC_WORKERS": "4",
        "CLIENTSYNC_LEASE_SECONDS": "30",
    }
    if database_url is not None:
        environment["CLIENTSYNC_DATABASE_URL"] = database_url
    environment.update({f"CLIENTSYNC_{name.upper()}": str(value) for name, value in overrides.items()})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-23T10:00:00+05:30")
    reset_settings()
    configured: Settings = settings()
    configured.home.mkdir(parents=True, exist_ok=True)
    engine = open_engine(configured.database_url)
    with writing(engine) as connection:
        target_metadata([fake_connector.THINGS]).create_all(connection)
    fake_connector.SCRIPT.clear()
    fake_connector.ASKED.clear()
    fake_connector.OTPS.clear()
    services = Services(
        engine=engine, settings=configured, vault=Vault.from_settings(configured), validator=refuse_negatives
    )
    try:
        yield services
    finally:
        services.close()
        reset_settings()


def add_clients(services: Services, client_ids: Iterable[str]) -> None:
    """Write clients into the master, each with a generated registration."""
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    with writing(services.engine) as connection:
        for number, client_id in enumerate(client_ids):
            gstin = gstin_of(number)
            connection.execute(
                insert(SyncClient).values(
                    client_id=client_id,
                    name=f"Client {client_id}",
                    gstin=gstin,
                    portal_username=f"user{number}",
                    provider="gsp",
                    state_code=gstin[:2],
                    filing_frequency="M",
                    is_active=True,
                    settings={},
                    created_at=moment,
                    updated_at=moment,
                )
            )
