"""``clientsync books``: the clients' purchase and sales registers, from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clientsync.cli.screen import EXIT_NOT_DONE, open_services, put, put_json, put_table, say

if TYPE_CHECKING:
    from clientsync.imports.books import BookResult

app = typer.Typer(help="Purchase and sales registers of the clients, from files.", no_args_is_help=True)

RegisterName = Annotated[str, typer.Option("--register", help="purchases or sales.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command()
def template(
    out: Annotated[Path, typer.Option("--out", help="An .xlsx file that is not there yet.")],
    register: RegisterName = "purchases",
) -> None:
    """Write an empty register with its columns explained.

    Example: clientsync books template --register purchases --out purchases.xlsx
    """
    from clientsync.imports.books import write_book_template

    write_book_template(out, register)
    put(f"Wrote {out}. Fill it in, then: clientsync books import {out} --client ID --register {register}")


@app.command(name="import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV, Excel, or a day book of Tally (XML).")
    ],
    client: Annotated[str, typer.Option("--client", help="Whose books they are.")],
    register: RegisterName,
    period: Annotated[
        str, typer.Option("--period", help="Month of every line, MMYYYY; else what the lines say.")
    ] = "",
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="HEADER=COLUMN, repeatable; remembered for this client and register."),
    ] = None,
    ledger: Annotated[
        list[str] | None,
        typer.Option(
            "--ledger",
            help="LEDGER=HEAD of a day book (taxable, igst, cgst, sgst, cess, ignore), repeatable; remembered.",
        ),
    ] = None,
    dates: Annotated[str, typer.Option("--dates", help="dmy or mdy; remembered. At first dmy.")] = "",
    sheet: Annotated[
        str, typer.Option("--sheet", help="Sheet of a workbook; else the only one that fits.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and count, write nothing.")] = False,
    release: Annotated[
        str,
        typer.Option(
            "--release", help="Load what would be held as suspect; say what you compared, it is kept."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Load a register: every month in it replaces that month. Exit code 3 when a file or a line was refused.

    Example: clientsync books import purchases.xlsx --client C0001 --register purchases --dry-run
    """
    from clientsync.imports.books import import_books

    with open_services() as services:
        results = import_books(
            services,
            paths,
            client_id=client,
            register=register,
            columns=_pairs(mapping, "--map"),
            ledgers=_pairs(ledger, "--ledger"),
            day_first=_day_first(dates),
            sheet=sheet,
            period=period,
            is_trial=dry_run,
            release_reason=release,
        )
    if as_json:
        put_json([_as_json(result) for result in results])
    else:
        for result in results:
            _put(result, is_trial=dry_run)
    is_done = all(not result.refusal and (dry_run or result.is_loaded) for result in results)
    if not is_done or any(month.refused for result in results for month in result.months):
        raise typer.Exit(EXIT_NOT_DONE)


def _pairs(values: list[str] | None, option: str) -> dict[str, str]:
    from clientsync.errors import InvalidInput

    found = {}
    for value in values or []:
        name, sign, target = value.rpartition("=")
        if not sign or not name.strip() or not target.strip():
            raise InvalidInput(f'{option} {value!r} cannot be read. Valid: {option} "NAME=MEANING".')
        found[name.strip()] = target.strip()
    return found


def _day_first(text: str) -> bool | None:
    from clientsync.errors import InvalidInput

    if text not in ("", "dmy", "mdy"):
        raise InvalidInput(f"Dates cannot be {text!r}. Valid: dmy, mdy.")
    return None if not text else text == "dmy"


def _put(result: BookResult, *, is_trial: bool) -> None:
    from clientsync.money import rupees

    put(f"{result.path.name}:")
    if result.refusal:
        put(f"  refused: {result.refusal}")
        return
    register = result.register
    if register is not None and register.header is not None:
        pairs = zip(register.header.titles, register.header.columns, strict=True)
        put("  columns: " + ", ".join(f"{title} = {column}" for title, column in pairs if column))
        if register.header.unread:
            say(f"  not read: {', '.join(register.header.unread)}")
    if register is not None and register.ledgers:
        put("  ledgers: " + ", ".join(f"{name} = {head}" for name, head in sorted(register.ledgers.items())))
    if register is not None:
        for note in register.notes:
            say(f"  note: {note}")
        for what, number in sorted(register.left_out.items()):
            say(f"  left out: {number} {what}")
        for name, difference in register.totals.items():
            say(f"  the total row differs from the lines in {name} by {difference} rupees")
        for row in register.refused[:10]:
            say(f"  row {row.row} refused: {row.reason}")
        if len(register.refused) > 10:
            say(f"  … {len(register.refused) - 10} more rows refused")
    outcome = {one.period: one for one in result.results}
    put_table(
        ["month", "documents", "lines", "refused", "taxable (Rs)", "taxes (Rs)", "result"],
        [
            (
                month.period,
                month.documents,
                month.lines,
                month.refused,
                f"{rupees(month.amounts['taxable_paise']):,}",
                f"{rupees(sum(month.amounts[f'{one}_paise'] for one in ('igst', 'cgst', 'sgst', 'cess'))):,}",
                "dry run" if is_trial else _outcome(outcome.get(month.period)),
            )
            for month in result.months
        ],
    )


def _outcome(one: object) -> str:
    from clientsync.imports.importing import FileResult

    if not isinstance(one, FileResult):
        return ""
    return one.outcome.replace("_", " ") + (f": {one.reason}" if one.reason else "")


def _as_json(result: BookResult) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "file": result.path.name,
        "refusal": result.refusal,
        "months": [asdict(month) for month in result.months],
        "notes": result.register.notes if result.register else [],
        "ledgers": result.register.ledgers if result.register else {},
        "refused": [asdict(row) for row in result.register.refused] if result.register else [],
        "totals": result.register.totals if result.register else {},
        "results": [one.as_row() for one in result.results],
    }


@app.command()
def duplicates(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="Id of a client.")], as_json: AsJson = False
) -> None:
    """Show documents that stand more than once in the registers of a client.

    Example: clientsync books duplicates C0001
    """
    from dataclasses import asdict

    from clientsync.imports.books import duplicates as find
    from clientsync.money import rupees

    with open_services() as services:
        found = find(services.engine, client)
    if as_json:
        put_json([asdict(one) for one in found])
        return
    put_table(
        ["register", "month", "type", "party", "number", "date", "times", "taxable in all (Rs)"],
        [
            (
                one.register,
                one.period,
                one.document_type,
                one.party_name,
                one.document_number,
                one.document_on,
                one.times,
                f"{rupees(one.taxable_paise):,}",
            )
            for one in found
        ],
        none="No document stands more than once.",
    )


@app.command()
def mapping(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="Id of a client.")],
    register: RegisterName = "purchases",
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget it; the next file is read by its headers.")
    ] = False,
) -> None:
    """Show, or forget, how the columns of a client's register are read.

    Example: clientsync books mapping C0001 --register purchases
    """
    from clientsync.imports.books import forget_mapping, read_mapping
    from clientsync.imports.registers import checked_register

    checked_register(register)
    with open_services() as services:
        if forget:
            was = forget_mapping(services.engine, client, register)
            put("Forgotten." if was else "Nothing was remembered.")
            return
        found = read_mapping(services.engine, client, register)
    put(f"Dates are read {'day' if found.day_first else 'month'} first.")
    put_table(
        ["in the file", "is"],
        [*found.columns.items(), *((f"ledger {name}", head) for name, head in found.ledgers.items())],
        none="No column is mapped: headers are recognised by their names.",
    )
