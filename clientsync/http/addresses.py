"""Which addresses may be called: exactly the configured prefixes, and only at public network addresses.

A URL is compared part by part with the prefixes of the provider (scheme, host, port, path), so another
spelling of a host never passes. The name is resolved once, every address it has must be public, and the
connection goes to an address that was checked, so a name that changes its answer gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import httpx

from clientsync.errors import ForbiddenHost, NotConnected

_PORTS = {"https": 443, "http": 80}
_PLAIN_URL = re.compile(r"https?://[!-\[\]-~]+")  # printable ASCII without blank and backslash
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class _Prefix:
    scheme: str
    host: str
    port: int
    path: str

    def covers(self, url: httpx.URL) -> bool:
        path = unquote(url.path)
        return (
            url.scheme == self.scheme
            and (url.host == self.host or (self.host[:2] == "*." and url.host.endswith(self.host[1:])))
            and (url.port or _PORTS[self.scheme]) == self.port
            and (path == self.path or path.startswith(self.path.rstrip("/") + "/"))
        )


class AllowList:
    """The address prefixes that one provider may be called at; a host ``*.name`` stands for all below that name."""

    def __init__(self, prefixes: Iterable[str], *, allow_loopback: bool = False) -> None:
        """Keep the prefixes, which come from the settings and were checked there."""
        parsed = [httpx.URL(prefix) for prefix in prefixes]
        self._prefixes = tuple(
            _Prefix(url.scheme, url.host, url.port or _PORTS[url.scheme], unquote(url.path) or "/")
            for url in parsed
        )
        self._allow_loopback = allow_loopback

    def check(self, address: str) -> httpx.URL:
        """Return the URL to call.

        Raises:
            ForbiddenHost: it is not under one of the prefixes, or is written in a way that two readers may
                understand differently. The message shows no part of it.
        """
        if len(address) > 8_000 or not _PLAIN_URL.fullmatch(address):
            raise ForbiddenHost("An address with unusual characters was refused.")
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL:
            raise ForbiddenHost("An address that cannot be read was refused.") from None
        if url.userinfo or "@" in address.split("/", 3)[2] or url.fragment or "#" in address:
            raise ForbiddenHost("An address with a user or a fragment was refused.")
        path = address.split("?", 1)[0]
        for _ in range(3):
            path = unquote(path)
        if any(part in {".", ".."} for part in re.split(r"[/\\]", path)):
            raise ForbiddenHost("An address that climbs out of its path was refused.")
        if not any(prefix.covers(url) for prefix in self._prefixes):
            raise ForbiddenHost("An address outside the configured prefixes of the provider was refused.")
        return url

    def resolve(self, host: str, port: int) -> str:
        """Return the network address to connect to.

        Raises:
            ForbiddenHost: the name leads to an address that is not public.
            NotConnected: the name has no address now; nothing was sent.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NotConnected("The host's name could not be resolved.") from None
        addresses = [str(entry[4][0]) for entry in found]
        loopback_is_meant = self._allow_loopback and host in _LOOPBACK
        for text in addresses:
            address = ipaddress.ip_address(text.partition("%")[0])
            if loopback_is_meant and address.is_loopback:
                continue
            if not is_public(address):
                raise ForbiddenHost("The host's name leads to an address that is not public.")
        if not addresses:
            raise NotConnected("The host's name has no address.")
        return addresses[0]


def is_public(address: Address) -> bool:
    """Whether an address is in the public internet, also when it is wrapped in an IPv6 form."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or any(address in net for net in _NAT64):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
