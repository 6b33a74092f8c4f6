"""Which documents stand on which side: what carries no credit says so, what stands twice by rule stands once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from clientsync.database import open_engine, upgrade, writing
from clientsync.ledger.tables import SyncClient, SyncRun, SyncUnit
from clientsync.spec.module import TableSpec
from connectors.books import purchase_register, sales_register
from connectors.gst import gstr1, gstr1a, gstr2b, ims
from connectors.gst.compared import read_2b, read_ims, read_r1
from connectors.gst.return_register import FILINGS, PREFERENCES
from tests.support.gstins import gstin_of
from tests.support.stored_rows import put_row

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)
DAY = date(2026, 11, 27)


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    made = open_engine(sqlite_url)
    upgrade(made)
    with writing(made) as connection:
        for number, name in enumerate(("C1", "C2"), start=1):
            connection.execute(
                insert(SyncClient).values(
                    client_id=name, name=name, gstin=gstin_of(number), filing_frequency="M", is_active=True,
                    settings={}, created_at=MOMENT, updated_at=MOMENT,
                )
            )  # fmt: skip
        connection.execute(
            insert(SyncRun).values(
                run_id="r",
                connector="gst",
                kind="manual",
                state="ended",
                started_at=MOMENT,
                selection={},
                counts={},
            )
        )
    yield made
    made.dispose()


def put(engine: Engine, spec: TableSpec, **values: Any) -> None:
    put_row(engine, spec, MOMENT, **values)


def ended(engine: Engine, module: str, period: str, outcome: str = "loaded", client: str = "C1") -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(SyncUnit).values(
                unit_id=f"{client}{module}{period}", run_id="r", client_id=client, connector="gst", module=module,
                unit_period=period, state="ended", outcome=outcome, ended_at=MOMENT, staged={},
            )
        )  # fmt: skip


def of_2b(number: str, **values: Any) -> dict[str, Any]:
    usual = {
        "period": "102026", "section": "b2b", "status": "accepted", "supplier_gstin": gstin_of(7),
        "document_type": "INV", "document_number": number, "supplier_period": "102026", "itc_availability": "Y",
    }  # fmt: skip
    return usual | values


def test_a_document_rejected_once_and_accepted_later_stands_once_and_with_credit(engine: Engine) -> None:
    ended(engine, "purchase_register", "102026")
    put(engine, gstr2b.DOCUMENTS, **of_2b("A", status="rejected"))
    put(engine, gstr2b.DOCUMENTS, **of_2b("A", period="112026"))
    put(engine, gstr2b.DOCUMENTS, **of_2b("B", status="rejected"))
    put(engine, gstr2b.DOCUMENTS, **of_2b("C", status="reversal"))
    found = read_2b(engine, ["C1"], DAY).right
    assert dict(zip(found["document_number"], found["mark"], strict=True)) == {"A": "", "B": "no_credit"}


@pytest.mark.parametrize(
    ("values", "mark", "words"),
    [
        ({"itc_availability": "N", "itc_reason": "P"}, "no_credit", "place of supply"),
        ({"itc_availability": "N", "itc_reason": "C"}, "no_credit", "after the cut-off"),
        ({"itc_availability": "T"}, "", "temporary"),
        ({}, "", ""),
    ],
)
def test_what_the_statement_says_of_credit_goes_with_the_document(
    engine: Engine, values: dict[str, Any], mark: str, words: str
) -> None:
    ended(engine, "purchase_register", "102026")
    put(engine, gstr2b.DOCUMENTS, **of_2b("A", **values))
    row = read_2b(engine, ["C1"], DAY).right.iloc[0]
    assert row["mark"] == mark
    assert words in row["note"]


def test_a_month_that_was_not_read_or_not_imported_is_missing_and_one_that_cannot_exist_yet_is_not(
    engine: Engine,
) -> None:
    for period in ("082026", "102026", "112026"):
        ended(engine, "purchase_register", period)
    ended(engine, "gstr2b", "082026")
    ended(engine, "gstr2b", "102026", "transient")
    found = read_2b(engine, ["C1"], DAY)
    assert found.missing["C1"] == (
        "gstr2b 09/2026: never asked",
        f"gstr2b 10/2026: {_words('transient')}",
        "purchase_register 09/2026: not imported",
    )
    assert found.newest["C1"] == "202608"


def _words(outcome: str) -> str:
    from clientsync.outcomes import WORDS, Outcome

    return WORDS[Outcome(outcome)]


def test_a_client_without_a_register_is_left_out_with_the_next_step(engine: Engine) -> None:
    ended(engine, "purchase_register", "102026")
    found = read_2b(engine, ["C1", "C2"], DAY)
    assert list(found.left_out) == ["C2"]
    assert "books import" in found.left_out["C2"]


def test_a_document_of_the_pool_carries_what_was_done_with_it(engine: Engine) -> None:
    ended(engine, "purchase_register", "102026")
    for action in "ARPN":
        put(engine, ims.DOCUMENTS, section="B2B", supplier_gstin=gstin_of(7), document_number=action,
            return_period="102026", document_type="INV", action=action)  # fmt: skip
    found = read_ims(engine, ["C1"], DAY).right
    marks = dict(zip(found["document_number"], found["mark"], strict=True))
    assert marks == {"A": "", "R": "closed", "P": "closed", "N": ""}


def sale(number: str, place: str, value: int, **values: Any) -> dict[str, Any]:
    usual = {
        "period": "102026", "document_type": "INV", "document_number": number, "place_of_supply": place,
        "taxable_paise": value, "document_value_paise": value, "occurrence": 1,
    }  # fmt: skip
    return usual | values


def test_sales_to_consumers_are_compared_in_total_and_large_ones_between_states_by_themselves(
    engine: Engine,
) -> None:
    ended(engine, "sales_register", "102026")
    put(engine, sales_register.DOCUMENTS, **sale("near", "27", 900_000_00))
    put(engine, sales_register.DOCUMENTS, **sale("at", "29", 100_000_00))
    put(engine, sales_register.DOCUMENTS, **sale("above", "29", 100_000_01))
    put(engine, sales_register.DOCUMENTS, **sale("abroad", "96", 5_00))
    put(engine, sales_register.DOCUMENTS, **sale("firm", "29", 5_00, party_gstin=gstin_of(8)))
    put(
        engine,
        gstr1.TABLES.b2cs,
        period="102026",
        section="b2cs",
        place_of_supply="29",
        taxable_paise=100_000_00,
    )
    inputs = read_r1(engine, ["C1"], DAY)
    amounts = dict(zip(inputs.left["document_number"], inputs.left["taxable_paise"], strict=True))
    assert amounts == {
        "above": 100_000_01,
        "abroad": 5_00,
        "firm": 5_00,
        "Consumers 27 Oct2026": 900_000_00,
        "Consumers 29 Oct2026": 100_000_00,
    }
    assert list(inputs.right["document_number"]) == ["Consumers 29 Oct2026"]


def test_gstr1a_is_missed_where_it_was_asked_in_vain_or_the_register_lists_it(engine: Engine) -> None:
    ended(engine, "sales_register", "102026")
    ended(engine, "gstr1", "102026")
    assert "C1" not in read_r1(engine, ["C1"], DAY).missing
    put(engine, FILINGS, period="2026-27", section="rettrack", return_type="GSTR1A", return_period="102026",
        arn="A", status="Filed", valid="Y")  # fmt: skip
    assert read_r1(engine, ["C1"], DAY).missing["C1"] == ("gstr1a 10/2026: never asked",)
    ended(engine, "gstr1a", "102026", "transient")
    assert read_r1(engine, ["C1"], DAY).missing["C1"] == (f"gstr1a 10/2026: {_words('transient')}",)


def of_consumers(period: str, taxable: int, **values: Any) -> dict[str, Any]:
    usual = {
        "period": period, "section": "b2cs", "supply_type": "INTRA", "kind": "OE", "place_of_supply": "27",
        "rate_bp": 1800, "occurrence": 1, "taxable_paise": taxable,
    }  # fmt: skip
    return usual | values


def test_an_amendment_of_sales_to_consumers_takes_the_place_of_what_it_amends(engine: Engine) -> None:
    ended(engine, "sales_register", "102026")
    amends = {"section": "b2csa", "original_period": "102026"}
    put(engine, gstr1.TABLES.b2cs, **of_consumers("102026", 100_00))
    put(engine, gstr1.TABLES.b2cs, **of_consumers("102026", 50_00, rate_bp=500))
    put(engine, gstr1.TABLES.b2cs, **of_consumers("102026", 7_00, place_of_supply="29"))
    put(engine, gstr1.TABLES.b2cs, **of_consumers("102026", 3_00, kind="E"))
    put(engine, gstr1.TABLES.b2cs, **of_consumers("012027", 90_00, **amends))
    put(engine, gstr1.TABLES.b2cs, **of_consumers("012027", 30_00, **amends, rate_bp=500))
    put(engine, gstr1.TABLES.b2cs, **of_consumers("112026", 10_00, **amends))
    put(engine, gstr1a.TABLES.b2cs, **of_consumers("112026", 20_00, **amends))
    put(engine, gstr1a.TABLES.b2cs, **of_consumers("112026", 40_00))
    found = read_r1(engine, ["C1"], DAY).right
    assert dict(zip(found["document_number"], found["taxable_paise"], strict=True)) == {
        "Consumers 27 Oct2026": 123_00,
        "Consumers 29 Oct2026": 7_00,
        "Consumers 27 Nov2026": 40_00,
    }


@pytest.mark.parametrize(("chosen", "missing"), [("", 1), ("M", 3)])
def test_the_choice_of_the_quarter_says_which_statements_there_are(
    engine: Engine, chosen: str, missing: int
) -> None:
    for period in ("072026", "082026", "092026"):
        ended(engine, "purchase_register", period)
    with writing(engine) as connection:
        connection.execute(update(SyncClient).values(filing_frequency="Q"))
    if chosen:
        put(engine, PREFERENCES, period="2026-27", section="getpref", quarter="Q2", preference=chosen)
    assert len(read_2b(engine, ["C1"], DAY).missing["C1"]) == missing


def test_ids_hold_no_registration_and_stay_from_day_to_day(engine: Engine) -> None:
    ended(engine, "purchase_register", "102026")
    put(engine, purchase_register.DOCUMENTS, period="102026", document_type="INV", party_gstin=gstin_of(7),
        document_number="A", occurrence=1)  # fmt: skip
    first, second = (read_2b(engine, ["C1"], day).left["id"].iloc[0] for day in (DAY, date(2026, 12, 5)))
    assert first == second
    assert gstin_of(7) not in first
