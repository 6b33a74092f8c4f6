"""Files of a deductor that are no statements: challan receipts, CSI files, and a register of certificates.

A receipt is the PDF of the e-filing portal, or its text. A CSI file has no public layout: it is kept as it came and
recognised by its name. The register is a table that a practice keeps of certificates for lower deduction, so that each
can be verified on TRACES. Invariant: receipts and CSI files only add; the newest register replaces the one before it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from importlib import import_module
from typing import Any

from clientsync.periods import FIRST_YEAR_OF_THE_NEW_ACT
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import Personal
from clientsync.spec.module import (
    NO_PERIOD,
    Cadence,
    Context,
    Deletes,
    Finding,
    HandFile,
    Module,
    Record,
    Row,
    Section,
    TableSpec,
)
from connectors.tds import code_tables, fields, identifiers

RECEIPTS, CSI, REGISTER = "receipts", "csi", "certificate_register"
"""Names under which payloads hold each kind of file."""
KEY = ("period", "section")
LARGEST_CSI = 10_000_000
"""Characters of the longest CSI body that is kept, in Base64."""
TEXT_START = 20_000
"""A receipt's words stand within so many characters."""
PRACTICE = "Practice of challan receipts; rules V01, V04, V05, V08, V20"
_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    OSError,
    zlib.error,
)
"""What reading a damaged PDF may raise besides the reader's own errors."""
_CSI_NAME = re.compile(r"([A-Z]{4}[0-9]{5}[A-Z])[0-9]{6}\.csi", re.IGNORECASE)
"""TAN, day DDMMYY, ``.csi``; the portal's own name."""


class ReceiptRow(Row):
    """One challan as its receipt shows it."""

    period: str = columns.text("Always current: receipts are one open list", length=10)
    section: str = columns.text("Kind of file", length=20)
    act: str = columns.text("Act of the challan's year: 1961 or 2025; empty when it shows none", length=4)
    portal: str = columns.text("Always FILE", length=10)
    bsr: str = columns.text("BSR code", length=20)
    serial: str = columns.text("Challan serial as five digits", length=20)
    deposited_on: date = columns.day("Day of deposit")
    tendered_on: date | None = columns.day("Day of tender")
    cin: str = columns.text("Challan identification number", length=40)
    year: str = columns.text("Financial or tax year, 2025-26", length=7)
    assessment_year: str = columns.text("Assessment year, 2026-27; Act of 1961 only", length=7)
    major_head: str = columns.text("Major head, raw", length=80)
    minor_head: str = columns.text("Minor head: 200, 400 or 100", length=10)
    nature: str = columns.text("Nature of payment, raw", length=255)
    mode: str = columns.text("Mode of payment, raw", length=80)
    bank: str = columns.text("Bank", length=150)
    bank_reference: str = columns.text("Reference of the bank", length=80)
    amount_paise: int = columns.amount("Amount of the challan")
    tax_paise: int = columns.amount("Tax")
    surcharge_paise: int = columns.amount("Surcharge")
    cess_paise: int = columns.amount("Cess")
    interest_paise: int = columns.amount("Interest")
    penalty_paise: int = columns.amount("Penalty")
    fee_paise: int = columns.amount("Late filing fee, s.234E or s.427")


class CsiRow(Row):
    """One CSI file as it came."""

    period: str = columns.text("Always current: files are one open list", length=10)
    section: str = columns.text("Kind of file", length=20)
    portal: str = columns.text("Always FILE", length=10)
    file_sha256: str = columns.text("SHA-256 of the file's bytes", length=64)
    size: int = columns.number("Size of the file", unit="bytes")
    body_base64: str = columns.text(
        "The file in Base64; its layout is not public", personal=Personal.IDENTITY, length=LARGEST_CSI
    )


class RegisterRow(Row):
    """One certificate for lower or no deduction, as a person recorded it."""

    period: str = columns.text("Always current: the register is one list", length=10)
    section: str = columns.text("Kind of file", length=20)
    portal: str = columns.text("Always FILE", length=10)
    act: str = columns.text("Act of the certificate: 1961 or 2025", length=4)
    year: str = columns.text("Financial or tax year for which it holds, 2025-26", length=7)
    certificate_number: str = columns.text("Certificate number", length=40)
    pan: str = columns.text("PAN of the deductee", personal=Personal.IDENTITY, length=20)
    name: str = columns.text("Name of the deductee", default="", personal=Personal.NAME, length=150)
    code: str = columns.text("Section or payment code of the certificate", default="", length=40)
    rate_ppm: int | None = columns.number(
        "Rate in units of 0.0001 per cent (0.5 per cent is 5000)", default=None, unit="0.0001 per cent"
    )
    limit_paise: int = columns.amount("Payments up to which it holds; zero when not recorded")
    valid_from_on: date | None = columns.day("First day on which it holds", default=None)
    valid_to_on: date | None = columns.day("Last day on which it holds", default=None)
    issued_on: date | None = columns.day("Day of issue", default=None)
    cancelled_on: date | None = columns.day("First day on which it no longer holds", default=None)


# --- receipts ---------------------------------------------------------------------------------------------------------

_CURRENCY = r"(?:₹|Rs\.?|INR)?\s*"
_LABELS: Mapping[str, str] = {
    "form": r"ITNS(?:\s*No\.?)?",
    "tan": r"TAN",
    "name": r"Name",
    "assessment_year": r"Assessment\s+Year",
    "year": r"(?:Financial|Tax)\s+Year",
    "major_head": r"Major\s+Head",
    "minor_head": r"Minor\s+Head",
    "nature": r"Nature\s+of\s+Payment",
    "words": r"Amount\s*\(in\s+words\)",
    "amount": r"Amount\s*\(in\s+(?:Rs\.?|₹|INR)\)|Amount",
    "cin": r"CIN",
    "mode": r"Mode(?:\s+of\s+Payment)?",
    "bank": r"Bank\s+Name",
    "bank_reference": r"Bank\s+Ref(?:erence)?\.?\s+(?:No\.?|Number)",
    "deposited_on": r"Date\s+of\s+Deposit",
    "bsr": r"BSR\s+code",
    "serial": r"Challan\s+(?:Serial\s+)?No\.?",
    "tendered_on": r"Tender\s+Date",
    "breakup": r"Tax\s+Breakup(?:\s+Details)?(?:\s*\(Amount\s+in[^)]*\))?",
}
_LABEL = re.compile(
    r"^[ \t]*(?:"
    + "|".join(f"(?P<{name}>{text})" for name, text in _LABELS.items())
    + r")(?![A-Za-z0-9])[ \t]*[:\-]?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
"""A label stands at the beginning of a line; its value behind it, or on the lines up to the next label."""
_HEADS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(
        rf"^[ \t]*{letter}\s+{words}[ \t:]*{_CURRENCY}([0-9][0-9,.]*)", re.IGNORECASE | re.MULTILINE
    )
    for name, letter, words in (
        ("tax", "A", r"Tax"),
        ("surcharge", "B", r"Surcharge"),
        ("cess", "C", r"(?:Health\s+and\s+Education\s+|Education\s+)?Cess"),
        ("interest", "D", r"Interest"),
        ("penalty", "E", r"Penalty"),
        ("fee", "F", r"Fee(?:\s+under\s+section\s+\S+|\s+u/s\s+\S+)?"),
    )
}
_MINOR_HEAD = re.compile(r"\b(100|200|400)\b")


def receipt_fields(text: str) -> dict[str, str]:
    """Return the labelled values of a receipt's text and the amounts of its heads, as they stand there."""
    marks = list(_LABEL.finditer(text))
    found: dict[str, str] = {}
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=False):
        value = " ".join(text[mark.end() : end].split())
        found.setdefault(str(mark.lastgroup), value.removeprefix(":").strip())
    for name, pattern in _HEADS.items():
        if match := pattern.search(text):
            found[f"head_{name}"] = match[1]
    found.pop("breakup", None)
    found.pop("words", None)
    return found


def _receipts(payload: Any, context: Context) -> Iterable[Record]:
    for raw in fields.items(payload, RECEIPTS):

        def make(raw: Any = raw) -> dict[str, Any]:
            on = fields.day(raw, "deposited_on", required=True)
            year = fields.year(raw, "year")
            act = _act_of_year(year) if year else ""
            minor = _MINOR_HEAD.search(fields.text(raw, "minor_head"))
            return {
                "period": context.unit_period,
                "section": context.section,
                "act": act,
                "portal": "FILE",
                "bsr": identifiers.bsr(fields.text(raw, "bsr", required=True)),
                "serial": identifiers.serial(fields.text(raw, "serial", required=True)),
                "deposited_on": on,
                "tendered_on": fields.day(raw, "tendered_on"),
                "cin": fields.text(raw, "cin"),
                "year": year,
                "assessment_year": fields.year(raw, "assessment_year"),
                "major_head": fields.text(raw, "major_head"),
                "minor_head": minor[1] if minor else "",
                "nature": fields.text(raw, "nature"),
                "mode": fields.text(raw, "mode"),
                "bank": fields.text(raw, "bank"),
                "bank_reference": fields.text(raw, "bank_reference"),
                "amount_paise": _rupees(raw, "amount", required=True),
                **{f"{name}_paise": _rupees(raw, f"head_{name}") for name in _HEADS},
            }

        yield fields.row(RECEIPT.name, raw, make)


def _rupees(raw: Mapping[str, Any], name: str, *, required: bool = False) -> int:
    """Return an amount in paise; a sign of the currency before it and words after it are dropped."""
    words = re.sub(
        rf"^{_CURRENCY}", "", fields.text(raw, name, required=required), flags=re.IGNORECASE
    ).split()
    return fields.paise({name: words[0] if words else None}, name, required=required)


def _act_of_year(year: str) -> str:
    return "2025" if int(year[:4]) >= FIRST_YEAR_OF_THE_NEW_ACT else "1961"


def _receipt_owner(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Find receipts of another deductor."""
    tans = {fields.text(raw, "tan").upper() for raw in fields.items(payload, RECEIPTS)}
    yield from _owner(tans, context, "A challan receipt")


def _owner(tans: Iterable[str], context: Context, what: str) -> Iterable[Finding]:
    if any(tan and tan != context.tan for tan in tans):
        yield Finding("IDENTITY_MISMATCH", f"{what} is about another deductor than the client.")


def _text_of_pdf(raw: bytes) -> str:
    """Return the text of a PDF, empty when it cannot be read."""
    pypdf: Any = import_module("pypdf")
    failures: Any = import_module("pypdf.errors")
    unreadable = (failures.PyPdfError, failures.DependencyError, *_DAMAGE)
    try:
        reader = pypdf.PdfReader(io.BytesIO(raw))
        return "\n".join(page.extract_text() for page in reader.pages[:2])
    except unreadable:
        return ""


def _decode_receipt(text: str) -> Any:
    found = receipt_fields(text[:TEXT_START])
    if {"bsr", "serial", "deposited_on", "amount"} - found.keys() or not {"form", "cin"} & found.keys():
        return None
    return {RECEIPTS: [found]}


# --- CSI --------------------------------------------------------------------------------------------------------------


def _csi(payload: Any, context: Context) -> Iterable[Record]:
    for raw in fields.items(payload, CSI):

        def make(raw: Any = raw) -> dict[str, Any]:
            return {
                "period": context.unit_period,
                "section": context.section,
                "portal": "FILE",
                "file_sha256": fields.text(raw, "sha256", required=True),
                "size": fields.whole(raw, "size") or 0,
                "body_base64": fields.text(raw, "body", required=True),
            }

        yield fields.row(CSI_FILE.name, raw, make)


def _csi_owner(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Find CSI files of another deductor."""
    tans = {fields.text(raw, "tan").upper() for raw in fields.items(payload, CSI)}
    yield from _owner(tans, context, "A CSI file")


def _csi_payload(raw: bytes, tan: str) -> Any:
    body = base64.b64encode(raw).decode("ascii")
    digest = hashlib.sha256(raw).hexdigest()
    return {CSI: [{"tan": tan, "sha256": digest, "size": len(raw), "body": body}]}


# --- register ---------------------------------------------------------------------------------------------------------

REGISTER_COLUMNS = (
    "tan",
    "certificate_number",
    "year",
    "pan",
    "name",
    "code",
    "rate",
    "limit",
    "valid_from",
    "valid_to",
    "issued_on",
    "cancelled_on",
)
"""Columns of the register; the first line names them, in any order."""
REGISTER_NEEDED = frozenset({"certificate_number", "year", "pan"})


def _register(payload: Any, context: Context) -> Iterable[Record]:
    for raw in fields.items(payload, REGISTER):

        def make(raw: Any = raw) -> dict[str, Any]:
            if isinstance(raw, Mapping) and raw.get("problem"):
                raise ValueError(str(raw["problem"]))
            year = fields.year(raw, "year", required=True)
            rate = fields.text(raw, "rate")
            return {
                "period": context.unit_period,
                "section": context.section,
                "portal": "FILE",
                "act": _act_of_year(year),
                "year": year,
                "certificate_number": fields.text(raw, "certificate_number", required=True).upper(),
                "pan": fields.text(raw, "pan", required=True).upper(),
                "name": fields.text(raw, "name"),
                "code": fields.text(raw, "code"),
                "rate_ppm": code_tables.rate_ppm(rate) if rate else None,
                "limit_paise": fields.paise(raw, "limit"),
                "valid_from_on": fields.day(raw, "valid_from"),
                "valid_to_on": fields.day(raw, "valid_to"),
                "issued_on": fields.day(raw, "issued_on"),
                "cancelled_on": fields.day(raw, "cancelled_on"),
            }

        yield fields.row(REGISTER_TABLE.name, raw, make)


def _register_owner(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """Find lines of the register that name another deductor."""
    tans = {str(raw.get("tan", "")).upper() for raw in fields.items(payload, REGISTER)}
    yield from _owner(tans, context, "A line of the certificate register")


def _decode_register(text: str) -> Any:
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    names = [name.strip().lower().replace(" ", "_") for name in rows[0]] if rows else []
    if not set(names) >= REGISTER_NEEDED or not set(names) <= set(REGISTER_COLUMNS):
        return None
    return {REGISTER: [_register_line(names, row) for row in rows[1:]]}


def _register_line(names: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    found = dict(zip(names, (value.strip() for value in row), strict=False))
    if len(row) != len(names):
        found["problem"] = f"the line has {len(row)} fields, the heading has {len(names)}"
    return found


# --- tables and files -------------------------------------------------------------------------------------------------


def _fits(code: str, column: str, pattern: str, breach: OnBreach, message: str) -> Check:
    return Check(code, CheckKind.MATCHES, (column,), breach, message, {"pattern": pattern}, PRACTICE)


RECEIPT = TableSpec(
    name="tds__challan_receipt",
    row=ReceiptRow,
    key=(*KEY, "bsr", "serial", "deposited_on"),
    scope=KEY,
    description="Challans as the receipts that a person downloaded show them.",
    deletes=Deletes.KEEP,
    checks=(
        _fits(
            "TDS-RECEIPT-01",
            "cin",
            identifiers.or_empty(identifiers.CIN),
            OnBreach.WARN,
            "The CIN has neither of its forms.",
        ),
        Check(
            "TDS-RECEIPT-02",
            CheckKind.WITHIN,
            ("amount_paise",),
            OnBreach.REJECT_ROW,
            "The heads of the challan do not add up to its amount.",
            {
                "terms": {"amount_paise": 1, **{f"{name}_paise": -1 for name in _HEADS}},
                "tolerance": 0,
            },
            "V20",
        ),
        Check(
            "TDS-RECEIPT-03",
            CheckKind.BETWEEN,
            ("amount_paise",),
            OnBreach.REJECT_ROW,
            "The amount is not above zero.",
            {"low": 1, "high": None},
            PRACTICE,
        ),
        Check(
            "TDS-RECEIPT-04",
            CheckKind.IN_SET,
            ("minor_head",),
            OnBreach.WARN,
            "The minor head is not one of the list.",
            {"values": ("200", "400", "100")},
            PRACTICE,
        ),
    ),
)

CSI_FILE = TableSpec(
    name="tds__csi",
    row=CsiRow,
    key=(*KEY, "file_sha256"),
    scope=KEY,
    description="CSI files as they came, for the utility that validates statements.",
    deletes=Deletes.KEEP,
)

REGISTER_TABLE = TableSpec(
    name="tds__certificate_register",
    row=RegisterRow,
    key=(*KEY, "certificate_number", "pan", "year"),
    scope=KEY,
    description="Certificates for lower deduction as a practice records them; each is verified on TRACES.",
    checks=(
        _fits(
            "TDS-REGISTER-01",
            "certificate_number",
            rf"{identifiers.CERTIFICATE_1961}|{identifiers.CERTIFICATE_2025}",
            OnBreach.REJECT_ROW,
            "The certificate number has neither 10 nor 15 letters and digits.",
        ),
        _fits(
            "TDS-REGISTER-02",
            "pan",
            identifiers.PAN_SHAPE,
            OnBreach.REJECT_ROW,
            "The PAN does not have the form of one.",
        ),
        Check(
            "TDS-REGISTER-03",
            CheckKind.BETWEEN,
            ("limit_paise",),
            OnBreach.REJECT_ROW,
            "The limit is negative.",
            {"low": 0, "high": None},
            "A limit is an amount of payments.",
        ),
    ),
)

_LABEL_OF = {RECEIPTS: "challan receipt", CSI: "CSI file", REGISTER: "certificate register"}


def _decode(raw: bytes, name: str) -> Any:
    """Return what a receipt, a CSI file or a register holds; None for anything else."""
    if match := _CSI_NAME.fullmatch(name):
        return _csi_payload(raw, match[1].upper())
    if raw.startswith(b"%PDF"):
        return _decode_receipt(_text_of_pdf(raw))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252")
    readers: tuple[Callable[[str], Any], ...] = (_decode_register, _decode_receipt)
    return next((found for read in readers if (found := read(text)) is not None), None)


def _kind(payload: Any) -> str | None:
    return next((name for name in (RECEIPTS, CSI, REGISTER) if isinstance(payload.get(name), list)), None)


def _recognise(payload: Any) -> str | None:
    if isinstance(payload.get("csiResponse"), str):
        return _LABEL_OF[CSI]
    kind = _kind(payload)
    return _LABEL_OF[kind] if kind else None


def _identity(payload: Any) -> tuple[str | None, str | None]:
    kind = _kind(payload)
    rows = payload[kind] if kind else []
    tans = {str(row.get("tan", "")).upper() for row in rows} - {""}
    return (tans.pop() if len(tans) == 1 else None), NO_PERIOD


def _split(payload: Any) -> Iterable[tuple[str, Any]]:
    kind = _kind(payload)
    if kind is not None:
        yield kind, payload
    elif payload["csiResponse"].strip() not in ("", NO_CSI):
        yield CSI, _csi_payload(payload["csiResponse"].encode(), "")


NO_CSI = "No Data found"
"""What the portal writes in place of a CSI body when there is none."""


def _join(kind: str) -> Callable[[Sequence[Any]], Any]:
    return lambda pages: {kind: [row for page in pages for row in page[kind]]}


MODULE = Module(
    name="challan_files",
    title="Challan receipts, CSI files and the certificate register",
    sections=(
        Section(
            name=RECEIPTS,
            endpoint="files.receipts",
            parse=_receipts,
            tables=(RECEIPT.name,),
            integrity=(_receipt_owner,),
            merge=_join(RECEIPTS),
        ),
        Section(
            name=CSI,
            endpoint="files.csi",
            parse=_csi,
            tables=(CSI_FILE.name,),
            integrity=(_csi_owner,),
            merge=_join(CSI),
        ),
        Section(
            name=REGISTER,
            endpoint="files.certificate_register",
            parse=_register,
            tables=(REGISTER_TABLE.name,),
            integrity=(_register_owner,),
        ),
    ),
    tables=(RECEIPT, CSI_FILE, REGISTER_TABLE),
    cadence=Cadence.CLIENT,
    files=HandFile(recognise=_recognise, identity=_identity, split=_split, decode=_decode),
)
