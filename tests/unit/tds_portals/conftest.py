"""The simulated portals on a real socket inside the test process, and the product's surroundings of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select
from sqlmodel import SQLModel

import connectors.income_tax
import connectors.traces
from clientsync.config import ProviderSettings, Settings
from clientsync.database import open_engine, reading
from clientsync.ledger import challenges
from clientsync.ledger.tables import SyncLogin
from clientsync.secrets.vault import Vault
from clientsync.spec.connector import ClientIdentity, Question
from clientsync.spec.module import Deductor
from clientsync.sync.services import Services
from connectors.income_tax.session import IncomeTaxSession
from connectors.traces.session import TracesSession
from simulators import http
from simulators.tds.app import Settings as World
from simulators.tds.app import Simulator

TODAY = date(2026, 11, 20)
CLOCKS = (
    "connectors.portal_sessions",
    "connectors.portal_clients",
    "connectors.traces.session",
    "connectors.traces.reading",
    "connectors.income_tax.session",
    "connectors.income_tax.reading",
)
Override = Callable[[http.Request], http.Response | None]


@dataclass
class Portals:
    """The portals and what a test may know of them.

    Attributes:
        seen: every request, in order.
        override: answers in the place of the portals where it returns something.
    """

    simulator: Simulator
    services: Services
    seen: list[http.Request] = field(default_factory=list)
    override: Override | None = None

    def handle(self, request: http.Request) -> http.Response:
        """Answer a request."""
        self.seen.append(replace(request))
        answered = self.override(request) if self.override is not None else None
        return answered or self.simulator.handle(request)

    def paths(self, part: str = "") -> list[str]:
        """Return the paths that were asked for, of those that contain a part."""
        return [one.path for one in self.seen if part in one.path]

    def bodies(self, part: str) -> list[dict[str, Any]]:
        """Return the JSON bodies that were sent to paths that contain a part."""
        return [one.json() for one in self.seen if part in one.path]

    @property
    def deductor(self) -> Any:
        """The first simulated deductor."""
        return self.simulator.world.deductors[0]

    def client(self, number: int = 0) -> ClientIdentity:
        """Return a client of ours who is a simulated deductor."""
        one = self.simulator.world.deductors[number]
        return ClientIdentity(
            one.client_id,
            "",
            "",
            "",
            None,
            {},
            deductor=Deductor(one.tan, one.pan, one.category, one.forms),
            tds_source="portal",
            traces_username=one.traces_user,
        )

    def password(self, portal: str, value: str, number: int = 0) -> None:
        """Store a client's password."""
        name = f"tds/{self.simulator.world.deductors[number].client_id}/{portal}"
        self.services.vault.put(name, SecretStr(value))

    def income_tax(self, number: int = 0) -> IncomeTaxSession:
        """Return a new session object with the e-filing portal."""
        return connectors.income_tax.open_session(self.client(number), self.services)

    def traces(self, number: int = 0) -> TracesSession:
        """Return a new session object with TRACES."""
        return connectors.traces.open_session(self.client(number), self.services)

    def logged_in(self, number: int = 0) -> TracesSession:
        """Return a session with TRACES for which a person has read the picture."""
        session = self.traces(number)
        assert session.request_challenge("captcha")
        session.answer_challenge("captcha", self.captcha())
        return session

    def captcha(self) -> str:
        """Return what the newest picture shows."""
        portal = self.simulator.traces
        return portal.captcha_text(portal.newest_captcha())

    def challenges(self) -> list[tuple[str, str]]:
        """Return portal and kind of the challenges that wait."""
        return [(row["portal"], row["kind"]) for row in challenges.open_challenges(self.services.engine)]

    def login(self, portal: str) -> dict[str, Any]:
        """Return what is remembered of the first client's log-ins at a portal."""
        table = SyncLogin.__table__  # type: ignore[attr-defined]
        with reading(self.services.engine) as connection:
            row = connection.execute(select(table).where(table.c.portal == portal)).mappings().one_or_none()
        return {} if row is None else dict(row)

    def fault(self, name: str, endpoint: str, **more: Any) -> None:
        """Arm a fault."""
        self.simulator.faults.arm({"name": name, "endpoint": endpoint, **more})


def _services(base: str, home: Path, engine: Engine | None = None) -> Services:
    kinds = {"income_tax": "eportal", "traces_new": "traces-app", "traces_old": "traces61"}
    settings = Settings(
        home=home,
        vault_key_ref=f"file:{home.parent / 'key' / 'vault.key'}",
        retries_in_run=1,
        providers={
            name: ProviderSettings(
                kind=name,  # type: ignore[arg-type]
                base_url=f"{base}/{prefix}",
                calls_per_minute=60_000,
                burst=1_000,
                settle_seconds=0.01,
                allow_loopback=True,
            )
            for name, prefix in kinds.items()
        },
    )
    engine = engine or open_engine(settings.database_url)
    wanted = [table for name, table in SQLModel.metadata.tables.items() if name.startswith("sync_")]
    SQLModel.metadata.create_all(engine, tables=wanted)
    return Services(engine, settings, Vault.from_settings(settings, engine))


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, for the sockets of the simulators."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(10)
    made.close()


@pytest.fixture
def portals(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[Portals]:
    """Fresh portals with two deductors, whose passwords are stored."""
    simulator = Simulator(World(clients=2, documents=6, truth=False), tmp_path / "portals")
    holder: list[Portals] = []

    def handle(request: http.Request) -> http.Response:
        return holder[0].handle(request)

    listening = http.listen(handle, 0)
    server, port = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
    home = tmp_path / "home"
    home.mkdir()
    made = Portals(simulator, _services(f"http://127.0.0.1:{port}", home))
    holder.append(made)
    for number, one in enumerate(simulator.world.deductors):
        made.password("income_tax", one.efiling_password, number)
        made.password("traces", one.traces_password, number)
    yield made
    connectors.income_tax.release(made.services.engine)
    connectors.traces.release(made.services.engine)
    made.services.engine.dispose()
    loop.call_soon_threadsafe(server.close)


Later = Callable[..., None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let our own clock be ahead by some minutes; the portals' clocks stay."""

    def move(**ahead: float) -> None:
        for module in CLOCKS:
            monkeypatch.setattr(f"{module}.wall_clock", lambda: datetime.now(UTC) + timedelta(**ahead))

    return move


def history(act: str = "O") -> Question:
    """Return the question for the payments under an Act."""
    return Question("income_tax.payment_history", params={"actType": act})


UNCONSUMED = Question("traces_old.unconsumed")
CHALLANS = Question("traces_new.challans", params={"fromDate": "2026-04-01", "toDate": "2026-11-20"})
