"""The layout that everything rests on: one top level in the wheel, entrypoints that import, server settings."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def test_the_wheel_has_exactly_one_top_level(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"clientsync"}


def test_the_folders_of_the_repository_are_the_ones_imported() -> None:
    for name in ("tasks", "flows", "connectors", "validations"):
        found = import_module(name).__file__
        assert found is not None
        assert Path(found).is_relative_to(ROOT)


def test_no_flow_file_shadows_a_top_level_package() -> None:
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert not packages & {path.stem for path in (ROOT / "flows").glob("*.py")}


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["name"])
def test_every_entrypoint_is_a_module_path_that_imports_a_flow(deployment: dict[str, Any]) -> None:
    from prefect import Flow

    module, _, name = deployment["entrypoint"].rpartition(".")
    assert ":" not in deployment["entrypoint"]
    assert isinstance(getattr(import_module(module), name), Flow)


def test_the_nightly_schedule_is_in_india_and_overlap_is_handled() -> None:
    sync = next(one for one in DEPLOYMENTS if one["name"] == "gst-multi-client-sync")
    assert sync["schedules"][0]["timezone"] == "Asia/Kolkata"
    assert sync["concurrency_limit"]["collision_strategy"] in {"ENQUEUE", "CANCEL_NEW"}


def test_the_server_is_tuned_so_that_no_task_run_is_lost() -> None:
    settings = tomllib.loads((ROOT / "prefect.toml").read_text())
    for service in ("task_run_recorder", "event_persister"):
        assert settings["server"]["services"][service]["batch_size"] >= 100
        assert settings["server"]["services"][service]["read_batch_size"] >= 100
    assert settings["server"]["analytics_enabled"] is False
    assert settings["server"]["api"]["host"] == "127.0.0.1"


def test_great_expectations_and_prefect_are_not_imported_by_the_command_line() -> None:
    heavy = ("prefect", "great_expectations", "pandas")
    code = f"import sys, clientsync.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
