"""Registers as the clients' bookkeepers wrote them: the country's own documents, with honest human errors.

``python -m simulators.gst.registers --out DIR --clients 25 --documents 40 --seed 7 --today 2026-11-20 --months
092026,102026`` writes ``C0001-purchases.csv``, ``C0001-sales.csv`` and so on; every fifth client keeps its purchases in
Tally and exports a day book. About nine documents of ten are booked as they stand; ``errors.json`` says what was done
to the others, so a checker can compare.
"""

import argparse
import csv
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from simulators.gst import periods
from simulators.gst.documents import Document
from simulators.gst.parties import Client
from simulators.gst.portal import Portal, Settings

TALLY_EVERY = 5
HEADERS = (
    "Voucher Date", "Voucher No", "Supplier Invoice No", "Supplier Invoice Date", "Party Name", "GSTIN/UIN", "Type",
    "Place of Supply", "Reverse Charge", "Taxable Value", "IGST", "CGST", "SGST", "Cess", "Invoice Value",
)  # fmt: skip
TYPES = {"I": "Tax Invoice", "C": "Credit Note", "D": "Debit Note", "B": "Bill of Entry"}
ERRORS = (
    ("missing", 0.03), ("typo", 0.015), ("prefix", 0.01), ("swapped", 0.007), ("rounding", 0.02), ("amount", 0.01),
    ("duplicate", 0.005), ("late", 0.01),
)  # fmt: skip
CASH_SALE = 60_000_00
EXTRA = 0.015
"""Share of purchases that no supplier reports."""


Error = tuple[str, str, str]
"""GSTIN of the other party, number on the portal, what was done to it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the books; amounts in paise, positive also for credit notes."""

    booked: date
    number: str
    day: date
    name: str
    gstin: str
    kind: str
    pos: str
    reverse: bool
    taxable: int
    taxes: tuple[int, int, int, int]

    @property
    def value(self) -> int:
        """Give the value with taxes."""
        return self.taxable + (0 if self.reverse else sum(self.taxes))


def client_name(client: Client) -> str:
    """Give the name of a client in the master list."""
    return f"C{client.index + 1:04d}"


def purchases(portal: Portal, client: Client, month: int) -> tuple[list[Entry], list[Error]]:
    """Give what a client booked as bought in a month, and what went wrong."""
    rng = portal.country.rng("purchase-register", client.gstin, month)
    entries: list[Entry] = []
    errors: list[Error] = []
    for document in portal.trade.inward(client, month):
        if document.original is None:
            _book(rng, entries, errors, _entry(document, document.supplier.name, document.supplier.gstin))
    for block in portal.inward.two_b(client, month)["data"]["docdata"].get("impg", []):
        for one in (block, *block.get("boe", ())):
            if "boenum" in one:
                _book(rng, entries, errors, _bill(one))
    for place in range(sum(rng.random() < EXTRA for _ in range(len(entries)))):
        supplier = rng.choice(portal.country.suppliers_of(client))
        day = periods.on(month, rng.randint(1, 28))
        taxable = rng.randrange(50_000, 900_000)
        half = taxable * 9 // 100
        is_local = supplier.state == client.party.state
        taxes = (0, half, half, 0) if is_local else (2 * half, 0, 0, 0)
        number = f"NR/{month}/{place + 1}"
        entries.append(
            Entry(
                day,
                number,
                day,
                supplier.name,
                supplier.gstin,
                "I",
                client.party.state,
                False,
                taxable,
                taxes,
            )
        )
        errors.append((supplier.gstin, number, "unreported"))
    return entries, errors


def sales(portal: Portal, client: Client, month: int) -> tuple[list[Entry], list[Error]]:
    """Give what a client booked as sold in a month, and what went wrong."""
    rng = portal.country.rng("sales-register", client.gstin, month)
    entries: list[Entry] = []
    errors: list[Error] = []
    for document in portal.trade.outward(client, month):
        if document.original is None:
            _book(rng, entries, errors, _entry(document, document.buyer.name, document.buyer.gstin))
    for place, row in enumerate(portal.outward.sections(client, month).get("b2cs", []), start=1):
        entries.extend(_cash_sales(month, place, row))
    return entries, errors


def _cash_sales(month: int, place: int, row: dict[str, Any]) -> Iterator[Entry]:
    """Give the sales to consumers behind a total of GSTR-1; none is so large that it is reported by itself."""
    amounts = [_paise(row.get(name, 0)) for name in ("txval", "iamt", "camt", "samt", "csamt")]
    parts = abs(amounts[0]) // CASH_SALE + 1
    day = periods.on(month, 28)
    for part in range(parts):
        own = [one * (part + 1) // parts - one * part // parts for one in amounts]
        number = f"CASH/{month}/{place}/{part + 1}"
        taxes = (own[1], own[2], own[3], own[4])
        yield Entry(day, number, day, "Cash sales", "", "I", row["pos"], False, own[0], taxes)


def _paise(value: float) -> int:
    return round(value * 100)


def _entry(document: Document, name: str, gstin: str) -> Entry:
    return Entry(
        document.day, document.number, document.day, name, gstin, document.kind, document.pos, document.reverse,
        document.txval, document.taxes,
    )  # fmt: skip


def _bill(row: dict[str, object]) -> Entry:
    day = periods.parse_dmy(str(row["boedt"])) or date.min
    amounts = [_paise(float(str(row.get(name, 0)))) for name in ("txval", "igst", "cess")]
    return Entry(
        day,
        str(row["boenum"]),
        day,
        "Customs",
        "",
        "B",
        "",
        False,
        amounts[0],
        (amounts[1], 0, 0, amounts[2]),
    )


def _book(rng: random.Random, entries: list[Entry], errors: list[Error], right: Entry) -> None:
    """Book a document, perhaps wrongly."""
    roll, error = rng.random(), ""
    for name, chance in ERRORS:
        if roll < chance:
            error = name
            break
        roll -= chance
    if error:
        errors.append((right.gstin, right.number, error))
    entries.extend(_wrong(rng, right, error))


def _wrong(rng: random.Random, right: Entry, error: str) -> Iterator[Entry]:
    number, taxes = right.number, right.taxes
    if error == "missing":
        return
    if error == "typo" and len(number) > 4:
        place = rng.randrange(1, len(number) - 1)
        right = replace(
            right, number=number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        )
    elif error == "prefix":
        right = replace(right, number=number.split("/")[-1] if "/" in number else f"PI-{number}")
    elif error == "swapped":
        halves = (0, taxes[0] // 2, taxes[0] - taxes[0] // 2, taxes[3])
        right = replace(right, taxes=halves if taxes[0] else (taxes[1] + taxes[2], 0, 0, taxes[3]))
    elif error == "rounding":
        right = replace(right, taxable=(right.taxable + 50) // 100 * 100)
    elif error == "amount":
        right = replace(right, taxable=right.taxable + rng.randrange(10_000, 90_000))
    elif error == "late":
        right = replace(right, booked=periods.on(periods.of(right.booked) + 1, 5))
    yield right
    if error == "duplicate":
        yield right


def _row(entry: Entry, voucher: int) -> list[str]:
    amounts = [entry.taxable, *entry.taxes, entry.value]
    return [
        f"{entry.booked:%d-%m-%Y}", str(voucher), entry.number, f"{entry.day:%d-%m-%Y}", entry.name, entry.gstin,
        TYPES[entry.kind], entry.pos, "Y" if entry.reverse else "N", *(f"{one / 100:.2f}" for one in amounts),
    ]  # fmt: skip


def write_csv(path: Path, entries: list[Entry]) -> None:
    """Write a register with a total row."""
    with path.open("w", newline="", encoding="utf-8-sig") as out:
        writer = csv.writer(out)
        writer.writerow(HEADERS)
        for voucher, entry in enumerate(entries, start=1):
            writer.writerow(_row(entry, voucher))
        sums = [
            sum(one.taxable for one in entries),
            *(sum(one.taxes[h] for one in entries) for h in range(4)),
        ]
        sums.append(sum(one.value for one in entries))
        writer.writerow(["Total", *[""] * 8, *(f"{one / 100:.2f}" for one in sums)])


def write_day_book(path: Path, entries: list[Entry]) -> None:
    """Write purchases as a day book of Tally, in UTF-16 and with a reference that XML forbids, as Tally does."""
    vouchers = "".join(_voucher(entry, place) for place, entry in enumerate(entries, start=1))
    text = (
        "<ENVELOPE><BODY><IMPORTDATA><REQUESTDATA>"
        f'<TALLYMESSAGE xmlns:UDF="TallyUDF">{vouchers}</TALLYMESSAGE>'
        "</REQUESTDATA></IMPORTDATA></BODY></ENVELOPE>"
    )
    path.write_text(text, encoding="utf-16")


def _voucher(entry: Entry, place: int) -> str:
    sign = -1 if entry.kind == "C" else 1  # a debit note gives the goods back
    ledgers = [
        (entry.name, sign * entry.value),
        ("Purchases", -sign * entry.taxable),
        *(
            (f"Input {head}", -sign * tax)
            for head, tax in zip(("IGST", "CGST", "SGST", "Cess"), entry.taxes, strict=True)
        ),
    ]
    if entry.reverse:  # the tax is owed to the state, not to the supplier
        ledgers.append(("Reverse charge payable", sign * sum(entry.taxes)))
    lists = "".join(
        f"<ALLLEDGERENTRIES.LIST><LEDGERNAME>{escape(name)}</LEDGERNAME><AMOUNT>{amount / 100:.2f}</AMOUNT>"
        "</ALLLEDGERENTRIES.LIST>"
        for name, amount in ledgers
        if amount
    )
    kind = "Debit Note" if entry.kind == "C" else "Purchase"
    return (
        f'<VOUCHER VCHTYPE="{kind}"><DATE>{entry.booked:%Y%m%d}</DATE><VOUCHERTYPENAME>{kind}</VOUCHERTYPENAME>'
        f"<VOUCHERNUMBER>{place}</VOUCHERNUMBER><REFERENCE>{escape(entry.number)}</REFERENCE>"
        f"<REFERENCEDATE>{entry.day:%Y%m%d}</REFERENCEDATE><PARTYLEDGERNAME>{escape(entry.name)}</PARTYLEDGERNAME>"
        f"<PARTYGSTIN>{entry.gstin}</PARTYGSTIN><PLACEOFSUPPLY>{entry.pos}</PLACEOFSUPPLY>"
        f"<ISCANCELLED>No</ISCANCELLED><NARRATION>as agreed &#4;</NARRATION>{lists}</VOUCHER>"
    )


def write_all(portal: Portal, months: list[int], folder: Path) -> dict[str, dict[str, list[Error]]]:
    """Write the registers of every client; return by client and register what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    wrong: dict[str, dict[str, list[Error]]] = {}
    for client in portal.country.clients:
        name = client_name(client)
        made = {"purchases": purchases, "sales": sales}
        wrong[name] = {}
        for register, make in made.items():
            found = [make(portal, client, month) for month in months]
            entries = sorted(
                (one for part, _ in found for one in part), key=lambda one: (one.booked, one.number)
            )
            wrong[name][register] = [error for _, part in found for error in part]
            if register == "purchases" and client.index % TALLY_EVERY == TALLY_EVERY - 1:
                write_day_book(folder / f"{name}-purchases.xml", entries)
            else:
                write_csv(folder / f"{name}-{register}.csv", entries)
    (folder / "errors.json").write_text(json.dumps(wrong, indent=1), encoding="utf-8")
    return wrong


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m simulators.gst.registers", description=__doc__)
    defaults = Settings()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=defaults.clients)
    parser.add_argument("--documents", type=int, default=defaults.documents)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--today", type=date.fromisoformat, default=defaults.today)
    parser.add_argument("--months", required=True, help="MMYYYY, separated by commas")
    options = parser.parse_args(arguments)
    months = [periods.parse(text) for text in options.months.split(",")]
    if None in months:
        parser.error("a month is written MMYYYY")
    portal = Portal(
        Settings(clients=options.clients, documents=options.documents, seed=options.seed, today=options.today)
    )
    write_all(portal, [month for month in months if month is not None], options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
