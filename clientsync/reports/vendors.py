"""Suppliers to be written to: what each has not reported or reported otherwise, and how much credit hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from clientsync.reports.matches import MatchLine
from clientsync.reports.sheets import SheetColumn

VENDOR_COLUMNS = (
    SheetColumn("client", 12),
    SheetColumn("client's name", 26),
    SheetColumn("supplier", 18),
    SheetColumn("supplier's name", 30),
    SheetColumn("not reported", 10),
    SheetColumn("reported otherwise", 10),
    SheetColumn("without credit", 10),
    SheetColumn("credit at stake", 16, is_money=True),
    SheetColumn("oldest document", 12),
    SheetColumn("documents", 60),
    SheetColumn("what to write", 70),
)
SHOWN_NUMBERS = 12


@dataclass
class Vendor:
    """One supplier of one client."""

    client_id: str
    client_name: str
    gstin: str
    name: str
    missing: int = 0
    mismatching: int = 0
    without_credit: int = 0
    stake_paise: int = 0
    oldest: date | None = None
    numbers: list[str] = field(default_factory=list)

    @property
    def request(self) -> str:
        """What the client may write to the supplier."""
        asks = []
        if self.missing:
            asks.append(f"report {self.missing} documents of ours in your next GSTR-1")
        if self.mismatching:
            asks.append(f"compare {self.mismatching} documents with ours and amend what differs")
        if self.without_credit:
            asks.append(f"correct {self.without_credit} documents for which the portal gives us no credit")
        shown = ", ".join(self.numbers[:SHOWN_NUMBERS])
        more = len(self.numbers) - SHOWN_NUMBERS
        return f"Please {'; '.join(asks)}: {shown}{f' and {more} more' if more > 0 else ''}."


class Vendors:
    """The suppliers of a report, gathered line by line."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Vendor] = {}

    def add(self, line: MatchLine, stake_paise: int) -> None:
        """Take in a line of purchases that waits for a person; what the client itself must book is left aside."""
        if line.status in ("missing_here", "duplicate", "amended") or not line.party_gstin:
            return
        key = (line.client_id, line.party_gstin)
        one = self._found.get(key)
        if one is None:
            one = self._found[key] = Vendor(
                line.client_id, line.client_name, line.party_gstin, line.party_name
            )
        one.name = one.name or line.party_name
        if line.status == "missing_there":
            one.missing += 1
        elif line.status == "mismatch":
            one.mismatching += 1
        else:
            one.without_credit += 1
        one.stake_paise += stake_paise
        on = line.left_on or line.right_on
        one.oldest = min((day for day in (one.oldest, on) if day is not None), default=None)
        one.numbers.append(line.left_number or line.right_number)

    def __iter__(self) -> Iterator[Vendor]:
        """Yield the suppliers, those with the most credit at stake first."""
        return iter(
            sorted(self._found.values(), key=lambda one: (-one.stake_paise, one.client_id, one.gstin))
        )

    def __len__(self) -> int:
        return len(self._found)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the suppliers in the order of ``VENDOR_COLUMNS``."""
        for one in self:
            yield (
                one.client_id,
                one.client_name,
                one.gstin,
                one.name,
                one.missing,
                one.mismatching,
                one.without_credit,
                one.stake_paise,
                one.oldest,
                ", ".join(one.numbers),
                one.request,
            )
