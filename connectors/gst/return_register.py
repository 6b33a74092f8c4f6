"""The return register: which returns were filed and when, and whether the client files monthly or quarterly.

RETTRACK lists filed returns only, so what is late or missing is derived in ``register`` from these rows and the
due dates. Invariant: a filing is handed to other modules only when the portal calls it filed and valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, inspect, select

from clientsync.clock import INDIA
from clientsync.database import reading
from clientsync.errors import InvalidPeriod
from clientsync.periods import Period
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import (
    Asking,
    Cadence,
    Context,
    Filing,
    Finding,
    HandFile,
    Module,
    Record,
    Row,
    Section,
    Skip,
    SkipKind,
    TableSpec,
)
from clientsync.warehouse.schema import warehouse_table
from connectors.gst import fields
from connectors.gst.shapes import leaves, only_known
from connectors.gst.skips import proven

_FILED_SHAPE = {"EFiledlist": leaves("arn ret_prd mof dof rtntype status valid")}
_PREFERENCE_SHAPE = {"response": leaves("quarter preference"), **leaves("quarter preference")}
_QUARTERS = {"Q1": 4, "Q2": 7, "Q3": 10, "Q4": 1}
"""First month of each quarter of a financial year."""


class FilingRow(Row):
    """One filed return."""

    period: str = columns.text("Financial year that was asked, as 2026-27", length=7)
    section: str = columns.text("Section that answered", length=20)
    return_type: str = columns.text("Return as the portal names it: GSTR1, GSTR3B, IFF, …", length=20)
    return_period: str = columns.text("Month of the return, MMYYYY", length=6)
    arn: str = columns.text("Acknowledgement number; empty when the portal gives none", length=40)
    filed_on: date = columns.day("Date of filing")
    mode: str = columns.text("Mode of filing as the portal has it, for example ONLINE", length=40)
    status: str = columns.text("Status as the portal has it, for example Filed", length=40)
    valid: str = columns.text("Validity flag as the portal has it: Y, N, Yes", length=10)


class PreferenceRow(Row):
    """The filing preference of one quarter."""

    period: str = columns.text("Financial year that was asked, as 2026-27", length=7)
    section: str = columns.text("Section that answered", length=20)
    quarter: str = columns.text("Quarter of the financial year: Q1 (April to June) to Q4", length=10)
    preference: str = columns.text("M monthly, Q quarterly (QRMP)", length=10)


def _filings(payload: Any, context: Context) -> Iterable[Record]:
    for raw in fields.items(payload, "EFiledlist"):

        def make(raw: Any = raw) -> dict[str, Any]:
            return {
                "period": context.unit_period,
                "section": context.section,
                "return_type": normal_type(fields.text(raw, "rtntype", required=True)),
                "return_period": fields.month(raw, "ret_prd"),
                "arn": fields.text(raw, "arn"),
                "filed_on": fields.day(raw, "dof", required=True),
                "mode": fields.text(raw, "mof"),
                "status": fields.text(raw, "status"),
                "valid": fields.text(raw, "valid"),
            }

        yield fields.row("gst__filing", raw, make)


def _preferences(payload: Any, context: Context) -> Iterable[Record]:
    rows = payload if isinstance(payload, list) else fields.items(payload, "response")
    for raw in rows:

        def make(raw: Any = raw) -> dict[str, Any]:
            return {
                "period": context.unit_period,
                "section": context.section,
                "quarter": fields.text(raw, "quarter", required=True).upper(),
                "preference": fields.text(raw, "preference", required=True).upper(),
            }

        yield fields.row("gst__preference", raw, make)


def normal_type(name: str) -> str:
    """Return the name of a return without hyphens and blanks, upper case: ``GSTR-3B`` is ``GSTR3B``."""
    return name.upper().replace("-", "").replace(" ", "")


def _year_matches(_: Any, records: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Warn when the register lists returns of another financial year than was asked."""
    others = [
        one
        for one in records
        if one.problem is None
        and one.values["return_period"]
        and Period.parse(one.values["return_period"]).financial_year != context.unit_period
    ]
    if others:
        yield Finding(
            "GST-RR-YEAR",
            f"The register lists {len(others)} returns of another financial year than was asked.",
            is_halting=False,
        )


def window_closes(financial_year: str, quarter: str) -> date:
    """Return the last day on which the preference of a quarter can be chosen: that of its first month.

    Source: rule 61A(2) CGST Rules; the window opens on the first day of the second month before the quarter.
    """
    month = _QUARTERS[quarter]
    year = int(financial_year[:4]) + (1 if quarter == "Q4" else 0)
    return Period(year, month).last_day


def _skip_register(asking: Asking, section: Section) -> Skip | None:
    """Final: the year has ended and its last GSTR-1 and GSTR-3B were filed before the register was read.

    A return can be filed only when those before it are (CGST Act s.37(4), s.39(10)), and GSTR-1A not after GSTR-3B,
    so the periodic returns of the year are complete. An annual return may still come: it is looked for once a month.
    """
    memory = asking.memory.get(section.name)
    if memory is None or not proven(memory):
        return None
    march = Period(int(asking.unit_period[:4]) + 1, 3)
    filed = {one.return_type: one for one in asking.filings if one.period == march}
    if not {"GSTR1", "GSTR3B"} <= set(filed):
        return None
    last = max(filed["GSTR1"].filed_on, filed["GSTR3B"].filed_on)
    read_on = memory.asked_at.astimezone(INDIA).date()
    if read_on <= last or (read_on.year, read_on.month) != (asking.today.year, asking.today.month):
        return None
    return Skip(
        SkipKind.FINAL,
        f"the last GSTR-1 and GSTR-3B of {asking.unit_period} were filed by {last:%d-%m-%Y}, none can follow them "
        f"(CGST Act s.37(4), s.39(10)), and the register was read on {read_on:%d-%m-%Y}; an annual return is looked "
        "for once a month",
    )


def _skip_preference(asking: Asking, section: Section) -> Skip | None:
    memory = asking.memory.get(section.name)
    if memory is None or memory.uncertain_empty or not memory.was_loaded:
        return None
    closing = [window_closes(asking.unit_period, quarter) for quarter in _QUARTERS]
    begun = [day for day in closing if day.replace(day=1) <= asking.today]
    read_on = memory.asked_at.astimezone(INDIA).date()
    if not begun or read_on <= max(begun):
        return None
    return Skip(
        SkipKind.FINAL,
        f"the choice for the quarters that have begun closed on {max(begun):%d-%m-%Y} (rule 61A(2)) and was read "
        f"on {read_on:%d-%m-%Y}; a quarter to come is asked when it begins",
    )


def _filed_months(payload: Any, return_type: str) -> Iterable[Period]:
    """Yield the months of a return in an answer of the register; a row that cannot be read proves nothing."""
    rows = payload.get("EFiledlist") if isinstance(payload, dict) else None
    for raw in rows if isinstance(rows, list) else ():
        try:
            if normal_type(fields.text(raw, "rtntype")) == return_type:
                yield Period.parse(fields.month(raw, "ret_prd"))
        except (ValueError, AttributeError, InvalidPeriod):
            continue


def _monthly_by_filings(asking: Asking, _: Section) -> Skip | None:
    """Final: the register, read in this unit or stored, proves the monthly choice of every quarter that has begun.

    A quarterly filer files GSTR-3B for the last month of a quarter only (CGST Rules, rule 61(1)), so one filed for
    another month of it is a monthly filer's; the client master says the same.
    """
    if asking.frequency != "M":
        return None
    filed = {one.period for one in asking.filings if one.return_type == "GSTR3B"}
    filed |= set(_filed_months(asking.answers.get("rettrack"), "GSTR3B"))
    start = int(asking.unit_period[:4])
    months = [Period(start if month >= 4 else start + 1, month) for month in (4, 5, 7, 8, 10, 11, 1, 2)]
    for first, second in zip(months[::2], months[1::2], strict=True):
        if first.first_day <= asking.today and not {first, second} & filed:
            return None
    return Skip(
        SkipKind.FINAL,
        "GSTR-3B was filed for a month within every quarter that has begun, which only monthly filers do (rule 61(1))",
    )


FILINGS = TableSpec(
    name="gst__filing",
    row=FilingRow,
    key=("period", "section", "return_type", "return_period", "arn"),
    scope=("period", "section"),
    description="Returns that the portal lists as filed (RETTRACK), one row per acknowledgement.",
    checks=(
        Check(
            "GST-RR-F01",
            CheckKind.UNIQUE,
            ("period", "section", "return_type", "return_period", "arn"),
            OnBreach.REJECT_ROW,
            "The same acknowledgement stands twice in the register.",
            source="RETTRACK lists a filing once.",
        ),
        Check(
            "GST-RR-F02",
            CheckKind.MATCHES,
            ("return_period",),
            OnBreach.REJECT_ROW,
            "The month of the return is not MMYYYY.",
            {"pattern": r"(0[1-9]|1[0-2])20\d{2}"},
            source="GSTN API: ret_prd is MMYYYY.",
        ),
        Check(
            "GST-RR-F03",
            CheckKind.MATCHES,
            ("arn",),
            OnBreach.WARN,
            "The acknowledgement number is not 15 letters and digits.",
            {"pattern": r"[A-Z0-9]{15}"},
            source="GSTN: an ARN has 15 characters.",
        ),
    ),
)

PREFERENCES = TableSpec(
    name="gst__preference",
    row=PreferenceRow,
    key=("period", "section", "quarter"),
    scope=("period", "section"),
    description="Monthly or quarterly filing as chosen for each quarter (GETPREF).",
    checks=(
        Check(
            "GST-RR-P01",
            CheckKind.IN_SET,
            ("preference",),
            OnBreach.WARN,
            "The preference is neither M nor Q.",
            {"values": ["M", "Q"]},
            source="GSTN API: GETPREF.",
        ),
        Check(
            "GST-RR-P02",
            CheckKind.IN_SET,
            ("quarter",),
            OnBreach.REJECT_ROW,
            "The quarter is none of Q1 to Q4.",
            {"values": list(_QUARTERS)},
            source="GSTN API: GETPREF.",
        ),
    ),
)


def _year(asking: Asking) -> dict[str, str]:
    return {"fy": asking.unit_period}


def _recognise(payload: Any) -> str | None:
    listed = isinstance(payload, Mapping) and isinstance(payload.get("EFiledlist"), list)
    return "Return register" if listed else None


def _file_identity(payload: Any) -> tuple[str | None, str | None]:
    """Return the financial year of the newest return that the file lists; it names no registration."""
    months = [fields.month(one, "ret_prd") for one in fields.items(payload, "EFiledlist")]
    known = [Period.parse(month) for month in months if month]
    return None, max(known).financial_year if known else None


MODULE = Module(
    name="return_register",
    title="Return register",
    sections=(
        Section(
            name="rettrack",
            endpoint="public.rettrack",
            parse=_filings,
            tables=("gst__filing",),
            params=_year,
            skip=(_skip_register,),
            integrity=(only_known(_FILED_SHAPE, "the return register"), _year_matches),
        ),
        Section(
            name="getpref",
            endpoint="returns.getpref",
            parse=_preferences,
            tables=("gst__preference",),
            params=_year,
            skip=(_skip_preference, _monthly_by_filings),
            integrity=(only_known(_PREFERENCE_SHAPE, "the filing preference"),),
        ),
    ),
    tables=(FILINGS, PREFERENCES),
    files=HandFile(
        recognise=_recognise, identity=_file_identity, split=lambda payload: [("rettrack", payload)]
    ),
    cadence=Cadence.FINANCIAL_YEAR,
    needs_session=False,
    naive_calls=2,
)


def is_filed(status: str, valid: str) -> bool:
    """Whether the portal's status and validity flag say that a return is filed; absent flags do not deny it."""
    return status.upper() in ("", "FILED") and valid.upper() not in ("N", "NO")


def read_filings(engine: Engine, client_id: str) -> Sequence[Filing]:
    """Return the filed returns of a client that the warehouse has; empty when there is no such table yet.

    ``read_at`` is when the row was last written, so whatever was read after it was read after the filing.

    Raises:
        WarehouseError: the database cannot be read.
    """
    core = warehouse_table(FILINGS).core
    with reading(engine) as connection:
        if not inspect(connection).has_table(core.name):
            return ()
        rows = connection.execute(
            select(
                core.c.return_type,
                core.c.return_period,
                core.c.filed_on,
                core.c.status,
                core.c.valid,
                core.c.loaded_at,
            ).where(core.c.client_id == client_id, core.c.removed_at.is_(None))
        ).all()
    return tuple(
        _filing(row.return_type, row.return_period, row.filed_on, row.loaded_at)
        for row in rows
        if is_filed(row.status, row.valid)
    )


def _filing(return_type: str, return_period: str, filed_on: date, read_at: datetime) -> Filing:
    return Filing(return_type, Period.parse(return_period), filed_on, read_at)
