"""Every setting of the product, in one place, with its default and its meaning.

Settings are read once: from the environment (``CLIENTSYNC_...``, first), then from ``clientsync.toml`` in the
working directory or at ``CLIENTSYNC_CONFIG``, then from the defaults here. They are frozen, an unknown name
in the file is refused, and no setting holds a secret: it holds a reference to one (``env:``, ``file:``,
``keyring:``, ``vault:``, ``block:``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from clientsync.errors import InvalidInput, UnknownName

CONFIG_FILE = "clientsync.toml"
REFERENCE = re.compile(r"(?:env|file|keyring|vault|block):\S.*")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MEGABYTE = 1_000_000


def user_config_folder() -> Path:
    """Return the folder for this user's configuration (``XDG_CONFIG_HOME`` or ``~/.config``)."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "clientsync"


def is_reference(text: str) -> bool:
    """Whether a text has the form of a reference to a secret."""
    return REFERENCE.fullmatch(text) is not None


class ProviderSettings(BaseModel):
    """One account at one provider: where it is, with what it opens, how often it may be asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal[
        "gsp",
        "sandbox",
        "income_tax",
        "traces_old",
        "traces_new",
        "sandbox_tds",
        "records",
        "iseller",
        "accurate",
    ] = Field(
        description=(
            "Protocol: gsp is the raw GSTN protocol through a GSP, sandbox its plain-JSON style; income_tax is "
            "the e-filing portal, traces_old and traces_new the two of TRACES, sandbox_tds the job API, records a "
            "system that is a side of a set of records; iseller a shop and accurate its accounting"
        )
    )
    base_url: str = Field(
        description="Address every call starts with; scheme, host, port and path prefix are the allow-list"
    )
    download_urls: tuple[str, ...] = Field(
        default=(), description="Further address prefixes from which queued files may be fetched"
    )
    credentials: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "Name to reference of a secret. gsp: client_id, client_secret, and public_username, "
            "public_password for calls without a taxpayer; sandbox, sandbox_tds: api_key, api_secret; records: token; "
            "iseller: client_id, client_secret, webhook_key; accurate: token and signature_secret, or client_id, "
            "client_secret and refresh_token, and webhook_path; none for portals, whose passwords are the clients' own"
        ),
    )
    certificate: Path | None = Field(
        default=None, description="GSTN's public certificate (PEM or DER) that seals app keys; gsp only"
    )
    ip_address: str = Field(
        default="127.0.0.1", description="Public address of this machine as registered with the provider"
    )
    calls_per_minute: int = Field(
        default=90, ge=1, description="Shared by every process that uses this provider, in any minute"
    )
    calls_per_second: int | None = Field(
        default=None, ge=1, description="Instead of calls_per_minute: shared likewise, in any second"
    )
    burst: int = Field(
        default=5, ge=1, description="Calls that may start at once, inside the limit per minute"
    )
    concurrency: int = Field(default=16, ge=1, description="Calls under way at once in one process")
    client_concurrency: int = Field(
        default=2, ge=1, description="Calls under way at once for one registration"
    )
    endpoint_versions: dict[str, str] = Field(
        default_factory=dict, description="Endpoint name to version, over those built in"
    )
    settle_seconds: float = Field(
        default=5.0,
        ge=0,
        description="First wait while a new session of traces_old settles; each of four waits is longer, in seconds",
    )
    allow_loopback: bool = Field(
        default=False, description="Allow http and loopback addresses, for simulators and tests only"
    )

    @field_validator("credentials")
    @classmethod
    def _references_only(cls, given: dict[str, str]) -> dict[str, str]:
        for name, reference in given.items():
            if not is_reference(reference):
                raise ValueError(f"{name} must be a reference: env:, file:, keyring:, vault: or block:")
        return given

    @model_validator(mode="after")
    def _addresses_are_safe(self) -> Self:
        for address in (self.base_url, *self.download_urls):
            parts = urlsplit(address)
            if not parts.hostname or parts.query or parts.fragment or parts.username or parts.password:
                raise ValueError("an address needs a scheme and a host, without user, query or fragment")
            if self.allow_loopback and parts.scheme == "http" and parts.hostname in LOOPBACK:
                continue
            if parts.scheme != "https":
                raise ValueError("an address must be https (http only to loopback with allow_loopback)")
            if parts.hostname in LOOPBACK and not self.allow_loopback:
                raise ValueError("a loopback address needs allow_loopback")
        return self


class ExchangeSettings(BaseModel):
    """One node of the exchange between head office and stores."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node_id: str = Field(description="HO, or the code of the store")
    database_url: str = Field(description="Database with the business tables of this node")
    mailbox_url: str = Field(
        description="Web database between the nodes, with the login of this node, without password"
    )
    mailbox_password: str = Field(default="", description="Reference of the password; empty for SQLite")
    signing_key: str = Field(
        default="vault:exchange_key",
        description="Reference of the private key that signs batches, in hexadecimal",
    )
    catalogue: str = Field(
        default="connectors.retail.catalogue:catalogue",
        description="Dotted name of the catalogue of documents",
    )

    @field_validator("mailbox_password", "signing_key")
    @classmethod
    def _reference_only(cls, given: str) -> str:
        if given and not is_reference(given):
            raise ValueError("a secret is a reference: env:, file:, keyring:, vault: or block:")
        return given


def _is_a_zone(given: str) -> str:
    try:
        ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("a zone is a name like Asia/Jakarta") from None
    return given


Zone = Annotated[str, AfterValidator(_is_a_zone)]


class RecordSideSettings(BaseModel):
    """One side of a set of records: a file, or a system of a provider."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(description="Name for people")
    path: Path | None = Field(default=None, description="CSV or Excel file; none for a system")
    columns: dict[str, str] = Field(
        default_factory=dict, description="Of a file: field of ours to the header of its column"
    )
    id_column: str = Field(default="", description="Of a file: header of the column that identifies a record")
    is_delta: bool = Field(
        default=False, description="Of a file: it holds changed records only, so nothing counts as deleted"
    )
    is_writable: bool = Field(default=False, description="Of a CSV: it may be rewritten whole")
    provider: str = Field(default="", description="Of a system: name of the provider with address and token")
    description: str = Field(
        default="",
        description="Of a system: dotted name of how its records are reached, a description or what opens it",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Of a system with a connector of its own: the connector's options"
    )
    zone: Zone = Field(default="Asia/Jakarta", description="Of such a system: its time zone")
    region: str = Field(default="IN", description="Country of telephone numbers that name none")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.path is not None and not (self.columns and self.id_column):
            raise ValueError("a file needs columns and id_column")
        if self.is_writable and self.path is not None and self.path.suffix.casefold().startswith(".xls"):
            raise ValueError("an Excel file is only read; is_writable is for a CSV")
        if self.path is None and not (self.provider and self.description):
            raise ValueError("a side is a file (path) or a system (provider and description)")
        return self


class RecordSetSettings(BaseModel):
    """One kind of record that two systems keep alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entity: str = Field(description="customers or employees")
    a: RecordSideSettings = Field(description="Our side, a file or a system")
    b: RecordSideSettings = Field(description="The opposite side, a file or a system")
    policy: str = Field(
        default="ask",
        pattern="^(ask|three_way)$",
        description="ask: a person settles every difference; three_way: what changed on one side only flows",
    )


class CommerceSettings(BaseModel):
    """A shop and its accounting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shop_provider: str = Field(description="Name of the provider with the shop's address and credentials")
    accounting_provider: str = Field(description="Name of the provider of the accounting")
    shop: str = Field(
        default="connectors.iseller:open_shop", description="Dotted name of what opens the shop"
    )
    accounting: str = Field(
        default="connectors.accurate:open_accounting", description="Dotted name of what opens the accounting"
    )
    zone: str = Field(
        default="Asia/Jakarta",
        description="Time zone of the shop and its books; hours of sync modes are in it",
    )
    shop_options: dict[str, Any] = Field(
        default_factory=dict,
        description="What the shop's vendor did not document; its connector lists the names",
    )
    accounting_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Walk-in customer, item category and the like; the connector lists the names",
    )
    at_once: int = Field(default=8, ge=1, le=64, description="Documents that are sent at once")
    lease_seconds: float = Field(
        default=300.0,
        gt=0,
        description="After which a document whose sender is silent is looked up, in seconds",
    )
    look_up_seconds: float = Field(
        default=2.0, gt=0, description="After a lost answer the accounting is asked what it has, in seconds"
    )
    poll_seconds: float = Field(
        default=90.0,
        gt=0,
        description="How often the service reads what no webhook tells (transfers, shifts, products), in seconds",
    )
    silent_hours: float = Field(
        default=24.0, gt=0, description="Without a webhook for so long, an alarm is shown, in hours"
    )
    sweep_days: int = Field(default=3, ge=1, le=30, description="Days that a sweep reads back")
    keep_days: int = Field(
        default=180,
        ge=31,
        description="For how many days webhooks and events that are done, and what was said in tries, are kept",
    )


class Settings(BaseSettings):
    """All settings; frozen."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="CLIENTSYNC_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    # where things are
    home: Path = Field(
        default=Path(".clientsync"),
        description="Folder of everything the program keeps on this machine; made on first use",
    )
    database_url: str = Field(
        default_factory=lambda values: f"sqlite:///{values['home'] / 'clientsync.db'}",
        repr=False,
        description="SQLAlchemy address of the warehouse: a SQLite file in home, or postgresql+psycopg://…",
    )
    watch_folder: Path | None = Field(
        default=None,
        description="Folder from which portal files are imported when they appear; none by default",
    )
    prefect_api_url: str = Field(
        default="http://127.0.0.1:4200/api", description="Where the Prefect server answers"
    )

    # what is reached by dotted name
    connector_index: str = Field(
        default="connectors:INDEX", description="Mapping of connector names to dotted names"
    )
    validator: str = Field(
        default="validations:validate", description="Function that checks batches of staged units"
    )

    # how wide and how much
    workers: int = Field(
        default=64, ge=1, le=256, description="Clients of one module group that are worked on at once"
    )
    portal_concurrency: int = Field(
        default=16, ge=1, description="Calls to portals under way at once in one process"
    )
    rows_per_batch: int = Field(
        default=20_000, ge=1, description="Rows validated and loaded together; a batch is one transaction"
    )
    batch_seconds: float = Field(
        default=2.0,
        gt=0,
        description="Longest time for which a fetched unit waits for its batch to fill, in seconds",
    )
    lease_seconds: float = Field(
        default=120.0,
        gt=0,
        description="How long a lease on a client and module lasts without renewal, in seconds",
    )
    max_bad_share: float = Field(
        default=0.2, ge=0, le=1, description="Share of bad rows above which a section is not loaded at all"
    )

    settled_rest_days: int = Field(
        default=7,
        ge=0,
        description="Days after which what is settled at the tax portals is read again; 0: it is read every night",
    )

    # one call
    deadline_seconds: float = Field(
        default=60.0, gt=0, description="Total time of one call, from connecting to the last byte, in seconds"
    )
    file_deadline_seconds: float = Field(
        default=900.0, gt=0, description="Total time of one download of a queued file, in seconds"
    )
    connect_seconds: float = Field(default=10.0, gt=0, description="Time to connect, in seconds")
    wire_limit_bytes: int = Field(
        default=5 * MEGABYTE, ge=1, description="Largest answer as it comes over the wire, in bytes"
    )
    decoded_limit_bytes: int = Field(
        default=10 * MEGABYTE, ge=1, description="Largest answer after decompression, in bytes"
    )
    file_limit_bytes: int = Field(
        default=200 * MEGABYTE,
        ge=1,
        description="Largest queued file, and all its members together, in bytes",
    )
    ratio_limit: int = Field(
        default=100, ge=1, description="Largest ratio of decompressed to compressed size"
    )
    json_depth: int = Field(default=64, ge=1, le=500, description="Deepest nesting of JSON that is read")

    # trying again
    retries_in_run: int = Field(
        default=3, ge=0, description="How often a call is repeated within a run after a passing failure"
    )
    retry_budget_seconds: float = Field(
        default=45.0, ge=0, description="Longest total wait between the tries of one call, in seconds"
    )
    breaker_failures: int = Field(
        default=10, ge=1, description="Consecutive failures of a host after which it is left alone"
    )
    breaker_seconds: float = Field(
        default=30.0, gt=0, description="How long a failing host is left alone, in seconds"
    )

    # secrets and providers
    exchange: ExchangeSettings | None = Field(
        default=None, description="This node of the exchange between head office and stores"
    )
    commerce: dict[str, CommerceSettings] = Field(
        default_factory=dict, description="Shops and their accounting, by name"
    )
    service_host: str = Field(
        default="127.0.0.1",
        description="Address on which the service listens for webhooks; loopback by default",
    )
    service_port: int = Field(
        default=8484, ge=0, le=65535, description="Port of the service for webhooks; 0: one that is free"
    )
    records: dict[str, RecordSetSettings] = Field(
        default_factory=dict, description="Sets of records that two systems keep alike, by name"
    )
    vault_key_ref: str = Field(
        default_factory=lambda: f"file:{user_config_folder() / 'vault.key'}",
        description="Reference of the key that seals stored secrets; file: or keyring:, never inside home",
    )
    providers: dict[str, ProviderSettings] = Field(
        default_factory=dict, description="Provider accounts by name; a client names one of them"
    )

    @field_validator("home", "watch_folder")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("vault_key_ref")
    @classmethod
    def _key_reference(cls, reference: str) -> str:
        if not is_reference(reference) or reference.partition(":")[0] not in {"file", "keyring", "env"}:
            raise ValueError("the vault's key must be a reference: file:, keyring: or env:")
        return reference

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then the TOML file."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file()))

    def provider(self, name: str) -> ProviderSettings:
        """Return one provider's settings.

        Raises:
            UnknownName: not configured; lists those that are.
        """
        if name not in self.providers:
            raise UnknownName("provider", name, sorted(self.providers))
        return self.providers[name]


def config_file() -> Path:
    """Return the path of the settings file, which need not exist unless ``CLIENTSYNC_CONFIG`` names it.

    Raises:
        InvalidInput: ``CLIENTSYNC_CONFIG`` names a file that is not there.
    """
    named = os.environ.get("CLIENTSYNC_CONFIG")
    if not named:
        return Path(CONFIG_FILE)
    path = Path(named).expanduser()
    if not path.is_file():
        raise InvalidInput(f"CLIENTSYNC_CONFIG names {named!r}, which is not a file.")
    return path


def load_settings() -> Settings:
    """Read the settings anew.

    Raises:
        UnknownName: the file has a setting that does not exist; lists those that do.
        InvalidInput: a value cannot be used. The message names the setting, never the value.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise _explained(error) from None
    except SettingsError as error:
        raise InvalidInput(f"A setting cannot be read: {error}.") from None
    except ValueError as error:  # tomllib.TOMLDecodeError
        raise InvalidInput(f"{config_file()} is not valid TOML: {error}.") from None


_SECTIONS: dict[str, type[BaseModel]] = {
    "providers": ProviderSettings,
    "exchange": ExchangeSettings,
    "records": RecordSetSettings,
    "commerce": CommerceSettings,
}


def _explained(error: ValidationError) -> InvalidInput | UnknownName:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][0])
        inside = _SECTIONS.get(name, Settings) if len(first["loc"]) > 1 else Settings
        return UnknownName("setting", where, sorted(inside.model_fields))
    return InvalidInput(f"The setting {where or 'file'} cannot be used: {first['msg']}.")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read on first use."""
    return load_settings()


def reset_settings() -> None:
    """Forget the settings of this process; the next use reads them anew."""
    settings.cache_clear()


def describe_settings() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and description of every setting, for the generated documentation."""
    yield from _describe(Settings, "")
    yield from _describe(ProviderSettings, "providers.<name>.")
    yield from _describe(ExchangeSettings, "exchange.")
    yield from _describe(CommerceSettings, "commerce.<name>.")
    yield from _describe(RecordSetSettings, "records.<name>.")
    yield from _describe(RecordSideSettings, "records.<name>.a.")


_DERIVED = {
    "database_url": "clientsync.db in home",
    "vault_key_ref": "vault.key in the user's configuration folder",
}


def _describe(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, info in model.model_fields.items():
        default: Any
        if info.is_required():
            default = "required"
        elif name in _DERIVED:
            default = _DERIVED[name]
        else:
            default = info.get_default(call_default_factory=True, validated_data={})
        kind = getattr(info.annotation, "__name__", "") if isinstance(info.annotation, type) else ""
        shown_kind = kind or str(info.annotation).replace("typing.", "").replace("clientsync.config.", "")
        yield f"{prefix}{name}", shown_kind.replace("pathlib.", ""), str(default), info.description or ""
