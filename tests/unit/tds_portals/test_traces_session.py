"""Promises of the TRACES session: a person reads one picture, and both portals answer until the session ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clientsync.errors import (
    AccountLocked,
    BadRequest,
    CaptchaRequired,
    DualLogin,
    MissingSecret,
    NoData,
    NotEntitled,
    PasswordExpired,
    PasswordRejected,
    RateLimited,
    SourceUnavailable,
    SyncError,
    UnknownName,
)
from clientsync.http.strict_json import parse_json
from clientsync.ledger import challenges
from clientsync.spec.connector import Question
from simulators.http import Request, Response
from tests.unit.tds_portals.conftest import CHALLANS, UNCONSUMED, Later, Portals

PICTURE, LOGIN, BRIDGE = "generateCaptcha", "auth/login", "preauthV2"


def test_nothing_is_sent_before_the_first_question(portals: Portals) -> None:
    portals.traces().close()
    assert not portals.seen


def test_the_first_question_shows_a_person_a_picture(portals: Portals) -> None:
    with pytest.raises(CaptchaRequired) as caught:
        portals.traces().ask(UNCONSUMED)
    assert (caught.value.portal, caught.value.calls) == ("traces", 1)
    (row,) = challenges.open_challenges(portals.services.engine)
    assert (row["portal"], row["kind"], row["connector"]) == ("traces", "captcha", "tds")
    assert row["image"].startswith(b"\x89PNG")
    assert timedelta(minutes=4) < row["expires_at"] - datetime.now(UTC) <= timedelta(minutes=5)


def test_a_picture_that_waits_is_not_fetched_again_while_it_is_fresh(portals: Portals, later: Later) -> None:
    for _ in range(3):
        with pytest.raises(CaptchaRequired):
            portals.traces().ask(UNCONSUMED)
    assert len(portals.paths(PICTURE)) == 1
    later(minutes=4, seconds=1)
    with pytest.raises(CaptchaRequired):
        portals.traces().ask(UNCONSUMED)
    assert len(portals.paths(PICTURE)) == 2
    assert len(portals.challenges()) == 1


def test_one_picture_opens_both_portals(portals: Portals) -> None:
    session = portals.traces()
    with pytest.raises(CaptchaRequired):
        session.ask(UNCONSUMED)
    session.answer_challenge("captcha", f" {portals.captcha()} ")
    assert not portals.challenges()
    old = session.ask(UNCONSUMED)
    assert old.payload["records"] == len(old.payload["rows"])
    assert old.calls == 3  # bridge, dashboard, question
    assert session.ask(CHALLANS).calls == session.ask(UNCONSUMED).calls == 1
    assert len(portals.paths(LOGIN)) == len(portals.paths(BRIDGE)) == 1


def test_the_bridge_is_crossed_only_when_the_old_portal_is_asked(portals: Portals) -> None:
    portals.logged_in().ask(CHALLANS)
    assert not portals.paths(BRIDGE)


@pytest.mark.parametrize(
    ("endpoint", "params", "holds"),
    [
        (
            "traces_old.statement_status",
            {"financialYear": "2025", "quarter": "3", "formType": "26Q", "page": "1"},
            "rows",
        ),
        (
            "traces_old.rejection_reason",
            {"financialYear": "2025", "quarter": "3", "formType": "26Q", "tokenno": "770000000000001"},
            "rows",
        ),
        (
            "traces_old.challan_status",
            {"sdate": "01-Apr-2025", "edate": "31-Mar-2026", "cstatus": "A"},
            "rows",
        ),
        (
            "traces_old.consumption",
            {
                "recptNum": "",
                "chlnSNo": "00001",
                "chlnAmt": "1.00",
                "dateOfDep": "07-May-2025",
                "bsrCode": "0000001",
            },
            "rows",
        ),
        ("traces_old.inbox", {"commClassify": "1"}, "rows"),
        ("traces_old.requests", {}, "rows"),
        ("traces_old.demand", {}, "rows"),
        ("traces_old.demand_prior", {}, "rows"),
        ("traces_old.demand_quarters", {"fy": "2025"}, "html"),
        ("traces_old.certificates", {"deducteePan": "AAAPA0000A", "financialYear": "2025"}, "rows"),
        ("traces_new.challans", {"fromDate": "2026-04-01", "toDate": "2026-11-20", "page": "0"}, "content"),
        ("traces_new.certificates", {"pageNumber": "1"}, "certificates"),
        ("traces_new.requests", {"page": "0"}, "content"),
    ],
)
def test_every_question_has_its_answer_and_the_raw_bytes_say_the_same(
    portals: Portals, endpoint: str, params: dict[str, str], holds: str
) -> None:
    answer = portals.logged_in().ask(Question(endpoint, params=params))
    assert holds in answer.payload
    assert parse_json(answer.raw[0]) == answer.payload


def test_a_summary_of_demand_is_handed_on_as_its_page(portals: Portals) -> None:
    params = {"fy": "2025", "quarterdesc": "Q1", "qr": "3", "ft": "26Q", "finyrdesc": "2025-26"}
    answer = portals.logged_in().ask(Question("traces_old.demand_summary", params=params))
    assert "<table" in answer.payload["html"]


@pytest.mark.parametrize(
    ("endpoint", "params", "error"),
    [
        ("traces_old.nothing", {}, UnknownName),
        ("traces_old.inbox", {}, BadRequest),
        ("traces_old.inbox", {"commClassify": "1", "tan": "x"}, BadRequest),
        ("traces_new.certificates", {"pageNumber": "x"}, BadRequest),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_before_anything_is_sent(
    portals: Portals, endpoint: str, params: dict[str, str], error: type[SyncError]
) -> None:
    with pytest.raises(error):
        portals.traces().ask(Question(endpoint, params=params))
    assert not portals.seen


def test_the_portals_words_for_nothing_are_no_data(portals: Portals) -> None:
    days = {"fromDate": "2010-04-01", "toDate": "2010-04-02"}
    session = portals.logged_in()
    with pytest.raises(NoData) as caught:
        session.ask(Question("traces_new.challans", params=days))
    assert caught.value.calls == 1
    unknown = {"childCertNum": "9AA9999TDP9A999", "pan": "AAAPA0000A"}
    with pytest.raises(NoData):
        session.ask(Question("traces_new.certificate", params=unknown))


def test_a_stored_session_is_used_by_the_next_session_object(portals: Portals) -> None:
    portals.logged_in().ask(UNCONSUMED)
    again = portals.traces()
    assert again.ask(UNCONSUMED).calls == 1
    assert again.request_challenge("captcha") is None
    again.answer_challenge("captcha", "aaaaaa")
    assert len(portals.paths(LOGIN)) == len(portals.paths(BRIDGE)) == 1


def test_threads_that_come_at_once_cross_the_bridge_once(portals: Portals) -> None:
    portals.logged_in()
    ready = threading.Barrier(4)

    def ask(_: int) -> int:
        session = portals.traces()
        ready.wait(10)
        return session.ask(UNCONSUMED).calls

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == [1, 1, 1, 3]


def test_a_dead_cookie_is_bridged_anew_once_without_a_person(portals: Portals) -> None:
    session = portals.logged_in()
    session.ask(UNCONSUMED)
    left = [410]

    def gone(request: Request) -> Response | None:
        if "GetUnconChln" in request.path and left:
            return Response(b"<html>Session expired</html>", left.pop(), "text/html")
        return None

    portals.override = gone
    assert session.ask(UNCONSUMED).calls == 4  # 410, bridge, dashboard, question
    assert len(portals.paths(LOGIN)) == 1


@pytest.mark.parametrize("status", [401, 410])
def test_an_old_portal_that_ends_every_session_is_not_bridged_for_ever(portals: Portals, status: int) -> None:
    session = portals.logged_in()
    session.ask(UNCONSUMED)
    portals.override = lambda request: (
        Response(b"<html>Session expired</html>", status, "text/html")
        if "GetUnconChln" in request.path
        else None
    )
    with pytest.raises(SourceUnavailable):
        session.ask(UNCONSUMED)
    assert len(portals.paths(BRIDGE)) == 2
    assert not portals.challenges()


@pytest.mark.parametrize("question", [UNCONSUMED, CHALLANS])
def test_a_session_that_the_portal_has_ended_needs_a_new_picture(
    portals: Portals, question: Question
) -> None:
    session = portals.logged_in()
    session.ask(UNCONSUMED)
    portals.simulator.traces.expire_sessions()
    with pytest.raises(CaptchaRequired):
        session.ask(question)
    assert portals.challenges() == [("traces", "captcha")]
    session.answer_challenge("captcha", portals.captcha())
    assert session.ask(question).calls >= 1


def test_an_unsettled_portal_is_asked_again_with_growing_waits(portals: Portals) -> None:
    portals.simulator.traces.unsettled_calls = 4
    assert portals.logged_in().ask(UNCONSUMED).calls == 7  # bridge, dashboard, five times the question


def test_a_portal_that_does_not_settle_is_left_for_later(portals: Portals) -> None:
    portals.simulator.traces.unsettled_calls = 99
    with pytest.raises(SourceUnavailable) as caught:
        portals.logged_in().ask(UNCONSUMED)
    assert caught.value.calls == 7


def test_a_misread_picture_is_replaced_and_counts_against_nobody(portals: Portals) -> None:
    session = portals.traces()
    session.request_challenge("captcha")
    with pytest.raises(CaptchaRequired) as caught:
        session.answer_challenge("captcha", "WRONG9")
    assert (caught.value.source_code, caught.value.portal) == ("CPT400", "traces")
    assert "2 of 3" in caught.value.message
    assert len(portals.paths(PICTURE)) == 2
    assert portals.login("traces")["failures"] == 0
    session.answer_challenge("captcha", portals.captcha())
    assert session.ask(UNCONSUMED).payload["rows"] is not None


def test_three_misread_pictures_end_the_round(portals: Portals) -> None:
    session = portals.traces()
    session.request_challenge("captcha")
    for _ in range(3):
        with pytest.raises(CaptchaRequired):
            session.answer_challenge("captcha", "WRONG9")
    assert len(portals.paths(PICTURE)) == len(portals.paths(LOGIN)) == 3
    (row,) = challenges.open_challenges(portals.services.engine)
    assert row["state"] == "rejected" and not row["image"]
    with pytest.raises(CaptchaRequired):
        session.answer_challenge("captcha", "WRONG9")
    assert len(portals.paths(LOGIN)) == 3  # there was no picture to answer; a new one waits now
    session.answer_challenge("captcha", portals.captcha())
    assert not portals.challenges()


def test_an_answer_that_comes_too_late_is_not_sent(portals: Portals, later: Later) -> None:
    session = portals.traces()
    session.request_challenge("captcha")
    late = portals.captcha()
    later(minutes=6)
    with pytest.raises(CaptchaRequired):
        session.answer_challenge("captcha", late)
    assert not portals.paths(LOGIN)
    assert len(portals.paths(PICTURE)) == 2


def test_what_has_not_the_form_of_a_picture_is_not_sent(portals: Portals) -> None:
    session = portals.traces()
    session.request_challenge("captcha")
    with pytest.raises(CaptchaRequired):
        session.answer_challenge("captcha", "ab 12")
    assert not portals.paths(LOGIN)
    session.answer_challenge("captcha", portals.captcha())


def test_a_picture_is_answered_once_even_if_the_answer_was_lost(portals: Portals) -> None:
    session = portals.traces()
    session.request_challenge("captcha")
    portals.override = lambda request: Response(b'{"authTo') if LOGIN in request.path else None
    with pytest.raises(SyncError):
        session.answer_challenge("captcha", portals.captcha())
    portals.override = None
    (row,) = challenges.open_challenges(portals.services.engine)
    assert not row["image"]
    with pytest.raises(CaptchaRequired):
        session.answer_challenge("captcha", "ABCDEF")
    assert len(portals.paths(LOGIN)) == 1
    assert portals.login("traces")["failures"] == 1


def refuse(portals: Portals, password: str) -> None:
    portals.password("traces", password)
    session = portals.traces()
    session.request_challenge("captcha")
    with pytest.raises(PasswordRejected) as caught:
        session.answer_challenge("captcha", portals.captcha())
    assert caught.value.portal == "traces"


def test_a_refused_password_is_sent_exactly_once_and_shows_no_more_pictures(portals: Portals) -> None:
    refuse(portals, "wrong-horse")
    assert portals.challenges() == [("traces", "password")]
    sent = len(portals.seen)
    with pytest.raises(PasswordRejected):
        portals.traces().ask(UNCONSUMED)
    with pytest.raises(PasswordRejected):
        portals.traces().request_challenge("captcha")
    with pytest.raises(PasswordRejected):
        portals.traces().answer_challenge("captcha", "ABCDEF")
    portals.traces().answer_challenge("password", "")
    assert len(portals.seen) == sent
    portals.password("traces", portals.deductor.traces_password)
    portals.logged_in()
    assert not portals.challenges()
    assert portals.login("traces")["failures"] == 0


def test_three_refused_passwords_end_log_ins_for_an_hour_long_before_the_portal_locks(
    portals: Portals, later: Later
) -> None:
    for word in ("one", "two", "three"):
        refuse(portals, word)
    sent = len(portals.seen)
    portals.password("traces", portals.deductor.traces_password)
    with pytest.raises(AccountLocked) as caught:
        portals.traces().ask(UNCONSUMED)
    assert caught.value.ready_at is not None and caught.value.portal == "traces"
    assert len(portals.seen) == sent
    assert portals.simulator.traces.failures(portals.deductor.tan) == 3
    later(minutes=61)
    portals.logged_in()


def test_a_locked_account_is_left_alone_for_an_hour(portals: Portals) -> None:
    portals.simulator.traces.lock(portals.deductor.tan)
    with pytest.raises(AccountLocked) as caught:
        portals.logged_in()
    assert caught.value.ready_at is not None
    assert timedelta(minutes=59) < caught.value.ready_at - datetime.now(UTC) <= timedelta(hours=1)
    sent = len(portals.seen)
    with pytest.raises(AccountLocked):
        portals.traces().ask(UNCONSUMED)
    assert len(portals.seen) == sent


def test_an_expired_password_is_not_sent_again(portals: Portals) -> None:
    portals.simulator.traces.expire_password(portals.deductor.tan)
    with pytest.raises(PasswordExpired):
        portals.logged_in()
    sent = len(portals.seen)
    with pytest.raises(PasswordExpired):
        portals.traces().ask(UNCONSUMED)
    assert len(portals.seen) == sent
    assert portals.challenges() == [("traces", "password")]


@pytest.mark.parametrize("question", [UNCONSUMED, CHALLANS])
def test_a_login_elsewhere_ends_our_session_and_is_respected(
    portals: Portals, later: Later, question: Question
) -> None:
    session = portals.logged_in()
    session.ask(UNCONSUMED)
    portals.simulator.traces.open_foreign_session(portals.deductor.tan)
    with pytest.raises(DualLogin) as caught:
        session.ask(question)
    assert caught.value.ready_at is not None and caught.value.portal == "traces"
    sent = len(portals.seen)
    with pytest.raises(DualLogin):
        session.ask(question)
    with pytest.raises(DualLogin):
        session.request_challenge("captcha")
    assert len(portals.seen) == sent
    assert portals.simulator.traces.has_foreign_session(portals.deductor.tan)
    later(minutes=16)
    with pytest.raises(CaptchaRequired):
        session.ask(question)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"errorCode": "X1", "message": "User is not registered"}, NotEntitled),
        (400, {"errorCode": "X2", "message": "Wrong credentials"}, PasswordRejected),
        (401, {"errorCode": "AUTH401", "message": "Wrong; account locked after 5 tries"}, PasswordRejected),
        (400, {"errorCode": "X3", "message": "Your account has been locked"}, AccountLocked),
        (400, {"errorCode": "CPT403", "message": "Captcha is missing"}, CaptchaRequired),
        (401, {"errorCode": "SES409", "message": "Dual Login Detected"}, DualLogin),
    ],
)
def test_every_refusal_of_a_log_in_has_its_error(
    portals: Portals, status: int, body: dict[str, str], error: type[SyncError]
) -> None:
    portals.override = lambda request: Response.of(body, status) if LOGIN in request.path else None
    with pytest.raises(error):
        portals.logged_in()


def test_a_user_of_another_deductor_is_not_used(portals: Portals) -> None:
    answer: dict[str, Any] = {
        "tan": "ZZZZ99999Z",
        "authTokenDto": {"accessToken": "x", "refreshToken": "y"},
    }
    portals.override = lambda request: Response.of(answer) if LOGIN in request.path else None
    with pytest.raises(NotEntitled):
        portals.logged_in()
    assert portals.challenges()[-1] == ("traces", "registration")
    with pytest.raises(CaptchaRequired):
        portals.traces().ask(UNCONSUMED)


def test_a_question_without_the_right_to_it_needs_registration(portals: Portals) -> None:
    session = portals.logged_in()
    portals.override = lambda _: Response.of({"errorCode": "AUTH403"}, 403)
    with pytest.raises(NotEntitled) as caught:
        session.ask(CHALLANS)
    assert (caught.value.portal, caught.value.source_code) == ("traces", "AUTH403")
    assert portals.challenges() == [("traces", "registration")]


def test_a_missing_password_or_user_needs_a_person_and_sends_nothing(portals: Portals) -> None:
    portals.services.vault.delete(f"tds/{portals.deductor.client_id}/traces")
    with pytest.raises(MissingSecret) as caught:
        portals.traces().ask(UNCONSUMED)
    assert (caught.value.portal, caught.value.calls) == ("traces", 0)
    portals.deductor.traces_user = ""
    with pytest.raises(MissingSecret):
        portals.traces().ask(UNCONSUMED)
    assert not portals.seen


@pytest.mark.parametrize("question", [UNCONSUMED, CHALLANS])
@pytest.mark.parametrize(
    ("fault", "error"),
    [("http_502", SourceUnavailable), ("html_page", SourceUnavailable), ("http_429", RateLimited)],
)
def test_an_outage_is_tried_again_and_then_passes_by_itself(
    portals: Portals, question: Question, fault: str, error: type[SyncError]
) -> None:
    session = portals.logged_in()
    session.ask(UNCONSUMED)
    params = {"retry_after": 0} if fault == "http_429" else {}
    portals.fault(fault, question.endpoint, params=params)
    with pytest.raises(error) as caught:
        session.ask(question)
    assert caught.value.calls == 2
    portals.simulator.faults.armed.clear()
    assert session.ask(question).calls == 1


def test_clients_of_one_portal_do_not_share_a_session(portals: Portals) -> None:
    first, second = portals.logged_in(0), portals.logged_in(1)
    for number, session in enumerate((first, second)):
        own = portals.simulator.world.deductors[number].challans
        rows = session.ask(CHALLANS).payload["content"]
        assert {row["challanSerialNo"] for row in rows} <= {one.serial for one in own}
