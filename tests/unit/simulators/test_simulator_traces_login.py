"""Logging in to TRACES: the picture, the lock-out, the bridge, and how a session ends."""

import struct
import zlib

import pytest

from simulators.traces.captcha import FONT, HIGH, INK, LENGTH, MARGIN, SCALE, WIDE
from tests.unit.simulators.simulated_traces import DED, TODAY, decoded, population, traces

CHALLANS = "/oltaschallancorrection/deductor/bin/periodOfpayment"
REQUESTS = "/tdscertificatesservice/api/new-requests"


def dots_of(image: bytes) -> list[bytes]:
    """Read a grey PNG by hand: rows of dots."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    place, parts = 8, {}
    while place < len(image):
        size, name = struct.unpack(">I4s", image[place : place + 8])
        data = image[place + 8 : place + 8 + size]
        assert zlib.crc32(name + data) == struct.unpack(">I", image[place + 8 + size : place + 12 + size])[0]
        parts[name] = data
        place += 12 + size
    wide, high = struct.unpack(">II", parts[b"IHDR"][:8])
    raw = zlib.decompress(parts[b"IDAT"])
    assert len(raw) == high * (wide + 1)
    return [raw[row * (wide + 1) + 1 : (row + 1) * (wide + 1)] for row in range(high)]


def read_picture(image: bytes) -> str:
    """Read the characters as a person would, whatever their height."""
    rows = dots_of(image)
    shapes = {bytes.fromhex(columns): character for character, columns in FONT.items()}
    text = ""
    for place in range(LENGTH):
        left = (MARGIN + place * WIDE + 1) * SCALE
        for shift in range(-2, 3):
            top = (MARGIN + shift) * SCALE
            columns = bytes(
                sum((rows[top + line * SCALE][left + at * SCALE] == INK) << line for line in range(HIGH))
                for at in range(5)
            )
            inked = sum(one == INK for row in rows for one in row[left : left + 5 * SCALE])
            if columns in shapes and inked == sum(one.bit_count() for one in columns) * SCALE**2:
                text += shapes[columns]
                break
    return text


def test_the_picture_is_a_png_that_shows_the_characters() -> None:
    with traces() as one:
        found = one.captcha()
        image = decoded(found["image"])
        assert len(image) < 5_000
        assert read_picture(image) == one.portal.captcha_text(found["id"])
        assert one.portal.newest_captcha() == found["id"]


def test_a_captcha_works_once() -> None:
    with traces() as one:
        captcha_id = one.captcha()["id"]
        text = one.portal.captcha_text(captcha_id)
        assert one.login(captchaId=captcha_id, captcha=text).status_code == 200
        again = one.login(captchaId=captcha_id, captcha=text)
        assert (again.status_code, again.json()["errorCode"]) == (400, "CPT401")


def test_a_wrong_answer_uses_the_captcha_up_and_case_matters() -> None:
    with traces() as one:
        captcha_id = one.captcha()["id"]
        text = one.portal.captcha_text(captcha_id)
        wrong = one.login(captchaId=captcha_id, captcha=text.swapcase())
        assert wrong.json()["errorCode"] == "CPT400"
        assert one.login(captchaId=captcha_id, captcha=text).json()["errorCode"] == "CPT401"
        with pytest.raises(KeyError):
            one.portal.captcha_text(captcha_id)


def test_a_captcha_lives_five_minutes() -> None:
    with traces() as one:
        captcha_id = one.captcha()["id"]
        text = one.portal.captcha_text(captcha_id)
        one.seconds += 300
        assert one.login(captchaId=captcha_id, captcha=text).json()["errorCode"] == "CPT401"


def test_a_missing_captcha_has_a_code_of_its_own() -> None:
    with traces() as one:
        assert one.login(captcha="").json()["errorCode"] == "CPT403"
        assert one.login(captchaId="").json()["errorCode"] == "CPT403"


def test_a_misread_picture_never_counts_towards_the_lock() -> None:
    with traces() as one:
        for _ in range(6):
            assert one.login(captcha="nobody", password="wrong").json()["errorCode"] == "CPT400"
        assert one.portal.failures(one.one.tan) == 0
        assert one.login().status_code == 200


def test_the_fifth_wrong_password_locks_the_account_for_an_hour() -> None:
    with traces() as one:
        codes = [one.login(password="wrong").json()["errorCode"] for _ in range(5)]
        assert codes == ["AUTH401"] * 4 + ["AUTH423"]
        assert one.login().json()["errorCode"] == "AUTH423"
        one.seconds += 3599
        assert one.login().json()["errorCode"] == "AUTH423"
        one.seconds += 1
        assert one.login().status_code == 200


def test_a_right_password_forgets_the_wrong_ones() -> None:
    with traces() as one:
        for _ in range(4):
            one.login(password="wrong")
        assert one.portal.failures(one.one.tan) == 4
        assert one.login().status_code == 200
        assert one.login(password="wrong").json()["errorCode"] == "AUTH401"


def test_an_unknown_user_is_refused_like_a_wrong_password() -> None:
    with traces() as one:
        found = one.login(userId="nobody")
        assert (found.status_code, found.json()["errorCode"]) == (401, "AUTH401")
        assert "password" in found.json()["message"]


def test_the_tan_decides_where_one_user_id_has_several() -> None:
    deductors = population()
    deductors[1].traces_user = deductors[0].traces_user
    deductors[1].traces_password = "another"
    with traces(deductors) as one:
        assert one.login(deductors[1]).json()["tan"] == deductors[1].tan
        assert one.login(subUserPanId="").json()["errorCode"] == "AUTH401"


def test_lock_and_password_age_can_be_set_from_outside() -> None:
    with traces() as one:
        one.portal.lock(one.one.tan)
        assert one.login().json()["errorCode"] == "AUTH423"
        one.portal.unlock(one.one.tan)
        one.portal.expire_password(one.one.tan)
        assert one.login().json()["errorCode"] == "AUTH428"
        one.portal.expire_password(one.one.tan, expired=False)
        assert one.login().status_code == 200


def test_the_bridge_opens_the_old_portal_with_a_cookie() -> None:
    with traces() as one:
        one.login()
        crossed = one.bridge()
        assert crossed.status_code == 302
        assert crossed.headers["location"] == f"{DED}dashboard.xhtml"
        assert crossed.headers["set-cookie"].startswith("JSESSIONID=")
        assert f"Welcome {one.one.name}" in one.web.get(crossed.headers["location"]).text


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("Origin", "https://example.org", 403), ("RefreshToken", "x", 401), ("Authorization", "Bearer x", 401)],
)
def test_the_bridge_wants_both_tokens_and_the_origin(header: str, value: str, status: int) -> None:
    with traces() as one:
        one.login()
        assert one.bridge(**{header: value}).status_code == status


def test_without_a_session_both_portals_refuse() -> None:
    with traces() as one:
        one.tokens = {"accessToken": "none"}
        found = one.get(REQUESTS)
        assert (found.status_code, found.json()["errorCode"]) == (401, "SES401")
        assert one.web.get(f"{DED}dashboard.xhtml").status_code == 410
        assert one.servlet("TagChallanServlet", reqtype="0").status_code == 410


def test_a_session_ends_with_its_time_on_both_portals() -> None:
    with traces(session_seconds=100) as one:
        one.enter()
        assert one.servlet("TagChallanServlet", reqtype="0").status_code == 200
        one.seconds += 100
        assert one.servlet("TagChallanServlet", reqtype="0").status_code == 410
        assert one.get(REQUESTS).json()["errorCode"] == "SES401"


def test_sessions_can_be_ended_one_by_one_or_all() -> None:
    with traces() as one:
        one.enter()
        assert one.portal.expire_sessions(one.deductors[1].tan) == 0
        assert one.portal.expire_sessions() == 1
        assert one.portal.expire_sessions() == 0
        assert one.get(REQUESTS).status_code == 401


def test_a_second_login_of_the_same_tan_ends_the_first() -> None:
    with traces() as one:
        one.enter()
        first = dict(one.tokens)
        one.login(one.deductors[1])
        one.tokens = first
        assert one.get(REQUESTS).status_code == 200
        one.login()
        second, one.tokens = one.tokens, first
        found = one.get(REQUESTS)
        assert (found.status_code, found.json()["errorCode"]) == (401, "SES409")
        old = one.servlet("TagChallanServlet", reqtype="0")
        assert old.status_code == 410
        assert "Dual Login Detected" in old.text
        one.tokens = second
        assert one.get(REQUESTS).status_code == 200


def test_somebody_elses_login_ends_ours_and_ours_ends_theirs() -> None:
    with traces() as one:
        one.enter()
        one.portal.open_foreign_session(one.one.tan)
        assert one.portal.has_foreign_session(one.one.tan)
        assert one.get(REQUESTS).json()["errorCode"] == "SES409"
        assert one.bridge().status_code == 401
        assert one.portal.has_foreign_session(one.one.tan)
        one.login()
        assert not one.portal.has_foreign_session(one.one.tan)


def test_a_session_never_opens_another_tan() -> None:
    with traces() as one:
        one.login()
        body = {"tan": one.deductors[1].tan, "fromDate": "2026-04-01", "toDate": TODAY.isoformat()}
        assert one.post(CHALLANS, body).status_code == 403
        assert one.get(REQUESTS, userId=one.deductors[1].traces_user).status_code == 403


def test_unknown_paths_and_methods_are_not_found() -> None:
    with traces() as one:
        one.enter()
        assert one.get("/nowhere").status_code == 404
        assert one.get(CHALLANS).status_code == 404
        assert one.servlet("NoSuchServlet", reqtype="0").status_code == 404
        assert one.servlet("TagChallanServlet", reqtype="9").status_code == 404
        assert one.web.get(f"{DED}srv/TagChallanServlet", params={"reqtype": "0"}).status_code == 404
        assert one.web.get("/elsewhere").status_code == 404
