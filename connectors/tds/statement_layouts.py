"""Where the fields of statement files stand: records FH, BH, CD, DD of both generations, as data.

Positions count from one and the delimiter is ``^``. Sources: forms of the Act of 2025, V1.0 of 16-06-2026, by the
prescribed file formats of Forms 138, 140, 143 and 144 (every position was compared with the workbooks); forms of the
Act of 1961 by statements of 2010-11 and by the later formats' additions (fee and minor head on the challan, section
and certificate on the deductee's line). The last field of every old record is its hash and is never read. Invariant:
a field that a record is too short to have is absent, never taken from a neighbour.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from connectors.tds.code_tables import FAMILY, NEW_FORMS, OLD_FORMS

DELIMITER = "^"
FILE_HEADER, BATCH_HEADER, CHALLAN, DEDUCTEE = "FH", "BH", "CD", "DD"
SALARY_RECORDS = frozenset({"SD", "S16", "C6A", "94P", "PD"})
"""Records of annual salary details in the statement of the fourth quarter; their layout is not read."""

Positions = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of one form's statement file.

    Attributes:
        form: ``140``.
        act: ``1961`` or ``2025``.
        counts: record type to the numbers of fields that it may have.
        positions: record type to field name to position.
        has_hash: whether the last field of a record is a hash even where a longer record has a field there.
    """

    form: str
    act: str
    counts: Mapping[str, Container[int]]
    positions: Mapping[str, Positions]
    has_hash: bool

    @property
    def family(self) -> str:
        """The form's name under the Act of 1961."""
        return FAMILY[self.form]

    def values(self, record: str, parts: list[str]) -> dict[str, str]:
        """Return the fields of a record by name, without blanks around them; absent ones are empty text."""
        last = len(parts) - 1 if self.has_hash else len(parts)
        return {
            name: parts[position - 1].strip() if position <= last else ""
            for name, position in self.positions[record].items()
        }

    def has(self, record: str, parts: list[str], name: str) -> bool:
        """Say whether a record is of a version that has a field."""
        last = len(parts) - 1 if self.has_hash else len(parts)
        return self.positions[record].get(name, last + 1) <= last


_FILE_HEADER: Positions = {
    "file_type": 3,
    "upload_type": 4,
    "created_on": 5,
    "tan": 8,
    "batches": 9,
    "utility": 10,
}
_BATCH_HEADER: Positions = {
    "challan_count": 4,
    "form": 5,
    "previous_token": 9,
    "tan": 13,
    "pan": 15,
    "assessment_year": 16,
    "year": 17,
    "quarter": 18,
    "name": 19,
    "category": 32,
    "total_deposited": 47,
    "filed_earlier": 52,
    "state": 54,
    "ministry": 57,
    "responsible_pan": 59,
    "gstin": 69,
}
_NEW_CHALLAN: Positions = {
    "challan_record": 4,
    "deductee_count": 5,
    "is_nil": 6,
    "tax": 8,
    "interest": 9,
    "fee": 10,
    "penalty": 11,
    "total": 12,
    "mode": 13,
    "bsr": 15,
    "serial": 17,
    "deposited_on": 19,
    "deductee_deposited": 21,
    "deductee_tax": 22,
    "minor_head": 23,
}
_OLD_CHALLAN: Positions = {
    "challan_record": 4,
    "deductee_count": 5,
    "is_nil": 6,
    "serial": 12,
    "voucher": 14,
    "bsr": 16,
    "deposited_on": 18,
    "section_code": 21,
    "tax": 22,
    "surcharge": 23,
    "cess": 24,
    "interest": 25,
    "penalty": 26,
    "total": 27,
    "deductee_deposited": 29,
    "deductee_tds": 30,
    "deductee_surcharge": 31,
    "deductee_cess": 32,
    "deductee_tax": 33,
    "interest_allocated": 34,
    "others_allocated": 35,
    "is_book_entry": 37,
    "fee": 39,
    "minor_head": 40,
}
_OLD_DEDUCTEE: Positions = {
    "challan_record": 4,
    "deductee_record": 5,
    "mode": 6,
    "pan": 10,
    "name": 13,
    "tds": 14,
    "surcharge": 15,
    "cess": 16,
    "tax": 17,
    "deposited": 19,
    "amount": 22,
    "paid_on": 23,
    "deducted_on": 24,
    "deposited_on": 25,
    "rate": 26,
    "flag": 30,
    "code": 33,
    "certificate": 34,
}
_NEW_DEDUCTEE: Positions = {
    "deductee_record": 4,
    "challan_record": 5,
    "mode": 6,
    "pan": 8,
    "name": 9,
    "code": 15,
    "is_deposited": 18,
    "paid_on": 19,
    "amount": 20,
    "tax": 24,
    "deposited": 25,
    "deducted_on": 27,
    "flag": 32,
    "certificate": 33,
}
_DEDUCTEE_OF_FORM: Mapping[str, Positions] = {
    "138": {"deposited_on": 29},
    "140": {"cash_over_1_crore": 22, "cash_over_3_crore": 23, "rate": 28, "acknowledgement": 31},
    "143": {"non_resident": 11, "status": 12, "establishment": 13, "opts_out": 14, "rate": 28},
    "144": {
        "status": 12,
        "opts_out": 14,
        "remittance": 16,
        "country": 17,
        "grossed_up": 21,
        "cash_over_1_crore": 22,
        "cash_over_3_crore": 23,
        "rate": 28,
        "rate_basis": 30,
        "acknowledgement": 31,
    },
}
_NEW_COUNTS = {FILE_HEADER: (18,), BATCH_HEADER: (72,), CHALLAN: (30,), DEDUCTEE: (45,)}
_OLD_COUNTS = {
    FILE_HEADER: (16, 17, 18),
    BATCH_HEADER: range(48, 100),
    CHALLAN: (39, 40, 41),
    DEDUCTEE: range(33, 100),
}
"""39 fields on the challan in 2010-11, 40 with the fee, 41 with the minor head; other records only grew."""


def _old(form: str) -> Layout:
    positions = {
        FILE_HEADER: _FILE_HEADER,
        BATCH_HEADER: _BATCH_HEADER,
        CHALLAN: _OLD_CHALLAN,
        DEDUCTEE: _OLD_DEDUCTEE,
    }
    return Layout(form, "1961", _OLD_COUNTS, positions, has_hash=True)


def _new(form: str) -> Layout:
    positions = {
        FILE_HEADER: _FILE_HEADER,
        BATCH_HEADER: _BATCH_HEADER,
        CHALLAN: _NEW_CHALLAN,
        DEDUCTEE: {**_NEW_DEDUCTEE, **_DEDUCTEE_OF_FORM[form]},
    }
    return Layout(form, "2025", _NEW_COUNTS, positions, has_hash=False)


LAYOUTS: Mapping[str, Layout] = {
    **{form: _old(form) for form in OLD_FORMS},
    **{form: _new(form) for form in NEW_FORMS.values()},
}
"""Form to layout; old names of forms have old layouts, new names new ones."""


def split_line(line: str) -> list[str]:
    """Return the fields of a line."""
    return line.split(DELIMITER)


def record_type(parts: list[str]) -> str:
    """Return the record type of a line, empty text for a line that is too short to have one."""
    return parts[1].strip().upper() if len(parts) > 1 else ""
