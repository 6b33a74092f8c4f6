"""R10 and R11: how demand moved between two snapshots, and which notices and interest belong to it.

Invariant: over all rows of the roll-forward, opening and movement add up to closing, to the paisa.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta

from clientsync.periods import Quarter
from clientsync.reconcile.result import ReconRow, inr, ordered
from clientsync.reconcile.tds.challans import DEMAND_HEAD
from clientsync.reconcile.tds.codes import result_row
from clientsync.reconcile.tds.inputs import (
    DemandQuarter,
    DemandSnapshot,
    DemandYear,
    Notice,
    PortalChallan,
    Statement,
    StatementStatus,
)
from clientsync.reconcile.tds.law import DEMAND_DAYS, DEMAND_INTEREST, months_or_part, share
from clientsync.reconcile.tds.returns import ReturnKey, by_return

INTIMATION = "intimation with demand"
"""Category of the notice that every processed demand must have."""
ROUNDING = 1_000
"""Ten rupees in paise, to which a net demand is rounded (section 288B): a challan may pay so much less."""
MANUAL = "manual demand"
"""Stands in place of the default type for demand that an officer raised."""
LineKey = tuple[str, str, str, str]
"""Client, quarter (or year), form and type of default."""


def demand_roll_forward(
    before: DemandSnapshot | None,
    now: DemandSnapshot,
    statements: Iterable[Statement],
    portal: Iterable[PortalChallan],
    closed_before: Collection[tuple[str, str, str]] = (),
) -> tuple[ReconRow, ...]:
    """R10: say for every demand whether it is new, reduced, closed or back, and whether that is explained.

    A demand that is gone is explained by a correction of its quarter and form, or by challans with minor head 400 that
    pay it, between the two snapshots (both days included); a challan explains no more than its amount. Demand beside
    the status "Processed Without Defaults" is a conflict. An aggregate of prior years that is not the sum of its years
    is an error of the fetch.

    Args:
        before: the earlier snapshot; without it nothing can be said about movement.
        now: the later snapshot.
        statements: all statements of the client.
        portal: all challans of the client.
        closed_before: (quarter or year, form, type) that were seen once and were gone in ``before``.
    """
    groups = by_return(statements)
    rows = _prior_years(now.years)
    rows.extend(_status_conflicts(now.quarters, groups))
    opening = _open_lines(before) if before is not None else {}
    closing = _open_lines(now)
    since = before.as_on if before is not None else now.as_on
    payments = [
        one for one in portal if one.minor_head == DEMAND_HEAD and since <= one.deposited_on <= now.as_on
    ]
    paid: dict[str, int] = defaultdict(int)
    for challan in payments:
        paid[challan.client_id] += challan.amount_paise
    for key in sorted(opening.keys() | closing.keys()):
        first, first_ids = opening.get(key, (0, ()))
        last, last_ids = closing.get(key, (0, ()))
        if before is None:
            status, why = "DEMAND_FIRST_SNAPSHOT", f"{inr(last)} are open; there is no earlier snapshot."
        elif last and not first:
            is_back = key[1:] in closed_before
            status = "DEMAND_REOPENED" if is_back else "DEMAND_NEW"
            why = f"{inr(last)} were not there on {since}{', but earlier' if is_back else ''}."
        elif first and not last:
            status, why = _closed(key, first, groups, paid, (since, now.as_on))
        else:
            status, why = _moved(first, last)
        evidence = (*(f"before:{one}" for one in first_ids), *(f"demand:{one}" for one in last_ids))
        rows.append(result_row(status, key[0], key[1:], first, last, why, evidence=evidence))
    return ordered(rows)


def _open_lines(snapshot: DemandSnapshot) -> dict[LineKey, tuple[int, tuple[str, ...]]]:
    found: dict[LineKey, list[tuple[str, int]]] = defaultdict(list)
    for line in snapshot.lines:
        key = (line.client_id, line.quarter.label, line.form, line.default_type.value)
        found[key].append((f"line:{line.row_id}", line.payable_paise))
    for year in snapshot.years:
        if not year.is_aggregate:
            found[(year.client_id, year.year, "", MANUAL)].append((f"year:{year.row_id}", year.manual_paise))
    return {
        key: (sum(amount for _, amount in parts), tuple(sorted(one for one, _ in parts)))
        for key, parts in found.items()
    }


def _moved(first: int, last: int) -> tuple[str, str]:
    why = f"{inr(first)} before, {inr(last)} now."
    if last == first:
        return ("DEMAND_UNCHANGED" if last else "DEMAND_NIL"), why
    return ("DEMAND_REDUCED" if last < first else "DEMAND_INCREASED"), why


def _closed(
    key: LineKey,
    amount: int,
    groups: dict[ReturnKey, list[Statement]],
    paid: dict[str, int],
    span: tuple[date, date],
) -> tuple[str, str]:
    """Say whether a demand that is gone is explained; what of ``paid`` explains it is taken from there."""
    client_id, period, form, _ = key
    if form:
        group = groups.get((client_id, Quarter.parse(period), form), [])
        for one in group:
            days = [day for day in (one.filed_on, one.processed_on) if day is not None]
            if (
                one.is_correction
                and one.status is not StatementStatus.REJECTED
                and any(span[0] <= day <= span[1] for day in days)
            ):
                return "DEMAND_CLOSED", f"{inr(amount)} are gone; a correction came in between."
    left = paid.get(client_id, 0)
    if left > 0 and left + ROUNDING >= amount:
        paid[client_id] = max(0, left - amount)
        return "DEMAND_CLOSED", f"{inr(amount)} are gone; a challan with minor head 400 was paid in between."
    if left > 0:
        why = f"{inr(amount)} are gone; only {inr(left)} with minor head 400 were paid in between."
    else:
        why = f"{inr(amount)} are gone without a correction or a challan with minor head 400."
    return "DEMAND_CLOSED_UNEXPLAINED", why


def _status_conflicts(
    quarters: Iterable[DemandQuarter], groups: dict[ReturnKey, list[Statement]]
) -> Iterable[ReconRow]:
    for demand in quarters:
        group = groups.get((demand.client_id, demand.quarter, demand.form), [])
        settled = [one for one in group if one.status is not StatementStatus.REJECTED]
        latest = settled[-1] if settled else None
        if demand.net_paise <= 0:
            status, why = "DEMAND_STATUS_AGREES", "There is no demand."
        elif latest is None:
            status, why = "DEMAND_STATUS_UNKNOWN", "There is a demand; no statement of that quarter is known."
        elif latest.status is StatementStatus.WITHOUT_DEFAULTS:
            status = "DEMAND_STATUS_CONFLICT"
            why = f"{inr(demand.net_paise)} are demanded; the statement was processed without defaults."
        else:
            status, why = "DEMAND_STATUS_AGREES", f"The statement's status is {latest.status.value!r}."
        yield result_row(
            status,
            demand.client_id,
            (demand.quarter.label, demand.form, "status"),
            demand.net_paise,
            latest.status.value if latest is not None else None,
            why,
            evidence=(
                f"demand:quarter:{demand.row_id}",
                *((f"statement:{latest.row_id}",) if latest is not None else ()),
            ),
        )


def _prior_years(years: Sequence[DemandYear]) -> list[ReconRow]:
    parts: dict[str, list[DemandYear]] = defaultdict(list)
    for year in years:
        if year.is_prior and not year.is_aggregate:
            parts[year.client_id].append(year)
    rows: list[ReconRow] = []
    for whole in (year for year in years if year.is_aggregate):
        singles = parts[whole.client_id]
        for kind in ("manual", "processed"):
            left = whole.manual_paise if kind == "manual" else whole.processed_paise
            right = sum(one.manual_paise if kind == "manual" else one.processed_paise for one in singles)
            rows.append(
                result_row(
                    "DEMAND_PRIOR_AGREES" if left == right else "DEMAND_PRIOR_MISMATCH",
                    whole.client_id,
                    ("prior years", "", kind),
                    left,
                    right,
                    f"Prior years say {inr(left)}, their {len(singles)} single years {inr(right)}.",
                    evidence=(
                        f"demand:year:{whole.row_id}",
                        *sorted(f"demand:year:{one.row_id}" for one in singles),
                    ),
                )
            )
    return rows


def demand_and_notices(now: DemandSnapshot, notices: Iterable[Notice], as_of: date) -> tuple[ReconRow, ...]:
    """R11: every processed demand has its intimation, and old notices with open demand cost interest.

    The clock of section 220(2) starts on the day after the thirty days that a notice gives; every month or part
    of a month costs one percent of the demand that is open. Of several notices about one demand the earliest runs
    the clock, so interest is shown once. A notice that names a year and no quarter is about the manual demand of that
    year.
    """
    own = sorted(notices, key=lambda one: (one.issued_on, one.row_id))
    about: dict[ReturnKey, list[Notice]] = defaultdict(list)
    for notice in own:
        if notice.quarter is not None:
            about[(notice.client_id, notice.quarter, notice.form)].append(notice)
    demand: dict[ReturnKey, int] = defaultdict(int)
    rows: list[ReconRow] = []
    for one in now.quarters:
        place = (one.client_id, one.quarter, one.form)
        demand[place] += one.net_paise
        rows.append(_intimation(one, about.get(place, [])))
    manual: dict[tuple[str, str], int] = defaultdict(int)
    for year in now.years:
        if not year.is_aggregate:
            manual[(year.client_id, year.year)] += year.manual_paise
    running: set[tuple[str, Quarter | str, str]] = set()
    for notice in own:
        subject = (notice.client_id, notice.quarter or notice.year, notice.form)
        if notice.quarter is not None:
            open_paise = demand.get((notice.client_id, notice.quarter, notice.form), 0)
        else:
            open_paise = manual.get((notice.client_id, notice.year), 0)
        row = _clock(notice, open_paise, as_of, is_first=subject not in running)
        if row.status == "INTEREST_220_RUNNING":
            running.add(subject)
        rows.append(row)
    return ordered(rows)


def _intimation(demand: DemandQuarter, notices: Sequence[Notice]) -> ReconRow:
    intimations = [one for one in notices if one.category.strip().casefold() == INTIMATION]
    if demand.net_paise <= 0:
        status, why = "DEMAND_NONE", "There is no demand."
    elif intimations:
        status, why = "DEMAND_NOTICE_FOUND", f"Its intimation was issued on {intimations[0].issued_on}."
    else:
        status = "DEMAND_WITHOUT_NOTICE"
        why = f"{inr(demand.net_paise)} are demanded and no intimation with demand is in the inbox."
    return result_row(
        status,
        demand.client_id,
        (demand.quarter.label, demand.form, "demand"),
        demand.net_paise,
        f"{len(intimations)} intimations",
        why,
        evidence=(f"demand:quarter:{demand.row_id}", *(f"notice:{one.row_id}" for one in intimations)),
    )


def _clock(notice: Notice, open_paise: int, as_of: date, *, is_first: bool) -> ReconRow:
    days = (as_of - notice.issued_on).days
    interest: int | None = None
    if not notice.is_action_required:
        status, why = "NOTICE_INFORMATION", "It asks for no action."
    elif open_paise <= 0:
        status, why = "NOTICE_NO_DEMAND", "No demand of that quarter and form, or of that year, is open."
    elif days <= DEMAND_DAYS:
        status, why = "NOTICE_IN_TIME", f"Issued {days} days ago; {DEMAND_DAYS} days are given."
    elif not is_first:
        status, why = "NOTICE_REPEATED", "An earlier notice about the same demand runs the clock."
    else:
        months = months_or_part(notice.issued_on + timedelta(days=DEMAND_DAYS + 1), as_of)
        interest = share(open_paise, DEMAND_INTEREST, months)
        status = "INTEREST_220_RUNNING"
        why = (
            f"Issued {days} days ago with {inr(open_paise)} open: {months} months or parts at "
            f"{DEMAND_INTEREST} % are {inr(interest)} (section 220(2) of the 1961 Act and what follows it)."
        )
    place = notice.quarter.label if notice.quarter is not None else notice.year
    return result_row(
        status,
        notice.client_id,
        (place, notice.form, "notice", notice.category, notice.issued_on.isoformat()),
        open_paise,
        interest,
        why,
        difference=interest,
        evidence=(f"notice:{notice.row_id}",),
    )
