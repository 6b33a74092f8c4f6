"""Every trouble of the tax portals, each for one client: what becomes of that client, and of nobody else.

One night has all troubles at once, one client each, beside clients without any; a night without troubles on another
warehouse is what bystanders are compared with. Invariant: a trouble never ends as empty or as clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clientsync.errors import CaptchaRequired
from clientsync.ledger.challenges import open_challenges
from clientsync.sync import service
from clientsync.sync.challenges import accept_answer, begin_challenge, open_challenge, picture, waiting_plan
from clientsync.sync.retries import retry_schedule
from simulators.gst.process import Running
from tests.support.tds_portal import TdsInstallation, start_tds_portals, tds_installed

pytestmark = pytest.mark.integration

MODULES = ("challans", "unconsumed_challans", "outstanding_demand")
DEMAND, HISTORY, GRID = "traces_old.demand", "income_tax.payment_history", "traces_old.unconsumed"


@dataclass(frozen=True)
class Trouble:
    """One trouble.

    Attributes:
        path: of the simulator's control side.
        body: what is told it, besides the client.
        module: whose unit shows the outcome.
        outcome, code: how that unit ends, and what stands in the exceptions.
        others: modules of the client that load all the same.
    """

    path: str
    body: dict[str, Any]
    module: str
    outcome: str
    code: str
    others: tuple[str, ...] = ()


def fault(name: str, endpoint: str, module: str, outcome: str, code: str, **more: Any) -> Trouble:
    """Return an armed fault."""
    others = tuple(one for one in MODULES if one != module)
    return Trouble("faults", {"name": name, "endpoint": endpoint, **more}, module, outcome, code, others)


AT_TRACES = "outstanding_demand"
TROUBLES: dict[str, Trouble] = {
    "traces html": fault("html_page", DEMAND, AT_TRACES, "transient", "SOURCE_UNAVAILABLE"),
    "traces 502": fault("http_502", DEMAND, AT_TRACES, "transient", "SOURCE_UNAVAILABLE"),
    "traces empty body": fault("empty_body", DEMAND, AT_TRACES, "transient", "SOURCE_UNAVAILABLE"),
    "traces truncated": fault("truncated_json", DEMAND, AT_TRACES, "transient", "TRUNCATED_RESPONSE"),
    "traces wrong count": fault("wrong_count", GRID, "unconsumed_challans", "suspect", "TDS-UC-TOTAL"),
    "efiling html": fault("html_page", HISTORY, "challans", "transient", "SOURCE_UNAVAILABLE"),
    "efiling 502": fault("http_502", HISTORY, "challans", "transient", "SOURCE_UNAVAILABLE"),
    "efiling 503": fault("http_503", HISTORY, "challans", "transient", "SOURCE_UNAVAILABLE"),
    "efiling reset": fault("reset_peer", HISTORY, "challans", "transient", "SOURCE_UNAVAILABLE"),
    "traces dual login": Trouble(
        "foreign-session", {"portal": "traces"}, AT_TRACES, "transient", "DUAL_LOGIN", ("challans",)
    ),
    "traces session gone": Trouble(
        "expire-sessions", {"portal": "traces"}, AT_TRACES, "needs_person", "CAPTCHA_REQUIRED", ("challans",)
    ),
    "efiling dual login": Trouble(
        "foreign-session", {"portal": "income_tax"}, "challans", "transient", "DUAL_LOGIN", (AT_TRACES,)
    ),
    "efiling locked": Trouble(
        "lock", {"portal": "income_tax"}, "challans", "transient", "ACCOUNT_LOCKED", (AT_TRACES,)
    ),
    "efiling wrong password": Trouble(
        "password",
        {"portal": "income_tax", "password": "changed#1"},
        "challans",
        "needs_person",
        "PASSWORD_REJECTED",
        (AT_TRACES,),
    ),
    "efiling expired password": Trouble(
        "password",
        {"portal": "income_tax", "expired": True},
        "challans",
        "needs_person",
        "PASSWORD_EXPIRED",
        (AT_TRACES,),
    ),
    "efiling second factor": Trouble(
        "second-factor", {"on": True}, "challans", "needs_person", "SECOND_FACTOR", (AT_TRACES,)
    ),
}
LOADED = {"loaded", "empty", "unchanged", "not_asked"}


@dataclass
class TroubledNight:
    """A night with all troubles, and the same night without any."""

    house: TdsInstallation
    victims: dict[str, str]
    bystanders: list[str]
    run_id: str
    clean: Counter[tuple[Any, ...]]
    after: Counter[tuple[Any, ...]]

    def unit(self, name: str, module: str) -> dict[str, Any]:
        """Return the unit of a victim's module."""
        return self.house.units(self.run_id, client_id=self.victims[name], module=module)[0]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tds-faults") / "portal"
    with start_tds_portals(folder, clients=len(TROUBLES) + 8, documents=6) as running:
        yield running


@pytest.fixture(scope="module")
def troubled(portal: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TroubledNight]:
    with tds_installed(tmp_path_factory.mktemp("clean"), portal) as house:
        house.run(*MODULES)
        rows = house.rows("SELECT client_id, COUNT(*) AS n FROM core_tds__challan_balance GROUP BY client_id")
        clients = sorted(row["client_id"] for row in rows if row["n"] >= 2 and row["client_id"] != "C0001")
        clean = house.stored()
    assert len(clients) > len(TROUBLES) + 3
    house.control("POST", "expire-sessions")
    victims = dict(zip(TROUBLES, clients, strict=False))
    with tds_installed(tmp_path_factory.mktemp("troubled"), portal) as house:
        for name, client_id in victims.items():
            house.control("POST", TROUBLES[name].path, client_id=client_id, **TROUBLES[name].body)
        house.control("DELETE", "stats")
        run_id = house.run(*MODULES)
        house.control("DELETE", "faults")
        yield TroubledNight(house, victims, clients[len(victims) :], run_id, clean, house.stored())


def rows_of(stored: Counter[tuple[Any, ...]], clients: Sequence[str]) -> Counter[tuple[Any, ...]]:
    """Return the rows of some clients."""
    return Counter({row: n for row, n in stored.items() if dict(row[2:])["client_id"] in clients})


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_ends_in_its_outcome_with_a_next_step_and_leaves_the_other_portal_alone(
    troubled: TroubledNight, name: str
) -> None:
    trouble = TROUBLES[name]
    unit = troubled.unit(name, trouble.module)
    assert (unit["outcome"], unit["state"]) == (trouble.outcome, "ended"), unit["reason"]
    told = troubled.house.rows("SELECT * FROM sync_exception WHERE unit_id = :unit", unit=unit["unit_id"])
    assert trouble.code in {one["code"] for one in told}
    assert all(one["next_step"] and one["message"] for one in told)
    for module in trouble.others:
        assert troubled.unit(name, module)["outcome"] in LOADED


def test_bystanders_are_what_they_are_without_any_trouble(troubled: TroubledNight) -> None:
    assert len(troubled.bystanders) >= 2
    mine = rows_of(troubled.after, troubled.bystanders)
    assert mine == rows_of(troubled.clean, troubled.bystanders)
    assert mine


def test_no_text_of_the_ledger_names_an_identity_or_a_password(troubled: TroubledNight) -> None:
    house = troubled.house
    told = " ".join(
        " ".join(str(value) for value in row.values())
        for table in ("sync_exception", "sync_unit", "sync_decision")
        for row in house.rows(f"SELECT * FROM {table}")
    )
    told += " ".join(str({**row, "image": None}) for row in open_challenges(house.live.engine))
    with (house.portal.state_dir / "passwords.csv").open(encoding="utf-8") as file:
        passwords = [line.strip().split(",")[2] for line in file][1:]
    secret = [row[name] for row in house.clients() for name in ("tan", "deductor_pan")] + passwords
    assert [one for one in secret if one and one in told] == []


def test_a_lock_is_waited_for_and_another_session_is_left_a_quarter_of_an_hour(
    troubled: TroubledNight,
) -> None:
    at = {
        unit_id: group.at
        for group in retry_schedule(troubled.house.live, troubled.run_id)
        for unit_id in group.unit_ids
    }
    locked = at[troubled.unit("efiling locked", "challans")["unit_id"]]
    dual = at[troubled.unit("efiling dual login", "challans")["unit_id"]]
    plain = at[troubled.unit("efiling 502", "challans")["unit_id"]]
    assert locked >= datetime.now(UTC) + timedelta(minutes=20), "the lock lasts half an hour from the log-in"
    assert plain < dual <= locked


def test_a_refused_password_is_sent_once_however_many_nights_pass_and_the_right_one_mends_it(
    troubled: TroubledNight,
) -> None:
    house, client_id = troubled.house, troubled.victims["efiling wrong password"]

    def logins() -> int:
        calls = house.control("GET", "stats")["calls"]
        return sum(
            count for client, name, count in calls if (client, name) == (client_id, "income_tax.login")
        )

    before = logins()
    assert before == 2, "the two steps of one log-in"
    for _ in range(2):
        again = house.units(house.run("challans", clients=(client_id,)))[0]
        assert (again["outcome"], again["reason_code"]) == ("needs_person", "PASSWORD_REJECTED")
    assert logins() == before
    house.live.vault.put(f"tds/{client_id}/income_tax", "changed#1")
    accept_answer(house.live, open_challenge(house.live, client_id, "tds", "income_tax"), "")
    mended = service.run(house.live, waiting_plan(house.live, client_id, "tds"), kind="answer")
    assert {unit["outcome"] for unit in house.units(mended)} <= LOADED
    house.run(
        "unconsumed_challans", clients=(client_id,)
    )  # who consumed what is asked once amounts are known
    assert rows_of(house.stored(), [client_id]) == rows_of(troubled.clean, [client_id])


def test_a_captcha_that_is_misread_brings_a_new_picture_and_the_right_answer_continues_what_waited(
    troubled: TroubledNight,
) -> None:
    house, client_id = troubled.house, troubled.victims["traces session gone"]
    waiting = open_challenge(house.live, client_id, "tds", "traces")
    first = picture(house.live, waiting)
    with pytest.raises(CaptchaRequired):
        accept_answer(house.live, waiting, "wrong1")
    waiting = open_challenge(house.live, client_id, "tds", "traces")
    assert waiting["state"] == "rejected"
    second = picture(house.live, waiting)
    assert second
    assert second != first
    accept_answer(house.live, waiting, str(house.control("GET", "captcha")["text"]))
    planned = waiting_plan(house.live, client_id, "tds")
    assert sorted(key.module for key in planned.keys) == ["outstanding_demand", "unconsumed_challans"]
    service.run(house.live, planned, kind="answer")
    assert rows_of(house.stored(), [client_id]) == rows_of(troubled.clean, [client_id])


def test_a_410_of_the_old_portal_is_bridged_again_without_a_person(troubled: TroubledNight) -> None:
    house, client_id = troubled.house, troubled.bystanders[0]
    house.control("POST", "faults", name="http_410", endpoint=DEMAND, client_id=client_id, times=1)
    before = house.control("GET", "stats")["by"]["endpoint"]
    unit = house.units(house.run("outstanding_demand", clients=(client_id,)))[0]
    after = house.control("GET", "stats")["by"]["endpoint"]
    assert unit["outcome"] in LOADED
    assert after["traces_old.bridge"] == before["traces_old.bridge"] + 1
    assert not [row for row in open_challenges(house.live.engine, client_id) if row["portal"] == "traces"]


def test_a_grid_whose_count_is_wrong_loads_nothing_of_itself(troubled: TroubledNight) -> None:
    sql = "SELECT COUNT(*) AS n FROM core_tds__challan_balance WHERE client_id = :client AND section = 'unconsumed'"
    count = troubled.house.rows(sql, client=troubled.victims["traces wrong count"])
    assert count[0]["n"] == 0


@pytest.mark.parametrize("name", ["http_502", "http_503", "html_page"])
def test_an_outage_at_the_log_in_counts_for_no_lock_out(troubled: TroubledNight, name: str) -> None:
    house, client_id = troubled.house, troubled.bystanders[2]
    house.control("POST", "expire-sessions", client_id=client_id, portal="income_tax")
    house.control("POST", "faults", name=name, endpoint="income_tax.login", client_id=client_id)
    unit = house.units(house.run("challans", clients=(client_id,)))[0]
    house.control("DELETE", "faults")
    assert unit["outcome"] == "transient", unit["reason"]
    assert house.units(house.run("challans", clients=(client_id,)))[0]["outcome"] in LOADED
    failures = house.rows("SELECT failures FROM sync_login WHERE client_id = :client", client=client_id)
    assert all(row["failures"] == 0 for row in failures)


def test_a_grid_that_is_suddenly_empty_is_suspect_and_deletes_nothing(troubled: TroubledNight) -> None:
    house = troubled.house
    most = house.rows(
        "SELECT client_id, COUNT(*) AS n FROM core_tds__challan WHERE section = 'act_1961' AND removed_at IS NULL "
        "GROUP BY client_id ORDER BY n DESC"
    )[0]
    assert most["n"] >= 10
    before = house.stored([most["client_id"]])
    house.control(
        "POST", "faults", name="suddenly_empty", endpoint=HISTORY, client_id=most["client_id"], times=2
    )
    unit = house.units(house.run("challans", clients=(most["client_id"],)))[0]
    house.control("DELETE", "faults")
    assert unit["outcome"] == "suspect"
    assert unit["next_step"]
    assert house.stored([most["client_id"]]) == before


def test_a_session_can_be_opened_before_the_night_and_an_open_one_asks_nobody(
    troubled: TroubledNight,
) -> None:
    house, client_id = troubled.house, troubled.bystanders[1]
    assert begin_challenge(house.live, client_id, "tds", "traces") is None
    house.control("POST", "expire-sessions", client_id=client_id, portal="traces")
    assert house.units(house.run("outstanding_demand", clients=(client_id,)))[0]["outcome"] == "needs_person"
    waiting = begin_challenge(house.live, client_id, "tds", "traces")
    assert waiting is not None
    accept_answer(house.live, waiting, str(house.control("GET", "captcha")["text"]))
    assert [key.module for key in waiting_plan(house.live, client_id, "tds").keys] == ["outstanding_demand"]
