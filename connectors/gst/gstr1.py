"""GSTR-1: what a taxpayer reported as sold. The summary is asked first, then only what it says has changed.

A filed GSTR-1 (or IFF, in the first two months of a quarterly filer) cannot be revised: CGST Act s.37(3) leaves
amendments to later periods. Invariant: a period whose filed return is stored completely costs no call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clientsync.spec.module import HandFile, Module
from connectors.gst.documents import ENVELOPE
from connectors.gst.outward import sections_of
from connectors.gst.outward_reading import PAYLOAD_KEYS
from connectors.gst.outward_summary import (
    closed_by,
    empty_by_count,
    final_section,
    final_summary,
    unchanged_by_checksum,
)
from connectors.gst.outward_tables import tables_of

TITLE = "GSTR-1"
TABLES = tables_of("gstr1", TITLE, "R1")
CLOSING = closed_by("GSTR1", "IFF", why="a filed return cannot be revised, amendments go to later periods")
INWARD_KEYS = frozenset({"cdn", "cdna", "isd", "isda", "impg", "impgsez", "tds", "tcs", "tcs_data"})
INWARD_MARKS = frozenset({"cfs3b", "fldtr1", "flprdr1", "dtcancel"})


def is_inward(payload: Mapping[str, Any]) -> bool:
    """Whether a file with sections is about purchases: GSTR-2A has sections and marks of its own."""
    if INWARD_KEYS & set(payload):
        return True
    groups = [one for name in ("b2b", "b2ba", "ecom", "ecoma") for one in _list(payload.get(name))]
    return any(INWARD_MARKS & set(one) for one in groups if isinstance(one, Mapping))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _recognise(payload: Any) -> str | None:
    if not isinstance(payload, Mapping) or not {"gstin", "fp"} <= set(payload) or is_inward(payload):
        return None
    keys = {key for names in PAYLOAD_KEYS.values() for key in names}
    return TITLE if keys & set(payload) else None


def _identity(payload: Any) -> tuple[str | None, str | None]:
    return payload.get("gstin"), payload.get("fp")


def _split(payload: Any) -> Iterator[tuple[str, Any]]:
    envelope = {name: value for name, value in payload.items() if name in ENVELOPE - {"chksum"}}
    for section, keys in PAYLOAD_KEYS.items():
        for key in keys:
            if key in payload:
                yield section, {**envelope, key: payload[key]}
                break


MODULE = Module(
    name="gstr1",
    title=TITLE,
    sections=sections_of(
        "gstr1",
        TITLE,
        TABLES,
        summary_skip=(final_summary(CLOSING),),
        section_skip=(empty_by_count, unchanged_by_checksum, final_section(CLOSING)),
    ),
    tables=TABLES.all(),
    files=HandFile(recognise=_recognise, identity=_identity, split=_split),
    naive_calls=24,
)
