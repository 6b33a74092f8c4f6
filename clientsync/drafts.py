"""Files that appear under their name whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clientsync.crash import crash_point
from clientsync.errors import InvalidInput, OutOfSpace

STALE_SECONDS = 3600.0


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a draft beside ``path``; it takes the place of ``path`` when the block ends without an error.

    Raises:
        OutOfSpace: the disk is full.
        InvalidInput: the place cannot be written; says which.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder, path.name)
        room = Path(tempfile.mkdtemp(prefix=f".{path.name}.draft-", dir=folder))
    except OSError as error:
        raise unwritten(error, path) from None
    try:
        draft = room / path.name
        yield draft
        _on_disk(draft)
        crash_point("before_report_rename")
        draft.replace(path)
        _on_disk(folder)
        crash_point("after_report_rename")
    except OSError as error:
        raise unwritten(error, path) from None
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _sweep(folder: Path, name: str) -> None:
    """Remove drafts that a killed process left."""
    for left in folder.glob(f".{name}.draft-*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _on_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritten(error: OSError, path: Path) -> OutOfSpace | InvalidInput:
    """Return the error of ours that says why a place could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"The disk is full: {path.name} was not written.")
    return InvalidInput(
        f"{path} cannot be written ({error.strerror or type(error).__name__}); is it open elsewhere?"
    )
