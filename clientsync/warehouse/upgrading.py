"""The database is brought to the newest migration on first use, by whoever comes first.

Migrations and views change in one transaction under a lock, so two processes that start together upgrade once.
Invariant: a database that is at head costs one short query, and a half-upgraded one never exists.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, column, func, inspect, select, table

from clientsync.database import reading, writing
from clientsync.errors import SyncError, WarehouseError
from clientsync.spec.module import TableSpec
from clientsync.warehouse.schema import warehouse_table
from clientsync.warehouse.views import VIEWS_VERSION, View, create_views, drop_views

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x636C6E74  # "clnt": one upgrade at a time on a PostgreSQL server's database
_VERSION = table("alembic_version", column("version_num"))
_STATE = table("v_warehouse", column("state"))
_lock = threading.Lock()
_log = logging.getLogger(__name__)


def head() -> str:
    """Return the newest revision; revisions are numbered, their files named by the number.

    Raises:
        WarehouseError: the program was installed without its migrations.
    """
    numbers = sorted(path.name[1:5] for path in (MIGRATIONS / "versions").glob("r[0-9]*.py"))
    if not numbers:
        raise WarehouseError("The program was installed without its migrations.")
    return numbers[-1]


def alembic_config(connection: Connection, **attributes: Any) -> Config:
    """Return Alembic's configuration for our migrations on a connection."""
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, **attributes)
    return config


def bring_up_to_date(engine: Engine, tables: Iterable[TableSpec] | None) -> None:
    """Migrate to head and make the views anew, unless both are there already.

    Args:
        engine: the warehouse.
        tables: tables that get views; None: those of every connector, with the connectors' own views.

    Raises:
        WarehouseError: the database cannot be reached, refuses a migration, or was written by a newer version.
    """
    if _state(engine) == _wanted_state():
        return
    with _lock:
        if _state(engine) == _wanted_state():
            return
        specs, extra, is_complete = (list(tables), [], True) if tables is not None else _declared()
        with writing(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            _refuse_newer(connection)
            drop_views(connection)
            migrate(connection)
            ready = [spec for spec in specs if _is_migrated(connection, spec)]
            is_complete = is_complete and len(ready) == len(specs)
            create_views(connection, ready, extra, _wanted_state() if is_complete else "incomplete")


def migrate(connection: Connection) -> None:
    """Run the migrations that the database has not seen yet, in the caller's transaction."""
    from alembic import command

    if _version(connection) != head():
        command.upgrade(alembic_config(connection), "head")


def _is_migrated(connection: Connection, spec: TableSpec) -> bool:
    """Say whether the database has the table with every column of the spec; if not, it gets no view yet."""
    core = warehouse_table(spec).core
    inspector = inspect(connection)
    found = (
        {one["name"] for one in inspector.get_columns(core.name)} if inspector.has_table(core.name) else set()
    )
    if found >= set(core.columns.keys()):
        return True
    _log.warning("table %s has no migration: run python -m clientsync.warehouse.revise", core.name)
    return False


def _wanted_state() -> str:
    return f"{head()}.{VIEWS_VERSION}"


def _state(engine: Engine) -> str | None:
    """Return migration and views version of a database, None when it has none."""
    with reading(engine) as connection:
        if not inspect(connection).has_table("v_warehouse"):
            return None
        return connection.execute(select(_STATE.c.state)).scalar_one_or_none()


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()


def _refuse_newer(connection: Connection) -> None:
    found = _version(connection)
    if found is not None and found > head():
        raise WarehouseError(f"The warehouse is at revision {found}, this program knows up to {head()}.")


def _declared() -> tuple[list[TableSpec], Sequence[View], bool]:
    """Return the tables and views of every connector, and whether all connectors could be read."""
    registry = import_module("clientsync.registry")
    specs: list[TableSpec] = []
    extra: list[View] = []
    is_complete = True
    for name in registry.index():
        try:
            connector = registry.connector(name)
            extra.extend(getattr(connector, "views", ()))
            names = connector.module_names()
        except SyncError as error:
            _log.warning("connector %s has no views: %s", name, error.message)
            is_complete = False
            continue
        for one in names:
            try:
                specs.extend(connector.module(one).tables)
            except (SyncError, ImportError, AttributeError, SyntaxError) as error:
                _log.warning("module %s of %s has no views: %s", one, name, type(error).__name__)
                is_complete = False
    return specs, extra, is_complete
