"""What the reconciliations of a registration compare, read from the warehouse as it stood at the end of a day.

Quarterly filers are compared by quarter, under its last month. Invariant: nothing is dropped in silence; a period whose
module was never asked, did not end well or has rows in quarantine is lacking, and says what it lacks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Engine, select

from clientsync.database import reading
from clientsync.errors import UnknownClient
from clientsync.ledger.tables import SyncClient
from clientsync.outcomes import Outcome
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
from clientsync.reconcile.gst.run import reconcile_registration
from clientsync.reconcile.result import Result
from clientsync.spec.module import TableSpec
from clientsync.warehouse.standing import Place, held_rows, lacking, newest_outcomes, rows_standing
from connectors.gst import gstr1, gstr1a, gstr2b, gstr3b, ledgers
from connectors.gst.register import State, return_states

MONTHLY = ("gstr1", "gstr2b", "gstr3b", "ledgers")
MOST_PERIODS = 24
"""Newest return periods that are compared; older ones are settled."""
RETURNS = frozenset({"GSTR1", "GSTR3B", "IFF"})
LIABILITY_SECTIONS = frozenset({"B2B", "B2CL", "B2CS", "CDNR", "CDNUR", "EXP", "AT", "TXPD"})
"""Sections of GSTR-1 whose tax is owed; HSN and documents repeat it, supplies through operators are theirs."""
AMENDED_SECTIONS = frozenset(f"{name}A" for name in LIABILITY_SECTIONS)
"""Their amendments: they state the new figure of an older document, so only the change would be owed."""
SUBTRACTED = frozenset({"TXPD", "TXPDA"})
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
        self.is_quarterly = found.filing_frequency == "Q"

    def inputs(self) -> RegistrationInputs:
        """Return the inputs."""
        modules = (*MONTHLY, "return_register")
        outcomes = newest_outcomes(self.engine, (self.client_id,), modules, self.day)
        held = held_rows(self.engine, (self.client_id,), modules, self.day)
        months = sorted({Period.parse(period) for _, module, period in outcomes if module in MONTHLY})
        periods = list(dict.fromkeys(map(self._return_period, months)))[-MOST_PERIODS:]
        reported, amended = (
            self._reported(outcomes, LIABILITY_SECTIONS),
            self._reported(outcomes, AMENDED_SECTIONS),
        )
        filed, computed = self._lines("RETSUM"), self._lines("AUTOLIAB")
        statements = self._statements()
        paid, posted = self._paid(), self._posted()
        return RegistrationInputs(
            client_id=self.client_id,
            as_of=self.day,
            periods=tuple(
                ReturnPeriod(
                    period=str(period),
                    reported=reported.get(str(period)),
                    amended=amended.get(str(period), Taxes()),
                    filed=filed.get(str(period)),
                    computed=computed.get(str(period)),
                    statement=statements.get(str(period)),
                    paid=paid.get(str(period)),
                    posted=posted.get(str(period)),
                    lacking=self._lacking(period, outcomes, held),
                )
                for period in periods
            ),
            ledgers=tuple(self._ledgers()),
            returns=tuple(self._returns()),
            lacking_ledgers=self._lacking_register(outcomes),
        )

    def _return_period(self, month: Period) -> Period:
        while self.is_quarterly and not month.is_quarter_end:
            month = month.next()
        return month

    def _months(self, period: Period) -> tuple[Period, ...]:
        if not self.is_quarterly:
            return (period,)
        second = period.previous()
        return (second.previous(), second, period)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def rows(self, spec: TableSpec) -> list[Values]:
        """Return the rows of a table as they stood."""
        return list(rows_standing(self.engine, spec, (self.client_id,), self.day))

    def _reported(self, outcomes: dict[Place, Outcome | None], sections: frozenset[str]) -> dict[str, Taxes]:
        """Return the tax in sections of GSTR-1 and GSTR-1A of every return period whose months were all read."""
        found: dict[str, Taxes] = {}
        for tables in (gstr1.TABLES, gstr1a.TABLES):
            for row in self.rows(tables.summary):
                if row["part"] or row["counterparty_gstin"] or row["name"] not in sections:
                    continue
                period = str(self._return_period(Period.parse(row["period"])))
                sign = -1 if row["name"] in SUBTRACTED else 1
                found[period] = found.get(period, Taxes()).plus(_taxes(row), sign)
        return {
            period: taxes
            for period, taxes in found.items()
            if all(
                lacking(outcomes, (self.client_id, "gstr1", str(month))) is None
                for month in self._months(Period.parse(period))
            )
        }

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
            credit = Taxes(
                0,
                row["igst_by_igst_paise"] + row["igst_by_cgst_paise"] + row["igst_by_sgst_paise"],
                row["cgst_by_igst_paise"] + row["cgst_by_cgst_paise"],
                row["sgst_by_igst_paise"] + row["sgst_by_sgst_paise"],
                row["cess_by_cess_paise"],
            )
            found[row["period"]] = Payment(
                before.owed.plus(tax if kind == "tx_py" else Taxes()),
                before.cash.plus(tax if kind == "pdcash" else Taxes()),
                before.credit.plus(credit),
                before.from_igst
                + row["igst_by_igst_paise"]
                + row["cgst_by_igst_paise"]
                + row["sgst_by_igst_paise"],
                before.from_cgst + row["igst_by_cgst_paise"] + row["cgst_by_cgst_paise"],
                before.from_sgst + row["igst_by_sgst_paise"] + row["sgst_by_sgst_paise"],
            )
        return found

    def _posted(self) -> dict[str, Payment]:
        found: dict[str, Payment] = {}
        for row in self.rows(ledgers.ENTRIES):
            if row["section"] != "tax":
                continue
            before = found.get(row["period"], Payment())
            tax = Taxes(0, *(row[f"{head}_tax_paise"] for head in HEADS))
            is_owed = row["entry_type"].casefold() == "dr"
            found[row["period"]] = Payment(
                before.owed.plus(tax if is_owed else Taxes()),
                before.cash.plus(tax if not is_owed and row["discharge_type"] == "cash" else Taxes()),
                before.credit.plus(tax if not is_owed and row["discharge_type"] == "credit" else Taxes()),
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
        for name, period in sorted({(ledger, period) for ledger, period, _ in balances}):
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
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        for module in MONTHLY:
            months: Sequence[Period] = self._months(period) if module == "gstr1" else (period,)
            for month in months:
                place = (self.client_id, module, str(month))
                what = lacking(outcomes, place) or (
                    f"{held[place]} rows in quarantine" if held.get(place) else None
                )
                if what is not None:
                    found[module] = what
                    break
        return found

    def _lacking_register(self, outcomes: dict[Place, Outcome | None]) -> dict[str, str]:
        places = [place for place in outcomes if place[1] == "return_register"]
        whats = [what for place in places if (what := lacking(outcomes, place)) is not None]
        if not places:
            whats = ["never asked"]
        return {"return_register": whats[0]} if whats else {}


def _taxes(row: Values) -> Taxes:
    return Taxes(row.get("taxable_paise", 0), *(row[f"{head}_paise"] for head in HEADS))


def _balance(heads: Mapping[str, int] | None) -> Taxes | None:
    return None if heads is None else Taxes(0, *(heads.get(head, 0) for head in HEADS))
