"""Outstanding demand: per year what officers and the processing centre demand, and which defaults it is made of.

The list's first row may be an aggregate of prior years; it is expanded into its years and never stored, or it would
count twice. Years with processed demand are followed to their statements and defaults. Invariant: what is stored of
the drill-down belongs to the list that is stored, and an unchanged list is not drilled down again for a month.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from clientsync.periods import Quarter
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import (
    Asking,
    Cadence,
    Context,
    Finding,
    Module,
    Record,
    Row,
    Section,
    TableSpec,
)
from connectors.gst.shapes import leaves, only_known
from connectors.tds import fields, forms, identifiers
from connectors.tds.rests import is_unchanged

TEN_RUPEES = 1000
"""Tolerance in paise between a year's demand and the sum of its rounded quarters (V28)."""
REFRESH_AFTER = timedelta(days=30)
"""The drill-down is asked again after this even when the list is unchanged, for its parts may shift."""
DETAILS = ("demand_quarters", "demand_summary")

_LIST_SHAPE = {"rows": leaves("finYr fin aodmnd cpcdmd"), "asked": leaves("fy")}
_ASKED = leaves("fy quarterdesc qr ft finyrdesc")
_PAGE_SHAPE = {"html": None, "asked": _ASKED}
_AMOUNT = r"[\d,]+(?:\.\d{1,2})?"
_DAY = r"\d{1,2}-[A-Za-z]{3}-\d{4}"
_DEFAULTS = (
    ("INTEREST_220_2", r"220"),
    ("ADDITIONAL_LATE_FEE", r"additional.*(?:filing|234e|427)"),
    ("LATE_FEE", r"filing|234e|427"),
    ("ADDITIONAL_INTEREST_LATE_PAYMENT", r"additional.*late.*payment"),
    ("ADDITIONAL_INTEREST_LATE_DEDUCTION", r"additional.*late.*(?:deduction|collection)"),
    ("INTEREST_SHORT_PAYMENT", r"interest.*short.*payment"),
    ("INTEREST_SHORT_DEDUCTION", r"interest.*short.*(?:deduction|collection)"),
    ("INTEREST_LATE_PAYMENT", r"interest.*late.*payment|late.*payment.*interest"),
    (
        "INTEREST_LATE_DEDUCTION",
        r"interest.*late.*(?:deduction|collection)|late.*(?:deduction|collection).*interest",
    ),
    ("SHORT_PAYMENT", r"short.*payment"),
    ("SHORT_DEDUCTION", r"short.*(?:deduction|collection)"),
)
"""Code of a type of default to words of the portal, the first that fits. Source: TRACES default summary."""
DEFAULT_CODES = (*(code for code, _ in _DEFAULTS), "OTHER")


class DemandRow(Row):
    """What is demanded for one year."""

    period: str = columns.text("Always current: demand is one open list", length=10)
    section: str = columns.text("Section that answered", length=20)
    act: str = columns.text("Income-tax Act of the year: 1961 or 2025", length=4)
    portal: str = columns.text("Portal that said it: TRACES61", length=10)
    year: str = columns.text("Financial year, as 2025-26", length=7)
    manual_paise: int = columns.amount("Manual demand, raised by the assessing officer")
    processed_paise: int = columns.amount("Processed demand, raised by the processing centre")
    is_prior: bool = columns.flag("Whether the list showed the year within Prior Years only")


class DemandQuarterRow(Row):
    """What is demanded for one statement: net payable, its order, and counts of deductees with PAN errors."""

    period: str = columns.text("Always current: demand is one open list", length=10)
    section: str = columns.text("Section that answered", length=20)
    act: str = columns.text("Income-tax Act of the year: 1961 or 2025", length=4)
    portal: str = columns.text("Portal that said it: TRACES61", length=10)
    year: str = columns.text("Financial year, as 2025-26", length=7)
    quarter: str = columns.text("Quarter: Q1 (April to June) to Q4", length=10)
    form: str = columns.text("Form of the statement", length=10)
    statement_kind: str = columns.text("Regular or Correction", default="", length=40)
    masked_token: str = columns.text("Token number as the portal masks it, like 7700XXXXXXX7094", length=20)
    order_passed_on: date | None = columns.day("Day of the order", default=None)
    corrections: int = columns.number("Correction statements", default=0, unit="statements")
    net_payable_paise: int = columns.amount("Net payable, rounded to ten rupees by the portal")
    payable_paise: int = columns.amount("Sum of what is payable per type of default")
    rounded_payable_paise: int = columns.amount("That sum rounded to ten rupees (s.288B)")
    without_pan: int = columns.number("Deductees without PAN", default=0, unit="deductees")
    invalid_pan: int = columns.number("Deductees with an invalid PAN", default=0, unit="deductees")


class DefaultRow(Row):
    """One line of a default summary."""

    period: str = columns.text("Always current: demand is one open list", length=10)
    section: str = columns.text("Section that answered", length=20)
    act: str = columns.text("Income-tax Act of the year: 1961 or 2025", length=4)
    portal: str = columns.text("Portal that said it: TRACES61", length=10)
    year: str = columns.text("Financial year, as 2025-26", length=7)
    quarter: str = columns.text("Quarter: Q1 (April to June) to Q4", length=10)
    form: str = columns.text("Form of the statement", length=10)
    masked_token: str = columns.text("Token number as the portal masks it", length=20)
    default_code: str = columns.text("Type of default as a code, for example SHORT_PAYMENT", length=40)
    default_type: str = columns.text("Type of default in the portal's words", length=200)
    occurrence: int = columns.number("Number of the line among those of one type", unit="lines")
    amount_paise: int = columns.amount("Default amount")
    claimed_paise: int = columns.amount("Amount reported as interest or others in the statement")
    payable_paise: int = columns.amount("Payable as the portal says")
    expected_payable_paise: int = columns.amount("Default amount less claimed, at least zero")


def is_aggregate(raw: Any) -> bool:
    """Whether a row of the list is the aggregate of prior years."""
    return isinstance(raw, Mapping) and str(raw.get("fin", "")).strip() == "1"


def _years(payload: Any, context: Context) -> Iterable[Record]:
    """Read the single years; the aggregate is expanded by its own question and dropped here."""
    for raw in fields.items(payload, "rows"):
        if is_aggregate(raw):
            continue

        def make(raw: Any = raw) -> dict[str, Any]:
            year = fields.year(raw, "finYr", required=True)
            if fields.text(raw, "fin", required=True) != year[:4]:
                raise ValueError("fin is not the start of finYr")
            return {
                "period": context.unit_period,
                "section": context.section,
                "act": Quarter(int(year[:4]), 1).act,
                "portal": "TRACES61",
                "year": year,
                "manual_paise": fields.paise(raw, "aodmnd", required=True),
                "processed_paise": fields.paise(raw, "cpcdmd", required=True),
                "is_prior": context.section == "demand_prior",
            }

        yield fields.row("tds__demand", raw, make)


def _checksum(payload: Any) -> str:
    """Return what identifies the list: its rows, whatever their order."""
    rows = sorted(repr(sorted(raw.items())) for raw in fields.items(payload, "rows"))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _follow_list(payload: Any, asking: Asking) -> Sequence[tuple[str, dict[str, str]]] | None:
    """Expand the prior years and the years with processed demand; None when the stored drill-down still holds."""
    prior = any(is_aggregate(raw) for raw in fields.items(payload, "rows"))
    if _still_holds(payload, asking, (*DETAILS, "demand_prior") if prior else DETAILS):
        return None
    expand: list[tuple[str, dict[str, str]]] = [("demand_prior", {})] if prior else []
    return [*expand, *_follow_years(payload, asking)]


def _still_holds(payload: Any, asking: Asking, details: Sequence[str]) -> bool:
    """Whether the list is the stored one and every detail was read with it or before it, whole and lately.

    A drill-down that failed half-way leaves details that are newer than the list, so all is asked again.
    """
    listed = asking.memory.get("demand")
    if listed is None or not listed.was_loaded or listed.checksum != _checksum(payload):
        return False
    for name in details:
        known = asking.memory.get(name)
        if known is None or not known.was_loaded or known.asked_at > listed.asked_at:
            return False
        if asking.now - known.asked_at > REFRESH_AFTER:
            return False
    return True


def _follow_years(payload: Any, _: Asking) -> Sequence[tuple[str, dict[str, str]]]:
    """Ask the quarters of each year with processed demand."""
    return [
        ("demand_quarters", {"fy": year[:4]}) for year, processed in _processed(payload).items() if processed
    ]


def _processed(payload: Any) -> dict[str, int]:
    """Return processed demand in paise by year; rows that cannot be read are reported where they are parsed."""
    found: dict[str, int] = {}
    for raw in fields.items(payload, "rows"):
        if not isinstance(raw, Mapping) or is_aggregate(raw):
            continue
        try:
            found[fields.year(raw, "finYr", required=True)] = fields.paise(raw, "cpcdmd", required=True)
        except ValueError:
            continue
    return found


def _prior_adds_up(_: Any, records: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Halt when the prior years do not add up to their aggregate, or a year stands in both lists (R10)."""
    listed = fields.answered(context, "demand")
    if listed is None:
        return
    good = [one.values for one in records if one.problem is None]
    aggregates = [raw for raw in fields.items(listed, "rows") if is_aggregate(raw)]
    for name, column in (("aodmnd", "manual_paise"), ("cpcdmd", "processed_paise")):
        declared = sum(fields.paise(raw, name) for raw in aggregates)
        if declared != sum(values[column] for values in good):
            yield Finding(
                "TDS-OD-PRIOR",
                "The prior years do not add up to their aggregate; the demand was not fetched whole.",
            )
            break
    if _processed(listed).keys() & {values["year"] for values in good}:
        yield Finding("TDS-OD-TWICE", "A year stands in the list and within its prior years.")


@dataclass(frozen=True)
class QuarterLine:
    """One row of the list of quarters: what its link asks, and net payable in paise."""

    params: dict[str, str]
    net_paise: int

    @property
    def place(self) -> tuple[str, str, str]:
        """Start year, quarter and form."""
        return self.params["fy"], self.params["quarterdesc"], self.params["ft"]


def _lines(payload: Any) -> Iterator[QuarterLine | None]:
    """Yield the rows of the list of quarters, None for one that cannot be read.

    Raises:
        ValueError: the page has no such list.
    """
    table = fields.page(payload).table("demandsumFY1")
    if table is None:
        raise ValueError("demandsumFY1 is missing")
    for cells in table.rows:
        if all(cell.is_heading for cell in cells):
            continue
        yield _line(cells)


def _line(cells: Sequence[fields.Cell]) -> QuarterLine | None:
    links = [link for cell in cells for link in cell.links if "demsummary" in link]
    amounts = [cell.text for cell in cells if re.fullmatch(_AMOUNT, cell.text)]
    if not links or not amounts:
        return None
    query = {name: values[0] for name, values in parse_qs(urlsplit(links[0]).query).items()}
    if not _ASKED.keys() <= query.keys():
        return None
    return QuarterLine({name: query[name] for name in _ASKED}, fields.paise({"net": amounts[-1]}, "net"))


def _no_rows(payload: Any, _: Context) -> Iterable[Record]:
    """Read nothing: the list of quarters only leads to the summaries, which repeat it in full."""
    list(_lines(payload))
    return ()


def _follow_quarters(payload: Any, _: Asking) -> Sequence[tuple[str, dict[str, str]]]:
    return [("demand_summary", one.params) for one in _lines(payload) if one is not None]


def _year_adds_up(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Halt when a quarter cannot be followed; warn when the quarters do not add up to the year (V28)."""
    lines = list(_lines(payload))
    good = [one for one in lines if one is not None]
    if len(good) < len(lines):
        yield Finding(fields.PARTIAL, "A quarter with demand has no link or amount that can be read.")
    years = {one.params["fy"] for one in good} | {fields.text(fields.obj(payload, "asked"), "fy")} - {""}
    demanded = _processed(fields.answered(context, "demand") or {})
    demanded |= _processed(fields.answered(context, "demand_prior") or {})
    for year, amount in demanded.items():
        if year[:4] not in years:
            continue
        if amount and not good:
            yield Finding(fields.PARTIAL, f"{year} has processed demand, but no quarter of it is listed.")
        elif abs(sum(one.net_paise for one in good) - amount) > TEN_RUPEES:
            yield Finding(
                "TDS-OD-YEAR",
                f"The quarters of {year} do not add up to the year's processed demand.",
                is_halting=False,
            )


def _summary(payload: Any, context: Context) -> Iterable[Record]:
    """Read a default summary: one row for the statement and one for each type of default."""
    page = fields.page(payload)
    evidence = {"asked": payload.get("asked")}
    defaults: list[Record] = []

    def head() -> dict[str, Any]:
        return {**_place(payload, context), "masked_token": _token(page)}

    def make() -> dict[str, Any]:
        shared = head()
        defaults.extend(_defaults(page, shared))
        payable = sum(one.values["payable_paise"] for one in defaults if one.problem is None)
        return {
            **shared,
            "statement_kind": page.value_of("statement", "type", pattern=r"[A-Za-z ]+") or "",
            "order_passed_on": fields.day({"order": page.value_of("order", "passed", pattern=_DAY)}, "order"),
            "corrections": fields.whole(_counted(page, "correction"), "correction"),
            "net_payable_paise": fields.paise(_net(page), "net", required=True),
            "payable_paise": payable,
            "rounded_payable_paise": fields.round_to_ten_rupees(payable),
            "without_pan": fields.whole(_counted(page, "without"), "without"),
            "invalid_pan": fields.whole(_counted(page, "invalid"), "invalid"),
        }

    yield fields.row("tds__demand_quarter", evidence, make)
    key = ("period", "section", "year", "quarter", "form", "default_type")
    yield from fields.number_occurrences(defaults, key)


def _place(payload: Any, context: Context) -> dict[str, Any]:
    """Return the columns that say which statement a summary is about, from the question that it answers."""
    asked = fields.obj(payload, "asked")
    year = fields.year(asked, "fy", required=True)
    return {
        "period": context.unit_period,
        "section": context.section,
        "act": Quarter(int(year[:4]), 1).act,
        "portal": "TRACES61",
        "year": year,
        "quarter": forms.quarter_name(fields.text(asked, "qr", required=True)),
        "form": forms.form_name(fields.text(asked, "ft", required=True)),
    }


def _token(page: fields.Page) -> str:
    found = page.value_of("token", pattern=rf"{identifiers.TOKEN}|{identifiers.MASKED_TOKEN}")
    if found is None:
        raise ValueError("the token number is missing")
    return found


def _net(page: fields.Page) -> dict[str, str | None]:
    return {"net": page.value_of("net", "payable", pattern=_AMOUNT)}


def _counted(page: fields.Page, word: str) -> dict[str, str | None]:
    """Return a count by a word of its label: correction(s), without (PAN), invalid (PAN); absent counts zero."""
    labels = {"correction": ("correction", "statements"), "without": ("without", "pan")}
    return {word: page.value_of(*labels.get(word, ("invalid", "pan")), pattern=r"\d+")}


def _defaults(page: fields.Page, shared: Mapping[str, Any]) -> Iterator[Record]:
    """Read the table of defaults by its headings; lines without a type or a total are none.

    Raises:
        ValueError: there is no such table.
    """
    for table in page.tables:
        for number, cells in enumerate(table.rows):
            places = _columns([cell.text.lower() for cell in cells])
            if places is not None:
                yield from (
                    _default(line, places, shared)
                    for line in table.rows[number + 1 :]
                    if _is_line(line, places)
                )
                return
    raise ValueError("the table of defaults is missing")


def _columns(headings: Sequence[str]) -> dict[str, int] | None:
    """Return where type, amount, claimed and payable stand in a row of headings, None when it is none."""
    found: dict[str, int] = {}
    for place, heading in enumerate(headings):
        if "type" in heading and "default" in heading:
            found["type"] = place
        elif "reported" in heading or "claimed" in heading:
            found["claimed"] = place
        elif "payable" in heading:
            found["payable"] = place
        elif "amount" in heading:
            found["amount"] = place
    return found if len(found) == 4 else None


def _is_line(cells: Sequence[fields.Cell], places: Mapping[str, int]) -> bool:
    if places["type"] >= len(cells):
        return False
    kind = cells[places["type"]].text.lower()
    return bool(kind) and not kind.startswith(("total", "net payable"))


def _default(cells: Sequence[fields.Cell], places: Mapping[str, int], shared: Mapping[str, Any]) -> Record:
    texts = {name: cells[place].text if place < len(cells) else "" for name, place in places.items()}

    def make() -> dict[str, Any]:
        amount = fields.paise(texts, "amount", required=True)
        claimed = fields.paise(texts, "claimed", required=True)
        return {
            **shared,
            "default_code": default_code(texts["type"]),
            "default_type": texts["type"],
            "occurrence": 1,
            "amount_paise": amount,
            "claimed_paise": claimed,
            "payable_paise": fields.paise(texts, "payable", required=True),
            "expected_payable_paise": max(0, amount - claimed),
        }

    return fields.row("tds__default", texts, make)


def default_code(words: str) -> str:
    """Return the code of a type of default in the portal's words, ``OTHER`` when it is not known."""
    text = words.lower()
    return next((code for code, pattern in _DEFAULTS if re.search(pattern, text)), "OTHER")


def _net_agrees(payload: Any, records: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Warn when a summary's net payable is not that of the list of quarters which led to it."""
    listed = fields.answered(context, "demand_quarters")
    if listed is None:
        return
    asked = fields.obj(payload, "asked")
    place = tuple(fields.text(asked, name) for name in ("fy", "quarterdesc", "ft"))
    nets = {one.place: one.net_paise for one in _lines(listed) if one is not None}
    for one in records:
        if one.table != "tds__demand_quarter" or one.problem is not None or place not in nets:
            continue
        if one.values["net_payable_paise"] != nets[place]:
            yield Finding(
                "TDS-OD-NET",
                "A default summary names another net payable than the list of quarters.",
                is_halting=False,
            )


def _share(asking: Asking) -> bool:
    """Tell the other modules of this run whether the list of demand is another one than before."""
    return not is_unchanged(asking, "demand", _checksum)


_NOT_NEGATIVE = {"low": 0, "high": None}

DEMANDS = TableSpec(
    name="tds__demand",
    row=DemandRow,
    key=("period", "section", "year"),
    scope=("period", "section"),
    description="Outstanding demand per year, manual and processed.",
    checks=(
        Check(
            "TDS-OD-D01",
            CheckKind.UNIQUE,
            ("period", "section", "year"),
            OnBreach.REJECT_ROW,
            "The same year stands twice in the list with different amounts.",
            source="TRACES: one row per year.",
        ),
        Check(
            "TDS-OD-D02",
            CheckKind.BETWEEN,
            ("manual_paise",),
            OnBreach.WARN,
            "Manual demand is negative.",
            _NOT_NEGATIVE,
            source="V28: demand is what is left to pay.",
        ),
        Check(
            "TDS-OD-D03",
            CheckKind.BETWEEN,
            ("processed_paise",),
            OnBreach.WARN,
            "Processed demand is negative.",
            _NOT_NEGATIVE,
            source="V28: demand is what is left to pay.",
        ),
    ),
)

QUARTERS = TableSpec(
    name="tds__demand_quarter",
    row=DemandQuarterRow,
    key=("period", "section", "year", "quarter", "form"),
    scope=("period", "section"),
    description="Demand per statement with its order, token and counts of PAN errors.",
    checks=(
        Check(
            "TDS-OD-Q01",
            CheckKind.WITHIN,
            ("net_payable_paise", "rounded_payable_paise"),
            OnBreach.WARN,
            "Net payable is not the sum of the defaults rounded to ten rupees.",
            {"terms": {"net_payable_paise": 1, "rounded_payable_paise": -1}, "tolerance": 0},
            source="V28: net payable is rounded per statement (s.288B).",
        ),
        Check(
            "TDS-OD-Q02",
            CheckKind.MATCHES,
            ("masked_token",),
            OnBreach.REJECT_ROW,
            "The token number has neither 15 digits nor the portal's mask.",
            {"pattern": rf"(?:{identifiers.TOKEN}|{identifiers.MASKED_TOKEN})"},
            source="V06: token numbers; masked on the demand pages.",
        ),
        Check(
            "TDS-OD-Q03",
            CheckKind.IN_SET,
            ("form",),
            OnBreach.WARN,
            "The form is none of the statements of tax deduction.",
            {"values": list(forms.ALL_FORMS)},
            source="Income-tax Rules: forms of statements.",
        ),
    ),
)

DEFAULTS = TableSpec(
    name="tds__default",
    row=DefaultRow,
    key=("period", "section", "year", "quarter", "form", "default_type", "occurrence"),
    scope=("period", "section"),
    description="Defaults of a statement per type: amount, claimed, payable.",
    checks=(
        Check(
            "TDS-OD-T01",
            CheckKind.WITHIN,
            ("payable_paise", "expected_payable_paise"),
            OnBreach.WARN,
            "Payable is not the default amount less what the statement claims.",
            {"terms": {"payable_paise": 1, "expected_payable_paise": -1}, "tolerance": 0},
            source="V28: payable = max(0, amount - claimed).",
        ),
        Check(
            "TDS-OD-T02",
            CheckKind.IN_SET,
            ("default_code",),
            OnBreach.WARN,
            "The type of default is none of those that are known.",
            {"values": [code for code in DEFAULT_CODES if code != "OTHER"]},
            source="TRACES: default summary.",
        ),
        Check(
            "TDS-OD-T03",
            CheckKind.BETWEEN,
            ("amount_paise",),
            OnBreach.WARN,
            "A default amount is negative.",
            _NOT_NEGATIVE,
            source="V28: defaults are amounts to pay.",
        ),
    ),
)

MODULE = Module(
    name="outstanding_demand",
    title="Outstanding Demand",
    sections=(
        Section(
            name="demand",
            endpoint="traces_old.demand",
            parse=_years,
            tables=("tds__demand",),
            integrity=(only_known(_LIST_SHAPE, "the list of demand"),),
            checksum=_checksum,
            follow=_follow_list,
        ),
        Section(
            name="demand_prior",
            endpoint="traces_old.demand_prior",
            parse=_years,
            tables=("tds__demand",),
            integrity=(only_known(_LIST_SHAPE, "the list of prior years"), _prior_adds_up),
            follow=_follow_years,
            is_detail=True,
            whole_with="demand",
        ),
        Section(
            name="demand_quarters",
            endpoint="traces_old.demand_quarters",
            parse=_no_rows,
            tables=(),
            integrity=(only_known(_PAGE_SHAPE, "the demand of a year"), _year_adds_up),
            follow=_follow_quarters,
            is_detail=True,
            whole_with="demand",
        ),
        Section(
            name="demand_summary",
            endpoint="traces_old.demand_summary",
            parse=_summary,
            tables=("tds__demand_quarter", "tds__default"),
            integrity=(only_known(_PAGE_SHAPE, "the default summary"), _net_agrees),
            is_detail=True,
            whole_with="demand",
        ),
    ),
    tables=(DEMANDS, QUARTERS, DEFAULTS),
    cadence=Cadence.CLIENT,
    naive_calls=10,
    share=_share,
)
