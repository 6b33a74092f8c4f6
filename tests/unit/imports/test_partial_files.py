"""Promises of files that hold a part of a statement: rows go in, and the statement is done only when it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from clientsync.errors import ContractChanged, OtpRequired
from clientsync.imports import import_folder, import_paths
from clientsync.imports.importing import FileResult
from clientsync.registry import connector
from clientsync.reports.exceptions import read_exceptions
from clientsync.sync.planning import Selection, plan
from clientsync.sync.service import resync_plan, run
from clientsync.sync.services import Services
from clientsync.warehouse.standing import lacking, newest_outcomes
from tests.support import fake_connector
from tests.support.engine import add_clients, fake_services
from tests.unit.imports.test_hand_files import HAND_FILE, content, numbers, put

PLACE = ("A", "things", "102026")


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with fake_services(tmp_path, monkeypatch) as opened:
        add_clients(opened, ["A"])
        yield opened


def declare(monkeypatch: pytest.MonkeyPatch, *needs: str) -> None:
    things = replace(fake_connector.MODULES["things"], files=replace(HAND_FILE, needs=needs))
    monkeypatch.setitem(fake_connector.MODULES, "things", things)


def ask_the_portal(services: Services, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    monkeypatch.setenv("CLIENTSYNC_NOW", when)
    chosen = Selection(connector="fake", clients=("A",), periods=("102026",), modules=("things",))
    run(services, plan(services, chosen))


def bring(services: Services, folder: Path, section: str, *things: str) -> FileResult:
    path = put(folder / "in", f"{section}.json", content(*things, section=section))
    (result,) = import_paths(services, [path])
    return result


def lacks(services: Services) -> str | None:
    outcomes = newest_outcomes(services.engine, ["A"], ["things"], date(2026, 11, 30))
    return lacking(outcomes, PLACE)


def test_a_section_that_was_asked_in_vain_keeps_a_file_without_it_from_making_the_unit_done(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch)
    fake_connector.good_client("A", blue=("B1",))
    fake_connector.SCRIPT["A"]["things.blue"] = ContractChanged("blue has another shape")
    ask_the_portal(services, monkeypatch, "2026-11-23T10:00:00+05:30")
    result = bring(services, tmp_path, "red", "R1", "R2")
    assert (result.outcome, result.unread, result.is_loaded) == ("broken", ("blue",), True)
    assert numbers(services, "A") == {"R1", "R2"}
    assert lacks(services) == "the source refused or changed its contract"
    (line,) = read_exceptions(services.engine, result.run_id)
    assert (line.section, line.code) == ("blue", "SECTION_UNREAD")
    assert len(resync_plan(services).keys) == 1


def test_a_statement_in_several_files_is_done_when_the_last_of_them_is_in(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, "red", "blue")
    first = bring(services, tmp_path, "red", "R1")
    assert (first.outcome, first.unread, first.rows_loaded) == ("needs_person", ("blue",), 1)
    assert (first.is_loaded, first.is_done) == (True, False)
    assert "blue" in first.reason
    assert lacks(services) == "waits for a person"
    assert bring(services, tmp_path, "red", "R1").outcome == "needs_person"
    second = bring(services, tmp_path, "blue", "B1")
    assert (second.outcome, second.unread, second.is_done) == ("loaded", (), True)
    assert lacks(services) is None
    assert bring(services, tmp_path, "red", "R1").outcome == "unchanged"


def test_parts_that_come_together_in_any_number_of_groups_are_one_whole_statement(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, "red", "blue")
    folder = tmp_path / "in"
    paths = [
        put(folder, "1.json", content("R1")),
        put(folder, "2.json", content("B1", section="blue")),
        put(folder, "3.json", content("R1", "R2")),  # the same section again is a unit of its own
    ]
    assert [one.outcome for one in import_paths(services, paths)] == ["loaded", "loaded", "loaded"]
    assert lacks(services) is None


def test_a_section_that_the_portal_has_read_needs_no_file(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, "red", "blue")
    fake_connector.good_client("A", blue=("B1",))
    ask_the_portal(services, monkeypatch, "2026-11-23T10:00:00+05:30")
    assert bring(services, tmp_path, "red", "R1", "R2").outcome == "loaded"


def test_a_part_does_not_mend_a_night_on_which_nothing_of_the_statement_could_be_asked(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, "red", "blue")
    fake_connector.good_client("A", blue=("B1",))
    ask_the_portal(services, monkeypatch, "2026-11-23T10:00:00+05:30")

    def closed(*_: Any) -> None:
        raise OtpRequired("There is no open session.")

    monkeypatch.setattr(fake_connector.FakeConnector, "open_session", closed)
    ask_the_portal(services, monkeypatch, "2026-11-24T10:00:00+05:30")
    result = bring(services, tmp_path, "red", "R1", "R2")
    assert (result.outcome, result.unread) == ("needs_person", ("blue",))
    assert bring(services, tmp_path, "blue", "B1").outcome == "unchanged"
    assert lacks(services) is None


def test_a_file_whose_import_died_is_never_taken_over_as_an_answer_of_the_portal(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clientsync.imports.importing.load_units", die)
    with pytest.raises(KeyboardInterrupt):
        bring(services, tmp_path, "red", "R1")
    fake_connector.good_client("A", red=("R1", "R2"), blue=("B1",))
    fake_connector.ASKED.clear()
    ask_the_portal(services, monkeypatch, "2026-11-23T11:00:00+05:30")
    assert fake_connector.ASKED["A", "things.blue"] == 1
    assert numbers(services, "A") == {"R1", "R2", "B1"}


def test_a_watched_folder_puts_a_part_away_as_done_because_its_rows_are_in(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, "red", "blue")
    put(tmp_path / "in", "red.json", content("R1"))
    import_folder(services, tmp_path / "in", settled=0.0)
    assert [path.name for path in (tmp_path / "in" / "done").iterdir()] == ["red.json"]


@pytest.mark.parametrize(
    ("module", "needs"),
    [
        ("ledgers", {"cash", "itc", "tax", "bal"}),
        ("gstr3b", {"retsum", "autoliab"}),
        ("gstr2a", {"b2b", "b2ba", "cdn", "cdna", "ecom", "ecoma", "isd", "impg", "impgsez"}),
        (
            "ims",
            {
                "B2B",
                "B2BA",
                "CN",
                "CNA",
                "DN",
                "DNA",
                "ECOM",
                "ECOMA",
                "IMPG",
                "IMPGA",
                "IMPGSEZ",
                "IMPGSEZA",
            },
        ),
        ("gstr1", set()),
        ("gstr2b", set()),
    ],
)
def test_a_module_names_the_sections_that_its_files_must_have_told_between_them(
    module: str, needs: set[str]
) -> None:
    found = connector("gst").module(module)
    assert found.files is not None
    assert set(found.files.needs) == needs
    assert needs <= {section.name for section in found.sections if section.tables and not section.is_detail}
