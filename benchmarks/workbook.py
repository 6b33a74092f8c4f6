"""A hundred thousand exceptions as a workbook, against a bare dump of the same cells with the same library.

Ours walks the matched documents once to count them and once per kind, escapes, formats and colours; the dump writes
the values and nothing else. The file is read back, so that it is one that opens.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.practice import HOME, SEED
from clientsync.reports.firm import FirmReport
from clientsync.reports.firm_workbook import KINDS, write_firm_workbook
from clientsync.reports.matches import MATCH_COLUMNS, Candidate, MatchLine, match_rows
from clientsync.reports.reconciliations import ReconState
from deployments.stack import ROOT

LINES = 100_000
MOST_MEGABYTES = 600
DAY = date(2026, 11, 20)
STATUSES = ("mismatch", "missing_here", "missing_there", "duplicate")


def measure(lines: int = LINES) -> Iterable[Figure]:
    """Yield the ratio of times and the largest resident memory."""
    folder = HOME / "workbook"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bare, _ = _child("bare", folder, lines)
    ours, megabytes = _child("ours", folder, lines)
    rows = _rows_in(folder / "ours.xlsx")
    if rows != lines:
        raise RuntimeError(f"the workbook has {rows} rows of {lines}")
    note = f"{lines:,} exceptions: {ours:.1f} s, a bare dump {bare:.1f} s; read back with every row"
    yield Figure("workbook, time / bare dump of the cells", ours / bare, 2.0, False, SEED, note)
    note = "largest resident memory of the process in MB"
    yield Figure("workbook, peak memory in MB", megabytes, MOST_MEGABYTES, False, SEED, note)


def _child(what: str, folder: Path, lines: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.workbook", what, str(folder), str(lines)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, megabytes = done.stdout.split()[-2:]
    return float(seconds), float(megabytes)


def _rows_in(path: Path) -> int:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True)
    try:
        return sum(sum(1 for _ in book[name].iter_rows(min_row=2)) for name in KINDS)
    finally:
        book.close()


def lines_of(count: int, statuses: Sequence[str] = ()) -> Iterable[MatchLine]:
    """Yield lines that wait for a person, made one by one, as a database would hand them out."""
    for number in range(count):
        if not statuses or STATUSES[number % len(STATUSES)] in statuses:
            yield _line(number)


def _line(number: int) -> MatchLine:
    status = STATUSES[number % len(STATUSES)]
    has_left, has_right = status != "missing_here", status in ("mismatch", "missing_here")
    taxable = 100_000 + number
    return MatchLine(
        client_id=f"C{number % 1000:04d}",
        client_name=f"Client {number % 1000}",
        recon="2B-BOOKS",
        period="102026",
        match_id=f"{number:032x}",
        status=status,
        severity="error",
        score=89 if status == "mismatch" else 0,
        differs=("taxable",) if status == "mismatch" else (),
        tags=(),
        reason="Numbers are equal; taxable value is Rs 500.00 more on the portal.",
        action="Claim no more than the statement shows; correct the books.",
        decision="",
        decision_reason="",
        party_gstin=f"29ZZAPA{number % 5000:04d}Q1Z0",
        party_name=f"Supplier {number % 5000}",
        left_number=f"INV/{number}" if has_left else "",
        left_on=DAY if has_left else None,
        left_period="102026",
        right_number=f"INV/{number}" if has_right else "",
        right_on=DAY if has_right else None,
        right_period="102026",
        left_count=int(has_left),
        right_count=int(has_right),
        left_taxable_paise=taxable if has_left else 0,
        left_tax_paise=taxable // 5 if has_left else 0,
        right_taxable_paise=taxable + 50_000 if has_right else 0,
        right_tax_paise=taxable // 5 if has_right else 0,
        left_heads_paise=(0, 0, 0, 0),
        right_heads_paise=(0, 0, 0, 0),
        since=DAY,
        candidates=(Candidate("x", "INV/9", DAY, 5, 1, 40, "the taxable value differs by Rs 12.00"),),
    )


def _ours(folder: Path, count: int) -> None:
    def lines(statuses: Sequence[str]) -> Iterable[MatchLine]:
        return lines_of(count, statuses)

    state = ReconState("C0001", "2B-BOOKS", "exceptions", count, count, 0, (), DAY)
    report = FirmReport("The firm", DAY, datetime(2026, 11, 21, tzinfo=UTC), [state], [], lines)
    write_firm_workbook(report, folder / "ours.xlsx")


def _bare(folder: Path, count: int) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(folder / "bare.xlsx"), {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        day = book.add_format({"num_format": "dd-mm-yyyy"})
        sheet.write_row(0, 0, [column.title for column in MATCH_COLUMNS])
        for number, row in enumerate(match_rows(lines_of(count)), start=1):
            for place, value in enumerate(row):
                if isinstance(value, date):
                    sheet.write_datetime(number, place, datetime(value.year, value.month, value.day), day)  # noqa: DTZ001
                elif isinstance(value, int):
                    sheet.write_number(number, place, value)
                elif value:
                    sheet.write_string(number, place, value)


def main(what: str, folder: Path, count: int) -> None:
    """Run one part in this process and print its seconds and its largest resident memory in MB."""
    began = time.perf_counter()
    {"ours": _ours, "bare": _bare}[what](folder, count)
    seconds = time.perf_counter() - began
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"{seconds:.3f} {megabytes:.1f}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
