"""What TRACES says of challans: what is left of them, whether they are claimed, and which statement claimed how much.

The grids are read whole and cost a page each; the list of statuses rests while nothing that changes it is seen. Who
consumed a challan is asked again only when its status or what is left of it has changed since it was last answered.
Invariant: amount + excess = consumed + available, to one rupee. Shapes: TDS reference 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from clientsync import money
from clientsync.periods import FIRST_YEAR_OF_THE_NEW_ACT, Quarter
from clientsync.spec import columns
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import (
    Asking,
    Cadence,
    Context,
    Finding,
    Integrity,
    Module,
    Record,
    Row,
    Section,
    Skip,
    TableSpec,
)
from connectors.gst.shapes import leaves, only_known
from connectors.tds import fields, forms, identifiers
from connectors.tds.rests import (
    is_stirred,
    is_unchanged,
    last_read,
    rest,
    rows_checksum,
)

NEW_ACT_BEGAN = date(FIRST_YEAR_OF_THE_NEW_ACT, 4, 1)
"""No challan of the Income-tax Act, 2025 is older (s.536 of that Act)."""
YEARS_BACK = 2
"""How far the status list reaches: whole financial years, so that a year is read whole or not at all."""
TOLERANCE_PAISE = 100
"""V27: one rupee."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_GRID_CHECKSUM = rows_checksum("rows")
_UNCLAIMED = frozenset({"unclaimed", "u", ""})

_GRID = {**leaves("page total records"), "asked": leaves("page sdate edate cstatus")}
_UNCONSUMED_SHAPE = {
    **_GRID,
    "rows": leaves("chlnbsrcode dateofdep chlnsrno recptNo hidchlnamt hidunconschlnamt"),
}
_STATUS_SHAPE = {
    **_GRID,
    "rows": leaves("bankCode branchCode dateOfDep chlnSNo chlnStatus recptNum chlnAmt"),
}
_CONSUMPTION_SHAPE = {
    **leaves("errorMsg"),
    "asked": leaves("recptNum chlnSNo chlnAmt dateOfDep bsrCode"),
    "rows": leaves(
        "tokenNum finYr qtr formType claimAmt claimIntAmt claimOthAmt chlnStatus excessAmt availAmt"
    ),
}
_NEW_SHAPE = {
    **leaves("totalElements totalPages number size first last empty numberOfElements"),
    "asked": leaves("fromDate toDate page"),
    "content": leaves(
        "bsrCode challanSerialNo challanDate challanAmount consumedAmount availableAmount matchStatus "
        "consumptionStatus cin"
    ),
}


class BalanceRow(Row):
    """What is left of one challan."""

    section: str = columns.text("Section that answered: unconsumed or act_2025", length=12)
    act: str = columns.text("1961 or 2025", length=4)
    portal: str = columns.text("TRACES61 or TRACES25", length=8)
    bsr: str = columns.text("BSR code, or receipt of Form 24G, seven digits", length=7)
    serial: str = columns.text("Challan serial, five digits", length=5)
    deposited_on: date = columns.day("Day of deposit")
    receipt: str = columns.text("Number by which TRACES knows the challan", default="", length=40)
    cin: str = columns.text("CIN, Act of 2025 only", default="", length=20)
    amount_paise: int = columns.amount("Amount of the challan")
    consumed_paise: int = columns.amount("What statements have consumed")
    available_paise: int = columns.amount("What is left")
    excess_paise: int = columns.amount("Claimed beyond the amount")
    status: str = columns.text("Consumption status as the portal writes it", default="", length=60)
    match_status: str = columns.text("Match status as the portal writes it", default="", length=60)
    is_overbooked: bool | None = columns.flag("The portal calls it overbooked", default=None)
    has_excess: bool | None = columns.flag("More is claimed than the amount", default=None)


class StatusRow(Row):
    """One challan of the status list, which names no amounts."""

    year: str = columns.text("Financial year of the deposit", length=7)
    act: str = columns.text("Always 1961: the list of the old portal", length=4)
    portal: str = columns.text("Always TRACES61", length=8)
    bsr: str = columns.text("BSR code, or receipt of Form 24G, seven digits", length=7)
    serial: str = columns.text("Challan serial, five digits", length=5)
    deposited_on: date = columns.day("Day of deposit")
    receipt: str = columns.text("Number by which TRACES knows the challan", default="", length=40)
    status: str = columns.text("Claimed, Unclaimed or Overbooked, as the portal writes it", length=60)
    is_claimed: bool = columns.flag("A statement claims it")


class ConsumptionTotalRow(Row):
    """One challan with all that is claimed of it, when that was last asked."""

    act: str = columns.text("Always 1961", length=4)
    portal: str = columns.text("Always TRACES61", length=8)
    bsr: str = columns.text("BSR code, or receipt of Form 24G, seven digits", length=7)
    serial: str = columns.text("Challan serial, five digits", length=5)
    deposited_on: date = columns.day("Day of deposit")
    amount_paise: int = columns.amount("Amount with which it was asked and found")
    consumed_paise: int = columns.amount("Sum of all claims")
    available_paise: int = columns.amount("What is left")
    excess_paise: int = columns.amount("Claimed beyond the amount")
    status: str = columns.text("Status as the portal writes it", length=60)
    claims: int = columns.number("Statements that claim it", unit="claims")
    is_overbooked: bool = columns.flag("The portal calls it overbooked")
    has_excess: bool = columns.flag("More is claimed than the amount")


class ConsumptionRow(Row):
    """What one statement claims of one challan; a challan that none claims any more has one row without token."""

    act: str = columns.text("Act of the statement's year", length=4)
    portal: str = columns.text("Always TRACES61", length=8)
    bsr: str = columns.text("BSR code, or receipt of Form 24G, seven digits", length=7)
    serial: str = columns.text("Challan serial, five digits", length=5)
    deposited_on: date = columns.day("Day of deposit")
    token: str = columns.text("Token number of the statement, empty: no statement", length=15)
    occurrence: int = columns.number("Ordinal among claims of the same statement", default=1)
    year: str = columns.text("Financial year of the statement", default="", length=7)
    quarter: str = columns.text("Quarter of the statement, such as 2025-26-Q4", default="", length=10)
    form: str = columns.text("Form of the statement", default="", length=6)
    claimed_paise: int = columns.amount("Claimed as tax")
    claimed_interest_paise: int = columns.amount("Claimed as interest")
    claimed_others_paise: int = columns.amount("Claimed as others")
    total_paise: int = columns.amount("All that the statement claims")


def _is_claimed(status: str) -> bool:
    return _letters(status) not in _UNCLAIMED


def _letters(status: str) -> str:
    return "".join(letter for letter in status.lower() if letter.isalpha())


def _is_overbooked(*statuses: str) -> bool:
    return any(_letters(status) == "overbooked" for status in statuses)


def _place(source: fields.Raw, bsr: str, serial: str, day: str) -> dict[str, Any]:
    """Return the columns that tell a challan apart; only the day is required as such, the numbers always are."""
    return {
        "bsr": identifiers.bsr(fields.text(source, bsr, required=True)),
        "serial": identifiers.serial(fields.text(source, serial, required=True)),
        "deposited_on": fields.day(source, day, required=True),
    }


def _unconsumed_row(raw: fields.Raw) -> dict[str, Any]:
    amount = fields.paise(raw, "hidchlnamt", required=True)
    available = fields.paise(raw, "hidunconschlnamt", required=True)
    return {
        "section": "unconsumed",
        "act": "1961",
        "portal": "TRACES61",
        **_place(raw, "chlnbsrcode", "chlnsrno", "dateofdep"),
        "receipt": fields.text(raw, "recptNo"),
        "amount_paise": amount,
        "consumed_paise": amount - available,
        "available_paise": available,
    }


def _new_row(raw: fields.Raw) -> dict[str, Any]:
    amount = fields.paise(raw, "challanAmount", required=True)
    consumed = fields.paise(raw, "consumedAmount", required=True)
    match, status = fields.text(raw, "matchStatus"), fields.text(raw, "consumptionStatus")
    excess = max(0, consumed - amount)
    return {
        "section": "act_2025",
        "act": "2025",
        "portal": "TRACES25",
        **_place(raw, "bsrCode", "challanSerialNo", "challanDate"),
        "cin": fields.text(raw, "cin"),
        "amount_paise": amount,
        "consumed_paise": consumed,
        "available_paise": fields.paise(raw, "availableAmount", required=True),
        "excess_paise": excess,
        "status": status,
        "match_status": match,
        "is_overbooked": _is_overbooked(match, status),
        "has_excess": excess > 0,
    }


def _status_row(raw: fields.Raw) -> dict[str, Any]:
    on = fields.day(raw, "dateOfDep")
    if on is None:
        raise ValueError("dateOfDep is missing")
    status = fields.text(raw, "chlnStatus", required=True)
    return {
        "year": Quarter.of(on).year,
        "act": "1961",
        "portal": "TRACES61",
        "bsr": identifiers.bsr_of_parts(
            fields.text(raw, "bankCode", required=True), fields.text(raw, "branchCode", required=True)
        ),
        "serial": identifiers.serial(fields.text(raw, "chlnSNo", required=True)),
        "deposited_on": on,
        "receipt": fields.text(raw, "recptNum"),
        "status": status,
        "is_claimed": _is_claimed(status),
    }


def _reader(
    table: str, rows: str, read: Callable[[fields.Raw], dict[str, Any]]
) -> Callable[[Any, Context], Iterable[Record]]:
    """Return a parser: one record per row of a grid."""

    def parse(payload: Any, _: Context) -> Iterator[Record]:
        for raw in fields.items(payload, rows):
            yield fields.row(table, raw, lambda raw=raw: read(raw))  # type: ignore[misc]

    return parse


def _quarter(raw: fields.Raw) -> tuple[str, str, str]:
    """Return Act, year and quarter of a claim."""
    year = fields.year(raw, "finYr", required=True)
    name = forms.quarter_name(fields.text(raw, "qtr", required=True))
    if name not in ("Q1", "Q2", "Q3", "Q4"):
        raise ValueError("qtr is no quarter")
    quarter = Quarter(int(year[:4]), int(name[1]))
    return quarter.act, quarter.year, quarter.label


def _claim(place: Mapping[str, Any], raw: fields.Raw) -> dict[str, Any]:
    act, year, quarter = _quarter(raw)
    parts = {
        "claimed_paise": fields.paise(raw, "claimAmt", required=True),
        "claimed_interest_paise": fields.paise(raw, "claimIntAmt"),
        "claimed_others_paise": fields.paise(raw, "claimOthAmt"),
    }
    return {
        "act": act,
        "portal": "TRACES61",
        **place,
        "token": identifiers.token(fields.text(raw, "tokenNum", required=True)),
        "occurrence": 1,
        "year": year,
        "quarter": quarter,
        "form": forms.form_name(fields.text(raw, "formType", required=True)),
        **parts,
        "total_paise": sum(parts.values()),
    }


def _nobody(place: Mapping[str, Any]) -> dict[str, Any]:
    return {"act": "1961", "portal": "TRACES61", **place, "token": "", "occurrence": 1}


def _total(place: Mapping[str, Any], amount: int, rows: Sequence[fields.Raw]) -> dict[str, Any]:
    """Return the challan's own line; what is left of it stands on every row of the answer alike."""
    claimed = sum(
        fields.paise(raw, name) for raw in rows for name in ("claimAmt", "claimIntAmt", "claimOthAmt")
    )
    first: fields.Raw = rows[0] if rows else {"availAmt": money.rupees(amount), "chlnStatus": "Unclaimed"}
    status = fields.text(first, "chlnStatus", required=True)
    excess = fields.paise(first, "excessAmt")
    return {
        "act": "1961",
        "portal": "TRACES61",
        **place,
        "amount_paise": amount,
        "consumed_paise": claimed,
        "available_paise": fields.paise(first, "availAmt", required=True),
        "excess_paise": excess,
        "status": status,
        "claims": len(rows),
        "is_overbooked": _is_overbooked(status),
        "has_excess": excess > 0,
    }


def _parse_consumption(payload: Any, _: Context) -> Iterable[Record]:
    """Return the claims and the challan's own line; ``asked`` holds the question, for the rows name no challan."""
    rows = fields.items(payload, "rows")
    if not rows and fields.text(payload, "errorMsg"):
        return []
    asked = fields.obj(payload, "asked")
    place = _place(asked, "bsrCode", "chlnSNo", "dateOfDep")
    amount = fields.paise(asked, "chlnAmt", required=True)
    claims = [
        fields.row(CONSUMPTION.name, raw, lambda raw=raw: _claim(place, raw))  # type: ignore[misc]
        for raw in rows
    ]
    total = fields.row(TOTALS.name, {"rows": rows}, lambda: _total(place, amount, rows))
    if not claims:
        claims = [Record(CONSUMPTION.name, _nobody(place))]
    return [*fields.number_occurrences(claims, CONSUMPTION.key[:-1]), total]


def _refused(payload: Any, _: Sequence[Record], __: Context) -> Iterable[Finding]:
    """The portal knows no challan of that amount: the portals disagree about it."""
    if not fields.items(payload, "rows") and fields.text(payload, "errorMsg"):
        yield Finding(
            "TDS-UC-REFUSED",
            "TRACES found no challan with the amount that the e-filing portal has for it; who consumed it is unknown.",
            is_halting=False,
        )


def _grid_params(_: Asking) -> dict[str, str]:
    return {"page": "1"}


def _next_of_grid(payload: Any, pages: int) -> dict[str, str] | None:
    if not fields.items(payload, "rows") or pages >= fields.whole(payload, "total"):
        return None
    return {"page": str(pages + 1)}


def _next_of_new(payload: Any, pages: int) -> dict[str, str] | None:
    if not fields.items(payload, "content") or pages >= fields.whole(payload, "totalPages"):
        return None
    return {"page": str(pages)}


def _merger(rows: str) -> Callable[[Sequence[Any]], Any]:
    """Return how pages join: all rows, and of the rest what the last page says."""
    return lambda pages: {**pages[-1], rows: [one for page in pages for one in fields.items(page, rows)]}


def _whole(count: str, what: str) -> Integrity:
    """Return the rule: as many rows as the source counts, and no challan twice over pages."""

    def check(payload: Any, records: Sequence[Record], _: Context) -> Iterable[Finding]:
        told = fields.whole(payload, count)
        if told != len(records):
            yield Finding("TDS-UC-TOTAL", f"{what} counts {told} challans, {len(records)} rows were read.")
        keys = [identifiers.key_of(one.values) for one in records if one.problem is None]
        if len(set(keys)) != len(keys):
            yield Finding(
                "TDS-UC-PAGES",
                f"Pages of {what} overlap: it changed while it was read, so challans are missing.",
            )

    return check


def _dmy(day: date) -> str:
    """Write a day as the old portal does, such as 07-May-2026."""
    return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}"


def status_list_begins(day: date) -> date:
    """Return the first day of deposit that the status list reaches when it is asked on ``day``."""
    return date(Quarter.of(day).start - YEARS_BACK, 4, 1)


def _status_params(asking: Asking) -> dict[str, str]:
    return {
        "sdate": _dmy(status_list_begins(asking.today)),
        "edate": _dmy(asking.today),
        "cstatus": "A",
        "page": "1",
    }


def _new_params(asking: Asking) -> dict[str, str]:
    last = max(asking.today, NEW_ACT_BEGAN)
    return {"fromDate": NEW_ACT_BEGAN.isoformat(), "toDate": last.isoformat(), "page": "0"}


def _good(rows: Sequence[Any], read: Callable[[fields.Raw], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for raw in rows:
        record = fields.row("", raw, lambda raw=raw: read(raw))  # type: ignore[misc]
        if record.problem is None:
            yield record.values


def _unconsumed(asking: Asking) -> dict[identifiers.ChallanKey, dict[str, Any]] | None:
    """Return what this run's grid says of each challan, None when it was not answered."""
    payload = asking.answers.get("unconsumed")
    if payload is None:
        return None
    return {identifiers.key_of(one): one for one in _good(fields.items(payload, "rows"), _unconsumed_row)}


def _amounts(asking: Asking) -> dict[identifiers.ChallanKey, int]:
    """Return the amount of every challan that is known, the newest source last so that it wins."""
    found: dict[identifiers.ChallanKey, int] = {}
    for source in (asking.known.get("challans"), asking.shared.get("challans")):
        found.update((identifiers.key_of(one), one["amount_paise"]) for one in source or ())
    found.update((key, one["amount_paise"]) for key, one in (_unconsumed(asking) or {}).items())
    return found


def _consumption_known(asking: Asking) -> dict[identifiers.ChallanKey, tuple[int, str]]:
    """Return available amount and status of each challan when its consumption was last answered."""
    return {
        identifiers.challan_key(*key): (one["available_paise"], one["status"])
        for key, one in asking.known.get("consumption", {}).items()
    }


def _changed(asking: Asking, statuses: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the claimed challans whose consumption was never asked, or whose status or rest is another than then.

    One that was unclaimed in between may be claimed by another statement now, so it is asked whatever its figures.
    A challan that the grid of unconsumed ones does not list has nothing left.
    """
    grid, known = _unconsumed(asking), _consumption_known(asking)
    was_free = {identifiers.key_of(one) for one in asking.known.get("statuses", ()) if not one["is_claimed"]}
    for one in statuses:
        if not one["is_claimed"]:
            continue
        before = known.get(identifiers.key_of(one))
        if (
            before is None
            or identifiers.key_of(one) in was_free
            or _letters(before[1]) != _letters(one["status"])
        ):
            yield one
        elif grid is not None:
            left = grid.get(identifiers.key_of(one))
            if before[0] != (left["available_paise"] if left else 0):
                yield one


def _follow(payload: Any, asking: Asking) -> Sequence[tuple[str, dict[str, str]]] | None:
    amounts = _amounts(asking)
    questions = [
        (
            "consumption",
            {
                "recptNum": one["receipt"],
                "chlnSNo": one["serial"],
                "chlnAmt": f"{money.rupees(amounts[identifiers.key_of(one)]):f}",
                "dateOfDep": _dmy(one["deposited_on"]),
                "bsrCode": one["bsr"],
            },
        )
        for one in _changed(asking, _good(fields.items(payload, "rows"), _status_row))
        if identifiers.key_of(one) in amounts
    ]
    return questions or None


def _without_amount(records: Sequence[Record], asking: Asking) -> Iterable[Finding]:
    """Say how many claimed challans cannot be asked, because nobody knows their amount."""
    amounts, known = _amounts(asking), _consumption_known(asking)
    claimed = [
        identifiers.key_of(one.values) for one in records if one.problem is None and one.values["is_claimed"]
    ]
    unknown = sum(key not in amounts and key not in known for key in claimed)
    if unknown:
        yield Finding(
            "TDS-UC-AMOUNT",
            f"Who consumed {unknown} claimed challans was not asked, because TRACES wants their amount and it is "
            "not known. Fetch the challans of the e-filing portal first.",
            is_halting=False,
        )


def _quiet(asking: Asking, section: Section) -> Skip | None:
    """Resting: nothing that changes a status has been seen since the list was read.

    A challan comes unclaimed or is claimed by a statement. The first shows in tonight's grid of unconsumed ones, the
    second in the payments, statements and demand of tonight; a challan without its consumption ends the rest as well.
    """
    read_on, stored = last_read(asking, section.name), asking.known.get("statuses", ())
    memory = asking.memory.get(section.name)
    if read_on is None or memory is None or memory.rows != len(stored):
        return None
    if not is_unchanged(asking, "unconsumed", _GRID_CHECKSUM):
        return None
    challans = [*asking.known.get("challans", ()), *(asking.shared.get("challans") or ())]
    paid = (one["deposited_on"] for one in challans if one["act"] == "1961")
    if is_stirred(asking, section.name) or any(day >= read_on for day in paid):
        return None
    amounts = _amounts(asking)
    if any(identifiers.key_of(one) in amounts for one in _changed(asking, stored)):
        return None
    why = (
        "the unconsumed challans and the demand are as before, and no payment or statement under the Act of 1961 "
        "is new"
    )
    return rest(asking, section, why, details=("consumption",))


def _number_checks(letter: str) -> tuple[Check, ...]:
    return (
        Check(
            f"TDS-UC-{letter}04",
            CheckKind.MATCHES,
            ("bsr",),
            OnBreach.REJECT_ROW,
            "A BSR code has seven digits.",
            {"pattern": identifiers.BSR},
            "V04: Protean file formats of Forms 138 to 144, V1.0.",
        ),
        Check(
            f"TDS-UC-{letter}05",
            CheckKind.MATCHES,
            ("serial",),
            OnBreach.REJECT_ROW,
            "A challan serial has five digits.",
            {"pattern": identifiers.SERIAL},
            "V05: Protean file formats of Forms 138 to 144, V1.0.",
        ),
    )


def _unique(letter: str, key: tuple[str, ...]) -> Check:
    return Check(
        f"TDS-UC-{letter}01",
        CheckKind.UNIQUE,
        key,
        OnBreach.REJECT_ROW,
        "The same challan stands twice.",
        source="Reference 3.2: BSR code, deposit date and serial tell challans apart.",
    )


def _conservation_checks(letter: str) -> tuple[Check, ...]:
    """Return V27; what was claimed beyond the amount is counted, or an overbooked challan could never hold."""
    return (
        Check(
            f"TDS-UC-{letter}27",
            CheckKind.WITHIN,
            (),
            OnBreach.WARN,
            "What is consumed and what is left do not make up the amount of the challan.",
            {
                "terms": {
                    "amount_paise": 1,
                    "excess_paise": 1,
                    "consumed_paise": -1,
                    "available_paise": -1,
                },
                "tolerance": TOLERANCE_PAISE,
            },
            "V27: conservation of a challan, tolerance one rupee.",
        ),
        Check(
            f"TDS-UC-{letter}28",
            CheckKind.BETWEEN,
            ("available_paise",),
            OnBreach.WARN,
            "Less than nothing is left of the challan.",
            {"low": 0, "high": None},
            "V27: available is never below zero.",
        ),
        Check(
            f"TDS-UC-{letter}29",
            CheckKind.BETWEEN,
            ("consumed_paise",),
            OnBreach.WARN,
            "More is left of the challan than its amount.",
            {"low": -TOLERANCE_PAISE, "high": None},
            "V27: available is never above the amount, tolerance one rupee.",
        ),
        Check(
            f"TDS-UC-{letter}30",
            CheckKind.EQUAL_COLUMNS,
            ("is_overbooked", "has_excess"),
            OnBreach.WARN,
            "A challan is overbooked exactly when more is claimed than its amount.",
            source="V27: excess is above zero if and only if Overbooked.",
        ),
    )


_CHALLAN = ("bsr", "serial", "deposited_on")
BALANCES = TableSpec(
    name="tds__challan_balance",
    row=BalanceRow,
    key=("section", *_CHALLAN),
    scope=("section",),
    description="What is left of challans: those of the old Act that are not fully consumed, all of the new one.",
    checks=(
        *_number_checks("B"),
        *_conservation_checks("B"),
        _unique("B", ("section", *_CHALLAN)),
        Check(
            "TDS-UC-B08",
            CheckKind.MATCHES,
            ("cin",),
            OnBreach.WARN,
            "A CIN is 20 digits with a valid date, or 14 digits and four letters.",
            {"pattern": identifiers.or_empty(identifiers.CIN)},
            "V08: practice of the e-filing portal.",
        ),
    ),
)
STATUSES = TableSpec(
    name="tds__challan_status",
    row=StatusRow,
    key=_CHALLAN,
    scope=("year",),
    description="Every challan that TRACES knows under the old Act, by year of deposit, and whether it is claimed.",
    checks=(*_number_checks("S"), _unique("S", _CHALLAN)),
)
TOTALS = TableSpec(
    name="tds__consumption_total",
    row=ConsumptionTotalRow,
    key=_CHALLAN,
    scope=_CHALLAN,
    description="Claimed challans with the sum of their claims and what is left, as last asked.",
    checks=(*_number_checks("T"), *_conservation_checks("T")),
)
CONSUMPTION = TableSpec(
    name="tds__consumption",
    row=ConsumptionRow,
    key=(*_CHALLAN, "token", "occurrence"),
    scope=_CHALLAN,
    description="Which statement claims how much of which challan.",
    checks=(
        *_number_checks("C"),
        Check(
            "TDS-UC-C06",
            CheckKind.MATCHES,
            ("token",),
            OnBreach.REJECT_ROW,
            "A token number has 15 digits.",
            {"pattern": identifiers.or_empty(identifiers.TOKEN)},
            "V06: TRACES help pages on token numbers.",
        ),
        Check(
            "TDS-UC-C27",
            CheckKind.BETWEEN,
            ("total_paise",),
            OnBreach.WARN,
            "A statement claims less than nothing of a challan.",
            {"low": 0, "high": None},
            "V27: consumed is never below zero.",
        ),
    ),
)

MODULE = Module(
    name="unconsumed_challans",
    title="TRACES Unconsumed Challans",
    sections=(
        Section(
            name="unconsumed",
            endpoint="traces_old.unconsumed",
            parse=_reader(BALANCES.name, "rows", _unconsumed_row),
            tables=(BALANCES.name,),
            params=_grid_params,
            integrity=(
                _whole("records", "The grid of unconsumed challans"),
                only_known(_UNCONSUMED_SHAPE, "the grid of unconsumed challans"),
            ),
            checksum=_GRID_CHECKSUM,
            next_page=_next_of_grid,
            merge=_merger("rows"),
        ),
        Section(
            name="status",
            endpoint="traces_old.challan_status",
            parse=_reader(STATUSES.name, "rows", _status_row),
            tables=(STATUSES.name,),
            params=_status_params,
            skip=(_quiet,),
            integrity=(
                _whole("records", "The list of challans"),
                only_known(_STATUS_SHAPE, "the list of challans"),
            ),
            reconcile=_without_amount,
            checksum=rows_checksum("rows"),
            next_page=_next_of_grid,
            merge=_merger("rows"),
            follow=_follow,
        ),
        Section(
            name="consumption",
            endpoint="traces_old.consumption",
            parse=_parse_consumption,
            tables=(CONSUMPTION.name, TOTALS.name),
            integrity=(_refused, only_known(_CONSUMPTION_SHAPE, "the consumption of a challan")),
            is_detail=True,
            # Each answer holds its challan whole, and the scope is the challan: others stay as they are.
            whole_with="status",
        ),
        Section(
            name="act_2025",
            endpoint="traces_new.challans",
            parse=_reader(BALANCES.name, "content", _new_row),
            tables=(BALANCES.name,),
            params=_new_params,
            integrity=(
                _whole("totalElements", "The list of challans of the new portal"),
                only_known(_NEW_SHAPE, "the list of challans of the new portal"),
            ),
            checksum=rows_checksum("content"),
            next_page=_next_of_new,
            merge=_merger("content"),
        ),
    ),
    tables=(BALANCES, STATUSES, TOTALS, CONSUMPTION),
    cadence=Cadence.CLIENT,
    naive_calls=3,
)
