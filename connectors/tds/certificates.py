"""Certificates for lower deduction: which exist, and how each stands today at TRACES.

Certificates are discovered in the inbox (Act of 1961), in the list of the new portal (Act of 2025), in statements and
in the imported register; each is then verified every day, until its year is over and its statements are settled.
Invariant: what TRACES did not confirm today carries an older ``verified_on``. Shapes: TDS reference 3.6, rules 5.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from clientsync.periods import Quarter
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import Personal
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
from connectors.tds.rests import INBOX_CHECKSUM, general_inbox, rest

CATEGORY = "42"
"""Inbox category of certificates u/s 197 and 206C (reference 3.4)."""
HUNDRED_PER_CENT = 1_000_000
"""A rate of 100 per cent in ten-thousandths of a per cent."""

_INBOX_SHAPE = {
    **leaves("page total records"),
    "asked": leaves("commClassify page"),
    "rows": leaves(
        "commRefNo date commcat description finYear quarter formType hidFY hidQT commInbId commMstrId comcatid "
        "certNum isRead"
    ),
}
_VERIFY_SHAPE = {
    **leaves("page total records"),
    "asked": leaves("deducteePan financialYear certiNo"),
    "rows": leaves(
        "serialno certino finyear deducteepan dedname validfrm canceldt validto seccode natofpayment rateoftds "
        "certilimit amtconsume issuedate"
    ),
}
_LIST_SHAPE = {
    **leaves("hasNext"),
    "asked": leaves("pageNumber"),
    "certificates": leaves(
        "childCertNum taxYear sectionCode deducteePan childCertificateAmount validFrom validTo remarks"
    ),
}
_DETAIL_SHAPE = {
    **leaves(
        "parentCertNum childCertNum appPan tan taxYear sectionCode issueDate certificateAmount amountConsumed "
        "balanceAvailable validityStartDate validityEndDate activeFlag natureOfPayment certificateRate "
        "insertTimestamp updateTimestamp"
    ),
    "asked": leaves("childCertNum pan"),
}


class CertificateRow(Row):
    """One certificate as TRACES confirmed it; one with several sections has a row for each."""

    section: str = columns.text("Section that answered: verify or detail_2025", length=12)
    act: str = columns.text("1961 or 2025", length=4)
    portal: str = columns.text("TRACES61 or TRACES25", length=8)
    year: str = columns.text("Financial or tax year", length=7)
    number: str = columns.text("Certificate number: ten or fifteen characters by Act", length=40)
    pan: str = columns.text("PAN of the deductee", personal=Personal.IDENTITY, length=10)
    deductee_name: str = columns.text("Name of the deductee", default="", personal=Personal.NAME)
    parent_number: str = columns.text("Parent certificate, Act of 2025 only", default="", length=40)
    section_code: str = columns.text("Section, or payment code under the Act of 2025", length=20)
    nature: str = columns.text("Nature of payment in words", default="", length=300)
    rate_ten_thousandths: int = columns.number("Rate in ten-thousandths of a per cent: 0.5000 % is 5000")
    limit_paise: int = columns.amount("Payments up to which the rate holds")
    consumed_paise: int = columns.amount("Payments that statements have reported under it")
    remaining_paise: int = columns.amount("Limit less consumed, negative when exceeded")
    valid_from_on: date = columns.day("First day of validity")
    valid_to_on: date = columns.day("Last day of validity as issued")
    validity_days: int = columns.number("Days from first to last", unit="days")
    cancelled_on: date | None = columns.day("Day of cancellation", default=None)
    issued_on: date | None = columns.day("Day of issue", default=None)
    is_active: bool = columns.flag("Neither cancelled nor expired on the day of verification")
    has_right_number: bool = columns.flag("The number has the form of its Act")
    verified_on: date = columns.day("Day on which TRACES said so; older than today is stale")


class CertificateNoticeRow(Row):
    """One certificate that a portal announced."""

    section: str = columns.text("Section that answered", length=16)
    act: str = columns.text("1961 or 2025", length=4)
    portal: str = columns.text("TRACES61 or TRACES25", length=8)
    number: str = columns.text("Certificate number", length=40)
    reference: str = columns.text("Reference of the communication, empty for the list", default="", length=60)
    year: str = columns.text("Financial or tax year, empty when not given", default="", length=7)
    announced_on: date | None = columns.day("Day of the communication", default=None)
    pan: str = columns.text(
        "PAN of the deductee, Act of 2025 only", default="", personal=Personal.IDENTITY, length=10
    )
    section_code: str = columns.text("Payment code, Act of 2025 only", default="", length=20)
    limit_paise: int = columns.amount("Limit, Act of 2025 only")
    valid_from_on: date | None = columns.day("First day of validity, Act of 2025 only", default=None)
    valid_to_on: date | None = columns.day("Last day of validity, Act of 2025 only", default=None)
    remarks: str = columns.text("Description or remarks of the portal", default="", length=500)
    has_right_number: bool = columns.flag("The number has the form of its Act")


def rate(source: fields.Raw, name: str) -> int:
    """Return a rate in per cent as ten-thousandths of a per cent: ``0.5000`` is 5000.

    Raises:
        ValueError: missing, not a number, or finer than four decimals (V26).
    """
    text = fields.text(source, name, required=True).removesuffix("%").strip()
    try:
        points = Decimal(text) * 10_000
    except ArithmeticError as error:
        raise ValueError(f"{name} is not a rate") from error
    if not points.is_finite() or points != points.to_integral_value():
        raise ValueError(f"{name} is not a rate of at most four decimals")
    return int(points)


def _moment_day(source: fields.Raw, name: str) -> date:
    found = fields.day(source, name, required=True)
    if found is None:
        raise ValueError(f"{name} is missing")
    return found


def _pan(source: fields.Raw, name: str) -> str:
    return identifiers.pan(fields.text(source, name, required=True))


def _number(source: fields.Raw, name: str) -> str:
    return fields.text(source, name, required=True).upper()


def _validity(first: date, last: date, limit: int, consumed: int) -> dict[str, Any]:
    return {
        "limit_paise": limit,
        "consumed_paise": consumed,
        "remaining_paise": limit - consumed,
        "valid_from_on": first,
        "valid_to_on": last,
        "validity_days": (last - first).days + 1,
    }


def _verified(raw: fields.Raw, context: Context) -> dict[str, Any]:
    number = _number(raw, "certino")
    first, last = _moment_day(raw, "validfrm"), _moment_day(raw, "validto")
    cancelled = fields.day(raw, "canceldt")
    return {
        "section": context.section,
        "act": "1961",
        "portal": "TRACES61",
        "year": fields.year(raw, "finyear", required=True),
        "number": number,
        "pan": _pan(raw, "deducteepan"),
        "deductee_name": fields.text(raw, "dedname"),
        "section_code": fields.text(raw, "seccode", required=True),
        "nature": fields.text(raw, "natofpayment"),
        "rate_ten_thousandths": rate(raw, "rateoftds"),
        **_validity(
            first,
            last,
            fields.paise(raw, "certilimit", required=True),
            fields.paise(raw, "amtconsume", required=True),
        ),
        "cancelled_on": cancelled,
        "issued_on": fields.day(raw, "issuedate"),
        "is_active": (cancelled is None or cancelled > context.asked_on) and last >= context.asked_on,
        "has_right_number": identifiers.is_certificate(number, "1961"),
        "verified_on": context.asked_on,
    }


def _detail(raw: fields.Raw, context: Context) -> dict[str, Any]:
    number = _number(raw, "childCertNum")
    first, last = _moment_day(raw, "validityStartDate"), _moment_day(raw, "validityEndDate")
    flag = fields.text(raw, "activeFlag", required=True).upper()
    if flag not in ("Y", "N", "YES", "NO", "TRUE", "FALSE", "1", "0"):
        raise ValueError("activeFlag is neither yes nor no")
    return {
        "section": context.section,
        "act": "2025",
        "portal": "TRACES25",
        "year": fields.year(raw, "taxYear", required=True),
        "number": number,
        "pan": _pan(raw, "appPan"),
        "parent_number": fields.text(raw, "parentCertNum"),
        "section_code": fields.text(raw, "sectionCode", required=True),
        "nature": fields.text(raw, "natureOfPayment"),
        "rate_ten_thousandths": rate(raw, "certificateRate"),
        **_validity(
            first,
            last,
            fields.paise(raw, "certificateAmount", required=True),
            fields.paise(raw, "amountConsumed", required=True),
        ),
        "issued_on": fields.day(raw, "issueDate"),
        "is_active": flag in ("Y", "YES", "TRUE", "1") and last >= context.asked_on,
        "has_right_number": identifiers.is_certificate(number, "2025"),
        "verified_on": context.asked_on,
    }


def _is_certificate_notice(raw: Any) -> bool:
    """Whether a communication is about a certificate; one whose category cannot be read is taken for one."""
    if not isinstance(raw, Mapping):
        return True
    try:
        return fields.text(raw, "comcatid") == CATEGORY
    except ValueError:
        return True


def _notice(raw: fields.Raw, section: str) -> dict[str, Any]:
    number = _number(raw, "certNum")
    return {
        "section": section,
        "act": "1961",
        "portal": "TRACES61",
        "number": number,
        "reference": fields.text(raw, "commRefNo", required=True),
        "year": fields.year(raw, "finYear") or fields.year(raw, "hidFY"),
        "announced_on": _moment_day(raw, "date"),
        "remarks": fields.text(raw, "description"),
        "has_right_number": identifiers.is_certificate(number, "1961"),
    }


def _listed(raw: fields.Raw, section: str) -> dict[str, Any]:
    number = _number(raw, "childCertNum")
    return {
        "section": section,
        "act": "2025",
        "portal": "TRACES25",
        "number": number,
        "reference": "",
        "year": fields.year(raw, "taxYear", required=True),
        "pan": _pan(raw, "deducteePan"),
        "section_code": fields.text(raw, "sectionCode"),
        "limit_paise": fields.paise(raw, "childCertificateAmount", required=True),
        "valid_from_on": _moment_day(raw, "validFrom"),
        "valid_to_on": _moment_day(raw, "validTo"),
        "remarks": fields.text(raw, "remarks"),
        "has_right_number": identifiers.is_certificate(number, "2025"),
    }


def _parse_inbox(payload: Any, context: Context) -> Iterator[Record]:
    for raw in fields.items(payload, "rows"):
        if _is_certificate_notice(raw):
            yield fields.row(NOTICES.name, raw, lambda raw=raw: _notice(raw, context.section))  # type: ignore[misc]


def _parse_list(payload: Any, context: Context) -> Iterator[Record]:
    for raw in fields.items(payload, "certificates"):
        yield fields.row(NOTICES.name, raw, lambda raw=raw: _listed(raw, context.section))  # type: ignore[misc]


def _parse_verify(payload: Any, context: Context) -> Iterator[Record]:
    for raw in fields.items(payload, "rows"):
        yield fields.row(CERTIFICATES.name, raw, lambda raw=raw: _verified(raw, context))  # type: ignore[misc]


def _parse_detail(payload: Any, context: Context) -> Iterator[Record]:
    yield fields.row(CERTIFICATES.name, payload, lambda: _detail(payload, context))


def _not_found(payload: Any, _: Sequence[Record], __: Context) -> Iterable[Finding]:
    """TRACES does not know a certificate that we hold: a manual one, or a wrong number, PAN or year (E5)."""
    if not fields.items(payload, "rows"):
        yield Finding(
            "TDS-LDC-UNKNOWN",
            "TRACES does not know a certificate that a statement or the register names, for its PAN and year. "
            "Statements that use it will show short deduction.",
            is_halting=False,
        )


def _counted(payload: Any, _: Sequence[Record], __: Context) -> Iterable[Finding]:
    told, rows = fields.whole(payload, "records"), len(fields.items(payload, "rows"))
    if told != rows:
        yield Finding("TDS-LDC-TOTAL", f"The inbox counts {told} communications, {rows} rows were read.")


def _known(asking: Asking, act: str) -> list[Mapping[str, Any]]:
    """Return the known certificates of an Act whose PAN is known, each number, PAN and year once."""
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for one in asking.known.get("certificates", ()):
        if one["act"] != act or not one["pan"] or identifiers.is_placeholder(one["pan"]):
            continue
        place = one["number"], one["pan"], one["year"]
        if place not in found or isinstance(one.get("verified_on"), date):
            found[place] = one
    return list(found.values())


def _is_closed(year: str, verified_on: Any, asking: Asking) -> bool:
    """Whether nothing can change any more: the year is over, its statements settled, and it was verified after that.

    Settled is every statement of the client's profile, of all four quarters, as the warehouse knows them.
    """
    start = int(year[:4])
    if asking.today <= Quarter(start, 4).last_day or not isinstance(verified_on, date):
        return False
    statements = asking.known.get("statements", {})
    profile = asking.deductor.forms if asking.deductor else ()
    newest = Quarter(start, 4).last_day
    for number in (1, 2, 3, 4):
        quarter = Quarter(start, number)
        for form in forms.forms_of(profile, quarter):
            filed = statements.get((quarter.label, form), ())
            if not forms.is_settled(filed):
                return False
            newest = max(newest, *(one.get("processed_on") or date.max for one in filed))
    return _day_of(verified_on) > newest


def _day_of(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _announced(asking: Asking) -> set[str]:
    """Return the numbers of all certificates under the Act of 1961 that the inbox announced, now or earlier."""
    found = {str(number) for number in asking.known.get("certificate_notices", ())}
    for section in ("inbox_action", "inbox_general"):
        for raw in fields.items(asking.answers.get(section, {}), "rows"):
            if _is_certificate_notice(raw) and isinstance(raw, Mapping) and raw.get("certNum"):
                found.add(str(raw["certNum"]).strip().upper())
    return {one for one in found if identifiers.act_of_certificate(one) != "2025"}


def _follow_known(_: Any, asking: Asking) -> Sequence[tuple[str, dict[str, str]]] | None:
    """Verify every known certificate of the Act of 1961 that is not closed."""
    questions = [
        ("verify", {"deducteePan": one["pan"], "financialYear": one["year"][:4], "certiNo": one["number"]})
        for one in _known(asking, "1961")
        if not _is_closed(one["year"], one.get("verified_on"), asking)
    ]
    return questions or None


def _follow_at_rest(payload: Any, asking: Asking) -> Sequence[tuple[str, dict[str, str]]] | None:
    """Verify what is known after the tab for action, when the other tab, which is the last one, rests."""
    return _follow_known(payload, asking) if _general_rests(asking) else None


def _general_rests(asking: Asking) -> bool:
    return general_inbox(asking, MODULE.section("inbox_general")) is not None


def _without_pan_at_rest(records: Sequence[Record], asking: Asking) -> Iterable[Finding]:
    """Say the same as ``_without_pan`` after the tab for action, when the other tab rests."""
    return _without_pan(records, asking) if _general_rests(asking) else ()


def _without_pan(_: Sequence[Record], asking: Asking) -> Iterable[Finding]:
    """Say how many announced certificates cannot be verified, because nobody knows whose they are."""
    known = {one["number"] for one in _known(asking, "1961")}
    unknown = len(_announced(asking) - known)
    if unknown:
        yield Finding(
            "TDS-LDC-NO-PAN",
            f"{unknown} certificates in the inbox were not verified, because their deductee is not known. "
            "Import the register of certificates.",
            is_halting=False,
        )


def _follow_list(payload: Any, asking: Asking) -> Sequence[tuple[str, dict[str, str]]] | None:
    """Ask the detail of every listed certificate of the Act of 2025 that is not closed."""
    known = {(one["number"], one["pan"]): one.get("verified_on") for one in _known(asking, "2025")}
    wanted: dict[tuple[str, str], str] = {}
    for raw in fields.items(payload, "certificates"):
        record = fields.row(NOTICES.name, raw, lambda raw=raw: _listed(raw, ""))  # type: ignore[misc]
        if record.problem is None:
            wanted[record.values["number"], record.values["pan"]] = record.values["year"]
    questions = [
        ("detail_2025", {"childCertNum": place[0], "pan": place[1]})
        for place, year in wanted.items()
        if not _is_closed(year, known.get(place), asking)
    ]
    return questions or None


def _not_listed(records: Sequence[Record], asking: Asking) -> Iterable[Finding]:
    """Say how many certificates of the Act of 2025 are named elsewhere, while the portal does not list them (E5)."""
    listed = {(one.values.get("number"), one.values.get("pan")) for one in records}
    missing = sum((one["number"], one["pan"]) not in listed for one in _known(asking, "2025"))
    if missing:
        yield Finding(
            "TDS-LDC-NOT-LISTED",
            f"TRACES does not list {missing} certificates that statements or the register name. "
            "Statements that use them will show short deduction.",
            is_halting=False,
        )


def _none_listed(asking: Asking, section: Section) -> Skip | None:
    """Resting: the new portal listed no certificate of the deductor, and nothing names one that would be looked for."""
    memory = asking.memory.get(section.name)
    if memory is None or memory.rows or _known(asking, "2025"):
        return None
    return rest(asking, section, "no certificate was listed, and no statement or register names one")


def _inbox_params(tab: str) -> Callable[[Asking], dict[str, str]]:
    return lambda _: {"commClassify": tab, "page": "1"}


def _next_of_inbox(payload: Any, pages: int) -> dict[str, str] | None:
    if not fields.items(payload, "rows") or pages >= fields.whole(payload, "total"):
        return None
    return {"page": str(pages + 1)}


def _next_of_list(payload: Any, pages: int) -> dict[str, str] | None:
    return {"pageNumber": str(pages + 1)} if payload.get("hasNext") is True else None


def _merger(rows: str) -> Callable[[Sequence[Any]], Any]:
    """Return how pages join: all rows, and of the rest what the last page says."""
    return lambda pages: {**pages[-1], rows: [one for page in pages for one in fields.items(page, rows)]}


_V07 = "V07: ten characters under the Act of 1961 without a suffix, fifteen under that of 2025."
_KEY = ("act", "year", "number", "pan", "section_code")
_NOTICE_KEY = ("section", "number", "reference", "pan", "section_code")
CERTIFICATES = TableSpec(
    name="tds__certificate",
    row=CertificateRow,
    key=_KEY,
    scope=("section",),
    description="Certificates for lower deduction as TRACES last confirmed them.",
    deletes=Deletes.KEEP,
    checks=(
        Check(
            "TDS-LDC-C02",
            CheckKind.MATCHES,
            ("pan",),
            OnBreach.WARN,
            "The fourth letter of the PAN is none of those that say who holds it.",
            {"pattern": identifiers.PAN},
            "V02: formats of the income-tax department.",
        ),
        Check(
            "TDS-LDC-C07",
            CheckKind.IN_SET,
            ("has_right_number",),
            OnBreach.REJECT_ROW,
            "The certificate number does not have the form of its Act.",
            {"values": [True]},
            _V07,
        ),
        Check(
            "TDS-LDC-C09",
            CheckKind.UNIQUE,
            _KEY,
            OnBreach.REJECT_ROW,
            "The same certificate and section stand twice for a PAN and year.",
            source="Reference 3.6: certificate, PAN and year are what is verified.",
        ),
        Check(
            "TDS-LDC-C10",
            CheckKind.BETWEEN,
            ("remaining_paise",),
            OnBreach.WARN,
            "More is consumed than the certificate allows.",
            {"low": 0, "high": None},
            "Rule E3 of reference 5.6: cumulative payments stay within the limit.",
        ),
        Check(
            "TDS-LDC-C11",
            CheckKind.BETWEEN,
            ("validity_days",),
            OnBreach.REJECT_ROW,
            "The certificate ends before it begins.",
            {"low": 1, "high": None},
            "Rule E2 of reference 5.6: a certificate is valid from its first to its last day.",
        ),
        Check(
            "TDS-LDC-C26",
            CheckKind.BETWEEN,
            ("rate_ten_thousandths",),
            OnBreach.REJECT_ROW,
            "A rate lies between 0 and 100 per cent.",
            {"low": 0, "high": HUNDRED_PER_CENT},
            "V26: rates have four decimals.",
        ),
        Check(
            "TDS-LDC-C12",
            CheckKind.BETWEEN,
            ("limit_paise",),
            OnBreach.REJECT_ROW,
            "A limit is never below zero.",
            {"low": 0, "high": None},
            "V26: amounts are exact; a limit of payments is never negative.",
        ),
    ),
)
NOTICES = TableSpec(
    name="tds__certificate_notice",
    row=CertificateNoticeRow,
    key=_NOTICE_KEY,
    scope=("section",),
    description="Certificates for lower deduction that the inbox or the list of the new portal announced.",
    deletes=Deletes.KEEP,
    checks=(
        Check(
            "TDS-LDC-N07",
            CheckKind.IN_SET,
            ("has_right_number",),
            OnBreach.WARN,
            "The certificate number does not have the form of its Act.",
            {"values": [True]},
            _V07,
        ),
        Check(
            "TDS-LDC-N09",
            CheckKind.UNIQUE,
            _NOTICE_KEY,
            OnBreach.REJECT_ROW,
            "The same announcement stands twice.",
            source="Reference 3.4: a communication has one reference.",
        ),
    ),
)


def _inbox(name: str, tab: str, *, is_last: bool) -> Section:
    """Return the section of one tab; the last one knows what both announced and has everything verified."""
    return Section(
        name=name,
        endpoint="traces_old.inbox",
        parse=_parse_inbox,
        tables=(NOTICES.name,),
        params=_inbox_params(tab),
        skip=(general_inbox,) if is_last else (),
        checksum=None if is_last else INBOX_CHECKSUM,
        integrity=(_counted, only_known(_INBOX_SHAPE, "the inbox")),
        reconcile=_without_pan if is_last else _without_pan_at_rest,
        next_page=_next_of_inbox,
        merge=_merger("rows"),
        follow=_follow_known if is_last else _follow_at_rest,
    )


MODULE = Module(
    name="certificates",
    title="Verify LDC",
    sections=(
        _inbox("inbox_action", "1", is_last=False),
        _inbox("inbox_general", "0", is_last=True),
        Section(
            name="verify",
            endpoint="traces_old.certificates",
            parse=_parse_verify,
            tables=(CERTIFICATES.name,),
            integrity=(_not_found, only_known(_VERIFY_SHAPE, "the verification of a certificate")),
            is_detail=True,
        ),
        Section(
            name="list_2025",
            endpoint="traces_new.certificates",
            parse=_parse_list,
            tables=(NOTICES.name,),
            params=lambda _: {"pageNumber": "1"},
            skip=(_none_listed,),
            integrity=(only_known(_LIST_SHAPE, "the list of certificates of the new portal"),),
            reconcile=_not_listed,
            next_page=_next_of_list,
            merge=_merger("certificates"),
            follow=_follow_list,
        ),
        Section(
            name="detail_2025",
            endpoint="traces_new.certificate",
            parse=_parse_detail,
            tables=(CERTIFICATES.name,),
            integrity=(only_known(_DETAIL_SHAPE, "a certificate of the new portal"),),
            is_detail=True,
        ),
    ),
    tables=(CERTIFICATES, NOTICES),
    cadence=Cadence.CLIENT,
    naive_calls=3,
)
