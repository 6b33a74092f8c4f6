"""Faults by name: what can go wrong on the wire and in a payload, armed one by one.

A fault is chosen by matching the request, then by its own seeded dice and its remaining count, so a scenario repeats
exactly. Nothing is faulty unless it was armed.
"""

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
TOXICS = ("latency", "down", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data")
BODIES = ("html_page", "empty_body", "truncated_json", "oversize", "gzip_bomb", "bad_hmac")
PAYLOADS = (
    "unknown_field", "missing_field", "type_change", "wrong_gstin", "wrong_period", "duplicate_rows",
    "suddenly_empty", "poison_row", "totals_disagree",
)  # fmt: skip
INTACT = ("unknown_field", "duplicate_rows")
NOT_GENERATED = "GTR2B-002"


@dataclass(slots=True)
class Fault:
    """One armed fault."""

    name: str
    gstin: str = ""
    endpoint: str = ""
    action: str = ""
    section: str = ""
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    params: Json = field(default_factory=dict)
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        if self.code is None and self.status is None and self.name not in (*TOXICS, *BODIES, *PAYLOADS):
            raise ValueError(f"no fault is called {self.name!r}")

    @property
    def code(self) -> str | None:
        """Give the business error which the fault answers, if it is one."""
        if self.name == "not_generated":
            return NOT_GENERATED
        return self.name.split(":", 1)[1] if self.name.startswith("error_code:") else None

    @property
    def status(self) -> int | None:
        """Give the HTTP status which the fault answers, if it is one."""
        tail = self.name.removeprefix("http_")
        return int(tail) if self.name.startswith("http_") and tail.isdigit() else None


class FaultBox:
    """The armed faults of one simulator."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []

    def arm(self, wanted: Json) -> Fault:
        """Arm a fault.

        Raises:
            ValueError: no such fault, or an unknown field.
        """
        try:
            fault = Fault(**wanted)
        except TypeError as error:
            raise ValueError(str(error)) from error
        self.armed.append(fault)
        return fault

    def pick(self, *, gstin: str, endpoint: str, action: str, section: str) -> list[Fault]:
        """Choose the faults of one request and count them; a login only suffers faults armed for `authenticate`."""
        out = []
        asked = {"gstin": gstin, "endpoint": endpoint, "action": action, "section": section}
        for fault in list(self.armed):
            if any(getattr(fault, name) not in {"", value} for name, value in asked.items()):
                continue
            if endpoint == "authenticate" != fault.endpoint:
                continue
            if fault.probability < 1 and fault.dice.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.armed.remove(fault)
            out.append(fault)
        return out


def _lists(value: Any) -> list[list[Any]]:
    """Find every list of objects, outermost first."""
    found: list[list[Any]] = []
    queue = [value]
    while queue:
        one = queue.pop(0)
        if isinstance(one, list):
            if one and isinstance(one[0], dict):
                found.append(one)
            queue.extend(one)
        elif isinstance(one, dict):
            queue.extend(one.values())
    return found


def _rows(value: Any) -> list[list[Any]]:
    """Find the lists that hold documents: rows with an amount of their own."""
    names = {"txval", "val", "tot_tr_amt", "iamt", "igst", "refId", "arn"}
    found = [one for one in _lists(value) if names & set(one[0])]
    return found or _lists(value)


def _replace(value: Any, names: set[str], new: str) -> None:
    if isinstance(value, dict):
        for key in value:
            if key in names:
                value[key] = new
            else:
                _replace(value[key], names, new)
    elif isinstance(value, list):
        for one in value:
            _replace(one, names, new)


def _unknown_field(payload: Json, params: Json) -> None:
    target = next(iter(_rows(payload)), [payload])[0]
    target[params.get("field", "newfield")] = params.get("value", "surprise")
    payload[params.get("field", "newfield")] = params.get("value", "surprise")


def _missing_field(payload: Json, params: Json) -> None:
    for rows in _rows(payload):
        name = params.get("field") or next(
            (n for n in ("inum", "nt_num", "ntnum", "refId") if n in rows[0]), ""
        )
        if name in rows[0]:
            for row in rows:
                row.pop(name, None)
            return


def _type_change(payload: Json, params: Json) -> None:
    for rows in _rows(payload):
        name = params.get("field") or next((n for n in ("val", "txval", "tot_tr_amt") if n in rows[0]), "")
        if name in rows[0]:
            for row in rows:
                row[name] = {"amount": row.get(name)}
            return


def _duplicate_rows(payload: Json, params: Json) -> None:
    for rows in _rows(payload)[: params.get("lists", 1)]:
        rows.append(deepcopy(rows[0]))


def _poison_row(payload: Json, params: Json) -> None:
    for rows in _rows(payload)[:1]:
        name = params.get("field") or next((n for n in ("txval", "val", "iamt") if n in rows[0]), "val")
        rows[0][name] = params.get("value", "twelve")


def _suddenly_empty(payload: Json, _: Json) -> None:
    for rows in reversed(_lists(payload)):
        rows.clear()


def _totals_disagree(payload: Json, _: Json) -> None:
    for group in payload.get("data", {}).get("itcsumm", {}).get("itcavl", {}).values():
        group["b2b" if "b2b" in group else "igst"] = {"igst": 1, "cgst": 1, "sgst": 1, "cess": 1}
        return
    for row in payload.get("sec_sum", ()):
        row["ttl_rec"] = row.get("ttl_rec", 0) + 1
        return
    for holder in (payload, payload.get("itcLdgDtls", {})):
        if "cl_bal" in holder:
            holder["cl_bal"]["tot_rng_bal"] = 1
            return


MUTATIONS: dict[str, Callable[[Json, Json], None]] = {
    "unknown_field": _unknown_field,
    "missing_field": _missing_field,
    "type_change": _type_change,
    "wrong_gstin": lambda payload, params: _replace(
        payload, {"gstin"}, params.get("value", "27AAPFU0939F1ZV")
    ),
    "wrong_period": lambda payload, params: _replace(
        payload, {"rtnprd", "ret_period", "fp"}, params.get("value", "012018")
    ),
    "duplicate_rows": _duplicate_rows,
    "suddenly_empty": _suddenly_empty,
    "poison_row": _poison_row,
    "totals_disagree": _totals_disagree,
}


def mutate(payload: Json, faults: list[Fault]) -> Json:
    """Give a copy of the payload with the armed faults in it."""
    changed = deepcopy(payload)
    for fault in faults:
        if fault.name in MUTATIONS:
            MUTATIONS[fault.name](changed, fault.params)
    return changed
