"""The loading line: staged units of many threads are validated and loaded in batches by one writer.

Validation costs a fixed time per table whatever the row count, and one transaction per batch keeps a single
writer; so units wait a moment for company. A unit's future is resolved only after its transaction committed.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from clientsync.crash import crash_point
from clientsync.registry import tables
from clientsync.spec.module import TableSpec
from clientsync.staged import LoadResult, StagedUnit
from clientsync.sync.services import Services
from clientsync.warehouse.loading import load_batch

logger = logging.getLogger("clientsync.loading")
_GLANCE = 0.05
"""Seconds after which the writer looks whether anything is still being fetched."""


def load_units(services: Services, units: Sequence[StagedUnit]) -> list[LoadResult]:
    """Validate and load units as one batch, in one transaction; results in the order of ``units``."""
    known: dict[str, TableSpec] = {}
    for name in {unit.connector for unit in units}:
        known.update(tables(name))
    return _load(services, units, known)


def _load(
    services: Services, units: Sequence[StagedUnit], known: Mapping[str, TableSpec]
) -> list[LoadResult]:
    breaches = services.validate(units, known)
    crash_point("after_validate")
    return load_batch(
        services.engine,
        units,
        breaches,
        known,
        now=services.now(),
        max_bad_share=services.settings.max_bad_share,
        released=services.released,
    )


@dataclass
class _Waiting:
    unit: StagedUnit
    future: Future[LoadResult]
    rows: int
    since: float


class LoadingLine:
    """One writer thread; ``submit`` from any thread.

    A batch is closed when it holds ``rows_per_batch`` rows, when nothing is being fetched any more, when nothing
    has arrived for ``quiet_seconds``, or when its oldest unit has waited ``batch_seconds``; what has arrived by then
    still goes with it. Units wait while others are fetched, so a short wait keeps the portal and the writer busy at
    the same time.
    """

    def __init__(self, services: Services, connector_name: str, *, quiet_seconds: float = 0.4) -> None:
        """Start the writer thread."""
        self._services = services
        self._tables = tables(connector_name)
        self._quiet = quiet_seconds
        self._queue: queue.Queue[_Waiting | None] = queue.Queue()
        self._fetching = 0
        self._guard = threading.Lock()
        self.batches = 0
        self._thread = threading.Thread(target=self._work, name="loading-line", daemon=True)
        self._thread.start()

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Say that units may still be submitted within the block, so that a batch waits for them."""
        with self._guard:
            self._fetching += 1
        try:
            yield
        finally:
            with self._guard:
                self._fetching -= 1

    def submit(self, unit: StagedUnit) -> Future[LoadResult]:
        """Hand a staged unit over; the future resolves after its transaction committed."""
        future: Future[LoadResult] = Future()
        rows = sum(len(cell.records) for cell in unit.cells)
        self._queue.put(_Waiting(unit, future, rows, time.monotonic()))
        return future

    def close(self) -> None:
        """Load what waits, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> LoadingLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        self._warm_up()
        ended = False
        while not ended:
            first = self._queue.get()
            if first is None:
                return
            batch = [first]
            rows = first.rows
            limit = self._services.settings
            newest = time.monotonic()
            while rows < limit.rows_per_batch:
                left = min(newest + self._quiet, first.since + limit.batch_seconds) - time.monotonic()
                try:
                    item = (
                        self._queue.get(timeout=min(left, _GLANCE)) if left > 0 else self._queue.get_nowait()
                    )
                except queue.Empty:
                    if left > 0 and self._fetching:
                        continue
                    break
                if item is None:
                    ended = True
                    break
                newest = time.monotonic()
                batch.append(item)
                rows += item.rows
            self._finish(batch)

    def _warm_up(self) -> None:
        """Let the validator import what it needs while the first units are being fetched."""
        try:
            self._services.validate((), self._tables)
        except Exception:  # the first batch meets the same error and hands it to its units
            logger.debug("the validator could not be warmed up", exc_info=True)

    def _finish(self, batch: list[_Waiting]) -> None:
        self.batches += 1
        try:
            results = _load(self._services, [item.unit for item in batch], self._tables)
        except BaseException as error:  # noqa: BLE001 - every waiting thread must learn of it and raise it
            for item in batch:
                item.future.set_exception(error)
            return
        for item, result in zip(batch, results, strict=True):
            item.future.set_result(result)
