"""Statements read in tests: the stored samples, and units fetched from the simulated portal without a socket.

``Unit`` keeps what the ledger would remember between runs, so that the calls of a second run can be counted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from clientsync.outcomes import Outcome
from clientsync.periods import Period
from clientsync.spec.module import CellMemory, Filing, Module, Record, SkipKind
from clientsync.staged import StagedCell
from clientsync.sync.fetching import UnitInput, fetch_unit
from tests.support.direct_portal import DirectSession, small_portal
from tests.support.module_contract import PERIOD, TODAY


def gst_module(name: str) -> Module:
    """Return a module of the GST connector."""
    return cast(Module, import_module(f"connectors.gst.{name}").MODULE)


def good(records: Sequence[Record], table: str) -> list[dict[str, Any]]:
    """Return the values of the readable records of a table, by the end of its name."""
    return [one.values for one in records if one.problem is None and one.table.endswith(f"_{table}")]


def session(index: int = 0, *, today: date = TODAY, clients: int = 6) -> DirectSession:
    """Return a session of one client of a small simulated portal."""
    portal = small_portal(today, clients=clients)
    return DirectSession(portal, portal.country.clients[index])


@dataclass
class Unit:
    """One module of one client and period, fetched again and again."""

    module: Module
    session: DirectSession
    period: Period = PERIOD
    filings: tuple[Filing, ...] = ()
    memory: dict[str, CellMemory] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def fetch(self, now: datetime) -> dict[str, StagedCell]:
        """Fetch once as if it were ``now``; remember what was answered and give the cells by section."""
        self.session.calls.clear()
        services = SimpleNamespace(now=lambda: now, stop=threading.Event())
        inputs = UnitInput(
            gstin=self.session.client.gstin,
            frequency=self.session.client.frequency,
            unit_period=str(self.period),
            memory=self.memory,
            queued={},
            filings=self.filings,
            settings=self.settings,
        )
        with patch.dict(os.environ, {"CLIENTSYNC_NOW": now.isoformat()}):
            cells = {
                cell.section: cell for cell in fetch_unit(self.session, self.module, inputs, services).cells
            }
        self.memory = {**self.memory, **_learned(cells, now)}
        return cells

    @property
    def calls(self) -> int:
        """Questions of the last fetch."""
        return sum(self.session.calls.values())


def _learned(cells: dict[str, StagedCell], now: datetime) -> dict[str, CellMemory]:
    answered = (Outcome.LOADED, Outcome.EMPTY, Outcome.UNCHANGED)
    return {
        name: CellMemory(
            now, cell.checksum, cell.summary_checksum, cell.row_count, True, cell.uncertain_empty
        )
        for name, cell in cells.items()
        if cell.outcome in answered and cell.skip is None
    }


def empties(cells: dict[str, StagedCell]) -> set[str]:
    """Return the sections that were not asked because a summary counts nothing in them."""
    return {name for name, cell in cells.items() if cell.skip and cell.skip.kind is SkipKind.EMPTY_BY_COUNT}
