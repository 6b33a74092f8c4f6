"""What the reconciliations are given is what the warehouse holds: every table, exact paise and days, both Acts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from clientsync.database import writing
from clientsync.errors import UnknownClient
from clientsync.ledger.tables import SyncClient
from clientsync.outcomes import Outcome
from clientsync.periods import Quarter
from clientsync.reconcile.result import State
from clientsync.reconcile.tds.inputs import DeductorInputs, DefaultType, StatementStatus
from clientsync.reconcile.tds.run import reconcile_deductor
from clientsync.spec.module import Record
from connectors.tds import (
    CONNECTOR,
    certificates,
    challans,
    notices,
    outstanding_demand,
    receipts,
    return_summary,
)
from connectors.tds import unconsumed_challans as traces
from connectors.tds.reconciling import DEFAULT_TYPES, Values, _Reader, read_inputs, reconcile
from connectors.tds.statement_rows import FILE_CHALLAN, FILE_DEDUCTEE, STATEMENT_FILE
from tests.support.tds_warehouse import DEDUCTEE, Practice, make_practice, whole_row

PAID = date(2026, 5, 7)
CHALLAN = {"bsr": "0510002", "serial": "00042", "deposited_on": PAID}
CURRENT = {"period": "current"}


@pytest.fixture
def practice(sqlite_url: str) -> Iterator[Practice]:
    made = make_practice(sqlite_url)
    yield made
    made.engine.dispose()


def read(practice: Practice) -> DeductorInputs:
    return read_inputs(practice.engine, "C1", practice.day)


def test_challans_of_the_portal_keep_their_paise_day_and_minor_head_under_both_acts(
    practice: Practice,
) -> None:
    old = {"act": "1961", "section": "act_1961", "cin": "0510002060326", "bsr": "0510002", "serial": "00007"}
    spec = challans.CHALLANS
    practice.load(
        "challans",
        (
            "act_1961",
            [whole_row(spec, **old, deposited_on=date(2026, 3, 6), amount_paise=101, minor_head="400")],
        ),
        (
            "act_2025",
            [whole_row(spec, **CHALLAN, section="act_2025", act="2025", cin="C2", amount_paise=250_001)],
        ),
    )
    found = {one.serial: one for one in read(practice).portal_challans}
    assert (found["00007"].amount_paise, found["00007"].minor_head) == (101, "400")
    assert (found["00042"].amount_paise, found["00042"].deposited_on) == (250_001, PAID)
    assert (found["00042"].bsr, found["00042"].minor_head) == ("0510002", "200")


def test_a_receipt_stands_in_only_for_a_challan_that_the_portal_does_not_list(practice: Practice) -> None:
    listed = whole_row(challans.CHALLANS, **CHALLAN, section="act_2025", cin="C2", amount_paise=500)
    practice.load("challans", ("act_2025", [listed]))
    spec = receipts.RECEIPT
    section = receipts.MODULE.sections[0].name
    practice.load(
        "challan_files",
        (
            section,
            [
                whole_row(spec, **CHALLAN, **CURRENT, section=section, amount_paise=500, minor_head="200"),
                whole_row(
                    spec, **{**CHALLAN, "serial": "00043"}, **CURRENT, section=section, amount_paise=700
                ),
            ],
        ),
    )
    assert [(one.serial, one.amount_paise) for one in read(practice).portal_challans] == [
        ("00042", 500),
        ("00043", 700),
    ]


def test_a_balance_wins_over_the_consumption_and_a_status_alone_has_no_amount(practice: Practice) -> None:
    second, third = {**CHALLAN, "serial": "00043"}, {**CHALLAN, "serial": "00044"}
    portal = {"act": "1961", "portal": "TRACES61"}
    sections = {one.name: one.tables for one in traces.MODULE.sections}
    status = next(name for name, tables in sections.items() if traces.STATUSES.name in tables)
    used = next(name for name, tables in sections.items() if traces.TOTALS.name in tables)
    practice.load(
        "unconsumed_challans",
        (
            "unconsumed",
            [
                whole_row(
                    traces.BALANCES,
                    **CHALLAN,
                    **portal,
                    section="unconsumed",
                    amount_paise=1000,
                    available_paise=400,
                    excess_paise=1,
                )
            ],
        ),
        (
            status,
            [
                whole_row(traces.STATUSES, **one, **portal, is_claimed=True)
                for one in (CHALLAN, second, third)
            ],
        ),
        (
            used,
            [
                whole_row(traces.TOTALS, **one, **portal, amount_paise=2000, available_paise=9)
                for one in (CHALLAN, second)
            ]
            + [
                whole_row(
                    traces.CONSUMPTION,
                    **CHALLAN,
                    **portal,
                    token="770000000000001",
                    occurrence=1,
                    year="2026-27",
                    quarter="2026-27-Q1",
                    form="140",
                    claimed_paise=500,
                    total_paise=600,
                )
            ],
        ),
    )
    found = {
        one.serial: (one.amount_paise, one.available_paise, one.excess_paise)
        for one in read(practice).balances
    }
    assert found == {"00042": (1000, 400, 1), "00043": (2000, 9, 0), "00044": (None, None, 0)}
    (claim,) = read(practice).claims
    assert (claim.claimed_paise, claim.form, claim.quarter) == (600, "26Q", Quarter(2026, 1))


def claimed_challan(**status: Any) -> list[tuple[str, list[Record]]]:
    """Return the answers about a challan of Rs 10 of which one statement consumed Rs 6, with its line of the list."""
    portal = {"act": "1961", "portal": "TRACES61"}
    listed = {"year": "2026-27", "status": "Claimed", "is_claimed": True} | status
    claim = {"token": "770000000000001", "occurrence": 1, "year": "2025-26", "quarter": "2025-26-Q4"}
    total = {"amount_paise": 1000, "consumed_paise": 600, "available_paise": 400, "claims": 1}
    return [
        ("status", [whole_row(traces.STATUSES, **CHALLAN, **portal, **listed)]),
        (
            "consumption",
            [
                whole_row(traces.TOTALS, **CHALLAN, **portal, **total, status="Claimed"),
                whole_row(traces.CONSUMPTION, **CHALLAN, **portal, **claim, form="26Q", total_paise=600),
            ],
        ),
    ]


def test_a_challan_that_is_claimed_no_more_has_no_claims_however_long_ago_it_was_asked(
    practice: Practice,
) -> None:
    practice.load("unconsumed_challans", *claimed_challan())
    assert [one.claimed_paise for one in read(practice).claims] == [600]
    practice.sleep()
    listed, _ = claimed_challan(status="Unclaimed", is_claimed=False)
    practice.load("unconsumed_challans", listed)
    found = read(practice)
    assert found.claims == ()
    assert [(one.amount_paise, one.available_paise) for one in found.balances] == [(None, None)]


def test_a_challan_that_traces_lists_no_more_is_not_on_traces(practice: Practice) -> None:
    practice.load("unconsumed_challans", *claimed_challan())
    practice.sleep()
    listed, _ = claimed_challan()
    for row in listed[1]:
        row.values.update(serial="00099")
    practice.load("unconsumed_challans", listed)
    found = read(practice)
    assert found.claims == ()
    assert [one.serial for one in found.balances] == ["00099"]


def test_what_the_new_portal_says_is_consumed_is_shared_out_and_none_of_it_is_lost(
    practice: Practice,
) -> None:
    row = whole_row(
        traces.BALANCES,
        **CHALLAN,
        section="act_2025",
        act="2025",
        portal="TRACES25",
        amount_paise=1000,
        consumed_paise=900,
        available_paise=100,
    )
    practice.load("unconsumed_challans", ("act_2025", [row]))
    file_row(practice, "2026-27-Q1", 1, total_paise=300)
    file_row(practice, "2026-27-Q2", 1, total_paise=200)
    claims = read(practice).claims
    assert [(one.quarter.label, one.claimed_paise) for one in claims] == [
        ("2026-27-Q1", 300),
        ("2026-27-Q2", 600),
    ]
    r3 = next(
        one for one in reconcile(practice.engine, "C1", practice.day).reconciliations if one.recon == "R3"
    )
    assert [row.status for row in r3.rows] == ["CONSERVED"]


def file_row(practice: Practice, period: str, record: int, **values: int) -> None:
    place = {"period": period, "section": "26Q", "act": Quarter.parse(period).act, "portal": "FILE"}
    practice.load(
        "statements",
        (
            "26Q",
            [
                whole_row(STATEMENT_FILE, **place, form="140"),
                whole_row(FILE_CHALLAN, **place, **CHALLAN, form="140", challan_record=record, **values),
                whole_row(
                    FILE_DEDUCTEE,
                    **place,
                    challan_record=record,
                    deductee_record=3,
                    pan=DEDUCTEE,
                    code="1031",
                    paid_on=date(2026, 5, 2),
                    deducted_on=date(2026, 5, 3),
                    amount_paise=1_000_001,
                    tax_paise=20_000,
                    rate_ppm=20_000,
                    certificate_number="CERT00000000001",
                ),
            ],
        ),
        period=period,
    )


def test_statement_files_keep_heads_days_and_rates(practice: Practice) -> None:
    file_row(
        practice,
        "2026-27-Q1",
        1,
        tax_paise=100,
        surcharge_paise=20,
        cess_paise=3,
        interest_paise=5,
        fee_paise=7,
        total_paise=135,
    )
    inputs = read(practice)
    (challan,), (deductee,) = inputs.file_challans, inputs.file_deductees
    assert (challan.tax_paise, challan.interest_paise, challan.fee_paise, challan.total_paise) == (
        123,
        5,
        7,
        135,
    )
    assert (challan.form, challan.quarter, challan.record) == ("26Q", Quarter(2026, 1), 1)
    assert (deductee.amount_paise, deductee.tax_paise, deductee.rate) == (1_000_001, 20_000, Decimal(2))
    assert (deductee.paid_on, deductee.deducted_on) == (date(2026, 5, 2), date(2026, 5, 3))
    assert (deductee.token, deductee.record) == (challan.token, challan.record)
    (use,) = inputs.certificate_uses
    assert (use.number, use.amount_paise, use.is_filed) == ("CERT00000000001", 1_000_001, False)


def statement(period: str, form: str, token: str, status: str, **more: object) -> tuple[str, Record]:
    act = Quarter.parse(period).act
    section = return_summary.section_name(form)
    values = {"kind": "Regular", "filed_on": date(2026, 7, 20), "status": status} | more
    return section, whole_row(
        return_summary.STATEMENTS, period=period, section=section, act=act, form=form, token=token, **values
    )


def test_statements_of_both_acts_carry_old_form_names_and_what_efiling_accepts_is_filed(
    practice: Practice,
) -> None:
    for period, form, token, status in (
        ("2025-26-Q4", "26Q", "1" * 15, "Processed With Defaults"),
        ("2026-27-Q1", "140", "2" * 15, "Accepted"),
    ):
        section, row = statement(period, form, token, status)
        practice.load("return_summary", (section, [row]), period=period)
    found = {one.token[0]: one for one in read(practice).statements}
    assert (found["1"].status, found["1"].form) == (StatementStatus.WITH_DEFAULTS, "26Q")
    assert (found["2"].status, found["2"].form) == (StatementStatus.FILED, "26Q")
    assert found["2"].quarter == Quarter(2026, 1)
    assert not found["1"].is_correction


def test_notices_and_certificates_are_read_and_no_row_id_holds_a_pan(practice: Practice) -> None:
    inbox = next(one.name for one in notices.MODULE.sections if "inbox" in one.name)
    practice.load(
        "notices",
        (
            inbox,
            [
                whole_row(
                    notices.NOTICES,
                    **CURRENT,
                    section=inbox,
                    portal="TRACES61",
                    reference="N1",
                    category="Intimation with Demand",
                    issued_on=date(2026, 9, 1),
                    year="2026-27",
                    quarter="Q1",
                    form="140",
                    is_action_required=True,
                )
            ],
        ),
    )
    verify = next(
        one.name for one in certificates.MODULE.sections if certificates.CERTIFICATES.name in one.tables
    )
    practice.load(
        "certificates",
        (
            verify,
            [
                whole_row(
                    certificates.CERTIFICATES,
                    section=verify,
                    act="1961",
                    year="2025-26",
                    number="ABCDE12345",
                    pan=DEDUCTEE,
                    section_code="94C",
                    rate_ten_thousandths=5000,
                    limit_paise=77,
                    consumed_paise=7,
                    valid_from_on=date(2025, 4, 1),
                    valid_to_on=date(2026, 3, 31),
                    verified_on=date(2026, 11, 18),
                )
            ],
        ),
    )
    inputs = read(practice)
    (notice,), (certificate,) = inputs.notices, inputs.certificates
    assert (notice.quarter, notice.form, notice.is_action_required) == (Quarter(2026, 1), "26Q", True)
    assert (certificate.rate, certificate.limit_paise, certificate.consumed_paise) == (Decimal("0.5"), 77, 7)
    assert (certificate.section, certificate.pan) == ("194C", DEDUCTEE)
    assert DEDUCTEE not in certificate.row_id


def demand(practice: Practice, manual: int, payable: int | None, code: str = "SHORT_PAYMENT") -> None:
    place = {**CURRENT, "year": "2025-26", "act": "1961", "portal": "TRACES61"}
    one = {**place, "quarter": "Q4", "form": "26Q"}
    first, lines = outstanding_demand.DEMANDS, outstanding_demand.DEFAULTS
    practice.load(
        "outstanding_demand",
        ("demand", [whole_row(first, **place, section="demand", manual_paise=manual, processed_paise=20)]),
        (
            "demand_summary",
            [
                whole_row(
                    outstanding_demand.QUARTERS,
                    **one,
                    section="demand_summary",
                    net_payable_paise=30,
                    without_pan=2,
                    invalid_pan=1,
                ),
                *(
                    [
                        whole_row(
                            lines,
                            **one,
                            section="demand_summary",
                            default_code=code,
                            default_type="Short payment",
                            occurrence=1,
                            amount_paise=9,
                            claimed_paise=4,
                            payable_paise=payable,
                        )
                    ]
                    if payable is not None
                    else []
                ),
            ],
        ),
    )


def test_demand_is_read_to_the_paisa_with_its_lines_and_counts(practice: Practice) -> None:
    demand(practice, 10, 5)
    inputs = read(practice)
    assert inputs.demand is not None
    (year,), (quarter,), (line,) = inputs.demand.years, inputs.demand.quarters, inputs.demand.lines
    assert (year.manual_paise, year.processed_paise, year.year) == (10, 20, "2025-26")
    assert (quarter.net_paise, quarter.quarter) == (30, Quarter(2025, 4))
    assert (line.default_type, line.default_paise, line.claimed_paise, line.payable_paise) == (
        DefaultType.SHORT_PAYMENT,
        9,
        4,
        5,
    )
    (counts,) = inputs.default_counts
    assert (counts.without_pan, counts.invalid_pan) == (2, 1)
    assert inputs.demand_before is None


def test_the_earlier_demand_is_the_newest_reading_that_differs(practice: Practice) -> None:
    demand(practice, 10, 5)
    practice.sleep()
    demand(practice, 10, 8)
    differed = practice.day
    for _ in range(2):
        practice.sleep()
        demand(practice, 10, None)
    inputs = read(practice)
    assert inputs.demand is not None and inputs.demand_before is not None
    assert inputs.demand.lines == ()
    assert [one.payable_paise for one in inputs.demand_before.lines] == [8]
    assert (inputs.demand_before.as_on, inputs.demand.as_on) == (differed, practice.day)


def test_a_demand_that_came_back_is_known_to_have_been_gone(practice: Practice) -> None:
    for payable in (5, None, 5):
        demand(practice, 0, payable)
        practice.sleep()
    assert ("2025-26-Q4", "26Q", "short payment") in read(practice).closed_before


def test_when_all_readings_agree_the_one_before_is_the_earlier_demand(practice: Practice) -> None:
    demand(practice, 10, 5)
    practice.sleep()
    demand(practice, 10, 5)
    inputs = read(practice)
    assert inputs.demand_before is not None and inputs.demand is not None
    assert inputs.demand_before.lines == inputs.demand.lines


def test_an_earlier_day_is_read_as_it_was(practice: Practice) -> None:
    demand(practice, 10, 5)
    day = practice.day
    practice.sleep()
    demand(practice, 99, 5)
    then = read_inputs(practice.engine, "C1", day).demand
    assert then is not None
    assert [one.manual_paise for one in then.years] == [10]


def test_every_type_of_default_but_other_has_its_place() -> None:
    assert set(DEFAULT_TYPES) == set(outstanding_demand.DEFAULT_CODES) - {"OTHER"}
    assert set(DEFAULT_TYPES.values()) == set(DefaultType)


def test_a_default_without_a_place_makes_the_demand_incomplete(practice: Practice) -> None:
    practice.load_nothing("outstanding_demand")
    demand(practice, 10, 5, code="OTHER")
    result = reconcile(practice.engine, "C1", practice.day)
    assert "outstanding_demand" in next(one for one in result.reconciliations if one.recon == "R11").missing


@pytest.mark.parametrize(
    ("module", "recon"),
    [
        ("challans", "R2"),
        ("unconsumed_challans", "R2"),
        ("unconsumed_challans", "R3"),
        ("outstanding_demand", "R11"),
        ("notices", "R11"),
        ("return_summary", "R9"),
    ],
)
@pytest.mark.parametrize("ran", [False, True])
def test_a_module_that_did_not_run_or_did_not_end_makes_what_needs_it_incomplete(
    practice: Practice, module: str, recon: str, ran: bool
) -> None:
    practice.load_nothing(module)
    if ran:
        section = CONNECTOR.module(module).sections[0].name
        practice.load(module, (section, []), outcome=Outcome.TRANSIENT)
    result = reconcile(practice.engine, "C1", practice.day)
    found = next(one for one in result.reconciliations if one.recon == recon)
    assert (found.state, module in found.missing) == (State.INCOMPLETE, True)
    assert result.state is State.INCOMPLETE


def test_a_quarter_that_was_never_asked_makes_the_return_register_incomplete(practice: Practice) -> None:
    practice.load_nothing()
    complete = reconcile(practice.engine, "C1", practice.day)
    assert next(one for one in complete.reconciliations if one.recon == "R9").missing == ()
    change(practice, settings={"tds_forms_since": "2024-25-Q4"})
    wider = reconcile(practice.engine, "C1", practice.day)
    assert next(one for one in wider.reconciliations if one.recon == "R9").missing == ("return_summary",)


def change(practice: Practice, **values: object) -> None:
    table = SyncClient.__table__  # type: ignore[attr-defined]
    with writing(practice.engine) as connection:
        connection.execute(update(table).values(**values))


def test_a_filed_statement_without_its_file_makes_the_files_incomplete(practice: Practice) -> None:
    for period in ("2026-27-Q1", "2026-27-Q2"):
        section, row = statement(period, "140", period[-1] * 15, "Accepted")
        practice.load("return_summary", (section, [row]), period=period)
    file_row(practice, "2026-27-Q1", 1)
    state = next(one for one in read(practice).states if one.module == "statements")
    assert (state.fetched_rows, state.declared_rows) == (1, 2)


def test_the_profile_follows_the_master_and_its_settings(practice: Practice) -> None:
    change(practice, tds_forms="26Q, 24Q", settings={"tds_forms_since": {"24Q": "2026-27-Q1"}})
    assert [(one.form, one.first.label) for one in read(practice).profiles] == [
        ("24Q", "2026-27-Q1"),
        ("26Q", "2025-26-Q1"),
    ]


def test_an_unknown_client_is_refused(practice: Practice) -> None:
    with pytest.raises(UnknownClient):
        read_inputs(practice.engine, "C9", practice.day)


def test_a_client_of_whom_nothing_is_known_is_never_clean(practice: Practice) -> None:
    result = reconcile_deductor(read(practice))
    assert {one.state for one in result.reconciliations if one.recon != "R14"} == {State.INCOMPLETE}


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_a_run_that_loads_while_a_client_is_read_is_compared_with_not_at_all(
    database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice = make_practice(str(request.getfixturevalue(database)))
    listed = whole_row(challans.CHALLANS, **CHALLAN, section="act_2025", cin="C2", amount_paise=500)

    def load_before(reader: _Reader) -> list[Values]:
        """Let a run load a payment between two tables that are read of the client."""
        practice.load("challans", ("act_2025", [listed]))
        return reader.rows(certificates.CERTIFICATES)

    monkeypatch.setattr(_Reader, "certificates", lambda reader: tuple(load_before(reader)))
    assert read(practice).portal_challans == ()
    monkeypatch.undo()
    assert len(read(practice).portal_challans) == 1
    practice.engine.dispose()
