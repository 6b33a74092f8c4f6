"""Every reason has a code that stays and one sentence that people read: both are promises."""

from __future__ import annotations

import ast
import inspect

import pytest

from clientsync.commerce import reasons
from clientsync.commerce.reasons import Reason

SENTENCES: dict[str, tuple[Reason, str, str]] = {
    "nothing is wrong": (reasons.NONE, "", ""),
    "the answer was lost, and why": (
        reasons.outcome_unknown("no answer in 30 seconds"),
        "outcome_unknown",
        "sent; the answer was lost; checking. no answer in 30 seconds",
    ),
    "the answer was lost, nobody knows why": (
        reasons.outcome_unknown(""),
        "outcome_unknown",
        "sent; the answer was lost; checking.",
    ),
    "the shift is open": (reasons.WAITING_SHIFT, "waiting_shift", "the register shift is still open"),
    "the hour has not come": (
        reasons.waiting_time("21:00 on 28 Nov"),
        "waiting_time",
        "scheduled for 21:00 on 28 Nov",
    ),
    "deleted where it was booked": (
        reasons.TARGET_DELETED,
        "target_deleted",
        "the booked document was deleted in the accounting",
    ),
    "deleted where it came from": (
        reasons.SOURCE_DELETED,
        "source_deleted",
        "deleted in the source after it was booked; take it back by hand, then waive this one",
    ),
    "the period is closed": (reasons.PERIOD_CLOSED, "period_closed", "the accounting period is closed"),
    "the source cannot be read": (
        reasons.unreadable("no date"),
        "unreadable",
        "the source gives it in a form that cannot be read: no date",
    ),
    "a product without a SKU": (reasons.no_sku("Kopi Susu"), "no_sku", "product 'Kopi Susu' has no SKU"),
    "no mapping": (
        reasons.no_mapping("payment", "QRIS"),
        "no_mapping",
        "no payment mapping for QRIS",
    ),
    "a number that is taken": (
        reasons.customer_number_taken("001", "Budi"),
        "customer_number_taken",
        "customer number 001 already belongs to Budi",
    ),
    "the target says no": (
        reasons.target_rejected("Barang tidak tepat"),
        "target_rejected",
        "Barang tidak tepat",
    ),
    "another total is found": (
        reasons.totals_differ("11100.00", "11000.00"),
        "totals_differ",
        "the total is 11100.00 in the shop and 11000.00 in the accounting",
    ),
    "it does not add up": (
        reasons.totals_do_not_add_up("99", "100"),
        "totals_do_not_add_up",
        "lines, discounts, taxes and charges make 99, the total is 100",
    ),
    "too fast": (reasons.throttled("09:00:02"), "throttled", "rate limit; tried again at 09:00:02"),
    "nobody there": (
        reasons.not_reached("09:00:02"),
        "not_reached",
        "the accounting could not be reached; tried again at 09:00:02",
    ),
    "what it needs failed": (
        reasons.needs_failed("transfer-out TO-12", "product 'Kopi' has no SKU"),
        "needs_failed",
        "waits for transfer-out TO-12, which failed: product 'Kopi' has no SKU",
    ),
    "what it needs failed, far away": (
        reasons.needs_failed("item SKU-9", "no unit mapping for box", "transfer-out TO-12"),
        "needs_failed",
        "waits for transfer-out TO-12, which waits for item SKU-9, which failed: no unit mapping for box",
    ),
    "what it needs never came": (
        reasons.needs_not_received("transfer-out TO-12"),
        "needs_not_received",
        "waits for transfer-out TO-12, never received from the source",
    ),
    "what it needs could not be read": (
        reasons.needs_not_received("customer C-1", "", "The shop is away."),
        "needs_not_received",
        "waits for customer C-1, not received yet, asked for again: The shop is away.",
    ),
    "what it needs never came, far away": (
        reasons.needs_not_received("customer C-1", "sale 3340-1"),
        "needs_not_received",
        "waits for sale 3340-1, which waits for customer C-1, never received from the source",
    ),
    "what it needs takes its turn": (
        reasons.needs_not_synced("transfer-out TO-12"),
        "needs_not_synced",
        "waits for transfer-out TO-12, not synchronised yet",
    ),
    "what it needs takes its turn, and when": (
        reasons.needs_not_synced("transfer-out TO-12", "scheduled for 21:00 on 28 Nov", "transfer-in TI-3"),
        "needs_not_synced",
        "waits for transfer-in TI-3, which waits for transfer-out TO-12, not synchronised yet: "
        "scheduled for 21:00 on 28 Nov",
    ),
    "a circle": (
        reasons.in_a_circle("sale A, sale B"),
        "needs_circle",
        "these documents need each other in a circle: sale A, sale B",
    ),
    "changed too late": (
        reasons.changed_after_booking(),
        "changed_after_booking",
        "changed in the shop after it was booked; correct the booked document by hand, then waive this one",
    ),
    "money went back": (
        reasons.money_back("15000", "Cash"),
        "money_back",
        "15000 was paid back by Cash; book it by hand where its payment is booked, then waive this one",
    ),
    "a defect of ours": (
        reasons.internal_error("KeyError"),
        "internal_error",
        "an internal error (KeyError) ended the try; report it with the number of the document",
    ),
    "not let in": (
        reasons.auth_expired("log in again"),
        "auth_expired",
        "the connection must be renewed: log in again",
    ),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_a_reason_keeps_its_code_and_its_sentence(what: str) -> None:
    reason, code, text = SENTENCES[what]
    assert (reason.code, reason.text) == (code, text)


def test_every_reason_has_a_sentence_that_is_tested() -> None:
    tree = ast.parse(inspect.getsource(reasons))
    codes = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Reason"
        and isinstance(node.args[0], ast.Constant)
    }
    assert codes == {code for _, code, _ in SENTENCES.values()}


def test_a_code_fits_into_its_column_and_a_sentence_is_one_line() -> None:
    for reason, _, _ in SENTENCES.values():
        assert len(reason.code) <= 30
        assert "\n" not in reason.text


def test_what_the_target_says_is_cut_to_what_a_person_reads() -> None:
    assert reasons.target_rejected("x" * 900).text == "x" * 500
