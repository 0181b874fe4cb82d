"""The menu of the desk: what there is for people of an organization, in the order of their day."""

from __future__ import annotations

from dataclasses import dataclass

from invoice_pipelines.accounts.entry import Entry
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.pages.languages import Language


@dataclass(frozen=True, slots=True)
class MenuItem:
    """A part of the desk: its address, its picture, its name, and the addresses of what belongs to it as well."""

    address: str
    icon: str
    name: str
    also: tuple[str, ...] = ()
    counts: str = ""
    """what of the stream stands beside it: see static/live.js"""

    def holds(self, path: str) -> bool:
        """Whether a page belongs to this part."""
        return any(path == address or path.startswith(f"{address}/") for address in (self.address, *self.also))


def menu_of(entry: Entry, language: Language) -> list[MenuItem]:
    """What a person finds in an organization."""
    _ = language.gettext
    home = f"/desk/{entry.slug}"
    found = [
        (Role.VIEWER, MenuItem(f"/desk/{entry.slug}", "today", _("Today"))),
        (Role.VIEWER, MenuItem(f"/desk/{entry.slug}/received", "inbox", _("Received"))),
        (Role.VIEWER, MenuItem(f"/desk/{entry.slug}/reviews", "review", _("Review desk"), counts="counts.reviews")),
        (Role.VIEWER, MenuItem(f"/desk/{entry.slug}/orders", "orders", _("Sales orders"))),
        (
            Role.VIEWER,
            MenuItem(f"{home}/invoices", "receipt", _("Invoices"), (f"{home}/customers", f"{home}/receivables")),
        ),
        (
            Role.VIEWER,
            MenuItem(f"/desk/{entry.slug}/batch-operations", "work", _("Batch operations"), counts="counts.jobs"),
        ),
        (Role.VIEWER, MenuItem(f"/desk/{entry.slug}/quickbooks", "sync", "QuickBooks")),
        (Role.VIEWER, MenuItem(f"{home}/overdue", "message", _("Overdue and messages"), (f"{home}/messages",))),
        (Role.VIEWER, MenuItem(f"/desk/{entry.slug}/settings", "settings", _("Settings"))),
    ]
    return [item for role, item in found if entry.may(role, None)]
