"""Identifiers of taxpayers: PAN shapes, GSTINs with a correct check character, portal user names.

Every GSTIN that leaves this module passes `is_valid_gstin`, and the same index always gives the same GSTIN.
"""

import hashlib
import re

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
STATES = (
    "27", "29", "24", "33", "07", "09", "36", "06", "08", "19", "32", "23",
    "03", "37", "10", "21", "20", "22", "18", "05", "02", "30", "34", "38",
)  # fmt: skip
HOLDERS = "PCFHPCFAT"
GSTIN = re.compile(r"^\d{2}[A-Z]{5}\d{4}[A-Z][1-9A-Z][Z1-9ABD-J][0-9A-Z]$")


def check_character(first_fourteen: str) -> str:
    """Compute the Luhn mod 36 check character over the first 14 characters of a GSTIN."""
    total = 0
    for place, character in enumerate(first_fourteen):
        product = ALPHABET.index(character) * (1 + place % 2)
        total += product // 36 + product % 36
    return ALPHABET[-total % 36]


def is_valid_gstin(gstin: str) -> bool:
    """Tell whether the text has the shape of a GSTIN and a correct check character."""
    return bool(GSTIN.match(gstin)) and check_character(gstin[:14]) == gstin[14]


def _letters(number: int, count: int) -> str:
    out = ""
    for _ in range(count):
        number, rest = divmod(number, 26)
        out += chr(65 + rest)
    return out


def pan(kind: str, index: int, seed: int) -> str:
    """Make a PAN-shaped text which is unique per kind and index."""
    digest = int.from_bytes(hashlib.sha256(f"{seed}|{kind}|{index}".encode()).digest()[:8], "big")
    prefix = {"client": "A", "supplier": "B", "customer": "C", "other": "D"}[kind]
    first = prefix + _letters(digest, 2)
    holder = HOLDERS[digest % len(HOLDERS)]
    surname = _letters(index // 10_000, 1)
    return f"{first}{holder}{surname}{index % 10_000:04d}{_letters(digest >> 20, 1)}"


def gstin(kind: str, index: int, seed: int, state: str = "") -> str:
    """Make the GSTIN of a party of the simulated country."""
    where = state or STATES[(index * 7 + seed) % len(STATES)]
    if not state and index % 3 != 2:
        where = STATES[(index + seed) % 6]
    body = f"{where}{pan(kind, index, seed)}{1 + index % 4}Z"
    return body + check_character(body)
