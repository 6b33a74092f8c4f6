"""Codes and rates of TDS and TCS as dated tables: payment codes by form, flags by code, challan codes, rates.

The figures stand in ``data/code_tables.json`` with their sources. Rates are integers of 0.0001 per cent (ppm), as
exact as statement files and certificates write them. Invariant: a code or pair that the tables do not name is never
guessed; sources conflict on rates, so nothing rejects a row for its rate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

PPM_PER_PER_CENT = 10_000
"""A rate of 1 per cent in units of 0.0001 per cent."""
LARGEST_RATE = Decimal(1000)
"""No rate reaches this many per cent; the file formats give seven characters to a rate."""

OLD_FORMS = ("24Q", "26Q", "27Q", "27EQ")
"""Statement forms of the Act of 1961: salaries, residents, non-residents, collection at source."""
NEW_FORMS = {"24Q": "138", "26Q": "140", "27Q": "144", "27EQ": "143"}
"""Old form to its successor. Source: Income-tax Rules, 2026; statements from 1 April 2026."""
FAMILY = {**{form: form for form in OLD_FORMS}, **{new: old for old, new in NEW_FORMS.items()}}
"""Form of either Act to the name under the Act of 1961, by which forms of both Acts are held together."""

_FILE = Path(__file__).with_name("data") / "code_tables.json"


@dataclass(frozen=True, slots=True)
class Rate:
    """One line of the rate table for residents.

    Attributes:
        section: of the Act of 1961, for example ``194C``.
        code: payment code that follows it.
        begins_on: first day on which it holds.
        threshold_rupees: payments up to it bear no tax.
        ppm: rate in units of 0.0001 per cent.
        note: to whom it applies, or what differs.
    """

    section: str
    code: str
    begins_on: date
    threshold_rupees: int
    ppm: int
    note: str


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found


def _codes(runs: str) -> frozenset[str]:
    """Return the codes that runs such as ``1004-1006 1008`` name."""
    found: set[str] = set()
    for run in runs.split():
        first, _, last = run.partition("-")
        found.update(str(code) for code in range(int(first), int(last or first) + 1))
    return frozenset(found)


@lru_cache(maxsize=16)
def payment_codes(form: str) -> frozenset[str]:
    """Return the payment codes of Form 138, 140, 143 or 144; empty for a form of the Act of 1961."""
    return _codes(_tables()["payment_codes"]["by_form"].get(form, ""))


@lru_cache(maxsize=16)
def doubtful_codes(form: str) -> frozenset[str]:
    """Return codes that a form's flag annexure names and its code annexure does not: worth a warning only."""
    return _codes(_tables()["payment_codes"]["doubtful"].get(form, ""))


@lru_cache(maxsize=1)
def tax_free_codes() -> frozenset[str]:
    """Return the codes under which the deductee's line holds neither tax nor rate (V25)."""
    return _codes(_tables()["payment_codes"]["tax_free"])


@lru_cache(maxsize=64)
def flag_codes(form: str, flag: str) -> frozenset[str]:
    """Return the payment codes with which a flag may stand on a form of the Act of 2025."""
    return _codes(_tables()["flags"]["by_form"].get(form, {}).get(flag, ""))


def flags(form: str) -> frozenset[str]:
    """Return the flags that a form of the Act of 2025 knows."""
    return frozenset(_tables()["flags"]["by_form"].get(form, {}))


def section_of_code(code: str) -> str:
    """Return the section of the Act of 2025 behind a payment code, empty for an unknown one."""
    return str(_tables()["payment_codes"]["sections"].get(code, ""))


@lru_cache(maxsize=2)
def challan_codes(act: str) -> frozenset[str]:
    """Return the codes that the e-Pay Tax page lists under an Act, ``1961`` or ``2025``.

    The list of the Act of 2025 is not whole: a code that is missing there may still be right.
    """
    found = _tables()["challan_codes"][act]
    return frozenset(found) if isinstance(found, dict) else _codes(found)


def section_of_challan_code(code: str) -> str:
    """Return the section of the Act of 1961 behind a challan code such as ``94C``, empty for an unknown one."""
    return str(_tables()["challan_codes"]["1961"].get(code, ""))


@lru_cache(maxsize=1)
def rates() -> tuple[Rate, ...]:
    """Return the rates for residents, as dated in the table."""
    return tuple(
        Rate(
            section=row["section"],
            code=row["code"],
            begins_on=date.fromisoformat(row["from"]),
            threshold_rupees=row["threshold_rupees"],
            ppm=rate_ppm(row["percent"]),
            note=row.get("note", ""),
        )
        for row in _tables()["rates"]["rows"]
    )


def rate_on(code: str, day: date) -> Rate | None:
    """Return the newest rate of a payment code, or of a section of the Act of 1961 that has one, on a day."""
    found = [one for one in rates() if code in (one.code, one.section) and one.begins_on <= day]
    newest = [one for one in found if one.begins_on == max(each.begins_on for each in found)]
    return newest[0] if len({one.ppm for one in newest}) == 1 else None


def rate_ppm(text: str) -> int:
    """Return a rate in per cent (``0.5000``) in units of 0.0001 per cent.

    Raises:
        ValueError: not a number from 0 to below 1000 with at most four decimals.
    """
    try:
        scaled = Decimal(text.strip()) * PPM_PER_PER_CENT
    except InvalidOperation as error:
        raise ValueError("a rate is not a number") from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError("a rate has more than four decimals")
    if not 0 <= scaled < LARGEST_RATE * PPM_PER_PER_CENT:
        raise ValueError("a rate is out of bounds")
    return int(scaled)


def tax_at(amount_paise: int, ppm: int) -> int:
    """Return the tax on an amount at a rate, rounded to the rupee with half a rupee up; all in paise."""
    exact = amount_paise * ppm  # paise x 10**6
    return (exact + 50_000_000) // 100_000_000 * 100
