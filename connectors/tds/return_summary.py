"""Return summary: every statement that was filed for a quarter, how far its processing is, and why one was rejected.

Statements under the Act of 1961 come from the status grid of old TRACES, those under the Act of 2025 from the filed
forms of the e-filing portal, which are asked once a run for all forms and quarters. Invariant: a filed statement never
vanishes; a changed status stays in its history. An empty answer says only that the portal shows no statement, not that
none was due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from clientsync.periods import Quarter, newest_quarters
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import (
    Asking,
    Cadence,
    CellMemory,
    Context,
    Deletes,
    Finding,
    Module,
    Record,
    Row,
    Section,
    Skip,
    SkipKind,
    TableSpec,
)
from connectors.gst.shapes import leaves, only_known
from connectors.tds import fields, forms, identifiers
from connectors.tds.forms import StatementStatus
from connectors.tds.rests import SAME_NIGHT, rest

PAGE_ROWS = 100
"""Rows of a full page of filed forms; the portal client asks for so many."""
OPEN_QUARTERS = 6
"""So many ended quarters are read every time; corrections of older ones are rare once all is settled."""

_GRID_SHAPE = {
    "rows": leaves(
        "tokenno finyear quarter formtype stmnttype dtoffiling dtofprcng status remarks reason rejectionMsg"
    ),
    "asked": leaves("financialYear quarter formType page"),
    **leaves("page total records"),
}
_REASON_SHAPE = {"rows": leaves("failMsg"), "asked": leaves("financialYear quarter formType tokenno")}
_FILED_SHAPE = {
    "forms": leaves("formTypeCd ackNum financialYr quarter filingTypeCd ackDt statusDesc statusDt"),
    **leaves("successFlag totalElements messages"),
}
_REASON_CLASSES = (
    ("PREVIOUS_TOKEN_NOT_LATEST", ("previous token", "latest")),
    ("REGULAR_CANCELLED", ("regular", "cancel")),
    ("KEYS_MISMATCH", ("mismatch",)),
    ("TOKEN_UNKNOWN", ("token", "not exist")),
    ("TAN_INVALID", ("tan", "invalid")),
)
"""Class of a rejection to words that its text holds; the first that fits. Source: rejection texts seen in practice."""


class StatementRow(Row):
    """One filed statement, regular or correction."""

    period: str = columns.text("Quarter that was asked, as 2025-26-Q4", length=10)
    section: str = columns.text("Section that answered", length=20)
    act: str = columns.text("Income-tax Act: 1961 or 2025", length=4)
    portal: str = columns.text("Portal that said it: TRACES61 or IT", length=10)
    year: str = columns.text("Financial or tax year, as 2025-26", length=7)
    quarter: str = columns.text("Quarter of the year: Q1 (April to June) to Q4", length=10)
    form: str = columns.text("Form: 24Q, 26Q, 27Q, 27EQ; 138, 140, 144, 143", length=10)
    token: str = columns.text("Token number (provisional receipt) or acknowledgement number", length=20)
    kind: str = columns.text("Regular or Correction", length=40)
    filed_on: date = columns.day("Date of filing")
    processed_on: date | None = columns.day(
        "Date of processing, or since when the status holds", default=None
    )
    days_to_process: int | None = columns.number(
        "Days from filing to processing; none while it waits", default=None, unit="days"
    )
    status: str = columns.text("Status in the portal's words", length=60)
    remarks: str = columns.text("Remarks of the portal", default="", length=1000)
    reason: str = columns.text("Reason that the list itself gives, if any", default="", length=1000)


class RejectionRow(Row):
    """Why one statement was rejected; a statement may have several reasons."""

    period: str = columns.text("Quarter that was asked, as 2025-26-Q4", length=10)
    section: str = columns.text("Section that answered", length=20)
    act: str = columns.text("Income-tax Act: 1961 or 2025", length=4)
    portal: str = columns.text("Portal that said it: TRACES61", length=10)
    form: str = columns.text("Form: 24Q, 26Q, 27Q, 27EQ", length=10)
    token: str = columns.text("Token number; joins to the statement", length=20)
    line: int = columns.number("Number of the reason, from 1", unit="reasons")
    reason_class: str = columns.text(
        "TAN_INVALID, TOKEN_UNKNOWN, PREVIOUS_TOKEN_NOT_LATEST, REGULAR_CANCELLED, KEYS_MISMATCH, OTHER",
        length=40,
    )
    message: str = columns.text("Reason in the portal's words", length=2000)


def _statuses(payload: Any, context: Context) -> Iterable[Record]:
    for raw in fields.items(payload, "rows"):

        def make(raw: Any = raw) -> dict[str, Any]:
            return _statement(
                context,
                portal="TRACES61",
                year=fields.year(raw, "finyear", required=True),
                quarter=forms.quarter_name(fields.text(raw, "quarter", required=True)),
                form=forms.form_name(fields.text(raw, "formtype", required=True)),
                token=fields.text(raw, "tokenno", required=True),
                kind=fields.text(raw, "stmnttype", required=True),
                filed_on=fields.day(raw, "dtoffiling", required=True),
                processed_on=fields.day(raw, "dtofprcng"),
                status=fields.text(raw, "status", required=True),
                remarks=fields.text(raw, "remarks"),
                reason=fields.text(raw, "reason"),
            )

        yield fields.row("tds__statement", raw, make)


def _filed_forms(payload: Any, context: Context, *, form: str) -> Iterable[Record]:
    """Read what is filed on one form for the quarter of the unit; the portal lists all forms and quarters."""
    for raw in fields.items(payload, "forms"):
        if _other_form(raw, form):
            continue

        def make(raw: Any = raw) -> dict[str, Any]:
            status = forms.status_name(fields.text(raw, "statusDesc", required=True))
            since = fields.day(raw, "statusDt")
            return _statement(
                context,
                portal="IT",
                year=fields.year(raw, "financialYr", required=True),
                quarter=forms.quarter_name(fields.text(raw, "quarter", required=True)),
                form=forms.form_name(fields.text(raw, "formTypeCd", required=True)),
                token=fields.text(raw, "ackNum", required=True),
                kind=_kind(fields.text(raw, "filingTypeCd", required=True)),
                filed_on=fields.day(raw, "ackDt", required=True),
                processed_on=None if status == forms.EFILING_WAITS else since,
                status=status,
                remarks="",
                reason="",
            )

        record = fields.row("tds__statement", raw, make)
        if record.problem is not None or _label(record) == context.unit_period:
            yield record


def _other_form(raw: Any, form: str) -> bool:
    """Whether a row is about another form; one whose form cannot be read is left to all of them."""
    return _named(raw) not in ("", form)


def _named(raw: Any) -> str:
    name = raw.get("formTypeCd") if isinstance(raw, Mapping) else None
    return forms.form_name(name) if isinstance(name, str) else ""


def _unknown_forms(payload: Any, _: Sequence[Record], __: Context) -> Iterable[Finding]:
    """Warn of forms that are none of the statements: they are left out, and one may be a statement renamed."""
    names = {_named(raw) for raw in fields.items(payload, "forms")} - {"", *forms.ALL_FORMS}
    if names:
        yield Finding(
            "TDS-RS-OTHER-FORM",
            f"Filed forms of {len(names)} further kinds are left out, because they are no known statement of tax "
            "deduction.",
            is_halting=False,
        )


def _statement(
    context: Context, *, status: str, filed_on: date | None, processed_on: date | None, **values: Any
) -> dict[str, Any]:
    days = (processed_on - filed_on).days if filed_on and processed_on else None
    return {
        "period": context.unit_period,
        "section": context.section,
        "act": context.quarter.act if context.quarter else "",
        "filed_on": filed_on,
        "processed_on": processed_on,
        "days_to_process": days,
        "status": forms.status_name(status),
        **values,
    }


def _kind(text: str) -> str:
    """Return Original and Revised of the e-filing portal in the words of TRACES."""
    return {"ORIGINAL": "Regular", "REVISED": "Correction"}.get(text.upper(), text)


def _label(record: Record) -> str:
    return f"{record.values['year']}-{record.values['quarter']}"


def _reasons(payload: Any, context: Context) -> Iterable[Record]:
    asked = fields.obj(payload, "asked")
    for line, raw in enumerate(fields.items(payload, "rows"), start=1):

        def make(raw: Any = raw, line: int = line) -> dict[str, Any]:
            message = fields.text(raw, "failMsg", required=True)
            return {
                "period": context.unit_period,
                "section": context.section,
                "act": "1961",
                "portal": "TRACES61",
                "form": fields.text(asked, "formType", required=True),
                "token": fields.text(asked, "tokenno", required=True),
                "line": line,
                "reason_class": reason_class(message),
                "message": message,
            }

        yield fields.row("tds__statement_rejection", raw, make)


def reason_class(message: str) -> str:
    """Return the class of a rejection's text, ``OTHER`` when none fits."""
    words = message.lower()
    return next((name for name, parts in _REASON_CLASSES if all(part in words for part in parts)), "OTHER")


def _of_what_was_asked(
    _: Any, records: Sequence[Record], context: Context, *, form: str
) -> Iterable[Finding]:
    """Halt when the answer is about another quarter or form; warn of statements that are filed in the future."""
    good = [one for one in records if one.problem is None]
    others = [one for one in good if _label(one) != context.unit_period or one.values["form"] != form]
    if others:
        yield Finding(
            "IDENTITY_MISMATCH",
            f"{len(others)} statements are about another quarter or form than {context.unit_period} {form}.",
        )
    if any(one.values["filed_on"] > context.asked_on for one in good):
        yield Finding(
            "TDS-RS-FUTURE", "A statement carries a date of filing that lies in the future.", is_halting=False
        )


def _other_act(asking: Asking, section: Section, *, form: str) -> Skip | None:
    """Not applicable: the form belongs to the other Act. Source: the 2025 Act rules from 1 April 2026."""
    if asking.quarter is None or forms.act_of_form(form) == asking.quarter.act:
        return None
    return Skip(
        SkipKind.NOT_APPLICABLE, f"{asking.quarter} is under the Act of {asking.quarter.act}, {form} is not"
    )


def _not_in_profile(asking: Asking, section: Section, *, form: str) -> Skip | None:
    """Not applicable: the client does not file this form; without a profile every form is asked."""
    profile = asking.deductor.forms if asking.deductor else ()
    if not profile or forms.form_in(form, "1961") in profile:
        return None
    return Skip(SkipKind.NOT_APPLICABLE, f"the client's form profile does not hold {form}")


def _not_ended(asking: Asking, section: Section) -> Skip | None:
    """Not applicable: a statement is filed for a quarter that has ended."""
    if asking.quarter is None or asking.today > asking.quarter.last_day:
        return None
    return Skip(
        SkipKind.NOT_APPLICABLE,
        f"{asking.quarter} ends on {asking.quarter.last_day:%d-%m-%Y}; its statements come after that",
    )


def _settled(asking: Asking, section: Section, *, form: str) -> Skip | None:
    """Final: the quarter is older than the open ones and everything in it is processed without defaults or cured."""
    if asking.quarter is None or asking.quarter >= newest_quarters(asking.today, OPEN_QUARTERS)[0]:
        return None
    if not forms.is_settled(_stored(asking, form)):
        return None
    return Skip(
        SkipKind.FINAL,
        f"{asking.quarter} is older than {OPEN_QUARTERS} quarters and its statements are processed without defaults",
    )


def _grid_params(asking: Asking, *, form: str) -> dict[str, str]:
    quarter = _quarter(asking)
    return {
        "financialYear": str(quarter.start),
        "quarter": forms.QUARTER_CODES[quarter.number],
        "formType": form,
        "page": "1",
    }


def _filed_params(_: Asking) -> dict[str, str]:
    """Ask for all forms at once, so that the units of all quarters and forms share one answer of the run."""
    return {"formTypeCd": "", "currentPage": "0"}


def _by_form(payload: Any, *, form: str) -> Sequence[dict[str, str]]:
    """Ask for the form by name when the list of all forms is empty: it may be that the portal wants a name."""
    return () if fields.items(payload, "forms") else ({"formTypeCd": form},)


def _resting(asking: Asking, section: Section, *, form: str) -> Skip | None:
    """Resting: all statements of the quarter that TRACES showed are stored and processed.

    They are processed without defaults or cured; or what TRACES demands for the newest one is what it was when they
    were read. A correction that cures it, wholly or in part, moves the demand, which is asked every night.
    """
    known, memory = _stored(asking, form), asking.memory.get(section.name)
    if memory is None or memory.rows != len(known):
        return None
    if forms.is_settled(known):
        why = f"the statements {form} of {asking.quarter} are processed without defaults"
    elif forms.has_open_defaults(known) and _is_demand_unmoved(asking, form, memory):
        why = (
            f"the statements {form} of {asking.quarter} are processed, and the demand for them has not moved"
        )
    else:
        return None
    return rest(asking, section, why, details=("rejection_reason",))


def _is_demand_unmoved(asking: Asking, form: str, memory: CellMemory) -> bool:
    """Whether tonight's demand is the stored one, and that for the quarter and form is as old as their reading."""
    if asking.shared.get("outstanding_demand") is not False:
        return False
    quarter = _quarter(asking)
    place = quarter.label[:7], f"Q{quarter.number}", form
    moments = [
        one["loaded_at"]
        for one in asking.known.get("demand_quarters", ())
        if (one["year"], one["quarter"], one["form"]) == place
    ]
    return bool(moments) and max(moments) <= memory.asked_at + SAME_NIGHT


def _accepted(asking: Asking, section: Section, *, form: str) -> Skip | None:
    """Resting: the statements of the quarter that e-filing showed are stored, and all of them accepted.

    What follows acceptance is not known of the new portal, so only a correction could be new, and that is filed by
    the practice itself.
    """
    known, memory = _stored(asking, form), asking.memory.get(section.name)
    if memory is None or memory.rows != len(known) or not known:
        return None
    if any(forms.status_name(str(one["status"])) != forms.EFILING_ACCEPTED for one in known):
        return None
    return rest(asking, section, f"the statements {form} of {asking.quarter} are accepted by e-filing")


def _stored(asking: Asking, form: str) -> Sequence[Mapping[str, Any]]:
    """Return the statements of a form that are stored of the quarter of the unit."""
    found: Sequence[Mapping[str, Any]] = asking.known.get("statements", {}).get(
        (_quarter(asking).label, form), ()
    )
    return found


def _quarter(asking: Asking) -> Quarter:
    return asking.quarter or Quarter.parse(asking.unit_period)


def _follow_rejected(payload: Any, asking: Asking, *, form: str) -> Sequence[tuple[str, dict[str, str]]]:
    """Ask the reason of each rejected statement once; a rejection does not change any more."""
    quarter = _quarter(asking)
    stored = asking.memory.get("rejection_reason")
    known: Iterable[Mapping[str, Any]] = ()
    if stored is not None and stored.was_loaded:
        known = _stored(asking, form)
    told = {one["token"] for one in known if one["status"] == StatementStatus.REJECTED}
    found: dict[str, None] = {}
    for raw in fields.items(payload, "rows"):
        if isinstance(raw, Mapping) and _is_rejected(raw) and raw.get("tokenno"):
            found[str(raw["tokenno"]).strip()] = None
    return [
        (
            "rejection_reason",
            {
                "financialYear": str(quarter.start),
                "quarter": forms.QUARTER_CODES[quarter.number],
                "formType": form,
                "tokenno": token,
            },
        )
        for token in found
        if token not in told
    ]


def _is_rejected(raw: Mapping[str, Any]) -> bool:
    return forms.status_name(str(raw.get("status", ""))) == StatementStatus.REJECTED


STATEMENTS = TableSpec(
    name="tds__statement",
    row=StatementRow,
    key=("period", "form", "token"),
    scope=("period", "section"),
    description="Filed statements of tax deduction with their processing status.",
    deletes=Deletes.KEEP,
    checks=(
        Check(
            "TDS-RS-S01",
            CheckKind.MATCHES,
            ("token",),
            OnBreach.REJECT_ROW,
            "The token number is not 15 digits.",
            {"pattern": identifiers.TOKEN},
            source="V06: provisional receipt numbers have 15 digits.",
        ),
        Check(
            "TDS-RS-S02",
            CheckKind.UNIQUE,
            ("period", "form", "token"),
            OnBreach.REJECT_ROW,
            "The same statement stands twice with different contents.",
            source="V06: a token number identifies a statement.",
        ),
        Check(
            "TDS-RS-S03",
            CheckKind.IN_SET,
            ("status",),
            OnBreach.WARN,
            "The status is none of those that are known.",
            {"values": [*forms.STATUSES, *forms.EFILING_STATUSES]},
            source="TRACES: status of statements; Rejected is for corrections. e-Filing: assumed.",
        ),
        Check(
            "TDS-RS-S04",
            CheckKind.BETWEEN,
            ("days_to_process",),
            OnBreach.WARN,
            "The statement was processed before it was filed.",
            {"low": 0, "high": None},
            source="A statement is processed after it was filed (s.200A; s.399 of the 2025 Act).",
        ),
        Check(
            "TDS-RS-S05",
            CheckKind.IN_SET,
            ("kind",),
            OnBreach.WARN,
            "The statement is neither regular nor a correction.",
            {"values": ["Regular", "Correction"]},
            source="TRACES: type of statement.",
        ),
    ),
)

REJECTIONS = TableSpec(
    name="tds__statement_rejection",
    row=RejectionRow,
    key=("period", "form", "token", "line"),
    scope=("period", "section"),
    description="Why statements were rejected.",
    deletes=Deletes.KEEP,
    checks=(
        Check(
            "TDS-RS-R01",
            CheckKind.MATCHES,
            ("token",),
            OnBreach.REJECT_ROW,
            "The token number is not 15 digits.",
            {"pattern": identifiers.TOKEN},
            source="V06: provisional receipt numbers have 15 digits.",
        ),
    ),
)


def _about(form: str) -> Callable[[Any, Sequence[Record], Context], Iterable[Finding]]:
    return partial(_of_what_was_asked, form=form)


def section_name(form: str) -> str:
    """Return the section of a form, for example ``form_26q``."""
    return f"form_{form.lower()}"


def _old_section(form: str) -> Section:
    return Section(
        name=section_name(form),
        endpoint="traces_old.statement_status",
        parse=_statuses,
        tables=("tds__statement",),
        params=partial(_grid_params, form=form),
        skip=(*_skips(form), partial(_resting, form=form)),
        integrity=(
            only_known(_GRID_SHAPE, "the status grid"),
            fields.all_rows("records", "rows", f"Statements {form}"),
            _about(form),
        ),
        next_page=fields.next_grid_page,
        merge=fields.merge_rows("rows"),
        follow=partial(_follow_rejected, form=form),
    )


def _new_section(form: str) -> Section:
    return Section(
        name=section_name(form),
        endpoint="income_tax.filed_forms",
        parse=partial(_filed_forms, form=form),
        tables=("tds__statement",),
        params=_filed_params,
        skip=(*_skips(form), partial(_accepted, form=form)),
        integrity=(
            only_known(_FILED_SHAPE, "the filed forms"),
            fields.all_rows("totalElements", "forms", "Filed forms"),
            _about(form),
            _unknown_forms,
        ),
        more=partial(_by_form, form=form),
        next_page=fields.next_listed_page("totalElements", "forms", PAGE_ROWS, "currentPage"),
        merge=fields.merge_rows("forms"),
    )


def _share(asking: Asking) -> list[date]:
    """Leave the newest days on which a statement under the Act of 1961 was filed and processed."""
    if asking.quarter is None or asking.quarter.act != "1961":
        return []
    days: set[date] = set()
    for form in forms.NEW_FORMS:
        name = section_name(form)
        if name in asking.answers:
            for raw in fields.items(asking.answers[name], "rows"):
                record = fields.row("tds__statement", raw, partial(_days, raw))
                days.update(day for day in record.values.values() if record.problem is None and day)
    return sorted(days)[-2:]


def _days(raw: Any) -> dict[str, Any]:
    return {"filed_on": fields.day(raw, "dtoffiling"), "processed_on": fields.day(raw, "dtofprcng")}


def _skips(form: str) -> tuple[Callable[[Asking, Section], Skip | None], ...]:
    return (
        partial(_other_act, form=form),
        partial(_not_in_profile, form=form),
        _not_ended,
        partial(_settled, form=form),
    )


MODULE = Module(
    name="return_summary",
    title="Return Summary",
    sections=(
        *(_old_section(form) for form in forms.NEW_FORMS),
        *(_new_section(form) for form in forms.OLD_FORMS),
        Section(
            name="rejection_reason",
            endpoint="traces_old.rejection_reason",
            parse=_reasons,
            tables=("tds__statement_rejection",),
            integrity=(only_known(_REASON_SHAPE, "the reasons of a rejection"),),
            is_detail=True,
        ),
    ),
    tables=(STATEMENTS, REJECTIONS),
    cadence=Cadence.QUARTER,
    naive_calls=4,
    share=_share,
)
