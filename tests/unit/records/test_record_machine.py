"""Any history of two systems: nothing lost in silence, nothing made twice, one row for every record."""

from __future__ import annotations

import pytest

from tests.support.histories import run_histories
from tests.support.record_machine import Records
from tests.support.record_world import exact


@pytest.mark.timeout(600)
def test_no_history_loses_doubles_or_overwrites_a_record() -> None:
    run_histories(Records, 1_000, 15)


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("side", ["a", "b"])
def test_an_edit_while_a_partner_is_made_goes_to_the_other_side_and_overwrites_what_both_had_agreed_on(
    side: str, at: int
) -> None:
    history = Records()
    history.start(keep=exact, policy="three_way")
    history.preview()
    history.create(name="", side=side)
    history.preview()
    history.create_partner(at=0, pick=0, side=side)
    history.run_while_somebody_edits(
        at=at, field="name", pick=0, side="b" if side == "a" else "a", value="Asha"
    )
    history.teardown()


@pytest.mark.bars
@pytest.mark.timeout(3600)
def test_long_histories_lose_double_and_overwrite_nothing() -> None:
    run_histories(Records, 3_000, 40)
