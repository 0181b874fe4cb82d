"""The people of an organization, as its admins manage them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from invoice_pipelines.accounts.errors import AccountError
from invoice_pipelines.accounts.members import change_member, get_member, invite_member, list_members
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.sessions import SignInFirst, accept_invitation, sign_in
from invoice_pipelines.accounts.users import set_role
from invoice_pipelines_tests.integration.accounts.conftest import PASSWORD, entered


def member_of(house, email: str, who: str = "admin", slug: str = "acme"):
    with house.as_(who, slug) as connection:
        (found,) = [member for member in list_members(connection) if member.email == email]
    return found


def test_a_person_who_is_invited_chooses_a_password_and_belongs_there(house):
    with house.as_("admin") as connection:
        made, link = invite_member(connection, " Nora@acme.example ", "Nora", Role.ACCOUNTANT)
    invited = member_of(house, "nora@acme.example")
    assert (invited.id, invited.name, invited.role, invited.status) == (made, "Nora", Role.ACCOUNTANT, "invited")
    assert invited.invited_by == "admin@acme.example"
    accept_invitation(house.web, link, PASSWORD, address="192.0.2.1")
    member = member_of(house, "nora@acme.example")
    assert (member.id, member.role, member.status, member.expires_at) == (made, Role.ACCOUNTANT, "active", None)
    secret = sign_in(house.web, "nora@acme.example", PASSWORD, address="192.0.2.1").secret
    with entered(house.web, secret, "acme") as (_, entry):
        assert entry is not None
        assert entry.role is Role.ACCOUNTANT
    with pytest.raises(AccountError, match="is a member already"), house.as_("admin") as connection:
        invite_member(connection, "nora@acme.example", "Nora", Role.VIEWER)
    with house.as_("admin") as connection:
        change_member(connection, made, Role.VIEWER)
        assert get_member(connection, made).role is Role.VIEWER
        change_member(connection, made, None)
    with entered(house.web, secret, "acme") as (_, entry):
        assert entry is None


def test_nothing_says_whether_an_address_has_an_account_elsewhere(house):
    seen = []
    for email in ("berta@bolt.example", "nobody-knows@bolt.example"):
        with house.as_("admin") as connection:
            made, link = invite_member(connection, email, "Somebody", Role.VIEWER)
            told = get_member(connection, made)
        with pytest.raises(SignInFirst):  # without a password a link says the same, too
            accept_invitation(house.web, link, None, address="192.0.2.1", session=house.secrets["admin"])
        assert told.expires_at is not None
        seen.append((len(link), told.name, told.role, told.status, told.expires_at - told.since))
        with house.as_("admin") as connection:
            change_member(connection, made, None)
    assert [*seen[0][:4]] == [*seen[1][:4]]
    assert abs(seen[0][4] - seen[1][4]).total_seconds() < 1


def test_a_newer_link_ends_the_earlier_one_and_one_that_is_withdrawn_ends(house):
    with house.as_("admin") as connection:
        _, earlier = invite_member(connection, "olaf@acme.example", "Olaf", Role.VIEWER)
        made, newest = invite_member(connection, "olaf@acme.example", "Olaf", Role.ADMIN)
        change_member(connection, made, Role.VIEWER)
    with pytest.raises(AccountError, match="used already"):
        accept_invitation(house.web, earlier, PASSWORD, address="192.0.2.1")
    assert member_of(house, "olaf@acme.example").role is Role.VIEWER
    with house.as_("admin") as connection:
        change_member(connection, made, None)
    with pytest.raises(AccountError, match="used already"):
        accept_invitation(house.web, newest, PASSWORD, address="192.0.2.1")
    with pytest.raises(AccountError, match="no such member"), house.as_("admin") as connection:
        change_member(connection, made, Role.VIEWER)


def test_only_people_who_are_admins_manage_members(house):
    house.token("organizer", "read", "organization:write")
    berta = member_of(house, "berta@bolt.example", "berta", "bolt")
    for who, message in (("accountant", "may not do that"), ("viewer", "may not"), ("organizer", "a person does")):
        with pytest.raises(AccountError, match=message), house.as_(who) as connection:
            invite_member(connection, "mallory@acme.example", "Mallory", Role.ADMIN)
        with pytest.raises(AccountError, match=message), house.as_(who) as connection:
            change_member(connection, berta.id, None)
    with pytest.raises(AccountError, match="no such member"), house.as_("admin") as connection:
        change_member(connection, berta.id, None)


def test_of_two_admins_who_put_each_other_out_at_once_one_stays(house):
    names = []
    with house.as_("berta", "bolt") as connection:
        before = [member.email for member in list_members(connection) if member.email != "berta@bolt.example"]
    with house.database.engine.begin() as connection:
        for email in before:  # who is left from other tests
            set_role(connection, email, "bolt", None, actor="operator")
    for number in range(2):
        house.admit(f"rival{number}@bolt.example", Role.ADMIN, "bolt")
        names.append(f"rival{number}")
    with house.as_("berta", "bolt") as connection:
        ids = {member.email.partition("@")[0]: member.id for member in list_members(connection)}
    with house.as_("rival0", "bolt") as connection:
        change_member(connection, ids["berta"], Role.VIEWER)

    def put_out(who: str, whom: str) -> str:
        try:
            with house.as_(who, "bolt") as connection:
                change_member(connection, ids[whom], None)
        except (AccountError, AssertionError) as refused:
            return getattr(refused, "code", "NOT_IN")
        return "done"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(put_out, names, reversed(names)))
    assert outcomes[-1] == "done"
    assert outcomes[0] in ("FORBIDDEN", "NOT_IN", "UNKNOWN")
    with house.database.engine.begin() as connection:
        set_role(connection, "berta@bolt.example", "bolt", Role.ADMIN, actor="operator")
    with house.as_("berta", "bolt") as connection:
        rest = [m for m in list_members(connection) if m.role is Role.ADMIN and m.status == "active"]
        assert len(rest) == 2
        change_member(connection, next(m.id for m in rest if m.email != "berta@bolt.example"), None)
    with pytest.raises(AccountError, match="keeps an admin") as refused, house.as_("berta", "bolt") as connection:
        change_member(connection, ids["berta"], Role.ACCOUNTANT)
    assert refused.value.code == "LAST_ADMIN"
