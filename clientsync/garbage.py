"""How often the garbage collector looks through a process that makes many rows."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_RARELY = (100_000, 20, 100)
"""Thresholds within the block; what nobody holds is freed at once anyway.

With Python's own of 700 new objects it looked through a batch again and again while its documents were opened.
"""


@dataclass
class _Blocks:
    """The blocks that are under way in this process, and the thresholds from before the first of them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    open: int = 0
    before: tuple[int, int, int] = (0, 0, 0)


_blocks = _Blocks()


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Let the collector run rarely within the block, and never look at what was there before it.

    Blocks may be nested, or run in several threads; the last one that ends leaves all as it was.
    """
    with _blocks.lock:
        if not _blocks.open:
            _blocks.before = gc.get_threshold()
            gc.freeze()
            gc.set_threshold(*_RARELY)
        _blocks.open += 1
    try:
        yield
    finally:
        with _blocks.lock:
            _blocks.open -= 1
            if not _blocks.open:
                gc.set_threshold(*_blocks.before)
                gc.unfreeze()
