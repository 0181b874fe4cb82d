"""What an accounting system declares and does; this is all that doors know of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from sqlalchemy import Connection, Engine

from invoice_pipelines.accounting.reports import ConflictDecision, ConnectionHealth, DuePull, SyncReport, SystemState
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.promises import Promise
from invoice_pipelines.settings import Settings


class RequestError(InvoicePipelinesError):
    """A request cannot be taken; the message names the field and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedEntity:
    """Something that is kept in step with an accounting system, under the `name` that people give in the plural.

    What is `pushed` is sent, what is `pulled` is read, and of that what is `imported` may be taken in as a whole.
    `follows` are assets that come before it. Where `pull_hour` says when it is read each day, `pulled_with` names what
    is read before it in the same sync. `promises` hold after each sync; a promise without a query is about the
    connection.
    """

    name: str
    one: str
    """The same in the singular."""
    description: str
    kept_in: tuple[str, str]
    """Schema and table of what is kept of it here, for people to know."""
    follows: tuple[str, ...] = ()
    pushed: bool = False
    pulled: bool = True
    imported: bool = False
    pull_hour: Callable[[Settings], timedelta] | None = None
    pulled_with: tuple[str, ...] = ()
    promises: tuple[Promise, ...] = ()


class AccountingSystem(Protocol):
    """An accounting system in which organizations keep their books.

    `name` is what its assets, jobs and commands begin with, `title` what people call it. Entities are in the order in
    which they depend on one another, and named as they say. Connections are in the scope of an organization, but where
    ids of organizations are returned.
    """

    name: str
    title: str
    entities: tuple[SyncedEntity, ...]

    def push_every(self, settings: Settings) -> int:
        """Seconds between two looks at what waits to be sent."""

    def organizations_to_reach(self, connection: Connection) -> Collection[UUID]:
        """Organizations whose company is connected and not paused."""

    def connection_counts(self, connection: Connection) -> Mapping[str, int]:
        """How many connections of all organizations stand how, such as connected or paused."""

    def organizations_to_push(self, connection: Connection) -> Collection[UUID]:
        """Those of them in which something waits to be sent."""

    def organizations_to_pull(self, connection: Connection, entity: str, hour: timedelta) -> Sequence[DuePull]:
        """Those in whose time zone the hour has passed since the last pull of an entity, and unfinished ones."""

    def sync(
        self,
        organization: OrganizationContext,
        entities: Sequence[str],
        *,
        push: bool,
        pull: bool,
        full: bool,
        time_box: timedelta,
        on_progress: Callable[[str], None],
    ) -> SyncReport:
        """Reads what was changed there, or all with `full`, then sends what waits here."""

    def state(self, connection: Connection) -> SystemState | None:
        """The state of the organization's sync; None where it never had a connection."""

    def health(self, connection: Connection, slug: str) -> ConnectionHealth:
        """Whether it can be reached, now and in the next weeks."""

    def ask_for_invoices(self, connection: Connection, invoices: Sequence[str], *, created_by: str) -> UUID:
        """Asks for the push of invoices, by number or id, as one batch job. Raises RequestError."""

    def decide_conflicts(
        self,
        organization: OrganizationContext,
        side: Literal["ours", "theirs"],
        conflicts: Sequence[str],
        *,
        write: bool,
    ) -> Sequence[ConflictDecision]:
        """Lets one side win the conflicts with these ids, or all that are open. Without `write`, only says what would
        come of it. Raises RequestError, or what says that a conflict is unknown.
        """

    def enqueue_backlog(self, connection: Connection, entity: str) -> UUID | None:
        """Asks to send all records of an entity that it never had, as one batch job; None: nothing is missing."""

    def prune(self, engine: Engine, organization_id: UUID, older_than: datetime) -> int:
        """Deletes what is no longer needed of what was sent before then; returns how many batches."""


def entities_named(
    system: AccountingSystem, names: Sequence[str], allowed: Callable[[SyncedEntity], bool] = lambda _: True
) -> tuple[SyncedEntity, ...]:
    """Entities by their names, each once and in their order. Raises RequestError for a name that is none of those
    allowed, and where there is none.
    """
    known = [entity for entity in system.entities if allowed(entity)]
    listed = ", ".join(entity.name for entity in known)
    if not names:
        raise RequestError(f"entities: name some of {listed}.")
    if unknown := [name for name in names if name not in {entity.name for entity in known}]:
        raise RequestError(f"entities: {unknown[0]!r} is none of {listed}.")
    return tuple(entity for entity in known if entity.name in names)
