"""How rows of different sources are joined. Serials are compared without leading zeros, BSR codes with seven digits.

Invariant: a placeholder PAN is never a key.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Protocol

PLACEHOLDERS = frozenset({"PANNOTAVBL", "PANAPPLIED", "PANINVALID", "PANNOTREQD"})
"""Words that stand where a PAN is missing (Protean file formats, V1.0)."""
_PAN = re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]")

ChallanKey = tuple[str, str, str, date]
"""Client, BSR code, serial without leading zeros, day of deposit."""


class HasChallan(Protocol):
    """A row that names a challan."""

    @property
    def client_id(self) -> str:
        """Whose challan."""

    @property
    def bsr(self) -> str:
        """BSR code of the branch."""

    @property
    def serial(self) -> str:
        """Serial of the day at that branch."""

    @property
    def deposited_on(self) -> date:
        """Day of deposit."""


def challan_key(row: HasChallan) -> ChallanKey:
    """Return what a row's challan is joined by."""
    return (row.client_id, row.bsr.zfill(7), row.serial.lstrip("0") or "0", row.deposited_on)


def challan_words(key: ChallanKey) -> tuple[str, str, str]:
    """Return BSR code, five-digit serial and day, as they stand in the key of a result."""
    return (key[1], key[2].zfill(5), key[3].isoformat())


def is_pan(text: str) -> bool:
    """Whether a text has the shape of a PAN and is no placeholder."""
    return text not in PLACEHOLDERS and _PAN.fullmatch(text) is not None


def by_age_of_row(row_id: str) -> tuple[int, str]:
    """Return the sort key of a row id: numbers by value when unpadded, padded ids as they stand."""
    return (len(row_id), row_id)
