"""``clientsync exchange``: documents between head office and stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clientsync.cli.screen import (
    EXIT_ERROR,
    EXIT_NOT_DONE,
    open_services,
    put,
    put_json,
    put_rows,
    put_table,
    say,
)

if TYPE_CHECKING:
    from clientsync.exchange.mailbox import Mailbox
    from clientsync.exchange.nodes import Node

app = typer.Typer(help="Documents between head office and stores, both ways.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many, the newest first.")]


@contextmanager
def _node() -> Iterator[Node]:
    """Yield the node to a person who may see its lists and run a sync."""
    from clientsync.exchange.operators import DATA_EXCHANGE
    from clientsync.sync.exchange_nodes import opened_node

    with open_services(), opened_node(DATA_EXCHANGE) as node:
        yield node


@contextmanager
def _administered() -> Iterator[tuple[Node, str]]:
    """Yield the node and the name of the person, who is an administrator of it."""
    from clientsync.exchange.operators import ADMINISTRATOR
    from clientsync.logins import person
    from clientsync.sync.exchange_nodes import opened_node

    with open_services(), opened_node(ADMINISTRATOR) as node:
        yield node, person()


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
    from clientsync.exchange.operators import give_first
    from clientsync.logins import person
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
        given = give_first(engine)
    finally:
        engine.dispose()
    put(f"Node {configured.node_id} knows {', '.join(sorted(pairs(peer)))}.")
    if given:
        say(f"{person()} has the rights {', '.join(given)}. Others get theirs by: clientsync exchange grant.")


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
    """Try name, port, TLS, login, right, schema, version, own rows and clock, and say which step fails and why.

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
    from clientsync.logins import person

    with _node() as node, _mailbox() as mailbox:
        result = run(
            node,
            mailbox,
            lambda phase, number: say(f"  {phase}: {number}"),
            only=only or (),
            actor=person(),
        )
    if as_json:
        put_json(vars(result))
    else:
        put(result.sentence)
    if result.failures or result.refused or result.held:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="File to write.")],
    peer: Annotated[
        str, typer.Option("--for", help="Node that it is for; may be left out where only one is known.")
    ] = "",
) -> None:
    """Write what a node has not answered yet into a file, to be carried to it where no line is.

    Example: clientsync exchange export D:/to-head-office.exchange
    """
    from clientsync.exchange.carrying import write_file
    from clientsync.logins import person

    with _node() as node:
        number = write_file(node, path, peer, actor=person())
    put(f"{number} documents in {path}.")
    say(
        "It is signed, not encrypted: carry it as you carry the books. There: clientsync exchange import, and back "
        "again with a file of theirs, so that what arrived is known here."
    )


@app.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(help="File that another node wrote for this one.")],
    as_json: AsJson = False,
) -> None:
    """Take a file that another node wrote: its documents, and what it says of those that were sent to it.

    Example: clientsync exchange import D:/to-head-office.exchange
    """
    from clientsync.exchange.carrying import read_file
    from clientsync.logins import person

    with _node() as node:
        result = read_file(node, path, actor=person())
    if as_json:
        put_json(vars(result))
    else:
        put(result.sentence)
    if result.failures or result.held:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def sent(limit: Limit = 50, as_json: AsJson = False) -> None:
    """List what went out: WAITING, UPLOADED, PROCESSED, or ERROR with the reason of the receiver.

    Example: clientsync exchange sent
    """
    from clientsync.exchange.lists import sent as listed

    with _node() as node:
        put_rows(listed(node, limit=limit), as_json)


@app.command()
def received(limit: Limit = 50, as_json: AsJson = False) -> None:
    """List what came in, with its state.

    Example: clientsync exchange received
    """
    from clientsync.exchange.lists import received as listed

    with _node() as node:
        put_rows(listed(node, limit=limit), as_json)


@app.command()
def quarantine(limit: Limit = 200, as_json: AsJson = False) -> None:
    """List the documents that are held, with the reason and what they wait for.

    Example: clientsync exchange quarantine
    """
    from clientsync.exchange.lists import received as listed

    with _node() as node:
        put_rows(listed(node, states=("BLOCKED", "QUARANTINED"), limit=limit), as_json)


@app.command()
def release(
    document: Annotated[str, typer.Argument(help="Id of the document, from quarantine.")],
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

    Example: clientsync exchange release ID --reason "item was added"
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
    with _administered() as (node, actor):
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
    put_rows(rows, as_json)
    if any(row["state"] != "equal" for row in rows):
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def board(as_json: AsJson = False) -> None:
    """Show every store: last seen, version, and since when its oldest document waits (head office).

    Example: clientsync exchange board
    """
    from clientsync.exchange.board import freshness

    with _node() as node, _mailbox() as mailbox:
        put_rows(freshness(node, mailbox), as_json)


@app.command()
def errors(as_json: AsJson = False) -> None:
    """List what went wrong, with the next step.

    Example: clientsync exchange errors
    """
    from clientsync.exchange.nodes import errors_of

    with _node() as node:
        put_rows(errors_of(node.engine), as_json)


@app.command(name="take-over")
def take_over() -> None:
    """Say that this database is the one of its node, after every other one was ended.

    Example: clientsync exchange take-over
    """
    from clientsync.exchange.syncing import take_over as do

    with _administered() as (node, actor):
        do(node, actor)
        put(f"This database is now that of {node.node_id}.")


@app.command()
def load(
    to: Annotated[str, typer.Option("--to", help="Peer that gets everything this node writes.")] = "",
    from_: Annotated[str, typer.Option("--from", help="Peer that is asked for all that it writes.")] = "",
    doc_type: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type of document, repeatable.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", help="ISO day: of what is never changed, only from this day on.")
    ] = "",
    is_restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="The stream begins anew: for a database that was rebuilt or is older than the purge.",
        ),
    ] = False,
) -> None:
    """Send a peer all that it should have, or ask a peer for it. The next syncs carry it out, and go on after a crash.

    Example: clientsync exchange load --to S1 --type item --type price
    """
    from clientsync.errors import InvalidInput
    from clientsync.exchange.loaded import ask_for_load
    from clientsync.exchange.loading import start

    if bool(to) == bool(from_):
        raise InvalidInput("Say either --to PEER, or --from PEER.")
    _check_day(since)
    with _administered() as (node, actor):
        if to:
            load_id = start(node, to, types=doc_type or (), since=since, restarts=is_restart, actor=actor)
            put(f"Load {load_id} of {to} begins with the next sync.")
            return
        with _mailbox() as mailbox:
            ask_for_load(node, mailbox, from_, types=doc_type or (), since=since, restarts=is_restart)
        put(f"{from_} is asked; its next sync begins the load.")


def _check_day(text: str) -> None:
    from datetime import date

    from clientsync.errors import InvalidInput

    try:
        if text:
            date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no day. Write it as 2026-04-01.") from None


@app.command()
def loads(
    cancel: Annotated[str, typer.Option("--cancel", help="Id of a load to end.")] = "",
    as_json: AsJson = False,
) -> None:
    """List loads, how far they are, and how many objects stand here that a complete load did not hold.

    Example: clientsync exchange loads
    """
    from clientsync.exchange.loaded import loads_received
    from clientsync.exchange.loading import cancel as end
    from clientsync.exchange.loading import loads_of

    if cancel:
        with _administered() as (node, actor):
            end(node, cancel, actor=actor)
            put(f"Load {cancel} is ended; what was sent stays.")
        return
    with _node() as node:
        put_rows([*loads_of(node), *loads_received(node)], as_json)


@app.command(name="left-over")
def left_over(
    load_id: Annotated[str, typer.Argument(help="Id of a complete load, from loads.")],
    is_removing: Annotated[
        bool, typer.Option("--remove", help="Remove them; without it they are listed.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what stands here and was not in a complete load, and remove it on demand.

    Example: clientsync exchange left-over ID --remove --reason "items were closed"
    """
    from clientsync.exchange import loaded

    if is_removing:
        with _administered() as (node, actor):
            put(f"{loaded.remove_left_over(node, load_id, actor=actor, reason=reason)} objects were removed.")
        return
    with _node() as node:
        put_rows([{"type": kind, "key": key} for kind, key in loaded.left_over(node, load_id)], as_json)


@app.command()
def purge(
    keep_days: Annotated[
        int, typer.Option("--keep-days", min=1, help="Longer than the oldest backup that may be restored.")
    ] = 35,
    is_trial: Annotated[bool, typer.Option("--dry-run", help="Say what would go; nothing goes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take out batches and events that every side has finished with; at the head office those of the mailbox too.

    Example: clientsync exchange purge --dry-run
    """
    from clientsync.exchange.purging import purge as take_out

    with _administered() as (node, actor), _mailbox() as mailbox:
        found = take_out(node, mailbox, keep_days=keep_days, actor=actor, is_trial=is_trial)
    put_rows([{"what": name, "rows": number} for name, number in found.items()], as_json)


@app.command(name="missing-numbers")
def missing_numbers(as_json: AsJson = False) -> None:
    """List numbers of bills that are missing here, and whether the store ever wrote them (head office).

    Example: clientsync exchange missing-numbers
    """
    from clientsync.exchange.board import missing_numbers as missing

    with _node() as node, _mailbox() as mailbox:
        rows = missing(node, mailbox)
    put_rows(rows, as_json)
    if rows:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def audit(limit: Limit = 200, as_json: AsJson = False) -> None:
    """List who did what and why: syncs, releases, loads, purges, rights.

    Example: clientsync exchange audit
    """
    from clientsync.exchange.lists import audit as listed

    with _node() as node:
        put_rows(listed(node, limit=limit), as_json)


@app.command()
def grant(
    person: Annotated[str, typer.Argument(help="Login name at this machine.")],
    right: Annotated[str, typer.Argument(help="data-exchange or administrator.")],
    is_taken: Annotated[bool, typer.Option("--revoke", help="Take it away.")] = False,
) -> None:
    """Give a person a right at this node, or take it away: data-exchange to see and sync, administrator for the rest.

    Example: clientsync exchange grant asha data-exchange
    """
    from clientsync.exchange.operators import give, take_away

    with _administered() as (node, actor):
        if is_taken:
            take_away(node.engine, person, right, actor=actor)
            put(f"{person} no longer has the right {right}.")
        else:
            give(node.engine, person, right, actor=actor)
            put(f"{person} has the right {right}.")


@app.command()
def rights(as_json: AsJson = False) -> None:
    """List the rights of persons at this node.

    Example: clientsync exchange rights
    """
    from clientsync.exchange.operators import rights_of

    with _node() as node:
        put_rows(
            [{"person": who, "rights": ", ".join(has)} for who, has in rights_of(node.engine).items()],
            as_json,
        )
