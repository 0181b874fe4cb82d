"""Members: the people of an organization, and those who are invited."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field

from invoice_pipelines.accounts import members
from invoice_pipelines.accounts.errors import AccountError
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.problems import wrong_field
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Body, Instant, Text

router = OrganizationRouter(tags=["members"])

MemberId = Annotated[UUID, Path(description="Id of the member or the invitation")]
MemberRole = Literal[Role.VIEWER, Role.ACCOUNTANT, Role.ADMIN]
_EXAMPLE: dict[str, Any] = {
    "id": "0199a1b2-0000-7000-8000-000000000007",
    "email": "bert@acme.example",
    "name": "Bert",
    "role": "accountant",
    "status": "invited",
    "since": "2026-03-31T12:00:00Z",
    "invited_by": "anna@acme.example",
    "expires_at": "2026-04-01T12:00:00Z",
    "url": "/api/v1/organizations/acme/members/0199a1b2-0000-7000-8000-000000000007",
}


class MemberOut(Answer):
    """A person who belongs to the organization, or is invited. `expires_at` is the end of the link of an invitation."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: UUID
    email: str
    name: str
    role: MemberRole
    status: Literal["active", "disabled", "invited", "expired"]
    since: Instant
    invited_by: str
    expires_at: Instant | None
    url: str


class Invited(MemberOut):
    """An invitation with its link, which is shown once: a repeated request gets null."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                _EXAMPLE
                | {"link": "https://invoices.example.com/invitations/4fVb0Zq1r1P8yqkq1p7GmT1T3s9uYc2wq0mXb8hJ6Lk"}
            ]
        }
    )

    link: str | None

    def to_keep(self) -> Invited:
        """Without the link."""
        return self.model_copy(update={"link": None})


class Invite(Body):
    """Whom to invite."""

    email: Annotated[Text, Field(max_length=254, examples=["bert@acme.example"])]
    name: Annotated[Text, Field(max_length=200, examples=["Bert"])]
    role: MemberRole = Role.VIEWER


class RoleChange(Body):
    """The new role."""

    role: Annotated[MemberRole, Field(examples=["accountant"])]


@router.get("/members", role=Role.ADMIN, area="organization")
def list_members(caller: Caller, page: PageQuery) -> Page[MemberOut]:
    """List members and invited people by email."""
    with caller.enter() as at:
        found = members.list_members(at.connection, after=page.after, limit=page.one_more)
        return page.of([_shown(at, member) for member in found], key=lambda member: member.email)


@router.get("/members/{member_id}", role=Role.ADMIN, area="organization")
def get_member(caller: Caller, member_id: MemberId) -> MemberOut:
    """Get a member or an invitation."""
    with caller.enter() as at:
        return _shown(at, members.get_member(at.connection, member_id))


@router.post("/members", role=Role.ADMIN, area="organization", people_only=True, status_code=201)
def invite_member(caller: Caller, body: Invite) -> Invited:
    """Invite a person.

    The link works once, for 24 hours, and goes to that person only. Who has no account chooses a password by it, and
    who has one opens it while signed in; nothing says before which it will be. Inviting somebody again ends the earlier
    link.
    """

    def invite(at: At) -> Invited:
        with _named():
            made, secret = members.invite_member(at.connection, body.email, body.name, body.role)
        shown = _shown(at, members.get_member(at.connection, made))
        return Invited(**shown.model_dump(), link=f"{at.public_url}/invitations/{secret}")

    return caller.once(body, invite)


@router.patch("/members/{member_id}", role=Role.ADMIN, area="organization", people_only=True)
def change_member(caller: Caller, member_id: MemberId, body: RoleChange) -> MemberOut:
    """Give a member, or who is invited, another role.

    It holds from the next request of that person on. An organization keeps an admin.
    """
    with caller.enter() as at:
        members.change_member(at.connection, member_id, body.role)
        return _shown(at, members.get_member(at.connection, member_id))


@router.delete("/members/{member_id}", role=Role.ADMIN, area="organization", people_only=True, status_code=204)
def remove_member(caller: Caller, member_id: MemberId) -> None:
    """Put a member out, or end the link of an invitation.

    It holds from the next request of that person on. An organization keeps an admin.
    """
    with caller.enter() as at:
        members.change_member(at.connection, member_id, None)


def _shown(at: At, member: members.Member) -> MemberOut:
    values = {name: getattr(member, name) for name in members.Member.__slots__}
    return MemberOut.model_validate(values | {"url": at.url("members", member.id)})


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except AccountError as error:
        field = {"WRONG_EMAIL": "email", "WRONG_NAME": "name"}.get(error.code)
        if field is None:
            raise
        raise wrong_field(field, str(error), error.code) from None
