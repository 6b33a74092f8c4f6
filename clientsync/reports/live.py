"""The live view of a run in a terminal: a row per module, moving, with what is left and until when.

It shows what the ledger says and decides nothing; a poll that fails leaves the last figures standing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from clientsync.errors import WarehouseError
from clientsync.reports.summary import ModuleSummary, read_summary
from clientsync.reports.words import lasting


@dataclass(frozen=True)
class ModuleProgress:
    """How far one module is.

    Attributes:
        total, ended: units.
        failing: ended units that are not done, whatever they wait for.
    """

    title: str
    total: int
    ended: int
    rows: int
    calls: int
    failing: int


def progress_of(module: ModuleSummary) -> ModuleProgress:
    """Return the progress of one module of a summary."""
    return ModuleProgress(
        title=module.title,
        total=module.units,
        ended=module.units - module.unfinished,
        rows=module.rows_loaded,
        calls=module.calls,
        failing=module.not_done - module.unfinished,
    )


def read_progress(engine: Engine, run_id: str) -> list[ModuleProgress]:
    """Return how far every module of a run is.

    Raises:
        UnknownName: no such run.
    """
    return [progress_of(module) for module in read_summary(engine, run_id).modules]


def seconds_left(ended: int, total: int, elapsed: float) -> float | None:
    """Return how long the rest takes at the pace so far; None while there is no pace, 0 at the end."""
    if total <= ended:
        return 0.0
    if ended <= 0 or elapsed <= 0:
        return None
    return elapsed / ended * (total - ended)


class LiveView:
    """Redraws the progress of a run until it is closed; use it with ``with``."""

    def __init__(
        self,
        read: Callable[[], Sequence[ModuleProgress]],
        *,
        console: Console | None = None,
        title: str = "",
        seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember what to poll (``read``) and how often; nothing is drawn yet."""
        self._read = read
        self._title = title
        self._seconds = seconds
        self._clock = clock
        self._began = clock()
        self._last: Sequence[ModuleProgress] = ()
        self._ended = threading.Event()
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._thread = threading.Thread(target=self._work, name="live-view", daemon=True)

    def __enter__(self) -> LiveView:
        """Begin to draw."""
        self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End drawing and leave the terminal as it was."""
        self._ended.set()
        self._thread.join()
        self._live.stop()

    def draw(self) -> Group:
        """Poll and return what is to be seen now."""
        with suppress(WarehouseError):  # busy for the moment: the last figures stand
            self._last = self._read()
        return self._picture(self._clock() - self._began)

    def _work(self) -> None:
        while not self._ended.is_set():
            self._live.update(self.draw(), refresh=True)
            self._ended.wait(self._seconds)

    def _picture(self, elapsed: float) -> Group:
        table = Table(show_edge=False, header_style="bold", pad_edge=False)
        for name in ("module", "", "done", "rows", "calls", "not well", "left"):
            table.add_column(name, justify="left" if name in ("module", "") else "right")
        for row in self._last:
            table.add_row(*_cells(row, elapsed))
        total = sum(row.total for row in self._last)
        ended = sum(row.ended for row in self._last)
        left = seconds_left(ended, total, elapsed)
        foot = f"{ended} of {total} units, {lasting(elapsed)} so far"
        if left is not None and total:
            foot += f", about {lasting(left)} left"
        return Group(Text(self._title, style="bold"), table, Text(foot, style="dim"))


def _cells(row: ModuleProgress, elapsed: float) -> tuple[Any, ...]:
    left = seconds_left(row.ended, row.total, elapsed)
    return (
        Text(row.title),
        ProgressBar(total=max(row.total, 1), completed=row.ended, width=20),
        f"{row.ended}/{row.total}",
        f"{row.rows:,}",
        f"{row.calls:,}",
        Text(str(row.failing), style="red" if row.failing else ""),
        lasting(left) if left is not None else "…",
    )
