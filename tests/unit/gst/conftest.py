"""Services with the real modules over an empty warehouse, for files that go in by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clientsync.config import reset_settings
from clientsync.sync.services import Services, services_from_settings
from tests.support.engine import add_clients


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setenv("CLIENTSYNC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIENTSYNC_VAULT_KEY_REF", f"file:{tmp_path / 'key' / 'vault.key'}")
    monkeypatch.setenv("CLIENTSYNC_NOW", "2026-11-23T10:00:00+05:30")
    reset_settings()
    opened = services_from_settings()
    add_clients(opened, ["C1"])
    yield opened
    opened.close()
    reset_settings()
