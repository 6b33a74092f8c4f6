"""Write the migration that brings the warehouse to what the specs and the ledger say today.

``python -m clientsync.warehouse.revise "what changes"`` is the one step by which a new or changed module gets
its tables. Invariant: nothing is written when migrations and specs agree already.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from clientsync.database import open_engine, reading, writing
from clientsync.spec.module import TableSpec
from clientsync.warehouse.schema import target_metadata
from clientsync.warehouse.upgrading import MIGRATIONS, alembic_config, migrate

_MANY_STATEMENTS = 50  # what ruff allows in a function; a migration may need more


def differences(engine: Engine, specs: Iterable[TableSpec]) -> list[Any]:
    """Return how a migrated database differs from what the ledger and ``specs`` say; empty when not at all."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, target_metadata(specs)))


def revise(message: str, specs: Sequence[TableSpec]) -> Path | None:
    """Write the next migration, formatted; return its path, None when there is nothing to migrate."""
    from alembic import command

    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/head.db")
        try:
            numbers = [path.name[1:5] for path in (MIGRATIONS / "versions").glob("r[0-9]*.py")]
            if numbers:
                with writing(engine) as connection:
                    migrate(connection)
            if not differences(engine, specs):
                return None
            number = int(max(numbers, default="0000")) + 1
            with writing(engine) as connection:
                config = alembic_config(connection, metadata=target_metadata(specs))
                command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        finally:
            engine.dispose()
    path = next((MIGRATIONS / "versions").glob(f"r{number:04d}_*.py"))
    _tidy(path)
    return path


def _tidy(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if "# ### " not in line]
    if sum(line.lstrip().startswith(("op.", "with op.", "batch_op.")) for line in lines) > _MANY_STATEMENTS:
        lines.insert(0, "# ruff: noqa: PLR0915")
    path.write_text("\n".join(lines) + "\n")
    for arguments in (["format", "--quiet"], ["check", "--fix", "--exit-zero", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, str(path)], check=True)  # noqa: S603


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    if len(arguments) != 1 or not arguments[0].strip():
        sys.stderr.write('Usage: python -m clientsync.warehouse.revise "what changes"\n')
        return 2
    specs = list(import_module("clientsync.registry").all_tables().values())
    path = revise(arguments[0].strip().rstrip("."), specs)
    sys.stdout.write(f"wrote {path}\n" if path else "Migrations and specs agree: nothing to write.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
