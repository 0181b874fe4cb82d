"""The organization that a command names: how it is found, and on whose behalf the command works in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from invoice_pipelines.cli.person import person
from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings

LONGEST_NAME = 63
"""PostgreSQL cuts off the names of applications behind it."""


@contextmanager
def opened(slug: str) -> Iterator[OrganizationContext]:
    """The organization with a slug. Raises OrganizationError where there is none."""
    settings = load_settings()
    with open_database(settings, application_name=person()[:LONGEST_NAME]) as engine:
        yield OrganizationContext.of(engine, slug, settings, person())


@contextmanager
def scope_of(slug: str) -> Iterator[Connection]:
    """One transaction in the organization with a slug."""
    with opened(slug) as organization, organization.scope() as connection:
        yield connection
