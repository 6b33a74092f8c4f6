"""What falls due at the GST portal: credit notes that lapse in IMS, notices to answer, returns that are late.

Rule of IMS: a credit note, or an amendment that lowers the credit, may be kept pending for one tax period; after the
due date of the GSTR-3B of the period that follows that of its 2B it counts as accepted (GSTN advisory of 17-10-2025,
from the tax period of October 2025). Invariant: a day to answer is one that the portal names for that very notice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import Any

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.errors import InvalidPeriod
from clientsync.ledger.tables import SyncClient
from clientsync.periods import Period
from clientsync.reports.sheets import SheetColumn
from clientsync.reports.worklists import Worklist
from clientsync.warehouse.standing import rows_standing
from connectors.gst import gstr2b, ims, notices
from connectors.gst.duedates import due_date, extensions_in_force
from connectors.gst.register import Frequencies, State, frequencies_standing, return_states

SOON_DAYS = 7
PENDING_NOTES_FROM = Period(2025, 10)
LATE_WITHIN_DAYS = 92
OLDEST_NOTICE_DAYS = 180
UNDATED_NOTICE_DAYS = 30
NOTICES_WHAT = (
    "Notices with a day until which they are to be answered, the oldest day first; without those whose day passed more "
    f"than {OLDEST_NOTICE_DAYS} days ago. GST notices of the last {UNDATED_NOTICE_DAYS} days whose day is not known "
    "stand by their day of issue."
)
AMENDED_SECTIONS = frozenset({"B2BA", "DNA", "ECOMA"})
"""Sections of amended invoices and debit notes: they lapse when they lower the tax."""
_TAXES = ("igst_paise", "cgst_paise", "sgst_paise", "cess_paise")
_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
Values = Mapping[str, Any]

_LAPSE_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("name", 26),
    SheetColumn("supplier", 18),
    SheetColumn("type", 8),
    SheetColumn("number", 18),
    SheetColumn("date", 12),
    SheetColumn("supplier's period", 12),
    SheetColumn("taxable", 16, is_money=True),
    SheetColumn("tax", 14, is_money=True),
    SheetColumn("deemed accepted on", 14),
    SheetColumn("days left", 10),
    SheetColumn("what to do", 50),
)
NOTICE_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("name", 26),
    SheetColumn("portal", 12),
    SheetColumn("reference", 26),
    SheetColumn("about", 30),
    SheetColumn("issued", 12),
    SheetColumn("answer until", 12),
    SheetColumn("days left", 10),
    SheetColumn("what to do", 50),
)
_RETURN_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("name", 26),
    SheetColumn("return", 12),
    SheetColumn("period", 10),
    SheetColumn("due", 12),
    SheetColumn("filed", 12),
    SheetColumn("days late", 10),
    SheetColumn("state", 14),
    SheetColumn("why", 60),
)


def worklists(engine: Engine, client_ids: Sequence[str], day: date) -> tuple[Worklist, ...]:
    """Return the lists of the clients as of the end of a day: IMS lapse, notices due, returns late.

    Raises:
        WarehouseError: the database cannot be read.
    """
    return (
        _lapse(engine, client_ids, day),
        _notices(engine, client_ids, day),
        _late(engine, client_ids, day),
    )


def deemed_accepted_on(period: Period, frequency: str, state: str) -> date | None:
    """Return the last day on which a credit note of a supplier's period may be pending, None where no rule covers it.

    Args:
        period: of the supplier's return, in whose 2B the note would have come.
        frequency: of the recipient, ``M`` or ``Q``.
        state: code of the recipient's state; due dates of quarterly filers depend on it.
    """
    if period < PENDING_NOTES_FROM:
        return None
    statement = period
    while frequency == "Q" and not statement.is_quarter_end:
        statement = statement.next()
    following = statement.next()
    while frequency == "Q" and not following.is_quarter_end:
        following = following.next()
    due = due_date("GSTR3B", following, frequency, state, extensions_in_force())
    return due.on if due else None


def _clients(engine: Engine, client_ids: Sequence[str]) -> dict[str, Values]:
    statement = select(
        _CLIENT.c.client_id, _CLIENT.c.name, _CLIENT.c.gstin, _CLIENT.c.filing_frequency
    ).where(_CLIENT.c.client_id.in_(client_ids))
    with reading(engine) as connection:
        return {row["client_id"]: dict(row) for row in connection.execute(statement).mappings()}


def _lapse(engine: Engine, client_ids: Sequence[str], day: date) -> Worklist:
    clients = _clients(engine, client_ids)
    pending = [row for row in rows_standing(engine, ims.DOCUMENTS, client_ids, day) if row["action"] == "P"]
    usual = {client_id: client["filing_frequency"] for client_id, client in clients.items()}
    frequencies = frequencies_standing(engine, usual, day) if pending else {}
    amended = [row for row in pending if row["section"] in AMENDED_SECTIONS]
    originals = _originals(engine, amended, day)
    found = []
    for row in pending:
        if row["document_type"] != "CN" and row["section"] not in AMENDED_SECTIONS:
            continue
        original = originals.get(_original_key(row))
        tax = _tax(row)
        if row["section"] in AMENDED_SECTIONS and original is not None and tax >= original:
            continue
        client = clients[row["client_id"]]
        lapses = _lapses_on(row["return_period"], client, frequencies[row["client_id"]])
        left = (lapses - day).days if lapses else None
        found.append(
            (
                row["client_id"],
                client["name"],
                row["supplier_gstin"],
                row["section"] if row["original_number"] else row["document_type"],
                row["document_number"],
                row["document_on"],
                row["return_period"],
                row["taxable_paise"],
                tax,
                lapses,
                left,
                _advice(row, is_known=original is not None, left=left),
            )
        )
    found.sort(key=lambda one: (one[9] or date.max, one[3] not in ("CN", "CNA"), one[0], one[2], one[4]))
    return Worklist(
        "IMS lapse",
        "Pending credit notes, and pending amendments that lower the credit, with the day on which each counts as "
        "accepted.",
        _LAPSE_COLUMNS,
        tuple(found),
        _urgent(one[10] for one in found),
    )


def _lapses_on(return_period: str, client: Values, frequencies: Frequencies) -> date | None:
    """Return the last day of a supplier's period as the portal writes it; None also where that is no month."""
    try:
        period = Period.parse(return_period)
    except InvalidPeriod:
        return None
    return deemed_accepted_on(period, frequencies.of(period), (client["gstin"] or "")[:2])


def _advice(row: Values, *, is_known: bool, left: int | None) -> str:
    if row["section"] in AMENDED_SECTIONS and not is_known:
        return (
            "Compare it with the original, which is not stored: if it lowers the tax, it lapses on this day."
        )
    if left is not None and left < 0:
        return "It counts as accepted: reduce the credit in GSTR-3B."
    return "Accept it with the reversal that is right, or reject it with remarks, in IMS."


def _originals(engine: Engine, amended: Sequence[Values], day: date) -> dict[tuple[Any, ...], int]:
    """Return the tax of the documents that were amended, by ``_original_key``; the most where several stand.

    They are looked for in the pool and in GSTR-2B; an amendment may carry the number of its original.
    """
    wanted = {_original_key(row) for row in amended}
    if not wanted:
        return {}
    owners = sorted({row["client_id"] for row in amended})
    names = ("document_type", "document_on", *_TAXES)
    pool = rows_standing(engine, ims.DOCUMENTS, owners, day, names)
    stated = rows_standing(engine, gstr2b.DOCUMENTS, owners, day, names)
    found: dict[tuple[Any, ...], int] = {}
    for row in chain(
        (one for one in pool if one["section"] not in AMENDED_SECTIONS),
        (one for one in stated if one["status"] == "accepted"),
    ):
        key = (
            row["client_id"],
            row["supplier_gstin"],
            row["document_type"],
            row["document_number"],
            row["document_on"],
        )
        if key in wanted:
            found[key] = max(_tax(row), found.get(key, _tax(row)))
    return found


def _original_key(row: Values) -> tuple[Any, ...]:
    return (
        row["client_id"],
        row["supplier_gstin"],
        row["document_type"],
        row["original_number"],
        row["original_on"],
    )


def _tax(row: Values) -> int:
    return sum(int(row[name]) for name in _TAXES)


def _notices(engine: Engine, client_ids: Sequence[str], day: date) -> Worklist:
    clients = _clients(engine, client_ids)
    by_reference: dict[tuple[str, str], Values] = {}
    by_case: dict[tuple[str, str, date], list[Values]] = defaultdict(list)
    for row in rows_standing(engine, notices.DETAILS, client_ids, day):
        if row["reference"]:
            by_reference[row["client_id"], row["reference"]] = row
        else:
            by_case[row["client_id"], row["arn"], row["issued_on"]].append(row)
    found = []
    for row in rows_standing(engine, notices.NOTICES, client_ids, day):
        detail = by_reference.get((row["client_id"], row["reference"])) or _most_urgent(
            by_case.get((row["client_id"], row["arn"], row["issued_on"]), ())
        )
        due = (detail or {}).get("reply_due_on") or row["respond_by_on"]
        if (day - (due or row["issued_on"])).days > (OLDEST_NOTICE_DAYS if due else UNDATED_NOTICE_DAYS):
            continue
        left = (due - day).days if due else None
        found.append(
            (
                row["client_id"],
                clients[row["client_id"]]["name"],
                "GST",
                row["reference"],
                (detail or {}).get("notice_type") or row["alert_code"] or row["module_code"],
                row["issued_on"],
                due,
                left,
                _answer_it(left),
            )
        )
    found.sort(key=lambda one: (one[6] or one[5], one[0], one[3]))
    return Worklist(
        "Notices due", NOTICES_WHAT, NOTICE_COLUMNS, tuple(found), _urgent(one[7] for one in found)
    )


def _answer_it(left: int | None) -> str:
    if left is None:
        return "Open it on the portal: its last day is not known."
    return "Answer it on the portal; the day has passed." if left < 0 else "Answer it on the portal."


def _most_urgent(details: Sequence[Values]) -> Values | None:
    """Return the detail that is to be answered first, of those of one case and one day of issue."""
    return min(details, key=lambda one: (one["reply_due_on"] or date.max, one["notice_type"]), default=None)


def _late(engine: Engine, client_ids: Sequence[str], day: date) -> Worklist:
    clients = _clients(engine, client_ids)
    registered = [one for one in client_ids if clients.get(one, {}).get("gstin")]
    found = []
    for one in return_states(engine, registered, day) if registered else ():
        is_recent = one.filed_on is not None and (day - one.filed_on).days <= LATE_WITHIN_DAYS
        if one.state is State.NOT_FILED or (one.state is State.LATE and is_recent):
            found.append(
                (
                    one.client_id,
                    clients[one.client_id]["name"],
                    one.return_type,
                    str(one.period),
                    one.due_on,
                    one.filed_on,
                    one.days_late,
                    str(one.state),
                    one.reason,
                )
            )
    found.sort(key=lambda one: (one[5] is not None, -one[6], one[0], one[2], one[3]))
    return Worklist(
        "Returns late",
        "Returns that are not filed though they are due, then those filed late in the last three months.",
        _RETURN_COLUMNS,
        tuple(found),
        sum(one[5] is None for one in found),
    )


def _urgent(days: Iterator[int | None]) -> int:
    return sum(1 for one in days if one is not None and one <= SOON_DAYS)
