"""From files to answers: registers with known errors, the portal's own statement, real checks, and what comes out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from clientsync import money
from clientsync.config import Settings
from clientsync.database import open_engine, upgrade, writing
from clientsync.imports import import_paths
from clientsync.imports.books import duplicates, import_books
from clientsync.imports.importing import import_documents
from clientsync.imports.reading import Document
from clientsync.ledger.tables import SyncClient
from clientsync.reports.matches import MatchLine, read_document_states, read_matches
from clientsync.secrets.vault import Vault
from clientsync.sync.all_recons import reconcile_all
from clientsync.sync.services import Services
from simulators.gst import periods
from simulators.gst.portal import Portal
from simulators.gst.portal import Settings as PortalSettings
from simulators.gst.registers import client_name, write_all

DAY = date(2026, 11, 27)
MONTHS = ("092026", "102026")
CLIENTS = 6


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, dict[str, Any], Path]]:
    """Six clients with two months of 2B and of registers, loaded through the engine with Great Expectations."""
    home = tmp_path_factory.mktemp("practice")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIENTSYNC_NOW", f"{DAY}T18:00:00+05:30")
        settings = Settings(home=home / "data", vault_key_ref=f"file:{home / 'vault.key'}")
        engine = open_engine(settings.database_url)
        upgrade(engine)
        services = Services(engine=engine, settings=settings, vault=Vault.from_settings(settings))
        portal = Portal(PortalSettings(clients=CLIENTS, documents=60, seed=7, today=DAY))
        months = [periods.parse(text) or 0 for text in MONTHS]
        _add_clients(services, portal)
        for client in portal.country.clients:
            for month, text in zip(months, MONTHS, strict=True):
                if client.quarterly and not periods.is_quarter_end(month):
                    continue
                raw = json.dumps(portal.inward.two_b(client, month)).encode()
                document = Document("", money.loads(raw), raw, name=f"{text}.json")
                done = import_documents(services, [(home / "2b.json", document)], client=client_name(client))
                assert done[0].is_loaded, done
        wrong = write_all(portal, months, home / "registers")
        for client in portal.country.clients:
            name = client_name(client)
            (path,) = (home / "registers").glob(f"{name}-purchases.*")
            (result,) = import_books(services, [path], client_id=name, register="purchases")
            assert result.is_loaded, (result.refusal, result.results)
        reconcile_all(engine, "gst", DAY, ("2B-BOOKS",))
        yield services, wrong, home
        services.close()


def _add_clients(services: Services, portal: Portal) -> None:
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    with writing(services.engine) as connection:
        for client in portal.country.clients:
            connection.execute(
                insert(SyncClient).values(
                    client_id=client_name(client),
                    name=client.party.name,
                    gstin=client.gstin,
                    state_code=client.gstin[:2],
                    filing_frequency=client.frequency,
                    is_active=True,
                    settings={},
                    created_at=moment,
                    updated_at=moment,
                )
            )


def lines_of(services: Services) -> list[MatchLine]:
    return list(read_matches(services.engine, ("2B-BOOKS",)))


def test_what_was_booked_rightly_is_exact_or_explained(
    practice: tuple[Services, dict[str, Any], Path],
) -> None:
    services, wrong, _ = practice
    errors = {
        (client, gstin, number) for client, found in wrong.items() for gstin, number, _ in found["purchases"]
    }
    doubtful = [
        line
        for line in lines_of(services)
        if line.left_count
        and line.right_count
        and line.status not in ("exact", "linked")
        and (line.client_id, line.party_gstin, line.right_number) not in errors
    ]
    assert [
        (line.status, line.reason) for line in doubtful if "type" not in line.reason and not line.tags
    ] == []


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        ("typo", {"suggested", "mismatch"}),
        ("prefix", {"suggested", "mismatch"}),
        ("swapped", {"mismatch", "exact"}),
        ("rounding", {"suggested", "exact"}),
        ("amount", {"mismatch"}),
        ("missing", {"missing_here"}),
        ("duplicate", {"exact"}),
    ],
)
def test_an_error_of_the_books_lands_in_its_bucket(
    practice: tuple[Services, dict[str, Any], Path], error: str, allowed: set[str]
) -> None:
    services, wrong, _ = practice
    by_number = {
        (line.client_id, line.party_gstin, line.right_number): line
        for line in lines_of(services)
        if line.right_count
    }
    found = Counter(
        by_number[client, gstin, number].status
        for client, errors in wrong.items()
        for gstin, number, name in errors["purchases"]
        if name == error and (client, gstin, number) in by_number
    )
    assert set(found) <= allowed
    assert sum(found.values()) > 0


def test_a_purchase_that_no_supplier_reports_is_missing_on_the_portal(
    practice: tuple[Services, dict[str, Any], Path],
) -> None:
    services, wrong, _ = practice
    wanted = {
        (client, number)
        for client, errors in wrong.items()
        for _, number, name in errors["purchases"]
        if name == "unreported"
    }
    found = {
        (line.client_id, line.left_number) for line in lines_of(services) if line.status == "missing_there"
    }
    assert wanted
    assert wanted <= found


def test_every_document_of_both_sides_is_in_one_line(practice: tuple[Services, dict[str, Any], Path]) -> None:
    services, _, _ = practice
    from sqlalchemy import text

    from clientsync.database import reading

    with reading(services.engine) as connection:
        booked = connection.execute(
            text(
                "SELECT count(*), sum(taxable_paise) FROM core_books__purchase_document WHERE removed_at IS NULL"
            )
        ).one()
    lines = lines_of(services)
    assert sum(line.left_count for line in lines) == booked[0]
    assert sum(line.left_taxable_paise for line in lines) == booked[1]


def test_duplicates_of_a_register_are_listed(practice: tuple[Services, dict[str, Any], Path]) -> None:
    services, wrong, _ = practice
    wanted = {
        number for errors in wrong.values() for _, number, name in errors["purchases"] if name == "duplicate"
    }
    found = {one.document_number for client in wrong for one in duplicates(services.engine, client)}
    assert wanted
    assert wanted <= found


def test_a_register_that_is_imported_again_changes_nothing(
    practice: tuple[Services, dict[str, Any], Path],
) -> None:
    services, _, home = practice
    (result,) = import_books(
        services, [home / "registers" / "C0001-purchases.csv"], client_id="C0001", register="purchases"
    )
    assert {one.outcome for one in result.results} == {"unchanged"}


def test_a_month_of_the_portal_that_was_never_read_makes_the_client_incomplete(
    practice: tuple[Services, dict[str, Any], Path],
) -> None:
    services, _, _ = practice
    states = {one.client_id: one for one in read_document_states(services.engine, ("2B-BOOKS",))}
    assert states["C0001"].missing == ()
    reconcile_all(services.engine, "gst", DAY, ("2A-BOOKS",), ("C0001",))
    (state,) = read_document_states(services.engine, ("2A-BOOKS",), ("C0001",))
    assert state.state == "incomplete"
    assert "gstr2a 10/2026: never asked" in state.missing


def test_a_register_is_refused_by_the_general_import_with_a_reason(
    practice: tuple[Services, dict[str, Any], Path],
) -> None:
    services, _, home = practice
    (result,) = import_paths(services, [home / "registers" / "C0001-purchases.csv"], client="C0001")
    assert not result.is_loaded
    assert result.reason


def test_the_analysts_notebook_runs_from_its_first_cell_to_its_last(
    practice: tuple[Services, dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat
    from nbclient import NotebookClient

    services, _, _ = practice
    monkeypatch.setenv("CLIENTSYNC_HOME", str(services.settings.home))
    monkeypatch.delenv("CLIENTSYNC_CONFIG", raising=False)
    root = Path(__file__).resolve().parents[2]
    path = root / "docs/notebooks/analyst_tutorial.ipynb"
    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(root)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("vega" in str(one.get("data", {})) for one in shown) == 2
