"""Things beside the quarterly course: demand of earlier years, and challans that no statement consumed.

The statements of earlier years are here only because something is still open in them.
"""

from __future__ import annotations

from datetime import date, timedelta

from simulators.tds import identifiers, sections
from simulators.tds.payments import THOUSAND, Books, rate_text, split
from simulators.tds.records import Claim, Deduction, Default, Quarter, Statement
from simulators.tds.returns import FAULTY, FEE_PER_DAY, LATE_FEE

EARLIER = (Quarter(2021, 4), Quarter(2022, 2), Quarter(2023, 3), Quarter(2024, 4))


def add_prior_years(books: Books) -> None:
    """Leave late fees of earlier years open: every year for the showcase, some for some others."""
    for quarter in EARLIER:
        if books.today < sections.statement_due(quarter, "26Q") + timedelta(days=120):
            continue
        if books.is_showcase or books.rng("prior", quarter.label).random() < 0.08:
            _late_statement(books, quarter, books.one.forms[0])


def _late_statement(books: Books, quarter: Quarter, form: str) -> None:
    """File a statement of one deduction long after its day."""
    rng = books.rng("late", quarter.label)
    year, month = sections.months(quarter)[0]
    due = sections.statement_due(quarter, form)
    payment = sections.PAYMENTS[form][0]
    pan, name = books.deductee(form, 0)
    day = date(year, month, rng.randint(1, 28))
    paid = rng.randint(payment.low, payment.high) * 10 * THOUSAND
    tax = paid * payment.rate // 1_000_000
    paid_on = sections.deposit_due(year, month)
    challan = books.challan(
        books.slot(quarter, form, 0),
        "1961",
        paid_on,
        split(tax, 0, "1961", form),
        payment.code,
        quarter,
        form,
    )
    deduction = Deduction(
        pan, name, payment.code, paid, rate_text(payment.rate), tax, day, day, cin=challan.cin
    )
    late = rng.randint(10, 90)
    statement = Statement(
        token=identifiers.token(books.number, books.slot(quarter, form, 30)),
        quarter=quarter,
        form=form,
        kind="Regular",
        filed_on=due + timedelta(days=late),
        processed_on=due + timedelta(days=late + 12),
        status=FAULTY,
        tax=tax,
        deductions=[deduction],
        defaults=[Default(LATE_FEE, min(FEE_PER_DAY * late, tax), 0)],
    )
    books.one.statements.append(statement)
    challan.claims.append(Claim(statement.token, quarter, form, tax))


def add_challans(books: Books) -> None:
    """Add challans that nobody claimed: forgotten ones, one for a demand, one which TRACES does not know."""
    first = books.one.forms[0]
    rng = books.rng("extra")
    if books.is_showcase or rng.random() < 0.12:
        _unclaimed(books, Quarter(2025, 1), first, 22, date(2025, 5, 7), rng.randint(5, 90))
    if books.is_showcase or rng.random() < 0.05:
        _unclaimed(books, Quarter(2025, 2), first, 23, date(2026, 2, 10), rng.randint(1, 9), minor_head="400")
    if books.is_showcase or rng.random() < 0.04:
        challan_day = sections.TODAY - timedelta(days=12)
        _unclaimed(books, Quarter(2026, 2), first, 24, challan_day, rng.randint(3, 30), on_traces=False)


def _unclaimed(
    books: Books, quarter: Quarter, form: str, place: int, paid_on: date, thousands: int, *,
    minor_head: str = "200", on_traces: bool = True,
) -> None:  # fmt: skip
    """Pay a challan that no statement claims."""
    if paid_on > books.today:
        return
    slot = books.slot(quarter, form, place)
    code = sections.PAYMENTS[form][0].code_under(quarter.act)
    heads = split(thousands * THOUSAND, 0, quarter.act, form)
    made = books.challan(slot, quarter.act, paid_on, heads, code, quarter, form)
    made.minor_head = minor_head
    made.on_traces = made.on_traces and on_traces
