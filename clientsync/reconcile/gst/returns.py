"""Returns against each other: 3B within itself and against what the portal computed, GSTR-1 and 2B against 3B.

Thresholds of DRC-01B and DRC-01C stand in ``rules``; a smaller difference is a warning all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from clientsync.reconcile.gst.inputs import HEADS, RegistrationInputs, ReturnPeriod, Taxes, wrong_heads
from clientsync.reconcile.gst.rules import is_intimated
from clientsync.reconcile.result import ReconRow, Severity, inr

OUTWARD = ("3.1(a)", "3.1(b)")
"""Tables of 3B whose tax GSTR-1 reports; reverse charge, 3.1(d), is the recipient's own."""
AVAILED = ("4(A)(1)", "4(A)(2)", "4(A)(3)", "4(A)(4)", "4(A)(5)")
REVERSED = ("4(B)(1)", "4(B)(2)")
NET = "4(C)"
CREDIT_OF_2B = ("4(A)(1)", "4(A)(3)", "4(A)(4)", "4(A)(5)")
"""Credit that 2B shows; import of services, 4(A)(2), never stands in it."""
CREDIT_NOTES = "4(B)(2)"
RECLAIMED = "4(D)(1)"
"""Credit that was reversed before and is claimed again: of earlier statements, and in 4(A)(5) too."""
COMPARED = ("3.1(a)", "3.1(b)", "3.1(d)", "3.1.1(i)", "4(A)(1)", "4(A)(3)", "4(A)(4)", "4(A)(5)", "4(B)(2)")
NO_THRESHOLD_BEFORE = date(2022, 12, 26)


def itc_arithmetic(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G2: net credit of 3B is the credit availed less the credit reversed, in every head."""
    for one in inputs.periods:
        if one.filed is None:
            continue
        expected = _sum(one.filed, AVAILED).plus(_sum(one.filed, REVERSED), -1)
        found = one.filed.get(NET, Taxes())
        wrong = wrong_heads(expected, found, inputs.tolerance_paise)
        yield ReconRow(
            "G2",
            "ITC_NET_WRONG" if wrong else "ITC_NET_RIGHT",
            Severity.ERROR if wrong else Severity.OK,
            inputs.client_id,
            (one.period,),
            expected.total,
            found.total,
            found.total - expected.total,
            f"4(C) is not 4(A) less 4(B) in {', '.join(wrong)}." if wrong else "4(C) is 4(A) less 4(B).",
            "Amend the credit in the next GSTR-3B." if wrong else "",
        )


def against_computed(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G4: every table of 3B against what the portal computed from GSTR-1 and 2B.

    It is at our cost when in any head less is paid, more is claimed, or less is reversed, 4(B).
    For a return that is nil, like GSTR-1 and 2B of its period, the portal has nothing to compute.
    """
    for one in inputs.periods:
        if one.filed is None:
            continue
        if one.computed is None:
            if _is_nil(one, one.filed):
                why = "The portal computed nothing, and GSTR-1, GSTR-2B and GSTR-3B of this period have nothing."
                yield ReconRow(
                    "G4", "AS_COMPUTED", Severity.OK, inputs.client_id, (one.period, ""), 0, 0, 0, why, ""
                )
            continue
        for table in COMPARED:
            if table not in one.computed and table not in one.filed:
                continue
            expected, found = one.computed.get(table, Taxes()), one.filed.get(table, Taxes())
            wrong = wrong_heads(expected, found, inputs.tolerance_paise)
            more, less = (found, expected) if table.startswith("4(A)") else (expected, found)
            is_at_our_cost = bool(_exceeding(more, less, inputs.tolerance_paise))
            yield ReconRow(
                "G4",
                "DIFFERS_FROM_COMPUTED" if wrong else "AS_COMPUTED",
                _graded(bool(wrong), is_at_our_cost),
                inputs.client_id,
                (one.period, table),
                expected.total,
                found.total,
                found.total - expected.total,
                f"Table {table} differs from the portal's own figure in {', '.join(wrong)}."
                if wrong
                else f"Table {table} is as the portal computed it.",
                "Explain the difference or correct it in the next GSTR-3B." if wrong else "",
            )


def without_computed(inputs: RegistrationInputs) -> list[str]:
    """Return in words the returns that G4 cannot compare, because nothing that the portal computed was read."""
    return [
        f"gstr3b {one.period[:2]}/{one.period[2:]}: nothing that the portal computed was read"
        for one in inputs.periods
        if one.filed is not None and one.computed is None and not _is_nil(one, one.filed)
    ]


def _is_nil(one: ReturnPeriod, filed: Mapping[str, Taxes]) -> bool:
    if one.reported is None or one.statement is None:
        return False
    figures = (one.reported, one.amended, one.statement, *filed.values())
    return not any(any(taxes.heads) for taxes in figures)


def reported_against_paid(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G5: tax reported in GSTR-1 and GSTR-1A against tax declared in 3B, tables 3.1(a) and 3.1(b)."""
    for one in inputs.periods:
        if one.reported is None or one.filed is None:
            continue
        declared = _sum(one.filed, OUTWARD)
        yield _intimated(
            inputs,
            one,
            "G5",
            one.reported,
            declared,
            codes=("LIABILITY_AGREES", "LIABILITY_DIFFERS", "DRC_01B"),
            words=("Tax reported in GSTR-1", "declared in GSTR-3B"),
            action="Pay the rest with interest (DRC-03 or the next GSTR-3B) or amend GSTR-1; answer DRC-01B in 7 days.",
            besides=f"; amendments with {inr(one.amended.total)} of tax are not compared"
            if one.amended.total
            else "",
        )


def claimed_against_statement(inputs: RegistrationInputs) -> Iterator[ReconRow]:
    """G6: credit claimed in 3B, net of credit notes, against the credit that 2B gives."""
    for one in inputs.periods:
        if one.statement is None or one.filed is None:
            continue
        claimed = _sum(one.filed, CREDIT_OF_2B).plus(one.filed.get(CREDIT_NOTES, Taxes()), -1)
        reclaimed = one.filed.get(RECLAIMED, Taxes()).total
        yield _intimated(
            inputs,
            one,
            "G6",
            claimed,
            one.statement,
            codes=("CREDIT_AGREES", "CREDIT_DIFFERS", "DRC_01C"),
            words=("Credit claimed in GSTR-3B", "available in GSTR-2B"),
            action="Reverse what 2B does not give with interest, or explain it; answer DRC-01C in 7 days.",
            besides=f"; {inr(reclaimed)} of the claim was reversed before and is reclaimed"
            if reclaimed
            else "",
        )


def _intimated(
    inputs: RegistrationInputs,
    one: ReturnPeriod,
    recon: str,
    larger: Taxes,
    smaller: Taxes,
    *,
    codes: tuple[str, str, str],
    words: tuple[str, str],
    action: str,
    besides: str = "",
) -> ReconRow:
    """Return a row about a figure that must not exceed another; ``codes`` agree, differ, intimated."""
    difference = larger.total - smaller.total
    wrong = wrong_heads(larger, smaller, inputs.tolerance_paise)
    day = inputs.as_of
    is_large = day >= NO_THRESHOLD_BEFORE and is_intimated(larger.total, smaller.total, day)
    if is_large:
        code, severity = codes[2], Severity.ERROR
    elif not wrong:
        code, severity = codes[0], Severity.OK
    else:
        code = codes[1]
        severity = Severity.WARNING if _exceeding(larger, smaller, inputs.tolerance_paise) else Severity.INFO
    why = f"{words[0]} is {inr(larger.total)}, {words[1]} {inr(smaller.total)}"
    if is_large:
        why += "; the difference is more than 20 % and more than Rs 25 lakh"
    elif wrong:
        why += f"; they differ in {', '.join(wrong)}"
    return ReconRow(
        recon,
        code,
        severity,
        inputs.client_id,
        (one.period,),
        smaller.total,
        larger.total,
        difference,
        f"{why}{besides}.",
        action if severity.is_exception else "",
    )


def _sum(lines: Mapping[str, Taxes], tables: tuple[str, ...]) -> Taxes:
    total = Taxes()
    for table in tables:
        total = total.plus(lines.get(table, Taxes()))
    return total


def _exceeding(larger: Taxes, smaller: Taxes, tolerance_paise: int) -> list[str]:
    """Return the heads in which a figure exceeds another: what is too much in one head pays for nothing in another."""
    pairs = zip(HEADS, larger.heads, smaller.heads, strict=True)
    return [head.upper() for head, one, two in pairs if one - two > tolerance_paise]


def _graded(is_wrong: bool, is_at_our_cost: bool) -> Severity:
    if not is_wrong:
        return Severity.OK
    return Severity.WARNING if is_at_our_cost else Severity.INFO
