"""Makers of row columns: each carries type, description and class of personal data.

The allowed Python types of a row are ``str``, ``int``, ``bool``, ``date`` and ``datetime`` (aware), each
optional or not. Money columns end in ``_paise``, dates in ``_on``, moments in ``_at``, flags begin with
``is_`` or ``has_``, rates are integers of basis points (18 % = 1800) and end in ``_bp``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlmodel import Field


class Personal(StrEnum):
    """Class of personal data of a column."""

    NONE = "none"
    IDENTITY = "identity"  # PAN, GSTIN, TAN: never in logs
    NAME = "name"
    CONTACT = "contact"


def text(
    description: str, *, default: Any = ..., personal: Personal = Personal.NONE, length: int = 255
) -> Any:
    """A text column of at most ``length`` characters."""
    return Field(
        default,
        description=description,
        max_length=length,
        schema_extra={"json_schema_extra": {"personal": personal.value}},
    )


def amount(description: str, *, default: Any = 0) -> Any:
    """Money in paise; analysts' views show rupees. Name it ``…_paise``."""
    return Field(
        default, description=description + " (paise)", schema_extra={"json_schema_extra": {"unit": "paise"}}
    )


def number(description: str, *, default: Any = ..., unit: str = "") -> Any:
    """A whole number, with its unit."""
    return Field(default, description=description, schema_extra={"json_schema_extra": {"unit": unit}})


def day(description: str, *, default: Any = ...) -> Any:
    """A date. Name it ``…_on``."""
    return Field(default, description=description)


def flag(description: str, *, default: Any = ...) -> Any:
    """True or false. Name it ``is_…`` or ``has_…``."""
    return Field(default, description=description)
