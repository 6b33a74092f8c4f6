"""Identifiers of the simulated deductors: PAN and TAN shapes, challan numbers, tokens, certificate numbers.

Everything is a pure function of its arguments; no identifier belongs to a real person.
"""

from __future__ import annotations

import hashlib
from datetime import date

AREAS = ("MUM", "DEL", "BLR", "CHN", "HYD", "PNE", "CAL", "AHM", "JPR", "KOC")
BANKS = (
    ("KKBK", "0485"), ("HDFC", "0510"), ("ICIC", "6390"), ("SBIN", "0004"), ("UTIB", "6360"), ("CNRB", "0240"),
)  # fmt: skip


def number_of(*parts: object) -> int:
    """Give a large number that depends on the parts only."""
    text = "|".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def letters(number: int, count: int) -> str:
    """Spell a number with capital letters, the least significant first."""
    out = ""
    for _ in range(count):
        number, rest = divmod(number, 26)
        out += chr(65 + rest)
    return out


def deductee_pan(seed: int, index: int, holder: str) -> str:
    """Make the PAN of a deductee; unique per index below 260000."""
    drawn = number_of(seed, "deductee", index)
    return f"E{letters(drawn, 2)}{holder}{letters(index // 10_000, 1)}{index % 10_000:04d}{letters(drawn >> 20, 1)}"


def tan(seed: int, number: int, name: str) -> str:
    """Make the TAN of a deductor: area, first letter of the name, five digits, a letter; unique below 100000."""
    drawn = number_of(seed, "tan", number)
    return f"{AREAS[drawn % len(AREAS)]}{name[0].upper()}{number % 100_000:05d}{letters(drawn >> 8, 1)}"


def crn(number: int, slot: int, paid_on: date) -> str:
    """Make a challan reference number: six digits of the day, eight of the deductor and its slot."""
    return f"{paid_on:%y%m%d}{number % 10_000:04d}{slot % 10_000:04d}"


def serial(number: int, slot: int) -> str:
    """Make a challan serial number of five digits, unique per deductor."""
    return f"{(slot * 7919 + number * 31 + 17) % 99_999 + 1:05d}"


def token(number: int, slot: int) -> str:
    """Make a token of fifteen digits; the last four differ between the statements of a deductor."""
    return f"7700{number % 100_000:05d}{number_of('token', number, slot) % 100:02d}{slot % 10_000:04d}"


def certificate_number(act: str, seed: int, number: int, slot: int) -> str:
    """Make a certificate number: ten characters under the Act of 1961, fifteen under that of 2025."""
    drawn = number_of(seed, "certificate", number, slot, act)
    if act == "1961":
        return f"{number % 10_000:04d}{letters(drawn, 2)}{drawn % 1000:03d}{letters(drawn >> 30, 1)}"
    head = f"{slot % 10}{letters(drawn, 2)}{number % 10_000:04d}"
    return f"{head}TDP{drawn % 10}{letters(drawn >> 30, 1)}{drawn % 1000:03d}"
