"""R1 to R4: challans on the income-tax portal, in the books and on TRACES, and what was consumed of them.

Joins go through dictionaries, so time grows with the number of rows. Invariant: within one reconciliation every
row that is compared (R3 and R4 only look amounts and heads up at the portal) is evidence of exactly one result row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from clientsync.reconcile.result import ReconRow, inr, ordered
from clientsync.reconcile.tds.codes import result_row
from clientsync.reconcile.tds.inputs import BookChallan, Claim, DemandYear, PortalChallan, TracesBalance
from clientsync.reconcile.tds.keys import ChallanKey, challan_key, challan_words
from clientsync.reconcile.tds.law import statement_due, statement_quarter, working_days_after

RUPEE = 100
"""One rupee in paise: the tolerance of a balance on TRACES."""
DAYS_TO_TRACES = 3
"""Working days that a bank needs to bring a challan to TRACES (it takes two to three)."""
BUCKETS: tuple[tuple[int, str], ...] = ((90, "0-90"), (180, "91-180"), (365, "181-365"))
"""Ages of an unconsumed challan in days, as the last day of each bucket; older ones are ``>365``."""
DEMAND_HEAD = "400"
"""Minor head of a payment against a demand."""


def portal_and_books(portal: Iterable[PortalChallan], books: Iterable[BookChallan]) -> tuple[ReconRow, ...]:
    """R1: compare every challan of the books with the income-tax portal, and the other way round.

    Full key: BSR, serial as a number, day, amount; partial key: without the amount. Each portal challan is matched
    once. Book entries have no challan on the portal and are left out.
    """
    rows: list[ReconRow] = []
    entered: dict[ChallanKey, list[BookChallan]] = defaultdict(list)
    paid: dict[ChallanKey, list[PortalChallan]] = defaultdict(list)
    for book in books:
        if book.is_book_entry:
            rows.append(
                _book_row("BOOK_ENTRY_EXCLUDED", book, None, "A book entry has no challan on the portal.")
            )
        else:
            entered[challan_key(book)].append(book)
    for challan in portal:
        paid[challan_key(challan)].append(challan)
    for key in entered.keys() | paid.keys():
        rows.extend(_match_books(entered.get(key, []), paid.get(key, [])))
    return ordered(rows)


def _match_books(books: list[BookChallan], portal: list[PortalChallan]) -> Iterable[ReconRow]:
    free = sorted(portal, key=lambda one: (one.amount_paise, one.row_id))
    by_amount: dict[int, list[PortalChallan]] = defaultdict(list)
    for challan in reversed(free):
        by_amount[challan.amount_paise].append(challan)
    verified: set[int] = set()
    taken: set[str] = set()
    rest: list[BookChallan] = []
    for book in sorted(books, key=lambda one: (one.amount_paise, one.row_id)):
        if same := by_amount.get(book.amount_paise):
            challan = same.pop()
            taken.add(challan.row_id)
            verified.add(book.amount_paise)
            yield _book_row("VERIFIED", book, challan, "BSR, serial, day and amount agree.")
        else:
            rest.append(book)
    left = iter([one for one in free if one.row_id not in taken])
    for book in rest:
        if book.amount_paise in verified:
            why = "The books hold the same challan twice and the portal once."
            yield _book_row("DUPLICATE_IN_BOOKS", book, None, why)
        elif (other := next(left, None)) is not None:
            why = f"The books say {inr(book.amount_paise)}, the portal {inr(other.amount_paise)}."
            yield _book_row("AMOUNT_MISMATCH", book, other, why)
        else:
            why = "No challan on the portal has this BSR, serial and day."
            yield _book_row("NOT_FOUND", book, None, why)
    for challan in left:
        key = (*challan_words(challan_key(challan)), inr(challan.amount_paise))
        why = f"{inr(challan.amount_paise)} were paid on the portal and are not in the books."
        yield result_row(
            "NOT_IN_BOOKS",
            challan.client_id,
            key,
            None,
            challan.amount_paise,
            why,
            difference=challan.amount_paise,
            evidence=(f"portal:{challan.row_id}",),
        )


def _book_row(status: str, book: BookChallan, challan: PortalChallan | None, why: str) -> ReconRow:
    evidence = [f"books:{book.row_id}"]
    if challan is not None:
        evidence.append(f"portal:{challan.row_id}")
    is_money = status in ("NOT_FOUND", "DUPLICATE_IN_BOOKS")
    return result_row(
        status,
        book.client_id,
        (*challan_words(challan_key(book)), inr(book.amount_paise)),
        book.amount_paise,
        challan.amount_paise if challan is not None else None,
        why,
        difference=-book.amount_paise if is_money else None,
        evidence=tuple(evidence),
    )


def portal_and_traces(
    portal: Iterable[PortalChallan],
    balances: Iterable[TracesBalance],
    as_of: date,
    holidays: frozenset[date] = frozenset(),
    traces_from: date | None = None,
    traces_read_on: date | None = None,
) -> tuple[ReconRow, ...]:
    """R2: every challan on the portal must be on TRACES more than three working days after it was paid.

    Saturdays, Sundays and ``holidays`` are no working days. A challan with another amount is an error; a challan on
    TRACES only points to a wrong span or Act, or to a payment at a counter. Of a challan deposited before
    ``traces_from`` the lists of TRACES say nothing unless they show it, nor of one that was too recent for them on the
    day ``traces_read_on`` when they were last read.
    """
    span = (traces_from, min(as_of, traces_read_on or as_of))
    rows: list[ReconRow] = []
    held: dict[ChallanKey, list[TracesBalance]] = defaultdict(list)
    paid: dict[ChallanKey, list[PortalChallan]] = defaultdict(list)
    for balance in balances:
        if balance.is_book_entry:
            rows.append(
                _traces_only("TRACES_BOOK_ENTRY", balance, "A book entry has no challan on the portal.")
            )
        else:
            held[challan_key(balance)].append(balance)
    for challan in portal:
        paid[challan_key(challan)].append(challan)
    for key in paid.keys() | held.keys():
        rows.extend(_match_traces(paid.get(key, []), held.get(key, []), as_of, holidays, span))
    return ordered(rows)


def _match_traces(
    portal: list[PortalChallan],
    traces: list[TracesBalance],
    as_of: date,
    holidays: frozenset[date],
    span: tuple[date | None, date],
) -> Iterable[ReconRow]:
    traces_from, read_on = span
    free = sorted(traces, key=lambda one: (one.amount_paise is None, one.amount_paise or 0, one.row_id))
    rest: list[PortalChallan] = []
    exact: dict[int | None, list[TracesBalance]] = defaultdict(list)
    for balance in reversed(free):
        exact[balance.amount_paise].append(balance)
    taken: set[str] = set()
    for challan in sorted(portal, key=lambda one: (one.amount_paise, one.row_id)):
        if same := exact.get(challan.amount_paise):
            balance = same.pop()
            taken.add(balance.row_id)
            yield _traces_pair("TRACES_MATCHED", challan, balance, "The portal and TRACES agree.")
        else:
            rest.append(challan)
    left = iter([one for one in free if one.row_id not in taken])
    for challan in rest:
        other = next(left, None)
        if other is None and traces_from is not None and challan.deposited_on < traces_from:
            yield _before_the_span(challan, traces_from)
        elif other is None:
            yield _missing_at_traces(challan, as_of, read_on, holidays)
        elif other.amount_paise is None:
            why = "TRACES has the challan; this list of TRACES shows no amount."
            yield _traces_pair("TRACES_MATCHED", challan, other, why)
        else:
            why = f"The portal says {inr(challan.amount_paise)}, TRACES {inr(other.amount_paise)}."
            yield _traces_pair("TRACES_AMOUNT_DIFF", challan, other, why)
    for balance in left:
        yield _traces_only(
            "CHL_NOT_AT_PORTAL", balance, "TRACES has the challan, the list of the portal has not."
        )


def _traces_pair(status: str, challan: PortalChallan, balance: TracesBalance, why: str) -> ReconRow:
    return result_row(
        status,
        challan.client_id,
        (*challan_words(challan_key(challan)), inr(challan.amount_paise)),
        challan.amount_paise,
        balance.amount_paise,
        why,
        evidence=(f"portal:{challan.row_id}", f"traces:{balance.row_id}"),
    )


def _before_the_span(challan: PortalChallan, traces_from: date) -> ReconRow:
    return result_row(
        "CHL_BEFORE_TRACES_SPAN",
        challan.client_id,
        (*challan_words(challan_key(challan)), inr(challan.amount_paise)),
        challan.amount_paise,
        None,
        f"The lists of TRACES are read from {traces_from:%d-%m-%Y} on; this challan is older and was not compared.",
        evidence=(f"portal:{challan.row_id}",),
    )


def _missing_at_traces(
    challan: PortalChallan, as_of: date, read_on: date, holidays: frozenset[date]
) -> ReconRow:
    days = working_days_after(challan.deposited_on, as_of, holidays)
    why = f"Paid {days} working days ago and not on TRACES; a bank needs up to {DAYS_TO_TRACES}."
    is_late = working_days_after(challan.deposited_on, read_on, holidays) > DAYS_TO_TRACES
    if is_late:
        status = "CHL_NOT_AT_TRACES"
    elif days <= DAYS_TO_TRACES:
        status = "CHL_TOO_RECENT"
    else:
        status = "CHL_TRACES_READ_BEFORE"
        why = (
            f"Paid {days} working days ago; TRACES was last read on {read_on:%d-%m-%Y}, too early to have it."
        )
    return result_row(
        status,
        challan.client_id,
        (*challan_words(challan_key(challan)), inr(challan.amount_paise)),
        challan.amount_paise,
        None,
        why,
        difference=-challan.amount_paise if is_late else None,
        evidence=(f"portal:{challan.row_id}",),
    )


def _traces_only(status: str, balance: TracesBalance, why: str) -> ReconRow:
    key = (*challan_words(challan_key(balance)), inr(balance.amount_paise) if balance.amount_paise else "")
    evidence = (f"traces:{balance.row_id}",)
    return result_row(status, balance.client_id, key, None, balance.amount_paise, why, evidence=evidence)


def conservation(
    balances: Iterable[TracesBalance], claims: Iterable[Claim], portal: Iterable[PortalChallan] = ()
) -> tuple[ReconRow, ...]:
    """R3: amount and excess of a challan equal what statements claimed and what is left, to the paisa.

    Where TRACES shows no amount the income-tax portal's is taken. A difference up to one rupee is TRACES' own
    rounding and is shown as information. Claims of a challan that TRACES does not list are an error.
    """
    claimed: dict[ChallanKey, list[Claim]] = defaultdict(list)
    for claim in claims:
        claimed[challan_key(claim)].append(claim)
    paid: dict[ChallanKey, int | None] = {}
    for challan in portal:
        key = challan_key(challan)
        paid[key] = None if key in paid else challan.amount_paise
    rows: list[ReconRow] = []
    for balance in sorted(balances, key=lambda one: one.row_id):
        key = challan_key(balance)
        amount = balance.amount_paise if balance.amount_paise is not None else paid.get(key)
        rows.append(_conserved(balance, amount, claimed.pop(key, [])))
    for key, orphans in claimed.items():
        total = sum(one.claimed_paise for one in orphans)
        why = f"Statements claim {inr(total)} of a challan that the list of TRACES does not have."
        evidence = _claim_ids(orphans)
        rows.append(
            result_row("CLAIM_WITHOUT_CHALLAN", key[0], challan_words(key), 0, total, why, evidence=evidence)
        )
    return ordered(rows)


def _claim_ids(claims: Sequence[Claim]) -> tuple[str, ...]:
    return tuple(sorted(f"claim:{one.row_id}" for one in claims))


def _conserved(balance: TracesBalance, amount: int | None, claims: Sequence[Claim]) -> ReconRow:
    key = challan_words(challan_key(balance))
    evidence = (f"traces:{balance.row_id}", *_claim_ids(claims))
    total = sum(one.claimed_paise for one in claims)
    if amount is None or balance.available_paise is None:
        why = "TRACES shows no amount or no balance for this challan."
        return result_row(
            "CHL_BALANCE_UNKNOWN",
            balance.client_id,
            key,
            amount,
            balance.available_paise,
            why,
            evidence=evidence,
        )
    expected, actual = amount + balance.excess_paise, total + balance.available_paise
    difference = actual - expected
    if difference == 0:
        status = "CHL_OVERBOOKED" if balance.excess_paise > 0 else "CONSERVED"
    else:
        status = "CONSERVED_WITHIN_RUPEE" if abs(difference) <= RUPEE else "CHL_CONSERVATION"
        if status == "CONSERVED_WITHIN_RUPEE" and balance.excess_paise > 0:
            status = "CHL_OVERBOOKED"
    why = (
        f"Challan {inr(amount)}, overbooked by {inr(balance.excess_paise)}; "
        f"claimed {inr(total)}, left {inr(balance.available_paise)}."
    )
    at_stake = balance.excess_paise if status == "CHL_OVERBOOKED" else difference
    return result_row(
        status, balance.client_id, key, expected, actual, why, difference=at_stake, evidence=evidence
    )


def unconsumed_ageing(
    balances: Iterable[TracesBalance],
    portal: Iterable[PortalChallan],
    demand: Iterable[DemandYear],
    as_of: date,
    extensions: Mapping[tuple[str, str], date] | None = None,
) -> tuple[ReconRow, ...]:
    """R4: what is left of each challan, by age, once the statement that it was deposited for is past due.

    More than one rupee must be left. The quarter is that of the tax which was due for deposit, see
    ``law.statement_quarter``, and the due date that of form 26Q. Suggested, never done: open demand of the same
    client, of the same or a later year. A payment against a demand (minor head 400) that is not consumed is not
    tagged. Of a challan that is claimed and not among the unconsumed ones nothing is left.
    """
    paid: dict[ChallanKey, PortalChallan] = {}
    for challan in sorted(portal, key=lambda one: one.row_id):
        paid.setdefault(challan_key(challan), challan)
    open_demand: dict[str, list[DemandYear]] = defaultdict(list)
    for year in demand:
        if not year.is_aggregate and year.manual_paise + year.processed_paise > 0:
            open_demand[year.client_id].append(year)
    candidates: dict[tuple[str, str], tuple[str, ...]] = {}
    rows: list[ReconRow] = []
    for balance in balances:
        known = paid.get(challan_key(balance))
        quarter = statement_quarter(balance.deposited_on, balance.act, known.year if known else "")
        place = (balance.client_id, quarter.year)
        if place not in candidates:
            fitting = [one for one in open_demand[balance.client_id] if one.year >= quarter.year]
            fitting.sort(key=lambda one: (one.year, one.row_id))
            candidates[place] = tuple(f"demand:{one.row_id}" for one in fitting)
        head = known.minor_head if known else ""
        due = statement_due(quarter, "26Q", extensions)
        rows.append(_aged(balance, head, due, candidates[place], as_of))
    return ordered(rows)


def age_bucket(days: int) -> str:
    """Return the bucket of an age in days: 0-90, 91-180, 181-365 or >365."""
    return next((name for last, name in BUCKETS if days <= last), ">365")


def _aged(balance: TracesBalance, head: str, due: date, candidates: tuple[str, ...], as_of: date) -> ReconRow:
    left = balance.available_paise or 0
    days = (as_of - balance.deposited_on).days
    if balance.available_paise is None and not balance.is_claimed:
        status, why = (
            "CHL_LEFT_UNKNOWN",
            "No statement claims it, and TRACES does not say what is left of it.",
        )
    elif left <= RUPEE:
        status, why = "CHL_CONSUMED", "Not more than one rupee is left."
    elif head == DEMAND_HEAD:
        status, why = "DEMAND_NOT_TAGGED", f"{inr(left)} paid against a demand are not tagged to it."
    elif as_of > due:
        status = "CHL_IDLE"
        why = f"{inr(left)} are left, deposited {days} days ago; its statement was due on {due}."
    else:
        status, why = "CHL_WAITING", f"{inr(left)} are left; its statement is due on {due}."
    is_open = status in ("CHL_IDLE", "DEMAND_NOT_TAGGED")
    return result_row(
        status,
        balance.client_id,
        challan_words(challan_key(balance)),
        0,
        left,
        why,
        evidence=(f"traces:{balance.row_id}",),
        bucket=age_bucket(days) if is_open else "",
        suggestions=candidates if is_open else (),
    )
