"""Every code of the portal has one meaning per kind of call, and no message repeats what the portal wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientsync import errors as kinds
from clientsync.outcomes import Outcome
from clientsync.periods import Period
from connectors.gst.provider.codes import RULES, UNKNOWN_TRIES
from connectors.gst.provider.errors import (
    Refusal,
    cut_off,
    error_for,
    raise_for,
    ready_after,
    refusal_in,
    refusal_of_status,
    runbook_rows,
    status_text,
)

NOW = datetime(2026, 11, 5, 6, 0, tzinfo=UTC)

# Transcribed from the table of the reference, so that the table in the code is compared with a second one.
EXPECTED: dict[type[kinds.SyncError], str] = {
    kinds.OtpRequired: "RETOTPREQUEST EVCREQUEST AUTH4033",
    kinds.OtpRejected: "AUTH4034",
    kinds.PortalSettingRequired: "AUTH4037",
    kinds.SessionExpired: "AUTH4038 AUTH158 RT-R1R3BAV-1007 RET11402 RET2B1010 RET11407 RET11408 RET11409",
    kinds.ProviderAtCapacity: "AUTH403",
    kinds.ProviderMisconfigured: "AUT4033",
    kinds.SourceUnavailable: "TEC4001 TEC4002 RET12501 IMSSAV0015 RET13504 RET13505",
    kinds.NoData: (
        "RET11416 RET11417 RET13508 RET13509 RET13510 RET2B1016 RT-3BAS1009 RET2B1006 RET2B1013 RET2B1015 "
        "RET2B1017 EINV30107 EINV30108 EINV30131 FO8000"
    ),
    kinds.NotGenerated: "RET2B1023 GTR2B-002",
    kinds.NotApplicable: "GTR2B-001",
    kinds.TooEarly: "RET2B1018 IMS2B009",
    kinds.BadRequest: "IMS2B007 LG9089",
    kinds.FileQueued: "RTN_24 RETINPROGRESS",
    kinds.GenerationFailed: "RTN_25",
    kinds.ContractChanged: "RET191166 RET191101",
}
PAIRS = [(code, kind) for kind, codes in EXPECTED.items() for code in codes.split()]


def _error(code: str, endpoint: str = "gstr2a.b2b", text: str = "") -> kinds.SyncError | None:
    return error_for(endpoint, Refusal(code, text), NOW, period=Period(2026, 10))


@pytest.mark.parametrize(("code", "kind"), PAIRS)
def test_each_code_becomes_its_class_on_data_calls(code: str, kind: type[kinds.SyncError]) -> None:
    error = _error(code)
    assert type(error) is kind
    assert error.source_code == code


def test_the_table_knows_no_code_that_the_reference_does_not() -> None:
    known = {code for code, _ in PAIRS} | {"IMS2005", "RTN_31"}
    assert {rule.code for rule in RULES if not rule.code.startswith("HTTP")} == known


def test_the_same_code_means_another_thing_on_an_auth_call() -> None:
    assert type(_error("RET13509", "auth.otp")) is kinds.OtpRejected
    assert type(_error("RET13509", "gstr1.b2b")) is kinds.NoData


@pytest.mark.parametrize("code", ["IMS2005", "RTN_31"])
def test_codes_that_are_no_error_raise_nothing(code: str) -> None:
    raise_for("gstr2b.generate", code, "", NOW)


@pytest.mark.parametrize("code", ["RET2B1023", "GTR2B-002"])
def test_a_statement_that_is_not_generated_is_never_empty(code: str) -> None:
    error = _error(code, "gstr2b.get")
    assert error is not None
    assert error.outcome is Outcome.NOT_GENERATED


def test_a_random_failure_is_never_empty() -> None:
    error = _error("RET12501", "gstr1.cdnr")
    assert error is not None
    assert (error.outcome, error.is_retryable) == (Outcome.TRANSIENT, True)


@pytest.mark.parametrize("code", ["RET2B1006", "RET2B1013", "RET2B1015", "RET2B1017"])
def test_emptiness_that_one_source_claims_is_asked_again(code: str) -> None:
    error = _error(code, "gstr2b.get")
    assert isinstance(error, kinds.NoData)
    assert not error.is_certain


@given(st.text(max_size=40))
def test_an_unknown_code_is_transient_for_a_few_tries_and_then_a_changed_contract(text: str) -> None:
    code = f"ZZ{text}"
    for tries in range(UNKNOWN_TRIES):
        error = error_for("gstr1.b2b", Refusal(code), NOW, tries=tries)
        assert type(error) is kinds.SourceUnavailable
    assert type(error_for("gstr1.b2b", Refusal(code), NOW, tries=UNKNOWN_TRIES)) is kinds.ContractChanged


@given(st.sampled_from([code for code, _ in PAIRS] + ["NEW1", "https://host/?key=SECRET99", ""]))
def test_no_message_repeats_the_portals_text_or_an_address(code: str) -> None:
    text = "client-secret SECRET99 at https://internal.host/path for 27AAACT0000A1ZQ"
    error = _error(code, text=text)
    assert error is not None
    shown = f"{error} {error.source_code} {error.next_step} {error!r}"
    for hidden in ("SECRET99", "http", "internal", "27AAACT0000A1ZQ"):
        assert hidden not in shown


def test_a_known_sentence_without_a_code_is_a_changed_contract() -> None:
    assert type(_error("", text="Invalid Data Format!")) is kinds.ContractChanged


def test_too_early_names_the_14th_after_the_period_in_india() -> None:
    error = _error("RET2B1018", "gstr2b.get")
    assert isinstance(error, kinds.TooEarly)
    assert error.ready_at == datetime(2026, 11, 14, 9, 30, tzinfo=UTC)


def test_a_cut_off_that_has_passed_becomes_the_next_afternoon() -> None:
    late = datetime(2026, 11, 14, 10, 0, tzinfo=UTC)
    assert cut_off(Period(2026, 10), late) == datetime(2026, 11, 15, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("estimate", [None, "", "soon", "-3", "1e99", "nan", 0, [1]])
def test_an_unreadable_estimate_is_half_an_hour(estimate: object) -> None:
    assert ready_after(estimate, NOW) == NOW + timedelta(minutes=30)


def test_an_estimate_is_in_minutes_and_capped_at_two_days() -> None:
    assert ready_after("45", NOW) == NOW + timedelta(minutes=45)
    assert ready_after(999_999, NOW) == NOW + timedelta(days=2)


def test_a_full_account_pauses_the_whole_run_for_six_hours() -> None:
    error = _error("AUTH403", "auth.otp")
    assert isinstance(error, kinds.ProviderAtCapacity)
    assert (error.scope, error.ready_at) == (kinds.Scope.RUN, NOW + timedelta(hours=6))


@pytest.mark.parametrize(
    "body",
    [
        {"status_cd": 0, "error": {"error_cd": "RET13510", "message": "x"}},
        {"status_cd": "0", "error": {"errorCode": "RET13510", "errorMessage": "x"}},
        {"errorCode": "RET13510", "errorMessage": "x"},
        {"error_cd": "RET13510", "message": "x"},
    ],
)
def test_both_spellings_of_the_envelope_are_read(body: dict[str, object]) -> None:
    assert refusal_in(body) == Refusal("RET13510", "x")


@pytest.mark.parametrize("body", [{"status_cd": 0}, {"status_cd": "ER"}, {"error": {}}, {"status_cd": False}])
def test_a_refusal_without_a_code_is_still_a_refusal(body: dict[str, object]) -> None:
    found = refusal_in(body)
    assert found is not None
    assert found.code == ""


@pytest.mark.parametrize(
    "body", [{"status_cd": 1}, {"status_cd": "P"}, {"status_cd": "3", "data": {}}, {}, [], "x"]
)
def test_success_carries_no_refusal(body: object) -> None:
    assert refusal_in(body) is None


def test_a_status_is_text_whatever_type_it_came_as() -> None:
    values = [0, 1, "1", " p ", True, False, None, "REC"]
    assert [status_text(value) for value in values] == ["0", "1", "1", "P", "1", "0", "", "REC"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, kinds.SessionExpired), (403, kinds.SessionExpired), (404, kinds.ContractChanged),
        (400, kinds.BadRequest), (422, kinds.BadRequest), (429, kinds.RateLimited), (503, kinds.SourceUnavailable),
    ],
)  # fmt: skip
def test_a_bare_http_status_has_its_class(status: int, kind: type[kinds.SyncError]) -> None:
    refusal = refusal_of_status(status)
    assert refusal is not None
    assert type(error_for("gstr1.b2b", refusal, NOW)) is kind


def test_the_runbook_has_a_row_with_a_next_step_for_every_rule() -> None:
    rows = list(runbook_rows())
    assert len(rows) > len(RULES)
    assert all(all(row) for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
