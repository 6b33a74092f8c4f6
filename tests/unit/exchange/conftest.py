"""Head office and stores as most tests find them: one item, which every store has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exchange_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.item("I1")
    made.rounds(2)
    yield made
    made.close()
