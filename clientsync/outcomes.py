"""The closed set of outcomes of a unit, and what each one makes happen next.

A unit is client x module x period. Its outcome alone decides when it is tried again; nothing else in
the program may decide that. ``NEXT_TRY`` holds the rule and ``WORDS`` what an operator reads.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a unit ended."""

    LOADED = "loaded"
    UNCHANGED = "unchanged"
    EMPTY = "empty"
    NOT_ASKED = "not_asked"
    QUEUED = "queued"
    TOO_EARLY = "too_early"
    NOT_GENERATED = "not_generated"
    NOT_APPLICABLE = "not_applicable"
    NEEDS_PERSON = "needs_person"
    TRANSIENT = "transient"
    SUSPECT = "suspect"
    BROKEN = "broken"
    CANCELLED = "cancelled"

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do before the next schedule."""
        return self in DONE


class UnitState(StrEnum):
    """Where a unit stands while it is worked on; ``ENDED`` units carry an outcome."""

    PLANNED = "planned"
    RUNNING = "running"
    STAGED = "staged"
    ENDED = "ended"


class NextTry(StrEnum):
    """What decides when a unit is tried again."""

    NEXT_SCHEDULE = "next schedule"
    WHEN_SOURCE_SAID = "when the source said"
    WHEN_POSSIBLE = "the date it becomes possible"
    NEVER = "never"
    AFTER_ANSWER = "when the person has answered"
    BACK_OFF = "after a back-off, then as a scheduled run"
    AFTER_RELEASE = "when a person releases it"
    AFTER_FIX = "after a fix"
    ON_RESUME = "on resume"


DONE = frozenset(
    {Outcome.LOADED, Outcome.UNCHANGED, Outcome.EMPTY, Outcome.NOT_ASKED, Outcome.NOT_APPLICABLE}
)

NEXT_TRY: dict[Outcome, NextTry] = {
    Outcome.LOADED: NextTry.NEXT_SCHEDULE,
    Outcome.UNCHANGED: NextTry.NEXT_SCHEDULE,
    Outcome.EMPTY: NextTry.NEXT_SCHEDULE,
    Outcome.NOT_ASKED: NextTry.NEXT_SCHEDULE,
    Outcome.QUEUED: NextTry.WHEN_SOURCE_SAID,
    Outcome.TOO_EARLY: NextTry.WHEN_POSSIBLE,
    Outcome.NOT_GENERATED: NextTry.WHEN_POSSIBLE,
    Outcome.NOT_APPLICABLE: NextTry.NEVER,
    Outcome.NEEDS_PERSON: NextTry.AFTER_ANSWER,
    Outcome.TRANSIENT: NextTry.BACK_OFF,
    Outcome.SUSPECT: NextTry.AFTER_RELEASE,
    Outcome.BROKEN: NextTry.AFTER_FIX,
    Outcome.CANCELLED: NextTry.ON_RESUME,
}

WORDS: dict[Outcome, str] = {
    Outcome.LOADED: "loaded",
    Outcome.UNCHANGED: "the source had the same rows",
    Outcome.EMPTY: "the source says it has none",
    Outcome.NOT_ASKED: "not asked: nothing can have changed since it was last read",
    Outcome.QUEUED: "the source is building a file",
    Outcome.TOO_EARLY: "asked before the date on which the law makes it available",
    Outcome.NOT_GENERATED: "the portal has not produced the statement",
    Outcome.NOT_APPLICABLE: "does not apply to this client and period",
    Outcome.NEEDS_PERSON: "waits for a person",
    Outcome.TRANSIENT: "the source failed for the moment",
    Outcome.SUSPECT: "the answer looks wrong and was not loaded",
    Outcome.BROKEN: "the source refused or changed its contract",
    Outcome.CANCELLED: "stopped before it was done",
}

# Worst last: the outcome of a group of units is the worst of its members.
SEVERITY: tuple[Outcome, ...] = (
    Outcome.NOT_APPLICABLE,
    Outcome.NOT_ASKED,
    Outcome.EMPTY,
    Outcome.UNCHANGED,
    Outcome.LOADED,
    Outcome.TOO_EARLY,
    Outcome.QUEUED,
    Outcome.NOT_GENERATED,
    Outcome.CANCELLED,
    Outcome.TRANSIENT,
    Outcome.NEEDS_PERSON,
    Outcome.SUSPECT,
    Outcome.BROKEN,
)


def worst(outcomes: list[Outcome]) -> Outcome:
    """Return the outcome that stands for all of them.

    Raises:
        ValueError: ``outcomes`` is empty.
    """
    if not outcomes:
        raise ValueError("no outcomes to compare")
    return max(outcomes, key=SEVERITY.index)
