"""Every kind of check through Great Expectations itself: what passes, what fails, and where the edge is."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clientsync.errors import InvalidSpec
from clientsync.spec.checks import Check, CheckKind, OnBreach
from clientsync.spec.module import Record, TableSpec
from clientsync.staged import Breach
from tests.support.checked_rows import check, plain_failures, row, table_of, unit
from tests.support.gstins import gstin_of
from validations import batch
from validations.batch import validate_batch
from validations.compiler import suite_document
from validations.report import ValidationReport

K = CheckKind
DAY = date(2026, 10, 1)
MOMENT = datetime(2026, 10, 1, 12, tzinfo=UTC)
BIG = 2**62


def failing(one: Check, rows: Sequence[dict[str, Any]]) -> list[int]:
    table = table_of(one)
    found = validate_batch([unit(rows)], {table.name: table})
    assert all(breach.code == one.code and breach.message == one.message for breach in found)
    return [breach.record for breach in found]


def column(name: str, *values: Any) -> list[dict[str, Any]]:
    return [row(number, **{name: value}) for number, value in enumerate(values)]


def taxes(*rows: tuple[int, int | None, int]) -> list[dict[str, Any]]:
    return [
        row(number, igst_paise=igst, cgst_paise=cgst, sgst_paise=sgst)
        for number, (igst, cgst, sgst) in enumerate(rows)
    ]


GROUPS = (("igst_paise",), ("cgst_paise", "sgst_paise"))
SUM = {"taxable_paise": 1, "igst_paise": -1}
RATE = {"taxable_paise": 0.18, "igst_paise": -1}
RIGHT = gstin_of(7)
WRONG = RIGHT[:-1] + ("A" if RIGHT[-1] != "A" else "B")


@pytest.mark.parametrize(
    ("one", "rows", "expected"),
    [
        (check(K.NOT_NULL, "kind"), column("kind", "a", None, ""), [1]),
        (check(K.NOT_NULL, "value_paise"), column("value_paise", 0, None, BIG), [1]),
        (check(K.NOT_NULL, "issued_on"), column("issued_on", DAY, None), [1]),
        (check(K.NOT_NULL, "is_open"), column("is_open", False, None), [1]),
        (check(K.UNIQUE, "kind"), column("kind", "a", "b", "a", "B"), [0, 2]),
        (check(K.UNIQUE, "kind"), column("kind", None, "b", None), [0, 2]),
        (check(K.UNIQUE, "kind", "taxable_paise"), column("kind", "a", "a"), [0, 1]),
        (check(K.UNIQUE, "value_paise"), column("value_paise", BIG, BIG + 1, None), []),
        (check(K.IN_SET, "kind", values=("a", "")), column("kind", "a", "", None, "A", "a "), [3, 4]),
        (check(K.IN_SET, "value_paise", values=[BIG]), column("value_paise", BIG, BIG + 1, None), [1]),
        (check(K.IN_SET, "is_open", values=[True]), column("is_open", True, False, None), [1]),
        (
            check(K.BETWEEN, "value_paise", low=0, high=BIG),
            column("value_paise", 0, -1, BIG, BIG + 1, None),
            [1, 3],
        ),
        (check(K.BETWEEN, "taxable_paise", low=0, high=None), column("taxable_paise", 0, -1, BIG), [1]),
        (check(K.BETWEEN, "taxable_paise", low=None, high=9), column("taxable_paise", 9, 10, -BIG), [1]),
        (
            check(K.BETWEEN, "taxable_paise", low=0, high=9, inclusive=False),
            column("taxable_paise", 0, 1, 8, 9),
            [0, 3],
        ),
        (
            check(K.BETWEEN, "issued_on", low=DAY, high=None),
            column("issued_on", DAY, DAY - timedelta(1), None, date.max, date.min),
            [1, 4],
        ),
        (
            check(K.BETWEEN, "seen_at", low=None, high=MOMENT),
            column("seen_at", MOMENT, MOMENT + timedelta(microseconds=1), None),
            [1],
        ),
        (
            check(K.MATCHES, "kind", pattern="([A-Z]+)|x|[(]"),
            column("kind", "AB", "ab", "x", "", "AB\n", "xAB", None, "(", "?"),
            [1, 3, 4, 5, 8],
        ),
        (
            check(K.MAX_LENGTH, "kind", length=3),
            column("kind", "abc", "abcd", "", None, "\U0001f600" * 3),
            [1],
        ),
        (
            check(K.GSTIN, "gstin"),
            column("gstin", RIGHT, WRONG, None, "", RIGHT.lower(), RIGHT + " "),
            [1, 4, 5],
        ),
        (
            check(K.EQUAL_COLUMNS, "cgst_paise", "sgst_paise"),
            taxes((0, 5, 5), (0, 5, 6), (0, None, 6), (0, BIG, BIG + 1)),
            [1, 3],
        ),
        (
            check(K.AT_MOST_ONE_NONZERO, groups=GROUPS),
            taxes((5, 0, 0), (0, 5, 5), (5, 5, 0), (5, 0, -1), (0, 0, 0), (5, None, 0)),
            [2, 3],
        ),
        (
            check(K.WITHIN, terms=SUM, tolerance=100),
            [row(n, taxable_paise=BIG, igst_paise=BIG - gap) for n, gap in enumerate((0, 100, 101, -101))],
            [2, 3],
        ),
        (
            check(K.WITHIN, terms=RATE, tolerance=1),
            [row(n, taxable_paise=1000, igst_paise=tax) for n, tax in enumerate((180, 181, 182, 178))],
            [2, 3],
        ),
        (
            check(K.WITHIN, terms={"cgst_paise": 1, "sgst_paise": -1}, tolerance=0),
            taxes((0, None, 5), (0, 5, 5)),
            [],
        ),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Check) else None,
)
def test_a_check_fails_exactly_the_rows_that_break_it(
    one: Check, rows: list[dict[str, Any]], expected: list[int]
) -> None:
    assert failing(one, rows) == expected
    assert plain_failures([one], rows) == {(one.code, number) for number in expected}


def test_every_kind_of_check_is_tried_here() -> None:
    marker = next(
        mark
        for mark in test_a_check_fails_exactly_the_rows_that_break_it.pytestmark
        if mark.name == "parametrize"
    )
    assert {case[0].kind for case in marker.args[1]} == set(CheckKind)


ALL_CHECKS = (
    check(K.NOT_NULL, "kind", breach=OnBreach.WARN),
    check(K.UNIQUE, "kind", "taxable_paise"),
    check(K.IN_SET, "kind", values=["a", "b", ""]),
    check(K.BETWEEN, "value_paise", low=-1, high=BIG),
    check(K.MATCHES, "number", pattern=r"[a-z]?\d{1,3}", breach=OnBreach.WARN),
    check(K.MAX_LENGTH, "gstin", length=15),
    check(K.GSTIN, "gstin", breach=OnBreach.HALT_UNIT),
    check(K.EQUAL_COLUMNS, "cgst_paise", "sgst_paise"),
    check(K.AT_MOST_ONE_NONZERO, groups=GROUPS),
    check(K.WITHIN, terms={"value_paise": 1, "taxable_paise": -1, "igst_paise": "-0.5"}, tolerance=2),
)
_PAISE = st.one_of(st.integers(-3, 3), st.integers(-BIG, BIG), st.sampled_from([BIG, BIG + 1]))
_ROWS = st.lists(
    st.fixed_dictionaries(
        {"number": st.from_regex(r"\A[a-z\d\n]{0,4}\Z") | st.text("0aZ\u0663", max_size=5)},
        optional={
            "kind": st.sampled_from(["a", "b", "c", "", None]),
            "gstin": st.sampled_from([RIGHT, WRONG, None, "", RIGHT + "0"]),
            "value_paise": st.none() | _PAISE,
            "taxable_paise": _PAISE,
            "igst_paise": _PAISE,
            "cgst_paise": st.none() | _PAISE,
            "sgst_paise": _PAISE,
        },
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_ROWS, min_size=1, max_size=3))
def test_the_verdict_equals_that_of_plain_python_whatever_else_is_in_the_batch(
    units: list[list[dict[str, Any]]],
) -> None:
    table = table_of(*ALL_CHECKS)
    staged = [unit(rows, client=f"C{n % 2}", unit_id=f"u{n}") for n, rows in enumerate(units)]
    found = validate_batch(staged, {table.name: table})
    expected = {
        (f"u{n}", code, number)
        for n, rows in enumerate(units)
        for code, number in plain_failures(ALL_CHECKS, rows)
    }
    assert {(one.unit_id, one.code, one.record) for one in found} == expected
    assert len(found) == len(expected)


def test_two_checks_that_say_the_same_are_both_answered() -> None:
    first = Check("T-1", K.NOT_NULL, ("kind",), OnBreach.WARN, "one")
    second = Check("T-2", K.NOT_NULL, ("kind",), OnBreach.REJECT_ROW, "two")
    table = table_of(first, second)
    found = validate_batch([unit(column("kind", None))], {table.name: table})
    assert sorted((one.code, one.action) for one in found) == [("T-1", "warn"), ("T-2", "reject_row")]


def test_a_check_that_contradicts_its_table_is_an_error_and_not_bad_data() -> None:
    wrongs: list[list[Check]] = [
        [check(K.NOT_NULL, "colour")],
        [check(K.NOT_NULL, "kind"), check(K.NOT_NULL, "gstin")],
        [check(K.IN_SET, "kind")],
        [check(K.BETWEEN, "taxable_paise")],
        [check(K.WITHIN, terms=SUM)],
    ]
    for wrong in wrongs:
        with pytest.raises(InvalidSpec):
            validate_batch([unit([row()])], {"demo__checked": table_of(*wrong)})


def test_a_check_that_cannot_be_evaluated_is_an_error_and_not_bad_data() -> None:
    table = table_of(check(K.MATCHES, "taxable_paise", pattern="("))
    with pytest.raises(InvalidSpec, match="T-MATCHES"):
        validate_batch([unit([row()])], {table.name: table})


def test_the_report_counts_rows_and_breaches_of_every_check() -> None:
    table = table_of(check(K.NOT_NULL, "kind"), check(K.GSTIN, "gstin", breach=OnBreach.WARN))
    report = ValidationReport()
    for _ in range(2):
        rows = [row(1, kind="a"), row(2), row(3, kind=4)]
        validate_batch([unit(rows)], {table.name: table}, report=report)
    lines = {line.code: (line.rows, line.breaches, line.breach) for line in report.lines()}
    assert lines["T-NOT_NULL"] == (4, 2, "reject_row")
    assert lines["T-GSTIN"] == (4, 0, "warn")
    assert lines["ROW-TYPE"] == (6, 2, "reject_row")
    assert [line.code for line in report.lines(only_broken=True)] == ["ROW-TYPE", "T-NOT_NULL"]


def test_the_page_of_checks_lists_every_check_with_what_it_does_and_its_source() -> None:
    table = TableSpec(
        "demo__checked",
        table_of().row,
        ("number",),
        (),
        "Checked rows.",
        checks=(Check("T-9", K.IN_SET, ("kind",), OnBreach.WARN, "a | b", {"values": ["a"]}, "Act s.5"),),
    )
    page = suite_document({table.name: table, "empty": table_of()})
    assert "| `T-9` | in_set | kind | warn | a \\| b | Act s.5 |" in page
    assert "| `ROW-TYPE` |" in page
    assert "## empty" not in page


def test_values_of_rows_are_in_no_log_and_no_breach(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "CANARY7731"
    table = table_of(
        check(K.IN_SET, "kind", values=["a"]), check(K.GSTIN, "gstin"), check(K.UNIQUE, "number")
    )
    rows = [row(canary, kind=canary, gstin=canary), row(canary, kind=canary), row("n", taxable_paise=canary)]
    rows.append(row("m", **{canary: 1}))
    found = validate_batch([unit(rows)], {table.name: table})
    assert {one.code for one in found} == {"T-IN_SET", "T-GSTIN", "T-UNIQUE", "ROW-TYPE", "ROW-UNKNOWN"}
    assert canary not in repr(found)
    assert not [record for record in caplog.records if canary in record.getMessage()]


def test_values_of_rows_are_not_in_the_error_of_a_check_that_cannot_be_evaluated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "CANARY7732"
    table = table_of(check(K.BETWEEN, "kind", low=1, high=5))
    with pytest.raises(InvalidSpec) as caught:
        validate_batch([unit([row(kind=canary)])], {table.name: table})
    assert canary not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not [record for record in caplog.records if canary in record.getMessage()]


def test_threads_validate_at_once_without_mixing_their_rows() -> None:
    results: dict[int, list[Breach]] = {}

    def work(number: int) -> None:
        table = TableSpec(
            f"demo__checked_{number % 2}",
            table_of().row,
            ("number",),
            (),
            "Checked rows.",
            checks=(check(K.BETWEEN, "taxable_paise", low=0),),
        )
        staged = unit([], unit_id=f"u{number}")
        staged.cells[0].records = [
            Record(table.name, row(n, taxable_paise=-1 if n == number else 0)) for n in range(200)
        ]
        for _ in range(3):
            results[number] = validate_batch([staged], {table.name: table})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: [(b.unit_id, b.record) for b in found] for n, found in results.items()} == {
        n: [(f"u{n}", n)] for n in range(4)
    }


def test_one_context_serves_the_process() -> None:
    table = table_of(check(K.NOT_NULL, "kind"))
    validate_batch([unit([row()])], {table.name: table})
    before = batch._data
    validate_batch([unit([row()])], {table.name: table})
    assert before is not None
    assert batch._data is before


def test_records_with_a_problem_and_records_of_no_known_table_are_left_to_loading() -> None:
    table = table_of(check(K.NOT_NULL, "kind"))
    staged = unit([row(1), row(2), row(3)])
    staged.cells[0].records[0] = Record(table.name, {"source_row": {}}, problem="cannot be read")
    staged.cells[0].records[1] = Record("demo__nowhere", {})
    [found] = validate_batch([staged], {table.name: table})
    assert found.record == 2


class Silent:
    """A batch whose validation says less than it was asked, or nothing at all."""

    def __init__(self, outcome: Exception | list[Any]) -> None:
        """Keep what validation brings."""
        self.outcome = outcome

    def validate(self, *_: object, **__: object) -> Any:
        """Raise or return it."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return SimpleNamespace(results=self.outcome)


def test_a_check_without_an_answer_is_an_error_and_not_good_data() -> None:
    with pytest.raises(InvalidSpec, match="T-NOT_NULL"):
        batch._results(Silent([]), "demo", [check(K.NOT_NULL, "kind")], "BASIC")


def test_an_error_of_the_library_is_passed_on_without_its_words() -> None:
    from great_expectations.exceptions import exceptions

    with pytest.raises(InvalidSpec) as caught:
        batch._results(
            Silent(exceptions.MetricError("CANARY7733")), "demo", [check(K.NOT_NULL, "kind")], "BASIC"
        )
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_a_failure_that_names_no_row_is_an_error() -> None:
    config = SimpleNamespace(meta={"code": "T-1"})
    with pytest.raises(InvalidSpec, match="T-1"):
        batch._positions(SimpleNamespace(result={}, expectation_config=config))
