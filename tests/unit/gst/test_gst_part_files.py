"""A file of 2A or IMS counts for the sections that it holds, and says which of the statement are not read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from clientsync.database import reading
from clientsync.imports import import_paths
from clientsync.imports.importing import FileResult
from clientsync.spec.module import TableSpec
from clientsync.sync.services import Services
from clientsync.warehouse.schema import warehouse_table
from connectors.gst import gstr2a, ims
from connectors.gst.gstr2a_tables import DOCUMENTS
from tests.support.gstins import gstin_of

SUPPLIER = gstin_of(7)
LINE = {"num": 1, "itm_det": {"rt": 18, "txval": 100, "iamt": 18}}


def bring(services: Services, folder: Path, payload: dict[str, Any]) -> FileResult:
    path = folder / "file.json"
    path.write_text(json.dumps(payload))
    (result,) = import_paths(services, [path], client="C1")
    return result


def standing(services: Services, spec: TableSpec) -> set[tuple[str, str]]:
    table = warehouse_table(spec).core
    with reading(services.engine) as connection:
        rows = connection.execute(
            select(table.c.section, table.c.document_number).where(table.c.removed_at.is_(None))
        )
        return {(row[0], row[1]) for row in rows}


def of_2a(**sections: Any) -> dict[str, Any]:
    return {"gstin": gstin_of(0), "fp": "092026", **sections}


def invoices(*numbers: str) -> list[dict[str, Any]]:
    made = [{"inum": one, "idt": "05-09-2026", "val": 118, "pos": "27", "itms": [LINE]} for one in numbers]
    return [{"ctin": SUPPLIER, "cfs": "Y", "cfs3b": "Y", "inv": made}]


def notes(*numbers: str) -> list[dict[str, Any]]:
    made = [
        {"nt_num": one, "nt_dt": "05-09-2026", "ntty": "C", "val": 118, "pos": "27", "itms": [LINE]}
        for one in numbers
    ]
    return [{"ctin": SUPPLIER, "cfs": "Y", "cfs3b": "Y", "nt": made}]


def pooled(field: str, day: str, *numbers: str) -> list[dict[str, Any]]:
    return [
        {"stin": SUPPLIER, field: one, day: "05-09-2026", "action": "N", "srcform": "R1", "rtnprd": "092026",
         "val": 118, "txval": 100, "iamt": 18, "hash": one}
        for one in numbers
    ]  # fmt: skip


def test_a_file_of_2a_with_invoices_alone_is_not_the_month_and_takes_no_note_away(
    services: Services, tmp_path: Path
) -> None:
    whole: dict[str, Any] = {name: [] for name in gstr2a.MATCHED}
    first = bring(services, tmp_path, of_2a(b2b=invoices("A", "B")))
    assert (first.outcome, first.is_loaded, first.is_done) == ("needs_person", True, False)
    assert set(first.unread) == set(gstr2a.MATCHED) - {"b2b"}
    assert "cdn" in first.reason
    every = bring(services, tmp_path, of_2a(**whole | {"b2b": invoices("A", "B"), "cdn": notes("N")}))
    assert (every.outcome, every.unread) == ("loaded", ())
    later = bring(services, tmp_path, of_2a(b2b=invoices("A")))
    assert later.is_done
    assert standing(services, DOCUMENTS) == {("b2b", "A"), ("cdn", "N")}


def test_a_file_of_the_pool_with_invoices_alone_is_not_the_pool_and_takes_no_note_away(
    services: Services, tmp_path: Path
) -> None:
    first = bring(services, tmp_path, {"b2bcn": pooled("nt_num", "nt_dt", "N")})
    assert (first.outcome, set(first.unread)) == ("needs_person", set(ims.SECTIONS) - {"CN"})
    second = bring(services, tmp_path, {"b2b": pooled("inum", "idt", "A")})
    assert set(second.unread) == set(ims.SECTIONS) - {"CN", "B2B"}
    assert standing(services, ims.DOCUMENTS) == {("CN", "N"), ("B2B", "A")}


@pytest.mark.parametrize("section", sorted(gstr2a.MATCHED))
def test_what_is_compared_with_the_books_is_a_section_of_2a(section: str) -> None:
    assert gstr2a.MODULE.section(section).tables
