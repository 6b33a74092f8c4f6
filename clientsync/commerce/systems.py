"""What the two systems of a connection are to the ledger: where documents come from, and where they are booked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from clientsync.clock import now
from clientsync.commerce import reasons
from clientsync.commerce.documents import Booked, Document, Key, Page, Received
from clientsync.commerce.reasons import Reason
from clientsync.errors import BookingRefused, SourceError
from clientsync.http.client import HttpClient


class BookedOtherwise(BookingRefused):
    """A document is booked, with another total than it has in its source.

    Attributes:
        booked: what it is booked as, with the total that it has there.
    """

    def __init__(self, reason: Reason, booked: Booked) -> None:
        """Keep what is booked beside the reason."""
        super().__init__(reason.code, reason.text)
        self.booked = booked


def refused(reason: Reason) -> BookingRefused:
    """Return the error that fails a document for a reason."""
    return BookingRefused(reason.code, reason.text)


@dataclass
class Mappings:
    """Keys of the shop to keys of the accounting, and a note of those that a document asked for.

    What was asked for is kept with a document that failed: when one of the values changes, it is tried again.

    Attributes:
        values: (kind, key) to value; kinds are outlet, payment, item, tax, unit, category, charge, customer, warehouse
            and sku.
        asked: (kind, key) to what was found, "" when nothing was.
        missing: those of them without which the document cannot be booked.
    """

    values: Mapping[tuple[str, str], str]
    asked: dict[tuple[str, str], str] = field(default_factory=dict)
    missing: set[tuple[str, str]] = field(default_factory=set)

    def find(self, kind: str, key: str) -> str:
        """Return the value of a key, "" when there is none."""
        found = self.asked[(kind, key)] = self.values.get((kind, key), "")
        return found

    def find_needed(self, kind: str, key: str) -> str:
        """Return the value of a key without which the document cannot be booked, "" when there is none."""
        found = self.find(kind, key)
        if not found:
            self.missing.add((kind, key))
        return found

    def need(self, kind: str, key: str) -> str:
        """Return the value of a key.

        Raises:
            BookingRefused: there is none.
        """
        found = self.find_needed(kind, key)
        if not found:
            raise refused(reasons.no_mapping(kind, key))
        return found


@dataclass(frozen=True)
class Call:
    """One call as View Details shows it; without headers, so without secrets."""

    request: str
    status: int
    response: str


@dataclass
class Job:
    """A document to book, with the mappings it may use; the calls made for it are noted here.

    Attributes:
        document: what to book, with the needs as they are booked.
        mappings: of the connection.
        uses_customer_ids: the switch "use id in customer data as the mapping".
        calls: what was said, in order.
    """

    document: Document
    mappings: Mappings
    uses_customer_ids: bool = False
    calls: list[Call] = field(default_factory=list)


Result = Booked | BookingRefused | SourceError
"""What became of one document of a batch: it is booked, or the error that ``send`` would have raised."""


@dataclass(frozen=True)
class EventSeen:
    """One event of a webhook.

    Attributes:
        dedupe_key: the same for every delivery of the event.
        type: the sender's own word.
        entity_id: id of what it is about, in the sender's system.
        action: the sender's own word.
        happened_at: aware; None when the sender does not say.
    """

    dedupe_key: str
    type: str
    entity_id: str
    action: str = ""
    happened_at: datetime | None = None


@dataclass(frozen=True)
class DayTotal:
    """What a system says about the sales of one outlet on one day; ``total`` is decimal text."""

    outlet: str
    count: int
    total: str


@dataclass(frozen=True)
class BookedTotal:
    """A booked sale as the accounting lists it; ``total`` is decimal text."""

    number: str
    outlet: str
    total: str


class System(Protocol):
    """One of the two systems of a connection.

    Every method may raise ``SourceError``; ``find`` and ``send`` also ``BookingRefused``.

    Attributes:
        title: name for people.
        streams: names of what can be read by its moment of change.
        batches: type of document to how many of them at most are sent together; others are sent one by one.
    """

    title: str
    streams: tuple[str, ...]
    batches: Mapping[str, int]

    def changed(self, stream: str, since: datetime) -> Iterator[Page]:
        """Yield what changed in a stream since a moment, the earliest change first."""
        ...

    def fetch(self, key: Key) -> list[Received]:
        """Return a document as it stands now, with those that belong to it; empty when the system has none."""
        ...

    def find(self, job: Job) -> Booked | None:
        """Look a document up by the number that it would be, or was, booked under."""
        ...

    def send(self, job: Job) -> Booked:
        """Book a document. It is called only when ``find`` said no, or nothing was ever sent."""
        ...

    def send_many(self, jobs: Sequence[Job]) -> list[Result]:
        """Book documents of one type in ``batches`` of which nothing was ever sent; return a result each, in order.

        An error that is raised says of every one of them what it says of a document that is sent alone.
        """
        ...

    def verify(self, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """Return why a webhook is not genuine; empty when it is. Header names are in lower case."""
        ...

    def events(self, body: bytes) -> list[EventSeen]:
        """Return the events of a webhook.

        Raises:
            ContractChanged: the body is not one.
        """
        ...

    def keys_of(self, event: EventSeen) -> list[Key]:
        """Return the documents of this system that an event says were changed; empty when it is of no concern."""
        ...

    def about_booked(self, event: EventSeen) -> list[Key]:
        """Return types and target id of a document of the other system that is booked here and that an event deletes.

        There are several where the event does not tell which type it is of.
        """
        ...

    def masters_of(self, event: EventSeen) -> list[Key]:
        """Return items and customers of the other system whose record here an event says was changed."""
        ...


class Shop(System, Protocol):
    """The shop's side."""

    def day_totals(self, day: date) -> list[DayTotal]:
        """Return its own totals of a day, by outlet."""
        ...


class Accounting(System, Protocol):
    """The accounting's side."""

    def booked_totals(self, day: date) -> list[BookedTotal]:
        """Return what is booked of sales on a day."""
        ...

    def renew_webhook(self) -> date:
        """Renew the registration of the webhook and return the day on which it ends."""
        ...

    def missed(self, since: datetime, until: datetime) -> list[EventSeen]:
        """Return the events of a time that the system itself remembers."""
        ...


class Memory(Protocol):
    """What a system must not forget between processes: tokens, the host that was told. It is kept sealed."""

    def get(self, name: str) -> dict[str, Any]:
        """Return what is kept under a name, empty when nothing is."""
        ...

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Keep a JSON object under a name."""
        ...


@dataclass(frozen=True)
class Opening:
    """With what a system is opened.

    Attributes:
        client: for every call; its ``base_url`` is where the system says who we are and where our data is.
        account: name of the provider, for the gate of the client.
        credentials: name to secret.
        options: of the connection, for this system; what the vendor did not document is set here.
        memory: for tokens and hosts.
        zone: of the shop and its books.
        now: the clock.
    """

    client: HttpClient
    account: str
    credentials: Mapping[str, str] = field(repr=False)
    options: Mapping[str, Any]
    memory: Memory
    zone: ZoneInfo
    now: Callable[[], datetime] = now
