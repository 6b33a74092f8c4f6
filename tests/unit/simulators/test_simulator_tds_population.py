"""The simulated deductors agree with themselves, for any seed, number and day."""

import csv
import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.gst.parties import Country
from simulators.tds import aftermath, sections
from simulators.tds.changes import World
from simulators.tds.master import write_master, write_passwords
from simulators.tds.population import PRIOR_BEFORE, build
from simulators.tds.records import Deductor, Quarter
from simulators.tds.returns import CLEAN, FAULTY, PENDING, REJECTED

TODAY = date(2026, 11, 20)
DAYS = st.dates(date(2025, 4, 1), date(2027, 12, 31))


class Asked(NamedTuple):
    """What is drawn: little, so that a failure can be shown."""

    seed: int
    number: int
    today: date
    documents: int

    def build(self) -> Deductor:
        return build(self.seed, 1, self.today, self.number, self.documents)[0]


SEEDS, NUMBERS = st.integers(0, 10_000), st.integers(1, 40)
any_day = st.builds(Asked, SEEDS, NUMBERS, DAYS, st.sampled_from([3, 12]))
on_the_day = st.builds(Asked, SEEDS, NUMBERS, st.just(TODAY), st.just(12))


@settings(max_examples=30, deadline=None)
@given(any_day)
def test_every_challan_is_what_was_consumed_and_what_is_available(asked: Asked) -> None:
    one = asked.build()
    for challan in one.challans:
        assert challan.amount == challan.consumed + challan.available - challan.excess
        assert challan.available >= 0
        assert challan.excess == 0 or challan.available == 0
        assert all(head >= 0 for head in challan.heads)
        assert challan.amount > 0


@settings(max_examples=30, deadline=None)
@given(any_day)
def test_every_statement_has_the_tax_of_its_deductions_and_claims_no_more(asked: Asked) -> None:
    one = asked.build()
    for statement in one.statements:
        assert statement.tax == sum(row.tax for row in statement.deductions)
        claims = [claim for each in one.challans for claim in each.claims if claim.token == statement.token]
        short = sum(each.amount for each in statement.defaults if each.kind == "Short Payment")
        excess = sum(each.excess for each in one.challans for c in each.claims if c.token == statement.token)
        if statement.processed_on and statement.kind == "Regular":
            assert sum(claim.amount for claim in claims) == statement.tax - short + excess
        if statement.processed_on is None:
            assert statement.status == PENDING
            assert not claims


@settings(max_examples=30, deadline=None)
@given(any_day)
def test_a_deduction_is_its_amount_times_its_rate(asked: Asked) -> None:
    one = asked.build()
    for statement in one.statements:
        for row in statement.deductions:
            rate = int(row.rate.replace(".", ""))
            assert row.tax == row.paid * rate // 1_000_000
            assert re.fullmatch(r"\d+\.\d{4}", row.rate)
            assert (row.flag == "A") == bool(row.certificate)


@settings(max_examples=30, deadline=None)
@given(any_day)
def test_processed_demand_is_the_sum_of_the_rounded_defaults_of_the_counting_statements(asked: Asked) -> None:
    one = asked.build()
    expected: Counter[int] = Counter()
    for statement in aftermath.standing(one):
        if statement.quarter.act == "1961":
            expected[statement.quarter.start] += statement.net_payable
    assert {each.year_start: each.processed for each in one.demands if each.processed} == +expected
    for statement in one.statements:
        assert (statement.status == FAULTY) == bool(statement.net_payable)
        assert statement.net_payable % 1000 == 0


@settings(max_examples=25, deadline=None)
@given(on_the_day)
def test_every_demand_has_its_intimation_the_day_after(asked: Asked) -> None:
    one = asked.build()
    told = {(each.quarter, each.form) for each in one.notices if each.category == aftermath.DEMAND}
    for statement in aftermath.standing(one):
        if statement.net_payable and statement.processed_on and statement.processed_on < TODAY:
            assert (statement.quarter, statement.form) in told


@settings(max_examples=30, deadline=None)
@given(any_day)
def test_identifiers_have_the_form_of_their_kind_and_none_comes_twice(asked: Asked) -> None:
    one = asked.build()
    assert re.fullmatch(r"[A-Z]{4}[0-9]{5}[A-Z]", one.tan)
    assert one.tan[3] == one.name[0]
    assert re.fullmatch(r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]", one.pan)
    for statement in one.statements:
        assert re.fullmatch(r"\d{15}", statement.token)
        for row in statement.deductions:
            assert row.pan in {"PANNOTAVBL", "PANINVALID"} or re.fullmatch(
                r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]", row.pan
            )
    for challan in one.challans:
        assert re.fullmatch(r"\d{14}[A-Z]{4}", challan.cin)
        assert challan.cin.startswith(challan.crn)
        assert challan.crn[:6] == f"{challan.paid_on:%y%m%d}"
        assert re.fullmatch(r"\d{7}", challan.bsr)
        assert re.fullmatch(r"\d{5}", challan.serial)
    for certificate in one.certificates:
        form = r"[0-9A-Z]{10}" if certificate.act == "1961" else r"\d[A-Z]{2}\d{4}TDP\d[A-Z]\d{3}"
        assert re.fullmatch(form, certificate.number)
    for found in (
        [each.cin for each in one.challans],
        [(each.bsr, each.serial, each.paid_on) for each in one.challans],
        [each.token for each in one.statements],
        [each.token[-4:] for each in one.statements],
        [each.reference for each in one.notices],
        [each.number for each in one.requests],
        [each.number for each in one.certificates],
    ):
        assert len(set(found)) == len(found)


@settings(max_examples=30, deadline=None)
@given(any_day)
def test_heads_and_codes_are_those_of_the_act(asked: Asked) -> None:
    one = asked.build()
    for challan in one.challans:
        _, surcharge, cess, *_ = challan.heads
        if challan.act == "2025":
            assert surcharge == cess == 0
            assert challan.assessment_year == ""
            assert re.fullmatch(r"10\d\d", challan.section)
        else:
            assert challan.assessment_year
            assert not challan.section.startswith("10")
    for statement in one.statements:
        old = statement.quarter.act == "1961"
        assert statement.form in (sections.FORMS if old else sections.NEW_FORMS.values())


@settings(max_examples=25, deadline=None)
@given(on_the_day)
def test_amounts_under_the_act_of_2025_are_whole_rupees_and_leave_no_defaults(asked: Asked) -> None:
    one = asked.build()
    assert not any(each.defaults for each in one.statements if each.quarter.act == "2025")
    heads = [head for each in one.challans if each.act == "2025" for head in each.heads]
    assert heads
    assert all(head % 100 == 0 for head in heads)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), DAYS)
def test_nothing_is_dated_after_the_simulated_day(seed: int, number: int, today: date) -> None:
    one = build(seed, 1, today, number)[0]
    assert all(each.paid_on <= today for each in one.challans)
    assert all(each.filed_on <= today for each in one.statements)
    assert all((each.processed_on or today) <= today for each in one.statements)
    assert all(each.issued_on <= today for each in one.notices)
    assert all(each.requested_on <= today for each in one.requests)


@settings(max_examples=25, deadline=None)
@given(any_day)
def test_a_certificate_is_used_within_its_days_and_its_limit(asked: Asked) -> None:
    one = asked.build()
    by_number = {each.number: each for each in one.certificates}
    used: Counter[str] = Counter()
    for statement in aftermath.standing(one):
        for row in statement.deductions:
            if row.certificate:
                found = by_number[row.certificate]
                used[row.certificate] += row.paid
                last = found.cancelled_on or found.valid_to + timedelta(days=1)
                assert found.valid_from <= row.paid_on < last
                assert (found.pan, found.section, found.rate) == (row.pan, row.section, row.rate)
    for each in one.certificates:
        assert each.consumed == used[each.number] <= each.limit


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 6))
def test_a_deductor_does_not_depend_on_how_many_there_are(seed: int, number: int, clients: int) -> None:
    alone = build(seed, 1, TODAY, number)[0]
    assert build(seed, clients, TODAY, number)[0] == alone
    assert build(seed, number, TODAY)[-1] == alone


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(0, 400))
def test_what_was_paid_and_filed_stays_when_days_pass(seed: int, number: int, days: int) -> None:
    before = build(seed, 1, date(2026, 1, 15), number)[0]
    after = build(seed, 1, date(2026, 1, 15) + timedelta(days=days), number)[0]
    assert {each.cin: each.heads for each in before.challans}.items() <= {
        each.cin: each.heads for each in after.challans
    }.items()
    assert {each.token for each in before.statements} <= {each.token for each in after.statements}


def test_the_first_deductor_shows_everything() -> None:
    one = build(7, 1)[0]
    assert one.forms == sections.FORMS
    statuses = {each.status for each in one.statements}
    assert statuses == {CLEAN, FAULTY, PENDING, REJECTED}
    rejected = next(each for each in one.statements if each.status == REJECTED)
    assert rejected.reason
    faulty = {(each.quarter, each.form) for each in one.statements if each.status == FAULTY}
    assert faulty & {(each.quarter, each.form) for each in one.statements if each.kind == "Correction"}
    assert any(each.excess for each in one.challans)
    assert any(not each.claims and each.paid_on < date(2025, 7, 1) for each in one.challans)
    assert {each.mode for each in one.challans} == {"C", "B"}
    assert {each.minor_head for each in one.challans} == {"200", "400"}
    assert not all(each.on_traces for each in one.challans)
    assert any(each.year_start < PRIOR_BEFORE for each in one.demands)
    assert any(each.manual for each in one.demands)
    assert {each.act for each in one.certificates} == {"1961", "2025"}
    assert {each.act for each in one.certificates if each.cancelled_on} == {"1961", "2025"}
    nil = Quarter(2025, 3)
    assert not [each for each in one.challans if each.form == "27Q" and each.claims[:1] and
                each.claims[0].quarter == nil]  # fmt: skip
    assert (nil, "27Q") not in {(each.quarter, each.form) for each in one.statements}
    assert {each.portal for each in one.notices} == {"traces", "income_tax"}
    assert {each.category_id for each in one.notices} >= {"42", "7", "11"}
    assert {each.form for each in one.statements} == {*sections.FORMS, *sections.NEW_FORMS.values()}


def test_ordinary_deductors_are_small_and_differ() -> None:
    found = build(7, 60)[1:]
    assert all(1 <= len(one.forms) <= 2 for one in found)
    assert all(12 <= len(one.challans) <= 48 for one in found)
    assert {form for one in found for form in one.forms} == set(sections.FORMS)
    statuses = {each.status for one in found for each in one.statements}
    assert statuses == {CLEAN, FAULTY, PENDING, REJECTED}
    assert len({one.tan for one in found}) == len({one.traces_user for one in found}) == 59
    assert 5 < sum(bool(one.demands) for one in found) < 59


def test_number_name_and_pan_are_those_of_the_gst_simulator() -> None:
    country = Country(7, 5, 10, 0.5, TODAY)
    for one, client in zip(build(7, 5), country.clients, strict=True):
        assert (one.name, one.pan) == (client.party.name, client.gstin[2:12])


def test_master_list_and_passwords_name_every_client(tmp_path: Path) -> None:
    found = build(7, 3)
    write_master(tmp_path / "clients.csv", found)
    write_passwords(tmp_path / "passwords.csv", found)
    with (tmp_path / "clients.csv").open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    assert [row["client_id"] for row in rows] == ["C0001", "C0002", "C0003"]
    assert rows[0]["tds_forms"] == "24Q,26Q,27Q,27EQ"
    assert {row["tds_source"] for row in rows} == {"portal"}
    with (tmp_path / "passwords.csv").open(encoding="utf-8") as source:
        passwords = {(row["client_id"], row["portal"]): row["password"] for row in csv.DictReader(source)}
    assert passwords[("C0002", "income_tax")] == found[1].efiling_password
    assert passwords[("C0002", "traces")] == found[1].traces_password
    assert len(passwords) == 6


def test_a_later_challan_and_a_correction_survive_a_new_day() -> None:
    world = World(7, 2, TODAY, 12)
    one = world.find("C0001")
    password, before = one.traces_password, sum(each.processed for each in one.demands)
    one.efiling_password = "changed"
    challan, cured = world.add_challan("C0001"), world.add_correction("C0001")
    assert challan.available == challan.amount
    after = sum(each.processed for each in one.demands)
    assert after < before
    world.set_today(TODAY + timedelta(days=1))
    assert world.find(one.tan) is one
    assert challan in one.challans
    assert cured in one.statements
    assert sum(each.processed for each in one.demands) <= after
    assert (one.efiling_password, one.traces_password) == ("changed", password)
    second = world.add_challan("C0001")
    assert second.cin != challan.cin
