"""All reconciliations of one client, in order: coverage first, because it decides what the others may say.

Invariant: a reconciliation whose modules or inputs are not all complete is ``incomplete``, never clean; its
findings that conclude from absence are withheld.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields

from clientsync.errors import InvalidInput
from clientsync.reconcile.result import (
    Reconciliation,
    ReconRow,
    Result,
    conclude,
)
from clientsync.reconcile.tds import certificates, challans, demand, interest, pan_quality, returns
from clientsync.reconcile.tds.coverage import Coverage, coverage
from clientsync.reconcile.tds.inputs import DeductorInputs, DemandSnapshot

MODULES_NEEDED: dict[str, tuple[str, ...]] = {
    "R1": ("challans",),
    "R2": ("challans", "unconsumed_challans"),
    "R3": ("challans", "unconsumed_challans"),
    "R4": ("challans", "unconsumed_challans", "outstanding_demand"),
    "R5": ("challans", "unconsumed_challans", "return_summary", "statements"),
    "R6": ("return_summary", "statements"),
    "R7": ("return_summary", "statements", "outstanding_demand"),
    "R8": ("return_summary", "statements", "outstanding_demand"),
    "R9": ("return_summary",),
    "R10": ("outstanding_demand", "return_summary", "challans"),
    "R11": ("outstanding_demand", "notices"),
    "R12": ("certificates", "return_summary"),
    "R13": ("outstanding_demand", "return_summary", "statements"),
}
"""Which modules a reconciliation needs complete. R14 needs none: it is about the modules.

What rests on statement files needs the list of what was filed too: it alone tells of a missing file or a correction.
"""

INPUTS_NEEDED: dict[str, tuple[str, ...]] = {
    "R1": ("books",),
    "R6": ("books",),
    "R8": ("form profile",),
    "R9": ("form profile",),
    "R10": ("demand", "earlier demand"),
    "R11": ("demand",),
    "R12": ("books",),
}
"""Which inputs a person hands in, or an earlier run left, that a reconciliation needs as well."""

RECONS: tuple[str, ...] = tuple(f"R{number}" for number in range(1, 14))
"""The reconciliations in the order they run, after R14."""


def reconcile_deductor(inputs: DeductorInputs) -> Result:
    """Run R14 and then R1 to R13 for one client.

    Raises:
        InvalidInput: a row belongs to another client, or two rows of one kind carry the same row id.
    """
    _refuse_foreign_rows(inputs)
    covered = coverage(((inputs.client_id, one) for one in inputs.asked), inputs.states)
    first = conclude("R14", inputs.client_id, covered.rows, ())
    return Result(inputs.client_id, inputs.as_of, (first, *run_all(inputs, covered)))


def run_all(inputs: DeductorInputs, covered: Coverage) -> tuple[Reconciliation, ...]:
    """Run R1 to R13 under a given coverage; what depends on an incomplete module is marked incomplete."""
    present = {
        "books": inputs.has_books,
        "form profile": bool(inputs.profiles),
        "demand": inputs.demand is not None,
        "earlier demand": inputs.demand_before is not None,
    }
    done: list[Reconciliation] = []
    for recon in RECONS:
        absent = [one for one in INPUTS_NEEDED.get(recon, ()) if not present[one]]
        missing = (*covered.lacks(inputs.client_id, MODULES_NEEDED[recon]), *absent)
        done.append(conclude(recon, inputs.client_id, _RUN[recon](inputs), missing))
    return tuple(done)


def _refuse_foreign_rows(inputs: DeductorInputs) -> None:
    groups = {one.name: getattr(inputs, one.name) for one in fields(inputs)}
    for name in ("demand", "demand_before"):
        snapshot: DemandSnapshot | None = groups.pop(name)
        for one in fields(DemandSnapshot):
            groups[f"{name}.{one.name}"] = getattr(snapshot, one.name) if snapshot is not None else ()
    for name, rows in groups.items():
        if not isinstance(rows, tuple):
            continue
        owned = [row for row in rows if hasattr(row, "client_id")]
        if any(row.client_id != inputs.client_id for row in owned):
            raise InvalidInput(f"The rows of {name!r} hold one of another client.")
        ids = Counter(row.row_id for row in owned if hasattr(row, "row_id"))
        if ids and ids.most_common(1)[0][1] > 1:
            raise InvalidInput(f"Two rows of {name!r} carry the same row id.")


def _now(inputs: DeductorInputs) -> DemandSnapshot:
    return inputs.demand if inputs.demand is not None else DemandSnapshot(inputs.as_of)


_RUN: dict[str, Callable[[DeductorInputs], Iterable[ReconRow]]] = {
    "R1": lambda one: challans.portal_and_books(one.portal_challans, one.book_challans),
    "R2": lambda one: challans.portal_and_traces(
        one.portal_challans, one.balances, one.as_of, one.holidays, one.traces_from, one.traces_read_on
    ),
    "R3": lambda one: challans.conservation(one.balances, one.claims, one.portal_challans),
    "R4": lambda one: challans.unconsumed_ageing(
        one.balances, one.portal_challans, _now(one).years, one.as_of, one.due_extensions
    ),
    "R5": lambda one: returns.return_and_challans(
        one.file_challans, one.file_deductees, one.portal_challans, one.claims
    ),
    "R6": lambda one: returns.books_and_return(one.book_deductions, one.file_deductees),
    "R7": lambda one: interest.late_interest(one.file_challans, one.file_deductees, _now(one).lines),
    "R8": lambda one: interest.late_filing_fee(
        one.profiles,
        one.statements,
        one.declarations,
        one.file_challans,
        one.book_deductions,
        _now(one).lines,
        one.as_of,
        one.due_extensions,
    ),
    "R9": lambda one: returns.return_register(
        one.profiles, one.statements, one.declarations, one.as_of, one.due_extensions
    ),
    "R10": lambda one: demand.demand_roll_forward(
        one.demand_before if one.demand is not None else None,
        _now(one),
        one.statements,
        one.portal_challans,
        one.closed_before,
    ),
    "R11": lambda one: demand.demand_and_notices(_now(one), one.notices, one.as_of),
    "R12": lambda one: certificates.certificates(one.certificates, one.certificate_uses, one.as_of),
    "R13": lambda one: pan_quality.pan_quality(one.default_counts, one.file_deductees),
}
