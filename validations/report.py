"""What validation counted: per table and check, how many rows were checked and how many broke it.

A report gathers over all batches of a run and may be written to by several threads. Invariant: it holds names of
tables and codes of checks and counts, nothing of any row, so it may be shown anywhere.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from clientsync.spec.checks import OnBreach
from clientsync.spec.module import TableSpec
from validations.rows import ROW_RULES


@dataclass(frozen=True)
class CheckCount:
    """One check of one table.

    Attributes:
        table: name of the table.
        code: of the check.
        rule: in words.
        breach: what a breach does.
        rows: rows that were checked.
        breaches: rows that broke it.
    """

    table: str
    code: str
    rule: str
    breach: str
    rows: int
    breaches: int


class ValidationReport:
    """Counts of one run."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._lock = threading.Lock()
        self._rules: dict[tuple[str, str], tuple[str, str]] = {}
        self._rows: Counter[tuple[str, str]] = Counter()
        self._breaches: Counter[tuple[str, str]] = Counter()

    def add_types(self, table: TableSpec, rows: int, breaches: Mapping[str, int]) -> None:
        """Count rows that were compared with the types of a table, and those that broke one of its row rules."""
        rules = {code: (rule, OnBreach.REJECT_ROW.value) for code, rule in ROW_RULES.items()}
        self._add(table.name, rules, rows, breaches)

    def add_checks(self, table: TableSpec, rows: int, breaches: Mapping[str, int]) -> None:
        """Count rows that went through all checks of a table, and breaches by the check's code."""
        rules = {check.code: (check.message, check.breach.value) for check in table.checks}
        self._add(table.name, rules, rows, breaches)

    def _add(
        self, table: str, rules: Mapping[str, tuple[str, str]], rows: int, breaches: Mapping[str, int]
    ) -> None:
        with self._lock:
            for code, rule in rules.items():
                self._rules[table, code] = rule
                self._rows[table, code] += rows
                self._breaches[table, code] += breaches.get(code, 0)

    def lines(self, *, only_broken: bool = False) -> list[CheckCount]:
        """Return one line per table and check, the most broken first, then by table and code."""
        with self._lock:
            lines = [
                CheckCount(table, code, rule, breach, self._rows[table, code], self._breaches[table, code])
                for (table, code), (rule, breach) in self._rules.items()
            ]
        if only_broken:
            lines = [line for line in lines if line.breaches]
        return sorted(lines, key=lambda line: (-line.breaches, line.table, line.code))
