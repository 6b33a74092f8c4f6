"""Tables as files for analysts: Parquet, CSV and Excel, streamed, one file per table and format.

Amounts are rupees, and numbers stay numbers. A text can never become a formula when a file is opened in a
spreadsheet. A file appears under its name only when it is complete, and all files of one export are of one state of
the warehouse, though a run writes meanwhile.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, Select, select

from clientsync.database import one_state, reading
from clientsync.drafts import unwritten, whole_file
from clientsync.errors import UnknownName
from clientsync.money import rupees
from clientsync.spec.module import TableSpec
from clientsync.spreadsheets import FIRST_DAY, MAX_ROWS, guarded
from clientsync.warehouse.schema import ColumnSpec, WarehouseTable, as_of, warehouse_table

FORMATS = ("parquet", "csv", "xlsx")
ROWS_PER_READ = 10_000

Values = Sequence[Any]


def export(
    engine: Engine,
    out_dir: Path,
    *,
    formats: Sequence[str] = FORMATS,
    tables: Collection[str] | None = None,
    clients: Collection[str] | None = None,
    moment: datetime | None = None,
    specs: Mapping[str, TableSpec] | None = None,
) -> list[Path]:
    """Write the rows of tables into files ``<table>.<format>`` and return their paths.

    Args:
        engine: the warehouse.
        out_dir: folder, made when it is missing; files of the same names are replaced.
        formats: some of ``FORMATS``.
        tables: names of tables, None for all.
        clients: client ids, None for all.
        moment: export what stood at that moment (aware), None for what stands now.
        specs: tables that exist by name, None for those of every connector.

    Raises:
        UnknownName: a format or table that does not exist; nothing was written.
        OutOfSpace: the disk is full; no half-written file is left.
        InvalidInput: a file cannot be written there; says which. What was written before it is whole.
        WarehouseError: the warehouse cannot be read.
    """
    known = specs if specs is not None else import_module("clientsync.registry").all_tables()
    for one in formats:
        if one not in FORMATS:
            raise UnknownName("format", one, FORMATS)
    wanted = sorted(known) if tables is None else list(tables)
    for name in wanted:
        if name not in known:
            raise UnknownName("table", name, sorted(known))
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritten(error, out_dir) from None
    with one_state(engine):
        return [
            _export(
                engine, out_dir, warehouse_table(known[name]), one, _rows_wanted(known[name], clients, moment)
            )
            for name in wanted
            for one in formats
        ]


def _rows_wanted(spec: TableSpec, clients: Collection[str] | None, moment: datetime | None) -> Select[Any]:
    table = warehouse_table(spec)
    core = table.core
    if moment is not None:
        statement = as_of(table, moment)
    else:
        statement = select(core.c.client_id, *(core.c[one.name] for one in table.columns)).where(
            core.c.removed_at.is_(None)
        )
    columns = statement.selected_columns
    if clients is not None:
        statement = statement.where(columns.client_id.in_(list(clients)))
    return statement.order_by(columns.client_id, *(columns[name] for name in spec.key))


def _export(engine: Engine, folder: Path, table: WarehouseTable, form: str, wanted: Select[Any]) -> Path:
    path = folder / f"{table.spec.name}.{form}"
    with whole_file(path) as draft, reading(engine) as connection, _WRITERS[form](draft, table) as writer:
        rows = connection.execute(wanted.execution_options(stream_results=True))
        for part in rows.partitions(ROWS_PER_READ):
            writer.write([_shown(table, row) for row in part])
    return path


def heading(table: WarehouseTable) -> list[str]:
    """Return the column names of an exported table."""
    return [
        "client_id",
        *(
            f"{one.name.removesuffix('_paise')}_rupees" if _is_money(one) else one.name
            for one in table.columns
        ),
    ]


def _is_money(column: ColumnSpec) -> bool:
    return column.name.endswith("_paise")


def _shown(table: WarehouseTable, row: Values) -> list[Any]:
    return [
        row[0],
        *(
            rupees(value) if value is not None and _is_money(column) else value
            for column, value in zip(table.columns, row[1:], strict=True)
        ),
    ]


class Writer(Protocol):
    """Takes rows of shown values, in the order of ``heading``."""

    def write(self, rows: Sequence[Values]) -> None:
        """Add rows to the file."""
        ...


class _Csv:
    def __init__(self, file: Any) -> None:
        self._writer = csv.writer(file, lineterminator="\r\n")

    def write(self, rows: Sequence[Values]) -> None:
        self._writer.writerows([guarded(one) if isinstance(one, str) else one for one in row] for row in rows)


@contextmanager
def _csv_writer(path: Path, table: WarehouseTable) -> Iterator[Writer]:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = _Csv(file)
        writer.write([heading(table)])
        yield writer


class _Workbook:
    def __init__(self, book: Any, table: WarehouseTable) -> None:
        self._book = book
        self._heading = heading(table)
        self._bold = book.add_format({"bold": True})
        self._formats = {
            date: book.add_format({"num_format": "dd-mm-yyyy"}),
            datetime: book.add_format({"num_format": "dd-mm-yyyy hh:mm:ss"}),
            Decimal: book.add_format({"num_format": "#,##0.00"}),
        }
        self._row = 0
        self._sheet: Any = None
        self._turn_page()

    def _turn_page(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._heading):
            self._sheet.write_string(0, column, name, self._bold)
        self._row = 1

    def write(self, rows: Sequence[Values]) -> None:
        for row in rows:
            if self._row > MAX_ROWS:
                self._turn_page()
            for column, value in enumerate(row):
                self._write_cell(column, value)
            self._row += 1

    def _write_cell(self, column: int, value: Any) -> None:
        sheet, place = self._sheet, (self._row, column)
        if isinstance(value, str):
            sheet.write_string(*place, value)
        elif isinstance(value, bool):
            sheet.write_boolean(*place, value)
        elif isinstance(value, datetime):
            sheet.write_datetime(*place, value.replace(tzinfo=None), self._formats[datetime])
        elif isinstance(value, date) and value < FIRST_DAY:
            sheet.write_string(*place, value.isoformat())
        elif isinstance(value, date):
            sheet.write_datetime(*place, value, self._formats[date])
        elif value is not None:
            sheet.write_number(*place, value, self._formats.get(type(value)))


@contextmanager
def _xlsx_writer(path: Path, table: WarehouseTable) -> Iterator[Writer]:
    import xlsxwriter
    from xlsxwriter.exceptions import FileCreateError

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    try:
        with xlsxwriter.Workbook(str(path), options) as book:
            yield _Workbook(book, table)
    except FileCreateError as error:
        raise error.args[0] if isinstance(error.args[0], OSError) else OSError(str(error)) from None


class _Parquet:
    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema

    def write(self, rows: Sequence[Values]) -> None:
        import pyarrow

        columns = [
            pyarrow.array(values, field.type)
            for field, values in zip(self._schema, zip(*rows, strict=True), strict=True)
        ]
        self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=self._schema))


@contextmanager
def _parquet_writer(path: Path, table: WarehouseTable) -> Iterator[Writer]:
    import pyarrow
    from pyarrow import parquet

    kinds = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        bool: pyarrow.bool_(),
        date: pyarrow.date32(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    types = [
        pyarrow.string(),
        *(pyarrow.decimal128(20, 2) if _is_money(one) else kinds[one.python] for one in table.columns),
    ]
    schema = pyarrow.schema(list(zip(heading(table), types, strict=True)))
    with parquet.ParquetWriter(path, schema) as writer:
        yield _Parquet(writer, schema)


_WRITERS = {"parquet": _parquet_writer, "csv": _csv_writer, "xlsx": _xlsx_writer}
