"""Compiles a module's checks to Great Expectations suites and runs them over batches of staged units.

Great Expectations is imported only when rows are validated: its import takes seconds. Its results carry raw values, so
none of them is stored, logged or returned; what leaves this room are breaches that name rows and rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clientsync.spec.module import TableSpec
from clientsync.staged import Breach, StagedUnit


def validate(units: Sequence[StagedUnit], tables: Mapping[str, TableSpec]) -> list[Breach]:
    """Return every breach of the types and checks of the units' rows."""
    from validations.batch import validate_batch

    return validate_batch(units, tables)
