"""R10 to R13: demand, notices, certificates and the quality of PANs."""

from __future__ import annotations

from datetime import date

import pytest

from clientsync.reconcile.tds.certificates import certificates
from clientsync.reconcile.tds.demand import demand_and_notices, demand_roll_forward
from clientsync.reconcile.tds.inputs import (
    DefaultCounts,
    DefaultType,
    DemandSnapshot,
    DemandYear,
    PortalChallan,
    Statement,
    StatementStatus,
)
from clientsync.reconcile.tds.pan_quality import pan_quality
from tests.unit.reconcile.tds_rows import (
    CLIENT,
    Q1,
    Q4,
    certificate,
    deductee,
    demanded,
    line,
    notice,
    one,
    portal,
    statement,
    statuses,
    use,
)

BEFORE, NOW = date(2026, 10, 20), date(2026, 11, 20)


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [
        (0, 5, "DEMAND_NEW"),
        (5, 5, "DEMAND_UNCHANGED"),
        (5, 4, "DEMAND_REDUCED"),
        (5, 6, "DEMAND_INCREASED"),
        (5, 0, "DEMAND_CLOSED_UNEXPLAINED"),
        (0, 0, "DEMAND_NIL"),
    ],
)
def test_r10_says_how_a_demand_moved(first: int, last: int, status: str) -> None:
    before = DemandSnapshot(BEFORE, lines=(line(payable_paise=first),))
    now = DemandSnapshot(NOW, lines=(line(payable_paise=last),))
    row = one(demand_roll_forward(before, now, [], []), status)
    assert row.difference_paise == last - first


@pytest.mark.parametrize(
    ("filed", "payments", "status"),
    [
        ([statement(is_correction=True, filed_on=BEFORE)], [], "DEMAND_CLOSED"),
        ([statement(is_correction=True, filed_on=date(2026, 10, 19))], [], "DEMAND_CLOSED_UNEXPLAINED"),
        ([statement(is_correction=True, filed_on=NOW, form="24Q")], [], "DEMAND_CLOSED_UNEXPLAINED"),
        ([], [portal(minor_head="400", deposited_on=NOW)], "DEMAND_CLOSED"),
        ([], [portal(minor_head="200", deposited_on=NOW)], "DEMAND_CLOSED_UNEXPLAINED"),
        ([], [portal(minor_head="400", deposited_on=NOW, amount_paise=49_000)], "DEMAND_CLOSED"),
        ([], [portal(minor_head="400", deposited_on=NOW, amount_paise=48_999)], "DEMAND_CLOSED_UNEXPLAINED"),
    ],
)
def test_r10_wants_to_know_why_a_demand_is_gone(
    filed: list[Statement], payments: list[PortalChallan], status: str
) -> None:
    before = DemandSnapshot(BEFORE, lines=(line(),))
    assert statuses(demand_roll_forward(before, DemandSnapshot(NOW), filed, payments)) == [status]


def test_r10_lets_one_challan_explain_no_more_than_it_paid() -> None:
    other = line(row_id="2", default_type=DefaultType.LATE_FEE)
    paid = portal(minor_head="400", deposited_on=NOW, amount_paise=60_000)
    before = DemandSnapshot(BEFORE, lines=(line(), other))
    rows = demand_roll_forward(before, DemandSnapshot(NOW), [], [paid])
    assert statuses(rows) == ["DEMAND_CLOSED", "DEMAND_CLOSED_UNEXPLAINED"]
    assert "only" in one(rows, "DEMAND_CLOSED_UNEXPLAINED").why


def test_r10_knows_a_demand_that_came_back_and_a_first_snapshot() -> None:
    now = DemandSnapshot(NOW, lines=(line(),))
    known = {("2025-26-Q4", "26Q", "short payment")}
    rows = demand_roll_forward(DemandSnapshot(BEFORE), now, [], [], known)
    assert statuses(rows) == ["DEMAND_REOPENED"]
    assert statuses(demand_roll_forward(None, now, [], [])) == ["DEMAND_FIRST_SNAPSHOT"]


def test_r10_sees_a_demand_that_contradicts_the_status() -> None:
    now = DemandSnapshot(NOW, quarters=(demanded(),))
    assert statuses(demand_roll_forward(None, now, [statement()], [])) == ["DEMAND_STATUS_CONFLICT"]
    honest = statement(status=StatementStatus.WITH_DEFAULTS)
    assert statuses(demand_roll_forward(None, now, [honest], [])) == ["DEMAND_STATUS_AGREES"]


@pytest.mark.parametrize(("whole", "status"), [(7, "DEMAND_PRIOR_AGREES"), (8, "DEMAND_PRIOR_MISMATCH")])
def test_r10_adds_up_the_prior_years(whole: int, status: str) -> None:
    years = (
        DemandYear(CLIENT, "1", "", 0, whole),
        DemandYear(CLIENT, "2", "2010-11", 0, 3, is_prior=True),
        DemandYear(CLIENT, "3", "2011-12", 0, 4, is_prior=True),
        DemandYear(CLIENT, "4", "2025-26", 0, 9),
    )
    rows = demand_roll_forward(None, DemandSnapshot(NOW, years=years), [], [])
    assert any(row.status == status and row.left == whole for row in rows)


def test_r11_finds_the_intimation_of_a_demand() -> None:
    now = DemandSnapshot(NOW, quarters=(demanded(),))
    assert "DEMAND_NOTICE_FOUND" in statuses(demand_and_notices(now, [notice()], NOW))
    assert statuses(demand_and_notices(now, [], NOW)) == ["DEMAND_WITHOUT_NOTICE"]


@pytest.mark.parametrize(
    ("as_of", "status", "interest"),
    [
        (date(2026, 7, 31), "NOTICE_IN_TIME", None),
        (date(2026, 8, 1), "INTEREST_220_RUNNING", 500),
        (date(2026, 8, 31), "INTEREST_220_RUNNING", 500),
        (date(2026, 9, 1), "INTEREST_220_RUNNING", 1_000),
    ],
)
def test_r11_runs_the_clock_after_thirty_days(as_of: date, status: str, interest: int | None) -> None:
    now = DemandSnapshot(as_of, quarters=(demanded(),))
    assert one(demand_and_notices(now, [notice()], as_of), status).right == interest


def test_r11_runs_the_clock_on_the_manual_demand_of_the_year_that_a_notice_names() -> None:
    yearly = {"quarter": None, "form": "", "category": "Order", "issued_on": date(2026, 7, 1)}
    now = DemandSnapshot(NOW, years=(DemandYear("C1", "1", "2024-25", 50_000, 0),))
    rows = demand_and_notices(now, [notice(**yearly, year="2024-25"), notice(**yearly, row_id="2")], NOW)
    assert statuses(rows) == ["INTEREST_220_RUNNING", "NOTICE_NO_DEMAND"]
    assert one(rows, "INTEREST_220_RUNNING").right == 2_000


def test_r11_counts_interest_once_and_lets_information_be() -> None:
    later = notice(row_id="2", issued_on=date(2026, 7, 2))
    told = notice(row_id="3", is_action_required=False)
    other = notice(row_id="4", quarter=Q1)
    now = DemandSnapshot(NOW, quarters=(demanded(),))
    rows = demand_and_notices(now, [told, later, notice(), other], NOW)
    assert statuses(rows, but="DEMAND") == [
        "INTEREST_220_RUNNING",
        "NOTICE_INFORMATION",
        "NOTICE_NO_DEMAND",
        "NOTICE_REPEATED",
    ]


def test_r12_taxes_what_exceeds_the_limit_at_the_normal_rate() -> None:
    payments = [
        use(row_id="1", amount_paise=46_000_000, tax_paise=460_000),
        use(row_id="2", amount_paise=100_000, tax_paise=1_000),
    ]
    row = one(certificates([certificate()], payments, date(2026, 1, 15)), "LDC_LIMIT_BREACH")
    # Limit 460,800, used 461,000: 200 exceed it, taxed at 10 % and not at 1 %.
    assert row.evidence[0] == "use:2"
    assert row.difference_paise == -1_800
    assert "Rs 200.00 exceed it" in row.why


def test_r12_lets_a_limit_be_used_to_the_last_paisa() -> None:
    rows = certificates([certificate()], [use(amount_paise=46_080_000, tax_paise=460_800)], date(2026, 1, 15))
    assert "LDC_APPLIED" in statuses(rows)


def test_r12_consumes_by_payment_date_and_then_by_row() -> None:
    issued = [certificate(limit_paise=10_000_000)]
    payments = [use(row_id="10"), use(row_id="9"), use(row_id="11", paid_on=date(2026, 1, 9))]
    rows = certificates(issued, payments, date(2026, 1, 15))
    assert one(rows, "LDC_APPLIED").evidence[0] == "use:11"


@pytest.mark.parametrize(
    ("issued", "used", "status"),
    [
        ({}, {}, "LDC_APPLIED"),
        ({}, {"number": "9999ZZ999Z"}, "LDC_UNKNOWN"),
        ({"is_system_generated": False}, {}, "LDC_MANUAL"),
        ({}, {"pan": "BBBPB2222B"}, "LDC_PAN_MISMATCH"),
        ({}, {"section": "194C"}, "LDC_SECTION_MISMATCH"),
        ({"year": "2024-25"}, {}, "LDC_YEAR_MISMATCH"),
        ({"valid_from": date(2026, 1, 11)}, {}, "LDC_EXPIRED_USE"),
        ({"valid_from": date(2026, 1, 10)}, {}, "LDC_APPLIED"),
        ({"valid_to": date(2026, 1, 10)}, {}, "LDC_APPLIED"),
        ({"valid_to": date(2026, 1, 9)}, {}, "LDC_EXPIRED_USE"),
        ({"cancelled_on": date(2026, 1, 10)}, {}, "LDC_EXPIRED_USE"),
        ({"cancelled_on": date(2026, 1, 11)}, {}, "LDC_APPLIED"),
        ({}, {"rate": 2}, "LDC_RATE_MISMATCH"),
        ({}, {"number": "", "tax_paise": 1_000_000}, "LDC_NOT_APPLIED"),
        ({}, {"number": ""}, "LDC_NONE"),
        ({}, {"paid_on": date(2026, 3, 31)}, "LDC_APPLIED"),  # last day of the 1961 Act
        ({"valid_to": date(2026, 6, 1)}, {"paid_on": date(2026, 4, 1)}, "LDC_YEAR_MISMATCH"),
    ],
)
def test_r12_judges_each_payment_by_the_rules(
    issued: dict[str, object], used: dict[str, object], status: str
) -> None:
    rows = certificates([certificate(**issued)], [use(**used)], date(2026, 1, 15))
    (row,) = [row for row in rows if row.key[0] == "use"]
    assert row.status == status


@pytest.mark.parametrize(
    ("consumed", "is_filed", "status"),
    [
        (10_000_000, True, "LDC_CONSUMED_AGREES"),
        (0, False, "LDC_CONSUMED_UNFILED"),
        (0, True, "LDC_CONSUMED_DIFF"),
    ],
)
def test_r12_explains_a_difference_by_quarters_not_filed(consumed: int, is_filed: bool, status: str) -> None:
    rows = certificates([certificate(consumed_paise=consumed)], [use(is_filed=is_filed)], NOW)
    assert status in statuses(rows)


@pytest.mark.parametrize(
    ("as_of", "consumed", "status"),
    [
        (date(2026, 2, 28), 0, "LDC_IN_FORCE"),  # 31 days left
        (date(2026, 3, 1), 0, "LDC_EXPIRING"),  # 30 days left
        (date(2026, 1, 1), 41_472_000, "LDC_EXPIRING"),  # 90 % used
        (date(2026, 1, 1), 41_471_999, "LDC_IN_FORCE"),
        (date(2026, 4, 1), 0, "LDC_OVER"),
    ],
)
def test_r12_warns_before_a_certificate_ends(as_of: date, consumed: int, status: str) -> None:
    rows = certificates([certificate(consumed_paise=consumed, verified_on=as_of)], [], as_of)
    assert status in statuses(rows)


def test_r12_calls_a_certificate_stale_the_day_after_it_was_verified() -> None:
    assert "LDC_FRESH" in statuses(certificates([certificate()], [], date(2026, 1, 15)))
    assert "LDC_STALE" in statuses(certificates([certificate()], [], date(2026, 1, 16)))


@pytest.mark.parametrize(
    ("without", "invalid", "expected"),
    [
        (1, 2, ["PAN_COUNT_AGREES", "PAN_COUNT_AGREES"]),
        (0, 2, ["PAN_COUNT_AGREES", "PAN_COUNT_DIFF"]),
    ],
)
def test_r13_compares_both_counts(without: int, invalid: int, expected: list[str]) -> None:
    rows = [
        deductee(row_id="1", pan="PANNOTAVBL"),
        deductee(row_id="2", pan="PANINVALID"),
        deductee(row_id="3", pan="XX"),
        deductee(row_id="4"),
    ]
    found = pan_quality([DefaultCounts(CLIENT, "1", Q4, "26Q", without, invalid)], rows)
    assert statuses(found) == expected


def test_r13_says_which_side_is_not_there() -> None:
    count = DefaultCounts(CLIENT, "1", Q1, "26Q", 0, 0)
    assert set(statuses(pan_quality([count], [deductee()]))) == {"PAN_COUNT_NOT_SHOWN", "PAN_COUNT_NO_FILE"}
