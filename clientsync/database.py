"""The one way to the database: engines, reading and writing transactions, upgrades, typed errors.

SQLite (WAL, one writer at a time) is the default, PostgreSQL comes by its URL. A write transaction holds
the write lock from its first statement, so nothing read in it can be outdated when it writes. Errors of the
driver leave here as ``WarehouseError`` without SQL, values or chained driver text, because drivers quote rows.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ClauseElement,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    String,
    Table,
    Text,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from clientsync.errors import (
    IntegrityBroken,
    InvalidInput,
    OutOfSpace,
    StatementRefused,
    WarehouseError,
    WarehouseUnavailable,
)

if TYPE_CHECKING:
    from clientsync.spec.module import TableSpec

BUSY_SECONDS = 60
_TRY_AGAIN_SECONDS = 0.02
CACHE_KILOBYTES = 4096
"""Page cache of each SQLite connection: the system caches the file too, and there are dozens of connections."""
_WRITE = "clientsync_write"
_SQLITE_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
_SQLITE_BROKEN = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")
_SQLITE_AWAY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_READONLY")
_STATE_FULL = ("53100", "53200")  # disk full, out of memory
_STATE_AWAY = ("08", "57P", "40001", "40P01", "55P03", "53300", "57014")
_STATE_BROKEN = ("22", "23")

_locks: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()
_locks_lock = threading.Lock()


class _Shared(threading.local):
    """The connection that all readings of a thread use while it is in ``one_state``."""

    of: tuple[Engine, Connection] | None = None


_shared = _Shared()


def open_engine(url: str) -> Engine:
    """Return an engine for a SQLite file or a PostgreSQL database; nothing is connected yet.

    The folder of a SQLite file is made. Statements in error messages and logs never show their values.

    Raises:
        InvalidInput: not a URL of one of the two databases.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(
            "The database URL cannot be read. Valid: sqlite:///path or postgresql://…"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(parsed)
    if backend == "postgresql":
        return _open_postgres(parsed)
    raise InvalidInput(f"Unknown database {backend!r}. Valid: sqlite, postgresql.")


def _open_sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=8,
        max_overflow=56,
        pool_timeout=BUSY_SECONDS,
        pool_use_lifo=True,  # every connection has a page cache: work in turn fills one, not all of them
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        for pragma in (
            f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
            "PRAGMA synchronous=NORMAL",
            "PRAGMA foreign_keys=ON",
            "PRAGMA temp_store=MEMORY",
            f"PRAGMA cache_size=-{CACHE_KILOBYTES}",
        ):
            connection.execute(pragma)
        _use_log(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        wanted = connection.get_execution_options().get(_WRITE)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if wanted else "BEGIN")

    return engine


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch a file to its write-ahead log.

    A new file that several open at once answers "locked" here without heeding the busy timeout, so it is tried again.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(_TRY_AGAIN_SECONDS)
        else:
            return


def _open_postgres(url: URL) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_size=8,
        max_overflow=24,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 10,
            "options": f"-c timezone=UTC -c lock_timeout={BUSY_SECONDS * 1000}",
        },
    )


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that sees one state of the database; nothing can be written in it.

    The state is that of the first statement, whatever is committed meanwhile: a transaction of SQLite's write-ahead
    log, REPEATABLE READ of PostgreSQL. Within ``one_state`` it is the state of that block.

    Raises:
        WarehouseError: the database cannot be read.
    """
    if _shared.of is not None and _shared.of[0] is engine:
        with typed_errors():
            yield _shared.of[1]
        return
    with typed_errors(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin() as transaction:
            yield connection
            transaction.rollback()


@contextmanager
def one_state(engine: Engine) -> Iterator[None]:
    """Let everything that this thread reads of a database within the block be of one state, through whatever calls.

    What is written meanwhile, by others or by this thread, is not seen before the block ends.

    Raises:
        WarehouseError: the database cannot be read.
    """
    with reading(engine) as connection:
        before, _shared.of = _shared.of, (engine, connection)
        try:
            yield
        finally:
            _shared.of = before


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a write transaction: committed at the end, rolled back on any error.

    On SQLite the writers of this process stand in line at a lock, so they do not poll the file.

    Raises:
        WarehouseError: the database cannot be written; nothing of the transaction remains.
    """
    with _write_turn(engine), typed_errors(), engine.connect() as connection:
        connection.execution_options(**{_WRITE: True})
        with connection.begin():
            yield connection


@contextmanager
def _write_turn(engine: Engine) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        yield
        return
    with _locks_lock:
        lock = _locks.setdefault(engine, threading.Lock())
    if not lock.acquire(timeout=BUSY_SECONDS * 5):
        raise WarehouseUnavailable("Another write of this process does not end.")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn errors of the driver inside the block into ``WarehouseError``; others pass unchanged."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise typed_error(error) from None


def typed_error(error: BaseException) -> WarehouseError:
    """Return the error of ours that an error of the database stands for; it names a code, never a value."""
    if isinstance(error, PoolTimeout):
        return WarehouseUnavailable("No database connection became free in time.")
    original = error.orig if isinstance(error, DBAPIError) else error
    name = str(
        getattr(original, "sqlite_errorname", None)
        or getattr(original, "sqlstate", None)
        or type(original).__name__
    )
    if name in _SQLITE_FULL or name in _STATE_FULL:
        return OutOfSpace(f"The disk of the warehouse is full ({name}).")
    if isinstance(error, IntegrityError) or name.startswith((*_SQLITE_BROKEN, *_STATE_BROKEN)):
        return IntegrityBroken(f"The database refused a row ({name}).")
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if is_lost or name.startswith((*_SQLITE_AWAY, *_STATE_AWAY)):
        return WarehouseUnavailable(f"The warehouse cannot be reached ({name}).")
    if name == "OperationalError":
        return WarehouseUnavailable("The warehouse cannot be reached (no connection).")
    return StatementRefused(f"The database refused a statement ({name}).")


def copy_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    types: Sequence[str] = (),
) -> None:
    """Insert rows into ``table`` by PostgreSQL's COPY; values stand in the order of ``columns``.

    With ``types``, the names of PostgreSQL's types of the columns, values travel in their binary form: every one must
    be of its type and within its bounds, because the driver cuts what is not.

    Raises:
        WarehouseError: the database refused them.
    """
    import psycopg
    from psycopg import sql

    statement = sql.SQL("COPY {} ({}) FROM STDIN {}").format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL("(FORMAT BINARY)" if types else ""),
    )
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            if types:
                copy.set_types(types)
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise typed_error(error) from None


_BINARY: dict[type[Any], tuple[str, int]] = {
    String: ("text", 0),
    Text: ("text", 0),
    Integer: ("int4", 2**31),
    BigInteger: ("int8", 2**63),
}
"""Types of columns whose values may travel in binary form: PostgreSQL's name, and the bound of whole numbers."""


def binary_types(table: Table, names: Sequence[str], columns: Iterable[Sequence[Any]]) -> list[str]:
    """Return PostgreSQL's types of columns whose values may all travel in binary form; empty when one may not."""
    found = []
    for name, values in zip(names, columns, strict=True):
        kind, bound = _BINARY.get(type(table.c[name].type), ("", 0))
        if not kind or not (_are_whole(values, bound) if bound else _are_texts(values)):
            return []
        found.append(kind)
    return found


def _are_texts(values: Sequence[Any]) -> bool:
    try:
        "".join(values)  # looks at them faster than anything that asks each for its type
    except TypeError:
        return False
    return True


def _are_whole(values: Sequence[Any], bound: int) -> bool:
    return set(map(type, values)) == {int} and -bound <= min(values) and max(values) < bound


def execute_many(
    connection: Connection, statement: ClauseElement, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Execute one statement for many rows in a single call of the driver.

    ``names`` are the statement's bound parameters in the order of the values in ``rows``; values are already
    in the form that the driver stores, which saves SQLAlchemy's conversion of every value.
    """
    if not rows:
        return
    compiled: Any = statement.compile(dialect=connection.dialect)
    if not compiled.positional:
        connection.exec_driver_sql(str(compiled), [dict(zip(names, row, strict=True)) for row in rows])
        return
    order = [names.index(name) for name in compiled.positiontup]
    if order == list(range(len(names))):
        connection.exec_driver_sql(str(compiled), list(rows))
    else:
        pick = itemgetter(*order)
        connection.exec_driver_sql(str(compiled), [pick(row) for row in rows])


def insert_rows(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    columns: Iterable[Sequence[Any]] = (),
) -> None:
    """Insert rows, whose values stand in the order of ``names``, by the fastest way of the database.

    ``columns`` are the same values column by column, for who has them at hand.

    Raises:
        WarehouseError: the database refused them.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        types = binary_types(table, names, columns or zip(*rows, strict=True))
        copy_rows(connection, table, names, rows, types)
        return
    statement = insert(table).values({name: bindparam(name) for name in names})
    execute_many(connection, statement, names, rows)


def insert_columns(connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows whose values are given column by column, by the fastest way of the database.

    Raises:
        WarehouseError: the database refused them.
        ValueError: a column has more values than another.
    """
    values = columns.values()
    insert_rows(connection, table, list(columns), list(zip(*values, strict=True)), values)


def find_by_keys(connection: Connection) -> None:
    """Let PostgreSQL use indexes wherever it can until the end of the transaction; nothing on SQLite.

    It keeps the plan by which it checks a foreign key for as long as the connection lives. Made while the other table
    was empty, that plan reads all of it for every row: 20,000 bills took 35 s instead of 2.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")


def among(
    connection: Connection, column: ColumnElement[Any], values: Collection[str] | Collection[int]
) -> ColumnElement[bool]:
    """Return the condition that a column has one of many values, as one parameter however many they are.

    The text of the statement stays the same, so it is prepared once; a list of parameters is made anew for every number
    of values.
    """
    wanted = sorted(values)
    if connection.dialect.name == "postgresql":
        return column == any_(literal(wanted, ARRAY(column.type)))
    listed = func.json_each(json.dumps(wanted)).table_valued("value")
    return column.in_(select(listed.c.value))


def upgrade(target: Engine | str, tables: Iterable[TableSpec] | None = None) -> None:
    """Bring a database to the newest migration and its views up to date; does nothing when it is there.

    Args:
        target: engine or URL.
        tables: tables that get views; None: those of every connector.

    Raises:
        WarehouseError: the database cannot be reached or refuses a migration; nothing of it remains.
    """
    bring_up_to_date = import_module("clientsync.warehouse.upgrading").bring_up_to_date
    if isinstance(target, Engine):
        bring_up_to_date(target, tables)
        return
    engine = open_engine(target)
    try:
        bring_up_to_date(engine, tables)
    finally:
        engine.dispose()
