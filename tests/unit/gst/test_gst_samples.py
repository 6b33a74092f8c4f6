"""Real-shaped samples, where they lie beside the repository: each row becomes a row or a record with a problem."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clientsync.money import loads
from clientsync.registry import modules
from clientsync.spec.module import Record
from tests.support.module_contract import context_of

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "samples" / "gst"
DOWNLOADS = (
    ("gstr2b_current_shape.json", "gstr2b"),
    ("ims_sections.json", "ims"),
    ("ledger_balance_BAL.transcribed.json", "ledgers"),
    ("ledger_cash_CASH.transcribed.json", "ledgers"),
    ("ledger_itc_ITC.transcribed.json", "ledgers"),
    ("ledger_liability_TAX.transcribed.json", "ledgers"),
)
PRESENT = [one for one in DOWNLOADS if (FOLDER / one[0]).exists()]
ROW_LISTS = {"inv", "nt", "doclist", "boe"}


def sample(name: str) -> Any:
    """Return a sample with exact numbers."""
    return loads((FOLDER / name).read_bytes())


def records_of(owner: str, payload: Any) -> list[Record]:
    """Return what a module makes of a file."""
    module = modules("gst")[owner]
    assert module.files is not None
    found: list[Record] = []
    for section, part in module.files.split(payload):
        found += module.section(section).parse(part, context_of(module, section))
    return found


def source_rows(payload: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of every list, the innermost where lists of rows stand in rows."""
    if isinstance(payload, dict):
        for value in payload.values():
            yield from source_rows(value)
    elif isinstance(payload, list):
        for row in payload:
            inner = [row[name] for name in ROW_LISTS if isinstance(row, dict) and name in row]
            if inner:
                yield from source_rows(inner[0])
            elif isinstance(row, dict) and any(isinstance(value, list) for value in row.values()):
                yield from source_rows(row)
            elif isinstance(row, dict):
                yield row


@pytest.mark.parametrize(("name", "owner"), PRESENT)
def test_one_module_recognises_the_file(name: str, owner: str) -> None:
    payload = sample(name)
    claims = [other for other, one in modules("gst").items() if one.files and one.files.recognise(payload)]
    assert claims == [owner]


@pytest.mark.parametrize(("name", "owner"), PRESENT)
def test_no_row_of_the_file_is_lost(name: str, owner: str) -> None:
    payload = sample(name)
    assert len(records_of(owner, payload)) >= len(list(source_rows(payload)))
    assert [one.problem for one in records_of(owner, payload) if one.problem] == []


@pytest.mark.parametrize("name", [one for one, owner in PRESENT if owner == "gstr2b"])
def test_documents_and_suppliers_of_the_statement_are_counted_one_by_one(name: str) -> None:
    payload = sample(name)
    data = payload["data"]
    held = [data[name] for name in ("docdata", "docRejdata") if name in data]
    documents = sum(len(list(source_rows(part))) for part in held)
    records = records_of("gstr2b", payload)
    tables = [one.table.removeprefix("gst__gstr2b_") for one in records]
    assert sum(tables.count(name) for name in ("document", "isd", "import")) == documents


@pytest.mark.parametrize(
    "name", [name for name in ("rettrack_EFiledlist.shape.json",) if (FOLDER / name).exists()]
)
def test_every_filed_return_of_the_register_is_a_row(name: str) -> None:
    payload = sample(name)
    module = modules("gst")["return_register"]
    found = list(module.section("rettrack").parse(payload, context_of(module, "rettrack")))
    assert len(found) == len(payload["EFiledlist"])
    assert not any(one.problem for one in found)


@pytest.mark.parametrize(
    "name", [name for name in ("notices_list_and_detail.shape.json",) if (FOLDER / name).exists()]
)
def test_a_notice_and_its_detail_are_rows(name: str) -> None:
    payload = sample(name)
    module = modules("gst")["notices"]
    for section in ("list", "detail"):
        found = list(module.section(section).parse(payload[section], context_of(module, section)))
        assert [one.problem for one in found] == [None]
