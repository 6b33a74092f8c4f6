"""Registers into the warehouse: read, mapped as the client's register was mapped before, loaded month by month.

What a person says of columns, ledgers and dates is remembered per client and register when the file could be read with
it. A dry run reads and counts and writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select

from clientsync.clients.selection import list_clients
from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.errors import InvalidInput, UnknownClient
from clientsync.imports.importing import FileResult, import_documents
from clientsync.imports.reading import Document
from clientsync.imports.recognising import exact_json
from clientsync.imports.register_columns import checked_mapping
from clientsync.imports.register_names import COLUMNS
from clientsync.imports.registers import Reading, Register, checked_register, payloads, read_register, summed
from clientsync.imports.tally import is_day_book, read_day_book
from clientsync.ledger.book_tables import BookMapping
from clientsync.ledger.tables import SyncClient
from clientsync.periods import Period
from clientsync.registry import tables
from clientsync.sync.services import Services
from clientsync.warehouse.schema import warehouse_table

_MAPPING = BookMapping.__table__  # type: ignore[attr-defined]
_TABLES = {"purchases": "books__purchase_document", "sales": "books__sale_document"}


@dataclass(frozen=True)
class BookMap:
    """How one register of one client is read."""

    register: str
    columns: Mapping[str, str] = field(default_factory=dict)
    ledgers: Mapping[str, str] = field(default_factory=dict)
    day_first: bool = True


@dataclass(frozen=True)
class Month:
    """One month of a file, before or after it is loaded; amounts in paise."""

    period: str
    documents: int
    lines: int
    refused: int
    amounts: Mapping[str, int]


@dataclass
class BookResult:
    """What became of one file.

    Attributes:
        path: the file.
        register: as it was read; None when it could not be.
        months: what it holds, oldest first.
        results: one per month that was loaded or refused; empty in a dry run.
        refusal: why the file could not be read.
    """

    path: Path
    register: Register | None = None
    months: list[Month] = field(default_factory=list)
    results: list[FileResult] = field(default_factory=list)
    refusal: str = ""

    @property
    def is_loaded(self) -> bool:
        """Whether every month of it is in the warehouse or in quarantine."""
        return not self.refusal and bool(self.results) and all(one.is_loaded for one in self.results)


def import_books(
    services: Services,
    paths: Sequence[Path],
    *,
    client_id: str,
    register: str,
    columns: Mapping[str, str] | None = None,
    ledgers: Mapping[str, str] | None = None,
    day_first: bool | None = None,
    sheet: str = "",
    period: str = "",
    is_trial: bool = False,
    release_reason: str = "",
) -> list[BookResult]:
    """Load registers of one client; return a result per file.

    Args:
        services: surroundings.
        paths: files: .csv, .xlsx, or the XML of a day book.
        client_id: whose books.
        register: ``purchases`` or ``sales``.
        columns: header to our column, over what is remembered.
        ledgers: ledger of Tally to head, over what is remembered.
        day_first: whether 03/04/2026 is the third of April; None: as remembered, at first yes.
        sheet: of a workbook.
        period: month of every line, MMYYYY; empty: what the lines say.
        is_trial: read and count, write nothing.
        release_reason: what a person compared, to load a month that would be held as suspect.

    Raises:
        InvalidInput: no such register, column or head.
        InvalidPeriod: the period cannot be read.
        UnknownClient: no such client.
        WarehouseError: the warehouse cannot be reached.
    """
    checked_register(register)
    gstin = _gstin_of(services.engine, client_id)
    before = read_mapping(services.engine, client_id, register)
    mapping = replace(
        before,
        columns={**before.columns, **checked_mapping(columns or {})},
        ledgers={**before.ledgers, **(ledgers or {})},
        day_first=before.day_first if day_first is None else day_first,
    )
    how = Reading(
        register,
        mapping.columns,
        mapping.day_first,
        sheet,
        str(Period.parse(period)) if period else "",
        state=gstin[:2],
    )
    results = []
    for path in dict.fromkeys(paths):
        result = _read(path, how, mapping, gstin)
        results.append(result)
    if not is_trial:
        _load(services, results, gstin, client_id, release_reason)
    if not is_trial and mapping != before and any(result.register is not None for result in results):
        _remember(services.engine, client_id, mapping)
    return results


def _load(
    services: Services, results: Sequence[BookResult], gstin: str, client_id: str, release_reason: str
) -> None:
    """Load what could be read; months that stand in several files are joined, so that none replaces another.

    A month with the very documents of another file is its copy and no part: joined, it would double them.
    """
    whose: list[BookResult] = []
    documents: list[tuple[Path, Document]] = []
    copies: list[tuple[BookResult, int]] = []
    for result in results:
        if result.register is None:
            continue
        for month, payload in payloads(result.register, gstin).items():
            original = next(
                (at for at, (_, one) in enumerate(documents) if _is_copy(one.payload, payload)), None
            )
            if original is not None:
                copies.append((result, original))
                continue
            member = f"{month[:2]}/{month[2:]}"
            raw = exact_json(payload).encode()
            documents.append((result.path, Document(member, payload, raw, name=result.path.name)))
            whose.append(result)
    if documents:
        loaded = import_documents(services, documents, client=client_id, release_reason=release_reason)
        for result, one in zip(whose, loaded, strict=True):
            result.results.append(one)
        for result, original in copies:
            first = loaded[original]
            said = replace(first, path=result.path, rows_loaded=0, rows_quarantined=0)
            result.results.append(replace(said, reason=f"the same as in {first.path.name}"))


def _is_copy(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("period", "lines", "documents", "refused"))


def _read(path: Path, how: Reading, mapping: BookMap, gstin: str) -> BookResult:
    result = BookResult(path)
    try:
        if path.is_file() and path.suffix.casefold() == ".xml":
            if not is_day_book(path.read_bytes()[:8000]):
                raise InvalidInput(f"{path.name} is XML, but no day book of Tally.")
            result.register = read_day_book(path, how, mapping.ledgers)
        else:
            result.register = read_register(path, how)
        found = payloads(result.register, gstin)
    except InvalidInput as error:
        result.register, result.refusal = None, error.message
        return result
    result.months = [
        Month(
            period,
            len(payload["documents"]),
            payload["lines"],
            len(payload["refused"]),
            summed(payload["documents"]),
        )
        for period, payload in found.items()
    ]
    return result


def _known(engine: Engine, client_id: str) -> SyncClient:
    with reading(engine) as connection:
        clients = {one.client_id: one for one in list_clients(connection, only_active=False)}
    if client_id not in clients:
        raise UnknownClient("client", client_id, list(clients))
    return clients[client_id]


def _gstin_of(engine: Engine, client_id: str) -> str:
    gstin = _known(engine, client_id).gstin
    if not gstin:
        raise InvalidInput(f"Client {client_id} has no GSTIN, so there is nothing to compare its books with.")
    return gstin


def read_mapping(engine: Engine, client_id: str, register: str) -> BookMap:
    """Return how a register of a client was read the last time; nothing is mapped at first.

    Raises:
        UnknownClient: no such client.
        WarehouseError: the database cannot be read.
    """
    _known(engine, client_id)
    statement = select(_MAPPING).where(
        _MAPPING.c.client_id == client_id, _MAPPING.c.register_name == register
    )
    with reading(engine) as connection:
        row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return BookMap(register)
    return BookMap(register, dict(row["columns"]), dict(row["ledgers"]), row["day_first"])


def forget_mapping(engine: Engine, client_id: str, register: str) -> bool:
    """Forget how a register of a client is read; return whether anything was remembered.

    Raises:
        UnknownClient: no such client.
    """
    _known(engine, client_id)
    with writing(engine) as connection:
        done = connection.execute(
            delete(_MAPPING).where(_MAPPING.c.client_id == client_id, _MAPPING.c.register_name == register)
        )
    return bool(done.rowcount)


def _remember(engine: Engine, client_id: str, mapping: BookMap) -> None:
    key = {"client_id": client_id, "register_name": mapping.register}
    with writing(engine) as connection:
        connection.execute(
            delete(_MAPPING).where(*(_MAPPING.c[name] == value for name, value in key.items()))
        )
        connection.execute(
            insert(_MAPPING).values(
                **key,
                columns=dict(mapping.columns),
                ledgers=dict(mapping.ledgers),
                day_first=mapping.day_first,
                updated_at=now(),
            )
        )


@dataclass(frozen=True)
class Repeated:
    """A document that a register holds more than once."""

    register: str
    period: str
    document_type: str
    party_name: str
    document_number: str
    document_on: date | None
    times: int
    taxable_paise: int


def duplicates(engine: Engine, client_id: str) -> list[Repeated]:
    """Return the documents that stand more than once in the registers of a client, in any month.

    Raises:
        UnknownClient: no such client.
        WarehouseError: the database cannot be read.
    """
    _known(engine, client_id)
    specs = tables("books")
    found: list[Repeated] = []
    for register, name in _TABLES.items():
        core = warehouse_table(specs[name]).core
        same = (
            core.c.document_type,
            core.c.party_gstin,
            func.lower(core.c.document_number),
            core.c.document_on,
        )
        statement = (
            select(
                func.min(core.c.period).label("period"),
                core.c.document_type,
                func.max(core.c.party_name).label("party_name"),
                func.max(core.c.document_number).label("document_number"),
                core.c.document_on,
                func.count().label("times"),
                func.sum(core.c.taxable_paise).label("taxable_paise"),
            )
            .where(core.c.client_id == client_id, core.c.removed_at.is_(None))
            .group_by(*same)
            .having(func.count() > 1)
        )
        with reading(engine) as connection:
            rows = connection.execute(statement).mappings().all()
        found += [Repeated(register, **{**row, "taxable_paise": int(row["taxable_paise"])}) for row in rows]
    return sorted(found, key=lambda one: (one.register, one.period[2:], one.period, one.document_number))


def counted(results: Sequence[BookResult]) -> Counter[str]:
    """Return how many documents and lines the files hold, for a sentence about them."""
    found: Counter[str] = Counter()
    for month in (month for result in results for month in result.months):
        found.update({"documents": month.documents, "lines": month.lines, "refused": month.refused})
    return found


def write_book_template(path: Path, register: str) -> None:
    """Write an empty register (``.xlsx``) with its columns explained.

    Raises:
        InvalidInput: no such register, another file type, or the file is there already.
    """
    checked_register(register)
    if path.suffix.casefold() != ".xlsx":
        raise InvalidInput(f"{path.name} is no template file. Valid: .xlsx.")
    if path.exists():
        raise InvalidInput(f"{path.name} is there already and was not touched; choose another name.")
    import xlsxwriter

    path.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(path) as book:
        bold = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "text_wrap": True})
        formats: dict[str, Any] = {
            "text": book.add_format({"num_format": "@"}),
            "day": book.add_format({"num_format": "dd-mm-yyyy"}),
            "amount": book.add_format({"num_format": "#,##0.00"}),
        }
        sheet = book.add_worksheet(register.title())
        sheet.freeze_panes(1, 0)
        for number, (column, meaning) in enumerate(COLUMNS.items()):
            kind = "day" if column.endswith("_on") else "text"
            amounts = ("taxable", "igst", "cgst", "sgst", "cess", "document_value", "rate")
            sheet.set_column(number, number, 18, formats["amount" if column in amounts else kind])
            sheet.write_string(0, number, column, bold)
            sheet.write_comment(0, number, meaning)
        words = book.add_worksheet("Columns")
        words.set_column(0, 0, 20)
        words.set_column(1, 1, 100)
        for number, (column, meaning) in enumerate(COLUMNS.items()):
            words.write_string(number, 0, column, bold)
            words.write_string(number, 1, meaning)
        words.write_string(
            len(COLUMNS) + 1,
            1,
            "A row per document; with rate or hsn a row per rate or item. Credit notes may be positive or negative.",
        )
