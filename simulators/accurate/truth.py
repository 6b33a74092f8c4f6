"""What really happened, whatever answers were lost: every document ever made, and every call."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Made:
    """A record that was made.

    Attributes:
        order: from 1, over all modules.
        module: of Accurate.
        target_id: its id.
        number: its number, item number or customer number.
        source: the id of the source in ``charField1``.
        at: ``time.monotonic`` when it was made.
        deleted_at: the same when it was deleted.
    """

    order: int
    module: str
    target_id: int
    number: str
    source: str
    at: float
    deleted_at: float | None = None


@dataclass
class Truth:
    """The ledger of the simulator.

    Attributes:
        booked: every record that was ever made by a call, in order.
        calls: method and path of every call to the data layer, in order, with ``time.monotonic``.
        refused: calls that were over a limit.
        most_in_flight: the most calls that were under way at once.
    """

    booked: list[Made] = field(default_factory=list)
    calls: list[tuple[str, str, float]] = field(default_factory=list)
    refused: int = 0
    most_in_flight: int = 0
    _live: dict[tuple[str, int], Made] = field(default_factory=dict)

    def made(self, module: str, target_id: int, number: str, source: str) -> None:
        """Note that a record was made."""
        one = Made(len(self.booked) + 1, module, target_id, number, source, time.monotonic())
        self.booked.append(one)
        self._live[(module, target_id)] = one

    def deleted(self, module: str, target_id: int) -> None:
        """Note that a record was deleted."""
        one = self._live.pop((module, target_id), None)
        if one is not None:
            one.deleted_at = time.monotonic()

    def live(self, module: str = "") -> list[Made]:
        """Return what was made and is there, of a module or of all, in order."""
        return [one for one in self._live.values() if module in {"", one.module}]

    def doubled(self) -> list[tuple[str, str]]:
        """Return (module, source id) of what is there more than once; it should be empty."""
        counts = Counter((one.module, one.source) for one in self._live.values() if one.source)
        return [key for key, count in counts.items() if count > 1]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "booked": [asdict(one) for one in self.booked],
            "doubled": [list(key) for key in self.doubled()],
            "calls": len(self.calls),
            "called_at": [at for _, _, at in self.calls],
            "refused": self.refused,
            "most_in_flight": self.most_in_flight,
        }
