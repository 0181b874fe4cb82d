"""Conflicts with QuickBooks: the list, one record with both sides of each field, and decisions, also about several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import Form, Query, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.database.ids import UnknownId
from invoice_pipelines.quickbooks.conflicts.conflicts import (
    SYNC,
    Conflict,
    ConflictError,
    find_conflict,
    list_conflicts,
    open_fields_of,
)
from invoice_pipelines.quickbooks.conflicts.decisions import THEIRS_ONLY, Decision, resolve
from invoice_pipelines.quickbooks.connection.connections import connection_of
from invoice_pipelines.quickbooks.records.fields import RECORDS
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.quickbooks.words import shown
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter, seen_tag
from invoice_pipelines.web.paging import PageQuery

router = PageRouter()

_SIDES = ("ours", "theirs", "edited")
_LONGEST = 1000


class Decisions(BaseModel):
    """A form that decides fields of a record: `decision-ID`, `value-ID`, `seen-ID` and `link-ID` for each conflict."""

    model_config = ConfigDict(extra="allow")

    @property
    def given(self) -> dict[str, str]:
        """The fields as they were sent."""
        return {name: str(value) for name, value in (self.model_extra or {}).items()}


@router.get("/quickbooks/conflicts", role=Role.VIEWER)
def conflicts(
    page: Page,
    of: PageQuery,
    status: Annotated[Literal["open", "resolved"], Query()] = "open",
    entity: Annotated[EntityType | Literal[""], Query()] = "",
) -> Response:
    """Conflicts that wait, the oldest first, or those that were decided, the newest first."""
    with page.enter() as at:
        rows = list_conflicts(
            at.connection,
            status=status,
            entity=EntityType(entity) if entity else None,
            newest_first=status == "resolved",
            after=of.after_id,
            limit=of.one_more,
        )
        return page.show(
            "quickbooks/conflicts.html",
            found=of.of(rows, key=lambda row: row.id),
            wanted=status,
            entity=entity,
            entities=[EntityType.CUSTOMER, EntityType.ITEM, EntityType.INVOICE],
            tag=_tag,
            sync=SYNC,
            takes_ours=_takes_ours,
            **shown(page.language),
        )


@router.post("/quickbooks/conflicts", role=Role.ACCOUNTANT, area="quickbooks")
def decide_several(
    page: Page,
    side: Annotated[Literal["ours", "theirs", ""], Form()] = "",
    conflict: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Takes the same side of all that were selected. What one refuses, or what changed meanwhile, stops no other."""
    page.check()
    if not conflict or not side:
        return page.go(page.url("quickbooks", "conflicts"), page.gettext("Select conflicts first."), "warn")
    decided, left = 0, 0
    with page.enter() as at:
        connected = connection_of(at.connection)
        for named in sorted(set(conflict)):
            conflict_id, _, tag = named.partition(":")
            attempt = at.connection.begin_nested()
            try:
                found = find_conflict(at.connection, conflict_id, lock=True)
                if tag != _tag(found) or found.kind != "field":
                    raise ConflictError("it was changed meanwhile")
                resolve(at.connection, connected, str(found.id), side, decided_by=at.entry.actor)
                attempt.commit()
                decided += 1
            except (ConflictError, UnknownId):
                attempt.rollback()
                left += 1
    said = page.ngettext("%(count)s conflict is decided.", "%(count)s conflicts are decided.", decided)
    said %= {"count": decided}
    if left:
        more = page.ngettext(
            "%(count)s was left as it is: it changed meanwhile, or this side cannot be taken. Look again.",
            "%(count)s were left as they are: they changed meanwhile, or this side cannot be taken. Look again.",
            left,
        )
        said += " " + more % {"count": left}
    return page.go(page.url("quickbooks", "conflicts"), said, "warn" if left else "good")


@router.get("/quickbooks/conflicts/{conflict_id}", role=Role.VIEWER)
def conflict(page: Page, conflict_id: UUID) -> Response:
    """A conflict, with all other fields of its record that wait."""
    with page.enter() as at:
        return _show(page, at.connection, find_conflict(at.connection, str(conflict_id)))


@router.post("/quickbooks/conflicts/{conflict_id}", role=Role.ACCOUNTANT, area="quickbooks")
def decide(page: Page, conflict_id: UUID, form: Annotated[Decisions, Form()]) -> Response:
    """Decides what was chosen, all or nothing; what nobody chose for stays open."""
    given = form.given
    with page.enter() as at:
        connection = at.connection
        first = find_conflict(connection, str(conflict_id))
        named = [
            (UUID(name.removeprefix("decision-")), side)
            for name, side in sorted(given.items())
            if name.startswith("decision-") and side in _SIDES and _is_id(name.removeprefix("decision-"))
        ]
        if not named:
            errors = {str(conflict_id): page.gettext("Choose a side first.")}
            return _show(page, connection, first, given, errors, status=422)
        attempt = connection.begin_nested()
        errors, is_stale = _decide(page, connection, at.entry.actor, named, given)
        if errors:
            attempt.rollback()
            return _show(page, connection, first, given, errors, status=412 if is_stale else 422)
        attempt.commit()
    said = page.ngettext("%(count)s field is decided.", "%(count)s fields are decided.", len(named))
    if first.kind != "field":
        said = page.gettext("Decided.")
    return page.go(page.url("quickbooks", "conflicts"), said % {"count": len(named)})


def _decide(
    page: PageCaller, connection: Connection, actor: str, named: Sequence[tuple[UUID, str]], given: Mapping[str, str]
) -> tuple[dict[str, str], bool]:
    """What went wrong by the id of the conflict, and whether somebody was faster."""
    connected = connection_of(connection)
    errors: dict[str, str] = {}
    is_stale = False
    for conflict_id, side in named:
        found = find_conflict(connection, str(conflict_id), lock=True)
        if given.get(f"seen-{conflict_id}") != _tag(found):
            is_stale = True
            errors[str(conflict_id)] = _since(page.language, found)
            continue
        value = given.get(f"value-{conflict_id}", "")[:_LONGEST] if side == "edited" else None
        link = given.get(f"link-{conflict_id}") if found.kind == "ambiguous" and side == "ours" else None
        try:
            if value is not None and "\x00" in value:
                raise ConflictError("a character cannot be stored")
            resolve(
                connection,
                connected,
                str(conflict_id),
                cast(Decision, side),
                decided_by=actor,
                value=value,
                link=link or None,
            )
        except ConflictError as refused:
            errors[str(conflict_id)] = _refusal(page, found, refused, value)
    return errors, is_stale


def _show(
    page: PageCaller,
    connection: Connection,
    found: Conflict,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> Response:
    fields = [found]
    if found.kind == "field" and found.status == "open" and found.local_id is not None:
        fields = open_fields_of(connection, found.local_id) or fields
    template = "quickbooks/conflict.html" if found.kind == "field" else "quickbooks/other_conflict.html"
    return page.show(
        template,
        status=status,
        conflict=found,
        fields=fields,
        typed=typed or {},
        errors=errors or {},
        tag=_tag,
        sync=SYNC,
        takes_ours=_takes_ours,
        record_key=RECORDS[found.entity_type].key if found.entity_type in RECORDS else "",
        **shown(page.language),
    )


def _takes_ours(conflict: Conflict) -> bool:
    """Whether another value than that of QuickBooks can be taken."""
    return not (conflict.entity_type is EntityType.ITEM and conflict.field in THEIRS_ONLY)


def _tag(conflict: Conflict) -> str:
    return seen_tag(*conflict.seen)


def _since(language: Language, found: Conflict) -> str:
    if found.status != "open":
        who = found.decided_by if found.decided_by not in (None, SYNC) else language.gettext("the sync")
        return language.gettext("%(who)s decided this meanwhile.") % {"who": who}
    return language.gettext("A value changed since you looked at it. Look again, then decide.")


def _refusal(page: PageCaller, found: Conflict, refused: ConflictError, value: str | None) -> str:
    """Why a decision cannot be taken, at its field."""
    _ = page.gettext
    if value is not None:
        texts = {
            "country_code": _("This is no country. Take its code of two letters, such as DE."),
            "name": _("This cannot be empty."),
            "sku": _("This is empty, or another item has this number."),
        }
        if found.field in texts:
            return texts[found.field]
    if found.kind == "ambiguous":
        return _("Say which record it is. One that is linked with another record of QuickBooks cannot be taken.")
    return str(refused)


def _is_id(written: str) -> bool:
    try:
        UUID(written)
    except ValueError:
        return False
    return True
