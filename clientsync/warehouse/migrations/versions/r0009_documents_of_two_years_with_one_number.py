"""documents of two years with one number.

A supplier's numbers start again every April, so the year of the document belongs to its key in GSTR-2B and IMS. Follows
0008. What is stored keeps its history: the year comes from the date of the document, of an item from that of its
document, and row hashes are made anew, so that no row looks changed when it is read next.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_STATEMENT = ("period", "section", "status", "supplier_gstin", "document_type", "document_number")
_POOL = ("section", "supplier_gstin", "document_number")
_PLACE = ("return_period", "port_code", "occurrence")
_TABLES = (
    ("gst__gstr2b_document", _STATEMENT, ("supplier_period",)),
    ("gst__gstr2b_item", _STATEMENT, ("item_number",)),
    ("gst__gstr2b_isd", _STATEMENT, ()),
    ("gst__ims_document", _POOL, _PLACE),
)
"""Table, and its key before and after the year of the document."""
_PREFIXES = {"gst__gstr2b_document": "2b", "gst__gstr2b_isd": "2bi", "gst__ims_document": "ims"}
"""How the ids of documents in reconciliations begin."""
_ENGINE = {
    *("client_id", "row_hash", "run_id", "unit_id", "source", "first_loaded_at", "loaded_at", "removed_at"),
    *("history_id", "valid_from", "valid_to", "change", "ended_by_run_id", "ended_by_unit_id"),
}
_NONE = "\ud800"
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def upgrade() -> None:
    """Bring the tables to this revision."""
    for name, _, _ in _TABLES:
        for table in (f"core_{name}", f"core_{name}_history"):
            op.add_column(table, sa.Column("document_year", sa.String(length=7), nullable=True))
    for name, _, _ in _TABLES:
        _fill(_reflected(f"core_{name}"))
        _fill(_reflected(f"core_{name}_history"))
    for name, before, after in _TABLES:
        _set_key(name, ("client_id", *before, "document_year", *after), is_nullable=False)
    places = _renumber(_reflected("core_gst__ims_document"))
    _rename(places)
    _fill_held()


def downgrade() -> None:
    """Bring the tables back to the revision before; refused where two documents differ in their year only."""
    for name, before, after in _TABLES:
        _set_key(name, ("client_id", *before, *after), is_nullable=True)
        for table in (f"core_{name}", f"core_{name}_history"):
            with op.batch_alter_table(table) as batch_op:
                batch_op.drop_column("document_year")


def _set_key(name: str, key: tuple[str, ...], *, is_nullable: bool) -> None:
    core, history = f"core_{name}", f"core_{name}_history"
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(f"{core}_pkey", core, type_="primary")
        op.create_primary_key(f"{core}_pkey", core, list(key))
        op.alter_column(core, "document_year", existing_type=sa.String(length=7), nullable=is_nullable)
    else:
        with op.batch_alter_table(core, copy_from=_with_key(core, key), recreate="always") as batch_op:
            batch_op.alter_column("document_year", existing_type=sa.String(length=7), nullable=is_nullable)
    with op.batch_alter_table(history) as batch_op:
        batch_op.alter_column("document_year", existing_type=sa.String(length=7), nullable=is_nullable)
        batch_op.drop_index(f"ix_{history}_key")
        batch_op.create_index(f"ix_{history}_key", list(key), unique=False)


def _with_key(name: str, key: tuple[str, ...]) -> sa.Table:
    """Return a table as it stands, with another primary key."""
    found = _reflected(name)
    return sa.Table(
        name,
        sa.MetaData(),
        *(
            sa.Column(one.name, one.type, nullable=one.nullable and one.name not in key)
            for one in found.columns
        ),
        sa.PrimaryKeyConstraint(*key),
        *(sa.Index(one.name, *(column.name for column in one.columns)) for one in found.indexes),
    )


def _year(day: date | None) -> str:
    if day is None:
        return ""
    first = day.year if day.month >= 4 else day.year - 1
    return f"{first}-{(first + 1) % 100:02d}"


def _year_of_month(period: str) -> str:
    if not (len(period) == 6 and period.isdigit() and 1 <= int(period[:2]) <= 12):
        return ""
    return _year(date(int(period[2:]), int(period[:2]), 1))


def _reflected(name: str) -> sa.Table:
    return sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())


def _rows(table: sa.Table) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a table client by client."""
    clients = op.get_bind().execute(sa.select(table.c.client_id).distinct()).scalars().all()
    for client_id in sorted(clients):
        found = op.get_bind().execute(sa.select(table).where(table.c.client_id == client_id))
        yield [dict(row) for row in found.mappings()]


def _update(table: sa.Table, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write columns of rows, each under ``new_<column>``, in their order."""
    own = [column.name for column in table.primary_key.columns]
    statement = (
        table.update()
        .where(*(table.c[name] == sa.bindparam(f"own_{name}") for name in own))
        .values({name: sa.bindparam(f"new_{name}") for name in columns})
    )
    if rows:
        wanted = [f"new_{name}" for name in columns]
        op.get_bind().execute(
            statement,
            [
                {f"own_{name}": row[name] for name in own} | {name: row[name] for name in wanted}
                for row in rows
            ],
        )


def _fill(table: sa.Table) -> None:
    """Fill in years and hashes."""
    for rows in _rows(table):
        years = {} if "document_on" in table.c or not rows else _years_of_documents(rows[0]["client_id"])
        for row in rows:
            if "document_on" in table.c:
                year = _year(row["document_on"])
            else:
                year = years.get(tuple(row[one] for one in _STATEMENT), _year_of_month(row["period"]))
            row |= {"new_document_year": year, "new_row_hash": _hash(row | {"document_year": year})}
        _update(table, ("document_year", "row_hash"), rows)


def _years_of_documents(client_id: str) -> dict[tuple[Any, ...], str]:
    """Return the years of a client's GSTR-2B documents by the key that their items shared with them."""
    found: dict[tuple[Any, ...], str] = {}
    for name in ("core_gst__gstr2b_document", "core_gst__gstr2b_document_history"):
        table = _reflected(name)
        columns = [table.c[one] for one in (*_STATEMENT, "document_on")]
        for *key, issued_on in op.get_bind().execute(
            sa.select(*columns).where(table.c.client_id == client_id)
        ):
            found.setdefault(tuple(key), _year(issued_on))
    return found


def _renumber(table: sa.Table) -> dict[tuple[Any, ...], int]:
    """Count the ordinals of the pool anew within each year; return the old ones of the rows that have a new one."""
    before: dict[tuple[Any, ...], int] = {}
    for rows in _rows(table):
        alike: dict[tuple[Any, ...], int] = defaultdict(int)
        changed = []
        for row in sorted(rows, key=lambda one: one["occurrence"]):
            place = tuple(row[one] for one in (*_POOL, "document_year", *_PLACE[:-1]))
            alike[place] += 1
            if alike[place] != row["occurrence"]:
                before[row["client_id"], *place, alike[place]] = row["occurrence"]
                new = row | {"occurrence": alike[place]}
                changed.append(row | {"new_occurrence": alike[place], "new_row_hash": _hash(new)})
        _update(table, ("occurrence", "row_hash"), changed)
    return before


def _hash(row: dict[str, Any]) -> str:
    values = [row[name] for name in sorted(set(row) - _ENGINE)]
    texts = [
        _NONE if one is None else one.isoformat() if isinstance(one, date) else str(one) for one in values
    ]
    return hashlib.sha256("\x00".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _rename(before: dict[tuple[Any, ...], int]) -> None:
    """Write the new ids of documents into what persons decided on them.

    The id of a document names its year where that is not the one of its statement.
    """
    table = sa.table(
        "recon_decision",
        sa.column("decision_id", sa.String),
        sa.column("client_id", sa.String),
        sa.column("right_ids", sa.JSON),
    )
    decisions = op.get_bind().execute(sa.select(table)).all()
    ids: dict[tuple[str, str], str] = {}
    for name, prefix in _PREFIXES.items() if decisions else ():
        for rows in _rows(_reflected(f"core_{name}")):
            for row in rows:
                old, new = _ids(name, prefix, row, before)
                if old != new:
                    ids[row["client_id"], old] = new
    for decision_id, client_id, right in decisions:
        renamed = sorted(ids.get((client_id, one), one) for one in right)
        if renamed != sorted(right):
            own = table.c.decision_id == decision_id
            op.get_bind().execute(table.update().where(own).values(right_ids=renamed))


def _ids(name: str, prefix: str, row: dict[str, Any], before: dict[tuple[Any, ...], int]) -> tuple[str, str]:
    """Return what a document was called and what it is called now."""
    key = next((*before_year, *after) for one, before_year, after in _TABLES if one == name)
    old = row
    if "occurrence" in row:
        place = (row["client_id"], *(row[one] for one in (*_POOL, "document_year", *_PLACE)))
        old = row | {"occurrence": before.get(place, row["occurrence"])}
    month = _year_of_month(row["period" if "period" in row else "return_period"])
    more = [] if row["document_year"] in ("", month) else [row["document_year"]]
    texts = (
        [row["client_id"], *(str(old[one]) for one in key)],
        [row["client_id"], *(str(row[one]) for one in key), *more],
    )
    first, second = (
        f"{prefix}-{hashlib.md5('|'.join(text).encode(), usedforsecurity=False).hexdigest()[:20]}"
        for text in texts
    )
    return first, second


def _fill_held() -> None:
    """Add the year to rows in quarantine that have a date, so that they can be replayed."""
    table = sa.table(
        "sync_quarantine",
        sa.column("quarantine_id", sa.String),
        sa.column("table_name", sa.String),
        sa.column("values", sa.JSON),
        sa.column("resolved_at", sa.DateTime(timezone=True)),
    )
    wanted = sa.select(table.c.quarantine_id, table.c["values"]).where(
        table.c.table_name.in_(list(_PREFIXES)), table.c.resolved_at.is_(None)
    )
    for quarantine_id, values in op.get_bind().execute(wanted).all():
        issued_on = values.get("document_on")
        if isinstance(issued_on, str) and _DAY.fullmatch(issued_on):
            new = values | {"document_year": _year(date.fromisoformat(issued_on))}
            own = table.c.quarantine_id == quarantine_id
            op.get_bind().execute(table.update().where(own).values({"values": new}))
