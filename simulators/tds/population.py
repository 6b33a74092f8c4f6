"""Builds the deductors of one seed: payments, challans, statements, and what follows from them.

A deductor depends on the seed, its number and the day only, not on how many others there are. Every challan amount is
what was consumed and what is available, an overbooked one apart; every statement's tax is that of its deductions;
every processed demand is the rounded sum of the defaults of a year.
"""

from __future__ import annotations

import random
from datetime import date

from simulators.gst import identifiers as gst_identifiers
from simulators.gst import parties
from simulators.tds import aftermath, identifiers, oddities, sections
from simulators.tds.payments import Books
from simulators.tds.records import Deductor
from simulators.tds.returns import file_quarter

PRIOR_BEFORE = 2023  # demand of years that began earlier stands in one aggregate row first
CATEGORIES = {"P": "Q", "H": "Q", "C": "K", "F": "F", "A": "P", "T": "T"}


def build(
    seed: int, clients: int, today: date = sections.TODAY, start_number: int = 1, documents: int = 12
) -> list[Deductor]:
    """Build deductors.

    Args:
        seed: any number.
        clients: how many.
        today: the simulated day; nothing is dated after it.
        start_number: number of the first; number 1 shows everything that the portals can show.
        documents: deductions in a statement, about.

    Returns:
        Deductors ``C0001`` and on, with the name and PAN that the GST simulator gives to the same number.
    """
    return [
        _deductor(seed, number, today, documents) for number in range(start_number, start_number + clients)
    ]


def _deductor(seed: int, number: int, today: date, documents: int) -> Deductor:
    """Build one deductor."""
    one = _identity(seed, number)
    books = Books(one, seed, number, today, documents)
    books.issue_certificates()
    oddities.add_prior_years(books)
    for quarter in sections.quarters(today):
        for form in one.forms:
            file_quarter(books, quarter, form)
    oddities.add_challans(books)
    aftermath.settle(books)
    return one


def _identity(seed: int, number: int) -> Deductor:
    """Name a deductor and give it its logins."""
    rng = random.Random(f"{seed}|tds|{number}")
    pan = gst_identifiers.pan("client", number - 1, seed)
    name = _name(seed, number - 1)
    tan = identifiers.tan(seed, number, name)
    forms = _forms(rng) if number > 1 else sections.FORMS
    category = CATEGORIES[pan[3]] if number > 1 else "E"
    return Deductor(
        client_id=f"C{number:04d}",
        tan=tan,
        pan=pan,
        name=name,
        category=category,
        forms=forms,
        efiling_password=f"Efile@{identifiers.number_of(seed, 'e', number) % 1_000_000:06d}",
        traces_user=f"{tan[:4].lower()}.{number:05d}",
        traces_password=f"Traces#{identifiers.number_of(seed, 't', number) % 1_000_000:06d}",
    )


def _name(seed: int, index: int) -> str:
    """Give the name that the GST simulator gives to the client with this index."""
    rng = random.Random(f"{seed}|name|client|{index}")
    return f"{rng.choice(parties.WORDS)} {rng.choice(parties.TRADES)} C{index}"


def _forms(rng: random.Random) -> tuple[str, ...]:
    """Draw the one or two forms of an ordinary deductor."""
    first = rng.choice(("26Q", "26Q", "26Q", "24Q"))
    if rng.random() < 0.55:
        return (first,)
    second = rng.choice([form for form in ("24Q", "24Q", "26Q", "27Q", "27EQ") if form != first])
    return tuple(form for form in sections.FORMS if form in {first, second})
