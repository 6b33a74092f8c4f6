"""What a module is: one portal statement, declared as data.

A ``Module`` names its sections (what is asked), its tables (what is stored), its checks (what must hold) and
its rules for not asking. ``client_id`` is never in a spec: the engine adds it to every key, so an author
cannot forget it. Code appears only as named functions that the spec refers to; they are pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict
from sqlmodel import SQLModel

from clientsync.periods import Period, Quarter
from clientsync.spec.checks import Check


class Row(SQLModel):
    """Base of the typed rows: validates, forbids unknown columns, is not a table itself.

    Columns are declared with the makers of ``clientsync.spec.columns``, which carry the description for the
    data dictionary and the class of personal data.
    """

    model_config = ConfigDict(extra="forbid")  # type: ignore[assignment]


class Deletes(StrEnum):
    """What becomes of a stored row that a whole answer for its scope no longer holds."""

    TOMBSTONE = "tombstone"  # marked removed, kept with its history
    KEEP = "keep"  # the source lists only what is new, so absence says nothing


NO_PERIOD = "current"
"""Unit period of a unit that has none."""


class Cadence(StrEnum):
    """What one unit of the module spans."""

    PERIOD = "period"  # unit period is MMYYYY
    QUARTER = "quarter"  # unit period is 2025-26-Q4
    FINANCIAL_YEAR = "financial_year"  # unit period is 2026-27
    CLIENT = "client"  # one open pool without a period; unit period is "current"


@dataclass(frozen=True)
class TableSpec:
    """One table of the warehouse.

    Attributes:
        name: ``{portal}__{module}_{what}``; the table is ``core_<name>``, its history ``core_<name>_history``.
        row: the typed row.
        key: columns that identify a row within a client.
        scope: columns whose values bound what one whole answer replaces, for example period and section.
        description: one sentence for the data dictionary.
        deletes: what becomes of rows that vanish from their scope.
        checks: what must hold for its rows.
        max_delete_share: vanishing of more than this share of a scope (of at least 10 rows) is suspect.
    """

    name: str
    row: type[Row]
    key: tuple[str, ...]
    scope: tuple[str, ...]
    description: str
    deletes: Deletes = Deletes.TOMBSTONE
    checks: tuple[Check, ...] = ()
    max_delete_share: float = 0.6


@dataclass(frozen=True)
class Record:
    """One parsed row on its way to a table.

    Attributes:
        table: ``TableSpec.name``.
        values: column to value, money in paise, dates as ``date``; not yet validated.
        problem: why the source's own row could not be read, None for a good one; such a record goes straight
            to quarantine with ``values`` as evidence.
    """

    table: str
    values: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class Deductor:
    """Who deducts tax: the account number (TAN), the PAN behind it, and which statements it files.

    Attributes:
        tan: tax deduction account number.
        pan: PAN of the deductor, empty when it is not known.
        category: code of statement files, for example ``K`` company; empty when it is not known.
        forms: form profile by the names of the Act of 1961: ``24Q``, ``26Q``, ``27Q``, ``27EQ``.
    """

    tan: str
    pan: str = ""
    category: str = ""
    forms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """What a parser may know besides the payload.

    Attributes:
        gstin, tan: whose data; empty where the client has no such number.
        answers: payloads of the sections answered before in this unit, by section name; of a detail the newest.
    """

    gstin: str
    period: Period | None
    unit_period: str
    section: str
    asked_on: date
    tan: str = ""
    quarter: Quarter | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)


class SkipKind(StrEnum):
    """The proof on which a section is not asked, or the setting that leaves it out."""

    EMPTY_BY_COUNT = "empty_by_count"  # a summary read in this unit counts zero rows
    UNCHANGED_BY_CHECKSUM = "unchanged_by_checksum"  # a summary's checksum equals that of the stored rows
    FINAL = "final"  # by law nothing can change any more, and the stored rows were read after that
    NOT_APPLICABLE = "not_applicable"  # by law there is no such statement for this client and period
    SWITCHED_OFF = "switched_off"  # the operator's settings leave it out; nothing is claimed of the data
    RESTING = "resting"  # settled and read some days ago, to be read again; nothing is claimed of the data


@dataclass(frozen=True)
class Skip:
    """A section that is not asked, with its reason in words."""

    kind: SkipKind
    reason: str


@dataclass(frozen=True)
class CellMemory:
    """What the ledger remembers of a section (client x module x unit period x section) from earlier runs.

    Attributes:
        asked_at: when it was last answered.
        checksum: what the source or ``Section.checksum`` gave for it.
        summary_checksum: what the summary said of it when it was last answered.
        rows: rows in the last whole answer.
        was_loaded: whether that answer is in the warehouse.
        uncertain_empty: whether its emptiness rested on a code that one source alone uses so.
    """

    asked_at: datetime
    checksum: str | None
    summary_checksum: str | None
    rows: int
    was_loaded: bool
    uncertain_empty: bool = False


@dataclass(frozen=True)
class Filing:
    """One filed return as the return register has it."""

    return_type: str
    period: Period
    filed_on: date
    read_at: datetime


@dataclass
class Asking:
    """The state in which skip rules and parameter makers decide; read-only for them.

    Attributes:
        gstin: whose data are asked.
        frequency: ``M`` monthly or ``Q`` quarterly filer.
        unit_period: the unit's period label.
        period: the month, None for units that do not span one.
        quarter: the quarter, None for units that do not span one.
        deductor: the client as a deductor of tax, None when it is none.
        today: the Indian date.
        now: the moment.
        answers: payloads of the sections answered so far in this unit, by section name.
        memory: what earlier runs remember, by section name.
        filings: filed returns of this client known so far.
        settings: per-client switches, for example ``generate_2b``.
        shared: what units of other modules, fetched earlier in this run for the same client and the same or no
            period, left by ``Module.share``: module name to value. A unit without a period sees, of a module that
            goes by periods, a mapping of unit period to value.
        known: what the warehouse holds of this client, as the connector's ``known`` reads it.
        rest_days: how many days a settled section may rest after it was read, 0: nothing rests in this run.
        unanswered: sections of the unit that were last asked in vain.
    """

    gstin: str
    frequency: str
    unit_period: str
    period: Period | None
    today: date
    now: datetime
    answers: dict[str, Any] = field(default_factory=dict)
    memory: Mapping[str, CellMemory] = field(default_factory=dict)
    filings: Sequence[Filing] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)
    quarter: Quarter | None = None
    deductor: Deductor | None = None
    rest_days: int = 0
    unanswered: frozenset[str] = frozenset()

    def filed(self, return_type: str) -> Filing | None:
        """Return the filing of ``return_type`` for this unit's period, None when the register has none."""
        for filing in self.filings:
            if filing.return_type == return_type and filing.period == self.period:
                return filing
        return None


SkipRule = Callable[[Asking, "Section"], Skip | None]


@dataclass(frozen=True)
class Finding:
    """Something an integrity function saw.

    Attributes:
        code: stable, for example ``GST-2B-TOTALS``.
        message: in words, without identities.
        is_halting: True stops the unit as suspect; False is a warning in the exceptions.
    """

    code: str
    message: str
    is_halting: bool = True


Integrity = Callable[[Any, Sequence[Record], Context], Iterable[Finding]]
Parser = Callable[[Any, Context], Iterable[Record]]


def no_params(_: Asking) -> dict[str, str]:
    """Say that a question needs nothing besides the taxpayer and the period."""
    return {}


@dataclass(frozen=True)
class Section:
    """One question to the portal, and what its answer fills.

    Attributes:
        name: unique in the module.
        endpoint: name in the endpoint map that every provider adapter has, for example ``gstr1.b2b``.
        parse: payload to records; every row of the payload becomes exactly one record or one with a problem.
        tables: tables whose scope the answer covers whole; an empty answer empties that scope.
        params: what the question carries besides taxpayer and period.
        skip: rules asked in order before the portal is; the first reason wins.
        integrity: checks over payload and records.
        reconcile: compares the records with what other sections of this unit answered, for example a summary.
        checksum: what identifies an unchanged payload, None: the hash of the payload.
        summary_checksum: what the summary (already in ``Asking.answers``) says of this section.
        more: further questions' parameters that a first answer asks for (paging), empty when whole.
        next_page: parameters of the page after one: (its payload, pages so far) to parameters, None when whole.
        merge: joins the answers of all pages in order into one payload.
        follow: follow-up questions of an answer: (name of a detail section, its parameters) each; a detail may
            have follow-up questions of its own. None: nothing of the details can have changed, so they stay.
        is_detail: asked only as a follow-up, for example the detail of each new notice.
        whole_with: for a detail: the section that follows up everything whenever it follows up anything, so
            that rows which the details no longer hold are gone; empty: details only add.
        after: name of a summary section that must have an answer first; when it failed this one fails alike,
            when it said that there is nothing this one is empty.
    """

    name: str
    endpoint: str
    parse: Parser
    tables: tuple[str, ...]
    params: Callable[[Asking], dict[str, str]] = no_params
    skip: tuple[SkipRule, ...] = ()
    integrity: tuple[Integrity, ...] = ()
    reconcile: Callable[[Sequence[Record], Asking], Iterable[Finding]] | None = None
    checksum: Callable[[Any], str | None] | None = None
    summary_checksum: Callable[[Asking], str | None] | None = None
    more: Callable[[Any], Sequence[dict[str, str]]] | None = None
    next_page: Callable[[Any, int], dict[str, str] | None] | None = None
    merge: Callable[[Sequence[Any]], Any] | None = None
    follow: Callable[[Any, Asking], Sequence[tuple[str, dict[str, str]]] | None] | None = None
    is_detail: bool = False
    whole_with: str = ""
    after: str = ""


@dataclass(frozen=True)
class Module:
    """One portal statement.

    Attributes:
        name: ``gstr2b``.
        title: for people.
        sections: asked in this order.
        tables: where their rows go.
        cadence: what one unit spans.
        needs_session: False for public calls that need no taxpayer session.
        not_before: the first day on which the statement of a period can exist, None: any time.
        not_applicable: reason why the module has no statement for a client and period, None when it has.
        files: recognises a payload downloaded by hand; see ``HandFile``.
        naive_calls: calls that asking for everything would cost, for the dry run.
        share: what later units of the same client may know of this unit's answers, None: nothing. Small: it is
            kept for the run.
        only_open_periods: the unit is planned only when the newest open period is among the chosen ones.
    """

    name: str
    title: str
    sections: tuple[Section, ...]
    tables: tuple[TableSpec, ...]
    cadence: Cadence = Cadence.PERIOD
    needs_session: bool = True
    not_before: Callable[[Period], date] | None = None
    not_applicable: Callable[[Asking], str | None] | None = None
    files: HandFile | None = None
    naive_calls: int = 1
    share: Callable[[Asking], Any] | None = None
    only_open_periods: bool = False

    def section(self, name: str) -> Section:
        """Return the section of that name."""
        return next(one for one in self.sections if one.name == name)


@dataclass(frozen=True)
class HandFile:
    """How a module recognises and splits a file that a person downloaded from the portal.

    Attributes:
        recognise: payload to a short label such as ``GSTR-2B``, None when it is not this module's.
        identity: payload to (GSTIN or TAN, period text or "current"); either may be None when the file does not
            say.
        split: payload to (section name, payload as the API would have answered) pairs.
        decode: the bytes of a file that is no JSON, and its name, to a payload of texts, whole numbers, lists
            and objects; None when the file is not this module's. The name counts only for a file whose layout
            is not public. None instead of a function: the module reads JSON only.
        needs: sections without which the statement is not whole, where the portal hands it out in several files.
            Until each of them was read once, from a file or from the portal, the unit waits for a person.
    """

    recognise: Callable[[Any], str | None]
    identity: Callable[[Any], tuple[str | None, str | None]]
    split: Callable[[Any], Iterable[tuple[str, Any]]]
    decode: Callable[[bytes, str], Any] | None = None
    needs: tuple[str, ...] = ()
