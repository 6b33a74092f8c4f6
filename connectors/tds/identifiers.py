"""Identifiers of tax deduction: TAN, PAN with its placeholders, challan numbers, tokens, certificates of both Acts.

Patterns are constants for ``Check`` params (full match); ``or_empty`` makes one optional. Functions that return an
identifier return its one canonical form: upper case, leading zeros kept. Invariant: a message about a bad identifier
never repeats it, and a placeholder of a PAN is never taken for a PAN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from clientsync.identifiers import Fault, IdentifierInvalid, normalise_identifier

TAN = r"[A-Z]{4}[0-9]{5}[A-Z]"
"""V01. Letters one to three are the area, the fourth begins the deductor's name."""
PAN = r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]"
"""V02. The fourth letter says who holds it."""
PAN_SHAPE = r"[A-Z]{5}[0-9]{4}[A-Z]"
"""V02 without the holder's letter: a PAN of which only that letter is unknown is loaded with a warning."""
DEDUCTEE_PLACEHOLDERS = frozenset({"PANNOTAVBL", "PANAPPLIED", "PANINVALID"})
"""V03. Stand for a missing PAN of a deductee; they imply the higher rate and flag C. Never join on them."""
DEDUCTOR_PLACEHOLDERS = frozenset({"PANNOTREQD"})
"""V03. Stands for the PAN of a deductor that needs none."""
PAN_PLACEHOLDERS = DEDUCTEE_PLACEHOLDERS | DEDUCTOR_PLACEHOLDERS
PAN_OR_PLACEHOLDER = rf"(?:{PAN}|{'|'.join(sorted(PAN_PLACEHOLDERS))})"
BSR = r"[0-9]{7}"
"""V04. Branch code of the bank, or the seven-digit receipt of Form 24G for a book entry."""
SERIAL = r"[0-9]{5}"
"""V05 in its canonical form; sources write one to five digits."""
TOKEN = r"[0-9]{15}"  # noqa: S105 - the pattern of a receipt number
"""V06. Provisional receipt number of a statement."""
MASKED_TOKEN = r"[0-9]{4}X{7}[0-9]{4}"  # noqa: S105 - the pattern of a receipt number
"""V06 as the demand pages show it."""
CERTIFICATE_1961 = r"[0-9A-Z]{10}"
"""V07. Certificate under s.197 or 206C(9), without a suffix such as a section."""
CERTIFICATE_2025 = r"[0-9A-Z]{15}"
"""V07. Certificate under s.395."""
CERTIFICATES = {"1961": CERTIFICATE_1961, "2025": CERTIFICATE_2025}
CRN = r"[0-9]{14}"
"""Challan reference number; the first six digits are the day of generation, YYMMDD."""
CIN_CLASSIC = r"[0-9]{7}(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{9}"
"""V08. BSR code, deposit date DDMMYYYY, serial."""
CIN_NEW = r"[0-9]{14}[A-Z]{4}"
"""V08. CRN and the bank's four letters."""
CIN = rf"(?:{CIN_CLASSIC}|{CIN_NEW})"

CRN_LIVES = timedelta(days=15)
"""An unpaid CRN expires after this; e-Pay Tax."""

ChallanKey = tuple[str, int, date]
"""BSR code, serial as a number, deposit date: what tells challans apart in every system."""


def or_empty(pattern: str) -> str:
    """Return a pattern that also fits the empty text, for columns that may stay empty."""
    return rf"(?:{pattern})?"


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _digits(value: str | int, what: str, width: int) -> str:
    """Return one to ``width`` digits padded to ``width``."""
    if isinstance(value, bool):
        raise IdentifierInvalid(what, Fault.CHARACTERS, "a flag is no number.")
    text = str(value).strip()
    if not _fits(r"[0-9]+", text):
        raise IdentifierInvalid(what, Fault.CHARACTERS, "only digits may stand in it.")
    if len(text) > width:
        raise IdentifierInvalid(what, Fault.LENGTH, f"it has {len(text)} digits, {width} are the most.")
    return text.zfill(width)


def _checked(value: str, what: str, pattern: str, form: str) -> str:
    text = normalise_identifier(value)
    if not _fits(pattern, text):
        raise IdentifierInvalid(what, Fault.FORMAT, form)
    return text


def is_tan(text: str) -> bool:
    """Whether a text is a TAN in canonical form (V01)."""
    return _fits(TAN, text)


def tan(text: str) -> str:
    """Return a TAN in canonical form.

    Raises:
        IdentifierInvalid: V01 does not hold.
    """
    return _checked(text, "TAN", TAN, "a TAN is four letters, five digits and a letter.")


def is_placeholder(text: str) -> bool:
    """Whether a text stands for a PAN that is missing (V03); rows must never be joined on it."""
    return normalise_identifier(text) in PAN_PLACEHOLDERS


def is_pan(text: str) -> bool:
    """Whether a text is a PAN in canonical form (V02); a placeholder is none."""
    return _fits(PAN, text)


def is_pan_but_for_holder(text: str) -> bool:
    """Whether only the holder's letter keeps a text from being a PAN (V02, a warning)."""
    return _fits(PAN_SHAPE, text) and not is_pan(text)


def pan(text: str, *, may_be_missing: bool = False) -> str:
    """Return a PAN in canonical form; with ``may_be_missing`` also a placeholder.

    An unknown letter of the holder is let through, because it is worth a warning only (V02).

    Raises:
        IdentifierInvalid: V02 or V03 does not hold.
    """
    found = normalise_identifier(text)
    if found in PAN_PLACEHOLDERS:
        if may_be_missing:
            return found
        raise IdentifierInvalid("PAN", Fault.FORMAT, "a placeholder stands where a PAN is needed.")
    return _checked(found, "PAN", PAN_SHAPE, "a PAN is five letters, four digits and a letter.")


def bsr(value: str | int) -> str:
    """Return a BSR code (or receipt of Form 24G) as seven digits; zeros lost on the way are put back (V04).

    Raises:
        IdentifierInvalid: not one to seven digits, or only zeros.
    """
    found = _digits(value, "BSR code", 7)
    if not int(found):
        raise IdentifierInvalid("BSR code", Fault.FORMAT, "no branch has only zeros.")
    return found


def bsr_of_parts(bank: str | int, branch: str | int) -> str:
    """Return the BSR code of a bank code (3 digits) and a branch code (4 digits), each without lost zeros.

    Raises:
        IdentifierInvalid: one of them is not so many digits, or all are zeros.
    """
    return bsr(_digits(bank, "bank code", 3) + _digits(branch, "branch code", 4))


def serial(value: str | int) -> str:
    """Return a challan serial as five digits (V05).

    Raises:
        IdentifierInvalid: not one to five digits.
    """
    return _digits(value, "challan serial", 5)


def same_serial(one: str | int, other: str | int) -> bool:
    """Whether two serials are one number, whatever zeros stand before them (V05)."""
    return serial(one) == serial(other)


def key_of(row: Mapping[str, Any]) -> ChallanKey:
    """Return what tells the challan of a row apart in every system, from its BSR code, serial and day of deposit.

    Raises:
        IdentifierInvalid: V04 or V05 does not hold.
    """
    return challan_key(row["bsr"], row["serial"], row["deposited_on"])


def challan_key(bsr_code: str | int, serial_number: str | int, deposited_on: date) -> ChallanKey:
    """Return what tells a challan apart in every system.

    Raises:
        IdentifierInvalid: V04 or V05 does not hold.
    """
    return bsr(bsr_code), int(serial(serial_number)), deposited_on


def is_token(text: str) -> bool:
    """Whether a text is a token number (V06)."""
    return _fits(TOKEN, text)


def token(value: str | int) -> str:
    """Return a token number as text.

    Raises:
        IdentifierInvalid: V06 does not hold.
    """
    return _checked(str(value), "token number", TOKEN, "a token number has 15 digits.")


def token_matches(masked: str, full: str) -> bool:
    """Whether a token number as the demand pages mask it can be ``full``: same beginning and end (V06)."""
    shown = normalise_identifier(masked)
    if is_token(shown):
        return shown == full
    return _fits(MASKED_TOKEN, shown) and is_token(full) and shown[:4] == full[:4] and shown[-4:] == full[-4:]


def is_certificate(text: str, act: str) -> bool:
    """Whether a text is a certificate number of an Act, ``1961`` or ``2025`` (V07)."""
    return act in CERTIFICATES and _fits(CERTIFICATES[act], text)


def certificate(text: str, act: str) -> str:
    """Return a certificate number in canonical form.

    Raises:
        IdentifierInvalid: V07 does not hold for that Act; a suffix such as a section is a fault.
    """
    length = 15 if act == "2025" else 10
    form = f"under the Act of {act} it is {length} letters and digits, without a suffix."
    return _checked(text, "certificate number", CERTIFICATES.get(act, CERTIFICATE_1961), form)


def act_of_certificate(text: str) -> str | None:
    """Return the Act that a certificate number's length tells, None when it is of neither (V07)."""
    return next((act for act in CERTIFICATES if is_certificate(text, act)), None)


@dataclass(frozen=True)
class ClassicCin:
    """The CIN of 20 digits (V08): branch, deposit date, serial."""

    bsr: str
    deposited_on: date
    serial: str

    def __str__(self) -> str:
        return f"{self.bsr}{self.deposited_on:%d%m}{self.deposited_on.year:04d}{self.serial}"


@dataclass(frozen=True)
class NewCin:
    """The CIN of e-Pay Tax (V08): challan reference number and four letters of the bank."""

    crn: str
    bank: str

    def __str__(self) -> str:
        return self.crn + self.bank


def is_crn(text: str) -> bool:
    """Whether a text is a challan reference number: 14 digits that begin with a day."""
    try:
        crn_day(text)
    except IdentifierInvalid:
        return False
    return True


def crn_day(text: str) -> date:
    """Return the day on which a challan reference number was made.

    Raises:
        IdentifierInvalid: not 14 digits, or the first six are no day YYMMDD.
    """
    if not _fits(CRN, text):
        raise IdentifierInvalid("CRN", Fault.FORMAT, "a challan reference number has 14 digits.")
    found = _day(text[:6], "%y%m%d")
    if found is None:
        raise IdentifierInvalid("CRN", Fault.FORMAT, "its first six digits are no day (YYMMDD).")
    return found


def crn_expires_on(text: str) -> date:
    """Return the last day on which an unpaid challan reference number can be paid.

    Raises:
        IdentifierInvalid: it is none.
    """
    return crn_day(text) + CRN_LIVES


def parse_cin(value: str | int) -> ClassicCin | NewCin:
    """Return the parts of a CIN of either form (V08).

    Raises:
        IdentifierInvalid: neither form, or the date inside it does not exist.
    """
    text = normalise_identifier(str(value))
    if _fits(CIN_NEW, text):
        crn_day(text[:14])
        return NewCin(text[:14], text[14:])
    if not _fits(CIN_CLASSIC, text):
        raise IdentifierInvalid(
            "CIN", Fault.FORMAT, "a CIN is 20 digits, or 14 digits and four letters of the bank."
        )
    found = _day(text[7:15], "%d%m%Y")
    if found is None:
        raise IdentifierInvalid("CIN", Fault.FORMAT, "the date inside it does not exist.")
    return ClassicCin(bsr(text[:7]), found, text[15:])


def is_cin(text: str) -> bool:
    """Whether a text is a CIN of either form (V08)."""
    try:
        parse_cin(text)
    except IdentifierInvalid:
        return False
    return True


def classic_cin(bsr_code: str | int, deposited_on: date, serial_number: str | int) -> str:
    """Return the CIN of 20 digits.

    Raises:
        IdentifierInvalid: V04 or V05 does not hold.
    """
    return str(ClassicCin(bsr(bsr_code), deposited_on, serial(serial_number)))


def _day(text: str, notation: str) -> date | None:
    try:
        return datetime.strptime(text, notation).date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None
