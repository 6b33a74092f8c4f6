"""Fixtures of the crash tests: one portal, one home that is ready for a night, two processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulators.gst.process import Running
from tests.support.crashing import Home, Worker
from tests.support.real_portal import installed, start_portal


@pytest.fixture(scope="session")
def crash_portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A portal with three taxpayers, one of them behind the other provider."""
    with start_portal(tmp_path_factory.mktemp("crash") / "portal", clients=3, sandbox_share=0.34) as portal:
        yield portal


@pytest.fixture(scope="session")
def ready(crash_portal: Running, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with clients and open sessions, in which nothing has been synchronised."""
    folder = tmp_path_factory.mktemp("ready")
    settings = {
        "validator": "tests.crash.worker:hold_some",
        "lease_seconds": 2,
        "rows_per_batch": 40,
        "batch_seconds": 0.3,
        "workers": 2,
        "max_bad_share": 0.95,
    }
    with installed(folder, crash_portal, settings=settings) as made:
        environment = dict(made.stack.environment)
    return Home(folder, crash_portal, environment)


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """A process that forks the children that are killed."""
    made = Worker()
    yield made
    made.close()


@pytest.fixture(scope="session")
def second_worker() -> Iterator[Worker]:
    """A process beside the first."""
    made = Worker()
    yield made
    made.close()
