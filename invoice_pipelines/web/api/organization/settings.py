"""Settings: what an organization is called on its invoices, where it sits, and what it chooses for itself."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.organizations import Address, OrganizationError, OrganizationSettings, history
from invoice_pipelines.organizations.registry import (
    Organization,
    change_organization_in_scope,
    organization_in_scope,
)
from invoice_pipelines.web.callers import Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.problems import Refusal
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Body, Instant, Text

router = OrganizationRouter(tags=["settings"])


class SettingsOut(Answer):
    """An organization as its own records need it. `slug` never changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "acme",
                    "name": "Acme GmbH",
                    "country_code": "DE",
                    "time_zone": "Europe/Berlin",
                    "currency": "EUR",
                    "vat_id": "DE123456788",
                    "tax_number": None,
                    "iban": "DE02120300000000202051",
                    "address": {"street": "Lindenstr. 5", "city": "Berlin", "post_code": "10969"},
                    "settings": OrganizationSettings().model_dump(mode="json"),
                }
            ]
        }
    )

    slug: str
    name: str
    country_code: str
    time_zone: str
    currency: str
    vat_id: str | None
    tax_number: str | None
    iban: str | None
    address: Address
    settings: OrganizationSettings


class SettingsChange(Body):
    """What changes; the rest stays as it is, also inside of `address` and `settings`, where null sets a value back to
    its default (RFC 7396).
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"settings": {"language": "de", "messages": {"quiet_from": "20:00"}}}]}
    )

    name: Text | None = None
    country_code: Text | None = None
    time_zone: Text | None = None
    currency: Text | None = None
    vat_id: Text | None = None
    tax_number: Text | None = None
    iban: Text | None = None
    address: Annotated[dict[str, Any], Field(default_factory=dict, description="As in the answer")]
    settings: Annotated[dict[str, Any], Field(default_factory=dict, description="As in the answer")]


class SettingChangeOut(Answer):
    """A value that was changed, from what to what; null: it was not set."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-0000000000b1",
                    "setting": "settings.messages.quiet_from",
                    "old_value": "21:00",
                    "new_value": "20:00",
                    "created_at": "2026-03-31T12:00:00Z",
                    "created_by": "anna@acme.example",
                }
            ]
        }
    )

    id: UUID
    setting: str
    old_value: Any
    new_value: Any
    created_at: Instant
    created_by: str


@router.get("/settings", role=Role.ADMIN)
def get_settings(caller: Caller) -> SettingsOut:
    """Get the settings.

    The header `ETag` is what a change needs.
    """
    with caller.enter() as at:
        shown = _shown(organization_in_scope(at.connection))
    caller.tag(shown.model_dump_json())
    return shown


@router.get("/settings/history", role=Role.ADMIN, area="organization")
def list_setting_changes(caller: Caller, page: PageQuery) -> Page[SettingChangeOut]:
    """List what was changed, the latest first: also by the operator, on the command line."""
    with caller.enter() as at:
        rows = history.list_setting_changes(at.connection, after=page.after_id, limit=page.one_more)
    return page.of(rows, key=lambda row: row.id)


@router.patch("/settings", role=Role.ADMIN, area="organization")
def change_settings(caller: Caller, body: SettingsChange) -> SettingsOut:
    """Change settings.

    Needs the header `If-Match` with the ETag of what was looked at. Issued invoices keep what they say.
    """
    with caller.enter() as at:
        known = organization_in_scope(at.connection, to_change=True)
        caller.require_match(_shown(known).model_dump_json())
        changes = body.model_dump(exclude_unset=True)
        for part, present in (("address", known.address), ("settings", known.settings)):
            if part in changes:
                changes[part] = _merged(present.model_dump(mode="json"), changes[part])
        try:
            shown = _shown(change_organization_in_scope(at.connection, **changes))
        except OrganizationError as error:
            if not error.wrong:
                raise
            raise _refusal(error) from None
    caller.tag(shown.model_dump_json())
    return shown


def _shown(organization: Organization) -> SettingsOut:
    values = {name: getattr(organization, name) for name in SettingsOut.model_fields}
    return SettingsOut(**{**values, "time_zone": str(organization.time_zone)})


def _merged(present: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The document after a merge patch; what is null is left to the defaults of the model."""
    merged = dict(present)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(present.get(name), dict):
            merged[name] = _merged(present[name], value)
        else:
            merged[name] = value
    return merged


def _refusal(error: OrganizationError) -> Refusal:
    errors = [{"field": field, "code": "INVALID_VALUE", "message": why} for field, why in error.wrong.items()]
    detail = "; ".join(f"{wrong['field']}: {wrong['message']}" for wrong in errors[:3])
    return Refusal(422, "VALIDATION_FAILED", detail, errors=errors)
