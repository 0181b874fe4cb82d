"""Holds how the application connects: engines, and the scope of one organization."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from invoice_pipelines.database.roles import APP


def driver_url(url: str | URL, driver: str = "psycopg") -> URL:
    """The URL with its driver named, as SQLAlchemy and Dagster differ in what they take for granted.

    Raises ValueError for anything but a PostgreSQL URL; the message does not repeat the URL, which holds a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("not a database URL; expected postgresql://user:password@host:5432/database") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(f"a {parsed.get_backend_name()} URL; only PostgreSQL is supported")
    return parsed.set(drivername=f"postgresql+{driver}")


def create_app_engine(url: str | URL, *, pool_size: int = 5, application_name: str = "invoice_pipelines") -> Engine:
    """Engine whose sessions have the role `invoice_pipelines_app`, whatever login the URL names.

    The role is set in the start-up packet, so that no statement of ours can be seen before it, and `reset role`
    leads back to it. `application_name` is who the audit trail says changed something (at most 63 bytes).
    """
    arguments: dict[str, Any] = {"options": f"-c role={APP} -c timezone=UTC", "application_name": application_name}
    return create_engine(
        driver_url(url),
        connect_args=arguments,
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        hide_parameters=True,  # an error must not carry an organization's data into a log
    )


def create_login_engine(url: str | URL) -> Engine:
    """Engine with the rights of the login itself: for migrations and the operator's shell only."""
    return create_engine(driver_url(url), pool_size=2, connect_args={"application_name": "invoice_pipelines_owner"})


@contextmanager
def organization_scope(engine: Engine, organization_id: UUID) -> Iterator[Connection]:
    """One transaction that sees one organization; committed at the end, rolled back on an exception.

    Without this scope every access to a tenant table is an error: the policies read `app.organization_id`, which
    is local to the transaction and has no default.
    """
    with engine.begin() as connection:
        enter_organization(connection, organization_id)
        yield connection


def enter_organization(connection: Connection, organization_id: UUID) -> None:
    """Puts the running transaction into the scope of an organization."""
    connection.execute(
        text("select set_config('app.organization_id', :organization_id, true)"),
        {"organization_id": str(organization_id)},
    )
