"""Conflicts of a sync that a person decides, many at once. The job says with which accounting system."""

from collections import Counter
from dataclasses import asdict
from enum import Enum

import dagster as dg
from pydantic import Field

from invoice_pipelines.accounting.system import AccountingSystem
from invoice_pipelines.accounting.systems import ACCOUNTING_SYSTEMS
from invoice_pipelines.defs.metadata import LONGEST_TABLE, table, without_empty_tables
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import turn_of


class Side(Enum):
    """Whose values count."""

    ours = "ours"
    theirs = "theirs"


class DecideConflicts(dg.Config):
    """What is decided about which conflicts."""

    organization: str = Field(description="Slug of the organization.")
    side: Side = Field(description="Whose values count: ours, or theirs, those of the accounting system.")
    conflicts: list[str] = Field(default=[], description="Ids of conflicts; without any, all that are open.")
    write: bool = Field(default=False, description="Decide; without it, only show what would come of it.")


@dg.op
@refusals_fail_the_run()
def decide_open_conflicts(context: dg.OpExecutionContext, config: DecideConflicts, database: InvoiceDatabase) -> None:
    """Decides conflicts, each for itself, or shows what would come of it."""
    system: AccountingSystem = ACCOUNTING_SYSTEMS.load(context.job_name.removesuffix("_conflicts"))
    organization = turn_of(context, database, config.organization).organization
    found = system.decide_conflicts(organization, config.side.value, config.conflicts, write=config.write)
    shown = table([asdict(one) for one in found[:LONGEST_TABLE]])
    counts = Counter(one.outcome for one in found)
    context.add_output_metadata(without_empty_tables({**counts, "written": config.write, "conflicts": shown}))


def conflicts_job(system: AccountingSystem) -> dg.JobDefinition:
    """The job that decides conflicts."""

    @dg.job(
        name=f"{system.name}_conflicts",
        description=f"Lets one side win conflicts with {system.title}, many at once; without `write`, only shows what "
        "would come of it.",
    )
    def job() -> None:
        decide_open_conflicts()

    return job
