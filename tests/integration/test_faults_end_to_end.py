"""Every fault of the simulated portal, each armed for one client: what becomes of that client, and of nobody else.

One night has all faults at once, one client each, beside clients without any; a night without faults on another
warehouse is what bystanders are compared with. Invariant: a fault never ends as ``empty`` or as clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from clientsync.sync import service
from simulators.gst.process import Running
from tests.support.checker import DONE, FAILURES, check
from tests.support.real_portal import Installation, installed, start_portal

pytestmark = pytest.mark.integration

MODULE = "gstr2b"
EXPECTED: dict[str, tuple[str, str, bool]] = {
    # fault: (outcome, code in the exception report, whether a raw answer is kept)
    "html_page": ("transient", "SOURCE_UNAVAILABLE", False),
    "empty_body": ("transient", "SOURCE_UNAVAILABLE", False),
    "truncated_json": ("transient", "TRUNCATED_RESPONSE", False),
    "oversize": ("broken", "RESPONSE_TOO_LARGE", False),
    "gzip_bomb": ("broken", "RESPONSE_TOO_LARGE", False),
    "unknown_field": ("loaded", "SCHEMA-NEW-FIELD", True),
    "missing_field": ("suspect", "TOTALS_DISAGREE", True),
    "type_change": ("suspect", "TOTALS_DISAGREE", True),
    "wrong_gstin": ("suspect", "IDENTITY_MISMATCH", True),
    "wrong_period": ("suspect", "IDENTITY_MISMATCH", True),
    "bad_hmac": ("broken", "SEAL_BROKEN", False),
    "http_429": ("transient", "RATE_LIMITED", False),
    "http_503": ("transient", "SOURCE_UNAVAILABLE", False),
    "reset_peer": ("transient", "SOURCE_UNAVAILABLE", False),
    "totals_disagree": ("suspect", "TOTALS_DISAGREE", True),
    "poison_row": ("suspect", "TOTALS_DISAGREE", True),
    "duplicate_rows": ("suspect", "TOTALS_DISAGREE", True),
    "not_generated": ("not_generated", "NOT_GENERATED", False),
    "error_code:AUTH4037": ("needs_person", "PORTAL_SETTING", False),
    "error_code:AUTH4033": ("needs_person", "OTP_REQUIRED", False),
    "error_code:RTN_24": ("queued", "FILE_QUEUED", False),
    "error_code:RET2B1018": ("too_early", "TOO_EARLY", False),
    "error_code:ZZ999": ("broken", "CONTRACT_CHANGED", False),
}
"""An answer whose envelope cannot be opened, or that was never read whole, leaves nothing that could be kept."""


@dataclass
class FaultyNight:
    """A night with all faults, and the same night without any.

    Attributes:
        units: by fault.
        victims: fault to client.
        bystanders: clients without a fault, with rows.
        clean: what stood after a night without faults.
        after: what stood after this one.
    """

    house: Installation
    victims: dict[str, str]
    bystanders: list[str]
    units: dict[str, dict[str, Any]]
    clean: Counter[tuple[Any, ...]]
    after: Counter[tuple[Any, ...]]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("faults") / "portal"
    with start_portal(folder, clients=38, documents=14, sandbox_share=0) as running:
        yield running


@pytest.fixture(scope="module")
def faulty(portal: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyNight]:
    with installed(tmp_path_factory.mktemp("clean"), portal) as house:
        house.run(MODULE)
        counts = house.rows(
            "SELECT client_id, COUNT(*) AS n FROM core_gst__gstr2b_document GROUP BY client_id"
        )
        clean = house.stored()
    sound = {row["client_id"]: int(row["n"]) for row in counts if row["n"] >= 3}
    clients = sorted(sound)
    assert len(clients) > len(EXPECTED)
    victims = dict(zip(EXPECTED, clients, strict=False))
    patient = {"retry_budget_seconds": 4}  # three back-offs never add up to more, however the dice fall
    with installed(tmp_path_factory.mktemp("faulty"), portal, settings=patient) as house:
        for name, client in victims.items():
            house.control("POST", "faults", name=name, gstin=house.gstin(client), endpoint="gstr2b")
        run_id = house.run(MODULE)
        house.control("DELETE", "faults")
        units = {name: house.units(run_id, client_id=client)[0] for name, client in victims.items()}
        yield FaultyNight(house, victims, clients[len(victims) :], units, clean, house.stored())


def rows_of(stored: Counter[tuple[Any, ...]], clients: Sequence[str]) -> Counter[tuple[Any, ...]]:
    """Return the rows of some clients."""
    return Counter({row: n for row, n in stored.items() if dict(row[2:])["client_id"] in clients})


@pytest.mark.parametrize("name", EXPECTED)
def test_a_fault_ends_in_its_outcome_with_a_next_step(faulty: FaultyNight, name: str) -> None:
    outcome, code, is_kept = EXPECTED[name]
    unit = faulty.units[name]
    assert (unit["outcome"], unit["state"]) == (outcome, "ended"), unit["reason"]
    told = faulty.house.rows("SELECT * FROM sync_exception WHERE unit_id = :unit", unit=unit["unit_id"])
    assert code in {one["code"] for one in told}
    assert all(one["next_step"] and one["message"] for one in told)
    kept = faulty.house.rows("SELECT * FROM sync_answer WHERE unit_id = :unit", unit=unit["unit_id"])
    assert bool(kept) is is_kept
    stored = rows_of(faulty.after, [faulty.victims[name]])
    assert bool(stored) is (outcome == "loaded")


def test_bystanders_are_what_they_are_without_any_fault(faulty: FaultyNight) -> None:
    assert len(faulty.bystanders) >= 2
    mine = rows_of(faulty.after, faulty.bystanders)
    assert mine == rows_of(faulty.clean, faulty.bystanders)
    assert mine


def test_no_exception_names_an_identity(faulty: FaultyNight) -> None:
    told = " ".join(
        f"{one['message']} {one['next_step']}" for one in faulty.house.rows("SELECT * FROM sync_exception")
    )
    assert not [row["gstin"] for row in faulty.house.clients() if row["gstin"] in told]


def test_after_the_faults_a_resync_and_a_release_mend_everything(faulty: FaultyNight) -> None:
    house = faulty.house
    suspects = [unit for unit in faulty.units.values() if unit["outcome"] == "suspect"]
    service.run(house.live, service.resync_plan(house.live))
    for unit in suspects:
        service.release(house.live, unit["unit_id"], "compared with the portal")
    newest = {
        row["client_id"]: row["outcome"] for row in house.rows("SELECT * FROM sync_unit ORDER BY unit_id")
    }
    open_codes = {faulty.victims[name] for name in ("error_code:AUTH4033", "error_code:RTN_24")}
    left = {client: newest[client] for client in faulty.victims.values() if newest[client] not in DONE}
    assert set(left) <= open_codes, left
    report = check(house.database_url, house.truth)
    assert report.failures() == dict.fromkeys(FAILURES, 0), report.notes


def test_a_source_that_is_suddenly_empty_is_suspect_and_deletes_nothing(faulty: FaultyNight) -> None:
    house = faulty.house
    house.run("ims", clients=faulty.bystanders)
    most = house.rows(
        "SELECT client_id, COUNT(*) AS n FROM core_gst__ims_document WHERE section = 'B2B' "
        "GROUP BY client_id ORDER BY n DESC"
    )[0]
    assert most["n"] >= 10
    victim = most["client_id"]
    before = house.stored([victim])
    house.control(
        "POST", "faults", name="suddenly_empty", gstin=house.gstin(victim), endpoint="ims", action="GETINV"
    )
    emptied = house.units(house.run("ims", clients=(victim,)))[0]
    house.control("DELETE", "faults")
    assert emptied["outcome"] == "suspect"
    assert emptied["next_step"]
    assert house.rows("SELECT * FROM sync_exception WHERE unit_id = :unit", unit=emptied["unit_id"])
    assert house.stored([victim]) == before


def test_a_refused_provider_account_stops_the_run_and_says_so(faulty: FaultyNight) -> None:
    """The account is everybody's: asking on with it could only lock it."""
    house = faulty.house
    victim, other = faulty.bystanders[:2]
    house.control("POST", "faults", name="error_code:AUT4033", gstin=house.gstin(victim), endpoint="ims")
    refused = house.run("ims", clients=(victim, other))
    house.control("DELETE", "faults")
    units = {unit["client_id"]: unit for unit in house.units(refused)}
    assert units[victim]["outcome"] == "broken"
    assert units[victim]["reason_code"] == "PROVIDER_MISCONFIGURED"
    assert units[victim]["next_step"]
    assert units[other]["outcome"] in {"cancelled", *DONE}
    service.run(house.live, service.resync_plan(house.live, refused))
    newest = house.rows("SELECT * FROM sync_unit WHERE module = 'ims' ORDER BY unit_id")
    mended = {unit["client_id"]: unit["outcome"] for unit in newest}
    assert {mended[victim], mended[other]} <= DONE
