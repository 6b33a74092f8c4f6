"""Invariants of loading over random nights: order, duplication and repetition never change what is stored."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from clientsync.outcomes import Outcome
from clientsync.spec.module import Record
from clientsync.staged import Breach
from clientsync.warehouse.schema import warehouse_table
from tests.support.demo_warehouse import INVOICES, House, answer, invoice, make_house

CORE = warehouse_table(INVOICES).core
HISTORY = warehouse_table(INVOICES).history
QUIET = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

numbers = st.sampled_from(["1", "2", "3", "4", "5"])
rows = st.dictionaries(numbers, st.integers(0, 3), max_size=5)
Night = dict[str, int]


@contextmanager
def new_house() -> Iterator[House]:
    with tempfile.TemporaryDirectory() as folder:
        house = make_house(f"sqlite:///{folder}/warehouse.db")
        try:
            yield house
        finally:
            house.engine.dispose()


def records(night: Night, section: str = "b2b") -> list[Record]:
    return [invoice(number, paise, section=section) for number, paise in night.items()]


@QUIET
@given(night=rows, data=st.data())
def test_any_order_and_repetition_of_an_answer_ends_the_same(night: Night, data: st.DataObject) -> None:
    straight = records(night)
    repeated = data.draw(st.lists(st.sampled_from(straight), max_size=5)) if straight else []
    shuffled = data.draw(st.permutations(straight + repeated))
    with new_house() as one, new_house() as other:
        one.load(one.unit(answer(*straight)))
        (result,) = other.load(other.unit(answer(*shuffled)))
        assert one.invoices() == other.invoices()
        assert result.rows_in == result.rows_loaded + result.rows_quarantined


@QUIET
@given(nights=st.lists(rows, min_size=1, max_size=4), in_one_batch=st.booleans())
def test_batches_and_single_loads_of_the_same_units_end_the_same(
    nights: list[Night], in_one_batch: bool
) -> None:
    with new_house() as house:
        units = [house.unit(answer(*records(night))) for night in nights]
        if in_one_batch:
            house.load(*units)
        else:
            for unit in units:
                house.load(unit)
        assert {key[3]: paise for key, paise in house.invoices().items()} == nights[-1]


@QUIET
@given(
    night=st.lists(st.tuples(numbers, st.one_of(st.integers(0, 2), st.text(max_size=3))), max_size=12),
    rejected=st.sets(st.integers(0, 11)),
)
def test_every_row_is_loaded_or_held(night: list[tuple[str, int | str]], rejected: set[int]) -> None:
    with new_house() as house:
        cells = answer(*(Record(INVOICES.name, _values(number, paise)) for number, paise in night))
        unit = house.unit(cells)
        breaches = [
            Breach(unit.unit_id, "b2b", number, "DEMO-01", "wrong", "reject_row")
            for number in rejected
            if number < len(night)
        ]
        (result,) = house.load(unit, breaches=breaches)
        assert len(house.held()) == result.rows_quarantined
        if result.outcome is not Outcome.SUSPECT:
            assert result.rows_in == len(night) == result.rows_loaded + result.rows_quarantined
            assert result.rows_loaded == result.inserted + result.updated + result.unchanged
            assert len(house.invoices()) == result.inserted


def _values(number: str, paise: int | str) -> dict[str, object]:
    return {"period": "102026", "section": "b2b", "number": number, "taxable_paise": paise}


class Nights(RuleBasedStateMachine):
    """Random loads of two clients and two sections against a model that is a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._context = new_house()
        self.house = self._context.__enter__()
        self.model: dict[tuple[str, str, str, str], int] = {}
        self.past: list[tuple[datetime, dict[tuple[str, str, str, str], int]]] = []

    def teardown(self) -> None:
        self._context.__exit__(None, None, None)

    @rule(client=st.sampled_from(["C1", "C2"]), section=st.sampled_from(["b2b", "cdn"]), night=rows)
    def load(self, client: str, section: str, night: Night) -> None:
        cell = answer(*records(night, section), section=section)
        (result,) = self.house.load(self.house.unit(cell, client=client))
        before = {key: paise for key, paise in self.model.items() if key[0] == client and key[2] == section}
        after = {(client, "102026", section, number): paise for number, paise in night.items()}
        for key in before:
            del self.model[key]
        self.model |= after
        assert result.inserted == len(after.keys() - before.keys())
        assert result.removed == len(before.keys() - after.keys())
        assert result.updated == sum(before[key] != after[key] for key in before.keys() & after.keys())
        self.past.append((self.house.night, dict(self.model)))

    @rule()
    def load_the_same_again(self) -> None:
        stored, history = self.house.rows(CORE), self.house.rows(HISTORY)
        for client in ("C1", "C2"):
            night = {
                key[3]: paise for key, paise in self.model.items() if key[0] == client and key[2] == "b2b"
            }
            self.house.load(self.house.unit(answer(*records(night)), client=client))
        assert (self.house.rows(CORE), self.house.rows(HISTORY)) == (stored, history)

    @rule()
    def a_stale_holder_tries(self) -> None:
        unit = self.house.unit(answer(invoice("1", 99)), fence=0)
        assert self.house.load(unit)[0].outcome is Outcome.CANCELLED

    @invariant()
    def the_warehouse_is_the_model(self) -> None:
        if self.past:
            assert self.house.invoices() == self.model

    @invariant()
    def every_past_night_reads_as_it_was_left(self) -> None:
        for moment, model in self.past[-4:]:
            assert self.house.invoices(moment) == model


def test_the_warehouse_follows_any_sequence_of_nights_and_remembers_each() -> None:
    run_state_machine_as_test(
        Nights,
        settings=settings(
            max_examples=15,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
