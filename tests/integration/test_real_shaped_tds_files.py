"""Real-shaped TDS files go in by hand: every row is in the warehouse or in quarantine with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from clientsync.config import reset_settings
from clientsync.database import reading, writing
from clientsync.imports import import_paths
from clientsync.ledger.tables import SyncClient, SyncQuarantine, SyncUnit
from clientsync.periods import Quarter
from clientsync.sync.services import Services, services_from_settings
from clientsync.warehouse.schema import target_metadata
from connectors.tds.statements import MODULE
from tests.support.engine import add_clients
from tests.support.tds_statements import (
    NEW,
    OLD_CODES,
    Challan,
    Deduction,
    changed,
    file_bytes,
    lines_of,
    old_quarter,
    pan_of,
    statement,
)
from tests.support.tds_statements import Statement as Made

pytestmark = pytest.mark.integration

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "tds" / "regular"
WITH_HELD_ROWS = {"144RQ1.txt", "own-cut-line.txt", "own-flag.txt"}


def _own() -> dict[str, bytes]:
    """Return files of every form, and some with what a real file can have wrong."""
    found = {f"own-{form}.txt": statement(form=form) for form in NEW}
    found |= {f"own-{form}.txt": statement(**old_quarter(form)) for form in OLD_CODES}
    many = Made(challans=(Challan(deductions=tuple(Deduction(pan=pan_of(one)) for one in range(20))),))
    found["own-cut-line.txt"] = file_bytes(
        [line[:40] if line.startswith("9^DD") else line for line in lines_of(many)]
    )
    found["own-flag.txt"] = file_bytes(changed(lines_of(many), "DD", 32, "A", 3))
    found["own-2010.txt"] = statement(form="26Q", quarter=Quarter(2010, 3))
    return found


OWN = _own()
FILES = sorted(OWN) + sorted(path.name for path in SAMPLES.glob("*.txt"))


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setenv("CLIENTSYNC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIENTSYNC_VAULT_KEY_REF", f"file:{tmp_path / 'key' / 'vault.key'}")
    monkeypatch.setenv("CLIENTSYNC_CONNECTOR_INDEX", "tests.support.tds_statements:INDEX")
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-20T10:00:00+05:30")
    reset_settings()
    opened = services_from_settings()
    with writing(opened.engine) as connection:
        target_metadata(list(MODULE.tables)).create_all(connection)
    add_clients(opened, ["T1"])
    yield opened
    opened.close()
    reset_settings()


@pytest.mark.parametrize("name", FILES)
def test_every_row_of_a_file_is_loaded_or_held_with_a_reason(
    services: Services, tmp_path: Path, name: str
) -> None:
    raw = OWN[name] if name in OWN else (SAMPLES / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(raw)
    clients: Any = SyncClient.__table__  # type: ignore[attr-defined]
    with writing(services.engine) as connection:
        connection.execute(update(clients).values(tan=_tan(raw)))
    [result] = import_paths(services, [path])
    unit, held = SyncUnit.__table__, SyncQuarantine.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        [row] = connection.execute(select(unit)).mappings().all()
        reasons = [one[0] for one in connection.execute(select(held.c.reason))]
    assert row["rows_in"] == row["rows_loaded"] + row["rows_quarantined"] == len(raw.splitlines()) - 1
    assert len(reasons) == row["rows_quarantined"] == (1 if name in WITH_HELD_ROWS else 0)
    assert all(reasons)
    assert result.rows_loaded == row["rows_loaded"] > 0
    assert result.is_loaded


def _tan(raw: bytes) -> str:
    payload = MODULE.files.decode(raw, "a.txt") if MODULE.files and MODULE.files.decode else None
    assert MODULE.files is not None
    return MODULE.files.identity(payload)[0] or ""
