"""Answering a challenge: open the session with what the person typed, and say which units waited for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from clientsync.clients.selection import select_clients
from clientsync.database import reading
from clientsync.errors import NeedsPerson, OtpRejected, UnknownName
from clientsync.ledger import challenges, runs
from clientsync.ledger.runs import UnitKey
from clientsync.outcomes import Outcome
from clientsync.registry import connector
from clientsync.spec.connector import AnsweringSession, PortalSession
from clientsync.sync.planning import ClientFacts, Plan, facts_of, plan_of_keys
from clientsync.sync.service import run
from clientsync.sync.services import Services


def _client(services: Services, client_id: str) -> ClientFacts:
    with reading(services.engine) as connection:
        return facts_of(select_clients(connection, [client_id], groups=[], exclude=[])[0])


def _session(services: Services, client_id: str, connector_name: str) -> PortalSession:
    return connector(connector_name).open_session(_client(services, client_id).identity(), services)


def request_otp(services: Services, client_id: str, connector_name: str = "gst") -> None:
    """Make the portal send an OTP to the client's registered mobile and e-mail.

    Raises:
        UnknownClient: no such client.
        SourceError: the portal refused; its next step says what to do.
    """
    session = _session(services, client_id, connector_name)
    try:
        session.request_otp()
    finally:
        session.close()
    challenges.raise_challenge(services.engine, client_id, connector_name, "otp")
    challenges.mark_requested(services.engine, client_id, connector_name)


def accept_otp(services: Services, client_id: str, otp: str, connector_name: str = "gst") -> None:
    """Open the session with the person's OTP; every waiting challenge of the client is closed.

    Raises:
        OtpRejected: the portal refused it; it is not tried again.
    """
    session = _session(services, client_id, connector_name)
    try:
        session.answer_otp(otp)
    except OtpRejected:
        challenges.mark_rejected(services.engine, client_id, connector_name)
        raise
    finally:
        session.close()
    challenges.mark_answered(services.engine, client_id, connector_name)


TYPED = frozenset({"captcha"})
"""Kinds whose answer is typed; the others are done elsewhere and then said to be done."""
TOLD = TYPED | {"password"}
"""Kinds whose answer the portal's session must know: a password that it holds back is sent once a person vouches."""


def open_challenge(
    services: Services, client_id: str, connector_name: str, portal: str = ""
) -> dict[str, Any]:
    """Return the oldest open challenge of a client at a connector (and portal, when one is named).

    Raises:
        UnknownName: none waits; lists the clients that do wait.
    """
    waiting = [
        row for row in challenges.open_challenges(services.engine) if row["connector"] == connector_name
    ]
    mine = [row for row in waiting if row["client_id"] == client_id and portal in ("", row["portal"])]
    if not mine:
        raise UnknownName("challenge of client", client_id, sorted({row["client_id"] for row in waiting}))
    return mine[0]


def begin_challenge(
    services: Services, client_id: str, connector_name: str, portal: str, kind: str = "captcha"
) -> dict[str, Any] | None:
    """Make a portal show what it will ask, before any unit waits for it; return the challenge.

    None when the session is open already, so that there is nothing to answer.

    An operator who answers before the night spares its units from waiting.

    Raises:
        UnknownClient: no such client.
        SourceError: the portal refused; its next step says what to do.
    """
    session = cast(AnsweringSession, _session(services, client_id, connector_name))
    try:
        session.request_challenge(portal, kind)
    finally:
        session.close()
    challenges.mark_requested(services.engine, client_id, connector_name, portal)
    waiting = challenges.open_challenges(services.engine, client_id)
    mine = (row for row in waiting if (row["connector"], row["portal"]) == (connector_name, portal))
    return next(mine, None)


def picture(services: Services, challenge: Mapping[str, Any]) -> bytes | None:
    """Return the picture of a challenge, a fresh one from the portal when the stored one is no longer good.

    Raises:
        SourceError: the portal refused; its next step says what to do.
    """
    if challenge["kind"] not in TYPED:
        return None
    good_until = challenge["expires_at"]
    if challenge["image"] and good_until is not None and good_until > services.now():
        return bytes(challenge["image"])
    session = _answering(services, challenge)
    try:
        image = session.request_challenge(challenge["portal"], challenge["kind"])
    finally:
        session.close()
    challenges.mark_requested(
        services.engine, challenge["client_id"], challenge["connector"], challenge["portal"]
    )
    return image


def accept_answer(services: Services, challenge: Mapping[str, Any], text: str) -> None:
    """Open the session with what the person typed, or close a challenge that was settled elsewhere.

    Raises:
        NeedsPerson: the portal refused the answer; the challenge waits still, with a new picture where it has one.
        SourceError: the portal could not be asked.
    """
    who = (challenge["client_id"], challenge["connector"], challenge["portal"])
    if challenge["kind"] in TOLD:
        session = _answering(services, challenge)
        try:
            session.answer_challenge(challenge["portal"], challenge["kind"], text)
        except NeedsPerson:
            challenges.mark_rejected(services.engine, *who)
            raise
        finally:
            session.close()
    challenges.mark_answered(services.engine, *who)


def _answering(services: Services, challenge: Mapping[str, Any]) -> AnsweringSession:
    return cast(AnsweringSession, _session(services, challenge["client_id"], challenge["connector"]))


def waiting_plan(services: Services, client_id: str, connector_name: str = "gst") -> Plan:
    """Return a plan of exactly the units of this client that wait for a person."""
    keys = [
        UnitKey(row["client_id"], row["connector"], row["module"], row["unit_period"])
        for row in runs.not_done(services.engine)
        if row["client_id"] == client_id
        and row["connector"] == connector_name
        and row["outcome"] == Outcome.NEEDS_PERSON
    ]
    return plan_of_keys(services, keys, parent_run_id=None)


def answer_otp(services: Services, client_id: str, otp: str, connector_name: str = "gst") -> str | None:
    """Open the session and continue the units that waited; return the run id, None when none waited."""
    accept_otp(services, client_id, otp, connector_name)
    planned = waiting_plan(services, client_id, connector_name)
    return run(services, planned, kind="answer") if planned.keys else None
