"""R14: whether every module that was asked for ended, once, with all the rows its source declared.

Invariant: a module counts as complete only when R14 has put it into a bucket that says so; whatever is not proven
complete is incomplete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from clientsync.outcomes import Outcome, worst
from clientsync.reconcile.result import ReconRow, ordered
from clientsync.reconcile.tds.codes import result_row
from clientsync.reconcile.tds.inputs import ModuleState

NOT_ENTITLED = "NOT_ENTITLED"
"""Code of the error that says the TAN is not registered on that portal."""
_COMPLETE = frozenset({"COVERED", "COVERED_NO_DATA"})


@dataclass(frozen=True, slots=True)
class Coverage:
    """What R14 found.

    Attributes:
        rows: one row per (client, module) that was asked or that ended.
        complete: the (client, module) whose data is all there.
    """

    rows: tuple[ReconRow, ...]
    complete: frozenset[tuple[str, str]]

    def lacks(self, client_id: str, modules: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``modules`` that are not complete for a client, sorted."""
        return tuple(sorted(one for one in modules if (client_id, one) not in self.complete))


def of_units(client_id: str, module: str, units: Iterable[ModuleState]) -> ModuleState:
    """Join the units of one module (its quarters) into one state: the worst outcome, the rows added up.

    What is short or over in any unit adds up, so that one unit cannot make good for another; the declared rows are
    unknown when a unit does not declare them and nothing is short or over.

    Raises:
        ValueError: there are no units.
    """
    own = list(units)
    outcome = worst([one.outcome for one in own])
    code = next((one.code for one in own if one.outcome is outcome and one.code), "")
    fetched = sum(one.fetched_rows for one in own)
    off = sum(abs(one.declared_rows - one.fetched_rows) for one in own if one.declared_rows is not None)
    is_open = any(one.declared_rows is None for one in own)
    total = None if is_open and not off else fetched + off
    return ModuleState(client_id, module, outcome, fetched, total, code)


def coverage(asked: Iterable[tuple[str, str]], states: Iterable[ModuleState]) -> Coverage:
    """R14: put every (client, module) into one bucket.

    Args:
        asked: (client_id, module) that were asked for.
        states: how modules ended; a module of several units is joined by ``of_units`` first.
    """
    found: dict[tuple[str, str], list[ModuleState]] = defaultdict(list)
    for state in states:
        found[(state.client_id, state.module)].append(state)
    wanted = set(asked)
    rows: list[ReconRow] = []
    complete: set[tuple[str, str]] = set()
    for place in wanted | found.keys():
        own = found.get(place, [])
        status, why = _judge(own, is_asked=place in wanted)
        if status in _COMPLETE:
            complete.add(place)
        one = own[0] if len(own) == 1 else None
        rows.append(
            result_row(
                status,
                place[0],
                (place[1],),
                None if one is None or one.declared_rows is None else f"{one.declared_rows} rows",
                f"{one.fetched_rows} rows" if one is not None else None,
                why,
                evidence=tuple(sorted(f"state:{state.outcome.value}" for state in own)),
            )
        )
    return Coverage(ordered(rows), frozenset(complete))


def _judge(states: list[ModuleState], *, is_asked: bool) -> tuple[str, str]:
    if not states:
        return "MODULE_NO_STATE", "It was asked for and has no state."
    if len(states) > 1:
        return "MODULE_TWICE", f"It has {len(states)} states and may have one."
    state = states[0]
    if state.code == NOT_ENTITLED:
        return "MODULE_NOT_ENTITLED", "The portal does not know this client, so nothing was read."
    if not state.outcome.is_done:
        return "MODULE_NOT_ENDED", f"It stands at {state.outcome.value!r}, which is not an end."
    return _count(state, is_asked=is_asked)


def _count(state: ModuleState, *, is_asked: bool) -> tuple[str, str]:
    declared, fetched = state.declared_rows, state.fetched_rows
    is_empty = state.outcome in (Outcome.EMPTY, Outcome.NOT_APPLICABLE)
    if state.lacks:
        return "MODULE_PARTIAL", state.lacks
    if declared is not None and declared != fetched:
        return "MODULE_PARTIAL", f"The source declares {declared} rows and {fetched} came."
    if is_empty and fetched:
        return "MODULE_PARTIAL", f"The source says it has none and {fetched} rows came."
    if not is_asked:
        return "MODULE_NOT_ASKED", "It has a state and was not asked for."
    if is_empty:
        return "COVERED_NO_DATA", "The source says that it has none."
    total = "which it does not declare" if declared is None else "all that it declares"
    return "COVERED", f"{fetched} rows came, {total}."
