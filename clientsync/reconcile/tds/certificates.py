"""R12: lower-deduction certificates against the payments that use them, or should have used them.

Rules: E1 number, PAN, section and rate equal the certificate; E2 the day lies within the validity and before a
cancellation; E3 the sum of payments stays within the limit, and what exceeds it is taxed at the normal rate; E4
the year is the certificate's; E5 the certificate is system-generated; W it was verified today. Invariant: every
use is in exactly one bucket, and the limit is consumed in the order of payment date, then row id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from clientsync.periods import Quarter
from clientsync.reconcile.result import ReconRow, inr, ordered
from clientsync.reconcile.tds.codes import result_row
from clientsync.reconcile.tds.inputs import Certificate, CertificateUse
from clientsync.reconcile.tds.keys import PLACEHOLDERS, by_age_of_row
from clientsync.reconcile.tds.law import act_of, share

EXPIRING_DAYS = 30
"""Days before the end of validity from which a certificate is expiring."""
EXPIRING_PERCENT = 90
"""Percent of the limit from which a certificate is expiring."""
NUMBER_LENGTH = {"1961": 10, "2025": 15}
"""Characters of a certificate number by Act (Protean file formats V1.0; old numbers have ten)."""
RUPEE = 100
"""Tolerance in paise of a tax that was rounded to the rupee."""


@dataclass(slots=True)
class _Running:
    """What the payments so far used of the certificates, by place in the list of certificates."""

    used: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    unfiled: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def last_valid_day(certificate: Certificate) -> date:
    """Return the last day on which the certificate holds: its end, or the day before its cancellation."""
    if certificate.cancelled_on is None:
        return certificate.valid_to
    return min(certificate.valid_to, certificate.cancelled_on - timedelta(days=1))


def holds_on(certificate: Certificate, day: date) -> bool:
    """Whether a payment of that day may use the certificate (rule E2)."""
    return certificate.valid_from <= day <= last_valid_day(certificate)


def short_deduction(use: CertificateUse, certificate: Certificate, eligible_paise: int) -> int:
    """Return the tax that is missing when ``eligible_paise`` of a payment are within the limit; never negative."""
    return max(0, expected_tax(use, certificate, eligible_paise) - use.tax_paise)


def expected_tax(use: CertificateUse, certificate: Certificate, eligible_paise: int) -> int:
    """Return the tax of a payment: the certificate's rate within the limit, the normal rate beyond it."""
    excess = use.amount_paise - eligible_paise
    return share(eligible_paise, certificate.rate) + share(excess, use.normal_rate)


def certificates(
    issued: Iterable[Certificate], uses: Iterable[CertificateUse], as_of: date
) -> tuple[ReconRow, ...]:
    """R12: judge every payment, then every certificate: its consumption, its end, and how fresh it is.

    A payment that breaks several rules falls into the first of: unknown or manual number, PAN, section, year,
    validity, limit, rate. Only payments that pass up to the validity consume the limit, with their whole amount.
    """
    own = sorted(issued, key=lambda one: (one.client_id, one.number, one.valid_from, one.row_id))
    by_number: dict[tuple[str, str], list[int]] = defaultdict(list)
    by_deductee: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for place, one in enumerate(own):
        by_number[(one.client_id, one.number)].append(place)
        if one.pan not in PLACEHOLDERS and one.is_system_generated:
            by_deductee[(one.client_id, one.pan, one.section)].append(place)
    running = _Running()
    rows: list[ReconRow] = []
    for use in sorted(uses, key=lambda one: (one.client_id, one.paid_on, by_age_of_row(one.row_id))):
        if use.number:
            places = by_number.get((use.client_id, use.number), [])
            rows.append(_quoted(use, own, places, running))
        else:
            places = by_deductee.get((use.client_id, use.pan, use.section), [])
            rows.append(_unquoted(use, own, places, running))
    for place, one in enumerate(own):
        used, unfiled = running.used[place], running.unfiled[place]
        rows.extend((_consumption(one, used, unfiled), _ending(one, used, as_of), _freshness(one, as_of)))
    return ordered(rows)


def _quoted(
    use: CertificateUse, own: Sequence[Certificate], places: list[int], running: _Running
) -> ReconRow:
    if not places:
        wanted = NUMBER_LENGTH[act_of(use.paid_on)]
        why = "The certificate is not among those that TRACES verified."
        if len(use.number) != wanted or not use.number.isalnum():
            why = (
                f"The number has not the {wanted} letters and digits of its Act, and TRACES does not know it."
            )
        return _use_row("LDC_UNKNOWN", use, share(use.amount_paise, use.normal_rate), why)
    year = Quarter.of(use.paid_on).year
    rules: tuple[tuple[str, str, Callable[[Certificate], bool]], ...] = (
        (
            "LDC_MANUAL",
            "The certificate was issued by hand; TRACES does not accept it.",
            lambda one: one.is_system_generated,
        ),
        (
            "LDC_PAN_MISMATCH",
            "The certificate was issued to another PAN.",
            lambda one: one.pan == use.pan and use.pan not in PLACEHOLDERS,
        ),
        (
            "LDC_SECTION_MISMATCH",
            f"The certificate is not for section {use.section}.",
            lambda one: one.section == use.section,
        ),
        ("LDC_YEAR_MISMATCH", f"The certificate is not for {year}.", lambda one: one.year == year),
        (
            "LDC_EXPIRED_USE",
            f"The certificate did not hold on {use.paid_on}.",
            lambda one: holds_on(one, use.paid_on),
        ),
    )
    for status, why, fits in rules:
        fitting = [place for place in places if fits(own[place])]
        if not fitting:
            return _use_row(status, use, share(use.amount_paise, use.normal_rate), why, own[places[0]])
        places = fitting
    return _within(use, own[places[0]], places[0], running)


def _within(use: CertificateUse, certificate: Certificate, place: int, running: _Running) -> ReconRow:
    left = max(0, certificate.limit_paise - running.used[place])
    eligible = min(use.amount_paise, left)
    running.used[place] += use.amount_paise
    if not use.is_filed:
        running.unfiled[place] += use.amount_paise
    expected = expected_tax(use, certificate, eligible)
    excess = use.amount_paise - eligible
    if excess > 0:
        short = short_deduction(use, certificate, eligible)
        status = "LDC_LIMIT_BREACH"
        why = (
            f"Limit {inr(certificate.limit_paise)}, used {inr(running.used[place])}: {inr(excess)} exceed it "
            f"and are taxed at {use.normal_rate} %; {inr(short)} are missing."
        )
    elif _is_at_rate(use, certificate, expected):
        status, why = "LDC_APPLIED", f"{inr(left - eligible)} of the limit are left."
    else:
        status = "LDC_RATE_MISMATCH"
        why = (
            f"The certificate says {certificate.rate} %: tax {inr(expected)}, deducted {inr(use.tax_paise)}."
        )
    return _use_row(status, use, expected, why, certificate)


def _is_at_rate(use: CertificateUse, certificate: Certificate, expected: int) -> bool:
    if use.rate is not None and use.rate != certificate.rate:
        return False
    return abs(use.tax_paise - expected) <= RUPEE


def _unquoted(
    use: CertificateUse, own: Sequence[Certificate], places: list[int], running: _Running
) -> ReconRow:
    year = Quarter.of(use.paid_on).year
    for place in places:
        one = own[place]
        has_room = running.used[place] < one.limit_paise
        if one.year == year and holds_on(one, use.paid_on) and has_room:
            eligible = min(use.amount_paise, one.limit_paise - running.used[place])
            expected = expected_tax(use, one, eligible)
            if use.tax_paise > expected + RUPEE:
                why = f"A valid certificate at {one.rate} % was not used: {inr(use.tax_paise)} were deducted."
                return _use_row("LDC_NOT_APPLIED", use, expected, why, one)
    return _use_row("LDC_NONE", use, use.tax_paise, "It quotes no certificate and none had to be used.")


def _use_row(
    status: str, use: CertificateUse, expected: int, why: str, certificate: Certificate | None = None
) -> ReconRow:
    number = certificate.number if certificate is not None else use.number
    evidence = (
        f"use:{use.row_id}",
        *((f"certificate:{certificate.row_id}",) if certificate is not None else ()),
    )
    key = ("use", number, use.paid_on.isoformat(), use.row_id)
    return result_row(status, use.client_id, key, expected, use.tax_paise, why, evidence=evidence)


def _consumption(certificate: Certificate, used: int, unfiled: int) -> ReconRow:
    difference = used - certificate.consumed_paise
    if difference == 0:
        status = "LDC_CONSUMED_AGREES"
    else:
        status = "LDC_CONSUMED_UNFILED" if difference == unfiled else "LDC_CONSUMED_DIFF"
    why = (
        f"The books used {inr(used)}, {inr(unfiled)} of it in quarters that are not filed; "
        f"TRACES counts {inr(certificate.consumed_paise)}; {inr(abs(difference - unfiled))} are unexplained."
    )
    if status == "LDC_CONSUMED_AGREES":
        why = f"The books and TRACES both count {inr(used)}."
    key = ("consumed", certificate.number, certificate.section)
    evidence = (f"certificate:{certificate.row_id}",)
    return result_row(
        status,
        certificate.client_id,
        key,
        used,
        certificate.consumed_paise,
        why,
        difference=-difference,
        evidence=evidence,
    )


def _ending(certificate: Certificate, used: int, as_of: date) -> ReconRow:
    last = last_valid_day(certificate)
    days = (last - as_of).days
    most = max(used, certificate.consumed_paise)
    is_nearly_used = most * 100 >= certificate.limit_paise * EXPIRING_PERCENT
    if days < 0:
        status, why = "LDC_OVER", f"It held until {last}."
    elif days <= EXPIRING_DAYS or is_nearly_used:
        status = "LDC_EXPIRING"
        why = f"It holds {days} more days; {inr(most)} of {inr(certificate.limit_paise)} are used."
    else:
        status, why = "LDC_IN_FORCE", f"It holds {days} more days and has room."
    key = ("end", certificate.number, certificate.section)
    evidence = (f"certificate:{certificate.row_id}",)
    return result_row(
        status,
        certificate.client_id,
        key,
        f"until {last.isoformat()}",
        f"{days} days left",
        why,
        evidence=evidence,
    )


def _freshness(certificate: Certificate, as_of: date) -> ReconRow:
    is_stale = certificate.verified_on < as_of and last_valid_day(certificate) >= as_of
    return result_row(
        "LDC_STALE" if is_stale else "LDC_FRESH",
        certificate.client_id,
        ("verified", certificate.number, certificate.section),
        as_of.isoformat(),
        certificate.verified_on.isoformat(),
        f"It was last verified on {certificate.verified_on}.",
        evidence=(f"certificate:{certificate.row_id}",),
    )
