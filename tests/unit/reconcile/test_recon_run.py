"""R14, the run of all reconciliations, the history of exceptions, and what holds for any inputs."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.errors import InvalidInput
from clientsync.outcomes import DONE, Outcome
from clientsync.reconcile.result import State, Status, merge_history
from clientsync.reconcile.tds.challans import portal_and_books, portal_and_traces
from clientsync.reconcile.tds.codes import CODES
from clientsync.reconcile.tds.coverage import coverage, of_units
from clientsync.reconcile.tds.inputs import DeductorInputs, DemandSnapshot, FormProfile, ModuleState
from clientsync.reconcile.tds.run import MODULES_NEEDED, RECONS, reconcile_deductor
from tests.unit.reconcile.tds_rows import (
    CLIENT,
    PAID,
    Q4,
    balance,
    book,
    booked,
    certificate,
    claim,
    deductee,
    demanded,
    line,
    notice,
    portal,
    record,
    statement,
    statuses,
    use,
)

NOW = date(2026, 11, 20)
MODULES = tuple(sorted({module for needed in MODULES_NEEDED.values() for module in needed}))


def _state(module: str = "challans", **given: Any) -> ModuleState:
    facts = {"outcome": Outcome.LOADED, "fetched_rows": 1, "declared_rows": 1, **given}
    return ModuleState(CLIENT, module, **facts)


def _inputs(**given: Any) -> DeductorInputs:
    facts: dict[str, Any] = {
        "asked": MODULES,
        "states": tuple(_state(module) for module in MODULES),
        "has_books": True,
        "portal_challans": (portal(),),
        "balances": (balance(),),
        "claims": (claim(),),
        "book_challans": (book(),),
        "file_challans": (record(),),
        "file_deductees": (deductee(),),
        "book_deductions": (booked(),),
        "statements": (statement(),),
        "profiles": (FormProfile(CLIENT, "26Q", Q4, Q4),),
        "demand": DemandSnapshot(NOW),
        "demand_before": DemandSnapshot(date(2026, 10, 20)),
    }
    return DeductorInputs(CLIENT, NOW, **{**facts, **given})


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([_state()], "COVERED"),
        ([_state(declared_rows=None)], "COVERED"),
        ([_state(outcome=Outcome.EMPTY, fetched_rows=0, declared_rows=0)], "COVERED_NO_DATA"),
        ([_state(declared_rows=2)], "MODULE_PARTIAL"),
        ([_state(outcome=Outcome.EMPTY, fetched_rows=0, declared_rows=1)], "MODULE_PARTIAL"),
        ([_state(outcome=Outcome.TRANSIENT)], "MODULE_NOT_ENDED"),
        ([_state(outcome=Outcome.NEEDS_PERSON, code="NOT_ENTITLED")], "MODULE_NOT_ENTITLED"),
        ([], "MODULE_NO_STATE"),
        ([_state(), _state()], "MODULE_TWICE"),
    ],
)
def test_r14_puts_each_module_into_one_bucket(states: list[ModuleState], status: str) -> None:
    found = coverage([(CLIENT, "challans")], states)
    assert statuses(found.rows) == [status]
    assert bool(found.complete) is status.startswith("COVERED")


def test_r14_lets_no_quarter_make_good_for_another() -> None:
    units = [_state(fetched_rows=1, declared_rows=2), _state(fetched_rows=2, declared_rows=1)]
    assert statuses(coverage([(CLIENT, "challans")], [of_units(CLIENT, "challans", units)]).rows) == [
        "MODULE_PARTIAL"
    ]


def test_all_is_clean_when_all_agrees_and_all_came() -> None:
    result = reconcile_deductor(_inputs())
    assert [one.recon for one in result.reconciliations] == ["R14", *RECONS]
    assert (result.state, result.exceptions) == (State.CLEAN, ())


@given(module=st.sampled_from(MODULES), outcome=st.sampled_from(list(Outcome)), declared=st.integers(0, 2))
def test_nothing_that_needs_a_partial_module_is_clean(module: str, outcome: Outcome, declared: int) -> None:
    rest = tuple(_state(one) for one in MODULES if one != module)
    state = _state(module, outcome=outcome, declared_rows=declared)
    result = reconcile_deductor(_inputs(states=(*rest, state)))
    is_whole = outcome in DONE - {Outcome.EMPTY, Outcome.NOT_APPLICABLE} and declared == 1
    for one in result.reconciliations[1:]:
        depends = module in MODULES_NEEDED[one.recon]
        assert (one.state is State.INCOMPLETE) is (depends and not is_whole)


def test_inputs_that_were_not_handed_in_are_not_taken_for_empty() -> None:
    result = reconcile_deductor(_inputs(has_books=False, book_challans=(), book_deductions=()))
    states = {one.recon: one for one in result.reconciliations}
    assert states["R1"].missing == ("books",)
    assert states["R1"].exceptions == ()
    assert statuses(states["R1"].rows) == ["NOT_IN_BOOKS"]
    assert states["R6"].state is State.INCOMPLETE


def test_rows_of_another_client_and_repeated_row_ids_are_refused() -> None:
    with pytest.raises(InvalidInput):
        reconcile_deductor(_inputs(portal_challans=(portal(client_id="C2"),)))
    with pytest.raises(InvalidInput):
        reconcile_deductor(_inputs(portal_challans=(portal(), portal())))


def test_an_exception_is_opened_closed_and_reopened_and_never_deleted() -> None:
    found = reconcile_deductor(_inputs(book_challans=())).exceptions
    day = [date(2026, 11, number) for number in (20, 21, 22)]
    first = merge_history((), found, day[0])
    assert merge_history(first, found, day[0]) == first
    closed = merge_history(first, (), day[1])
    assert [(one.status, one.last_seen) for one in closed] == [(Status.CLOSED, day[0])]
    back = merge_history(closed, found, day[2])
    assert [(one.status, one.first_seen, one.last_seen) for one in back] == [
        (Status.REOPENED, day[0], day[2])
    ]
    assert merge_history(back, found, day[2]) == back


def test_an_exception_is_not_closed_by_a_run_that_could_not_see() -> None:
    first = merge_history((), reconcile_deductor(_inputs(book_challans=())).exceptions, NOW)
    assert merge_history(first, (), NOW, {(CLIENT, "R1")}) == first


def _many() -> DeductorInputs:
    rich = _inputs(
        portal_challans=tuple(portal(row_id=str(n), serial=str(n % 3)) for n in range(6)),
        balances=tuple(balance(row_id=str(n), serial=str(n % 4), available_paise=n * 60) for n in range(6)),
        claims=tuple(claim(row_id=str(n), serial=str(n % 5), claimed_paise=n) for n in range(6)),
        book_challans=tuple(book(row_id=str(n), serial=str(n % 4), amount_paise=n % 2) for n in range(6)),
        file_challans=tuple(record(row_id=str(n), record=n, serial=str(n % 2)) for n in range(4)),
        file_deductees=tuple(deductee(row_id=str(n), record=n % 5, tax_paise=n) for n in range(8)),
        book_deductions=tuple(booked(row_id=str(n), tax_paise=n % 3) for n in range(8)),
        certificates=(certificate(), certificate(row_id="2", number="2222BB222B")),
        certificate_uses=tuple(use(row_id=str(n), amount_paise=10_000_000 + n) for n in range(7)),
        notices=tuple(notice(row_id=str(n)) for n in range(3)),
        demand=DemandSnapshot(NOW, quarters=(demanded(),), lines=(line(), line(row_id="2", form="24Q"))),
    )
    return replace(rich, demand_before=DemandSnapshot(PAID, lines=(line(payable_paise=7),)))


@settings(max_examples=25)
@given(random=st.randoms(use_true_random=False))
def test_the_order_of_the_inputs_never_matters(random: Any) -> None:
    inputs = _many()
    shuffled: dict[str, Any] = {}
    for one in fields(inputs):
        value = getattr(inputs, one.name)
        if isinstance(value, tuple):
            shuffled[one.name] = tuple(random.sample(value, len(value)))
    assert reconcile_deductor(replace(inputs, **shuffled)) == reconcile_deductor(inputs)


_serials = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=12)


@given(paid=_serials, entered=_serials, held=_serials)
def test_every_challan_is_in_one_bucket_and_totals_conserve(
    paid: list[tuple[int, int]], entered: list[tuple[int, int]], held: list[tuple[int, int]]
) -> None:
    portals = [portal(row_id=str(n), serial=str(s), amount_paise=a) for n, (s, a) in enumerate(paid)]
    books = [book(row_id=str(n), serial=str(s), amount_paise=a) for n, (s, a) in enumerate(entered)]
    traces = [balance(row_id=str(n), serial=str(s), amount_paise=a) for n, (s, a) in enumerate(held)]
    r1, r2 = portal_and_books(portals, books), portal_and_traces(portals, traces, NOW)
    for rows, other, name in ((r1, books, "books"), (r2, traces, "traces")):
        evidence = Counter(one for row in rows for one in row.evidence)
        expected = [f"portal:{one.row_id}" for one in portals] + [f"{name}:{one.row_id}" for one in other]
        assert evidence == Counter(expected)
    assert sum(row.left for row in r1 if isinstance(row.left, int)) == sum(one.amount_paise for one in books)
    assert sum(row.right for row in r1 if isinstance(row.right, int)) == sum(
        one.amount_paise for one in portals
    )


@given(
    before=st.dictionaries(st.sampled_from(["24Q", "26Q", "27Q"]), st.integers(0, 9)),
    now=st.dictionaries(st.sampled_from(["24Q", "26Q", "27Q"]), st.integers(0, 9)),
)
def test_opening_and_movement_make_closing(before: dict[str, int], now: dict[str, int]) -> None:
    old, new = (
        tuple(line(row_id=form, form=form, payable_paise=paise) for form, paise in lines.items())
        for lines in (before, now)
    )
    inputs = _inputs(demand=DemandSnapshot(NOW, lines=new), demand_before=DemandSnapshot(PAID, lines=old))
    rows = next(one.rows for one in reconcile_deductor(inputs).reconciliations if one.recon == "R10")
    moved = sum(row.difference_paise or 0 for row in rows)
    assert sum(before.values()) + moved == sum(now.values())


def _calls(size: int) -> int:
    made = range(size)
    inputs = _inputs(
        portal_challans=tuple(portal(row_id=str(n), serial=str(n)) for n in made),
        balances=tuple(balance(row_id=str(n), serial=str(n)) for n in made),
        claims=tuple(claim(row_id=str(n), serial=str(n)) for n in made),
        book_challans=tuple(book(row_id=str(n), serial=str(n)) for n in made),
        file_challans=tuple(record(row_id=str(n), record=n, serial=str(n)) for n in made),
        file_deductees=tuple(deductee(row_id=str(n), record=n) for n in made),
        book_deductions=tuple(booked(row_id=str(n)) for n in made),
        certificate_uses=tuple(use(row_id=str(n)) for n in made),
    )
    count = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        reconcile_deductor(inputs)
    finally:
        sys.setprofile(None)
    return count


def test_twice_the_rows_take_twice_the_calls() -> None:
    assert _calls(400) < 2.2 * _calls(200)


def test_the_page_lists_every_status_and_its_reconciliation() -> None:
    page = Path("docs/tds-reconciliations.md").read_text(encoding="utf-8")
    missing = [status for status in CODES if f"`{status}`" not in page]
    assert missing == []
    assert all(f"## {recon} " in page for recon in ("R14", *RECONS))
