"""Promises of the command line: help with examples; one sentence and exit code 2; no secret is ever shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select
from typer.main import get_command
from typer.testing import CliRunner, Result

from clientsync.cli.app import app
from clientsync.cli.reference import command_reference, commands
from clientsync.clock import today
from clientsync.database import open_engine, reading, upgrade, writing
from clientsync.errors import OtpRequired, SourceUnavailable
from clientsync.ledger.tables import SyncClient, SyncRun, SyncUnit
from clientsync.sync.services import Services
from tests.support.engine import add_clients, fake_services
from tests.support.fake_connector import OTPS, SCRIPT, good_client, things
from tests.support.gstins import gstin_of
from tests.support.hostile import HOSTILE

COMMANDS = list(commands(get_command(app), "clientsync"))
UNIT = SyncUnit.__table__  # type: ignore[attr-defined]
CHANGE = (SyncClient, SyncRun, SyncUnit)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "clientsync.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine, [])
    engine.dispose()
    return path


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated: Path) -> Iterator[Services]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    shutil.copy(migrated, tmp_path / "home")
    options = {
        "prefect_api_url": "http://127.0.0.1:9/api",
        "validator": "tests.support.engine:refuse_negatives",
    }
    with fake_services(tmp_path, monkeypatch, **options) as opened:
        add_clients(opened, ["A", "B", "C"])
        for client in ("A", "B", "C"):
            good_client(client)
        yield opened


def call(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def ok(*arguments: str, stdin: str | None = None) -> str:
    done = call(*arguments, stdin=stdin)
    assert done.exit_code == 0, done.output
    return done.stdout


def counts(services: Services) -> list[int]:
    with reading(services.engine) as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in CHANGE]


def sync(*clients: str, expect: int = 0) -> dict[str, Any]:
    selected = ["--clients", ",".join(clients)] if clients else []
    done = call("sync", "fake", *selected, "--modules", "Things", "--period", "102026", "--json")
    assert done.exit_code == expect, done.output
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[path for path, _ in COMMANDS])
def test_every_command_has_help_with_an_example_that_names_it(path: str, command: Any) -> None:
    done = call(*path.split()[1:], "--help")
    assert done.exit_code == 0
    _, _, example = (command.help or "").partition("Example: ")
    assert " ".join(example.split()).startswith(path)


def test_examples_are_parsed_by_the_commands_they_explain() -> None:
    import shlex

    for path, command in COMMANDS:
        example = " ".join(command.help.partition("Example: ")[2].split())
        words = shlex.split(example)[len(path.split()) :]
        command.make_context(path, words)


def test_the_command_reference_names_every_command_and_option() -> None:
    text = command_reference()
    for path, command in COMMANDS:
        assert f"## `{path}`" in text
        for option in command.params:
            if option.param_type_name == "option":
                assert option.opts[0] in text


def test_help_takes_less_than_half_a_second_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.perf_counter()\n"
        "sys.argv = ['clientsync', '--help']\n"
        "from clientsync.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = [name for name in ('pandas', 'prefect', 'great_expectations', 'sqlalchemy', 'sqlmodel', "
        "'pydantic', 'openpyxl', 'xlsxwriter', 'httpx', 'pyarrow') if name in sys.modules]\n"
        "print(heavy, time.process_time(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, _, seconds = done.stderr.strip().rpartition(" ")
    assert heavy == "[]"
    assert float(seconds) < 0.5
    assert "resync-failed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["sync", "nowhere"], "Unknown connector 'nowhere'. Valid: fake."),
        (["sync", "fake", "--clients", "Z"], "Unknown client or group 'Z'. Valid: All clients, A, B, C."),
        (["sync", "fake", "--groups", "Z"], "Unknown group 'Z'. Valid: none yet."),
        (["sync", "fake", "--exclude", "Z"], "Unknown client or group 'Z'"),
        (["sync", "fake", "--modules", "Z"], "Unknown module 'Z'. Valid: Things, Late, ALL."),
        (["sync", "fake", "--period", "132026"], "Invalid period '132026'. Valid: MMYYYY"),
        (["sync", "fake", "--period", "012030"], "lies in the future"),
        (["resync-failed", "--run", "Z"], "Unknown run 'Z'. Valid: none yet."),
        (["resync-failed", "--outcome", "Z"], "Unknown outcome 'Z'. Valid: queued"),
        (["status", "Z"], "Unknown run 'Z'"),
        (["exceptions", "Z"], "Unknown run 'Z'"),
        (["release", "Z", "--reason", "r"], "Unknown suspect unit 'Z'"),
        (["import", "missing.json"], "There is no file or folder missing.json."),
        (["import", ".", "--client", "Z"], "Unknown client 'Z'. Valid: A, B, C."),
        (["import", ".", "--period", "99"], "Invalid period '99'"),
        (["watch", "missing"], "There is no folder missing."),
        (["watch"], "No folder is watched"),
        (["clients", "import", "missing.csv"], "There is no file missing.csv."),
        (["clients", "edit", "Z", "--name", "x"], "Unknown client 'Z'. Valid: A, B, C."),
        (["clients", "edit", "A", "--provider", "x"], "Valid: file."),
        (["clients", "add", "D", "--gstin", "27", "--name", "x"], "a GSTIN has 15 characters, this has 2."),
        (["clients", "deactivate", "Z"], "Unknown client 'Z'"),
        (["clients", "groups", "remove", "G", "A"], "Unknown group 'G'"),
        (["otp", "answer", "Z", "--otp-stdin"], "Unknown client or group 'Z'"),
        (["otp", "answer", "A", "--otp-stdin"], "Nothing was given."),
        (["export", "--tables", "z"], "Unknown table 'z'. Valid: fake__thing."),
        (["export", "--format", "pdf"], "Unknown format 'pdf'. Valid: parquet, csv, xlsx."),
        (["export", "--as-of", "soon"], "'soon' is no moment"),
        (["secrets", "delete", "z"], "Unknown secret 'z'"),
        (["secrets", "set", "z", "--stdin"], "Nothing was given."),
        (["quarantine", "dismiss", "z", "--reason", "r"], "Unknown open quarantine row 'z'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_something_wrong_is_one_sentence_with_exit_code_2_and_nothing_is_written(
    services: Services, tmp_path: Path, arguments: list[str], part: str
) -> None:
    before = counts(services)
    files = {path for path in tmp_path.iterdir() if path.name != "home"}
    done = call(*arguments, stdin="")
    assert done.exit_code == 2, done.output
    assert part in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.output
    assert counts(services) == before
    assert {path for path in tmp_path.iterdir() if path.name not in ("home", "key")} <= files | {
        tmp_path / "key"
    }


def test_a_wrong_setting_is_one_sentence_with_exit_code_2(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clientsync.toml").write_text("wrkers = 3\n")
    from clientsync.config import reset_settings

    reset_settings()
    done = call("runs")
    assert done.exit_code == 2
    assert "Unknown setting 'wrkers'. Valid:" in done.stderr


def test_a_dry_run_prints_units_and_calls_and_writes_nothing(services: Services) -> None:
    before = counts(services)
    text = ok("sync", "fake", "--modules", "ALL", "--period", "092026:102026", "--dry-run")
    assert "12 units of 3 clients" in text
    assert "Nothing was written." in text
    shown = json.loads(ok("sync", "fake", "--period", "102026", "--dry-run", "--json"))
    assert (shown["units"], shown["clients"]) == (6, 3)
    assert counts(services) == before


def test_clients_that_are_never_asked_are_named_before_in_and_after_a_run(services: Services) -> None:
    with writing(services.engine) as connection:
        table: Any = SyncClient.__table__  # type: ignore[attr-defined]
        connection.execute(table.update().where(table.c.client_id != "A").values(provider="file"))
    why = "the client has no provider: import files by hand"
    arguments = ("sync", "fake", "--modules", "Things", "--period", "102026")
    dry = call(*arguments, "--dry-run")
    assert f"Nothing is asked about 2 clients (B, C), because {why}." in dry.stdout + dry.stderr
    assert json.loads(ok(*arguments, "--dry-run", "--json"))["left_out"] == {"B": why, "C": why}
    result = sync()
    assert result["left_out"] == {"B": why, "C": why}
    assert result["verdict"] == "complete: 1 of 1 units are done; 2 clients left out"
    book = openpyxl.load_workbook(result["workbook"])
    assert [row[:2] for row in book["Left out"].iter_rows(min_row=2, values_only=True)] == [
        ("B", "Client B"),
        ("C", "Client C"),
    ]
    with reading(services.engine) as connection:
        run: Any = SyncRun.__table__  # type: ignore[attr-defined]
        assert connection.execute(select(run.c.selection)).scalar_one()["left_out"] == {"B": why, "C": why}
    assert "2 clients (B, C)" in ok("status")


def test_a_clean_run_ends_with_0_and_a_workbook(services: Services) -> None:
    result = sync("A", "B")
    assert result["is_complete"] is True
    assert (result["units"], result["not_done"], result["exceptions"]) == (2, 0, 0)
    assert openpyxl.load_workbook(result["workbook"])["Units"].max_row == 3


def test_a_run_with_units_that_are_not_done_ends_with_3_and_resync_mends_it(services: Services) -> None:
    SCRIPT["B"]["things.red"] = SourceUnavailable("The portal answered 503.")
    result = sync(expect=3)
    assert result["verdict"] == "incomplete: 1 of 3 units are not done"
    listed = json.loads(ok("exceptions", "--json"))
    assert listed[0]["client"] == "B Client B"
    assert "503" in ok("exceptions", result["run_id"])
    good_client("B")
    mended = json.loads(ok("resync-failed", "--run", result["run_id"], "--json"))
    assert (mended["units"], mended["is_complete"]) == (1, True)
    assert "Nothing is left" in ok("resync-failed")


def test_the_terminal_shows_summary_exceptions_and_workbook(services: Services) -> None:
    SCRIPT["B"]["things.red"] = SourceUnavailable("The portal answered 503.")
    done = call("sync", "fake", "--modules", "Things", "--period", "102026", "--no-live", "--workers", "2")
    assert done.exit_code == 3
    for part in ("All modules", "incomplete: 1 of 3", "B Client B", "The portal answered 503.", "Workbook: "):
        assert part in done.stdout
    assert "complete" in ok("status") or "incomplete" in ok("status")
    assert json.loads(ok("status", "--json"))["is_complete"] is False
    assert json.loads(ok("runs", "--json"))[0]["counts"] == {"loaded": 2, "transient": 1}
    assert "2 loaded, 1 transient" in ok("runs")


def test_the_exceptions_can_be_taken_along_as_workbook_and_csv(services: Services, tmp_path: Path) -> None:
    sync("A")
    call("exceptions", "--xlsx", "out.xlsx", "--csv", "csv")
    assert openpyxl.load_workbook(tmp_path / "out.xlsx").sheetnames[0] == "Summary"
    assert (tmp_path / "csv" / "units.csv").is_file()


def test_an_otp_is_answered_from_stdin_and_exactly_the_waiting_units_go_on(services: Services) -> None:
    assert "Nobody waits." in ok("otp")
    SCRIPT["B"]["things.summary"] = OtpRequired("The portal wants an OTP.")
    sync(expect=3)
    assert "Client B" in ok("otp", "list")
    assert [row["client_id"] for row in json.loads(ok("otp", "list", "--json"))] == ["B"]
    assert "clientsync otp answer B" in ok("otp", "request", "B", "--portal", "fake")
    good_client("B")
    done = call("otp", "answer", "B", "--otp-stdin", "--portal", "fake", "--json", stdin="123456\n")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["units"] == 1
    assert OTPS == {"B": "123456"}
    assert "123456" not in done.output
    assert "Nobody waits." in ok("otp")


def test_a_typed_otp_is_not_shown_and_a_mistyped_one_is_not_sent(services: Services) -> None:
    done = call("otp", "answer", "A", "--portal", "fake", stdin="12a456\n")
    assert done.exit_code == 2
    assert "12a456" not in done.output
    assert OTPS == {}
    done = call("otp", "answer", "A", "--portal", "fake", stdin="654321\n")
    assert done.exit_code == 0
    assert "654321" not in done.output
    assert "no unit waited" in done.stdout


def test_no_command_takes_an_otp_or_a_secret_as_an_argument() -> None:
    for path, command in COMMANDS:
        names = {name for option in command.params for name in (option.name, *option.opts)}
        assert not names & {
            "otp",
            "--otp",
            "password",
            "--password",
            "value",
            "--value",
            "secret",
            "--secret",
        }, path


def test_secrets_are_stored_listed_and_removed_without_ever_being_shown(services: Services) -> None:
    for name, value in (("one", "hush-1"), ("two", "hush-2")):
        done = call("secrets", "set", name, stdin=f"{value}\n")
        assert done.exit_code == 0
        assert value not in done.output
    assert json.loads(ok("secrets", "list", "--json")) == ["one", "two"]
    assert "vault:one" in ok("secrets", "list")
    assert "2 values were sealed anew." in ok("secrets", "rotate")
    assert services.vault.get("one").get_secret_value() == "hush-1"
    ok("secrets", "delete", "one")
    assert services.vault.names() == ("two",)


def test_clients_are_imported_with_wrong_rows_named(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "clients.csv"
    path.write_text(
        f"client_id,name,gstin,colour\nD1,Dee,{gstin_of(900)},red\nD2,Duo,27ABC,blue\n", encoding="utf-8"
    )
    dry = call("clients", "import", str(path), "--dry-run")
    assert dry.exit_code == 3
    assert "1 would be added" in dry.stdout
    done = call("clients", "import", str(path))
    assert done.exit_code == 3
    assert "1 added, 0 updated, 0 unchanged, 1 rows refused." in done.stdout
    assert "a GSTIN has 15 characters, this has 5." in done.stdout
    assert "colour" in done.stderr
    again = json.loads(call("clients", "import", str(path), "--json").stdout)
    assert (again["unchanged"], again["problems"][0]["row"]) == (["D1"], 3)


def test_clients_are_added_edited_grouped_and_deactivated(services: Services) -> None:
    ok(
        "clients",
        "add",
        "D1",
        "--name",
        "Dee",
        "--gstin",
        gstin_of(900),
        "--groups",
        "North",
        "--groups",
        "Big",
    )
    ok("clients", "edit", "D1", "--consent-ends-on", "25-11-2026", "--frequency", "Q")
    done = call("clients", "list", "--groups", "North", "--json")
    shown = json.loads(done.stdout)
    assert (shown[0]["filing_frequency"], shown[0]["groups"]) == ("Q", "Big; North")
    assert "D1 Dee: consent ends on 25-11-2026" in call("clients", "list").stderr
    ok("clients", "groups", "add", "South", "A", "B")
    assert json.loads(ok("clients", "groups", "list", "--json")) == {"Big": 1, "North": 1, "South": 2}
    ok("clients", "groups", "remove", "South", "A")
    ok("clients", "deactivate", "B", "--reason", "left")
    assert "B" not in [row["client_id"] for row in json.loads(ok("clients", "list", "--json"))]
    ok("clients", "activate", "B")
    assert "is so already" in ok("clients", "edit", "D1", "--frequency", "q")


def test_the_template_is_written_once(services: Services, tmp_path: Path) -> None:
    ok("clients", "template")
    assert (tmp_path / "clients.xlsx").is_file()
    assert call("clients", "template").exit_code == 2


def test_rows_in_quarantine_are_listed_replayed_and_dismissed(services: Services) -> None:
    SCRIPT["A"]["things.summary"] = {"counts": {"red": 6}}
    numbers = [{"number": f"R{n}", "value": "-1.00" if n == 3 else "1.00"} for n in range(6)]
    SCRIPT["A"]["things.red"] = {"things": numbers}
    sync("A")
    listed = json.loads(ok("quarantine", "list", "--json"))
    assert len(listed) == 1
    assert "value: -1.00" in ok("quarantine", "list", "--client", "A")
    replayed = call("quarantine", "replay")
    assert replayed.exit_code == 3
    assert "1 rows: 0 loaded, 0 out of date, 1 still held" in replayed.stdout
    ok("quarantine", "dismiss", listed[0]["quarantine_id"], "--reason", "a test row")
    assert "The quarantine is empty." in ok("quarantine", "list")


def test_a_quarantine_that_was_asked_about_wrongly_is_not_called_empty(services: Services) -> None:
    sync("A")
    for command in ("list", "replay"):
        done = call("quarantine", command, "--client", "a")
        assert (done.exit_code, "Unknown client 'a'. Valid: A, B, C." in done.output) == (2, True)
    assert "No row" in ok("quarantine", "list", "--module", "GSTR-2B")


def test_what_a_unit_received_is_saved_byte_for_byte_and_old_answers_are_forgotten(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SCRIPT["A"]["things.red"] = things("R1", value="7.00")
    run_id = sync("A")["run_id"]
    with reading(services.engine) as connection:
        unit_id = connection.execute(
            select(UNIT.c.unit_id).where(UNIT.c.run_id == run_id, UNIT.c.module == "things")
        ).scalar_one()
    told = ok("answers", "save", unit_id, "--out", "evidence")
    assert sorted(path.name for path in Path("evidence").iterdir()) == ["red-1.json", "summary-1.json"]
    assert json.loads(Path("evidence/red-1.json").read_bytes()) == things("R1", value="7.00")
    assert "evidence/red-1.json" in told.replace(os.sep, "/")
    assert ok("answers", "purge").startswith("0 answers, 0.0 MB as received, went; they came before ")
    monkeypatch.setenv("CLIENTSYNC_NOW", "2028-11-23T10:00:00+05:30")
    assert " would go; " in ok("answers", "purge", "--dry-run")
    assert ok("answers", "purge").split()[0] != "0"
    assert "Nothing is kept of this unit" in ok("answers", "save", unit_id, "--out", "later")
    assert not Path("later").exists()


def test_answers_of_a_unit_that_is_not_there_are_refused(services: Services) -> None:
    done = call("answers", "save", "X1", "--out", "evidence")
    assert (done.exit_code, "There is no unit 'X1'." in done.output) == (2, True)
    assert not Path("evidence").exists()


def test_a_suspect_unit_is_loaded_only_with_a_reason(services: Services) -> None:
    assert call("release", "x", "--reason", " ").exit_code == 2


def test_a_clean_newest_run_does_not_hide_what_an_earlier_one_left(services: Services) -> None:
    SCRIPT["B"]["things.red"] = SourceUnavailable("The portal answered 503.")
    failed = sync("B", expect=3)["run_id"]
    sync("A")
    for command in ("exceptions", "status"):
        assert f"Run {failed} left units that are still not done" in call(command).stderr
        assert "left units" not in call(command, failed).stderr
    good_client("B")
    ok("resync-failed")
    assert "left units" not in call("exceptions").stderr


def test_a_workbook_that_cannot_be_written_hides_nothing_of_the_run(services: Services) -> None:
    (services.settings.home / "reports").touch()
    done = call("sync", "fake", "--clients", "A", "--modules", "Things", "--period", "102026")
    assert "units are done" in done.stdout
    assert "There is no workbook" in done.stderr
    assert done.exit_code == 1
    SCRIPT["B"]["things.red"] = SourceUnavailable("The portal answered 503.")
    done = call("sync", "fake", "--clients", "B", "--modules", "Things", "--period", "102026")
    assert (done.exit_code, "are not done" in done.stdout) == (3, True)


def test_tables_are_exported(services: Services, tmp_path: Path) -> None:
    sync("A", "B")
    assert "Wrote 2 files into out." in ok("export", "--out", "out", "--format", "csv,xlsx", "--clients", "A")
    assert (tmp_path / "out" / "fake__thing.csv").read_text(encoding="utf-8-sig").count("R1") == 1
    assert json.loads(ok("export", "--out", "out", "--format", "csv", "--as-of", "2020-01-01", "--json"))
    assert (tmp_path / "out" / "fake__thing.csv").read_text(encoding="utf-8-sig").count("R1") == 0


@pytest.mark.parametrize(
    "command", [["sync", "fake", "--clients", ""], ["export", "--clients", " , "], ["export", "--tables", ""]]
)
def test_an_option_without_a_name_does_not_mean_everything(
    services: Services, tmp_path: Path, command: list[str]
) -> None:
    done = call(*command)
    assert (done.exit_code, "without a name" in done.output) == (2, True)
    assert not (tmp_path / "export").exists()


def test_an_export_as_of_a_day_is_of_its_end_as_every_other_report_is(
    services: Services, tmp_path: Path
) -> None:
    sync("A")
    for day, count in ((today(), 1), (today() - timedelta(days=1), 0)):
        ok("export", "--out", "out", "--format", "csv", "--as-of", str(day))
        assert (tmp_path / "out" / "fake__thing.csv").read_text(encoding="utf-8-sig").count("R1") == count


def test_init_makes_what_is_missing_and_overwrites_nothing(services: Services, tmp_path: Path) -> None:
    assert "Wrote clientsync.toml" in ok("init")
    (tmp_path / "clientsync.toml").write_text("# mine\n")
    assert "is there already" in ok("init")
    assert (tmp_path / "clientsync.toml").read_text() == "# mine\n"
    assert (tmp_path / "key" / "vault.key").is_file()


def test_doctor_says_what_is_wrong_and_what_to_do(services: Services) -> None:
    done = call("doctor", "--json")
    found = {line["what"]: line for line in json.loads(done.stdout)}
    assert found["warehouse"]["state"] == found["vault"]["state"] == found["portals"]["state"] == "well"
    assert found["dashboard"]["state"] == "warning"
    assert "provider not in the settings: A, B, C" in [line["words"] for line in json.loads(done.stdout)]
    assert done.exit_code == 1


def test_doctor_outlives_a_broken_connector(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from clientsync.config import reset_settings

    monkeypatch.setenv("CLIENTSYNC_CONNECTOR_INDEX", "nowhere:INDEX")
    reset_settings()
    done = call("doctor", "--json")
    states = {line["what"]: line["state"] for line in json.loads(done.stdout)}
    assert (states["portals"], states["vault"]) == ("wrong", "well")


def test_the_data_dictionary_is_written(services: Services, tmp_path: Path) -> None:
    assert "core_fake__thing" in ok("db", "dictionary")
    ok("db", "dictionary", "--out", "d.md")
    assert "core_fake__thing" in (tmp_path / "d.md").read_text()
    assert "newest migration" in ok("db", "upgrade")


def test_hostile_names_cannot_steer_the_terminal(services: Services) -> None:
    texts = [
        text for text in HOSTILE if len(text) < 100 and not any("\ud800" <= one <= "\udfff" for one in text)
    ]
    with writing(services.engine) as connection:
        table = SyncClient.__table__  # type: ignore[attr-defined]
        name = "".join(text.replace("\x00", "") for text in texts[-40:])
        connection.execute(table.update().where(table.c.client_id == "A").values(name=name[:200]))
    text = ok("clients", "list")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text


@pytest.mark.integration
def test_exit_codes_of_the_real_process(services: Services, tmp_path: Path) -> None:
    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "clientsync", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
            capture_output=True,
            text=True,
            input=stdin,
            check=False,
        )

    assert run("--version").stdout.startswith("clientsync ")
    wrong = run("sync", "fake", "--clients", "Z")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("Error: Unknown client or group 'Z'. Valid: All clients, A, B, C")
    assert run("sync", "fake", "--wrong-option").returncode == 2
    # The child has no script for its portal, so every unit is broken: the run ends, and 3 says so.
    ended = run("sync", "fake", "--modules", "Things", "--period", "102026", "--json")
    assert ended.returncode == 3, ended.stderr
    assert json.loads(ended.stdout)["not_done"] == 3
    answered = run("otp", "answer", "A", "--otp-stdin", "--portal", "fake", stdin="111111\n")
    assert answered.returncode == 0, answered.stderr
    assert "111111" not in answered.stdout + answered.stderr
