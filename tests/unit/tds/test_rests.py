"""What is settled rests for some days and says so; the first sign of a change, or a gap, ends the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from clientsync.spec.module import Asking, CellMemory, Module, Skip, SkipKind
from connectors.tds import challans, notices, return_summary, unconsumed_challans
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


EVERY = (a_statement, a_status_list, proceedings, requests)


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
    ],
)
def test_what_was_asked_in_vain_does_not_rest(settled: Any, gap: str) -> None:
    assert settled(unanswered=(gap,)) is None


def test_what_was_never_read_does_not_rest() -> None:
    for module, section in (
        (unconsumed_challans.MODULE, "status"),
        (notices.MODULE, "proceedings_fyi"),
        (notices.MODULE, "requests"),
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


def test_a_quarter_without_a_statement_is_asked_every_night() -> None:
    empty = CellMemory(READ, None, None, 0, was_loaded=True)
    state = night(Q4, read={"form_26q": empty}, statements={})
    assert skip_of(return_summary.MODULE, "form_26q", state) is None


def test_the_new_act_and_what_asks_for_action_never_rest() -> None:
    for module, section in (
        (challans.MODULE, "act_1961"),
        (challans.MODULE, "act_2025"),
        (unconsumed_challans.MODULE, "unconsumed"),
        (unconsumed_challans.MODULE, "act_2025"),
        (notices.MODULE, "proceedings_fya"),
        (notices.MODULE, "inbox_action"),
        (notices.MODULE, "inbox_general"),
    ):
        assert skip_of(module, section, night(read={section: memory(READ)})) is None


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
