"""What the tests of a shop and its accounting share: a clock that is set, and a ledger in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.commerce_real import Clock, open_ledger


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_ledger(tmp_path)
    yield made
    made.dispose()
