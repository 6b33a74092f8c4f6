"""What may happen overnight: a further challan, a correction that cures defaults, another day.

A change is kept, so that a population built anew for another day has it too.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import date

from simulators.tds import aftermath, identifiers, sections
from simulators.tds.payments import THOUSAND, Books, split
from simulators.tds.population import build
from simulators.tds.records import Challan, Claim, Deductor, Quarter, Statement
from simulators.tds.returns import CLEAN, SHORT_DEDUCTION, SHORT_PAYMENT

Kept = tuple[str, str, date]
LOGINS = ("efiling_password", "traces_user", "traces_password")


class World:
    """The population and the day on which it stands.

    Args:
        seed: any number.
        clients: how many deductors.
        today: the first simulated day.
        documents: deductions in a statement, about.
        start_number: number of the first deductor.
    """

    def __init__(self, seed: int, clients: int, today: date, documents: int, start_number: int = 1) -> None:
        self.seed, self.documents = seed, documents
        self._today = today
        self._start = start_number
        self._kept: list[Kept] = []
        self.deductors = build(seed, clients, today, start_number, documents)

    def today(self) -> date:
        """Give the simulated day."""
        return self._today

    def find(self, name: str) -> Deductor:
        """Find a deductor by its client id or TAN.

        Raises:
            KeyError: nobody has it.
        """
        for one in self.deductors:
            if name in {one.client_id, one.tan}:
                return one
        raise KeyError("no such client")

    def set_today(self, day: date) -> None:
        """Move to another day; who is logged in stays so, passwords stay changed."""
        self._today = day
        fresh = build(self.seed, len(self.deductors), day, self._start, self.documents)
        for one, new in zip(self.deductors, fresh, strict=True):
            for name in (each.name for each in fields(Deductor)):
                if name not in LOGINS:
                    setattr(one, name, getattr(new, name))
        kept, self._kept = self._kept, []
        for what, client_id, when in kept:
            if when <= day:
                getattr(self, f"add_{what}")(client_id, when)

    def add_challan(self, name: str, day: date | None = None) -> Challan:
        """Let a deductor pay a further challan which nobody claims, on ``day`` or today."""
        one, when = self.find(name), day or self._today
        books = self._books(one)
        form = one.forms[0]
        place = self._count("challan", one)
        quarter = Quarter(when.year if when.month > 3 else when.year - 1, (when.month - 4) % 12 // 3 + 1)
        payment = sections.PAYMENTS[form][0]
        heads = split((7 + place) * THOUSAND, 0, quarter.act, form)
        code = payment.code_under(quarter.act)
        made = books.challan(100 + place, quarter.act, when, heads, code, quarter, form)
        made.on_traces = True
        self._kept.append(("challan", one.client_id, when))
        return made

    def add_correction(self, name: str, day: date | None = None) -> Statement:
        """Let a deductor cure its oldest statement with defaults: one more challan, and a clean correction.

        Raises:
            ValueError: no statement of it has defaults.
        """
        one, when = self.find(name), day or self._today
        faulty = next((each for each in aftermath.standing(one) if each.net_payable), None)
        if faulty is None:
            raise ValueError("no statement of this client has defaults")
        books = self._books(one)
        place = self._count("correction", one)
        tax = sum(each.payable for each in faulty.defaults if each.kind in {SHORT_PAYMENT, SHORT_DEDUCTION})
        interest = sum(each.payable for each in faulty.defaults if each.kind.startswith("Interest"))
        fee = sum(each.payable for each in faulty.defaults) - tax - interest
        code = faulty.deductions[0].section
        heads = (tax, 0, 0, interest, 0, fee)
        challan = books.challan(150 + place, "1961", when, heads, code, faulty.quarter, faulty.form)
        challan.on_traces = True
        cured = Statement(
            token=identifiers.token(books.number, 150 + place),
            quarter=faulty.quarter,
            form=faulty.form,
            kind="Correction",
            filed_on=when,
            processed_on=when,
            status=CLEAN,
            tax=faulty.tax,
            deductions=faulty.deductions,
            without_pan=faulty.without_pan,
            invalid_pan=faulty.invalid_pan,
        )
        challan.claims.append(Claim(cured.token, cured.quarter, cured.form, tax, interest, fee))
        one.statements.append(cured)
        aftermath.raise_demand(books)
        self._kept.append(("correction", one.client_id, when))
        return cured

    def _books(self, one: Deductor) -> Books:
        return Books(one, self.seed, int(one.client_id[1:]), self._today, self.documents)

    def _count(self, what: str, one: Deductor) -> int:
        """Count what was added before, up to 49 of a kind."""
        found = sum((kind, client_id) == (what, one.client_id) for kind, client_id, _ in self._kept)
        if found > 48:
            raise ValueError(f"no further {what} fits")
        return found
