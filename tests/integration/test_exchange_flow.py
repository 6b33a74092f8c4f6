"""The exchange under a real Prefect server: a progress that moves, lists as artifacts, and a true final state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from clientsync.exchange.catalogue import HEAD_OFFICE
from clientsync.exchange.operators import give_first
from deployments.stack import Stack
from tests.support.exchange_world import World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
RUN = "from flows.exchange_sync import exchange_sync; exchange_sync(return_state=True)"


def test_the_flow_of_a_head_office_shows_what_came_in_what_is_held_and_its_stores(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.item("I1")
    world.bill("S1", "S1-1")
    world.bill("S2", "S2-1", "I9")
    for store in world.stores:
        world.sync(store)
    give_first(world.nodes[HEAD_OFFICE].engine)
    with Stack(tmp_path / "stack") as stack:
        config = tmp_path / "exchange.toml"
        config.write_text(
            f'[exchange]\nnode_id = "HO"\ndatabase_url = "sqlite:///{world.path(HEAD_OFFICE)}"\n'
            f'mailbox_url = "sqlite:///{world.path("mailbox")}"\nsigning_key = "env:EXCHANGE_KEY"\n'
        )
        stack.environment |= {
            "CLIENTSYNC_CONFIG": str(config),
            "CLIENTSYNC_HOME": str(tmp_path / "home"),
            "CLIENTSYNC_VAULT_KEY_REF": f"file:{tmp_path / 'vault.key'}",
            "EXCHANGE_KEY": world.signers[HEAD_OFFICE].private.hex(),
        }
        stack.start_server()
        stack.run(["-c", RUN])
        with httpx.Client(base_url=stack.api_url, timeout=30, trust_env=False) as client:

            def found(what: str) -> list[dict[str, Any]]:
                rows: list[dict[str, Any]] = client.post(f"/{what}/filter", json={}).raise_for_status().json()
                return rows

            (flow_run,) = found("flow_runs")
            artifacts = {one["key"]: one for one in found("artifacts")}
    world.close()
    assert (flow_run["state_type"], flow_run["state_name"]) == ("COMPLETED", "WithHolds")
    assert "received 2" in flow_run["state"]["message"]
    assert artifacts["exchange-progress"]["data"] == 100.0
    assert "unknown item I9" in artifacts["exchange-held"]["data"]
    assert '"S1-1"' in artifacts["exchange-received"]["data"]
    assert '"UPLOADED"' in artifacts["exchange-sent"]["data"]
    assert '"S2"' in artifacts["exchange-stores"]["data"]
    assert '"differs"' in artifacts["exchange-totals"]["data"]
    assert "Nothing" in artifacts["exchange-missing-numbers"]["data"]
