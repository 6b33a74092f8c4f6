"""Which hosts may hold the data of a firm: those of Accurate, and in tests this machine."""

from __future__ import annotations

import httpx

from clientsync.errors import ForbiddenHost
from clientsync.http.client import HttpClient

_DOMAIN = ".accurate.id"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def data_host(client: HttpClient, told: str) -> str:
    """Return scheme, host and port of an address that Accurate told, in a discovery or a redirect.

    Raises:
        ForbiddenHost: it is not https below ``accurate.id``, or the allow-list of the client does not hold it. When
            the account layer itself is on this machine, the data must be there too.
    """
    url = client.allowed.check(told if "://" in told else f"https://{told}")
    if httpx.URL(client.base_url).host in _LOOPBACK:
        if url.host not in _LOOPBACK:
            raise ForbiddenHost("A host outside this machine was told by a system inside it.")
    elif url.scheme != "https" or not url.host.endswith(_DOMAIN) or url.port is not None:
        raise ForbiddenHost("A host outside accurate.id was told.")
    port = "" if url.port is None else f":{url.port}"
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}{port}"
