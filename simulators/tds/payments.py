"""What a deductor pays: deductions month by month, the challans that deposit them, and its certificates.

All amounts paid are whole thousands of rupees, so that tax is in whole rupees at every rate used here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from simulators.tds import identifiers, sections
from simulators.tds.records import Certificate, Challan, Deduction, Deductor, Quarter
from simulators.tds.sections import Payment

LAKH = 100_000 * 100
THOUSAND = 1000 * 100
HOLDERS = {"24Q": "PPPP", "26Q": "PCFPH", "27Q": "CCF", "27EQ": "PFCH"}
FIRST = (
    "Asha",
    "Bharat",
    "Charu",
    "Dinesh",
    "Esha",
    "Farid",
    "Gita",
    "Hari",
    "Indu",
    "Jatin",
    "Kiran",
    "Lata",
)
LAST = ("Agro", "Builders", "Consultants", "Designs", "Exports", "Foods", "Garments", "Hardware", "Impex")


@dataclass(slots=True)
class Batch:
    """The deductions of one month under one code and the challan that deposits them, if it is paid.

    ``shortage`` is tax that the challan lacks; ``unpaid_interest`` is interest which it should have carried.
    """

    payment: Payment
    deductions: list[Deduction]
    due_on: date
    challan: Challan | None = None
    shortage: int = 0
    unpaid_interest: int = 0

    @property
    def tax(self) -> int:
        """Tax of its deductions in paise."""
        return sum(one.tax for one in self.deductions)


@dataclass(slots=True)
class Books:
    """One deductor while it is built."""

    one: Deductor
    seed: int
    number: int
    today: date
    documents: int

    @property
    def is_showcase(self) -> bool:
        """True for the deductor that shows everything."""
        return self.number == 1

    def rng(self, *parts: object) -> random.Random:
        """Give a generator that depends on the seed, the deductor and the parts only."""
        return random.Random(f"{self.seed}|tds|{self.number}|{'|'.join(map(str, parts))}")

    def slot(self, quarter: Quarter, form: str, place: int) -> int:
        """Give a number below 10000 that no other thing of the deductor has; ``place`` is below 50."""
        ordinal = (quarter.start - 2020) * 4 + quarter.number - 1
        return ordinal * 200 + sections.FORMS.index(form) * 50 + place

    def challan(
        self, slot: int, act: str, paid_on: date, heads: tuple[int, int, int, int, int, int], code: str,
        quarter: Quarter, form: str,
    ) -> Challan:  # fmt: skip
        """Pay a challan, and keep it."""
        bank, branch = identifiers.BANKS[(self.number + slot % 7 // 5) % len(identifiers.BANKS)]
        bsr = f"{branch}{100 + self.number % 800:03d}"
        crn = identifiers.crn(self.number, slot, paid_on)
        made = Challan(
            act=act,
            crn=crn,
            cin=f"{crn}{bank}",
            bsr=bsr,
            serial=identifiers.serial(self.number, slot),
            paid_on=paid_on,
            heads=heads,
            section=code,
            major_head="0020" if form == "27Q" or self.one.category == "K" else "0021",
            assessment_year=f"{quarter.start + 1}-{(quarter.start + 2) % 100:02d}" if act == "1961" else "",
            year=quarter.year,
            on_traces=(self.today - paid_on).days > 3,
            form=form,
        )
        self.one.challans.append(made)
        return made

    def issue_certificates(self) -> None:
        """Give certificates of both Acts to suppliers: to the showcase's several, to some others' one."""
        if "26Q" not in self.one.forms:
            return
        add = self._certificate
        if self.is_showcase:
            old = Quarter(2025, 1)
            add(1, old, "94J", 0, 5_000, date(2025, 4, 1), date(2026, 3, 31))
            add(2, old, "94C", 0, 8_000, date(2025, 4, 1), date(2026, 3, 31), date(2025, 10, 15))
            add(3, old, "94C", 0, 10_000, date(2025, 10, 15), date(2026, 3, 31))
            add(4, Quarter(2026, 1), "94J", 0, 5_000, date(2026, 4, 1), date(2027, 3, 31))
            add(5, Quarter(2026, 1), "94C", 0, 8_000, date(2026, 4, 20), date(2026, 12, 10))
            add(6, Quarter(2026, 1), "94H", 1, 8_000, date(2026, 4, 20), date(2027, 3, 31), date(2026, 9, 1))
            return
        rng = self.rng("certificates")
        if rng.random() < 0.2:
            add(1, Quarter(2025, 1), "94C", 0, 5_000, date(2025, 4, 10), date(2026, 3, 31))
        if rng.random() < 0.15:
            add(2, Quarter(2026, 1), "94C", 0, 5_000, date(2026, 4, 10), date(2027, 3, 31))

    def _certificate(
        self, place: int, quarter: Quarter, code: str, deductee: int, rate: int, valid_from: date, valid_to: date,
        cancelled_on: date | None = None,
    ) -> None:  # fmt: skip
        if valid_from > self.today:
            return
        payment = next(one for one in sections.PAYMENTS["26Q"] if one.code == code)
        pan, name = self.deductee("26Q", deductee)
        self.one.certificates.append(
            Certificate(
                number=identifiers.certificate_number(quarter.act, self.seed, self.number, place),
                act=quarter.act,
                year=quarter.year,
                pan=pan,
                name=name,
                section=payment.code_under(quarter.act),
                nature=payment.nature,
                rate=rate_text(rate),
                limit=self.rng("limit", place).randint(5, 40) * LAKH,
                consumed=0,
                valid_from=valid_from,
                valid_to=valid_to,
                issued_on=valid_from - timedelta(days=5),
                cancelled_on=cancelled_on if cancelled_on and cancelled_on <= self.today else None,
            )
        )

    def deductee(self, form: str, place: int) -> tuple[str, str]:
        """Give PAN and name of one of the sixteen persons whom the deductor pays under a form."""
        index = self.number * 64 + sections.FORMS.index(form) * 16 + place % 16
        rng = random.Random(f"{self.seed}|deductee|{index}")
        pan = identifiers.deductee_pan(self.seed, index % 260_000, rng.choice(HOLDERS[form]))
        return pan, f"{rng.choice(FIRST)} {rng.choice(LAST)} {index}"

    def month(self, quarter: Quarter, form: str, place: int, quirks: frozenset[str]) -> Batch | None:
        """Deduct and deposit the tax of one month; nothing when the month is not over."""
        year, month = sections.months(quarter)[place]
        if sections.month_end(year, month) >= self.today:
            return None
        rng = self.rng("month", form, year, month)
        payments = sections.PAYMENTS[form]
        payment = rng.choices(payments, (5, 4, 1, 2, 1)[: len(payments)])[0]
        if "late_code" in quirks and place == 2:
            payment = payments[1]
        deductions = [
            self._deduction(rng, quarter, form, payment, date(year, month, rng.randint(1, 28)), step)
            for step in range(max(1, self.documents // 3))
        ]
        batch = Batch(payment, deductions, sections.deposit_due(year, month))
        if place == 0:
            _spoil(batch, quirks)
        self._deposit(rng, batch, quarter, form, place, quirks)
        return batch

    def _deduction(
        self, rng: random.Random, quarter: Quarter, form: str, payment: Payment, day: date, step: int
    ) -> Deduction:
        pan, name = self.deductee(form, step if step < 2 else rng.randrange(2, 16))
        paid = rng.randint(payment.low, payment.high) * THOUSAND
        rate = rng.choice((50_000, 100_000, 150_000, 200_000)) if form == "24Q" else payment.rate
        flag = certificate = ""
        code = payment.code_under(quarter.act)
        for one in self.one.certificates:
            last = one.valid_to if one.cancelled_on is None else one.cancelled_on - timedelta(days=1)
            fits = form == "26Q" and (one.pan, one.section, one.act) == (pan, code, quarter.act)
            if fits and one.valid_from <= day <= last:
                flag, certificate, rate = "A", one.number, int(one.rate.replace(".", ""))
        return Deduction(
            pan, name, code, paid, rate_text(rate), paid * rate // 1_000_000, day, day, flag, certificate
        )

    def _deposit(
        self,
        rng: random.Random,
        batch: Batch,
        quarter: Quarter,
        form: str,
        place: int,
        quirks: frozenset[str],
    ) -> None:
        """Pay the challan of a month, if that day has come."""
        paid_on = batch.due_on - timedelta(days=rng.randint(0, 4))
        interest = 0
        if place == 0 and quirks & {"late_payment", "interest_unpaid"}:
            paid_on = batch.due_on + timedelta(days=rng.randint(3, 40))
            late = ((one.tax, sections.months_touched(one.deducted_on, paid_on)) for one in batch.deductions)
            interest = sum(tax * months * 15 // 1000 for tax, months in late)
            if quarter.act == "2025":
                interest = -(-interest // 100) * 100
        if paid_on > self.today:
            return
        if "interest_unpaid" in quirks and quarter.act == "1961":
            batch.unpaid_interest, interest = interest, 0
        if place == 1 and quarter.act == "1961" and quirks & {"short_payment", "overbooked"}:
            batch.shortage = batch.tax // 100 // 10 * 100
        heads = split(batch.tax - batch.shortage, interest, quarter.act, form)
        slot = self.slot(quarter, form, place)
        code = batch.payment.code_under(quarter.act)
        batch.challan = self.challan(slot, quarter.act, paid_on, heads, code, quarter, form)
        if "book_entry" in quirks and place == 2:
            batch.challan.mode = "B"
        for one in batch.deductions:
            one.cin = batch.challan.cin


def _spoil(batch: Batch, quirks: frozenset[str]) -> None:
    """Take away or spoil the PAN of deductees."""
    if "without_pan" in quirks:
        one = batch.deductions[-1]
        one.pan, one.flag, one.certificate, one.rate = "PANNOTAVBL", "C", "", rate_text(200_000)
        one.tax = one.paid * 20 // 100
    if "invalid_pan" in quirks and len(batch.deductions) > 1:
        batch.deductions[-2].pan = "PANINVALID"


def rate_text(rate: int) -> str:
    """Write a rate of ten-thousandths of a percent with four decimals."""
    return f"{rate // 10_000}.{rate % 10_000:04d}"


def split(tax: int, interest: int, act: str, form: str) -> tuple[int, int, int, int, int, int]:
    """Split a deposit into heads; surcharge and cess exist under the Act of 1961 only, for salary and non-residents."""
    if act == "2025" or form not in {"24Q", "27Q"}:
        return tax, 0, 0, interest, 0, 0
    cess = tax * 4 // 104 // 100 * 100
    surcharge = tax // 2000 * 100 if tax > 2 * LAKH else 0
    return tax - surcharge - cess, surcharge, cess, interest, 0, 0
