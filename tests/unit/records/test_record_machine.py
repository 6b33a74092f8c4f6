"""Any history of two systems: nothing lost in silence, nothing made twice, one row for every record."""

from __future__ import annotations

import pytest

from tests.support.histories import run_histories
from tests.support.record_machine import Records


@pytest.mark.timeout(600)
def test_no_history_loses_doubles_or_overwrites_a_record() -> None:
    run_histories(Records, 1_000, 15)


@pytest.mark.bars
@pytest.mark.timeout(3600)
def test_long_histories_lose_double_and_overwrite_nothing() -> None:
    run_histories(Records, 3_000, 40)
