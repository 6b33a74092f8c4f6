"""A file and a system behind a real socket as sides: what they hold, what they refuse, what they take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from pydantic import ValidationError

from clientsync.config import ProviderSettings, RecordSideSettings, Settings
from clientsync.database import open_engine, upgrade
from clientsync.errors import InvalidInput, SideRefused, SourceError
from clientsync.http.client import HttpClient
from clientsync.records import running, working
from clientsync.records.executing import RecordSet
from clientsync.records.file_side import FileSide
from clientsync.records.rest_side import RestSide
from connectors.accurate.records import AccurateCustomers
from connectors.cleanmanager.descriptions import CUSTOMERS
from simulators.cleanmanager.system import TOKEN, Running, System
from simulators.http import Request, Response
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
        (b"4,-2+3+cmd|' /C calc'!A0,,,,", "Name begins like a formula"),
        (b"4,Dora,,#REF!,,", "Town holds #REF!, an error of the spreadsheet"),
        (b"#N/A,Dora,,,,", "No holds #N/A, an error of the spreadsheet"),
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


class Moving(System):
    """Loses a record after the first page of so many passages; and may not know a filter."""

    losses: tuple[str, ...] = ()
    is_deaf = False

    def _list(self, kind: str, request: Request) -> Response:
        if self.is_deaf:
            request.query.pop("external_reference", None)
            request.query.pop("number", None)
        reply = super()._list(kind, request)
        if self.losses and request.query.get("page") == "1":
            del self.records[kind][self.losses[0]]
            self.losses = self.losses[1:]
        return reply


@pytest.fixture
def system() -> Iterator[Running]:
    with Running(Moving()) as running:
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


def linked(world: RecordWorld, side: FileSide, **values: str) -> RecordSet:
    """Link the first record of a file with one of side b, as both agree."""
    of = RecordSet(
        "customers",
        world.set.entity.between(side.fields, world.b.fields),
        side,
        world.b,
        world.engine,
        "three_way",
    )
    world.b.put(**values)
    running.preview(of, actor="asha")
    working.link(of, "1", "b1", actor="asha")
    running.run(of, actor="asha")
    return of


def workbook(path: Path, *rows: tuple[str, ...]) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([tuple(COLUMNS.values()), *rows]):
            sheet.write_row(number, 0, row)
    return path


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_that_is_only_read_is_never_written_and_the_row_says_why(
    tmp_path: Path, listed: Path, kind: str
) -> None:
    world = RecordWorld(tmp_path)
    path = listed if kind == "csv" else workbook(tmp_path / "c.xlsx", ("1", "Asha", "", "Pune", ""))
    side = file_side(path, is_writable=kind == "xlsx")
    of = linked(world, side, number="1", name="Asha", city="Pune")
    before = path.read_bytes()
    world.b.edit("b1", city="Surat")
    outcome = running.run(of, actor="asha")
    (row,) = [one for one in outcome.plan.rows if one.link_id]
    assert (row.category, outcome.done, outcome.undone) == ("conflict", 0, [])
    assert "side a takes no changes: City" in row.reason
    with pytest.raises(InvalidInput, match="cannot update"):
        working.resolve(of, row.link_id, {"city": "b"}, actor="asha")
    for write in (
        lambda: side.update("1", {"city": "Surat"}),
        lambda: side.create({"number": "3", "name": "Chitra"}, "ours:3"),
        lambda: side.delete("1"),
    ):
        with pytest.raises(SideRefused, match="the list is only read"):
            write()
    assert path.read_bytes() == before
    world.close()


def test_a_workbook_that_may_be_rewritten_is_refused_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="an Excel file is only read"):
        RecordSideSettings(
            title="list", path=tmp_path / "c.XLSX", columns=COLUMNS, id_column="No", is_writable=True
        )


def test_a_quote_that_is_not_closed_is_refused_and_swallows_no_rows(tmp_path: Path) -> None:
    world = RecordWorld(tmp_path)
    path = tmp_path / "c.csv"
    path.write_text("No,Name\n1,Asha\n2,Bela\n3,Chitra\n")
    side = FileSide(path, {"number": "No", "name": "Name"}, "No", "the list")
    of = linked(world, side, number="1", name="Asha")
    path.write_text('No,Name\n1,"Asha\n2,Bela\n3,Chitra\n')
    with pytest.raises(InvalidInput, match="in the row that begins at line 2"):
        running.run(of, actor="asha")
    assert world.b.records["b1"]["name"] == "Asha"
    path.write_text('No,Name\n1,"Asha, and ""Sons""\nPune"\n2,12" pipes\n')
    assert {row["name"] for row in side.listed().records.values()} == {'Asha, and "Sons"\nPune', '12" pipes'}
    world.close()


def test_what_a_spreadsheet_could_not_calculate_overwrites_nothing(tmp_path: Path) -> None:
    world = RecordWorld(tmp_path)
    path = workbook(tmp_path / "c.xlsx", ("1", "Asha", "", "Pune", ""))
    of = linked(world, file_side(path), number="1", name="Asha", city="Pune")
    workbook(path, ("1", "Asha", "", "#N/A", ""))
    outcome = running.run(of, actor="asha")
    assert outcome.refused == [("a", "row 2", "Town holds #N/A, an error of the spreadsheet")]
    assert world.b.records["b1"]["city"] == "Pune"
    world.close()


def test_a_telephone_number_is_no_formula(listed: Path) -> None:
    for phone in ("+91 98200 12345 (home)", "+91-22-2345 / 46 ext. 5"):
        listed.write_text(f"No,Name,Mail,Town,Phone\n1,Asha,,,{phone}\n")
        assert file_side(listed).listed().records["1"]["phone"] == phone
    with pytest.raises(SideRefused, match="begins like a formula"):
        file_side(listed).update("1", {"name": "-2+3+cmd|' /C calc'!A0"})


@pytest.mark.parametrize(
    ("header", "is_writable", "is_refused"),
    [
        ("No,Name,Mail,Town,Phone,Remark,Remark", True, True),
        ("No,Name,Mail,Town,Phone,,", True, True),
        ("No,Name,Mail,Town,Phone,Name,Remark", False, True),
        ("No,Name,Mail,Town,Phone,Remark,Remark", False, False),
    ],
)
def test_headers_of_which_one_would_be_lost_or_mistaken_are_refused(
    listed: Path, header: str, is_writable: bool, is_refused: bool
) -> None:
    listed.write_text(f"{header}\n1,Asha,,,,first,second\n")
    before = listed.read_bytes()
    side = file_side(listed, is_writable=is_writable)
    if is_refused:
        with pytest.raises(InvalidInput, match="empty or stands twice"):
            side.update("1", {"city": "Surat"})
    else:
        assert side.listed().records["1"]["name"] == "Asha"
    assert listed.read_bytes() == before


def test_a_number_by_which_a_file_knows_its_records_is_not_changed_from_the_other_side(
    tmp_path: Path, listed: Path
) -> None:
    world = RecordWorld(tmp_path)
    of = linked(
        world, file_side(listed), number="1", name="Asha", email="a@x.in", city="Pune", phone="9820012345"
    )
    world.b.edit("b1", number="2")
    (undone,) = running.run(of, actor="asha").undone
    assert "knows its records by No" in undone.reason
    found = running.preview(of, actor="asha").plan
    assert (found.counts["pending"], found.counts["deleted"]) == (1, 0)
    world.close()


@pytest.mark.parametrize(("losses", "is_whole"), [(("C00003",), True), (("C00003", "C00004"), False)])
def test_a_list_that_changes_while_it_is_read_is_read_again_and_makes_nothing_deleted(
    system: Running, rest: RestSide, losses: tuple[str, ...], is_whole: bool
) -> None:
    for number in range(1, 151):
        system.system.put("customers", number=str(number), name=f"Asha {number}")
    system.system.losses = losses  # type: ignore[attr-defined]
    found = rest.listed()
    assert found.is_complete is is_whole
    assert "C00101" in found.records or not is_whole


def test_a_record_that_a_look_up_was_not_asked_for_is_not_taken_for_the_partner(
    system: Running, rest: RestSide
) -> None:
    system.system.put("customers", number="77", name="Quite another")
    system.system.is_deaf = True  # type: ignore[attr-defined]
    assert rest.find("customers:a:a1", "") is None
    assert rest.find("", "1") is None
    assert rest.find("", "77") == "C00001"


def test_a_blank_flag_is_left_to_the_other_system(system: Running, rest: RestSide) -> None:
    made = rest.create({"number": "7", "name": "Asha", "active": ""}, "ours:7")
    assert system.system.records["customers"][made]["active"] is True
    sent: list[dict[str, Any]] = []

    class Silent(AccurateCustomers):
        def __init__(self) -> None:
            """Keep what would be sent."""

        def _saved(self, body: Any) -> dict[str, Any]:
            sent.append(dict(body))
            return {}

    Silent().update("1", {"name": "Asha", "active": ""})
    Silent().update("1", {"name": "Asha", "active": "0"})
    assert sent == [{"id": 1, "name": "Asha"}, {"id": 1, "name": "Asha", "suspended": True}]
