"""Amounts are shown with the commas of lakhs and crores."""

from __future__ import annotations

import pytest

from clientsync import money


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (0, "0.00"),
        (99_999, "999.99"),
        (100_000, "1,000.00"),
        (181080501, "18,10,805.01"),
        (-123456789012, "-1,23,45,67,890.12"),
    ],
)
def test_amounts_are_grouped_by_lakhs_and_crores(paise: int, text: str) -> None:
    assert money.grouped(paise) == text
