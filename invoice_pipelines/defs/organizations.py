"""The partitions, one per organization, and the sensor that keeps them in step with the registry."""

import dagster as dg

from invoice_pipelines.defs.resources import InvoiceDatabase, skips_until_ready
from invoice_pipelines.organizations import list_organizations

ORGANIZATION_TAG = "organization"
"""Run tag with the slug, on which the run queue limits: one run of an organization at a time."""

LANE_TAG = "lane"
"""Run tag on which the run queue limits as well: fewer runs work in the lane `bulk` than there are places, so that one
of the lane `express` never waits for them.
"""
EXPRESS = "express"
BULK = "bulk"

organizations = dg.DynamicPartitionsDefinition(name="organization")


@dg.sensor(
    description="Adds a partition for each new organization and removes those of removed ones.",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
@skips_until_ready
def organization_partitions(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Keeps the partitions in step with the registry."""
    registered = {organization.slug for organization in list_organizations(database.engine)}
    known = set(context.instance.get_dynamic_partitions("organization"))
    changes: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if added := sorted(registered - known):
        changes.append(organizations.build_add_request(added))
    if removed := sorted(known - registered):
        changes.append(organizations.build_delete_request(removed))
    if not changes:
        return dg.SensorResult(skip_reason=f"{len(known)} organizations, all in step")
    return dg.SensorResult(dynamic_partitions_requests=changes)
