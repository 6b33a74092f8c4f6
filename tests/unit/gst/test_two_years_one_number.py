"""A supplier's numbers start again every April: two documents with one number are two, in 2B, in IMS and to people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, MetaData, Table, inspect, select

from clientsync.database import open_engine, reading, upgrade, writing
from clientsync.imports import import_paths
from clientsync.ledger.match_tables import ReconDecision
from clientsync.ledger.tables import SyncClient, SyncQuarantine, SyncRun, SyncUnit
from clientsync.registry import all_tables
from clientsync.spec.module import TableSpec
from clientsync.sync.services import Services
from clientsync.warehouse.rows import read_rows
from clientsync.warehouse.schema import warehouse_table
from clientsync.warehouse.upgrading import alembic_config
from connectors.gst import gstr2b, ims
from connectors.gst.compared import read_2b, read_ims
from tests.support.gstins import gstin_of

SUPPLIER = gstin_of(7)
DAY = date(2026, 11, 27)
MOMENT = datetime(2026, 11, 1, tzinfo=UTC)
OLD, NEW = "30-03-2026", "02-04-2026"


def bring(services: Services, folder: Path, payload: Any) -> str:
    path = folder / "file.json"
    path.write_text(json.dumps(payload))
    (result,) = import_paths(services, [path], client="C1")
    return result.outcome


def stored(engine: Engine, spec: TableSpec) -> list[dict[str, Any]]:
    table = warehouse_table(spec).core
    with reading(engine) as connection:
        found = connection.execute(select(table).where(table.c.removed_at.is_(None))).mappings()
        return [dict(row) for row in found]


def statement(gstin: str) -> dict[str, Any]:
    """Return a 2B of April in which a supplier reports the last invoice of March and the first of April, both "1"."""
    invoices = [
        {"inum": "1", "dt": day, "val": 118, "pos": "27", "itcavl": "Y", "items": [
            {"num": 1, "rt": 18, "txval": taxable, "igst": tax, "cgst": 0, "sgst": 0, "cess": 0}
        ]}
        for day, taxable, tax in ((OLD, 100, 18), (NEW, 200, 36))
    ]  # fmt: skip
    isd = [
        {"doctyp": "ISDI", "docnum": "7", "docdt": day, "igst": tax, "itcelg": "Y"}
        for day, tax in ((OLD, 5), (NEW, 6))
    ]
    return {
        "data": {
            "gstin": gstin,
            "rtnprd": "042026",
            "docdata": {
                "b2b": [{"ctin": SUPPLIER, "trdnm": "S", "supprd": "042026", "inv": invoices}],
                "isd": [{"ctin": SUPPLIER, "trdnm": "S", "supprd": "042026", "doclist": isd}],
            },
        }
    }


def pool(*days: str) -> dict[str, Any]:
    return {
        "b2b": [
            {"stin": SUPPLIER, "inum": "1", "idt": day, "inv_typ": "R", "action": "N", "srcform": "R1",
             "rtnprd": "042026", "srcfilstatus": "Filed", "val": 118, "pos": "27", "txval": 100, "iamt": 18,
             "camt": 0, "samt": 0, "cess": 0, "hash": day}
            for day in days
        ]
    }  # fmt: skip


def test_a_statement_that_holds_both_years_is_loaded_whole(services: Services, tmp_path: Path) -> None:
    assert bring(services, tmp_path, statement(gstin_of(0))) == "loaded"
    for spec in (gstr2b.DOCUMENTS, gstr2b.ITEMS, gstr2b.ISD):
        rows = stored(services.engine, spec)
        assert sorted(row["document_year"] for row in rows) == ["2025-26", "2026-27"]


def test_a_document_that_leaves_the_pool_leaves_the_other_with_its_number_as_it_was(
    services: Services, tmp_path: Path
) -> None:
    bring(services, tmp_path, pool(OLD, NEW))
    before = {row["portal_hash"]: row["first_loaded_at"] for row in stored(services.engine, ims.DOCUMENTS)}
    bring(services, tmp_path, pool(NEW))
    (left,) = stored(services.engine, ims.DOCUMENTS)
    assert (left["portal_hash"], left["first_loaded_at"]) == (NEW, before[NEW])
    assert left["occurrence"] == 1
    history = warehouse_table(ims.DOCUMENTS).history
    with reading(services.engine) as connection:
        (ended,) = connection.execute(select(history.c.portal_hash, history.c.change)).all()
    assert tuple(ended) == (OLD, "removed")


def test_two_documents_with_one_number_have_ids_of_their_own_and_the_usual_one_keeps_its_own(
    services: Services, tmp_path: Path
) -> None:
    bring(services, tmp_path, statement(gstin_of(0)))
    bring(services, tmp_path, pool(OLD, NEW))
    with_books(services.engine)
    for read in (read_2b, read_ims):
        found = read(services.engine, ["C1"], DAY).right
        assert found["id"].is_unique
        assert len(found) == (4 if read is read_2b else 2)


def with_books(engine: Engine) -> None:
    """Say that a month of the purchase register is imported, so that there is something to compare."""
    run, unit = SyncRun.__table__, SyncUnit.__table__  # type: ignore[attr-defined]
    with writing(engine) as connection:
        connection.execute(
            run.insert().values(
                run_id="books", connector="books", kind="import", state="ended", started_at=MOMENT, selection={},
                counts={},
            )
        )  # fmt: skip
        connection.execute(
            unit.insert().values(
                unit_id="books", run_id="books", client_id="C1", connector="books", module="purchase_register",
                unit_period="042026", state="ended", outcome="loaded", ended_at=MOMENT, staged={},
            )
        )  # fmt: skip


# --- what was stored before -----------------------------------------------------------------------------------------


@pytest.fixture
def at_0008(database_url: str) -> Iterator[Engine]:
    """Open a warehouse as revision 0008 left it."""
    engine = open_engine(database_url)
    with writing(engine) as connection:
        command.upgrade(alembic_config(connection), "0008")
    yield engine
    engine.dispose()


def put_old(engine: Engine, spec: TableSpec, **values: Any) -> None:
    """Write a row of the time before the year stood in the key, and a version of it in the history."""
    moments = {"first_loaded_at": MOMENT, "loaded_at": MOMENT, "valid_from": MOMENT, "valid_to": MOMENT}
    own = {"client_id": "C1", "row_hash": "x", "run_id": "r", "unit_id": "u", "source": "portal",
           "change": "updated", "ended_by_run_id": "r", "ended_by_unit_id": "u"}  # fmt: skip
    for name in (f"core_{spec.name}", f"core_{spec.name}_history"):
        table = Table(name, MetaData(), autoload_with=engine)
        neutral: dict[type, Any] = {str: "", int: 0, bool: False, date: date(2026, 4, 2), datetime: MOMENT}
        row = {
            column.name: neutral[column.type.python_type]
            for column in table.columns
            if not column.nullable and column.name != "history_id"
        }
        given = row | moments | own | values
        with writing(engine) as connection:
            connection.execute(table.insert().values({n: v for n, v in given.items() if n in table.c}))


OF_2B = {
    "period": "042026", "section": "b2b", "status": "accepted", "supplier_gstin": SUPPLIER, "document_type": "INV",
    "document_number": "1",
}  # fmt: skip
OF_IMS = {
    "section": "B2B", "supplier_gstin": SUPPLIER, "document_number": "1", "return_period": "042026",
    "document_type": "INV",
}  # fmt: skip


def decided(engine: Engine, right_id: str) -> None:
    table = ReconDecision.__table__  # type: ignore[attr-defined]
    with writing(engine) as connection:
        connection.execute(
            table.insert().values(
                decision_id=right_id[:30], client_id="C1", recon="2B-BOOKS", kind="link", left_ids=["p-1"],
                right_ids=[right_id], seen="", reason="", decided_by="", decided_at=MOMENT, revoked_by="",
                revoked_reason="", revoked_at=None,
            )
        )  # fmt: skip


def old_id(prefix: str, *key: str) -> str:
    text = "|".join(("C1", *key))
    return f"{prefix}-{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:20]}"


def fill_old(engine: Engine) -> None:
    put_old(engine, gstr2b.DOCUMENTS, **OF_2B, supplier_period="032026", document_on=date(2026, 3, 30))
    put_old(engine, gstr2b.DOCUMENTS, **OF_2B, supplier_period="042026", document_on=date(2026, 4, 2))
    put_old(engine, gstr2b.ITEMS, **OF_2B | {"section": "cdnr"}, item_number=1)
    put_old(engine, gstr2b.ISD, **OF_2B | {"section": "isd"}, document_on=date(2026, 3, 30))
    put_old(engine, gstr2b.DOCUMENTS, **OF_2B | {"section": "cdnr"}, document_on=date(2026, 3, 30))
    put_old(engine, ims.DOCUMENTS, **OF_IMS, occurrence=1, document_on=date(2026, 3, 30))
    put_old(
        engine, ims.DOCUMENTS, **OF_IMS, occurrence=2, document_on=date(2026, 4, 2), is_supplier_filed=True
    )
    place = ("042026", "b2b", "accepted", SUPPLIER, "INV", "1")
    decided(engine, old_id("2b", *place, "032026"))
    decided(engine, old_id("2b", *place, "042026"))
    decided(engine, old_id("ims", "B2B", SUPPLIER, "1", "042026", "", "1"))
    decided(engine, old_id("ims", "B2B", SUPPLIER, "1", "042026", "", "2"))
    held = SyncQuarantine.__table__  # type: ignore[attr-defined]
    with writing(engine) as connection:
        connection.execute(
            held.insert().values(
                quarantine_id="q", client_id="C1", connector="gst", module="gstr2b", unit_period="042026",
                section="2b", table_name=gstr2b.DOCUMENTS.name, run_id="r", unit_id="u",
                values={**OF_2B, "document_on": "2026-03-31"}, content_hash="0" * 64, codes="KEY_CONFLICT",
                reason="", held_at=MOMENT, resolution="",
            )
        )  # fmt: skip


def test_what_was_stored_gets_its_year_and_looks_as_if_it_had_been_read_so(at_0008: Engine) -> None:
    fill_old(at_0008)
    upgrade(at_0008)
    for spec in (gstr2b.DOCUMENTS, gstr2b.ITEMS, gstr2b.ISD, ims.DOCUMENTS):
        table = warehouse_table(spec)
        names = [one.name for one in table.columns]
        rows = stored(at_0008, spec)
        again, bad = read_rows(table, [{name: row[name] for name in names} for row in rows], "sqlite")
        assert bad == {}
        assert [row["row_hash"] for row in rows] == again.hashes
        assert {row["document_year"] for row in rows} <= {"2025-26", "2026-27"}
    assert [row["document_year"] for row in stored(at_0008, gstr2b.ITEMS)] == ["2025-26"]
    places = {row["document_year"]: row["occurrence"] for row in stored(at_0008, ims.DOCUMENTS)}
    assert places == {"2025-26": 1, "2026-27": 1}


def test_what_was_decided_and_what_was_held_goes_with_its_document(at_0008: Engine) -> None:
    fill_old(at_0008)
    client = SyncClient.__table__  # type: ignore[attr-defined]
    with writing(at_0008) as connection:
        connection.execute(
            client.insert().values(client_id="C1", name="C1", gstin=gstin_of(1), filing_frequency="M",
                                   is_active=True, settings={}, created_at=MOMENT, updated_at=MOMENT)
        )  # fmt: skip
    upgrade(at_0008)
    with_books(at_0008)
    known = {
        one
        for read in (read_2b, read_ims)
        for one in read(at_0008, ["C1"], DAY).right["id"]
        if one.startswith(("2b-", "ims-"))
    }
    decisions, held = ReconDecision.__table__, SyncQuarantine.__table__  # type: ignore[attr-defined]
    with reading(at_0008) as connection:
        named = [row[0][0] for row in connection.execute(select(decisions.c.right_ids))]
        (values,) = connection.execute(select(held.c["values"])).scalars()
    assert len(set(named)) == 4
    assert set(named) <= known
    assert values["document_year"] == "2025-26"


def test_the_key_of_every_table_is_that_of_its_spec(database_url: str) -> None:
    engine = open_engine(database_url)
    upgrade(engine)
    with reading(engine) as connection:
        inspector = inspect(connection)
        for spec in all_tables().values():
            found = inspector.get_pk_constraint(f"core_{spec.name}")["constrained_columns"]
            assert found == ["client_id", *spec.key], spec.name
    engine.dispose()


def test_the_way_back_and_forth_leaves_the_same_rows(at_0008: Engine) -> None:
    put_old(at_0008, gstr2b.DOCUMENTS, **OF_2B, supplier_period="042026")
    with writing(at_0008) as connection:
        command.upgrade(alembic_config(connection), "0009")
        command.downgrade(alembic_config(connection), "0008")
        columns = {one["name"] for one in inspect(connection).get_columns(f"core_{gstr2b.DOCUMENTS.name}")}
        key = inspect(connection).get_pk_constraint(f"core_{gstr2b.DOCUMENTS.name}")["constrained_columns"]
        assert "document_year" not in {*columns, *key}
        command.upgrade(alembic_config(connection), "0009")
    (row,) = stored(at_0008, gstr2b.DOCUMENTS)
    assert row["document_year"] == "2026-27"
