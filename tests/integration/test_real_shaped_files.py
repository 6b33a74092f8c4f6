"""Real-shaped files go in by hand: every row is in the warehouse or in quarantine with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from clientsync.config import reset_settings
from clientsync.database import reading, writing
from clientsync.imports import import_paths
from clientsync.ledger.tables import SyncQuarantine, SyncUnit
from clientsync.sync.services import Services, services_from_settings
from tests.support.engine import add_clients

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT.parent / "shared" / "samples" / "gst", ROOT / "tests" / "golden" / "gst"]
FILES = [
    path for folder in FOLDERS for path in sorted(folder.rglob("*.json")) if path.name != "expected.json"
]
NOT_DATA = {"error_envelopes.json", "filedet_token_and_response.transcribed.json"}


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setenv("CLIENTSYNC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIENTSYNC_VAULT_KEY_REF", f"file:{tmp_path / 'key' / 'vault.key'}")
    reset_settings()
    opened = services_from_settings()
    add_clients(opened, ["T1"])
    yield opened
    opened.close()
    reset_settings()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_row_of_a_file_is_loaded_or_held_with_a_reason(services: Services, path: Path) -> None:
    results = import_paths(services, [path], client="T1", period="102026")
    if path.name in NOT_DATA:
        assert results[0].outcome == "refused"
        assert results[0].reason
        return
    unit, held = SyncUnit.__table__, SyncQuarantine.__table__  # type: ignore[attr-defined]
    with reading(services.engine) as connection:
        units = connection.execute(select(unit)).mappings().all()
        reasons = [row[0] for row in connection.execute(select(held.c.reason))]
    if not units:
        assert all(result.reason for result in results)
        return
    for row in units:
        assert row["rows_in"] == row["rows_loaded"] + row["rows_quarantined"]
    assert len(reasons) == sum(row["rows_quarantined"] for row in units)
    assert all(reasons)
    assert sum(row["rows_in"] for row in units) > 0
    with writing(services.engine) as connection:
        connection.execute(held.delete())
