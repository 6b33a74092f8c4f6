"""Compares the warehouse with what the portal really served; it shares no code with the product.

It reads the tables by plain SQL and the simulator's ``truth.jsonl``. Every served record must stand in its table or
in the quarantine exactly once, and nothing else may stand there. Invariant: the checker fails closed: an empty
ledger, an empty truth, a table that cannot be read or a served section without a rule is red, never clean.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from simulators.gst.truth import Served, Truth

Identity = tuple[str, ...]
Amounts = tuple[int, ...]
Keys = Mapping[str, str]
DONE = {"loaded", "unchanged", "empty", "not_asked", "not_applicable"}
FAILURES = ("lost", "dup", "wrong", "orphan", "cross_client", "unexplained")
TAXES = {"igst": "igst_paise", "cgst": "cgst_paise", "sgst": "sgst_paise", "cess": "cess_paise"}
TAXED = {"txval": "taxable_paise", **TAXES}
VALUED = {"value": "document_value_paise", **TAXED}

NOT_COMPARED = {
    ("GSTR2B", "itcsumm"),
    ("GSTR2B", "cpsumm"),
    ("IMS", "all_oth"),
    ("IMS", "imp_gds"),
    ("IMS", "inv_supp_isd"),
    ("NOTICES", "maindocs"),
    ("NOTICES", "suppdocs"),
    ("NOTICES", "taxPeriod"),
    *((ledger, kind) for ledger in ("CASH", "ITC", "TAX") for kind in ("op_bal", "cl_bal")),
    *(("BAL", kind) for kind in ("cash_bal", "itc_bal", "itc_blck_bal")),
    *((form, "sec_sum") for form in ("GSTR1", "GSTR1A")),
}
"""Served parts without a key or an amount of their own: counts, balances and totals."""
NOT_COMPARED_STATEMENTS = {"GSTR3B", "SEARCH"}
"""Statements without records: every line is a total of its own."""


class CannotCheck(Exception):
    """There is nothing to compare, or it cannot be read."""


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _day(value: str) -> str:
    for form in ("%d-%m-%Y", "%d/%m/%Y"):
        try:
            return datetime.strptime(value, form).date().isoformat()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    return value


def _basis_points(value: str) -> str:
    return str(round(float(value) * 100))


def _note_sign(keys: Keys) -> int:
    return -1 if keys.get("ntty", keys.get("typ")) == "C" else 1


def _always(_: Keys) -> bool:
    return True


@dataclass(frozen=True)
class Place:
    """Where the records of a served section must stand.

    Attributes:
        module, table: of the warehouse.
        fixed: column values that all its rows have.
        columns: (names in the truth, first one present wins; column; how the text is written there).
        amounts: name in the truth to column.
        sign: what amounts are multiplied with, from the record's key.
        applies: which records of the section are meant.
        by_period: whether the newest answer of a period replaces the one before; False: entries only add up.
        sums: the warehouse splits a record into rows whose amounts add up.
        copies: the portal answers the same for every period that is asked, and the truth names none.
    """

    module: str
    table: str
    fixed: tuple[tuple[str, str], ...]
    columns: tuple[tuple[tuple[str, ...], str, Callable[[str], str]], ...]
    amounts: Mapping[str, str] = field(default_factory=dict, hash=False)
    sign: Callable[[Keys], int] = lambda _: 1
    applies: Callable[[Keys], bool] = _always
    by_period: bool = True
    sums: bool = False
    copies: bool = False

    def served(self, one: Served) -> tuple[Identity, dict[str, int]]:
        """Return identity and amounts of a served record; amounts that it does not have are left out."""
        keys = dict(one.key)
        identity = tuple(
            write(next((keys[name] for name in names if name in keys), ""))
            for names, _, write in self.columns
        )
        sign = self.sign(keys)
        return identity, {
            column: sign * one.values[name] for name, column in self.amounts.items() if name in one.values
        }

    def stored(self, row: Mapping[str, Any]) -> Identity:
        """Return the identity of a row."""
        return tuple(_plain(row[column]) for _, column, _ in self.columns)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Say whether a row of the table belongs here."""
        return all(_plain(row.get(column)) == value for column, value in self.fixed)


def _columns(*wanted: tuple[str, str] | tuple[str, str, Callable[[str], str]]) -> Any:
    return tuple((tuple(one[0].split("|")), one[1], one[2] if len(one) == 3 else str) for one in wanted)


def _places() -> dict[tuple[str, str], list[Place]]:
    found: dict[tuple[str, str], list[Place]] = {
        **_places_2b(),
        **_places_2a(),
        **_places_ims(),
        **_places_outward("GSTR1", "gstr1"),
        **_places_outward("GSTR1A", "gstr1a"),
    }
    found["RETTRACK", "EFiledlist"] = [
        Place(
            "return_register",
            "gst__filing",
            (),
            _columns(("arn", "arn"), ("ret_prd", "return_period"), ("rtntype", "return_type")),
        )
    ]
    found["RETURNS", "response"] = [
        Place(
            "return_register",
            "gst__preference",
            (),
            _columns(("quarter", "quarter")),
            by_period=False,
            copies=True,
        )
    ]
    found["NOTICES", "notices"] = [
        Place(
            "notices",
            "gst__notice",
            (),
            _columns(("refId", "reference"), ("arn", "arn")),
            by_period=False,
        ),
        Place("notices", "gst__notice_detail", (), _columns(("arn", "arn")), by_period=False),
    ]
    money = {"amount": "total_paise", "balance": "balance_paise"}
    heads = {head: f"{head}_tax_paise" for head in TAXES}
    for statement, more in (("CASH", {}), ("ITC", heads), ("TAX", {})):
        found[statement, "tr"] = [
            Place(
                "ledgers",
                "gst__ledger_entry",
                (("section", statement.lower()),),
                _columns(("refNo|ref_no", "reference"), ("tr_typ", "entry_type")),
                {**money, **more},
                by_period=False,
            )
        ]
    return found


def _places_2b() -> dict[tuple[str, str], list[Place]]:
    found: dict[tuple[str, str], list[Place]] = {}
    document = _columns(
        ("ctin", "supplier_gstin"),
        ("inum|ntnum", "document_number"),
        ("dt", "document_on", _day),
        ("supprd", "supplier_period"),
    )
    isd = _columns(("ctin", "supplier_gstin"), ("docnum", "document_number"), ("docdt", "document_on", _day))
    boe = _columns(("boenum", "document_number"), ("boedt", "document_on", _day), ("portcode", "port_code"))
    statuses = {"": "accepted", "rejected_": "rejected", "itcrev_": "reversal"}
    for prefix, status in statuses.items():
        for name in ("b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma"):
            found["GSTR2B", prefix + name] = [
                Place(
                    "gstr2b",
                    "gst__gstr2b_document",
                    (("section", name), ("status", status)),
                    document,
                    VALUED,
                    _note_sign if name.startswith("cdn") else lambda _: 1,
                )
            ]
        for name in ("isd", "isda"):
            found["GSTR2B", prefix + name] = [
                Place(
                    "gstr2b",
                    "gst__gstr2b_isd",
                    (("section", name), ("status", status)),
                    isd,
                    TAXES,
                    lambda keys: -1 if keys.get("doctyp") == "ISDC" else 1,
                )
            ]
        for name in ("impg", "impgsez"):
            found["GSTR2B", prefix + name] = [
                Place(
                    "gstr2b",
                    "gst__gstr2b_import",
                    (("section", name), ("status", status)),
                    boe,
                    {name: TAXED[name] for name in ("txval", "igst", "cess")},
                )
            ]
    return found


def _places_2a() -> dict[tuple[str, str], list[Place]]:
    found: dict[tuple[str, str], list[Place]] = {}

    def place(served: str, table: str, columns: Any, amounts: Mapping[str, str], **more: Any) -> None:
        section = (("section", "tcs" if served == "tcs_data" else served),)
        found["GSTR2A", served] = [Place("gstr2a", f"gst__gstr2a_{table}", section, columns, amounts, **more)]

    document = _columns(
        ("ctin", "supplier_gstin"),
        ("inum|nt_num", "document_number"),
        ("idt|nt_dt", "document_on", _day),
    )
    for name in ("b2b", "b2ba", "cdn", "cdna", "ecom", "ecoma"):
        place(name, "document", document, VALUED, sign=_note_sign if name.startswith("cdn") else lambda _: 1)
    isd = _columns(("ctin", "supplier_gstin"), ("docnum", "document_number"), ("docdt", "document_on", _day))
    place("isd", "isd", isd, TAXES, sign=lambda keys: -1 if keys.get("isd_docty") == "ISDCN" else 1)
    boe = _columns(("benum", "document_number"), ("bedt", "document_on", _day), ("portcd", "port_code"))
    goods = {name: TAXED[name] for name in ("txval", "igst", "cess")}
    place("impg", "import", boe, goods)
    place("impgsez", "import", boe, goods)
    tds = {"txval": "deducted_from_paise", **{head: TAXES[head] for head in ("igst", "cgst", "sgst")}}
    place("tds", "tds", _columns(("gstin_ded", "deductor_gstin")), tds)
    place("tcs_data", "tcs", _columns(("etin", "operator_gstin"), ("m_id", "merchant_id")), TAXES)
    return found


def _places_ims() -> dict[tuple[str, str], list[Place]]:
    found: dict[tuple[str, str], list[Place]] = {}
    names = {
        "b2b": "B2B",
        "b2ba": "B2BA",
        "b2bcn": "CN",
        "b2bcna": "CNA",
        "b2bdn": "DN",
        "b2bdna": "DNA",
        "ecom": "ECOM",
        "ecoma": "ECOMA",
    }
    for served, section in names.items():
        found["IMS", served] = [
            Place(
                "ims",
                "gst__ims_document",
                (("section", section),),
                _columns(
                    ("stin", "supplier_gstin"),
                    ("inum|nt_num", "document_number"),
                    ("idt|nt_dt", "document_on", _day),
                    ("rtnprd", "return_period"),
                ),
                VALUED,
                (lambda _: -1) if section.startswith("CN") else (lambda _: 1),
            )
        ]
    for served in ("impg", "impga", "impgsez", "impgseza"):
        found["IMS", served] = [
            Place(
                "ims",
                "gst__ims_document",
                (("section", served.upper()),),
                _columns(
                    ("boenum", "document_number"), ("boedt", "document_on", _day), ("portcd", "port_code")
                ),
                {name: TAXED[name] for name in ("txval", "igst", "cess")},
            )
        ]
    return found


def _places_outward(statement: str, module: str) -> dict[tuple[str, str], list[Place]]:
    def place(section: str, table: str, columns: Any, amounts: Mapping[str, str], **more: Any) -> None:
        found[statement, section] = [
            *found.get((statement, section), []),
            Place(module, f"gst__{module}_{table}", (("section", section),), columns, amounts, **more),
        ]

    found: dict[tuple[str, str], list[Place]] = {}
    document = _columns(
        ("ctin|rtin", "counterparty_gstin"),
        ("stin", "supplier_gstin"),
        ("inum|nt_num", "document_number"),
        ("idt|nt_dt", "document_on", _day),
    )
    for name in ("b2b", "b2ba", "b2cl", "b2cla", "exp", "expa", "cdnr", "cdnra", "cdnur", "cdnura"):
        place(name, "document", document, VALUED, sign=_note_sign if name.startswith("cdn") else lambda _: 1)
    eco = _columns(("etin", "operator_gstin"), ("part", "part"), ("stin", "supplier_gstin"))
    for name in ("ecom", "ecoma"):
        place(name, "document", document, VALUED, applies=lambda keys: "inum" in keys)
        place(name, "eco", eco, TAXED, applies=lambda keys: "inum" not in keys)
    for name in ("supeco", "supecoa"):
        place(name, "eco", eco, TAXED)
    for name in ("b2cs", "b2csa"):
        columns = _columns(
            ("typ", "kind"),
            ("sply_ty", "supply_type"),
            ("pos", "place_of_supply"),
            ("omon", "original_period"),
        )
        place(name, "b2cs", columns, TAXED, sums=True)
    for name in ("at", "ata", "txpd", "txpda"):
        columns = _columns(
            ("sply_ty", "supply_type"), ("pos", "place_of_supply"), ("omon", "original_period")
        )
        place(name, "advance", columns, {"txval": "advance_paise", **TAXES}, sums=True)
    hsn = _columns(("part", "part"), ("hsn_sc", "hsn_code"), ("rt", "rate_bp", _basis_points))
    place("hsn", "hsn", hsn, TAXED)
    nil = {"exempt": "exempt_paise", "nil": "nil_rated_paise", "nongst": "non_gst_paise"}
    place("nil", "nil", _columns(("sply_ty", "supply_type")), nil)
    place("doc_issue", "docs_issued", _columns(("doc_num", "document_kind"), ("from", "first_number")), {})
    return found


PLACES = _places()
Where = tuple[Place, str, str]
"""Place, client id, period (empty when the place does not go by period)."""


@dataclass
class Report:
    """What the comparison came to; ``waiting`` records belong to units that ended in the exception report."""

    lost: int = 0
    dup: int = 0
    wrong: int = 0
    orphan: int = 0
    cross_client: int = 0
    unexplained: int = 0
    waiting: int = 0
    held: int = 0
    compared: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every served record was found and nothing else."""
        return self.compared > 0 and not any(self.failures().values())

    def failures(self) -> dict[str, int]:
        """Return the counts that must be zero."""
        return {name: getattr(self, name) for name in FAILURES}

    def count(self, what: str, number: int, note: str) -> None:
        """Add to a count, and keep the first notes."""
        if number:
            setattr(self, what, getattr(self, what) + number)
            if len(self.notes) < 20:
                self.notes.append(f"{what} {number}: {note}")


def check(database_url: str, truth: Path) -> Report:
    """Compare a warehouse with the truth.

    Raises:
        CannotCheck: the truth or the ledger is empty, or one of them cannot be read.
    """
    try:
        engine = create_engine(database_url)
        try:
            with engine.connect() as connection:
                return _Comparison(connection, truth).report
        finally:
            engine.dispose()
    except (SQLAlchemyError, OSError, ValueError, KeyError) as error:
        raise CannotCheck(f"{type(error).__name__}: {error}") from error


class _Comparison:
    """One comparison; made in one go."""

    def __init__(self, connection: Connection, truth: Path) -> None:
        self._connection = connection
        self.report = Report()
        self._clients = {row["gstin"]: row["client_id"] for row in self._rows("sync_client")}
        self._units = {row["unit_id"]: row for row in self._rows("sync_unit")}
        if not self._clients or not any(row["state"] == "ended" for row in self._units.values()):
            raise CannotCheck("the ledger has no client, or no unit that has ended")
        self._newest: dict[tuple[str, str, str], dict[str, Any]] = {}
        for _, row in sorted(self._units.items()):
            self._newest[row["client_id"], row["module"], row["unit_period"]] = row
        self._expected: dict[Where, dict[Identity, list[dict[str, int]]]] = {}
        self._ever: dict[Where, set[Identity]] = defaultdict(set)
        self._seq: dict[Where, int] = {}
        self._counted: dict[str, int] = {}
        self._empty = {
            (row["client_id"], row["section"])
            for row in self._rows("sync_cell", "module = 'ims' AND skip_kind = 'empty_by_count'")
        }
        self._read_truth(truth)
        self._held = self._read_quarantine()
        for table in sorted({place.table for places in PLACES.values() for place in places}):
            self._compare(table)
        self._check_ledger()

    def _rows(self, table: str, where: str = "1 = 1") -> list[dict[str, Any]]:
        found = self._connection.execute(text(f"SELECT * FROM {table} WHERE {where}"))
        return [dict(row) for row in found.mappings()]

    def _has(self, table: str) -> bool:
        return bool(self._connection.dialect.has_table(self._connection, table))

    # the truth

    def _read_truth(self, path: Path) -> None:
        served: dict[tuple[str, str, str, str], list[Served]] = defaultdict(list)
        for one in Truth(path).every():
            served[one.gstin, one.period.removeprefix("FY "), one.statement, one.section].append(one)
        if not served:
            raise CannotCheck("the truth is empty")
        for (gstin, period, statement, section), records in served.items():
            client = self._clients.get(gstin)
            if (statement, section) == ("IMS", "all_oth") and client is not None:
                self._counted[client] = max((one.seq for one in records if not one.fault), default=0)
            if statement in NOT_COMPARED_STATEMENTS or (statement, section) in NOT_COMPARED:
                continue
            places = PLACES.get((statement, section))
            if places is None or client is None:
                self.report.count("unexplained", len(records), f"no rule for {statement} {section}")
                continue
            for place in places:
                self._expect(place, client, period, records)

    def _expect(self, place: Place, client: str, period: str, records: list[Served]) -> None:
        where = (place, client, period if place.by_period else "")
        meant = [one for one in records if place.applies(dict(one.key))]
        self._ever[where].update(place.served(one)[0] for one in meant)
        sound = [one for one in records if not one.fault]
        if not sound:
            return
        newest = max(one.seq for one in sound)
        self._seq[where] = newest
        chosen: dict[tuple[Any, ...], Served] = {}
        for number, one in enumerate(meant):
            if one.fault or (place.by_period and one.seq != newest):
                continue
            mark = number if place.by_period else (place.served(one)[0], one.digest)
            chosen[(mark,)] = one
        found = self._expected.setdefault(where, {})
        for one in chosen.values():
            identity, amounts = place.served(one)
            found.setdefault(identity, []).append(amounts)

    # the quarantine

    def _read_quarantine(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for row in self._rows("sync_quarantine", "resolved_at IS NULL"):
            values = row["values"]
            row["read"] = json.loads(values) if isinstance(values, str) else dict(values)
            row["is_used"] = False
            found[row["table_name"], row["client_id"]].append(row)
            self.report.held += 1
        return found

    def _take_held(self, place: Place, client: str, identity: Identity) -> bool:
        """Use up one held row that may be this record, if there is one."""
        for row in self._held[place.table, client]:
            if not row["is_used"] and _may_be(place, identity, row["read"]):
                row["is_used"] = True
                return True
        return False

    # the tables

    def _compare(self, table: str) -> None:
        places = list(
            dict.fromkeys(place for some in PLACES.values() for place in some if place.table == table)
        )
        wanted = [where for where in {*self._expected, *self._ever} if where[0].table == table]
        if not self._has(f"core_{table}"):
            lost = sum(len(self._expected.get(where, {})) for where in wanted)
            self.report.count("lost", lost, f"there is no table for {table}")
            return
        actual: dict[Where, dict[Identity, list[dict[str, Any]]]] = {}
        for row in self._rows(f"core_{table}", "removed_at IS NULL"):
            self._check_owner(table, row)
            place = next((one for one in places if one.holds(row)), None)
            if place is None:
                self.report.count("orphan", 1, f"a row of {table} in a section that was never served")
                continue
            named = place.copies or (place.by_period and "period" in row)
            where = (place, row["client_id"], row["period"] if named else "")
            actual.setdefault(where, {}).setdefault(place.stored(row), []).append(row)
        answered = {(place, client) for place, client, _ in actual if place.copies}
        wanted = [where for where in wanted if where[:2] not in answered]
        for where in sorted({*wanted, *actual}, key=lambda one: (one[0].fixed, one[1], one[2])):
            self._compare_place(where, self._expected_at(where), actual.get(where, {}))

    def _expected_at(self, where: Where) -> dict[Identity, list[dict[str, int]]]:
        """Return what must stand; nothing when later counts of the pool said that the section is empty."""
        place, client, _ = where
        section = dict(place.fixed).get("section", "")
        is_emptied = place.module == "ims" and (client, section) in self._empty
        if is_emptied and self._counted.get(client, 0) > self._seq.get(where, 0):
            return {}
        return self._expected.get(_of_truth(where), {})

    def _check_owner(self, table: str, row: Mapping[str, Any]) -> None:
        unit = self._units.get(row["unit_id"])
        if unit is None or unit["state"] != "ended" or not unit["load_id"]:
            self.report.count("unexplained", 1, f"a row of {table} of a unit that never ended")
        elif unit["client_id"] != row["client_id"]:
            self.report.count("cross_client", 1, f"a row of {table} of a unit of another client")

    def _compare_place(
        self,
        where: Where,
        expected: Mapping[Identity, list[dict[str, int]]],
        actual: Mapping[Identity, list[dict[str, Any]]],
    ) -> None:
        place, client, period = where
        label = f"{place.table} {dict(place.fixed)} {client} {period}"
        for identity, amounts in expected.items():
            rows = actual.get(identity, [])
            self.report.compared += len(amounts)
            if place.sums:
                self._compare_sums(place, label, amounts, rows)
                continue
            missing = len(amounts) - len(rows)
            while missing > 0 and self._take_held(place, client, identity):
                missing -= 1
            if missing > 0:
                what = "waiting" if self._waits(place, client, period) else "lost"
                self.report.count(what, missing, f"{label}: {len(rows)} of {len(amounts)} rows of a record")
            self.report.count("dup", max(0, len(rows) - len(amounts)), label)
            self.report.count("wrong", _differences(amounts, rows), label)
        for identity, rows in actual.items():
            if identity in expected:
                continue
            if identity in self._ever[_of_truth(where)] and self._may_stand(where, expected):
                continue
            elsewhere = any(
                other[0] is place and other[1] != client and identity in known
                for other, known in self._ever.items()
            )
            self.report.count("cross_client" if elsewhere else "orphan", len(rows), label)

    def _may_stand(self, where: Where, expected: Mapping[Identity, Any]) -> bool:
        """Say whether a record of an answer that was served with a fault may stand: no sound one came after it."""
        return not expected or not where[0].by_period or self._waits(*where)

    def _compare_sums(
        self, place: Place, label: str, amounts: list[dict[str, int]], rows: list[dict[str, Any]]
    ) -> None:
        if not rows:
            self.report.count("lost", len(amounts), label)
            return
        for column in place.amounts.values():
            wanted = sum(one.get(column, 0) for one in amounts)
            if wanted != sum(int(row[column]) for row in rows):
                self.report.count("wrong", 1, f"{label}: {column}")
                return

    def _waits(self, place: Place, client: str, period: str) -> bool:
        """Say whether the newest unit about a place ended in the exception report."""
        for (of_client, module, unit_period), unit in self._newest.items():
            if (of_client, module) != (client, place.module):
                continue
            if period and unit_period not in {period, "current"}:
                continue
            if unit["state"] == "ended" and unit["outcome"] not in DONE:
                return True
        return False

    # the ledger itself

    def _check_ledger(self) -> None:
        compared = {place.table for places in PLACES.values() for place in places}
        for (table, _), rows in self._held.items():
            for row in rows if table in compared else ():
                if not row["is_used"] and not self._held_for_a_fault(row):
                    self.report.count(
                        "unexplained", 1, f"a held row of {row['table_name']} that was not served"
                    )
        running = {row["run_id"] for row in self._rows("sync_run", "state = 'running'")}
        told = {row["unit_id"] for row in self._rows("sync_exception")}
        for unit in self._units.values():
            key = (unit["client_id"], unit["module"], unit["unit_period"])
            if unit["state"] != "ended":
                if unit["run_id"] not in running and self._newest[key] is unit:
                    self.report.count(
                        "unexplained", 1, f"a unit of {unit['module']} was left {unit['state']}"
                    )
                continue
            adds_up = unit["rows_in"] == unit["rows_loaded"] + unit["rows_quarantined"]
            if unit["load_id"] and unit["outcome"] in DONE and not adds_up:
                self.report.count("unexplained", 1, f"a unit of {unit['module']} does not add up")
            if unit["outcome"] not in DONE and unit["outcome"] != "cancelled" and unit["unit_id"] not in told:
                self.report.count("unexplained", 1, f"a unit of {unit['module']} failed without an exception")

    def _held_for_a_fault(self, row: Mapping[str, Any]) -> bool:
        """Say whether a held row stems from a unit whose answer was served with a fault.

        Its record is in the truth as it would have been without the fault.
        """
        return any(
            _may_be(place, identity, row["read"])
            for (place, client, _), identities in self._ever.items()
            if place.table == row["table_name"] and client == row["client_id"]
            for identity in identities
        )


def _of_truth(where: Where) -> Where:
    """Return the place by which the truth knows it."""
    return (where[0], where[1], "") if where[0].copies else where


def _may_be(place: Place, identity: Identity, values: Mapping[str, Any]) -> bool:
    """Say whether a held row may be a record: every part of the identity that it still shows is the same."""
    source = values.get("source_row")
    shown = 0
    for (names, column, write), wanted in zip(place.columns, identity, strict=True):
        if isinstance(source, Mapping):
            value = next((write(_plain(source[name])) for name in names if name in source), None)
        else:
            value = _plain(values[column]) if column in values else None
        if value is None:
            continue
        if value != wanted:
            return False
        shown += 1
    return shown > 0


def _differences(amounts: Iterable[Mapping[str, int]], rows: Iterable[Mapping[str, Any]]) -> int:
    """Return how many stored rows of a record have other amounts than were served."""
    served: Counter[tuple[tuple[str, int], ...]] = Counter()
    columns: tuple[str, ...] = ()
    for one in amounts:
        columns = tuple(sorted(one))
        served[tuple((name, one[name]) for name in columns)] += 1
    stored = Counter(tuple((name, int(row[name])) for name in columns) for row in rows)
    return sum((stored - served).values()) if sum(stored.values()) <= sum(served.values()) else 0
