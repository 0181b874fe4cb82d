"""One organization as a test looks at it: its rows in its own scope, and the superuser's way behind it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import URL, Connection, Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings


@dataclass(frozen=True)
class OrganizationView:
    """What the desks of all domains have in common. `superuser` sees and changes what no application could."""

    engine: Engine
    superuser: Engine
    url: URL
    organization_id: UUID

    def scope(self) -> AbstractContextManager[Connection]:
        return organization_scope(self.engine, self.organization_id)

    def context(self, actor: str = "anna", **settings: Any) -> OrganizationContext:
        slug: str = self.value("select slug from organizations.organization")
        return OrganizationContext.of(self.engine, slug, Settings(**settings), actor)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.scope() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def value(self, statement: str, **values: Any) -> Any:
        """The only value of the only row."""
        ((value,),) = self.rows(statement, **values)
        return value
