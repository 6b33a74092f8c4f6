"""Notices and orders: the list of all that were issued to a client, and the detail of each one once.

Codes of module, alert and notice type are kept as the portal writes them, for their lists are not published; how
many days are left to reply is for a view. Invariant: a stored notice is never deleted, because the portal may list
a part only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from clientsync.clock import INDIA
from clientsync.periods import Period
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import (
    NO_PERIOD,
    Asking,
    Cadence,
    Context,
    Deletes,
    HandFile,
    Module,
    Record,
    Row,
    Section,
    TableSpec,
)
from connectors.gst import fields
from connectors.gst.shapes import leaves, only_known

LISTED, DETAILED = "notices", "notice_details"
"""Names under which ``Asking.known`` holds the notices that are stored: of the list, and in full."""
_LIST_SHAPE = {"notices": leaves("refId arn moduleCd alertCd dateOfIssue dateOfRespond")}
_DETAIL_SHAPE = {
    **leaves("refId arn dateOfIssue noticeType dueDateOfReply"),
    "taxPeriod": leaves("from to"),
    "maindocs": leaves("docId docName"),
    "suppdocs": leaves("docId docName"),
}


class NoticeRow(Row):
    """One notice as the list has it."""

    period: str = columns.text("Always current: notices are one open list", length=10)
    section: str = columns.text("Section that answered", length=20)
    reference: str = columns.text("Reference of the notice (refId)", length=60)
    arn: str = columns.text("Acknowledgement or case number", length=60)
    module_code: str = columns.text("Module of the portal, raw (moduleCd)", length=40)
    alert_code: str = columns.text("Kind of alert, raw (alertCd)", length=60)
    issued_on: date = columns.day("Date of issue")
    respond_by_on: date | None = columns.day("Last day to respond, when there is one", default=None)


class NoticeDetailRow(Row):
    """One notice in full, without its documents' content."""

    period: str = columns.text("Always current: notices are one open list", length=10)
    section: str = columns.text("Section that answered", length=20)
    arn: str = columns.text("Acknowledgement or case number; joins to the list", length=60)
    reference: str = columns.text("Reference of the notice when the detail repeats it", default="", length=60)
    notice_type: str = columns.text("Type of notice, raw", length=60)
    issued_on: date = columns.day("Date of issue")
    reply_due_on: date | None = columns.day("Last day to reply, when there is one", default=None)
    tax_period_from: str = columns.text("First tax period it is about, as the portal writes it", length=20)
    tax_period_to: str = columns.text("Last tax period it is about, as the portal writes it", length=20)
    main_documents: int = columns.number("Main documents", unit="documents")
    supporting_documents: int = columns.number("Supporting documents", unit="documents")
    document_list: str = columns.text(
        "Ids and names of the documents as the portal lists them (JSON)", length=8000
    )


def _notices(payload: Any, context: Context) -> Iterable[Record]:
    for raw in fields.items(payload, "notices"):

        def make(raw: Any = raw) -> dict[str, Any]:
            return {
                "period": context.unit_period,
                "section": context.section,
                "reference": fields.text(raw, "refId", required=True),
                "arn": fields.text(raw, "arn"),
                "module_code": fields.text(raw, "moduleCd"),
                "alert_code": fields.text(raw, "alertCd"),
                "issued_on": fields.day(raw, "dateOfIssue", required=True),
                "respond_by_on": fields.day(raw, "dateOfRespond"),
            }

        yield fields.row("gst__notice", raw, make)


def _detail(payload: Any, context: Context) -> Iterable[Record]:
    def make() -> dict[str, Any]:
        spans = fields.obj(payload, "taxPeriod")
        main, supporting = fields.items(payload, "maindocs"), fields.items(payload, "suppdocs")
        return {
            "period": context.unit_period,
            "section": context.section,
            "arn": fields.text(payload, "arn", required=True),
            "reference": fields.text(payload, "refId"),
            "notice_type": fields.text(payload, "noticeType"),
            "issued_on": fields.day(payload, "dateOfIssue", required=True),
            "reply_due_on": fields.day(payload, "dueDateOfReply"),
            "tax_period_from": fields.text(spans, "from"),
            "tax_period_to": fields.text(spans, "to"),
            "main_documents": len(main),
            "supporting_documents": len(supporting),
            "document_list": json.dumps([_document(one) for one in (*main, *supporting)]),
        }

    yield fields.row("gst__notice_detail", payload, make)


def _document(raw: fields.Raw) -> dict[str, str]:
    return {name: fields.text(raw, name) for name in ("docId", "docName")}


def _follow(payload: Any, asking: Asking) -> Sequence[tuple[str, dict[str, str]]]:
    """Ask the detail of every notice that is not stored with its detail, and of those issued since the last list.

    The portal may list a notice some days after its own date, so the date alone proves nothing. The day of the last
    list itself is asked again, because more of the same case can have been issued after it was read. Without a stored
    list or detail everything is asked. A notice whose date cannot be read is always asked.
    """
    listed, details = asking.memory.get("list"), asking.memory.get("detail")
    is_known = listed is not None and listed.was_loaded and details is not None and details.was_loaded
    since = listed.asked_at.astimezone(INDIA).date() if listed is not None and is_known else date.min
    is_stored = _stored(asking)
    found: dict[str, None] = {}
    for raw in fields.items(payload, "notices"):
        if isinstance(raw, Mapping) and raw.get("refId") and (_issued(raw) >= since or not is_stored(raw)):
            found[str(raw["refId"]).strip()] = None
    return [("detail", {"refId": reference}) for reference in found]


def _stored(asking: Asking) -> Callable[[Mapping[str, Any]], bool]:
    """Return a test: whether a notice was listed before and has a stored detail, its own or one of its case and day."""
    listed = {reference for reference, _, _ in asking.known.get(LISTED, ())}
    details = frozenset(asking.known.get(DETAILED, ()))
    references = {reference for reference, _, _ in details if reference}
    cases = {(case, day) for _, case, day in details}

    def is_stored(raw: Mapping[str, Any]) -> bool:
        reference = str(raw["refId"]).strip()
        case = (str(raw.get("arn") or "").strip(), _issued(raw))
        return reference in listed and (reference in references or case in cases)

    return is_stored


def _issued(raw: Mapping[str, Any]) -> date:
    try:
        return fields.day(raw, "dateOfIssue") or date.max
    except ValueError:
        return date.max


NOTICES = TableSpec(
    name="gst__notice",
    row=NoticeRow,
    key=("period", "section", "reference"),
    scope=("period", "section"),
    description="Notices and orders issued to a client.",
    deletes=Deletes.KEEP,
    checks=(
        Check(
            "GST-NO-N01",
            CheckKind.UNIQUE,
            ("period", "section", "reference"),
            OnBreach.REJECT_ROW,
            "The same notice stands twice in the list.",
            source="GSTN API: refId identifies a notice.",
        ),
        Check(
            "GST-NO-N02",
            CheckKind.BETWEEN,
            ("issued_on",),
            OnBreach.WARN,
            "The notice was issued before GST began.",
            {"low": Period(2017, 7).first_day, "high": None},
            source="GST began on 01-07-2017.",
        ),
    ),
)

DETAILS = TableSpec(
    name="gst__notice_detail",
    row=NoticeDetailRow,
    key=("period", "section", "arn", "notice_type", "issued_on"),
    scope=("period", "section"),
    description="Notices in full: type, tax period, days to reply, documents by name.",
    deletes=Deletes.KEEP,
    checks=(
        Check(
            "GST-NO-D01",
            CheckKind.UNIQUE,
            ("period", "section", "arn", "notice_type", "issued_on"),
            OnBreach.REJECT_ROW,
            "Two details carry the same case, type and day.",
            source="GSTN API: the detail carries arn, not refId; a case may have several notices.",
        ),
    ),
)


def _listed(payload: Any) -> Any:
    """Return the list of notices in a file: the list itself, or one beside the detail of a notice."""
    if isinstance(payload, Mapping) and isinstance(payload.get("list"), Mapping):
        payload = payload["list"]
    return payload if isinstance(payload, Mapping) and isinstance(payload.get("notices"), list) else None


def _recognise(payload: Any) -> str | None:
    return "notices" if _listed(payload) is not None else None


def _identity(_: Any) -> tuple[str | None, str | None]:
    return None, NO_PERIOD


def _split(payload: Any) -> Iterable[tuple[str, Any]]:
    yield "list", _listed(payload)


MODULE = Module(
    name="notices",
    title="Notices",
    sections=(
        Section(
            name="list",
            endpoint="notices.list",
            parse=_notices,
            tables=("gst__notice",),
            integrity=(only_known(_LIST_SHAPE, "the list of notices"),),
            follow=_follow,
        ),
        Section(
            name="detail",
            endpoint="notices.detail",
            parse=_detail,
            tables=("gst__notice_detail",),
            integrity=(only_known(_DETAIL_SHAPE, "the detail of a notice"),),
            is_detail=True,
        ),
    ),
    tables=(NOTICES, DETAILS),
    cadence=Cadence.CLIENT,
    files=HandFile(recognise=_recognise, identity=_identity, split=_split),
    naive_calls=2,
)
