"""The statements of the simulated country agree with each other, for any seed."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from simulators.gst import identifiers, periods
from simulators.gst.books import HEADS
from simulators.gst.inward import IMS_KEYS
from simulators.gst.outward import ACTIONS
from simulators.gst.parties import Client
from simulators.gst.portal import PortalError
from simulators.gst.records import flatten, paise
from tests.unit.simulators.simulated_gsp import Gsp

TODAY = date(2025, 12, 18)
MONTH = periods.of(TODAY) - 1
PERIOD = periods.show(MONTH)
Json = dict[str, Any]


@pytest.fixture(params=[1, 2, 3])
def gsp(request: pytest.FixtureRequest, tmp_path: Path) -> Gsp:
    keys = request.config.cache.mkdir("simulator_keys")
    for name in ("portal_key.pem", "portal_cert.pem"):
        if (keys / name).exists():
            (tmp_path / name).write_bytes((keys / name).read_bytes())
    made = Gsp(tmp_path, clients=12, documents=30, seed=request.param, today=TODAY, truth=False)
    for name in ("portal_key.pem", "portal_cert.pem"):
        (keys / name).write_bytes((tmp_path / name).read_bytes())
    return made


def payload(gsp: Gsp, client: Client, statement: str, action: str, **params: str) -> Json | None:
    try:
        return gsp.portal.ask(client, statement, action, params).payload
    except PortalError:
        return None


@pytest.mark.parametrize("known", ["27AAPFU0939F1ZV", "24AUTPV8831F1ZZ", "29AAFCC9980M1ZR"])
def test_known_gstins_have_a_right_check_character(known: str) -> None:
    assert identifiers.is_valid_gstin(known)
    assert not identifiers.is_valid_gstin(known[:-1] + ("0" if known[-1] != "0" else "1"))


def test_every_party_has_a_valid_gstin_of_its_own(gsp: Gsp) -> None:
    country = gsp.portal.country
    found = [one.gstin for one in country.clients]
    found += [country.supplier(n).gstin for n in range(500)] + [country.customer(n).gstin for n in range(500)]
    assert all(identifiers.is_valid_gstin(one) for one in found)
    assert len(set(found)) == len(found)


def test_2b_documents_add_up_to_both_summaries(gsp: Gsp) -> None:
    checked = 0
    for client in gsp.portal.country.clients:
        for month in (MONTH, MONTH - 3, periods.FLAT_2B_FROM - 1):
            found = payload(gsp, client, "GSTR2B", "GET2B", rtnprd=periods.show(month))
            if found is None:
                continue
            checked += 1
            data = found["data"]
            _check_leaves(data)
            for section, parties in data["cpsumm"].items():
                if section == "itcrev":
                    continue
                rows = list(flatten(data["docdata"][section]))
                assert sum(one["ttldocs"] for one in parties) == len(rows)
                for head in HEADS:
                    assert sum(paise(one[head]) for one in parties) == sum(
                        dict(r.values).get(head, 0) for r in rows
                    )
    assert checked > 10


def _check_leaves(data: Json) -> None:
    expected = {"itcavl": [0] * 4, "itcunavl": [0] * 4}
    for section in ("b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma"):
        for group in data["docdata"].get(section, []):
            for row in group.get("inv", group.get("nt", [])):
                side = expected["itcavl" if row["itcavl"] == "Y" else "itcunavl"]
                for record in flatten([row]):
                    for place, head in enumerate(HEADS):
                        side[place] += dict(record.values).get(head, 0)
    for side_name, totals in expected.items():
        groups = data["itcsumm"][side_name]
        for place, head in enumerate(HEADS):
            leaves = sum(
                paise(groups[group][leaf][head])
                for group in ("nonrevsup", "revsup", "othersup")
                for leaf in groups[group]
                if leaf not in {*HEADS, "isd", "isda"}
            )
            assert leaves == totals[place]


def test_a_suppliers_invoice_reaches_2a_2b_and_ims_of_the_buyer(gsp: Gsp) -> None:
    seen = 0
    for client in gsp.portal.country.clients:
        sold = payload(gsp, client, "GSTR1", "B2B", ret_period=PERIOD) or {}
        for group in sold.get("b2b", []):
            buyer = gsp.portal.country.by_gstin.get(group["ctin"])
            if buyer is None:
                continue
            two_a = payload(gsp, buyer, "GSTR2A", "B2B", ret_period=PERIOD)
            assert two_a is not None
            mine = {r["inum"]: r["val"] for g in two_a["b2b"] if g["ctin"] == client.gstin for r in g["inv"]}
            assert mine == {row["inum"]: row["val"] for row in group["inv"]}
            seen += 1
    assert seen > 5


def test_retsum_equals_its_section_rows(gsp: Gsp) -> None:
    for client in gsp.portal.country.clients[:6]:
        summary = payload(gsp, client, "GSTR1", "RETSUM", ret_period=PERIOD)
        if summary is None:
            continue
        counts = {one["sec_nm"]: one["ttl_rec"] for one in summary["sec_sum"]}
        names = {"hsn": "HSN", "txpd": "TXPD", "txpda": "TXPDA", "doc_issue": "DOC_ISSUE"}
        for action, key in ACTIONS.items():
            found = payload(gsp, client, "GSTR1", action, ret_period=PERIOD)
            rows = list(flatten(found[key])) if found else []
            assert counts.get(names.get(key, key.upper()), 0) == len(rows), action


def test_ims_counts_equal_its_rows(gsp: Gsp) -> None:
    for client in gsp.portal.country.clients[:6]:
        counts = payload(gsp, client, "IMS", "GETCNT") or {}
        leaves = {**counts["all_oth"], **counts["imp_gds"]}
        for section, key in IMS_KEYS.items():
            found = payload(gsp, client, "IMS", "GETINV", section=section) or {key: []}
            assert sum(leaves[key].values()) == len(found[key])


def test_ledgers_conserve_and_windows_join(gsp: Gsp) -> None:
    for client in gsp.portal.country.clients:
        for action in ("CASH", "ITC"):
            ends = []
            for since, until in (("01/04/2025", "18/09/2025"), ("19/09/2025", "18/12/2025")):
                found = payload(gsp, client, "LEDGER", action, fr_dt=since, to_dt=until) or {}
                body = found.get("itcLdgDtls", found)
                moved = sum(paise(r["tot_tr_amt"]) * (1 if r["tr_typ"] == "Cr" else -1) for r in body["tr"])
                opening, closing = (paise(body[name]["tot_rng_bal"]) for name in ("op_bal", "cl_bal"))
                assert opening + moved == closing >= 0
                ends.append((opening, closing))
            assert ends[0][1] == ends[1][0]
        tax = payload(gsp, client, "LEDGER", "TAX", ret_period=PERIOD) or {}
        raised = sum(paise(r["tot_tr_amt"]) * (1 if r["tr_typ"] == "Dr" else -1) for r in tax["tr"])
        assert raised == paise(tax["cl_bal"]["tot_rng_bal"])


def test_3b_pays_its_liability_and_takes_credit_from_2b(gsp: Gsp) -> None:
    paid = 0
    for client in gsp.portal.country.clients:
        found = payload(gsp, client, "GSTR3B", "RETSUM", ret_period=PERIOD)
        if found is None:
            continue
        paid += 1
        elg, pay = found["itc_elg"], found["tx_pmt"]
        for head in ("iamt", "camt", "samt", "csamt"):
            gain = sum(paise(one[head]) for one in elg["itc_avl"]) - sum(
                paise(one[head]) for one in elg["itc_rev"]
            )
            assert gain == paise(elg["itc_net"][head])
        for head, letter, cash in (("igst", "i_", "ipd"), ("cgst", "c_", "cpd"), ("sgst", "s_", "spd")):
            due = sum(paise(one[head]["tx"]) for one in pay["tx_py"])
            credit = sum(paise(v) for k, v in pay["pditc"].items() if k.startswith(letter + "pd"))
            assert credit + paise(pay["pdcash"][0][cash]) == due
    assert paid


def test_showcase_client_has_every_section(gsp: Gsp) -> None:
    client = gsp.portal.country.clients[0]
    for action in ACTIONS:
        assert payload(gsp, client, "GSTR1", action, ret_period=PERIOD), action
        assert payload(gsp, client, "GSTR1A", action, ret_period=PERIOD), action
    for action in ("B2B", "B2BA", "CDN", "CDNA", "ISD", "IMPG", "IMPGSEZ", "ECOM", "ECOMA", "TDS", "TCS"):
        assert payload(gsp, client, "GSTR2A", action, ret_period=PERIOD), action
    for section in IMS_KEYS:
        assert payload(gsp, client, "IMS", "GETINV", section=section), section
    data = (payload(gsp, client, "GSTR2B", "GET2B", rtnprd=PERIOD) or {})["data"]
    wanted = {"b2b", "b2ba", "cdnr", "cdnra", "isd", "isda", "impg", "impgsez", "ecom", "ecoma", "itcrev"}
    assert set(data["docdata"]) == wanted
    assert data["docRejdata"]


def test_old_2b_has_items_and_new_2b_is_flat(gsp: Gsp) -> None:
    client = gsp.portal.country.clients[0]
    for month, nested in ((periods.FLAT_2B_FROM - 1, True), (periods.FLAT_2B_FROM, False)):
        found = payload(gsp, client, "GSTR2B", "GET2B", rtnprd=periods.show(month)) or {}
        row = found["data"]["docdata"]["b2b"][0]["inv"][0]
        assert ("items" in row) is nested
        assert ("igst" in row) is not nested


def test_a_new_day_changes_some_statements_and_leaves_the_rest_identical(gsp: Gsp) -> None:
    def texts() -> dict[str, bytes]:
        return {
            f"{client.gstin} {action}": gsp.portal.ask(client, "GSTR2A", action, {"ret_period": PERIOD}).text
            for client in gsp.portal.country.clients
            for action in ("B2B",)
        }

    before = texts()
    report = gsp.control("POST", "new-day")
    after = texts()
    changed = {key.split()[0] for key in before if before[key] != after[key]}
    filed = {one[0] for one in report["filed"]}
    assert set(report["added"]) <= changed
    assert set(report["deleted"]) <= changed
    assert filed or report["deposited"]
    assert len(changed) < len(before)
    assert gsp.portal.today == date(2025, 12, 19)
