-- after: accounts/admission.sql
-- What is done with accounts. Nobody but these functions reads or writes the tables: no login may see how a password or a
-- credential is stored, and the web's login gets a session only for the right password.

create or replace function accounts.record(action text, of_user uuid, organization uuid, detail jsonb, address text,
                                           actor text) returns void
language sql
as $$
    insert into accounts.account_event (action, user_id, organization_id, detail, address, created_by)
    values (action, of_user, organization, coalesce(detail, '{}'), address, actor)
$$;

create or replace function accounts.user_by_email(wanted text) returns uuid
language plpgsql stable
as $$
declare
    found constant uuid := (select u.id from accounts.user_account u where u.email = lower(trim(wanted)));
begin
    if found is null then
        raise exception 'There is no user %.', trim(wanted) using errcode = 'IP404';
    end if;
    return found;
end $$;

create or replace function accounts.change_membership(of_user uuid, organization uuid, new_role text, actor text)
returns void
language plpgsql
as $$
begin
    if new_role is null then
        delete from accounts.membership m where m.user_id = of_user and m.organization_id = organization;
    else
        insert into accounts.membership (user_id, organization_id, role, created_by)
        values (of_user, organization, new_role, actor)
        on conflict (user_id, organization_id) do update set role = excluded.role;
    end if;
    if new_role is distinct from 'admin' then  -- nobody comes back by a link of one's own
        update accounts.invitation i set used_at = clock_timestamp() from accounts.user_account u
        where u.id = of_user and i.created_by = u.email and i.organization_id = organization and i.used_at is null;
    end if;
    perform accounts.record('role_set', of_user, organization, jsonb_build_object('role', new_role), null, actor);
end $$;

-- Seconds that somebody must wait before the next try; 0: none. An account that is tried with wrong passwords from
-- elsewhere stays open to addresses from which its owner signed in.
create or replace function accounts.sign_in_wait(of_email text, from_address text) returns numeric
language sql stable
as $$
    select greatest(0, ceil(extract(epoch from max(t.blocked_until) - clock_timestamp())))
    from accounts.sign_in_throttle t
    where t.key = 'address ' || from_address
       or t.key = 'account ' || lower(trim(of_email)) and not exists (
            select from accounts.session s join accounts.user_account u on u.id = s.user_id
            where u.email = lower(trim(of_email)) and s.address = from_address
              and s.created_at > now() - interval '90 days')
$$;

create or replace function accounts.count_failure(throttled text, free integer, longest interval) returns void
language sql
as $$
    insert into accounts.sign_in_throttle as t (key, failures, blocked_until)
    values (throttled, 1, clock_timestamp())
    on conflict (key) do update
    set failures = case when t.last_failure_at < clock_timestamp() - interval '1 hour' then 1 else t.failures + 1 end,
        last_failure_at = clock_timestamp(),
        blocked_until = case when t.last_failure_at < clock_timestamp() - interval '1 hour' or t.failures < free
                             then clock_timestamp()
                             else clock_timestamp()
                                  + least(longest, interval '1 second' * power(2, least(t.failures - free, 12))) end
$$;

set local role invoice_pipelines_accounts;

-- Users and where they belong, by the operator of the deployment -----------------------------------------------------

create or replace function accounts.add_user(new_email text, new_name text, operator boolean, actor text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    made uuid;
begin
    perform accounts.refuse_web();
    insert into accounts.user_account (email, name, is_operator, created_by)
    values (lower(trim(new_email)), trim(new_name), operator, actor)
    on conflict (email) do nothing returning id into made;
    if made is null then
        raise exception 'There is a user % already.', lower(trim(new_email)) using errcode = 'IP409';
    end if;
    perform accounts.record('user_added', made, null, jsonb_build_object('operator', operator), null, actor);
    return made;
end $$;

-- The link leads to one choice of a password, whatever the person has already; see members.sql for those of admins.
create or replace function accounts.add_invitation(of_email text, secret bytea, valid interval, actor text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    invited uuid;
begin
    perform accounts.refuse_web();
    invited := accounts.user_by_email(of_email);
    update accounts.invitation i set used_at = clock_timestamp()
    where i.user_id = invited and i.organization_id is null and i.used_at is null;
    insert into accounts.invitation (secret_sha256, user_id, created_by, expires_at)
    values (secret, invited, actor, clock_timestamp() + valid);
    perform accounts.record('invited', invited, null, null, null, actor);
end $$;

create or replace function accounts.set_role(of_email text, slug_of text, new_role text, actor text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    vouched_by uuid;
    of_user uuid;
    organization uuid;
begin
    perform accounts.refuse_web();
    of_user := accounts.user_by_email(of_email);
    select o.id into organization from organizations.organization o where o.slug = slug_of and o.removed_at is null;
    if organization is null then
        raise exception 'There is no organization %.', slug_of using errcode = 'IP404';
    end if;
    select u.vouched_by into vouched_by from accounts.user_account u where u.id = of_user for update;
    if vouched_by <> organization and new_role is not null then
        raise exception 'The password of % was chosen by a link that an admin of another organization made, who may have '
                        'opened it. Invite the person first, who then chooses another one.', of_email
            using errcode = 'IP403';
    end if;
    perform accounts.change_membership(of_user, organization, new_role, actor);
end $$;

create or replace function accounts.set_disabled(of_email text, disable boolean, actor text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    of_user uuid;
begin
    perform accounts.refuse_web();
    of_user := accounts.user_by_email(of_email);
    update accounts.user_account u set disabled_at = case when disable then coalesce(u.disabled_at, clock_timestamp()) end
    where u.id = of_user;
    if disable then
        update accounts.session s set ended_at = clock_timestamp() where s.user_id = of_user and s.ended_at is null;
        update accounts.invitation i set used_at = clock_timestamp() from accounts.user_account u
        where u.id = of_user and (i.user_id = of_user or i.created_by = u.email and i.organization_id is not null)
          and i.used_at is null;
    end if;
    perform accounts.record(case when disable then 'user_disabled' else 'user_enabled' end, of_user, null, null, null,
                            actor);
end $$;

create or replace function accounts.list_users()
returns table (id uuid, email text, name text, is_operator boolean, has_password boolean, disabled_at timestamptz,
               created_at timestamptz, last_used_at timestamptz, roles jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform accounts.refuse_web();
    return query
        select u.id, u.email, u.name, u.is_operator, u.password_sha256 is not null, u.disabled_at, u.created_at,
               (select max(s.last_used_at) from accounts.session s where s.user_id = u.id),
               coalesce((select jsonb_object_agg(o.slug, m.role order by o.slug) from accounts.membership m
                         join organizations.organization o on o.id = m.organization_id where m.user_id = u.id), '{}')
        from accounts.user_account u order by u.email;
end $$;

-- Signing in, in the web ----------------------------------------------------------------------------------------------

-- What Argon2id needs beside the password. Unknown users have a salt as well, always the same one, so that nobody learns
-- who has an account.
create or replace function accounts.password_parameters_of(of_email text)
returns table (salt bytea, parameters text)
language sql stable security definer set search_path = pg_catalog, pg_temp rows 1
as $$
    select coalesce(u.password_salt,
                    substring(sha256(convert_to(coalesce((select string_agg(t.id::text, '' order by t.id)
                                                          from (select o.id from organizations.organization o
                                                                order by o.id limit 1) t), '')
                                                || lower(trim(of_email)), 'UTF8')) for 16)),
           u.password_parameters
    from (select 1) one left join accounts.user_account u on u.email = lower(trim(of_email)) and u.disabled_at is null
$$;

create or replace function accounts.sign_in(of_email text, derived bytea, session_secret bytea, from_address text,
                                            agent text, idle integer, longest interval)
returns table (user_id uuid, wait_seconds integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp rows 1
as $$
declare
    known accounts.user_account;
    wait constant integer := coalesce(accounts.sign_in_wait(of_email, from_address), 0);
begin
    if wait > 0 then
        return query select null::uuid, wait;
        return;
    end if;
    select u.* into known from accounts.user_account u where u.email = lower(trim(of_email));
    if known.disabled_at is not null or known.password_sha256 is distinct from sha256(derived)
       or known.password_sha256 is null then
        perform accounts.count_failure('account ' || lower(trim(of_email)), 5, interval '1 minute');
        perform accounts.count_failure('address ' || from_address, 20, interval '15 minutes');
        perform accounts.record('sign_in_failed', known.id, null, null, from_address, lower(trim(of_email)));
        return query select null::uuid, 0;
        return;
    end if;
    delete from accounts.sign_in_throttle t where t.key = 'account ' || known.email;
    insert into accounts.session (secret_sha256, user_id, method, address, user_agent, expires_at, idle_seconds)
    values (session_secret, known.id, 'password', from_address, left(agent, 300), clock_timestamp() + longest, idle);
    perform accounts.record('signed_in', known.id, null, null, from_address, known.email);
    return query select known.id, 0;
end $$;

-- The session of the transaction's credential ends.
create or replace function accounts.sign_out() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    of_user uuid;
begin
    update accounts.session s set ended_at = clock_timestamp()
    where s.secret_sha256 = decode(current_setting('app.credential', true), 'hex') and s.ended_at is null
    returning s.user_id into of_user;
    if of_user is not null then
        perform accounts.record('signed_out', of_user, null, null, null,
                                (select u.email from accounts.user_account u where u.id = of_user));
    end if;
    return of_user is not null;
end $$;

-- Who holds a credential, and where they may go. No row: nobody does, any more.
create or replace function accounts.identify(credential text)
returns table (user_id uuid, token_id uuid, actor text, name text, is_operator boolean, organizations jsonb,
               names jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp rows 1
as $$
begin
    perform set_config('app.credential', credential, true), set_config('app.organization_id', '', true);
    return query
        select u.id, null::uuid, u.email, u.name, u.is_operator, coalesce(entered.roles, '{}'),
               coalesce(entered.names, '{}')
        from accounts.session s join accounts.user_account u on u.id = s.user_id and u.disabled_at is null
        cross join lateral (select jsonb_object_agg(o.slug, m.role) as roles, jsonb_object_agg(o.slug, o.name) as names
                            from accounts.membership m
                            join organizations.organization o on o.id = m.organization_id and o.removed_at is null
                            where m.user_id = u.id) entered
        where s.secret_sha256 = decode(credential, 'hex') and s.ended_at is null and s.expires_at > now()
          and s.last_used_at > now() - s.idle_seconds * interval '1 second'
        union all
        select null, t.id, 'token ' || t.name, t.name, false,
               jsonb_build_object(o.slug, to_jsonb(t.scopes)), jsonb_build_object(o.slug, o.name)
        from accounts.api_token t join organizations.organization o on o.id = t.organization_id and o.removed_at is null
        where t.secret_sha256 = decode(credential, 'hex') and t.revoked_at is null and t.expires_at > now();
end $$;

-- Puts the transaction into an organization in the name of a credential. `is_known` is whether the credential is one;
-- without an organization it may not enter that one, or there is none.
create or replace function accounts.enter(credential text, wanted_slug text)
returns table (is_known boolean, organization_id uuid, role text, scopes text[], actor text, user_id uuid,
               token_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp rows 1
as $$
declare
    of_session accounts.session;
    of_token accounts.api_token;
    wanted uuid;
    granted text;
    email text;
begin
    select s.* into of_session from accounts.session s
    join accounts.user_account u on u.id = s.user_id and u.disabled_at is null
    where s.secret_sha256 = decode(credential, 'hex') and s.ended_at is null and s.expires_at > now()
      and s.last_used_at > now() - s.idle_seconds * interval '1 second';
    if of_session.user_id is null then
        select t.* into of_token from accounts.api_token t
        where t.secret_sha256 = decode(credential, 'hex') and t.revoked_at is null and t.expires_at > now();
    end if;
    -- Once a minute is often enough, and of many requests at once one does it.
    if of_session.last_used_at < now() - interval '1 minute' then
        update accounts.session s set last_used_at = clock_timestamp()
        where s.secret_sha256 in (select x.secret_sha256 from accounts.session x
                                  where x.secret_sha256 = of_session.secret_sha256 for update skip locked);
    elsif of_token.id is not null and coalesce(of_token.last_used_at, '-infinity') < now() - interval '1 minute' then
        update accounts.api_token t set last_used_at = clock_timestamp()
        where t.id in (select x.id from accounts.api_token x where x.id = of_token.id for update skip locked);
    end if;
    select o.id into wanted from organizations.organization o where o.slug = wanted_slug and o.removed_at is null;
    if of_session.user_id is not null then
        select m.role, u.email into granted, email
        from accounts.membership m join accounts.user_account u on u.id = m.user_id
        where m.user_id = of_session.user_id and m.organization_id = wanted;
    elsif of_token.organization_id = wanted then
        email := 'token ' || of_token.name;
    end if;
    if email is null then
        return query select of_session.user_id is not null or of_token.id is not null, null::uuid, null::text,
                            null::text[], null::text, null::uuid, null::uuid;
        return;
    end if;
    perform set_config('app.organization_id', wanted::text, true), set_config('app.credential', credential, true),
            set_config('app.actor', email, true);
    return query select true, wanted, granted, of_token.scopes, email, of_session.user_id, of_token.id;
end $$;

-- API tokens of the organization in scope -----------------------------------------------------------------------------

create or replace function accounts.add_token(new_name text, secret bytea, new_prefix text, new_scopes text[],
                                              expires timestamptz, actor text) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    made uuid;
    who constant text := organizations.actor(actor);
begin
    perform accounts.require(3);
    -- A token that leaked must not make others that outlive it.
    if session_user = 'invoice_pipelines_web' and exists (select from accounts.admission() a where a.token_id is not null)
    then
        raise exception 'a token cannot make tokens; a person does' using errcode = 'IP403';
    end if;
    insert into accounts.api_token (secret_sha256, organization_id, name, prefix, scopes, expires_at, created_by)
    values (secret, organizations.current(), trim(new_name), new_prefix, new_scopes, expires, who)
    on conflict (organization_id, name) where revoked_at is null do nothing returning id into made;
    if made is null then
        raise exception 'There is a token % already.', trim(new_name) using errcode = 'IP409';
    end if;
    perform accounts.record('token_added', null, organizations.current(),
                            jsonb_build_object('token', new_name, 'scopes', new_scopes), null, who);
    return made;
end $$;

create or replace function accounts.list_tokens()
returns table (id uuid, name text, prefix text, scopes text[], created_at timestamptz, created_by text,
               expires_at timestamptz, last_used_at timestamptz, revoked_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform accounts.require(3);
    return query
        select t.id, t.name, t.prefix, t.scopes, t.created_at, t.created_by, t.expires_at, t.last_used_at, t.revoked_at
        from accounts.api_token t where t.organization_id = organizations.current() order by t.id;
end $$;

create or replace function accounts.revoke_token(token text, actor text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    who constant text := organizations.actor(actor);  -- a token may revoke itself, and is nobody then
    revoked text;
begin
    perform accounts.require(3);
    update accounts.api_token t set revoked_at = clock_timestamp()
    where token in (t.name, t.id::text) and t.organization_id = organizations.current() and t.revoked_at is null
    returning t.name into revoked;
    if revoked is not null then
        perform accounts.record('token_revoked', null, organizations.current(), jsonb_build_object('token', revoked),
                                null, who);
    end if;
    return revoked;
end $$;

-- What was done about the people and tokens of the organization in scope.
create or replace function accounts.list_events(most integer)
returns table (id uuid, action text, email text, detail jsonb, address text, created_at timestamptz, created_by text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform accounts.require(3);
    return query
        select e.id, e.action, u.email, e.detail, e.address, e.created_at, e.created_by
        from accounts.account_event e left join accounts.user_account u on u.id = e.user_id
        where e.organization_id = organizations.current() order by e.id desc limit most;
end $$;

do $$
declare
    found record;
begin
    for found in
        select p.oid::regprocedure as name from pg_proc p
        where p.pronamespace = 'accounts'::regnamespace and p.prosecdef and p.proname <> all(array[
            'admission', 'is_operator', 'entered_organization', 'entered_organization_or_all', 'author', 'entered_rank'])
    loop
        execute format('revoke all on function %s from public', found.name);
        execute format('grant execute on function %s to invoice_pipelines_app', found.name);
    end loop;
end $$;
set local role invoice_pipelines_owner;
