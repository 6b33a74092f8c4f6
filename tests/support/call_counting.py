"""Counts the calls of a client and period over several runs, with the engine's own fetching and skip rules.

The ledger's memory is kept in a dictionary by the rules of ``clientsync.warehouse.settling``: a skipped section
learns nothing but that it was counted empty. Nothing is stored, so a whole population is counted in seconds.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

from clientsync.outcomes import Outcome
from clientsync.periods import Period, newest_open
from clientsync.registry import modules
from clientsync.spec.module import CellMemory, Filing, Module, SkipKind
from clientsync.staged import StagedCell
from clientsync.sync.fetching import Fetched, UnitInput, fetch_unit
from connectors.gst.return_register import is_filed
from simulators.gst.parties import Client
from simulators.gst.portal import Portal
from tests.support.direct_portal import DirectSession, small_portal
from tests.support.module_contract import unit_period

_ANSWERED = (Outcome.LOADED, Outcome.EMPTY, Outcome.UNCHANGED)


@dataclass
class Counted:
    """One client's memory over its runs.

    Attributes:
        rows: what would be stored, by (module, section), each row as text.
        cells: what the last run did, by (module, section).
    """

    portal: Portal
    client: Client
    settings: dict[str, Any] = field(default_factory=dict)
    memory: dict[tuple[str, str], dict[str, CellMemory]] = field(default_factory=dict)
    rows: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    cells: dict[tuple[str, str], StagedCell] = field(default_factory=dict)
    filings: list[Filing] = field(default_factory=list)

    def run(self, period: Period) -> Counter[str]:
        """Run ALL for one period; return the calls by module."""
        calls: Counter[str] = Counter()
        shared: dict[str, Any] = {}
        newest = newest_open(self.portal.today)
        for name, module in modules("gst").items():
            if module.only_open_periods and period < newest:
                continue
            session = DirectSession(self.portal, self.client)
            fetched = self.fetch(session, module, period, shared)
            if fetched.shared is not None:
                shared[name] = fetched.shared
            calls[name] = sum(session.calls.values())
            self._learn(module, unit_period(module, period), fetched.cells, session.now)
        return calls

    def fetch(
        self, session: DirectSession, module: Module, period: Period, shared: dict[str, Any]
    ) -> Fetched:
        """Fetch one unit with what is remembered and what earlier units of the run left for it."""
        label = unit_period(module, period)
        unit = UnitInput(
            gstin=self.client.gstin,
            frequency=self.client.frequency,
            unit_period=label,
            memory=self.memory.get((module.name, label), {}),
            queued={},
            filings=self.filings,
            settings=self.settings,
            shared=shared,
        )
        services = SimpleNamespace(now=lambda: session.now, stop=threading.Event())
        return fetch_unit(session, module, unit, services)

    def _learn(self, module: Module, label: str, cells: list[StagedCell], moment: datetime) -> None:
        known = self.memory.setdefault((module.name, label), {})
        for cell in cells:
            place = (module.name, cell.section)
            self.cells[place] = cell
            if cell.outcome in (Outcome.LOADED, Outcome.EMPTY):
                self.rows[place] = sorted(f"{one.table} {one.values}" for one in cell.records)
            if cell.skip is not None:
                if cell.skip.kind is SkipKind.EMPTY_BY_COUNT and cell.section in known:
                    old = known[cell.section]
                    known[cell.section] = CellMemory(old.asked_at, None, cell.summary_checksum, 0, True)
                continue
            if cell.outcome in _ANSWERED:
                known[cell.section] = CellMemory(
                    asked_at=moment,
                    checksum=cell.checksum,
                    summary_checksum=cell.summary_checksum,
                    rows=cell.row_count,
                    was_loaded=True,
                    uncertain_empty=cell.uncertain_empty,
                )
            if module.name == "return_register" and cell.section == "rettrack":
                self._read_register(cell, moment)

    def _read_register(self, cell: StagedCell, moment: datetime) -> None:
        seen = {(one.return_type, one.period) for one in self.filings}
        for record in cell.records:
            values = record.values
            period = Period.parse(values["return_period"])
            if (values["return_type"], period) not in seen and is_filed(values["status"], values["valid"]):
                self.filings.append(Filing(values["return_type"], period, values["filed_on"], moment))


def table(today: date, periods: Sequence[Period], *, clients: int = 25, documents: int = 40) -> str:
    """Return calls per client and run, by module, averaged over a population; first and second run of each period.

    The first client has every section of every statement; the column ``others`` leaves it out.
    """
    portal = small_portal(today, clients=clients, documents=documents)
    names = list(modules("gst"))
    lines = ["| period | run | " + " | ".join(names) + " | all | others | most of the others |"]
    lines.append("|" + "---|" * (len(names) + 5))
    for period in periods:
        counted = [Counted(portal, client) for client in portal.country.clients]
        for number in ("first", "second"):
            runs = [one.run(period) for one in counted]
            sums = [sum(calls.values()) for calls in runs]
            shown = [f"{sum(calls[name] for calls in runs) / clients:.1f}" for name in names]
            shown += [
                f"{sum(sums) / clients:.1f}",
                f"{sum(sums[1:]) / (clients - 1):.1f}",
                f"{max(sums[1:])}",
            ]
            lines.append(f"| {period} | {number} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table for a newest, an open and a finalised period: ``python -m tests.support.call_counting``."""
    day = date(2026, 11, 23)
    os.environ["CLIENTSYNC_NOW"] = f"{day}T12:00:00+05:30"
    sys.stdout.write(table(day, [Period(2026, 10), Period(2026, 9), Period(2024, 9)]) + "\n")


if __name__ == "__main__":
    main()
