"""Faults of the tax portals, armed for a client, a portal and an endpoint; names are those of `simulators.faults`.

A login, a captcha and whatever else keeps a session alive suffer only faults that were armed for that very endpoint.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from simulators.faults import Fault

Json = dict[str, Any]
OWN = ("captcha_miss", "wrong_count")
SESSION_ENDPOINTS = frozenset({
    "income_tax.login", "income_tax.choose_act", "income_tax.extend", "income_tax.logout", "traces_new.captcha",
    "traces_new.login", "traces_old.bridge", "traces_old.dashboard",
})  # fmt: skip


@dataclass(slots=True)
class PortalFault(Fault):
    """One armed fault; an empty client, portal or endpoint means any."""

    client: str = ""
    portal: str = ""

    def __post_init__(self) -> None:
        if self.name in OWN:
            self.dice = random.Random(self.seed)
        else:
            Fault.__post_init__(self)

    def fits(self, client: str, portal: str, endpoint: str) -> bool:
        """Tell whether the fault is meant for such a request."""
        asked = ((self.client, client), (self.portal, portal), (self.endpoint, endpoint))
        if any(wanted not in {"", given} for wanted, given in asked):
            return False
        return endpoint not in SESSION_ENDPOINTS or self.endpoint == endpoint


class FaultBoard:
    """The armed faults of the tax portals."""

    def __init__(self) -> None:
        self.armed: list[PortalFault] = []

    def arm(self, wanted: Json) -> PortalFault:
        """Arm a fault.

        Args:
            wanted: name, and as wished client, portal, endpoint, times, probability, seed, params.

        Raises:
            ValueError: no such fault, or an unknown field.
        """
        try:
            fault = PortalFault(**wanted)
        except TypeError as error:
            raise ValueError(str(error)) from error
        self.armed.append(fault)
        return fault

    def pick(self, *, client: str, portal: str, endpoint: str) -> list[PortalFault]:
        """Choose the faults of one request and count them."""
        out = []
        for fault in list(self.armed):
            if not fault.fits(client, portal, endpoint):
                continue
            if fault.probability < 1 and fault.dice.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.armed.remove(fault)
            out.append(fault)
        return out
