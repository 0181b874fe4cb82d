"""The pages on which an organization's settings are seen and changed, a form for each section."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Form, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.delivery.channels.addresses import EMAIL_ADDRESSES, PHONE_NUMBERS, AddressError
from invoice_pipelines.delivery.rendering.preview import preview_of
from invoice_pipelines.delivery.rendering.template_files import own_logo
from invoice_pipelines.einvoice.identifiers import is_valid_iban, vat_id_fault
from invoice_pipelines.organizations import Organization, OrganizationError
from invoice_pipelines.organizations.history import list_setting_changes
from invoice_pipelines.organizations.registry import change_organization_in_scope, organization_in_scope
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter, seen_tag
from invoice_pipelines.web.pages.settings.kinds import WrongValue
from invoice_pipelines.web.pages.settings.sections import DOCUMENTS, SECTIONS, Section, Setting

router = PageRouter()
_EMAILS = re.compile(r"email_from|email_reply_to|redirect_email|contact_email")
_PHONES = re.compile(r"redirect_phone")


class Typed(BaseModel):
    """What was typed into the form of a section, by the names of its settings."""

    model_config = ConfigDict(extra="allow")

    seen: str = ""

    def of(self, name: str) -> list[str]:
        """What was typed or ticked for a setting."""
        given = (self.model_extra or {}).get(name, [])
        return [str(each) for each in given] if isinstance(given, list) else [str(given)]


@dataclass(frozen=True)
class Filled:
    """A form as it is shown: what stands in each field, and what is wrong with it. `stored` is what somebody else made
    of a setting meanwhile.
    """

    written: Mapping[str, list[str]]
    seen: str
    wrong: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)
    changed_by: str = ""


def value_of(organization: Organization, name: str) -> Any:
    """What an organization has for a setting."""
    found: Any = organization
    for part in name.split("."):
        found = getattr(found, part)
    return str(found) if name == "time_zone" else found


def filled(section: Section, organization: Organization, language: Language) -> Filled:
    """The form of a section with what is stored."""
    written = {each.name: each.kind.written(value_of(organization, each.name), language) for each in section.settings}
    return Filled(written, _tag(section, organization))


def show_section(
    page: PageCaller, section: Section, at: At, form: Filled | None = None, status: int = 200, logo_error: str = ""
) -> Response:
    """The page of a section."""
    organization = organization_in_scope(at.connection)
    form = form or filled(section, organization, page.language)
    shown = {each.name: each.kind.shown(value_of(organization, each.name), page.language) for each in section.settings}
    more = {}
    if section is DOCUMENTS:
        more = {
            "logo": own_logo(at.connection),
            "logo_error": logo_error,
            "sample": preview_of(at.connection).digest,
        }
    return page.show(section.template, status=status, section=section, form=form, shown=shown, **more)


def save_section(page: PageCaller, section: Section, at: At, typed: Typed) -> Response:
    """Changes what a section has. What is wrong, and what somebody else changed meanwhile, is said in the form."""
    known = organization_in_scope(at.connection, to_change=True)
    values, wrong = _read(section, known, typed, page.language)
    written = {each.name: typed.of(each.name) for each in section.settings}
    tag = _tag(section, known)
    if typed.seen != tag:
        stored = filled(section, known, page.language).written
        differ = {
            each.name: each.kind.shown(value_of(known, each.name), page.language)
            for each in section.settings
            if stored[each.name] != written[each.name]
        }
        form = Filled(written, tag, wrong, differ, _who_changed(at.connection, section))
        return show_section(page, section, at, form, 412)
    if not wrong:
        try:
            change_organization_in_scope(at.connection, **_changes(known, values))
        except OrganizationError as error:
            if not error.wrong:
                raise
            wrong = {_setting_of(section, name).name: "" for name in error.wrong}
            wrong = {each.name: said_of(each, page.language) for each in section.settings if each.name in wrong}
    if wrong:
        return show_section(page, section, at, Filled(written, tag, wrong), 422)
    return page.go(page.url("settings", *filter(None, [section.address])), page.gettext("The settings are saved."))


def read_typed(section: Section, typed: Typed, language: Language) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of what was typed, and what is wrong with the others."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for setting in section.settings:
        try:
            value = setting.kind.read(typed.of(setting.name))
            if setting.is_required and value is None:
                raise WrongValue
            values[setting.name] = _tidy(setting.name, value)
        except WrongValue:
            wrong[setting.name] = said_of(setting, language)
    return values, wrong


def said_of(setting: Setting, language: Language) -> str:
    """What a setting has to be."""
    return language.gettext(setting.must) if setting.must else setting.kind.said(language)


def _read(
    section: Section, known: Organization, typed: Typed, language: Language
) -> tuple[dict[str, Any], dict[str, str]]:
    values, wrong = read_typed(section, typed, language)
    for setting in section.settings:
        value = values.get(setting.name)
        if value is not None and value != value_of(known, setting.name):  # what stands there already is let be
            try:
                _check(setting.name, value)
            except WrongValue:
                wrong[setting.name] = said_of(setting, language)
    return values, wrong


def _tidy(name: str, value: Any) -> Any:
    """Numbers of accounts without the blanks with which people write them."""
    if name in ("vat_id", "iban", "settings.documents.bic") and value is not None:
        return "".join(value.split()).upper()
    return value


def _check(name: str, value: Any) -> None:
    """What the domain takes as it comes, since others may know better, and a person has mistyped here."""
    if (name == "iban" and not is_valid_iban(value)) or (name == "vat_id" and vat_id_fault(value) is not None):
        raise WrongValue
    kind = EMAIL_ADDRESSES if _EMAILS.search(name) else PHONE_NUMBERS if _PHONES.search(name) else None
    if kind is not None and not name.endswith("_name"):
        try:
            kind.check(value)
        except AddressError:
            raise WrongValue from None


def _changes(known: Organization, values: Mapping[str, Any]) -> dict[str, Any]:
    """As `change_organization` takes them; what is None is left to the default."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        part, _, rest = name.partition(".")
        if not rest:
            changes[part] = value
            continue
        document = changes.setdefault(part, getattr(known, part).model_dump(mode="json"))
        *path, last = rest.split(".")
        for step in path:
            document = document[step]
        if value is None:
            document.pop(last, None)
        else:
            document[last] = value
    return changes


def _setting_of(section: Section, name: str) -> Setting:
    """The setting that an error of the domain is about: itself, one of its parts, or what it is a part of."""
    for setting in section.settings:
        if f"{name}.".startswith(f"{setting.name}.") or f"{setting.name}.".startswith(f"{name}."):
            return setting
    raise OrganizationError(f"{name} is wrong, which is on another page of the settings")


def _tag(section: Section, organization: Organization) -> str:
    return seen_tag(*(value_of(organization, each.name) for each in section.settings))


def _who_changed(connection: Connection, section: Section) -> str:
    names = {each.name for each in section.settings}
    return next((each.created_by for each in list_setting_changes(connection) if each.setting in names), "")


def _add_pages(section: Section) -> None:
    path = f"/settings/{section.address}".rstrip("/")

    @router.get(path, role=Role.VIEWER)
    def look(page: Page) -> Response:
        with page.enter() as at:
            return show_section(page, section, at)

    @router.post(path, role=Role.ADMIN, area="organization")
    def save(page: Page, typed: Annotated[Typed, Form()]) -> Response:
        with page.enter() as at:
            return save_section(page, section, at, typed)


for _section in SECTIONS:
    _add_pages(_section)
