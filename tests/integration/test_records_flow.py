"""Record sets under a real Prefect server: the window as artifacts, decisions from the form, states that are true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.stack import Stack
from simulators.cleanmanager.system import TOKEN, Running, System

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
RUN = "from flows.records_sync import records_decide, records_sync; "
STEPS = (
    "records_sync('customers', return_state=True)",
    "records_decide('customers', 'link', records=['1', 'C00001'], return_state=True)",
    "records_decide('customers', 'resolve', pair=1, choices={'city': 'a', 'number': 'a'}, return_state=True)",
    "records_decide('customers', 'create', side='a', records=['2'], return_state=True)",
    "records_decide('customers', 'resolve', pair=9, choices={'city': 'a'}, return_state=True)",
    "records_sync('customers', 'apply', return_state=True)",
)


def test_an_operator_previews_links_settles_and_runs_a_set_from_the_dashboard(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("No,Name,Town\n1,Asha Traders,Pune\n2,Bela Foods,Surat\n")
    config = tmp_path / "clientsync.toml"
    with Running(System()) as running, Stack(tmp_path / "stack") as stack:
        running.system.put("customers", number="001", name="Asha Traders", city="Mumbai")
        config.write_text(
            f'[providers.cm]\nkind = "records"\nbase_url = "{running.url}"\nallow_loopback = true\n'
            'credentials = { token = "env:CM_TOKEN" }\n'
            '[records.customers]\nentity = "customers"\npolicy = "three_way"\n'
            f'[records.customers.a]\ntitle = "list"\npath = "{tmp_path / "list.csv"}"\nid_column = "No"\n'
            'columns = { number = "No", name = "Name", city = "Town" }\n'
            '[records.customers.b]\ntitle = "CleanManager"\nprovider = "cm"\n'
            'description = "connectors.cleanmanager.descriptions:CUSTOMERS"\n'
        )
        stack.environment |= {
            "CLIENTSYNC_CONFIG": str(config),
            "CLIENTSYNC_HOME": str(tmp_path / "home"),
            "CLIENTSYNC_VAULT_KEY_REF": f"file:{tmp_path / 'vault.key'}",
            "CM_TOKEN": TOKEN,
        }
        stack.start_server()
        for step in STEPS:
            stack.run(["-c", RUN + step])
        with httpx.Client(base_url=stack.api_url, timeout=30, trust_env=False) as client:

            def found(what: str) -> list[dict[str, Any]]:
                rows: list[dict[str, Any]] = (
                    client.post(
                        f"/{what}/filter", json={"sort": "START_TIME_ASC"} if what == "flow_runs" else {}
                    )
                    .raise_for_status()
                    .json()
                )
                return rows

            states = [(one["state_name"], one["state"]["message"]) for one in found("flow_runs")]
            artifacts = found("artifacts")
    assert [name for name, _ in states] == [
        "Completed", "Completed", "Completed", "Completed", "InvalidInput", "Completed",
    ]  # fmt: skip
    assert "no pair 9" in states[4][1]
    assert "0 conflicts" in states[5][1]
    assert running.system.records["customers"]["C00001"]["city"] == "Pune"
    assert {row["name"] for row in running.system.records["customers"].values()} == {
        "Asha Traders",
        "Bela Foods",
    }
    suggested = [one["data"] for one in artifacts if one["key"] == "records-suggestions"]
    assert any("without leading zeros" in data for data in suggested)
    conflicts = [one["data"] for one in artifacts if one["key"] == "records-conflicts"]
    assert any("Mumbai" in data for data in conflicts)
