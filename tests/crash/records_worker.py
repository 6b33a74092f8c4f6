"""One run of a set of records in a process of its own, which a test kills at a named point.

Arguments: folder with ``customers.csv``, address of the other system, and ``create``, ``run`` or ``delete``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clientsync.config import ProviderSettings, Settings
from clientsync.database import open_engine, upgrade
from clientsync.http.client import HttpClient
from clientsync.records import running, working
from clientsync.records.entities import CUSTOMERS
from clientsync.records.executing import RecordSet
from clientsync.records.file_side import FileSide
from clientsync.records.rest_side import RestSide
from connectors.cleanmanager.descriptions import CUSTOMERS as DESCRIPTION
from simulators.cleanmanager.system import TOKEN

COLUMNS = {"number": "No", "name": "Name", "city": "Town"}


def main() -> None:
    folder, url, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    provider = ProviderSettings(
        kind="records", base_url=url, allow_loopback=True, calls_per_minute=60_000, burst=1_000
    )
    configured = Settings(home=folder, providers={"cm": provider})
    engine = open_engine(f"sqlite:///{folder / 'records.db'}")
    upgrade(engine, ())
    with HttpClient.for_provider(configured, "cm", engine) as client:
        own = FileSide(folder / "customers.csv", COLUMNS, "No", "list", is_writable=True)
        other = RestSide(client, DESCRIPTION, title="CM", token=TOKEN, account="cm", region="IN")
        of = RecordSet(
            "customers", CUSTOMERS.between(own.fields, other.fields), own, other, engine, "three_way"
        )
        plan = running.run(of, actor="test").plan
        if what == "create":
            new = [("a", row.a) for row in plan.rows if row.category == "new" and row.a]
            working.create_partners(of, new, actor="test")
        elif what == "delete":
            for row in plan.rows:
                if row.category == "deleted":
                    working.delete_other(of, row.link_id, actor="test")


if __name__ == "__main__":
    main()
