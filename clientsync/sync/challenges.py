"""Answering a challenge: open the session with the person's OTP, and say which units waited for it."""

from __future__ import annotations

from clientsync.clients.selection import select_clients
from clientsync.database import reading
from clientsync.errors import OtpRejected
from clientsync.ledger import challenges, runs
from clientsync.ledger.runs import UnitKey
from clientsync.outcomes import Outcome
from clientsync.registry import connector
from clientsync.spec.connector import PortalSession
from clientsync.sync.planning import ClientFacts, Plan, facts_of, plan_of_keys
from clientsync.sync.service import run
from clientsync.sync.services import Services
from clientsync.sync.sessions import identity_of


def _client(services: Services, client_id: str) -> ClientFacts:
    with reading(services.engine) as connection:
        return facts_of(select_clients(connection, [client_id], groups=[], exclude=[])[0])


def _session(services: Services, client_id: str, connector_name: str) -> PortalSession:
    return connector(connector_name).open_session(identity_of(_client(services, client_id)), services)


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
