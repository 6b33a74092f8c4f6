"""Calls: forms for v2, JSON for v3; wrappers are read tolerantly, and lists that move while they are read are whole.

An answer says ``status: false`` in HTTP 200 when it is an error. The vendor wraps some answers in a list, writes the
names of lists in different cases, and spells ``error_message`` in two ways.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clientsync.commerce.systems import Call, Opening
from clientsync.errors import (
    BadRequest,
    ContractChanged,
    SessionExpired,
    SourceError,
    SourceUnavailable,
)
from clientsync.http.client import Reply, error_of_status
from connectors.iseller.fields import Row, hours_of, text
from connectors.iseller.options import Options
from connectors.iseller.session import Session, Token

NOTED_CHARACTERS = 4_000
"""How much of an answer is kept with a document."""
TEXT_CHARACTERS = 500
RESTARTS = 20
"""How often one reading of a list may begin anew because whole pages moved away."""
_TOKEN_WORDS = re.compile(r"access[ _]?token|unauthori[sz]ed|authori[sz]ation", re.IGNORECASE)


class Refusal(BadRequest):
    """The shop says no.

    Attributes:
        text: in its own words.
    """

    def __init__(self, call: str, words: str, *, source_code: str | None = None) -> None:
        """Keep the shop's words."""
        self.text = words[:TEXT_CHARACTERS] or "no reason was given"
        super().__init__(f"iSeller refused {call}: {self.text}", source_code=source_code)


@dataclass(frozen=True)
class Listing:
    """A call that answers a list.

    Attributes:
        path: below the address of the shop, for example ``api/v2/GetOrders``.
        names: of the list in the answer; case and underscores do not matter.
        identity: what tells one row from another.
        is_json: sent as JSON, not as a form.
    """

    path: str
    names: tuple[str, ...]
    identity: Callable[[Row], str] = field(repr=False)
    is_json: bool = False

    @property
    def call(self) -> str:
        """Name of the call."""
        return self.path.rsplit("/", 1)[-1]


class Calls:
    """Calls of one connection, with its token; safe to share between threads.

    Attributes:
        hours: the ``time_zone`` of every call that names no other.
    """

    def __init__(self, opening: Opening, options: Options) -> None:
        """Keep with what the shop was opened.

        Raises:
            InvalidInput: the zone is not one of whole hours.
        """
        self.hours = hours_of(opening.zone, opening.now())
        self._opening = opening
        self._options = options
        self._session = Session(opening)

    def ask(
        self, path: str, fields: Mapping[str, Any], *, is_json: bool = False, noted: list[Call] | None = None
    ) -> dict[str, Any]:
        """Return the answer to a reading call, which is tried again as the client's policy allows.

        Raises:
            Refusal: the shop said no.
            SourceError: there is no answer.
        """
        return self._opening.client.run(lambda: self._tokened(path, fields, is_json=is_json, noted=noted))

    def send_once(self, path: str, body: Mapping[str, Any], noted: list[Call]) -> dict[str, Any]:
        """Return the answer to a call that changes the shop; it is sent once, and noted whatever comes of it.

        Only a call whose token was refused, and which so had no effect, is sent again with a fresh one.

        Raises:
            Refusal: the shop said no.
            SourceError: there is no answer; whether the call had an effect is not known.
        """
        self._opening.client.run(self._session.token)
        return self._tokened(path, body, is_json=True, noted=noted)

    def first(self, listing: Listing, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the first page of a list."""
        return self._page(listing, fields, 1)[0]

    def pages(
        self, listing: Listing, fields: Mapping[str, Any], noted: list[Call] | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of a list until the shop says that there is no next one, or one is empty.

        A row that is changed while the list is read leaves its place, and all behind it move up: the first row of
        the next page would never be seen. So after each further page the one before it is read again. When it has
        moved, what it holds now is given as well, and the further page is read anew. Rows may come twice.

        Raises:
            ContractChanged: the shop gives the same page again and again.
            SourceUnavailable: the list moves faster than it can be read.
        """
        page, restarts = 1, 0
        rows, has_next = self._page(listing, fields, page, noted)
        while rows:
            yield rows
            if not has_next:
                return
            further, further_has_next = self._page(listing, fields, page + 1, noted)
            again, again_has_next = self._page(listing, fields, page, noted)
            before, now = ([listing.identity(row) for row in one] for one in (rows, again))
            if before == now:
                if further and [listing.identity(row) for row in further] == now:
                    raise ContractChanged(f"iSeller answers {listing.call} with the same page again.")
                page, rows, has_next = page + 1, further, further_has_next
            elif set(before) & set(now):
                rows, has_next = again, again_has_next
            else:
                restarts += 1
                if restarts > RESTARTS:
                    raise SourceUnavailable(f"The list of {listing.call} moves faster than it can be read.")
                page = 1
                rows, has_next = self._page(listing, fields, page, noted)

    def _page(
        self, listing: Listing, fields: Mapping[str, Any], page: int, noted: list[Call] | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return the rows of a page, and whether there may be a next one."""
        sent = {**fields, "page": page, "page_size": self._options.page_size}
        answer = self.ask(listing.path, sent, is_json=listing.is_json, noted=noted)
        return rows_of(answer, listing.call, listing.names), answer.get("has_next_item") is not False

    def _tokened(
        self, path: str, fields: Mapping[str, Any], *, is_json: bool, noted: list[Call] | None
    ) -> dict[str, Any]:
        sent = {"time_zone": self.hours, **fields}
        token = self._session.token()
        try:
            return self._exchange(token, path, sent, is_json=is_json, noted=noted)
        except SessionExpired:
            self._session.refused(token)
        return self._exchange(self._session.token(), path, sent, is_json=is_json, noted=noted)

    def _exchange(
        self,
        token: Token,
        path: str,
        sent: Mapping[str, Any],
        *,
        is_json: bool,
        noted: list[Call] | None,
    ) -> dict[str, Any]:
        request = f"POST /{path} {json.dumps(sent, ensure_ascii=False)}"
        found: list[dict[str, Any]] = []
        calls = [] if noted is None else noted
        known = len(calls)

        def check(reply: Reply) -> None:
            calls.append(Call(request, reply.status, reply.body.decode(errors="replace")[:NOTED_CHARACTERS]))
            found.append(read_answer(reply, path.rsplit("/", 1)[-1]))

        try:
            self._opening.client.send(
                "POST",
                f"{token.resource_url}/{path}",
                client=self._opening.account,
                headers={"authorization": f"Bearer {token.access}"},
                json=dict(sent) if is_json else None,
                form=None if is_json else {name: str(value) for name, value in sent.items()},
                check=check,
            )
        except SourceError as error:
            if len(calls) == known:
                code = error.source_code or ""
                calls.append(Call(request, int(code) if code.isdecimal() else 0, ""))
            raise
        return found[0]


def read_answer(reply: Reply, call: str) -> dict[str, Any]:
    """Return the object of an answer.

    Raises:
        SessionExpired: the token was refused.
        Refusal: the shop said no.
        SourceError: there is no object.
    """
    if reply.status in {401, 403}:
        raise SessionExpired("iSeller does not accept the session.", source_code=str(reply.status))
    try:
        body = unwrapped(reply.json())
    except SourceError as error:
        if reply.status >= 400:
            raise error_of_status(reply.status) from error
        raise
    words = text(body, "error_message", "erroe_message", "message")
    if reply.status >= 400:
        raise Refusal(call, words, source_code=str(reply.status))
    if str(body.get("status")).lower() == "false":
        if _TOKEN_WORDS.search(words):
            raise SessionExpired("iSeller does not accept the session.")
        raise Refusal(call, words)
    return body


def unwrapped(body: Any) -> dict[str, Any]:
    """Return the object of a body, which may be wrapped in lists.

    Raises:
        ContractChanged: it is something else.
    """
    while isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict):
        raise ContractChanged("The answer of iSeller is not an object.")
    return body


def rows_of(answer: Mapping[str, Any], call: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rows of an answer, whatever the case of the list's name and whether it is wrapped once more.

    Raises:
        ContractChanged: there is no such list, though the answer does not say that it is empty.
    """
    wanted = {_plain(name) for name in names}
    for name, value in answer.items():
        if _plain(name) in wanted:
            return _rows(value, call)
    if answer.get("count") == 0:
        return []
    raise ContractChanged(f"The answer of iSeller to {call} lacks {names[0]}.")


def _rows(value: Any, call: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ContractChanged(f"The list in the answer of iSeller to {call} cannot be read.")
    return value


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
