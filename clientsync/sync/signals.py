"""SIGTERM and ctrl-c ask a run to stop; units that are not done end as cancelled and can be re-synced.

A second ctrl-c ends the process at once, as Python does by itself.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` on the first signal within the block; outside the main thread signals are left alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {int(number): signal.getsignal(number) for number in NUMBERS}

    def ask_to_stop(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[number] or signal.SIG_DFL)

    for number in NUMBERS:
        signal.signal(number, ask_to_stop)
    try:
        yield
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler or signal.SIG_DFL)
