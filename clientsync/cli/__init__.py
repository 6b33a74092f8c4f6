"""The command line: every operation of the product, each with help and an example.

Nothing heavy is imported before a command runs. Exit codes: 0 done, 1 an error, 2 something asked for is wrong
and nothing was written, 3 the run ended with units that are not done.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit."""
    from clientsync.cli.app import app

    app()
