"""From a ``TableSpec`` to the tables of the warehouse: the current rows and the versions that they replaced.

``core_<name>`` holds the newest version of every row, tombstones included; ``core_<name>_history`` holds the
versions that no longer stand, each with the time in which it stood. So a version is stored exactly once, an
unchanged night writes nothing, and any past night can be read (``as_of``). ``client_id`` is the first column
of every key and index.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    String,
    Table,
    Text,
    select,
    union_all,
)
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from clientsync.errors import InvalidSpec
from clientsync.ledger import book_tables, commerce_tables, match_tables, recon_tables, record_tables
from clientsync.ledger import tables as ledger_tables
from clientsync.moments import UtcDateTime
from clientsync.spec.module import TableSpec

ENGINE_COLUMNS = (
    "client_id",
    "row_hash",
    "run_id",
    "unit_id",
    "source",
    "first_loaded_at",
    "loaded_at",
    "removed_at",
)
HISTORY_COLUMNS = ("history_id", "valid_from", "valid_to", "change", "ended_by_run_id", "ended_by_unit_id")
LONGEST_NAME = 63  # PostgreSQL cuts longer identifiers off without a word

# What ended the version that a history row keeps. A row's first version needs no entry: its beginning is
# ``first_loaded_at``. ``restored`` ends a time in which the source did not have the row.
UPDATED, REMOVED, RESTORED = "updated", "removed", "restored"


@dataclass(frozen=True)
class ColumnSpec:
    """One column of a typed row, as the warehouse stores it.

    Attributes:
        python: ``str``, ``int``, ``bool``, ``date`` or ``datetime``.
        is_optional: whether it may be null.
        length: of a text, None when it has no limit.
        default: for rows that leave it out; ``...`` when they must not.
        description, personal, unit: for the data dictionary.
    """

    name: str
    python: type
    is_optional: bool
    length: int | None
    default: Any
    description: str
    personal: str
    unit: str

    @property
    def sql_type(self) -> TypeEngine[Any]:
        """The column type on both databases."""
        if self.python is str:
            return String(self.length) if self.length else Text()
        plain: dict[type, TypeEngine[Any]] = {
            int: BigInteger(),
            bool: Boolean(),
            date: Date(),
            datetime: UtcDateTime(),
        }
        return plain[self.python]


@dataclass(frozen=True, eq=False)
class WarehouseTable:
    """A table of the warehouse: its spec, its columns, its current rows and its history."""

    spec: TableSpec
    columns: tuple[ColumnSpec, ...]
    core: Table
    history: Table

    @property
    def key(self) -> tuple[str, ...]:
        """The whole key, ``client_id`` first."""
        return ("client_id", *self.spec.key)

    def kinds(self, names: Iterable[str]) -> list[type]:
        """Return the Python types of columns; the engine's own columns are text here."""
        by_name = {column.name: column.python for column in self.columns}
        return [by_name.get(name, str) for name in names]


def columns_of(spec: TableSpec) -> tuple[ColumnSpec, ...]:
    """Return the columns of a spec's row in the order declared.

    Raises:
        InvalidSpec: a type that rows may not have, a reserved name, a key or scope that is no column, a key
            that may be null.
    """
    found = tuple(_column(spec, name, info) for name, info in spec.row.model_fields.items())
    by_name = {column.name: column for column in found}
    for name in (*spec.key, *spec.scope):
        if name not in by_name:
            raise InvalidSpec(f"Table {spec.name}: {name!r} is not a column. Columns: {', '.join(by_name)}.")
    for name in spec.key:
        if by_name[name].is_optional:
            raise InvalidSpec(f"Table {spec.name}: key column {name!r} must not be null; use an empty text.")
    if not spec.key:
        raise InvalidSpec(f"Table {spec.name} has no key.")
    return found


def _column(spec: TableSpec, name: str, info: FieldInfo) -> ColumnSpec:
    if name in ENGINE_COLUMNS or name in HISTORY_COLUMNS:
        raise InvalidSpec(
            f"Table {spec.name}: the engine itself adds a column {name!r}; name yours otherwise."
        )
    python, is_optional = _plain_type(info.annotation)
    if python not in (str, int, bool, date, datetime):
        raise InvalidSpec(f"Table {spec.name}: {name!r} must be str, int, bool, date or datetime.")
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    length = next((one.max_length for one in info.metadata if hasattr(one, "max_length")), None)
    return ColumnSpec(
        name=name,
        python=python,
        is_optional=is_optional,
        length=length,
        default=... if info.is_required() else info.default,
        description=info.description or "",
        personal=str(extra.get("personal", "none")),
        unit=str(extra.get("unit", "")),
    )


def _plain_type(annotation: Any) -> tuple[type, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        members = [one for one in get_args(annotation) if one is not type(None)]
        if len(members) == 1:
            return members[0], len(get_args(annotation)) == 2
    return annotation, False


@lru_cache(maxsize=1024)
def _built(name: str, row: type, key: tuple[str, ...], scope: tuple[str, ...]) -> tuple[Table, Table]:
    spec = TableSpec(name=name, row=row, key=key, scope=scope, description="")
    return build_tables(spec, MetaData())


def warehouse_table(spec: TableSpec) -> WarehouseTable:
    """Return the tables of a spec; the same SQLAlchemy tables for the same name, row and key.

    Raises:
        InvalidSpec: see ``columns_of``.
    """
    core, history = _built(spec.name, spec.row, tuple(spec.key), tuple(spec.scope))
    return WarehouseTable(spec, columns_of(spec), core, history)


def build_tables(spec: TableSpec, metadata: MetaData) -> tuple[Table, Table]:
    """Add ``core_<name>`` and its history to ``metadata`` and return them.

    Raises:
        InvalidSpec: see ``columns_of``; or the name is too long for PostgreSQL.
    """
    columns = columns_of(spec)
    name = f"core_{spec.name}"
    if len(f"ix_{name}_history_key") > LONGEST_NAME:
        raise InvalidSpec(f"Table {spec.name}: the name is too long for PostgreSQL.")
    core = Table(
        name,
        metadata,
        Column("client_id", String(40), nullable=False),
        *(Column(one.name, one.sql_type, nullable=one.is_optional) for one in columns),
        Column("row_hash", String(32), nullable=False),
        Column("run_id", String(40), nullable=False),
        Column("unit_id", String(40), nullable=False),
        Column("source", String(10), nullable=False),
        Column("first_loaded_at", UtcDateTime(), nullable=False),
        Column("loaded_at", UtcDateTime(), nullable=False),
        Column("removed_at", UtcDateTime(), nullable=True),
        PrimaryKeyConstraint("client_id", *spec.key),
    )
    if spec.scope and tuple(spec.scope) != tuple(spec.key[: len(spec.scope)]):
        Index(f"ix_{name}_scope", core.c.client_id, *(core.c[one] for one in spec.scope))
    history = Table(
        f"{name}_history",
        metadata,
        Column(
            "history_id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
        Column("client_id", String(40), nullable=False),
        *(Column(one.name, one.sql_type, nullable=one.is_optional) for one in columns),
        Column("row_hash", String(32), nullable=False),
        Column("run_id", String(40), nullable=False),
        Column("unit_id", String(40), nullable=False),
        Column("source", String(10), nullable=False),
        Column("first_loaded_at", UtcDateTime(), nullable=False),
        Column("valid_from", UtcDateTime(), nullable=False),
        Column("valid_to", UtcDateTime(), nullable=False),
        Column("change", String(10), nullable=False),
        Column("ended_by_run_id", String(40), nullable=False),
        Column("ended_by_unit_id", String(40), nullable=False),
    )
    Index(f"ix_{name}_history_key", history.c.client_id, *(history.c[one] for one in spec.key))
    return core, history


def as_of(table: WarehouseTable, moment: datetime) -> Select[Any]:
    """Return a SELECT of ``client_id`` and the row columns as they stood at ``moment`` (aware).

    A load at ``moment`` itself is seen. Rows that the source did not have at that time are not.
    """
    core, history = table.core, table.history
    names = ["client_id", *(one.name for one in table.columns)]
    standing = select(*(core.c[name] for name in names)).where(
        core.c.removed_at.is_(None), core.c.loaded_at <= moment
    )
    replaced = select(*(history.c[name] for name in names)).where(
        history.c.change != RESTORED, history.c.valid_from <= moment, history.c.valid_to > moment
    )
    both = union_all(standing, replaced).subquery(f"{core.name}_as_of")
    return select(*(both.c[name] for name in names))


def ledger_models() -> Iterator[Table]:
    """Yield the tables of the ledger."""
    for module in (ledger_tables, recon_tables, match_tables, book_tables, record_tables, commerce_tables):
        for model in vars(module).values():
            if isinstance(model, type) and issubclass(model, SQLModel) and hasattr(model, "__table__"):
                yield model.__table__


def target_metadata(specs: Iterable[TableSpec]) -> MetaData:
    """Return new metadata with the ledger's tables and those of ``specs``: what a database at head has."""
    metadata = MetaData()
    for table in ledger_models():
        table.to_metadata(metadata)
    for spec in specs:
        build_tables(spec, metadata)
    return metadata
