"""From what matching found to what a person should do: how much a group asks of a person, and the next step in words.

The rules are a table per direction over status, sign of the tax difference and what the portal notes of a document;
the first rule that fits counts. Invariant: every group gets exactly one severity and one action, and the same group
always gets the same.
Sources: CGST Act s.16(2)(aa) (credit only for what stands in the statement), Form GSTR-3B tables 4(B)(2) and 4(D)(1)
(reversal and reclaim), GST reference 6.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from clientsync.reconcile.documents.frames import MatchStatus
from clientsync.reconcile.result import Severity


class Direction(StrEnum):
    """What the documents are to the owner of the books."""

    PURCHASES = "purchases"  # against GSTR-2B or 2A
    POOL = "pool"  # purchases against the open pool of IMS, where each document has an action
    SALES = "sales"  # against GSTR-1


NOT_YET = "not_yet"
"""Tag of a document whose month the portal has no statement for yet."""
NO_BOOKS = "no_books"
"""Tag of a document of the portal whose month is not in the books at all."""
NO_CREDIT = "no_credit"
"""Tag of a document of the portal that carries no credit (place of supply, late supplier, rejected)."""
CLOSED = "closed"
"""Tag of a document in the pool that the owner has acted on: rejected or kept pending."""


@dataclass(frozen=True, slots=True)
class _Case:
    status: str
    is_over: bool  # the books claim (or hold) more tax than the portal shows
    is_not_yet: bool
    is_unbooked: bool
    is_without_credit: bool
    is_closed: bool
    differs: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a group asks for whose status is among these and whose marks are as said; None: either way."""

    statuses: frozenset[str]
    severity: Severity
    action: str
    is_over: bool | None = None
    is_not_yet: bool | None = None
    is_unbooked: bool | None = None
    is_without_credit: bool | None = None
    is_closed: bool | None = None

    def fits(self, case: _Case) -> bool:
        """Whether the rule is about a case."""
        marks = (
            (self.is_over, case.is_over),
            (self.is_not_yet, case.is_not_yet),
            (self.is_unbooked, case.is_unbooked),
            (self.is_without_credit, case.is_without_credit),
            (self.is_closed, case.is_closed),
        )
        return case.status in self.statuses and all(wanted in (None, is_so) for wanted, is_so in marks)


def _of(*statuses: MatchStatus) -> frozenset[str]:
    return frozenset(str(one) for one in statuses)


_EQUAL = _of(MatchStatus.EXACT, MatchStatus.LINKED, MatchStatus.ONE_TO_MANY)
_AGREES = _EQUAL | _of(MatchStatus.SUGGESTED)
_SUGGESTED = _of(MatchStatus.SUGGESTED)
_MISMATCH = _of(MatchStatus.MISMATCH)
_HERE = _of(MatchStatus.MISSING_HERE)
_THERE = _of(MatchStatus.MISSING_THERE)
_DUPLICATE = _of(MatchStatus.DUPLICATE)
_AMENDED = _of(MatchStatus.AMENDED)

_PURCHASES = (
    _Rule(
        _AGREES,
        Severity.WARNING,
        "Do not claim this credit: the portal says that it is not available. Book the tax as cost, or ask the supplier "
        "to correct the document.",
        is_without_credit=True,
    ),
    _Rule(_SUGGESTED, Severity.INFO, "Accept, or bring the number or the amounts in the books into line."),
    _Rule(_EQUAL, Severity.OK, ""),
    _Rule(
        _MISMATCH,
        Severity.ERROR,
        "Do not claim this credit: the portal says that it is not available, and the document differs besides "
        "({differs}). Book the tax as cost, or ask the supplier to correct the document.",
        is_without_credit=True,
    ),
    _Rule(
        _MISMATCH,
        Severity.ERROR,
        "Claim no more than the statement shows; correct the books, or ask the supplier to amend the document.",
        is_over=True,
    ),
    _Rule(
        _MISMATCH,
        Severity.WARNING,
        "Compare with the invoice and correct the books, or ask the supplier to amend it ({differs}).",
    ),
    _Rule(_HERE, Severity.INFO, "Import the books of this month.", is_unbooked=True),
    _Rule(
        _HERE,
        Severity.INFO,
        "Nothing can be claimed for it; book the invoice if it is yours.",
        is_without_credit=True,
    ),
    _Rule(_HERE, Severity.WARNING, "Ask for the invoice and book it; if it is not yours, reject it in IMS."),
    _Rule(_THERE, Severity.INFO, "Wait for the statement of this month.", is_not_yet=True),
    _Rule(
        _THERE,
        Severity.ERROR,
        "Do not claim this credit yet: ask the supplier to report the document. What was claimed is reversed in "
        "4(B)(2) and reclaimed in 4(D)(1) when it shows up.",
    ),
    _Rule(_DUPLICATE, Severity.ERROR, "Remove the document that is held twice, or reject the copy."),
    _Rule(_AMENDED, Severity.INFO, "Nothing to claim here: the amended document takes its place."),
)
_POOL = (
    _Rule(
        _AGREES,
        Severity.ERROR,
        "Accept it in IMS: it is rejected or kept pending there, though the books hold it.",
        is_closed=True,
    ),
    _Rule(_AGREES, Severity.OK, "Accept it in IMS, or let it be deemed accepted."),
    _Rule(
        _MISMATCH,
        Severity.WARNING,
        "It is rejected or pending in IMS; settle the difference with the supplier ({differs}).",
        is_closed=True,
    ),
    _Rule(
        _MISMATCH,
        Severity.ERROR,
        "Keep it pending in IMS until the difference is settled with the supplier ({differs}).",
        is_over=True,
    ),
    _Rule(
        _MISMATCH,
        Severity.WARNING,
        "Keep it pending in IMS until the difference is settled with the supplier ({differs}).",
    ),
    _Rule(_HERE, Severity.OK, "", is_closed=True),
    _Rule(_HERE, Severity.INFO, "Import the books of this month.", is_unbooked=True),
    _Rule(
        _HERE,
        Severity.WARNING,
        "Book the invoice, or keep it pending or reject it in IMS before it is deemed accepted.",
    ),
    _Rule(
        _THERE,
        Severity.INFO,
        "It is not in the open pool: look at the statement of its month, or ask the supplier.",
    ),
    _Rule(_DUPLICATE, Severity.ERROR, "Remove the document that is held twice, or reject the copy."),
    _Rule(_AMENDED, Severity.INFO, "Act on the amended document, which takes its place."),
)
_SALES = (
    _Rule(_EQUAL, Severity.OK, ""),
    _Rule(_SUGGESTED, Severity.INFO, "Accept, or bring the number or the amounts into line."),
    _Rule(
        _MISMATCH,
        Severity.ERROR,
        "Amend the document in the next GSTR-1, or in GSTR-1A before GSTR-3B: too little tax is reported ({differs}).",
        is_over=True,
    ),
    _Rule(
        _MISMATCH,
        Severity.WARNING,
        "Amend the document in the next GSTR-1, or correct the books ({differs}).",
    ),
    _Rule(_HERE, Severity.INFO, "Import the books of this month.", is_unbooked=True),
    _Rule(
        _HERE,
        Severity.WARNING,
        "It is reported but not in the books: book it, or amend it away in the next GSTR-1.",
    ),
    _Rule(_THERE, Severity.INFO, "Report it in the GSTR-1 of this month.", is_not_yet=True),
    _Rule(
        _THERE,
        Severity.ERROR,
        "Report it in the next GSTR-1 and pay its tax with interest; the buyer has no credit until then.",
    ),
    _Rule(_DUPLICATE, Severity.ERROR, "Remove the document that is held twice."),
    _Rule(_AMENDED, Severity.INFO, "The amended document takes its place."),
)
_RULES = {Direction.PURCHASES: _PURCHASES, Direction.POOL: _POOL, Direction.SALES: _SALES}


def judged(groups: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Return ``severity`` and ``action`` of every group, in the order of the frame.

    Args:
        groups: with ``GROUP_COLUMNS``; ``tags`` may carry ``NOT_YET``, ``NO_BOOKS``, ``NO_CREDIT`` and ``CLOSED``
            besides.
        direction: what the documents are.
    """
    heads = ("igst_paise", "cgst_paise", "sgst_paise", "cess_paise")
    excess = groups[[f"left_{name}" for name in heads]].sum(axis=1) - groups[
        [f"right_{name}" for name in heads]
    ].sum(axis=1)
    keys = pd.DataFrame(
        {
            "status": groups["status"].astype(str),
            "is_over": excess > 0,
            "is_not_yet": _has(groups["tags"], NOT_YET),
            "is_unbooked": _has(groups["tags"], NO_BOOKS),
            "is_without_credit": _has(groups["tags"], NO_CREDIT),
            "is_closed": _has(groups["tags"], CLOSED),
            "differs": groups["differs"].astype(str),
        },
        index=groups.index,
    )
    places = keys.groupby(list(keys.columns), sort=False).ngroup()
    is_first = ~places.duplicated()
    answers = {
        place: _answer(_Case(*case), direction)
        for place, case in zip(places[is_first], keys[is_first].itertuples(index=False), strict=True)
    }
    return pd.DataFrame(
        {
            "severity": places.map({place: str(severity) for place, (severity, _) in answers.items()}),
            "action": places.map({place: action for place, (_, action) in answers.items()}),
        },
        index=groups.index,
    )


def _has(tags: pd.Series[str], name: str) -> pd.Series[bool]:
    return ("," + tags.astype(str) + ",").str.contains(f",{name},", regex=False).astype(bool)


def _answer(case: _Case, direction: Direction) -> tuple[Severity, str]:
    rule = next(one for one in _RULES[direction] if one.fits(case))
    return rule.severity, rule.action.format(differs=case.differs.replace(",", ", ").replace("_", " "))
