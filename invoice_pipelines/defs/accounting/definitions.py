"""Every accounting system that there is, as Dagster sees it."""

import dagster as dg

from invoice_pipelines.accounting.system import AccountingSystem
from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.defs.accounting.boxes import boxes_job
from invoice_pipelines.defs.accounting.conflicts import conflicts_job
from invoice_pipelines.defs.accounting.domain import accounting_domain
from invoice_pipelines.defs.accounting.jobs import sync_job
from invoice_pipelines.defs.accounting.schedules import pull_schedules
from invoice_pipelines.defs.factory import definitions_of


@dg.definitions
def accounting() -> dg.Definitions:
    return dg.Definitions.merge(*(definitions_of_system(system) for system in accounting_systems()))


def definitions_of_system(system: AccountingSystem) -> dg.Definitions:
    """All that Dagster sees of one."""
    job = sync_job(system)
    jobs = [job, boxes_job(system), conflicts_job(system)]
    started = dg.Definitions(jobs=jobs, schedules=pull_schedules(system, job))
    return dg.Definitions.merge(definitions_of(accounting_domain(system)), started)
