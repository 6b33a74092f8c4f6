"""What every module must keep, whoever wrote it: one function per promise, each returns the faults it sees.

The contract suite runs them over every module of every connector in the index, and the test of
``docs/adding-a-module.md`` over a module that it has just written. An empty list means that the promise is kept.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from clientsync.errors import InvalidSpec
from clientsync.periods import Period, Quarter
from clientsync.spec.checks import Check, CheckKind
from clientsync.spec.module import Asking, Cadence, Context, Module, Record, Section, TableSpec
from clientsync.sync.fetching import PARSER_ERRORS
from clientsync.warehouse.rows import read_rows
from clientsync.warehouse.schema import ColumnSpec, columns_of, warehouse_table
from tests.support.gstins import gstin_of

TODAY = date(2026, 11, 23)
PERIOD = Period(2026, 9)
_PREFIXES: dict[str, type] = {"is_": bool, "has_": bool}
_SUFFIXES: dict[str, type] = {"_paise": int, "_bp": int, "_on": date, "_at": datetime}
_PARAMS: Mapping[CheckKind, frozenset[str]] = {
    CheckKind.IN_SET: frozenset({"values"}),
    CheckKind.BETWEEN: frozenset({"low", "high"}),
    CheckKind.MATCHES: frozenset({"pattern"}),
    CheckKind.MAX_LENGTH: frozenset({"length"}),
    CheckKind.AT_MOST_ONE_NONZERO: frozenset({"groups"}),
    CheckKind.WITHIN: frozenset({"terms", "tolerance"}),
}
_ONE_COLUMN = (
    CheckKind.NOT_NULL,
    CheckKind.IN_SET,
    CheckKind.BETWEEN,
    CheckKind.MATCHES,
    CheckKind.MAX_LENGTH,
    CheckKind.GSTIN,
)
_NOTHING: tuple[Any, ...] = ({}, [], None, "text", 7, {"gstin": ""})
Golden = Mapping[str, Any]
"""Section name to a payload as the portal would answer it."""


def unit_period(module: Module, period: Period = PERIOD) -> str:
    """Return the label of the module's unit that holds ``period``."""
    if module.cadence is Cadence.CLIENT:
        return "current"
    if module.cadence is Cadence.QUARTER:
        return str(Quarter.of(period.first_day))
    return period.financial_year if module.cadence is Cadence.FINANCIAL_YEAR else str(period)


def context_of(module: Module, section: str, *, gstin: str = "", period: Period = PERIOD) -> Context:
    """Return what the engine tells a parser."""
    month = period if module.cadence is Cadence.PERIOD else None
    return Context(
        gstin or gstin_of(1),
        month,
        unit_period(module, period),
        section,
        TODAY,
        quarter=_quarter(module, period),
    )


def _quarter(module: Module, period: Period) -> Quarter | None:
    return Quarter.of(period.first_day) if module.cadence is Cadence.QUARTER else None


def asking_of(module: Module, *, frequency: str = "M", gstin: str = "", period: Period = PERIOD) -> Asking:
    """Return the state of a first run."""
    month = period if module.cadence is Cadence.PERIOD else None
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 6, 30, tzinfo=UTC)
    quarter = _quarter(module, period)
    return Asking(
        gstin or gstin_of(1), frequency, unit_period(module, period), month, TODAY, now, quarter=quarter
    )


def structure(module: Module) -> list[str]:
    """Sections and tables refer to each other and are each used."""
    faults = []
    names = [section.name for section in module.sections]
    tables = [table.name for table in module.tables]
    faults += [f"section {name} twice" for name, times in Counter(names).items() if times > 1]
    faults += [f"table {name} twice" for name, times in Counter(tables).items() if times > 1]
    filled = {name for section in module.sections for name in section.tables}
    faults += [f"no section fills {name}" for name in tables if name not in filled]
    faults += [f"a section fills {name}, which is not declared" for name in filled - set(tables)]
    seen: set[str] = set()
    for section in module.sections:
        if section.after and section.after not in seen:
            faults.append(f"{section.name} comes after {section.after}, which is not asked before it")
        if section.is_detail and (section.skip or section.after):
            faults.append(f"{section.name} is a detail and is asked by its list only")
        seen.add(section.name)
    if module.naive_calls < 1 or not module.title:
        faults.append("no title or no naive calls")
    return faults


def warehouse_fit(module: Module, prefix: str) -> list[str]:
    """Tables can be built on both databases, and their columns' names say their types."""
    faults = []
    for table in module.tables:
        if not table.name.startswith(f"{prefix}__") or not table.description:
            faults.append(f"{table.name}: name without {prefix}__, or no description")
        try:
            warehouse_table(table)
            found = columns_of(table)
        except InvalidSpec as error:
            faults.append(error.message)
            continue
        for column in found:
            faults += [f"{table.name}.{column.name}: {text}" for text in _column_faults(column)]
    return faults


def _column_faults(column: ColumnSpec) -> Iterator[str]:
    promised: set[type] = {kind for mark, kind in _PREFIXES.items() if column.name.startswith(mark)}
    promised |= {kind for mark, kind in _SUFFIXES.items() if column.name.endswith(mark)}
    if promised and promised != {column.python}:
        yield f"its name promises {promised}, it is {column.python.__name__}"
    if column.python in (bool, date, datetime) and not promised:
        yield f"a {column.python.__name__} whose name does not say so"
    if column.name.endswith("_paise") and (column.unit != "paise" or column.is_optional):
        yield "money is made by columns.amount and is never null"
    if column.name.endswith("gstin") and column.personal != "identity":
        yield "a registration is personal data of class identity"
    if not column.description:
        yield "no description"


def checks_fit(module: Module) -> list[str]:
    """Checks name columns that exist, carry the figures of their kind, and say where they come from."""
    return [
        f"{check.code}: {text}"
        for table in module.tables
        for check in table.checks
        for text in _check_faults(check, table)
    ]


def _check_faults(check: Check, table: TableSpec) -> Iterator[str]:
    groups = [name for group in check.params.get("groups", ()) for name in group]
    for name in (*check.columns, *check.params.get("terms", ()), *groups):
        if name not in table.row.model_fields:
            yield f"{name} is no column of {table.name}"
    if set(check.params) != _PARAMS.get(check.kind, frozenset()):
        yield f"params {sorted(check.params)} do not fit {check.kind}"
    if check.kind in _ONE_COLUMN and len(check.columns) != 1:
        yield f"{check.kind} is about one column"
    if check.kind is CheckKind.MATCHES:
        re.compile(check.params["pattern"])
    if not re.fullmatch(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+", check.code):
        yield "a code is like GST-2B-D03"
    if not check.message or not check.source:
        yield "no message or no source"


def code_faults(modules: Mapping[str, Module]) -> list[str]:
    """Check codes are unique over all tables of all modules."""
    tables = {table.name: table for module in modules.values() for table in module.tables}
    codes = Counter(check.code for table in tables.values() for check in table.checks)
    return [f"check code {code} stands {times} times" for code, times in codes.items() if times > 1]


def endpoint_faults(module: Module, endpoints: Collection[str]) -> list[str]:
    """Every section asks an endpoint that the connector has."""
    return [f"{one.name} asks {one.endpoint}" for one in module.sections if one.endpoint not in endpoints]


def emptiness(module: Module) -> list[str]:
    """An answer without anything in it has no good document; whatever is no answer is refused, never a crash."""
    faults = []
    for section in module.sections:
        for payload in _NOTHING:
            try:
                records = list(section.parse(payload, context_of(module, section.name)))
            except PARSER_ERRORS:
                continue
            faults += [
                f"{section.name}: {payload!r} fills {one.table}"
                for one in records
                if one.table not in section.tables
            ]
    return faults


def read(module: Module, section: Section, payload: Any, *, gstin: str = "") -> list[Record]:
    """Return the records of one answer."""
    return list(section.parse(copy.deepcopy(payload), context_of(module, section.name, gstin=gstin)))


def golden_faults(module: Module, golden: Golden) -> list[str]:
    """Every section has a sample with rows; each row fits its table and its key is unique in the whole unit."""
    faults = []
    records: dict[str, list[Record]] = {}
    tables = {table.name: table for table in module.tables}
    for section in module.sections:
        if section.name not in golden:
            faults.append(f"{section.name} has no golden sample")
            continue
        found = read(module, section, golden[section.name])
        if section.tables and not found:
            faults.append(f"{section.name}: the golden sample has no rows")
        faults += [f"{section.name}: {one.table}: {one.problem}" for one in found if one.problem]
        faults += [
            f"{section.name} fills {one.table} undeclared" for one in found if one.table not in section.tables
        ]
        for one in found:
            records.setdefault(one.table, []).append(one)
    faults += [f"no golden row for {name}" for name in tables if name not in records]
    for name in records.keys() & tables.keys():
        faults += _row_faults(tables[name], records[name])
    return faults


def _row_faults(table: TableSpec, records: list[Record]) -> Iterator[str]:
    built = warehouse_table(table)
    good, bad = read_rows(built, [dict(one.values) for one in records], "sqlite")
    for reason in sorted(set(bad.values())):
        yield f"{table.name}: {reason}"
    for one in records:
        try:
            table.row.model_validate(one.values, strict=True)
        except ValueError as error:
            yield f"{table.name}: {str(error).splitlines()[1:2]}"
            break
    twice = [key for key, times in Counter(good.keys).items() if times > 1]
    if twice:
        yield f"{table.name}: {len(twice)} keys stand for several rows"


def leaf_rows(payload: Any) -> Iterator[dict[str, Any]]:
    """Yield the first row of every list of rows in a payload that has no rows below itself."""
    if isinstance(payload, dict):
        for value in payload.values():
            yield from leaf_rows(value)
    elif isinstance(payload, list):
        rows = [one for one in payload if isinstance(one, dict)]
        if rows and not any(isinstance(value, list) and value for value in rows[0].values()):
            yield rows[0]
        for one in rows:
            yield from leaf_rows(one)


def damage_faults(module: Module, golden: Golden) -> list[str]:
    """A row whose fields have other types becomes a record with a problem; no other row is lost or added."""
    faults = []
    for section in module.sections:
        payload = golden.get(section.name)
        whole = len(read(module, section, payload)) if payload is not None else 0
        for number, _ in enumerate(leaf_rows(payload)):
            broken = copy.deepcopy(payload)
            row = list(leaf_rows(broken))[number]
            row.update({name: {"unexpected": ["type"]} for name in row})
            try:
                found = read(module, section, broken)
            except PARSER_ERRORS as error:
                faults.append(f"{section.name}: one bad row ({', '.join(row)}) refuses all: {error!r}")
                continue
            if not any(one.problem for one in found):
                faults.append(f"{section.name}: a row of {', '.join(row)} loses its types unnoticed")
            if len(found) != whole:
                faults.append(f"{section.name}: {whole} rows became {len(found)} when {', '.join(row)} broke")
    return faults


def objects(payload: Any) -> Iterator[dict[str, Any]]:
    """Yield the first object of every list and every object that stands alone, at all depths."""
    if isinstance(payload, dict):
        yield payload
        for value in payload.values():
            yield from objects(value)
    elif isinstance(payload, list) and payload:
        yield from objects(payload[0])


def findings(module: Module, section: Section, payload: Any, *, gstin: str = "") -> list[tuple[str, bool]]:
    """Return code and severity of what the integrity functions of a section see."""
    context = context_of(module, section.name, gstin=gstin)
    records = read(module, section, payload, gstin=gstin)
    return [
        (one.code, one.is_halting) for rule in section.integrity for one in rule(payload, records, context)
    ]


def drift_faults(module: Module, golden: Golden, *, only: Callable[[Section], bool]) -> list[str]:
    """A field that the contract does not name is noticed wherever it stands, and halts nothing."""
    faults = []
    for section in module.sections:
        if section.name not in golden or not only(section):
            continue
        base = set(findings(module, section, golden[section.name]))
        for number, _ in enumerate(objects(golden[section.name])):
            changed = copy.deepcopy(golden[section.name])
            target = list(objects(changed))[number]
            shown = ", ".join(list(target)[:4])
            target["brandNewField"] = "x"
            try:
                seen = set(findings(module, section, changed)) - base
            except PARSER_ERRORS as error:
                faults.append(f"{section.name}: a new field beside {shown} refuses the answer: {error!r}")
                continue
            if not any(not is_halting for _, is_halting in seen):
                faults.append(f"{section.name}: a new field beside {shown} goes unnoticed")
    return faults
