"""The checker is tested with planted damage: what it cannot see proves nothing when it is clean."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checker import CannotCheck, check
from tests.support.crashing import Home, Worker

pytestmark = pytest.mark.crash

DOCUMENT = "SELECT rowid FROM core_gst__gstr2b_document WHERE status = 'accepted' ORDER BY rowid LIMIT 1"


@pytest.fixture(scope="module")
def synced(ready: Home, worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = ready.copy(tmp_path_factory.mktemp("synced") / "home")
    assert worker.run(home, "sync") == 0, home.log()
    assert home.check().is_clean
    return home


@pytest.fixture
def damaged(synced: Home, tmp_path: Path) -> Home:
    return synced.copy(tmp_path / "home")


def other_client(home: Home) -> str:
    """Return a client whose document is not the first one."""
    first = home.rows(f"SELECT client_id FROM core_gst__gstr2b_document WHERE rowid = ({DOCUMENT})")[0][
        "client_id"
    ]
    return str(home.rows(f"SELECT client_id FROM sync_client WHERE client_id <> '{first}'")[0]["client_id"])


def copied(home: Home, change: dict[str, str]) -> None:
    """Write the first document a second time with some columns changed."""
    columns = list(home.rows("SELECT * FROM core_gst__gstr2b_document LIMIT 1")[0])
    chosen = ", ".join(change.get(name, name) for name in columns)
    home.change(
        f"INSERT INTO core_gst__gstr2b_document ({', '.join(columns)}) "
        f"SELECT {chosen} FROM core_gst__gstr2b_document WHERE rowid = ({DOCUMENT})"
    )


@pytest.mark.parametrize("table", ["gst__gstr2b_document", "gst__ims_document", "gst__filing", "gst__notice"])
def test_a_deleted_row_is_lost(damaged: Home, table: str) -> None:
    assert (
        damaged.change(f"DELETE FROM core_{table} WHERE rowid = (SELECT MIN(rowid) FROM core_{table})") == 1
    )
    assert damaged.check().lost == 1


def test_a_row_that_is_marked_removed_is_lost(damaged: Home) -> None:
    damaged.change(f"UPDATE core_gst__gstr2b_document SET removed_at = loaded_at WHERE rowid = ({DOCUMENT})")
    assert damaged.check().lost == 1


def test_a_held_row_that_is_deleted_is_lost(damaged: Home) -> None:
    held = "SELECT MIN(quarantine_id) FROM sync_quarantine WHERE table_name = 'gst__gstr2b_document'"
    assert damaged.change(f"DELETE FROM sync_quarantine WHERE quarantine_id = ({held})") == 1
    assert damaged.check().lost == 1


def test_a_doubled_row_is_seen(damaged: Home) -> None:
    copied(damaged, {"document_type": "'XX'"})
    assert damaged.check().dup == 1


def test_an_altered_amount_is_wrong(damaged: Home) -> None:
    damaged.change(
        f"UPDATE core_gst__gstr2b_document SET taxable_paise = taxable_paise + 1 WHERE rowid = ({DOCUMENT})"
    )
    assert damaged.check().wrong == 1


def test_a_row_of_another_client_is_seen(damaged: Home) -> None:
    damaged.change(
        f"UPDATE core_gst__gstr2b_document SET client_id = '{other_client(damaged)}' WHERE rowid = ({DOCUMENT})"
    )
    report = damaged.check()
    assert report.cross_client > 0
    assert report.lost == 1


def test_an_invented_row_is_an_orphan(damaged: Home) -> None:
    copied(damaged, {"document_number": "'INVENTED'"})
    assert damaged.check().orphan == 1


def test_rows_without_their_unit_are_unexplained(damaged: Home) -> None:
    """Rows written and the outcome not: what a transaction that was split in two leaves behind."""
    unit = damaged.rows(f"SELECT unit_id FROM core_gst__gstr2b_document WHERE rowid = ({DOCUMENT})")[0][
        "unit_id"
    ]
    damaged.change(
        f"UPDATE sync_unit SET state = 'staged', outcome = NULL, load_id = NULL WHERE unit_id = '{unit}'"
    )
    assert damaged.check().unexplained > 0


def test_an_outcome_without_its_rows_is_lost(damaged: Home) -> None:
    """The outcome written and the rows not: the other half of a split transaction."""
    unit = damaged.rows(f"SELECT unit_id FROM core_gst__gstr2b_document WHERE rowid = ({DOCUMENT})")[0][
        "unit_id"
    ]
    gone = damaged.change(f"DELETE FROM core_gst__gstr2b_document WHERE unit_id = '{unit}'")
    assert damaged.check().lost == gone


def test_a_cursor_without_its_rows_stays_visible_after_a_resume(
    ready: Home, worker: Worker, tmp_path: Path
) -> None:
    """A killed process whose cursor was written apart from its rows: the next run skips, the checker does not."""
    home = ready.copy(tmp_path / "home")
    assert worker.run(home, "sync", environment={"CLIENTSYNC_CRASH_AT": "after_commit:3"}) < 0
    unit = home.rows("SELECT unit_id FROM core_gst__ims_document UNION SELECT unit_id FROM core_gst__filing")[
        0
    ]
    for table in ("ims_document", "filing", "preference"):
        home.change(f"DELETE FROM core_gst__{table} WHERE unit_id = '{unit['unit_id']}'")
    calm = {"CLIENTSYNC_CRASH_AT": "", "CLIENTSYNC_LEASE_SECONDS": "0.01"}
    assert worker.run(home, "resync", environment=calm) == 0, home.log()
    assert home.check().lost > 0


def test_a_unit_that_does_not_add_up_is_unexplained(damaged: Home) -> None:
    damaged.change("UPDATE sync_unit SET rows_loaded = rows_loaded - 1 WHERE module = 'ims'")
    assert damaged.check().unexplained > 0


def test_an_empty_ledger_is_red(damaged: Home) -> None:
    damaged.change("DELETE FROM sync_unit")
    with pytest.raises(CannotCheck):
        damaged.check()


def test_a_missing_table_is_lost(damaged: Home) -> None:
    damaged.change("ALTER TABLE core_gst__ims_document RENAME TO elsewhere")
    assert damaged.check().lost > 0


def test_a_warehouse_that_cannot_be_read_is_red(damaged: Home) -> None:
    damaged.database.write_bytes(b"not a database" * 1000)
    for left in damaged.database.parent.glob("*.db-*"):
        left.unlink()
    with pytest.raises(CannotCheck):
        damaged.check()


def test_an_empty_truth_is_red(damaged: Home, tmp_path: Path) -> None:
    empty = tmp_path / "truth.jsonl"
    empty.touch()
    with pytest.raises(CannotCheck):
        check(f"sqlite:///{damaged.database}", empty)
