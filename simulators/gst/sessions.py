"""Sessions: one-time passwords, tokens, consents, and which of them are over.

A token dies after `token_minutes` although the answer promises more; a refresh works until the consent ends.
"""

import secrets
import time
from dataclasses import dataclass

from simulators.gst.crypto import fresh_key
from simulators.gst.parties import Client
from simulators.gst.portal import Portal, PortalError

TOLD_MINUTES = 43_200


@dataclass(slots=True)
class Session:
    """One login of one client."""

    client: Client
    token: str
    refresh: str
    key: bytes
    dies: float


class Sessions:
    """All logins."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._tokens: dict[str, Session] = {}
        self._otps: dict[str, str] = {}
        self._consent: dict[str, float] = {}
        off = portal.settings.access_off_share
        self._off = {
            one.gstin for one in portal.country.clients
            if off and one.index and portal.country.rng("access", one.gstin).random() < off
        }  # fmt: skip

    def set_access(self, client: Client, *, enabled: bool) -> None:
        """Switch API access on the portal on or off."""
        (self._off.discard if enabled else self._off.add)(client.gstin)

    def phone(self, username: str) -> str | None:
        """Tell what the person's phone shows."""
        return self._otps.get(username)

    def request_otp(self, client: Client) -> None:
        """Send a one-time password.

        Raises:
            PortalError: API access is off.
        """
        if client.gstin in self._off:
            raise PortalError("AUTH4037")
        self._otps[client.username] = f"{secrets.randbelow(1_000_000):06d}"

    def login(self, client: Client, otp: str) -> Session:
        """Open a session with a one-time password.

        Raises:
            PortalError: wrong or missing password, or access is off.
        """
        if client.gstin in self._off:
            raise PortalError("AUTH4037")
        if client.username not in self._otps:
            raise PortalError("AUTH4033")
        if self._otps[client.username] != otp:
            raise PortalError("AUTH4034")
        del self._otps[client.username]
        self._consent[client.gstin] = time.time() + self._portal.settings.consent_days * 86_400
        return self._open(client)

    def _open(self, client: Client) -> Session:
        dies = time.time() + self._portal.settings.token_minutes * 60
        made = Session(client, secrets.token_hex(16), secrets.token_hex(16), fresh_key(), dies)
        self._tokens[made.token] = made
        return made

    def consent_ends(self, client: Client) -> float:
        """Give the end of the consent as a time stamp; 0 when there is none."""
        return self._consent.get(client.gstin, 0.0)

    def refresh(self, token: str) -> Session:
        """Replace a session, even an expired one, by a new one.

        Raises:
            PortalError: unknown token, or the consent is over.
        """
        old = self._tokens.get(token)
        if old is None:
            raise PortalError("AUTH158")
        if self.consent_ends(old.client) <= time.time():
            raise PortalError("AUTH4033")
        del self._tokens[token]
        return self._open(old.client)

    def find(self, token: str) -> Session | None:
        """Find a session, alive or not."""
        return self._tokens.get(token)

    def check(self, token: str) -> Session:
        """Find a session that is alive.

        Raises:
            PortalError: unknown, expired, or without consent.
        """
        found = self._tokens.get(token)
        if found is None:
            raise PortalError("AUTH158")
        if self.consent_ends(found.client) <= time.time():
            raise PortalError("AUTH4033")
        if found.dies <= time.time():
            raise PortalError("AUTH4038")
        return found

    def logout(self, token: str) -> None:
        """Forget a session."""
        self._tokens.pop(token, None)

    def expire(self, client: Client) -> int:
        """Let all tokens of a client die now."""
        found = [one for one in self._tokens.values() if one.client is client]
        for one in found:
            one.dies = 0.0
        return len(found)

    def lapse(self, client: Client) -> None:
        """End the consent of a client now."""
        self._consent.pop(client.gstin, None)
