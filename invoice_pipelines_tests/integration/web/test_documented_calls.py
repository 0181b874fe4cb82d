"""The calls of docs/api.md, as a reader types them, one after the other, while the work goes on as with Dagster."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.delivery.documents.making import make_documents
from invoice_pipelines.intake.stages.stages import export_invoices, intake_of, parse_uploads, validate_invoices
from invoice_pipelines.organizations import Address, change_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.support.web import Site, running_site

PAGE = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
CALLS = re.findall(r"^### (.+?)$.*?^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
INVOICE = PROJECT / "examples" / "nordwind-handel" / "Elbtal Energie Jahresabrechnung.xml"


def work(database: TestDatabase, slug: str, settings: Settings, until: Event) -> None:
    """What Dagster's runs do for an organization, again and again."""
    organization = OrganizationContext.of(database.engine, slug, settings, "test")
    intake = intake_of(organization)
    while not until.wait(0.2):
        for step in (parse_uploads, validate_invoices, export_invoices):
            step(intake)
        process_jobs(organization)
        make_documents(organization, time_box=timedelta(minutes=1))


@pytest.fixture
def site(database: TestDatabase, tmp_path: Path) -> Iterator[Site]:
    with running_site(database, DAGSTER_HOME=tmp_path / "home") as site:
        address = Address(street="Hafenweg 1", post_code="28195", city="Bremen")
        change_organization(database.engine, site.a.slug, vat_id="DE123456788", address=address)
        yield site


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not installed")
def test_the_calls_of_the_documentation_do_what_it_says(site: Site, tmp_path: Path) -> None:
    assert len(CALLS) == 10
    (tmp_path / "token").write_text(f"Authorization: Bearer {site.a.tokens['writer']}")
    shutil.copyfile(INVOICE, tmp_path / "rechnung.xml")
    script = "".join(f"echo '## {title}'\n{calls}" for title, calls in CALLS)
    ended = Event()
    worker = Thread(target=work, args=(site.database, site.a.slug, site.settings, ended))
    worker.start()
    try:
        typed = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"API={site.url}/api/v1/organizations/{site.a.slug}\n{script}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    finally:
        ended.set()
        worker.join()
    assert typed.returncode == 0, (typed.stdout, typed.stderr)
    said = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", typed.stdout, re.MULTILINE | re.DOTALL))
    assert '"status": "EXPORTED"' in said["Upload an invoice and wait for what it says"]
    assert '"failed": 0' in said["Take in sales orders"]
    assert '"successful_items": 2' in said["Invoice orders and follow them"]
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF-")
    assert '"amount_due": "0.00"' in said["Book a payment, and see who owes what"]
    assert "invoice.paid" in said["Poll for what changed"]
