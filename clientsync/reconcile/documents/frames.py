"""What goes into the matching of documents and what comes out of it: frames with fixed columns.

Both sides hold one row a document, taxes summed over its lines, credit notes negative. ``left`` is the own books,
``right`` is what the portal says. Rows of many registrations may lie in one frame: nothing is ever matched across
``owner_gstin``.

Invariants of a result, whatever the order of the rows that went in: every document of both sides is a member of
exactly one group; the amounts of the groups add up to those of the inputs, to the paisa; the same inputs give equal
frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

AMOUNTS = ("taxable_paise", "igst_paise", "cgst_paise", "sgst_paise", "cess_paise")
"""Amount columns of a document, integers of paise."""

DOCUMENT_COLUMNS = (
    "id",  # text, unique in its side and stable from night to night; holds no GSTIN
    "owner_gstin",  # whose books: the recipient of a purchase, the supplier of a sale
    "party_gstin",  # the other party; empty for imports from overseas and unregistered parties
    "document_type",  # INV, CN, DN or BOE
    "document_number",  # as written
    "document_on",  # datetime64[s], NaT when not known
    "period",  # MMYYYY in which it was booked, or of the statement that shows it
    "place_of_supply",  # state code of two digits; empty when not known
    "reverse_charge",  # Y, N; empty when not known
    "amends_number",  # number of the document that this one amends; empty for none
    "amends_on",  # date of that document, NaT for none
    *AMOUNTS,  # int64, credit notes negative
)
"""Columns of either side. Texts are never null; amounts are int64."""


class Side(StrEnum):
    """Whose document it is."""

    LEFT = "left"  # own books
    RIGHT = "right"  # the portal


class MatchStatus(StrEnum):
    """In which bucket a group of documents lies."""

    EXACT = "exact"  # everything that is compared is equal
    SUGGESTED = (
        "suggested"  # the same document, amounts within tolerance, number or amounts not equal to the letter
    )
    MISMATCH = "mismatch"  # the same document, and at least one field differs beyond tolerance
    ONE_TO_MANY = "one_to_many"  # one document on one side, several on the other, the sums agree
    LINKED = "linked"  # a person put them together
    AMENDED = "amended"  # a document of the portal that a later one replaces; it claims nothing of its own
    DUPLICATE = "duplicate"  # a document that the same side holds twice
    MISSING_HERE = "missing_here"  # the portal has it, the books do not
    MISSING_THERE = "missing_there"  # the books have it, the portal does not


GROUP_COLUMNS = (
    "group",  # int64, 0 upward in the order of the frame
    "owner_gstin",
    "party_gstin",  # of the portal's document when there is one, else of the books'
    "status",  # a MatchStatus
    "score",  # int64, 0 to 100; 0 for what stands alone
    "differs",  # names of the fields that differ, comma separated in a fixed order; empty when none does
    "tags",  # comma separated: late, other_registration, rounding, near_date, year_token, amends; in a fixed order
    "reason",  # one sentence in words, with the figures that count, without a GSTIN
    "left_count",  # int64, documents of the own books in it
    "right_count",  # int64
    *(f"left_{name}" for name in AMOUNTS),  # int64, sums over the members
    *(f"right_{name}" for name in AMOUNTS),
)
"""Columns of ``Matched.groups``; differences are right less left."""

MEMBER_COLUMNS = ("side", "id", "group")
"""Columns of ``Matched.members``: every input document once."""

CANDIDATE_COLUMNS = ("side", "id", "candidate_id", "rank", "score", "why_not")
"""Columns of ``Matched.candidates``: for a document that stands alone the nearest of the other side, rank 1 first.

``why_not`` is one sentence: why it was not taken (another document was the better match for it, the date lies too far,
the amounts differ, the number is too short to be compared loosely, a person parted them).
"""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an amount may differ: the larger of a fixed amount and a share of the books' amount.

    Attributes:
        paise: fixed part.
        basis_points: share of the books' amount; 100 is 1 %.
    """

    paise: int = 100
    basis_points: int = 0


@dataclass(frozen=True, slots=True)
class MatchSettings:
    """What an operator may set per client.

    Attributes:
        taxable, tax: tolerance of the taxable value, and of each of the four taxes.
        near_days: two dates that differ by at most this many days are near.
        fuzzy_score: similarity of two cleaned numbers, 0 to 100, from which they may be the same.
        fuzzy_length: shortest cleaned number that is compared loosely; shorter ones must be equal in their digits.
        group_size: most documents on the many side of a one-to-many match; 1 switches such matches off.
        is_date_compared: False for statements whose date is another one (bills of entry).
        candidates: how many nearest documents are named for one that stands alone.
    """

    taxable: Tolerance = Tolerance()
    tax: Tolerance = Tolerance()
    near_days: int = 10
    fuzzy_score: int = 85
    fuzzy_length: int = 4
    group_size: int = 4
    is_date_compared: bool = True
    candidates: int = 3


@dataclass(frozen=True, slots=True)
class Wishes:
    """What persons decided; ids that are in neither frame are left aside.

    Attributes:
        links: documents that a person put together: (ids of the left, ids of the right); the first that names a
            document counts.
        parted: pairs (left id, right id) that are never to be matched.
    """

    links: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    parted: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Matched:
    """The outcome: frames with ``GROUP_COLUMNS``, ``MEMBER_COLUMNS`` and ``CANDIDATE_COLUMNS``.

    Groups are sorted by owner, party, status and the ids of their members, so equal inputs give equal frames.
    """

    groups: pd.DataFrame
    members: pd.DataFrame
    candidates: pd.DataFrame
