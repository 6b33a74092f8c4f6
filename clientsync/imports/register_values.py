"""Cells of a register as values: amounts in paise, dates, types, states; each in the spellings of the field.

Invariant: an amount is read exactly or refused, never rounded away.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from math import isfinite
from typing import Any

STATES = {
    "jammu and kashmir": "01",
    "himachal pradesh": "02",
    "punjab": "03",
    "chandigarh": "04",
    "uttarakhand": "05",
    "haryana": "06",
    "delhi": "07",
    "rajasthan": "08",
    "uttar pradesh": "09",
    "bihar": "10",
    "sikkim": "11",
    "arunachal pradesh": "12",
    "nagaland": "13",
    "manipur": "14",
    "mizoram": "15",
    "tripura": "16",
    "meghalaya": "17",
    "assam": "18",
    "west bengal": "19",
    "jharkhand": "20",
    "odisha": "21",
    "chhattisgarh": "22",
    "madhya pradesh": "23",
    "gujarat": "24",
    "dadra and nagar haveli and daman and diu": "26",
    "maharashtra": "27",
    "karnataka": "29",
    "goa": "30",
    "lakshadweep": "31",
    "kerala": "32",
    "tamil nadu": "33",
    "puducherry": "34",
    "andaman and nicobar islands": "35",
    "telangana": "36",
    "andhra pradesh": "37",
    "ladakh": "38",
    "other countries": "96",
    "other territory": "97",
}
"""Names of states to the codes of GST registrations. Source: GST reference 5.1."""
_TYPES = {
    "INV": ("inv", "invoice", "tax invoice", "bill", "purchase", "sales", "sale", "b2b", "regular", "r"),
    "CN": ("cn", "c", "credit note", "sales return", "purchase return", "credit"),
    "DN": ("dn", "d", "debit note", "debit"),
    "BOE": ("boe", "bill of entry", "import", "imports", "impg"),
}
_BY_TYPE = {_name: kind for kind, names in _TYPES.items() for _name in names}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FORMATS = (
    "%d-%m-%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d-%B-%Y",
    "%d %B %Y",
    "%d-%b-%y",
    "%d-%m-%y",
)
_MONTH_FIRST = ("%m-%d-%Y", "%m/%d/%Y", "%m.%d.%Y")
_ALWAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%d %b %Y", "%d-%B-%Y", "%d %B %Y")


def plain(value: Any) -> str:
    """Return a cell as text without blanks around; whole numbers of a spreadsheet have no decimals."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


def amount(value: Any) -> int:
    """Return an amount of rupees in paise; empty is nothing.

    ``1,23,456.50``, ``(1,234.50)``, ``-5``, ``₹ 12``, ``1,200.00 Dr`` (as it is), ``1,200.00 Cr`` (negative) are read.

    Raises:
        ValueError: no number, or more than two decimals that are not zero.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no amount")
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{value!r} is no finite amount")
        # what binary floats add lies far below a hundredth of a paisa
        exact = Decimal(repr(value)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        return _paise(exact, str(value))
    text = plain(value)
    if not text or text in {"-", "–"}:
        return 0
    is_negative = text.startswith("(") and text.endswith(")")
    body = text.strip("()").strip()
    for sign in ("₹", "Rs.", "Rs", "INR"):
        body = body.removeprefix(sign).strip()
    suffix = body[-2:].casefold()
    if suffix in ("dr", "cr"):
        is_negative ^= suffix == "cr"
        body = body[:-2].strip()
    body = body.replace(",", "").replace(" ", "").replace("\u2212", "-")
    if not _NUMBER.fullmatch(body):
        raise ValueError(f"{text[:40]!r} is no amount")
    try:
        found = Decimal(body)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is no amount") from None
    return _paise(-found if is_negative else found, text)


def _paise(rupees: Decimal, text: str) -> int:
    scaled = rupees * 100
    whole = scaled.to_integral_value(ROUND_HALF_UP)
    if abs(scaled - whole) > Decimal("0.01") or abs(whole) > 10**15:
        raise ValueError(f"{text[:40]!r} has parts of a paisa or is too large")
    return int(whole)


def day(value: Any, *, day_first: bool = True) -> date | None:
    """Return a date, None for an empty cell.

    Raises:
        ValueError: no date in a spelling that is known.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = plain(value)
    if not text:
        return None
    text = text.split("T")[0].split(" 00:00")[0]
    for form in (*_ALWAYS, *(_FORMATS if day_first else _MONTH_FIRST)):
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise ValueError(f"{text[:30]!r} is no date ({'day' if day_first else 'month'} first)")


def document_type(value: Any) -> str:
    """Return INV, CN, DN or BOE; empty is INV. A note is the supplier's: credit reduces, debit adds (CGST Act s.34).

    Raises:
        ValueError: a type that is not known.
    """
    text = plain(value).casefold()
    if not text:
        return "INV"
    found = _BY_TYPE.get(text)
    if found is None:
        found = next((kind for name, kind in _BY_TYPE.items() if len(name) > 3 and name in text), None)
    if found is None:
        valid = "invoice, credit note, debit note, purchase return, sales return, bill of entry"
        raise ValueError(f"{text[:30]!r} is no type of document; valid: {valid}")
    return found


def place(value: Any) -> str:
    """Return the code of a state: ``27``, ``27-Maharashtra`` or ``Maharashtra``; empty when there is none.

    Raises:
        ValueError: no state that is known.
    """
    text = plain(value)
    if not text:
        return ""
    digits = re.match(r"\d{1,2}", text)
    if digits:
        return digits.group(0).zfill(2)
    name = text.casefold().replace("&", "and")
    if name in STATES:
        return STATES[name]
    raise ValueError(f"{text[:30]!r} is no state")


def yes_no(value: Any) -> bool | None:
    """Return whether a cell says yes; None when it says nothing.

    Raises:
        ValueError: neither yes nor no.
    """
    text = plain(value).casefold()
    if not text:
        return None
    if text in {"y", "yes", "true", "1", "eligible", "applicable"}:
        return True
    if text in {"n", "no", "false", "0", "ineligible", "not eligible", "not applicable"}:
        return False
    raise ValueError(f"{text[:30]!r} is neither yes nor no")
