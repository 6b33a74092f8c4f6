"""Challenges: what only a person can answer. A challenge is a row; other clients never wait for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, insert, select, update

from clientsync.clock import now
from clientsync.database import reading, writing
from clientsync.ledger.ids import new_id
from clientsync.ledger.tables import SyncChallenge

_T = SyncChallenge.__table__  # type: ignore[attr-defined]

PROMPTS = {
    "otp": "The portal sent a one-time password to the client's registered mobile and e-mail; it is needed here.",
    "consent": "The client's API consent has ended. It must be renewed on the portal, then a new OTP answered.",
    "portal_setting": (
        "API access is off or too short. On the portal: My Profile, Manage API Access, Enable: Yes, "
        "Duration: 30 days. Then answer a new OTP."
    ),
}


def kind_of(code: str) -> str:
    """Return the kind of challenge that an error code of the NeedsPerson family raises."""
    return {"CONSENT_LAPSED": "consent", "PORTAL_SETTING": "portal_setting"}.get(code, "otp")


def raise_challenge(engine: Engine, client_id: str, connector: str, kind: str) -> str:
    """Return the open challenge of this client and kind; one is written when there is none."""
    with writing(engine) as connection:
        existing = connection.execute(
            select(_T.c.challenge_id).where(
                _T.c.client_id == client_id,
                _T.c.connector == connector,
                _T.c.kind == kind,
                _T.c.state.in_(("open", "rejected")),
            )
        ).scalar_one_or_none()
        if existing is not None:
            return str(existing)
        challenge_id = new_id("chal")
        connection.execute(
            insert(_T).values(
                challenge_id=challenge_id,
                client_id=client_id,
                connector=connector,
                kind=kind,
                prompt=PROMPTS[kind],
                state="open",
                raised_at=now(),
                attempts=0,
            )
        )
        return challenge_id


def open_challenges(engine: Engine, client_id: str | None = None) -> list[dict[str, Any]]:
    """Return the challenges that wait, oldest first, as plain rows."""
    statement = (
        select(_T).where(_T.c.state.in_(("open", "rejected"))).order_by(_T.c.raised_at, _T.c.challenge_id)
    )
    if client_id is not None:
        statement = statement.where(_T.c.client_id == client_id)
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def mark_requested(engine: Engine, client_id: str, connector: str) -> None:
    """Remember when the portal was last asked to send an OTP for this client."""
    _set(engine, client_id, connector, {"requested_at": now(), "state": "open"})


def mark_answered(engine: Engine, client_id: str, connector: str) -> None:
    """Close every waiting challenge of this client: the session is open."""
    _set(
        engine,
        client_id,
        connector,
        {"answered_at": now(), "state": "answered", "attempts": _T.c.attempts + 1},
    )


def mark_rejected(engine: Engine, client_id: str, connector: str) -> None:
    """Say that the portal refused the answer; a new one is needed."""
    _set(engine, client_id, connector, {"state": "rejected", "attempts": _T.c.attempts + 1})


def _set(engine: Engine, client_id: str, connector: str, values: dict[str, Any]) -> None:
    with writing(engine) as connection:
        connection.execute(
            update(_T)
            .where(
                _T.c.client_id == client_id,
                _T.c.connector == connector,
                _T.c.state.in_(("open", "rejected")),
            )
            .values(**values)
        )
