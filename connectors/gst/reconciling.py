"""What the reconciliations of a registration compare, read from the warehouse as it stood at the end of a day.

Quarterly filers are compared by quarter, under its last month. Invariant: nothing is dropped in silence. A side that
was read and is empty is zero; a period whose module was never asked, did not end well, has rows in quarantine or came
without its summary is lacking, and says what it lacks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.errors import UnknownClient
from clientsync.ledger.tables import SyncClient
from clientsync.outcomes import WORDS, Outcome
from clientsync.periods import Period
from clientsync.reconcile.gst.inputs import (
    HEADS,
    Ledger,
    Payment,
    RegistrationInputs,
    ReturnDue,
    ReturnPeriod,
    Taxes,
)
from clientsync.reconcile.gst.returns import AVAILED
from clientsync.reconcile.gst.run import reconcile_registration
from clientsync.reconcile.result import Result
from clientsync.spec.module import TableSpec
from clientsync.warehouse.schema import as_of, warehouse_table
from clientsync.warehouse.standing import Place, end_of, held_rows, lacking, newest_outcomes, rows_standing
from connectors.gst import gstr1, gstr1a, gstr2b, gstr3b, ledgers
from connectors.gst.outward_summary import is_reverse_charge, is_whole, section_of
from connectors.gst.outward_tables import OutwardTables
from connectors.gst.register import State, frequencies_standing, return_states
from connectors.gst.return_register import FILINGS, is_filed

OUTWARD: Mapping[str, OutwardTables] = {"gstr1": gstr1.TABLES, "gstr1a": gstr1a.TABLES}
MONTHLY = (*OUTWARD, "gstr2b", "gstr3b", "ledgers")
SUMMED: Mapping[str, tuple[TableSpec, tuple[TableSpec, ...]]] = {
    **{
        name: (of.summary, (of.document, of.b2cs, of.nil, of.advance, of.hsn, of.docs_issued, of.eco))
        for name, of in OUTWARD.items()
    },
    "gstr2b": (gstr2b.SUMMARY, (gstr2b.DOCUMENTS, gstr2b.ISD, gstr2b.IMPORTS)),
}
"""Statements that are compared by their summary: its table, and those of what it sums."""
OWED = ("gstr2b", "gstr3b")
"""Modules that every period which is compared has, so "does not apply" was said before its frequency was known."""
NO_SUMMARY = "its summary was not read"
MOST_PERIODS = 24
"""Newest return periods that are compared; older ones are settled."""
RETURNS = frozenset({"GSTR1", "GSTR3B", "IFF"})
LIABILITY_SECTIONS = frozenset({"b2b", "b2cl", "b2cs", "cdnr", "cdnur", "exp", "at", "txpd"})
"""Sections of GSTR-1 whose tax is owed; HSN and documents repeat it, supplies through operators are theirs."""
AMENDED_SECTIONS = frozenset(f"{name}a" for name in LIABILITY_SECTIONS)
"""Their amendments: they state the new figure of an older document, so only the change would be owed."""
SUBTRACTED = frozenset({"txpd", "txpda"})
"""Advances that were set off reduce what is owed."""
_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
Values = Mapping[str, Any]


def reconcile(engine: Engine, client_id: str, day: date) -> Result:
    """Reconcile one registration with the data that stood at the end of ``day``.

    Raises:
        UnknownClient: no such client.
        WarehouseError: the database cannot be read.
    """
    return reconcile_registration(read_inputs(engine, client_id, day))


def read_inputs(engine: Engine, client_id: str, day: date) -> RegistrationInputs:
    """Return everything that the reconciliations compare for one registration, as it stood at the end of ``day``.

    Raises:
        UnknownClient: no such client.
        WarehouseError: the database cannot be read.
    """
    return _Reader(engine, client_id, day).inputs()


class _Reader:
    def __init__(self, engine: Engine, client_id: str, day: date) -> None:
        self.engine = engine
        self.client_id = client_id
        self.day = day
        with reading(engine) as connection:
            found = connection.execute(
                select(_CLIENT.c.filing_frequency).where(_CLIENT.c.client_id == client_id)
            ).one_or_none()
        if found is None:
            raise UnknownClient("client", client_id, [])
        usual = {client_id: found.filing_frequency}
        self.frequencies = frequencies_standing(engine, usual, day)[client_id]

    def inputs(self) -> RegistrationInputs:
        """Return the inputs."""
        modules = (*MONTHLY, "return_register")
        outcomes = newest_outcomes(self.engine, (self.client_id,), modules, self.day)
        held = held_rows(self.engine, (self.client_id,), modules, self.day)
        months = sorted({Period.parse(period) for _, module, period in outcomes if module in MONTHLY})
        periods = list(dict.fromkeys(map(self._return_period, months)))[-MOST_PERIODS:]
        reported, amended = self._reported(LIABILITY_SECTIONS), self._reported(AMENDED_SECTIONS)
        filed, computed = self._lines("RETSUM"), self._lines("AUTOLIAB")
        statements = self._statements()
        posted = self._posted()
        whole = {
            period
            for owner, module, period in outcomes
            if module == "ledgers" and lacking(outcomes, (owner, module, period)) is None
        } - {period for _, module, period in held if module == "ledgers"}
        paid = self._with_igst_left(self._paid(), filed, whole)
        registered = self._registered()
        returns = tuple(self._returns())
        drafts = self._unfiled(returns) - posted.keys()
        without = self._without_summary(outcomes)

        def read(month: Period) -> ReturnPeriod:
            period = str(month)
            lacks = self._lacking(month, outcomes, held, registered, without)
            is_declared = (
                period not in drafts
                and "gstr3b" not in lacks
                and (period in filed or period in paid or period in posted or ("GSTR3B", month) in registered)
            )
            return ReturnPeriod(
                period=period,
                reported=None if "gstr1" in lacks else reported.get(period, Taxes()),
                amended=amended.get(period, Taxes()),
                filed=None if period in drafts else filed.get(period, {} if is_declared else None),
                computed=computed.get(period),
                statement=statements.get(period, None if "gstr2b" in lacks else Taxes()),
                paid=None if period in drafts else paid.get(period, Payment() if is_declared else None),
                posted=posted.get(period, None if "ledgers" in lacks else Payment()),
                lacking=lacks,
                is_draft=period in drafts and (period in filed or period in paid),
            )

        return RegistrationInputs(
            client_id=self.client_id,
            as_of=self.day,
            periods=tuple(map(read, periods)),
            ledgers=tuple(self._ledgers()),
            returns=returns,
            lacking_ledgers=self._lacking_register(periods, outcomes, held),
        )

    def _is_quarterly(self, month: Period) -> bool:
        return self.frequencies.of(month) == "Q"

    def _return_period(self, month: Period) -> Period:
        while self._is_quarterly(month) and not month.is_quarter_end:
            month = month.next()
        return month

    def _months(self, period: Period) -> tuple[Period, ...]:
        if not self._is_quarterly(period):
            return (period,)
        second = period.previous()
        return (second.previous(), second, period)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def rows(self, spec: TableSpec) -> list[Values]:
        """Return the rows of a table as they stood."""
        return list(rows_standing(self.engine, spec, (self.client_id,), self.day))

    def _reported(self, sections: frozenset[str]) -> dict[str, Taxes]:
        """Return the tax in sections of GSTR-1 and GSTR-1A by return period, each section once.

        A section that the summary names as a whole and in parts (B2B beside B2B_4A) counts as the whole. Supplies under
        reverse charge (table 4B) are the buyer's to pay (CGST Act s.9(3), s.9(4)) and do not count: as the summary has
        them in a part of their own, else as the documents say.
        """
        found: dict[str, Taxes] = {}
        for tables in OUTWARD.values():
            rows: dict[tuple[str, str, bool], list[Values]] = defaultdict(list)
            reverse: dict[tuple[str, str], list[Values]] = defaultdict(list)
            for row in self.rows(tables.summary):
                section = section_of(row["name"])
                if section not in sections:
                    continue
                if row["level"] == "section":
                    rows[row["period"], section, is_whole(row["name"])].append(row)
                own = {"section": row["name"], "part": row["part"]}.get(row["level"], "")
                if is_reverse_charge(own):
                    reverse[row["period"], section].append(row)
            documents = self._under_reverse_charge(tables)
            for (month, section, is_all), told in rows.items():
                if not is_all and (month, section, True) in rows:
                    continue
                period = str(self._return_period(Period.parse(month)))
                for row in told:
                    sign = -1 if section in SUBTRACTED else 1
                    found[period] = found.get(period, Taxes()).plus(_taxes(row), sign)
                for row in reverse.get((month, section)) or documents.get((month, section), []):
                    found[period] = found[period].plus(_taxes(row), -1)
        return found

    def _under_reverse_charge(self, tables: OutwardTables) -> dict[tuple[str, str], list[Values]]:
        found: dict[tuple[str, str], list[Values]] = defaultdict(list)
        for row in self.rows(tables.document):
            if row["is_reverse_charge"]:
                found[row["period"], row["section"]].append(row)
        return found

    def _registered(self) -> frozenset[tuple[str, Period]]:
        """Return the returns that the register lists as filed, with their months."""
        return frozenset(
            (row["return_type"], Period.parse(row["return_period"]))
            for row in self.rows(FILINGS)
            if is_filed(row["status"], row["valid"])
        )

    @staticmethod
    def _unfiled(returns: Iterable[ReturnDue]) -> set[str]:
        """Return the periods whose GSTR-3B the register, read in time, does not have as filed."""
        unfiled = {str(State.NOT_YET_DUE), str(State.NOT_FILED)}
        return {one.period for one in returns if one.return_type == "GSTR3B" and one.state in unfiled}

    def _without_summary(self, outcomes: dict[Place, Outcome | None]) -> frozenset[tuple[str, str]]:
        """Return module and month of the statements of which documents are stored and no summary, which is compared."""
        found: set[tuple[str, str]] = set()
        for module, (summary, tables) in SUMMED.items():
            bare = {period for _, name, period in outcomes if name == module} - self._months_in(summary)
            for table in tables if bare else ():
                found |= {(module, month) for month in bare & self._months_in(table)}
        return frozenset(found)

    def _months_in(self, spec: TableSpec) -> set[str]:
        statement = as_of(warehouse_table(spec), end_of(self.day))
        columns = statement.selected_columns
        mine = statement.where(columns["client_id"] == self.client_id)
        with reading(self.engine) as connection:
            return set(connection.execute(mine.with_only_columns(columns["period"]).distinct()).scalars())

    def _lines(self, statement: str) -> dict[str, dict[str, Taxes]]:
        found: dict[str, dict[str, Taxes]] = defaultdict(dict)
        for row in self.rows(gstr3b.LINES):
            if row["statement"] == statement:
                lines = found[row["period"]]
                lines[row["table_no"]] = lines.get(row["table_no"], Taxes()).plus(_taxes(row))
        return found

    def _statements(self) -> dict[str, Taxes]:
        """Return the credit of every 2B: what is available, less its credit notes (othersup)."""
        found: dict[str, Taxes] = {}
        for row in self.rows(gstr2b.SUMMARY):
            if row["side"] != "itcavl" or row["leaf"] != "total":
                continue
            sign = -1 if row["group_name"] == "othersup" else 1
            found[row["period"]] = found.get(row["period"], Taxes()).plus(_taxes(row), sign)
        return found

    def _paid(self) -> dict[str, Payment]:
        found: dict[str, Payment] = {}
        for row in self.rows(gstr3b.PAYMENTS):
            before = found.get(row["period"], Payment())
            kind = row["kind"]
            tax = Taxes(0, *(row[f"{head}_tax_paise"] for head in HEADS))
            charge = Taxes(0, *(row[f"{head}_interest_paise"] + row[f"{head}_fee_paise"] for head in HEADS))
            owed = Taxes(0, *(max(0, one) for one in tax.heads))
            adjusted = Taxes(0, *map(abs, tax.heads))
            credit = Taxes(
                0,
                row["igst_by_igst_paise"] + row["igst_by_cgst_paise"] + row["igst_by_sgst_paise"],
                row["cgst_by_igst_paise"] + row["cgst_by_cgst_paise"],
                row["sgst_by_igst_paise"] + row["sgst_by_sgst_paise"],
                row["cess_by_cess_paise"],
            )
            found[row["period"]] = Payment(
                before.owed.plus(owed if kind == "tx_py" else Taxes()),
                before.cash.plus(tax if kind == "pdcash" else Taxes()),
                before.credit.plus(credit),
                before.from_igst
                + row["igst_by_igst_paise"]
                + row["cgst_by_igst_paise"]
                + row["sgst_by_igst_paise"],
                before.from_cgst + row["igst_by_cgst_paise"] + row["cgst_by_cgst_paise"],
                before.from_sgst + row["igst_by_sgst_paise"] + row["sgst_by_sgst_paise"],
                before.adjusted.plus(adjusted if kind == "adjnegliab" else Taxes()),
                before.charged.plus(charge if kind == "tx_py" else Taxes()),
                before.charges_paid.plus(charge if kind == "pdcash" else Taxes()),
            )
        return found

    def _with_igst_left(
        self, paid: Mapping[str, Payment], filed: Mapping[str, Mapping[str, Taxes]], whole: Collection[str]
    ) -> dict[str, Payment]:
        """Return the payments with the least IGST credit that was left, where the credit ledger shows it.

        The ledger shows the set-off of a return as a debit of just these amounts; ``whole`` are its months that were
        read. The ledger has days and no hours: of the day of the set-off every debit counts, and of the credits those
        that the return itself avails, so that nothing that came in later is taken for something that was left.
        Not known while credit is blocked (CGST Rules, rule 86A).
        """
        entries = [row for row in self.rows(ledgers.ENTRIES) if row["section"] == "itc"]
        balances = [
            row for row in self.rows(ledgers.BALANCES) if (row["ledger"], row["head"]) == ("ITC", "IGST")
        ]
        if any(row["kind"] == "BLOCKED" and row["total_paise"] for row in balances):
            return dict(paid)
        opening = {row["period"]: row["total_paise"] for row in balances if row["kind"] == "OPENING"}
        found = dict(paid)
        for period, one in paid.items():
            used = (one.from_igst, one.from_cgst, one.from_sgst)
            days = {
                row["entry_on"]
                for row in entries
                if row["return_period"] == period and not _is_credit(row) and _used(row) == used
            }
            if len(days) != 1 or not any(used[1:]):
                continue
            (day,) = days
            month = str(Period.of(day))
            if month in whole and month in opening:
                lines = filed.get(period, {})
                availed = sum(lines[table].igst for table in AVAILED if table in lines)
                moved = _igst_moved([row for row in entries if row["period"] == month], day, period, availed)
                found[period] = replace(one, igst_left=max(0, opening[month] + moved))
        return found

    def _posted(self) -> dict[str, Payment]:
        found: dict[str, Payment] = {}
        for row in self.rows(ledgers.ENTRIES):
            if row["section"] != "tax":
                continue
            before = found.get(row["period"], Payment())
            tax = Taxes(0, *(row[f"{head}_tax_paise"] for head in HEADS))
            is_owed, paid_by = row["entry_type"].casefold() == "dr", row["discharge_type"].casefold()
            found[row["period"]] = Payment(
                before.owed.plus(tax if is_owed else Taxes()),
                before.cash.plus(tax if not is_owed and paid_by == "cash" else Taxes()),
                before.credit.plus(tax if not is_owed and paid_by == "credit" else Taxes()),
            )
        return found

    def _ledgers(self) -> Iterable[Ledger]:
        balances: dict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
        for row in self.rows(ledgers.BALANCES):
            if row["kind"] in ("OPENING", "CLOSING") and row["ledger"] in ("CASH", "ITC"):
                balances[row["ledger"], row["period"], row["kind"]][row["head"].lower()] = row["total_paise"]
        moved: dict[tuple[str, str, str], Taxes] = {}
        for row in self.rows(ledgers.ENTRIES):
            if row["section"] not in ("cash", "itc"):
                continue
            kind = "added" if row["entry_type"].casefold() == "cr" else "taken"
            minors = ("tax", "interest", "penalty", "fee", "other")
            heads = (sum(row[f"{head}_{minor}_paise"] for minor in minors) for head in HEADS)
            key = (row["section"].upper(), row["period"], kind)
            moved[key] = moved.get(key, Taxes()).plus(Taxes(0, *heads))
        for name, period in sorted({key[:2] for key in (*balances, *moved)}):
            yield Ledger(
                name,
                period,
                _balance(balances.get((name, period, "OPENING"))),
                _balance(balances.get((name, period, "CLOSING"))),
                moved.get((name, period, "added"), Taxes()),
                moved.get((name, period, "taken"), Taxes()),
            )

    def _returns(self) -> Iterable[ReturnDue]:
        for one in return_states(self.engine, [self.client_id], self.day):
            if one.return_type in RETURNS and one.state is not State.NOT_APPLICABLE:
                yield ReturnDue(
                    one.return_type,
                    str(one.period),
                    one.due_on,
                    one.filed_on,
                    one.days_late,
                    str(one.state),
                    one.reason,
                )

    # --- coverage -----------------------------------------------------------------------------------------------------

    def _lacking(
        self,
        period: Period,
        outcomes: dict[Place, Outcome | None],
        held: Mapping[Place, int],
        registered: frozenset[tuple[str, Period]],
        without: frozenset[tuple[str, str]],
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        for module in MONTHLY:
            for month in self._months(period) if module in OUTWARD else (period,):
                place = (self.client_id, module, str(month))
                if module == "gstr1a" and place not in outcomes and ("GSTR1A", month) not in registered:
                    continue  # GSTR-1A is optional: without one nothing is missing
                what = lacking(outcomes, place)
                if what is None and held.get(place):
                    what = f"{held[place]} rows in quarantine"
                elif what is None and module in OWED and outcomes[place] is Outcome.NOT_APPLICABLE:
                    what = WORDS[Outcome.NOT_APPLICABLE]
                elif what is None and (module, str(month)) in without:
                    what = NO_SUMMARY
                if what is not None:
                    found[module] = what
                    break
        return found

    def _lacking_register(
        self, periods: Iterable[Period], outcomes: dict[Place, Outcome | None], held: Mapping[Place, int]
    ) -> dict[str, str]:
        """Return what the register lacks: it has a unit a year, so every year of the periods must have been read."""
        places = [place for place in outcomes if place[1] == "return_register"]
        whats = [what for place in places if (what := lacking(outcomes, place)) is not None]
        whats += [f"{held[place]} rows in quarantine" for place in places if held.get(place)]
        years = {period.financial_year for period in periods} - {year for _, _, year in places}
        whats += [f"the register of {year} was never asked" for year in sorted(years)]
        if not places:
            whats = ["never asked"]
        return {"return_register": whats[0]} if whats else {}


def _taxes(row: Values) -> Taxes:
    return Taxes(row.get("taxable_paise", 0), *(row[f"{head}_paise"] for head in HEADS))


def _is_credit(row: Values) -> bool:
    return str(row["entry_type"]).casefold() == "cr"


def _used(row: Values) -> tuple[int, int, int]:
    return (row["igst_tax_paise"], row["cgst_tax_paise"], row["sgst_tax_paise"])


def _igst_moved(entries: Iterable[Values], day: date, period: str, availed: int) -> int:
    """Return by how much IGST credit had grown since the month began, at the least, after the set-off on a day."""
    moved = own = 0
    for row in entries:
        amount = row["igst_tax_paise"]
        if not _is_credit(row):
            moved -= amount if row["entry_on"] <= day else 0
        elif row["entry_on"] < day:
            moved += amount
        elif row["entry_on"] == day and row["return_period"] == period:
            own += amount
    return int(moved + min(own, availed))


def _balance(heads: Mapping[str, int] | None) -> Taxes | None:
    return None if heads is None else Taxes(0, *(heads.get(head, 0) for head in HEADS))
