"""What is settled rests for some days and says so; the first sign of a change, or a gap, ends the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from clientsync.spec.module import Asking, CellMemory, Module, Skip, SkipKind
from connectors.tds import (
    certificates,
    challans,
    notices,
    outstanding_demand,
    return_summary,
    unconsumed_challans,
)
from connectors.tds.rests import rows_checksum
from tests.support.tds_modules import NOW, TODAY, asking, memory

Q4 = "2025-26-Q4"
LONG_AGO, READ_DAY = date(2026, 5, 20), TODAY - timedelta(days=2)
READ = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)
STATEMENT = {
    "token": "770000000017094",
    "kind": "Regular",
    "status": "Processed Without Defaults",
    "filed_on": LONG_AGO,
    "processed_on": LONG_AGO + timedelta(days=8),
}
CHALLAN = {
    "bsr": "0001234",
    "serial": "00042",
    "deposited_on": LONG_AGO,
    "amount_paise": 100000,
    "act": "1961",
}
STATUS = {**CHALLAN, "status": "Claimed", "is_claimed": True}
CONSUMED = {("0001234", "00042", LONG_AGO): {"available_paise": 0, "status": "Claimed"}}
FYA = {"successFlag": True, "eProceedings": []}
GRID = {"page": 1, "total": 1, "records": 0, "rows": []}


def known(**changes: Any) -> dict[str, Any]:
    """Return what the warehouse holds of a client with one clean statement and one claimed challan."""
    found: dict[str, Any] = {
        "statements": {(Q4, "26Q"): [STATEMENT]},
        "challans": [CHALLAN],
        "statuses": [STATUS],
        "consumption": CONSUMED,
        "requests": [{"section": "requests", "status": "Available"}],
    }
    return {**found, **changes}


def night(
    quarter: str = "",
    *,
    read: Mapping[str, CellMemory],
    rest_days: int = 7,
    unanswered: tuple[str, ...] = (),
    answers: Mapping[str, Any] | None = None,
    shared: Mapping[str, Any] | None = None,
    today: date = TODAY,
    **changes: Any,
) -> Asking:
    """Return the state of a unit on a later night."""
    state = asking(quarter, known=known(**changes), memory=read, today=today)
    return replace(
        state,
        rest_days=rest_days,
        unanswered=frozenset(unanswered),
        answers=dict(answers or {}),
        shared=shared or {},
    )


def skip_of(module: Module, section: str, state: Asking) -> Skip | None:
    one = module.section(section)
    return next((found for rule in one.skip if (found := rule(state, one)) is not None), None)


def a_statement(**more: Any) -> Skip | None:
    return skip_of(return_summary.MODULE, "form_26q", night(Q4, read={"form_26q": memory(READ)}, **more))


def a_status_list(grid: Mapping[str, Any] = GRID, **more: Any) -> Skip | None:
    before = memory(READ, rows_checksum("rows")(GRID))
    read = {"status": memory(READ), "unconsumed": before}
    return skip_of(
        unconsumed_challans.MODULE, "status", night(read=read, answers={"unconsumed": grid}, **more)
    )


def proceedings(answer: Mapping[str, Any] = FYA, **more: Any) -> Skip | None:
    before = memory(READ, rows_checksum("eProceedings")(FYA))
    read = {"proceedings_fya": before, "proceedings_fyi": memory(READ)}
    state = night(read=read, answers={"proceedings_fya": answer}, **more)
    return skip_of(notices.MODULE, "proceedings_fyi", state)


def requests(**more: Any) -> Skip | None:
    return skip_of(notices.MODULE, "requests", night(read={"requests": memory(READ)}, **more))


def the_old_history(**more: Any) -> Skip | None:
    state = night(read={"act_1961": CellMemory(READ, None, None, 1, was_loaded=True)}, **more)
    return skip_of(challans.MODULE, "act_1961", state)


def the_general_inbox(
    answer: Mapping[str, Any] = GRID, module: Module = notices.MODULE, **more: Any
) -> Skip | None:
    before = memory(READ, rows_checksum("rows")(GRID))
    read = {"inbox_action": before, "inbox_general": memory(READ)}
    return skip_of(module, "inbox_general", night(read=read, answers={"inbox_action": answer}, **more))


def the_certificates_inbox(answer: Mapping[str, Any] = GRID, **more: Any) -> Skip | None:
    return the_general_inbox(answer, certificates.MODULE, **more)


def the_filed_forms(**more: Any) -> Skip | None:
    filed = {"statements": {("2026-27-Q1", "140"): [{**STATEMENT, "status": "Accepted"}]}, **more}
    return skip_of(
        return_summary.MODULE, "form_140", night("2026-27-Q1", read={"form_140": memory(READ)}, **filed)
    )


DEMANDED = {"year": "2025-26", "quarter": "Q4", "form": "26Q", "loaded_at": READ + timedelta(hours=1)}
WITH_DEFAULTS = {(Q4, "26Q"): [{**STATEMENT, "status": "Processed With Defaults"}]}


def a_demanded_statement(**more: Any) -> Skip | None:
    state = {
        "statements": WITH_DEFAULTS,
        "demand_quarters": [DEMANDED],
        "shared": {"outstanding_demand": False},
    }
    return a_statement(**{**state, **more})


def the_list_of_certificates(rows: int = 0, **more: Any) -> Skip | None:
    read = {"list_2025": CellMemory(READ, None, None, rows, was_loaded=True)}
    return skip_of(certificates.MODULE, "list_2025", night(read=read, **more))


EVERY = (
    the_list_of_certificates,
    a_demanded_statement,
    a_statement,
    a_status_list,
    proceedings,
    requests,
    the_old_history,
    the_general_inbox,
    the_certificates_inbox,
    the_filed_forms,
)


@pytest.mark.parametrize("settled", EVERY)
def test_a_rest_names_its_reason_and_both_days(settled: Any) -> None:
    skip = settled()
    assert skip is not None and skip.kind is SkipKind.RESTING
    assert "read on 18-11-2026, read again on 25-11-2026" in skip.reason


@pytest.mark.parametrize("settled", EVERY)
def test_a_rest_ends_after_its_days_and_never_began_with_zero(settled: Any) -> None:
    assert settled(today=READ_DAY + timedelta(days=6)) is not None
    assert settled(today=READ_DAY + timedelta(days=7)) is None
    assert settled(rest_days=0) is None


@pytest.mark.parametrize(
    ("settled", "gap"),
    [
        (a_statement, "form_26q"),
        (a_statement, "rejection_reason"),
        (a_status_list, "status"),
        (a_status_list, "consumption"),
        (a_status_list, "unconsumed"),
        (proceedings, "proceedings_fyi"),
        (requests, "requests"),
        (the_old_history, "act_1961"),
        (the_old_history, "detail_1961"),
        (the_general_inbox, "inbox_general"),
        (the_general_inbox, "inbox_action"),
        (the_certificates_inbox, "inbox_action"),
        (the_filed_forms, "form_140"),
        (the_list_of_certificates, "list_2025"),
    ],
)
def test_what_was_asked_in_vain_does_not_rest(settled: Any, gap: str) -> None:
    assert settled(unanswered=(gap,)) is None


def test_what_was_never_read_does_not_rest() -> None:
    for module, section in (
        (unconsumed_challans.MODULE, "status"),
        (notices.MODULE, "proceedings_fyi"),
        (notices.MODULE, "requests"),
        (notices.MODULE, "inbox_general"),
        (certificates.MODULE, "inbox_general"),
        (challans.MODULE, "act_1961"),
    ):
        assert skip_of(module, section, night(read={})) is None
    assert skip_of(return_summary.MODULE, "form_26q", night(Q4, read={})) is None


@pytest.mark.parametrize(
    "open_ones",
    [
        [],
        [{**STATEMENT, "status": "Processed With Defaults"}],
        [{**STATEMENT, "status": "Pending for Processing"}],
        [STATEMENT, {**STATEMENT, "token": "770000000027094"}],
    ],
)
def test_a_statement_that_is_open_or_not_stored_whole_is_asked_every_night(open_ones: Any) -> None:
    assert a_statement(statements={(Q4, "26Q"): open_ones}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"shared": {}},
        {"shared": {"outstanding_demand": True}},
        {"demand_quarters": []},
        {"demand_quarters": [{**DEMANDED, "form": "24Q"}]},
        {"demand_quarters": [{**DEMANDED, "quarter": "Q3"}]},
        {"demand_quarters": [{**DEMANDED, "year": "2024-25"}]},
        {"demand_quarters": [{**DEMANDED, "loaded_at": READ + timedelta(days=1)}]},
        {"statements": {(Q4, "26Q"): [{**STATEMENT, "status": "Pending for Processing"}]}},
    ],
)
def test_a_statement_with_defaults_is_asked_every_night_unless_the_demand_for_it_stands_unmoved(
    change: dict[str, Any],
) -> None:
    assert a_demanded_statement(**change) is None


def test_a_quarter_without_a_statement_is_asked_every_night() -> None:
    empty = CellMemory(READ, None, None, 0, was_loaded=True)
    state = night(Q4, read={"form_26q": empty}, statements={})
    assert skip_of(return_summary.MODULE, "form_26q", state) is None


def test_payments_of_the_new_act_and_what_asks_for_action_never_rest() -> None:
    for module, section in (
        (challans.MODULE, "act_2025"),
        (unconsumed_challans.MODULE, "unconsumed"),
        (unconsumed_challans.MODULE, "act_2025"),
        (notices.MODULE, "proceedings_fya"),
        (notices.MODULE, "inbox_action"),
        (certificates.MODULE, "inbox_action"),
        (certificates.MODULE, "list_2025"),
    ):
        assert skip_of(module, section, night(read={section: memory(READ)})) is None


LATE = {**CHALLAN, "serial": "00043", "deposited_on": READ_DAY}


@pytest.mark.parametrize(
    "change",
    [
        {"unconsumed": [LATE]},
        {"statuses": [{**STATUS, **LATE}]},
        {"statements": {(Q4, "26Q"): [{**STATEMENT, "filed_on": READ_DAY}]}},
        {"statements": {(Q4, "26Q"): [{**STATEMENT, "processed_on": READ_DAY}]}},
        {"shared": {"return_summary": {Q4: [READ_DAY]}}},
        {"challans": []},
        {"challans": [CHALLAN, LATE]},
        {"shared": {"outstanding_demand": True}},
        {"demand_moved_at": READ + timedelta(days=1)},
    ],
)
def test_every_sign_of_a_payment_wakes_the_history_of_the_old_act(change: dict[str, Any]) -> None:
    assert the_old_history(**change) is None


def test_a_challan_that_both_portals_show_or_one_that_is_older_than_the_history_wakes_nothing() -> None:
    older = {**LATE, "deposited_on": READ_DAY - timedelta(days=1)}
    assert the_old_history(unconsumed=[CHALLAN, older]) is not None


def test_the_history_of_the_old_act_never_rests_while_its_last_payments_are_due() -> None:
    day = challans.LAST_PAYMENTS_DUE
    read = datetime(day.year, day.month, day.day, 6, tzinfo=UTC) - timedelta(days=1)
    paid = {**CHALLAN, "deposited_on": day - timedelta(days=20)}

    def skip(today: date) -> Skip | None:
        state = night(
            read={"act_1961": CellMemory(read, None, None, 1, was_loaded=True)},
            today=today,
            challans=[paid],
            statuses=[],
            statements={},
        )
        return skip_of(challans.MODULE, "act_1961", state)

    assert skip(day) is None
    assert skip(day + timedelta(days=1)) is not None


def test_a_communication_that_moved_or_a_new_statement_wakes_the_tab_for_information() -> None:
    moved = {**GRID, "records": 1, "rows": [{"commRefNo": "1"}]}
    processed = {(Q4, "26Q"): [{**STATEMENT, "processed_on": READ_DAY}]}
    for tab in (the_general_inbox, the_certificates_inbox):
        assert tab(moved) is None
        assert tab(statements=processed) is None
        assert tab(shared={"return_summary": {Q4: [READ_DAY]}}) is None
        assert tab(shared={"outstanding_demand": True}) is None
        assert tab(demand_moved_at=READ + timedelta(days=1)) is None


def test_the_demand_tells_the_other_modules_whether_it_has_moved() -> None:
    share, section = outstanding_demand.MODULE.share, outstanding_demand.MODULE.section("demand")
    assert share is not None and section.checksum is not None
    answer = {"rows": [{"fin": "2025", "finYr": "2025-26", "manual": "0", "processed": "100"}]}
    read = {"demand": memory(READ, section.checksum(answer))}
    assert share(night(read=read, answers={"demand": answer})) is False
    assert share(night(read=read, answers={"demand": {"rows": []}})) is True
    assert share(night(read={}, answers={"demand": answer})) is True


@pytest.mark.parametrize("status", ["Filed", "Something New"])
def test_a_form_that_e_filing_has_not_accepted_is_asked_every_night(status: str) -> None:
    place = ("2026-27-Q1", "140")
    assert the_filed_forms(statements={place: [{**STATEMENT, "status": status}]}) is None
    assert the_filed_forms(statements={place: []}) is None
    assert the_filed_forms(statements={place: [{**STATEMENT, "status": "Accepted"}] * 2}) is None


def test_the_list_of_certificates_rests_only_while_nobody_has_one() -> None:
    named = {
        "number": "0AA0000TDP0A000",
        "act": "2025",
        "year": "2026-27",
        "pan": "AAAPA1111A",
        "source": "statement",
    }
    assert the_list_of_certificates(certificates=[{**named, "act": "1961"}]) is not None
    assert the_list_of_certificates(certificates=[named]) is None
    assert the_list_of_certificates(rows=1) is None


def test_certificates_are_verified_on_a_night_on_which_the_tab_for_information_rests() -> None:
    certificate = {
        "number": "1234567890",
        "act": "1961",
        "year": "2026-27",
        "pan": "AAACA1111A",
        "source": "register",
        "verified_on": None,
    }
    before = memory(READ, rows_checksum("rows")(GRID))
    follow = certificates.MODULE.section("inbox_action").follow
    assert follow is not None
    for read, count in (
        ({"inbox_action": before, "inbox_general": memory(READ)}, 1),
        ({"inbox_action": before}, 0),
    ):
        state = night(read=read, answers={"inbox_action": GRID}, certificates=[certificate])
        assert len(follow(GRID, state) or ()) == count


@pytest.mark.parametrize(
    "change",
    [
        {"grid": {**GRID, "records": 1, "rows": [{"chlnsrno": "00042"}]}},
        {"statements": {(Q4, "26Q"): [{**STATEMENT, "filed_on": READ_DAY}]}},
        {"statements": {(Q4, "26Q"): [{**STATEMENT, "processed_on": READ_DAY}]}},
        {"shared": {"challans": [{**CHALLAN, "deposited_on": TODAY}]}},
        {"shared": {"return_summary": {Q4: [READ_DAY]}}},
        {"consumption": {}},
        {"consumption": {next(iter(CONSUMED)): {"available_paise": 5, "status": "Claimed"}}},
        {"statuses": []},
        {"shared": {"outstanding_demand": True}},
        {"demand_moved_at": READ + timedelta(days=1)},
    ],
)
def test_every_sign_of_a_change_wakes_the_status_list(change: dict[str, Any]) -> None:
    assert a_status_list(**change) is None


def test_a_unit_of_return_summary_leaves_the_newest_days_of_the_old_act() -> None:
    row = {"dtoffiling": "31-Jul-2025", "dtofprcng": "09-Aug-2025"}
    later, broken = {**row, "dtofprcng": "12-Aug-2025"}, {"dtoffiling": "soon"}
    share = return_summary.MODULE.share
    assert share is not None
    assert share(
        night(Q4, read={}, answers={"form_24q": {"rows": [row, broken]}, "form_26q": {"rows": [later]}})
    ) == [
        date(2025, 8, 9),
        date(2025, 8, 12),
    ]
    assert share(night("2026-27-Q1", read={}, answers={"form_140": {"forms": [{}]}})) == []


def test_without_the_grid_of_tonight_the_status_list_does_not_rest() -> None:
    read = {"status": memory(READ), "unconsumed": memory(READ, rows_checksum("rows")(GRID))}
    assert skip_of(unconsumed_challans.MODULE, "status", night(read=read)) is None


def test_a_challan_that_cannot_be_asked_for_its_consumption_wakes_nothing() -> None:
    assert a_status_list(consumption={}, challans=[]) is not None


def test_a_proceeding_that_moved_wakes_the_list_for_information() -> None:
    assert proceedings({**FYA, "eProceedings": [{"proceedingReqId": "1"}]}) is None


@pytest.mark.parametrize("status", ["Submitted", "Something New"])
def test_a_requested_file_that_is_pending_is_looked_for_every_night(status: str) -> None:
    assert requests(requests=[{"section": "requests", "status": status}]) is None
    other = [{"section": "requests", "status": "Available"}, {"section": "new_requests", "status": status}]
    assert requests(requests=other) is not None


def test_the_moment_of_reading_counts_by_the_indian_day() -> None:
    late = memory(datetime(2026, 11, 17, 19, 0, tzinfo=UTC))
    skip = skip_of(notices.MODULE, "requests", night(read={"requests": late}))
    assert NOW.date() == TODAY
    assert skip is not None and "read on 18-11-2026" in skip.reason
