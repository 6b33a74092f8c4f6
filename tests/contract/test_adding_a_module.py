"""A new module is one file: the file printed in the documentation is written, registered, and loads rows."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import connectors.gst
from clientsync.database import reading, writing
from clientsync.ledger.tables import SyncUnit
from clientsync.money import loads
from clientsync.spec.connector import Answer, ClientIdentity, ModuleGroup, Question
from clientsync.spec.module import Module
from clientsync.sync.planning import Selection, plan
from clientsync.sync.service import run
from clientsync.warehouse.schema import target_metadata, warehouse_table
from connectors.gst import GstConnector
from connectors.gst.provider.endpoints import ENDPOINTS
from tests.support import module_contract as contract
from tests.support.engine import add_clients, fake_services
from tests.support.gstins import gstin_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-module.md"
GROUP = ModuleGroup("Refunds", ("refunds",))
INDEX = {"gst": "tests.contract.test_adding_a_module:CONNECTOR"}
ANSWER: dict[str, Any] = {
    "gstin": gstin_of(0),
    "ret_period": "092026",
    "refunds": [
        {"refNo": "RF1", "appDt": "05-10-2026", "status": "Filed", "amt": 100},
        {"refNo": "RF2", "appDt": "06/10/2026", "status": "Paid", "amt": 250},
        {"refNo": "RF3", "appDt": "07-Oct-26", "status": "Filed", "amt": -1},
        {"refNo": "RF4", "appDt": "no day", "status": "Filed", "amt": 1},
    ],
}
GOLDEN = {"list": {**ANSWER, "refunds": ANSWER["refunds"][:2]}}


class _Session:
    """Answers the one question of the new module."""

    def ask(self, question: Question) -> Answer:
        """Return the list of refunds."""
        assert question.endpoint == "refunds.list"
        raw = contract_json(ANSWER)
        return Answer(loads(raw), (raw,), 1, "v1.0")

    def request_otp(self) -> None:
        """Nothing is sent."""

    def answer_otp(self, otp: str) -> None:
        """Nothing is wanted."""

    def close(self) -> None:
        """Nothing is open."""


class _WithRefunds(GstConnector):
    """The GST portal with the new module's name in a group."""

    def open_session(self, client: ClientIdentity, services: Any) -> _Session:
        """Return a session that needs no portal."""
        return _Session()


CONNECTOR = _WithRefunds(groups=(GROUP,))


def contract_json(payload: object) -> bytes:
    """Return a payload as the portal would send it."""
    import json

    return json.dumps(payload).encode()


@pytest.fixture
def refunds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """The module of the documentation, as one file that the connector finds."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 1
    folder = tmp_path / "more_modules"
    folder.mkdir()
    (folder / "refunds.py").write_text(blocks[0], encoding="utf-8")
    monkeypatch.setattr(connectors.gst, "__path__", [*connectors.gst.__path__, str(folder)])
    invalidate_caches()
    yield CONNECTOR.module("refunds")
    sys.modules.pop("connectors.gst.refunds", None)
    vars(connectors.gst).pop("refunds", None)


def test_the_file_of_the_documentation_passes_the_contract(refunds: Module) -> None:
    assert contract.structure(refunds) == []
    assert contract.warehouse_fit(refunds, "gst") == []
    assert contract.checks_fit(refunds) == []
    assert contract.emptiness(refunds) == []
    assert contract.golden_faults(refunds, GOLDEN) == []
    assert contract.damage_faults(refunds, GOLDEN) == []
    assert contract.drift_faults(refunds, GOLDEN, only=lambda _: True) == []
    assert contract.endpoint_faults(refunds, {*ENDPOINTS, "refunds.list"}) == []


def test_the_contract_says_what_an_author_forgot(refunds: Module) -> None:
    assert contract.endpoint_faults(refunds, ENDPOINTS) == ["list asks refunds.list"]
    unread = replace(refunds, sections=(replace(refunds.sections[0], tables=()),))
    assert contract.structure(unread) == ["no section fills gst__refund"]
    blind = replace(refunds, sections=(replace(refunds.sections[0], integrity=()),))
    assert contract.drift_faults(blind, GOLDEN, only=lambda _: True) != []
    assert contract.golden_faults(refunds, {}) != []


def test_its_rows_are_in_the_warehouse_and_its_bad_rows_in_quarantine(
    refunds: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = f"{__name__}:INDEX"
    monkeypatch.setitem(INDEX, "gst", f"{__name__}:CONNECTOR")
    with fake_services(tmp_path, monkeypatch, connector_index=index) as services:
        services.validator = import_module("validations").validate
        with writing(services.engine) as connection:
            target_metadata(refunds.tables).create_all(connection)
        add_clients(services, ["one"])
        run(services, plan(services, Selection(modules=("Refunds",), periods=("092026",))))
        core = warehouse_table(refunds.tables[0]).core
        unit = SyncUnit.__table__  # type: ignore[attr-defined]
        with reading(services.engine) as connection:
            rows = connection.execute(select(core.c.reference, core.c.claimed_paise)).all()
            ended = connection.execute(select(unit.c.rows_in, unit.c.rows_quarantined, unit.c.outcome)).one()
    assert sorted(map(tuple, rows)) == [("RF1", 100_00), ("RF2", 250_00)]
    assert tuple(ended) == (4, 2, "loaded")
