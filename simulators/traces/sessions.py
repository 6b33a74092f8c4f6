"""Who is logged in: one session per TAN, lock-outs and passwords that are too old.

A login of the same TAN ends the session before it, on both portals, because the old one lives off the new one's.
"""

import base64
import json
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

ATTEMPTS = 5  # TDS reference, section 1.1 fact 7
LOCK_SECONDS = 3600.0
REFUSED, LOCKED, TOO_OLD = "AUTH401", "AUTH423", "AUTH428"
ELSEWHERE, EXPIRED = "elsewhere", "expired"


@dataclass(slots=True)
class Session:
    """One login; ``ended`` tells why it is over, ``unsettled`` how many grid calls still find nothing."""

    tan: str
    access: str
    refresh: str
    ends_at: float
    is_foreign: bool = False
    ended: str = ""
    unsettled: int = 0


class Sessions:
    """The sessions and the state of the accounts."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._live: dict[str, Session] = {}
        self._by_access: dict[str, Session] = {}
        self._by_cookie: dict[str, Session] = {}
        self._locked_until: dict[str, float] = {}
        self.failures: Counter[str] = Counter()
        self.too_old: set[str] = set()

    def attempt(self, tan: str, *, right: bool) -> str:
        """Judge a password and give the code of a refusal, or nothing."""
        if self._clock() < self._locked_until.get(tan, 0.0):
            return LOCKED
        if not right:
            self.failures[tan] += 1
            if self.failures[tan] < ATTEMPTS:
                return REFUSED
            self.lock(tan, LOCK_SECONDS)
            return LOCKED
        self.failures[tan] = 0
        return TOO_OLD if tan in self.too_old else ""

    def lock(self, tan: str, seconds: float) -> None:
        """Lock an account; when the time is over it may fail as often as before."""
        self._locked_until[tan] = self._clock() + seconds
        self.failures[tan] = 0

    def open(self, tan: str, *, unsettled: int = 0, is_foreign: bool = False) -> Session:
        """Open a session and end the one before it."""
        before = self._live.get(tan)
        if before and not before.ended:
            before.ended = ELSEWHERE
        now = self._clock()
        access = _token({"sub": tan, "iat": int(now), "exp": int(now + self._seconds)})
        opened = Session(tan, access, secrets.token_hex(16), now + self._seconds, is_foreign, "", unsettled)
        self._live[tan] = self._by_access[access] = opened
        return opened

    def expire(self, tan: str) -> int:
        """End the session of a TAN, or of all when it is empty.

        Returns:
            How many were ended.
        """
        ended = [one for one in self._live.values() if not one.ended and tan in {"", one.tan}]
        for one in ended:
            one.ended = EXPIRED
        return len(ended)

    def has_foreign(self, tan: str) -> bool:
        """Tell whether the live session of a TAN is somebody else's."""
        found = self._live.get(tan)
        return found is not None and found.is_foreign and not found.ended

    def by_bearer(self, header: str) -> Session | None:
        """Find the session of an Authorization header, over or not."""
        return self._fresh(self._by_access.get(header.removeprefix("Bearer ").strip()))

    def by_cookie(self, header: str) -> Session | None:
        """Find the session of a Cookie header, over or not."""
        pairs = dict(one.strip().partition("=")[::2] for one in header.split(";"))
        return self._fresh(self._by_cookie.get(pairs.get("JSESSIONID", "")))

    def cookie(self, session: Session) -> str:
        """Give a session a cookie of the old portal."""
        name = secrets.token_hex(16).upper()
        self._by_cookie[name] = session
        return name

    def _fresh(self, session: Session | None) -> Session | None:
        if session and not session.ended and self._clock() >= session.ends_at:
            session.ended = EXPIRED
        return session


def _token(claims: dict[str, object]) -> str:
    """Give a token in the shape of a JWT; its signature is random, which also makes it unique."""
    parts = (json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps(claims))
    texts = [part.encode() for part in parts] + [secrets.token_bytes(32)]
    return ".".join(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in texts)
