"""A caller of the simulated TRACES over a real socket, with a clock and a fault board that a test moves by hand."""

import asyncio
import base64
import copy
import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import httpx

from simulators.http import listen
from simulators.tds.faults import FaultBoard, PortalFault
from simulators.tds.population import build
from simulators.tds.records import Deductor
from simulators.traces.portal import ORIGIN, TracesPortal

TODAY = date(2026, 11, 20)
DED = "/traces61/app/ded/"
SRV = f"{DED}srv/"
Json = dict[str, Any]


@functools.cache
def _built() -> list[Deductor]:
    return build(7, 6, TODAY)


def population() -> list[Deductor]:
    """Give deductors which a test may change; the first shows everything that the portals can show."""
    return copy.deepcopy(_built())


class Board(FaultBoard):
    """A fault board that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str]] = []

    def pick(self, *, client: str, portal: str, endpoint: str) -> list[PortalFault]:
        """Choose the faults of a request."""
        self.asked.append((client, portal, endpoint))
        return super().pick(client=client, portal=portal, endpoint=endpoint)


class Traces:
    """The portal, its clock in ``seconds``, its day in ``day``, and a browser ``web``."""

    def __init__(self, deductors: list[Deductor], **options: Any) -> None:
        self.deductors = deductors
        self.seconds = 1_000.0
        self.day = TODAY
        self.board = Board()
        self.portal = TracesPortal(
            deductors, lambda: self.day, self.board, clock=lambda: self.seconds, **options
        )
        self.web = httpx.Client()
        self.tokens: Json = {}

    @property
    def one(self) -> Deductor:
        """The first deductor."""
        return self.deductors[0]

    def arm(self, endpoint: str, name: str, **params: Any) -> None:
        """Arm a fault for the first deductor, or for everybody where nobody is known yet."""
        client = "" if endpoint == "traces_new.captcha" else self.one.client_id
        self.board.arm(
            {"name": name, "client": client, "portal": "traces", "endpoint": endpoint, "params": params}
        )

    def captcha(self) -> Json:
        """Ask for a captcha."""
        found: Json = self.web.get("/traces-app/loginservice/api/auth/generateCaptcha").json()
        return found

    def login(self, deductor: Deductor | None = None, **changes: Any) -> httpx.Response:
        """Log in; `changes` replace fields of the request."""
        who = deductor or self.one
        captcha_id = self.captcha()["id"]
        body = {
            "userId": who.traces_user,
            "userType": "Deductor",
            "subUserPanId": who.tan,
            "password": who.traces_password,
            "captcha": self.portal.captcha_text(captcha_id),
            "captchaId": captcha_id,
            **changes,
        }
        answer = self.web.post("/traces-app/loginservice/api/auth/login", json=body)
        if answer.status_code == 200:
            self.tokens = answer.json()["authTokenDto"]
        return answer

    def bearer(self) -> dict[str, str]:
        """Give the header of the new portal."""
        return {"Authorization": f"Bearer {self.tokens['accessToken']}"}

    def bridge(self, **headers: str) -> httpx.Response:
        """Enter the old portal; the browser keeps the cookie."""
        sent = {**self.bearer(), "RefreshToken": self.tokens["refreshToken"], "Origin": ORIGIN, **headers}
        return self.web.get("/traces61/app/preauthV2.xhtml", headers=sent)

    def enter(self) -> None:
        """Log in to both portals."""
        assert self.login().status_code == 200
        assert self.bridge().status_code == 302

    def servlet(self, name: str, **params: str) -> httpx.Response:
        """Ask the old portal."""
        body = {"_search": "false", "rows": "100", "page": params.pop("page", "1"), "sidx": "", "sord": "asc"}
        return self.web.post(f"{SRV}{name}", params=params, data=body)

    def grid(self, name: str, **params: str) -> list[Json]:
        """Read every page of a grid."""
        rows: list[Json] = []
        page = total = 1
        while page <= total:
            found = self.servlet(name, page=str(page), **params).json()
            total = found["total"]
            rows += found["rows"]
            page += 1
        return rows

    def post(self, path: str, body: Json, **query: object) -> httpx.Response:
        """Post to the new portal."""
        params = {key: str(value) for key, value in query.items()}
        return self.web.post(f"/traces-app{path}", params=params, json=body, headers=self.bearer())

    def get(self, path: str, **query: str) -> httpx.Response:
        """Get from the new portal."""
        return self.web.get(f"/traces-app{path}", params=query, headers=self.bearer())


@contextmanager
def traces(deductors: list[Deductor] | None = None, **options: Any) -> Iterator[Traces]:
    """Serve a portal on a loopback port, in a thread, while the context lasts."""
    one = Traces(deductors or population(), **options)
    loop = asyncio.new_event_loop()
    server, port = loop.run_until_complete(listen(one.portal.handle, 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    one.web = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False, timeout=30)
    try:
        yield one
    finally:
        one.web.close()
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def decoded(image: str) -> bytes:
    """Give the bytes of a picture."""
    return base64.b64decode(image, validate=True)
