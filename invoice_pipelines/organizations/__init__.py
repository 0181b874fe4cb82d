"""The tenant registry: who an organization is, and how it wants things done."""

from invoice_pipelines.organizations.registry import (
    Organization,
    OrganizationError,
    OrganizationSummary,
    add_organization,
    change_organization,
    find_organization,
    list_organizations,
    remove_organization,
    restore_organization,
)
from invoice_pipelines.organizations.settings import Address, NumberFormat, OrganizationSettings, ReviewThresholds

__all__ = [
    "Address",
    "NumberFormat",
    "Organization",
    "OrganizationError",
    "OrganizationSettings",
    "OrganizationSummary",
    "ReviewThresholds",
    "add_organization",
    "change_organization",
    "find_organization",
    "list_organizations",
    "remove_organization",
    "restore_organization",
]
