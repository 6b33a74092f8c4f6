"""A run over two systems, killed after the other one took a write: gone on with, nothing double, no false conflict."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from clientsync.database import open_engine, reading
from clientsync.records import store
from simulators.cleanmanager.system import Running, System

ROWS = "No,Name,Town\n" + "".join(f"{number},Asha {number},Pune\n" for number in range(1, 5))


def capitals(values: dict[str, object]) -> dict[str, object]:
    """Write names in capitals, as some systems do."""
    return {
        name: value.upper() if name == "name" and isinstance(value, str) else value
        for name, value in values.items()
    }


class Place:
    """A folder with the list and the ledger, and the other system, which outlives the processes."""

    def __init__(self, folder: Path, running: Running) -> None:
        self.folder, self.system, self.url = folder, running.system, running.url
        self.file = folder / "customers.csv"
        self.file.write_text(ROWS)

    def run(self, what: str, point: str = "") -> int:
        if (self.folder / "records.db").exists():
            engine = open_engine(f"sqlite:///{self.folder / 'records.db'}")
            with engine.begin() as connection:  # the turn of the killed process has run out
                connection.exec_driver_sql("UPDATE sync_lease SET expires_at = NULL, holder = ''")
            engine.dispose()
        done = subprocess.run(
            [sys.executable, "-m", "tests.crash.records_worker", str(self.folder), self.url, what],
            env={**os.environ, "CLIENTSYNC_CRASH_AT": point},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in (0, -9), done.stderr
        return done.returncode

    def open_intents(self) -> int:
        engine = open_engine(f"sqlite:///{self.folder / 'records.db'}")
        with reading(engine) as connection:
            found = connection.execute(select(store.INTENTS).where(store.INTENTS.c.state == "open")).all()
        engine.dispose()
        return len(found)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Running(System(keeps=capitals)) as running:
        yield Place(tmp_path, running)


@pytest.mark.parametrize("nth", [1, 3])
def test_a_partner_is_made_once_though_the_process_ends_after_it(place: Place, nth: int) -> None:
    assert place.run("create", f"records_after_create:{nth}") == -9
    assert place.open_intents() > 0
    place.run("run")
    assert [row["name"] for row in place.system.records["customers"].values()] == [
        f"ASHA {number}" for number in range(1, 5)
    ]
    assert place.open_intents() == 0


@pytest.mark.parametrize("nth", [1, 2])
def test_a_write_that_was_taken_is_settled_and_makes_no_conflict(place: Place, nth: int) -> None:
    place.run("create")
    place.file.write_text(ROWS.replace("Asha 1", "Bela 1").replace("Asha 2", "Bela 2"))
    assert place.run("run", f"records_after_write:{nth}") == -9
    writes = len(place.system.writes)
    place.run("run")
    names = [row["name"] for row in place.system.records["customers"].values()]
    assert names == ["BELA 1", "BELA 2", "ASHA 3", "ASHA 4"]
    assert len(place.system.writes) == writes + (1 if nth == 1 else 0)
    before = list(place.system.writes)
    place.run("run")
    assert place.system.writes == before


def test_a_delete_that_was_done_closes_its_pair(place: Place) -> None:
    place.run("create")
    place.file.write_text(ROWS.replace("4,Asha 4,Pune\n", ""))
    assert place.run("delete", "records_after_delete:1") == -9
    place.run("delete")
    assert len(place.system.records["customers"]) == 3
    assert place.open_intents() == 0
