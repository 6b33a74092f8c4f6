"""Documents for matching, built with as few words as a test needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from clientsync.reconcile.documents.frames import AMOUNTS, DOCUMENT_COLUMNS, Matched
from tests.support.gstins import gstin_of

OWNER = gstin_of(1, "27")
PARTY = gstin_of(2, "29")
SAME_PAN = gstin_of(2, "24")
OTHER = gstin_of(3, "29")


def document(name: str, number: str = "INV/101", taxable: int = 1_000_00, **changes: Any) -> dict[str, Any]:
    """Return one document with CGST and SGST of 9 %; amounts are paise, dates ISO texts."""
    half = taxable * 9 // 100
    values: dict[str, Any] = {
        "id": name,
        "owner_gstin": OWNER,
        "party_gstin": PARTY,
        "document_type": "INV",
        "document_number": number,
        "document_on": "2026-10-05",
        "period": "102026",
        "place_of_supply": "29",
        "reverse_charge": "N",
        "amends_number": "",
        "amends_on": None,
        "taxable_paise": taxable,
        "igst_paise": 0,
        "cgst_paise": half,
        "sgst_paise": half,
        "cess_paise": 0,
    }
    unknown = set(changes) - set(values)
    if unknown:
        raise KeyError(f"a document has no {unknown}")
    return {**values, **changes}


def frame(documents: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return documents as a frame for matching."""
    made = pd.DataFrame(list(documents), columns=list(DOCUMENT_COLUMNS))
    for name in ("document_on", "amends_on"):
        made[name] = pd.to_datetime(made[name]).astype("datetime64[s]")
    return made.astype(dict.fromkeys(AMOUNTS, "int64"))


def groups_of(matched: Matched) -> set[tuple[str, frozenset[str]]]:
    """Return every group as its status and the ids of its members."""
    ids = matched.members.groupby("group")["id"].agg(frozenset)
    return {
        (status, ids[group])
        for group, status in zip(matched.groups["group"], matched.groups["status"], strict=True)
    }


def pairs_of(matched: Matched) -> set[frozenset[str]]:
    """Return the ids of every group that has documents of both sides."""
    both = matched.groups[(matched.groups["left_count"] > 0) & (matched.groups["right_count"] > 0)]
    ids = matched.members.groupby("group")["id"].agg(frozenset)
    return {ids[group] for group in both["group"]}


def row_of(matched: Matched, name: str) -> dict[str, Any]:
    """Return the group that a document is in."""
    group = matched.members.loc[matched.members["id"] == name, "group"].iloc[0]
    found: dict[str, Any] = matched.groups.loc[matched.groups["group"] == group].iloc[0].to_dict()
    return found
