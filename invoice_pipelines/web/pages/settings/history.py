"""Who changed which setting, from what to what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.organizations.history import SettingChange, list_setting_changes
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.pages.settings.sections import SECTIONS
from invoice_pipelines.web.paging import PageQuery

router = PageRouter()
_SETTINGS = {setting.name: (section, setting) for section in SECTIONS for setting in section.settings}


@dataclass(frozen=True)
class ShownChange:
    """A change in words; `address` is where the setting is changed."""

    section: str
    address: str
    label: str
    old: str
    new: str
    created_at: datetime
    created_by: str


@router.get("/settings/history", role=Role.ADMIN, area="organization")
def setting_history(page: Page, of: PageQuery) -> Response:
    """What was changed, the latest first: also by the operator."""
    with page.enter() as at:
        rows = list_setting_changes(at.connection, after=of.after_id, limit=of.one_more)
    found = of.of(rows, key=lambda row: row.id)
    shown = [_in_words(page.language, page.url("settings"), change) for change in found.items]
    return page.show("settings/history.html", changes=shown, next=found.next)


def _in_words(language: Language, address: str, change: SettingChange) -> ShownChange:
    known = _SETTINGS.get(change.setting)

    def words(value: Any) -> str:
        if known is None:  # a setting of an earlier version, or that of a row that the operator put away
            return "–" if value is None else str(value)
        return language.gettext("the default") if value is None else known[1].kind.shown(value, language)

    return ShownChange(
        language.gettext(known[0].title) if known else "",
        f"{address}/{known[0].address}".rstrip("/") if known else "",
        language.gettext(known[1].label) if known else change.setting,
        words(change.old_value),
        words(change.new_value),
        change.created_at,
        change.created_by,
    )
