"""What falls due: credit notes that lapse, notices to answer, returns that are late; the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from clientsync.database import open_engine, upgrade, writing
from clientsync.ledger.tables import SyncClient
from clientsync.periods import Period
from clientsync.reports.worklists import Worklist, joined
from clientsync.spec.module import TableSpec
from connectors.gst import CONNECTOR, ims, notices
from connectors.gst.return_register import PREFERENCES
from connectors.gst.worklists import deemed_accepted_on, worklists
from connectors.tds import notices as tds_notices
from connectors.tds.worklists import worklists as tds_worklists
from tests.support.gstins import gstin_of
from tests.support.stored_rows import put_row

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)
DAY = date(2026, 11, 27)


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    made = open_engine(sqlite_url)
    upgrade(made)
    with writing(made) as connection:
        connection.execute(
            insert(SyncClient).values(
                client_id="C1", name="Client One", gstin=gstin_of(1), filing_frequency="M", is_active=True, settings={},
                created_at=MOMENT, updated_at=MOMENT,
            )
        )  # fmt: skip
    yield made
    made.dispose()


def put(engine: Engine, spec: TableSpec, **values: Any) -> None:
    put_row(engine, spec, MOMENT, **values)


def listed(engine: Engine, name: str) -> Worklist:
    return next(one for one in worklists(engine, ["C1"], DAY) if one.name == name)


def column(one: Worklist, title: str) -> list[Any]:
    place = [column.title for column in one.columns].index(title)
    return [row[place] for row in one.rows]


@pytest.mark.parametrize(
    ("period", "frequency", "state", "expected"),
    [
        (Period(2025, 10), "M", "27", date(2025, 12, 20)),
        (Period(2025, 10), "Q", "27", date(2026, 4, 22)),
        (Period(2025, 12), "Q", "07", date(2026, 4, 24)),
        (Period(2025, 9), "M", "27", None),
    ],
)
def test_a_pending_note_counts_as_accepted_after_the_next_return_is_due(
    period: Period, frequency: str, state: str, expected: date | None
) -> None:
    assert deemed_accepted_on(period, frequency, state) == expected


def test_only_pending_credit_notes_lapse_and_the_first_day_stands_first(engine: Engine) -> None:
    usual = {"section": "CN", "supplier_gstin": gstin_of(5), "document_type": "CN", "action": "P"}
    put(engine, ims.DOCUMENTS, **usual, document_number="LATER", return_period="102026")
    put(engine, ims.DOCUMENTS, **usual, document_number="FIRST", return_period="092026")
    put(engine, ims.DOCUMENTS, **{**usual, "action": "N"}, document_number="NONE", return_period="092026")
    put(
        engine,
        ims.DOCUMENTS,
        **{**usual, "document_type": "INV"},
        document_number="INV",
        return_period="092026",
    )
    found = listed(engine, "IMS lapse")
    assert column(found, "number") == ["FIRST", "LATER"]
    assert column(found, "days left") == [-7, 23]
    assert found.urgent == 1


def test_a_note_lapses_by_the_choice_of_its_quarter_and_not_by_the_client_master(engine: Engine) -> None:
    usual = {"section": "CN", "supplier_gstin": gstin_of(5), "document_type": "CN", "action": "P"}
    put(engine, ims.DOCUMENTS, **usual, document_number="N", return_period="102026")
    put(engine, PREFERENCES, period="2026-27", section="getpref", quarter="Q3", preference="Q")
    assert column(listed(engine, "IMS lapse"), "deemed accepted on") == [date(2027, 4, 22)]


def test_notices_are_listed_with_the_day_of_their_detail_until_half_a_year_after_it(engine: Engine) -> None:
    usual = {"period": "2026-27", "section": "list", "issued_on": date(2026, 10, 1)}
    put(engine, notices.NOTICES, **usual, reference="A", respond_by_on=date(2026, 11, 28))
    put(engine, notices.NOTICES, **usual, reference="B", respond_by_on=None)
    put(engine, notices.NOTICES, **usual, reference="OLD", respond_by_on=date(2026, 5, 30))
    put(engine, notices.NOTICES, **usual, reference="C", respond_by_on=date(2026, 12, 30))
    put(
        engine, notices.DETAILS, period="2026-27", section="detail", arn="X", reference="C", notice_type="ASMT-10",
        issued_on=date(2026, 10, 1), reply_due_on=date(2026, 11, 20),
    )  # fmt: skip
    found = listed(engine, "Notices due")
    assert column(found, "reference") == ["C", "A"]
    assert column(found, "days left") == [-7, 1]
    assert column(found, "about")[0] == "ASMT-10"


def test_notices_of_the_tax_portals_join_the_same_list(engine: Engine) -> None:
    put(
        engine,
        tds_notices.NOTICES,
        period="current",
        section="inbox",
        reference="T",
        due_on=date(2026, 12, 1),
    )
    put(engine, tds_notices.NOTICES, period="current", section="inbox", reference="U", due_on=None)
    both = joined([*worklists(engine, ["C1"], DAY), *tds_worklists(engine, ["C1"], DAY)], ("Notices due",))
    assert both[0].name == "Notices due"
    assert column(both[0], "reference") == ["T"]
    assert (column(both[0], "portal"), both[0].urgent) == (["TDS"], 1)


def test_a_client_whose_register_was_never_read_has_no_late_return(engine: Engine) -> None:
    assert listed(engine, "Returns late").rows == ()


def test_two_notices_of_one_case_keep_the_days_of_their_own_details(engine: Engine) -> None:
    case = {"arn": "AD1"}
    put(engine, notices.NOTICES, **case, reference="N1", respond_by_on=None)
    put(engine, notices.NOTICES, **case, reference="N2", respond_by_on=None)
    put(
        engine,
        notices.DETAILS,
        **case,
        reference="N1",
        notice_type="ASMT-10",
        reply_due_on=date(2026, 11, 29),
    )
    put(
        engine, notices.DETAILS, **case, reference="N2", notice_type="DRC-01", reply_due_on=date(2026, 12, 30)
    )
    due = listed(engine, "Notices due")
    assert column(due, "answer until") == [date(2026, 11, 29), date(2026, 12, 30)]


def test_a_detail_without_a_reference_belongs_to_the_notice_of_its_case_and_day_only(engine: Engine) -> None:
    case = {"arn": "AD1"}
    put(engine, notices.NOTICES, **case, reference="N1", issued_on=date(2026, 11, 1), respond_by_on=None)
    put(engine, notices.NOTICES, **case, reference="N2", issued_on=date(2026, 11, 9), respond_by_on=None)
    put(
        engine, notices.DETAILS, **case, reference="", issued_on=date(2026, 11, 9),
        reply_due_on=date(2026, 12, 1),
    )  # fmt: skip
    found = listed(engine, "Notices due")
    assert list(zip(column(found, "reference"), column(found, "answer until"), strict=True)) == [
        ("N1", None),
        ("N2", date(2026, 12, 1)),
    ]


@pytest.mark.parametrize(
    ("issued_on", "is_listed"), [(date(2026, 10, 28), True), (date(2026, 10, 27), False)]
)
def test_a_recent_notice_whose_day_is_not_known_says_to_open_it(
    engine: Engine, issued_on: date, is_listed: bool
) -> None:
    put(engine, notices.NOTICES, arn="AD1", reference="N1", issued_on=issued_on, respond_by_on=None)
    found = listed(engine, "Notices due")
    what = ["Open it on the portal: its last day is not known."]
    assert (column(found, "what to do"), found.urgent) == (what if is_listed else [], 0)


@pytest.mark.parametrize(
    ("tax", "is_listed"),
    [(1800, False), (2000, False), (1799, True)],
    ids=["same tax", "more tax", "less tax"],
)
def test_a_pending_amendment_lapses_only_when_it_lowers_the_credit(
    engine: Engine, tax: int, is_listed: bool
) -> None:
    usual = {"supplier_gstin": gstin_of(5), "document_type": "INV", "return_period": "102026"}
    put(
        engine,
        ims.DOCUMENTS,
        **usual,
        section="B2B",
        action="A",
        document_number="I1",
        document_on=date(2026, 10, 5),
        igst_paise=1800,
    )
    put(
        engine, ims.DOCUMENTS, **usual, section="B2BA", action="P", document_number="I1A",
        original_number="I1", original_on=date(2026, 10, 5), igst_paise=tax,
    )  # fmt: skip
    assert bool(listed(engine, "IMS lapse").rows) is is_listed


def test_a_pending_amendment_whose_original_is_not_stored_is_listed_with_what_to_compare(
    engine: Engine,
) -> None:
    put(
        engine, ims.DOCUMENTS, supplier_gstin=gstin_of(5), document_type="INV", return_period="102026",
        section="B2BA", action="P", document_number="I1A", original_number="I1",
        original_on=date(2026, 10, 5), igst_paise=1800,
    )  # fmt: skip
    (advice,) = column(listed(engine, "IMS lapse"), "what to do")
    assert "which is not stored" in advice


def test_a_period_that_is_no_month_leaves_the_day_open_and_the_others_stand(engine: Engine) -> None:
    usual = {"section": "CN", "supplier_gstin": gstin_of(5), "document_type": "CN", "action": "P"}
    put(engine, ims.DOCUMENTS, **usual, document_number="ODD", return_period="992026")
    put(engine, ims.DOCUMENTS, **usual, document_number="GOOD", return_period="102026")
    assert column(listed(engine, "IMS lapse"), "number") == ["GOOD", "ODD"]


@pytest.mark.parametrize("status", ["Closed", "responded"])
def test_a_notice_that_a_tax_portal_calls_settled_waits_for_nobody(engine: Engine, status: str) -> None:
    put(engine, tds_notices.NOTICES, due_on=date(2026, 12, 1), status=status)
    assert all(not one.rows for one in tds_worklists(engine, ["C1"], DAY))


def test_what_is_known_of_notices_are_those_of_the_client_that_stand(engine: Engine) -> None:
    usual = {"arn": "AD1", "issued_on": date(2026, 11, 1)}
    put(engine, notices.NOTICES, **usual, reference="N1")
    put(engine, notices.DETAILS, **usual, reference="", notice_type="ASMT-10")
    known, other = (CONNECTOR.known(engine, client_id) for client_id in ("C1", "C2"))
    assert {name: set(known[name]) for name in known} == {
        notices.LISTED: {("N1", "AD1", date(2026, 11, 1))},
        notices.DETAILED: {("", "AD1", date(2026, 11, 1))},
    }
    assert {name: set(other[name]) for name in other} == {notices.LISTED: set(), notices.DETAILED: set()}
