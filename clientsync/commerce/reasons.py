"""Why a document is not booked: codes that stay, each with one sentence for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A code and its sentence."""

    code: str
    text: str


NONE = Reason("", "")
WAITING_SHIFT = Reason("waiting_shift", "the register shift is still open")
TARGET_DELETED = Reason("target_deleted", "the booked document was deleted in the accounting")
SOURCE_DELETED = Reason(
    "source_deleted", "deleted in the source after it was booked; take it back by hand, then waive this one"
)
PERIOD_CLOSED = Reason("period_closed", "the accounting period is closed")


def unreadable(why: str) -> Reason:
    """Return why nothing can be made of a document as its source gives it."""
    return Reason("unreadable", f"the source gives it in a form that cannot be read: {why}")


def outcome_unknown(why: str) -> Reason:
    """Return why nobody knows yet whether a document is booked; it is looked up before anything is sent again."""
    return Reason("outcome_unknown", f"sent; the answer was lost; checking. {why}".strip())


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


def _through(title: str) -> str:
    return f"{title}, which waits for " if title else ""


def needs_failed(title: str, why: str, through: str = "") -> Reason:
    """Return why a document is held: what it needs failed, itself or at the end of a chain."""
    return Reason("needs_failed", f"waits for {_through(through)}{title}, which failed: {why}")


def needs_not_received(title: str, through: str = "", why: str = "") -> Reason:
    """Return why a document is held: what it needs never came, or did not come yet because of an error that passes."""
    how = f"not received yet, asked for again: {why}" if why else "never received from the source"
    return Reason("needs_not_received", f"waits for {_through(through)}{title}, {how}")


def needs_not_synced(title: str, why: str = "", through: str = "") -> Reason:
    """Return why a document is held: what it needs takes its turn first."""
    told = f": {why}" if why else ""
    return Reason("needs_not_synced", f"waits for {_through(through)}{title}, not synchronised yet{told}")


def in_a_circle(titles: str) -> Reason:
    """Return why documents can never be sent: each needs the next."""
    return Reason("needs_circle", f"these documents need each other in a circle: {titles}")


def changed_after_booking() -> Reason:
    """Return what a person must look at: the shop changed a document that the accounting cannot replace."""
    return Reason(
        "changed_after_booking",
        "changed in the shop after it was booked; correct the booked document by hand, then waive this one",
    )


def money_back(amount: str, method: str) -> Reason:
    """Return what a person must book: money that the shop paid back, for which the accounting has no document."""
    return Reason(
        "money_back",
        f"{amount} was paid back by {method}; book it by hand where its payment is booked, then waive this one",
    )


def internal_error(kind: str) -> Reason:
    """Return why a try ended: a defect of ours; a refresh looks the document up before it is sent again."""
    return Reason(
        "internal_error",
        f"an internal error ({kind}) ended the try; report it with the number of the document",
    )


def auth_expired(why: str) -> Reason:
    """Return why nothing is sent: the system does not let us in."""
    return Reason("auth_expired", f"the connection must be renewed: {why}")
