"""The types of a row: what the warehouse's columns can hold, checked before anything is counted on.

A record whose values do not fit its typed row is rejected with a reason that names columns, never values; a column
that the row does not declare is not even named unless its name is a plain word, because a source could have put
anything there. Invariant: nothing is converted. A text that looks like a number is a breach, because the parser
promised a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import CoreConfig, SchemaValidator

from clientsync.spec.module import Record, TableSpec

TYPE = "ROW-TYPE"
MISSING = "ROW-MISSING"
UNKNOWN = "ROW-UNKNOWN"
LENGTH = "ROW-LENGTH"
TEXT = "ROW-TEXT"
RANGE = "ROW-RANGE"
LARGEST = 2**63 - 1  # of the warehouse's integer columns
SHOWN = 5  # columns named in one reason

ROW_RULES: dict[str, str] = {
    TYPE: "every value has the type of its column",
    MISSING: "every column that must have a value has one",
    UNKNOWN: "no value stands in a column that the table does not have",
    LENGTH: "no text is longer than its column",
    TEXT: "no text holds characters that no database stores (NUL, lone surrogates)",
    RANGE: "whole numbers fit 64 bits, and moments carry their zone",
}
"""The rules that every typed row keeps, by code; each rejects the row."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_NAME = re.compile("[a-z][a-z0-9_]{0,39}")
_WORDS: dict[str, tuple[str, str]] = {
    "missing": (MISSING, "is missing"),
    "extra_forbidden": (UNKNOWN, "is not a column of the table"),
    "invalid_key": (UNKNOWN, "is not a column of the table"),
    "string_too_long": (LENGTH, "is longer than its column"),
    "string_unicode": (TEXT, "holds characters that no database stores"),
    "int_type": (TYPE, "is not a whole number"),
    "string_type": (TYPE, "is not text"),
    "bool_type": (TYPE, "is neither true nor false"),
    "date_type": (TYPE, "is not a date"),
    "datetime_type": (TYPE, "is not a moment"),
}


class RowTypes:
    """Checks records of one table against its typed row."""

    def __init__(self, table: TableSpec) -> None:
        """Prepare the validator of the row: of its fields alone where the row adds no rules of its own."""
        self._validator = _validator_of(table)

    def problem(self, record: Record) -> tuple[str, str] | None:
        """Return the code and the reason why a record cannot be stored, None when it can.

        The code is that of the first thing wrong; the reason names up to ``SHOWN`` columns.
        """
        if self._validator.isinstance_python(record.values, strict=True):
            return _unstorable(record.values)
        try:
            self._validator.validate_python(record.values, strict=True)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False, include_context=False)
        said: dict[str, str] = {}
        for one in found:
            code, reason = _in_words(one["type"], one["loc"], record.values)
            said.setdefault(reason, code)
        reasons = list(said)
        more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
        return said[reasons[0]], "; ".join(reasons[:SHOWN]) + more


def _validator_of(table: TableSpec) -> SchemaValidator:
    whole: Any = table.row.__pydantic_core_schema__
    fields = whole.get("schema", {})
    if whole["type"] == "model" and fields.get("type") == "model-fields":
        # Nothing reads the instance, and not making one is four times as fast.
        return SchemaValidator(fields, config=CoreConfig(extra_fields_behavior="forbid"))
    validator: Any = table.row.__pydantic_validator__
    checked: SchemaValidator = validator
    return checked


def _in_words(kind: str, where: tuple[int | str, ...], values: Mapping[str, Any]) -> tuple[str, str]:
    name = str(where[0]) if where else "the row"
    code, words = _WORDS.get(kind, (TYPE, f"breaks the rule {kind.replace('_', ' ')}"))
    if code == UNKNOWN and not _PLAIN_NAME.fullmatch(name):
        name = "a name of the source"
    if code == TYPE and name in values and values[name] is None:
        return MISSING, f"{name} is null"
    return code, f"{name} {words}"


def _unstorable(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what the types allow and a database does not."""
    for name, value in values.items():
        kind = type(value)
        if kind is str:
            if "\x00" in value:
                return TEXT, f"{name} {_WORDS['string_unicode'][1]}"
        elif kind is int:
            if not -LARGEST <= value <= LARGEST:
                return RANGE, f"{name} does not fit 64 bits"
        elif kind is datetime:
            if value.tzinfo is None:
                return RANGE, f"{name} is a moment without a zone"
        elif isinstance(value, str) and ("\x00" in value or _SURROGATE.search(value)):
            return TEXT, f"{name} {_WORDS['string_unicode'][1]}"
    return None
