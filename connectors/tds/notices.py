"""Notices and orders that exist already: e-Proceedings, both tabs of the TRACES inbox, and requested downloads.

Nothing is asked of the portals but their lists; no file is requested. A document number (DIN) is kept as opaque text,
categories as the portal writes them. Invariants: a stored notice is never deleted, and one that stands in both tabs
of a portal is stored once, as the tab that needs action shows it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import (
    Asking,
    Cadence,
    Context,
    Deletes,
    Finding,
    Module,
    Record,
    Row,
    Section,
    Skip,
    TableSpec,
)
from connectors.gst.shapes import leaves, only_known
from connectors.tds import fields, forms, identifiers
from connectors.tds.rests import INBOX_CHECKSUM, general_inbox, is_unchanged, rest, rows_checksum

CERTIFICATE_CATEGORY = "42"
"""Category of the inbox for certificates under s.197 or 206C; the other codes are not published."""
DIN_MANDATORY_FROM = date(2019, 10, 1)
"""Communications carry a DIN from this day. Source: CBDT Circular 19/2019 of 14-08-2019."""
ENDED_REQUESTS = frozenset({"Available", "Failed", "Disabled", "Not Available"})
"""Statuses in which nothing is pending any more."""
REQUEST_STATUSES = ("Submitted", "Available", "Failed", "Disabled", "Not Available")
"""Source: TRACES, requested downloads; the new portal's words are brought to these."""
_REQUEST_WORDS = {
    **{one.lower(): one for one in REQUEST_STATUSES},
    **dict.fromkeys(("requested", "initiated", "in progress", "processing"), "Submitted"),
    "generated": "Available",
}
LAW_SECTIONS = ("200A", "201", "154", "234E", "427", "271H", "220(2)", "197", "206C", "395")
_LAW_SECTION = re.compile(
    r"(?<![0-9A-Z])(?:(200A|234E|271H|206C|220\(2\))"
    r"|(?:U/S|US|SECTIONS?|SEC\.?|S\.)\s*(201|154|427|197|395|220\(2\)))(?![0-9A-Z])",
    re.IGNORECASE,
)
_BARE_SECTION = re.compile(r"\s*(201|154|427|197|395)\s*(?:[(/].*)?")

_PROCEEDING_SHAPE = {
    "eProceedings": {
        **leaves(
            "proceedingReqId proceedingName noticeSection documentIdNo noticeDate responseDueDate financialYr "
            "description status viewed"
        ),
        "attachments": leaves("docId docName"),
    },
    **leaves("successFlag messages"),
}
_INBOX_SHAPE = {
    "rows": leaves(
        "commRefNo date commcat description finYear quarter formType hidFY hidQT commInbId commMstrId comcatid "
        "certNum isRead"
    ),
    "asked": leaves("commClassify page"),
    **leaves("page total records"),
}
_REQUEST_SHAPE = {
    "rows": leaves("reqNo reqDate finYr qrtr frmType dntype status remarks"),
    "asked": leaves("page"),
    **leaves("page total records"),
}
_NEW_REQUEST_SHAPE = {
    "content": leaves("requestId financialYear formType quarter requestDate status expiryDate remarks"),
    "asked": leaves("page"),
    **leaves("totalElements totalPages number size"),
}


class TdsNoticeRow(Row):
    """One notice, order or communication."""

    period: str = columns.text("Always current: notices are one open list", length=10)
    section: str = columns.text("Section that answered", length=20)
    act: str = columns.text(
        "Act of the year it is about: 1961, 2025, or empty when no year is given", length=4
    )
    portal: str = columns.text("Portal that said it: IT or TRACES61", length=10)
    channel: str = columns.text("List of the portal: e-Proceedings or Inbox", length=20)
    reference: str = columns.text("Proceeding (e-Proceedings) or communication reference (inbox)", length=100)
    din: str = columns.text(
        "Document identification number, as it stands; empty when there is none", length=100
    )
    category: str = columns.text("Category or name of the proceeding in the portal's words", length=255)
    category_code: str = columns.text(
        "Category code of the inbox, raw; 42 is certificates", default="", length=10
    )
    law_section: str = columns.text(
        "Section of law where the text names one: 200A, 201, 154, 234E, 427, 271H, 220(2), 197, 206C, 395",
        default="",
        length=10,
    )
    description: str = columns.text("Description in the portal's words", default="", length=2000)
    issued_on: date = columns.day("Date of issue")
    due_on: date | None = columns.day("Last day to respond, when the portal names one", default=None)
    year: str = columns.text(
        "Financial or tax year, as 2025-26; empty when none is given", default="", length=20
    )
    quarter: str = columns.text("Quarter: Q1 to Q4; empty when none is given", default="", length=20)
    form: str = columns.text("Form of the statement; empty when none is given", default="", length=20)
    status: str = columns.text("Status in the portal's words; the inbox has none", default="", length=60)
    is_read: bool | None = columns.flag("Whether it was opened on the portal", default=None)
    is_action_required: bool = columns.flag("Whether it stands in the tab that asks for action")
    certificate: str = columns.text("Certificate number of category 42", default="", length=40)
    attachments: str = columns.text(
        "Ids and names of attachments as the portal lists them (JSON)", length=8000
    )


class DownloadRequestRow(Row):
    """One file that somebody has asked TRACES for."""

    period: str = columns.text("Always current: requests are one open list", length=10)
    section: str = columns.text("Section that answered", length=20)
    act: str = columns.text("Income-tax Act of the portal: 1961 or 2025", length=4)
    portal: str = columns.text("Portal that said it: TRACES61 or TRACES25", length=10)
    number: str = columns.text("Request number", length=60)
    requested_on: date = columns.day("Date of the request")
    year: str = columns.text("Financial or tax year, as 2025-26", default="", length=20)
    quarter: str = columns.text("Quarter: Q1 to Q4", default="", length=20)
    form: str = columns.text("Form", default="", length=20)
    kind: str = columns.text("What was asked for: conso, JR, 16, 16A, 27D, intimation", default="", length=60)
    status: str = columns.text("Submitted, Available, Failed, Disabled or Not Available", length=40)
    expires_on: date | None = columns.day(
        "Last day of the file on the portal, when it is named", default=None
    )
    remarks: str = columns.text("Remarks of the portal", default="", length=1000)


def law_section(*texts: str) -> str:
    """Return the section of law that the first telling text names, empty when none does.

    Numbers without a letter count only after a word such as ``u/s``, or where a section is all of the text.
    """
    for text in texts:
        match = _LAW_SECTION.search(text) or _BARE_SECTION.fullmatch(text)
        if match is not None:
            return next(found for found in match.groups() if found).upper()
    return ""


def request_status(text: str) -> str:
    """Return the status of a request in the old portal's words; an unknown one stays as it is."""
    return _REQUEST_WORDS.get(" ".join(text.lower().split()), text.strip())


def _year(source: fields.Raw, name: str) -> str:
    """Return a year; what is no year stays as the portal writes it, so that no notice is lost over it."""
    try:
        return fields.year(source, name)
    except ValueError:
        return fields.text(source, name)


def _act_of(year: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}", year):
        return ""
    return "1961" if year < "2026-27" else "2025"


def _proceedings(payload: Any, context: Context) -> Iterable[Record]:
    known = {_proceeding_key(raw) for raw in _of_action_tab(context, "proceedings_fya", "eProceedings")}
    for raw in fields.items(payload, "eProceedings"):
        key = _proceeding_key(raw)
        if context.section == "proceedings_fyi" and key is not None and key in known:
            continue

        def make(raw: Any = raw) -> dict[str, Any]:
            name, described = fields.text(raw, "proceedingName"), fields.text(raw, "description")
            section, year = fields.text(raw, "noticeSection"), _year(raw, "financialYr")
            return {
                "period": context.unit_period,
                "section": context.section,
                "act": _act_of(year),
                "portal": "IT",
                "channel": "e-Proceedings",
                "reference": fields.text(raw, "proceedingReqId", required=True),
                "din": fields.text(raw, "documentIdNo"),
                "category": name,
                "law_section": law_section(section, name, described),
                "description": described,
                "issued_on": fields.day(raw, "noticeDate", required=True),
                "due_on": fields.day(raw, "responseDueDate"),
                "year": year,
                "status": fields.text(raw, "status"),
                "is_read": fields.yes(raw, "viewed"),
                "is_action_required": context.section == "proceedings_fya",
                "attachments": json.dumps([_document(one) for one in fields.items(raw, "attachments")]),
            }

        yield fields.row("tds__notice", raw, make)


def _proceeding_key(raw: Any) -> tuple[str, str] | None:
    if not isinstance(raw, Mapping) or not raw.get("proceedingReqId"):
        return None
    return str(raw["proceedingReqId"]).strip(), str(raw.get("documentIdNo") or "").strip()


def _document(raw: fields.Raw) -> dict[str, str]:
    return {name: fields.text(raw, name) for name in ("docId", "docName")}


def _inbox(payload: Any, context: Context) -> Iterable[Record]:
    known = {_communication_key(raw) for raw in _of_action_tab(context, "inbox_action", "rows")}
    for raw in fields.items(payload, "rows"):
        key = _communication_key(raw)
        if context.section == "inbox_general" and key is not None and key in known:
            continue

        def make(raw: Any = raw) -> dict[str, Any]:
            reference = fields.text(raw, "commRefNo", required=True)
            category, described = fields.text(raw, "commcat"), fields.text(raw, "description")
            year = _year(raw, "hidFY") or _year(raw, "finYear")
            quarter = fields.text(raw, "hidQT") or fields.text(raw, "quarter")
            return {
                "period": context.unit_period,
                "section": context.section,
                "act": _act_of(year),
                "portal": "TRACES61",
                "channel": "Inbox",
                "reference": reference,
                "din": reference,
                "category": category,
                "category_code": fields.text(raw, "comcatid"),
                "law_section": law_section(described, category),
                "description": described,
                "issued_on": fields.day(raw, "date", required=True),
                "due_on": None,
                "year": year,
                "quarter": forms.quarter_name(quarter),
                "form": forms.form_name(fields.text(raw, "formType")),
                "is_read": fields.yes(raw, "isRead"),
                "is_action_required": context.section == "inbox_action",
                "certificate": fields.text(raw, "certNum").upper(),
                "attachments": json.dumps([_message(raw)]),
            }

        yield fields.row("tds__notice", raw, make)


def _communication_key(raw: Any) -> str | None:
    if not isinstance(raw, Mapping) or not raw.get("commRefNo"):
        return None
    return str(raw["commRefNo"]).strip()


def _message(raw: fields.Raw) -> dict[str, str]:
    """Return the ids under which the inbox keeps a communication's file."""
    return {name: fields.text(raw, name) for name in ("commInbId", "commMstrId")}


def _of_action_tab(context: Context, section: str, rows: str) -> list[Any]:
    """Return what the action tab of this unit answered; empty while it is being read itself."""
    answer = fields.answered(context, section) if context.section != section else None
    return fields.items(answer, rows) if isinstance(answer, Mapping) else []


def _requests(payload: Any, context: Context) -> Iterable[Record]:
    for raw in fields.items(payload, "rows"):

        def make(raw: Any = raw) -> dict[str, Any]:
            return {
                "period": context.unit_period,
                "section": context.section,
                "act": "1961",
                "portal": "TRACES61",
                "number": fields.text(raw, "reqNo", required=True),
                "requested_on": fields.day(raw, "reqDate", required=True),
                "year": _year(raw, "finYr"),
                "quarter": forms.quarter_name(fields.text(raw, "qrtr")),
                "form": forms.form_name(fields.text(raw, "frmType")),
                "kind": fields.text(raw, "dntype"),
                "status": request_status(fields.text(raw, "status", required=True)),
                "expires_on": None,
                "remarks": fields.text(raw, "remarks"),
            }

        yield fields.row("tds__download_request", raw, make)


def _new_requests(payload: Any, context: Context) -> Iterable[Record]:
    for raw in fields.items(payload, "content"):

        def make(raw: Any = raw) -> dict[str, Any]:
            return {
                "period": context.unit_period,
                "section": context.section,
                "act": "2025",
                "portal": "TRACES25",
                "number": fields.text(raw, "requestId", required=True),
                "requested_on": fields.day(raw, "requestDate", required=True),
                "year": _year(raw, "financialYear"),
                "quarter": forms.quarter_name(fields.text(raw, "quarter")),
                "form": forms.form_name(fields.text(raw, "formType")),
                "status": request_status(fields.text(raw, "status", required=True)),
                "expires_on": fields.day(raw, "expiryDate"),
                "remarks": fields.text(raw, "remarks"),
            }

        yield fields.row("tds__download_request", raw, make)


def _next_requests(payload: Any, pages: int) -> dict[str, str] | None:
    return {"page": str(pages)} if pages < fields.whole(payload, "totalPages") else None


def _carries_what_it_must(_: Any, records: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Warn of communications without a DIN, and of certificates without their number."""
    good = [one.values for one in records if one.problem is None]
    if any(not one["din"] and one["issued_on"] >= DIN_MANDATORY_FROM for one in good):
        yield Finding(
            "TDS-NO-DIN",
            "A communication carries no DIN, though one is mandatory from 01-10-2019.",
            is_halting=False,
        )
    if any(one.get("category_code") == CERTIFICATE_CATEGORY and not one["certificate"] for one in good):
        yield Finding(
            "TDS-NO-CERTIFICATE", "A certificate is announced without its number.", is_halting=False
        )


def _expiry_follows_request(_: Any, records: Sequence[Record], __: Context) -> Iterable[Finding]:
    """Warn when a file expired before it was asked for."""
    good = [one.values for one in records if one.problem is None]
    if any(one["expires_on"] is not None and one["expires_on"] < one["requested_on"] for one in good):
        yield Finding("TDS-NO-EXPIRY", "A file expired before it was asked for.", is_halting=False)


_ACTIONS_CHECKSUM = rows_checksum("eProceedings")


def _nothing_moved(asking: Asking, section: Section) -> Skip | None:
    """Resting: what is for information only, while the proceedings that ask for action are as before.

    A proceeding that is dealt with moves from there to here, so a change there ends the rest.
    """
    if not is_unchanged(asking, "proceedings_fya", _ACTIONS_CHECKSUM):
        return None
    return rest(asking, section, "it is for information, and the proceedings for action are as before")


def _none_pending(asking: Asking, section: Section) -> Skip | None:
    """Resting: every file that was asked for is there or refused."""
    stored = [one for one in asking.known.get("requests", ()) if one["section"] == section.name]
    memory = asking.memory.get(section.name)
    if memory is None or memory.rows > len(stored):
        return None
    if any(one["status"] not in ENDED_REQUESTS for one in stored):
        return None
    return rest(asking, section, "no requested file is pending")


def _flag(_: Asking, *, flag: str) -> dict[str, str]:
    return {"flag": flag}


def _tab(_: Asking, *, action: str) -> dict[str, str]:
    return {"commClassify": action, "page": "1"}


def _page(_: Asking, *, first: str) -> dict[str, str]:
    return {"page": first}


_YEAR_OR_NONE = r"(?:\d{4}-\d{2})?"
_QUARTERS = ["", "Q1", "Q2", "Q3", "Q4"]

NOTICES = TableSpec(
    name="tds__notice",
    row=TdsNoticeRow,
    key=("period", "portal", "reference", "din"),
    scope=("period", "section"),
    description="Notices, orders and communications of the e-filing portal and TRACES.",
    deletes=Deletes.KEEP,
    checks=(
        Check(
            "TDS-NO-N01",
            CheckKind.UNIQUE,
            ("period", "portal", "reference", "din"),
            OnBreach.REJECT_ROW,
            "The same communication stands twice with different contents.",
            source="CBDT Circular 19/2019: a DIN identifies a communication.",
        ),
        Check(
            "TDS-NO-N02",
            CheckKind.MATCHES,
            ("certificate",),
            OnBreach.WARN,
            "The certificate number has neither 10 nor 15 letters and digits.",
            {
                "pattern": identifiers.or_empty(
                    f"(?:{identifiers.CERTIFICATE_1961}|{identifiers.CERTIFICATE_2025})"
                )
            },
            source="V07: certificate numbers of both Acts.",
        ),
        Check(
            "TDS-NO-N03",
            CheckKind.MATCHES,
            ("year",),
            OnBreach.WARN,
            "The year is not a financial or tax year.",
            {"pattern": _YEAR_OR_NONE},
            source="TRACES: financial year; tax year under the Act of 2025.",
        ),
        Check(
            "TDS-NO-N04",
            CheckKind.IN_SET,
            ("quarter",),
            OnBreach.WARN,
            "The quarter is none of Q1 to Q4.",
            {"values": _QUARTERS},
            source="TRACES: quarters.",
        ),
        Check(
            "TDS-NO-N05",
            CheckKind.IN_SET,
            ("form",),
            OnBreach.WARN,
            "The form is none of the statements of tax deduction.",
            {"values": ["", *forms.ALL_FORMS]},
            source="Income-tax Rules: forms of statements.",
        ),
    ),
)

REQUESTS = TableSpec(
    name="tds__download_request",
    row=DownloadRequestRow,
    key=("period", "portal", "number"),
    scope=("period", "section"),
    description="Files that were asked for on TRACES, with their status.",
    deletes=Deletes.KEEP,
    checks=(
        Check(
            "TDS-NO-R01",
            CheckKind.UNIQUE,
            ("period", "portal", "number"),
            OnBreach.REJECT_ROW,
            "The same request stands twice with different contents.",
            source="TRACES: a request number identifies a request.",
        ),
        Check(
            "TDS-NO-R02",
            CheckKind.IN_SET,
            ("status",),
            OnBreach.WARN,
            "The status of the request is none of those that are known.",
            {"values": list(REQUEST_STATUSES)},
            source="TRACES: requested downloads.",
        ),
    ),
)


def _proceedings_section(name: str, flag: str) -> Section:
    return Section(
        name=name,
        endpoint="income_tax.proceedings",
        parse=_proceedings,
        tables=("tds__notice",),
        params=partial(_flag, flag=flag),
        skip=(_nothing_moved,) if flag == "FYI" else (),
        checksum=_ACTIONS_CHECKSUM if flag == "FYA" else None,
        integrity=(only_known(_PROCEEDING_SHAPE, "the list of proceedings"), _carries_what_it_must),
    )


def _inbox_section(name: str, action: str) -> Section:
    return Section(
        name=name,
        endpoint="traces_old.inbox",
        parse=_inbox,
        tables=("tds__notice",),
        params=partial(_tab, action=action),
        skip=(general_inbox,) if action == "0" else (),
        checksum=INBOX_CHECKSUM if action == "1" else None,
        integrity=(
            only_known(_INBOX_SHAPE, "the inbox"),
            fields.all_rows("records", "rows", "Inbox"),
            _carries_what_it_must,
        ),
        next_page=fields.next_grid_page,
        merge=fields.merge_rows("rows"),
    )


MODULE = Module(
    name="notices",
    title="Notices & Orders - Sync Already Raised",
    sections=(
        _proceedings_section("proceedings_fya", "FYA"),
        _proceedings_section("proceedings_fyi", "FYI"),
        _inbox_section("inbox_action", "1"),
        _inbox_section("inbox_general", "0"),
        Section(
            name="requests",
            endpoint="traces_old.requests",
            parse=_requests,
            tables=("tds__download_request",),
            params=partial(_page, first="1"),
            skip=(_none_pending,),
            integrity=(
                only_known(_REQUEST_SHAPE, "the list of requests"),
                fields.all_rows("records", "rows", "Requests"),
                _expiry_follows_request,
            ),
            next_page=fields.next_grid_page,
            merge=fields.merge_rows("rows"),
        ),
        Section(
            name="new_requests",
            endpoint="traces_new.requests",
            parse=_new_requests,
            tables=("tds__download_request",),
            params=partial(_page, first="0"),
            skip=(_none_pending,),
            integrity=(
                only_known(_NEW_REQUEST_SHAPE, "the list of requests"),
                fields.all_rows("totalElements", "content", "Requests"),
                _expiry_follows_request,
            ),
            next_page=_next_requests,
            merge=fields.merge_rows("content"),
        ),
    ),
    tables=(NOTICES, REQUESTS),
    cadence=Cadence.CLIENT,
    naive_calls=6,
)
