"""Statement files: the text that a deductor filed, with its challans and deductees, for both Acts.

No portal gives them back; they come from the practice's own folders. One section per form, under the name that the
form had before April 2026, so that a form keeps one history through the change of the Act. Invariant: every line of a
file is in the warehouse or in quarantine with its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from clientsync.spec.module import Cadence, HandFile, Module, Section
from connectors.tds.code_tables import OLD_FORMS
from connectors.tds.statement_layouts import FILE_HEADER, record_type, split_line
from connectors.tds.statement_reading import PAYLOAD, parse, split_statement
from connectors.tds.statement_rows import FILE_CHALLAN, FILE_DEDUCTEE, STATEMENT_FILE
from connectors.tds.statement_totals import completeness, identity, totals

_START = 200  # bytes within which the file header's first fields stand


def _decode(raw: bytes, _: str) -> Any:
    """Return the lines of a statement file: ASCII by its format, letters of other alphabets are let through."""
    body = raw.removeprefix(b"\xef\xbb\xbf")
    if record_type(split_line(body[:_START].decode("ascii", errors="replace"))) != FILE_HEADER:
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    return {PAYLOAD: lines, "sha256": hashlib.sha256(raw).hexdigest()}


def _recognise(payload: Any) -> str | None:
    if PAYLOAD not in payload:
        return None
    return f"Form {split_statement(payload).layout.form} statement"


def _identity(payload: Any) -> tuple[str | None, str | None]:
    text = split_statement(payload)
    return text.tan or None, text.quarter.label if text.quarter else None


def _split(payload: Any) -> Iterable[tuple[str, Any]]:
    yield split_statement(payload).layout.family, payload


MODULE = Module(
    name="statements",
    title="TDS statement files",
    sections=tuple(
        Section(
            name=form,
            endpoint="files.statement",
            parse=parse,
            tables=(STATEMENT_FILE.name, FILE_CHALLAN.name, FILE_DEDUCTEE.name),
            integrity=(identity, completeness, totals),
        )
        for form in OLD_FORMS
    ),
    tables=(STATEMENT_FILE, FILE_CHALLAN, FILE_DEDUCTEE),
    cadence=Cadence.QUARTER,
    files=HandFile(recognise=_recognise, identity=_identity, split=_split, decode=_decode),
)
