"""A return is read line by line, its net credit must add up, and once filed it is not asked again."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from typing import Any

import pytest

from clientsync.periods import Period
from clientsync.spec.connector import Question
from clientsync.spec.module import Asking, CellMemory, Context, Filing, Finding, Record, SkipKind
from connectors.gst.gstr3b import MODULE
from tests.support.direct_portal import DirectSession, small_portal
from tests.support.gstins import gstin_of

TODAY = date(2026, 11, 23)
PERIOD = Period(2026, 9)
NAMES = [section.name for section in MODULE.sections]


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """The showcase client's return of one month, and its registration as ``gstin``."""
    portal = small_portal(TODAY, clients=2, documents=4)
    session = DirectSession(portal, portal.country.clients[0])
    found: dict[str, Any] = {
        section.name: session.ask(Question(section.endpoint, PERIOD, {})).payload
        for section in MODULE.sections
    }
    return {**found, "gstin": session.client.gstin}


def read(section: str, payload: Any, gstin: str) -> tuple[list[Record], list[Finding]]:
    spec = MODULE.section(section)
    context = Context(gstin, PERIOD, str(PERIOD), section, TODAY)
    records = list(spec.parse(payload, context))
    return records, [one for rule in spec.integrity for one in rule(payload, records, context)]


def lines(records: list[Record]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (one.values["table_no"], one.values["line_code"]): one.values
        for one in records
        if one.table == "gst__gstr3b_line"
    }


def asking(
    *, frequency: str = "M", period: Period = PERIOD, read_on: date | None = None, **settings: bool
) -> Asking:
    memory = {}
    if read_on is not None:
        at = datetime(read_on.year, read_on.month, read_on.day, 6, tzinfo=UTC)
        memory = {name: CellMemory(at, "x", None, 9, was_loaded=True) for name in NAMES}
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    state = Asking(gstin_of(1), frequency, str(period), period, TODAY, now, memory=memory, settings=settings)
    state.filings = [Filing("GSTR3B", PERIOD, date(2026, 10, 16), now)]
    return state


@pytest.mark.parametrize("section", NAMES)
def test_every_statement_is_read_without_a_problem(answers: dict[str, Any], section: str) -> None:
    records, found = read(section, answers[section], answers["gstin"])
    assert records
    assert [one.problem for one in records if one.problem] == []
    assert found == []


def test_the_return_and_the_portals_own_figures_meet_in_the_same_lines(answers: dict[str, Any]) -> None:
    filed = lines(read("retsum", answers["retsum"], answers["gstin"])[0])
    computed = lines(read("autoliab", answers["autoliab"], answers["gstin"])[0])
    for table, mine, theirs in (
        ("3.1(a)", "osup_det", "osup_3_1a"),
        ("3.1(d)", "isup_rev", "isup_3_1d"),
        ("4(A)(5)", "itc_avl.OTH", "itc4a5"),
    ):
        assert filed[table, mine]["igst_paise"] == computed[table, theirs]["igst_paise"]


def test_credit_used_is_named_by_liability_and_credit(answers: dict[str, Any]) -> None:
    records, _ = read("retsum", answers["retsum"], answers["gstin"])
    [used] = [one.values for one in records if one.values.get("kind") == "pditc"]
    raw = answers["retsum"]["tx_pmt"]["pditc"]
    assert used["igst_by_igst_paise"] == int(raw["i_pdi"] * 100)
    [paid] = [one.values for one in records if one.values.get("kind") == "pdcash"]
    assert paid["cgst_tax_paise"] == int(answers["retsum"]["tx_pmt"]["pdcash"][0]["cpd"] * 100)


@pytest.mark.parametrize("head", ["iamt", "camt", "samt", "csamt"])
def test_a_net_credit_that_does_not_add_up_halts_the_unit(answers: dict[str, Any], head: str) -> None:
    payload = copy.deepcopy(answers["retsum"])
    payload["itc_elg"]["itc_net"][head] += 1
    _, found = read("retsum", payload, answers["gstin"])
    assert [(one.code, one.is_halting) for one in found] == [("TOTALS_DISAGREE", True)]


def test_a_bad_line_is_kept_with_its_problem_and_the_others_are_read(answers: dict[str, Any]) -> None:
    payload = copy.deepcopy(answers["retsum"])
    whole = len(read("retsum", payload, answers["gstin"])[0])
    payload["itc_elg"]["itc_avl"][0]["iamt"] = "many"
    records, found = read("retsum", payload, answers["gstin"])
    assert len(records) == whole
    assert [one.problem for one in records if one.problem] == ["iamt: not a number"]
    assert found == []


def test_a_return_of_somebody_else_or_another_month_halts_the_unit(answers: dict[str, Any]) -> None:
    for changed in ({"gstin": gstin_of(77)}, {"ret_period": "082026"}):
        _, found = read("retsum", {**answers["retsum"], **changed}, answers["gstin"])
        assert [(one.code, one.is_halting) for one in found] == [("IDENTITY_MISMATCH", True)]


def test_interstate_supplies_keep_their_place() -> None:
    payload = {"inter_sup": {"unreg_details": [{"pos": "27", "txval": 100, "iamt": 18}]}}
    records, _ = read("retsum", payload, gstin_of(1))
    assert records[0].values["pos"] == "27"
    assert (records[0].values["table_no"], records[0].values["igst_paise"]) == ("3.2", 1800)


@pytest.mark.parametrize("section", ["retsum", "autoliab"])
def test_a_filed_return_read_after_its_filing_is_final(section: str) -> None:
    spec = MODULE.section(section)
    assert spec.skip[0](asking(read_on=date(2026, 10, 16)), spec) is None
    skip = spec.skip[0](asking(read_on=date(2026, 10, 17)), spec)
    assert skip is not None
    assert skip.kind is SkipKind.FINAL


def test_balances_are_asked_only_for_clients_that_want_them() -> None:
    for name in NAMES[2:]:
        spec = MODULE.section(name)
        skip = spec.skip[0](asking(), spec)
        assert skip is not None
        assert "gstr3b_balances" in skip.reason
        assert spec.skip[0](asking(gstr3b_balances=True), spec) is None


def test_a_quarterly_filer_has_a_return_in_the_last_month_of_a_quarter_or_when_one_is_filed() -> None:
    applies = MODULE.not_applicable
    assert applies is not None
    assert applies(asking(frequency="Q")) is None
    assert applies(asking(frequency="Q", period=Period(2026, 8)))
    assert applies(asking(period=Period(2026, 8))) is None
    late_change = asking(frequency="Q", period=Period(2026, 8))
    late_change.filings = [Filing("GSTR3B", Period(2026, 8), date(2026, 9, 18), late_change.now)]
    assert applies(late_change) is None


def test_a_return_downloaded_by_hand_is_recognised(answers: dict[str, Any]) -> None:
    files = MODULE.files
    assert files is not None
    for section in ("retsum", "autoliab"):
        assert files.recognise(answers[section])
        assert [name for name, _ in files.split(answers[section])] == [section]
        assert files.identity(answers[section]) == (answers["gstin"], str(PERIOD))
    assert files.recognise({"docdata": {}}) is None
