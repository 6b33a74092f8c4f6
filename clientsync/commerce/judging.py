"""Which documents may be sent now, and why each of the others may not: one pass over the graph of needs.

A document is held when something that it needs is not done. Its reason names the need it waits for and, through
however many others, the root: the document that something is wrong with. Where several things are missing, one whose
root is broken is named before one that only takes its turn, the oldest first.

Source: the step of the ledger in the design of commerce synchronisation; 100,000 documents with three needs each are
judged in one pass without recursion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clientsync.commerce import reasons
from clientsync.commerce.documents import DONE, State
from clientsync.commerce.reasons import NONE, Reason

JUDGED = frozenset({State.RECEIVED, State.WAITING, State.HELD, State.READY})
"""States of which judging decides; a document in another one stays in it, whatever it needs."""
BROKEN = frozenset({State.FAILED, State.EXPECTED})
"""States that do not end by themselves."""

Age = tuple[Any, ...]
"""Business moment, rank of the type, id in the source: the order in which documents are sent."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What judging is told about a document.

    Attributes:
        age: see ``Age``.
        needs: ids of documents; ids that nothing is told about count as done.
        reason: its own reason, of a document that is broken or under way.
        eligible_at: before this moment it is not sent; None: nobody knows yet when it may be.
        root: of a document that is held and is not judged now.
    """

    doc_id: int
    age: Age
    title: str
    state: State
    needs: tuple[int, ...] = ()
    reason: Reason = NONE
    eligible_at: datetime | None = None
    root: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about a document.

    Attributes:
        state: HELD, WAITING, READY, or FAILED for a member of a circle.
        blocker: what it waits for.
        root: what that waits for in the end; the blocker itself when it waits for nothing.
    """

    state: State
    reason: Reason = NONE
    blocker: int | None = None
    root: int | None = None


def judge(
    known: Mapping[int, Standing], at: datetime, ids: Collection[int] | None = None
) -> dict[int, Verdict]:
    """Return the verdict about each document whose state is in ``JUDGED``.

    Args:
        known: documents by id: those to judge, what they need that is not done, and the roots of that.
        at: the moment.
        ids: only these are judged, what the others wait for is known; None: all.
    """
    chosen = set(known if ids is None else ids)
    judged = {one for one in chosen if known[one].state in JUDGED}
    undone = {one.doc_id for one in known.values() if one.state not in DONE}
    waits_for = {one: [need for need in known[one].needs if need in undone] for one in judged}
    dependants: dict[int, list[int]] = {}
    left = dict.fromkeys(judged, 0)
    for doc_id, unmet in waits_for.items():
        for need in unmet:
            if need in judged:
                left[doc_id] += 1
                dependants.setdefault(need, []).append(doc_id)
    passing = _Pass(known, waits_for, dependants, left, at)
    passing.run([one for one, count in left.items() if not count])
    if len(passing.verdicts) < len(judged):
        members = _circles({one: waits_for[one] for one in judged if one not in passing.verdicts})
        names = ", ".join(known[one].title for one in sorted(members, key=lambda one: known[one].age)[:5])
        passing.verdicts.update(dict.fromkeys(members, Verdict(State.FAILED, reasons.in_a_circle(names))))
        passing.run([freed for one in members for freed in passing.freed_by(one) if freed not in members])
    return passing.verdicts


class _Pass:
    """One pass: a document is judged when everything that it needs is."""

    def __init__(
        self,
        known: Mapping[int, Standing],
        waits_for: Mapping[int, list[int]],
        dependants: Mapping[int, list[int]],
        left: dict[int, int],
        at: datetime,
    ) -> None:
        self.verdicts: dict[int, Verdict] = {}
        self._known, self._waits_for, self._dependants = known, waits_for, dependants
        self._left, self._at = left, at

    def run(self, begin: Iterable[int]) -> None:
        """Judge documents that wait for nothing unjudged, and those that become so by it."""
        stack = list(begin)
        while stack:
            doc_id = stack.pop()
            unmet = self._waits_for[doc_id]
            self.verdicts[doc_id] = self._held(unmet) if unmet else _timed(self._known[doc_id], self._at)
            stack.extend(one for one in self.freed_by(doc_id) if one not in self.verdicts)

    def freed_by(self, doc_id: int) -> list[int]:
        """Return the documents for which this one was the last that was not judged."""
        freed = []
        for dependant in self._dependants.get(doc_id, ()):
            self._left[dependant] -= 1
            if not self._left[dependant]:
                freed.append(dependant)
        return freed

    def _held(self, unmet: Iterable[int]) -> Verdict:
        blocker = min(
            unmet, key=lambda need: (not self._is_broken(self._root_of(need)), self._known[need].age)
        )
        root = self._root_of(blocker)
        return Verdict(State.HELD, self._reason(blocker, root), blocker, root)

    def _root_of(self, need: int) -> int:
        found = self.verdicts.get(need)
        if found is not None:
            return need if found.root is None else found.root
        stored = self._known[need].root
        return need if stored is None or self._known[need].state is not State.HELD else stored

    def _is_broken(self, doc_id: int) -> bool:
        found = self.verdicts.get(doc_id)
        return (self._known[doc_id].state in BROKEN) if found is None else found.state is State.FAILED

    def _reason(self, blocker: int, root: int) -> Reason:
        end = self._known[root]
        found = self.verdicts.get(root)
        stored = NONE if end.state is State.READY else end.reason
        own = stored if found is None else found.reason
        through = self._known[blocker].title if root != blocker else ""
        if end.state is State.EXPECTED:
            return reasons.needs_not_received(end.title, through, own.text)
        if self._is_broken(root):
            return reasons.needs_failed(end.title, own.text, through)
        return reasons.needs_not_synced(end.title, own.text, through)


def _timed(one: Standing, at: datetime) -> Verdict:
    if one.eligible_at is not None and one.eligible_at <= at:
        return Verdict(State.READY)
    return Verdict(State.WAITING, one.reason)


def _circles(waits_for: Mapping[int, list[int]]) -> set[int]:
    """Return the documents that need themselves, through whatever others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    place = {one: number for number, one in enumerate(waits_for)}
    edges = [(place[one], place[need]) for one, needs in waits_for.items() for need in needs if need in place]
    rows, columns = zip(*edges, strict=True)
    graph = coo_array(([1] * len(edges), (rows, columns)), shape=(len(place), len(place)))
    _, labels = connected_components(graph, directed=True, connection="strong")
    sizes: dict[int, int] = {}
    for label in labels:
        sizes[int(label)] = sizes.get(int(label), 0) + 1
    itself = {one for one, needs in waits_for.items() if one in needs}
    return itself | {one for one, number in place.items() if sizes[int(labels[number])] > 1}
