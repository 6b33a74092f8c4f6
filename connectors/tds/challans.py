"""Challans as the e-filing portal has them: the payment history of both Acts, and the detail of rows without heads.

The list is read whole and replaces its section; the detail of a challan is read once and completes it from a table of
its own, so that a list that comes without heads again never undoes them. Invariant: amount = heads + what is not
split, to the paisa. Shapes and traps: TDS reference 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from clientsync import money
from clientsync.periods import FIRST_YEAR_OF_THE_NEW_ACT
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import (
    Asking,
    Cadence,
    Context,
    Deletes,
    Finding,
    Module,
    Record,
    Row,
    Section,
    Skip,
    TableSpec,
)
from clientsync.warehouse.views import View
from connectors.gst.shapes import leaves, only_known
from connectors.tds import fields, identifiers
from connectors.tds.rests import is_stirred, last_read, rest

PAGE_SIZE = 100
"""Rows of a page; larger ones worked for others, this one is safe (reference 3.2)."""
NEW_ACT_BEGAN = date(FIRST_YEAR_OF_THE_NEW_ACT, 4, 1)
"""No payment under the Income-tax Act, 2025 is older (s.536 of that Act)."""
LAST_PAYMENTS_DUE = date(FIRST_YEAR_OF_THE_NEW_ACT, 4, 30)
"""Tax deducted in March 2026, the last month of the Act of 1961, was due on this day (Income-tax Rules, rule 30)."""
ACTS = {"act_1961": "1961", "act_2025": "2025", "detail_1961": "1961", "detail_2025": "2025"}
ACT_TYPES = {"1961": "O", "2025": "N"}
"""How the payment history names the Acts (reference 3.2)."""
HEADS = ("tax", "surcharge", "cess", "interest", "penalty_or_others", "fee")
"""A to F of a challan receipt (reference 3.2)."""
MINOR_HEADS = ("100", "200", "400")
"""Advance tax for some payment codes, payable by taxpayer, regular assessment (reference 3.2)."""

_ROW_NAMES = (
    "crn cin alternateCin bsrCode bsrCd challanNum tenderDt tenderDate paymentDt paymentTime totalAmt totalAmount "
    "amount basicTax surCharge eduCess interest penalty others fee minorHead majorHead secCd secDesc "
    "natureOfPayment paymentType paymentMode assessmentYear assmentYear taxYear bankCode bankName jsonData actType"
)
_MESSAGES = {"messages": leaves("type code desc")}
_LIST_SHAPE = {
    **leaves("successFlag"),
    **_MESSAGES,
    "paymentList": {**leaves("totalElements"), "content": leaves(_ROW_NAMES)},
}
_DETAIL_SHAPE = {**leaves("successFlag"), **_MESSAGES, "paymentDetails": leaves(_ROW_NAMES)}


class ChallanDetailRow(Row):
    """The money of one challan, split by heads."""

    section: str = columns.text("Section that answered", length=12)
    act: str = columns.text("1961 or 2025", length=4)
    portal: str = columns.text("Always IT: the e-filing portal", length=8)
    cin: str = columns.text("Challan identification number; the classic one where the portal gives no other")
    bsr: str = columns.text("BSR code of the branch, or receipt of Form 24G, seven digits", length=7)
    serial: str = columns.text("Challan serial, five digits", length=5)
    deposited_on: date = columns.day("Day of deposit (tender date)")
    amount_paise: int = columns.amount("Amount of the challan")
    tax_paise: int = columns.amount("A Tax")
    surcharge_paise: int = columns.amount("B Surcharge")
    cess_paise: int = columns.amount("C Cess")
    interest_paise: int = columns.amount("D Interest")
    penalty_or_others_paise: int = columns.amount("E Penalty or others")
    fee_paise: int = columns.amount("F Fee for late filing")
    unsplit_paise: int = columns.amount("Amount whose heads the answer does not give")
    is_new_act: bool = columns.flag("Paid under the Act of 2025")
    is_before_new_act: bool = columns.flag("Deposited before 1 April 2026")
    has_fraction: bool = columns.flag("The amount is not in whole rupees")


class ChallanRow(ChallanDetailRow):
    """One paid challan as the payment history lists it."""

    alternate_cin: str | None = columns.text("Classic CIN as the portal gives it", default=None, length=20)
    classic_cin: str = columns.text("Classic CIN from BSR code, day and serial", length=20)
    crn: str = columns.text("Challan reference number", default="", length=14)
    major_head: str = columns.text("0020 companies, 0021 others; empty when not given", default="", length=4)
    minor_head: str = columns.text("200 by taxpayer, 400 on demand, 100 advance", default="", length=3)
    section_code: str = columns.text("Section, or payment code under the Act of 2025", default="", length=20)
    nature: str = columns.text("Nature of payment in words", default="", length=300)
    assessment_year: str = columns.text("Assessment year, Act of 1961 only", default="", length=7)
    year: str = columns.text("Financial or tax year, empty when not given", default="", length=7)
    bank: str = columns.text("Bank's four letters or code", default="", length=20)
    has_heads: bool = columns.flag("The list gives the heads; otherwise see tds__challan_detail")
    is_nil: bool = columns.flag("Nothing was paid")
    is_book_entry: bool = columns.flag("Government book entry: BSR is the receipt of Form 24G")


@dataclass(frozen=True)
class _Layers:
    """A row of the portal under the fuller record that it carries as JSON text, which is the more accurate one."""

    layers: tuple[fields.Raw, ...]

    @classmethod
    def of(cls, raw: fields.Raw) -> _Layers:
        inner = raw.get("jsonData")
        if inner is None or inner == "":
            return cls((raw,))
        fuller = money.loads(inner) if isinstance(inner, str) else inner
        if not isinstance(fuller, Mapping):
            raise ValueError("jsonData is not an object")
        return cls((fuller, raw))

    def each(self, *names: str) -> Iterable[tuple[fields.Raw, str]]:
        """Yield where a value stands, best first."""
        for layer in self.layers:
            for name in names:
                if layer.get(name) not in (None, ""):
                    yield layer, name

    def first(self, *names: str) -> tuple[fields.Raw, str]:
        return next(iter(self.each(*names)), (self.layers[-1], names[0]))

    def text(self, *names: str, required: bool = False) -> str:
        return fields.text(*self.first(*names), required=required)

    def paise(self, *names: str, required: bool = False) -> int:
        return fields.paise(*self.first(*names), required=required)

    def has(self, *names: str) -> bool:
        return next(iter(self.each(*names)), None) is not None


def _alternate(found: _Layers) -> identifiers.ClassicCin | None:
    for layer, name in found.each("alternateCin", "cin"):
        text = fields.text(layer, name)
        if re.fullmatch(identifiers.CIN_CLASSIC, text):
            parts = identifiers.parse_cin(text)
            if isinstance(parts, identifiers.ClassicCin):
                return parts
    return None


def _serial(found: _Layers, alternate: identifiers.ClassicCin | None) -> str:
    """Return the serial; ``challanNum`` of a list may hold the reference number of 14 digits instead."""
    for layer, name in found.each("challanNum"):
        text = fields.text(layer, name)
        if re.fullmatch(r"[0-9]{1,5}", text):
            return identifiers.serial(text)
    if alternate is None:
        raise ValueError("challanNum holds no serial and no classic CIN is given")
    return alternate.serial


def _crn(found: _Layers) -> str:
    for layer, name in found.each("crn", "challanNum"):
        text = fields.text(layer, name)
        if re.fullmatch(identifiers.CRN, text):
            return text
    cin = found.text("cin")
    return cin[:14] if re.fullmatch(identifiers.CIN_NEW, cin) else ""


def _deposited_on(found: _Layers, alternate: identifiers.ClassicCin | None) -> date:
    for layer, name in found.each("tenderDt", "tenderDate"):
        if day := fields.day(layer, name):
            return day
    if alternate is not None:
        return alternate.deposited_on
    paid = fields.day(*found.first("paymentDt"))
    if paid is None:
        raise ValueError("tenderDt is missing")
    return paid


def _heads(found: _Layers) -> dict[str, int]:
    """Return the six heads; where no fee stands on its own, ``others`` is the sixth head of the receipt, the fee."""
    others = found.paise("others")
    has_fee = found.has("fee")
    return {
        "tax": found.paise("basicTax"),
        "surcharge": found.paise("surCharge"),
        "cess": found.paise("eduCess"),
        "interest": found.paise("interest"),
        "penalty_or_others": found.paise("penalty") + (others if has_fee else 0),
        "fee": found.paise("fee") if has_fee else others,
    }


def _money(found: _Layers, act: str, section: str) -> dict[str, Any]:
    """Return the columns that list and detail share."""
    alternate = _alternate(found)
    amount = found.paise("totalAmt", "totalAmount", "amount", required=True)
    heads = _heads(found)
    is_split = found.has("basicTax") and (any(heads.values()) or not amount)
    serial = _serial(found, alternate)
    if found.has("bsrCode", "bsrCd"):
        bsr = identifiers.bsr(found.text("bsrCode", "bsrCd"))
    elif alternate is not None:
        bsr = alternate.bsr
    else:
        raise ValueError("bsrCode is missing")
    on = _deposited_on(found, alternate)
    return {
        "section": section,
        "act": act,
        "portal": "IT",
        "cin": found.text("cin", "alternateCin") or identifiers.classic_cin(bsr, on, serial),
        "bsr": bsr,
        "serial": serial,
        "deposited_on": on,
        "amount_paise": amount,
        **{f"{head}_paise": heads[head] if is_split else 0 for head in HEADS},
        "unsplit_paise": 0 if is_split else amount,
        "is_new_act": act == "2025",
        "is_before_new_act": on < NEW_ACT_BEGAN,
        "has_fraction": amount % 100 != 0,
    }


def _years(found: _Layers, act: str) -> tuple[str, str]:
    """Return assessment year and financial or tax year; the Act of 2025 has no assessment year."""
    text = found.text("assessmentYear", "assmentYear").upper().removeprefix("AY").strip()
    stated = fields.year({"assessmentYear": text}, "assessmentYear")
    tax_year = fields.year(*found.first("taxYear"))
    if act == "2025":
        return "", tax_year or stated
    if not stated:
        return "", tax_year
    start = int(stated[:4]) - 1
    return stated, f"{start}-{(start + 1) % 100:02d}"


def _minor_head(found: _Layers) -> str:
    stated = found.text("minorHead")
    in_words = re.search(r"\((\d{3})\)", stated or found.text("paymentType"))
    return in_words[1] if in_words else stated


def challan(raw: fields.Raw, act: str, section: str) -> dict[str, Any]:
    """Return the columns of ``tds__challan`` for one row of the payment history.

    Raises:
        ValueError: the row lacks what identifies a challan, or an amount is not exact.
    """
    found = _Layers.of(raw)
    shared = _money(found, act, section)
    assessment_year, year = _years(found, act)
    stated = next((fields.text(*one) for one in found.each("alternateCin")), None)
    return {
        **shared,
        "alternate_cin": stated,
        "classic_cin": identifiers.classic_cin(shared["bsr"], shared["deposited_on"], shared["serial"]),
        "crn": _crn(found),
        "major_head": found.text("majorHead"),
        "minor_head": _minor_head(found),
        "section_code": found.text("secCd"),
        "nature": found.text("natureOfPayment", "secDesc"),
        "assessment_year": assessment_year,
        "year": year,
        "bank": found.text("bankCode"),
        "has_heads": shared["unsplit_paise"] == 0,
        "is_nil": shared["amount_paise"] == 0,
        "is_book_entry": "book" in found.text("paymentMode").lower(),
    }


def heads_of(stored: Mapping[str, Any], detail: Mapping[str, Any] | None) -> dict[str, int] | None:
    """Return the heads of a stored challan in paise by name, from its detail where the list has none.

    None when neither has them.
    """
    known = stored if stored["has_heads"] else detail
    if known is None or known["unsplit_paise"]:
        return None
    return {head: int(known[f"{head}_paise"]) for head in HEADS}


def _content(payload: Any) -> list[Any]:
    if payload.get("successFlag") is False:
        raise ValueError("successFlag is false")
    return fields.items(fields.obj(payload, "paymentList"), "content")


def _parse(payload: Any, context: Context) -> Iterable[Record]:
    act = ACTS[context.section]
    for raw in _content(payload):
        yield fields.row(
            CHALLANS.name,
            raw,
            lambda raw=raw: challan(raw, act, context.section),  # type: ignore[misc]
        )


def _parse_detail(payload: Any, context: Context) -> Iterable[Record]:
    if payload.get("successFlag") is False:
        raise ValueError("successFlag is false")
    raw = payload.get("paymentDetails")
    if raw is None:
        return
    yield fields.row(
        DETAILS.name, raw, lambda: _money(_Layers.of(raw), ACTS[context.section], context.section)
    )


def _params(act: str) -> Callable[[Asking], dict[str, str]]:
    return lambda _: {"actType": ACT_TYPES[act], "pageNumber": "0"}


def _total(payload: Any) -> int:
    return fields.whole(fields.obj(payload, "paymentList"), "totalElements")


def _next_page(payload: Any, pages: int) -> dict[str, str] | None:
    if not _content(payload) or pages * PAGE_SIZE >= _total(payload):
        return None
    return {"pageNumber": str(pages)}


def _merge(pages: Sequence[Any]) -> Any:
    """Join the pages; the last one says how many rows there are now."""
    content = [one for page in pages for one in _content(page)]
    joined = {"content": content, "totalElements": _total(pages[-1])}
    return {**pages[0], "paymentList": joined}


def _whole(payload: Any, records: Sequence[Record], context: Context) -> Iterable[Finding]:
    """The rows are as many as the portal says, and over several pages each is another one."""
    total = _total(payload)
    cins = [one.values["cin"] for one in records if one.problem is None]
    if len(records) != total:
        yield Finding(
            "TDS-CH-TOTAL", f"The payment history says {total} payments, {len(records)} rows were read."
        )
    elif total > PAGE_SIZE and len(set(cins)) != len(cins):
        yield Finding(
            "TDS-CH-PAGES",
            "Pages of the payment history overlap: it changed while it was read, so payments are missing.",
        )


def _follow(act: str) -> Callable[[Any, Asking], Sequence[tuple[str, dict[str, str]]] | None]:
    """Return the rule: ask the detail of every challan without heads whose detail is not stored."""

    def follow(payload: Any, asking: Asking) -> Sequence[tuple[str, dict[str, str]]] | None:
        stored = asking.known.get("details", ())
        wanted: dict[str, None] = {}
        for record in _each_good(payload, act):
            if not record["has_heads"] and record["cin"] not in stored:
                wanted[record["cin"]] = None
        return [(f"detail_{act}", {"cin": cin}) for cin in wanted] or None

    return follow


def _each_good(payload: Any, act: str) -> Iterable[dict[str, Any]]:
    for raw in _content(payload):
        record = fields.row(CHALLANS.name, raw, lambda raw=raw: challan(raw, act, ""))  # type: ignore[misc]
        if record.problem is None:
            yield record.values


def _share(asking: Asking) -> Any:
    """Leave what identifies the challans of this run and their amounts, for the questions that need an amount."""
    return [
        {name: record[name] for name in ("bsr", "serial", "deposited_on", "amount_paise", "act")}
        for section in ("act_1961", "act_2025")
        if section in asking.answers
        for record in _each_good(asking.answers[section], ACTS[section])
    ]


def _money_checks(letter: str) -> tuple[Check, ...]:
    """Return the checks that list and detail share; ``letter`` tells their codes apart."""
    return (
        Check(
            f"TDS-CH-{letter}04",
            CheckKind.MATCHES,
            ("bsr",),
            OnBreach.REJECT_ROW,
            "A BSR code has seven digits.",
            {"pattern": identifiers.BSR},
            "V04: Protean file formats of Forms 138 to 144, V1.0.",
        ),
        Check(
            f"TDS-CH-{letter}05",
            CheckKind.MATCHES,
            ("serial",),
            OnBreach.REJECT_ROW,
            "A challan serial has five digits.",
            {"pattern": identifiers.SERIAL},
            "V05: Protean file formats of Forms 138 to 144, V1.0.",
        ),
        Check(
            f"TDS-CH-{letter}08",
            CheckKind.MATCHES,
            ("cin",),
            OnBreach.WARN,
            "A CIN is 20 digits with a valid date, or 14 digits and four letters.",
            {"pattern": identifiers.CIN},
            "V08: practice of the e-filing portal.",
        ),
        Check(
            f"TDS-CH-{letter}20",
            CheckKind.WITHIN,
            (),
            OnBreach.WARN,
            "The heads do not add up to the amount of the challan.",
            {
                "terms": {
                    "amount_paise": 1,
                    "unsplit_paise": -1,
                    **{f"{head}_paise": -1 for head in HEADS},
                },
                "tolerance": 0,
            },
            "V20, V21, V26: a challan's total is the sum of its heads A to F.",
        ),
        Check(
            f"TDS-CH-{letter}21",
            CheckKind.AT_MOST_ONE_NONZERO,
            (),
            OnBreach.WARN,
            "Under the Act of 2025 a challan has no surcharge and no cess of its own.",
            {"groups": [["is_new_act"], ["surcharge_paise", "cess_paise"]]},
            "V21: Protean file formats of Forms 138 to 144, V1.0.",
        ),
        Check(
            f"TDS-CH-{letter}22",
            CheckKind.AT_MOST_ONE_NONZERO,
            (),
            OnBreach.WARN,
            "Under the Act of 2025 a challan is in whole rupees.",
            {"groups": [["is_new_act"], ["has_fraction"]]},
            "V21: Protean file formats of Forms 138 to 144, V1.0.",
        ),
        Check(
            f"TDS-CH-{letter}23",
            CheckKind.AT_MOST_ONE_NONZERO,
            (),
            OnBreach.WARN,
            "A payment under the Act of 2025 was deposited before that Act began.",
            {"groups": [["is_new_act"], ["is_before_new_act"]]},
            "Act split of reference 5.2: the Act of 2025 rules from 1 April 2026.",
        ),
        Check(
            f"TDS-CH-{letter}26",
            CheckKind.BETWEEN,
            ("amount_paise",),
            OnBreach.REJECT_ROW,
            "A challan has no negative amount.",
            {"low": 0, "high": None},
            "V26: amounts are exact; a payment is never below zero.",
        ),
    )


CHALLANS = TableSpec(
    name="tds__challan",
    row=ChallanRow,
    key=("section", "cin"),
    scope=("section",),
    description="Paid challans of both Acts from the payment history of the e-filing portal, heads in paise.",
    checks=(
        *_money_checks("P"),
        Check(
            "TDS-CH-P01",
            CheckKind.UNIQUE,
            ("section", "cin"),
            OnBreach.REJECT_ROW,
            "The same challan stands twice in the payment history.",
            source="V08: a CIN identifies a challan.",
        ),
        Check(
            "TDS-CH-P09",
            CheckKind.EQUAL_COLUMNS,
            ("alternate_cin", "classic_cin"),
            OnBreach.WARN,
            "The classic CIN of the portal does not fit its own BSR code, day and serial.",
            source="V08: a classic CIN is BSR code, deposit date and serial.",
        ),
        Check(
            "TDS-CH-P10",
            CheckKind.IN_SET,
            ("minor_head",),
            OnBreach.WARN,
            "A minor head is 100, 200 or 400.",
            {"values": ["", *MINOR_HEADS]},
            "Reference 3.2: minor heads of challan 281; Protean file formats V1.0.",
        ),
    ),
)
DETAILS = TableSpec(
    name="tds__challan_detail",
    row=ChallanDetailRow,
    key=("section", "cin"),
    scope=("section",),
    description="Heads of challans that the payment history lists without them, each read once.",
    deletes=Deletes.KEEP,
    checks=_money_checks("D"),
)


def _heads_view(_: str) -> str:
    """Return the SELECT of ``v_tds_challan_heads``: standing challans with heads from list or detail, in rupees."""
    heads = ", ".join(
        f"ROUND(CASE WHEN c.has_heads THEN c.{head}_paise ELSE d.{head}_paise END / 100.0, 2) AS {head}_rupees"
        for head in HEADS
    )
    return (
        "SELECT c.client_id, c.act, c.cin, c.bsr, c.serial, c.deposited_on, c.minor_head, c.section_code, c.year, "  # noqa: S608 - no value takes part
        f"ROUND(c.amount_paise / 100.0, 2) AS amount_rupees, {heads} "
        "FROM core_tds__challan c LEFT JOIN core_tds__challan_detail d "
        "ON d.client_id = c.client_id AND d.cin = c.cin AND d.act = c.act AND d.removed_at IS NULL "
        "WHERE c.removed_at IS NULL"
    )


VIEWS = (View("v_tds_challan_heads", _heads_view),)


def _over(asking: Asking, section: Section) -> Skip | None:
    """Resting: no payment under the Act of 1961 is due any more, and nothing tells of a late one.

    A challan that TRACES shows and this list does not, a statement under that Act that is filed or processed, or
    another demand ends the rest: whoever corrects a statement or settles a demand pays first.
    """
    read_on, memory = last_read(asking, section.name), asking.memory.get(section.name)
    paid = {identifiers.key_of(one) for one in asking.known.get("challans", ()) if one["act"] == "1961"}
    if read_on is None or memory is None or memory.rows != len(paid) or asking.today <= LAST_PAYMENTS_DUE:
        return None
    on_traces = (*asking.known.get("unconsumed", ()), *asking.known.get("statuses", ()))
    if any(one["deposited_on"] >= read_on and identifiers.key_of(one) not in paid for one in on_traces):
        return None
    if is_stirred(asking, section.name):
        return None
    why = (
        f"payments under the Act of 1961 were due until {LAST_PAYMENTS_DUE:%d-%m-%Y}, TRACES shows no further "
        "challan, no statement under that Act is new, and the demand has not moved"
    )
    return rest(asking, section, why, details=("detail_1961",))


def _list_section(act: str) -> Section:
    return Section(
        name=f"act_{act}",
        endpoint="income_tax.payment_history",
        parse=_parse,
        tables=(CHALLANS.name,),
        params=_params(act),
        skip=(_over,) if act == "1961" else (),
        integrity=(_whole, only_known(_LIST_SHAPE, "the payment history")),
        next_page=_next_page,
        merge=_merge,
        follow=_follow(act),
    )


def _detail_section(act: str) -> Section:
    return Section(
        name=f"detail_{act}",
        endpoint="income_tax.payment_details",
        parse=_parse_detail,
        tables=(DETAILS.name,),
        integrity=(only_known(_DETAIL_SHAPE, "the detail of a payment"),),
        is_detail=True,
    )


MODULE = Module(
    name="challans",
    title="Fetch Challans - IT Portal only",
    sections=(
        *(_list_section(act) for act in ACT_TYPES),
        *(_detail_section(act) for act in ACT_TYPES),
    ),
    tables=(CHALLANS, DETAILS),
    cadence=Cadence.CLIENT,
    naive_calls=2,
    share=_share,
)
