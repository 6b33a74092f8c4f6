"""Why a document is not booked: codes that stay, each with one sentence for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A code and its sentence."""

    code: str
    text: str


NONE = Reason("", "")
OUTCOME_UNKNOWN = Reason(
    "outcome_unknown", "sent; the answer was lost; it is looked up before anything is sent again"
)
WAITING_SHIFT = Reason("waiting_shift", "the register shift is still open")
AUTH_EXPIRED = Reason("auth_expired", "the connection must be renewed")
TARGET_DELETED = Reason("target_deleted", "the booked document was deleted in the accounting")
PERIOD_CLOSED = Reason("period_closed", "the accounting period is closed")


def no_sku(product: str) -> Reason:
    """Return why a line cannot be booked: its product has no SKU."""
    return Reason("no_sku", f"product '{product}' has no SKU")


def no_mapping(kind: str, key: str) -> Reason:
    """Return why a document cannot be booked: a key of the shop is not mapped."""
    return Reason("no_mapping", f"no {kind} mapping for {key}")


def customer_number_taken(number: str, name: str) -> Reason:
    """Return why a customer cannot be booked: somebody else has the number."""
    return Reason("customer_number_taken", f"customer number {number} already belongs to {name}")


def target_rejected(text: str) -> Reason:
    """Return the target's own words."""
    return Reason("target_rejected", text[:500])


def totals_differ(ours: str, theirs: str) -> Reason:
    """Return why a document that was found is not taken for ours: it has another total."""
    return Reason("totals_differ", f"the total is {ours} in the shop and {theirs} in the accounting")


def totals_do_not_add_up(summed: str, total: str) -> Reason:
    """Return why a document is not sent: its lines, discounts, taxes and charges do not make its total."""
    return Reason(
        "totals_do_not_add_up", f"lines, discounts, taxes and charges make {summed}, the total is {total}"
    )


def throttled(until: str) -> Reason:
    """Return why a document waits: the target asked to slow down."""
    return Reason("throttled", f"rate limit; tried again at {until}")


def not_reached(until: str) -> Reason:
    """Return why a document waits: the target could not be reached, and nothing was sent."""
    return Reason("not_reached", f"the accounting could not be reached; tried again at {until}")


def waiting_time(at: str) -> Reason:
    """Return until when a document waits by its sync mode."""
    return Reason("waiting_time", f"scheduled for {at}")
