"""Whether the web database can be reached, step by step, in the words that a firewall administrator needs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.engine import URL, make_url

from clientsync.database import reading
from clientsync.errors import WarehouseError
from clientsync.exchange.mailbox import Mailbox, mb_batch, open_mailbox

SECONDS = 5
CLOCK_WARNS = 300


@dataclass(frozen=True)
class Check:
    """One step of the test: whether it passed, and what to do when it did not."""

    name: str
    is_good: bool
    words: str


def test_connection(url: str, node_id: str) -> list[Check]:
    """Try name, port, login, right, own rows and clock of the mailbox, and return the steps up to the first that fails.

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
    return [*checks, Check("port", True, f"TCP to {address} port {port} is open")]


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
