"""The window of the demo shows a record of each category, and the conflict is settled."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.cleanmanager.show import main


def test_the_window_shows_each_category_and_a_settled_conflict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--folder", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Synchronization conflicts: 1 (Asha Traders)" in said
    assert "our list Nagpur, CleanManager Mumbai, both agreed on Pune" in said
    assert "CleanManager has Nagpur; 0 conflicts are left" in said
