"""The tenant registry: who an organization is, and how it wants things done."""

from invoice_pipelines.organizations.registry import (
    Organization,
    OrganizationError,
    OrganizationSettings,
    OrganizationSummary,
    add_organization,
    find_organization,
    list_organizations,
    remove_organization,
    restore_organization,
)

__all__ = [
    "Organization",
    "OrganizationError",
    "OrganizationSettings",
    "OrganizationSummary",
    "add_organization",
    "find_organization",
    "list_organizations",
    "remove_organization",
    "restore_organization",
]
