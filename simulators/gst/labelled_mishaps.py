"""What people do to a document when they type it: mistakes in its number, its amounts and its date.

Each function takes a document and gives it as the other side shows it, always different in the field that it is about;
``None`` where the mishap cannot happen to this document (IGST of nothing cannot be booked under other heads).
"""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from simulators.gst.labelled_world import LONGEST_NUMBER, Paper, Supplier, period_of, year_of

PREFIXES = ("INV", "GST", "TI", "B", "SI", "TAX", "BILL")
LOOK_ALIKES = str.maketrans("01568OISGB", "OISGB01568")
Mishap = Callable[[random.Random, Paper, Supplier], Paper | None]


def spelling(dice: random.Random, paper: Paper, _: Supplier) -> Paper | None:
    """Type the same number in other ways: small letters, blanks, other separators, leading zeros."""
    number = paper.number
    spelled = {
        number.lower(),
        f" {number}",
        f"{number} ",
        number.replace("/", "-"),
        number.replace("-", "/"),
        re.sub(r"[-/]", " ", number),
        re.sub(r"[-/]", " / ", number),
        re.sub(r"([A-Z])[-/](\d)", r"\1\2", number),
        re.sub(r"(^|[^\d])0+(\d)", r"\1\2", number),
        re.sub(r"(\d+)$", r"0\1", number),
        re.sub(r"(\d+)$", lambda found: found.group(1).zfill(6), number),
    } - {number}
    return _numbered(paper, dice.choice(sorted(spelled)))


def year_token(dice: random.Random, paper: Paper, _: Supplier) -> Paper | None:
    """Leave the financial year out of the number, or write it into it."""
    year = year_of(paper.day) % 100
    inside = re.search(rf"/{year}-{year + 1}/|{year}{year + 1}", paper.number)
    if inside:
        rest = "/" if inside.group().startswith("/") else ""
        return _numbered(paper, paper.number.replace(inside.group(), rest, 1))
    token = dice.choice(
        (
            f"{year}-{year + 1}", f"20{year}-{year + 1}", f"20{year}/{year + 1}", f"{year}/{year + 1}",
            f"{year}{year + 1}", f"FY{year}-{year + 1}", f"20{year}-20{year + 1}", f"F.Y.{year}-{year + 1}",
        )
    )  # fmt: skip
    mark = dice.choice("/-")
    return _numbered(paper, dice.choice((f"{token}{mark}{paper.number}", f"{paper.number}{mark}{token}")))


def prefix(dice: random.Random, paper: Paper, _: Supplier) -> Paper | None:
    """Put letters before the number, or keep only what follows its letters, or its last digits."""
    bare = re.sub(r"^[A-Z]+[-/]?", "", paper.number)
    last = re.findall(r"\d+", paper.number)[-1].lstrip("0")
    shorter = sorted({bare, last} - {paper.number, ""})
    if shorter and dice.random() < 0.5:
        return _numbered(paper, dice.choice(shorter))
    return _numbered(paper, f"{dice.choice(PREFIXES)}{dice.choice(('/', '-', ''))}{paper.number}")


def typo(dice: random.Random, paper: Paper, _: Supplier) -> Paper | None:
    """Make one slip of the hand: a character other, twice, left out, or two neighbours swapped."""
    for _attempt in range(20):
        typed = _slip(dice, paper.number)
        if typed != paper.number and any(one.isdigit() for one in typed):
            return replace(paper, number=typed)
    return None


def _slip(dice: random.Random, number: str) -> str:
    digits = [place for place, one in enumerate(number) if one.isdigit()]
    place = dice.choice(digits) if dice.random() < 0.85 else dice.randrange(len(number))
    one, before, after = number[place], number[:place], number[place + 1 :]
    kind = dice.randrange(5)
    if kind == 0:
        return (
            before + (str(dice.randrange(10)) if one.isdigit() else dice.choice("ABCDEFGHKLMNPRSTUV")) + after
        )
    if kind == 1:
        return before + after
    if kind == 2:
        return before + one + one + after
    if kind == 3 and place:
        return before[:-1] + one + before[-1] + after
    return before + one.translate(LOOK_ALIKES) + after


def rounding(dice: random.Random, paper: Paper, _: Supplier) -> Paper | None:
    """Round every amount to rupees, or be off by up to one rupee in each that is not nil."""
    if dice.random() < 0.5:
        return _valued(paper, [round(one / 100) * 100 for one in paper.amounts])
    shift = [dice.randint(-100, 100) for _ in range(5)]
    shift[2] = shift[1]
    shifted = [one + by if abs(one) > 100 else one for one, by in zip(paper.amounts, shift, strict=True)]
    return _valued(paper, shifted)


def swapped(_: random.Random, paper: Paper, __: Supplier) -> Paper | None:
    """Book IGST as CGST and SGST, or the reverse."""
    igst, cgst, sgst, cess = paper.taxes
    taxes = (0, igst // 2, igst - igst // 2, cess) if igst else (cgst + sgst, 0, 0, cess)
    return replace(paper, taxes=taxes) if any(paper.taxes) else None


def wrong_amount(dice: random.Random, paper: Paper, supplier: Supplier) -> Paper | None:
    """Get the value of the same document wrong: another rate, a slip in the value, freight left out, tax included."""
    taxable = paper.taxable
    kind = dice.randrange(4)
    if kind == 0:
        rate = dice.choice([one for one in (5, 18, 40) if one != supplier.rate])
        return _valued(paper, [taxable, *(one * rate // supplier.rate for one in paper.taxes)])
    if kind == 1:
        text = str(abs(taxable) // 100)
        place = dice.randrange(len(text))
        value = (
            int(text[:place] + str((int(text[place]) + dice.randint(1, 9)) % 10) + text[place + 1 :]) * 100
        )
        changed = (value + abs(taxable) % 100) * (-1 if taxable < 0 else 1)
    elif kind == 2:
        changed = taxable * dice.randint(80, 98) // 100
    else:
        changed = taxable + sum(paper.taxes)
    whole = [changed, *(one * changed // taxable for one in paper.taxes)]
    return _valued(paper, whole) if abs(changed - taxable) > 100 and changed else None


def near_date(dice: random.Random, paper: Paper, _: Supplier) -> Paper | None:
    """Be a few days off."""
    return _dated(paper, paper.day + timedelta(days=dice.choice((-7, -3, -2, -1, 1, 1, 2, 3, 5, 7))))


def far_date(dice: random.Random, paper: Paper, supplier: Supplier) -> Paper | None:
    """Exchange day and month, write another year, or take the day of the entry for the date of the bill."""
    day = paper.day
    kind = dice.randrange(3)
    if kind == 0 and day.day <= 12 and day.day != day.month:
        return _dated(paper, date(day.year, day.day, day.month))
    if kind == 1 and supplier.pricing != "fixed" and supplier.style != "short" and day.month != 2:
        return _dated(paper, date(day.year - 1, day.month, day.day))
    entered = day + timedelta(days=dice.randint(15, 75))
    return replace(paper, day=entered, period=period_of(entered))


def other_gstin(_: random.Random, paper: Paper, supplier: Supplier) -> Paper | None:
    """Book under another registration of the supplier."""
    first, second = supplier.gstins
    return replace(paper, party=second if paper.party == first else first)


def _numbered(paper: Paper, number: str) -> Paper | None:
    return replace(paper, number=number) if number not in (paper.number, "") else None


def _valued(paper: Paper, amounts: list[int]) -> Paper | None:
    taxable, igst, cgst, sgst, cess = amounts
    changed = replace(paper, taxable=taxable, taxes=(igst, cgst, sgst, cess))
    return changed if changed.amounts != paper.amounts else None


def _dated(paper: Paper, day: date) -> Paper | None:
    return replace(paper, day=day, period=period_of(day)) if day != paper.day else None


FIELD_MISHAPS: dict[str, Mishap] = {
    "spelling": spelling,
    "year_token": year_token,
    "prefix": prefix,
    "typo": typo,
    "rounding": rounding,
    "swapped": swapped,
    "wrong_amount": wrong_amount,
    "near_date": near_date,
    "far_date": far_date,
    "other_gstin": other_gstin,
}
"""Mishaps that change one field of one document, by name."""
EITHER_SIDE = ("year_token", "prefix")
"""Mishaps that the supplier may have caused in his report as well as the person who booked."""


def reportable(paper: Paper) -> bool:
    """Tell whether the portal would take the number of a document."""
    return len(paper.number) <= LONGEST_NUMBER and bool(re.fullmatch(r"[A-Z0-9][A-Z0-9/-]*", paper.number))
