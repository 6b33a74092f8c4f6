"""While rows are made, the garbage collector runs rarely; afterwards as before."""

from __future__ import annotations

import gc
from threading import Barrier, Thread

import pytest

from clientsync.garbage import collected_rarely


def test_the_collector_runs_rarely_within_the_block_and_as_before_after_it() -> None:
    before = gc.get_threshold()
    with collected_rarely():
        assert gc.get_threshold()[0] > 100 * before[0]
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_an_error_in_the_block_leaves_the_collector_as_it_was() -> None:
    before = gc.get_threshold()
    with pytest.raises(RuntimeError), collected_rarely():
        raise RuntimeError
    assert gc.get_threshold() == before


def test_the_last_of_several_blocks_leaves_the_collector_as_it_was() -> None:
    before = gc.get_threshold()
    entered, first_left = Barrier(2), Barrier(2)
    within = []

    def first() -> None:
        with collected_rarely():
            entered.wait(10)
        first_left.wait(10)

    def second() -> None:
        with collected_rarely():
            entered.wait(10)
            first_left.wait(10)
            within.append(gc.get_threshold())

    threads = [Thread(target=first), Thread(target=second)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert within != [before]
    assert gc.get_threshold() == before


def test_what_holds_itself_is_collected_at_last() -> None:
    class Ring:
        def __init__(self) -> None:
            self.self = self

    with collected_rarely():
        rings = gc.get_threshold()[0] * 2
        for _ in range(rings):
            Ring()
        left = sum(isinstance(one, Ring) for one in gc.get_objects())
    assert left < rings
