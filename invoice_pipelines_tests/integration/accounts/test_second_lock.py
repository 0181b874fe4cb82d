"""What SQL can do that somebody smuggles into the web, in a request with a valid credential of the organization acme.

The web connects as `invoice_pipelines_web`. Here it is an attacker who writes the statements: each is run after the
request has entered acme, once as an admin of acme, once with a token. None may reach a row of bolt, a secret or a
session, or sign as somebody else.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.entry import identified
from invoice_pipelines.accounts.errors import AccountError, NotSignedIn
from invoice_pipelines.accounts.members import change_member, invite_member, list_members
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.sessions import SignInFirst, SignInRefused, accept_invitation, sign_in
from invoice_pipelines.accounts.users import invite, set_role
from invoice_pipelines.database import create_web_engine
from invoice_pipelines.database.errors import DatabaseError, sqlstate
from invoice_pipelines.database.opening import First, opened
from invoice_pipelines.database.roles import APP
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.limits import turn_of
from invoice_pipelines_tests.integration.accounts.conftest import PASSWORD, entered

TO_BOLT = "select set_config('app.organization_id', '{bolt}', true)"

READS = {
    "all rows of a table": "select * from billing.customer where organization_id = '{bolt}'",
    "without a condition": "select * from billing.customer where name not like '%{acme}'",
    "as if another organization were in scope": TO_BOLT + "; select * from billing.customer",
    "the same for a session, not a transaction": "set app.organization_id = '{bolt}'; select * from billing.customer",
    "without any organization": "select set_config('app.organization_id', '', true); select * from billing.customer",
    "with an organization that does not exist": (
        "select set_config('app.organization_id', gen_random_uuid()::text, true); select * from billing.customer"
    ),
    "with a name instead of an id": (
        "select set_config('app.organization_id', 'bolt', true); select * from billing.customer"
    ),
    "with a credential that was made up": (
        "select set_config('app.credential', repeat('00', 32), true); " + TO_BOLT + "; select * from billing.customer"
    ),
    "with a credential that is no number": (
        "select set_config('app.credential', 'x'' or true --', true); " + TO_BOLT + "; select * from billing.customer"
    ),
    "through a view": TO_BOLT + "; select * from public.invoice_record",
    "through the queue": TO_BOLT + "; select * from public.batch_job_queue",
    "through received invoices": TO_BOLT + "; select * from public.received_invoice",
    "through a sub-select": "select (select max(name) from billing.customer where organization_id = '{bolt}') as name",
    "through a join": ("select b.name from billing.customer a join billing.customer b on b.organization_id = '{bolt}'"),
    "through a lateral join": (
        "select x.* from organizations.organization o, "
        "lateral (select * from billing.customer c where c.organization_id = '{bolt}') x"
    ),
    "through a union": (
        "select name from billing.customer where false union all "
        "select name from billing.customer where organization_id = '{bolt}'"
    ),
    "through returning": ("update billing.customer set city = city where organization_id = '{bolt}' returning name"),
    "through a conflict": (
        "insert into billing.customer (organization_id, customer_number, name, country_code) "
        "values ('{bolt}', 'C-1', 'x', 'DE') on conflict (organization_id, customer_number) "
        "do update set name = excluded.name returning name"
    ),
    "through merge": (
        "merge into billing.customer c using (select 1) s on c.organization_id = '{bolt}' "
        "when matched then update set city = 'x' returning c.name"
    ),
    "through a cursor": (
        "declare mine cursor for select * from billing.customer where organization_id = '{bolt}'; fetch all from mine"
    ),
    "through an error message": ("select cast(name as integer) from billing.customer where organization_id = '{bolt}'"),
    "through a leaky condition": (
        "select 1 from billing.customer where cast(substr(name, 1, 8) as integer) = 1 and organization_id = '{bolt}'"
    ),
    "through statistics": (
        "select most_common_vals::text from pg_stats where schemaname = 'billing' and tablename = 'customer' "
        "and attname = 'name' and most_common_vals is not null"
    ),
    "the registry": "select * from organizations.list_organizations(true) where slug = 'bolt'",
    "the registry, in the other scope": TO_BOLT + "; select * from organizations.list_organizations(true)",
    "the registry, in no scope": (
        "select set_config('app.organization_id', '', true); select * from organizations.list_organizations(true) "
        "where slug = 'bolt'"
    ),
    "counts of all organizations": (
        "select set_config('app.organization_id', '', true); select * from public.get_batch_processing_stats()"
    ),
    "counts of the other one": TO_BOLT + "; select * from public.get_batch_processing_stats()",
    "what is due everywhere": (
        "select set_config('app.organization_id', '', true); "
        "select * from work.organizations_with_work(array['issue_invoice'])"
    ),
    "what open pages of the other one are told": (
        "select w.* from web.watched(array[current_setting('app.credential')], array['bolt'], array[null]::uuid[]) w"
    ),
    "the same by the function within": TO_BOLT + "; select * from jsonb_object_keys(web.jobs_standing('{{}}'))",
    "who else may enter there": (
        "select a.* from accounts.admitted(array[current_setting('app.credential'), repeat('00', 32)], "
        "array['bolt', 'bolt']) a"
    ),
    "users of the deployment": "select * from accounts.user_account",
    "sessions": "select * from accounts.session",
    "tokens": "select * from accounts.api_token",
    "keys of sign-ins through a provider": "select * from accounts.sign_in_key",
    "links of invitations": "select * from accounts.invitation",
    "who may enter where": "select * from accounts.membership",
    "events of accounts": "select * from accounts.account_event",
    "users, by the function of the operator": "select * from accounts.list_users()",
    "members of the other one": TO_BOLT + "; select * from accounts.list_members(null, null, null)",
    "colleagues in the other one": TO_BOLT + "; select * from accounts.colleagues()",
    "tokens of the other one": TO_BOLT + "; select * from accounts.list_tokens()",
    "events of the other one": TO_BOLT + "; select * from accounts.list_events(10)",
    "how passwords are stored": "select rolpassword from pg_authid",
    "statements of other sessions": (
        "select query from pg_stat_activity where query like '%{secret}%' and pid <> pg_backend_pid()"
    ),
    "files of the server": "select pg_read_file('postgresql.conf')",
    "the server's shell": "copy (select 1) to program 'id'",
}

CHANGES = {
    "a row of the other one": "update billing.customer set name = 'mine' where organization_id = '{bolt}'",
    "a row, in the other scope": TO_BOLT + "; update billing.customer set name = 'mine'",
    "a new row there": (
        TO_BOLT + "; insert into billing.customer (organization_id, customer_number, name, country_code) "
        "values ('{bolt}', 'C-2', 'mine', 'DE')"
    ),
    "a row that moves there": "update billing.customer set organization_id = '{bolt}'",
    "a deleted row": TO_BOLT + "; delete from billing.customer",
    "an emptied table": "truncate billing.customer cascade",
    "a batch job there": (TO_BOLT + "; select work.create_job('issue_invoice', array['x'], '{{}}'::jsonb, 'mallory')"),
    "invoices there": TO_BOLT + "; select * from billing.batch_invoice_open_orders(null, 0, null, 'mallory', "
    "false, false, null)",
    "another role": "set role invoice_pipelines_app; update billing.customer set name = 'mine'",
    "the role of the owner": "set role invoice_pipelines_owner; update billing.customer set name = 'mine'",
    "the role of the books": "set role invoice_pipelines_books; update billing.customer set name = 'mine'",
    "the role of accounts": "set role invoice_pipelines_accounts; update accounts.session set ended_at = null",
    "no role": "reset role; set session authorization invoice_pipelines_app; delete from billing.customer",
    "row security switched off": "set row_security = off; select * from billing.customer",
    "triggers switched off": "set session_replication_role = replica; delete from billing.customer",
    "a table opened": "alter table billing.customer disable row level security",
    "a policy of one's own": "create policy mine on billing.customer using (true)",
    "a function in the way": (
        "create or replace function accounts.entered_organization() returns uuid language sql as "
        "$$ select '{bolt}'::uuid $$"
    ),
    "a new session": (
        "insert into accounts.session (secret_sha256, user_id, method, expires_at, idle_seconds) "
        "values ('\\x00', gen_random_uuid(), 'password', now() + interval '1 day', 1000)"
    ),
    "a session without the password": (
        "select accounts.sign_in('berta@bolt.example', '\\x00', '\\x01', '192.0.2.9', '', 1000, '1 day')"
    ),
    "a session through a provider, with a key that was guessed": (
        "select accounts.sign_in_oidc('\\x00', 'https://id.example', 'berta', 'berta@bolt.example', 'B', true, "
        "'\\x02', '192.0.2.9', '', 1000, '1 day')"
    ),
    "a session through a provider, with no key": (
        "select accounts.sign_in_oidc(null, 'https://id.example', 'berta', 'berta@bolt.example', 'B', true, "
        "'\\x02', '192.0.2.9', '', 1000, '1 day')"
    ),
    "a session through a provider, with the key that is registered": (
        "select accounts.sign_in_oidc((select sha256 from accounts.sign_in_key limit 1), 'https://id.example', "
        "'berta', 'berta@bolt.example', 'B', true, '\\x02', '192.0.2.9', '', 1000, '1 day')"
    ),
    "a key of one's own, registered": "select accounts.register_sign_in_keys(array[sha256('\\x00')])",
    "a key of one's own, written": "insert into accounts.sign_in_key (sha256) values (sha256('\\x00'))",
    "a key of one's own, registered by another role": (
        "set role invoice_pipelines_app; select accounts.register_sign_in_keys(array[sha256('\\x00')])"
    ),
    "the subject of somebody else": "update accounts.user_account set issuer = 'x', subject = 'x'",
    "a link of an invitation": "select accounts.add_invitation('berta@bolt.example', '\\x00', '1 day', 'mallory')",
    "a role in the other one": "select accounts.set_role('admin@acme.example', 'bolt', 'admin', 'mallory')",
    "another user": "select accounts.add_user('mallory@example.com', 'Mallory', true, 'mallory')",
    "a user out of the way": "select accounts.set_disabled('berta@bolt.example', true, 'mallory')",
    "a token of the other one": (
        TO_BOLT + "; select accounts.add_token('mine', '\\x00', 'ip_live_', array['read'], "
        "now() + interval '1 day', 'mallory')"
    ),
    "an invitation into the other one": (
        TO_BOLT + "; select accounts.invite_member('mallory@example.com', 'M', 'admin', '\\x00', '1 day')"
    ),
    "a member of the other one, put out": "select accounts.change_member('{member}', null)",
    "a member of the other one, in its scope": TO_BOLT + "; select accounts.change_member('{member}', 'viewer')",
    "an invitation of the other one, withdrawn": "select accounts.change_member('{invitation}', null)",
    "an invitation of the other one, as admin": "select accounts.change_member('{invitation}', 'admin')",
    "a membership by the function within": (
        "select accounts.change_membership('{user}', '{bolt}', 'admin', 'mallory')"
    ),
    "an operator who is invited": (
        "select accounts.invite_member('mallory@example.com', 'M', 'operator', '\\x00', '1 day')"
    ),
    "the last admin, out": "select accounts.change_member('{admin}', null)",
    "the last admin, demoted": "select accounts.change_member('{admin}', 'viewer')",
    "a link that was guessed": "select accounts.accept_invitation('\\x00', '\\x01', 'm=1,t=1,p=1', '\\x02', '')",
    "a link of the other one by its id": (
        "select accounts.accept_invitation(convert_to('{invitation}', 'UTF8'), '\\x01', 'm=1,t=1,p=1', '\\x02', '')"
    ),
    "the doubt about who chose a password": "update accounts.user_account set vouched_by = null",
    "the history": "update work.batch_job_event set created_by = 'somebody else'",
    "the history of accounts": "delete from accounts.account_event",
}


def people_of(house) -> dict[str, object]:
    """Ids that an attacker might have learnt: of a member of bolt, of an invitation there, of the admin of acme."""
    query = """select
        (select m.id from accounts.membership m where m.organization_id = :bolt order by m.id limit 1) as member,
        (select m.user_id from accounts.membership m where m.organization_id = :bolt order by m.id limit 1) as user,
        (select i.id from accounts.invitation i where i.organization_id = :bolt and i.used_at is null limit 1)
            as invitation,
        (select m.id from accounts.membership m where m.organization_id = :acme and m.role = 'admin') as admin"""
    with house.database.superuser.connect() as connection:
        return dict(connection.execute(text(query), {"acme": house.acme, "bolt": house.bolt}).one()._mapping)


MISTAKES = {"42601", "42703", "42883", "42P01"}
"""SQLSTATEs of statements that name what is not there: they would prove nothing."""


def run_as_attacker(house, who: str, statement: str) -> list:
    """What the last of some statements gives, in a request that entered acme; what is refused gives nothing."""
    values = {"acme": house.acme, "bolt": house.bolt, "secret": fingerprint(house.secrets["berta"]), **people_of(house)}
    parts = statement.format(**values).split("; ")
    with house.web.connect() as connection, connection.begin() as transaction:
        connection.execute(
            text("select * from accounts.enter(:credential, 'acme')"), {"credential": fingerprint(house.secrets[who])}
        )
        try:
            for part in parts:
                result = connection.exec_driver_sql(part.replace("%", "%%"))
            rows = list(result) if result.returns_rows else [("changed",)] * max(result.rowcount, 0)
            transaction.commit()
            return rows
        except DBAPIError as refusal:
            transaction.rollback()
            refused = refusal
    assert sqlstate(refused) not in MISTAKES, refused
    assert "Customer of" not in str(refused.orig)
    return []


@pytest.mark.parametrize("who", ["admin", "shop"])
@pytest.mark.parametrize("attack", READS)
def test_nothing_of_the_other_organization_and_no_secret_is_read(house, who, attack):
    rows = run_as_attacker(house, who, READS[attack])
    assert not any("bolt" in str(row).lower() or str(house.bolt) in str(row) for row in rows), rows
    assert all(value in (None, 0) for row in rows for value in row), rows


@pytest.mark.parametrize("who", ["admin", "shop"])
@pytest.mark.parametrize("attack", CHANGES)
def test_nothing_of_the_other_organization_is_changed(house, who, attack):
    def state() -> list:
        with house.database.superuser.connect() as connection:
            return [
                connection.execute(text(query), {"bolt": house.bolt}).all()
                for query in (
                    "select * from billing.customer where organization_id = :bolt order by id",
                    "select * from work.batch_job where organization_id = :bolt",
                    "select secret_sha256, user_id, ended_at from accounts.session order by 1",
                    "select id, password_sha256, subject, vouched_by from accounts.user_account order by 1",
                    "select id, email, disabled_at, is_operator from accounts.user_account order by 1",
                    "select * from accounts.membership order by 1, 2",
                    "select * from accounts.api_token where organization_id = :bolt order by id",
                    "select * from accounts.invitation order by secret_sha256",
                    "select sha256 from accounts.sign_in_key order by 1",
                    "select count(*) from pg_policy",
                )
            ]

    before = state()
    run_as_attacker(house, who, CHANGES[attack])
    assert state() == before


VICTIMS = {
    "with a password": None,
    "with an account at an OIDC provider": (
        "update accounts.user_account set issuer = 'https://id.example', subject = :email, password_salt = null, "
        "password_parameters = null, password_sha256 = null where email = :email"
    ),
    "who is an operator without a password yet": (
        "update accounts.user_account set is_operator = true, password_salt = null, password_parameters = null, "
        "password_sha256 = null where email = :email"
    ),
    "of another organization without a password yet": (
        "update accounts.user_account set password_salt = null, password_parameters = null, password_sha256 = null "
        "where email = :email"
    ),
}


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("joins", ["before the link is made", "after the link is made"])
def test_no_link_of_an_admin_opens_the_account_of_somebody_else(house, victim, joins):
    """An admin of acme invites somebody who belongs to bolt, keeps the link, and opens it in place of the person."""
    email = f"victim{len(house.secrets)}@bolt.example"
    if joins == "before the link is made":
        house.admit(email, Role.ADMIN, "bolt")
    with house.as_("admin") as connection:
        _, link = invite_member(connection, email, "Victim", Role.VIEWER)
    if joins == "after the link is made":
        house.admit(email, Role.ADMIN, "bolt", is_known=True)
    with house.database.superuser.begin() as connection:
        if VICTIMS[victim] is not None:
            connection.execute(text(VICTIMS[victim]), {"email": email})

    def account() -> list:
        with house.database.superuser.connect() as connection:
            return connection.execute(
                text(
                    """select u.*, m.organization_id, m.role from accounts.user_account u
                       join accounts.membership m on m.user_id = u.id where u.email = :email"""
                ),
                {"email": email},
            ).all()

    before = account()
    assert [row.organization_id for row in before] == [house.bolt]
    for session in (None, house.secrets["admin"], house.secrets["shop"], "guessed"):
        with pytest.raises(SignInFirst):
            accept_invitation(house.web, link, "the password of mallory", address="192.0.2.66", session=session)
    assert account() == before
    with pytest.raises(SignInRefused):
        sign_in(house.web, email, "the password of mallory", address="192.0.2.66")
    with house.database.superuser.begin() as connection:
        connection.execute(text("delete from accounts.sign_in_throttle"))
    # The person, who is signed in, opens it: that gives the membership, and changes nothing else.
    accept_invitation(house.web, link, None, address="192.0.2.1", session=house.secrets[email.partition("@")[0]])
    after = account()
    assert {row.organization_id: row.role for row in after} == {house.bolt: "admin", house.acme: "viewer"}
    assert {row.password_sha256 for row in after} == {row.password_sha256 for row in before}


def test_an_account_that_was_taken_in_advance_opens_nothing_that_comes_later(house):
    """The admin of acme makes an account in the name of somebody, and waits until another organization lets it in."""
    email = "later@bolt.example"
    with house.as_("admin") as connection:
        _, link = invite_member(connection, email, "Later", Role.VIEWER)
    accept_invitation(house.web, link, "the password of mallory", address="192.0.2.66")
    taken = sign_in(house.web, email, "the password of mallory", address="192.0.2.66")
    # bolt invites the real person, whose link the one with the password does not have.
    with house.as_("berta", "bolt") as connection:
        _, theirs = invite_member(connection, email, "Later", Role.ACCOUNTANT)
    with identified(house.web, fingerprint(taken.secret)) as (_, known):
        assert list(known.organizations) == ["acme"]
    with pytest.raises(SignInFirst):
        accept_invitation(house.web, theirs, "the password of mallory", address="192.0.2.66")
    # Nor does the operator let it in by mistake: the person comes by the operator's link first, which ends the other.
    with house.database.engine.begin() as connection, pytest.raises(AccountError, match="Invite the person first"):
        set_role(connection, email, "bolt", Role.ADMIN, actor="operator")
    with house.database.engine.begin() as connection:
        own = invite(connection, email, actor="operator")
    accept_invitation(house.web, own, PASSWORD, address="192.0.2.1")
    with pytest.raises(NotSignedIn), identified(house.web, fingerprint(taken.secret)):
        pass
    with house.database.engine.begin() as connection:
        set_role(connection, email, "bolt", Role.ACCOUNTANT, actor="operator")


def test_who_is_no_admin_any_more_comes_back_by_no_link(house):
    house.admit("leaver@acme.example", Role.ADMIN, "acme")
    with house.as_("leaver") as connection:
        _, link = invite_member(connection, "friend@acme.example", "Friend", Role.ADMIN)
    with house.as_("admin") as connection:
        (leaver,) = [member for member in list_members(connection) if member.email == "leaver@acme.example"]
        change_member(connection, leaver.id, None)
    with pytest.raises(AccountError, match="used already"):
        accept_invitation(house.web, link, PASSWORD, address="192.0.2.66")


def test_what_a_statement_leaves_behind_in_its_session_is_gone_for_the_next_request(house):
    web = create_web_engine(house.web.url, pool_size=1)
    settings = ("statement_timeout", "timezone", "default_transaction_read_only", "search_path", "mallory.note")

    def look() -> list:
        query = ", ".join(f"current_setting('{name}', true)" for name in settings)
        locks = "(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())"
        others = "(select count(*) from pg_cursors), (select count(*) from pg_listening_channels())"
        counted = turn_of(Settings(), None, "192.0.2.1")  # writes, as each request does
        with opened(web, First(b"select 1"), alone=(counted,)) as (connection, _):
            return list(connection.exec_driver_sql(f"select pg_backend_pid(), {query}, {locks}, {others}").one())

    before = look()
    with entered(web, house.secrets["admin"], "acme") as (connection, _):
        for value, name in zip(("9ms", "Asia/Tokyo", "on", "work", "hello"), settings, strict=True):
            connection.exec_driver_sql(f"set {name} = '{value}'")
        connection.exec_driver_sql("select pg_advisory_lock(1)")
        connection.exec_driver_sql("listen everything")
        connection.exec_driver_sql("declare mine cursor with hold for select 1")
    after = look()
    assert [value or None for value in after] == [value or None for value in before]
    web.dispose()


def test_a_statement_in_the_way_of_those_of_others_learns_nothing(house):
    """What a session of the pool keeps for later requests: a prepared statement in place of one that psycopg made.

    It would be told the parameters of other people's requests, such as the key of sign-ins through a provider, or the
    credential of an admin of bolt.
    """
    web = create_web_engine(house.web.url, pool_size=1)

    def enter_as(who: str, slug: str) -> None:
        with entered(web, house.secrets[who], slug) as (connection, entry):
            assert entry is not None
            connection.execute(text("select organizations.current() = :id"), {"id": entry.organization_id}).one()

    for _ in range(10):  # long enough for psycopg to prepare what it sends again and again
        enter_as("admin", "acme")
    with entered(web, house.secrets["admin"], "acme") as (connection, _):
        prepared = set(connection.exec_driver_sql("select name from pg_prepared_statements").scalars())
        for name in prepared | {f"_pg3_{number}" for number in range(50)}:
            if name in prepared:
                connection.exec_driver_sql(f'deallocate "{name}"')
            connection.exec_driver_sql(
                f"""prepare "{name}"(uuid) as
                    select set_config('mallory.learnt', current_setting('app.credential'), false)"""
            )
    enter_as("berta", "bolt")
    with entered(web, house.secrets["admin"], "acme") as (connection, _):
        assert connection.exec_driver_sql("select current_setting('mallory.learnt', true)").scalar_one() is None
    web.dispose()


def test_there_are_enough_attacks():
    assert len(READS) + len(CHANGES) >= 50


def test_a_setting_that_outlives_its_transaction_opens_nothing_to_the_next_request(house):
    with house.web.connect() as connection:
        connection.exec_driver_sql(f"set app.organization_id = '{house.bolt}'")
        connection.commit()
        assert connection.exec_driver_sql("select count(*) from billing.customer").scalar_one() == 0


def test_a_viewer_changes_nothing_and_a_token_what_its_scopes_say(house):
    change = text("update billing.customer set city = 'Berlin'")
    for who in ("accountant", "shop", "admin"):
        with house.as_(who) as connection:
            connection.execute(change)
    for who in ("viewer", "reader"):
        with pytest.raises(DBAPIError, match="may not do that"), house.as_(who) as connection:
            connection.execute(change)
    with pytest.raises(DBAPIError, match="may not do that"), house.as_("accountant") as connection:
        connection.execute(text("update organizations.organization set name = 'Mine'"))
    with house.as_("admin") as connection:
        connection.execute(text("update organizations.organization set name = 'Acme'"))


def test_a_row_is_signed_by_the_credential_whatever_the_statement_says(house):
    for who, author in (("accountant", "accountant@acme.example"), ("shop", "token shop")):
        with house.as_(who) as connection:
            written = connection.execute(
                text(
                    """insert into billing.customer (organization_id, customer_number, name, country_code, created_by)
                       values (organizations.current(), 'by ' || :who, 'x', 'DE', 'somebody else')
                       returning created_by"""
                ),
                {"who": who},
            ).scalar_one()
            assert written == author
            job = connection.execute(
                text("select work.create_job('issue_invoice', array['x'], '{}'::jsonb, 'somebody else')")
            ).scalar_one()
            assert (
                connection.execute(
                    text("select created_by from work.batch_job_event where job_id = :job"), {"job": job}
                ).scalar_one()
                == author
            )
            connection.rollback()


def test_the_web_does_not_work_with_a_login_that_can_become_more(house):
    engine = create_web_engine(house.database.app_url.set(username=APP), pool_size=1)
    with pytest.raises(DatabaseError, match="must log in"), engine.connect():
        pass
    engine.dispose()
    engine = create_web_engine(house.database.owner_url, pool_size=1)
    with pytest.raises(DatabaseError, match="must log in"), engine.connect():
        pass
    engine.dispose()
