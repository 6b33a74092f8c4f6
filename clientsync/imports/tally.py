"""Day books of Tally, exported as XML: purchases, sales and their notes, with the taxes of their ledgers.

A voucher names its ledgers with amounts, debit negative; the ledger of the party carries the value, ledgers of tax are
recognised by their names or by what a person said, the rest is taxable value. Invariants: a voucher whose ledgers do
not add up to nothing is refused; cancelled and optional vouchers are left out and counted. Tally writes UTF-16 or
UTF-8 and references to characters that XML forbids; those are taken out before parsing, nothing else is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from clientsync.errors import InvalidInput, InvalidPeriod
from clientsync.imports import register_values as values
from clientsync.imports.registers import Line, Reading, Refused, Register, checked_register, signed
from clientsync.periods import Period

HEADS = ("taxable", "igst", "cgst", "sgst", "cess", "ignore")
"""What a ledger may be: a head of tax, taxable value, or neither (round-off, TCS, the party)."""
_KINDS = {
    "purchases": {"purchase": "INV", "debit note": "CN"},
    "sales": {"sales": "INV", "credit note": "CN"},
}
"""Kind of voucher to type of document; a debit note in purchases takes goods back, as the supplier's credit note."""
_FORBIDDEN = re.compile(r"&#(?:x0*(?:[0-8BCEF]|1[0-9A-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_WORDS = (
    ("igst", re.compile(r"\bi\W*gst\b|integrated", re.IGNORECASE)),
    ("cgst", re.compile(r"\bc\W*gst\b|central\s+tax", re.IGNORECASE)),
    ("sgst", re.compile(r"\b(?:s|ut)\W*gst\b|state\s+tax", re.IGNORECASE)),
    ("cess", re.compile(r"\bcess\b", re.IGNORECASE)),
    ("ignore", re.compile(r"round(?:ed|ing)?\W*off|\btcs\b|\btds\b|payable", re.IGNORECASE)),
)
_ROUNDING_PAISE = 1


def is_day_book(raw: bytes) -> bool:
    """Whether bytes begin like a day book of Tally."""
    return "<ENVELOPE" in _text(raw[:4000]).upper()


def read_day_book(path: Path, how: Reading, ledgers: Mapping[str, str]) -> Register:
    """Read the vouchers of a register from a day book.

    Args:
        path: the XML file.
        how: which register, and the month of every voucher when they are not to say it.
        ledgers: name of a ledger to a head of ``HEADS``, as a person said.

    Raises:
        InvalidInput: no such file, no XML of Tally, a head that does not exist, or no voucher of the register.
    """
    for ledger, head in ledgers.items():
        if head not in HEADS:
            raise InvalidInput(f"Ledger {ledger!r} cannot be {head!r}. Valid: {', '.join(HEADS)}.")
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.")
    found = Register(path.name, checked_register(how.register), has_lines=False)
    kinds = _KINDS[how.register]
    said = {ledger.casefold(): head for ledger, head in ledgers.items()}
    for number, voucher in enumerate(_vouchers(path), start=1):
        kind = _child(voucher, "VOUCHERTYPENAME") or str(voucher.get("VCHTYPE", ""))
        of = next((name for name in kinds if name in kind.casefold()), None)
        if of is None:
            _count(found, f"vouchers of type {kind[:30] or 'unknown'}")
        elif _child(voucher, "ISCANCELLED").casefold() == "yes":
            _count(found, "cancelled vouchers")
        elif _child(voucher, "ISOPTIONAL").casefold() == "yes":
            _count(found, "optional vouchers")
        else:
            _take(found, number, voucher, kinds[of], how, said)
    if not found.lines and not found.refused:
        kinds_there = ", ".join(sorted(found.left_out)) or "no voucher at all"
        raise InvalidInput(f"{path.name} has no voucher of {how.register}. It holds: {kinds_there}.")
    return found


def _count(found: Register, what: str) -> None:
    found.left_out[what] = found.left_out.get(what, 0) + 1


def _text(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")


def _vouchers(path: Path) -> Iterator[Element]:
    from defusedxml.ElementTree import ParseError, fromstring

    text = _CONTROL.sub("", _FORBIDDEN.sub("", _text(path.read_bytes())))
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)  # the text is decoded already, whatever it says of itself
    text = re.sub(r"<(/?)[A-Za-z]+:", r"<\1", text)  # prefixes such as UDF: that the export never declares
    try:
        root: Element = fromstring(text)
    except (ParseError, ValueError) as error:
        raise InvalidInput(f"{path.name} is no XML that can be read ({type(error).__name__}).") from None
    yield from root.iter("VOUCHER")


def _child(element: Element, name: str) -> str:
    return values.plain(element.findtext(name))


def _take(
    found: Register, number: int, voucher: Element, kind: str, how: Reading, said: Mapping[str, str]
) -> None:
    texts = {
        name: _child(voucher, tag)
        for name, tag in (
            ("voucher_number", "VOUCHERNUMBER"),
            ("document_number", "REFERENCE"),
            ("party_name", "PARTYLEDGERNAME"),
            ("booked_on", "DATE"),
        )
    }
    try:
        found.lines.append(_line(number, voucher, kind, how, said, texts))
    except (ValueError, InvalidPeriod) as error:
        reason = error.message if isinstance(error, InvalidPeriod) else str(error)
        shown = {name: text for name, text in texts.items() if text}
        found.refused.append(Refused(number, _month(texts["booked_on"], how), reason, shown))


def _month(booked_on: str, how: Reading) -> str:
    try:
        on = values.day(booked_on)
    except ValueError:
        on = None
    return how.period or (str(Period.of(on)) if on else "")


def _line(
    number: int,
    voucher: Element,
    kind: str,
    how: Reading,
    said: Mapping[str, str],
    texts: Mapping[str, str],
) -> Line:
    booked_on = values.day(texts["booked_on"])
    if booked_on is None:
        raise ValueError("the voucher has no date")
    reference_on = values.day(_child(voucher, "REFERENCEDATE"))
    own = how.register == "sales"
    document_number = (texts["voucher_number"] if own else texts["document_number"]) or texts[
        "voucher_number"
    ]
    if not document_number:
        raise ValueError("the voucher has no number")
    amounts = _amounts(voucher, texts["party_name"], said)
    return Line(
        row=number,
        period=str(Period.parse(how.period)) if how.period else str(Period.of(booked_on)),
        document_type=kind,
        party_gstin=_child(voucher, "PARTYGSTIN").upper(),
        document_number=document_number[:50],
        document_on=(booked_on if own else reference_on) or booked_on,
        texts={
            "party_name": texts["party_name"][:255],
            "voucher_number": texts["voucher_number"][:50],
            "place_of_supply": values.place(_child(voucher, "PLACEOFSUPPLY")),
            "is_reverse_charge": values.yes_no(_child(voucher, "ISREVERSECHARGEAPPLICABLE")),
            "is_itc_eligible": None,
            "port_code": "",
            "original_number": "",
            "original_on": None,
        },
        amounts=signed(kind, amounts),
    )


def _amounts(voucher: Element, party: str, said: Mapping[str, str]) -> dict[str, int]:
    """Return the amounts of a voucher, positive, and refuse one whose ledgers do not add up to nothing."""
    sums = dict.fromkeys((*HEADS, "document_value"), 0)
    balance = 0
    entries = [one for tag in ("ALLLEDGERENTRIES.LIST", "LEDGERENTRIES.LIST") for one in voucher.iter(tag)]
    if not entries:
        raise ValueError("the voucher names no ledger")
    inventory = list(voucher.iter("ALLINVENTORYENTRIES.LIST"))
    for entry in entries:
        name = _child(entry, "LEDGERNAME")
        amount = values.amount(_child(entry, "AMOUNT"))
        balance += amount
        is_party = _child(entry, "ISPARTYLEDGER").casefold() == "yes" or (name == party and bool(party))
        sums["document_value" if is_party else _head(name, said)] += amount
    if abs(balance) > _ROUNDING_PAISE and inventory:
        for item in inventory:  # an invoice with stock keeps its value with the items
            amount = values.amount(_child(item, "AMOUNT"))
            balance += amount
            sums["taxable"] += amount
    if abs(balance) > _ROUNDING_PAISE:
        raise ValueError(f"the ledgers of the voucher differ by {balance / 100:,.2f} rupees")
    sign = -1 if sums["document_value"] > 0 else 1
    found = {name: sign * value for name, value in sums.items() if name not in ("ignore", "document_value")}
    return {**found, "document_value": abs(sums["document_value"])}


def _head(ledger: str, said: Mapping[str, str]) -> str:
    known = said.get(ledger.casefold())
    if known is not None:
        return known
    return next((head for head, words in _WORDS if words.search(ledger)), "taxable")


def ledgers_of(path: Path, ledgers: Mapping[str, str]) -> dict[str, str]:
    """Return the ledgers of a day book with how each is read, so that a person can correct it."""
    said = {ledger.casefold(): head for ledger, head in ledgers.items()}
    return {
        name: _head(name, said)
        for voucher in _vouchers(path)
        for tag in ("ALLLEDGERENTRIES.LIST", "LEDGERENTRIES.LIST")
        for entry in voucher.iter(tag)
        if (name := _child(entry, "LEDGERNAME")) and name != _child(voucher, "PARTYLEDGERNAME")
    }
