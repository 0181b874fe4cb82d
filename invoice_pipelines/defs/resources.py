"""How a run or a sensor gets at the database and the places for files. No business logic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr
from sqlalchemy import Engine
from upath import UPath

from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings, load_settings
from invoice_pipelines.storage import root_path

USER_TAG = "user"
"""Where Dagster keeps who started a run or a backfill. Its open-source UI knows nobody: whoever launches runs for
people, or the launchpad, names them there."""
LONGEST_PERSON = 100


class InvoiceDatabase(dg.ConfigurableResource):  # type: ignore[type-arg]
    """PostgreSQL, as the application role, for the length of a run or of a sensor's tick.

    Where it is, the environment says (`INVOICE_PIPELINES_DATABASE_URL`; unset: the embedded server).
    """

    _engine: Engine = PrivateAttr()
    _actor: str = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[InvoiceDatabase]:
        name = f"run {context.run.run_id}" if context.run else "sensor"
        person = context.run.tags.get(USER_TAG) if context.run else None
        self._actor = f"{person[:LONGEST_PERSON]} ({name})" if person else name
        with open_database(load_settings(), application_name=name) as engine:
            self._engine = engine
            yield self

    @property
    def engine(self) -> Engine:
        """Engine of the application role; see `invoice_pipelines.database`."""
        return self._engine

    @property
    def actor(self) -> str:
        """On whose behalf changes are made, as the audit trail shows it: the person who started the run where its
        tags name one, and the run.
        """
        return self._actor

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return load_settings()

    @property
    def inbox(self) -> UPath:
        """The inbox of all organizations."""
        return root_path(self.settings.inbox_root)

    def organization(self, slug: str) -> OrganizationContext:
        """The organization with a slug. Raises OrganizationError where there is none."""
        return OrganizationContext.of(self.engine, slug, self.settings, self.actor)


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(resources={"database": InvoiceDatabase()})
