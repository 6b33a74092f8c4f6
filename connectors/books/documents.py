"""What both registers have in common: a row a document, read from one month of a register in our own plain form.

The form is made by ``clientsync.imports.registers`` from whatever the accounting program wrote: documents with amounts
in paise, and the lines that could not be read with their row numbers. Invariant: every line of the file is in exactly
one document or is refused; the counts say so and are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from clientsync.periods import Period
from clientsync.redact import redact
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import Personal
from clientsync.spec.module import Context, Finding, HandFile, Module, Record, Row, Section, TableSpec
from connectors.gst.fields import number_occurrences

FORM = "clientsync_register"
AMOUNTS = ("taxable_paise", "igst_paise", "cgst_paise", "sgst_paise", "cess_paise", "document_value_paise")
TAXES = ("igst_paise", "cgst_paise", "sgst_paise")
HIGHEST_RATE_PERCENT = 40
"""CGST Act s.9(1) and IGST Act s.5(1): at most 20 % under each of the CGST and SGST Acts, 40 % under the IGST Act."""
TAX_TOLERANCE_PAISE = 100
KEY = ("period", "document_type", "party_gstin", "document_number", "occurrence")


class DocumentRow(Row):
    """One document of a register."""

    period: str = columns.text("Month in which it was booked, MMYYYY", length=6)
    document_type: str = columns.text("INV, CN (reduces), DN (adds) or BOE", length=5)
    party_gstin: str = columns.text(
        "Other party, empty when unregistered or overseas", personal=Personal.IDENTITY, length=20
    )
    document_number: str = columns.text("Number of the document as it was booked", length=50)
    occurrence: int = columns.number("Ordinal among rows alike in all this: 2 is a second entry", default=1)
    document_on: date | None = columns.day("Date of the document", default=None)
    party_name: str = columns.text("Name in the books", personal=Personal.NAME, default="")
    voucher_number: str = columns.text("Number of the entry in the books", default="", length=50)
    place_of_supply: str = columns.text("State code", default="", length=2)
    is_reverse_charge: bool | None = columns.flag("Tax is payable by the recipient", default=None)
    is_itc_eligible: bool | None = columns.flag("The books claim credit for it", default=None)
    port_code: str = columns.text("Port of a bill of entry", default="", length=10)
    original_number: str = columns.text("Document behind a note", default="", length=50)
    original_on: date | None = columns.day("Date of that document", default=None)
    lines: int = columns.number("Lines of the register that it was summed from", default=1)
    document_value_paise: int = columns.amount("Value of the document, credit notes negative")
    taxable_paise: int = columns.amount("Taxable value, credit notes negative")
    igst_paise: int = columns.amount("IGST, credit notes negative")
    cgst_paise: int = columns.amount("CGST, credit notes negative")
    sgst_paise: int = columns.amount("SGST, credit notes negative")
    cess_paise: int = columns.amount("Cess, credit notes negative")


def checks(code: str) -> tuple[Check, ...]:
    """Return what must hold for the documents of a register; ``code`` begins the codes, for example ``BOOKS-P``."""
    return (
        Check(
            f"{code}01",
            CheckKind.GSTIN,
            ("party_gstin",),
            OnBreach.WARN,
            "the other party's registration has a valid form and check character",
            source="GSTN registration formats",
        ),
        Check(
            f"{code}02",
            CheckKind.AT_MOST_ONE_NONZERO,
            ("igst_paise",),
            OnBreach.WARN,
            "IGST and CGST/SGST do not stand on one document",
            {"groups": [["igst_paise"], ["cgst_paise", "sgst_paise"]]},
            "CGST Act s.8-9, IGST Act s.5",
        ),
        Check(
            f"{code}03",
            CheckKind.WITHIN,
            ("cgst_paise", "sgst_paise"),
            OnBreach.WARN,
            "CGST equals SGST within a rupee",
            {"terms": {"cgst_paise": 1, "sgst_paise": -1}, "tolerance": 100},
            "equal rates under CGST and SGST Acts; books round each head",
        ),
        Check(
            f"{code}04",
            CheckKind.MATCHES,
            ("document_number",),
            OnBreach.WARN,
            "a document number has at most 16 characters of A-Z, 0-9, / and -",
            {"pattern": r"[A-Za-z0-9][A-Za-z0-9/\-]{0,15}"},
            "CGST Rules, rule 46(b)",
        ),
        Check(
            f"{code}05",
            CheckKind.BETWEEN,
            ("document_on",),
            OnBreach.WARN,
            "a document is not older than GST",
            {"low": date(2017, 7, 1), "high": None},
            "GST began on 01-07-2017",
        ),
        Check(
            f"{code}06",
            CheckKind.NOT_NULL,
            ("document_on",),
            OnBreach.REJECT_ROW,
            "a document has a date",
            source="CGST Rules, rule 46(c)",
        ),
    )


def register(name: str, title: str, register_name: str, what: str, code: str) -> tuple[TableSpec, Module]:
    """Return table and module of a register.

    Args:
        name: of the module.
        title: for people.
        register_name: ``purchases`` or ``sales``, as the form names it.
        what: ends the table's name: ``books__<what>_document``.
        code: begins the codes of the checks.
    """
    table = TableSpec(
        name=f"books__{what}_document",
        row=DocumentRow,
        key=KEY,
        scope=("period",),
        description=f"The {title.lower()}, one row a document, credit notes negative.",
        checks=checks(code),
    )

    def parse(payload: Any, context: Context) -> Iterator[Record]:
        yield from number_occurrences(_records(table.name, payload, context), KEY[:-1])

    module = Module(
        name=name,
        title=title,
        sections=(
            Section(
                name="documents",
                endpoint=f"books.{register_name}",
                parse=parse,
                tables=(table.name,),
                integrity=(findings,),
                merge=joined,
            ),
        ),
        tables=(table,),
        needs_session=False,
        files=HandFile(
            recognise=lambda payload: title if _form(payload) == register_name else None,
            identity=lambda payload: (payload["gstin"], payload["period"]),
            split=lambda payload: [("documents", payload)],
        ),
    )
    return table, module


def _form(payload: Any) -> str | None:
    return payload.get(FORM) if isinstance(payload, Mapping) else None


def _records(table: str, payload: Mapping[str, Any], context: Context) -> Iterator[Record]:
    for document in payload["documents"]:
        values = {**document, "period": str(payload["period"])}
        for name in ("document_on", "original_on"):
            values[name] = date.fromisoformat(values[name]) if values.get(name) else None
        for name in (*AMOUNTS, "lines"):
            values[name] = int(values[name])
        yield Record(table, values)
    for row in payload["refused"]:
        where = f"row {row['row']} of {redact(row['file'])}" if row.get("file") else f"row {row['row']}"
        yield Record(table, {"row": int(row["row"]), **row["values"]}, f"{where}: {row['reason']}")


def joined(payloads: Sequence[Any]) -> dict[str, Any]:
    """Return one month that came in several files as one; rows and totals say of which file they are."""
    first = payloads[0]
    if len(payloads) == 1:
        return dict(first)
    return {
        **first,
        "lines": sum(int(one["lines"]) for one in payloads),
        "documents": [document for one in payloads for document in one["documents"]],
        "refused": [{**row, "file": one["file"]} for one in payloads for row in one["refused"]],
        "totals": {
            f"{name} of {redact(one['file'])}": difference
            for one in payloads
            for name, difference in one["totals"].items()
        },
    }


def findings(payload: Any, records: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Yield lines that went astray, totals of the file that its lines do not add up to, and what cannot be right."""
    lines = sum(int(document["lines"]) for document in payload["documents"]) + len(payload["refused"])
    if lines != int(payload["lines"]):
        yield Finding(
            "BOOKS-LINES", f"The month has {payload['lines']} lines, of which {lines} were read or refused."
        )
    for name, difference in payload.get("totals", {}).items():
        yield Finding(
            "BOOKS-TOTALS",
            f"The total row of the file differs from the sum of its lines in {name} by {difference} rupees.",
            is_halting=False,
        )
    rows = [one.values for one in records if one.problem is None]
    twice = sum(row.get("occurrence", 1) > 1 for row in rows)
    if twice:
        yield Finding(
            "BOOKS-DUPLICATES",
            f"{twice} documents stand in the register more than once: `clientsync books duplicates` lists them.",
            is_halting=False,
        )
    last = Period.parse(str(payload["period"])).last_day
    yield from _some(
        "BOOKS-DATES",
        [row for row in rows if row["document_on"] is not None and row["document_on"] > last],
        "dated after the month in which they are booked",
    )
    yield from _some(
        "BOOKS-RATES",
        [row for row in rows if not _is_plausible(row)],
        f"with tax above {HIGHEST_RATE_PERCENT} % of the taxable value, or of the other sign",
    )


def _some(code: str, rows: Sequence[Mapping[str, Any]], what: str) -> Iterator[Finding]:
    if rows:
        named = ", ".join(redact(str(row["document_number"])) for row in rows[:3])
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        yield Finding(code, f"Documents {what}: {named}{more}.", is_halting=False)


def _is_plausible(row: Mapping[str, Any]) -> bool:
    """Whether the tax of a document can be one of GST; on a bill of entry it is also tax on duties of customs."""
    taxable, tax = row["taxable_paise"], sum(row[name] for name in TAXES)
    if row["document_type"] == "BOE":
        return True
    has_other_sign = tax * taxable < 0 and abs(tax) > TAX_TOLERANCE_PAISE
    return (
        not has_other_sign
        and abs(tax) * 100 <= HIGHEST_RATE_PERCENT * abs(taxable) + 100 * TAX_TOLERANCE_PAISE
    )
