"""Every group gets one severity and one next step; who loses money decides how loud it is."""

from __future__ import annotations

from itertools import product

import pandas as pd
import pytest

from clientsync.reconcile.documents.acting import CLOSED, NO_BOOKS, NO_CREDIT, NOT_YET, Direction, judged
from clientsync.reconcile.documents.frames import MatchStatus
from clientsync.reconcile.result import Severity

HEADS = ("igst", "cgst", "sgst", "cess")


def group(status: str, *, over: int = 0, tags: str = "", differs: str = "taxable") -> dict[str, object]:
    """Return one group whose books hold ``over`` paise more tax than the portal."""
    amounts = {f"{side}_{head}_paise": 0 for side in ("left", "right") for head in HEADS}
    return {"status": status, "tags": tags, "differs": differs, **amounts, "left_igst_paise": over}


def answer(direction: Direction, status: str, **changes: object) -> tuple[str, str]:
    found = judged(pd.DataFrame([group(status, **changes)]), direction)  # type: ignore[arg-type]
    return str(found["severity"].iloc[0]), str(found["action"].iloc[0])


@pytest.mark.parametrize("direction", list(Direction))
def test_every_status_with_every_mark_has_an_answer(direction: Direction) -> None:
    tags = ("", NOT_YET, NO_BOOKS, NO_CREDIT, CLOSED, f"late,{NO_CREDIT}")
    rows = [
        group(str(status), over=over, tags=tag)
        for status, over, tag in product(MatchStatus, (-5, 0, 5), tags)
    ]
    found = judged(pd.DataFrame(rows), direction)
    assert len(found) == len(rows)
    assert set(found["severity"]) <= {str(one) for one in Severity}
    warned = found["severity"].isin(["warning", "error"])
    assert (found.loc[warned, "action"] != "").all()


@pytest.mark.parametrize(
    ("status", "changes", "severity", "words"),
    [
        ("exact", {}, "ok", ""),
        ("exact", {"tags": NO_CREDIT}, "warning", "Do not claim"),
        ("suggested", {}, "info", "Accept"),
        ("mismatch", {"over": 1}, "error", "Claim no more"),
        ("mismatch", {"over": -1}, "warning", "(taxable)"),
        *(("mismatch", {"over": over, "tags": NO_CREDIT}, "error", "not available") for over in (-1, 0, 1)),
        ("missing_here", {}, "warning", "book it"),
        ("missing_here", {"tags": NO_CREDIT}, "info", "Nothing can be claimed"),
        ("missing_here", {"tags": NO_BOOKS}, "info", "Import the books"),
        ("missing_there", {}, "error", "4(B)(2)"),
        ("missing_there", {"tags": NOT_YET}, "info", "Wait"),
        ("duplicate", {}, "error", "Remove"),
        ("amended", {}, "info", "amended document"),
    ],
)
def test_a_purchase_says_what_may_be_claimed(
    status: str, changes: dict[str, object], severity: str, words: str
) -> None:
    found = answer(Direction.PURCHASES, status, **changes)
    assert found[0] == severity
    assert words in found[1]


@pytest.mark.parametrize(
    ("status", "changes", "severity", "words"),
    [
        ("exact", {}, "ok", "Accept it in IMS"),
        ("exact", {"tags": CLOSED}, "error", "rejected or kept pending"),
        ("mismatch", {"over": 1}, "error", "pending"),
        ("missing_here", {}, "warning", "deemed accepted"),
        ("missing_here", {"tags": CLOSED}, "ok", ""),
        ("missing_there", {}, "info", "not in the open pool"),
    ],
)
def test_a_document_of_the_pool_says_how_to_act_in_ims(
    status: str, changes: dict[str, object], severity: str, words: str
) -> None:
    found = answer(Direction.POOL, status, **changes)
    assert found[0] == severity
    assert words in found[1]


@pytest.mark.parametrize(
    ("status", "changes", "severity", "words"),
    [
        ("mismatch", {"over": 1}, "error", "too little tax"),
        ("mismatch", {"over": 0}, "warning", "Amend"),
        ("missing_there", {}, "error", "Report it"),
        ("missing_here", {}, "warning", "reported but not in the books"),
    ],
)
def test_a_sale_says_what_is_to_be_reported(
    status: str, changes: dict[str, object], severity: str, words: str
) -> None:
    found = answer(Direction.SALES, status, **changes)
    assert found[0] == severity
    assert words in found[1]


def test_a_tag_that_only_contains_the_name_of_another_is_not_that_one() -> None:
    assert answer(Direction.PURCHASES, "missing_there", tags="not_yet_really")[0] == "error"
