"""IMS: one open pool, counted first; every document once, credit notes negative, the action as it stands."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from clientsync.spec.module import Record, SkipKind
from connectors.gst import ims
from tests.golden import regenerate
from tests.support.module_contract import asking_of, context_of

GOLDEN: dict[str, Any] = regenerate.load("ims")
SECTIONS = sorted(ims.SECTIONS)


def read(section: str, payload: Any) -> list[Record]:
    """Return the records of one section's answer."""
    return list(ims.MODULE.section(section).parse(copy.deepcopy(payload), context_of(ims.MODULE, section)))


def rows_in(section: str) -> list[dict[str, Any]]:
    """Return the portal's rows of a section."""
    rows: list[dict[str, Any]] = GOLDEN[section][ims.SECTIONS[section][0]]
    return rows


@pytest.mark.parametrize("section", SECTIONS)
def test_every_document_of_a_section_becomes_one_row(section: str) -> None:
    records = read(section, GOLDEN[section])
    assert [one.problem for one in records] == [None] * len(rows_in(section))


@pytest.mark.parametrize("section", SECTIONS)
def test_the_counts_are_those_of_the_rows(section: str) -> None:
    assert ims.counted(GOLDEN["count"], section) == len(rows_in(section))


@pytest.mark.parametrize("section", ["CN", "CNA", "DN", "DNA", "B2B"])
def test_credit_notes_are_negative_and_all_else_positive(section: str) -> None:
    for one in read(section, GOLDEN[section]):
        taxable = one.values["taxable_paise"]
        assert taxable < 0 if section.startswith("CN") else taxable > 0


def test_an_absent_action_is_no_action_and_never_another() -> None:
    payload = copy.deepcopy(GOLDEN["B2B"])
    for row in payload["b2b"]:
        row.pop("action", None)
    actions = {one.values["action"] for one in read("B2B", payload)}
    assert len(actions) == 1
    assert not actions & {"A", "R", "P"}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_is_skipped_only_when_the_counts_of_this_unit_say_none(section: str) -> None:
    asking = asking_of(ims.MODULE)
    declared = ims.MODULE.section(section)
    asking.answers["count"] = GOLDEN["count"]
    assert ims.skip_when_counted_empty(asking, declared) is None
    _, family, leaf = ims.SECTIONS[section]
    counts = copy.deepcopy(GOLDEN["count"])
    counts[family][leaf] = dict.fromkeys(ims.ACTIONS, 0)
    asking.answers["count"] = counts
    skip = ims.skip_when_counted_empty(asking, declared)
    assert skip is not None
    assert skip.kind is SkipKind.EMPTY_BY_COUNT


@pytest.mark.parametrize("counts", [{}, {"all_oth": None}, {"all_oth": {}}, {"imp_gds": {"impg": {}}}])
def test_counts_that_are_silent_about_a_section_prove_nothing(counts: dict[str, Any]) -> None:
    asking = asking_of(ims.MODULE)
    asking.answers["count"] = counts
    assert ims.skip_when_counted_empty(asking, ims.MODULE.section("B2B")) is None


def test_two_identical_documents_are_two_rows() -> None:
    payload = copy.deepcopy(GOLDEN["DN"])
    payload["b2bdn"].append(copy.deepcopy(payload["b2bdn"][0]))
    found = read("DN", payload)
    assert [one.values["occurrence"] for one in found[-1:]] == [2]
    assert len(found) == len(rows_in("DN")) + 1


def test_a_file_of_all_sections_splits_into_them() -> None:
    assert ims.MODULE.files is not None
    merged: dict[str, Any] = {}
    for section in SECTIONS:
        merged |= GOLDEN[section]
    assert ims.MODULE.files.recognise(merged) == "IMS"
    parts = dict(ims.MODULE.files.split(merged))
    assert sorted(parts) == SECTIONS
    assert ims.MODULE.files.identity(merged)[1] == "current"


@pytest.mark.parametrize("section", SECTIONS)
def test_an_answer_with_fewer_documents_than_were_counted_is_told_and_halts_nothing(section: str) -> None:
    declared = ims.MODULE.section(section)
    assert declared.reconcile is not None
    asking = asking_of(ims.MODULE)
    asking.answers["count"] = GOLDEN["count"]
    records = read(section, GOLDEN[section])
    assert list(declared.reconcile(records, asking)) == []
    (finding,) = declared.reconcile(records[:-1], asking)
    assert (finding.code, finding.is_halting) == ("COUNT_DISAGREES", False)
    asking.answers["count"] = {}
    assert list(declared.reconcile(records[:-1], asking)) == []
