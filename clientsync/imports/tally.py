"""Day books of Tally, exported as XML: purchases, sales and their notes, with the taxes of their ledgers.

A voucher names its ledgers with amounts, debit negative; the ledger of the party carries the value, ledgers of tax are
recognised by their names or by what a person said, the rest is taxable value. Invariants: a voucher whose ledgers do
not add up to nothing is refused; cancelled and optional vouchers are left out and counted. Tally writes UTF-16 or
UTF-8 and references to characters that XML forbids; those are taken out before parsing, nothing else is.

A note belongs to the register that its ledgers speak of; where they are silent, a debit note to purchases and a credit
note to sales. What it takes back is negative (``CN``), what it adds is not (``DN``): so the client's own debit note for
goods it gives back stands as the supplier's credit note does, and reduces its credit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from clientsync.errors import InvalidInput, InvalidPeriod
from clientsync.imports import register_values as values
from clientsync.imports.register_documents import Line, settled
from clientsync.imports.registers import Reading, Refused, Register, checked_register
from clientsync.periods import Period

HEADS = ("taxable", "igst", "cgst", "sgst", "cess", "ignore")
"""What a ledger may be: a head of tax, taxable value, or neither (round-off, TCS, the party)."""
MAX_BYTES = 400_000_000
_NOTES = {"debit note": "purchases", "credit note": "sales"}
_INVOICES = {"purchase": "purchases", "sales": "sales"}
_NOT_BOOKED = ("order", "quotation", "proforma", "challan", "memo")
_SIDES = {
    "purchases": re.compile(r"\bpurchases?\b|\binput\b|\bexpenses?\b", re.IGNORECASE),
    "sales": re.compile(r"\bsales?\b|\boutput\b", re.IGNORECASE),
}
_SIGNS = {"purchases": -1, "sales": 1}
"""What a debit, which Tally writes negative, is in a register."""
_FORBIDDEN = re.compile(r"&#(?:x0*(?:[0-8BCEF]|1[0-9A-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_WORDS = (
    ("igst", re.compile(r"\bi\W*gst\b|integrated", re.IGNORECASE)),
    ("cgst", re.compile(r"\bc\W*gst\b|central\s+(?:tax|gst)", re.IGNORECASE)),
    ("sgst", re.compile(r"\b(?:s|ut)\W*gst\b|state\s+(?:tax|gst)", re.IGNORECASE)),
    ("cess", re.compile(r"\bcess\b", re.IGNORECASE)),
    ("ignore", re.compile(r"round(?:ed|ing)?\W*off|\btcs\b|\btds\b|payable", re.IGNORECASE)),
)
_ACCOUNT = re.compile(r"\b(?:purchases?|sales?)\b", re.IGNORECASE)
_TAX_ACCOUNT = re.compile(r"\b(?:input|output|payable|paid|tax|on)\b", re.IGNORECASE)
_OWED = re.compile(r"payable|liability|\boutput\b", re.IGNORECASE)
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
    if path.stat().st_size > MAX_BYTES:
        raise InvalidInput(
            f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB; export it month by month."
        )
    found = Register(path.name, checked_register(how.register))
    said = {ledger.casefold(): head for ledger, head in ledgers.items()}
    for number, source in enumerate(_vouchers(path), start=1):
        voucher = _voucher(source)
        if voucher.register != how.register:
            _count(found, f"vouchers of type {voucher.kind[:30] or 'unknown'}")
        elif reason := next((word for word in ("cancelled", "optional", "deleted") if _is(source, word)), ""):
            _count(found, f"{reason} vouchers")
        else:
            _take(found, number, voucher, how, said)
    if not found.lines and not found.refused:
        kinds_there = ", ".join(sorted(found.left_out)) or "no voucher at all"
        raise InvalidInput(f"{path.name} has no voucher of {how.register}. It holds: {kinds_there}.")
    found.lines = settled(found.lines, has_lines=False)
    return found


@dataclass(frozen=True)
class _Voucher:
    """A voucher with its ledgers; ``register`` is empty for one that is neither bought nor sold."""

    source: Element
    kind: str
    register: str = ""
    is_note: bool = False
    party: str = ""
    entries: Sequence[Element] = field(default_factory=list)


def _voucher(source: Element) -> _Voucher:
    kind = _child(source, "VOUCHERTYPENAME") or str(source.get("VCHTYPE", ""))
    name = kind.casefold()
    entries = _entries(source)
    party = (
        _child(source, "PARTYLEDGERNAME")
        or next((_child(one, "LEDGERNAME") for one in entries if _is(one, "party")), "")
        or _child(source, "PARTYNAME")
    )
    if any(word in name for word in _NOT_BOOKED):
        return _Voucher(source, kind)
    for words, register in _NOTES.items():
        if words in name:
            ledgers = [_child(one, "LEDGERNAME") for one in entries]
            told = [
                side
                for side, pattern in _SIDES.items()
                if any(pattern.search(one) for one in ledgers if one.casefold() != party.casefold())
            ]
            return _Voucher(source, kind, told[0] if len(told) == 1 else register, True, party, entries)
    found = next((register for words, register in _INVOICES.items() if words in name), "")
    return _Voucher(source, kind, found, False, party, entries)


def _entries(source: Element) -> list[Element]:
    """Return the ledgers of a voucher; lists that Tally leaves empty are none."""
    for tag in ("ALLLEDGERENTRIES.LIST", "LEDGERENTRIES.LIST"):
        found = [one for one in source.iter(tag) if _child(one, "LEDGERNAME")]
        if found:
            return found
    return []


def _is(element: Element, what: str) -> bool:
    tag = {"party": "ISPARTYLEDGER"}.get(what, f"IS{what.upper()}")
    return _child(element, tag).casefold() == "yes"


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


def _take(found: Register, number: int, voucher: _Voucher, how: Reading, said: Mapping[str, str]) -> None:
    texts = {
        name: _child(voucher.source, tag)
        for name, tag in (
            ("voucher_number", "VOUCHERNUMBER"),
            ("document_number", "REFERENCE"),
            ("booked_on", "DATE"),
        )
    }
    texts["party_name"] = voucher.party
    try:
        heads = _heads(voucher, said)
        found.ledgers.update(heads)
        found.lines.append(_line(number, voucher, heads, how, texts))
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
    number: int, voucher: _Voucher, heads: Mapping[str, str], how: Reading, texts: Mapping[str, str]
) -> Line:
    booked_on = values.day(texts["booked_on"])
    if booked_on is None:
        raise ValueError("the voucher has no date")
    reference_on = values.day(_child(voucher.source, "REFERENCEDATE"))
    own = how.register == "sales"
    document_number = (texts["voucher_number"] if own else texts["document_number"]) or texts[
        "voucher_number"
    ]
    if not document_number:
        raise ValueError("the voucher has no number")
    amounts = _amounts(voucher, heads)
    kind = "INV"
    if voucher.is_note:
        kind = "CN" if (amounts["taxable"] or sum(amounts.values())) < 0 else "DN"
    return Line(
        row=number,
        period=str(Period.parse(how.period)) if how.period else str(Period.of(booked_on)),
        document_type=kind,
        party_gstin=values.gstin(_child(voucher.source, "PARTYGSTIN")),
        document_number=document_number[:50],
        document_on=(booked_on if own else reference_on) or booked_on,
        texts={
            "party_name": texts["party_name"][:255],
            "voucher_number": texts["voucher_number"][:50],
            "place_of_supply": values.place(_child(voucher.source, "PLACEOFSUPPLY")),
            "is_reverse_charge": _reverse_charge(voucher.source),
            "is_itc_eligible": None,
            "port_code": "",
            "original_number": "",
            "original_on": None,
        },
        amounts=amounts,
    )


def _reverse_charge(source: Element) -> bool | None:
    """Return what the voucher says, or one of its lines whose own setting overrides it."""
    for line in source.iter("GSTOVRDNISREVCHARGEAPPL"):
        if values.plain(line.text).casefold() == "applicable":
            return True
    return values.yes_no(_child(source, "ISREVERSECHARGEAPPLICABLE"))


def _amounts(voucher: _Voucher, heads: Mapping[str, str]) -> dict[str, int]:
    """Return the amounts of a voucher as the register counts them.

    Raises:
        ValueError: its ledgers do not add up to nothing, or none of them is the party.
    """
    sums = dict.fromkeys((*HEADS, "document_value"), 0)
    if not voucher.entries:
        raise ValueError("the voucher names no ledger")
    balance, parties = 0, 0
    for entry in voucher.entries:
        amount = _amount(entry)
        balance += amount
        is_party = _is_party(entry, voucher)
        parties += is_party
        sums["document_value" if is_party else heads[_child(entry, "LEDGERNAME")]] += amount
    if not parties:
        raise ValueError("none of the ledgers of the voucher is its party")
    if abs(balance) > _ROUNDING_PAISE:
        for item in _items(voucher.source):  # an invoice with stock keeps its value with the items
            amount = _amount(item)
            balance += amount
            sums["taxable"] += amount
    if abs(balance) > _ROUNDING_PAISE:
        raise ValueError(f"the ledgers of the voucher differ by {balance / 100:,.2f} rupees")
    sign = _SIGNS[voucher.register]
    found = {name: sign * value for name, value in sums.items() if name not in ("ignore", "document_value")}
    return {**found, "document_value": -sign * sums["document_value"]}


def _items(source: Element) -> list[Element]:
    for tag in ("ALLINVENTORYENTRIES.LIST", "INVENTORYENTRIES.LIST"):
        found = [one for one in source.iter(tag) if _child(one, "AMOUNT")]
        if found:
            return found
    return []


def _amount(element: Element) -> int:
    """Return an amount; of one in another currency what Tally writes behind the sign of equality."""
    return values.amount(_child(element, "AMOUNT").rpartition("=")[2])


def _is_party(entry: Element, voucher: _Voucher) -> bool:
    return _is(entry, "party") or _child(entry, "LEDGERNAME").casefold() == voucher.party.casefold()


def _heads(voucher: _Voucher, said: Mapping[str, str]) -> dict[str, str]:
    """Return the ledgers of a voucher with how each is read, so that a person can correct it; without the party."""
    return {
        name: said.get(name.casefold()) or _head(name, voucher.register)
        for entry in voucher.entries
        if (name := _child(entry, "LEDGERNAME")) and not _is_party(entry, voucher)
    }


def _head(ledger: str, register: str) -> str:
    """Return the head of a ledger by its words.

    An account of purchases or sales may name a tax rate and is none. In purchases, tax that is owed to the state
    (reverse charge) is the other side of the tax that is claimed, not a part of it.
    """
    if _ACCOUNT.search(ledger) and not _TAX_ACCOUNT.search(ledger):
        return "taxable"
    found = next((head for head, words in _WORDS if words.search(ledger)), "taxable")
    if register == "purchases" and found != "taxable" and _OWED.search(ledger):
        return "ignore"
    return found
