"""A figure: what was measured, beside its limit. Ratios of one run, because machines differ."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of ``make bench``.

    Attributes:
        name: what was measured.
        value: the ratio or count.
        limit: what it is held against.
        at_least: True when larger is better.
        seed: of the generated data.
        note: the parts that the ratio was made of, with units.
    """

    name: str
    value: float
    limit: float
    at_least: bool
    seed: int
    note: str

    @property
    def passes(self) -> bool:
        """Whether the limit is held."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        """Return the line that is printed."""
        sign = ">=" if self.at_least else "<="
        word = "pass" if self.passes else "FAIL"
        return f"{self.name:<58} {self.value:>9.2f}  {sign} {self.limit:<7.2f} {word}  seed {self.seed}  {self.note}"
