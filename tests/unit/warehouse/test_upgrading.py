"""A database is brought to head by whoever comes first, and migrations say exactly what the specs say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, inspect, text

from clientsync.database import open_engine, reading, upgrade, writing
from clientsync.errors import InvalidSpec, WarehouseError
from clientsync.registry import all_tables
from clientsync.spec.columns import amount
from clientsync.spec.columns import text as text_column
from clientsync.spec.module import Row, TableSpec
from clientsync.warehouse import revise as revising
from clientsync.warehouse import upgrading
from clientsync.warehouse.revise import differences, revise
from clientsync.warehouse.schema import columns_of, target_metadata
from clientsync.warehouse.views import table_views
from tests.support.demo_warehouse import INVOICES, TABLES, House, answer, invoice

VIEWS_AS_OF = ("0009.4", "dd350f3662af11d3")
"""State of a database, and the digest of the views that it has."""


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    try:
        upgrade(engine, [])
        yield engine
    finally:
        engine.dispose()


def test_migrations_and_specs_agree(database_url: str) -> None:
    with opened(database_url) as engine:
        found = differences(engine, all_tables().values())
    assert not found, (
        "The specs and the migrations disagree. Run: python -m clientsync.warehouse.revise 'what changed'. "
        f"First difference: {found[0]}"
    )


def test_views_that_change_without_a_migration_reach_databases_that_are_there(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    upgrade(engine)
    named = text(
        "SELECT name, sql FROM sqlite_master WHERE type = 'view' AND name <> 'v_warehouse' ORDER BY 1"
    )
    with reading(engine) as connection:
        views = "\n".join(f"{row.name}: {' '.join(row.sql.split())}" for row in connection.execute(named))
        state = connection.execute(text("SELECT state FROM v_warehouse")).scalar_one()
    engine.dispose()
    found = (state, sha256(views.encode()).hexdigest()[:16])
    assert found[1] == VIEWS_AS_OF[1] or state != VIEWS_AS_OF[0], "Raise VIEWS_VERSION: views have changed."
    assert found == VIEWS_AS_OF, f"Write {found} into VIEWS_AS_OF."


def test_a_database_at_head_costs_two_statements(sqlite_url: str) -> None:
    statements: list[object] = []
    with opened(sqlite_url) as engine:
        event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        upgrade(engine, [])
    assert len([one for one in statements if not str(one).startswith("BEGIN")]) <= 3


def test_a_table_without_a_migration_gets_no_view_and_says_so(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(database_url)
    upgrade(engine, [INVOICES])
    with reading(engine) as connection:
        assert f"v_{INVOICES.name}" not in inspect(connection).get_view_names()
    engine.dispose()
    assert "has no migration" in caplog.text


def test_two_that_come_first_together_upgrade_once(sqlite_url: str) -> None:
    errors: list[BaseException] = []

    def come() -> None:
        try:
            upgrade(sqlite_url, [])
        except WarehouseError as error:
            errors.append(error)

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_new_file_that_many_open_at_once_lets_all_of_them_in(tmp_path: Path) -> None:
    errors: list[str] = []

    def come(path: Path, together: threading.Barrier) -> None:
        engine = open_engine(f"sqlite:///{path}")
        together.wait()
        try:
            with writing(engine) as connection:
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS seen (x)")
        except WarehouseError as error:
            errors.append(error.message)
        finally:
            engine.dispose()

    for number in range(60):
        together = threading.Barrier(8)
        threads = [
            threading.Thread(target=come, args=(tmp_path / f"{number}.db", together)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []


def test_a_failed_upgrade_leaves_the_database_as_it_was(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise WarehouseError("refused")

    engine = open_engine(database_url)
    with monkeypatch.context() as patch:
        patch.setattr(upgrading, "create_views", refuse)
        with pytest.raises(WarehouseError):
            upgrade(engine, [])
    with reading(engine) as connection:
        assert inspect(connection).get_table_names() == []
    upgrade(engine, [])
    engine.dispose()


def test_a_database_of_a_newer_program_is_left_alone(sqlite_url: str) -> None:
    with opened(sqlite_url) as engine:
        with writing(engine) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            connection.execute(text("DROP VIEW v_warehouse"))
        with pytest.raises(WarehouseError, match="revision 9999"):
            upgrade(engine, [])


def test_one_command_writes_the_migration_of_a_new_module_and_nothing_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "migrations"
    (home / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        (home / name).write_text((upgrading.MIGRATIONS / name).read_text())
    monkeypatch.setattr(upgrading, "MIGRATIONS", home)
    monkeypatch.setattr(revising, "MIGRATIONS", home)
    first = revise("The first tables", [INVOICES])
    assert first is not None
    assert first.name == "r0001_the_first_tables.py"
    assert revise("again", [INVOICES]) is None
    second = revise("A module more", list(TABLES.values()))
    assert second is not None
    assert "core_demo__pool_history" in second.read_text()
    engine = open_engine(f"sqlite:///{tmp_path}/w.db")
    upgrade(engine, TABLES.values())
    assert differences(engine, TABLES.values()) == []
    engine.dispose()


def test_views_show_rupees_and_hide_removed_rows(house: House) -> None:
    house.load(house.unit(answer(invoice("1", 12_345), invoice("2", 5))))
    house.load(house.unit(answer(invoice("1", 12_345))))
    views = dict(table_views(TABLES.values(), house.engine.dialect.name))
    with reading(house.engine) as connection:
        (row,) = connection.execute(views[f"v_{INVOICES.name}"]).mappings()
        (gone,) = connection.execute(views[f"v_{INVOICES.name}_removed"]).mappings()
    assert (float(row["taxable_rupees"]), row["client_name"]) == (123.45, "Client C1")
    assert gone["number"] == "2"


@pytest.mark.parametrize("name", ["v_sync_status", "v_exceptions", "v_quarantine", "v_warehouse"])
def test_the_ledgers_views_can_be_read(database_url: str, name: str) -> None:
    with opened(database_url) as engine, reading(engine) as connection:
        assert name in inspect(connection).get_view_names()
        connection.execute(text(f"SELECT * FROM {name}")).all()


class Bad(Row):
    """A row with what rows must not have."""

    number: str = text_column("Number")
    source: str = text_column("A name of the engine's own")


class Floating(Row):
    """A row with an inexact amount."""

    number: str | None = text_column("Number")
    taxable: float = amount("Taxable")


@pytest.mark.parametrize(
    ("row", "key", "message"),
    [
        (Bad, ("number",), "the engine itself adds a column 'source'"),
        (Floating, ("number",), "must be str, int, bool, date or datetime"),
        (INVOICES.row, (), "has no key"),
        (INVOICES.row, ("nothing",), "'nothing' is not a column"),
        (INVOICES.row, ("remark",), "must not be null"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused_in_words(
    row: type[Row], key: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidSpec, match=message):
        columns_of(TableSpec("demo__bad", row, key, (), "Bad."))


def test_every_key_and_index_of_a_table_begins_with_the_client() -> None:
    for table in target_metadata(TABLES.values()).tables.values():
        if table.name.startswith("core_") and not table.name.endswith("_history"):
            assert next(iter(table.primary_key.columns)).name == "client_id"
        if table.name.startswith("core_"):
            assert all(next(iter(index.columns)).name == "client_id" for index in table.indexes)
