"""IMS: the open pool of inward documents on which the recipient may act; it has no period of its own.

Counts are asked first; a section that they count as empty is not asked. Equal counts prove nothing about rows that
changed, so a section with documents is always read. Shapes: GST reference section 3.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.columns import Personal
from clientsync.spec.module import (
    NO_PERIOD,
    Asking,
    Cadence,
    Context,
    Finding,
    HandFile,
    Module,
    Record,
    Row,
    Section,
    Skip,
    SkipKind,
    TableSpec,
)
from connectors.gst import fields
from connectors.gst.documents import written

# request name -> (key of the answer, family of GETCNT, leaf of GETCNT)
SECTIONS = {
    "B2B": ("b2b", "all_oth", "b2b"),
    "B2BA": ("b2ba", "all_oth", "b2ba"),
    "CN": ("b2bcn", "all_oth", "b2bcn"),
    "CNA": ("b2bcna", "all_oth", "b2bcna"),
    "DN": ("b2bdn", "all_oth", "b2bdn"),
    "DNA": ("b2bdna", "all_oth", "b2bdna"),
    "ECOM": ("ecom", "all_oth", "ecom"),
    "ECOMA": ("ecoma", "all_oth", "ecoma"),
    "IMPG": ("impg", "imp_gds", "impg"),
    "IMPGA": ("impga", "imp_gds", "impga"),
    "IMPGSEZ": ("impgsez", "imp_gds", "impgsez"),
    "IMPGSEZA": ("impgseza", "imp_gds", "impgseza"),
}
IMPORTS = frozenset({"IMPG", "IMPGA", "IMPGSEZ", "IMPGSEZA"})
TYPES = {"CN": "CN", "CNA": "CN", "DN": "DN", "DNA": "DN"}
ACTIONS = ("accept", "reject", "pending", "noaction")
KNOWN_FIELDS = frozenset(
    {
        *("stin", "ctin", "gstin", "trdnm", "inum", "nt_num", "idt", "nt_dt", "inv_typ", "pos", "hash"),
        *("action", "srcform", "rtnprd", "srcfilstatus", "remarks", "itcRedReq"),
        *("ispendactblocked", "ispendactnallwd", "oinum", "oidt", "ont_num", "ont_dt"),
        *("val", "txval", "iamt", "camt", "samt", "cess", "igst"),
        *("rgstinrefId", "irefdt", "itcprd", "portcd", "boenum", "boedt", "srtinprd"),
        *("all_oth", "inv_supp_isd", "imp_gds", "ttl_cnt", "isd", "isda", "isdcn", "isdcna"),
        *(name for keys in SECTIONS.values() for name in keys),
        *ACTIONS,
    }
)


class DocumentRow(Row):
    """One document of the open pool."""

    section: str = columns.text("B2B, B2BA, CN, CNA, DN, DNA, ECOM, ECOMA or an import section", length=10)
    supplier_gstin: str = columns.text("Supplier, empty for imports", personal=Personal.IDENTITY, length=20)
    document_number: str = columns.text("Number as the supplier wrote it, or of the bill of entry", length=50)
    document_year: str = columns.text("Financial year of the document; numbers start again in it", length=7)
    return_period: str = columns.text("Supplier's return period, MMYYYY", length=6)
    port_code: str = columns.text("Port of an import", default="", length=6)
    occurrence: int = columns.number("Ordinal among rows of the same document", default=1)
    document_type: str = columns.text("INV, CN, DN or BOE", length=5)
    document_on: date | None = columns.day("Date of the document", default=None)
    action: str = columns.text("A accepted, R rejected, P pending, N none", default="N", length=1)
    supply_type: str = columns.text("R, DE, SEWP, SEWOP, CBW", default="", length=10)
    source_form: str = columns.text("R1, R1A or IFF", default="", length=5)
    is_supplier_filed: bool | None = columns.flag("The supplier has filed the return", default=None)
    is_pending_blocked: bool | None = columns.flag("Pending is not allowed any more", default=None)
    is_reversal_asked: bool | None = columns.flag("A declared reversal is required", default=None)
    place_of_supply: str = columns.text("State code", default="", length=2)
    original_number: str = columns.text("Number of the amended document", default="", length=50)
    original_on: date | None = columns.day("Date of the amended document", default=None)
    reference: str = columns.text("Portal's reference of an import", default="", length=40)
    remarks: str = columns.text("Remarks of the recipient", default="", length=500)
    portal_hash: str = columns.text("Hash that the portal keeps for the row", default="", length=80)
    document_value_paise: int = columns.amount("Value, credit notes negative")
    taxable_paise: int = columns.amount("Taxable value, credit notes negative")
    igst_paise: int = columns.amount("IGST, credit notes negative")
    cgst_paise: int = columns.amount("CGST, credit notes negative")
    sgst_paise: int = columns.amount("SGST, credit notes negative")
    cess_paise: int = columns.amount("Cess, credit notes negative")


class CountRow(Row):
    """How many documents of a section have which action."""

    family: str = columns.text("all_oth, inv_supp_isd or imp_gds", length=15)
    leaf: str = columns.text("Section as the counts name it", length=15)
    accepted: int = columns.number("Accepted")
    rejected: int = columns.number("Rejected")
    pending: int = columns.number("Pending")
    no_action: int = columns.number("Without action")


DOCUMENTS = TableSpec(
    name="gst__ims_document",
    row=DocumentRow,
    key=(
        "section",
        "supplier_gstin",
        "document_number",
        "document_year",
        "return_period",
        "port_code",
        "occurrence",
    ),
    scope=("section",),
    description="The open pool of the Invoice Management System, one row a document, credit notes negative.",
    checks=(
        Check(
            "GST-IMS-D01",
            CheckKind.IN_SET,
            ("action",),
            OnBreach.WARN,
            "an action is A, R, P or N",
            {"values": ["A", "R", "P", "N"]},
            "GSTN schema of IMS",
        ),
        Check(
            "GST-IMS-D02",
            CheckKind.AT_MOST_ONE_NONZERO,
            ("igst_paise",),
            OnBreach.WARN,
            "IGST and CGST/SGST do not stand on one document",
            {"groups": [["igst_paise"], ["cgst_paise", "sgst_paise"]]},
            "CGST Act s.8-9, IGST Act s.5",
        ),
        Check(
            "GST-IMS-D03",
            CheckKind.MATCHES,
            ("return_period",),
            OnBreach.WARN,
            "a return period is MMYYYY",
            {"pattern": r"(0[1-9]|1[0-2])20\d\d"},
            "GSTN schema of IMS",
        ),
        Check(
            "GST-IMS-D04",
            CheckKind.GSTIN,
            ("supplier_gstin",),
            OnBreach.WARN,
            "the supplier's registration has a valid form and check character",
            source="GSTN registration formats",
        ),
    ),
)
COUNTS = TableSpec(
    name="gst__ims_count",
    row=CountRow,
    key=("family", "leaf"),
    scope=(),
    description="Counts of the open pool by section and action.",
)


def parse_counts(payload: Any, _: Context) -> Iterator[Record]:
    """Yield a record per leaf of GETCNT."""
    for family, leaves in payload.items():
        if isinstance(leaves, Mapping):
            for leaf, source in leaves.items():
                if isinstance(source, Mapping):
                    yield fields.row(
                        COUNTS.name,
                        source,
                        lambda family=family, leaf=leaf, source=source: {  # type: ignore[misc]
                            "family": family,
                            "leaf": leaf,
                            "accepted": fields.whole(source, "accept"),
                            "rejected": fields.whole(source, "reject"),
                            "pending": fields.whole(source, "pending"),
                            "no_action": fields.whole(source, "noaction"),
                        },
                    )


def parse_section(payload: Any, context: Context) -> Iterable[Record]:
    """Return a record per document of one section."""
    key = SECTIONS[context.section][0]
    records = (
        fields.row(
            DOCUMENTS.name,
            source,
            lambda source=source: (
                _import(context.section, source)  # type: ignore[misc]
                if context.section in IMPORTS
                else _document(context.section, source)
            ),
        )
        for source in fields.items(payload, key)
    )
    return fields.number_occurrences(records, DOCUMENTS.key[:-1])


def _document(section: str, source: Mapping[str, Any]) -> dict[str, Any]:
    kind = TYPES.get(section, "INV")
    is_note = kind != "INV"
    sign = -1 if kind == "CN" else 1
    blocked = fields.yes(source, "ispendactblocked")
    filed = fields.text(source, "srcfilstatus")
    issued_on = written(fields.day(source, "nt_dt" if is_note else "idt", required=True))
    return {
        "section": section,
        "supplier_gstin": fields.text(source, "stin", required=True),
        "document_number": fields.text(source, "nt_num" if is_note else "inum", required=True),
        "return_period": fields.text(source, "rtnprd", required=True),
        "port_code": "",
        "document_type": kind,
        "document_year": fields.financial_year(issued_on),
        "document_on": issued_on,
        "action": fields.text(source, "action") or "N",
        "supply_type": fields.text(source, "inv_typ"),
        "source_form": fields.text(source, "srcform"),
        "is_supplier_filed": None if not filed else filed == "Filed",
        "is_pending_blocked": fields.yes(source, "ispendactnallwd") if blocked is None else blocked,
        "is_reversal_asked": fields.yes(source, "itcRedReq"),
        "place_of_supply": fields.text(source, "pos"),
        "original_number": fields.text(source, "ont_num" if is_note else "oinum"),
        "original_on": fields.day(source, "ont_dt" if is_note else "oidt"),
        "remarks": fields.text(source, "remarks"),
        "portal_hash": fields.text(source, "hash"),
        "document_value_paise": sign * fields.paise(source, "val"),
        "taxable_paise": sign * fields.paise(source, "txval"),
        "igst_paise": sign * fields.paise(source, "iamt"),
        "cgst_paise": sign * fields.paise(source, "camt"),
        "sgst_paise": sign * fields.paise(source, "samt"),
        "cess_paise": sign * fields.paise(source, "cess"),
    }


def _import(section: str, source: Mapping[str, Any]) -> dict[str, Any]:
    entered_on = written(fields.day(source, "boedt", required=True))
    return {
        "section": section,
        "supplier_gstin": fields.text(source, "stin"),
        "document_number": fields.text(source, "boenum", required=True),
        "return_period": fields.text(source, "itcprd") or fields.text(source, "srtinprd", required=True),
        "port_code": fields.text(source, "portcd"),
        "document_type": "BOE",
        "document_year": fields.financial_year(entered_on),
        "document_on": entered_on,
        "action": fields.text(source, "action") or "N",
        "reference": fields.text(source, "rgstinrefId"),
        "portal_hash": fields.text(source, "hash"),
        "document_value_paise": fields.paise(source, "txval")
        + fields.paise(source, "igst")
        + fields.paise(source, "cess"),
        "taxable_paise": fields.paise(source, "txval"),
        "igst_paise": fields.paise(source, "igst"),
        "cgst_paise": 0,
        "sgst_paise": 0,
        "cess_paise": fields.paise(source, "cess"),
    }


def counted(counts: Any, section: str) -> int | None:
    """Return how many documents GETCNT counts in a section, None when it does not say or cannot be read."""
    _, family, leaf = SECTIONS[section]
    leaves = counts.get(family) if isinstance(counts, Mapping) else None
    if not isinstance(leaves, Mapping):
        return None
    return counted_in(leaves.get(leaf, leaves.get("ttl_cnt")))


def counted_in(leaf: Any) -> int | None:
    """Return the documents of one leaf of GETCNT; none is proven only when every action is counted."""
    if not isinstance(leaf, Mapping) or not set(ACTIONS) <= set(leaf):
        return None
    try:
        return sum(fields.whole(leaf, name) for name in ACTIONS)
    except ValueError:
        return None


def skip_when_counted_empty(asking: Asking, section: Section) -> Skip | None:
    """Do not ask for a section that the counts of this very unit show to be empty."""
    if counted(asking.answers["count"], section.name) == 0:
        return Skip(SkipKind.EMPTY_BY_COUNT, "GETCNT counts no document in this section")
    return None


def share(asking: Asking) -> Any:
    """Leave the counts of this run for other modules, None when they could not be read."""
    return asking.answers.get("count")


def counts_agree(section: str, records: Sequence[Record], asking: Asking) -> Iterable[Finding]:
    """Yield a warning when a section does not have as many documents as GETCNT of this unit counts in it.

    The pool is open, so a supplier may have reported a document between the two questions.
    """
    told = counted(asking.answers.get("count"), section)
    if told is not None and told != len(records):
        yield Finding(
            "COUNT_DISAGREES",
            f"IMS {section} has {len(records)} documents, and GETCNT counted {told}.",
            is_halting=False,
        )


def check_fields(payload: Any, _: Sequence[Record], context: Context) -> Iterable[Finding]:
    """New fields are noticed once per answer."""
    return fields.drift(payload, KNOWN_FIELDS, f"IMS {context.section}")


def _params(section: str) -> Callable[[Asking], dict[str, str]]:
    return lambda _: {"section": section}


def _recognise(payload: Any) -> str | None:
    for key, _, _ in SECTIONS.values():
        rows = payload.get(key)
        if (
            isinstance(rows, list)
            and rows
            and isinstance(rows[0], Mapping)
            and {"hash", "srcform"} & set(rows[0])
        ):
            return "IMS"
    return None


def _split(payload: Any) -> Iterator[tuple[str, Any]]:
    for name, (key, _, _) in SECTIONS.items():
        if key in payload:
            yield name, {key: payload[key]}


MODULE = Module(
    name="ims",
    title="IMS",
    sections=(
        Section(
            name="count",
            endpoint="ims.getcnt",
            parse=parse_counts,
            tables=(COUNTS.name,),
            integrity=(check_fields,),
        ),
        *(
            Section(
                name=name,
                endpoint="ims.getinv",
                parse=parse_section,
                tables=(DOCUMENTS.name,),
                params=_params(name),
                skip=(skip_when_counted_empty,),
                integrity=(check_fields,),
                reconcile=partial(counts_agree, name),
                after="count",
            )
            for name in SECTIONS
        ),
    ),
    tables=(DOCUMENTS, COUNTS),
    cadence=Cadence.CLIENT,
    files=HandFile(
        recognise=_recognise,
        identity=lambda payload: (payload.get("gstin"), NO_PERIOD),
        split=_split,
        needs=tuple(SECTIONS),
    ),
    naive_calls=1 + len(SECTIONS),
    share=share,
    only_open_periods=True,
)
