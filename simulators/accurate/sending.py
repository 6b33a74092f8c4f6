"""Webhooks of the simulated system: envelopes that wait, are delivered, doubled, shuffled, remembered."""

from __future__ import annotations

import http.client
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from simulators.accurate.settings import DATABASE_ID
from simulators.accurate.texts import Invalid

ZONE = ZoneInfo("Asia/Jakarta")
MOMENT = "%d/%m/%Y %H:%M:%S"
_TYPES = {
    "item": "ITEM",
    "customer": "CUSTOMER",
    "sales-invoice": "SALES_INVOICE",
    "sales-receipt": "SALES_RECEIPT",
    "sales-return": "SALES_RETURN",
    "item-transfer": "ITEM_TRANSFER",
    "item-adjustment": "ITEM_ADJUSTMENT",
    "receive-item": "RECEIVE_ITEM",
    "purchase-order": "PURCHASE_ORDER",
}
Envelope = dict[str, Any]


@dataclass
class Sender:
    """The sender of webhooks.

    Attributes:
        now: the clock.
        ends_on: the day on which it falls silent, without any error.
        days: how long a renewal lasts.
        envelopes: what was sent since the beginning, with its moment.
        waiting: what the test has not delivered yet.
    """

    now: Callable[[], datetime]
    days: int = 7
    ends_on: date = field(default_factory=lambda: date(9999, 12, 31))
    envelopes: list[tuple[datetime, Envelope]] = field(default_factory=list)
    waiting: list[Envelope] = field(default_factory=list)

    def note(self, module: str, row: dict[str, Any], action: str) -> None:
        """Send an event, unless the registration has ended."""
        kind = _TYPES.get(module)
        at = self.now().astimezone(ZONE)
        if kind is None or at.date() >= self.ends_on:
            return
        first, *others = kind.lower().split("_")
        name = first + "".join(word.capitalize() for word in others)
        number = row.get("number") or row.get("customerNo") or row.get("no") or ""
        envelope = {
            "databaseId": DATABASE_ID,
            "type": kind,
            "timestamp": at.strftime(MOMENT),
            "uuid": str(uuid.uuid4()),
            "data": [{f"{name}Id": row["id"], f"{name}No": number, "action": action}],
        }
        self.envelopes.append((at, envelope))
        self.waiting.append(envelope)

    def take(self, *, times: int = 1, shuffle: int | None = None) -> list[Envelope]:
        """Return what waits, each ``times`` times, in a shuffled order by a seed; nothing waits afterwards."""
        taken = self.waiting * times
        self.waiting = []
        if shuffle is not None:
            random.Random(shuffle).shuffle(taken)
        return taken

    def renew(self) -> str:
        """Renew the registration and return the day on which it ends."""
        self.ends_on = self.now().astimezone(ZONE).date() + timedelta(days=self.days)
        return self.ends_on.strftime("%d/%m/%Y")

    def history(self, query: dict[str, str]) -> list[dict[str, Any]]:
        """Return what was sent in a time of at most 24 hours.

        Raises:
            Invalid: a moment is missing, or the time is longer.
        """
        try:
            start, end = (
                datetime.strptime(query[name], MOMENT).replace(tzinfo=ZONE) for name in ("from", "to")
            )
        except (KeyError, ValueError):
            raise Invalid("required", "from, to") from None
        if end - start > timedelta(hours=24):
            raise Invalid("window")
        kind, database = query.get("type", ""), query.get("databaseId", "")
        return [
            {"createDate": at.strftime(MOMENT), "status": 200, "payload": [envelope]}
            for at, envelope in self.envelopes
            if start <= at.replace(microsecond=0) <= end
            and kind in {"", envelope["type"]}
            and database in {"", str(envelope["databaseId"])}
        ]

    def post(
        self, url: str, *, times: int = 1, shuffle: int | None = None, batch: int = 1, seconds: float = 10.0
    ) -> list[int]:
        """Deliver what waits to an address and return the statuses.

        Args:
            url: http address with the path token.
            times: deliveries of each envelope.
            shuffle: seed of the order.
            batch: envelopes in one call.
            seconds: longest wait for an answer.
        """
        taken = self.take(times=times, shuffle=shuffle)
        parts = urlsplit(url)
        statuses = []
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
        try:
            for start in range(0, len(taken), batch):
                body = json.dumps(taken[start : start + batch])
                connection.request("POST", parts.path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
        finally:
            connection.close()
        return statuses
