"""The reconciliation under a real Prefect server: task runs, progress, artifacts with links, and a true final state."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.stack import Stack
from tests.support.gstins import gstin_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

HEAD = ("Bill No", "Bill Date", "Party Name", "GSTIN/UIN", "Taxable Value", "IGST", "CGST", "SGST")


def test_the_flow_maps_reconciliations_and_links_the_firms_reports(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack") as stack:
        home = tmp_path / "home"
        stack.environment |= {
            "CLIENTSYNC_HOME": str(home),
            "CLIENTSYNC_VAULT_KEY_REF": f"file:{tmp_path / 'vault.key'}",
        }
        path = tmp_path / "purchases.csv"
        with path.open("w", newline="", encoding="utf-8") as out:
            row = ("A/1", "05-10-2026", "Supplier", gstin_of(1, "29"), "100.00", "18.00", "", "")
            csv.writer(out).writerows([HEAD, row])
        stack.run(["-m", "clientsync", "clients", "add", "C1", "--name", "One", "--gstin", gstin_of(9)])
        stack.run(
            ["-m", "clientsync", "books", "import", str(path), "--client", "C1", "--register", "purchases"]
        )
        stack.start_server()
        stack.run(["-m", "deployments.night", "reconcile", "gst"])
        with httpx.Client(base_url=stack.api_url, timeout=30, trust_env=False) as client:

            def found(what: str, **body: Any) -> list[dict[str, Any]]:
                rows: list[dict[str, Any]] = (
                    client.post(f"/{what}/filter", json=body).raise_for_status().json()
                )
                return rows

            (flow_run,) = found("flow_runs")
            tasks = {one["name"]: one["state_type"] for one in found("task_runs")}
            artifacts = {one["key"]: one for one in found("artifacts")}
        files = {one.name for one in (home / "reports").iterdir()}
    assert flow_run["state_name"] == "CompletedWithExceptions"
    assert tasks == dict.fromkeys(
        (f"{name} · clients 1 to 1" for name in ("2B-BOOKS", "2A-BOOKS", "IMS-BOOKS", "R1-BOOKS", "RETURNS")),
        "COMPLETED",
    )
    assert artifacts["gst-reconciliation"]["data"] == 100.0
    assert "gstr2b 10/2026: never asked" in artifacts["gst-reconciliation-summary"]["data"]
    assert artifacts["gst-documents"]["description"].startswith("0 documents wait")
    for kind in ("xlsx", "html", "pdf"):
        assert f"](file://{(home / 'reports').resolve()}/firm-" in artifacts[f"firm-report-{kind}"]["data"]
    assert len(files) == 3
    shown = "".join(str(one["data"]) + str(one["description"]) for one in artifacts.values())
    assert gstin_of(9) not in shown
    assert gstin_of(1, "29") not in shown
