"""Promises of the allow-list: no spelling of a foreign address passes, and no foreign network address is met."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from clientsync.errors import ForbiddenHost, NotConnected
from clientsync.http.addresses import AllowList, is_public

ALLOWED = AllowList(["https://api.provider.in/gst", "https://files.provider.in:8443"])

HOSTILE = [
    "http://api.provider.in/gst/x",
    "https://api.provider.in:444/gst/x",
    "https://api.provider.in/other",
    "https://api.provider.in/gstx",
    "https://api.provider.in/",
    "https://api.provider.in",
    "https://api.provider.in/gst/../other",
    "https://api.provider.in/gst/%2e%2e/other",
    "https://api.provider.in/gst/%252e%252e/other",
    "https://api.provider.in/gst/..%2fother",
    "https://api.provider.in/gst/..\\other",
    "https://api.provider.in\\@evil.in/gst/x",
    "https://api.provider.in@evil.in/gst/x",
    "https://evil.in@api.provider.in/gst/x",
    "https://user:pw@api.provider.in/gst/x",
    "https://evil.in/gst/x",
    "https://evil.in#api.provider.in/gst/x",
    "https://api.provider.in#@evil.in/gst/x",
    "https://api.provider.in/gst/x#y",
    "https://api.provider.in.evil.in/gst/x",
    "https://evil-api.provider.in/gst/x",
    "https://api.provider.in./gst/x",
    "https://api.provider.in:443@evil.in/gst/x",
    "https://api.provider.in%2eevil.in/gst/x",
    "https://api.provider.in%00.evil.in/gst/x",
    "https://api。provider。in/gst/x",
    "https://аpi.provider.in/gst/x",
    "https://xn--pi-7kc.provider.in/gst/x",
    "https:///gst/x",
    "https:/api.provider.in/gst/x",
    "https:api.provider.in/gst/x",
    "//api.provider.in/gst/x",
    "ftp://api.provider.in/gst/x",
    "file:///etc/passwd",
    "gopher://api.provider.in/gst/x",
    "javascript:alert(1)",
    "data:text/plain,x",
    "https://127.0.0.1/gst/x",
    "https://localhost/gst/x",
    "https://0.0.0.0/gst/x",
    "https://0/gst/x",
    "https://2130706433/gst/x",
    "https://0x7f000001/gst/x",
    "https://0x7f.1/gst/x",
    "https://0177.0.0.1/gst/x",
    "https://127.1/gst/x",
    "https://169.254.169.254/latest/meta-data",
    "https://2852039166/latest/meta-data",
    "https://[::1]/gst/x",
    "https://[::]/gst/x",
    "https://[::ffff:127.0.0.1]/gst/x",
    "https://[::ffff:a9fe:a9fe]/gst/x",
    "https://[fe80::1%25eth0]/gst/x",
    "https://[fd00::1]/gst/x",
    "https://10.0.0.1/gst/x",
    "https://172.16.0.1/gst/x",
    "https://192.168.1.1/gst/x",
    "https://100.64.0.1/gst/x",
    "https://metadata.google.internal/gst/x",
    "https://api.provider.in:99999/gst/x",
    "https://api.provider.in:/other",
    "https://api.provider.in:abc/gst/x",
    "https://api.provider.in/gst/x\r\nHost: evil.in",
    "https://api.provider.in/gst/\tx",
    " https://api.provider.in/gst/x",
    "https://api.provider.in/gst/x y",
    "https://files.provider.in/x",
    "https://[api.provider.in]/gst/x",
    "https://api.provider.in/gst/" + "a" * 9000,
    "",
]


def test_the_corpus_is_large_enough() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("address", HOSTILE)
def test_a_hostile_address_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(ForbiddenHost) as caught:
        ALLOWED.check(address)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://api.provider.in/gst",
        "https://api.provider.in/gst/returns?gstin=1&x=a%20b",
        "https://api.provider.in:443/gst/x",
        "https://API.provider.in/gst/x",
        "https://files.provider.in:8443/deep/file.tar.gz?sig=a/../b",
    ],
)
def test_an_address_under_a_prefix_is_allowed(address: str) -> None:
    assert ALLOWED.check(address).host.endswith("provider.in")


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::a9fe:a9fe", "2001:db8::1",
        "2001:0:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_known(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_known(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def answers(*addresses: str) -> Any:
    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return lookup


def test_a_name_that_leads_inside_is_refused_even_if_one_of_its_addresses_is_public(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("8.8.8.8", "169.254.169.254"))
    with pytest.raises(ForbiddenHost):
        ALLOWED.resolve("api.provider.in", 443)


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("8.8.8.8"))
    assert ALLOWED.resolve("api.provider.in", 443) == "8.8.8.8"
    monkeypatch.setattr(socket, "getaddrinfo", answers())
    with pytest.raises(NotConnected):
        ALLOWED.resolve("api.provider.in", 443)


def test_loopback_passes_only_where_the_provider_allows_it() -> None:
    assert AllowList(["http://127.0.0.1:1"], allow_loopback=True).resolve("127.0.0.1", 1) == "127.0.0.1"
    with pytest.raises(ForbiddenHost):
        AllowList(["http://127.0.0.1:1"]).resolve("127.0.0.1", 1)


def test_another_name_for_loopback_is_refused_also_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.1"))
    with pytest.raises(ForbiddenHost):
        AllowList(["http://127.0.0.1:1"], allow_loopback=True).resolve("rebinding.in", 1)
