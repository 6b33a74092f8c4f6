"""Whether the web database can be reached, step by step, in the words that a firewall administrator needs."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from sqlalchemy import func, inspect, select, text
from sqlalchemy.engine import URL, make_url

from clientsync.database import reading
from clientsync.errors import WarehouseError
from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.handshakes import CLOCK_WARNS, misfit, software_version
from clientsync.exchange.mailbox import MAILBOX, SCHEMA, Mailbox, mb_batch, open_mailbox

SECONDS = 5
_TLS_WANTED = struct.pack("!ii", 8, 80877103)
"""The message by which a client of PostgreSQL asks for TLS (PostgreSQL documentation, chapter "Message Flow")."""


_NO_TLS = "Documents would travel readable by everyone on the way; ask its administrator to switch TLS on"
_CERTIFICATE = (
    "Ask its administrator for the certificate of the issuer, and name the file as sslrootcert in the URL."
)


@dataclass(frozen=True)
class Check:
    """One step of the test: whether it passed, and what to do when it did not."""

    name: str
    is_good: bool
    words: str


def test_connection(url: str, node_id: str) -> list[Check]:
    """Try the way to the mailbox step by step, and return the steps up to the first that fails.

    The steps are name, port, TLS, login, right, schema, version, own rows, clock.

    Args:
        url: of the mailbox, with the password.
        node_id: whose login it is.
    """
    parsed = make_url(url)
    done: list[Check] = []
    if parsed.get_backend_name() == "postgresql" and not str(parsed.host or "").startswith("/"):
        done += _network(parsed)
        if not done[-1].is_good:
            return done
    mailbox = open_mailbox(url)
    steps: list[Callable[[], Check]] = [
        lambda: _login(mailbox, parsed),
        lambda: _right(mailbox),
        lambda: _schema(mailbox),
        lambda: _version(mailbox, node_id),
        lambda: _scope(mailbox, node_id),
        lambda: _clock(mailbox),
    ]
    try:
        for step in steps:
            done.append(step())
            if not done[-1].is_good:
                break
    finally:
        mailbox.close()
    return done


def _network(url: URL) -> list[Check]:
    host, port = str(url.host or "localhost"), url.port or 5432
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return [
            Check(
                "name",
                False,
                f"{host} has no address. Ask for the name of the web database, or for DNS to it.",
            )
        ]
    address = str(found[0][4][0])
    checks = [Check("name", True, f"{host} is {address}")]
    try:
        socket.create_connection((address, port), timeout=SECONDS).close()
    except OSError as error:
        why = "is refused" if isinstance(error, ConnectionRefusedError) else "is not answered"
        return [
            *checks,
            Check(
                "port", False, f"TCP to {address} port {port} {why}. The firewall must allow it, outgoing."
            ),
        ]
    return [
        *checks,
        Check("port", True, f"TCP to {address} port {port} is open"),
        _tls(url, host, address, port),
    ]


def _tls(url: URL, host: str, address: str, port: int) -> Check:
    """Return whether the server offers TLS with a certificate of its name; on this machine it is not needed."""
    is_here = ip_address(address).is_loopback
    context = ssl.create_default_context(cafile=str(url.query.get("sslrootcert") or "") or None)
    try:
        with socket.create_connection((address, port), timeout=SECONDS) as plain:
            plain.sendall(_TLS_WANTED)
            if plain.recv(1) != b"S":
                if is_here:
                    return Check("TLS", True, "not offered, and not needed on this machine")
                return Check("TLS", False, f"{host} offers no TLS. {_NO_TLS}.")
            with context.wrap_socket(plain, server_hostname=host) as safe:
                said = f"{safe.version()}, the certificate is that of {host}"
    except ssl.SSLCertVerificationError as error:
        return Check(
            "TLS",
            is_here,
            f"The certificate of {host} is not trusted: {error.verify_message}. {_CERTIFICATE}",
        )
    except OSError as error:
        return Check("TLS", False, f"{host} ends the connection when asked for TLS ({type(error).__name__}).")
    if url.query.get("sslmode") != "verify-full":
        said += "; write sslmode=verify-full into the URL, so that it is checked every time"
    return Check("TLS", True, said)


def _login(mailbox: Mailbox, url: URL) -> Check:
    try:
        with reading(mailbox.engine) as connection:
            connection.execute(text("SELECT 1"))
    except WarehouseError as error:
        return Check(
            "login",
            False,
            f"{url.username or 'the login'} is not let in: {error.message} Ask for a new password.",
        )
    return Check("login", True, f"{url.username or 'the file'} is let in")


def _right(mailbox: Mailbox) -> Check:
    try:
        with reading(mailbox.engine) as connection:
            connection.execute(select(mb_batch.c.seq).limit(1)).first()
    except WarehouseError as error:
        return Check(
            "right",
            False,
            f"The tables of the mailbox cannot be read: {error.message} It is to be prepared first.",
        )
    return Check("right", True, "the mailbox can be read")


def _schema(mailbox: Mailbox) -> Check:
    lacking = []
    with reading(mailbox.engine) as connection:
        look = inspect(connection)
        schema = SCHEMA if mailbox.engine.dialect.name == "postgresql" else None
        for table in MAILBOX.sorted_tables:
            there = {column["name"] for column in look.get_columns(table.name, schema=schema)}
            lacking += [f"{table.name}.{column.name}" for column in table.columns if column.name not in there]
    if lacking:
        return Check(
            "schema",
            False,
            f"The mailbox is of an earlier version: it lacks {', '.join(lacking)}. "
            "Its administrator brings it up to date: clientsync exchange mailbox.",
        )
    return Check("schema", True, "the tables are those of this version")


def _version(mailbox: Mailbox, node_id: str) -> Check:
    if node_id == HEAD_OFFICE:
        return Check("version", True, f"this is the head office, with {software_version()}")
    beat = mailbox.beats([HEAD_OFFICE]).get(HEAD_OFFICE)
    if beat is None:
        return Check("version", True, "the head office never synchronised; its version is not known yet")
    why = misfit(beat)
    if why:
        return Check(
            "version", False, f"The head office does not fit: {why}. Bring both to one major version."
        )
    return Check("version", True, f"{beat['software']} at the head office, {software_version()} here")


def _scope(mailbox: Mailbox, node_id: str) -> Check:
    with reading(mailbox.engine) as connection:
        if mailbox.engine.dialect.name != "postgresql":
            return Check("own rows", True, "a file has no rights of its own; use it for trials only")
        me = connection.execute(text("SELECT mailbox.mb_me()")).scalar_one()
        foreign = connection.execute(
            select(func.count())
            .select_from(mb_batch)
            .where(mb_batch.c.sender != node_id, mb_batch.c.receiver != node_id)
        ).scalar_one()
    if me != node_id:
        return Check("own rows", False, f"The login belongs to {me or 'no active node'}, not to {node_id}.")
    if foreign:
        return Check(
            "own rows", False, f"The login sees {foreign} batches of others. Tell the administrator."
        )
    return Check("own rows", True, f"the login is that of {node_id} and sees no other rows")


def _clock(mailbox: Mailbox) -> Check:
    if mailbox.engine.dialect.name != "postgresql":
        return Check("clock", True, "the same machine")
    seconds = abs(mailbox.seconds_ahead())
    if seconds > CLOCK_WARNS:
        return Check(
            "clock",
            False,
            f"The clock differs by {seconds:,.0f} seconds. Set it: business days depend on it.",
        )
    return Check("clock", True, f"the clock differs by {seconds:.1f} seconds")
