"""What the TDS reconciliations compare for one client, read from the warehouse as it stood at the end of a day.

Invariant: nothing is dropped in silence. A row that the reconciliations have no place for, a row in quarantine, a
quarter that was never asked and a filed statement without its file each make their module incomplete. Row ids, which
become evidence, hold no TAN and no PAN.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, or_, select

from clientsync.clock import INDIA
from clientsync.database import one_state, reading
from clientsync.errors import UnknownClient
from clientsync.ledger.tables import SyncClient, SyncQuarantine, SyncRun, SyncUnit
from clientsync.outcomes import Outcome
from clientsync.periods import Quarter
from clientsync.reconcile.result import Result
from clientsync.reconcile.tds.coverage import of_units
from clientsync.reconcile.tds.inputs import (
    Certificate,
    CertificateUse,
    Claim,
    DeductorInputs,
    DefaultCounts,
    DefaultLine,
    DefaultType,
    DemandQuarter,
    DemandSnapshot,
    DemandYear,
    FileChallan,
    FileDeductee,
    FormProfile,
    ModuleState,
    Notice,
    PortalChallan,
    Statement,
    StatementStatus,
    TracesBalance,
)
from clientsync.reconcile.tds.returns import expected_returns
from clientsync.reconcile.tds.run import reconcile_deductor
from clientsync.spec.module import TableSpec
from clientsync.warehouse.schema import REMOVED, as_of, warehouse_table
from clientsync.warehouse.standing import end_of
from connectors.tds import (
    certificates,
    challans,
    code_tables,
    notices,
    outstanding_demand,
    receipts,
    return_summary,
    unconsumed_challans,
)
from connectors.tds.forms import EFILING_STATUSES, EXTENSIONS, OLD_FORMS
from connectors.tds.statement_rows import FILE_CHALLAN, FILE_DEDUCTEE, STATEMENT_FILE
from connectors.tds.unconsumed_challans import status_list_begins

CONNECTOR = "tds"
PORTAL_MODULES = (
    "return_summary",
    "challans",
    "unconsumed_challans",
    "notices",
    "outstanding_demand",
    "certificates",
)
STATEMENTS_MODULE = "statements"
FIRST_QUARTER = Quarter(2025, 1)
"""First quarter of a form profile, unless the client's settings say otherwise."""
SINCE_SETTING = "tds_forms_since"
"""Setting of a client: a quarter such as ``2025-26-Q3`` for all forms, or a mapping of old form name to quarter."""
NEVER_ASKED = "NEVER_ASKED"
NOT_ENDED = "NOT_ENDED"
MANUAL = "manual demand"
"""What stands in place of the type for demand that an officer raised; as in ``reconcile.tds.demand``."""

DEFAULT_TYPES: Mapping[str, DefaultType] = {
    "SHORT_PAYMENT": DefaultType.SHORT_PAYMENT,
    "INTEREST_SHORT_PAYMENT": DefaultType.INTEREST_SHORT_PAYMENT,
    "SHORT_DEDUCTION": DefaultType.SHORT_DEDUCTION,
    "INTEREST_SHORT_DEDUCTION": DefaultType.INTEREST_SHORT_DEDUCTION,
    "INTEREST_LATE_PAYMENT": DefaultType.LATE_PAYMENT,
    "ADDITIONAL_INTEREST_LATE_PAYMENT": DefaultType.LATE_PAYMENT_MORE,
    "INTEREST_LATE_DEDUCTION": DefaultType.LATE_DEDUCTION,
    "ADDITIONAL_INTEREST_LATE_DEDUCTION": DefaultType.LATE_DEDUCTION_MORE,
    "LATE_FEE": DefaultType.LATE_FEE,
    "ADDITIONAL_LATE_FEE": DefaultType.LATE_FEE_MORE,
    "INTEREST_220_2": DefaultType.INTEREST_220,
}
"""Code of a stored default to the type that is reconciled; ``OTHER`` has none."""

_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]
_RUN = SyncRun.__table__  # type: ignore[attr-defined]
_UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
_HELD = SyncQuarantine.__table__  # type: ignore[attr-defined]
_DEMAND_TABLES = (outstanding_demand.DEMANDS, outstanding_demand.QUARTERS, outstanding_demand.DEFAULTS)

Values = dict[str, Any]
OLD_ACT_ONLY = {
    "outstanding_demand": "Statements under the Act of 2025 are filed, and their demand is read from no portal yet.",
    "notices": "Statements under the Act of 2025 are filed, and what TRACES says of them is read from no portal yet.",
}
"""Modules of which only the old Act's portal is known, with what they lack of a client that files under the new one."""
Place = tuple[Quarter, str]
"""Quarter and old form name of a statement."""


def reconcile(engine: Engine, client_id: str, day: date) -> Result:
    """Reconcile one client with the data that stood at the end of ``day``.

    Raises:
        UnknownClient: no such client.
        WarehouseError: the database cannot be read.
    """
    return reconcile_deductor(read_inputs(engine, client_id, day))


def read_inputs(engine: Engine, client_id: str, day: date) -> DeductorInputs:
    """Return everything that the reconciliations compare for one client, as it stood at the end of ``day``.

    Raises:
        UnknownClient: no such client.
        WarehouseError: the database cannot be read.
    """
    with one_state(engine):
        return _Reader(engine, client_id, day).inputs()


class _Reader:
    """The rows of one client as of one day, turned into values of the reconciliations."""

    def __init__(self, engine: Engine, client_id: str, day: date) -> None:
        self.engine = engine
        self.client_id = client_id
        self.day = day
        self.moment = end_of(day)
        self.unplaced: Counter[str] = Counter()

    def inputs(self) -> DeductorInputs:
        """Return the inputs."""
        profiles = self.profiles()
        deductees = self.rows(FILE_DEDUCTEE)
        file_challans = self.file_challans()
        statements = self.statements()
        issued = self.certificates()
        filed = {(one.quarter, one.form) for one in statements if one.status is not StatementStatus.REJECTED}
        demand, before, closed = self.demand()
        balances = self.balances()
        newest = self._newest_units()
        return DeductorInputs(
            client_id=self.client_id,
            as_of=self.day,
            asked=(*PORTAL_MODULES, STATEMENTS_MODULE),
            portal_challans=self.portal_challans(),
            balances=balances,
            traces_from=status_list_begins(self.day),
            traces_read_on=_read_on(newest.get("unconsumed_challans", {}).values()),
            claims=(*self.claims(), *self.claims_of_the_new_portal(file_challans)),
            file_challans=file_challans,
            file_deductees=self.file_deductees(deductees),
            statements=statements,
            profiles=profiles,
            demand=demand,
            demand_before=before,
            closed_before=closed,
            notices=self.notices(),
            certificates=issued,
            certificate_uses=self.certificate_uses(deductees, issued, filed),
            default_counts=self.default_counts(),
            due_extensions=_extensions(),
            states=self.states(profiles, filed, statements, file_challans, newest),
        )

    # --- reading ------------------------------------------------------------------------------------------------------

    def rows(self, spec: TableSpec, moment: datetime | None = None) -> list[Values]:
        """Return the rows of a table as they stood, in the order of their keys."""
        table = warehouse_table(spec)
        statement = as_of(table, moment or self.moment)
        columns = statement.selected_columns
        statement = statement.where(columns["client_id"] == self.client_id)
        with reading(self.engine) as connection:
            found = [dict(row) for row in connection.execute(statement).mappings()]
        return sorted(found, key=lambda row: tuple(str(row[name]) for name in spec.key))

    # --- challans -----------------------------------------------------------------------------------------------------

    def portal_challans(self) -> tuple[PortalChallan, ...]:
        """Return the paid challans of the income-tax portal, and those of receipts that its list does not have.

        A book entry of a Government office is no challan: TRACES has it under the receipt of Form 24G.
        """
        found: list[PortalChallan] = []
        for row in self.rows(challans.CHALLANS):
            if row["is_nil"] or row["is_book_entry"]:
                continue
            found.append(self._portal_challan(row, f"{row['section']}/{row['cin']}"))
        listed = {_challan(row) for row in found}
        for row in self.rows(receipts.RECEIPT):
            if _challan_of(row) not in listed:
                found.append(self._portal_challan(row, f"receipt/{_challan_words(row)}"))
        return _numbered(found)

    def _portal_challan(self, row: Values, row_id: str) -> PortalChallan:
        return PortalChallan(
            self.client_id,
            row_id,
            row["bsr"],
            row["serial"],
            row["deposited_on"],
            row["amount_paise"],
            row["minor_head"] or "200",
            row["year"],
        )

    def balances(self) -> tuple[TracesBalance, ...]:
        """Return every challan of TRACES once: amounts of the balance list, else of the consumption, else none."""
        merged: dict[tuple[str, str, date], Values] = {}
        for row in self.rows(unconsumed_challans.STATUSES):
            merged[_challan_of(row)] = row
        for row in self.rows(unconsumed_challans.TOTALS):
            if _challan_of(row) in self.claimed:
                merged[_challan_of(row)] = row
        for row in self.rows(unconsumed_challans.BALANCES):
            merged[_challan_of(row)] = row
        booked = {_challan_of(row) for row in self.rows(FILE_CHALLAN) if row["is_book_entry"]}
        booked |= {_challan_of(row) for row in self.rows(challans.CHALLANS) if row["is_book_entry"]}
        return tuple(
            TracesBalance(
                self.client_id,
                f"{row['portal']}/{_challan_words(row)}",
                row["bsr"],
                row["serial"],
                row["deposited_on"],
                row.get("amount_paise"),
                row.get("available_paise"),
                row.get("excess_paise", 0),
                key in booked,
                row["act"],
                row.get("is_claimed", True),
            )
            for key, row in sorted(merged.items())
        )

    @cached_property
    def claimed(self) -> set[tuple[str, str, date]]:
        """Return the challans that the old portal lists as claimed now.

        Who consumed a challan is asked only while it is claimed. The list is read with every such question, so where
        it no longer calls a challan claimed, or no longer has it, what was told before holds no more.
        """
        listed = self.rows(unconsumed_challans.STATUSES)
        return {_challan_of(row) for row in listed if row["is_claimed"]}

    def claims(self) -> tuple[Claim, ...]:
        """Return what each statement consumes of each challan that is claimed now, as the old portal tells it."""
        return tuple(
            Claim(
                self.client_id,
                f"{_challan_words(row)}/{row['token']}/{row['occurrence']}",
                row["bsr"],
                row["serial"],
                row["deposited_on"],
                row["token"],
                Quarter.parse(row["quarter"]),
                _old_form(row["form"]),
                row["total_paise"],
            )
            for row in self.rows(unconsumed_challans.CONSUMPTION)
            if row["token"] and _challan_of(row) in self.claimed
        )

    def claims_of_the_new_portal(self, records: Sequence[FileChallan]) -> tuple[Claim, ...]:
        """Return what is consumed of the challans of the new portal, which does not say by which statements.

        It is shared out to the statement files that name the challan, in order; what is left over goes to the last
        of them, or to the quarter of the deposit when no file names it.
        """
        named: dict[tuple[str, str, date], dict[Place, int]] = defaultdict(dict)
        for record in sorted(records, key=lambda one: (one.quarter, one.form, one.record)):
            places = named[_challan(record)]
            place = (record.quarter, record.form)
            places[place] = places.get(place, 0) + record.total_paise
        found: list[Claim] = []
        for row in self.rows(unconsumed_challans.BALANCES):
            if row["portal"] != "TRACES25" or row["consumed_paise"] <= 0:
                continue
            left = row["consumed_paise"]
            places = named.get(_challan_of(row)) or {(Quarter.of(row["deposited_on"]), "26Q"): left}
            for number, (place, total) in enumerate(places.items(), start=1):
                part = left if number == len(places) else min(left, total)
                left -= part
                found.append(
                    Claim(
                        self.client_id,
                        f"TRACES25/{_challan_words(row)}/{number}",
                        row["bsr"],
                        row["serial"],
                        row["deposited_on"],
                        "",
                        *place,
                        part,
                    )
                )
        return tuple(found)

    # --- statements ---------------------------------------------------------------------------------------------------

    def file_challans(self) -> tuple[FileChallan, ...]:
        """Return the challan records of the statement files."""
        return tuple(
            FileChallan(
                self.client_id,
                f"{row['period']}/{row['section']}/{row['challan_record']:05d}",
                _file_token(row),
                Quarter.parse(row["period"]),
                row["section"],
                row["challan_record"],
                row["bsr"],
                row["serial"],
                row["deposited_on"],
                row["tax_paise"] + row["surcharge_paise"] + row["cess_paise"],
                row["interest_paise"],
                row["fee_paise"],
                row["total_paise"],
                row["is_book_entry"],
                row["is_nil"],
            )
            for row in self.rows(FILE_CHALLAN)
        )

    def file_deductees(self, rows: Iterable[Values]) -> tuple[FileDeductee, ...]:
        """Return the deductee records of the statement files."""
        return tuple(
            FileDeductee(
                self.client_id,
                _deductee_id(row),
                _file_token(row),
                Quarter.parse(row["period"]),
                row["section"],
                row["challan_record"],
                row["pan"],
                _section(row["code"], row["act"]),
                row["paid_on"],
                row["amount_paise"],
                row["tax_paise"],
                row["deducted_on"],
                _percent(row["rate_ppm"]),
            )
            for row in rows
        )

    def statements(self) -> tuple[Statement, ...]:
        """Return the filed statements; of what the e-filing portal calls filed or accepted nothing more is known."""
        found: list[Statement] = []
        tax: Counter[Place] = Counter()
        for one in self.rows(FILE_DEDUCTEE):
            tax[Quarter.parse(one["period"]), one["section"]] += one["tax_paise"]
        for row in self.rows(return_summary.STATEMENTS):
            word = StatementStatus.FILED if row["status"] in EFILING_STATUSES else row["status"]
            if word not in set(StatementStatus):
                self.unplaced["return_summary"] += 1
                continue
            found.append(
                Statement(
                    self.client_id,
                    f"{row['period']}/{_old_form(row['form'])}/{row['token']}",
                    row["token"],
                    Quarter.parse(row["period"]),
                    _old_form(row["form"]),
                    row["kind"].strip().casefold() not in ("regular", "original"),
                    StatementStatus(word),
                    row["filed_on"],
                    row["processed_on"],
                    tax.get((Quarter.parse(row["period"]), _old_form(row["form"]))),
                )
            )
        return tuple(found)

    def profiles(self) -> tuple[FormProfile, ...]:
        """Return the forms that the client must file, from which quarter on."""
        with reading(self.engine) as connection:
            row = connection.execute(
                select(_CLIENT.c.tds_forms, _CLIENT.c.settings).where(_CLIENT.c.client_id == self.client_id)
            ).one_or_none()
        if row is None:
            raise UnknownClient("client", self.client_id, ())
        since = (row.settings or {}).get(SINCE_SETTING, "")
        forms = (_old_form(form.strip()) for form in row.tds_forms.split(",") if form.strip())
        return tuple(
            FormProfile(self.client_id, form, _since(since, form)) for form in sorted(dict.fromkeys(forms))
        )

    # --- demand, notices, certificates --------------------------------------------------------------------------------

    def demand(
        self,
    ) -> tuple[DemandSnapshot | None, DemandSnapshot | None, frozenset[tuple[str, str, str]]]:
        """Return the demand now, the one before it last differed, and what was gone already at that time.

        Without any earlier reading there is nothing before; when all readings agree, the one before the newest is.
        """
        read = self._moments_read()
        if not read:
            return None, None, frozenset()
        now = self._snapshot(self.moment, read[0], is_now=True)
        earlier = next((one for one in self._earlier(read) if _money(one[1]) != _money(now)), None)
        if earlier is None and len(read) > 1:
            earlier = read[1], self._snapshot(read[1], read[1])
        if earlier is None:
            return now, None, frozenset()
        return now, earlier[1], self._closed_by(*earlier)

    def _moments_read(self) -> list[datetime]:
        done = [str(one) for one in Outcome if one.is_done]
        statement = (
            select(_UNIT.c.ended_at)
            .where(
                _UNIT.c.client_id == self.client_id,
                _UNIT.c.connector == CONNECTOR,
                _UNIT.c.module == "outstanding_demand",
                _UNIT.c.outcome.in_(done),
                _UNIT.c.ended_at <= self.moment,
            )
            .order_by(_UNIT.c.ended_at.desc())
        )
        with reading(self.engine) as connection:
            return list(dict.fromkeys(connection.execute(statement).scalars()))

    def _earlier(self, read: Sequence[datetime]) -> Iterable[tuple[datetime, DemandSnapshot]]:
        """Yield the readings that stood before each change of the demand, newest first."""
        for changed in self._changes():
            before = next((one for one in read if one < changed), None)
            if before is None:
                return
            yield before, self._snapshot(before, before)

    def _changes(self) -> list[datetime]:
        found: set[datetime] = set()
        with reading(self.engine) as connection:
            for spec in _DEMAND_TABLES:
                table = warehouse_table(spec)
                for source, names in (
                    (table.core, ("first_loaded_at", "loaded_at", "removed_at")),
                    (table.history, ("valid_from", "valid_to")),
                ):
                    for name in names:
                        column = source.c[name]
                        found.update(
                            connection.execute(
                                select(column)
                                .where(source.c.client_id == self.client_id, column <= self.moment)
                                .distinct()
                            ).scalars()
                        )
        return sorted(found, reverse=True)

    def _snapshot(self, moment: datetime, read_at: datetime, *, is_now: bool = False) -> DemandSnapshot:
        lines: list[DefaultLine] = []
        for row in self.rows(outstanding_demand.DEFAULTS, moment):
            kind = DEFAULT_TYPES.get(row["default_code"])
            if kind is None:
                if is_now:
                    self.unplaced["outstanding_demand"] += 1
                continue
            quarter = _quarter(row)
            form = _old_form(row["form"])
            lines.append(
                DefaultLine(
                    self.client_id,
                    f"{quarter.label}/{form}/{row['default_code']}/{row['occurrence']}",
                    quarter,
                    form,
                    kind,
                    row["amount_paise"],
                    row["claimed_paise"],
                    row["payable_paise"],
                )
            )
        return DemandSnapshot(
            read_at.astimezone(INDIA).date(),
            tuple(
                DemandYear(
                    self.client_id,
                    f"{row['section']}/{row['year']}",
                    row["year"],
                    row["manual_paise"],
                    row["processed_paise"],
                    row["is_prior"],
                )
                for row in self.rows(outstanding_demand.DEMANDS, moment)
            ),
            tuple(
                DemandQuarter(
                    self.client_id,
                    f"{_quarter(row).label}/{_old_form(row['form'])}",
                    _quarter(row),
                    _old_form(row["form"]),
                    row["net_payable_paise"],
                )
                for row in self.rows(outstanding_demand.QUARTERS, moment)
            ),
            _numbered(lines),
        )

    def _closed_by(self, moment: datetime, before: DemandSnapshot) -> frozenset[tuple[str, str, str]]:
        """Return the demands that were seen once and were gone at ``moment``."""
        once: set[tuple[str, str, str]] = set()
        for row in self._versions(outstanding_demand.DEFAULTS, moment):
            kind = DEFAULT_TYPES.get(row["default_code"])
            if kind is not None and row["payable_paise"]:
                once.add((_quarter(row).label, _old_form(row["form"]), kind.value))
        for row in self._versions(outstanding_demand.DEMANDS, moment):
            if row["manual_paise"]:
                once.add((row["year"], "", MANUAL))
        standing = {
            (one.quarter.label, one.form, one.default_type.value) for one in before.lines if one.payable_paise
        } | {(one.year, "", MANUAL) for one in before.years if one.manual_paise}
        return frozenset(once - standing)

    def _versions(self, spec: TableSpec, moment: datetime) -> list[Values]:
        table = warehouse_table(spec)
        names = [one.name for one in table.columns]
        found: list[Values] = []
        with reading(self.engine) as connection:
            for source, began in ((table.core, "loaded_at"), (table.history, "valid_from")):
                conditions: list[ColumnElement[bool]] = [
                    source.c.client_id == self.client_id,
                    source.c[began] <= moment,
                ]
                if source is table.history:
                    conditions.append(or_(source.c.change == REMOVED, source.c.valid_to <= moment))
                statement = select(*(source.c[name] for name in names)).where(*conditions)
                found.extend(dict(row) for row in connection.execute(statement).mappings())
        return found

    def default_counts(self) -> tuple[DefaultCounts, ...]:
        """Return the counts of deductees with PAN errors, by statement."""
        return tuple(
            DefaultCounts(
                self.client_id,
                f"{_quarter(row).label}/{_old_form(row['form'])}",
                _quarter(row),
                _old_form(row["form"]),
                row["without_pan"],
                row["invalid_pan"],
            )
            for row in self.rows(outstanding_demand.QUARTERS)
        )

    def notices(self) -> tuple[Notice, ...]:
        """Return the notices of both portals."""
        return _numbered(
            Notice(
                self.client_id,
                f"{row['portal']}/{row['reference']}",
                row["category"],
                row["issued_on"],
                row["is_action_required"],
                _quarter_or_none(row),
                _old_form(row["form"]),
                row["year"],
            )
            for row in self.rows(notices.NOTICES)
        )

    def certificates(self) -> tuple[Certificate, ...]:
        """Return the certificates as TRACES last confirmed them; the register of a practice is no confirmation."""
        return _numbered(
            Certificate(
                self.client_id,
                f"{row['number']}/{row['year']}/{row['section_code']}",
                row["number"],
                row["year"],
                row["pan"],
                _section(row["section_code"], row["act"]),
                Decimal(row["rate_ten_thousandths"]) / 10_000,
                row["limit_paise"],
                row["consumed_paise"],
                row["valid_from_on"],
                row["valid_to_on"],
                row["verified_on"],
                row["cancelled_on"] or _withdrawn_on(row),
            )
            for row in self.rows(certificates.CERTIFICATES)
        )

    def certificate_uses(
        self, rows: Iterable[Values], issued: Sequence[Certificate], filed: set[Place]
    ) -> tuple[CertificateUse, ...]:
        """Return the payments of the statement files that quote a certificate or are made to the holder of one.

        The rate without a certificate is that of the table of rates; where it has none, the file's own.
        """
        holders = {one.pan for one in issued}
        found: list[CertificateUse] = []
        for row in rows:
            if not row["certificate_number"] and (row["is_pan_missing"] or row["pan"] not in holders):
                continue
            section = _section(row["code"], row["act"])
            rate = _percent(row["rate_ppm"])
            table = code_tables.rate_on(row["code"], row["paid_on"]) or code_tables.rate_on(
                section, row["paid_on"]
            )
            normal = _percent(table.ppm) if table is not None else rate
            found.append(
                CertificateUse(
                    self.client_id,
                    _deductee_id(row),
                    row["certificate_number"],
                    row["pan"],
                    section,
                    row["paid_on"],
                    row["amount_paise"],
                    row["tax_paise"],
                    normal if normal is not None else Decimal(0),
                    rate,
                    (Quarter.parse(row["period"]), row["section"]) in filed,
                )
            )
        return tuple(found)

    # --- coverage -----------------------------------------------------------------------------------------------------

    def states(
        self,
        profiles: Sequence[FormProfile],
        filed: set[Place],
        statements: Sequence[Statement],
        file_challans: Sequence[FileChallan],
        newest: Mapping[str, Mapping[str, Values]],
    ) -> tuple[ModuleState, ...]:
        """Return how each module ended: its newest units in the ledger, and for files the files themselves."""
        held = self._held()
        overtaken = {
            "return_summary": self._overtaken_by_due_dates(profiles, filed, newest.get("return_summary", {})),
            "challans": self._overtaken_by_payments(file_challans, newest.get("challans", {})),
        }
        found: list[ModuleState] = []
        for module in PORTAL_MODULES:
            units = newest.get(module, {})
            states = [
                state
                for period, unit in units.items()
                if (state := self._unit_state(module, period, unit)) is not None
            ]
            if module == "return_summary":
                lacking = {quarter.label for quarter in self._quarters_due(profiles)} - units.keys()
                states += [
                    ModuleState(self.client_id, module, Outcome.CANCELLED, code=NEVER_ASKED)
                    for _ in sorted(lacking)
                ]
            if states:
                joined = _short_by(
                    of_units(self.client_id, module, states), held[module] + self.unplaced[module]
                )
                is_half = module in OLD_ACT_ONLY and any(quarter.act == "2025" for quarter, _ in filed)
                lacks = OLD_ACT_ONLY[module] if is_half else overtaken.get(module, "")
                found.append(replace(joined, lacks=lacks))
        register = set(newest.get("return_summary", {}))
        return (*found, *self._file_state(filed, held[STATEMENTS_MODULE], statements, register))

    def _overtaken_by_due_dates(
        self, profiles: Sequence[FormProfile], filed: set[Place], units: Mapping[str, Values]
    ) -> str:
        """Say which quarters were last read when what is not filed in them could still be filed in time."""
        late: dict[str, date] = {}
        for (_, quarter, form), due in expected_returns(profiles, self.day, _extensions()).items():
            read_on = _read_on([units[quarter.label]]) if quarter.label in units else None
            if read_on is not None and read_on <= due and read_on < self.day and (quarter, form) not in filed:
                late[quarter.label] = read_on
        told = [f"{label} on {read_on:%d-%m-%Y}" for label, read_on in sorted(late.items())]
        return f"Last read before its statements were due: {', '.join(told)}." if told else ""

    def _overtaken_by_payments(
        self, file_challans: Sequence[FileChallan], units: Mapping[str, Values]
    ) -> str:
        """Say when the payments were last read, if a statement names a challan that was deposited since."""
        read_on = _read_on(units.values())
        if read_on is None or read_on >= self.day:
            return ""
        listed = {_challan(one) for one in self.portal_challans()}
        named = [one for one in file_challans if not one.is_nil and not one.is_book_entry]
        since = [one for one in named if one.deposited_on >= read_on and _challan(one) not in listed]
        if not since:
            return ""
        return f"Last read on {read_on:%d-%m-%Y}; a statement names a challan that was deposited since."

    def _file_state(
        self, filed: set[Place], held: int, statements: Sequence[Statement], register: set[str]
    ) -> tuple[ModuleState, ...]:
        corrections = sum(
            one.is_correction and one.status is not StatementStatus.REJECTED for one in statements
        )
        lacks = (
            f"{corrections} corrections were filed, and only regular statements are read."
            if corrections
            else ""
        )
        have = {(Quarter.parse(row["period"]), row["section"]) for row in self.rows(STATEMENT_FILE)}
        if not have:
            return ()
        unknown = sorted({quarter.label for quarter, _ in have} - register)
        if unknown:
            more = f"It was never asked whether corrections were filed for {', '.join(unknown)}."
            lacks = f"{lacks} {more}".strip()
        wanted = len(filed | have) + held
        return (
            ModuleState(self.client_id, STATEMENTS_MODULE, Outcome.LOADED, len(have), wanted, lacks=lacks),
        )

    def _quarters_due(self, profiles: Sequence[FormProfile]) -> Iterable[Quarter]:
        if not profiles:
            return
        quarter = min(one.first for one in profiles)
        while quarter.last_day < self.day:
            yield quarter
            quarter = quarter.next()

    def _unit_state(self, module: str, period: str, unit: Values) -> ModuleState | None:
        ended_at = unit["ended_at"]
        if unit["outcome"] is None or ended_at is None or ended_at > self.moment:
            return ModuleState(self.client_id, module, Outcome.CANCELLED, code=NOT_ENDED)
        outcome = Outcome(unit["outcome"])
        if outcome is Outcome.TOO_EARLY and "-Q" in period and Quarter.parse(period).last_day >= self.day:
            return None
        rows = unit["rows_loaded"] if outcome.is_done else 0
        return ModuleState(self.client_id, module, outcome, rows, code=unit["reason_code"] or "")

    def _newest_units(self) -> dict[str, dict[str, Values]]:
        newest = (
            select(func.max(_UNIT.c.unit_id))
            .join(_RUN, _RUN.c.run_id == _UNIT.c.run_id)
            .where(
                _UNIT.c.client_id == self.client_id,
                _UNIT.c.connector == CONNECTOR,
                _UNIT.c.module.in_(PORTAL_MODULES),
                _RUN.c.started_at <= self.moment,
            )
            .group_by(_UNIT.c.module, _UNIT.c.unit_period)
        )
        statement = select(_UNIT).where(_UNIT.c.unit_id.in_(newest)).order_by(_UNIT.c.unit_id)
        found: dict[str, dict[str, Values]] = defaultdict(dict)
        with reading(self.engine) as connection:
            for row in connection.execute(statement).mappings():
                found[row["module"]][row["unit_period"]] = dict(row)
        return found

    def _held(self) -> Counter[str]:
        statement = (
            select(_HELD.c.module, func.count())
            .where(
                _HELD.c.client_id == self.client_id,
                _HELD.c.connector == CONNECTOR,
                _HELD.c.held_at <= self.moment,
                or_(_HELD.c.resolved_at.is_(None), _HELD.c.resolved_at > self.moment),
            )
            .group_by(_HELD.c.module)
        )
        with reading(self.engine) as connection:
            return Counter({str(row[0]): int(row[1]) for row in connection.execute(statement)})


def _read_on(units: Iterable[Values]) -> date | None:
    """Return the Indian day on which the newest of these units ended, None when none has."""
    ended = [unit["ended_at"] for unit in units if unit["ended_at"] is not None]
    return max(ended).astimezone(INDIA).date() if ended else None


def _short_by(state: ModuleState, rows: int) -> ModuleState:
    """Return the state with so many rows that the source has and that could not be compared."""
    if not rows:
        return state
    declared = state.declared_rows if state.declared_rows is not None else state.fetched_rows
    return replace(state, declared_rows=declared + rows)


def _numbered(rows: Iterable[Any]) -> tuple[Any, ...]:
    """Give rows that would share an id one of their own, in the order of the keys."""
    seen: Counter[str] = Counter()
    found: list[Any] = []
    for row in rows:
        seen[row.row_id] += 1
        count = seen[row.row_id]
        found.append(row if count == 1 else replace(row, row_id=f"{row.row_id}#{count}"))
    return tuple(found)


def _money(snapshot: DemandSnapshot) -> tuple[Any, ...]:
    return (snapshot.years, snapshot.quarters, snapshot.lines)


def _since(setting: Any, form: str) -> Quarter:
    label = setting.get(form, "") if isinstance(setting, Mapping) else setting
    return Quarter.parse(str(label)) if label else FIRST_QUARTER


def _withdrawn_on(row: Values) -> date | None:
    """Return the day from which a certificate counts as cancelled that the portal calls inactive while it would run.

    The Act of 2025 gives no day of cancellation, only the flag, so none of its uses is taken as covered.
    """
    runs = row["valid_to_on"] >= row["verified_on"]
    day: date = row["valid_from_on"]
    return day if runs and not row["is_active"] else None


def _extensions() -> dict[tuple[str, str], date]:
    return {(one.quarter.label, form): one.due_on for one in EXTENSIONS for form in one.forms}


def _old_form(form: str) -> str:
    return OLD_FORMS.get(form, form)


def _section(code: str, act: str) -> str:
    """Return a section of the Act of 1961 for its challan code (94C is 194C); other codes stay as they are."""
    return (code_tables.section_of_challan_code(code) or code) if act == "1961" else code


def _percent(ten_thousandths: int | None) -> Decimal | None:
    return None if ten_thousandths is None else Decimal(ten_thousandths) / 10_000


def _quarter(row: Values) -> Quarter:
    return Quarter.parse(f"{row['year']}-{row['quarter']}")


def _quarter_or_none(row: Values) -> Quarter | None:
    is_whole = len(row["year"]) == len("2025-26") and row["quarter"] in ("Q1", "Q2", "Q3", "Q4")
    return _quarter(row) if is_whole else None


def _file_token(row: Values) -> str:
    """Return what holds the records of one file together; a file does not know its own token."""
    return f"{row['period']}/{row['section']}"


def _deductee_id(row: Values) -> str:
    return f"{_file_token(row)}/{row['challan_record']:05d}/{row['deductee_record']:07d}"


def _challan_of(row: Values) -> tuple[str, str, date]:
    return (row["bsr"].zfill(7), row["serial"].lstrip("0") or "0", row["deposited_on"])


def _challan(row: Any) -> tuple[str, str, date]:
    return (row.bsr.zfill(7), row.serial.lstrip("0") or "0", row.deposited_on)


def _challan_words(row: Values) -> str:
    return f"{row['bsr']}/{row['serial']}/{row['deposited_on'].isoformat()}"
