"""Asks the portal for an OTP, waits for the operator to type it, and continues exactly the units that waited."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from prefect import flow, get_client, pause_flow_run, runtime
from prefect.client.schemas.objects import State
from prefect.input import RunInput
from prefect.states import Completed, Failed
from pydantic import Field

from clientsync.errors import SyncError
from clientsync.ledger.challenges import open_challenges
from clientsync.sync.challenges import accept_otp, request_otp, waiting_plan
from clientsync.sync.services import services_from_settings
from flows.choices import ids
from flows.run_units import run_units

PAUSE_KEY = "otp"


class OtpInput(RunInput):
    """What the operator types; deleted from the server as soon as it was read."""

    otp: str = Field(
        title="OTP", description="The six digits that the portal sent to the client", pattern=r"^\d{6}$"
    )


@flow(name="answer-challenge", flow_run_name="answer · {client}", persist_result=False)
def answer_challenge(
    client: Annotated[str, Field(json_schema_extra={"enum": []})],
    ask_portal: bool = True,
    wait_minutes: int = 30,
) -> State[Any]:
    """Open the portal session of one client with an OTP, then continue the units that waited for it.

    Args:
        client: A client with an open challenge.
        ask_portal: Make the portal send a new OTP first; untick when one was just sent.
        wait_minutes: How long this run waits for the OTP before it fails.
    """
    services = services_from_settings()
    client_id = ids([client])[0]
    waiting = open_challenges(services.engine, client_id)
    try:
        if ask_portal:
            request_otp(services, client_id)
        given = pause_flow_run(
            wait_for_input=OtpInput.with_initial_data(
                description=waiting[0]["prompt"]
                if waiting
                else "Type the OTP that the portal sent to the client."
            ),
            timeout=wait_minutes * 60,
            poll_interval=2,
            key=PAUSE_KEY,
        )
        _forget_input()
        accept_otp(services, client_id, given.otp)
    except SyncError as error:
        name = error.code.title().replace("_", "")
        return Failed(name=name, message=f"{error.message} {error.next_step}")
    planned = waiting_plan(services, client_id)
    if not planned.keys:
        return Completed(message="The session is open; no unit waited for it.")
    return run_units(services, planned, kind="answer")


def _forget_input() -> None:
    """Delete what was typed from the server's database."""
    run_id = UUID(str(runtime.flow_run.get_id()))
    with get_client(sync_client=True) as client:
        stored = client.filter_flow_run_input(
            flow_run_id=run_id, key_prefix=f"paused-{PAUSE_KEY}", limit=20, exclude_keys=set()
        )
        for entry in stored:
            client.delete_flow_run_input(flow_run_id=run_id, key=entry.key)
