"""The web over folders of the test, and the intake of its organizations, which tests let run when they want to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_pipelines.intake.stages.stages import export_invoices, parse_uploads, validate_invoices
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant, running_site

MOST_MEGABYTES = 5


@dataclass(frozen=True)
class IntakeTenant:
    """An organization: what its callers see, and its intake."""

    site: Site
    tenant: Tenant
    desk: IntakeDesk

    def client(self, name: str = "writer", **options: Any) -> httpx.Client:
        """A program with one of the tokens, which calls addresses of the organization."""
        headers = {"Authorization": f"Bearer {self.tenant.tokens[name]}"}
        base = f"{self.site.url}/api/v1/organizations/{self.tenant.slug}/"
        return httpx.Client(base_url=base, headers=headers, timeout=60, verify=False, **options)

    def person(self, role: Any) -> httpx.Client:
        """A person in a browser, who calls addresses of the organization."""
        client = self.site.browser(self.tenant.sessions[role])
        client.base_url = httpx.URL(f"{self.site.url}/api/v1/organizations/{self.tenant.slug}/")
        return client

    def at(self, answer: dict[str, Any]) -> str:
        """The address that an answer names."""
        return f"{self.site.url}{answer['url']}"

    def run(self) -> None:
        """What a run of the organization does with what was uploaded."""
        parse_uploads(self.desk.intake())
        validate_invoices(self.desk.intake())
        export_invoices(self.desk.intake())

    def stored(self) -> list[Path]:
        """Files in the store of originals, unfinished ones included."""
        folder = self.desk.folder / "originals" / str(self.tenant.id)
        return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def intake_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("intake")


@pytest.fixture(scope="module")
def intake_site(shared_database: TestDatabase, intake_folder: Path) -> Iterator[Site]:
    """The running web, which takes files of at most 5 MB."""
    places = {name: str(intake_folder / name) for name in ("inbox", "originals", "exports")}
    with running_site(shared_database, upload_max_megabytes=MOST_MEGABYTES, **places) as site:
        yield site


@pytest.fixture
def office(intake_site: Site, intake_folder: Path) -> IntakeTenant:
    """A new organization."""
    return office_of(intake_site, open_tenant(intake_site.database), intake_folder)


@pytest.fixture
def other_office(intake_site: Site, intake_folder: Path) -> IntakeTenant:
    """Another one."""
    return office_of(intake_site, open_tenant(intake_site.database), intake_folder)


def office_of(site: Site, tenant: Tenant, folder: Path) -> IntakeTenant:
    """The office of an organization, with the folders of the site."""
    return IntakeTenant(site, tenant, IntakeDesk(site.database, tenant.id, tenant.slug, folder))
