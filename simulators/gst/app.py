"""The simulator as one request handler: both wires and the control side, told apart by the first path segment.

`create` also leaves in the state folder what a product under test needs: the client master and the provider account.
"""

import csv
import json
import time
from pathlib import Path
from typing import Any

from simulators.gst import parties
from simulators.gst import service as accounts
from simulators.gst.control import Control
from simulators.gst.parties import Client
from simulators.gst.portal import Settings
from simulators.gst.service import Service
from simulators.gst.wire_gsp import GspWire
from simulators.gst.wire_sandbox import SandboxWire
from simulators.http import Request, Response

COLUMNS = (
    "client_id", "name", "gstin", "portal_username", "provider", "state_code", "filing_frequency", "consent_ends_on",
    "groups",
)  # fmt: skip


class Simulator:
    """One simulated portal."""

    def __init__(self, settings: Settings, state: Path) -> None:
        self.service = Service(settings, state)
        self._wires = {
            "gsp": GspWire(self.service).handle,
            "sandbox": SandboxWire(self.service).handle,
            "_control": Control(self.service).handle,
        }

    def handle(self, request: Request) -> Response:
        """Answer any request."""
        first, _, rest = request.path.lstrip("/").partition("/")
        wire = self._wires.get(first)
        if wire is None:
            return Response.of({"message": "no such path"}, 404)
        request.path = f"/{rest}"
        return wire(request)

    def write_master(self, url: str) -> None:
        """Write `clients.csv` and `provider.json` into the state folder."""
        service = self.service
        with (service.state / "clients.csv").open("w", newline="", encoding="utf-8") as out:
            rows = csv.DictWriter(out, COLUMNS)
            rows.writeheader()
            rows.writerows(client_row(service, one) for one in service.portal.country.clients)
        account: dict[str, Any] = {
            "control_url": f"{url}/_control",
            "gsp": {
                "base_url": f"{url}/gsp", "client_id": accounts.GSP_ID, "client_secret": accounts.GSP_SECRET,
                "public_username": accounts.PUBLIC_USER, "public_password": accounts.PUBLIC_PASSWORD,
                "certificate": str(service.keys.certificate),
            },
            "sandbox": {
                "base_url": f"{url}/sandbox", "api_key": accounts.SANDBOX_KEY, "api_secret": accounts.SANDBOX_SECRET,
                "api_version": "1.0",
            },
        }  # fmt: skip
        (service.state / "provider.json").write_text(json.dumps(account, indent=1), encoding="utf-8")


def client_id(client: Client) -> str:
    """Give the name of a client in the master list."""
    return f"C{client.index + 1:04d}"


def client_row(service: Service, client: Client) -> dict[str, str]:
    """Give the row of a client in the master list."""
    ends = time.strftime("%Y-%m-%d", time.gmtime(time.time() + service.settings.consent_days * 86_400))
    group = parties.GROUPS[client.index % len(parties.GROUPS)]
    region = parties.REGIONS[client.index % len(parties.REGIONS)]
    values = (
        client_id(client), client.party.name, client.gstin, client.username, client.provider, client.party.state,
        client.frequency, ends, f"{group};{region}",
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))
