"""Under Prefect too, the next module group begins while the last clients of the one before are being worked on."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from clientsync.database import open_engine, reading
from clientsync.ledger.tables import SyncUnit
from deployments.stack import Stack
from tests.support.five_groups import GROUPS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CLIENTS = 9


def test_a_client_that_waits_for_the_next_group_gets_its_answer(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack") as stack:
        stack.start_server()
        practice = tmp_path / "practice"
        stack.run(["-m", "tests.support.five_groups", str(practice), str(CLIENTS), "overlapping"])
    engine = open_engine(f"sqlite:///{next((practice / 'home').glob('*.db'))}")
    unit = SyncUnit.__table__  # type: ignore[attr-defined]
    with reading(engine) as connection:
        counts = connection.execute(select(unit.c.outcome, func.count()).group_by(unit.c.outcome)).all()
    engine.dispose()
    assert [tuple(row) for row in counts] == [("loaded", CLIENTS * GROUPS)]
