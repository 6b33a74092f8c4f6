"""How TRACES writes things: days, amounts, quarters, JSON and HTML tables.

Money is in paise inside and leaves as text or as an exact JSON number; no float ever takes part.
"""

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from html import escape

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
QUARTER_CODES = {1: "3", 2: "4", 3: "5", 4: "6"}  # TDS reference, section 3
SEEN, MASK = 4, 7


def dmy(day: date | None) -> str:
    """Write a day as ``07-May-2026``; nothing is an empty text."""
    return f"{day.day:02d}-{MONTHS[day.month - 1]}-{day.year}" if day else ""


def read_dmy(text: str) -> date:
    """Read ``07-May-2026``.

    Raises:
        ValueError: it is not written so.
    """
    day, month, year = text.split("-")
    if month not in MONTHS:
        raise ValueError("no such month")
    return date(int(year), MONTHS.index(month) + 1, int(day))


def rupees(paise: int) -> str:
    """Write paise as rupees with two decimals, such as ``12345.00``."""
    return str(number(paise))


def number(paise: int) -> Decimal:
    """Give paise as exact rupees, for a JSON number with two decimals."""
    return Decimal(paise).scaleb(-2)


def read_rupees(text: str) -> int | None:
    """Read rupees into paise; None when it is no amount."""
    try:
        paise = Decimal(text).scaleb(2)
        return int(paise) if paise == paise.to_integral_value() else None
    except InvalidOperation:
        return None


def year(start: int) -> str:
    """Write the year which starts in April of `start`, such as ``2025-26``."""
    return f"{start}-{(start + 1) % 100:02d}"


def masked(token: str) -> str:
    """Hide the middle of a token, such as ``7700XXXXXXX7094``."""
    return token[:SEEN] + "X" * MASK + token[-SEEN:]


def dump(value: object) -> str:
    """Write JSON in which a Decimal is a number with all its decimals."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{dump(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def page(title: str, body: str) -> str:
    """Give a whole HTML page."""
    return (
        f"<!DOCTYPE html>\n<html><head><title>{escape(title)}</title></head>"
        f"<body><h1>{escape(title)}</h1>\n{body}</body></html>\n"
    )


def grid(name: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Give a table with a line of heads; the cells are HTML already."""
    top = "".join(f"<th>{escape(one)}</th>" for one in heads)
    lines = "\n".join("<tr>" + "".join(f"<td>{one}</td>" for one in row) + "</tr>" for row in rows)
    return f'<table id="{name}"><thead><tr>{top}</tr></thead><tbody>\n{lines}</tbody></table>\n'


def facts(name: str, rows: Iterable[tuple[str, str]]) -> str:
    """Give a table of labels and values."""
    lines = "\n".join(f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in rows)
    return f'<table id="{name}"><tbody>\n{lines}</tbody></table>\n'
