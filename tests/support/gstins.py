"""Generated registrations with valid check characters; none belongs to anybody."""

from __future__ import annotations

from clientsync.identifiers import gstin_check_character


def gstin_of(number: int, state: str = "27") -> str:
    """Return the registration number ``number`` of a made-up series."""
    first = (
        f"{state}ZZ{chr(65 + number // 26000 % 26)}P{chr(65 + number // 1000 % 26)}{number % 10000:04d}Q1Z"
    )
    return first + gstin_check_character(first)
