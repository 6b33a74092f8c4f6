"""The fields that an answer may hold, at every depth, so that a new one is noticed wherever the portal puts it.

A shape is a mapping of field name to the shape below it, or None for a plain value; a name that ends in ``*`` stands
for every name that begins so. Rows of a list share the shape of the list. Invariant: a known field is never reported,
and a new one is reported once with the place where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from clientsync.spec.module import Context, Finding, Record

Shape = Mapping[str, Any]


def leaves(names: str) -> dict[str, None]:
    """Return the shape of plain values with these names, which are separated by blanks."""
    return dict.fromkeys(names.split())


def strangers(payload: Any, shape: Shape | None, place: str = "") -> Iterator[str]:
    """Yield the place of every field that a shape does not name."""
    if shape is None:
        return
    if isinstance(payload, list):
        for one in payload:
            yield from strangers(one, shape, place)
    elif isinstance(payload, Mapping):
        for name, value in payload.items():
            where = f"{place}.{name}" if place else str(name)
            known = name if name in shape else _pattern(str(name), shape)
            if known is None:
                yield where
            else:
                yield from strangers(value, shape[known], where)


def _pattern(name: str, shape: Shape) -> str | None:
    return next((one for one in shape if one.endswith("*") and name.startswith(one[:-1])), None)


def only_known(shape: Shape, what: str) -> Callable[[Any, Sequence[Record], Context], Iterable[Finding]]:
    """Return an integrity function that warns of fields that are not in ``shape``."""

    def check(payload: Any, _: Sequence[Record], __: Context) -> Iterable[Finding]:
        found = sorted(dict.fromkeys(strangers(payload, shape)))
        if not found:
            return []
        return [
            Finding(
                "SCHEMA-NEW-FIELD",
                f"{what} holds fields that are not known and were not loaded: {', '.join(found[:8])}. "
                "The raw answer is kept.",
                is_halting=False,
            )
        ]

    return check
