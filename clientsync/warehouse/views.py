"""Views for analysts: current rows with the client's name and amounts in rupees, and what the ledger says.

``v_<table>`` shows rows that stand, ``v_<table>_removed`` those that the source no longer has. Amounts are
rupees with two decimals in columns ``…_rupees``. Views hold no data; an upgrade makes them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    Numeric,
    Select,
    Table,
    cast,
    extract,
    func,
    inspect,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.schema import CreateView, DropView

from clientsync.ledger.tables import SyncCell, SyncClient, SyncException, SyncQuarantine, SyncUnit
from clientsync.outcomes import DONE
from clientsync.spec.module import TableSpec
from clientsync.warehouse.recon_views import recon_views
from clientsync.warehouse.schema import WarehouseTable, warehouse_table

VIEWS_VERSION = 4  # raise when a view here or of a connector changes without a migration

_CLIENT: Any = SyncClient.__table__  # type: ignore[attr-defined]
_UNIT: Any = SyncUnit.__table__  # type: ignore[attr-defined]
_CELL: Any = SyncCell.__table__  # type: ignore[attr-defined]
_EXCEPTION: Any = SyncException.__table__  # type: ignore[attr-defined]
_QUARANTINE: Any = SyncQuarantine.__table__  # type: ignore[attr-defined]
_UNIT_KEY = ("client_id", "connector", "module", "unit_period")


@dataclass(frozen=True)
class View:
    """A view that a connector adds to those of its tables.

    Attributes:
        name: begins with ``v_``.
        select: the dialect's name (``sqlite`` or ``postgresql``) to the SELECT, without parameters.
    """

    name: str
    select: Callable[[str], str]


def create_views(
    connection: Connection, specs: Iterable[TableSpec], extra: Sequence[View], state: str
) -> None:
    """Make every view; ``v_warehouse`` says at which state the database is."""
    dialect = connection.dialect.name
    for name, statement in [*ledger_views(dialect), *table_views(specs, dialect)]:
        connection.execute(CreateView(statement, name, metadata=MetaData()))
    for view in extra:
        connection.execute(CreateView(text(view.select(dialect)).columns(), view.name, metadata=MetaData()))
    connection.execute(CreateView(select(literal(state).label("state")), "v_warehouse", metadata=MetaData()))


def drop_views(connection: Connection) -> None:
    """Drop every view of ours, so that tables below them can change."""
    for name in inspect(connection).get_view_names():
        if name.startswith("v_"):
            connection.execute(DropView(Table(name, MetaData())))


def table_views(specs: Iterable[TableSpec], dialect: str) -> list[tuple[str, Select[Any]]]:
    """Return name and SELECT of the views of the tables: rows that stand and rows that were removed."""
    views: list[tuple[str, Select[Any]]] = []
    for spec in specs:
        table = warehouse_table(spec)
        shown = _shown(table, dialect)
        removed = table.core.c.removed_at
        views.append((f"v_{spec.name}", shown.where(removed.is_(None))))
        views.append((f"v_{spec.name}_removed", shown.add_columns(removed).where(removed.is_not(None))))
    return views


def _shown(table: WarehouseTable, dialect: str) -> Select[Any]:
    core = table.core
    columns = [
        _rupees(core.c[one.name], dialect) if one.name.endswith("_paise") else core.c[one.name]
        for one in table.columns
    ]
    return select(
        core.c.client_id,
        _CLIENT.c.name.label("client_name"),
        *columns,
        core.c.source,
        core.c.first_loaded_at,
        core.c.loaded_at,
    ).select_from(core.outerjoin(_CLIENT, _CLIENT.c.client_id == core.c.client_id))


def _rupees(column: Column[Any], dialect: str) -> Any:
    return _in_rupees(dialect, column, column.name.removesuffix("_paise") + "_rupees")


def _in_rupees(dialect: str, amount: Any, label: str) -> Any:
    if dialect == "postgresql":
        return cast(cast(amount, Numeric) / literal_column("100"), Numeric(20, 2)).label(label)
    return func.round(amount / literal_column("100.0"), literal_column("2")).label(label)


def ledger_views(dialect: str) -> list[tuple[str, Select[Any]]]:
    """Return name and SELECT of the views over the ledger."""
    return [
        ("v_sync_status", _status(dialect)),
        ("v_exceptions", _exceptions()),
        ("v_quarantine", _quarantine()),
        *recon_views(partial(_in_rupees, dialect)),
    ]


def _newest() -> Any:
    """The newest unit of every client, module and period; unit ids sort by time."""
    keys = [_UNIT.c[name] for name in _UNIT_KEY]
    return select(func.max(_UNIT.c.unit_id).label("unit_id")).group_by(*keys).subquery("newest")


def _status(dialect: str) -> Select[Any]:
    newest = _newest()
    done = [str(outcome) for outcome in sorted(DONE)]
    good = (
        select(*(_UNIT.c[name] for name in _UNIT_KEY), func.max(_UNIT.c.ended_at).label("last_success_at"))
        .where(_UNIT.c.outcome.in_(done))
        .group_by(*(_UNIT.c[name] for name in _UNIT_KEY))
        .subquery("good")
    )
    stored = (
        select(*(_CELL.c[name] for name in _UNIT_KEY), func.sum(_CELL.c.rows).label("rows"))
        .group_by(*(_CELL.c[name] for name in _UNIT_KEY))
        .subquery("stored")
    )
    if dialect == "postgresql":
        hours = extract("epoch", func.now() - good.c.last_success_at) / literal_column("3600")
    else:
        hours = (func.julianday() - func.julianday(good.c.last_success_at)) * literal_column("24")
    return select(
        _UNIT.c.client_id,
        _CLIENT.c.name.label("client_name"),
        _UNIT.c.connector,
        _UNIT.c.module,
        _UNIT.c.unit_period,
        _UNIT.c.state,
        _UNIT.c.outcome.label("last_outcome"),
        _UNIT.c.reason,
        _UNIT.c.next_step,
        _UNIT.c.next_try_at,
        _UNIT.c.ended_at.label("last_ended_at"),
        good.c.last_success_at,
        hours.label("hours_since_success"),
        func.coalesce(stored.c.rows, literal_column("0")).label("rows"),
        _UNIT.c.run_id,
        _UNIT.c.unit_id,
    ).select_from(
        _UNIT.join(newest, newest.c.unit_id == _UNIT.c.unit_id)
        .outerjoin(_CLIENT, _CLIENT.c.client_id == _UNIT.c.client_id)
        .outerjoin(good, _same_unit(good))
        .outerjoin(stored, _same_unit(stored))
    )


def _same_unit(other: Any) -> Any:
    first, *rest = (other.c[name] == _UNIT.c[name] for name in _UNIT_KEY)
    for one in rest:
        first = first & one
    return first


def _exceptions() -> Select[Any]:
    newest = _newest()
    shown = [one for one in _EXCEPTION.c if one.name != "exception_id"]
    return select(*shown, _CLIENT.c.name.label("client_name")).select_from(
        _EXCEPTION.join(newest, newest.c.unit_id == _EXCEPTION.c.unit_id).outerjoin(
            _CLIENT, _CLIENT.c.client_id == _EXCEPTION.c.client_id
        )
    )


def _quarantine() -> Select[Any]:
    return (
        select(*_QUARANTINE.c, _CLIENT.c.name.label("client_name"))
        .select_from(_QUARANTINE.outerjoin(_CLIENT, _CLIENT.c.client_id == _QUARANTINE.c.client_id))
        .where(_QUARANTINE.c.resolved_at.is_(None))
    )
