"""How a run or a sensor gets at the database and the places for files. No business logic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeVar

import dagster as dg
from pydantic import PrivateAttr
from sqlalchemy import Engine
from upath import UPath

from invoice_pipelines.database.access import embedded_server, open_database
from invoice_pipelines.database.schema import Comparison, SchemaError
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings, load_settings
from invoice_pipelines.storage import root_path

USER_TAG = "user"
"""Where Dagster keeps who started a run or a backfill. Its open-source UI knows nobody: whoever launches runs for
people, or the launchpad, names them there."""
LONGEST_PERSON = 100
Answer = TypeVar("Answer")


class NotReady(InvoicePipelinesError):
    """There is no database yet that sensors could ask, as in a fresh checkout; the message says what to do."""


def skips_until_ready(look: Callable[..., Answer]) -> Callable[..., Answer | dg.SkipReason]:
    """Lets a sensor or a schedule skip with what is to be done, where there is no database yet."""

    @wraps(look)
    def looked(*args: Any, **kwargs: Any) -> Answer | dg.SkipReason:
        try:
            return look(*args, **kwargs)
        except NotReady as why:
            return dg.SkipReason(str(why))

    return looked


class InvoiceDatabase(dg.ConfigurableResource):  # type: ignore[type-arg]
    """PostgreSQL, as the application role, for the length of a run or of a sensor's tick.

    Where it is, the environment says (`INVOICE_PIPELINES_DATABASE_URL`; unset: the embedded server).
    """

    _engine: Engine | None = PrivateAttr(default=None)
    _why_not: str = PrivateAttr(default="")
    _actor: str = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[InvoiceDatabase]:
        name = f"run {context.run.run_id}" if context.run else "sensor"
        person = context.run.tags.get(USER_TAG) if context.run else None
        self._actor = f"{person[:LONGEST_PERSON]} ({name})" if person else name
        with ExitStack() as stack:
            try:
                if not context.run:
                    _require_server()
                self._engine = stack.enter_context(
                    open_database(load_settings(), application_name=name, actor=self._actor)
                )
            except NotReady as why:
                self._why_not = str(why)
            except SchemaError as error:
                if context.run or error.comparison is not Comparison.ABSENT:
                    raise
                self._why_not = "The database has no schema yet: run `invoice-pipelines db migrate`."
            yield self

    @property
    def engine(self) -> Engine:
        """Engine of the application role; see `invoice_pipelines.database`. Raises NotReady in a sensor or a schedule
        where there is no database yet.
        """
        if self._engine is None:
            raise NotReady(self._why_not)
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


def _require_server() -> None:
    """A tick is too short to make an embedded server, and several would make it at once."""
    server = embedded_server(load_settings())
    if server is not None and not server.running():
        raise NotReady(
            "PostgreSQL does not run here: start `invoice-pipelines up`, or set INVOICE_PIPELINES_DATABASE_URL and run "
            "`invoice-pipelines db migrate`."
        )


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(resources={"database": InvoiceDatabase()})
