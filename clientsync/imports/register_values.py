"""Cells of a register as values: amounts in paise, dates, types, states; each in the spellings of the field.

Invariant: an amount is read exactly or refused, never rounded away.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
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
_OTHER_NAMES = {
    "jammu": "01",
    "uttaranchal": "05",
    "new delhi": "07",
    "nct of delhi": "07",
    "orissa": "21",
    "chattisgarh": "22",
    "dadra and nagar haveli": "26",
    "daman and diu": "26",
    "tamilnadu": "33",
    "pondicherry": "34",
    "andaman and nicobar": "35",
    "foreign country": "96",
    "outside india": "96",
    "other country": "96",
}
"""Names that books still use, or that accounting programs write for what lies abroad."""
_NOTHING = frozenset(
    {"-", "–", "na", "n/a", "n.a.", "nil", "none", "null", "any", "not applicable", "not available"}
)
_NO_GSTIN = frozenset({*_NOTHING, "urp", "ur", "unregistered", "urd", "consumer", "0"})
_TYPES = {
    "INV": (
        *(
            "inv",
            "invoice",
            "tax invoice",
            "bill",
            "bill of supply",
            "purchase",
            "sales",
            "sale",
            "regular",
            "r",
        ),
        *(
            "b2b",
            "b2cl",
            "b2cs",
            "b2bur",
            "imps",
            "import of services",
            "export",
            "exp",
            "deemed",
            "intra-state",
        ),
        *("sez", "sewp", "sewop", "de", "cbw", "expwp", "expwop", "wpay", "wopay"),
    ),
    "CN": ("cn", "c", "credit note", "sales return", "purchase return", "credit", "cdnr credit"),
    "DN": ("dn", "d", "debit note", "debit"),
    "BOE": ("boe", "bill of entry", "import", "imports", "impg", "import of goods"),
}
_BY_TYPE = {_name: kind for kind, names in _TYPES.items() for _name in names}
_LONGEST_FIRST = sorted((_name for _name in _BY_TYPE if len(_name) > 2), key=len, reverse=True)
_CURRENCY = re.compile(r"^(?:₹|rs\.?|inr)\s*", re.IGNORECASE)
_SIDE = re.compile(r"(?P<number>.*?)\s*(?P<side>[dc]r)\.?(?P<end>\)?)", re.IGNORECASE)
_NUMBER = re.compile(r"-?(?:\d{1,18}(?:\.\d*)?|\.\d+)")
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d*)?")
_DAY_FIRST = ("%d-%m-%Y", "%d-%m-%y")
_MONTH_FIRST = ("%m-%d-%Y", "%m-%d-%y")
_ALWAYS = ("%Y-%m-%d", "%Y%m%d", "%d-%b-%Y", "%d-%B-%Y", "%d-%b-%y", "%b-%d-%Y", "%B-%d-%Y")
_TIME = re.compile(r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AP]M)?(?:Z|[+-]\d\d:?\d\d)?$", re.IGNORECASE)
_SERIALS = range(42917, 73051)
"""What a spreadsheet counts for the days of 01-07-2017 to 31-12-2099."""
_SERIAL_START = date(1899, 12, 30)


def plain(value: Any) -> str:
    """Return a cell as text without blanks around; whole numbers of a spreadsheet have no decimals."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


def amount(value: Any, *, positive: str = "dr") -> int:
    """Return an amount of rupees in paise; empty is nothing.

    ``1,23,456.50``, ``(1,234.50)``, ``-5``, ``₹ 12``, ``5-``, ``1,200.00 Dr`` are read.

    Args:
        value: the cell.
        positive: ``dr`` or ``cr``: the side of the books on which an amount is positive.

    Raises:
        ValueError: no number, more than two decimals that are not zero, or commas that do not part thousands.
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
    if not text or text.casefold() in _NOTHING:
        return 0
    body = text.replace("\u2212", "-")
    with_side = _SIDE.fullmatch(body)
    is_negative = with_side is not None and with_side["side"].casefold() != positive
    if with_side is not None:
        body = with_side["number"] + with_side["end"]
    if body.startswith("(") and body.endswith(")"):
        is_negative, body = not is_negative, body[1:-1].strip()
    if re.match(r"-\s*(?:₹|rs|inr)", body, re.IGNORECASE):
        is_negative, body = not is_negative, body[1:].strip()
    body = _CURRENCY.sub("", body)
    body = body.removesuffix("/-")  # 1,200/- is how cheques write whole rupees
    if re.fullmatch(r"[\d,. ]+-", body):
        is_negative, body = not is_negative, body[:-1]
    body = body.replace(" ", "")
    if "," in body and not _GROUPED.fullmatch(body):  # 1234,50 of a program that writes decimals with a comma
        raise ValueError(f"{text[:40]!r} is no amount: its commas do not part thousands")
    body = body.replace(",", "").removeprefix("+")
    if not _NUMBER.fullmatch(body):
        raise ValueError(f"{text[:40]!r} is no amount")
    found = Decimal(body)
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
        ValueError: no date in a spelling that is known; says so when it would be one in the other order.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = plain(value)
    if not text or text.casefold() in _NOTHING:
        return None
    if re.fullmatch(r"\d{5}", text) and int(text) in _SERIALS:
        return _SERIAL_START + timedelta(days=int(text))
    bare = re.sub(r"[/. ,]+", "-", _TIME.sub("", text)).strip("-")
    found = _parsed(bare, (*(_DAY_FIRST if day_first else _MONTH_FIRST), *_ALWAYS))
    if found is not None:
        return found
    other = _parsed(bare, _MONTH_FIRST if day_first else _DAY_FIRST)
    hint = f"; it would be one with --dates {'mdy' if day_first else 'dmy'}" if other else ""
    raise ValueError(f"{text[:30]!r} is no date ({'day' if day_first else 'month'} first){hint}")


@lru_cache(maxsize=4096)
def _parsed(text: str, forms: tuple[str, ...]) -> date | None:
    for form in forms:
        try:
            found = datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
        return found
    return None


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
        found = next((_BY_TYPE[name] for name in _LONGEST_FIRST if re.search(rf"\b{name}", text)), None)
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
    name = re.sub(r"\s*\([^)]*\)", "", text).casefold().replace("&", "and")
    if not name or name in _NOTHING:
        return ""
    digits = re.match(r"(\d{1,2})(?!\d)", name)
    if digits:
        return digits.group(1).zfill(2)
    if name in STATES:
        return STATES[name]
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    raise ValueError(f"{text[:30]!r} is no state")


def gstin(value: Any) -> str:
    """Return a registration without blanks, in capitals; empty for words such as URP that say there is none."""
    text = plain(value).replace(" ", "").upper()
    return "" if text.casefold() in _NO_GSTIN else text


def yes_no(value: Any) -> bool | None:
    """Return whether a cell says yes; None when it says nothing.

    Raises:
        ValueError: neither yes nor no.
    """
    text = plain(value).casefold()
    if not text or text in {"-", "na", "n/a"}:
        return None
    if text in {"y", "yes", "true", "1", "eligible", "applicable"}:
        return True
    if text in {"n", "no", "false", "0", "ineligible", "not eligible", "not applicable"}:
        return False
    raise ValueError(f"{text[:30]!r} is neither yes nor no")


def eligible(value: Any) -> bool | None:
    """Return whether credit is claimed; the words of the portal's offline tools are read too.

    Raises:
        ValueError: a word that is not known.
    """
    text = plain(value).casefold()
    if text in {
        "inputs",
        "input",
        "input goods",
        "input services",
        "input service",
        "capital goods",
        "ip",
        "cp",
        "is",
    }:
        return True
    if text in {"none", "no itc", "blocked", "not available", "no credit"}:
        return False
    return yes_no(value)
