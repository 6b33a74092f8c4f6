"""Promises of the client master: wrong rows are refused with their reason, good rows go in, nothing is guessed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert

from clientsync.clients.files import read_table, write_template
from clientsync.clients.master import (
    ClientImport,
    add_to_group,
    import_clients,
    put_client,
    remove_from_group,
    set_active,
    set_switch,
)
from clientsync.clients.rows import COLUMNS, ClientRow, check_row, misplaced, read_date
from clientsync.clients.selection import (
    ALL_CLIENTS,
    group_members,
    group_names,
    groups_of_clients,
    list_clients,
    select_clients,
)
from clientsync.clock import now
from clientsync.database import open_engine, reading, writing
from clientsync.errors import InvalidInput, UnknownClient, UnknownName
from clientsync.ledger.tables import SyncClient, SyncRun, SyncUnit
from tests.support.gstins import gstin_of

PROVIDERS = ("gsp", "sandbox")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path / 'clients.db'}")
    SyncClient.metadata.create_all(opened)
    yield opened
    opened.dispose()


def write_csv(path: Path, rows: list[dict[str, str]], header: list[str] | None = None) -> Path:
    columns = header or list(COLUMNS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def good(number: int, **changes: str) -> dict[str, str]:
    return {
        "client_id": f"C{number:04d}",
        "name": f"Client {number}",
        "gstin": gstin_of(number),
        "portal_username": f"user{number}",
        "provider": "gsp",
    } | changes


def load(engine: Engine, path: Path, rows: list[dict[str, str]], **options: Any) -> ClientImport:
    return import_clients(engine, write_csv(path / "list.csv", rows), providers=PROVIDERS, **options)


def stored(engine: Engine) -> dict[str, SyncClient]:
    with reading(engine) as connection:
        return {one.client_id: one for one in list_clients(connection, only_active=False)}


def reasons(result: ClientImport) -> list[tuple[int, str]]:
    return [(problem.row, problem.column) for problem in result.problems]


def test_good_rows_go_in_and_wrong_ones_are_refused_with_row_column_and_reason(
    engine: Engine, tmp_path: Path
) -> None:
    wrong_check = gstin_of(2)[:14] + ("A" if gstin_of(2)[14] != "A" else "B")
    result = load(
        engine,
        tmp_path,
        [
            good(1),
            good(2, gstin=wrong_check),
            good(3, state_code="07"),
            good(4, provider="nobody"),
            good(5, filing_frequency="weekly"),
            good(6, consent_ends_on="31-02-2026"),
            good(7),
        ],
    )
    assert result.added == ["C0001", "C0007"]
    assert reasons(result) == [
        (3, "gstin"),
        (4, "state_code"),
        (5, "provider"),
        (6, "filing_frequency"),
        (7, "consent_ends_on"),
    ]
    assert "Valid: gsp, sandbox, file." in result.problems[2].reason
    assert set(stored(engine)) == {"C0001", "C0007"}


def test_no_reason_repeats_a_gstin(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path, [good(1)])
    bad = gstin_of(9)[:14] + "-"
    result = load(
        engine, tmp_path, [good(1, client_id="D1"), good(2, gstin=bad), good(3), good(3, client_id="D3")]
    )
    text = " ".join(problem.reason for problem in result.problems)
    assert len(result.problems) == 3
    assert not any(gstin_of(number)[2:12] in text for number in (1, 2, 3, 9))


def test_a_row_tells_all_its_faults_at_once(engine: Engine, tmp_path: Path) -> None:
    result = load(engine, tmp_path, [good(1, gstin="27", provider="x", client_id="")])
    assert reasons(result) == [(2, "client_id"), (2, "gstin"), (2, "provider")]
    assert result.refused_rows == 1


def test_repeats_in_the_file_and_against_the_master_are_refused(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path, [good(1)])
    result = load(
        engine,
        tmp_path,
        [good(2), good(3, client_id="C0002"), good(2, client_id="C0004"), good(1, client_id="C0005")],
    )
    assert result.added == ["C0002"]
    assert reasons(result) == [(3, "client_id"), (4, "gstin"), (5, "gstin")]
    assert "C0001" in result.problems[2].reason


@pytest.mark.parametrize(
    ("client_id", "part"),
    [
        ("a b", "valid"),
        (gstin_of(1), "GSTIN"),
        ("AAAPZ1234Q", "PAN or TAN"),
        ("MUMA12345B", "PAN or TAN"),
        ("All clients", "valid"),
    ],
)
def test_an_id_that_would_be_harmful_in_logs_is_refused(
    engine: Engine, tmp_path: Path, client_id: str, part: str
) -> None:
    result = load(engine, tmp_path, [good(1, client_id=client_id)])
    assert part in result.problems[0].reason
    assert not stored(engine)


def test_a_group_and_a_client_never_have_the_same_name(engine: Engine, tmp_path: Path) -> None:
    result = load(engine, tmp_path, [good(1, groups="North; C0002"), good(2)])
    assert reasons(result) == [(3, "client_id")]
    result = load(engine, tmp_path, [good(3, groups="c0001")])
    assert reasons(result) == [(2, "groups")]


@pytest.mark.parametrize(
    "lines",
    [
        ["client_id,name,gstin,groups", "C1,One,{},a;b;c;d;e;f"],
        ["client_id;name;gstin", "C1;One, Two, Three, Four and Sons;{}"],
        ["client_id|name|gstin", "C1|One;Two;Three;Four, Five, Six|{}"],
    ],
)
def test_the_header_tells_which_sign_parts_the_cells(
    engine: Engine, tmp_path: Path, lines: list[str]
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\r\n".join(lines).format(gstin_of(1)), encoding="utf-8")
    assert import_clients(engine, path, providers=PROVIDERS).added == ["C1"]


def test_a_group_is_one_however_its_capitals_are_written(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path, [good(1, groups="North"), good(2, groups="north;NORTH"), good(3)])
    put_client(engine, {"client_id": "C0003", "groups": "NORTH"}, providers=PROVIDERS, is_new=False)
    load(engine, tmp_path, [good(4)])
    assert add_to_group(engine, "nORTH", ["C0004", "C0001"]) == 1
    with reading(engine) as connection:
        assert group_members(connection) == {"North": {"C0001", "C0002", "C0003", "C0004"}}


@pytest.mark.parametrize(
    ("column", "cell"),
    [("name", "#N/A"), ("portal_username", "#REF!"), ("groups", "#Value!"), ("name", "-"), ("groups", " ; ")],
)
def test_a_cell_that_says_nothing_changes_nothing(
    engine: Engine, tmp_path: Path, column: str, cell: str
) -> None:
    load(engine, tmp_path, [good(1, groups="North")])
    assert reasons(load(engine, tmp_path, [{"client_id": "C0001", column: cell}])) == [(2, column)]
    client = stored(engine)["C0001"]
    assert (client.name, client.portal_username) == ("Client 1", "user1")
    with reading(engine) as connection:
        assert group_members(connection) == {"North": {"C0001"}}


def test_an_id_with_blanks_around_it_is_not_added_over_the_client_that_has_it(
    engine: Engine, tmp_path: Path
) -> None:
    load(engine, tmp_path, [good(1)])
    with pytest.raises(InvalidInput, match="is there already"):
        put_client(
            engine, good(1, client_id=" C0001 ", name="Somebody else"), providers=PROVIDERS, is_new=True
        )
    assert put_client(engine, {"client_id": "C0001 ", "name": "Renamed"}, providers=PROVIDERS, is_new=False)


@pytest.mark.parametrize(
    "text",
    ["31-12-2026", "31/12/2026", "31.12.2026", "31-Dec-2026", "31 December 2026", "2026-12-31", "31/12/26"],
)
def test_dates_are_read_in_the_notations_of_india(text: str) -> None:
    assert read_date(text) == date(2026, 12, 31)


@pytest.mark.parametrize("text", ["12/31/2026", "2026", "46000", "soon", "31-02-2026"])
def test_a_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Valid: 31-12-2026"):
        read_date(text)


def test_headers_are_tolerated_in_other_words_case_and_order(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(
        f"\ufeff GST No. ;CLIENT CODE;Client Name;Login ID;Team;Remark\r\n{gstin_of(5).lower()};K5;Five;u5;A,B;x\r\n",
        encoding="utf-8",
    )
    result = import_clients(engine, path, providers=PROVIDERS)
    assert (result.added, result.ignored) == (["K5"], ("Remark",))
    client = stored(engine)["K5"]
    assert (client.gstin, client.portal_username, client.provider) == (gstin_of(5), "u5", "file")
    with reading(engine) as connection:
        assert group_names(connection) == ("A", "B")


def test_excel_is_read_with_its_own_types(engine: Engine, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(COLUMNS))
    sheet.append([101, "Seven", gstin_of(7, "07"), 9876.0, "GSP", 7, "q", datetime(2027, 1, 31), None])  # noqa: DTZ001
    sheet.append([None] * 9)
    sheet.append(["C2", "Bad", "27ABC", None, None, None, None, None, None])
    book.save(tmp_path / "list.xlsx")
    result = import_clients(engine, tmp_path / "list.xlsx", providers=PROVIDERS)
    assert result.added == ["101"]
    assert reasons(result) == [(4, "gstin")]
    client = stored(engine)["101"]
    assert (client.portal_username, client.provider, client.state_code) == ("9876", "gsp", "07")
    assert (client.filing_frequency, client.consent_ends_on) == ("Q", date(2027, 1, 31))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_csv_of_any_usual_encoding_is_read(engine: Engine, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(f"client_id,name,gstin\nC1,Café,{gstin_of(1)}\n".encode(encoding))
    assert import_clients(engine, path, providers=()).added == ["C1"]
    assert stored(engine)["C1"].name == "Café"


def test_row_numbers_follow_the_file_over_quoted_line_ends(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f'client_id,name,gstin\nC1,"two\nlines",{gstin_of(1)}\n\nC2,x,bad\n', encoding="utf-8")
    result = import_clients(engine, path, providers=())
    assert reasons(result) == [(5, "gstin")]


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.pdf", b"x", "Valid: .csv"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"who,what\n1,2\n", "no column client_id and gstin"),
        ("a.csv", b"client_id,id,gstin\n1,2,3\n", "two columns for client_id"),
        ("a.xlsx", b"not a workbook", "not an Excel workbook"),
    ],
)
def test_a_file_that_is_no_client_list_is_refused_in_one_sentence(
    engine: Engine, tmp_path: Path, name: str, content: bytes, part: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=part):
        import_clients(engine, tmp_path / name, providers=())


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no file"):
        read_table(tmp_path / "none.csv")


def test_an_empty_cell_keeps_and_a_dash_clears(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path, [good(1, consent_ends_on="31-12-2026", groups="North")])
    again = load(engine, tmp_path, [good(1, portal_username="", provider="", name="")])
    assert again.unchanged == ["C0001"]
    cleared = load(engine, tmp_path, [good(1, portal_username="-", consent_ends_on="-", groups="-")])
    assert cleared.updated == ["C0001"]
    client = stored(engine)["C0001"]
    assert (client.portal_username, client.consent_ends_on, client.name) == ("", None, "Client 1")
    with reading(engine) as connection:
        assert groups_of_clients(connection) == {}


def test_a_second_import_of_the_same_file_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    rows = [good(number, groups="All of them", consent_ends_on="1-1-2027") for number in range(30)]
    load(engine, tmp_path, rows)
    before = {key: one.updated_at for key, one in stored(engine).items()}
    result = load(engine, tmp_path, rows)
    assert (len(result.unchanged), result.added, result.updated) == (30, [], [])
    assert {key: one.updated_at for key, one in stored(engine).items()} == before


def test_a_dry_run_says_the_same_and_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    rows = [good(1), good(2, gstin="x")]
    dry = load(engine, tmp_path, rows, dry_run=True)
    assert not stored(engine)
    real = load(engine, tmp_path, rows)
    assert (dry.added, dry.problems) == (real.added, real.problems)


def give_data(engine: Engine, client_id: str) -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(SyncRun).values(
                run_id="r",
                connector="gst",
                kind="manual",
                state="ended",
                selection={},
                started_at=now(),
                counts={},
            )
        )
        connection.execute(
            insert(SyncUnit).values(
                unit_id="u",
                run_id="r",
                client_id=client_id,
                connector="gst",
                module="m",
                unit_period="p",
                state="ended",
                staged={},
            )
        )


def test_a_client_with_data_keeps_its_gstin(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path, [good(1), good(2)])
    give_data(engine, "C0001")
    result = load(engine, tmp_path, [good(1, gstin=gstin_of(8)), good(2, gstin=gstin_of(9))])
    assert reasons(result) == [(2, "gstin")]
    assert result.updated == ["C0002"]


def test_edit_changes_what_is_named_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path, [good(1, groups="North")])
    assert put_client(engine, {"client_id": "C0001", "name": "New name"}, providers=PROVIDERS, is_new=False)
    assert not put_client(
        engine, {"client_id": "C0001", "name": "New name"}, providers=PROVIDERS, is_new=False
    )
    client = stored(engine)["C0001"]
    assert (client.name, client.portal_username) == ("New name", "user1")
    with pytest.raises(InvalidInput, match=r"state_code: the client's GSTIN begins with 27\."):
        put_client(engine, {"client_id": "C0001", "state_code": "07"}, providers=PROVIDERS, is_new=False)
    with pytest.raises(UnknownClient, match="Valid: C0001"):
        put_client(engine, {"client_id": "C9", "name": "x"}, providers=PROVIDERS, is_new=False)
    with pytest.raises(InvalidInput, match="is there already"):
        put_client(engine, dict(good(1)), providers=PROVIDERS, is_new=True)


def test_selection_takes_ids_groups_and_all_and_leaves_out_what_is_excluded(
    engine: Engine, tmp_path: Path
) -> None:
    load(engine, tmp_path, [good(1, groups="A"), good(2, groups="A;B"), good(3, groups="B"), good(4)])
    set_active(engine, ["C0003"], is_active=False)

    def ids(include: list[str], **options: Any) -> str:
        with reading(engine) as connection:
            return "".join(one.client_id[-1] for one in select_clients(connection, include, **options))

    assert ids([]) == ids([ALL_CLIENTS]) == "124"
    assert ids(["C0001", "C0001"]) == "1"
    assert ids(["B", "C0004"]) == "24"
    assert ids([], groups=["A"]) == "12"
    assert ids([ALL_CLIENTS], exclude=["A"]) == "4"
    assert ids([], exclude=["C0003", "C0001"]) == "24"
    for wrong in (["nobody"], ["C0003"], ["c0001"]):
        with pytest.raises(UnknownClient, match="Valid: All clients, A, B, C0001"):
            ids(wrong)
    with pytest.raises(UnknownClient, match="Unknown group 'C0001'"):
        ids([], groups=["C0001"])


def test_deactivated_clients_stay_out_until_they_are_activated(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path, [good(1), good(2)])
    assert set_active(engine, ["C0001"], is_active=False, reason="left") == 1
    assert set_active(engine, ["C0001"], is_active=False) == 0
    load(engine, tmp_path, [good(1, name="renamed")])
    assert stored(engine)["C0001"].is_active is False
    with pytest.raises(UnknownClient):
        set_active(engine, ["C0002", "C9"], is_active=False)
    assert stored(engine)["C0002"].is_active is True


def test_groups_are_made_by_their_first_member_and_end_with_the_last(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path, [good(1), good(2)])
    assert add_to_group(engine, "  Night   owls ", ["C0001", "C0002", "C0001"]) == 2
    assert add_to_group(engine, "Night owls", ["C0001"]) == 0
    assert remove_from_group(engine, "Night owls", ["C0001", "C0002"]) == 2
    with pytest.raises(UnknownName, match="none yet"):
        remove_from_group(engine, "Night owls", ["C0001"])
    for name in ("C0001", "a;b", "", "All clients"):
        with pytest.raises(InvalidInput):
            add_to_group(engine, name, ["C0002"])


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_the_template_has_every_column_and_is_never_overwritten(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clients{suffix}"
    write_template(path)
    assert read_table(path).rows == ()
    with pytest.raises(InvalidInput, match="was not touched"):
        write_template(path)
    with pytest.raises(InvalidInput, match=r"Valid: \.csv, \.xlsx"):
        write_template(tmp_path / "clients.doc")


def test_a_template_filled_in_is_imported(engine: Engine, tmp_path: Path) -> None:
    write_template(tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    row = good(1) | {"consent_ends_on": "31-12-2026"}
    for number, column in enumerate(COLUMNS, start=1):
        book["Clients"].cell(2, number, row.get(column))
    book.save(tmp_path / "t.xlsx")
    assert import_clients(engine, tmp_path / "t.xlsx", providers=PROVIDERS).added == ["C0001"]


def test_a_misplaced_character_is_named_by_its_place() -> None:
    gstin = gstin_of(1)
    assert "character 3 must be a letter" in misplaced(gstin[:2] + "0" + gstin[3:])
    assert "character 8 must be a digit" in misplaced(gstin[:7] + "O" + gstin[8:])
    assert misplaced(gstin) == ""


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(list(COLUMNS)), st.text(max_size=50) | st.integers() | st.floats() | st.none()
    )
)
def test_any_cell_is_either_a_row_or_a_list_of_reasons(cells: dict[str, Any]) -> None:
    checked = check_row(7, cells, ("gsp", "file"))
    if isinstance(checked, ClientRow):
        assert checked.client_id
        assert checked.values.get("provider", "gsp") in ("gsp", "file")
    else:
        assert checked
        assert all(problem.row == 7 and problem.column in COLUMNS and problem.reason for problem in checked)


def test_a_switch_is_set_for_named_clients_and_an_unknown_one_lists_the_valid(engine: Engine) -> None:
    for number, client_id in enumerate(("S1", "S2")):
        cells = {"client_id": client_id, "name": client_id, "gstin": gstin_of(900 + number)}
        put_client(engine, cells, providers=(), is_new=True)
    assert set_switch(engine, ["S1", "S1"], "generate_2b", is_on=True) == 1
    assert set_switch(engine, ["S1"], "generate_2b", is_on=True) == 0
    with reading(engine) as connection:
        switched = {one.client_id: one.settings for one in list_clients(connection, only_active=True)}
    assert switched == {"S1": {"generate_2b": True}, "S2": {}}
    with pytest.raises(UnknownName, match="generate_2b, gstr3b_balances"):
        set_switch(engine, ["S1"], "generate", is_on=True)
    with pytest.raises(UnknownClient):
        set_switch(engine, ["S1", "S9"], "gstr3b_balances", is_on=True)


def tds_client(engine: Engine, client_id: str, **cells: str) -> bool:
    given = {"client_id": client_id, "name": f"Client {client_id}", **cells}
    return put_client(engine, given, providers=PROVIDERS, is_new=True)


def test_a_client_may_have_a_tan_and_no_gstin_and_is_then_read_from_the_portals(engine: Engine) -> None:
    tds_client(engine, "T1", tan="mum a12345b", tds_forms="26q; 138", deductor_category="k")
    with reading(engine) as connection:
        client = list_clients(connection, only_active=True)[0]
    assert (client.gstin, client.tan, client.tds_forms) == ("", "MUMA12345B", "24Q,26Q")
    assert (client.tds_source, client.deductor_category) == ("portal", "K")


def test_any_number_of_clients_may_lack_a_number_and_none_may_share_one(engine: Engine) -> None:
    tds_client(engine, "T1", tan="MUMA12345B")
    tds_client(engine, "T2", tan="MUMA12346B")
    with pytest.raises(InvalidInput, match="client T1 has this TAN already"):
        tds_client(engine, "T3", tan="MUMA12345B")


def test_a_new_client_without_any_number_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="so is the TAN"):
        tds_client(engine, "T1")


@pytest.mark.parametrize(
    ("column", "value", "part"),
    [
        ("tan", "MUMA1234B", "10 characters"),
        ("tan", "MUM112345B", "four letters"),
        ("deductor_pan", "ABCZE1234F", "fourth letter"),
        ("tds_forms", "26Q;26QB", "Valid: 24Q"),
        ("deductor_category", "X", "Valid: A"),
        ("tds_source", "email", "portal, file"),
    ],
)
def test_a_wrong_tds_cell_is_refused_with_what_is_valid_and_never_repeated(
    engine: Engine, column: str, value: str, part: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        tds_client(engine, "T1", **{"tan": "MUMA12345B", column: value})
    assert part in refused.value.message
    if column in ("tan", "deductor_pan"):
        assert value not in refused.value.message


def test_the_tan_of_a_client_with_tds_data_stays(engine: Engine) -> None:
    tds_client(engine, "T1", tan="MUMA12345B")
    moment = now()
    with writing(engine) as connection:
        connection.execute(
            insert(SyncRun).values(
                run_id="r", connector="tds", kind="manual", selection={}, state="ended", counts={},
                started_at=moment, code_version="",
            )
        )  # fmt: skip
        connection.execute(
            insert(SyncUnit).values(
                unit_id="u", run_id="r", client_id="T1", connector="tds", module="challans", unit_period="current",
                state="ended", reason="", next_step="", staged={}, attempts=0, calls=0, cells_asked=0,
                cells_not_asked=0, rows_in=0, rows_loaded=0, rows_quarantined=0, inserted=0, updated=0,
                unchanged=0, removed=0,
            )
        )  # fmt: skip
    with pytest.raises(InvalidInput, match="has data of another TAN"):
        put_client(engine, {"client_id": "T1", "tan": "MUMA99999B"}, providers=PROVIDERS, is_new=False)
    assert put_client(engine, {"client_id": "T1", "gstin": gstin_of(1)}, providers=PROVIDERS, is_new=False)
