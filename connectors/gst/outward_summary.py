"""The summary of GSTR-1 and GSTR-1A (RETSUM): its rows, and what it proves about sections that need not be asked.

The portal writes section names in several ways (B2B, B2B_4A, HSN_B2B, DOC_ISSUE); parts are added up. Invariant: a
name that counts records and cannot be placed makes absence prove nothing, so that no section is lost by a new name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from clientsync.clock import INDIA
from clientsync.spec.module import (
    Asking,
    CellMemory,
    Filing,
    Section,
    Skip,
    SkipKind,
    SkipRule,
)
from connectors.gst import fields
from connectors.gst.skips import proven

SECTIONS = (
    "b2b", "b2ba", "b2cl", "b2cla", "b2cs", "b2csa", "cdnr", "cdnra", "cdnur", "cdnura", "exp", "expa", "nil", "at",
    "ata", "txpd", "txpda", "hsn", "doc_issue", "supeco", "supecoa", "ecom", "ecoma",
)  # fmt: skip
"""In this order they are asked; the order is part of what is remembered, so new ones go to the end."""
_ALIASES: Mapping[str, str] = {
    **{name.replace("_", "").upper(): name for name in SECTIONS},
    "HSNSUM": "hsn",
    "DOCISS": "doc_issue",
    "DOCISSUED": "doc_issue",
    "TXP": "txpd",
    "TXPA": "txpda",
}
_NO_SECTION = re.compile(r"(TTL|TOT|TOTAL|LIAB).*")
_KNOWN_IN_SUMMARY_NAMES = """
gstin ret_period fp chksum newSumFlag smryTyp summTyp time sec_sum sec_nm sub_sections cpty_sum ctin typ
state_cd ttl_rec ttl_val ttl_tax ttl_igst ttl_cgst ttl_sgst ttl_cess ttl_expt_amt ttl_nilsup_amt
ttl_ngsup_amt ttl_doc_issued ttl_doc_cancelled net_doc_issued act_val act_tax act_igst act_cgst act_sgst
act_cess
"""
KNOWN_IN_SUMMARY = frozenset(_KNOWN_IN_SUMMARY_NAMES.split())
"""Fields of RETSUM (GSTN API returns/gstr1 v4.0)."""
HEADS = ("igst", "cgst", "sgst", "cess")


@dataclass(frozen=True)
class Told:
    """What the summary says of one section: records, and checksum of its content (None: it gives none)."""

    records: int
    checksum: str | None


@dataclass(frozen=True)
class Summary:
    """What a summary says, by our names; ``unknown`` are names with records that could not be placed."""

    sections: Mapping[str, Told]
    unknown: tuple[str, ...]

    def told(self, section: str) -> Told | None:
        """Return what it says of a section; absence counts as zero records unless unknown names hold some."""
        found = self.sections.get(section)
        return found if found is not None or self.unknown else Told(0, None)


def section_of(name: str) -> str | None:
    """Return our name for a name of the summary, None when it is none of ours."""
    words = name.strip().upper().replace("-", "_").split("_")
    for length in range(len(words), 0, -1):
        found = _ALIASES.get("".join(words[:length]))
        if found is not None:
            return found
    return None


def is_whole(name: str) -> bool:
    """Whether a name of the summary stands for a whole section (``B2B``), not for a part of one (``B2B_4A``)."""
    return name.strip().upper().replace("-", "").replace("_", "") in _ALIASES


def is_reverse_charge(name: str) -> bool:
    """Whether a name of the summary stands for supplies under reverse charge, table 4B (``B2B_4B``)."""
    return name.strip().upper().replace("-", "_").endswith("_4B")


def read_summary(payload: Mapping[str, Any]) -> Summary:
    """Return what a summary says.

    Raises:
        ValueError: a row is none, or its count is no number.
    """
    counts: dict[str, int] = {}
    sums: dict[str, list[str]] = {}
    unknown: list[str] = []
    for row in fields.items(payload, "sec_sum"):
        if not isinstance(row, Mapping):
            raise ValueError("sec_sum holds something that is not a section")
        name, records = fields.text(row, "sec_nm", required=True), _records(row)
        section = section_of(name)
        if section is None:
            if records and not _NO_SECTION.fullmatch(name.upper()):
                unknown.append(name)
            continue
        counts[section] = counts.get(section, 0) + records
        sums.setdefault(section, []).append(fields.text(row, "chksum"))
    told = {
        section: Told(records, _joined(sums[section]) if all(sums[section]) and records else None)
        for section, records in counts.items()
    }
    return Summary(told, tuple(unknown))


def _joined(checksums: Sequence[str]) -> str:
    if len(checksums) == 1 and len(checksums[0]) <= 80:
        return checksums[0]
    return hashlib.sha256("\n".join(checksums).encode()).hexdigest()


def _records(row: Mapping[str, Any]) -> int:
    """Return how many records a row counts; amounts or documents without a count are at least one."""
    records = fields.whole(row, "ttl_rec")
    if records:
        return records
    amounts = ("ttl_val", "ttl_tax", "ttl_expt_amt", "ttl_nilsup_amt", "ttl_ngsup_amt", "net_doc_issued",
               "ttl_doc_issued", *(f"ttl_{head}" for head in HEADS))  # fmt: skip
    return 1 if any(fields.paise(row, name) for name in amounts) else 0


def _summary_in(asking: Asking) -> Summary | None:
    """Return the summary read in this unit, None when there is none or it cannot be read."""
    payload = asking.answers.get("retsum")
    if not isinstance(payload, Mapping) or "sec_sum" not in payload:
        return None
    try:
        return read_summary(payload)
    except ValueError:
        return None


def checksum_in_summary(name: str, asking: Asking) -> str | None:
    """Return the checksum that the summary gives for a section."""
    summary = _summary_in(asking)
    told = summary.told(name) if summary else None
    return told.checksum if told else None


def condensed(asking: Asking) -> str | None:
    """Return what the whole summary says in at most 80 characters: which sections have records, and a digest.

    It is remembered with the summary, so that a later run can prove that every section was stored as the summary
    described it. None when the summary gives no proof (an unknown name, or a section without checksum).
    """
    summary = _summary_in(asking)
    if summary is None or summary.unknown:
        return None
    filled = [name for name in SECTIONS if name in summary.sections and summary.sections[name].records]
    return condense({name: summary.sections[name].checksum for name in filled})


def condense(checksums: Mapping[str, str | None]) -> str | None:
    """Return mask and digest of the checksums of the sections with records; None when one has no checksum."""
    if not all(checksums.values()):
        return None
    mask = sum(1 << place for place, name in enumerate(SECTIONS) if name in checksums)
    text = "\n".join(f"{name}={checksums[name]}" for name in SECTIONS if name in checksums)
    return f"{mask:x}.{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def sections_in(condensed_text: str) -> tuple[str, ...]:
    """Return the sections with records that a condensed summary names."""
    mask = int(condensed_text.partition(".")[0], 16)
    return tuple(name for place, name in enumerate(SECTIONS) if mask >> place & 1)


def empty_by_count(asking: Asking, section: Section) -> Skip | None:
    """Not asked: the summary read in this unit counts no record in the section."""
    summary = _summary_in(asking)
    told = summary.told(section.name) if summary else None
    if told is None or told.records:
        return None
    return Skip(SkipKind.EMPTY_BY_COUNT, f"the summary read in this run counts no record in {section.name}")


def unchanged_by_checksum(asking: Asking, section: Section) -> Skip | None:
    """Not asked: the summary's checksum of the section is that of the stored rows."""
    memory = asking.memory.get(section.name)
    now = checksum_in_summary(section.name, asking)
    if now is None or memory is None or not _holds(memory, now):
        return None
    return Skip(
        SkipKind.UNCHANGED_BY_CHECKSUM,
        f"the summary read in this run gives {section.name} the checksum that it had when it was stored",
    )


def _holds(memory: CellMemory, checksum: str) -> bool:
    return memory.was_loaded and memory.rows > 0 and memory.summary_checksum == checksum


Closing = Callable[[Asking], tuple[date, str] | None]
"""The day after which nothing can change any more, and why in words; None when it has not come."""


def final_section(closing: Closing) -> SkipRule:
    """Return a rule: the return is closed and this section was read after that day.

    It does not hold for a section of which the summary of this unit counts records and none are stored.
    """
    return partial(_final_section, closing)


def _final_section(closing: Closing, asking: Asking, section: Section) -> Skip | None:
    closed, memory = closing(asking), asking.memory.get(section.name)
    if closed is None or memory is None or not proven(memory) or not _read_after(memory, closed[0]):
        return None
    summary = _summary_in(asking)
    told = summary.told(section.name) if summary else None
    if told is not None and told.records and not memory.rows:
        return None
    return Skip(SkipKind.FINAL, f"{closed[1]}, and {section.name} was read after that")


def final_summary(closing: Closing) -> SkipRule:
    """Return a rule: the return is closed, and what was stored is what the summary described after that day."""
    return partial(_final_summary, closing)


def _final_summary(closing: Closing, asking: Asking, section: Section) -> Skip | None:
    closed, memory = closing(asking), asking.memory.get(section.name)
    if closed is None or memory is None or not proven(memory) or not _read_after(memory, closed[0]):
        return None
    if memory.rows == 0:
        return Skip(SkipKind.FINAL, f"{closed[1]}, and the portal had nothing when it was asked after that")
    if memory.summary_checksum is None:
        return None
    stored: dict[str, str | None] = {}
    for name in sections_in(memory.summary_checksum):
        known = asking.memory.get(name)
        if known is None or not known.was_loaded or known.rows == 0:
            return None
        stored[name] = known.summary_checksum
    if condense(stored) != memory.summary_checksum:
        return None
    return Skip(
        SkipKind.FINAL,
        f"{closed[1]}, and every section is stored with the checksum that the summary gave after that",
    )


def _read_after(memory: CellMemory, day: date) -> bool:
    return memory.asked_at.astimezone(INDIA).date() > day


def closed_by(*return_types: str, why: str) -> Closing:
    """Return what closes a return: the first of these that is filed for the period."""

    def closing(asking: Asking) -> tuple[date, str] | None:
        found: list[Filing] = [filing for name in return_types if (filing := asking.filed(name)) is not None]
        if not found:
            return None
        first = min(found, key=lambda filing: filing.filed_on)
        return first.filed_on, f"{first.return_type} was filed on {first.filed_on:%d-%m-%Y}: {why}"

    return closing
