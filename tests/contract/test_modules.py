"""Every module of every connector in the index keeps the promises that the engine and the analysts rest on."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clientsync.periods import Period
from clientsync.registry import index, modules
from clientsync.spec.connector import Question
from clientsync.spec.module import Module
from clientsync.sync.fetching import PARSER_ERRORS
from connectors.gst.provider.endpoints import ENDPOINTS, endpoint_of
from connectors.gst.provider.requests import fill
from tests.golden import regenerate
from tests.support import module_contract as contract
from tests.support.gstins import gstin_of

MODULES: dict[str, Module] = {
    f"{connector}.{name}": module for connector in index() for name, module in modules(connector).items()
}
GST = {name.removeprefix("gst."): one for name, one in MODULES.items() if name.startswith("gst.")}
every_module = pytest.mark.parametrize("name", sorted(MODULES))
every_gst_module = pytest.mark.parametrize("name", sorted(GST))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def golden(name: str) -> dict[str, Any]:
    """Return the stored sample of a module; that of GSTR-2B with its old generation beside."""
    found: dict[str, Any] = regenerate.load(name)
    return found


@every_module
def test_its_name_is_the_one_in_the_index(name: str) -> None:
    assert name.partition(".")[2] == MODULES[name].name


@every_module
def test_sections_and_tables_refer_to_each_other(name: str) -> None:
    assert contract.structure(MODULES[name]) == []


@every_module
def test_tables_fit_the_warehouse_and_columns_say_their_types(name: str) -> None:
    assert contract.warehouse_fit(MODULES[name], name.partition(".")[0]) == []


@every_module
def test_checks_name_columns_figures_and_sources(name: str) -> None:
    assert contract.checks_fit(MODULES[name]) == []


def test_no_check_code_stands_for_two_rules() -> None:
    assert contract.code_faults(MODULES) == []


def test_no_table_belongs_to_two_modules() -> None:
    owners: dict[str, str] = {}
    for name, module in MODULES.items():
        for table in module.tables:
            assert owners.setdefault(table.name, name) == name, table.name


@every_module
def test_an_answer_without_rows_is_read_and_nonsense_is_refused(name: str) -> None:
    assert contract.emptiness(MODULES[name]) == []


@every_gst_module
def test_every_section_asks_an_endpoint_of_the_map(name: str) -> None:
    assert contract.endpoint_faults(GST[name], ENDPOINTS) == []


@every_gst_module
@pytest.mark.parametrize("frequency", ["M", "Q"])
@pytest.mark.parametrize("kind", ["gsp", "sandbox"])
def test_every_question_has_the_parameters_that_its_endpoint_wants(
    name: str, frequency: str, kind: str
) -> None:
    module = GST[name]
    asking = contract.asking_of(module, frequency=frequency)
    for section in module.sections:
        params = {"refId": "R1"} if section.is_detail else section.params(asking)
        question = Question(section.endpoint, asking.period, params)
        fill(
            endpoint_of(question.endpoint),
            kind,
            gstin=gstin_of(1),
            period=question.period,
            params=question.params,
            versions={},
        )


@every_gst_module
def test_the_golden_sample_fills_every_section_and_table_without_a_problem(name: str) -> None:
    faults = contract.golden_faults(GST[name], golden(name))
    if name == "gstr2b":  # the items of the old generation are in a sample of their own
        faults = [one for one in faults if "gstr2b_item" not in one]
    assert faults == []


@pytest.mark.parametrize("name", sorted([*GST, "gstr2b_2024"]))
def test_the_golden_sample_becomes_the_rows_that_were_reviewed(name: str) -> None:
    module = GST[name.partition("_20")[0]]
    found = regenerate.rows_of(module, golden(name))
    assert json.loads(json.dumps(found)) == regenerate.load(name, "expected.json")


@every_gst_module
def test_one_bad_row_costs_one_row(name: str) -> None:
    assert contract.damage_faults(GST[name], golden(name)) == []


@every_gst_module
def test_a_new_field_is_noticed_at_every_depth_and_halts_nothing(name: str) -> None:
    with_rules = contract.drift_faults(GST[name], golden(name), only=lambda one: not one.is_detail)
    assert with_rules == []


@every_gst_module
def test_the_golden_sample_agrees_with_its_own_totals_and_identity(name: str) -> None:
    module = GST[name]
    for section in module.sections:
        payload = golden(name)[section.name]
        gstin = identity_in(payload) or gstin_of(1)
        assert contract.findings(module, section, payload, gstin=gstin) == []


@every_gst_module
def test_an_answer_about_somebody_else_halts_the_unit(name: str) -> None:
    module = GST[name]
    for section in module.sections:
        payload = golden(name)[section.name]
        if identity_in(payload) and section.integrity:
            found = contract.findings(module, section, payload, gstin=gstin_of(999))
            assert any(is_halting for _, is_halting in found), section.name


def identity_in(payload: Any) -> str:
    """Return the registration that an answer says it is about."""
    for one in (payload, payload.get("data", {}), payload.get("itcLdgDtls", {})):
        if isinstance(one, dict) and one.get("gstin"):
            return str(one["gstin"])
    return ""


@every_gst_module
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=JSON)
def test_no_json_makes_a_parser_fail_otherwise_than_by_refusing(name: str, payload: Any) -> None:
    for section in GST[name].sections:
        try:
            for record in section.parse(payload, contract.context_of(GST[name], section.name)):
                assert record.table in section.tables
        except PARSER_ERRORS:
            continue


NOT_OFFERED = {"gstr1.retsum", "ims.count", "gstr3b.autoliab", "gstr3b.retint"}
"""Answers that the portal does not offer as a file."""


@pytest.mark.parametrize("name", ["gstr2b", "gstr2b_2024", "gstr2a", "gstr1", "gstr3b", "ims", "ledgers"])
def test_a_file_downloaded_by_hand_is_recognised_by_exactly_one_module(name: str) -> None:
    owner = name.partition("_20")[0]
    for section, payload in golden(name).items():
        claims = {other for other, module in GST.items() if module.files and module.files.recognise(payload)}
        assert claims <= {owner}, section
        if f"{owner}.{section}" not in NOT_OFFERED and not section.endswith(("bal", "opnbal")):
            assert claims == {owner}, section


@pytest.mark.parametrize("name", ["gstr2b", "gstr2b_2024", "gstr2a", "gstr1", "ims", "ledgers"])
def test_a_file_splits_into_what_the_portal_would_have_answered(name: str) -> None:
    module = GST[name.partition("_20")[0]]
    assert module.files is not None
    for section, payload in golden(name).items():
        if not module.files.recognise(payload):
            continue
        parts = dict(module.files.split(payload))
        assert set(parts) == {section}
        assert contract.read(module, module.section(section), parts[section]) == contract.read(
            module, module.section(section), payload
        )


def test_no_module_says_that_a_foreign_file_is_its_own() -> None:
    foreign: list[Any] = [{}, [], {"name": "x"}, {"data": []}, {"gstin": "x"}, None, 3, "text"]
    for name, module in GST.items():
        if module.files is None:
            continue
        for payload in foreign:
            try:
                assert not module.files.recognise(payload), f"{name}: {payload!r}"
            except PARSER_ERRORS:
                continue


def test_statements_do_not_exist_before_their_month_has_ended() -> None:
    period = Period(2026, 9)
    for name, module in GST.items():
        if module.not_before is not None:
            assert module.not_before(period) > period.first_day, name


@every_gst_module
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=JSON)
def test_no_answer_makes_a_rule_for_not_asking_fail(name: str, payload: Any) -> None:
    module = GST[name]
    asking = contract.asking_of(module)
    asking.answers = dict.fromkeys((one.name for one in module.sections), payload)
    for section in module.sections:
        for rule in section.skip:
            rule(asking, section)


@every_gst_module
def test_a_damaged_row_of_an_earlier_answer_makes_no_rule_fail(name: str) -> None:
    module = GST[name]
    for section, payload in golden(name).items():
        broken = copy.deepcopy(payload)
        for row in contract.leaf_rows(broken):
            row.update({field: {"unexpected": ["type"]} for field in row})
        asking = contract.asking_of(module)
        asking.answers = {section: broken}
        for other in module.sections:
            if other.after in ("", section):
                for rule in other.skip:
                    rule(asking, other)
