"""Checks that repeat a rule on another table: a row that keeps it, one that breaks it, and the edge between them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest

from clientsync.spec.module import TableSpec
from connectors.tds import CONNECTOR
from connectors.tds.challans import DETAILS
from connectors.tds.receipts import RECEIPT, REGISTER_TABLE
from connectors.tds.statement_rows import FILE_CHALLAN, FILE_DEDUCTEE
from connectors.tds.unconsumed_challans import BALANCES, CONSUMPTION, STATUSES, TOTALS
from tests.support.tds_checks import breaches

PLAIN: dict[type, Any] = {str: "", int: 0, bool: False, date: date(2026, 5, 7)}
COMMON: dict[str, Any] = {
    "bsr": "0510101",
    "serial": "00042",
    "cin": "05101010705202600042",
    "certificate_number": "1111AA111A",
    "pan": "AAAPA0000A",
    "minor_head": "200",
    "token": "770000000000012",
    "rate_ppm": None,
}
RECEIPT_OF_100 = {"amount_paise": 10_000, "tax_paise": 10_000}


def row(table: TableSpec, **given: Any) -> dict[str, Any]:
    """Return a row of a table that breaks nothing, with some values in place of its own."""
    values: dict[str, Any] = {}
    for name, field in table.row.model_fields.items():
        kind = next((one for one in (field.annotation, *get_args(field.annotation)) if one in PLAIN), str)
        values[name] = COMMON.get(name, PLAIN[kind])
    if table is RECEIPT:
        values |= RECEIPT_OF_100
    return values | given


CASES: list[tuple[TableSpec, str, dict[str, Any], dict[str, Any]]] = [
    # table, code, values at the edge that still keep the rule, values just beyond it
    (DETAILS, "TDS-CH-D04", {"bsr": "0000000"}, {"bsr": "510101"}),
    (DETAILS, "TDS-CH-D05", {"serial": "00001"}, {"serial": "42"}),
    (DETAILS, "TDS-CH-D08", {"cin": "26041100002738KKBK"}, {"cin": "05101013205202600042"}),
    (
        DETAILS,
        "TDS-CH-D20",
        {"amount_paise": 600, "tax_paise": 100, "surcharge_paise": 100, "cess_paise": 100}
        | {"interest_paise": 100, "penalty_or_others_paise": 100, "fee_paise": 100},
        {"amount_paise": 101, "tax_paise": 100},
    ),
    (
        DETAILS,
        "TDS-CH-D21",
        {"surcharge_paise": 100, "amount_paise": 100},
        {"surcharge_paise": 100, "amount_paise": 100, "is_new_act": True},
    ),
    (DETAILS, "TDS-CH-D22", {"has_fraction": True}, {"has_fraction": True, "is_new_act": True}),
    (DETAILS, "TDS-CH-D23", {"is_before_new_act": True}, {"is_before_new_act": True, "is_new_act": True}),
    (DETAILS, "TDS-CH-D26", {"amount_paise": 0}, {"amount_paise": -1, "tax_paise": -1}),
    (BALANCES, "TDS-UC-B04", {"bsr": "0000001"}, {"bsr": "510101A"}),
    (BALANCES, "TDS-UC-B05", {"serial": "99999"}, {"serial": "42"}),
    (BALANCES, "TDS-UC-B08", {"cin": ""}, {"cin": "26041100002738KKB"}),
    (TOTALS, "TDS-UC-T04", {"bsr": "9999999"}, {"bsr": ""}),
    (TOTALS, "TDS-UC-T05", {"serial": "00000"}, {"serial": ""}),
    (
        TOTALS,
        "TDS-UC-T28",
        {"amount_paise": 100, "consumed_paise": 100, "available_paise": 0},
        {"amount_paise": 99, "consumed_paise": 100, "available_paise": -1},
    ),
    (
        TOTALS,
        "TDS-UC-T29",
        {"consumed_paise": -100, "available_paise": 100},
        {"consumed_paise": -101, "available_paise": 101},
    ),
    (
        TOTALS,
        "TDS-UC-T30",
        {"is_overbooked": True, "has_excess": True},
        {"is_overbooked": True, "has_excess": False},
    ),
    (CONSUMPTION, "TDS-UC-C04", {"bsr": "0510101"}, {"bsr": "O510101"}),
    (CONSUMPTION, "TDS-UC-C05", {"serial": "00042"}, {"serial": "4 2"}),
    (CONSUMPTION, "TDS-UC-C06", {"token": ""}, {"token": "77000000000001"}),
    (CONSUMPTION, "TDS-UC-C27", {"total_paise": 0}, {"total_paise": -1, "claimed_paise": -1}),
    (FILE_CHALLAN, "TDS-FILE-C05", {"faults": ""}, {"faults": "future"}),
    (FILE_DEDUCTEE, "TDS-FILE-D12", {"faults": ""}, {"faults": "future"}),
    (RECEIPT, "TDS-RECEIPT-01", {"cin": ""}, {"cin": "05101010013202600042"}),
    (RECEIPT, "TDS-RECEIPT-02", {"fee_paise": 1, "amount_paise": 10_001}, {"fee_paise": 1}),
    (
        RECEIPT,
        "TDS-RECEIPT-03",
        {"amount_paise": 1, "tax_paise": 1},
        {"amount_paise": 0, "tax_paise": 0},
    ),
    (RECEIPT, "TDS-RECEIPT-04", {"minor_head": "400"}, {"minor_head": "300"}),
    (
        REGISTER_TABLE,
        "TDS-REGISTER-01",
        {"certificate_number": "9AA9999TDP9A999"},
        {"certificate_number": "1111AA111"},
    ),
    (REGISTER_TABLE, "TDS-REGISTER-02", {"pan": "AAAAA0000A"}, {"pan": "PANNOTAVBL"}),
    (REGISTER_TABLE, "TDS-REGISTER-03", {"limit_paise": 0}, {"limit_paise": -1}),
]


@pytest.mark.parametrize(("table", "code", "kept", "broken"), CASES, ids=[case[1] for case in CASES])
def test_a_rule_holds_up_to_its_edge_and_not_beyond_it(
    table: TableSpec, code: str, kept: dict[str, Any], broken: dict[str, Any]
) -> None:
    assert code not in breaches(table, row(table, **kept))
    assert code in breaches(table, row(table, **broken))


def test_a_challan_stands_once_in_the_status_list() -> None:
    assert breaches(STATUSES, row(STATUSES), row(STATUSES, serial="00043")) == []
    assert "TDS-UC-S01" in breaches(STATUSES, row(STATUSES), row(STATUSES))


def test_every_check_of_tds_is_tried_in_a_test() -> None:
    tests = Path(__file__).resolve().parents[2]
    tried = "".join(path.read_text(encoding="utf-8") for path in tests.rglob("*.py"))
    declared = {
        check.code
        for name in CONNECTOR.module_names()
        for table in CONNECTOR.module(name).tables
        for check in table.checks
    }
    assert {code for code in declared if code not in tried} == set()
