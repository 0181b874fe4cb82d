"""A second accounting system is one package: one from outside gets its assets, jobs, sensor and commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from invoice_pipelines.accounting.systems import ACCOUNTING_SYSTEMS, accounting_systems
from invoice_pipelines.billing import process_jobs
from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.accounting.definitions import definitions_of_system
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.support.plug_in import install

LEDGER = '''
    """A ledger in a file: it takes issued invoices, and nothing else."""

    import os
    from pathlib import Path

    from sqlalchemy import text

    from invoice_pipelines.accounting.reports import (
        ConnectionHealth, EntityReport, Health, Pushed, SyncReport, SystemState
    )
    from invoice_pipelines.accounting.system import SyncedEntity
    from invoice_pipelines.promises import Promise, offending
    from invoice_pipelines.work import Succeeded, create_job, drain, organizations_with_work

    KIND = "ledger_push"
    BOOKED = Promise("all_is_booked", "No invoice waits.", lambda connection: offending(
        connection, "select subject_id as name from work.batch_item where kind = 'ledger_push' and status = 'pending'"))


    class Ledger:
        name, title = "ledger", "Ledger"
        entities = (SyncedEntity(name="invoices", one="invoice", description="Invoices as they are booked.",
                                 kept_in=("billing", "invoice"), pushed=True, pulled=False, promises=(BOOKED,)),)

        def push_every(self, settings):
            return 60

        def organizations_to_reach(self, connection):
            return self.organizations_to_push(connection)

        def organizations_to_push(self, connection):
            return {found.organization_id for found in organizations_with_work(connection, (KIND,))}

        def organizations_to_pull(self, connection, entity, hour):
            return []

        def sync(self, organization, entities, *, push, pull, full, time_box, on_progress):
            def book(connection, chunk):
                with Path(os.environ["LEDGER"]).open("a") as file:
                    file.writelines(f"{item.subject_id}\\n" for item in chunk.items)
                return [Succeeded()] * len(chunk.items)

            report = drain(organization.engine, organization.id, KIND, book, time_box=time_box)
            pushed = Pushed(report.succeeded, report.failed, report.retried)
            told = EntityReport(report.succeeded > 0, {"booked": report.succeeded}, pushed=pushed)
            return SyncReport(True, {"invoices": told}, calls=1, seconds=report.seconds)

        def state(self, connection):
            return SystemState("Ledger of Acme", "open", 0, None, {}, 0, 1)

        def health(self, connection, slug):
            return ConnectionHealth(Health.FINE)

        def ask_for_invoices(self, connection, invoices, *, created_by):
            return create_job(connection, KIND, invoices, created_by=created_by)

        def decide_conflicts(self, organization, side, conflicts, *, write):
            return []

        def enqueue_backlog(self, connection, entity):
            numbers = connection.execute(text("select invoice_number from public.invoice_record order by 1")).scalars()
            return self.ask_for_invoices(connection, list(numbers), created_by="backlog")

        def prune(self, engine, organization_id, older_than):
            return 0


    LEDGER = Ledger()
'''


@pytest.fixture
def booked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the ledger, which is installed for the time of a test."""
    install(tmp_path, monkeypatch, ACCOUNTING_SYSTEMS.group, "ledger", "LEDGER", LEDGER)
    monkeypatch.setenv("LEDGER", str(tmp_path / "ledger.txt"))
    return tmp_path / "ledger.txt"


@pytest.fixture
def shop(house: DagsterHouse, booked: Path) -> SellersHouse:
    """An installation whose Dagster has the ledger alone."""
    shop = SellersHouse(house)
    shop.open("acme")
    shop.ask("acme", shop.orders("acme", "1", "2"))
    process_jobs(shop.context("acme"))
    house.defs = dg.Definitions.merge(
        definitions_of_system(ACCOUNTING_SYSTEMS.load("ledger")),
        dg.Definitions(resources={"database": InvoiceDatabase()}, executor=dg.in_process_executor),
    )
    return shop


def test_it_has_assets_a_sensor_and_commands(shop: SellersHouse, tmp_path: Path) -> None:
    assert [system.name for system in accounting_systems()] == ["ledger", "quickbooks"]
    house, path = shop.house, shop.house.folder / "ledger.txt"

    assert materialize(house, "pushed_backlog", {"entities": ["invoices"]}).success
    assert len(path.read_text().splitlines()) == 2
    with_nothing_left = house.run("ledger_push", "acme")
    assert [(check.check_name, check.passed) for check in with_nothing_left.get_asset_check_evaluations()] == [
        ("all_is_booked", True)
    ]

    path.unlink()
    with organization_scope(house.database.engine, house.id_of("acme")) as connection:
        ACCOUNTING_SYSTEMS.load("ledger").ask_for_invoices(connection, ["INV-1"], created_by="anna")
    with house.sensor_context() as context:
        result = house.defs.resolve_sensor_def("ledger_push_due")(context)
    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests or []
    assert (request.job_name, request.partition_key) == ("ledger_push", "acme")
    assert house.run(request.job_name, "acme").success
    assert path.read_text() == "INV-1\n"

    with organization_scope(house.database.engine, house.id_of("acme")) as connection:
        ACCOUNTING_SYSTEMS.load("ledger").ask_for_invoices(connection, ["INV-2"], created_by="anna")
    boxes = house.run("ledger_sync_one", config={"ops": {"check_connection": {"config": {"organization": "acme"}}}})
    worked = [event.step_key for event in boxes.all_events if event.is_step_success]
    assert worked == ["check_connection", "push_invoices"], "only those for which it has entities"

    (tmp_path / "invoices").write_text("INV-7\n")
    code = (
        "from invoice_pipelines.cli.main import app; from typer.testing import CliRunner; run = CliRunner().invoke;"
        f"print(run(app, 'ledger sync acme --entity invoice --invoices {tmp_path / 'invoices'}'.split()).output);"
        "print(run(app, ['status']).output)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert "1 calls" in done.stdout, done.stderr
    assert path.read_text() == "INV-1\nINV-2\nINV-7\n"
    assert "Ledger of Acme" in done.stdout


def materialize(house: DagsterHouse, asset: str, config: Any) -> dg.ExecuteInProcessResult:
    """An asset by itself, as a person does."""
    job = dg.define_asset_job("by_hand", selection=[dg.AssetKey(["ledger", asset])])
    house.defs = dg.Definitions.merge(house.defs, dg.Definitions(jobs=[job]))
    return house.run("by_hand", "acme", {"ops": {f"ledger__{asset}": {"config": config}}})
