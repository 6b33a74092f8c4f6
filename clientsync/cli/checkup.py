"""The checks of ``clientsync doctor``: each looks at one thing, changes nothing, and never ends another.

A finding is ``well``, ``warning`` or ``wrong`` and says what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clientsync.config import Settings, settings
from clientsync.errors import SyncError

WELL, WARNING, WRONG = "well", "warning", "wrong"


@dataclass(frozen=True)
class CheckupLine:
    """What one check found."""

    what: str
    state: str
    words: str


def check_up() -> list[CheckupLine]:
    """Return what every check found; the settings come first, and without them nothing else is looked at."""
    try:
        configured = settings()
    except SyncError as error:
        return [CheckupLine("settings", WRONG, f"{error.message} {error.next_step}")]
    lines = [CheckupLine("settings", WELL, "can be read")]
    for what, check in _CHECKS.items():
        try:
            lines.extend(CheckupLine(what, state, words) for state, words in check(configured))
        except SyncError as error:
            lines.append(CheckupLine(what, WRONG, f"{error.message} {error.next_step}"))
    return lines


def _home(configured: Settings) -> Iterator[tuple[str, str]]:
    home = configured.home
    place = home if home.exists() else home.parent
    if not os.access(place, os.W_OK):
        yield WRONG, f"{place} cannot be written; give this user the right, or set home elsewhere."
    elif not home.exists():
        yield WARNING, f"{home} is not there yet; `clientsync init` makes it."
    else:
        free = os.statvfs(home)
        megabytes = free.f_bavail * free.f_frsize // 1_000_000
        state = WELL if megabytes > 500 else WARNING
        yield state, f"{home}, {megabytes:,} MB free"


def _warehouse(configured: Settings) -> Iterator[tuple[str, str]]:
    from sqlalchemy import inspect

    from clientsync.database import open_engine, typed_errors

    if configured.database_url.startswith("sqlite") and not (configured.home / "clientsync.db").exists():
        yield WARNING, "it is not there yet; `clientsync init` makes it."
        return
    engine = open_engine(configured.database_url)
    try:
        with typed_errors():
            tables = inspect(engine).get_table_names()
        is_ours = "sync_run" in tables
        yield (
            (WELL if is_ours else WARNING),
            (
                f"{engine.dialect.name}, {len(tables)} tables"
                if is_ours
                else "it is empty; `clientsync db upgrade`."
            ),
        )
    finally:
        engine.dispose()


def _vault(configured: Settings) -> Iterator[tuple[str, str]]:
    from clientsync.secrets.vault import Vault

    vault = Vault.from_settings(configured)
    try:
        vault.open_sealed(vault.seal(b"check"))
        yield WELL, f"seals and opens with {configured.vault_key_ref}"
    finally:
        vault.close()


def _portals(_: Settings) -> Iterator[tuple[str, str]]:
    from clientsync.registry import connector, index

    for name in index():
        found = connector(name)
        broken = []
        for module in found.module_names():
            try:
                found.module(module)
            except (SyncError, ImportError) as error:
                broken.append(f"{module} ({type(error).__name__})")
        if broken:
            yield WRONG, f"{found.title}: cannot be loaded: {', '.join(broken)}"
        else:
            yield WELL, f"{found.title}: {len(found.module_names())} modules"


def _providers(configured: Settings) -> Iterator[tuple[str, str]]:
    from clientsync.secrets.references import resolve

    if not configured.providers:
        yield WARNING, "none is set: files are imported by hand with `clientsync import`."
    for name, provider in configured.providers.items():
        missing = []
        for reference in provider.credentials.values():
            try:
                resolve(reference)
            except SyncError as error:
                missing.append(error.message)
        if missing:
            yield WRONG, f"{name}: {' '.join(missing)}"
        elif provider.certificate is not None and not provider.certificate.is_file():
            yield WRONG, f"{name}: the certificate {provider.certificate} is not there."
        else:
            yield WELL, f"{name}: {provider.kind}, {provider.calls_per_minute} calls a minute"


def _clients(configured: Settings) -> Iterator[tuple[str, str]]:
    from clientsync.clients.consent import consent_warnings
    from clientsync.clients.master import valid_providers
    from clientsync.clients.selection import list_clients
    from clientsync.clock import today
    from clientsync.database import open_engine, reading

    if configured.database_url.startswith("sqlite") and not (configured.home / "clientsync.db").exists():
        return
    engine = open_engine(configured.database_url)
    try:
        with reading(engine) as connection:
            clients = list_clients(connection, only_active=True)
    finally:
        engine.dispose()
    valid = valid_providers(configured.providers)
    lost = [one.client_id for one in clients if one.provider not in valid]
    yield WELL, f"{len(clients)} active"
    if lost:
        yield WRONG, f"provider not in the settings: {', '.join(lost[:10])}{' …' if len(lost) > 10 else ''}"
    for warning in consent_warnings(clients, today()):
        yield WARNING, warning.words


def _dashboard(configured: Settings) -> Iterator[tuple[str, str]]:
    import httpx

    try:
        answered = httpx.get(f"{configured.prefect_api_url}/health", timeout=2.0)
    except (httpx.HTTPError, httpx.InvalidURL):
        yield (
            WARNING,
            f"no Prefect server answers at {configured.prefect_api_url}; runs from here work without it.",
        )
        return
    state = WELL if answered.is_success else WARNING
    yield state, f"{configured.prefect_api_url} answers {answered.status_code}"


_CHECKS: dict[str, Callable[[Settings], Iterator[tuple[str, str]]]] = {
    "home": _home,
    "warehouse": _warehouse,
    "vault": _vault,
    "portals": _portals,
    "providers": _providers,
    "clients": _clients,
    "dashboard": _dashboard,
}
