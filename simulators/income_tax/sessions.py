"""Who is logged in to the e-filing portal, who is locked out, whose password or second factor stands in the way.

A TAN has at most one live session. Five refused passwords in a row lock it for thirty minutes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

LOCK_SECONDS = 1800.0
ALLOWED_FAILURES = 5
OK, WRONG, LOCKED, EXPIRED, SECOND_FACTOR = "EF00000", "EF00054", "EF00027", "EF00177", "EF00136"
DUAL, NO_REQUEST, UNREGISTERED, OVER = "EF00177D", "EF00055", "EF00022", "EF00401"


@dataclass(slots=True)
class Session:
    """One login; ``act`` is empty until it was chosen."""

    tan: str
    token: str
    xsrf: str
    seen: float
    act: str = ""
    is_ended: bool = False


@dataclass(slots=True)
class Account:
    """What stands between a TAN and its login."""

    failures: int = 0
    locked_until: float = 0.0
    is_expired: bool = False
    has_vault: bool = False
    is_elsewhere: bool = False
    requests: set[str] = field(default_factory=set)


class Sessions:
    """All accounts and logins."""

    def __init__(self, clock: Callable[[], float], idle_seconds: float) -> None:
        self._clock = clock
        self._idle = idle_seconds
        self._accounts: dict[str, Account] = {}
        self._live: dict[str, Session] = {}

    def account(self, tan: str) -> Account:
        """Give the account of a TAN."""
        return self._accounts.setdefault(tan, Account())

    def ask(self, tan: str) -> str:
        """Begin a login; gives the request id that the password must carry."""
        made = secrets.token_hex(12)
        self.account(tan).requests.add(made)
        return made

    def refuse(self, tan: str, request: str, *, is_right: bool, force: bool) -> str:
        """Say why a password does not log in; ``EF00000`` when it does."""
        account = self.account(tan)
        if account.locked_until > self._clock():
            return LOCKED
        if request not in account.requests:
            return NO_REQUEST
        account.requests.discard(request)
        if account.has_vault:
            return SECOND_FACTOR
        if not is_right:
            return self._count_failure(account)
        account.failures = 0
        if account.is_expired:
            return EXPIRED
        return DUAL if not force and (account.is_elsewhere or self._alive(tan)) else OK

    def _count_failure(self, account: Account) -> str:
        """Count a wrong password; the fifth in a row locks."""
        account.failures += 1
        if account.failures < ALLOWED_FAILURES:
            return WRONG
        account.failures, account.locked_until = 0, self._clock() + LOCK_SECONDS
        return LOCKED

    def open(self, tan: str) -> Session:
        """Log in; another session of the TAN is over."""
        self.account(tan).is_elsewhere = False
        if before := self._live.get(tan):
            before.is_ended = True
        made = Session(tan, secrets.token_urlsafe(32), secrets.token_hex(16), self._clock())
        self._live[tan] = made
        return made

    def _alive(self, tan: str) -> Session | None:
        found = self._live.get(tan)
        return found if found and not found.is_ended and self._clock() - found.seen < self._idle else None

    def find(self, token: str, xsrf: str) -> tuple[Session | None, str]:
        """Find the live session of a call, or the code of the refusal."""
        for one in self._live.values():
            if (one.token, one.xsrf) == (token, xsrf):
                if self.account(one.tan).is_elsewhere:
                    return None, DUAL
                if self._alive(one.tan) is not one:
                    return None, OVER
                one.seen = self._clock()
                return one, ""
        return None, OVER

    def close(self, tan: str) -> None:
        """Log out."""
        self._live.pop(tan, None)

    def expire(self, tan: str = "") -> int:
        """End the sessions of a TAN, or of all; gives how many were live."""
        found = [one for one in list(self._live) if tan in {"", one} and self._alive(one)]
        for one in found:
            self._live[one].is_ended = True
        return len(found)

    def lock(self, tan: str, seconds: float = LOCK_SECONDS) -> None:
        """Lock a TAN out; 0 seconds unlock it."""
        self.account(tan).locked_until = self._clock() + seconds
