"""What a quiet TDS night costs in calls, counted at the portals, and that what rests wakes when something happens.

Invariant: what was not asked says why, and nothing that was not asked is shown as unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from clientsync.sync import service
from clientsync.sync.planning import Selection
from tests.support.checker import DONE
from tests.support.tds_portal import TdsInstallation, start_tds_portals, tds_installed

pytestmark = pytest.mark.integration

CLIENTS = 20
QUIET_SHARE = 0.25
"""A quiet night costs at most this share of the first one."""


@dataclass
class Night:
    """One run: what it asked by endpoint, what it wrote by (module, what was done), and its cells."""

    calls: Counter[str]
    written: Counter[tuple[str, str]]
    cells: list[dict[str, Any]]

    @property
    def total(self) -> int:
        """All calls, those of the session included."""
        return self.calls.total()


def night(house: TdsInstallation, *, full: bool = False) -> Night:
    """Run everything and count what the portals were asked."""
    house.control("DELETE", "stats")
    run_id = service.run(house.live, service.plan(house.live, Selection("tds", full=full)))
    written: Counter[tuple[str, str]] = Counter()
    for unit in house.units(run_id):
        assert unit["outcome"] in DONE, (unit["module"], unit["outcome"], unit["reason"])
        for name in ("inserted", "updated", "removed"):
            written[unit["module"], name] += unit[name]
    cells = house.rows(
        "SELECT c.* FROM sync_cell c JOIN sync_unit u ON u.unit_id = c.unit_id WHERE u.run_id = :run_id",
        run_id=run_id,
    )
    return Night(Counter(house.control("GET", "stats")["by"]["endpoint"]), +written, cells)


@dataclass
class Story:
    """Nights of one practice, and what the portals were changed by between them."""

    first: Night
    quiet: Night
    changed: Night
    full: Night
    challan: dict[str, Any]
    correction: dict[str, Any]
    house: TdsInstallation


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A first night, a quiet one, one after a payment and a correction, and one that asks everything."""
    folder = tmp_path_factory.mktemp("budget")
    with (
        start_tds_portals(folder / "portal", clients=CLIENTS) as portal,
        tds_installed(folder / "house", portal) as house,
    ):
        first, quiet = night(house), night(house)
        names = [one["client_id"] for one in house.clients()]
        challan = house.control("POST", "challan", client_id=names[-1])
        correction = house.control("POST", "correction", client_id=names[0])
        changed = night(house)
        yield Story(first, quiet, changed, night(house, full=True), challan, correction, house)


def test_a_quiet_night_with_open_sessions_costs_at_most_a_quarter_of_the_first(story: Story) -> None:
    told = f"first {story.first.total}, quiet {story.quiet.total}: {dict(story.quiet.calls)}"
    print(told)  # noqa: T201 - shown by pytest -s and on failure
    assert story.quiet.total <= QUIET_SHARE * story.first.total, told


def test_a_quiet_night_writes_nothing(story: Story) -> None:
    """Certificates are verified daily; on a later day only their day of verification is new."""
    assert story.quiet.written == Counter()


def test_a_list_that_several_units_read_is_asked_once_a_run(story: Story) -> None:
    for one in (story.first, story.full):
        assert one.calls["traces_old.inbox"] == 2 * CLIENTS
        assert one.calls["income_tax.filed_forms"] <= CLIENTS
    assert story.quiet.calls["traces_old.inbox"] == CLIENTS


def test_what_was_not_asked_says_why_and_is_not_shown_as_unchanged(story: Story) -> None:
    for one in (story.first, story.quiet, story.changed, story.full):
        for cell in one.cells:
            if cell["outcome"] in {"not_asked", "not_applicable"}:
                assert cell["skip_kind"] and cell["skip_reason"]
            if cell["skip_kind"] == "resting":
                assert cell["outcome"] == "not_asked"
                assert "read on 20-11-2026, read again on 27-11-2026" in cell["skip_reason"]
    assert any(cell["skip_kind"] == "resting" for cell in story.quiet.cells)


def test_a_new_payment_and_a_correction_are_found_in_the_same_night_and_nothing_else(story: Story) -> None:
    written = story.changed.written
    assert written["challans", "inserted"] >= 2
    assert {module for module, _ in written} == {"challans", "unconsumed_challans", "outstanding_demand"}
    [paid] = story.house.rows("SELECT act FROM core_tds__challan WHERE cin = :cin", cin=story.challan["cin"])
    assert paid == {"act": "2025"}
    claims = story.house.rows(
        "SELECT bsr FROM core_tds__consumption WHERE token = :token", token=story.correction["token"]
    )
    assert len(claims) == 1
    assert written["challans", "removed"] == 0


def test_a_correction_of_a_quarter_that_was_not_chosen_is_found_when_the_quarter_is(story: Story) -> None:
    asked = Selection("tds", modules=("Return Summary",), periods=(story.correction["quarter"],))
    service.run(story.house.live, service.plan(story.house.live, asked))
    cured = story.house.rows(
        "SELECT kind, status FROM core_tds__statement WHERE token = :token", token=story.correction["token"]
    )
    assert cured == [{"kind": "Correction", "status": "Processed Without Defaults"}]


def test_a_full_night_rests_nowhere_and_finds_nothing_that_rested(story: Story) -> None:
    assert not any(cell["skip_kind"] == "resting" for cell in story.full.cells)
    assert story.full.written == Counter()
    for endpoint in ("payment_history", "proceedings"):
        assert story.full.calls[f"income_tax.{endpoint}"] == story.first.calls[f"income_tax.{endpoint}"]
    for endpoint in ("statement_status", "challan_status", "requests"):
        assert story.full.calls[f"traces_old.{endpoint}"] == story.first.calls[f"traces_old.{endpoint}"]
    assert story.full.calls["traces_new.requests"] == story.first.calls["traces_new.requests"]
