"""Generated statement files of both generations: coherent in themselves, with made-up identities.

``statement`` writes a file whose totals balance; ``changed`` changes one field of one of its lines. Positions are
written out here a second time, so that a wrong position in the product shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from clientsync.periods import Quarter
from connectors.tds import FILE_MODULES, TdsConnector
from connectors.tds.code_tables import tax_at

INDEX = {"tds": "tests.support.tds_statements:CONNECTOR"}
"""An index whose one connector has the modules that files fill, and no other."""


class FileConnector(TdsConnector):
    """The TDS connector without its portals."""

    @property
    def views(self) -> tuple[Any, ...]:
        """No views: they read tables of other modules."""
        return ()

    def module_names(self) -> tuple[str, ...]:
        """Return the modules that files fill."""
        return FILE_MODULES


CONNECTOR = FileConnector()

NEW = {"138": "24Q", "140": "26Q", "144": "27Q", "143": "27EQ"}
FIELDS = {"FH": 18, "BH": 72, "CD": 30, "DD": 45}
OLD_FIELDS = {"FH": 18, "BH": 72, "CD": 41, "DD": 38}
CODES = {"138": "1002", "140": "1027", "144": "1057", "143": "1073"}
OLD_CODES = {"24Q": "92B", "26Q": "94C", "27Q": "195", "27EQ": "6CA"}


def tan_of(number: int) -> str:
    """Return a made-up TAN."""
    return f"TSTA{number % 100000:05d}Z"


def pan_of(number: int, holder: str = "P") -> str:
    """Return a made-up PAN."""
    return f"ZZ{chr(65 + number // 10000 % 26)}{holder}T{number % 10000:04d}Q"


NEW_QUARTER = Quarter(2026, 1)
TAN = tan_of(1)


@dataclass(frozen=True)
class Deduction:
    """One deductee line; money in paise, the rate in units of 0.0001 per cent."""

    amount: int = 10_000_00
    rate: int = 100_000
    code: str = ""
    flag: str = ""
    certificate: str = ""
    pan: str = ""
    paid_on: date | None = None
    tax: int | None = None

    @property
    def due(self) -> int:
        """The tax: as given, or amount x rate."""
        return tax_at(self.amount, self.rate) if self.tax is None else self.tax


@dataclass(frozen=True)
class Challan:
    """One challan line with its deductees."""

    deductions: Sequence[Deduction] = (Deduction(),)
    interest: int = 0
    fee: int = 0
    others: int = 0
    surplus: int = 0
    serial: str = "00123"
    bsr: str = "0510001"
    on: date | None = None
    is_nil: bool = False
    minor_head: str = "200"


@dataclass(frozen=True)
class Statement:
    """What a file is made of."""

    form: str = "140"
    quarter: Quarter = NEW_QUARTER
    tan: str = TAN
    challans: Sequence[Challan] = (Challan(),)

    @property
    def is_new(self) -> bool:
        """Whether the form is one of the Act of 2025."""
        return self.form in NEW

    @property
    def family(self) -> str:
        """The form's name under the Act of 1961."""
        return NEW.get(self.form, self.form)


def _money(paise: int) -> str:
    return f"{Decimal(paise) / 100:.2f}"


def _day(on: date | None) -> str:
    return on.strftime("%d%m%Y") if on else ""


def _record(count: int, values: dict[int, Any]) -> str:
    parts = [""] * count
    for position, value in values.items():
        parts[position - 1] = str(value)
    return "^".join(parts)


def lines_of(one: Statement) -> list[str]:
    """Return the lines of a statement file without their ends."""
    fields = FIELDS if one.is_new else OLD_FIELDS
    quarter = one.quarter
    bodies: list[tuple[str, dict[int, Any]]] = []
    total = 0
    for number, challan in enumerate(one.challans, start=1):
        record, deductees = _challan(one, number, challan)
        total += record.pop(0)
        bodies.append(("CD", record))
        bodies.extend(("DD", deductee) for deductee in deductees)
    year = f"{quarter.start}{(quarter.start + 1) % 100:02d}"
    follows = f"{quarter.start + 1}{(quarter.start + 2) % 100:02d}"
    made = _day(quarter.last_day + timedelta(days=20))
    head = {3: "NS1", 4: "R", 5: made, 6: 1, 7: "D", 8: one.tan, 9: 1, 10: "Own utility 1"}
    batch = {
        3: 1,
        4: len(one.challans),
        5: one.form,
        13: one.tan,
        15: pan_of(77, "C"),
        16: follows,
        17: year,
        18: quarter.label[-2:],
        19: "Made-up deductor",
        32: "K",
        47: _money(total),
        52: "N",
        59: pan_of(78),
    }
    everything = [("FH", head), ("BH", batch), *bodies]
    return [
        _record(fields[kind], {**values, 1: number, 2: kind})
        for number, (kind, values) in enumerate(everything, start=1)
    ]


def _challan(one: Statement, number: int, challan: Challan) -> tuple[dict[int, Any], list[dict[int, Any]]]:
    quarter = one.quarter
    on = challan.on or (quarter.last_day if challan.is_nil else quarter.first_day + timedelta(days=40))
    deducted = sum(each.due for each in challan.deductions)
    tax = -(-deducted // 100) * 100 + challan.surplus
    total = tax + challan.interest + challan.fee + challan.others
    place = {} if challan.is_nil else {"bsr": challan.bsr, "serial": challan.serial}
    deductees = [
        (_new_deductee if one.is_new else _old_deductee)(one, number, position, each, on)
        for position, each in enumerate(challan.deductions, start=1)
    ]
    record: dict[int, Any] = {0: total, 3: 1, 4: number, 5: len(deductees), 6: "Y" if challan.is_nil else "N"}
    money = {
        name: _money(value)
        for name, value in {
            "tax": tax,
            "interest": challan.interest,
            "fee": challan.fee,
            "others": challan.others,
            "total": total,
            "deducted": deducted,
        }.items()
    }
    if one.is_new:
        record |= {
            8: money["tax"],
            9: money["interest"],
            10: money["fee"],
            11: money["others"],
            12: money["total"],
            13: "" if challan.is_nil else "C",
            15: place.get("bsr", ""),
            17: place.get("serial", ""),
            19: _day(on),
            21: money["deducted"],
            22: money["deducted"],
            23: challan.minor_head,
        }
    else:
        record |= {
            12: place.get("serial", ""),
            16: place.get("bsr", ""),
            18: _day(on),
            22: money["tax"],
            23: "0.00",
            24: "0.00",
            25: money["interest"],
            26: money["others"],
            27: money["total"],
            29: money["deducted"],
            30: money["deducted"],
            31: "0.00",
            32: "0.00",
            33: money["deducted"],
            34: "0.00",
            35: "0.00",
            37: "N",
            39: money["fee"],
            40: challan.minor_head,
        }
    return record, deductees


def _new_deductee(one: Statement, challan: int, position: int, each: Deduction, on: date) -> dict[int, Any]:
    paid = each.paid_on or one.quarter.first_day + timedelta(days=5)
    values: dict[int, Any] = {
        3: 1,
        4: position,
        5: challan,
        6: "O",
        8: each.pan or pan_of(position),
        9: f"Deductee {position}",
        15: each.code or CODES[one.form],
        18: "Y",
        19: _day(paid),
        20: _money(each.amount),
        24: _money(each.due),
        25: _money(each.due),
        27: _day(paid) if each.due else "",
        32: each.flag,
        33: each.certificate,
    }
    if one.form == "138":
        values[29] = _day(on) if each.due else ""
    else:
        values[28] = f"{Decimal(each.rate) / 10_000:.4f}"
    return values


def _old_deductee(one: Statement, challan: int, position: int, each: Deduction, on: date) -> dict[int, Any]:
    paid = each.paid_on or one.quarter.first_day + timedelta(days=5)
    return {
        3: 1,
        4: challan,
        5: position,
        6: "O",
        10: each.pan or pan_of(position),
        13: f"Deductee {position}",
        14: _money(each.due),
        15: "0.00",
        16: "0.00",
        17: _money(each.due),
        19: _money(each.due),
        22: _money(each.amount),
        23: _day(paid),
        24: _day(paid) if each.due else "",
        25: _day(on) if each.due else "",
        26: f"{Decimal(each.rate) / 10_000:.4f}",
        30: each.flag,
        33: each.code or OLD_CODES[one.form],
        34: each.certificate,
    }


def file_bytes(lines: Sequence[str]) -> bytes:
    """Return the bytes of a file: every line, the last one too, ends in CR LF."""
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def statement(**values: Any) -> bytes:
    """Return a statement file."""
    return file_bytes(lines_of(Statement(**values)))


def changed(lines: Sequence[str], kind: str, position: int, value: str, nth: int = 1) -> list[str]:
    """Return the lines with one field of the nth record of a kind changed."""
    found = [number for number, line in enumerate(lines) if line.split("^")[1] == kind][nth - 1]
    parts = lines[found].split("^")
    parts[position - 1] = value
    return [*lines[:found], "^".join(parts), *lines[found + 1 :]]


def old_quarter(form: str) -> dict[str, Any]:
    """Return what ``statement`` needs for a form of the Act of 1961."""
    return {"form": form, "quarter": Quarter(2025, 3)}


def with_deduction(one: Statement, **values: Any) -> Statement:
    """Return a statement of one challan and one deduction with other values."""
    return replace(one, challans=(Challan(deductions=(Deduction(**values),)),))
