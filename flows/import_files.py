"""Loads files that a person downloaded from the portal and laid into the watched folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from clientsync.sync.services import services_from_settings


@flow(name="import-files", flow_run_name="import files", persist_result=False)
def import_files(folder: str = "") -> State[Any]:
    """Load every file of a folder through the same validation as portal answers.

    Args:
        folder: On the worker's machine; empty means the watched folder of the settings.
    """
    from clientsync.imports import import_folder

    services = services_from_settings()
    results = import_folder(services, Path(folder) if folder else services.settings.watch_folder)
    rows = [result.as_row() for result in results]
    create_table_artifact(
        rows or [{"file": "", "result": "The folder holds no files."}],
        key="imported-files",
        description=f"{len(rows)} files.",
    )
    refused = sum(not result.is_loaded for result in results)
    if refused:
        return Completed(
            name="CompletedWithExceptions", message=f"{refused} of {len(rows)} files were refused"
        )
    partial = sum(not result.is_done for result in results)
    if partial:
        words = (
            f"{len(rows)} files loaded; {partial} hold a part of a statement of which the rest was not read"
        )
        return Completed(name="CompletedWithExceptions", message=words)
    return Completed(message=f"{len(rows)} files loaded")
