"""The days of the simulated retailer: a store that was away catches up, and every total agrees."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.retail.shops import main


def test_a_store_that_was_away_catches_up_and_every_total_agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--folder", str(tmp_path), "--bills", "10", "--items", "5"]) == 0
    text = capsys.readouterr().out
    assert "S003: last seen never" in text
    assert text.count("30 bills") == 3
    assert "0 totals differ, 0 documents are held" in text
