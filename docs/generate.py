"""Writes the generated references under ``docs/reference``; ``make docs`` calls it, a test checks them.

Each page is a pure function of the code, so that a setting, error, command, table or check can't go undocumented.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sqlmodel import SQLModel

from clientsync import errors
from clientsync.cli.reference import command_reference
from clientsync.config import describe_settings
from clientsync.ledger import commerce_tables, match_tables, recon_tables, record_tables
from clientsync.outcomes import NEXT_TRY, WORDS, Outcome
from clientsync.registry import all_tables
from clientsync.warehouse.dictionary import data_dictionary
from connectors.gst.provider.errors import runbook_rows
from validations.compiler import suite_document

FOLDER = Path(__file__).parent / "reference"


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines.extend("| " + " | ".join(_cell(one) for one in row) + " |" for row in rows)
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Return every setting with its default and meaning."""
    intro = (
        "# Settings\n\nFrom the environment (`CLIENTSYNC_` and the name in capitals) or from `clientsync.toml` in the "
        "working directory or at `CLIENTSYNC_CONFIG`; the environment wins.\n\n"
    )
    rows = [(f"`{name}`", kind, f"`{default}`", text) for name, kind, default, text in describe_settings()]
    return intro + _table(("setting", "type", "default", "meaning"), rows)


def _leaves(root: type[errors.SyncError]) -> Iterator[type[errors.SyncError]]:
    for child in root.__subclasses__():
        yield child
        yield from _leaves(child)


def errors_page() -> str:
    """Return every error and outcome, with what happens next."""
    found = [
        (f"`{one.code}`", inspect.getdoc(one).split("\n")[0], one.scope, one.outcome, one.next_step)  # type: ignore[union-attr]
        for one in _leaves(errors.SyncError)
        if one.__module__ == errors.__name__
    ]
    outcomes = [(f"`{one}`", WORDS[one], NEXT_TRY[one]) for one in Outcome]
    return (
        "# Errors and outcomes\n\n## Outcomes of a unit\n\n"
        + _table(("outcome", "meaning", "next try"), outcomes)
        + "\n## Errors\n\n`scope` says how far it reaches.\n\n"
        + _table(("code", "meaning", "scope", "outcome", "what to do"), found)
        + "\n## Codes of the GST portal\n\n"
        + _table(("code", "class", "meaning", "what to do"), list(runbook_rows()))
    )


LEDGER_TABLES: dict[type[SQLModel], str] = {
    match_tables.ReconMatch: "v_recon_match",
    match_tables.ReconRun: "v_recon_run",
    match_tables.ReconDecision: "v_recon_decision",
    recon_tables.SyncRecon: "",
    recon_tables.SyncReconException: "",
    record_tables.RecordSide: "",
    record_tables.RecordRow: "",
    record_tables.RecordLink: "",
    record_tables.RecordChoice: "",
    record_tables.RecordRefusal: "",
    record_tables.RecordIgnored: "",
    record_tables.RecordRun: "",
    record_tables.RecordIntent: "",
    commerce_tables.CommerceDoc: "",
    commerce_tables.CommerceNeed: "",
    commerce_tables.CommerceAttempt: "",
    commerce_tables.CommerceMap: "",
    commerce_tables.CommerceEvent: "",
    commerce_tables.CommerceChoice: "",
    commerce_tables.CommerceDay: "",
    commerce_tables.CommerceDifference: "",
    commerce_tables.CommerceStockLine: "",
    commerce_tables.CommerceShift: "",
    commerce_tables.CommerceInbound: "",
    commerce_tables.CommerceCursor: "",
    commerce_tables.CommerceConnection: "",
}
"""Tables of the ledger that analysts read, and the view over each."""


def dictionary_page() -> str:
    """Return the tables of portals and books, then those of reconciliations, of record sets and of shops."""
    parts = [data_dictionary(all_tables().values()).rstrip()]
    for model, view in LEDGER_TABLES.items():
        table = model.__table__  # type: ignore[attr-defined]
        shown = f" View `{view}` shows amounts in rupees (`…_rupees`) and the client's name." if view else ""
        rows = [
            (f"`{column.name}`", str(column.type).lower(), model.model_fields[column.name].description or "")
            for column in table.c
        ]
        intro = (inspect.getdoc(model) or "").splitlines()[0]
        parts.append(
            f"## `{table.name}`\n\n{intro}{shown}\n\n" + _table(("column", "type", "meaning"), rows).rstrip()
        )
    return "\n\n".join(parts) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "commands.md": command_reference,
    "data-dictionary.md": dictionary_page,
    "checks.md": lambda: suite_document(all_tables()),
}


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
