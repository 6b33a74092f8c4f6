"""Promises of the calls that portals need: forms, redirects that are seen and not followed, hidden outages."""

from __future__ import annotations

import pytest

from clientsync.errors import ForbiddenHost, ProviderMisconfigured, SourceUnavailable
from clientsync.http.client import CallMeter, HttpClient
from connectors.portal_accounts import account_of
from connectors.traces.reading import cookie_header
from simulators.http import Request, Response
from tests.unit.tds_portals.conftest import Portals

REDIRECT = {"Location": "/elsewhere", "Set-Cookie": "A=1; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT"}


@pytest.fixture
def http(portals: Portals) -> HttpClient:
    return account_of("traces_old", portals.services).http


def test_a_form_is_sent_as_a_form(portals: Portals, http: HttpClient) -> None:
    portals.override = lambda _: Response.of({})
    http.send("POST", "/x", form={"rows": "100", "sidx": ""})
    assert portals.seen[0].body == b"rows=100&sidx="
    assert portals.seen[0].headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_redirect_is_returned_only_where_one_is_expected_and_never_followed(
    portals: Portals, http: HttpClient
) -> None:
    portals.override = lambda _: Response(b"", 302, "text/html", REDIRECT)
    reply = http.send("GET", "/x", expect_redirect=True)
    assert (reply.status, reply.headers["location"]) == (302, "/elsewhere")
    assert cookie_header(reply.set_cookies) == "A=1"
    assert "A=1" not in repr(reply)
    with pytest.raises(ForbiddenHost):
        http.send("GET", "/x")
    assert len(portals.seen) == 2


def test_cookies_pass_to_nobody_by_themselves(portals: Portals, http: HttpClient) -> None:
    portals.override = lambda _: Response(b"{}", 200, "application/json", {"Set-Cookie": "A=1; Path=/"})
    http.send("GET", "/x")
    http.send("GET", "/x")
    assert "cookie" not in portals.seen[1].headers


def test_a_web_page_in_the_place_of_data_opens_the_breaker_of_the_portal(portals: Portals) -> None:
    account = account_of("traces_new", portals.services)

    def page(_: Request) -> Response:
        return Response(b"<html>Scheduled downtime</html>", 200, "text/html")

    portals.override = page
    for number in range(portals.services.settings.breaker_failures):
        with pytest.raises(SourceUnavailable):
            account.exchange(
                "GET", "/x", lambda reply: reply.json(), CallMeter(), client=f"C{number % 3}", once=True
            )
    sent = len(portals.seen)
    with pytest.raises(SourceUnavailable):
        account.exchange("GET", "/x", lambda reply: reply.json(), CallMeter(), client="C9", once=True)
    assert len(portals.seen) == sent


def test_a_portal_that_is_configured_as_something_else_is_refused(portals: Portals) -> None:
    wrong = {"traces_new": portals.services.settings.provider("income_tax")}
    portals.services.settings = portals.services.settings.model_copy(update={"providers": wrong})
    with pytest.raises(ProviderMisconfigured):
        account_of("traces_new", portals.services)
