"""Accurate Online as the accounting of a connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType

from clientsync.commerce.documents import Booked, Key, Page, Received
from clientsync.commerce.systems import BookedTotal, EventSeen, Job, Opening, Result
from connectors.accurate import masters, webhooks
from connectors.accurate.answers import AccurateRefused
from connectors.accurate.booking import Booking
from connectors.accurate.bulk import MOST, Bulk
from connectors.accurate.calling import AccurateClient
from connectors.accurate.desk import Desk
from connectors.accurate.inbound import Inbound
from connectors.accurate.listing import all_rows
from connectors.accurate.numbers import RETURN, SALE, outlet_in
from connectors.accurate.options import Options
from connectors.accurate.values import DAY_FORMAT, amount, plain


class Accurate:
    """The accounting's side of a connection; safe to share between threads.

    Attributes:
        title: name for people.
        streams: documents that can be read by their moment of change.
        batches: items, which are saved many in one call.
    """

    title = "Accurate"
    batches: Mapping[str, int] = MappingProxyType({"item": MOST})

    def __init__(self, opening: Opening) -> None:
        """Check options and credentials; nothing is sent.

        Raises:
            InvalidInput: an option is not known or cannot be used.
            MissingSecret: the credentials allow no way in.
        """
        self._opening = opening
        self._options = Options.of(opening.options)
        self._client = AccurateClient(opening, self._options)
        self._booking = Booking(self._options, opening.zone, opening.memory)
        self._bulk = Bulk(self._client, self._options, opening.now)
        self._inbound = Inbound(self._client, self._options, opening.zone)
        self._webhooks = webhooks.Webhooks(self._client, self._options, opening.zone, opening.memory)
        self.streams: tuple[str, ...] = self._inbound.streams

    def changed(self, stream: str, since: datetime) -> Iterator[Page]:
        """Yield the documents for the shop that changed since a moment, the earliest change first.

        Raises:
            UnknownName: there is no such stream.
            SourceError: as its class says.
        """
        return self._inbound.changed(stream, since)

    def fetch(self, key: Key) -> list[Received]:
        """Return a document for the shop as it stands now; empty when there is none.

        Raises:
            UnknownName: no document of this type comes from Accurate.
            SourceError: as its class says.
        """
        return self._inbound.fetch(key)

    def find(self, job: Job) -> Booked | None:
        """Look a document up by the number that we chose, an item by its own, a customer by its mark or number.

        A sale or payment that was changed at its source and is booked otherwise is None: ``send`` replaces it.

        Raises:
            BookingRefused: what was found cannot be taken for the document.
            SourceError: as its class says.
        """
        desk = Desk(self._client, job)
        try:
            if job.document.type == "item":
                return masters.find_item(desk, job)
            if job.document.type == "customer":
                return masters.find_customer(desk, job, self._options)
            return self._booking.find(desk, job)
        except AccurateRefused as error:
            raise error.as_booking() from error

    def send(self, job: Job) -> Booked:
        """Book a document; every mapping it needs is asked for before the first call.

        Raises:
            BookingRefused: a mapping is missing, it does not add up, or Accurate refuses it in its own words.
            NotConnected: nothing was sent.
            RateLimited: nothing was booked; slow down.
            SessionExpired: a person must renew the connection.
            SourceError: of any other class: the outcome is unknown.
        """
        desk = Desk(self._client, job)
        try:
            if job.document.type == "item":
                return masters.send_item(desk, job, self._options)
            if job.document.type == "customer":
                return masters.send_customer(desk, job, self._options, self._opening.zone)
            return self._booking.send(desk, job)
        except AccurateRefused as error:
            raise error.as_booking() from error

    def send_many(self, jobs: Sequence[Job]) -> list[Result]:
        """Book items together; those that Accurate has are adopted.

        Raises:
            NotConnected: nothing was sent.
            RateLimited: slow down.
            SessionExpired: a person must renew the connection.
            SourceError: of any other class: the outcome of all is unknown.
        """
        return self._bulk.send(jobs)

    def verify(self, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """Return why a webhook is not genuine, "" when nothing speaks against it; the path is checked before."""
        return self._webhooks.verify(headers)

    def events(self, body: bytes) -> list[EventSeen]:
        """Return the events of a webhook.

        Raises:
            ContractChanged: it is not an array of envelopes.
        """
        return self._webhooks.events(body)

    def keys_of(self, event: EventSeen) -> list[Key]:
        """Return the documents for the shop that an event is about."""
        return self._webhooks.keys_of(event)

    def about_booked(self, event: EventSeen) -> list[Key]:
        """Return types and target id of a document of the shop that an event deletes here."""
        return self._webhooks.about_booked(event)

    def masters_of(self, event: EventSeen) -> list[Key]:
        """Return the items of the shop whose record here an event says was changed."""
        return self._webhooks.masters_of(event)

    def was_deleted(self, event: EventSeen) -> bool:
        """Whether an event says that its record was deleted."""
        return webhooks.was_deleted(event)

    def missed(self, since: datetime, until: datetime) -> list[EventSeen]:
        """Return the events of a time that Accurate remembers, at most 30 days back.

        Raises:
            SourceError: as its class says.
        """
        return self._webhooks.missed(since, until)

    def renew_webhook(self) -> date:
        """Renew the registration of the webhook and return the day on which it ends.

        Raises:
            ContractChanged: the answer is not a day in the future.
            SourceError: as its class says.
        """
        return self._webhooks.renew(self._opening.now().astimezone(self._opening.zone).date())

    def booked_totals(self, day: date) -> list[BookedTotal]:
        """Return our sales of a day, and our returns with a total below zero; what people booked is left out.

        Raises:
            SourceError: as its class says.
        """
        mark = self._options.field_for_outlet
        found = []
        for module, prefix, sign in (("sales-invoice", SALE, 1), ("sales-return", RETURN, -1)):
            filters = [
                ("filter.transDate.op", "EQUAL"),
                ("filter.transDate.val", day.strftime(DAY_FORMAT)),
            ]
            fields = ("id", "number", "transDate", "totalAmount", mark)
            for row in all_rows(self._client, module, fields, filters, self._options.page_size):
                number = str(row.get("number", ""))
                if number.startswith(prefix):
                    total = plain(Decimal(sign) * amount(row.get("totalAmount")))
                    found.append(BookedTotal(number, str(row.get(mark) or outlet_in(number)), total))
        return found
