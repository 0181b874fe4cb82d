"""The reading of delivery reports: a job that asks providers what became of what they took, and its schedule."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.delivery.domain import MESSAGES
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase, skips_until_ready
from invoice_pipelines.defs.run_requests import UNFINISHED
from invoice_pipelines.delivery.overview import organizations_with_unsettled_messages
from invoice_pipelines.organizations import list_organizations

EVERY_QUARTER = "*/15 * * * *"


class Reports(dg.Config):
    """Of whom reports are read."""

    organizations: list[str] = Field(
        default=[], description="Slugs of organizations whose SMS and WhatsApp messages are asked for."
    )
    mailbox: bool = Field(
        default=True, description="Read the mailbox of undeliverable emails, which is that of all organizations."
    )


@dg.op
@refusals_fail_the_run()
def read_delivery_reports(context: dg.OpExecutionContext, config: Reports, database: InvoiceDatabase) -> None:
    """Asks Twilio for the messages of each organization, and reads the mailbox once. What cannot be reached is told at
    the end and keeps nothing else from being read.
    """
    from invoice_pipelines.delivery.sending.provider_reports import (  # loads Twilio's and the mail's clients
        read_mailbox,
        read_statuses,
    )

    read = []
    for slug in config.organizations:
        found = read_statuses(database.engine, database.settings, database.organization(slug).id)
        if found.delivered + found.bounced:
            shown = {"delivered": found.delivered, "not delivered": found.bounced}
            context.log_event(dg.AssetObservation(MESSAGES.key, partition=slug, metadata=shown))
        read.append(found)
    if config.mailbox:
        read.append(read_mailbox(database.engine, database.settings))
    context.add_output_metadata(
        {
            "messages asked for": sum(found.asked for found in read),
            "delivered": sum(found.delivered for found in read),
            "bounced or not delivered": sum(found.bounced for found in read),
            "reports in the mailbox": sum(found.emails for found in read),
            "of them about unknown messages": sum(found.of_nobody for found in read),
            "of them about blind copies": sum(found.of_copies for found in read),
        }
    )
    if problems := dict.fromkeys(problem for found in read for problem in found.problems):
        raise dg.Failure("; ".join(problems), allow_retries=False)


@dg.job
def delivery_reports() -> None:
    """Reads what providers report of messages that they took: delivered, not delivered, bounced."""
    read_delivery_reports()


@dg.schedule(
    job=delivery_reports,
    cron_schedule=EVERY_QUARTER,
    description="Reads delivery reports where SMS or WhatsApp messages went out of which it is not known how they "
    "ended, and the mailbox of undeliverable emails, if there is one.",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
@skips_until_ready
def delivery_reports_schedule(
    context: dg.ScheduleEvaluationContext, database: InvoiceDatabase
) -> list[dg.RunRequest] | dg.SkipReason:
    """Asks for runs over the organizations with such messages, and for one that reads the mailbox."""
    settings = database.settings
    with database.engine.begin() as connection:
        waiting = organizations_with_unsettled_messages(connection, settings)
    if not waiting and settings.imap_bounces_mailbox is None:
        return dg.SkipReason("no message is out of which a provider could report")
    unfinished = dg.RunsFilter(job_name=delivery_reports.name, statuses=UNFINISHED)
    if context.instance.get_runs_count(unfinished):
        return dg.SkipReason("the reports are being read")
    slugs = sorted(found.slug for found in list_organizations(database.engine) if found.id in waiting)
    size = settings.sweep_size
    return [
        dg.RunRequest(
            run_key=str(start),
            run_config=dg.RunConfig(
                ops={
                    read_delivery_reports.name: {
                        "config": {"organizations": slugs[start : start + size], "mailbox": start == 0}
                    }
                }
            ),
            tags={ORGANIZATION_TAG: "(delivery reports)"},
        )
        for start in range(0, max(len(slugs), 1), size)
    ]
