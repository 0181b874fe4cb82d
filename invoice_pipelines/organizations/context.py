"""An organization as a domain's entries take it. What is done for it belongs to the domains."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations.registry import Organization, find_organization
from invoice_pipelines.settings import Settings


@dataclass(frozen=True, slots=True)
class OrganizationContext:
    """An organization, where its rows are, how the deployment is set, and on whose behalf something is done.

    `actor` is who the audit trail names.
    """

    engine: Engine
    organization: Organization
    settings: Settings
    actor: str

    @classmethod
    def of(cls, engine: Engine, slug: str, settings: Settings, actor: str) -> OrganizationContext:
        """That of the organization with a slug. Raises OrganizationError where there is none."""
        return cls(engine, find_organization(engine, slug), settings, actor)

    @property
    def id(self) -> UUID:
        """The organization's id."""
        return self.organization.id

    @property
    def slug(self) -> str:
        """The organization's slug."""
        return self.organization.slug

    @property
    def time_box(self) -> timedelta:
        """How long a run may work, as the settings say."""
        return timedelta(seconds=self.settings.run_time_box_seconds)

    def with_time_box(self, seconds: int) -> OrganizationContext:
        """The same for a run that may work for so many seconds."""
        return replace(self, settings=self.settings.model_copy(update={"run_time_box_seconds": seconds}))

    def scope(self) -> AbstractContextManager[Connection]:
        """One transaction that sees this organization and no other."""
        return organization_scope(self.engine, self.organization.id)
