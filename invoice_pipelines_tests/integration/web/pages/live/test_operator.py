"""The operator's page: figures of all organizations for operators, and nothing at all for anybody else."""

from __future__ import annotations

from uuid import uuid4

import pytest
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from playwright.sync_api import Browser
from sqlalchemy import create_engine, text

from invoice_pipelines.web.pages.operator.dagster import daemon_ages, latest_runs
from invoice_pipelines.work import create_job
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, open_tenant


def test_an_operator_sees_queues_of_all_organizations_and_no_record(site: Site) -> None:
    tenant = open_tenant(site.database, name="Nordwind Handel GmbH")
    secret = f"secret-{uuid4()}"
    with tenant.view.scope() as connection:
        create_job(connection, "communications", [secret, "2"], {"subject": secret}, created_by=secret)
    with site.database.superuser.begin() as connection:
        connection.execute(
            text(
                """update work.batch_item set available_at = now() - interval '3 hours'
                   where organization_id = :id and status = 'pending'"""
            ),
            {"id": tenant.id},
        )
    with site.browser(site.operator) as client:
        client.headers["Accept-Language"] = "en"
        said = client.get("/operator").text
        assert client.get("/desk").text.count('href="/operator"') == 1
    assert "Nordwind Handel GmbH" in said
    assert "Send invoices" in said
    assert "late" in said
    assert secret not in said


def test_nobody_else_learns_of_the_page(site: Site) -> None:
    outsiders = [site.stranger, *site.a.sessions.values(), site.a.tokens["writer"]]
    for secret in outsiders:
        with site.browser(secret) as client:
            answer = client.get("/operator")
            assert answer.status_code == 404
            assert "Queues" not in answer.text
            assert 'href="/operator"' not in client.get("/desk").text
    with site.client() as client:
        assert client.get("/operator").status_code == 303


def test_runs_and_daemons_are_read_from_the_tables_of_dagster(site: Site) -> None:
    """As Dagster's own storage makes them."""
    name = f"dagster_{uuid4().hex}"
    with create_engine(site.database.owner_url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"create database {name}"))
    engine = create_engine(site.database.owner_url.set(database=name))
    try:
        RunStorageSqlMetadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(
                text(
                    """insert into runs (run_id, pipeline_name, status, partition, create_timestamp, start_time,
                                         end_time)
                       values ('r-1', 'intake', 'SUCCESS', 'acme', now() at time zone 'UTC', 100, 160),
                              ('r-2', 'sync', 'FAILURE', null, now() at time zone 'UTC', null, null)"""
                )
            )
            connection.execute(
                text("insert into run_tags (run_id, key, value) values ('r-2', 'dagster/partition', 'bolt')")
            )
            connection.execute(
                text(
                    """insert into daemon_heartbeats (daemon_type, daemon_id, timestamp)
                       values ('SENSOR', 'd', now() at time zone 'UTC' - interval '1 minute')"""
                )
            )
            runs = latest_runs(connection, 10)
            assert [(run.id, run.job, run.status, run.partition) for run in runs] == [
                ("r-2", "sync", "FAILURE", "bolt"),
                ("r-1", "intake", "SUCCESS", "acme"),
            ]
            assert runs[1].ended_at is not None
            assert runs[1].started_at is not None
            assert (runs[1].ended_at - runs[1].started_at).total_seconds() == 60
            assert 59 <= daemon_ages(connection)["SENSOR"] < 65
    finally:
        engine.dispose()
        with create_engine(site.database.owner_url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text(f"drop database {name} with (force)"))


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [*zip(WIDTHS, ("light", "dark", "light"), strict=True)])
def test_the_page_can_be_used_by_everybody(site: Site, browser: Browser, width: int, scheme: str) -> None:
    with visiting(browser, site.url, site.operator, language="de", scheme=scheme, width=width) as visitor:
        visitor.open("/operator")
        assert visitor.sees("Warteschlangen")
        assert visitor.serious_findings() == []
        assert visitor.overflow() == 0
