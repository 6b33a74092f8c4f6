"""Rows per second of our load into SQLite against dlt's merge of the same documents, into SQLite and into DuckDB.

Ours is the way every run takes: Great Expectations, history, removals, quarantine, fences and outcomes. dlt merges
by the same primary key and validates nothing; it reaches SQLite through its SQLAlchemy destination. Both load the
documents once, and once more with every tenth changed. The rows are made beforehand and belong to nobody.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert

from benchmarks.figures import Figure
from benchmarks.practice import HOME, SEED, now
from clientsync import clock
from clientsync.database import open_engine, upgrade, writing
from clientsync.identifiers import gstin_check_character
from clientsync.ledger import leases, runs
from clientsync.ledger.runs import UnitKey
from clientsync.ledger.tables import SyncClient
from clientsync.outcomes import Outcome
from clientsync.registry import tables
from clientsync.spec.module import Record
from clientsync.staged import StagedCell, StagedUnit
from clientsync.warehouse.loading import load_batch
from validations import validate

CLIENTS = 40
DOCUMENTS = 500  # of each client
TABLE = "gst__gstr2b_document"
PERIOD = "102026"
Documents = dict[str, list[dict[str, Any]]]


def documents() -> Documents:
    """Return the rows by client id."""
    dice = random.Random(SEED)
    suppliers = [_gstin(number) for number in range(200)]
    return {
        f"C{client:04d}": [_document(dice, suppliers, number) for number in range(DOCUMENTS)]
        for client in range(CLIENTS)
    }


def _gstin(number: int) -> str:
    first = f"27ZZ{chr(65 + number % 26)}P{chr(65 + number // 26 % 26)}{number:04d}Q1Z"
    return first + gstin_check_character(first)


def _document(dice: random.Random, suppliers: list[str], number: int) -> dict[str, Any]:
    taxable = dice.randint(10_000, 90_000_000)
    half = taxable * 9 // 100
    return {
        "period": PERIOD,
        "section": "b2b",
        "status": "accepted",
        "supplier_gstin": dice.choice(suppliers),
        "document_type": "INV",
        "document_number": f"INV/{number:05d}",
        "document_on": date(2026, 10, 1) + timedelta(days=dice.randrange(31)),
        "supplier_name": f"Supplier {number % 200}",
        "supplier_period": PERIOD,
        "supplier_filed_on": date(2026, 11, 11),
        "supply_type": "R",
        "place_of_supply": "27",
        "is_reverse_charge": False,
        "itc_availability": "Y",
        "itc_reason": "",
        "differential_rate": "",
        "ims_status": "N",
        "source_type": "",
        "irn": "",
        "irn_on": None,
        "original_type": "",
        "original_number": "",
        "original_on": None,
        "has_taxes": True,
        "document_value_paise": taxable + 2 * half,
        "taxable_paise": taxable,
        "igst_paise": 0,
        "cgst_paise": half,
        "sgst_paise": half,
        "cess_paise": 0,
    }


def changed(rows: Documents) -> Documents:
    """Return the same rows with every tenth one's value changed."""
    return {
        client: [
            {**row, "document_value_paise": row["document_value_paise"] + 100} if number % 10 == 0 else row
            for number, row in enumerate(found)
        ]
        for client, found in rows.items()
    }


def ours(folder: Path, passes: list[Documents]) -> list[float]:
    """Load by the product's own way; return the seconds of each pass.

    Raises:
        RuntimeError: a unit did not come to what its rows must come to.
    """
    engine = open_engine(f"sqlite:///{folder / 'ours.db'}")
    upgrade(engine)
    _add_clients(engine, list(passes[0]))
    known = tables("gst")
    validate(_units(engine, {"C0000": passes[0]["C0000"][:1]}), known)  # imports Great Expectations
    seconds = []
    for rows in passes:
        units = _units(engine, rows)
        began = now()
        breaches = validate(units, known)
        results = load_batch(engine, units, breaches, known)
        seconds.append(now() - began)
        loaded = sum(result.rows_loaded for result in results)
        if loaded != CLIENTS * DOCUMENTS or any(one.outcome is not Outcome.LOADED for one in results):
            raise RuntimeError(f"{loaded} of {CLIENTS * DOCUMENTS} rows were loaded")
    engine.dispose()
    return seconds


def _add_clients(engine: Engine, names: list[str]) -> None:
    moment = clock.now()
    rows = [
        {
            "client_id": name,
            "name": name,
            "gstin": _gstin(1000 + number),
            "portal_username": name,
            "provider": "gsp",
            "state_code": "27",
            "filing_frequency": "M",
            "is_active": True,
            "settings": {},
            "created_at": moment,
            "updated_at": moment,
        }
        for number, name in enumerate(names)
    ]
    with writing(engine) as connection:
        connection.execute(insert(SyncClient), rows)


def _units(engine: Engine, rows: Documents) -> list[StagedUnit]:
    keys = [UnitKey(client, "gst", "gstr2b", PERIOD) for client in rows]
    run_id, planned = runs.start_run(engine, connector="gst", kind="manual", selection={}, keys=keys)
    fences = leases.take(engine, [(key.client_id, "gst", "gstr2b") for key in keys], "benchmark", 3600)
    return [
        StagedUnit(
            unit_id=unit.unit_id,
            run_id=run_id,
            client_id=unit.key.client_id,
            connector="gst",
            module="gstr2b",
            unit_period=PERIOD,
            gstin="",
            fence=fences[unit.key.client_id, "gst", "gstr2b"],
            cells=[
                StagedCell(
                    section="2b",
                    outcome=Outcome.LOADED,
                    records=[Record(TABLE, row) for row in rows[unit.key.client_id]],
                    row_count=len(rows[unit.key.client_id]),
                    calls=1,
                )
            ],
        )
        for unit in planned
    ]


def theirs(folder: Path, passes: list[Documents], database: str) -> list[float]:
    """Load by dlt's merge into ``sqlite`` or ``duckdb``; return the seconds of each pass.

    Raises:
        RuntimeError: the table does not hold every row once.
    """
    os.environ.update(
        {
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "RUNTIME__LOG_LEVEL": "ERROR",
            "DLT_DATA_DIR": str(folder / "dlt"),
            "DO_NOT_TRACK": "1",
        }
    )
    import dlt

    path = folder / f"theirs.{database}"
    destination = (
        dlt.destinations.duckdb(str(path))
        if database == "duckdb"
        else dlt.destinations.sqlalchemy(credentials=f"sqlite:///{path}")
    )
    pipeline = dlt.pipeline(
        pipeline_name=f"bench_{database}",
        pipelines_dir=str(folder / "dlt" / "pipelines"),
        destination=destination,
        dataset_name="main",
    )
    key = ["client_id", *tables("gst")[TABLE].key]
    seconds = []
    for rows in passes:
        flat = [{"client_id": client, **row} for client, found in rows.items() for row in found]
        resource = dlt.resource(flat, name="documents", write_disposition="merge", primary_key=key)
        began = now()
        pipeline.run(resource)
        seconds.append(now() - began)
    with pipeline.sql_client() as client:
        counted = client.execute_sql("SELECT count(*) FROM documents")
    held = int(counted[0][0]) if counted else 0
    if held != CLIENTS * DOCUMENTS:
        raise RuntimeError(f"dlt holds {held} of {CLIENTS * DOCUMENTS} rows")
    return seconds


def measure() -> Iterator[Figure]:
    """Yield the ratio over both loads."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    folder = HOME / "dlt"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    first = documents()
    passes = [first, changed(first)]
    mine = ours(folder, passes)
    for database, limit in (("sqlite", 10.0), ("duckdb", 10.0)):
        other = theirs(folder, passes, database)
        note = f"{CLIENTS * DOCUMENTS} documents, first load and again: ours {_rates(mine)}, dlt {_rates(other)} rows/s"
        yield Figure(
            f"rows/s of our load / dlt merge, {database}", sum(other) / sum(mine), limit, True, SEED, note
        )


def _rates(seconds: list[float]) -> str:
    return " and ".join(f"{CLIENTS * DOCUMENTS / one:.0f}" for one in seconds)


if __name__ == "__main__":
    for figure in measure():
        sys.stdout.write(figure.line() + "\n")
