"""Every call to Accurate: its query, its headers, a host that moved, a session that ended, its answer."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clientsync.commerce.systems import Call, Opening
from clientsync.errors import ForbiddenHost, SessionExpired, SourceError
from clientsync.http.client import Reply
from connectors.accurate.answers import WORDS, read_answer
from connectors.accurate.hosts import data_host
from connectors.accurate.options import Options
from connectors.accurate.session import open_access

DATA = "/accurate/api/"
MAX_MOVES = 3
"""Redirects that one call follows."""
SHOWN = 4_000
"""Characters of an answer that are noted."""

Query = list[tuple[str, str]]
_LISTS = frozenset({"fields", "sp.sort"})


@dataclass(frozen=True)
class _Request:
    method: str
    address: str
    json: Any
    form: Mapping[str, str] | None

    @property
    def shown(self) -> str:
        return shown_request(self.method, self.address, self.json if self.form is None else dict(self.form))


class AccurateClient:
    """Calls with the access of one connection; safe to share between threads."""

    def __init__(self, opening: Opening, options: Options) -> None:
        """Prepare; nothing is sent.

        Raises:
            MissingSecret: the credentials allow no way in.
        """
        self._http = opening.client
        self._account = opening.account
        self._access = open_access(opening, options)
        self.words = WORDS[options.language]

    def call(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        json: Any = None,
        *,
        form: Mapping[str, str] | None = None,
        note: Callable[[Call], None] | None = None,
    ) -> dict[str, Any]:
        """Return the envelope of an answer that says ``s:true``.

        A GET is tried again by the policy of the client. Everything else is sent once: again only when Accurate did
        not take it (a session that ended, a host that moved).

        Args:
            method: HTTP method.
            path: ``/accurate/api/…`` at the data host, or ``/api/…`` at the account layer.
            query: names and values, plain.
            json: body.
            form: body, as a form instead.
            note: is given every try with its answer, without headers.

        Raises:
            AccurateRefused: Accurate says no in its own words.
            SessionExpired: session or token are not accepted, also after one renewal.
            NotEntitled: the authorisation does not cover the call.
            ForbiddenHost: Accurate redirects to a host that is not its own.
            SourceError: as ``HttpClient.send``.
        """
        text = query_text(query)
        request = _Request(method, f"{path}?{text}" if text else path, json, form)

        def tried() -> dict[str, Any]:
            return self._authorized(request, note)

        return self._http.run(tried) if method == "GET" else tried()

    def _authorized(self, request: _Request, note: Callable[[Call], None] | None) -> dict[str, Any]:
        mark = self._access.mark(is_data=request.address.startswith(DATA))
        try:
            return self._noted(request, note)
        except SessionExpired as error:
            if not self._access.renew(mark, error):
                raise
        return self._noted(request, note)

    def _noted(self, request: _Request, note: Callable[[Call], None] | None) -> dict[str, Any]:
        try:
            reply = self._sent(request)
        except SourceError as error:
            if note is not None:
                note(Call(request.shown, _status_of(error), error.message))
            raise
        if note is not None:
            note(Call(request.shown, reply.status, reply.body.decode("utf-8", "replace")[:SHOWN]))
        return read_answer(reply, self.words)

    def _sent(self, request: _Request) -> Reply:
        """Send a call to where it belongs, and after the data when they moved."""
        if not request.address.startswith(DATA):
            return self._http.send(
                request.method,
                request.address,
                client=self._account,
                headers=self._access.account_headers(),
                json=request.json,
                form=request.form,
            )
        for _ in range(MAX_MOVES + 1):
            headers = self._access.data_headers()
            reply = self._http.send(
                request.method,
                f"{self._access.host()}{request.address}",
                client=self._account,
                headers=headers,
                json=request.json,
                form=request.form,
                expect_redirect=True,
            )
            if reply.status // 100 != 3:
                return reply
            if reply.status != 308:
                break
            self._access.move(data_host(self._http, reply.headers.get("location", "")))
        raise ForbiddenHost("Accurate redirects in a way that is not followed.")


def query_text(query: Iterable[tuple[str, str]]) -> str:
    """Return a query as Accurate reads it.

    The separators ``,`` ``|`` ``;`` of ``fields`` and ``sp.sort`` stay as they are, because their encoded forms are
    reported not to be understood; everything else is percent-encoded.
    """
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe=',|;' if name in _LISTS else '')}"
        for name, value in query
    )


def shown_request(method: str, address: str, json: Any) -> str:
    """Return a request for people: method, path with query, compact body."""
    body = "" if json is None else json_module.dumps(json, ensure_ascii=False, separators=(",", ":"))
    return f"{method} {address} {body}".rstrip()


def _status_of(error: SourceError) -> int:
    code = error.source_code or ""
    return int(code) if len(code) == 3 and code.isdigit() else 0
