"""Shows what a portal asks of a person, waits for the operator to type it, and continues the units that waited."""

from __future__ import annotations

import base64
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, get_client, pause_flow_run, runtime
from prefect.artifacts import create_image_artifact
from prefect.client.schemas.objects import State
from prefect.input import RunInput
from prefect.states import Completed, Failed
from pydantic import Field

from clientsync.errors import SyncError
from clientsync.ledger.challenges import open_challenges
from clientsync.sync.challenges import (
    TYPED,
    accept_answer,
    accept_otp,
    open_challenge,
    picture,
    request_otp,
    waiting_plan,
)
from clientsync.sync.services import Services, services_from_settings
from flows.choices import ids
from flows.run_units import run_units

PAUSE_KEY = "otp"
PICTURE_KEY = "captcha"


class OtpInput(RunInput):
    """What the operator types; deleted from the server as soon as it was read."""

    otp: str = Field(
        title="OTP", description="The six digits that the portal sent to the client", pattern=r"^\d{6}$"
    )


class PictureInput(RunInput):
    """What the operator reads from the picture; deleted from the server as soon as it was read."""

    characters: str = Field(
        title="Characters",
        description="The six characters of the picture, see the artifact 'captcha' of this run",
        min_length=1,
        max_length=12,
    )


@flow(name="answer-challenge", flow_run_name="answer · {client}", persist_result=False)
def answer_challenge(
    client: Annotated[str, Field(json_schema_extra={"enum": []})],
    ask_portal: bool = True,
    wait_minutes: int = 30,
    system: str = "",
) -> State[Any]:
    """Open the portal session of one client with what the operator types, then continue the units that waited for it.

    Args:
        client: A client with an open challenge.
        ask_portal: Make the portal send a new OTP first; untick when one was just sent.
        wait_minutes: How long this run waits for the answer before it fails.
        system: gst or tds, when a client waits for both. Empty: the one that has waited longest.
    """
    services = services_from_settings()
    client_id = ids([client])[0]
    waiting = [row for row in open_challenges(services.engine, client_id) if system in ("", row["connector"])]
    connector = waiting[0]["connector"] if waiting else system or "gst"
    try:
        if connector == "gst":
            _answer_otp(services, client_id, waiting, ask_portal, wait_minutes)
        else:
            _answer_other(services, client_id, connector, wait_minutes)
    except SyncError as error:
        name = error.code.title().replace("_", "")
        return Failed(name=name, message=f"{error.message} {error.next_step}")
    planned = waiting_plan(services, client_id, connector)
    if not planned.keys:
        return Completed(message="The session is open; no unit waited for it.")
    return run_units(services, planned, kind="answer")


def _answer_otp(
    services: Services, client_id: str, waiting: list[dict[str, Any]], ask_portal: bool, wait_minutes: int
) -> None:
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


def _answer_other(services: Services, client_id: str, connector: str, wait_minutes: int) -> None:
    """Show the picture, if there is one, and answer; a password or a second factor was settled elsewhere."""
    challenge = open_challenge(services, client_id, connector)
    typed = ""
    if challenge["kind"] in TYPED:
        image = picture(services, challenge) or b""
        shown = base64.b64encode(image).decode("ascii")
        create_image_artifact(
            image_url=f"data:image/png;base64,{shown}",
            key=PICTURE_KEY,
            description=f"Picture of the portal {challenge['portal']} for client {client_id}",
        )
        given = pause_flow_run(
            wait_for_input=PictureInput.with_initial_data(
                description=f"{challenge['prompt']}\n\n![the picture](data:image/png;base64,{shown})"
            ),
            timeout=wait_minutes * 60,
            poll_interval=2,
            key=PAUSE_KEY,
        )
        _forget_input()
        typed = given.characters.strip()
    accept_answer(services, challenge, typed)


def _forget_input() -> None:
    """Delete what was typed from the server's database."""
    run_id = UUID(str(runtime.flow_run.get_id()))
    with get_client(sync_client=True) as client:
        stored = client.filter_flow_run_input(
            flow_run_id=run_id, key_prefix=f"paused-{PAUSE_KEY}", limit=20, exclude_keys=set()
        )
        for entry in stored:
            client.delete_flow_run_input(flow_run_id=run_id, key=entry.key)
