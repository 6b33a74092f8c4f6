"""The progress artifact of a run: moves while the run works, and says what is done in words."""

from __future__ import annotations

import logging
import threading
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectHTTPStatusError

from clientsync.ledger.runs import counts_of
from clientsync.outcomes import Outcome
from clientsync.sync.run import Run

logger = logging.getLogger("clientsync.progress")


class RunProgress:
    """Updates one progress artifact every few seconds until closed; a server that does not answer is no failure."""

    def __init__(self, run: Run, *, seconds: float = 2.0) -> None:
        """Create the artifact and start the thread that moves it."""
        self._run = run
        self._seconds = seconds
        self._ended = threading.Event()
        self._artifact = UUID(
            str(create_progress_artifact(0.0, key="sync-progress", description=self._words()[1]))
        )
        self._thread = threading.Thread(target=self._work, name="run-progress", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write the last figure and end the thread."""
        self._ended.set()
        self._thread.join()
        self._update()

    def _work(self) -> None:
        while not self._ended.wait(self._seconds):
            self._update()

    def _words(self) -> tuple[float, str]:
        counts = counts_of(self._run.services.engine, self._run.run_id)
        outcomes = {str(outcome) for outcome in Outcome}
        ended = sum(count for name, count in counts.items() if name in outcomes)
        total = sum(counts.values())
        shown = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))
        return (
            100.0 * ended / total if total else 100.0
        ), f"{ended} of {total} units ended: {shown or 'none'}"

    def _update(self) -> None:
        share, words = self._words()
        try:
            update_progress_artifact(self._artifact, progress=share, description=words)
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            logger.warning("the progress artifact was not updated now: %s", type(error).__name__)
