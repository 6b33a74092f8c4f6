"""The wires of the simulated provider behave as the portal does: sessions, sealing, large files, limits, faults."""

import base64
import hashlib
import io
import json
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.faults import BODIES, PAYLOADS, TOXICS, Fault
from simulators.gst.portal import Settings
from simulators.gst.portal_files import write
from simulators.gst.process import start
from simulators.gst.records import flatten
from simulators.gst.truth import Truth
from tests.unit.simulators.simulated_gsp import Gsp, aes, undo

TODAY = date(2025, 12, 18)
PERIOD = "112025"
TWO_A = "v2.2/returns/gstr2a"
TWO_B = "v2.0/returns/gstr2b"
Json = dict[str, Any]


def make(tmp_path: Path, **options: Any) -> Gsp:
    return Gsp(tmp_path, **{"clients": 8, "documents": 20, "today": TODAY, **options})


def test_a_sealed_answer_opens_with_the_session_key_only(tmp_path: Path) -> None:
    gsp = make(tmp_path)
    first, second = gsp.portal.country.clients[:2]
    found = gsp.get(first, TWO_A, action="B2B", ret_period=PERIOD)
    assert found["fp"] == PERIOD
    answer = gsp.raw(first, TWO_A, action="B2B", ret_period=PERIOD)
    gsp.login(second)
    with pytest.raises(ValueError, match="padding"):
        undo(gsp.sessions[second.gstin][1], base64.b64decode(json.loads(answer.body)["rek"]))


def test_wrong_otp_lost_consent_expired_and_unknown_tokens_are_told_apart(tmp_path: Path) -> None:
    gsp = make(tmp_path)
    client = gsp.portal.country.clients[1]
    assert gsp.login(client, otp="abc")["error"]["error_cd"] == "AUTH4034"
    gsp.control("POST", "access", {"gstin": client.gstin, "enabled": False})
    assert gsp.login(client)["error"]["error_cd"] == "AUTH4037"
    gsp.control("POST", "access", {"gstin": client.gstin, "enabled": True})
    assert gsp.login(client)["expiry"] == 43200
    assert gsp.control("POST", "expire-token", {"gstin": client.gstin}) == {"expired": 1}
    assert gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD) == {"error": "AUTH4038"}
    token, key = gsp.sessions[client.gstin]
    fresh = b"k" * 32
    renewed = gsp.auth(
        client, "REFRESHTOKEN", auth_token=token, app_key=base64.b64encode(aes(key, fresh)).decode()
    )
    gsp.sessions[client.gstin] = (renewed["auth_token"], undo(fresh, base64.b64decode(renewed["sek"])))
    assert "b2b" in gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD)
    gsp.control("POST", "lapse-consent", {"gstin": client.gstin})
    assert gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD) == {"error": "AUTH4033"}
    gsp.sessions[client.gstin] = ("0" * 32, key)
    assert gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD) == {"error": "AUTH158"}


def test_a_token_never_opens_another_clients_data(tmp_path: Path) -> None:
    gsp = make(tmp_path)
    first, second = gsp.portal.country.clients[:2]
    assert gsp.get(first, TWO_A, action="B2B", ret_period=PERIOD, gstin=second.gstin) == {"error": "RET11402"}


def test_calendar_errors(tmp_path: Path) -> None:
    gsp = make(tmp_path, clients=40)
    client = gsp.portal.country.clients[0]
    assert gsp.get(client, TWO_B, action="GET2B", rtnprd="122025") == {"error": "RET2B1018"}
    quarterly = next(one for one in gsp.portal.country.clients if one.quarterly)
    assert gsp.get(quarterly, TWO_B, action="GET2B", rtnprd="102025") == {"error": "GTR2B-001"}
    behind = next(
        one for one in gsp.portal.country.clients if one.stopped_from == 2025 * 12 + 9 and not one.quarterly
    )
    assert gsp.get(behind, TWO_B, action="GET2B", rtnprd=PERIOD) == {"error": "GTR2B-002"}
    ledger = gsp.get(client, "v0.3/ledgers", action="CASH", fr_dt="01/12/2025", to_dt="31/12/2025")
    assert ledger == {"error": "LG9089"}


def test_large_section_comes_as_expiring_encrypted_files_that_add_up(tmp_path: Path) -> None:
    whole = make(tmp_path / "a", link_seconds=60)
    client = whole.portal.country.clients[0]
    expected = whole.get(client, TWO_A, action="B2B", ret_period=PERIOD)
    gsp = make(tmp_path / "b", queue_above=5, est_seconds=0.0, link_seconds=60)
    queued = gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD)
    assert set(queued) == {"est", "token"}
    ready = gsp.get(client, "v1.1/returns", action="FILEDET", ret_period=PERIOD, token=queued["token"])
    rows: list[Any] = []
    for one in ready["urls"]:
        path, _, tail = one["ul"].partition("?")
        answer = gsp.send("GET", f"/gsp{path}", dict(pair.split("=", 1) for pair in tail.split("&")))
        assert hashlib.sha256(answer.body).hexdigest() == one["hash"]
        with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
            members = archive.getmembers()
            assert len(members) > 1
            for member in members:
                handle = archive.extractfile(member)
                assert handle is not None
                inner = undo(base64.b64decode(ready["ek"]), base64.b64decode(handle.read()))
                rows += json.loads(base64.b64decode(inner))["b2b"]
        assert gsp.send("GET", f"/gsp{path}", {"md5": "x", "expires": "1"}).status == 403
    assert sorted(map(repr, flatten(rows))) == sorted(map(repr, flatten(expected["b2b"])))


def test_a_file_under_construction_answers_rtn_24(tmp_path: Path) -> None:
    gsp = make(tmp_path, queue_above=5, est_seconds=120.0)
    client = gsp.portal.country.clients[0]
    queued = gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD)
    assert queued["est"] == "2"
    query = {"action": "FILEDET", "ret_period": PERIOD, "token": queued["token"]}
    assert gsp.get(client, "v1.1/returns", **query) == {"error": "RTN_24"}


def test_pages_of_a_large_2b_add_up_to_the_whole(tmp_path: Path) -> None:
    whole, gsp = make(tmp_path / "a"), make(tmp_path / "b", page_above=7)
    client = gsp.portal.country.clients[0]
    expected = whole.get(client, TWO_B, action="GET2B", rtnprd=PERIOD)
    first = gsp.get(client, TWO_B, action="GET2B", rtnprd=PERIOD)
    assert "docdata" not in first["data"]
    assert first["chksum"] == expected["chksum"]
    rows = []
    for number in range(1, first["data"]["fc"] + 1):
        page = gsp.get(client, TWO_B, action="GET2B", rtnprd=PERIOD, file_num=number)
        rows += [repr(one) for part in page["data"]["docdata"].values() for one in flatten(part)]
    assert sorted(rows) == sorted(
        repr(o) for part in expected["data"]["docdata"].values() for o in flatten(part)
    )


def test_the_rate_limit_answers_429_with_retry_after(tmp_path: Path) -> None:
    gsp = make(tmp_path, rate_per_minute=5)
    client = gsp.portal.country.clients[0]
    answers = [gsp.raw(client, TWO_A, action="B2B", ret_period=PERIOD) for _ in range(5)]
    assert answers[-1].status == 429
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61


@pytest.mark.parametrize("code", ["RET12501", "RET191166", "IMSSAV0015", "RET13504", "AUTH403", "RTN_25"])
def test_any_error_code_can_be_armed_for_a_number_of_times(tmp_path: Path, code: str) -> None:
    gsp = make(tmp_path)
    client = gsp.portal.country.clients[0]
    gsp.control("POST", "faults", {"name": f"error_code:{code}", "gstin": client.gstin, "times": 1})
    assert gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD) == {"error": code}
    assert "b2b" in gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD)


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_fault_changes_the_payload_once(tmp_path: Path, name: str) -> None:
    gsp = make(tmp_path)
    client = gsp.portal.country.clients[0]
    clean = gsp.get(client, TWO_B, action="GET2B", rtnprd=PERIOD)
    gsp.control("POST", "faults", {"name": name, "times": 1})
    assert gsp.get(client, TWO_B, action="GET2B", rtnprd=PERIOD) != clean
    assert gsp.get(client, TWO_B, action="GET2B", rtnprd=PERIOD) == clean


def test_unknown_faults_are_refused(tmp_path: Path) -> None:
    assert "no fault" in make(tmp_path).control("POST", "faults", {"name": "gremlin"})["error"]
    assert all(Fault(name).code is None for name in (*TOXICS, *BODIES))


def test_the_sandbox_wire_serves_the_same_content(tmp_path: Path) -> None:
    gsp = make(tmp_path)
    client = gsp.portal.country.clients[0]
    base, key = "/sandbox/gst/compliance", {"x-api-key": "sandbox-key", "x-api-secret": "sandbox-secret"}
    app = json.loads(gsp.send("POST", "/sandbox/authenticate", None, {}, **key).body)["access_token"]
    who = {"gstin": client.gstin, "username": client.username}
    gsp.send("POST", f"{base}/tax-payer/otp", None, who, **key, authorization=app)
    otp = gsp.control("GET", "otp", username=client.username)["otp"]
    login = gsp.send("POST", f"{base}/tax-payer/otp/verify", {"otp": otp}, who, **key, authorization=app)
    headers = {**key, "authorization": json.loads(login.body)["data"]["access_token"]}

    def get(path: str, **query: str) -> Any:
        return json.loads(gsp.send("GET", f"{base}/tax-payer/{path}", query, None, **headers).body)["data"]

    raw = gsp.get(client, TWO_B, action="GET2B", rtnprd=PERIOD)
    assert get("gstrs/gstr-2b/2025/11")["data"]["data"]["docdata"] == raw["data"]["docdata"]
    assert get("gstrs/gstr-2a/b2b/2025/11")["data"] == gsp.get(client, TWO_A, action="B2B", ret_period=PERIOD)
    for path in (
        "gstr-1/doc-issue/2025/11",
        "gstr-1/2025/11",
        "gstr-1a/b2b/2025/11",
        "gstr-3b/2025/11",
        "preference",
    ):
        assert get(f"gstrs/{path}")["status_cd"] == "1", path
    assert "all_oth" in get("invoices/count")["data"]
    assert "cl_bal" in get("ledgers/cash", **{"from": "01/11/2025", "to": "30/11/2025"})["data"]
    assert get("ledgers/bal/2025/11")["data"]["itc_bal"]
    assert get("gstrs/gstr-2b/2025/12")["error"]["error_cd"] == "RET2B1018"
    headers["authorization"] = "nobody"
    assert gsp.send("GET", f"{base}/tax-payer/preference", None, None, **headers).status == 401


def test_the_truth_holds_exactly_what_was_served(tmp_path: Path) -> None:
    gsp = make(tmp_path)
    client = gsp.portal.country.clients[0]
    served = gsp.get(client, TWO_A, action="CDN", ret_period=PERIOD)
    gsp.get(client, TWO_A, action="CDN", ret_period=PERIOD)
    gsp.control("GET", "truth")
    rows = [one for one in Truth(tmp_path / "truth.jsonl").every() if one.section == "cdn"]
    assert len(rows) == 2 * len(list(flatten(served["cdn"])))
    newest = list(Truth(tmp_path / "truth.jsonl"))
    assert len(newest) == len(rows) // 2
    assert {dict(key)["ctin"] for _, _, _, _, key, _ in newest} == {one["ctin"] for one in served["cdn"]}


def test_hand_downloaded_files_are_written_plain_and_zipped(tmp_path: Path) -> None:
    paths = write(tmp_path, Settings(clients=3, today=TODAY), 2025 * 12 + 10, [0])
    assert {one.suffix for one in paths} == {".json", ".zip"}
    assert {one.name.split("_")[0] for one in paths} == {
        "GSTR2B",
        "GSTR2A",
        "GSTR1",
        "GSTR3B",
        "IMS",
        "CASH",
        "ITC",
        "TAX",
    }


def test_a_process_serves_on_loopback_and_toxics_reach_the_socket(tmp_path: Path) -> None:
    with start(tmp_path, clients=5, today="2025-12-18") as running, httpx.Client(base_url=running.url) as web:
        assert web.get("/_control/health").json()["clients"] == 5
        assert (tmp_path / "clients.csv").read_text().count("\n") == 6
        account = json.loads((tmp_path / "provider.json").read_text())
        assert account["gsp"]["base_url"].startswith(running.url)
        assert web.get("/gsp/taxpayerapi/v1.1/returns").json()["error"]["error_cd"] == "AUT4033"
        public = "/sandbox/gst/compliance/public/gstin/search"
        keys = {"x-api-key": "sandbox-key", "x-api-secret": "sandbox-secret"}
        app = web.post("/sandbox/authenticate", headers=keys).json()["access_token"]
        ask = {**keys, "authorization": app}
        for name, wrong in (
            ("down", httpx.RemoteProtocolError),
            ("limit_data", httpx.RemoteProtocolError),
            ("reset_peer", httpx.ReadError),
        ):
            web.post("/_control/faults", json={"name": name, "endpoint": "public", "times": 1})
            with pytest.raises(wrong):
                web.get(public, headers=ask)
        web.post("/_control/faults", json={"name": "http_503", "endpoint": "public", "times": 1})
        assert web.get(public, headers=ask).status_code == 503
        web.post("/_control/faults", json={"name": "html_page", "endpoint": "public", "times": 1})
        assert "html" in web.get(public, headers=ask).text
        web.post("/_control/faults", json={"name": "slicer", "endpoint": "public", "times": 1})
        assert web.get(public, headers=ask).json()["data"]["error"]["error_cd"] == "FO8000"
    assert running.process.returncode == 0


def test_a_blocked_2b_can_be_generated_once_the_earlier_3b_is_filed(tmp_path: Path) -> None:
    gsp = make(tmp_path, clients=40)
    country = gsp.portal.country
    behind = next(one for one in country.clients if one.stopped_from == 2025 * 12 + 9 and not one.quarterly)
    assert gsp.generate(behind, PERIOD) == {"error": "RET2B1023"}
    for _ in range(8):
        gsp.control("POST", "new-day")
        found = gsp.generate(behind, PERIOD)
        if "reference_id" in found:
            break
    status = gsp.get(behind, "v4.0/returns/gstr2b", action="GENSTS2B", int_tran_id=found["reference_id"])
    assert status["status_cd"] == "P"
    statement = gsp.get(behind, TWO_B, action="GET2B", rtnprd=PERIOD)
    assert statement["data"]["gendt"] == gsp.portal.today.strftime("%d-%m-%Y")
    assert gsp.generate(behind, PERIOD) == {"error": "IMS2005"}
