"""The old portal: grids, masked amounts, consumption, the request queue, demand and certificates."""

from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

from simulators.tds.records import Challan, Deductor, DownloadRequest, Quarter
from simulators.traces import show
from tests.unit.simulators.simulated_traces import DED, TODAY, Traces, population, traces

Json = dict[str, Any]
WIDE = {"sdate": "01-Apr-2010", "edate": "31-Mar-2030"}


class Cells(HTMLParser):
    """The rows of cells of every table of a page by its id, and the links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.links: list[str] = []
        self._rows: list[list[str]] = []
        self._open = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "table":
            self._rows = self.tables.setdefault(known["id"] or "", [])
        if tag == "tr":
            self._rows.append([])
        if tag in {"td", "th"}:
            self._rows[-1].append("")
            self._open = True
        if tag == "a":
            self.links.append(known["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self._rows[-1][-1] += data


def paise(text: str) -> int:
    found = show.read_rupees(text)
    assert found is not None
    return found


def many_challans(deductor: Deductor, count: int) -> None:
    deductor.challans = [
        Challan("1961", "", f"C{at}", f"{at % 7:07d}", f"{at:05d}", date(2025, 5, 7), (at * 100, 0, 0, 0, 0, 0), "94C")
        for at in range(1, count + 1)
    ]  # fmt: skip


def consumption(one: Traces, row: Json, amount: int, **changes: str) -> Json:
    params = {
        "reqtype": "2", "recptNum": row["recptNum"], "chlnSNo": row["chlnSNo"], "chlnAmt": show.rupees(amount),
        "dateOfDep": row["dateOfDep"], "bsrCode": row["bankCode"] + row["branchCode"], **changes,
    }  # fmt: skip
    found: Json = one.servlet("ChlnStatusServlet", **params).json()
    return found


def by_row(one: Traces) -> list[tuple[Json, Challan]]:
    rows = one.grid("ChlnStatusServlet", reqtype="0", cstatus="A", **WIDE)
    known = {(each.bsr, each.serial, show.dmy(each.paid_on)): each for each in one.one.challans}
    return [
        (row, known[row["bankCode"] + row["branchCode"], row["chlnSNo"], row["dateOfDep"]]) for row in rows
    ]


def test_the_pages_of_a_grid_are_the_whole_list() -> None:
    deductors = population()
    many_challans(deductors[0], 250)
    with traces(deductors) as one:
        one.enter()
        first = one.servlet("GetUnconChlnDetailServlet", reqtype="0").json()
        assert (first["page"], first["total"], first["records"], len(first["rows"])) == (1, 3, 250, 100)
        rows = one.grid("GetUnconChlnDetailServlet", reqtype="0")
        assert sorted(int(row["chlnsrno"]) for row in rows) == list(range(1, 251))
        after = one.servlet("GetUnconChlnDetailServlet", reqtype="0", page="4").json()
        assert (after["records"], after["rows"]) == (250, [])


def test_an_empty_grid_has_no_pages() -> None:
    deductors = population()
    deductors[0].challans.clear()
    with traces(deductors) as one:
        one.enter()
        found = one.servlet("GetUnconChlnDetailServlet", reqtype="0").json()
        assert found == {"page": 1, "total": 0, "records": 0, "rows": []}


def test_every_statement_of_the_old_act_is_in_the_grid_of_its_quarter_and_form() -> None:
    with traces() as one:
        one.enter()
        seen = set()
        for year in range(2021, 2027):
            for code in show.QUARTER_CODES.values():
                for form in one.one.forms:
                    asked = {"financialYear": str(year), "quarter": code, "formType": form}
                    for row in one.grid("DedStmtStatusServlet", reqType="1", **asked):
                        assert (row["finyear"], row["formtype"]) == (show.year(year), form)
                        seen.add(row["tokenno"])
        assert seen == {each.token for each in one.one.statements if each.quarter.act == "1961"}


def test_a_rejected_statement_tells_why_and_others_do_not() -> None:
    with traces() as one:
        one.enter()
        rejected = next(
            each for each in one.one.statements if each.status == "Rejected" and each.quarter.act == "1961"
        )
        asked = {
            "financialYear": str(rejected.quarter.start),
            "quarter": show.QUARTER_CODES[rejected.quarter.number],
            "formType": rejected.form,
        }
        rows = one.grid("DedStmtStatusServlet", reqType="1", **asked)
        for row in rows:
            reasons = one.servlet("DedStmtStatusServlet", reqType="5", tokenno=row["tokenno"], **asked).json()
            assert bool(reasons) == (row["status"] == "Rejected") == (row["reason"] is not None)
            if reasons:
                assert reasons == [{"failMsg": rejected.reason}]
        assert rejected.token in {row["tokenno"] for row in rows}


def test_a_statement_is_pending_until_its_processing_day() -> None:
    with traces() as one:
        one.enter()
        filed = next(each for each in one.one.statements if each.processed_on and each.form == "26Q")
        assert filed.processed_on
        asked = {
            "financialYear": str(filed.quarter.start),
            "quarter": show.QUARTER_CODES[filed.quarter.number],
            "formType": filed.form,
        }
        one.day = filed.processed_on - timedelta(days=1)
        found = {row["tokenno"]: row for row in one.grid("DedStmtStatusServlet", reqType="1", **asked)}
        assert found[filed.token]["status"] == "Pending for Processing"
        assert found[filed.token]["dtofprcng"] == ""
        one.day = filed.filed_on - timedelta(days=1)
        rows = one.grid("DedStmtStatusServlet", reqType="1", **asked)
        assert filed.token not in {row["tokenno"] for row in rows}


def test_the_list_of_challans_tells_no_amounts() -> None:
    with traces() as one:
        one.enter()
        rows = by_row(one)
        assert {row["chlnAmt"] for row, _ in rows} == {""}
        assert {row["chlnStatus"] for row, _ in rows} == {"Claimed", "Unclaimed", "Overbooked"}
        unclaimed = one.grid("ChlnStatusServlet", reqtype="0", cstatus="U", **WIDE)
        claimed = one.grid("ChlnStatusServlet", reqtype="0", cstatus="M", **WIDE)
        assert {row["chlnStatus"] for row in unclaimed} == {"Unclaimed"}
        assert len(claimed) + len(unclaimed) == len(rows)


def test_consumption_and_what_is_left_make_the_amount_of_every_claimed_challan() -> None:
    with traces() as one:
        one.enter()
        checked = 0
        for row, challan in by_row(one):
            claims = consumption(one, row, challan.amount)["rows"]
            assert bool(claims) == (row["chlnStatus"] != "Unclaimed")
            if not claims:
                continue
            names = ("claimAmt", "claimIntAmt", "claimOthAmt")
            used = sum(paise(each[name]) for each in claims for name in names)
            (left,) = {paise(each["availAmt"]) for each in claims}
            (excess,) = {paise(each["excessAmt"]) for each in claims}
            assert used + left - excess == challan.amount
            assert (excess > 0) == (row["chlnStatus"] == "Overbooked")
            checked += 1
        assert checked > 40


def test_consumption_is_shown_only_for_the_right_amount() -> None:
    with traces() as one:
        one.enter()
        row, challan = next(found for found in by_row(one) if found[0]["chlnStatus"] == "Claimed")
        for wrong in (
            consumption(one, row, challan.amount + 1),
            consumption(one, row, challan.amount, chlnAmt=""),
            consumption(one, row, challan.amount, recptNum="1"),
            consumption(one, row, challan.amount, bsrCode="9999999"),
        ):
            assert wrong["rows"] == []
            assert "amount" in wrong["errorMsg"]
        bare = consumption(one, row, challan.amount, chlnSNo=row["chlnSNo"].lstrip("0"))
        assert bare["rows"]
        single = consumption(one, row, challan.amount, reqtype="1")["rows"]
        assert single == [{**row, "chlnAmt": show.rupees(challan.amount)}]


def test_unconsumed_challans_are_those_with_something_left() -> None:
    with traces() as one:
        one.enter()
        rows = one.grid("GetUnconChlnDetailServlet", reqtype="0")
        expected = {
            (each.bsr, int(each.serial)): each.amount - each.consumed
            for each in one.one.challans
            if each.act == "1961" and each.on_traces and each.consumed < each.amount
        }
        found = {(row["chlnbsrcode"], int(row["chlnsrno"])): paise(row["hidunconschlnamt"]) for row in rows}
        assert found == expected
        assert not any(row["chlnsrno"].startswith("0") for row in rows)


def test_a_challan_is_unclaimed_before_its_statement_is_filed() -> None:
    with traces() as one:
        one.enter()
        challan = next(each for each in one.one.challans if each.act == "1961" and each.claims)
        one.day = challan.paid_on
        found = [row for row, each in by_row(one) if each is challan]
        assert [row["chlnStatus"] for row in found] == ["Unclaimed"]


def test_a_challan_that_the_bank_has_not_reported_is_on_neither_portal() -> None:
    with traces() as one:
        one.enter()
        missing = {each.serial for each in one.one.challans if not each.on_traces}
        assert missing
        assert not missing & {row["chlnSNo"] for row, _ in by_row(one)}
        body = {"tan": one.one.tan, "fromDate": "2026-04-01", "toDate": TODAY.isoformat()}
        found = one.post("/oltaschallancorrection/deductor/bin/periodOfpayment", body, size=50).json()
        assert not missing & {row["challanSerialNo"] for row in found["content"]}


def test_the_two_tabs_of_the_inbox_part_the_notices() -> None:
    with traces() as one:
        one.enter()
        tabs = [one.grid("CommInboxServlet", reqtype="0", commClassify=tab) for tab in ("1", "0")]
        mine = [each for each in one.one.notices if each.portal == "traces"]
        found = [{row["commRefNo"] for row in rows} for rows in tabs]
        assert found[0] == {each.reference for each in mine if each.needs_action}
        assert found[1] == {each.reference for each in mine if not each.needs_action}
        certificates = {row["certNum"] for row in tabs[1] if row["comcatid"] == "42"}
        assert certificates == {each.number for each in one.one.certificates if each.act == "1961"}


def test_a_requested_file_is_submitted_until_its_day_and_then_takes_its_status() -> None:
    deductors = population()
    outcomes = ("Available", "Failed", "Disabled", "Not Available")
    deductors[0].requests = [
        DownloadRequest(str(at), TODAY, Quarter(2025, 4), "26Q", "JR", TODAY + timedelta(days=2), status)
        for at, status in enumerate(outcomes)
    ]
    with traces(deductors) as one:
        one.enter()
        expected = {"0": "Submitted", "1": "Submitted", "2": "Submitted", "3": "Submitted"}
        for day in (TODAY, TODAY + timedelta(days=1)):
            one.day = day
            rows = one.grid("GetReqListServlet", reqtype="0")
            assert {row["reqNo"]: row["status"] for row in rows} == expected
        one.day = TODAY + timedelta(days=2)
        rows = one.grid("GetReqListServlet", reqtype="0")
        assert {row["reqNo"]: row["status"] for row in rows} == dict(zip("0123", outcomes, strict=True))
        assert next(row for row in rows if row["status"] == "Failed")["remarks"] == "Contact CPC"
        assert one.grid("GetReqListServlet", reqtype="2", reqNo="1")[0]["reqNo"] == "1"
        days = {"frmDate": "01-Apr-2025", "toDate": show.dmy(TODAY - timedelta(days=1))}
        assert one.grid("GetReqListServlet", reqtype="1", **days) == []


def test_prior_years_sum_to_the_aggregate_row_which_stands_first() -> None:
    with traces() as one:
        one.enter()
        rows = one.servlet("TagChallanServlet", reqtype="0").json()["rows"]
        prior = one.servlet("TagChallanServlet", reqtype="1").json()["rows"]
        assert (rows[0]["finYr"], rows[0]["fin"]) == ("Prior Years", "1")
        assert len(prior) > 1
        for name in ("aodmnd", "cpcdmd"):
            assert paise(rows[0][name]) == sum(paise(row[name]) for row in prior)
        assert {row["fin"] for row in rows[1:]}.isdisjoint(row["fin"] for row in prior)
        total = sum(each.manual + each.processed for each in one.one.demands)
        assert sum(paise(row["aodmnd"]) + paise(row["cpcdmd"]) for row in rows) == total


def test_without_prior_years_there_is_no_aggregate_row() -> None:
    with traces(prior_before=2007) as one:
        one.enter()
        rows = one.servlet("TagChallanServlet", reqtype="0").json()["rows"]
        assert [row["fin"] for row in rows] == [str(each.year_start) for each in one.one.demands]
        assert one.servlet("TagChallanServlet", reqtype="1").json() == {"rows": []}


def test_quarters_sum_to_the_year_and_defaults_round_to_the_quarter() -> None:
    with traces() as one:
        one.enter()
        for demand in one.one.demands:
            page = Cells(one.web.get(f"{DED}viewdemandsum.xhtml", params={"fy": str(demand.year_start)}).text)
            rows = page.tables["demandsumFY1"][1:]
            assert sum(paise(row[2]) for row in rows) == demand.processed
            assert len(page.links) == len(rows)
            for link, row in zip(page.links, rows, strict=True):
                detail = Cells(one.web.get(f"{DED}{link}").text).tables
                facts = {line[0]: line[1] for line in detail["stmtdetails"]}
                payable = sum(paise(line[4]) for line in detail["defaultsummary"][1:])
                assert facts["Net Payable (Rounded off)"] == row[2]
                assert (payable + 500) // 1000 * 1000 == paise(row[2])
                assert facts["Token Number"][4:11] == "XXXXXXX"
                assert len(facts["Token Number"]) == 15


def test_a_corrected_quarter_shows_the_correction_and_hides_what_it_cured() -> None:
    with traces() as one:
        one.enter()
        page = Cells(one.web.get(f"{DED}viewdemandsum.xhtml?fy=2025").text)
        cured = [
            each
            for each in one.one.statements
            if each.quarter.start == 2025 and each.kind == "Correction" and each.status.endswith("Without Defaults")
        ]  # fmt: skip
        shown = {(row[0], row[1]) for row in page.tables["demandsumFY1"]}
        assert cured
        assert not shown & {(f"Q{each.quarter.number}", each.form) for each in cured}
        each = cured[0]
        query = {"fy": "2025", "qr": show.QUARTER_CODES[each.quarter.number], "ft": each.form}
        empty = Cells(one.web.get(f"{DED}demsummary.xhtml", params=query).text).tables
        assert list(empty) == ["defaultsummary"]
        assert len(empty["defaultsummary"]) == 1


def test_certificates_are_verified_by_pan_year_and_number() -> None:
    with traces() as one:
        one.enter()
        for each in one.one.certificates:
            asked = {"reqType": "1", "deducteePan": each.pan, "financialYear": each.year[:4]}
            whole = one.servlet("CertiVerifyServlet", **asked).json()["rows"]
            single = one.servlet("CertiVerifyServlet", certiNo=each.number, **asked).json()["rows"]
            if each.act == "2025":
                assert whole == single == []
                continue
            assert each.number in {row["certino"] for row in whole}
            (row,) = single
            assert (row["rateoftds"], paise(row["certilimit"])) == (each.rate, each.limit)
            assert (row["canceldt"] != "") == (each.cancelled_on is not None)
        other = one.deductors[1].pan
        asked = {"reqType": "1", "deducteePan": other, "financialYear": "2025"}
        assert one.servlet("CertiVerifyServlet", **asked).json()["rows"] == []


def test_fresh_sessions_find_nothing_for_the_first_calls() -> None:
    with traces(unsettled_calls=2) as one:
        one.enter()
        assert "Welcome" in one.web.get(f"{DED}dashboard.xhtml").text
        for _ in range(2):
            found = one.servlet("TagChallanServlet", reqtype="0")
            assert found.headers["content-type"].startswith("text/html")
            assert "Requested resource could not be found" in found.text
        assert one.servlet("TagChallanServlet", reqtype="0").json()["rows"]
        one.portal.unsettled_calls = 0
        one.enter()
        assert one.servlet("TagChallanServlet", reqtype="0").json()["rows"]


def test_a_question_that_cannot_be_read_is_refused() -> None:
    with traces() as one:
        one.enter()
        assert (
            one.servlet("ChlnStatusServlet", reqtype="0", cstatus="A", sdate="2025-04-01").status_code == 400
        )
        assert one.servlet("DedStmtStatusServlet", reqType="1", quarter="3").status_code == 400
        dates = {"sdate": "01-Foo-2025", "edate": "31-Mar-2026"}
        assert one.servlet("ChlnStatusServlet", reqtype="0", cstatus="A", **dates).status_code == 400
