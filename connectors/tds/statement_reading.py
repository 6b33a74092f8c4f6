"""From the lines of a statement file to rows: each line becomes exactly one record, or one with a problem.

A line whose field count is wrong, or of which a field cannot be read, goes to quarantine alone with its reason; the
others go in. Reasons name fields, never values. Annual salary details are counted and not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from clientsync import money
from clientsync.errors import InvalidPeriod
from clientsync.periods import Quarter
from clientsync.spec.module import Context, Record
from connectors.tds import code_tables, identifiers
from connectors.tds.statement_layouts import (
    BATCH_HEADER,
    CHALLAN,
    DEDUCTEE,
    FILE_HEADER,
    LAYOUTS,
    SALARY_RECORDS,
    Layout,
    record_type,
    split_line,
)
from connectors.tds.statement_rows import FILE_CHALLAN, FILE_DEDUCTEE, STATEMENT_FILE, Fault

PAYLOAD = "tds_statement"
"""Name under which a payload holds the lines of a file."""
PLAIN_RATE_FORMS = frozenset({"26Q"})
"""Families of forms in which tax is amount x rate, without surcharge and cess: residents, other than salaries (V29)."""
CERTIFICATE_FLAG, NO_PAN_FLAG = "A", "C"
PAN_FLAGS = frozenset({"A", "T"})
"""Flags that may only stand with a PAN: annexure 6 of Form 138, note on flag T of Form 140."""
ADVANCE_TAX = "100"

Values = Mapping[str, str]


@dataclass(frozen=True)
class Line:
    """One line of a file: its number from one, its fields, and its record type."""

    number: int
    parts: list[str]
    kind: str


@dataclass
class StatementText:
    """A statement file, split.

    Attributes:
        lines: all but the empty ones.
        header: fields of the file header, empty when there is none.
        batch: fields of the first batch header, empty when there is none.
        layout: of the form that the batch header names.
        sha256: of the file's bytes.
        deductees: deductee records by the challan record that they name.
    """

    lines: list[Line]
    layout: Layout
    sha256: str
    header: Values = field(default_factory=dict)
    batch: Values = field(default_factory=dict)
    deductees: Counter[str] = field(default_factory=Counter)

    @property
    def quarter(self) -> Quarter | None:
        """The quarter that the batch header names, None when it names none."""
        year, quarter = self.batch.get("year", ""), self.batch.get("quarter", "")
        try:
            return Quarter.parse(f"{year[:4]}-{year[4:]}-{quarter}")
        except InvalidPeriod:
            return None

    @property
    def tan(self) -> str:
        """The TAN of the batch header, or of the file header when that has none."""
        return self.batch.get("tan", "") or self.header.get("tan", "")

    @property
    def is_regular(self) -> bool:
        """Whether the file is a regular statement and no correction."""
        return self.header.get("upload_type", "R") in ("R", "")

    def salary_lines(self) -> int:
        """Return how many lines hold annual salary details."""
        return sum(line.kind in SALARY_RECORDS for line in self.lines)


def split_statement(payload: Any) -> StatementText:
    """Return a payload's statement file, split into fields.

    Raises:
        ValueError: the payload holds no lines, or no header that names a known form.
    """
    texts = payload[PAYLOAD]
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise ValueError("a statement file is a list of lines")
    lines = []
    for number, one in enumerate(texts, start=1):
        parts = split_line(one)
        lines.append(Line(number, parts, record_type(parts)))
    batch = next((one for one in lines if one.kind == BATCH_HEADER and len(one.parts) > 4), None)
    form = batch.parts[4].strip().upper() if batch else ""
    if batch is None or form not in LAYOUTS:
        raise ValueError("no batch header names a known form")
    layout = LAYOUTS[form]
    found = StatementText(lines, layout, str(payload.get("sha256", "")))
    found.batch = layout.values(BATCH_HEADER, batch.parts)
    header = next((one for one in lines if one.kind == FILE_HEADER), None)
    if header is not None:
        found.header = layout.values(FILE_HEADER, header.parts)
    position = layout.positions[DEDUCTEE]["challan_record"]
    found.deductees = Counter(
        one.parts[position - 1].strip()
        for one in lines
        if one.kind == DEDUCTEE and len(one.parts) >= position
    )
    return found


def parse(payload: Any, context: Context) -> Iterable[Record]:
    """Yield one record per header pair, challan line and deductee line of a file."""
    text = split_statement(payload)
    quarter = context.quarter or Quarter.parse(context.unit_period)
    reader = _Reader(text, quarter, context)
    yield from reader.records()


class _Reader:
    """Reads the lines of one file for one quarter."""

    def __init__(self, text: StatementText, quarter: Quarter, context: Context) -> None:
        self.text = text
        self.layout = text.layout
        self.quarter = quarter
        self.today = context.asked_on
        self.same: dict[str, Any] = {
            "period": context.unit_period,
            "section": context.section,
            "act": text.layout.act,
            "portal": "FILE",
            "form": text.layout.form,
        }
        self.key = {name: self.same[name] for name in ("period", "section")}

    def records(self) -> Iterator[Record]:
        readers: dict[str, tuple[str, Callable[[Line, Values], dict[str, Any]]]] = {
            CHALLAN: (FILE_CHALLAN.name, self.challan),
            DEDUCTEE: (FILE_DEDUCTEE.name, self.deductee),
        }
        headers: Counter[str] = Counter()
        for line in self.text.lines:
            if line.kind in SALARY_RECORDS:
                continue
            if line.kind in (FILE_HEADER, BATCH_HEADER):
                headers[line.kind] += 1
                if headers[line.kind] > 1:
                    yield _problem(FILE_CHALLAN.name, {}, line, "a second header stands in the file")
            elif line.kind in readers:
                table, read = readers[line.kind]
                yield self.record(table, line, read)
            else:
                yield _problem(FILE_DEDUCTEE.name, {}, line, "the record type is not known")
        yield self.header_record()

    def record(self, table: str, line: Line, read: Callable[[Line, Values], dict[str, Any]]) -> Record:
        key = self.key_of(line)
        if not self.text.is_regular:
            return _problem(
                table, key, line, "a record of a correction statement: only regular ones are read"
            )
        if len(line.parts) not in self.layout.counts[line.kind]:
            return _problem(table, key, line, self.count_reason(line))
        try:
            return Record(table, read(line, self.layout.values(line.kind, line.parts)))
        except ValueError as error:
            return _problem(table, key, line, str(error))

    def count_reason(self, line: Line) -> str:
        """Return V30 in words."""
        return f"the {line.kind} record has {len(line.parts)} fields, which Form {self.layout.form} does not allow"

    def key_of(self, line: Line) -> dict[str, Any]:
        """Return what of a line's key can be read."""
        found = dict(self.key)
        for name in ("challan_record", "deductee_record"):
            position = self.layout.positions[line.kind].get(name)
            if position is not None and len(line.parts) >= position and _is_whole(line.parts[position - 1]):
                found[name] = int(line.parts[position - 1])
        return found

    def header_record(self) -> Record:
        """Return the record of the two headers; it has a problem when either of them cannot be read."""
        lines = [line for line in self.text.lines if line.kind in (FILE_HEADER, BATCH_HEADER)]
        try:
            if not self.text.is_regular:
                raise ValueError("a correction statement: only regular ones are read")
            if not any(line.kind == FILE_HEADER for line in lines):
                raise ValueError("the file header is missing")
            for line in lines:
                if len(line.parts) not in self.layout.counts[line.kind]:
                    raise ValueError(self.count_reason(line))
            return Record(STATEMENT_FILE.name, self.header())
        except ValueError as error:
            evidence = {"source_rows": ["^".join(line.parts) for line in lines]}
            return Record(STATEMENT_FILE.name, {**self.key, **evidence}, problem=str(error))

    def header(self) -> dict[str, Any]:
        header, batch = self.text.header, self.text.batch
        return {
            **self.same,
            "year": self.quarter.year,
            "quarter": f"Q{self.quarter.number}",
            "tan": batch["tan"],
            "pan": batch["pan"],
            "name": batch["name"],
            "category": batch["category"],
            "gstin": batch["gstin"],
            "responsible_pan": batch["responsible_pan"],
            "assessment_year": batch["assessment_year"],
            "previous_token": batch["previous_token"],
            "is_filed_earlier": _yes(batch, "filed_earlier"),
            "utility": header["utility"],
            "created_on": _day(header, "created_on"),
            "challan_count": _whole(batch, "challan_count"),
            "challans_found": sum(line.kind == CHALLAN for line in self.text.lines),
            "deductees_found": sum(line.kind == DEDUCTEE for line in self.text.lines),
            "total_deposited_paise": _paise(batch, "total_deposited", required=True),
            "file_sha256": self.text.sha256,
        }

    def challan(self, line: Line, values: Values) -> dict[str, Any]:
        is_book_entry = values.get("is_book_entry") == "Y" or values.get("mode") == "B"
        serial = values["serial"] or values.get("voucher", "")
        row: dict[str, Any] = {
            **self.same,
            "challan_record": _whole(values, "challan_record"),
            "line": line.number,
            "bsr": _digits(values["bsr"], 7),
            "serial": _digits(serial, 5),
            "deposited_on": _day(values, "deposited_on", required=True),
            "is_nil": _yes(values, "is_nil") is True,
            "is_book_entry": is_book_entry,
            "section_code": values.get("section_code", ""),
            "minor_head": values["minor_head"],
            "deductee_count": _whole(values, "deductee_count"),
            "deductees_found": self.text.deductees[values["challan_record"]],
        }
        for name in ("tax", "interest", "penalty", "total", "deductee_tax", "deductee_deposited"):
            row[f"{name}_paise"] = _paise(values, name, required=True)
        for name in ("surcharge", "cess", "fee", "interest_allocated", "others_allocated"):
            row[f"{name}_paise"] = _paise(values, name)
        row["faults"] = " ".join(self.challan_faults(row))
        return row

    def challan_faults(self, row: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield the rules that a challan breaks. Source: prescribed file formats, CD fields 8 to 19; rules 5.2."""
        on, quarter = row["deposited_on"], self.quarter
        if on > self.today:
            yield Fault.FUTURE
        if on < date(quarter.start - 1, 4, 1):
            yield Fault.EARLY
        if row["is_nil"] and on != quarter.last_day:
            yield Fault.NIL_DATE
        if row["minor_head"] == ADVANCE_TAX and not quarter.first_day <= on <= quarter.last_day:
            yield Fault.ADVANCE_DATE
        heads = ("tax_paise", "interest_paise", "fee_paise", "penalty_paise", "total_paise")
        if self.layout.act == "2025" and any(row[name] % 100 for name in heads):
            yield Fault.PAISE
        if not row["is_nil"]:
            if not row["bsr"]:
                yield Fault.NO_BRANCH
            if not row["serial"]:
                yield Fault.NO_SERIAL
        if _is_unknown_section(row["section_code"]):
            yield Fault.OLD_SECTION

    def deductee(self, line: Line, values: Values) -> dict[str, Any]:
        tax = _paise(values, "tax", required=True)
        amount = _paise(values, "amount", required=True)
        rate = _rate(values)
        row: dict[str, Any] = {
            **self.same,
            "challan_record": _whole(values, "challan_record"),
            "deductee_record": _whole(values, "deductee_record"),
            "line": line.number,
            "pan": values["pan"],
            "is_pan_missing": identifiers.is_placeholder(values["pan"]),
            "name": values["name"],
            "code": values["code"],
            "paid_on": _day(values, "paid_on", required=True),
            "deducted_on": _day(values, "deducted_on"),
            "deposited_on": _day(values, "deposited_on"),
            "amount_paise": amount,
            "tds_paise": _paise(values, "tds") if "tds" in values else tax,
            "surcharge_paise": _paise(values, "surcharge"),
            "cess_paise": _paise(values, "cess"),
            "tax_paise": tax,
            "deposited_paise": _paise(values, "deposited", required=True),
            "rate_ppm": rate,
            "rate_difference_paise": self.rate_difference(amount, rate, tax),
            "is_deposited": _yes(values, "is_deposited"),
            "flag": values["flag"],
            "certificate_number": values["certificate"],
            "acknowledgement": values.get("acknowledgement", ""),
            "cash_over_1_crore_paise": _paise(values, "cash_over_1_crore"),
            "cash_over_3_crore_paise": _paise(values, "cash_over_3_crore"),
            "remittance": values.get("remittance", ""),
            "country": values.get("country", ""),
            "rate_basis": values.get("rate_basis", "").upper(),
            "is_grossed_up": _yes(values, "grossed_up"),
        }
        faults = [*self.date_faults(row), *self.flag_faults(row, line), *self.code_faults(row, values)]
        row["faults"] = " ".join(faults)
        return row

    def rate_difference(self, amount: int, rate: int | None, tax: int) -> int:
        """Return by how much the tax differs from amount x rate in paise, zero where V29 does not apply."""
        if rate is None or self.layout.family not in PLAIN_RATE_FORMS:
            return 0
        return tax - code_tables.tax_at(amount, rate)

    def date_faults(self, row: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield the rules on dates that a deductee's record breaks: DD fields 19, 27, 29; rules 5.2."""
        days = [row[name] for name in ("paid_on", "deducted_on", "deposited_on") if row[name] is not None]
        if max(days) > self.today:
            yield Fault.FUTURE
        on = row["deducted_on"]
        if on is not None and on < self.quarter.first_day:
            yield Fault.EARLY
        if (on is not None) != (row["tax_paise"] != 0):
            yield Fault.DATE_AND_TAX

    def flag_faults(self, row: Mapping[str, Any], line: Line) -> Iterator[Fault]:
        """Yield the rules on flags, certificates and PANs that a deductee's record breaks; rules 5.4, V03, V07."""
        flag, number = row["flag"], row["certificate_number"]
        is_new = self.layout.act == "2025"
        is_allowed = (
            row["code"] in code_tables.flag_codes(self.layout.form, flag) if is_new else len(flag) == 1
        )
        if flag and not is_allowed:
            yield Fault.FLAG
        is_due = flag == CERTIFICATE_FLAG and self.layout.has(DEDUCTEE, line.parts, "certificate")
        if (number and not identifiers.is_certificate(number, self.layout.act)) or (is_due and not number):
            yield Fault.CERTIFICATE
        if is_new and row["is_pan_missing"] and flag in PAN_FLAGS:
            yield Fault.NEEDS_PAN
        needs_flag = row["is_pan_missing"] and row["tax_paise"] != 0
        if (needs_flag and flag != NO_PAN_FLAG) or (flag == NO_PAN_FLAG and not row["is_pan_missing"]):
            yield Fault.PLACEHOLDER

    def code_faults(self, row: Mapping[str, Any], values: Values) -> Iterator[Fault]:
        """Yield the rules on payment codes that a deductee's record breaks; rules 5.5, V25."""
        code, form = row["code"], self.layout.form
        if self.layout.act == "1961":
            if _is_unknown_section(code):
                yield Fault.OLD_SECTION
            return
        if code in code_tables.doubtful_codes(form):
            yield Fault.DOUBTFUL_CODE
        elif code not in code_tables.payment_codes(form):
            yield Fault.CODE
        if code in code_tables.tax_free_codes() and (
            row["tax_paise"] or row["deposited_paise"] or row["rate_ppm"]
        ):
            yield Fault.TAX_FREE
        if values["is_deposited"] not in ("Y", "N"):
            yield Fault.DEPOSITED


def _is_unknown_section(code: str) -> bool:
    """Say whether a code is given that the portal's list of the Act of 1961 does not have."""
    return bool(code) and not code_tables.section_of_challan_code(code)


def _problem(table: str, key: Mapping[str, Any], line: Line, reason: str) -> Record:
    return Record(table, {**key, "source_row": "^".join(line.parts)}, problem=f"line {line.number}: {reason}")


def _is_whole(text: str) -> bool:
    return text.strip().isascii() and text.strip().isdigit() and len(text.strip()) <= 9


def _whole(values: Values, name: str) -> int:
    if not _is_whole(values[name]):
        raise ValueError(f"{name} is not a whole number of at most nine digits")
    return int(values[name])


def _digits(text: str, width: int) -> str:
    """Return digits padded with zeros; anything else as it stands, for the checks to see."""
    return text.zfill(width) if text.isascii() and text.isdigit() else text


def _paise(values: Values, name: str, *, required: bool = False) -> int:
    value = values.get(name, "")
    if not value:
        if required:
            raise ValueError(f"{name} is missing")
        return 0
    try:
        return money.paise(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _rate(values: Values) -> int | None:
    return code_tables.rate_ppm(values["rate"]) if values.get("rate") else None


def _day(values: Values, name: str, *, required: bool = False) -> date | None:
    """Return a date written ddmmyyyy."""
    value = values.get(name, "")
    if not value:
        if required:
            raise ValueError(f"{name} is missing")
        return None
    if len(value) != 8 or not _is_whole(value):
        raise ValueError(f"{name} is not a date DDMMYYYY")
    try:
        return date(int(value[4:]), int(value[2:4]), int(value[:2]))
    except ValueError:
        raise ValueError(f"{name} is not a day of the calendar") from None


def _yes(values: Values, name: str) -> bool | None:
    return {"Y": True, "N": False}.get(values.get(name, ""))
