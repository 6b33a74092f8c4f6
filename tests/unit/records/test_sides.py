"""A file and a system behind a real socket as sides: what they hold, what they refuse, what they take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clientsync.config import ProviderSettings, Settings
from clientsync.database import open_engine, upgrade
from clientsync.errors import InvalidInput, SideRefused, SourceError
from clientsync.http.client import HttpClient
from clientsync.records import running, working
from clientsync.records.executing import RecordSet
from clientsync.records.file_side import FileSide
from clientsync.records.rest_side import RestSide
from connectors.cleanmanager.descriptions import CUSTOMERS
from simulators.cleanmanager.system import TOKEN, Running, System
from tests.support.record_world import RecordWorld

COLUMNS = {"number": "No", "name": "Name", "email": "Mail", "city": "Town", "phone": "Phone"}


def file_side(path: Path, *, is_writable: bool = True) -> FileSide:
    return FileSide(path, COLUMNS, "No", "the list", is_writable=is_writable)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text("No,Name,Mail,Town,Phone,Remark\n1,Asha,a@x.in,Pune,9820012345,old\n2,Bela,,,,\n")
    return path


def test_a_file_is_read_by_its_headers_and_written_whole_with_its_other_columns(listed: Path) -> None:
    side = file_side(listed)
    found = side.listed()
    assert found.is_complete
    assert found.records["1"]["city"] == "Pune"
    side.update("1", {"city": "Surat"})
    side.create({"number": "3", "name": "Chitra", "phone": "+919820012345"}, "ours:3")
    side.delete("2")
    assert listed.read_text(encoding="utf-8-sig").splitlines() == [
        "No,Name,Mail,Town,Phone,Remark,clientsync_reference",
        "1,Asha,a@x.in,Surat,9820012345,old,",
        "3,Chitra,,,+919820012345,,ours:3",
    ]
    assert side.find("ours:3", "") == side.find("", "3") == "3"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"1,Copy,,,,", "No 1 stands in row 2 already"),
        (b",Nobody,,,,", "No is empty"),
        (b"4,=HYPERLINK(1),,,,", "Name begins like a formula"),
        (b"4,Dora,,,,,,", "it has 8 cells, the header 6"),
        (
            b"4,M\xfcller,,,,\n5,M\xc3\xbcller,,,,",
            "it is written in another encoding than the rest of the file",
        ),
    ],
)
def test_a_row_that_cannot_be_trusted_is_refused_and_nothing_counts_as_deleted(
    listed: Path, row: bytes, reason: str
) -> None:
    listed.write_bytes(listed.read_bytes() + row + b"\n")
    found = file_side(listed).listed()
    assert [why for _, why in found.refused] == [reason]
    assert {"1", "2"} <= set(found.records)
    with pytest.raises(SideRefused, match="repair them first"):
        file_side(listed).update("1", {"city": "Surat"})


def test_a_file_with_other_headers_is_refused_with_those_it_has(listed: Path) -> None:
    listed.write_text("Number,Name\n1,Asha\n")
    with pytest.raises(InvalidInput, match=r"lacks the columns Mail, No, Phone, Town\. It has: Number, Name"):
        file_side(listed).listed()


def test_a_refused_row_keeps_its_pair_from_being_called_deleted(tmp_path: Path, listed: Path) -> None:
    world = RecordWorld(tmp_path)
    side = file_side(listed, is_writable=False)
    of = RecordSet("customers", world.set.entity, side, world.b, world.engine, "three_way")
    world.b.put(number="1", name="Asha")
    running.preview(of, actor="asha")
    working.link(of, "1", "b1", actor="asha")
    listed.write_text(listed.read_text().replace("1,Asha", "1,=Asha"))
    outcome = running.run(of, actor="asha")
    assert outcome.refused == [("a", "row 2", "Name begins like a formula")]
    assert outcome.plan.counts["deleted"] == 0
    world.close()


@pytest.fixture
def system() -> Iterator[Running]:
    with Running(System()) as running:
        yield running


@pytest.fixture
def rest(system: Running, tmp_path: Path) -> Iterator[RestSide]:
    provider = ProviderSettings(
        kind="records", base_url=system.url, allow_loopback=True, calls_per_minute=60_000, burst=1000
    )
    configured = Settings(home=tmp_path, providers={"cleanmanager": provider}, breaker_failures=1000)
    engine = open_engine(f"sqlite:///{tmp_path / 'budget.db'}")
    upgrade(engine, ())
    with HttpClient.for_provider(configured, "cleanmanager", engine) as client:
        yield RestSide(
            client, CUSTOMERS, title="CleanManager", token=TOKEN, account="cleanmanager", region="IN"
        )
    engine.dispose()


def test_a_system_is_read_page_by_page_and_is_whole_when_as_many_came_as_it_says(
    system: Running, rest: RestSide
) -> None:
    for number in range(250):
        system.system.put("customers", number=str(number), name=f"Asha {number}")
    found = rest.listed()
    assert (len(found.records), found.is_complete) == (250, True)
    system.system.drop_page = 2
    found = rest.listed()
    assert not found.is_complete


def test_a_record_is_made_changed_found_again_and_deleted(system: Running, rest: RestSide) -> None:
    made = rest.create({"number": "7", "name": "Asha", "active": "1"}, "ours:7")
    assert rest.find("ours:7", "") == rest.find("", "7") == made
    rest.update(made, {"city": "Pune", "active": "0"})
    assert system.system.records["customers"][made]["city"] == "Pune"
    assert system.system.records["customers"][made]["active"] is False
    assert rest.read(made)["city"] == "Pune"  # type: ignore[index]
    rest.delete(made)
    rest.delete(made)
    assert rest.read(made) is None
    with pytest.raises(SideRefused, match="a name is needed"):
        rest.create({"number": "8", "name": ""}, "ours:8")


def test_a_system_that_fails_half_way_leaves_both_as_the_plan_says_or_as_they_were(
    system: Running, rest: RestSide, tmp_path: Path
) -> None:
    world = RecordWorld(tmp_path)
    of = RecordSet("customers", world.set.entity, world.a, rest, world.engine, "three_way")
    for number in range(1, 6):
        world.a.put(number=str(number), name=f"Asha {number}")
    running.preview(of, actor="asha")
    system.system.fail_after = 2
    with pytest.raises(SourceError):
        working.create_partners(of, [("a", f"a{number}") for number in range(1, 6)], actor="asha")
    assert len(system.system.records["customers"]) == 2
    system.system.fail_after = -1
    done = running.run(of, actor="asha")
    assert done.done == 3
    assert done.plan.counts["synchronized"] == 5
    assert sorted(row["number"] for row in system.system.records["customers"].values()) == list("12345")
    world.close()


def test_the_size_of_a_page_changes_nothing_of_what_is_read(system: Running, rest: RestSide) -> None:
    for number in range(23):
        system.system.put("customers", number=str(number), name=f"Asha {number}")
    whole = rest.listed()
    for size in (1, 7, 23, 24):
        rest._of = dataclasses.replace(CUSTOMERS, page_size=size)
        assert rest.listed() == whole


def test_a_file_is_read_again_only_when_somebody_changed_it(
    listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = file_side(listed)
    times = []
    original = FileSide._parsed

    def counted(self: FileSide) -> Any:
        times.append(1)
        return original(self)

    monkeypatch.setattr(FileSide, "_parsed", counted)
    for _ in range(5):
        side.read("1")
    assert len(times) == 1
    side.update("1", {"city": "Surat"})
    assert side.read("1")["city"] == "Surat"  # type: ignore[index]
    listed.write_text(listed.read_text(encoding="utf-8-sig").replace("Surat", "Thane!"))
    assert side.read("1")["city"] == "Thane!"  # type: ignore[index]
    assert len(times) == 3
    listed.unlink()
    with pytest.raises(InvalidInput, match="no file"):
        side.listed()
