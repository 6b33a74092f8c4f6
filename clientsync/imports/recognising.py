"""What a document is: which module's statement, of which client and period; by its content.

Bytes that are no JSON are shown to the modules that can read more than JSON. A document is refused when nothing
recognises it, when it could be two things, or when it says nothing of whom or when it is about and the person did not
say it either.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from clientsync.errors import InvalidPeriod, SyncError
from clientsync.identifiers import is_tan, normalise_identifier
from clientsync.imports.reading import Document
from clientsync.ledger.runs import UnitKey
from clientsync.ledger.tables import SyncClient
from clientsync.periods import Period, Quarter
from clientsync.registry import connector, index
from clientsync.spec.module import NO_PERIOD, Cadence, HandFile, Module
from clientsync.sync.fetching import PARSER_ERRORS


class NotRecognised(ValueError):
    """Why a document cannot be imported; the text is a sentence without an identity."""


@dataclass(frozen=True)
class Recognised:
    """A document that is known for what it is.

    Attributes:
        key: whose statement, of what unit period.
        module: its module.
        label: what it is called, for example ``GSTR-2B``.
        sections: section name to payload and its bytes.
    """

    key: UnitKey
    module: Module
    label: str
    sections: dict[str, tuple[Any, bytes]]


class Recogniser:
    """Knows the hand files of every connector and the client master as it was when made."""

    def __init__(self, clients: list[SyncClient]) -> None:
        """Load what can be loaded; a module that cannot is left out and named in refusals."""
        self._by_gstin = {client.gstin: client for client in clients if client.gstin}
        self._by_tan = {client.tan: client for client in clients if client.tan}
        self._by_id = {client.client_id: client for client in clients}
        self._modules: list[tuple[str, Module, HandFile]] = []
        self.left_out: list[str] = []
        for name in index():
            self._learn(name)

    def _learn(self, name: str) -> None:
        try:
            found = connector(name)
        except SyncError:
            self.left_out.append(name)
            return
        for module_name in found.module_names():
            try:
                module = found.module(module_name)
            except (SyncError, ImportError):
                self.left_out.append(module_name)
                continue
            if module.files is not None:
                self._modules.append((name, module, module.files))

    def recognise(self, document: Document, *, client_id: str | None, period: str | None) -> Recognised:
        """Return what a document is.

        Args:
            document: a good one.
            client_id: whom the person says it is about; must not contradict the file.
            period: month or quarter the person says it is about, for files that do not say it.

        Raises:
            NotRecognised: with the reason.
        """
        found = [
            (name, module, hand_file, label, readable)
            for name, module, hand_file in self._modules
            if (readable := _readable(hand_file, document)) is not None
            and (label := _asked(hand_file.recognise, readable.payload))
        ]
        if not found:
            raise NotRecognised(document.undecoded or self._unknown())
        if len(found) > 1:
            labels = " and as ".join(str(label) for *_, label, _ in found)
            raise NotRecognised(f"it can be read as {labels}; import the single statement.")
        name, module, hand_file, label, document = found[0]
        identity = _asked(hand_file.identity, document.payload) or (None, None)
        client = self._client(identity[0], client_id)
        key = UnitKey(client.client_id, name, module.name, _unit_period(module, identity[1], period))
        return Recognised(key, module, str(label), _sections(hand_file, document))

    def _unknown(self) -> str:
        titles = ", ".join(sorted(module.title for _, module, _ in self._modules)) or "none"
        out = f" Modules that cannot be loaded: {', '.join(self.left_out)}." if self.left_out else ""
        return f"it is no statement that can be imported. Valid: {titles}.{out}"

    def _client(self, identity: str | None, client_id: str | None) -> SyncClient:
        named = self._by_id.get(client_id or "")
        if identity:
            number = normalise_identifier(identity)
            owner = self._by_tan.get(number) if is_tan(number) else self._by_gstin.get(number)
            if owner is None and named is not None:
                # The person says whose file it is, the file says otherwise: its identity check holds every row.
                return named
            if owner is None and is_tan(number):
                raise NotRecognised(
                    "no client has the TAN of this file. Add the client with its TAN, then import again."
                )
            if owner is None:
                raise NotRecognised(
                    f"no client has the GSTIN of this file (it ends in {number[-4:]}). Add the client with "
                    "`clientsync clients add ID --name NAME --gstin GSTIN`, then import again."
                )
            if named is not None and named.client_id != owner.client_id:
                raise NotRecognised(f"it belongs to client {owner.client_id}, not to {named.client_id}.")
            named = owner
        if named is None:
            raise NotRecognised("it does not say whose it is; add `--client ID`.")
        if not named.is_active:
            raise NotRecognised(
                f"client {named.client_id} is inactive; `clientsync clients activate {named.client_id}` first."
            )
        return named


def _readable(hand_file: HandFile, document: Document) -> Document | None:
    """Return a document as JSON: itself, or what the module reads from its bytes; None when it cannot."""
    if not document.undecoded:
        return document
    if hand_file.decode is None:
        return None
    try:
        payload = hand_file.decode(document.raw, document.name)
    except PARSER_ERRORS:
        return None
    if payload is None:
        return None
    return replace(document, payload=payload, raw=exact_json(payload).encode(), undecoded="")


def _asked(function: Callable[[Any], Any], payload: Any) -> Any:
    """Ask a module about a payload that may have any shape; one it stumbles over is not its own."""
    try:
        return function(payload)
    except PARSER_ERRORS:
        return None


def _unit_period(module: Module, said: str | None, given: str | None) -> str:
    if module.cadence is Cadence.CLIENT:
        return NO_PERIOD
    text = said if said and said != NO_PERIOD else given
    if module.cadence is Cadence.QUARTER:
        return _quarter(text, given)
    if not text:
        raise NotRecognised("it does not say for which month it is; add `--period MMYYYY`.")
    if module.cadence is Cadence.FINANCIAL_YEAR and len(text) == 7 and text[4] == "-":
        return text
    try:
        period = Period.parse(text)
    except InvalidPeriod as error:
        if given and text != given:  # the person says where a file belongs whose own month cannot be used
            return _unit_period(module, None, given)
        raise NotRecognised(
            f"its period cannot be used: {error.message} Say where it belongs with `--period MMYYYY`."
        ) from None
    return period.financial_year if module.cadence is Cadence.FINANCIAL_YEAR else str(period)


def _quarter(text: str | None, given: str | None) -> str:
    if not text:
        raise NotRecognised("it does not say for which quarter it is; add `--period 2025-26-Q4`.")
    try:
        return Quarter.parse(text).label
    except InvalidPeriod as error:
        if given and text != given:  # the person says where a file belongs whose own quarter cannot be used
            return _quarter(given, None)
        raise NotRecognised(
            f"its quarter cannot be used: {error.message} Say where it belongs with `--period 2025-26-Q4`."
        ) from None


def _sections(hand_file: HandFile, document: Document) -> dict[str, tuple[Any, bytes]]:
    try:
        parts = list(hand_file.split(document.payload))
    except PARSER_ERRORS as error:
        raise NotRecognised(f"its shape is not the promised one ({type(error).__name__}).") from None
    if not parts:
        raise NotRecognised("it holds no section that can be imported.")
    return {
        name: (payload, document.raw if payload is document.payload else exact_json(payload).encode())
        for name, payload in parts
    }


def exact_json(value: Any) -> str:
    """Return parsed JSON as text again, every number as it was; keys in the order of the file."""
    if isinstance(value, Mapping):
        inside = ",".join(f"{json.dumps(str(name))}:{exact_json(one)}" for name, one in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(exact_json(one) for one in value)}]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value)
