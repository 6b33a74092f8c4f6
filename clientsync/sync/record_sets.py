"""Sets of records, opened as the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from zoneinfo import ZoneInfo

from clientsync.config import RecordSideSettings, Settings
from clientsync.errors import UnknownName
from clientsync.http.client import HttpClient
from clientsync.records.entities import ENTITIES
from clientsync.records.executing import RecordSet
from clientsync.records.file_side import FileSide
from clientsync.records.rest_side import RestDescription, RestSide
from clientsync.records.sides import Side
from clientsync.registry import load_dotted
from clientsync.secrets.references import resolve
from clientsync.sync.openings import opening_of
from clientsync.sync.services import Services

TOKEN = "token"  # noqa: S105 - the name of a credential


@contextmanager
def opened_set(services: Services, name: str) -> Iterator[RecordSet]:
    """Yield a set with both of its sides.

    Raises:
        UnknownName: no such set, kind of record or provider; lists those that are.
        MissingSecret: the token of a system cannot be found where its reference says.
    """
    configured = services.settings
    if name not in configured.records:
        raise UnknownName("set of records", name, sorted(configured.records))
    found = configured.records[name]
    if found.entity not in ENTITIES:
        raise UnknownName("kind of record", found.entity, sorted(ENTITIES))
    with ExitStack() as stack:
        a, b = (_opened(configured, services, side, stack) for side in (found.a, found.b))
        entity = ENTITIES[found.entity].between(a.fields, b.fields)
        yield RecordSet(name, entity, a, b, services.engine, found.policy)


def _opened(configured: Settings, services: Services, side: RecordSideSettings, stack: ExitStack) -> Side:
    if side.path is not None:
        return FileSide(
            side.path,
            side.columns,
            side.id_column,
            side.title,
            side.region,
            is_delta=side.is_delta,
            is_writable=side.is_writable,
        )
    described = load_dotted(side.description)
    if not isinstance(described, RestDescription):
        opening = opening_of(
            services, stack, side.provider, options=side.options, place="records", zone=ZoneInfo(side.zone)
        )
        opened: Side = described(opening, title=side.title, region=side.region)
        return opened
    client = stack.enter_context(HttpClient.for_provider(configured, side.provider, services.engine))
    token = resolve(configured.provider(side.provider).credentials[TOKEN]).get_secret_value()
    return RestSide(
        client,
        described,
        title=side.title,
        token=token,
        account=side.provider,
        region=side.region,
    )
