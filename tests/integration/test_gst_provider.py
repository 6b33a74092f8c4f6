"""The provider against the simulated portal, over real sockets and on both wires.

Every promise holds for the raw protocol and for the plain-JSON style alike; each test has a portal of its own
world only where it breaks something.
"""

from __future__ import annotations

import csv
import json
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import SQLModel

from clientsync import money, redact
from clientsync.config import ProviderSettings, Settings
from clientsync.database import open_engine, writing
from clientsync.errors import (
    BadRequest,
    ConsentLapsed,
    ContractChanged,
    FileQueued,
    GenerationFailed,
    NoData,
    NotApplicable,
    NotGenerated,
    OtpRejected,
    OtpRequired,
    PortalSettingRequired,
    RateLimited,
    SourceError,
    SourceUnavailable,
    TooEarly,
)
from clientsync.http.client import CallMeter
from clientsync.ledger import tables as ledger_tables
from clientsync.periods import Period
from clientsync.secrets.vault import Vault
from clientsync.spec.connector import ClientIdentity, Question
from clientsync.sync.services import Services
from connectors import portal_sessions
from connectors.gst.provider.account import account_of, close_accounts
from connectors.gst.provider.adapter import Tokens
from connectors.gst.provider.endpoints import ENDPOINTS
from connectors.gst.provider.session import GstSession, generate_2b, open_session
from connectors.gst.provider.store import SessionStore
from simulators.gst.process import Running, start

pytestmark = pytest.mark.integration
TODAY = date(2026, 11, 20)
MONTH = Period(2026, 9)
KINDS = ("gsp", "sandbox")


@dataclass
class House:
    """A simulated portal and our surroundings of it."""

    portal: Running
    services: Services

    def control(self, method: str, path: str, /, **body: Any) -> Any:
        """Use the simulator's control side."""
        query = ""
        data = None
        if method == "GET":
            query = "?" + "&".join(f"{key}={value}" for key, value in body.items())
        else:
            data = json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.portal.url}/_control/{path}{query}", data=data, method=method
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def clients(self, kind: str) -> list[ClientIdentity]:
        """Return the simulated clients of a provider."""
        with (self.portal.state_dir / "clients.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["provider"] == kind]
        return [
            ClientIdentity(f"C{number:04d}-{kind}", row["gstin"], row["portal_username"], kind, None, {})
            for number, row in enumerate(rows)
        ]

    def session(self, client: ClientIdentity, *, login: bool = True) -> GstSession:
        """Return a session, opened by the person's OTP."""
        session = open_session(client, self.services)
        if login:
            session.request_otp()
            session.answer_otp(self.otp(client))
        return session

    def otp(self, client: ClientIdentity) -> str:
        """Return what the person's phone shows."""
        return str(self.control("GET", "otp", username=client.portal_username)["otp"])

    def age_sessions(self, hours: float) -> None:
        """Make stored sessions as old as if they had been opened that long ago."""
        aged = datetime.now(UTC) - timedelta(hours=hours)
        with writing(self.services.engine) as connection:
            connection.execute(
                update(ledger_tables.SyncSession).values(
                    issued_at=aged, refresh_by=aged + timedelta(hours=5), fence=7
                )
            )

    def fault(self, name: str, **where: Any) -> None:
        """Arm a fault."""
        self.control("POST", "faults", name=name, **where)


def _services(portal: Running, home: Path) -> Services:
    settings = Settings(
        home=home,
        vault_key_ref=f"file:{home.parent / (home.name + '-key') / 'vault.key'}",
        retry_budget_seconds=8.0,
        providers={
            kind: ProviderSettings(
                kind=kind,  # type: ignore[arg-type]
                base_url=f"{portal.url}/{kind}",
                credentials={
                    name: f"env:TEST_{name.upper()}"
                    for name in (
                        "client_id",
                        "client_secret",
                        "public_username",
                        "public_password",
                        "api_key",
                        "api_secret",
                    )
                },
                certificate=portal.state_dir / "portal_cert.pem",
                calls_per_minute=60_000,
                burst=1_000,
                allow_loopback=True,
                download_urls=(f"{portal.url}/gsp",),
            )
            for kind in KINDS
        },
    )
    engine = open_engine(settings.database_url)
    wanted = [table for name, table in SQLModel.metadata.tables.items() if name.startswith("sync_")]
    assert ledger_tables.SyncSession.__tablename__ in {table.name for table in wanted}
    SQLModel.metadata.create_all(engine, tables=wanted)
    return Services(engine, settings, Vault.from_settings(settings, engine))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the account that the simulator knows."""
    known = {
        "client_id": "gsp-client", "client_secret": "gsp-secret", "public_username": "gsp-public",
        "public_password": "gsp-password", "api_key": "sandbox-key", "api_secret": "sandbox-secret",
    }  # fmt: skip
    for name, value in known.items():
        monkeypatch.setenv(f"TEST_{name.upper()}", value)


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One simulated portal for all tests that ask ordinary things."""
    folder = tmp_path_factory.mktemp("portal")
    with start(
        folder, clients=8, documents=40, sandbox_share=0.5, today=TODAY.isoformat(), truth=False, est_seconds=0,
        queue_above=3, link_seconds=600,
    ) as running:  # fmt: skip
        yield running


@pytest.fixture
def house(
    portal: Running, tmp_path: Path, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    """A fresh warehouse against the shared portal."""
    services = _services(portal, tmp_path / "home")
    made = House(portal, services)
    made.control("DELETE", "faults")
    made.control("DELETE", "stats")
    yield made
    made.control("DELETE", "faults")
    close_accounts(services.engine)
    services.close()


def _question(name: str) -> Question:
    params: dict[str, str] = {}
    if name in {"ledgers.cash", "ledgers.itc"}:
        params = {"fr_dt": "01/10/2026", "to_dt": "31/10/2026"}
    if name == "ims.getinv":
        params = {"section": "B2B"}
    if name in {"public.rettrack", "returns.getpref"}:
        params = {"fy": "2026-27"}
    return Question(name, MONTH, params)


@pytest.mark.parametrize("kind", KINDS)
def test_every_endpoint_answers_or_says_why_not(house: House, kind: str) -> None:
    session = house.session(house.clients(kind)[0])
    ended: dict[str, str] = {}
    queued_files: list[str] = []
    for name in ENDPOINTS:
        if name in {"returns.filedet", "ims.filedet", "gstr2b.generate", "gstr2b.status", "notices.detail"}:
            continue
        question = _question(name)
        try:
            try:
                answer = session.ask(question)
            except FileQueued as queued:
                assert queued.token
                queued_files.append(name)
                answer = session.ask(Question(name, MONTH, question.params, queued.token))
            assert money.loads(answer.raw[0]) == answer.payload
            assert answer.version.startswith("v")
            assert answer.calls >= 1
            ended[name] = "answered"
        except (NoData, NotApplicable, NotGenerated) as error:
            ended[name] = type(error).__name__
    assert ended["gstr2b.get"] in {"answered", "NotApplicable", "NotGenerated"}
    for name in (
        "gstr3b.retsum",
        "ledgers.cash",
        "ledgers.bal",
        "ims.getcnt",
        "public.rettrack",
        "returns.getpref",
    ):
        assert ended[name] == "answered", name
    assert sum(state == "answered" for state in ended.values()) >= 12
    assert queued_files, "the world is too small: nothing was queued"


@pytest.mark.parametrize("kind", KINDS)
def test_both_wires_hand_back_what_gstn_means(house: House, kind: str) -> None:
    session = house.session(house.clients(kind)[1])
    counts = session.ask(Question("ims.getcnt")).payload
    assert {"all_oth", "inv_supp_isd", "imp_gds"} <= set(counts)
    tracked = session.ask(_question("public.rettrack")).payload
    assert {"EFiledlist"} <= set(tracked)


@pytest.mark.parametrize("kind", KINDS)
def test_public_questions_need_no_session_of_the_client(house: House, kind: str) -> None:
    session = house.session(house.clients(kind)[2], login=False)
    assert session.ask(_question("public.rettrack")).payload["EFiledlist"]
    assert session.ask(Question("public.search")).payload["gstin"] == session.client.gstin
    with pytest.raises(OtpRequired):
        session.ask(Question("ims.getcnt"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_without_a_session_costs_no_call(house: House, kind: str) -> None:
    session = house.session(house.clients(kind)[2], login=False)
    with pytest.raises(OtpRequired) as caught:
        session.ask(Question("ims.getcnt"))
    assert caught.value.calls == 0
    assert house.control("GET", "stats")["data"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_otp_is_refused_once_and_never_repeated(house: House, kind: str) -> None:
    client = house.clients(kind)[0]
    session = house.session(client, login=False)
    session.request_otp()
    right = house.otp(client)
    wrong = "000000" if right != "000000" else "111111"
    before = house.control("GET", "stats")["auth"]
    with pytest.raises(OtpRejected):
        session.answer_otp(wrong)
    assert house.control("GET", "stats")["auth"] == before + 1
    with pytest.raises(OtpRejected):
        session.answer_otp("not an otp")
    assert house.control("GET", "stats")["auth"] == before + 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_otp_is_still_good_when_the_session_ended_while_it_was_asked_for(
    house: House, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.clients(kind)[0]
    session = house.session(client)
    load = SessionStore.load

    def ended_meanwhile(store: SessionStore) -> Any:
        known = load(store)
        assert known is not None
        monkeypatch.setattr(SessionStore, "load", load)
        assert store.save(known, Tokens(), known.issued_at, known.refresh_by)
        return known

    monkeypatch.setattr(SessionStore, "load", ended_meanwhile)
    session.request_otp()
    known = SessionStore.load(session._store)
    assert known is not None and known.tokens.pending_key
    session.answer_otp(house.otp(client))
    assert session.ask(Question("ims.getcnt")).payload


@pytest.mark.parametrize("kind", KINDS)
def test_an_expired_token_is_refreshed_once_and_the_question_repeated(house: House, kind: str) -> None:
    client = house.clients(kind)[0]
    session = house.session(client)
    house.control("POST", "expire-token", gstin=client.gstin)
    before = house.control("GET", "stats")["auth"]
    answer = session.ask(Question("ims.getcnt"))
    assert answer.calls == 3  # refused, refreshed, answered
    assert house.control("GET", "stats")["auth"] == before + 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_another_process_replaced_a_moment_ago_costs_one_question_more_and_no_login(
    house: House, kind: str
) -> None:
    client = house.clients(kind)[0]
    ours = house.session(client)
    ours.ask(Question("ims.getcnt"))
    theirs = open_session(client, house.services)
    stored = theirs._store.load()
    assert stored is not None
    theirs._refreshed(stored, CallMeter())
    logins = house.control("GET", "stats")["auth"]
    answer = ours.ask(Question("ims.getcnt"))
    assert answer.payload
    assert answer.calls <= 2
    assert ours.ask(Question("ims.getcnt")).calls == 1
    assert house.control("GET", "stats")["auth"] == logins


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_is_refreshed_by_our_own_clock_before_the_portal_drops_it(
    house: House, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = house.session(house.clients(kind)[0])
    before = house.control("GET", "stats")["auth"]
    house.age_sessions(hours=5)
    monkeypatch.setattr(portal_sessions, "RECENT_SECONDS", 0.0)  # so long ago was it read, too
    session.ask(Question("ims.getcnt"))
    session.ask(Question("ims.getcnt"))
    assert house.control("GET", "stats")["auth"] == before + 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_lapsed_consent_asks_for_a_person_and_then_costs_no_more_calls(house: House, kind: str) -> None:
    client = house.clients(kind)[0]
    session = house.session(client)
    house.control("POST", "lapse-consent", gstin=client.gstin)
    with pytest.raises(OtpRequired):
        session.ask(Question("ims.getcnt"))
    spent = house.control("GET", "stats")
    with pytest.raises(OtpRequired):
        session.ask(Question("ims.getcnt"))
    assert house.control("GET", "stats") == spent
    session.request_otp()
    session.answer_otp(house.otp(client))
    assert session.ask(Question("ims.getcnt")).payload


@pytest.mark.parametrize("kind", KINDS)
def test_api_access_that_is_off_is_said_so(house: House, kind: str) -> None:
    client = house.clients(kind)[0]
    house.control("POST", "access", gstin=client.gstin, enabled=False)
    try:
        with pytest.raises(PortalSettingRequired):
            house.session(client)
    finally:
        house.control("POST", "access", gstin=client.gstin, enabled=True)


@pytest.mark.parametrize("kind", KINDS)
def test_many_sessions_of_one_client_refresh_only_once(house: House, kind: str) -> None:
    client = house.clients(kind)[0]
    house.session(client)
    before = house.control("GET", "stats")["auth"]
    house.age_sessions(hours=5)
    sessions = [open_session(client, house.services) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda one: one.ask(Question("ims.getcnt")), sessions))
    assert all(answer.payload for answer in answers)
    assert house.control("GET", "stats")["auth"] == before + 1


def test_a_stored_session_serves_another_process_without_an_otp(house: House) -> None:
    client = house.clients("gsp")[0]
    house.session(client)
    close_accounts(house.services.engine)
    again = open_session(client, house.services)
    assert again.ask(Question("ims.getcnt")).payload


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["html_page", "truncated_json", "empty_body", "http_503", "http_429"])
def test_a_passing_fault_is_repeated_within_the_run(house: House, kind: str, fault: str) -> None:
    session = house.session(house.clients(kind)[0])
    params = {"retry_after": 1} if fault == "http_429" else {}
    house.fault(fault, times=1, endpoint="ims", params=params)
    answer = session.ask(Question("ims.getcnt"))
    assert answer.calls == 2


@pytest.mark.parametrize("fault,error", [("html_page", SourceUnavailable), ("http_503", SourceUnavailable)])
def test_a_lasting_fault_ends_the_question_with_its_calls_counted(
    house: House, fault: str, error: type[SourceError]
) -> None:
    session = house.session(house.clients("gsp")[0])
    house.fault(fault, endpoint="ims")
    with pytest.raises(error) as caught:
        session.ask(Question("ims.getcnt"))
    assert caught.value.calls == 4


def test_a_broken_signature_is_asked_again_once_and_then_reported(house: House) -> None:
    session = house.session(house.clients("gsp")[0])
    house.fault("bad_hmac", endpoint="ims", times=1)
    assert session.ask(Question("ims.getcnt")).calls == 2
    house.fault("bad_hmac", endpoint="ims", times=2)
    with pytest.raises(ContractChanged) as caught:
        session.ask(Question("ims.getcnt"))
    assert caught.value.code == "SEAL_BROKEN"


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_code_is_passing_trouble_first_and_a_changed_contract_then(
    house: House, kind: str
) -> None:
    session = house.session(house.clients(kind)[0])
    house.fault("error_code:NEW4711", endpoint="ims")
    with pytest.raises(ContractChanged) as caught:
        session.ask(Question("ims.getcnt"))
    assert (caught.value.calls, caught.value.source_code) == (3, "NEW4711")


@pytest.mark.parametrize("kind", KINDS)
def test_a_forbidden_question_does_not_take_the_client_down(house: House, kind: str) -> None:
    session = house.session(house.clients(kind)[0])
    house.fault("http_403", endpoint="ims")
    with pytest.raises(BadRequest):
        session.ask(Question("ims.getcnt"))
    house.control("DELETE", "faults")
    assert session.ask(Question("ims.getcnt")).payload


@pytest.mark.parametrize("kind", KINDS)
def test_a_2b_before_its_day_is_too_early_until_the_14th(house: House, kind: str) -> None:
    session = house.session(house.clients(kind)[0])
    with pytest.raises((TooEarly, NotApplicable)) as caught:
        session.ask(Question("gstr2b.get", Period(2026, 12)))
    if isinstance(caught.value, TooEarly):
        assert caught.value.ready_at == datetime(2027, 1, 14, 9, 30, tzinfo=UTC)


def test_generating_a_2b_needs_the_clients_consent_to_it(house: House) -> None:
    client = house.clients("gsp")[0]
    session = house.session(client)
    with pytest.raises(NotGenerated):
        generate_2b(session, MONTH)
    assert house.control("GET", "stats")["data"] == 0
    willing = ClientIdentity(
        client.client_id, client.gstin, client.portal_username, "gsp", None, {"generate_2b": True}
    )
    with pytest.raises((BadRequest, NotGenerated)):
        generate_2b(open_session(willing, house.services), MONTH)  # its GSTR-3B is filed
    assert house.control("GET", "stats")["data"] == 1


def test_a_stop_ends_a_wait_for_the_portal(house: House) -> None:
    session = house.session(house.clients("gsp")[0])
    house.fault("http_429", endpoint="ims", params={"retry_after": 6})
    threading.Timer(0.5, house.services.stop.set).start()
    with pytest.raises(Exception, match=r"[Ss]top"):
        session.ask(Question("ims.getcnt"))


def test_a_long_retry_after_becomes_a_scheduled_try(house: House) -> None:
    session = house.session(house.clients("gsp")[0])
    house.fault("http_429", endpoint="ims", params={"retry_after": 200}, times=1)
    with pytest.raises(RateLimited):
        session.ask(Question("ims.getcnt"))


def test_the_account_is_shared_and_logs_in_once(house: House) -> None:
    first, second = house.clients("sandbox")[:2]
    for client in (first, second):
        open_session(client, house.services).ask(_question("public.rettrack"))
    assert house.control("GET", "stats")["auth"] == 1
    assert account_of("sandbox", house.services) is account_of("sandbox", house.services)


def _ask_in_a_process(url: str, state_dir: str, home: str, client: ClientIdentity) -> bool:
    services = _services(Running(url, Path(state_dir), None), Path(home))  # type: ignore[arg-type]
    try:
        return bool(open_session(client, services).ask(Question("ims.getcnt")).payload)
    finally:
        close_accounts(services.engine)
        services.close()


def test_two_processes_never_both_refresh(house: House) -> None:
    client = house.clients("gsp")[0]
    house.session(client)
    before = house.control("GET", "stats")["auth"]
    house.age_sessions(hours=5)
    given = (house.portal.url, str(house.portal.state_dir), str(house.services.settings.home), client)
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        assert all(one.result(60) for one in [pool.submit(_ask_in_a_process, *given) for _ in range(3)])
    assert house.control("GET", "stats")["auth"] == before + 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_ready_keeps_its_token(house: House, kind: str) -> None:
    session = house.session(house.clients(kind)[0])
    question = Question("gstr2a.b2b", MONTH)
    with pytest.raises(FileQueued) as queued:
        session.ask(question)
    token = queued.value.token
    again = Question("gstr2a.b2b", MONTH, {}, token)
    endpoint, action = ("returns", "FILEDET") if kind == "gsp" else ("returns", "STATUS")
    house.fault("error_code:RTN_24", endpoint=endpoint, action=action, times=1)
    with pytest.raises(FileQueued) as waiting:
        session.ask(again)
    assert waiting.value.token == token
    assert waiting.value.ready_at is not None
    answer = session.ask(again)
    assert answer.payload["b2b"]


def test_a_link_that_ended_is_asked_for_anew_and_then_the_file_is_built_again(
    tmp_path: Path, credentials: None
) -> None:
    options = {"clients": 4, "documents": 20, "queue_above": 3, "est_seconds": 0, "link_seconds": -5}
    with start(tmp_path / "portal", truth=False, today=TODAY.isoformat(), **options) as running:
        house = House(running, _services(running, tmp_path / "home"))
        session = house.session(house.clients("gsp")[0])
        with pytest.raises(FileQueued) as queued:
            session.ask(Question("gstr2a.b2b", MONTH))
        with pytest.raises(GenerationFailed) as caught:
            session.ask(Question("gstr2a.b2b", MONTH, {}, queued.value.token))
        assert caught.value.calls == 4  # list, link, list, link
        close_accounts(house.services.engine)
        house.services.close()


def test_a_consent_that_ended_by_the_client_master_costs_no_call(house: House) -> None:
    client = replace(house.clients("gsp")[3], consent_ends_at=datetime(2026, 11, 1, tzinfo=UTC))
    with pytest.raises(ConsentLapsed) as caught:
        open_session(client, house.services).ask(Question("ims.getcnt"))
    assert caught.value.calls == 0


def test_no_secret_and_no_identity_is_stored_or_logged_in_clear(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    redact.install()
    try:
        client = house.clients("gsp")[0]
        session = house.session(client)
        session.ask(Question("ims.getcnt"))
    finally:
        redact.uninstall()
    with house.services.engine.connect() as connection:
        sealed = connection.execute(ledger_tables.SyncSession.__table__.select()).mappings().one()["sealed"]  # type: ignore[attr-defined]
    access = session._store.load().tokens.access  # type: ignore[union-attr]
    assert access.encode() not in bytes(sealed)
    logged = caplog.text
    for hidden in (access, client.gstin, "gsp-secret", client.gstin[2:12]):
        assert hidden not in logged
    assert access not in repr(session._store.load())
