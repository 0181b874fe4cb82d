"""What Dagster gets of a declared domain: an asset for each stage, the job of one organization, the sweep over many,
the sensor that asks for them, and the sweeps of its migrations. What a domain does, its declaration says.
"""

import json
from dataclasses import replace
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from invoice_pipelines.defs.checks import as_last_found, check_specs
from invoice_pipelines.defs.domain import CODE_VERSION, Domain, Stage, Turn
from invoice_pipelines.defs.metadata import with_columns
from invoice_pipelines.defs.organizations import BULK, LANE_TAG, ORGANIZATION_TAG, organizations
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase, skips_until_ready
from invoice_pipelines.defs.run_requests import ask_for_runs
from invoice_pipelines.defs.sweep import Sweep, counted, organizations_named, sweep, tag_batch_jobs


def definitions_of(domain: Domain) -> dg.Definitions:
    """All that Dagster sees of a domain, but for what a person starts."""
    job = dg.define_asset_job(
        domain.run,
        selection=[stage.key for stage in domain.stages],
        config=domain.job_config,
        description=domain.description,
    )
    sweep_job = _sweep_of(domain)
    return dg.Definitions(
        assets=[_asset_of(stage, domain.owner) for stage in (*domain.stages, *domain.apart)],
        jobs=[
            job,
            sweep_job,
            *(_migration_of(stage) for stage in (*domain.stages, *domain.apart) if stage.for_migrations is not None),
        ],
        sensors=[_sensor_of(domain, [job, sweep_job])],
    )


def _asset_of(stage: Stage, owner: str) -> dg.AssetsDefinition:
    def materialize(context: dg.AssetExecutionContext, database: InvoiceDatabase, config: dg.Config | None) -> object:
        with refusals_fail_the_run():
            stage.refuse(config)
            organization = database.organization(context.partition_key)
            result = stage.work(Turn(organization, context.log, context.run.run_id), config)
            if not result.happened:
                slug = context.partition_key
                told = as_last_found(context.instance, stage.key, stage.promises, slug, result.checks)
                result = replace(result, checks=told)
            tag_batch_jobs(context.instance, context.run.run_id, result.batch_jobs)
            earlier = dg.AssetRecordsFilter(asset_key=stage.key, asset_partitions=[context.partition_key])
            last = [] if result.happened else context.instance.fetch_materializations(earlier, limit=1).records
            counts = counted(stage, organization, result)
            return stage.materialization(counts, next(iter(last), None), context.run.run_id)

    declared = dg.asset(
        key=stage.key,
        group_name=stage.key.path[0],
        description=stage.help,
        kinds=set(stage.kinds),
        partitions_def=organizations,
        deps=stage.deps,
        owners=[owner],
        code_version=CODE_VERSION,
        check_specs=check_specs(stage.key, stage.promises),
        metadata=with_columns(stage.metadata),
    )
    # Dagster reads the schema of the config from the annotation, and takes a result that is not annotated for a value.
    if stage.config is None:

        def work(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
            return materialize(context, database, None)  # type: ignore[return-value]

        return declared(work)

    def work_as_configured(
        context: dg.AssetExecutionContext,
        config: stage.config,  # type: ignore[name-defined]
        database: InvoiceDatabase,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        return materialize(context, database, config)  # type: ignore[return-value]

    return declared(work_as_configured)


def _sweep_of(domain: Domain) -> dg.JobDefinition:
    each = domain.does.format("each organization")
    many = domain.does.format("many organizations")

    @dg.op(
        name=domain.sweep_op,
        description=f"{each}. What is broken in one is reported at the end and stops no other.",
    )
    @refusals_fail_the_run()
    def take_turns(context: dg.OpExecutionContext, config: Sweep, database: InvoiceDatabase) -> None:
        sweep(context, config.organizations, database, domain.take_turn)

    @dg.job(name=domain.sweep, description=f"{many}, in one run.", tags={LANE_TAG: BULK})
    def sweep_job() -> None:
        take_turns()

    return sweep_job


def _migration_of(stage: Stage) -> dg.JobDefinition:
    name = "_".join(stage.key.path)
    configured = create_model(
        "Migration",
        __base__=stage.config or dg.Config,
        __doc__="Where it is done, and how.",
        organizations=(list[str], Field(default=[], description="Slugs; without any, all organizations.")),
        start_with=(
            str | None,
            Field(default=None, description="Leave out the slugs before this one: to go on where a run had to end."),
        ),
    )

    @dg.op(
        name=f"sweep_{name}",
        description="Takes the organizations by their slugs. What is broken in one is reported at the end and stops no "
        "other.",
    )
    @refusals_fail_the_run()
    def take_turns(
        context: dg.OpExecutionContext,
        config: configured,  # type: ignore[valid-type]
        database: InvoiceDatabase,
    ) -> None:
        stage.refuse(config)
        slugs = organizations_named(database, config.organizations)  # type: ignore[attr-defined]
        slugs = [slug for slug in sorted(slugs) if slug >= (config.start_with or "")]  # type: ignore[attr-defined]
        sweep(context, slugs, database, lambda turn: [(stage, stage.work(turn, config))], to_the_end=True)

    @dg.job(
        name=f"{name}_sweep",
        description=f"`{stage.key.to_user_string()}` of all organizations or those of its config, in one run: for a "
        f"migration. What its config must say, as an example: `{json.dumps(stage.for_migrations)}`",
        tags={ORGANIZATION_TAG: "(migration)", LANE_TAG: BULK},
    )
    def migration() -> None:
        take_turns()

    return migration


def _sensor_of(domain: Domain, jobs: list[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name=domain.sensor,
        description=domain.sensor_description,
        jobs=jobs,
        minimum_interval_seconds=domain.every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    @skips_until_ready
    def look(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult | dg.SkipReason:
        if domain.look is not None:
            return domain.look(domain, context, database)
        return ask_for_runs(domain, context, database)

    return look
