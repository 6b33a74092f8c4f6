"""Promises of the e-filing session: one log-in for everybody, the right Act, and no password sent twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clientsync.errors import (
    AccountLocked,
    BadRequest,
    ContractChanged,
    DualLogin,
    MissingSecret,
    NoData,
    NotEntitled,
    PasswordExpired,
    PasswordRejected,
    RateLimited,
    SecondFactorRequired,
    SourceUnavailable,
    SyncError,
    UnknownName,
)
from clientsync.spec.connector import Question
from simulators.http import Request, Response
from tests.unit.tds_portals.conftest import Later, Portals, history

LOGIN = "loginapi/login"


def account(portals: Portals) -> Any:
    return portals.simulator.income_tax.sessions.account(portals.deductor.tan)


def test_nothing_is_sent_before_the_first_question(portals: Portals) -> None:
    portals.income_tax().close()
    assert not portals.seen


def test_an_answer_is_the_portals_own_json_with_the_calls_it_cost(portals: Portals) -> None:
    answer = portals.income_tax().ask(history())
    assert answer.payload["successFlag"] is True
    assert answer.payload["paymentList"]["totalElements"] == len(
        [one for one in portals.deductor.challans if one.act == "1961" and one.mode == "C"]
    )
    assert (
        answer.calls == len(portals.seen) == 4
    )  # two steps of the log-in, the choice of the Act, the question
    assert b"paymentList" in answer.raw[0]


def test_the_act_is_chosen_before_it_is_asked_about_and_only_when_it_changes(portals: Portals) -> None:
    session = portals.income_tax()
    for act in ("N", "N", "O"):
        rows = session.ask(history(act)).payload["paymentList"]["content"]
        wanted = {
            one.cin for one in portals.deductor.challans if one.act == ("2025" if act == "N" else "1961")
        }
        assert {row["cin"] for row in rows} <= wanted
    assert [body["actType"] for body in portals.bodies("chooseAct")] == ["N", "O"]


def test_a_choice_that_the_portal_did_not_make_is_noticed(portals: Portals) -> None:
    def other(request: Request) -> Response | None:
        if request.path.endswith("chooseAct"):
            return Response.of({"successFlag": True, "messages": [], "actType": "O"})
        return None

    portals.override = other
    with pytest.raises(ContractChanged):
        portals.income_tax().ask(history("N"))


def test_every_call_of_a_session_carries_the_headers_that_the_portal_wants(portals: Portals) -> None:
    portals.income_tax().ask(history())
    for request in portals.seen[2:]:
        assert request.headers["authtoken"] and request.headers["sn"]
        assert f"XSRF-TOKEN={request.headers['x-xsrf-token']}" in request.headers["cookie"]


@pytest.mark.parametrize(
    ("endpoint", "params", "holds"),
    [
        ("income_tax.filed_forms", {"formTypeCd": "26Q"}, "forms"),
        ("income_tax.proceedings", {"flag": "FYA"}, "eProceedings"),
        ("income_tax.csi", {"actType": "O", "fromDate": "2025-04-01", "toDate": "2026-03-31"}, "csiResponse"),
    ],
)
def test_every_question_has_its_answer(
    portals: Portals, endpoint: str, params: dict[str, str], holds: str
) -> None:
    assert holds in portals.income_tax().ask(Question(endpoint, params=params)).payload


def test_the_details_of_a_payment_are_asked_by_its_number(portals: Portals) -> None:
    session = portals.income_tax()
    cin = session.ask(history()).payload["paymentList"]["content"][0]["cin"]
    found = session.ask(Question("income_tax.payment_details", params={"cin": cin}))
    assert found.payload["paymentDetails"]["cin"] == cin
    with pytest.raises(BadRequest):
        session.ask(Question("income_tax.payment_details", params={"cin": "00000000000000XXXX"}))


def test_no_challan_status_file_is_no_data(portals: Portals) -> None:
    days = {"actType": "O", "fromDate": "2010-04-01", "toDate": "2010-04-02"}
    with pytest.raises(NoData):
        portals.income_tax().ask(Question("income_tax.csi", params=days))


@pytest.mark.parametrize(
    ("endpoint", "params", "error"),
    [
        ("income_tax.nothing", {}, UnknownName),
        ("income_tax.payment_history", {}, BadRequest),
        ("income_tax.payment_history", {"actType": "X"}, BadRequest),
        ("income_tax.payment_history", {"actType": "O", "pageNumber": "x"}, BadRequest),
        ("income_tax.payment_history", {"actType": "O", "tan": "x"}, BadRequest),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_before_anything_is_sent(
    portals: Portals, endpoint: str, params: dict[str, str], error: type[SyncError]
) -> None:
    with pytest.raises(error):
        portals.income_tax().ask(Question(endpoint, params=params))
    assert not portals.seen


def test_a_stored_session_is_used_by_the_next_session_object(portals: Portals) -> None:
    portals.income_tax().ask(history())
    portals.income_tax().ask(history())
    assert len(portals.paths(LOGIN)) == 2  # both steps, once


def test_threads_that_come_at_once_log_in_once(portals: Portals) -> None:
    ready = threading.Barrier(4)

    def ask(_: int) -> int:
        session = portals.income_tax()
        ready.wait(10)
        return session.ask(Question("income_tax.proceedings", params={"flag": "FYA"})).calls

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == [1, 1, 1, 3]


def test_a_session_that_rested_is_prolonged_once_and_only_when_it_is_used(
    portals: Portals, later: Later
) -> None:
    session = portals.income_tax()
    session.ask(history())
    assert not portals.paths("extendSession")
    later(minutes=5)
    session.ask(history())
    session.ask(history())
    assert len(portals.paths("extendSession")) == 1


def test_a_session_that_the_portal_has_ended_is_opened_anew_without_a_person(portals: Portals) -> None:
    session = portals.income_tax()
    session.ask(history())
    portals.simulator.income_tax.sessions.expire()
    assert session.ask(history("N")).payload["successFlag"] is True
    assert len(portals.paths(LOGIN)) == 4


def test_a_portal_that_ends_every_session_is_not_logged_in_to_for_ever(portals: Portals) -> None:
    def over(request: Request) -> Response | None:
        if request.path.endswith("paymenthistory"):
            portals.simulator.income_tax.sessions.expire()
            return Response.of({"messages": [{"type": "ERROR", "code": "EF00401", "desc": "over"}]}, 401)
        return None

    portals.override = over
    with pytest.raises(SourceUnavailable):
        portals.income_tax().ask(history())
    assert len(portals.paths(LOGIN)) == 4


def test_a_missing_password_needs_a_person_and_sends_nothing(portals: Portals) -> None:
    portals.services.vault.delete(f"tds/{portals.deductor.client_id}/income_tax")
    with pytest.raises(MissingSecret) as caught:
        portals.income_tax().ask(history())
    assert (caught.value.portal, caught.value.calls) == ("income_tax", 0)
    assert not portals.seen


def test_a_refused_password_is_sent_exactly_once(portals: Portals) -> None:
    portals.password("income_tax", "wrong-horse")
    with pytest.raises(PasswordRejected) as caught:
        portals.income_tax().ask(history())
    assert (caught.value.portal, caught.value.source_code, caught.value.calls) == ("income_tax", "EF00054", 2)
    for _ in range(3):
        with pytest.raises(PasswordRejected) as caught:
            portals.income_tax().ask(history())
        assert caught.value.calls == 0
        with pytest.raises(PasswordRejected):
            portals.income_tax().answer_challenge("password", "")
    assert len([body for body in portals.bodies(LOGIN) if "pass" in body]) == 1
    assert portals.challenges() == [("income_tax", "password")]
    assert "wrong-horse" not in str(portals.login("income_tax"))


def in_unknown_words(request: Request) -> Response | None:
    if LOGIN in request.path and "pass" in request.json():
        said = {"type": "ERROR", "code": "EF40010", "desc": "Invalid User ID or Password. Please retry."}
        return Response.of({"successFlag": False, "messages": [said]}, 200)
    return None


def test_a_password_refused_in_unknown_words_is_sent_once_and_again_only_when_a_person_says_so(
    portals: Portals, later: Later
) -> None:
    portals.override = in_unknown_words

    def sent() -> int:
        return len([body for body in portals.bodies(LOGIN) if "pass" in body])

    for _ in range(4):
        with pytest.raises(PasswordRejected, match="words that are not known"):
            portals.income_tax().ask(history())
    later(minutes=61)
    with pytest.raises(PasswordRejected):
        portals.income_tax().ask(history())
    assert sent() == 1
    assert portals.challenges() == [("income_tax", "password")]
    with pytest.raises(PasswordRejected):
        portals.income_tax().answer_challenge("password", "")
    assert sent() == 2
    portals.override = None
    portals.income_tax().answer_challenge("password", "")
    assert not portals.challenges()
    assert portals.login("income_tax")["failures"] == 0


def test_every_refused_password_is_remembered_until_one_works(portals: Portals) -> None:
    right = portals.deductor.efiling_password

    def sent() -> int:
        return len([body for body in portals.bodies(LOGIN) if "pass" in body])

    def is_refused(word: str) -> bool:
        portals.password("income_tax", word)
        with pytest.raises(PasswordRejected) as caught:
            portals.income_tax().ask(history())
        return caught.value.source_code is not None

    assert [is_refused(word) for word in ("first", "second", "first", "second")] == [True, True, False, False]
    assert (sent(), account(portals).failures) == (2, 2)
    stored = portals.services.vault.get(f"tds/{portals.deductor.client_id}/income_tax/refused")
    assert "first" not in stored.get_secret_value()
    portals.password("income_tax", right)
    portals.income_tax().ask(history())
    assert sent() == 3
    assert not [name for name in portals.services.vault.names() if name.endswith("/refused")]


def test_a_person_who_vouches_for_one_password_vouches_for_no_other(portals: Portals) -> None:
    portals.password("income_tax", "refused")
    with pytest.raises(PasswordRejected):
        portals.income_tax().ask(history())
    portals.password("income_tax", portals.deductor.efiling_password)
    portals.override = in_unknown_words
    with pytest.raises(PasswordRejected):
        portals.income_tax().ask(history())
    portals.override = None
    sent = len(portals.seen)
    portals.password("income_tax", "refused")
    with pytest.raises(PasswordRejected):
        portals.income_tax().answer_challenge("password", "")
    assert len(portals.seen) == sent
    portals.password("income_tax", portals.deductor.efiling_password)
    portals.income_tax().answer_challenge("password", "")
    assert not portals.challenges()


def test_the_right_password_ends_the_matter(portals: Portals) -> None:
    portals.password("income_tax", "wrong")
    with pytest.raises(PasswordRejected):
        portals.income_tax().ask(history())
    portals.password("income_tax", portals.deductor.efiling_password)
    portals.income_tax().answer_challenge("password", "")
    assert not portals.challenges()
    assert portals.login("income_tax")["failures"] == 0
    assert portals.income_tax().ask(history()).calls == 2


def test_three_refused_passwords_end_log_ins_for_an_hour_long_before_the_portal_locks(
    portals: Portals, later: Later
) -> None:
    for word in ("one", "two", "three"):
        portals.password("income_tax", word)
        with pytest.raises(PasswordRejected):
            portals.income_tax().ask(history())
    sent = len(portals.seen)
    portals.password("income_tax", portals.deductor.efiling_password)
    with pytest.raises(AccountLocked) as caught:
        portals.income_tax().ask(history())
    assert caught.value.ready_at is not None and caught.value.portal == "income_tax"
    assert timedelta(minutes=58) < caught.value.ready_at - datetime.now(UTC) <= timedelta(hours=1)
    assert len(portals.seen) == sent
    assert account(portals).failures == 3
    later(minutes=61)
    assert portals.income_tax().ask(history()).payload["successFlag"] is True


def test_a_locked_account_is_left_alone_until_the_lock_ends(portals: Portals, later: Later) -> None:
    account(portals).locked_until = datetime.now(UTC).timestamp() + 1800
    with pytest.raises(AccountLocked) as caught:
        portals.income_tax().ask(history())
    assert caught.value.ready_at is not None
    assert timedelta(minutes=28) < caught.value.ready_at - datetime.now(UTC) <= timedelta(minutes=30)
    sent = len(portals.seen)
    with pytest.raises(AccountLocked):
        portals.income_tax().ask(history())
    assert len(portals.seen) == sent
    account(portals).locked_until = 0.0
    later(minutes=31)
    assert portals.income_tax().ask(history()).payload["successFlag"] is True


def test_a_second_factor_needs_a_person_and_the_password_stays_here(portals: Portals) -> None:
    account(portals).has_vault = True
    with pytest.raises(SecondFactorRequired) as caught:
        portals.income_tax().ask(history())
    assert caught.value.portal == "income_tax"
    assert portals.challenges() == [("income_tax", "second_factor")]
    assert not [body for body in portals.bodies(LOGIN) if "pass" in body]
    account(portals).has_vault = False
    portals.income_tax().answer_challenge("second_factor", "")
    assert not portals.challenges()


def test_an_expired_password_is_not_sent_again(portals: Portals) -> None:
    account(portals).is_expired = True
    for _ in range(2):
        with pytest.raises(PasswordExpired):
            portals.income_tax().ask(history())
    assert len([body for body in portals.bodies(LOGIN) if "pass" in body]) == 1
    assert portals.challenges() == [("income_tax", "password")]
    assert portals.login("income_tax")["failures"] == 0


def test_somebody_else_who_is_logged_in_is_never_thrown_out(portals: Portals, later: Later) -> None:
    account(portals).is_elsewhere = True
    with pytest.raises(DualLogin) as caught:
        portals.income_tax().ask(history())
    assert caught.value.ready_at is not None and caught.value.portal == "income_tax"
    assert timedelta(minutes=14) < caught.value.ready_at - datetime.now(UTC) <= timedelta(minutes=15)
    sent = len(portals.seen)
    with pytest.raises(DualLogin):
        portals.income_tax().ask(history())
    assert len(portals.seen) == sent
    assert {body.get("dualLogin", "N") for body in portals.bodies(LOGIN)} == {"N"}
    account(portals).is_elsewhere = False
    later(minutes=16)
    assert portals.income_tax().ask(history()).payload["successFlag"] is True


def test_a_login_elsewhere_ends_our_session_and_is_respected(portals: Portals) -> None:
    session = portals.income_tax()
    session.ask(history())
    account(portals).is_elsewhere = True
    with pytest.raises(DualLogin):
        session.ask(history())
    assert len(portals.paths(LOGIN)) == 2


def test_a_client_that_the_portal_does_not_know_needs_registration(portals: Portals) -> None:
    portals.override = lambda request: (
        Response.of({"messages": [{"type": "ERROR", "code": "EF00022", "desc": "not registered"}]})
        if LOGIN in request.path
        else None
    )
    with pytest.raises(NotEntitled) as caught:
        portals.income_tax().ask(history())
    assert caught.value.portal == "income_tax"
    assert portals.challenges() == [("income_tax", "registration")]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http_500", SourceUnavailable),
        ("http_503", SourceUnavailable),
        ("html_page", SourceUnavailable),
        ("http_429", RateLimited),
    ],
)
def test_an_outage_is_tried_again_and_then_passes_by_itself(
    portals: Portals, fault: str, error: type[SyncError]
) -> None:
    session = portals.income_tax()
    session.ask(history())
    params = {"retry_after": 0} if fault == "http_429" else {}
    portals.fault(fault, "income_tax.payment_history", params=params)
    with pytest.raises(error) as caught:
        session.ask(history())
    assert caught.value.calls == 2
    portals.simulator.faults.armed.clear()
    assert session.ask(history()).calls == 1


def test_an_outage_during_the_login_does_not_count_against_the_account(portals: Portals) -> None:
    portals.fault("http_503", "income_tax.login")
    for _ in range(4):
        with pytest.raises(SourceUnavailable):
            portals.income_tax().ask(history())
    assert portals.login("income_tax").get("failures", 0) == 0


def test_a_log_in_whose_answer_was_lost_counts_as_refused(portals: Portals) -> None:
    def cut(request: Request) -> Response | None:
        if LOGIN in request.path and "pass" in request.json():
            return Response(b'{"successFlag":tr')
        return None

    portals.override = cut
    for _ in range(3):
        with pytest.raises(SyncError):
            portals.income_tax().ask(history())
    with pytest.raises(AccountLocked):
        portals.income_tax().ask(history())
    assert len([body for body in portals.bodies(LOGIN) if "pass" in body]) == 3


def test_challenges_of_other_kinds_are_not_known(portals: Portals) -> None:
    assert portals.income_tax().request_challenge("password") is None
    with pytest.raises(UnknownName):
        portals.income_tax().request_challenge("otp")
    with pytest.raises(UnknownName):
        portals.income_tax().answer_challenge("otp", "123456")
