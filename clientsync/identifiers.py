"""Indian tax identifiers: the GSTIN of every kind of registration, the PAN inside it, and the TAN of a deductor.

A GSTIN is right when its length, characters, form, state and check character are right. The check character
(Luhn mod 36) notices every single changed character. A message about a bad identifier never repeats it.
Formats and state codes: the GST portal's own rules for each kind of registration.
"""

from __future__ import annotations

import re
from enum import StrEnum

from clientsync.errors import InvalidInput

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE = {character: value for value, character in enumerate(ALPHABET)}


class GstinKind(StrEnum):
    """The kinds of GST registration."""

    NORMAL = "normal"
    GOVERNMENT = "government"
    NRTP = "nrtp"
    OIDAR = "oidar"
    UIN = "uin"
    TDS = "tds"
    TCS = "tcs"


class Fault(StrEnum):
    """What is wrong with an identifier."""

    LENGTH = "length"
    CHARACTERS = "characters"
    FORMAT = "format"
    STATE = "unknown state"
    CHECK_CHARACTER = "check character"


class IdentifierInvalid(InvalidInput, ValueError):
    """A GSTIN or PAN that cannot exist.

    Attributes:
        fault: what is wrong.
        reason: the same in a sentence, without the identifier.
    """

    code = "IDENTIFIER_INVALID"

    def __init__(self, what: str, fault: Fault, reason: str) -> None:
        """Keep what is wrong; the identifier itself is not kept."""
        super().__init__(f"{what}: {reason}")
        self.fault = fault
        self.reason = reason


STATES: dict[str, str] = {
    "01": "Jammu and Kashmir",
    "02": "Himachal Pradesh",
    "03": "Punjab",
    "04": "Chandigarh",
    "05": "Uttarakhand",
    "06": "Haryana",
    "07": "Delhi",
    "08": "Rajasthan",
    "09": "Uttar Pradesh",
    "10": "Bihar",
    "11": "Sikkim",
    "12": "Arunachal Pradesh",
    "13": "Nagaland",
    "14": "Manipur",
    "15": "Mizoram",
    "16": "Tripura",
    "17": "Meghalaya",
    "18": "Assam",
    "19": "West Bengal",
    "20": "Jharkhand",
    "21": "Odisha",
    "22": "Chhattisgarh",
    "23": "Madhya Pradesh",
    "24": "Gujarat",
    "25": "Daman and Diu (until 2020)",
    "26": "Dadra and Nagar Haveli and Daman and Diu",
    "27": "Maharashtra",
    "28": "Andhra Pradesh (before division)",
    "29": "Karnataka",
    "30": "Goa",
    "31": "Lakshadweep",
    "32": "Kerala",
    "33": "Tamil Nadu",
    "34": "Puducherry",
    "35": "Andaman and Nicobar Islands",
    "36": "Telangana",
    "37": "Andhra Pradesh",
    "38": "Ladakh",
    "96": "Other countries",
    "97": "Other territory",
    "99": "Centre",
}
"""GST state codes and names. 96 occurs only as a place of supply, never in a GSTIN."""

PLACE_OF_SUPPLY_ONLY = frozenset({"96"})

# Order matters: the first form that fits names the kind.
_FORMS: tuple[tuple[GstinKind, re.Pattern[str]], ...] = (
    (GstinKind.TDS, re.compile(r"[0-9]{2}[A-Z]{4}[A-Z0-9][0-9]{4}[A-Z][1-9A-Z]D[0-9A-Z]")),
    (GstinKind.TCS, re.compile(r"[0-9]{2}[A-Z]{4}[A-Z0-9][0-9]{4}[A-Z][1-9A-Z]C[0-9A-Z]")),
    (GstinKind.NORMAL, re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][Z1-9ABE-J][0-9A-Z]")),
    (GstinKind.GOVERNMENT, re.compile(r"[0-9]{2}[A-Z]{4}[0-9]{5}[A-Z][0-9]Z[0-9A-Z]")),
    (GstinKind.OIDAR, re.compile(r"99[0-9]{2}[A-Z]{3}[0-9]{5}OS[0-9A-Z]")),
    (GstinKind.NRTP, re.compile(r"[0-9]{4}[A-Z]{3}[0-9]{5}NR[0-9A-Z]")),
    (GstinKind.UIN, re.compile(r"[0-9]{4}[A-Z]{3}[0-9]{5}[UO]N[0-9A-Z]")),
)
_WITH_PAN = frozenset({GstinKind.NORMAL, GstinKind.TCS, GstinKind.TDS})
_PAN = re.compile(r"[A-Z]{5}[0-9]{4}[A-Z]")
PAN_HOLDERS: dict[str, str] = {
    "P": "individual",
    "C": "company",
    "H": "Hindu undivided family",
    "F": "firm or limited liability partnership",
    "A": "association of persons",
    "T": "trust",
    "B": "body of individuals",
    "L": "local authority",
    "J": "artificial juridical person",
    "G": "government",
}
"""Fourth letter of a PAN: who holds it."""


def gstin_check_character(first14: str) -> str:
    """Return the check character for the first 14 characters of a GSTIN (Luhn mod 36).

    Raises:
        IdentifierInvalid: not 14 characters, or one outside 0-9 and A-Z.
    """
    if len(first14) != 14:
        raise IdentifierInvalid(
            "GSTIN", Fault.LENGTH, f"14 characters are needed, {len(first14)} were given."
        )
    total = 0
    for position, character in enumerate(first14):
        if character not in _VALUE:
            raise IdentifierInvalid("GSTIN", Fault.CHARACTERS, _outside(position))
        product = _VALUE[character] * (1 + position % 2)
        total += product // 36 + product % 36
    return ALPHABET[-total % 36]


def _outside(position: int) -> str:
    return f"character {position + 1} is not one of 0-9 and A-Z."


def check_gstin(text: str) -> GstinKind:
    """Return the kind of registration of a GSTIN, written as the portal writes it (upper case, no blanks).

    Raises:
        IdentifierInvalid: with the first thing that is wrong; for a wrong check character it says which one
            would be right.
    """
    if len(text) != 15:
        raise IdentifierInvalid("GSTIN", Fault.LENGTH, f"a GSTIN has 15 characters, this has {len(text)}.")
    for position, character in enumerate(text):
        if character not in _VALUE:
            raise IdentifierInvalid("GSTIN", Fault.CHARACTERS, _outside(position))
    kind = next((kind for kind, form in _FORMS if form.fullmatch(text)), None)
    if kind is None:
        raise IdentifierInvalid(
            "GSTIN", Fault.FORMAT, "it has the form of no registration (state, PAN, number, letter, check)."
        )
    if text[:2] not in STATES or text[:2] in PLACE_OF_SUPPLY_ONLY:
        raise IdentifierInvalid("GSTIN", Fault.STATE, f"{text[:2]} is not the code of a state.")
    right = gstin_check_character(text[:14])
    if text[14] != right:
        raise IdentifierInvalid(
            "GSTIN",
            Fault.CHECK_CHARACTER,
            f"the last character is {text[14]} but the others ask for {right}; one of them is mistyped.",
        )
    return kind


def is_gstin(text: str) -> bool:
    """Whether a text is a right GSTIN of any kind."""
    try:
        check_gstin(text)
    except IdentifierInvalid:
        return False
    return True


def normalise_identifier(text: str) -> str:
    """Return what a person typed as the portal writes it: upper case, without blanks and hyphens."""
    return re.sub(r"[\s\-\u00a0\u200b]+", "", text).upper()


def state_of(gstin: str) -> str:
    """Return the state code of a GSTIN: its first two characters."""
    return gstin[:2]


def pan_of(gstin: str) -> str | None:
    """Return the PAN inside a GSTIN, None where there is none.

    Government, non-resident, OIDAR and UIN registrations carry a number of their own there, and a tax
    deductor may carry a TAN.
    """
    inner = gstin[2:12]
    if not _PAN.fullmatch(inner):
        return None
    kind = next((kind for kind, form in _FORMS if form.fullmatch(gstin)), None)
    return inner if kind in _WITH_PAN else None


def check_pan(text: str) -> str:
    """Return who holds a PAN, by its fourth letter.

    Raises:
        IdentifierInvalid: with the first thing that is wrong. A PAN's last letter is not public, so a
            mistyped letter or digit of the right sort goes unnoticed.
    """
    if len(text) != 10:
        raise IdentifierInvalid("PAN", Fault.LENGTH, f"a PAN has 10 characters, this has {len(text)}.")
    if not _PAN.fullmatch(text):
        raise IdentifierInvalid("PAN", Fault.FORMAT, "a PAN is five letters, four digits and a letter.")
    if text[3] not in PAN_HOLDERS:
        raise IdentifierInvalid(
            "PAN", Fault.FORMAT, f"the fourth letter must be one of {', '.join(sorted(PAN_HOLDERS))}."
        )
    return PAN_HOLDERS[text[3]]


def is_pan(text: str) -> bool:
    """Whether a text is a right PAN."""
    try:
        check_pan(text)
    except IdentifierInvalid:
        return False
    return True


_TAN = re.compile(r"[A-Z]{4}[0-9]{5}[A-Z]")


def check_tan(text: str) -> None:
    """Accept a tax deduction account number: four letters, five digits and a letter, in upper case.

    The first three letters are the area, the fourth begins the deductor's name (form published for every API that
    takes a TAN); no check character is public.

    Raises:
        IdentifierInvalid: with the first thing that is wrong.
    """
    if len(text) != 10:
        raise IdentifierInvalid("TAN", Fault.LENGTH, f"a TAN has 10 characters, this has {len(text)}.")
    if not _TAN.fullmatch(text):
        raise IdentifierInvalid("TAN", Fault.FORMAT, "a TAN is four letters, five digits and a letter.")


def is_tan(text: str) -> bool:
    """Whether a text has the form of a TAN."""
    return _TAN.fullmatch(text) is not None
