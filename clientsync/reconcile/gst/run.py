"""All reconciliations of one registration: coverage first, because it decides what the others may say.

Invariant: a reconciliation of a period for which one of its modules is not complete is incomplete, never clean; so is
every one of a registration of which nothing was ever read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from clientsync.reconcile.gst.inputs import RegistrationInputs
from clientsync.reconcile.gst.payments import conserved, paid_in_full, posted_as_filed, without_balances
from clientsync.reconcile.gst.returns import (
    against_computed,
    claimed_against_statement,
    itc_arithmetic,
    reported_against_paid,
    without_computed,
)
from clientsync.reconcile.gst.rules import late_fee
from clientsync.reconcile.result import ReconRow, Result, Severity, conclude, inr

NEEDED: dict[str, tuple[str, ...]] = {
    "G2": ("gstr3b",),
    "G3": ("gstr3b",),
    "G4": ("gstr3b",),
    "G5": ("gstr1", "gstr1a", "gstr3b"),
    "G6": ("gstr2b", "gstr3b"),
    "G7": ("ledgers",),
    "G8": ("return_register",),
    "G14": ("gstr3b", "ledgers"),
}
"""Modules that a reconciliation needs complete for every period that it compares."""
EVERY_PERIOD = ("gstr1", "gstr2b", "gstr3b", "ledgers")
"""Modules that every period has; GSTR-1A is optional, so it is told of only where it is not complete."""
UNCOMPARED: dict[str, Callable[[RegistrationInputs], list[str]]] = {
    "G4": without_computed,
    "G7": without_balances,
}
"""What tells of figures that were read and that a reconciliation has nothing to compare with."""
NEVER_ASKED = "never asked"
TITLES = {
    "G2": "credit of GSTR-3B adds up",
    "G3": "GSTR-3B is paid in full",
    "G4": "GSTR-3B against what the portal computed",
    "G5": "GSTR-1 against GSTR-3B",
    "G6": "GSTR-2B against GSTR-3B",
    "G7": "ledgers add up",
    "G8": "returns filed in time",
    "G13": "everything was read",
    "G14": "liability ledger against GSTR-3B",
}


def reconcile_registration(inputs: RegistrationInputs) -> Result:
    """Run every reconciliation of one registration, G13 first."""
    lacking = _lacking(inputs)
    found = [conclude("G13", inputs.client_id, _coverage(inputs), ())]
    runs: dict[str, Callable[[RegistrationInputs], Iterable[ReconRow]]] = {
        "G2": itc_arithmetic,
        "G3": paid_in_full,
        "G4": against_computed,
        "G5": reported_against_paid,
        "G6": claimed_against_statement,
        "G7": conserved,
        "G8": _register,
        "G14": posted_as_filed,
    }
    for recon, run in runs.items():
        missing = sorted({what for module in NEEDED[recon] for what in lacking.get(module, ())})
        if recon in UNCOMPARED:
            missing += UNCOMPARED[recon](inputs)
        rows = [*run(inputs), *(_drafts(recon, inputs) if "gstr3b" in NEEDED[recon] else ())]
        found.append(conclude(recon, inputs.client_id, rows, missing))
    return Result(inputs.client_id, inputs.as_of, tuple(found))


def _drafts(recon: str, inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """Say of every GSTR-3B that is saved and not filed that it is not compared yet."""
    for one in inputs.periods:
        if one.is_draft:
            why = "GSTR-3B of this period is saved and not filed: it is compared once the register has it."
            yield ReconRow(
                recon,
                "NOT_FILED_YET",
                Severity.INFO,
                inputs.client_id,
                (one.period,),
                None,
                None,
                None,
                why,
                "",
            )


def _lacking(inputs: RegistrationInputs) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in inputs.periods:
        for module, what in one.lacking.items():
            found.setdefault(module, []).append(f"{module} {one.period[:2]}/{one.period[2:]}: {what}")
    for module, what in _lacking_besides(inputs).items():
        found.setdefault(module, []).append(f"{module}: {what}")
    for due in inputs.returns:
        if due.state == "not known" and due.due_on is not None:
            what = f"return_register {due.return_type} {due.period[:2]}/{due.period[2:]}: {due.reason}"
            found.setdefault("return_register", []).append(what)
    return found


def _lacking_besides(inputs: RegistrationInputs) -> dict[str, str]:
    """Return what is not complete as a whole: without any period everything that goes by periods was never asked."""
    found = dict(inputs.lacking_ledgers)
    if not inputs.periods:
        found = dict.fromkeys(EVERY_PERIOD, NEVER_ASKED) | found
    return found


def _coverage(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G13: every module of every period that was to be compared has one end, and it is a good one."""
    for one in inputs.periods:
        for module in dict.fromkeys((*EVERY_PERIOD, *sorted(one.lacking))):
            what = one.lacking.get(module)
            yield ReconRow(
                "G13",
                "NOT_COMPLETE" if what else "COMPLETE",
                Severity.WARNING if what else Severity.OK,
                inputs.client_id,
                (one.period, module),
                "read",
                what or "read",
                None,
                f"{module} of this period: {what}." if what else f"{module} of this period was read.",
                "Synchronise this period again; see the exceptions of its run." if what else "",
            )
    for module, what in sorted(_lacking_besides(inputs).items()):
        yield ReconRow(
            "G13",
            "NOT_COMPLETE",
            Severity.WARNING,
            inputs.client_id,
            ("", module),
            "read",
            what,
            None,
            f"{module}: {what}.",
            "Synchronise it again; see the exceptions of its run.",
        )


def _register(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G8: every return that is owed is filed in time; a late one says how late and the most that it costs."""
    for one in inputs.returns:
        key = (one.return_type, one.period)
        fee = 0
        if one.due_on is not None and one.state in ("filed late", "not filed"):
            fee = late_fee(one.due_on, one.filed_on or inputs.as_of)
        if one.state == "not filed":
            code, severity, action = "NOT_FILED", Severity.ERROR, "File the return and pay the late fee."
        elif one.state == "filed late":
            code, severity, action = "FILED_LATE", Severity.INFO, ""
        else:
            code, severity, action = one.state.upper().replace(" ", "_"), Severity.OK, ""
        shown = f" Late fee at most {inr(fee)}." if fee else ""
        yield ReconRow(
            "G8",
            code,
            severity,
            inputs.client_id,
            key,
            f"{one.due_on:%d-%m-%Y}" if one.due_on else "",
            f"{one.filed_on:%d-%m-%Y}" if one.filed_on else "",
            fee or None,
            f"{one.reason.rstrip('.')}.{shown}",
            action,
            is_absence=code == "NOT_FILED",
        )
