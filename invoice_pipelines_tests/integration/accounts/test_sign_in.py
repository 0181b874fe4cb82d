"""Signing in, choosing a password, and what ends a session or a token."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.entry import identified
from invoice_pipelines.accounts.errors import AccountError, NotSignedIn
from invoice_pipelines.accounts.passwords import check_password
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.sessions import SignInRefused, accept_invitation, sign_in, sign_out
from invoice_pipelines.accounts.tokens import add_token, list_tokens, revoke_token
from invoice_pipelines.accounts.users import add_user, invite, list_users, set_disabled, set_role
from invoice_pipelines_tests.integration.accounts.conftest import PASSWORD, entered


def change(house, statement: str, **values: object) -> None:
    with house.database.superuser.begin() as connection:
        connection.execute(text(statement), values)


def is_known(house, secret: str, slug: str = "acme") -> bool:
    try:
        with entered(house.web, secret, slug) as (_, entry):
            return entry is not None
    except NotSignedIn:
        return False


STILL_BLOCKED = "update accounts.sign_in_throttle set blocked_until = now() + interval '1 minute' where failures > 4"
"""However slow the machine is: the first waits are a second or two."""


def guess_passwords(house, emails: list[str], address: str) -> None:
    """Signs in with wrong passwords. Raises SignInRefused once the address must wait."""
    for email in emails:
        with pytest.raises(SignInRefused) as refused:
            sign_in(house.web, email, "not that one", address=address)
        if refused.value.wait:
            raise refused.value


@pytest.fixture
def anna(house):
    """A user who has chosen a password, with nothing on record against her or her address."""
    change(house, "delete from accounts.sign_in_throttle")
    email = f"anna{len(house.secrets)}@acme.example"
    house.admit(email, Role.ACCOUNTANT, "acme")
    return email


def test_a_credential_enters_its_organizations_and_tells_nothing_of_others(house):
    with entered(house.web, house.secrets["accountant"], "acme") as (_, entry):
        assert entry is not None
        assert (entry.organization_id, entry.actor, entry.role) == (house.acme, "accountant@acme.example", "accountant")
        assert entry.may(Role.ACCOUNTANT, "billing")
        assert not entry.may(Role.ADMIN, "organization")
    for slug in ("bolt", "nowhere", "", "x' or true --"):
        with entered(house.web, house.secrets["accountant"], slug) as (_, entry):
            assert entry is None
    with pytest.raises(NotSignedIn), entered(house.web, "guessed", "acme"):
        pass


def test_a_token_enters_its_organization_with_its_scopes(house):
    with entered(house.web, house.secrets["shop"], "acme") as (_, entry):
        assert entry is not None
        assert (entry.role, entry.scopes, entry.actor) == (None, {"read", "billing:write"}, "token shop")
        assert entry.may(Role.ACCOUNTANT, "billing")
        assert not entry.may(Role.ACCOUNTANT, "delivery")
        assert entry.may(Role.VIEWER, None)


def test_who_somebody_is_and_where_they_may_go(house):
    with identified(house.web, fingerprint(house.secrets["viewer"])) as (_, known):
        pass
    assert (known.actor, known.is_operator, known.organizations) == (
        "viewer@acme.example",
        False,
        {"acme": "viewer"},
    )


def test_the_right_password_begins_a_session_with_a_secret_of_its_own(house, anna):
    first = sign_in(house.web, anna, PASSWORD, address="192.0.2.1")
    second = sign_in(house.web, f" {anna.upper()} ", PASSWORD, address="192.0.2.1")
    assert first.secret != second.secret
    sign_out(house.web, first.secret)
    assert not is_known(house, first.secret)
    assert is_known(house, second.secret)


@pytest.mark.parametrize("email", ["anna", "nobody@acme.example"])
def test_a_wrong_password_says_the_same_whether_there_is_such_a_user(house, anna, email):
    with pytest.raises(SignInRefused, match=r"The email or the password is wrong\.") as refused:
        sign_in(house.web, anna if email == "anna" else email, "not that one", address="192.0.2.77")
    assert refused.value.code == "WRONG_PASSWORD"


def test_many_wrong_passwords_make_the_attacker_wait_and_not_the_victim(house, anna):
    sign_in(house.web, anna, PASSWORD, address="192.0.2.1")
    with pytest.raises(SignInRefused, match="Too many tries") as refused:
        guess_passwords(house, [anna] * 20, "198.51.100.7")
    assert timedelta(0) < refused.value.wait <= timedelta(minutes=1)
    change(house, STILL_BLOCKED)
    with pytest.raises(SignInRefused, match="Too many tries"):
        sign_in(house.web, anna, PASSWORD, address="198.51.100.7")
    sign_in(house.web, anna, PASSWORD, address="192.0.2.1")  # from where its owner was before
    change(house, "update accounts.sign_in_throttle set blocked_until = now()")
    sign_in(house.web, anna, PASSWORD, address="198.51.100.8")


def test_an_address_that_tries_many_users_waits(house, anna):
    with pytest.raises(SignInRefused, match="Too many tries"):
        guess_passwords(house, [f"user{number}@acme.example" for number in range(40)], "203.0.113.5")
    change(house, STILL_BLOCKED)
    with pytest.raises(SignInRefused, match="Too many tries"):
        sign_in(house.web, anna, PASSWORD, address="203.0.113.5")


def test_a_link_works_once_and_not_for_long(house, anna):
    def link() -> str:
        with house.database.engine.begin() as connection:
            return invite(connection, anna, actor="operator")

    earlier, newest = link(), link()
    with pytest.raises(AccountError, match="used already"):
        accept_invitation(house.web, earlier, "another sentence", address="192.0.2.1")
    session = sign_in(house.web, anna, PASSWORD, address="192.0.2.1")
    accept_invitation(house.web, newest, "another sentence", address="192.0.2.1")
    assert not is_known(house, session.secret)
    with pytest.raises(AccountError, match="used already"):
        accept_invitation(house.web, newest, "yet another one", address="192.0.2.1")
    late = link()
    change(house, "update accounts.invitation set expires_at = now() where used_at is null")
    with pytest.raises(AccountError, match="too old"):
        accept_invitation(house.web, late, "yet another one", address="192.0.2.1")
    sign_in(house.web, anna, "another sentence", address="192.0.2.1")


@pytest.mark.parametrize("password", ["short", "password1234", "aaaaaaaaaaaaaaa", "x" * 300])
def test_a_password_that_somebody_would_try_first_is_refused(password):
    with pytest.raises(AccountError, match=r"password"):
        check_password(password)
    check_password("pâté with a long name")


def test_sessions_end_when_they_are_idle_old_or_their_user_is_disabled(house, anna):
    for statement in (
        "update accounts.session set last_used_at = now() - interval '9 hours' where secret_sha256 = :secret",
        "update accounts.session set expires_at = now() where secret_sha256 = :secret",
        "update accounts.session set ended_at = now() where secret_sha256 = :secret",
    ):
        secret = sign_in(house.web, anna, PASSWORD, address="192.0.2.1").secret
        assert is_known(house, secret)
        change(house, statement, secret=bytes.fromhex(fingerprint(secret)))
        assert not is_known(house, secret), statement
    secret = sign_in(house.web, anna, PASSWORD, address="192.0.2.1").secret
    with house.database.engine.begin() as connection:
        set_disabled(connection, anna, True, actor="operator")
    assert not is_known(house, secret)
    with pytest.raises(SignInRefused, match="is wrong"):
        sign_in(house.web, anna, PASSWORD, address="192.0.2.1")
    with house.database.engine.begin() as connection:
        set_disabled(connection, anna, False, actor="operator")
    assert not is_known(house, secret)
    sign_in(house.web, anna, PASSWORD, address="192.0.2.1")


def test_a_role_that_was_taken_ends_what_it_allowed_at_once(house, anna):
    secret = sign_in(house.web, anna, PASSWORD, address="192.0.2.1").secret
    with entered(house.web, secret, "acme") as (connection, entry):
        assert entry is not None
        with house.database.engine.begin() as operator:
            set_role(operator, anna, "acme", None, actor="operator")
        assert connection.execute(text("select count(*) from billing.customer")).scalar_one() == 0
    assert not is_known(house, secret)


def test_tokens_end_when_they_expire_or_are_revoked(house):
    with house.as_("admin") as connection:
        _, expiring = add_token(connection, "expiring", ["read"], actor="", lasts=timedelta(minutes=5))
        _, revoked = add_token(connection, "revoked", ["read"], actor="")
    assert is_known(house, expiring)
    assert is_known(house, revoked)
    change(house, "update accounts.api_token set expires_at = now() where name = 'expiring'")
    with house.as_("admin") as connection:
        revoke_token(connection, "revoked", actor="")
        assert {token.name for token in list_tokens(connection)} >= {"expiring", "revoked", "shop"}
    assert not is_known(house, expiring)
    assert not is_known(house, revoked)


def test_only_admins_manage_tokens_and_no_token_makes_another(house):
    house.token("manager", "read", "organization:write")
    for who in ("viewer", "accountant", "shop"):
        with pytest.raises(AccountError, match="may not do that"), house.as_(who) as connection:
            add_token(connection, "mine", ["read"], actor="")
    with pytest.raises(AccountError, match="a person does"), house.as_("manager") as connection:
        add_token(connection, "mine", ["read"], actor="")


def test_what_happened_is_on_record_with_who_did_it(house, anna):
    with pytest.raises(SignInRefused):
        sign_in(house.web, anna, "not that one", address="192.0.2.1")
    with house.database.superuser.connect() as connection:
        actions = connection.execute(
            text(
                """select e.action, e.created_by from accounts.account_event e
                   join accounts.user_account u on u.id = e.user_id where u.email = :email order by e.id"""
            ),
            {"email": anna},
        ).all()
    assert [tuple(row) for row in actions] == [
        ("user_added", "operator"),
        ("role_set", "operator"),
        ("invited", "operator"),
        ("password_set", anna),
        ("signed_in", anna),
        ("sign_in_failed", anna),
    ]


def test_an_operator_sees_figures_of_all_and_no_record(house):
    with house.database.engine.begin() as connection:
        if not any(user.email == "ops@example.com" for user in list_users(connection)):
            add_user(connection, "ops@example.com", "Ops", is_operator=True, actor="operator")
        link = invite(connection, "ops@example.com", actor="operator")
    accept_invitation(house.web, link, PASSWORD, address="192.0.2.1")
    secret = sign_in(house.web, "ops@example.com", PASSWORD, address="192.0.2.1").secret
    with identified(house.web, fingerprint(secret)) as (connection, known):
        assert known.is_operator
        slugs = connection.execute(text("select slug from organizations.list_organizations()")).scalars().all()
        assert slugs == ["acme", "bolt"]
        assert connection.execute(text("select count(*) from billing.customer")).scalar_one() == 0
    assert not is_known(house, secret)
    with identified(house.web, fingerprint(house.secrets["admin"])) as (connection, _):
        slugs = connection.execute(text("select slug from organizations.list_organizations()")).scalars().all()
        assert slugs == []
