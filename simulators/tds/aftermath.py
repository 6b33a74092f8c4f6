"""What follows from the statements: consumed certificates, demand, notices, requested downloads.

Nothing here is drawn that the statements do not cause, proceedings of the assessing officer apart.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

from simulators.tds import sections
from simulators.tds.payments import THOUSAND, Books
from simulators.tds.records import Deductor, Demand, DownloadRequest, Notice, Quarter, Statement
from simulators.tds.returns import counting

DEMAND, PAN_ERRORS, CERTIFICATES = "Intimation with Demand", "PAN Errors", "Certificate u/s 197 / 206C"
CATEGORY_IDS = {DEMAND: "11", PAN_ERRORS: "7", CERTIFICATES: "42", "General Communication": "3"}
CERTIFICATE_KINDS = {"24Q": "16", "26Q": "16A", "27Q": "16A", "27EQ": "27D", "138": "130", "140": "131",
                     "144": "131", "143": "133"}  # fmt: skip


def settle(books: Books) -> None:
    """Complete a deductor whose statements are filed."""
    one = books.one
    one.challans.sort(key=lambda each: (each.paid_on, each.crn))
    one.statements.sort(key=lambda each: (each.filed_on, each.token))
    _use_certificates(books)
    raise_demand(books)
    one.notices.clear()
    _write_notices(books)
    _open_proceedings(books)
    _request_files(books)


def standing(one: Deductor) -> list[Statement]:
    """List the statement that counts of every quarter and form, the oldest quarter first."""
    keys = sorted({(each.quarter.start, each.quarter.number, each.form) for each in one.statements})
    found = (counting(one, Quarter(start, number), form) for start, number, form in keys)
    return [each for each in found if each]


def _use_certificates(books: Books) -> None:
    """Add up what the counting statements paid under each certificate, and keep every limit above it."""
    used: dict[str, int] = defaultdict(int)
    for statement in standing(books.one):
        for row in statement.deductions:
            if row.certificate:
                used[row.certificate] += row.paid
    for one in books.one.certificates:
        one.consumed = used[one.number]
        nearly = books.is_showcase and one.act == "1961"
        least = one.consumed * 100 // 92 // THOUSAND * THOUSAND + THOUSAND
        one.limit = least if nearly and one.consumed else max(one.limit, least)


def raise_demand(books: Books) -> None:
    """Sum the rounded defaults of every year under the Act of 1961; some years carry manual demand too."""
    processed: dict[int, int] = defaultdict(int)
    for statement in standing(books.one):
        if statement.quarter.act == "1961":
            processed[statement.quarter.start] += statement.net_payable
    manual: dict[int, int] = {}
    rng = books.rng("manual")
    if books.is_showcase or rng.random() < 0.05:
        manual[2024] = rng.randint(10, 400) * THOUSAND
    years = sorted({year for year, amount in processed.items() if amount} | set(manual))
    books.one.demands[:] = [Demand(year, manual.get(year, 0), processed[year]) for year in years]


def _reference(books: Books, day: date, slot: int) -> str:
    """Make a numeric reference of a communication."""
    return f"{day:%y%m}{books.number:05d}{slot:05d}"


def _old_form(form: str) -> str:
    return next((old for old, new in sections.NEW_FORMS.items() if new == form), form)


def _notice(
    books: Books, category: str, text: str, day: date, statement: Statement, place: int, *, action: bool
) -> None:
    if day > books.today:
        return
    slot = books.slot(statement.quarter, _old_form(statement.form), place)
    books.one.notices.append(
        Notice(
            reference=_reference(books, day, slot),
            portal="traces",
            category=category,
            category_id=CATEGORY_IDS[category],
            description=text,
            issued_on=day,
            quarter=statement.quarter,
            form=statement.form,
            needs_action=action,
            section="154" if category == PAN_ERRORS else "200A" if action else "",
            is_read=(books.today - day).days > 45,
        )
    )


def _write_notices(books: Books) -> None:
    """Write to the deductor about demand, PANs, certificates, and in general."""
    for one in books.one.statements:
        if one.kind != "Regular" or one.processed_on is None:
            continue
        day = one.processed_on + timedelta(days=1)
        where = f"{one.form} {one.quarter.label}"
        if one.net_payable:
            _notice(books, DEMAND, f"Intimation with demand for {where}", day, one, 40, action=True)
        if one.without_pan + one.invalid_pan:
            _notice(books, PAN_ERRORS, f"PAN errors in the statement {where}", day, one, 41, action=True)
        if one.quarter.number == 4 and one.form in {"24Q", "26Q"}:
            text = "Certificates of the year can be requested"
            _notice(books, "General Communication", text, day, one, 42, action=False)
    for place, each in enumerate(books.one.certificates):
        if each.act == "1961":
            books.one.notices.append(
                Notice(
                    reference=_reference(books, each.issued_on, 90_000 + place),
                    portal="traces",
                    category=CERTIFICATES,
                    category_id=CATEGORY_IDS[CERTIFICATES],
                    description=f"Certificate for lower deduction {each.number}",
                    issued_on=each.issued_on,
                    quarter=Quarter(int(each.year[:4]), 1),
                    form="26Q",
                    needs_action=False,
                    certificate=each.number,
                    section="197",
                    is_read=True,
                )
            )
    books.one.notices.sort(key=lambda each: (each.issued_on, each.reference))


def _open_proceedings(books: Books) -> None:
    """Open proceedings on the e-filing portal: one to answer and one to read for the showcase, few for others."""
    rng = books.rng("proceedings")
    plans = (
        ("Order u/s 201(1)/201(1A)", "201(1)/(1A)", Quarter(2024, 4), 70, 14, True, 0.06),
        ("Penalty u/s 271H", "271H", Quarter(2025, 2), 25, 40, True, 0.03),
        ("Rectification u/s 154", "154", Quarter(2024, 4), 160, None, False, 0.04),
    )
    for place, (name, section, quarter, age, answer, action, chance) in enumerate(plans):
        if not books.is_showcase and rng.random() >= chance:
            continue
        day = sections.TODAY - timedelta(days=age + place)
        if day > books.today:
            continue
        books.one.notices.append(
            Notice(
                reference=f"ITBA/TDS/S/{133 + place}/{quarter.year}/10{books.number:05d}{place:03d}(1)",
                portal="income_tax",
                category=name,
                category_id="",
                description=f"{name} for {quarter.year}",
                issued_on=day,
                quarter=quarter,
                form="26Q",
                needs_action=action,
                due_on=day + timedelta(days=answer) if answer else None,
                section=section,
                is_read=not action,
            )
        )


def _request_files(books: Books) -> None:
    """Ask for files the way a practice does: certificates of clean statements, reports of those with defaults."""
    for one in standing(books.one):
        if one.quarter.start < 2025 or one.processed_on is None:
            continue
        rng = books.rng("request", one.quarter.label, one.form)
        kinds = [CERTIFICATE_KINDS[one.form]] if rng.random() < 0.4 or books.is_showcase else []
        if one.net_payable:
            kinds += ["JR", "conso"]
        for place, kind in enumerate(kinds):
            asked = one.processed_on + timedelta(days=rng.randint(3, 20))
            if asked > books.today:
                continue
            slot = books.slot(one.quarter, _old_form(one.form), 43 + place)
            books.one.requests.append(
                DownloadRequest(
                    number=f"{(books.number * 10_000 + slot) % 10**9:09d}",
                    requested_on=asked,
                    quarter=one.quarter,
                    form=one.form,
                    kind=kind,
                    ready_on=asked + timedelta(days=rng.randint(1, 2)),
                )
            )
    if books.is_showcase:
        for place, status in enumerate(("Failed", "Disabled", "Not Available", "Available")):
            asked = sections.TODAY - timedelta(days=4 * place)
            ready = asked + timedelta(days=0 if status != "Available" else 30)
            if asked > books.today:
                continue
            books.one.requests.append(
                DownloadRequest(
                    f"{99_000 + place:09d}", asked, Quarter(2025, 3), "26Q", "conso", ready, status
                )
            )
    books.one.requests.sort(key=lambda each: (each.requested_on, each.number))
