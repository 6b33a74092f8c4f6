"""Ledgers are loaded only when they add up, and a closed window is not asked again."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.periods import Period
from clientsync.spec.connector import Question
from clientsync.spec.module import Asking, CellMemory, Context, Filing, Finding, Record, SkipKind
from connectors.gst.ledgers import HEADS, MINOR, MODULE
from tests.support.direct_portal import DirectSession, small_portal
from tests.support.gstins import gstin_of

TODAY = date(2026, 11, 23)
PERIOD = Period(2026, 9)


def asking(period: Period = PERIOD, read: dict[str, date] | None = None) -> Asking:
    memory = {
        name: CellMemory(datetime(day.year, day.month, day.day, 6, tzinfo=UTC), "x", None, 3, was_loaded=True)
        for name, day in (read or {}).items()
    }
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    return Asking(gstin_of(1), "M", str(period), period, TODAY, now, memory=memory)


def context(section: str, gstin: str) -> Context:
    return Context(gstin, PERIOD, str(PERIOD), section, TODAY)


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """The showcase client's ledgers of one month, and its registration as ``gstin``."""
    portal = small_portal(TODAY, clients=2, documents=4)
    session = DirectSession(portal, portal.country.clients[0])
    found: dict[str, Any] = {
        section.name: session.ask(Question(section.endpoint, PERIOD, section.params(asking()))).payload
        for section in MODULE.sections
    }
    return {**found, "gstin": session.client.gstin}


def read(section: str, payload: Any, gstin: str) -> tuple[list[Record], list[Finding]]:
    spec = MODULE.section(section)
    records = list(spec.parse(payload, context(section, gstin)))
    found = [one for rule in spec.integrity for one in rule(payload, records, context(section, gstin))]
    return records, found


@pytest.mark.parametrize("section", ["cash", "itc", "tax", "bal"])
def test_every_line_is_read_and_the_ledger_adds_up(answers: dict[str, Any], section: str) -> None:
    payload = answers[section]
    records, found = read(section, payload, answers["gstin"])
    ledger = payload.get("itcLdgDtls", payload)
    entries = [one for one in records if one.table == "gst__ledger_entry"]
    assert records
    assert len(entries) == len(ledger.get("tr", []))
    assert [one.problem for one in records if one.problem] == []
    assert found == []


@pytest.mark.parametrize(
    ("section", "entry", "amount"),
    [("cash", "igst", "tx"), ("tax", "igst", "tx"), ("itc", "", "igstTaxAmt")],
)
def test_a_ledger_that_does_not_add_up_halts_the_unit(
    answers: dict[str, Any], section: str, entry: str, amount: str
) -> None:
    payload = copy.deepcopy(answers[section])
    row = payload.get("itcLdgDtls", payload)["tr"][-1]
    target = row[entry] if entry else row
    target[amount] += 1
    _, found = read(section, payload, answers["gstin"])
    assert [(one.code, one.is_halting) for one in found] == [("TOTALS_DISAGREE", True)]


def test_a_debit_raises_the_liability_ledger_and_lowers_the_cash_ledger(answers: dict[str, Any]) -> None:
    for section, sign in (("tax", 1), ("cash", -1), ("itc", -1)):
        records, _ = read(section, answers[section], answers["gstin"])
        debits = [one.values["effect_paise"] for one in records if one.values.get("entry_type") == "Dr"]
        assert debits
        assert all(one * sign > 0 for one in debits)


def test_running_totals_of_zero_are_not_used(answers: dict[str, Any]) -> None:
    payload = copy.deepcopy(answers["cash"])
    for row in payload["tr"]:
        for head in HEADS:
            row[f"{head}bal"]["tot"] = 0
    assert read("cash", payload, answers["gstin"])[1] == []


def test_a_bad_line_is_kept_with_its_problem_and_sums_are_not_judged(answers: dict[str, Any]) -> None:
    payload = copy.deepcopy(answers["cash"])
    payload["tr"][0]["tr_typ"] = "Xx"
    records, found = read("cash", payload, answers["gstin"])
    assert [one.problem for one in records if one.problem] == ["tr_typ is neither Cr nor Dr"]
    assert len(records) == len(payload["tr"]) + 8
    assert found == []


def test_equal_lines_are_numbered(answers: dict[str, Any]) -> None:
    payload = copy.deepcopy(answers["cash"])
    payload["tr"].append(copy.deepcopy(payload["tr"][0]))
    records, _ = read("cash", payload, answers["gstin"])
    numbers = [one.values["occurrence"] for one in records if one.table == "gst__ledger_entry"]
    assert sorted(numbers)[-2:] == [1, 2]


def test_a_ledger_of_somebody_else_halts_the_unit(answers: dict[str, Any]) -> None:
    for section in ("cash", "itc", "tax", "bal"):
        _, found = read(section, answers[section], gstin_of(77))
        assert found[0].code == "IDENTITY_MISMATCH"


def test_a_window_beyond_the_month_halts_the_unit(answers: dict[str, Any]) -> None:
    payload = {**answers["cash"], "to_dt": "05/10/2026"}
    assert [one.code for one in read("cash", payload, answers["gstin"])[1]] == ["IDENTITY_MISMATCH"]


def test_a_new_field_is_a_warning(answers: dict[str, Any]) -> None:
    payload = copy.deepcopy(answers["itc"])
    payload["itcLdgDtls"]["tr"][0]["colour"] = "red"
    [one] = read("itc", payload, answers["gstin"])[1]
    assert (one.code, one.is_halting) == ("SCHEMA-NEW-FIELD", False)
    assert "itcLdgDtls.tr.colour" in one.message


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["Cr", "Dr"]), st.sampled_from(HEADS), st.integers(0, 10**9)), max_size=6
    )
)
def test_opening_and_any_postings_give_the_closing(postings: list[tuple[str, str, int]]) -> None:
    def balance(amounts: dict[str, int]) -> dict[str, Any]:
        return {f"{head}bal": {"tx": amounts[head], **dict.fromkeys(list(MINOR)[1:], 0)} for head in HEADS}

    running = dict.fromkeys(HEADS, 500)
    opening, rows = balance(running), []
    for kind, head, amount in postings:
        running[head] += amount if kind == "Cr" else -amount
        rows.append({"dpt_dt": "05/09/2026", "refNo": "R", "tr_typ": kind, head: {"tx": amount}})
    payload = {"op_bal": opening, "cl_bal": balance(running), "tr": rows}
    records, found = read("cash", payload, gstin_of(1))
    assert found == []
    assert sum(one.values.get("effect_paise", 0) for one in records) == 100 * sum(
        running[head] - 500 for head in HEADS
    )


def test_a_window_never_ends_in_the_future() -> None:
    ask = MODULE.section("cash").params
    assert ask(asking(Period(2026, 11))) == {"fr_dt": "01/11/2026", "to_dt": "23/11/2026"}
    assert ask(asking(PERIOD)) == {"fr_dt": "01/09/2026", "to_dt": "30/09/2026"}


@pytest.mark.parametrize(
    ("section", "read_on", "is_skipped"),
    [
        ("itc", date(2026, 9, 30), False),
        ("itc", date(2026, 10, 1), True),
        ("cash", date(2026, 10, 15), False),  # the bank may still report a deposit of the month
        ("cash", date(2026, 10, 16), True),
    ],
)
def test_a_closed_window_is_final_once_it_was_read_after_its_end(
    section: str, read_on: date, is_skipped: bool
) -> None:
    spec = MODULE.section(section)
    skip = spec.skip[0](asking(read={section: read_on}), spec)
    assert (skip is not None) is is_skipped
    assert skip is None or skip.kind is SkipKind.FINAL


def test_the_liability_ledger_is_final_once_it_was_read_after_the_return_was_filed() -> None:
    spec = MODULE.section("tax")
    state = asking(read={"tax": date(2026, 10, 21)})
    assert spec.skip[0](state, spec) is None
    state.filings = [Filing("GSTR3B", PERIOD, date(2026, 10, 20), state.now)]
    skip = spec.skip[0](state, spec)
    assert skip is not None
    assert skip.kind is SkipKind.FINAL


def test_balances_are_those_of_today_and_asked_with_the_newest_month_only() -> None:
    spec = MODULE.section("bal")
    assert spec.skip[0](asking(Period(2026, 10)), spec) is None
    assert spec.skip[0](asking(Period(2026, 11)), spec) is None
    old = spec.skip[0](asking(PERIOD), spec)
    assert old is not None
    assert old.kind is SkipKind.NOT_APPLICABLE


def test_a_window_that_only_ends_later_is_unchanged(answers: dict[str, Any]) -> None:
    mark = MODULE.section("cash").checksum
    assert mark is not None
    assert mark(answers["cash"]) == mark({**answers["cash"], "to_dt": "29/09/2026"})
    assert mark(answers["cash"]) != mark({**answers["cash"], "tr": []})


@pytest.mark.parametrize("section", ["cash", "itc", "tax", "bal"])
def test_a_ledger_downloaded_by_hand_is_recognised(answers: dict[str, Any], section: str) -> None:
    files = MODULE.files
    assert files is not None
    assert files.recognise(answers[section])
    assert [name for name, _ in files.split(answers[section])] == [section]
    assert files.identity(answers[section])[0] == answers["gstin"]
    assert section == "bal" or files.identity(answers[section])[1] == str(PERIOD)


def test_an_empty_liability_ledger_is_no_proof_that_the_return_was_posted() -> None:
    filing = Filing("GSTR3B", Period(2026, 10), date(2026, 11, 20), datetime(2026, 11, 20, tzinfo=UTC))
    section = MODULE.section("tax")
    found = []
    for rows in (0, 2):
        asked_at = datetime(2026, 11, 21, 6, tzinfo=UTC)
        memory = {"tax": CellMemory(asked_at, None, None, rows, was_loaded=rows > 0)}
        now = datetime(2026, 11, 23, 6, tzinfo=UTC)
        state = Asking("", "M", "102026", Period(2026, 10), now.date(), now, memory=memory, filings=(filing,))
        found.append([rule(state, section) is not None for rule in section.skip])
    assert found == [[False], [True]]
