"""The migration makes exactly the tables that the ledger declares for reconciliations, on both databases."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from clientsync.database import open_engine, reading, upgrade
from clientsync.ledger.recon_tables import SyncRecon, SyncReconException

TABLES: tuple[Any, ...] = (SyncRecon.__table__, SyncReconException.__table__)  # type: ignore[attr-defined]


def test_migration_and_models_agree(database_url: str) -> None:
    engine = open_engine(database_url)
    upgrade(engine, [])
    metadata = MetaData()
    names = {table.to_metadata(metadata).name for table in TABLES}
    options = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name in names}
    with reading(engine) as connection:
        found = list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
    engine.dispose()
    assert found == []
