"""How tax was paid: 3B within itself, the liability ledger against 3B, and the ledgers' own arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

from clientsync.reconcile.gst.inputs import Ledger, RegistrationInputs, Taxes, wrong_heads
from clientsync.reconcile.result import ReconRow, Severity, inr


def paid_in_full(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G3: cash and credit pay the liability of every head, and IGST credit is used before CGST and SGST credit.

    Interest and late fee are paid in cash alone (CGST Act s.49(3), s.49(4)). Negative liability of earlier periods that
    the portal has set against it (table 6.1) pays like cash.
    Source: CGST Act s.49A and s.49B, CGST Rules rule 88A: IGST credit first; CGST and SGST credit never pay each other,
    which the form has no field for.
    """
    for one in inputs.periods:
        paid = one.paid
        if paid is None:
            continue
        settled = paid.cash.plus(paid.credit).plus(paid.adjusted)
        short = wrong_heads(paid.owed, settled, inputs.tolerance_paise)
        uncharged = wrong_heads(paid.charged, paid.charges_paid, inputs.tolerance_paise)
        uses_others = paid.from_cgst + paid.from_sgst > 0
        is_out_of_order = uses_others and (paid.igst_left or 0) > inputs.tolerance_paise
        if short:
            code, severity = "NOT_PAID_IN_FULL", Severity.ERROR
            why, action = (
                f"Cash and credit differ from the liability in {', '.join(short)}.",
                "Pay what is short.",
            )
        elif uncharged:
            code, severity = "CHARGES_NOT_PAID", Severity.ERROR
            why = f"Cash differs from the interest and late fee of the return in {', '.join(uncharged)}."
            action = "Pay what is short."
        elif is_out_of_order:
            code, severity = "CREDIT_OUT_OF_ORDER", Severity.WARNING
            why = f"CGST or SGST credit was used while {inr(paid.igst_left or 0)} of IGST credit was left."
            action = "Use IGST credit first in the next return."
        else:
            code, severity, action = "PAID", Severity.OK, ""
            why = "Cash and credit pay the liability"
            if paid.adjusted.total:
                why += f", with {inr(paid.adjusted.total)} of negative liability of earlier periods"
            if uses_others and paid.igst_left is None:
                why += (
                    "; which credit was used first is not judged, because the credit ledger does not show it"
                )
            why += "."
        owed, had = (
            (paid.charged.total, paid.charges_paid.total)
            if code == "CHARGES_NOT_PAID"
            else (paid.owed.total, settled.total)
        )
        yield ReconRow(
            "G3",
            code,
            severity,
            inputs.client_id,
            (one.period,),
            owed,
            had,
            had - owed,
            why,
            action,
        )


def posted_as_filed(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G14: the liability ledger of a period says what the filed 3B says, in cash and in credit, head by head.

    What is owed may be posted before or after negative liability of earlier periods was set against it.
    """
    for one in inputs.periods:
        if one.paid is None or one.posted is None:
            continue
        net = one.paid.owed.plus(one.paid.adjusted, -1)
        is_net = bool(net != one.paid.owed and not wrong_heads(net, one.posted.owed, inputs.tolerance_paise))
        for name, filed, posted in (
            ("owed", net if is_net else one.paid.owed, one.posted.owed),
            ("cash", one.paid.cash, one.posted.cash),
            ("credit", one.paid.credit, one.posted.credit),
        ):
            wrong = wrong_heads(filed, posted, inputs.tolerance_paise)
            yield ReconRow(
                "G14",
                "LEDGER_DIFFERS" if wrong else "LEDGER_AGREES",
                Severity.ERROR if wrong else Severity.OK,
                inputs.client_id,
                (one.period, name),
                filed.total,
                posted.total,
                posted.total - filed.total,
                f"The liability ledger differs from GSTR-3B in {name}: {', '.join(wrong)}."
                if wrong
                else f"The liability ledger has the {name} of GSTR-3B.",
                "Compare both on the portal; a payment may have gone to another period." if wrong else "",
            )


def conserved(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G7: opening balance and postings give the closing balance, and one window begins as the one before it ended."""
    before: dict[str, Ledger] = {}
    for one in sorted(inputs.ledgers, key=lambda ledger: (ledger.name, ledger.period[2:], ledger.period)):
        if one.opening is not None and one.closing is not None:
            expected = one.opening.plus(one.added).plus(one.taken, -1)
            yield _balance(inputs, one, "BALANCE", expected, one.closing, "opening balance and postings")
        earlier = before.get(one.name)
        if earlier is None or not _follows(earlier.period, one.period):
            earlier = None
        if earlier is not None and earlier.closing is not None and one.opening is not None:
            words = "closing balance of the month before"
            yield _balance(inputs, one, "CARRIED", earlier.closing, one.opening, words)
        before[one.name] = one


def without_balances(inputs: RegistrationInputs) -> list[str]:
    """Return in words the ledgers that G7 cannot add up, because they have postings and not both balances."""
    return [
        f"ledgers {one.period[:2]}/{one.period[2:]}: the {one.name} ledger came without its balances"
        for one in inputs.ledgers
        if (one.opening is None or one.closing is None) and (any(one.added.heads) or any(one.taken.heads))
    ]


def _balance(
    inputs: RegistrationInputs, one: Ledger, code: str, expected: Taxes, found: Taxes, words: str
) -> ReconRow:
    wrong = wrong_heads(expected, found, 0)
    return ReconRow(
        "G7",
        f"{code}_WRONG" if wrong else f"{code}_RIGHT",
        Severity.ERROR if wrong else Severity.OK,
        inputs.client_id,
        (one.name, one.period, code.lower()),
        expected.total,
        found.total,
        found.total - expected.total,
        f"The {one.name} ledger differs from its {words} in {', '.join(wrong)}."
        if wrong
        else f"The {one.name} ledger agrees with its {words}.",
        "Read the ledger of this month again; then ask the portal's helpdesk." if wrong else "",
    )


def _follows(earlier: str, later: str) -> bool:
    first = int(earlier[2:]) * 12 + int(earlier[:2])
    return int(later[2:]) * 12 + int(later[:2]) == first + 1
