"""Write the golden samples anew: ``python -m tests.golden.regenerate``; look at the difference before committing it.

Every answer comes from the simulated portal's first client, who has every section non-empty, with generated
identities only. ``input.json`` holds an answer per section, ``expected.json`` the rows that the parser makes of it.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

from clientsync import money
from clientsync.errors import NothingThere
from clientsync.periods import Period
from clientsync.registry import modules
from clientsync.spec.connector import Question
from clientsync.spec.module import Cadence, Module, Record
from connectors.gst.provider.payloads import to_bytes
from tests.support.direct_portal import DirectSession, small_portal
from tests.support.module_contract import PERIOD, TODAY, asking_of, read

FOLDER = Path(__file__).parent / "gst"
OLD_2B = Period(2024, 6)
"""A month whose statement has its taxes per rate below each document."""


def answers(module: Module, session: DirectSession, period: Period = PERIOD) -> dict[str, Any]:
    """Return an answer per section, as far as the portal has one."""
    asking = asking_of(module, gstin=session.client.gstin, period=period)
    month = period if module.cadence is Cadence.PERIOD else None
    found: dict[str, Any] = {}
    for section in module.sections:
        if section.is_detail:
            continue
        try:
            answer = session.ask(Question(section.endpoint, month, section.params(asking)))
        except NothingThere:
            continue
        found[section.name] = asking.answers[section.name] = answer.payload
        if section.follow is not None:
            for name, params in section.follow(answer.payload, asking) or ():
                if name not in found:
                    found[name] = session.ask(Question(module.section(name).endpoint, month, params)).payload
    return found


def plain(record: Record) -> dict[str, Any]:
    """Return a record as JSON knows it."""
    values = {
        name: value.isoformat() if isinstance(value, date) else value for name, value in record.values.items()
    }
    return {"table": record.table, **values}


def load(module: str, name: str = "input.json") -> Any:
    """Return a stored sample with exact numbers."""
    return money.loads((FOLDER / module / name).read_text(encoding="utf-8"))


def rows_of(module: Module, golden: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every section, as ``expected.json`` holds them."""
    return {
        section.name: [plain(one) for one in read(module, section, golden[section.name])]
        for section in module.sections
        if section.name in golden
    }


def _write(folder: Path, golden: dict[str, Any], module: Module) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shown = json.dumps(json.loads(to_bytes(golden)), indent=1, ensure_ascii=False)
    (folder / "input.json").write_text(shown + "\n", encoding="utf-8")
    text = json.dumps(rows_of(module, money.loads(shown)), indent=1, ensure_ascii=False)
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write every module's sample, and GSTR-2B once more in its old shape."""
    portal = small_portal(TODAY, clients=2, documents=12)
    session = DirectSession(portal, portal.country.clients[0])
    for name, module in modules("gst").items():
        _write(FOLDER / name, answers(module, session), module)
        sys.stdout.write(f"{name}\n")
    module = modules("gst")["gstr2b"]
    _write(FOLDER / "gstr2b_2024", answers(module, session, OLD_2B), module)


if __name__ == "__main__":
    main()
