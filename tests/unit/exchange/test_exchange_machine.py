"""Nothing is lost, nothing doubled, order kept: any history of the exchange over files."""

from __future__ import annotations

import pytest

from tests.support.exchange_machine import Exchange
from tests.support.histories import run_histories


def test_no_history_loses_doubles_or_reorders_a_document() -> None:
    run_histories(Exchange, 12, 25)


@pytest.mark.bars
@pytest.mark.timeout(1800)
def test_many_histories_lose_double_and_reorder_nothing() -> None:
    run_histories(Exchange, 400, 40)
