"""Customers and employees that two systems keep alike: previews, runs and an operator's decisions, in the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from prefect import flow, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from clientsync.errors import InvalidInput, SyncError
from clientsync.logins import person
from clientsync.records import running, window, working
from clientsync.records.executing import RecordSet, Undone
from clientsync.records.planning import CATEGORIES, Plan
from clientsync.records.running import Outcome
from clientsync.sync.record_sets import opened_set
from clientsync.sync.services import services_from_settings
from tasks.tables import publish_tables

Action = Literal[
    "resolve", "undo", "link", "unlink", "refuse", "create", "deactivate", "activate", "ignore", "take up again",
    "delete other", "recreate",
]  # fmt: skip


@flow(name="records-sync", flow_run_name="{set_name} {mode}", persist_result=False)
def records_sync(
    set_name: str, mode: Literal["preview", "apply"] = "preview", approve: str = ""
) -> State[Any]:
    """Read both sides of a set; preview shows the plan and writes nothing, apply carries it out.

    Args:
        set_name: Name of the set, from the settings.
        mode: preview writes nothing to either side.
        approve: Digest of a plan that may run in spite of its brakes; a preview shows it.
    """
    services = services_from_settings()
    try:
        with opened_set(services, set_name) as of:
            outcome = one_run(of, mode, approve)
            publish(of, outcome)
    except SyncError as error:
        return Failed(message=error.message, name=type(error).__name__)
    finally:
        services.close()
    return _state(outcome, mode)


def _state(outcome: Outcome, mode: str) -> State[Any]:
    counts = outcome.plan.counts
    said = (
        f"{outcome.done} of {len(outcome.plan.writes)} writes; {counts['conflict']} conflicts, {counts['new']} new, "
        f"{counts['deleted']} deleted. Plan {outcome.plan.hash}"
    )
    if outcome.is_braked and mode == "apply":
        return Failed(message=f"Nothing is written: {'; '.join(outcome.plan.brakes)}. {said}", name="Braked")
    if outcome.undone or outcome.refused:
        wrong = [f"{one.side} {one.ext_id}: {one.reason}" for one in outcome.undone]
        wrong += [f"{side} {place}: {reason}" for side, place, reason in outcome.refused]
        return Failed(message=f"{said}. Not done: {'; '.join(wrong)[:500]}", name="Incomplete")
    return Completed(
        message=said, name="WaitsForPerson" if counts["conflict"] or counts["deleted"] else "Completed"
    )


@task(name="records", task_run_name="{mode}", cache_policy=NO_CACHE, persist_result=False)
def one_run(of: RecordSet, mode: str, approve: str) -> Outcome:
    """Preview or run a set, with a progress artifact that moves with the writes."""
    if mode == "preview":
        return running.preview(of, actor=_person())
    progress: Any = create_progress_artifact(0.0, key="records-progress", description="reads both sides")

    def moved(done: int, all_: int) -> None:
        update_progress_artifact(progress, 100.0 * done / all_, description=f"{done} of {all_}")

    outcome = running.run(of, actor=_person(), approve=approve, progress=moved)
    update_progress_artifact(progress, 100.0, description="at its end")
    return outcome


def _person() -> str:
    return f"{person()}, by schedule or dashboard"


def publish(of: RecordSet, outcome: Outcome) -> None:
    """Leave the window as tables: counts, what waits for a person, each conflict field by field, suggestions."""
    found = outcome.plan
    tables = {
        "records-counts": [
            {"category": CATEGORIES[one], "records": number} for one, number in found.counts.items()
        ],
        "records-window": [
            row for name in CATEGORIES if name != "synchronized" for row in window.rows_of(found, name)
        ],
        "records-conflicts": _conflicts(found),
        "records-suggestions": [
            {"side a": one.a, "side b": one.b, "how sure": one.level, "reasons": "; ".join(one.reasons)}
            for one in window.suggestions(of)
        ],
        "records-refused": [
            {"side": side, "row": place, "reason": reason} for side, place, reason in outcome.refused
        ],
        "records-brakes": [{"brake": one, "approve with": found.hash} for one in found.brakes],
    }
    publish_tables({key: (rows, f"{of.name}: {key.partition('-')[2]}.") for key, rows in tables.items()})


def _conflicts(found: Plan) -> list[dict[str, Any]]:
    return [
        {"pair": row.link_id, "name": row.name, **one}
        for row in found.rows
        if row.category == "conflict"
        for one in window.fields_of(row)
    ]


@flow(name="records-decide", flow_run_name="{set_name} {action}", persist_result=False)
def records_decide(
    set_name: str,
    action: Action,
    pair: int = 0,
    side: Literal["", "a", "b"] = "",
    records: list[str] = [],  # noqa: B006 - Prefect reads the default into the form
    choices: dict[str, str] = {},  # noqa: B006
) -> State[Any]:
    """Carry out what an operator decided about a pair or a record, in both systems where it says so.

    Args:
        set_name: Name of the set.
        action: What to do.
        pair: Number of the pair, from the window.
        side: Of the records, for create, ignore and take up again.
        records: Ids of records; for link and refuse one of side a, then one of side b.
        choices: For resolve: field to a, b, keep, or : and a value.
    """
    services = services_from_settings()
    try:
        with opened_set(services, set_name) as of:
            done, undone = decide(of, action, pair, side, records, choices)
            publish(of, Outcome(running.planned(of)))
    except SyncError as error:
        return Failed(message=error.message, name=type(error).__name__)
    finally:
        services.close()
    if undone:
        return Failed(message="; ".join(f"{one.ext_id}: {one.reason}" for one in undone), name="Incomplete")
    return Completed(message=f"{done} done.")


@task(name="decide", task_run_name="{action}", cache_policy=NO_CACHE, persist_result=False)
def decide(
    of: RecordSet, action: str, pair: int, side: str, records: list[str], choices: dict[str, str]
) -> tuple[int, list[Undone]]:
    """Do one thing, and return how many writes were made and those that were not."""
    actor = _person()
    two = (*records, "", "")[:2]
    writing = {
        "resolve": lambda: working.resolve(of, pair, choices, actor=actor),
        "undo": lambda: working.undo(of, pair, actor=actor),
        "create": lambda: working.create_partners(of, [(side, one) for one in records], actor=actor),
        "delete other": lambda: working.delete_other(of, pair, actor=actor),
        "recreate": lambda: working.recreate(of, pair, actor=actor),
    }
    quiet: dict[str, Callable[[], object]] = {
        "link": lambda: working.link(of, *two, actor=actor),
        "refuse": lambda: working.refuse(of, *two, actor=actor),
        "unlink": lambda: working.unlink(of, pair, actor=actor),
        "deactivate": lambda: working.switch(of, pair, enabled=False, actor=actor),
        "activate": lambda: working.switch(of, pair, enabled=True, actor=actor),
        "ignore": lambda: _leave_alone(of, side, records, actor, is_ignored=True),
        "take up again": lambda: _leave_alone(of, side, records, actor, is_ignored=False),
    }
    if action in writing:
        return writing[action]()
    if action not in quiet:
        raise InvalidInput(f"There is no action {action!r}. Valid: {', '.join((*writing, *quiet))}.")
    quiet[action]()
    return max(len(records), 1), []


def _leave_alone(of: RecordSet, side: str, records: list[str], actor: str, *, is_ignored: bool) -> None:
    for one in records:
        working.ignore(of, side, one, actor=actor, is_ignored=is_ignored)
