"""Types of the run forms' fields: multi-selects whose lists follow the client master.

The lists in code are the fallback; ``refresh_choices`` writes the real ones into the deployments, so no code
changes when a client is added. Values that a form sends are checked by the core, which lists the valid ones.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

ALL_CLIENTS = "All clients"
MODULE_GROUPS = ("Notice + Return Register", "Only 2B", "3B + ledgers", "R1 + R1A", "IMS + 2A", "ALL")
TDS_MODULE_GROUPS = (
    "Return Summary",
    "Fetch Challans - IT Portal only",
    "TRACES Unconsumed Challans",
    "Notices & Orders - Sync Already Raised",
    "Outstanding Demand",
    "Verify LDC",
    "ALL",
)

Clients = list[Annotated[str, Field(json_schema_extra={"enum": [ALL_CLIENTS]})]]
Groups = list[Annotated[str, Field(json_schema_extra={"enum": []})]]
ExcludedClients = list[Annotated[str, Field(json_schema_extra={"enum": []})]]
Modules = list[Annotated[str, Field(json_schema_extra={"enum": list(MODULE_GROUPS)})]]
TdsModules = list[Annotated[str, Field(json_schema_extra={"enum": list(TDS_MODULE_GROUPS)})]]

_LABEL = re.compile(r"\(([^()]+)\)$")


def label(client_id: str, name: str) -> str:
    """Return how a client stands in a form's list."""
    return f"{name} ({client_id})"


def ids(labels: list[str]) -> tuple[str, ...]:
    """Return client ids (or group names) for what a form sent."""
    return tuple(match[1] if (match := _LABEL.search(one)) else one for one in labels)
