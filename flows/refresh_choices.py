"""Brings the lists in the run forms up to date with the client master; deployments keep all else."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.exceptions import ObjectNotFound

from clientsync.clients.selection import group_names, list_clients
from clientsync.database import reading
from clientsync.ledger.challenges import open_challenges
from clientsync.sync.services import Services, services_from_settings
from flows.choices import ALL_CLIENTS, label

SYNC = {
    "gst": "gst-multi-client-sync/gst-multi-client-sync",
    "tds": "tds-multi-client-sync/tds-multi-client-sync",
}
ANSWER = "answer-challenge/answer-challenge"
RECONCILE = {
    "tds": ("reconcile-tds/reconcile-tds",),
    "gst": tuple(
        f"reconcile-gst/{name}"
        for name in (
            "reconcile-gst",
            "reconcile-2b-purchases",
            "reconcile-2a-purchases",
            "reconcile-ims-purchases",
            "reconcile-r1-sales",
            "reconcile-returns",
        )
    ),
}


@flow(name="refresh-choices", flow_run_name="refresh choices", persist_result=False)
def refresh_choices() -> int:
    """Write clients, groups and open challenges into the run forms; returns how many forms changed."""
    return write_choices(services_from_settings())


def choices(services: Services) -> dict[str, dict[str, list[str]]]:
    """Return deployment name to parameter to list of values."""
    with reading(services.engine) as connection:
        active = list_clients(connection, only_active=True)
        groups = list(group_names(connection))
        names = {client.client_id: client.name for client in list_clients(connection, only_active=False)}
    waiting = sorted({row["client_id"] for row in open_challenges(services.engine)})
    registered = {
        "gst": [label(one.client_id, one.name) for one in active if one.gstin],
        "tds": [label(one.client_id, one.name) for one in active if one.tan],
    }
    found: dict[str, dict[str, list[str]]] = {
        SYNC[name]: {
            "clients": [ALL_CLIENTS, *groups, *clients],
            "groups": groups,
            "exclude": [*groups, *clients],
        }
        for name, clients in registered.items()
    }
    for system, deployments in RECONCILE.items():
        for deployment in deployments:
            found[deployment] = {name: found[SYNC[system]][name] for name in ("clients", "groups")}
    everybody = [label(one.client_id, one.name) for one in active]
    found[ANSWER] = {"client": [label(one, names.get(one, "")) for one in waiting] or everybody}
    return found


def write_choices(services: Services) -> int:
    """Write the lists into the deployments that exist; returns how many changed."""
    changed = 0
    with get_client(sync_client=True) as client:
        for name, fields in choices(services).items():
            try:
                deployment = client.read_deployment_by_name(name)
            except ObjectNotFound:
                continue
            schema = deployment.parameter_openapi_schema or {}
            before = repr(schema)
            for field, values in fields.items():
                _set_enum(schema["properties"][field], values)
            if repr(schema) != before:
                client.update_deployment(deployment.id, DeploymentUpdate(parameter_openapi_schema=schema))
                changed += 1
    return changed


def _set_enum(field: dict[str, Any], values: list[str]) -> None:
    target = field["items"] if field.get("type") == "array" else field
    target["enum"] = values
