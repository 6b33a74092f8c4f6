"""Promises of imported files: recognised by content, loaded once, refused alone and with a reason."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import func, select

from clientsync import money
from clientsync.database import reading
from clientsync.errors import InvalidInput, InvalidPeriod, UnknownClient
from clientsync.imports import folder as folder_module
from clientsync.imports import import_folder, import_paths, watch_folder
from clientsync.imports.recognising import exact_json
from clientsync.ledger import leases
from clientsync.ledger.tables import SyncDecision, SyncQuarantine, SyncRun, SyncUnit
from clientsync.spec.module import Cadence, HandFile
from clientsync.staged import StagedUnit
from clientsync.sync.service import close_interrupted
from clientsync.sync.services import Services
from clientsync.sync.staging import stage_payloads
from clientsync.warehouse.schema import warehouse_table
from tests.support import fake_connector
from tests.support.engine import add_clients, fake_services
from tests.support.gstins import gstin_of

THINGS = fake_connector.MODULES["things"]


def _join(pages: Any) -> dict[str, Any]:
    return {"things": [thing for page in pages for thing in page["things"]]}


HAND_FILE = HandFile(
    recognise=lambda payload: "Things file" if payload["kind"] == "things" else None,
    identity=lambda payload: (payload.get("gstin"), payload.get("period")),
    split=lambda payload: [(name, payload[name]) for name in ("red", "blue") if name in payload],
)
POOL_FILE = HandFile(
    recognise=lambda payload: "Pool" if payload["kind"] == "pool" else None,
    identity=lambda payload: (None, "current"),
    split=lambda payload: [("red", payload)],
)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    red = replace(THINGS.section("red"), merge=_join)
    sections = tuple(red if one.name == "red" else one for one in THINGS.sections)
    things = replace(THINGS, sections=sections, files=HAND_FILE)
    pool = replace(THINGS, name="late", title="Pool", cadence=Cadence.CLIENT, files=POOL_FILE)
    monkeypatch.setitem(fake_connector.MODULES, "things", things)
    monkeypatch.setitem(fake_connector.MODULES, "late", pool)
    with fake_services(tmp_path, monkeypatch, file_limit_bytes=3_000_000) as opened:
        add_clients(opened, ["A", "B"])
        yield opened


def content(
    *numbers: str, owner: int = 0, period: str = "102026", section: str = "red", value: str = "1.00"
) -> bytes:
    things = [{"number": number, "value": value} for number in numbers]
    payload = {"kind": "things", "gstin": gstin_of(owner), "period": period, section: {"things": things}}
    return json.dumps(payload).encode()


def put(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path


def zipped(members: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return held.getvalue()


def numbers(services: Services, client: str) -> set[str]:
    core = warehouse_table(fake_connector.THINGS).core
    statement = select(core.c.number).where(core.c.client_id == client, core.c.removed_at.is_(None))
    with reading(services.engine) as connection:
        return set(connection.execute(statement).scalars())


def count(services: Services, table: Any) -> int:
    with reading(services.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_plain_file_is_loaded_for_the_client_whose_gstin_it_holds(
    services: Services, tmp_path: Path
) -> None:
    [result] = import_paths(services, [put(tmp_path / "in", "any.name", content("R1", "R2", owner=1))])
    assert (result.client_id, result.period, result.label, result.outcome) == (
        "B",
        "102026",
        "Things file",
        "loaded",
    )
    assert (result.rows_loaded, result.rows_quarantined, result.is_loaded) == (2, 0, True)
    assert numbers(services, "B") == {"R1", "R2"}
    with reading(services.engine) as connection:
        run = connection.execute(select(SyncRun.__table__)).mappings().one()  # type: ignore[attr-defined]
    assert (run["kind"], run["state"], run["run_id"]) == ("import", "ended", result.run_id)


@pytest.mark.parametrize("form", ["plain", "gzip", "zip", "stored zip", "utf-16", "bom"])
def test_the_same_content_is_loaded_in_every_packing(services: Services, tmp_path: Path, form: str) -> None:
    data = content("R1")
    packed = {
        "plain": data,
        "gzip": gzip.compress(data),
        "zip": zipped([("returns/a.json", data), ("__MACOSX/._a.json", b"x"), ("returns/", b"")]),
        "stored zip": zipped([("a.txt", data)], zipfile.ZIP_STORED),
        "utf-16": data.decode().encode("utf-16"),
        "bom": b"\xef\xbb\xbf" + data + b"\n",
    }[form]
    [result] = import_paths(services, [put(tmp_path / "in", "file.bin", packed)])
    assert result.outcome == "loaded", result.reason
    assert numbers(services, "A") == {"R1"}


def test_a_file_that_was_imported_before_is_unchanged(services: Services, tmp_path: Path) -> None:
    path = put(tmp_path / "in", "a.json", content("R1"))
    import_paths(services, [path])
    [again] = import_paths(services, [path])
    assert (again.outcome, again.is_loaded) == ("unchanged", True)


def test_a_wrong_row_goes_to_quarantine_and_the_others_in(services: Services, tmp_path: Path) -> None:
    good = [{"number": f"R{number}", "value": "1"} for number in range(9)]
    payload = {
        "kind": "things",
        "gstin": gstin_of(0),
        "period": "102026",
        "red": {"things": [*good, {"number": "BAD", "value": "-1"}]},
    }
    [result] = import_paths(services, [put(tmp_path / "in", "a.json", json.dumps(payload).encode())])
    assert (result.rows_loaded, result.rows_quarantined) == (9, 1)
    assert "quarantine" in result.reason
    assert count(services, SyncQuarantine) == 1


def test_sections_of_one_statement_in_several_files_make_one_unit(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    put(folder, "1.json", content("R1"))
    put(folder, "2.json", content("B1", section="blue"))
    results = import_paths(services, [folder])
    assert [result.outcome for result in results] == ["loaded", "loaded"]
    assert (results[0].rows_loaded, results[1].reason) == (2, "part of 1.json")
    assert count(services, SyncUnit) == 1


def test_pages_of_a_section_are_joined_where_the_module_can_and_replace_one_another_where_not(
    services: Services, tmp_path: Path
) -> None:
    pages = zipped([("2.json", content("R2")), ("1.json", content("R1"))])
    results = import_paths(services, [put(tmp_path / "in", "red.zip", pages)])
    assert numbers(services, "A") == {"R1", "R2"}
    assert [result.member for result in results] == ["1.json", "2.json"]
    pages = zipped([("1.json", content("B1", section="blue")), ("2.json", content("B2", section="blue"))])
    results = import_paths(services, [put(tmp_path / "in", "blue.zip", pages)])
    assert all(result.is_loaded for result in results)
    assert "B2" in numbers(services, "A")


def test_good_files_go_in_beside_refused_ones(services: Services, tmp_path: Path) -> None:
    members = [
        ("good.json", content("R1")),
        ("page.json", b"<html><body>Login</body></html>"),
        ("x.txt", b"hello"),
    ]
    results = import_paths(services, [put(tmp_path / "in", "mixed.zip", zipped(members))])
    assert [result.outcome for result in results] == ["loaded", "refused", "refused"]
    assert "web page" in results[1].reason
    assert "not JSON" in results[2].reason


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty."),
    "blank": (b"  \n", "it is empty."),
    "html": (b"<!DOCTYPE html><html></html>", "it is a web page"),
    "pdf": (b"%PDF-1.7", "PDF"),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
    "excel": (zipped([("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")]), "Excel"),
    "cut": (content("R1")[:-20], "ends in the middle"),
    "number": (b"12", "without any data"),
    "nan": (b'{"a": NaN}', "cannot be used"),
    "twice": (b'{"a": 1, "a": 2}', "twice"),
    "deep": (b"[" * 100_000 + b"]" * 100_000, "deeper than 64"),
    "other json": (b'{"kind": "other"}', "Valid: Pool, Things"),
    "list": (b"[1, 2]", "Valid: Pool, Things"),
    "no gstin": (b'{"kind": "things", "period": "102026", "red": {"things": []}}', "--client ID"),
    "stranger": (content("R1", owner=77), "clients add"),
    "no period": (
        json.dumps({"kind": "things", "gstin": gstin_of(0), "red": {}}).encode(),
        "--period MMYYYY",
    ),
    "bad period": (content("R1", period="132026"), "its period cannot be used"),
    "no section": (
        json.dumps({"kind": "things", "gstin": gstin_of(0), "period": "102026"}).encode(),
        "no section",
    ),
    "damaged zip": (zipped([("a.json", content("R1"))])[:-30], "damaged archive"),
    "damaged gzip": (gzip.compress(content(*map(str, range(99))))[:-20], "damaged"),
    "empty zip": (zipped([]), "empty archive"),
    "nested zip": (zipped([("b.zip", zipped([("a.json", content("R1"))]))]), "archive inside an archive"),
    "nested gzip": (zipped([("b.gz", gzip.compress(content("R1")))]), "archive inside an archive"),
    "slip": (zipped([("../../etc/x.json", content("R1"))]), "leads outside"),
    "absolute": (zipped([("/etc/x.json", content("R1"))]), "leads outside"),
    "windows slip": (zipped([("..\\x.json", content("R1"))]), "leads outside"),
    "many": (zipped((f"{number}.json", b"{}") for number in range(1001)), "more than 1000"),
    "zip bomb": (zipped([("a.json", b" " * 2_900_000)]), "100 times its size"),
    "gzip bomb": (gzip.compress(b" " * 2_900_000), "100 times its size"),
    "oversize": (b" " * 3_000_001, "larger than 3 MB"),
    "tar": (gzip.compress(b"x" * 257 + b"ustar" + b"\0" * 250), "tar archive"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_used_is_refused_with_a_sentence_and_nothing_is_written(
    services: Services, tmp_path: Path, name: str
) -> None:
    data, part = REFUSED[name]
    [result] = import_paths(services, [put(tmp_path / "in", "file.json", data)])
    assert (result.outcome, result.is_loaded) == ("refused", False)
    assert part in result.reason
    assert gstin_of(77)[:11] not in result.reason
    assert count(services, SyncRun) == 0


def test_a_locked_member_is_refused(services: Services, tmp_path: Path) -> None:
    data = bytearray(zipped([("a.json", content("R1"))]))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    [result] = import_paths(services, [put(tmp_path / "in", "locked.zip", bytes(data))])
    assert "password" in result.reason


def test_an_archive_that_lies_about_its_sizes_is_read_no_further_than_the_limit(
    services: Services, tmp_path: Path
) -> None:
    big = b'{"kind": "things"}' + bytes(ord("a") + number * 7919 % 26 for number in range(1_000_000))
    data = zipped([(f"{number}.json", big) for number in range(4)])
    results = import_paths(services, [put(tmp_path / "in", "big.zip", data)])
    assert [result.reason for result in results][-1] == "it unpacks to more than is allowed."
    assert count(services, SyncRun) == 0


def test_a_file_that_does_not_say_whose_it_is_needs_the_client_and_never_contradicts_it(
    services: Services, tmp_path: Path
) -> None:
    pool = put(tmp_path / "in", "pool.json", b'{"kind": "pool", "things": [{"number": "P1", "value": 1}]}')
    [result] = import_paths(services, [pool], client="B")
    assert (result.client_id, result.period, result.outcome) == ("B", "current", "loaded")
    [result] = import_paths(services, [put(tmp_path / "in", "a.json", content("R1"))], client="B")
    assert result.reason == "it belongs to client A, not to B."


def test_the_period_can_be_said_for_files_that_do_not(services: Services, tmp_path: Path) -> None:
    data = json.dumps({"kind": "things", "gstin": gstin_of(0), "red": {"things": []}}).encode()
    [result] = import_paths(services, [put(tmp_path / "in", "a.json", data)], period="2026-09")
    assert (result.period, result.is_loaded) == ("092026", True)


def test_a_month_that_cannot_be_used_is_replaced_by_the_one_that_is_said(
    services: Services, tmp_path: Path
) -> None:
    path = put(tmp_path / "in", "old.json", content("R1", period="052017"))
    [result] = import_paths(services, [path])
    assert "lies before 072017" in result.reason
    assert "--period MMYYYY" in result.reason
    [result] = import_paths(services, [path], period="072017")
    assert (result.period, result.outcome) == ("072017", "loaded")


def test_a_suspect_file_is_loaded_when_a_person_says_what_was_compared(
    services: Services, tmp_path: Path
) -> None:
    path = put(tmp_path / "in", "a.json", content(*(f"R{number}" for number in range(10)), value="-1"))
    [result] = import_paths(services, [path])
    assert (result.outcome, result.is_loaded) == ("suspect", False)
    assert "--release" in result.reason
    [result] = import_paths(services, [path], release_reason="compared with the portal")
    assert (result.is_loaded, result.rows_quarantined) == (True, 10)
    assert services.released == set()
    with reading(services.engine) as connection:
        decision = connection.execute(select(SyncDecision.__table__)).mappings().one()  # type: ignore[attr-defined]
    assert (decision["kind"], decision["reason"]) == ("release", "compared with the portal")


def test_wrong_arguments_are_refused_before_anything_is_read(services: Services, tmp_path: Path) -> None:
    path = put(tmp_path / "in", "a.json", content("R1"))
    with pytest.raises(InvalidInput, match="There is no file or folder"):
        import_paths(services, [path, tmp_path / "none"])
    with pytest.raises(UnknownClient, match="Valid: A, B"):
        import_paths(services, [path], client="Z")
    with pytest.raises(InvalidPeriod):
        import_paths(services, [path], period="2026")
    assert numbers(services, "A") == set()


def test_a_promised_shape_that_is_broken_ends_as_broken_and_is_in_the_ledger(
    services: Services, tmp_path: Path
) -> None:
    data = json.dumps(
        {"kind": "things", "gstin": gstin_of(0), "period": "102026", "red": {"other": 1}}
    ).encode()
    good = put(tmp_path / "in", "b.json", content("R1", owner=1))
    results = import_paths(services, [put(tmp_path / "in", "a.json", data), good])
    assert [result.outcome for result in results] == ["broken", "loaded"]
    assert "promised shape" in results[0].reason


def test_a_client_on_whom_a_run_works_is_tried_later(services: Services, tmp_path: Path) -> None:
    leases.take(services.engine, [("A", "fake", "things")], "another", 60)
    folder = tmp_path / "watched"
    path = put(folder, "a.json", content("R1"))
    [result] = import_folder(services, folder, settled=0)
    assert (result.outcome, result.is_loaded) == ("later", False)
    assert path.exists()
    assert numbers(services, "A") == set()


def test_leases_are_free_again_afterwards(services: Services, tmp_path: Path) -> None:
    import_paths(services, [put(tmp_path / "in", "a.json", content("R1"))])
    assert leases.holder_of(services.engine, ("A", "fake", "things")) is None


def test_an_import_that_takes_long_is_never_taken_for_interrupted(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.settings = services.settings.model_copy(update={"lease_seconds": 0.4})
    dead: list[str] = []

    def slow(*arguments: Any) -> StagedUnit:
        time.sleep(1.0)
        dead.extend(close_interrupted(services))
        return stage_payloads(*arguments)

    monkeypatch.setattr("clientsync.imports.importing.stage_payloads", slow)
    [result] = import_paths(services, [put(tmp_path / "in", "a.json", content("R1"))])
    assert (dead, result.outcome) == ([], "loaded")
    with reading(services.engine) as connection:
        run = connection.execute(select(SyncRun.__table__)).mappings().one()  # type: ignore[attr-defined]
    assert (run["state"], run["counts"]) == ("ended", {"loaded": 1})


def test_a_watched_folder_is_cleared_into_done_and_refused_with_the_reason(
    services: Services, tmp_path: Path
) -> None:
    folder = tmp_path / "watched"
    put(folder, "good.json", content("R1"))
    put(folder, "bad.json", b"<html>")
    put(folder, "half.crdownload", b"{")
    put(folder, ".hidden", b"{")
    results = import_folder(services, folder, settled=0)
    assert sorted(result.outcome for result in results) == ["loaded", "refused"]
    assert {path.name for path in folder.iterdir()} == {"done", "refused", "half.crdownload", ".hidden"}
    assert "web page" in (folder / "refused" / "bad.json.reason.txt").read_text()
    put(folder, "good.json", content("R1", "R2"))
    import_folder(services, folder, settled=0)
    assert len(list((folder / "done").iterdir())) == 2
    assert import_folder(services, folder, settled=0) == []


def test_a_file_that_is_still_being_written_is_left_alone(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    path = put(folder, "a.json", content("R1")[:30])
    ended = threading.Event()

    def grow() -> None:
        while not ended.wait(0.02):
            with path.open("ab") as file:
                file.write(b" ")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        assert import_folder(services, folder, settled=0.3) == []
    finally:
        ended.set()
        writer.join()
    assert path.exists()


def test_a_file_laid_into_a_watched_folder_is_loaded_until_the_stop(
    services: Services, tmp_path: Path
) -> None:
    folder = tmp_path / "watched"
    put(folder, "first.json", content("R1"))
    seen: list[str] = []
    for results in watch_folder(services, folder, seconds=0.2):
        seen.extend(result.path.name for result in results)
        if len(seen) == 1:
            put(folder, "second.json", content("R1", "R2"))
        else:
            services.stop.set()
    assert seen == ["first.json", "second.json"]
    assert numbers(services, "A") == {"R1", "R2"}


def test_no_result_row_shows_an_identity_that_a_file_name_carries(services: Services, tmp_path: Path) -> None:
    name = f"returns_{gstin_of(0)}_R2B.json"
    [result] = import_paths(services, [put(tmp_path / "in", name, b"x")])
    assert gstin_of(0) not in str(result.as_row())
    [result] = import_paths(services, [put(tmp_path / "in", name, content("R1"))])
    with reading(services.engine) as connection:
        run = connection.execute(select(SyncRun.__table__)).mappings().one()  # type: ignore[attr-defined]
    assert gstin_of(0) not in str(dict(run))


def test_importing_many_files_stays_quick(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(40):
        put(folder, f"{number:02d}.json", content("R1", period=f"{number % 12 + 1:02d}{2020 + number // 12}"))
    began = time.monotonic()
    results = import_paths(services, [folder])
    assert all(result.is_loaded for result in results)
    assert time.monotonic() - began < 10


@profile(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**20), 10**20)
        | st.decimals(allow_nan=False, allow_infinity=False, places=2)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=12,
    )
)
def test_json_is_written_again_with_every_number_as_it_was(value: Any) -> None:
    again = money.loads(exact_json(value))
    assert again == value
    assert exact_json(again) == exact_json(value)


def test_exact_json_keeps_what_a_float_would_lose() -> None:
    assert exact_json({"a": Decimal("100000000000000.10")}) == '{"a":100000000000000.10}'


def test_a_file_that_was_copied_is_read_once(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    put(folder, "red (1).json", content("R1", "R2"))
    put(folder, "red.json", content("R1", "R2"))
    results = import_paths(services, [folder])
    assert [(one.outcome, one.rows_loaded) for one in results] == [("loaded", 2), ("loaded", 0)]
    assert results[1].reason == "the same as red (1).json"
    with reading(services.engine) as connection:
        assert connection.execute(select(SyncUnit.__table__.c.rows_in)).scalars().all() == [2]  # type: ignore[attr-defined]


def test_of_two_downloads_of_one_statement_the_newer_file_stands(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    newer = put(folder, "blue (1).json", content("B1", "B2", section="blue"))
    older = put(folder, "blue.json", content("B1", section="blue"))
    os.utime(older, (1_790_000_000, 1_790_000_000))
    os.utime(newer, (1_790_000_500, 1_790_000_500))
    results = import_paths(services, [folder])
    assert [one.path.name for one in results] == ["blue (1).json", "blue.json"]
    assert numbers(services, "A") == {"B1", "B2"}


def test_a_file_that_is_written_anew_while_it_is_imported_is_imported_again(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    path = put(folder, "red.json", content("R1"))

    def slow(*arguments: Any, **options: Any) -> Any:
        results = import_paths(*arguments, **options)
        put(folder, "red.json", content("R1", "R2"))
        monkeypatch.setattr(folder_module, "import_paths", import_paths)
        return results

    monkeypatch.setattr(folder_module, "import_paths", slow)
    import_folder(services, folder, settled=0.05)
    assert path.is_file()
    import_folder(services, folder, settled=0.05)
    assert not path.exists()
    assert numbers(services, "A") == {"R1", "R2"}


def test_a_refused_file_whose_name_is_in_another_encoding_is_put_away_with_its_reason(
    services: Services, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    put(folder, os.fsdecode(b"r\xe9d.json"), b"")
    import_folder(services, folder, settled=0.05)
    [reason] = (folder / "refused").glob("*.reason.txt")
    assert "it is empty" in reason.read_text()


def test_a_damaged_member_is_refused_whatever_it_was_packed_with(services: Services, tmp_path: Path) -> None:
    for number, compression in enumerate((zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED)):
        data = bytearray(zipped([("a.json", content(*map(str, range(99))))], compression))
        data[60:120] = b"\xff" * 60
        [result] = import_paths(services, [put(tmp_path / "in", f"{number}.zip", bytes(data))])
        assert result.outcome == "refused"
        assert "damaged" in result.reason


def test_a_folder_in_which_files_cannot_be_moved_is_told_in_a_sentence(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "good.json":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    folder = tmp_path / "in"
    good = put(folder, "good.json", content("R1"))
    bad = put(folder, "bad.json", b"")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InvalidInput, match=r"cannot be moved .*: good\.json \(Permission denied\)"):
        import_folder(services, folder, settled=0.05)
    assert good.is_file()
    assert not bad.is_file()
    assert numbers(services, "A") == {"R1"}
