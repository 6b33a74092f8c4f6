"""A folder in which files are laid: each is imported once and moved to ``done`` or ``refused`` with its reason.

A file that is still being written is left alone, and so is one that was written anew while it was imported, or that
another run stood in the way of. Nothing is ever overwritten or deleted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from clientsync.clock import INDIA, now
from clientsync.errors import InvalidInput
from clientsync.imports.importing import LATER, FileResult, import_paths
from clientsync.imports.reading import is_candidate
from clientsync.sync.services import Services

DONE_FOLDER = "done"
REFUSED_FOLDER = "refused"
SETTLED_SECONDS = 1.0
_Trace = tuple[int, int]


def import_folder(
    services: Services, folder: Path | None, *, settled: float = SETTLED_SECONDS
) -> list[FileResult]:
    """Import the files of a folder and move each to ``done`` or ``refused``; return what became of them.

    Args:
        services: surroundings.
        folder: where files are laid; not its subfolders.
        settled: seconds for which a file must not have changed.

    Raises:
        InvalidInput: no folder is given or set, it is not there, or files that were read cannot be moved.
    """
    folder = checked_folder(folder)
    files = _settled_files(folder, settled)
    results = import_paths(services, list(files)) if files else []
    by_file: dict[Path, list[FileResult]] = {}
    for result in results:
        by_file.setdefault(result.path, []).append(result)
    stuck = []
    for path, parts in by_file.items():
        try:
            if _trace(path) == files[path]:
                _put_away(folder, path, parts)
        except OSError as error:
            stuck.append(f"{path.name} ({error.strerror or type(error).__name__})")
    if stuck:
        raise InvalidInput(
            f"Files were read, but cannot be moved to {DONE_FOLDER}/ or {REFUSED_FOLDER}/ of {folder}: "
            f"{', '.join(stuck)}. Let clientsync write there; what was read before is then unchanged."
        )
    return results


def watch_folder(
    services: Services, folder: Path | None, *, seconds: float = 5.0
) -> Iterator[list[FileResult]]:
    """Import what lies in a folder, then whatever is laid into it, until the services are asked to stop.

    Yields the results of every time at which there were files.

    Raises:
        InvalidInput: no folder is given or set, it is not there, or files that were read cannot be moved.
    """
    from watchfiles import watch

    folder = checked_folder(folder)
    if results := import_folder(services, folder):
        yield results
    changes = watch(
        folder,
        recursive=False,
        stop_event=services.stop,
        rust_timeout=round(seconds * 1000),
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    for _ in changes:
        if results := import_folder(services, folder):
            yield results


def checked_folder(folder: Path | None) -> Path:
    """Return the folder.

    Raises:
        InvalidInput: none is given or set, or it is not there.
    """
    if folder is None:
        raise InvalidInput("No folder is watched: name one, or set watch_folder in the settings.")
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}.")
    return folder


def _settled_files(folder: Path, seconds: float) -> dict[Path, _Trace]:
    """Return the files that nobody writes any more, each with its trace."""
    found = {path: _trace(path) for path in sorted(folder.iterdir()) if is_candidate(path)}
    before = {path: trace for path, trace in found.items() if trace is not None}
    if any(time.time() - trace[1] / 1e9 < seconds for trace in before.values()):
        time.sleep(seconds)
    return {path: trace for path, trace in before.items() if _trace(path) == trace}


def _trace(path: Path) -> _Trace | None:
    """Return size and moment of the last change of a file, in nanoseconds; None when it is gone."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_size, found.st_mtime_ns)


def _put_away(folder: Path, path: Path, parts: list[FileResult]) -> None:
    if any(part.outcome == LATER for part in parts):
        return
    is_good = all(part.is_loaded for part in parts)
    target = _free_place(folder / (DONE_FOLDER if is_good else REFUSED_FOLDER), path.name, now())
    path.rename(target)
    if not is_good:
        lines = [f"{part.member or path.name}: {part.outcome}. {part.reason}" for part in parts]
        target.with_name(target.name + ".reason.txt").write_text(
            "\n".join(lines) + "\n", encoding="utf-8", errors="replace"
        )


def _free_place(folder: Path, name: str, moment: datetime) -> Path:
    folder.mkdir(exist_ok=True)
    target = folder / name
    number = 0
    while target.exists():
        number += 1
        stem = f"{Path(name).stem}.{moment.astimezone(INDIA):%Y%m%d-%H%M%S}"
        target = folder / f"{stem}-{number}{Path(name).suffix}"
    return target
