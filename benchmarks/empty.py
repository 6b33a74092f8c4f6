"""Empties the warehouse and the ledger but for clients and sessions."""

from __future__ import annotations

from sqlalchemy import MetaData, delete

from clientsync.database import writing
from clientsync.sync.services import services_from_settings

KEPT = {"sync_client", "sync_client_group", "sync_session", "sync_secret", "alembic_version"}


def main() -> None:
    """Delete every row of every table that is not kept, children first."""
    services = services_from_settings()
    metadata = MetaData()
    metadata.reflect(services.engine)
    with writing(services.engine) as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in KEPT:
                connection.execute(delete(table))
    services.close()


if __name__ == "__main__":
    main()
