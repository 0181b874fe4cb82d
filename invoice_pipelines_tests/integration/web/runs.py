"""What runs of Dagster do, in the process of a test."""

from __future__ import annotations

from datetime import timedelta

from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines.overdue.asked import look_as_asked
from invoice_pipelines.quickbooks.sync import sync
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines_tests.support.web import Site, Tenant


def run_look_for_overdue(tenant: Tenant) -> None:
    """Looks for what is overdue, as people asked."""
    organization = tenant.view.context("run")
    look_as_asked(organization, lambda day: notify_overdue(organization, as_of=day), timedelta(minutes=1))


def run_sync(site: Site, tenant: Tenant, *, pull: bool = True) -> None:
    """Syncs all entities with the company."""
    context = OrganizationContext.of(site.database.engine, tenant.slug, site.settings, "run")
    sync(context, list(EntityType), pull=pull, time_box=timedelta(seconds=30))
