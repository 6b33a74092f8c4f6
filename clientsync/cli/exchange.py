"""``clientsync exchange``: documents between head office and stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.screen import EXIT_ERROR, EXIT_NOT_DONE, open_services, put, put_json, put_table, say

if TYPE_CHECKING:
    from clientsync.exchange.mailbox import Mailbox
    from clientsync.exchange.nodes import Node

app = typer.Typer(help="Documents between head office and stores, both ways.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Actor = Annotated[str, typer.Option("--actor", help="Who does it; kept in the audit.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many, the newest first.")]


@contextmanager
def _node() -> Iterator[Node]:
    from clientsync.sync.exchange_nodes import opened_node

    with open_services(), opened_node() as node:
        yield node


@contextmanager
def _mailbox() -> Iterator[Mailbox]:
    from clientsync.sync.exchange_nodes import opened_mailbox

    with opened_mailbox() as mailbox:
        yield mailbox


@app.command(name="new-key")
def new_key() -> None:
    """Make the key that signs the batches of this node, keep it in the vault, and print its public part.

    Example: clientsync exchange new-key
    """
    from clientsync.config import settings
    from clientsync.errors import InvalidInput
    from clientsync.exchange.envelopes import Signer
    from clientsync.secrets.vault import Vault
    from clientsync.sync.exchange_nodes import exchange_settings

    scheme, _, name = exchange_settings().signing_key.partition(":")
    if scheme != "vault":
        raise InvalidInput(f"The key is not in the vault but at {scheme}:. Make it there.")
    with open_services() as services:
        vault = Vault.from_settings(settings(), services.engine)
        if name in vault.names():
            raise InvalidInput(
                f"There is a key {name} already. Delete it first: clientsync secrets delete {name}."
            )
        signer = Signer.new()
        vault.put(name, signer.private.hex())
    put(signer.public)
    say(
        "This is the public part. Tell it to the other side, which names it in: clientsync exchange setup --peer."
    )


@app.command()
def setup(
    peer: Annotated[list[str], typer.Option("--peer", help="NODE=PUBLIC_KEY, repeatable.")],
    site: Annotated[
        list[str] | None,
        typer.Option("--site", help="At the head office: STORE=consignment or STORE=outright, repeatable."),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", help="ISO day from which the types of the stores hold.")
    ] = "2000-01-01",
) -> None:
    """Make the tables of the exchange in the database of this node, and write down whom it knows.

    Example: clientsync exchange setup --peer S1=6f0c --site S1=consignment
    """
    from clientsync.database import open_engine
    from clientsync.errors import InvalidInput
    from clientsync.exchange.catalogue import STORE_TYPES
    from clientsync.exchange.nodes import prepare
    from clientsync.sync.exchange_nodes import exchange_settings

    def pairs(given: list[str] | None) -> dict[str, str]:
        found = dict(one.partition("=")[::2] for one in given or ())
        if not all(name and value for name, value in found.items()):
            raise InvalidInput("Write NAME=VALUE.")
        return found

    sites = pairs(site)
    for name, kind in sites.items():
        if kind not in STORE_TYPES:
            raise InvalidInput(f"{name} cannot be {kind!r}. Valid: {', '.join(STORE_TYPES)}.")
    configured = exchange_settings()
    engine = open_engine(configured.database_url)
    try:
        prepare(
            engine,
            configured.node_id,
            peers=pairs(peer),
            sites={name: (kind, since, ()) for name, kind in sites.items()},
        )
    finally:
        engine.dispose()
    put(f"Node {configured.node_id} knows {', '.join(sorted(pairs(peer)))}.")


@app.command(name="mailbox")
def mailbox_(
    admin_url: Annotated[
        str, typer.Option("--admin-url", help="Web database, with a login that may create roles.")
    ],
    register: Annotated[
        list[str] | None, typer.Option("--register", help="Node that gets a login, repeatable.")
    ] = None,
    revoke: Annotated[
        list[str] | None, typer.Option("--revoke", help="Node whose right ends, repeatable.")
    ] = None,
) -> None:
    """Prepare the web database, give nodes their logins, or take them away. A password is printed once.

    Example: clientsync exchange mailbox --admin-url postgresql://admin@host/web --register HO --register S1
    """
    from clientsync.database import open_engine
    from clientsync.exchange.rights import prepare_mailbox
    from clientsync.exchange.rights import register as give
    from clientsync.exchange.rights import revoke as take

    engine = open_engine(admin_url)
    try:
        put("The mailbox was made." if prepare_mailbox(engine) else "The mailbox is there.")
        for one in register or ():
            role, password = give(engine, one)
            put(f"{one}: login {role}, password {password}")
        for one in revoke or ():
            take(engine, one)
            put(f"{one}: revoked")
    finally:
        engine.dispose()


@app.command(name="test-connection")
def test_connection(as_json: AsJson = False) -> None:
    """Try name, port, login, right, own rows and clock of the web database, and say which step fails and why.

    Example: clientsync exchange test-connection
    """
    from clientsync.exchange.diagnosing import test_connection as diagnose
    from clientsync.sync.exchange_nodes import exchange_settings, mailbox_url

    configured = exchange_settings()
    with open_services():
        url = mailbox_url(configured)
    checks = diagnose(url, configured.node_id)
    if as_json:
        put_json([{"step": one.name, "good": one.is_good, "words": one.words} for one in checks])
    else:
        put_table(
            ("step", "", "what"), [(one.name, "ok" if one.is_good else "FAILED", one.words) for one in checks]
        )
    if not all(one.is_good for one in checks):
        raise typer.Exit(EXIT_ERROR)
    say("Web database connection successful.")


@app.command()
def sync(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="At the head office: these stores, repeatable; else all."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Receive, apply and answer, then pack and send, once.

    Example: clientsync exchange sync
    """
    from clientsync.exchange.syncing import sync as run

    with _node() as node, _mailbox() as mailbox:
        result = run(node, mailbox, lambda phase, number: say(f"  {phase}: {number}"), only=only or ())
    if as_json:
        put_json(vars(result))
    else:
        put(result.sentence)
    if result.failures or result.refused or result.held:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def sent(limit: Limit = 50, as_json: AsJson = False) -> None:
    """List what went out: WAITING, UPLOADED, PROCESSED, or ERROR with the reason of the receiver.

    Example: clientsync exchange sent
    """
    from clientsync.exchange.lists import sent as listed

    with _node() as node:
        _show(listed(node, limit=limit), as_json)


@app.command()
def received(limit: Limit = 50, as_json: AsJson = False) -> None:
    """List what came in, with its state.

    Example: clientsync exchange received
    """
    from clientsync.exchange.lists import received as listed

    with _node() as node:
        _show(listed(node, limit=limit), as_json)


@app.command()
def quarantine(limit: Limit = 200, as_json: AsJson = False) -> None:
    """List the documents that are held, with the reason and what they wait for.

    Example: clientsync exchange quarantine
    """
    from clientsync.exchange.lists import received as listed

    with _node() as node:
        _show(listed(node, states=("BLOCKED", "QUARANTINED"), limit=limit), as_json)


@app.command()
def release(
    document: Annotated[str, typer.Argument(help="Id of the document, from quarantine.")],
    actor: Actor,
    reason: Reason,
    is_skip: Annotated[
        bool, typer.Option("--skip", help="Leave it out for good; what waits for it goes on.")
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE (JSON, or text), repeatable: correct it first."),
    ] = None,
) -> None:
    """Let the next sync try a held document again, corrected or as it is, or leave it out.

    Example: clientsync exchange release ID --actor asha --reason "item was added"
    """
    import json

    from clientsync.errors import InvalidInput
    from clientsync.exchange import holding

    if is_skip and change:
        raise InvalidInput("A document is left out or corrected, not both.")

    def value(text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            return text

    changes = {name: value(text) for name, _, text in (one.partition("=") for one in change or ())}
    with _node() as node:
        if is_skip:
            put(f"{holding.skip(node, document, actor=actor, reason=reason)} is left out.")
        elif changes:
            put(
                f"{holding.correct(node, document, changes, actor=actor, reason=reason)} is tried at the next sync."
            )
        else:
            put(f"{holding.try_again(node, document, actor=actor, reason=reason)} is tried at the next sync.")


@app.command()
def trace(
    key: Annotated[str, typer.Argument(help="Number of a bill, or key of another object.")],
    as_json: AsJson = False,
) -> None:
    """Say where a document is, step by step, and why it is not where it should be.

    Example: clientsync exchange trace S1-000123
    """
    from clientsync.errors import WarehouseError
    from clientsync.exchange.tracing import trace as steps_of

    with _node() as node, _mailbox() as mailbox:
        try:
            steps = steps_of(node, mailbox, key)
        except WarehouseError as error:
            say(f"The web database cannot be reached ({error.message}); what lies there is not told.")
            steps = steps_of(node, None, key)
    if as_json:
        put_json([vars(one) for one in steps])
    else:
        put_table(
            ("step", "", "what", "at"),
            [(one.name, "ok" if one.is_done else "MISSING", one.words, one.at) for one in steps],
        )
    if not all(one.is_done for one in steps):
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def resend(
    to: Annotated[str, typer.Option("--to", help="Receiver.")],
    batch: Annotated[
        str, typer.Option("--batch", help="Number, or FIRST-LAST, of the present epoch: the same bytes.")
    ] = "",
    doc_type: Annotated[
        str, typer.Option("--type", help="Type of one object, with --key: its newest document.")
    ] = "",
    key: Annotated[str, typer.Option("--key", help="Key of one object.")] = "",
) -> None:
    """Send again at the next sync: batches with the same bytes, or the newest document of one object.

    Example: clientsync exchange resend --to HO --batch 3-5
    """
    from clientsync.errors import InvalidInput
    from clientsync.exchange.nodes import give_back, take_lease
    from clientsync.exchange.resending import bring_again, send_object

    if bool(batch) == bool(doc_type and key):
        raise InvalidInput("Say either --batch NUMBER, or --type TYPE and --key KEY.")
    with _node() as node:
        if batch:
            first, _, last = batch.partition("-")
            if not first.isdigit() or (last and not last.isdigit()):
                raise InvalidInput(f"{batch!r} is no number of a batch. Valid: 3, or 3-5.")
            put(f"{bring_again(node, to, int(first), int(last or first))} batches are brought again.")
            return
        node.catalogue.known(doc_type)
        lease = take_lease(node)
        try:
            if not send_object(node, lease, to, doc_type, key):
                raise InvalidInput(
                    f"{doc_type} {key} was never written, or does not go to {to}. See: clientsync exchange trace {key}."
                )
        finally:
            give_back(node, lease)
        put(f"{doc_type} {key} goes with the next sync.")


@app.command()
def totals(as_json: AsJson = False) -> None:
    """Compare what the stores say they wrote with what took effect here, by store, day and type (head office).

    Example: clientsync exchange totals
    """
    from clientsync.exchange.board import compared

    with _node() as node, _mailbox() as mailbox:
        rows = compared(node, mailbox)
    _show(rows, as_json)
    if any(row["state"] != "equal" for row in rows):
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def board(as_json: AsJson = False) -> None:
    """Show every store: last seen, version, and since when its oldest document waits (head office).

    Example: clientsync exchange board
    """
    from clientsync.exchange.board import freshness

    with _node() as node, _mailbox() as mailbox:
        _show(freshness(node, mailbox), as_json)


@app.command()
def errors(as_json: AsJson = False) -> None:
    """List what went wrong, with the next step.

    Example: clientsync exchange errors
    """
    from clientsync.exchange.nodes import errors_of

    with _node() as node:
        _show(errors_of(node.engine), as_json)


@app.command(name="take-over")
def take_over(actor: Actor) -> None:
    """Say that this database is the one of its node, after every other one was ended.

    Example: clientsync exchange take-over --actor asha
    """
    from clientsync.exchange.syncing import take_over as do

    with _node() as node:
        do(node, actor)
        put(f"This database is now that of {node.node_id}.")


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        put_json(rows)
    else:
        put_table(list(rows[0]) if rows else ["nothing"], [tuple(row.values()) for row in rows])
