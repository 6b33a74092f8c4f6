"""Money is an integer of paise, parsed from Decimal; no float takes part.

JSON must be read with ``parse_float=Decimal`` (``loads`` does), because 0.1 + 0.2 and large amounts lose
paise in binary floats.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_RUPEES = Decimal("9999999999999.99")  # GSTN schema: the largest amount an amount field may hold


def paise(value: Any) -> int:
    """Return ``value`` (rupees: int, Decimal or decimal text; None and "" are zero) in paise.

    Raises:
        ValueError: not a finite number, a part of a paisa, or beyond the portal's largest amount.
    """
    if value is None or value == "":
        return 0
    if isinstance(value, bool | float):
        raise ValueError(f"an amount must be exact, not {type(value).__name__}")
    if isinstance(value, int):
        rupees = Decimal(value)
    else:
        try:
            rupees = Decimal(value.strip() if isinstance(value, str) else value)
        except (InvalidOperation, TypeError, ValueError) as error:
            raise ValueError("not a number") from error
    if not rupees.is_finite() or abs(rupees) > MAX_RUPEES:
        raise ValueError("not a finite amount within the portal's limit")
    scaled = rupees * 100
    whole = scaled.to_integral_value()
    if whole != scaled:
        raise ValueError("an amount with a part of a paisa")
    return int(whole)


def rupees(amount_paise: int) -> Decimal:
    """Return paise as rupees with two decimals."""
    return (Decimal(amount_paise) / 100).quantize(Decimal("0.01"))


def grouped(amount_paise: int) -> str:
    """Return an amount of rupees with the commas of lakhs and crores, for example ``18,10,805.01``."""
    sign = "-" if amount_paise < 0 else ""
    whole, _, parts = f"{rupees(abs(amount_paise))}".partition(".")
    head, last = whole[:-3], whole[-3:]
    pairs = [head[max(0, place - 2) : place] for place in range(len(head), 0, -2)][::-1]
    return f"{sign}{','.join([*pairs, last])}.{parts}"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"JSON constant {name} is not a number")


def loads(text: str | bytes) -> Any:
    """Parse JSON with exact numbers; NaN and Infinity are refused.

    Raises:
        ValueError: not JSON, nested too deep, or with a number that is none.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("JSON is nested too deep") from error
