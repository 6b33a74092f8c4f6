"""The ground truth: what the portal really served, for a checker that is not the product.

Rows of a payload are written once, each serving of it as one short line that points to them; both are buffered, so
serving does not wait for the disk. `Truth` puts them together again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from simulators.gst import records
from simulators.gst.inward import checksum

Json = dict[str, Any]
FLUSH_LINES = 200
Key = tuple[tuple[str, str], ...]


class TruthWriter:
    """Writes `truth.jsonl`."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines: list[str] = []
        self._seq = 0
        self._known: set[str] = set()

    def served(
        self, *, gstin: str, period: str, statement: str, payload: Json, mark: str, day: date, fault: str = ""
    ) -> None:
        """Note that a payload went out with a 200; `mark` identifies its content."""
        if self._path is None:
            return
        self._seq += 1
        name = f"{gstin}|{period}|{statement}|{mark}"
        if name not in self._known:
            self._known.add(name)
            found = {
                section: [
                    [one.key, one.values, checksum([one.key, one.values])[:16]]
                    for one in records.flatten(rows)
                ]
                for section, rows in records.sections(statement, payload).items()
            }
            self._lines.append(
                json.dumps({"content": name, "gstin": gstin, "period": period, "statement": statement,
                            "sections": {key: rows for key, rows in found.items() if rows}})
            )  # fmt: skip
        self._lines.append(
            json.dumps({"seq": self._seq, "serve": name, "day": day.isoformat(), "fault": fault})
        )
        if len(self._lines) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Bring the buffer to the file."""
        if self._path and self._lines:
            with self._path.open("a", encoding="utf-8") as out:
                out.write("\n".join(self._lines) + "\n")
            self._lines.clear()


@dataclass(frozen=True, slots=True)
class Served:
    """One record that was served."""

    seq: int
    gstin: str
    period: str
    statement: str
    section: str
    key: Key
    values: dict[str, int]
    digest: str
    day: str
    fault: str


class Truth:
    """Reads `truth.jsonl`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[tuple[str, str, str, str, Key, dict[str, int]]]:
        """Give (gstin, period, statement, section, natural key, values in paise) of the newest serving."""
        for one in self.newest():
            yield one.gstin, one.period, one.statement, one.section, one.key, one.values

    def every(self) -> Iterator[Served]:
        """Give every record of every serving, in order."""
        contents: dict[str, Json] = {}
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    return
                one = json.loads(line)
                if "content" in one:
                    contents[one["content"]] = one
                    continue
                body = contents[one["serve"]]
                for section, rows in body["sections"].items():
                    for key, values, digest in rows:
                        yield Served(
                            one["seq"], body["gstin"], body["period"], body["statement"], section,
                            tuple((name, value) for name, value in key), dict(values), digest, one["day"],
                            one["fault"],
                        )  # fmt: skip

    def newest(self) -> Iterator[Served]:
        """Give the records of the newest serving of each section."""
        last: dict[tuple[str, str, str, str], list[Served]] = {}
        for one in self.every():
            place = (one.gstin, one.period, one.statement, one.section)
            rows = last.setdefault(place, [])
            if rows and rows[0].seq != one.seq:
                rows.clear()
            rows.append(one)
        for rows in last.values():
            yield from rows
