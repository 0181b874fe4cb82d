"""The people of an organization: who belongs to it and as what, and who is invited."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Form, Response

from invoice_pipelines.accounts import members
from invoice_pipelines.accounts.errors import AccountError
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.paging import PageQuery, PageRequest
from invoice_pipelines.web.problems import wrong_field

router = PageRouter()
ROLES = (Role.VIEWER, Role.ACCOUNTANT, Role.ADMIN)
_WRONG = {
    "WRONG_EMAIL": ("email", N_("Write an email address, such as buchhaltung@example.com.")),
    "WRONG_NAME": ("name", N_("Write the name, of up to 200 characters.")),
    "EXISTS_ALREADY": ("email", N_("This person belongs to the organization already.")),
}
_LAST_ADMIN = N_("This is the last admin. Make somebody else an admin first, as an organization needs one.")


@router.get("/settings/people", role=Role.ADMIN, area="organization")
def people(page: Page, of: PageQuery) -> Response:
    """Members and invited people, by email."""
    return _people(page, of)


@router.post("/settings/people", role=Role.ADMIN, area="organization", people_only=True)
def invite(
    page: Page,
    of: PageQuery,
    email: Annotated[str, Form(max_length=1000)] = "",
    name: Annotated[str, Form(max_length=1000)] = "",
    role: Annotated[str, Form(max_length=20)] = "",
    key: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Invites a person, and shows the link once."""

    def make(at: At) -> str:
        _, secret = members.invite_member(at.connection, email, name, chosen)
        return f"{at.public_url}/invitations/{secret}"

    typed = {"email": email, "name": name, "role": role}
    try:
        chosen = Role(role) if role in ROLES else Role.VIEWER
        link = page.once_shown(key, f"{email} {name} {role}", make)
    except AccountError as refused:
        if refused.code not in _WRONG:
            raise
        field, said = _WRONG[refused.code]
        return _people(page, of, typed=typed, wrong={field: page.gettext(said)}, status=422)
    return _people(page, of, link=link, invited=email.strip(), again=link is None)


@router.post("/settings/people/{member_id}", role=Role.ADMIN, area="organization", people_only=True)
def change_role(page: Page, member_id: UUID, role: Annotated[str, Form(max_length=20)] = "") -> Response:
    """Gives a member another role, from their next request on."""
    page.check()
    if role not in ROLES:
        raise wrong_field("role", page.gettext("Choose one of the list."))
    return _changed(page, member_id, Role(role), N_("%(person)s has another role now."))


@router.post("/settings/people/{member_id}/remove", role=Role.ADMIN, area="organization", people_only=True)
def remove(page: Page, member_id: UUID) -> Response:
    """Puts a member out, or ends the link of an invitation."""
    return _changed(page, member_id, None, N_("%(person)s does not belong to the organization any more."))


def _changed(page: PageCaller, member_id: UUID, role: Role | None, said: str) -> Response:
    back = page.url("settings", "people")
    try:
        with page.enter() as at:
            member = members.get_member(at.connection, member_id)
            members.change_member(at.connection, member_id, role)
    except AccountError as refused:
        if refused.code != "LAST_ADMIN":
            raise
        return page.go(back, page.gettext(_LAST_ADMIN), "bad")
    return page.go(back, page.gettext(said) % {"person": member.name})


def _people(page: PageCaller, of: PageRequest, *, status: int = 200, **values: object) -> Response:
    with page.enter() as at:
        found = members.list_members(at.connection, after=of.after, limit=of.one_more)
        own = at.entry.actor
    shown = of.of(found, key=lambda member: member.email)
    given = {"typed": {"email": "", "name": "", "role": "viewer"}, "wrong": {}, "link": None, "again": False, **values}
    return page.show(
        "settings/people.html", status=status, members=shown.items, next=shown.next, own=own, roles=ROLES, **given
    )
