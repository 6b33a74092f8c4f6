"""Write files as a person would download them from the portal: `python -m simulators.gst.portal_files --out DIR`.

The content equals what the same simulator would serve on its wires, as plain `.json` and once more zipped.
"""

import argparse
import sys
import zipfile
from datetime import date
from pathlib import Path

from simulators.gst import periods
from simulators.gst.inward import IMS_KEYS
from simulators.gst.outward import ACTIONS
from simulators.gst.parties import Client
from simulators.gst.portal import Answer, Portal, PortalError, Settings

TWO_A = ("B2B", "B2BA", "CDN", "CDNA", "ISD", "IMPG", "IMPGSEZ", "ECOM", "ECOMA", "TDS", "TCS")


def _merged(
    portal: Portal, client: Client, statement: str, actions: list[tuple[str, dict[str, str]]]
) -> bytes:
    whole: dict[str, object] = {}
    for action, params in actions:
        try:
            whole |= portal.ask(client, statement, action, params).payload
        except PortalError:
            continue
    return Answer.of(statement, "", whole).text if whole else b""


def contents(portal: Portal, client: Client, month: int) -> dict[str, bytes]:
    """Give the files of one client and period, by statement."""
    period = {"ret_period": periods.show(month)}
    window = {
        "fr_dt": periods.dmy_slash(periods.on(month, 1)),
        "to_dt": periods.dmy_slash(periods.on(month, 31)),
    }
    plan = {
        "GSTR2B": ("GSTR2B", [("GET2B", period)]),
        "GSTR2A": ("GSTR2A", [(action, period) for action in TWO_A]),
        "GSTR1": ("GSTR1", [(action, period) for action in ACTIONS]),
        "GSTR3B": ("GSTR3B", [("RETSUM", period)]),
        "IMS": ("IMS", [("GETINV", {"section": section}) for section in IMS_KEYS]),
        "CASH": ("LEDGER", [("CASH", window)]),
        "ITC": ("LEDGER", [("ITC", window)]),
        "TAX": ("LEDGER", [("TAX", period)]),
    }
    found = {name: _merged(portal, client, *asked) for name, asked in plan.items()}
    return {name: text for name, text in found.items() if text}


def write(out: Path, settings: Settings, month: int, chosen: list[int]) -> list[Path]:
    """Write the files of the chosen clients.

    Returns:
        The paths, plain files first.
    """
    portal = Portal(settings)
    out.mkdir(parents=True, exist_ok=True)
    plain: list[Path] = []
    zipped: list[Path] = []
    for index in chosen:
        client = portal.country.clients[index]
        for name, text in contents(portal, client, month).items():
            path = out / f"{name}_{client.gstin}_{periods.show(month)}.json"
            path.write_bytes(text)
            plain.append(path)
            with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(path.name, text)
            zipped.append(path.with_suffix(".zip"))
    return plain + zipped


def main(arguments: list[str]) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m simulators.gst.portal_files", description=__doc__)
    defaults = Settings()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=defaults.clients, help="size of the population")
    parser.add_argument("--documents", type=int, default=defaults.documents)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--today", type=date.fromisoformat, default=defaults.today)
    parser.add_argument("--period", default="", help="MMYYYY, by default last month")
    parser.add_argument("--only", type=int, nargs="*", default=[0], help="indexes of clients")
    options = parser.parse_args(arguments)
    settings = Settings(
        clients=options.clients, documents=options.documents, seed=options.seed, today=options.today
    )
    month = periods.parse(options.period) or periods.of(options.today) - 1
    for path in write(options.out, settings, month, options.only):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
