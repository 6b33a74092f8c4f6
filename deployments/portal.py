"""Points an installation at the simulated portal: settings, client master, and the people with their phones.

Only ``make demo``, ``make up`` and tests use it. Credentials of the simulator are handed over in the
environment, as references; the settings file holds none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx

from deployments.stack import Stack

TDS_FOLDER = "tds-portals"
TDS_PORTALS = {"income_tax": "eportal", "traces_new": "traces-app", "traces_old": "traces61"}
CALLS_PER_MINUTE = 60_000  # the simulator has no limit unless it is started with one


def account(stack: Stack) -> dict[str, Any]:
    """Return the simulator's account data."""
    data: dict[str, Any] = json.loads((stack.home / "portal" / "provider.json").read_text(encoding="utf-8"))
    return data


def write_settings(
    stack: Stack, extra: dict[str, Any] | None = None, *, tds_url: str = "", more: Sequence[str] = ()
) -> Path:
    """Write ``clientsync.toml`` for the simulated providers and make the stack's processes use it.

    Args:
        stack: whose processes.
        extra: further settings.
        tds_url: address of the simulated TDS portals; empty without them.
        more: further lines, sections of other systems.
    """
    provided = account(stack)
    gsp, sandbox = provided["gsp"], provided["sandbox"]
    stack.environment.update(
        {
            "SIM_GSP_ID": gsp["client_id"],
            "SIM_GSP_SECRET": gsp["client_secret"],
            "SIM_PUBLIC_USER": gsp["public_username"],
            "SIM_PUBLIC_PASSWORD": gsp["public_password"],
            "SIM_SANDBOX_KEY": sandbox["api_key"],
            "SIM_SANDBOX_SECRET": sandbox["api_secret"],
        }
    )
    lines = general_lines(stack, extra or {})
    lines.extend(
        provider_lines(
            "gsp",
            gsp["base_url"],
            {
                "client_id": "env:SIM_GSP_ID",
                "client_secret": "env:SIM_GSP_SECRET",
                "public_username": "env:SIM_PUBLIC_USER",
                "public_password": "env:SIM_PUBLIC_PASSWORD",
            },
            certificate=gsp["certificate"],
        )
    )
    lines.extend(
        provider_lines(
            "sandbox",
            sandbox["base_url"],
            {"api_key": "env:SIM_SANDBOX_KEY", "api_secret": "env:SIM_SANDBOX_SECRET"},
        )
    )
    if tds_url:
        lines.extend(_tds_lines(tds_url))
    return use_lines(stack, [*lines, *more])


def write_tds_settings(stack: Stack, tds_url: str, extra: dict[str, Any] | None = None) -> Path:
    """Write ``clientsync.toml`` for the simulated TDS portals alone and make the stack's processes use it."""
    return use_lines(stack, [*general_lines(stack, extra or {}), *_tds_lines(tds_url)])


def general_lines(stack: Stack, extra: dict[str, Any]) -> list[str]:
    """Return the lines of a settings file that say where a stack keeps its data, and further settings."""
    key = stack.home / "keys" / "vault.key"
    return [
        f"home = {json.dumps(str(stack.home / 'data'))}",
        f"vault_key_ref = {json.dumps(f'file:{key}')}",
        f"prefect_api_url = {json.dumps(stack.api_url)}",
        *(f"{name} = {json.dumps(value)}" for name, value in extra.items()),
    ]


def _tds_lines(tds_url: str) -> list[str]:
    return [
        line
        for name, prefix in TDS_PORTALS.items()
        for line in provider_lines(name, f"{tds_url}/{prefix}", {})
    ]


def use_lines(stack: Stack, lines: Sequence[str]) -> Path:
    """Write ``clientsync.toml`` and make the stack's processes use it."""
    path = stack.home / "clientsync.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    stack.environment["CLIENTSYNC_CONFIG"] = str(path)
    return path


def provider_lines(
    name: str,
    base_url: str,
    credentials: dict[str, str],
    *,
    certificate: str | None = None,
    downloads: str | None = None,
    per_second: int | None = None,
    at_once: int | None = None,
) -> list[str]:
    """Return the lines of a settings file about one provider on loopback; without ``per_second`` it is not limited."""
    lines = [
        "",
        f"[providers.{name}]",
        f'kind = "{name}"',
        f"base_url = {json.dumps(base_url)}",
        *(
            [f"calls_per_minute = {CALLS_PER_MINUTE}", "burst = 1000"]
            if per_second is None
            else [f"calls_per_second = {per_second}", "burst = 1"]
        ),
        *([] if at_once is None else [f"client_concurrency = {at_once}"]),
        "allow_loopback = true",
    ]
    if certificate is not None:
        lines.append(f"certificate = {json.dumps(certificate)}")
    if downloads is not None:
        lines.append(f"download_urls = {json.dumps([downloads])}")
    lines.append(f"[providers.{name}.credentials]")
    lines.extend(f"{key} = {json.dumps(reference)}" for key, reference in credentials.items())
    return lines


def import_clients(stack: Stack) -> None:
    """Bring the simulator's taxpayers into the client master, by the command that operators use."""
    stack.run(["-m", "clientsync", "clients", "import", str(stack.home / "portal" / "clients.csv")])


def start_tds_portals(stack: Stack, arguments: Sequence[str] = ()) -> str:
    """Start the simulated e-filing portal and both TRACES portals; return their address."""
    return stack.start_simulator(arguments, module="simulators.tds", folder=TDS_FOLDER)


def import_deductors(stack: Stack) -> None:
    """Bring the simulator's deductors into the client master and their passwords into the vault, by commands."""
    folder = stack.home / TDS_FOLDER
    stack.run(["-m", "clientsync", "clients", "import", str(folder / "clients.csv")])
    stack.run(["-m", "clientsync", "secrets", "import", str(folder / "passwords.csv")])


def answer_captchas(stack: Stack, tds_url: str, leave: Iterable[str] = ()) -> None:
    """Let an operator read the captcha of every client with a TAN, but of those in ``leave``."""
    stack.run(["-m", "deployments.operators", tds_url, *leave])


def tds_control(tds_url: str, method: str, path: str, **body: Any) -> None:
    """Call the control side of the simulated TDS portals."""
    answer = httpx.request(
        method, f"{tds_url}/control/{path}", json=body or None, timeout=30, trust_env=False
    )
    answer.raise_for_status()


def answer_phones(stack: Stack, leave: Iterable[str] = ()) -> None:
    """Let the people read the OTPs from their phones and answer them, all but the clients in ``leave``."""
    stack.run(["-m", "deployments.phones", account(stack)["control_url"], *leave])


def control(stack: Stack, method: str, path: str, **body: Any) -> dict[str, Any]:
    """Call the simulator's control side."""
    answer = httpx.request(
        method, f"{account(stack)['control_url']}/{path}", json=body or None, timeout=30, trust_env=False
    )
    answer.raise_for_status()
    data: dict[str, Any] = answer.json()
    return data
