"""Documents of the GST portal and of the books, side by side, as they stood at the end of a day: what is matched.

Nothing is dropped in silence. Documents of the statement that carry no credit are compared too and say so; sales to
consumers, which the portal has as totals only, are compared as totals; a month that was not read or not imported makes
its client incomplete. Left out by rule: rows of 2B that only name a reversal (``itcrev``), which carry no amounts and
stand for documents that are there already, and documents that were rejected in one month and accepted in another.
Document ids hold no registration.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.errors import InvalidPeriod
from clientsync.ledger.tables import SyncClient
from clientsync.outcomes import Outcome
from clientsync.periods import Period
from clientsync.reconcile.documents.acting import CLOSED, NO_CREDIT, Direction
from clientsync.reconcile.documents.frames import AMOUNTS
from clientsync.spec.module import NO_PERIOD, TableSpec
from clientsync.sync.documents import DocumentRecon
from clientsync.sync.match_rows import COLUMNS, Inputs, frame_of
from clientsync.warehouse.standing import Place, held_rows, lacking, newest_outcomes, rows_standing
from connectors.books import purchase_register, sales_register
from connectors.gst import gstr1, gstr1a, gstr2a_tables, gstr2b, ims
from connectors.gst.duedates import available_2b, due_date, extensions_in_force
from connectors.gst.fields import financial_year
from connectors.gst.register import frequencies_standing
from connectors.gst.return_register import FILINGS, is_filed

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]

B2CL_LIMITS = ((date(2017, 7, 1), 250_000_00), (date(2024, 8, 1), 100_000_00))
"""From which day on inter-state sales to consumers above which invoice value (paise) are reported one by one.

Sources: CGST Rules, rule 59(4); Notification 12/2024-Central Tax of 10-07-2024, rule 8, from 01-08-2024.
"""
CONSUMERS = "B2CS"
EXPORTS = "96"
Values = Mapping[str, Any]
Row = tuple[Any, ...]


@dataclass(frozen=True)
class _Units:
    """How the newest unit of every month of some modules ended, by (client, module, month)."""

    outcomes: dict[Place, Outcome | None]
    held: Mapping[Place, int]

    def months(self, client_id: str, module: str, *, done: bool = True) -> list[Period]:
        """Return the months of a module that ended well, or all that were ever asked, oldest first."""
        return sorted(
            Period.parse(period)
            for (owner, name, period), outcome in self.outcomes.items()
            if (owner, name) == (client_id, module)
            and period.isdigit()
            and (
                not done
                or (outcome is not None and outcome.is_done and outcome is not Outcome.NOT_APPLICABLE)
            )
        )


def document_recons() -> tuple[DocumentRecon, ...]:
    """Return the reconciliations of documents of the GST portal, in the order in which people read them."""
    return (
        DocumentRecon("2B-BOOKS", "GSTR-2B against the purchase register", Direction.PURCHASES, read_2b),
        DocumentRecon("2A-BOOKS", "GSTR-2A against the purchase register", Direction.PURCHASES, read_2a),
        DocumentRecon("IMS-BOOKS", "IMS against the purchase register", Direction.POOL, read_ims),
        DocumentRecon("R1-BOOKS", "GSTR-1 against the sales register", Direction.SALES, read_r1),
    )


def read_2b(engine: Engine, client_ids: Sequence[str], day: date) -> Inputs:
    """Return the purchase register and GSTR-2B of clients as they stood at the end of ``day``."""
    return _Reader(engine, client_ids, day).inputs("gstr2b", "purchase_register", _purchases, _documents_2b)


def read_2a(engine: Engine, client_ids: Sequence[str], day: date) -> Inputs:
    """Return the purchase register and GSTR-2A of clients as they stood at the end of ``day``."""
    return _Reader(engine, client_ids, day).inputs("gstr2a", "purchase_register", _purchases, _documents_2a)


def read_ims(engine: Engine, client_ids: Sequence[str], day: date) -> Inputs:
    """Return the purchase register and the open pool of clients as they stood at the end of ``day``."""
    return _Reader(engine, client_ids, day).inputs("ims", "purchase_register", _purchases, _documents_ims)


def read_r1(engine: Engine, client_ids: Sequence[str], day: date) -> Inputs:
    """Return the sales register and GSTR-1 with GSTR-1A of clients as they stood at the end of ``day``."""
    return _Reader(engine, client_ids, day).inputs("gstr1", "sales_register", _sales, _documents_r1, "gstr1a")


Documents = Callable[["_Reader"], Iterator[Row]]


class _Reader:
    """The rows of some clients as of one day, turned into documents."""

    def __init__(self, engine: Engine, client_ids: Sequence[str], day: date) -> None:
        self.engine = engine
        self.client_ids = tuple(client_ids)
        self.day = day
        with reading(engine) as connection:
            statement = select(_CLIENT.c.client_id, _CLIENT.c.gstin, _CLIENT.c.filing_frequency).where(
                _CLIENT.c.client_id.in_(self.client_ids)
            )
            found = connection.execute(statement).all()
        self.gstins = {row.client_id: row.gstin for row in found if row.gstin}
        usual = {row.client_id: row.filing_frequency for row in found}
        self.frequencies = frequencies_standing(engine, usual, day)

    def inputs(
        self, module: str, register: str, books: Documents, portal: Documents, optional: str = ""
    ) -> Inputs:
        """Return both sides of the clients that have something to compare.

        An optional module is missed only where it was asked in vain, or where the register lists its return.
        """
        units = self.units((module, register, *((optional,) if optional else ())))
        amended = self._filed(optional) if optional else set()
        left_out: dict[str, str] = {}
        missing: dict[str, tuple[str, ...]] = {}
        newest: dict[str, str] = {}
        booked: dict[str, frozenset[str]] = {}
        for client_id in self.client_ids:
            months = units.months(client_id, register)
            if client_id not in self.gstins:
                left_out[client_id] = "it has no GST registration"
            elif not months:
                left_out[client_id] = (
                    f"no {register.replace('_', ' ')} is imported; begin with `clientsync books import`"
                )
            else:
                booked[client_id] = frozenset(map(str, months))
                missing[client_id] = self._missing(units, client_id, module, register, months)
                if optional:
                    missing[client_id] += _optional_lacking(units, client_id, optional, amended)
                newest[client_id] = self._newest(units, client_id, module)
        self.client_ids = tuple(one for one in self.client_ids if one in booked)
        left, right = list(books(self)), list(portal(self))
        return Inputs(
            frame_of(left),
            frame_of(right),
            {client_id: found for client_id, found in missing.items() if found},
            left_out,
            newest,
            booked,
        )

    def rows(self, spec: TableSpec, names: Sequence[str]) -> Iterator[Values]:
        """Yield the rows of a table as they stood, with the client's id and the named columns."""
        return rows_standing(self.engine, spec, self.client_ids, self.day, names)

    def units(self, modules: Sequence[str]) -> _Units:
        """Return how the newest units of modules ended."""
        return _Units(
            newest_outcomes(self.engine, self.client_ids, modules, self.day),
            held_rows(self.engine, self.client_ids, modules, self.day),
        )

    def _missing(
        self, units: _Units, client_id: str, module: str, register: str, months: Sequence[Period]
    ) -> tuple[str, ...]:
        found = [
            f"{name} {_shown(period)}: {number} rows in quarantine"
            for (owner, name, period), number in units.held.items()
            if owner == client_id
        ]
        asked = units.months(client_id, module, done=False)
        last = max((months[-1], *asked))
        for month in _span(months[0], last):
            if str(month) not in {str(one) for one in months} and (month <= months[-1] or month in asked):
                found.append(f"{register} {_shown(str(month))}: not imported")
            if module != "ims" and self._is_expected(client_id, module, month):
                found += _not_read(units, client_id, module, month)
        if module == "ims":
            found += _not_read(units, client_id, module, None)
        return tuple(sorted(found))

    def _filed(self, module: str) -> set[tuple[str, str]]:
        """Return client and month of the returns of a module that the register lists as filed."""
        names = ("status", "valid")
        return {
            (row["client_id"], row["return_period"])
            for row in self.rows(FILINGS, names)
            if row["return_type"] == module.upper() and is_filed(row["status"], row["valid"])
        }

    def _is_expected(self, client_id: str, module: str, month: Period) -> bool:
        """Whether the portal has the statement of a month on the day."""
        frequency = self.frequencies[client_id].of(month)
        if frequency == "Q" and not month.is_quarter_end:
            return False
        if module == "gstr1":
            due = due_date("GSTR1", month, frequency, self.gstins[client_id][:2], extensions_in_force())
            return due is not None and due.on <= self.day
        return available_2b(month) <= self.day

    def _newest(self, units: _Units, client_id: str, module: str) -> str:
        if module == "ims":
            return f"{self.day.year}{self.day.month:02d}"
        months = units.months(client_id, module)
        return f"{months[-1].year}{months[-1].month:02d}" if months else "000000"


def _not_read(units: _Units, client_id: str, module: str, month: Period | None) -> list[str]:
    name = f"{module} {_shown(str(month))}" if month else module
    what = lacking(units.outcomes, (client_id, module, str(month) if month else NO_PERIOD))
    return [] if what is None else [f"{name}: {what}"]


def _optional_lacking(
    units: _Units, client_id: str, module: str, filed: set[tuple[str, str]]
) -> tuple[str, ...]:
    asked = {period for owner, name, period in units.outcomes if (owner, name) == (client_id, module)}
    listed = {period for owner, period in filed if owner == client_id}
    months = sorted(Period.parse(one) for one in asked | listed)
    return tuple(one for month in months for one in _not_read(units, client_id, module, month))


def _span(first: Period, last: Period) -> Iterator[Period]:
    month = first
    while month <= last:
        yield month
        month = month.next()


def _shown(period: str) -> str:
    return f"{period[:2]}/{period[2:]}" if period.isdigit() else period


def _row_id(prefix: str, row: Values, key: Iterable[str]) -> str:
    text = "|".join((row["client_id"], *(str(row[name]) for name in key)))
    return f"{prefix}-{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:20]}"


def _numbered_id(prefix: str, row: Values, spec: TableSpec, period: str) -> str:
    """Return the id of a document whose number its supplier may use again in the next financial year.

    The year counts only where it is not that of the statement, so that ids from before the key held it stay.
    """
    key = [name for name in spec.key if name != "document_year"]
    own = financial_year(row["document_on"]) if row["document_on"] is not None else ""
    if own in ("", _year_of(period)):
        return _row_id(prefix, row, key)
    return _row_id(prefix, {**row, "document_year": own}, [*key, "document_year"])


def _year_of(period: str) -> str:
    """Return the financial year of a month as the portal writes it, nothing where that is no month."""
    try:
        return Period.parse(period).financial_year
    except InvalidPeriod:
        return ""


def _yes_no(value: bool | None) -> str:
    return "" if value is None else "Y" if value else "N"


_AMENDS = ("original_number", "original_on")
_TAXED = ("document_type", "document_number", "document_on", "place_of_supply", *AMOUNTS)


def _document(reader: _Reader, row: Values, **values: Any) -> Row:
    """Return one document with ``COLUMNS``; what is not given stands in the row or is empty."""
    usual: dict[str, Any] = {
        "owner_gstin": reader.gstins[row["client_id"]],
        "party_gstin": "",
        "place_of_supply": "",
        "reverse_charge": "",
        "amends_number": row.get("original_number", ""),
        "amends_on": row.get("original_on"),
        "party_name": "",
        "note": "",
        "mark": "",
        **dict.fromkeys(AMOUNTS, 0),
    }
    return tuple(values.get(name, row.get(name, usual.get(name))) for name in COLUMNS)


# --- the books ------------------------------------------------------------------------------------------------------


def _purchases(reader: _Reader) -> Iterator[Row]:
    spec = purchase_register.DOCUMENTS
    names = (*_TAXED, "party_gstin", "party_name", "is_reverse_charge", "voucher_number", *_AMENDS)
    for row in reader.rows(spec, names):
        yield _document(
            reader,
            row,
            id=_row_id("p", row, spec.key),
            reverse_charge=_yes_no(row["is_reverse_charge"]),
            amends_number="",  # what a note in the books names is the invoice behind it, not an amendment
            amends_on=None,
        )


def _sales(reader: _Reader) -> Iterator[Row]:
    spec = sales_register.DOCUMENTS
    names = (*_TAXED, "party_gstin", "party_name", "is_reverse_charge", "document_value_paise", *_AMENDS)
    consumers = _Consumers()
    for row in reader.rows(spec, names):
        if _is_consumer(reader, row):
            consumers.add(row["client_id"], row["period"], row["place_of_supply"], row)
            continue
        yield _document(
            reader,
            row,
            id=_row_id("s", row, spec.key),
            reverse_charge=_yes_no(row["is_reverse_charge"]),
            amends_number="",
            amends_on=None,
        )
    yield from consumers.documents(reader, "s")


def _is_consumer(reader: _Reader, row: Values) -> bool:
    """Whether a sale is reported in a total: no registered buyer, no export, and not above the limit of B2CL."""
    if row["party_gstin"] or row["place_of_supply"] == EXPORTS:
        return False
    if row["place_of_supply"] in ("", reader.gstins[row["client_id"]][:2]):
        return True
    on = row["document_on"] or Period.parse(row["period"]).last_day
    limits = [limit for first, limit in B2CL_LIMITS if first <= on] or [B2CL_LIMITS[0][1]]
    return bool(abs(row["document_value_paise"]) <= limits[-1])


class _Consumers:
    """Totals of sales to consumers by client, month and place of supply."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * len(AMOUNTS))

    def add(self, client_id: str, period: str, place: str, row: Values) -> None:
        """Add the amounts of a row."""
        sums = self._sums[client_id, period, place]
        for number, name in enumerate(AMOUNTS):
            sums[number] += row[name]

    def documents(self, reader: _Reader, prefix: str) -> Iterator[Row]:
        """Yield a document per total."""
        for (client_id, period, place), sums in sorted(self._sums.items()):
            shown = place or reader.gstins[client_id][:2]
            row = {"client_id": client_id, "period": period, "place": shown}
            yield _document(
                reader,
                row,
                id=_row_id(f"{prefix}c", row, ("period", "place")),
                document_type=CONSUMERS,
                document_number=f"Consumers {shown} {Period.parse(period).first_day:%b%Y}",
                document_on=Period.parse(period).last_day,
                place_of_supply=shown,
                party_name="Consumers, in total",
                **dict(zip(AMOUNTS, sums, strict=True)),
            )


# --- the portal -----------------------------------------------------------------------------------------------------


def _documents_2b(reader: _Reader) -> Iterator[Row]:
    names = (
        *_TAXED,
        *_AMENDS,
        "supplier_name",
        "is_reverse_charge",
        "itc_availability",
        "itc_reason",
    )
    rows = list(reader.rows(gstr2b.DOCUMENTS, names))
    accepted = {_same_document(row) for row in rows if row["status"] == "accepted"}
    for row in rows:
        if row["status"] == "reversal" or (row["status"] == "rejected" and _same_document(row) in accepted):
            continue
        mark, note = _credit(row)
        yield _document(
            reader,
            row,
            id=_numbered_id("2b", row, gstr2b.DOCUMENTS, row["period"]),
            party_gstin=row["supplier_gstin"],
            party_name=row["supplier_name"],
            reverse_charge=_yes_no(row["is_reverse_charge"]),
            note=note,
            mark=mark,
        )
    for row in reader.rows(gstr2b.ISD, (*_TAXED[:3], *_AMENDS, "supplier_name", "is_eligible", *AMOUNTS[1:])):
        is_lost = row["status"] == "rejected" or row["is_eligible"] is False
        yield _document(
            reader,
            row,
            id=_numbered_id("2bi", row, gstr2b.ISD, row["period"]),
            document_type="CN" if row["document_type"] == "ISDC" else "INV",
            party_gstin=row["supplier_gstin"],
            party_name=row["supplier_name"],
            note="distributed credit" + (", not available" if is_lost else ""),
            mark=NO_CREDIT if is_lost else "",
        )
    for row in reader.rows(
        gstr2b.IMPORTS, ("supplier_name", "taxable_paise", "igst_paise", "cess_paise", "document_on")
    ):
        yield _import(reader, row, "2bm", gstr2b.IMPORTS, row["status"] == "rejected")


def _same_document(row: Values) -> Row:
    names = ("client_id", "supplier_gstin", "document_type", "document_number", "document_on")
    return tuple(row[name] for name in names)


def _credit(row: Values) -> tuple[str, str]:
    """Return mark and note of a document of 2B that carries no credit, or nothing."""
    if row["status"] == "rejected":
        return NO_CREDIT, "rejected in IMS"
    if row["itc_availability"] == "N":
        why = {
            "P": "place of supply lies in the supplier's state, the recipient elsewhere",
            "C": "the supplier filed after the cut-off",
        }.get(row["itc_reason"], "no reason given")
        return NO_CREDIT, f"credit not available: {why}"
    return "", "credit is temporary" if row["itc_availability"] == "T" else ""


def _import(reader: _Reader, row: Values, prefix: str, spec: TableSpec, is_rejected: bool) -> Row:
    return _document(
        reader,
        row,
        id=_row_id(prefix, row, spec.key),
        document_type="BOE",
        party_gstin=row["supplier_gstin"],
        party_name=row.get("supplier_name", ""),
        note="rejected in IMS" if is_rejected else "",
        mark=NO_CREDIT if is_rejected else "",
    )


def _documents_2a(reader: _Reader) -> Iterator[Row]:
    names = (
        *_TAXED,
        *_AMENDS,
        "is_reverse_charge",
        "is_supplier_filed",
        "is_supplier_3b_filed",
        "supplier_cancelled_on",
    )
    for row in reader.rows(gstr2a_tables.DOCUMENTS, names):
        yield _document(
            reader,
            row,
            id=_row_id("2a", row, gstr2a_tables.DOCUMENTS.key),
            party_gstin=row["supplier_gstin"],
            reverse_charge=_yes_no(row["is_reverse_charge"]),
            note=_supplier_note(row),
        )
    for row in reader.rows(
        gstr2a_tables.IMPORTS, ("supplier_name", "taxable_paise", "igst_paise", "cess_paise", "document_on")
    ):
        yield _import(reader, row, "2am", gstr2a_tables.IMPORTS, is_rejected=False)

    for row in reader.rows(gstr2a_tables.ISD, ("is_eligible", *AMOUNTS[1:])):
        is_lost = row["is_eligible"] is False
        yield _document(
            reader,
            row,
            id=_row_id("2ai", row, gstr2a_tables.ISD.key),
            document_type="CN" if row["document_type"] == "ISDCN" else "INV",
            party_gstin=row["supplier_gstin"],
            note="distributed credit" + (", not available" if is_lost else ""),
            mark=NO_CREDIT if is_lost else "",
        )


def _supplier_note(row: Values) -> str:
    notes = []
    if row["is_supplier_filed"] is False:
        notes.append("the supplier has not filed GSTR-1")
    if row["is_supplier_3b_filed"] is False:
        notes.append("the supplier has not filed GSTR-3B")
    if row["supplier_cancelled_on"] is not None:
        notes.append(f"the supplier's registration was cancelled on {row['supplier_cancelled_on']:%d-%m-%Y}")
    return "; ".join(notes)


_ACTIONS = {"A": "accepted in IMS", "R": "rejected in IMS", "P": "pending in IMS", "N": ""}


def _documents_ims(reader: _Reader) -> Iterator[Row]:
    for row in reader.rows(ims.DOCUMENTS, (*_TAXED, *_AMENDS, "action")):
        yield _document(
            reader,
            row,
            id=_numbered_id("ims", row, ims.DOCUMENTS, row["return_period"]),
            period=row["return_period"],
            party_gstin=row["supplier_gstin"],
            note=_ACTIONS.get(row["action"], ""),
            mark=CLOSED if row["action"] in ("R", "P") else "",
        )


def _documents_r1(reader: _Reader) -> Iterator[Row]:
    consumers = _Consumers()
    names = (*_TAXED, *_AMENDS, "is_reverse_charge")
    for prefix, tables in (("r1", gstr1.TABLES), ("r1a", gstr1a.TABLES)):
        for row in reader.rows(tables.document, names):
            yield _document(
                reader,
                row,
                id=_row_id(prefix, row, tables.document.key),
                party_gstin=row["counterparty_gstin"],
                reverse_charge=_yes_no(row["is_reverse_charge"]),
            )
    for row in _consumers_as_amended(reader):
        period = row["original_period"] or row["period"]
        consumers.add(row["client_id"], period, row["place_of_supply"], row)
    yield from consumers.documents(reader, "r1")


def _consumers_as_amended(reader: _Reader) -> Iterator[Values]:
    """Yield the sales to consumers as they stand: an amendment takes the place of what it amends, the newest counts.

    An amendment (table 10 of GSTR-1, B2CSA) states the new figures of a month and place of supply as a whole, with or
    without an e-commerce operator; GSTR-1A comes after the GSTR-1 of its month (CGST Rules, rule 59(1)).
    """
    reported: dict[Row, list[Values]] = defaultdict(list)
    amended: dict[Row, dict[Row, list[Values]]] = defaultdict(lambda: defaultdict(list))
    for order, tables in enumerate((gstr1.TABLES, gstr1a.TABLES)):
        for row in reader.rows(tables.b2cs, (*AMOUNTS, "place_of_supply", "kind")):
            period = row["original_period"] or row["period"]
            place = row["place_of_supply"] or reader.gstins[row["client_id"]][:2]
            key = (row["client_id"], period, place, row["kind"] == "E")
            if row["section"] == "b2csa":
                amended[key][Period.parse(row["period"]), order].append(row)
            else:
                reported[key].append(row)
    for key in reported.keys() | amended.keys():
        yield from amended[key][max(amended[key])] if key in amended else reported[key]
