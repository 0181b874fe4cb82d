"""How a domain is declared for Dagster: its stages, what is due, and what is promised. `factory` makes assets, jobs and
a sensor of it. No domain is declared here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from uuid import UUID

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.defs.checks import about_one_materialization, names
from invoice_pipelines.defs.metadata import without_empty_tables
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.promises import Promise
from invoice_pipelines.settings import Settings

ASSET_JOB = "__ASSET_JOB"
"""How Dagster calls the job of assets that a person, or a backfill, materializes."""


CODE_VERSION = version("invoice_pipelines")
DATA_VERSION_TAG = "dagster/data_version"

FIGURES_OF = "figures of"
"""The run whose figures a run shows that had nothing to do."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An organization's turn in a run, in which stages do their work."""

    organization: OrganizationContext
    log: logging.Logger
    run_id: str


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage did in one organization. `happened` is False where there was nothing to do; `idle` says why.
    `batch_jobs` are those it worked at.
    """

    happened: bool
    metadata: Mapping[str, Any]
    checks: list[dg.AssetCheckResult]
    idle: str = "nothing waits"
    batch_jobs: Sequence[UUID] = ()

    @property
    def shown(self) -> dict[str, Any]:
        """The metadata that is worth showing."""
        return without_empty_tables(self.metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a domain's work, with the asset that shows it: `work` does it for the organization of a turn, as a
    `config` says, and keeps `promises`, which become the asset's checks.
    """

    key: dg.AssetKey
    description: str
    work: Callable[[Turn, Any], StageResult]
    promises: Sequence[Promise] = ()
    names: Callable[[Connection, Sequence[str]], dg.TableMetadataValue] = lambda _, sample: names(sample)
    """Shows what breaks a promise that is about all records."""
    kinds: frozenset[str] = frozenset({"postgres"})
    deps: Sequence[dg.AssetKey] = ()
    config: type[dg.Config] | None = None
    refuse: Callable[[Any], object] = lambda _: None
    """Raises what is wrong with a config before any work is done: one that must not be left out has a default, as
    Dagster offers no backfill of an asset with required config.
    """
    standing: frozenset[str] = frozenset()
    """Figures that tell how things stand, not what a run did."""
    for_migrations: Mapping[str, Any] | None = None
    """Config with which people do it in many organizations at once, such as those that a migration brought, by a
    backfill or a job; None where they do not.
    """
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def help(self) -> str:
        """Its description; with the config of a backfill, for which Dagster's UI offers an empty page."""
        if self.for_migrations is None:
            return self.description
        config = f"ops:\n  {'__'.join(self.key.path)}:\n    config: {json.dumps(self.for_migrations)}"
        return (
            f"{self.description}\n\nTo backfill it: *Materialize*, *All* partitions or some, *Config*, *Add config*; "
            f"paste this there, with what you want; *Save config*, *Launch backfill*.\n\n```yaml\n{config}\n```"
        )

    @property
    def table(self) -> str:
        """The table or view that it fills; empty where it makes files."""
        return str(self.metadata.get("dagster/table_name", ""))

    def materialization(self, result: StageResult, last: dg.EventLogRecord | None, run_id: str) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """What its asset returns. Where nothing happened, the figures of the `last` materialization of the organization
        are shown again: an asset that returns nothing would have the stages after it skipped. The version of its data
        is the run that last did something, so that assets made from it are not out of step before there is another.
        """
        shown, changed_by = result.shown, run_id
        if not result.happened:
            shown = {"nothing to do": result.idle, **shown, **self._figures(last)}
            changed_by = version_of(last) or run_id
        return dg.MaterializeResult(
            metadata=shown,
            check_results=about_one_materialization(result.checks),
            data_version=dg.DataVersion(changed_by),
        )

    def inputs(self, instance: dg.DagsterInstance, slug: str) -> dict[str, str]:
        """What Dagster notes by itself where an asset is materialized, and not where an op tells of it: from what it
        was made for an organization, as tags of the materialization.
        """
        tags = {"dagster/code_version": CODE_VERSION}
        for dep in self.deps:
            there = dg.AssetRecordsFilter(asset_key=dep, asset_partitions=[slug])
            newest = next(iter(instance.fetch_materializations(there, limit=1).records), None)
            tags[f"dagster/input_data_version/{dep.to_user_string()}"] = version_of(newest) or "INITIAL"
            tags[f"dagster/input_event_pointer/{dep.to_user_string()}"] = str(newest.storage_id) if newest else "NULL"
        return tags

    def _figures(self, last: dg.EventLogRecord | None) -> dict[str, Any]:
        """What an earlier run did, in numbers and words; its tables and charts are left with it."""
        if last is None or last.asset_materialization is None:
            return {}
        left = {"nothing to do", "left for the next run", *self.standing}
        kept = {
            name: value
            for name, value in last.asset_materialization.metadata.items()
            if name not in left and not isinstance(value, dg.TableMetadataValue | dg.MarkdownMetadataValue)
        }
        return {FIGURES_OF: dg.MetadataValue.dagster_run(last.run_id), **kept}


def version_of(record: dg.EventLogRecord | None) -> str | None:
    """The version of the data that a materialization tells of, where it does."""
    told = record.asset_materialization if record else None
    return (told.tags or {}).get(DATA_VERSION_TAG) if told else None


Results = Iterable[tuple[Stage, StageResult]]
TakeTurn = Callable[[Turn], Results]
"""Does the stages of an organization one after the other, each when its result is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain as Dagster sees it.

    Its `stages` are done one after the other: by the job `name` for one organization, by the job `name_sweep` for many,
    as soon as the `sensor` finds that something is `due`. What is `apart` are assets that only a person
    materializes; `by_hand` are further jobs that do the domain's work. `does` says what is done in `{}`.
    """

    name: str
    does: str
    description: str
    stages: tuple[Stage, ...]
    sensor: str
    sensor_description: str
    due: Callable[[Connection, Settings], Collection[UUID]] = lambda *_: ()
    """Ids of the organizations in which there is something to do."""
    kinds: tuple[str, ...] = ()
    """Kinds of its work in the queue, which must not wait for long once it can be done."""
    every_seconds: int = 3
    """Dagster looks every five seconds: what is due every five as well is often found to be due a moment later."""
    apart: tuple[Stage, ...] = ()
    owner: str = "team:accounts_receivable"
    """Who is asked about its assets, as Dagster writes a team or an email address."""
    by_hand: tuple[str, ...] = ()
    job_config: Mapping[str, Any] | None = None
    job: str = ""
    """Name of the job of one organization, where it is not the domain's."""
    op: str = ""
    """Name of the sweep's op, where it is not `sweep_name`."""
    beside: str = ""
    """What the tag `organization` says of its runs, where these work beside other runs of the same organizations: each
    is a sweep then, however few organizations are due, and one works at a time.
    """
    take: TakeTurn | None = None
    """How a sweep takes a turn, where it is not one stage after the other."""
    look: Callable[[Domain, dg.SensorEvaluationContext, InvoiceDatabase], dg.SensorResult | dg.SkipReason] | None = None
    """What the sensor does, where it is not just asking for runs of what is due."""

    @property
    def run(self) -> str:
        """Name of the job that takes one organization."""
        return self.job or self.name

    @property
    def sweep(self) -> str:
        """Name of the job that takes many organizations."""
        return f"{self.name}_sweep"

    @property
    def sweep_op(self) -> str:
        """Name of its op."""
        return self.op or f"sweep_{self.name}"

    def take_turn(self, turn: Turn) -> Results:
        """Does the work of an organization, for a sweep."""
        if self.take is not None:
            yield from self.take(turn)
            return
        for stage in self.stages:
            yield stage, stage.work(turn, stage.config() if stage.config else None)

    def includes(self, run: dg.DagsterRun) -> bool:
        """Whether a run works on this domain. Runs of other domains are not waited for: the run queue sees to it that
        those of an organization come one after the other, and gives each its turn.
        """
        if run.job_name.startswith(ASSET_JOB):
            group = self.stages[0].key.path[0]
            return not run.asset_selection or any(key.path[0] == group for key in run.asset_selection)
        return run.job_name in (self.run, self.sweep, *self.by_hand)
