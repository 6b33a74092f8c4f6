"""The vocabulary in which a module says what must hold for its rows.

A ``Check`` is data. ``validations`` compiles it to a Great Expectations expectation; nothing in the core does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class CheckKind(StrEnum):
    """The rules that exist. All but UNIQUE and SUM_MATCHES pass on null unless NOT_NULL is asked too."""

    NOT_NULL = "not_null"  # columns: one
    UNIQUE = "unique"  # columns: one or more, within client
    IN_SET = "in_set"  # columns: one; params: values
    BETWEEN = "between"  # columns: one; params: low, high (either may be None), inclusive
    MATCHES = "matches"  # columns: one; params: pattern (full match)
    MAX_LENGTH = "max_length"  # columns: one; params: length
    GSTIN = "gstin"  # columns: one; format and check character
    EQUAL_COLUMNS = "equal_columns"  # columns: two
    AT_MOST_ONE_NONZERO = (
        "at_most_one_nonzero"  # columns: groups given in params["groups"]: IGST or CGST/SGST
    )
    WITHIN = "within"  # |expression| <= tolerance: params: terms {column: factor}, tolerance (paise)


class OnBreach(StrEnum):
    """What a breach does."""

    REJECT_ROW = "reject_row"  # the row goes to quarantine
    WARN = "warn"  # the row is loaded, the exception report says so
    HALT_UNIT = "halt_unit"  # the unit stops as suspect, nothing of it is loaded


@dataclass(frozen=True)
class Check:
    """One rule.

    Attributes:
        code: stable and unique in the product, for example ``GST-2B-D03``.
        kind: what is checked.
        columns: of the row.
        breach: what a breach does.
        message: the rule in words, for the exception report; says nothing of values.
        params: the rule's figures.
        source: where the rule comes from (law, schema, practice), for the docs.
    """

    code: str
    kind: CheckKind
    columns: tuple[str, ...]
    breach: OnBreach
    message: str
    params: dict[str, Any] = field(default_factory=dict)
    source: str = ""
