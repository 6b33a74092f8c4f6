"""What a side of a set can do: a file that is read, or a system that is asked.

A side speaks in values of our fields, as they stand in it; canonical forms are made here, not there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

ACTIONS = ("create", "update", "delete")


@dataclass(frozen=True)
class Listed:
    """All records of a side.

    Attributes:
        records: id to values of our fields, as the side holds them.
        is_complete: every page came, and as many records as were declared; only then may anything be missing.
        refused: rows that are no record, as (place, reason).
    """

    records: Mapping[str, Mapping[str, object]]
    is_complete: bool = True
    refused: Sequence[tuple[str, str]] = field(default_factory=tuple)


class Side(Protocol):
    """One of the two systems of a set."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def region(self) -> str:
        """Country of telephone numbers that name none."""

    @property
    def fields(self) -> Collection[str]:
        """Fields of ours that it has; only those that both sides have are compared."""

    @property
    def actions(self) -> Sequence[str]:
        """What it can do, of ``ACTIONS``."""

    @property
    def scope(self) -> str:
        """Digest of account, filters and mapping; when it changes, nothing that is missing counts as deleted."""

    def listed(self) -> Listed:
        """Return all records.

        Raises:
            SourceError: the side cannot be reached.
        """

    def read(self, ext_id: str) -> Mapping[str, object] | None:
        """Return a record as it stands now; None when it is gone for certain."""

    def find(self, reference: str, number: str) -> str | None:
        """Return the record that was made for a reference of ours, or else that has a number; None when none is."""

    def create(self, values: Mapping[str, str], reference: str) -> str:
        """Make a record, and return its id.

        Raises:
            SideRefused: the side does not take it.
        """

    def update(self, ext_id: str, values: Mapping[str, str]) -> None:
        """Write some fields of a record.

        Raises:
            SideRefused: the side does not take them.
        """

    def delete(self, ext_id: str) -> None:
        """Delete a record; one that is gone is as good."""
