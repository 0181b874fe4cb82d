"""Who works at the command line, as the audit trail names the person, and in which organization."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings

LONGEST_NAME = 63
"""PostgreSQL cuts off the names of applications behind it."""


def person() -> str:
    """The person at the command line, by the name of the login."""
    try:
        return f"command line: {getpass.getuser()}"
    except (KeyError, OSError):  # a user without a name, as in containers
        return "command line"


@contextmanager
def database() -> Iterator[Engine]:
    """The database of all organizations, as the application."""
    with open_database(load_settings(), application_name=person()[:LONGEST_NAME], actor=person()) as engine:
        yield engine


@contextmanager
def opened(slug: str) -> Iterator[OrganizationContext]:
    """The organization with a slug. Raises OrganizationError where there is none."""
    with database() as engine:
        yield OrganizationContext.of(engine, slug, load_settings(), person())


@contextmanager
def scope_of(slug: str) -> Iterator[Connection]:
    """One transaction in the organization with a slug."""
    with opened(slug) as organization, organization.scope() as connection:
        yield connection
