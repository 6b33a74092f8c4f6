"""Challenges: what only a person can answer. A challenge is a row; other clients never wait for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, select, update

from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncChallenge, SyncClient

_T = SyncChallenge.__table__  # type: ignore[attr-defined]
_CLIENT = SyncClient.__table__  # type: ignore[attr-defined]

PROMPTS = {
    "otp": "The portal sent a one-time password to the client's registered mobile and e-mail; it is needed here.",
    "consent": "The client's API consent has ended. It must be renewed on the portal, then a new OTP answered.",
    "portal_setting": (
        "API access is off or too short. On the portal: My Profile, Manage API Access, Enable: Yes, "
        "Duration: 30 days. Then answer a new OTP."
    ),
    "captcha": "The portal shows a picture. Type its six characters; capital and small letters differ.",
    "second_factor": (
        "The account is protected by a second factor (e-Filing Vault). Only a person can log in, or release it."
    ),
    "password": (
        "The portal refused the stored password, or wants a new one. Store the right one; it is tried once."
    ),
    "registration": "The portal does not know this client's number or user. Register it there, or correct it here.",
}
RAISED_BY_SESSIONS = frozenset(
    {"CAPTCHA_REQUIRED", "SECOND_FACTOR", "PASSWORD_REJECTED", "PASSWORD_EXPIRED", "NOT_ENTITLED"}
)
"""Codes whose challenge the portal's session raises itself, because it knows the portal and the picture."""
_WAITING = ("open", "rejected")


def kind_of(code: str) -> str | None:
    """Return the kind of challenge that an error code of the NeedsPerson family raises; None: raised already."""
    if code in RAISED_BY_SESSIONS:
        return None
    return {"CONSENT_LAPSED": "consent", "PORTAL_SETTING": "portal_setting"}.get(code, "otp")


def raise_challenge(
    engine: Engine,
    client_id: str,
    connector: str,
    kind: str,
    *,
    portal: str = "",
    image: bytes | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Return the open challenge of this client, portal and kind; one is written when there is none.

    Runs that meet the same closed session at once get the same challenge: they take turns by the client's row.

    Args:
        engine: the ledger.
        client_id: who waits.
        connector: whose session waits.
        kind: one of ``PROMPTS``.
        portal: which portal, where the connector has several.
        image: picture to read; replaces the one of an open challenge.
        expires_at: when the picture is no longer good.
    """
    with writing(engine) as connection:
        mine = select(_CLIENT.c.client_id).where(_CLIENT.c.client_id == client_id)
        connection.execute(mine.with_for_update(key_share=True))
        existing = connection.execute(
            select(_T.c.challenge_id)
            .where(
                _T.c.client_id == client_id,
                _T.c.connector == connector,
                _T.c.portal == portal,
                _T.c.kind == kind,
                _T.c.state.in_(_WAITING),
            )
            .order_by(_T.c.raised_at, _T.c.challenge_id)
            .limit(1)
        ).scalar_one_or_none()
        if existing is not None:
            if image is not None:
                connection.execute(
                    update(_T)
                    .where(_T.c.challenge_id == existing)
                    .values(image=image, expires_at=expires_at, state="open")
                )
            return str(existing)
        challenge_id = new_id("chal")
        connection.execute(
            insert(_T).values(
                challenge_id=challenge_id,
                client_id=client_id,
                connector=connector,
                kind=kind,
                portal=portal,
                prompt=PROMPTS[kind],
                image=image,
                expires_at=expires_at,
                state="open",
                raised_at=now(),
                attempts=0,
            )
        )
        return challenge_id


def open_challenges(engine: Engine, client_id: str | None = None) -> list[dict[str, Any]]:
    """Return the challenges that wait, oldest first, as plain rows."""
    statement = select(_T).where(_T.c.state.in_(_WAITING)).order_by(_T.c.raised_at, _T.c.challenge_id)
    if client_id is not None:
        statement = statement.where(_T.c.client_id == client_id)
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def mark_requested(engine: Engine, client_id: str, connector: str, portal: str | None = None) -> None:
    """Remember when the portal was last asked to send an OTP or a picture for this client."""
    _set(engine, client_id, connector, portal, {"requested_at": now(), "state": "open"})


def mark_answered(engine: Engine, client_id: str, connector: str, portal: str | None = None) -> None:
    """Close every waiting challenge of this client (at one portal, when it is named): the session is open."""
    _set(
        engine,
        client_id,
        connector,
        portal,
        {"answered_at": now(), "state": "answered", "image": None, "attempts": _T.c.attempts + 1},
    )


def mark_rejected(engine: Engine, client_id: str, connector: str, portal: str | None = None) -> None:
    """Say that the portal refused the answer; a new one is needed."""
    _set(engine, client_id, connector, portal, {"state": "rejected", "attempts": _T.c.attempts + 1})


def _set(engine: Engine, client_id: str, connector: str, portal: str | None, values: dict[str, Any]) -> None:
    mine = (_T.c.client_id == client_id) & (_T.c.connector == connector) & _T.c.state.in_(_WAITING)
    if portal is not None:
        mine &= _T.c.portal == portal
    with writing(engine) as connection:
        connection.execute(update(_T).where(mine).values(**values))
