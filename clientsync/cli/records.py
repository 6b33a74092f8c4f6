"""``clientsync records``: customers and employees that two systems keep alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clientsync.cli.screen import EXIT_NOT_DONE, open_services, put, put_json, put_rows, put_table, say

if TYPE_CHECKING:
    from clientsync.records.executing import RecordSet, Undone
    from clientsync.records.planning import Plan, Row
    from clientsync.records.running import Outcome

app = typer.Typer(help="Customers and employees that two systems keep alike.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the set, from the settings.")]
Pair = Annotated[int, typer.Argument(help="Number of the pair, from window.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
A = Annotated[str, typer.Argument(help="Id of a record on side a.")]
B = Annotated[str, typer.Argument(help="Id of a record on side b.")]


@contextmanager
def _opened(name: str) -> Iterator[RecordSet]:
    from clientsync.sync.record_sets import opened_set

    with open_services() as services, opened_set(services, name) as found:
        yield found


def _person() -> str:
    from clientsync.logins import person

    return person()


@app.command()
def sets(as_json: AsJson = False) -> None:
    """List the sets of records that the settings name.

    Example: clientsync records sets
    """
    from clientsync.config import settings

    rows = [
        {
            "set": name,
            "records": one.entity,
            "side a": one.a.title,
            "side b": one.b.title,
            "policy": one.policy,
        }
        for name, one in sorted(settings().records.items())
    ]
    put_rows(rows, as_json)


@app.command()
def preview(name: Name, as_json: AsJson = False) -> None:
    """Read both sides and say what a run would do, with the digest of the plan. Nothing is written to either of them.

    Example: clientsync records preview customers
    """
    from clientsync.records import running

    with _opened(name) as of:
        _tell(of, running.preview(of, actor=_person()), as_json)


@app.command()
def apply(
    name: Name,
    approve: Annotated[
        str,
        typer.Option("--approve", help="Digest of a plan that may run in spite of its brakes, from preview."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Read both sides and carry out the plan: what flows without a person is written, all else waits in the window.

    Example: clientsync records apply customers
    """
    from clientsync.records import running

    def moved(done: int, all_: int) -> None:
        say(f"  {done} of {all_}")

    with _opened(name) as of:
        outcome = running.run(of, actor=_person(), approve=approve, progress=moved)
        _tell(of, outcome, as_json)
    if outcome.is_braked or outcome.undone or outcome.refused:
        raise typer.Exit(EXIT_NOT_DONE)


def _tell(of: RecordSet, outcome: Outcome, as_json: bool) -> None:
    from clientsync.records.planning import CATEGORIES

    found = outcome.plan
    if as_json:
        put_json(
            {
                "counts": found.counts,
                "writes": len(found.writes),
                "brakes": found.brakes,
                "plan": found.hash,
                "done": outcome.done,
                "braked": outcome.is_braked,
                "undone": [vars(one) for one in outcome.undone],
                "refused": outcome.refused,
            }
        )
        return
    put_table(("category", "records"), [(CATEGORIES[one], count) for one, count in found.counts.items()])
    titles = {"a": of.a.title, "b": of.b.title}
    for one in found.writes:
        say(
            f"{titles[one.side]} {one.ext_id}: {', '.join(f'{field} = {value}' for field, value in one.values)}"
        )
    put(f"{len(found.writes)} writes, {outcome.done} done. Plan {found.hash}")
    for side, place, reason in outcome.refused:
        say(f"Refused: {titles[side]}, {place}: {reason}")
    _tell_undone(outcome.undone)
    for brake in found.brakes:
        say(f"Brake: {brake}")
    if outcome.is_braked:
        say(
            f"Nothing is written. Look at it, then: clientsync records apply {of.name} --approve {found.hash}"
        )


def _tell_undone(undone: Sequence[Undone]) -> None:
    for one in undone:
        say(
            f"Not done: pair {one.link_id or 'none'}, side {one.side} {one.ext_id}: {one.reason} ({one.state})"
        )


@app.command()
def window(
    name: Name,
    category: Annotated[
        str,
        typer.Option(
            "--category",
            help="One category: conflict, new, deleted, …",
        ),
    ] = "",
    pair: Annotated[int, typer.Option("--pair", help="Show the fields of one pair.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show every record in its category as it was read last; of one pair both sides and what they agreed on.

    Example: clientsync records window customers --category conflict
    """
    from clientsync.records import running
    from clientsync.records import window as shown

    shown.check_category(category)
    with _opened(name) as of:
        found = running.planned(of)
        put_rows(shown.fields_of(_row(found, pair)) if pair else shown.rows_of(found, category), as_json)


def _row(found: Plan, pair: int) -> Row:
    from clientsync.errors import InvalidInput

    for row in found.rows:
        if row.link_id == pair:
            return row
    raise InvalidInput(f"There is no pair {pair}.")


@app.command()
def suggest(name: Name, as_json: AsJson = False) -> None:
    """Suggest partners for records that have none, with the reasons; nothing is linked by it.

    Example: clientsync records suggest customers
    """
    from clientsync.records.window import suggestions

    with _opened(name) as of:
        rows = [
            {
                "side a": one.a,
                "side b": one.b,
                "how sure": one.level,
                "score": f"{one.score:.0f}",
                "reasons": "; ".join(one.reasons),
            }
            for one in suggestions(of)
        ]
    put_rows(rows, as_json)


@app.command()
def link(
    name: Name,
    a: Annotated[str, typer.Argument(help="Id of a record on side a.")] = "",
    b: Annotated[str, typer.Argument(help="Id of a record on side b.")] = "",
    is_all_sure: Annotated[
        bool, typer.Option("--all-sure", help="Link every suggestion that is sure.")
    ] = False,
) -> None:
    """Let two records be partners. Nothing is written to either side by it.

    Example: clientsync records link customers C00012 40021
    """
    from clientsync.errors import InvalidInput
    from clientsync.records import working
    from clientsync.records.window import suggestions

    if is_all_sure == bool(a and b):
        raise InvalidInput("Say the ids of two records, or --all-sure.")
    with _opened(name) as of:
        pairs = (
            [(one.a, one.b) for one in suggestions(of) if one.level == "sure"] if is_all_sure else [(a, b)]
        )
        for left, right in pairs:
            made = working.link(
                of, left, right, actor=_person(), origin="suggestion" if is_all_sure else "operator"
            )
            put(f"Pair {made}: {left} and {right}")
        if not pairs:
            put("No suggestion is sure.")


@app.command()
def unlink(name: Name, pair: Pair) -> None:
    """Remove the link of a pair. Its records become new; nothing is written to them.

    Example: clientsync records unlink customers 12
    """
    from clientsync.records import working

    with _opened(name) as of:
        working.unlink(of, pair, actor=_person())
        put(f"Pair {pair} is no more.")


@app.command()
def refuse(name: Name, a: A, b: B) -> None:
    """Remember that two records are not the same; they are never suggested again.

    Example: clientsync records refuse customers C00012 40021
    """
    from clientsync.records import working

    with _opened(name) as of:
        working.refuse(of, a, b, actor=_person())
        put(f"{a} and {b} are not suggested again.")


@app.command()
def create(
    name: Name,
    side: Annotated[str, typer.Argument(help="Side of the records that get partners: a or b.")],
    ids: Annotated[list[str] | None, typer.Argument(help="Their ids.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Every new record of that side.")] = False,
) -> None:
    """Make the partner of a record on the opposite side, with all its fields, and link them.

    Example: clientsync records create customers a C00012
    """
    from clientsync.errors import InvalidInput
    from clientsync.records import running, working

    if is_all == bool(ids):
        raise InvalidInput("Say the ids of records, or --all.")
    with _opened(name) as of:
        if is_all:
            new = [row for row in running.planned(of).rows if row.category == "new"]
            ids = [getattr(row, side) for row in new if side in ("a", "b") and getattr(row, side)]
        done, undone = working.create_partners(
            of,
            [(side, one) for one in ids or ()],
            actor=_person(),
            progress=lambda number, all_: say(f"  {number} of {all_}"),
        )
        _ended(done, undone)


def _ended(done: int, undone: Sequence[Undone]) -> None:
    put(f"{done} done.")
    _tell_undone(undone)
    if undone:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def resolve(
    name: Name,
    pair: Pair,
    choices: Annotated[list[str], typer.Argument(help="FIELD=a, FIELD=b, FIELD=keep, or FIELD=:VALUE.")],
) -> None:
    """Settle a conflict: both systems get the chosen value of each field; what is lost by it is kept for undo.

    Example: clientsync records resolve customers 12 city=a phone=:+919820012345
    """
    from clientsync.records import working

    chosen = dict(one.partition("=")[::2] for one in choices)
    with _opened(name) as of:
        _ended(*working.resolve(of, pair, chosen, actor=_person()))


@app.command()
def undo(name: Name, pair: Pair) -> None:
    """Give both records of a pair back what they held before the last choice, unless one of them changed since.

    Example: clientsync records undo customers 12
    """
    from clientsync.records import working

    with _opened(name) as of:
        _ended(*working.undo(of, pair, actor=_person()))


@app.command()
def deactivate(name: Name, pair: Pair) -> None:
    """Switch synchronisation of a pair off; what both agreed on is kept.

    Example: clientsync records deactivate customers 12
    """
    _switch(name, pair, enabled=False)


@app.command()
def activate(name: Name, pair: Pair) -> None:
    """Switch synchronisation of a pair on again; what changed meanwhile is shown.

    Example: clientsync records activate customers 12
    """
    _switch(name, pair, enabled=True)


def _switch(name: str, pair: int, *, enabled: bool) -> None:
    from clientsync.records import working

    with _opened(name) as of:
        working.switch(of, pair, enabled=enabled, actor=_person())
        put(f"Pair {pair} is switched {'on' if enabled else 'off'}.")


@app.command()
def ignore(
    name: Name,
    side: Annotated[str, typer.Argument(help="a or b.")],
    record: Annotated[str, typer.Argument(help="Id of a record without a partner.")],
    is_ended: Annotated[bool, typer.Option("--no-longer", help="Take it up again.")] = False,
) -> None:
    """Leave a record without a partner alone, or take it up again.

    Example: clientsync records ignore customers b 40021
    """
    from clientsync.records import working

    with _opened(name) as of:
        working.ignore(of, side, record, actor=_person(), is_ignored=not is_ended)
        put(f"{record} is {'taken up again' if is_ended else 'left alone'}.")


@app.command(name="delete-other")
def delete_other(name: Name, pair: Pair) -> None:
    """Delete the record that is left of a pair whose other one is gone, and close the pair.

    Example: clientsync records delete-other customers 12
    """
    from clientsync.records import working

    with _opened(name) as of:
        _ended(*working.delete_other(of, pair, actor=_person()))


@app.command()
def recreate(name: Name, pair: Pair) -> None:
    """Make the missing record of a pair anew from the one that is left.

    Example: clientsync records recreate customers 12
    """
    from clientsync.records import working

    with _opened(name) as of:
        _ended(*working.recreate(of, pair, actor=_person()))


@app.command(name="write-sheet")
def write_sheet(name: Name, path: Annotated[Path, typer.Argument(help="Workbook to write, .xlsx.")]) -> None:
    """Write the conflicts into a sheet, one row a field, with a column for the choice.

    Example: clientsync records write-sheet customers conflicts.xlsx
    """
    from clientsync.records import running
    from clientsync.records import window as shown

    with _opened(name) as of:
        count = shown.write_sheet(path, shown.sheet_rows(of, running.planned(of)))
    put(f"{count} rows in {path}. Write a, b, keep, or : and a value into the last column, then read-sheet.")


@app.command(name="read-sheet")
def read_sheet(name: Name, path: Annotated[Path, typer.Argument(help="Sheet with choices.")]) -> None:
    """Settle the conflicts that a sheet chooses for; rows that no longer fit are told, and the others go on.

    Example: clientsync records read-sheet customers conflicts.xlsx
    """
    from clientsync.errors import InvalidInput
    from clientsync.records import running, working
    from clientsync.records import window as shown

    done, settled, bad = 0, 0, 0
    with _opened(name) as of:
        chosen, wrong = shown.read_sheet(of, path, running.planned(of))
        for pair, (version, choices) in chosen.items():
            try:
                number, undone = working.resolve(of, pair, choices, actor=_person(), version=version)
            except InvalidInput as error:
                wrong.append(f"pair {pair}: {error.message}")
                continue
            settled += 1
            done += number
            bad += len(undone)
            _tell_undone(undone)
    for one in wrong:
        say(one)
    put(f"{settled} pairs settled with {done} writes, {len(wrong)} rows or pairs left out.")
    if wrong or bad:
        raise typer.Exit(EXIT_NOT_DONE)


@app.command()
def runs(name: Name, as_json: AsJson = False) -> None:
    """List previews and runs of a set, the newest first.

    Example: clientsync records runs customers
    """
    from clientsync.records import running

    with _opened(name) as of:
        put_rows(
            [
                {
                    "at": one["at"],
                    "mode": one["mode"],
                    "who": one["actor"],
                    "writes": one["writes"],
                    "done": one["done"],
                    "conflicts": one["counts"]["conflict"],
                    "brakes": "; ".join(one["brakes"]),
                    "approved by": one["approved_by"],
                }
                for one in running.runs(of)
            ],
            as_json,
        )
