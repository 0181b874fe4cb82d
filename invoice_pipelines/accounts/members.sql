-- after: accounts/accounts.sql
-- The people of an organization, as its admins manage them, and the links by which people get in.
--
-- An admin may know the link of an invitation and the address of anybody, and may have opened the link in place of the
-- person. So a link that an admin made lets a person choose a password only where there is nothing yet that the password
-- would open: no password, no account at an OIDC provider, no membership, no rights of the operator. In all other cases
-- it gives its membership to who is signed in as that person. What is looked at is how things stand when the link is
-- opened, not when it was made. Whether there is an account is not said before.

create or replace function accounts.require_managing_person() returns void
language plpgsql stable
as $$
begin
    perform accounts.require(3);
    if session_user = 'invoice_pipelines_web' and exists (select from accounts.admission() a where a.token_id is not null)
    then
        raise exception 'a token lets nobody in; a person does' using errcode = 'IP403';
    end if;
end $$;

create or replace function accounts.signed_in_user() returns uuid
language sql stable
as $$
    select s.user_id from accounts.session s join accounts.user_account u on u.id = s.user_id and u.disabled_at is null
    where s.secret_sha256 = decode(current_setting('app.credential', true), 'hex') and s.ended_at is null
      and s.expires_at > now() and s.last_used_at > now() - s.idle_seconds * interval '1 second'
$$;

set local role invoice_pipelines_accounts;

-- The people of the organization in scope, and those who were invited; by email. An invited person is shown as the admin
-- wrote it.
create or replace function accounts.list_members(only_id uuid, after_email text, most integer)
returns table (id uuid, email text, name text, role text, status text, since timestamptz, invited_by text,
               expires_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    organization constant uuid := organizations.current();
begin
    perform accounts.require(3);
    return query
        select f.* from (
            select m.id, u.email, u.name, m.role, case when u.disabled_at is null then 'active' else 'disabled' end,
                   m.created_at, m.created_by, null::timestamptz
            from accounts.membership m join accounts.user_account u on u.id = m.user_id
            where m.organization_id = organization
            union all
            select i.id, u.email, i.name, i.role, case when i.expires_at > now() then 'invited' else 'expired' end,
                   i.created_at, i.created_by, i.expires_at
            from accounts.invitation i join accounts.user_account u on u.id = i.user_id
            where i.organization_id = organization and i.used_at is null
              and not exists (select from accounts.membership m
                              where m.user_id = i.user_id and m.organization_id = organization)) f
        where (only_id is null or f.id = only_id) and (after_email is null or f.email > after_email)
        order by f.email limit most;
end $$;

-- To whom the caller may hand over work: the others who may decide, by name.
create or replace function accounts.colleagues() returns table (email text, name text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform accounts.require(2);
    return query
        select u.email, u.name
        from accounts.membership m
        cross join lateral (select u.email, u.name from accounts.user_account u
                            where u.id between m.user_id and m.user_id and u.disabled_at is null order by u.id) u
        where m.organization_id = organizations.current() and m.role in ('accountant', 'admin')
          and u.email <> organizations.actor()
        order by u.name, u.email;
end $$;

-- Invites somebody into the organization in scope; earlier links of the same person into it end.
create or replace function accounts.invite_member(of_email text, called text, new_role text, secret bytea,
                                                  valid interval) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    organization constant uuid := organizations.current();
    who constant text := organizations.actor();
    address constant text := lower(trim(of_email));
    invited uuid;
    made uuid;
begin
    perform accounts.require_managing_person();
    insert into accounts.user_account (email, name, created_by) values (address, trim(called), who)
    on conflict (email) do nothing returning id into invited;
    if invited is not null then
        perform accounts.record('user_added', invited, null, null, null, who);
    end if;
    select u.id into invited from accounts.user_account u where u.email = address;
    if exists (select from accounts.membership m where m.user_id = invited and m.organization_id = organization) then
        raise exception '% is a member already.', address using errcode = 'IP409';
    end if;
    update accounts.invitation i set used_at = clock_timestamp()
    where i.user_id = invited and i.organization_id = organization and i.used_at is null;
    insert into accounts.invitation (secret_sha256, user_id, organization_id, role, name, created_by, expires_at)
    values (secret, invited, organization, new_role, trim(called), who,
            clock_timestamp() + least(valid, interval '7 days'))
    returning id into made;
    perform accounts.record('invited', invited, organization, jsonb_build_object('role', new_role), null, who);
    return made;
end $$;

-- Another role for a member of the organization in scope, or for who was invited; null: out, or the link ends.
create or replace function accounts.change_member(member uuid, new_role text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    organization constant uuid := organizations.current();
    who constant text := organizations.actor();
    known accounts.membership;
    invited uuid;
begin
    perform accounts.require_managing_person();
    -- Admins who put one another out wait here, and look again: one of them stays.
    perform from accounts.membership m where m.organization_id = organization and m.role = 'admin'
    order by m.user_id for update;
    perform accounts.require_managing_person();
    select m.* into known from accounts.membership m where m.id = member and m.organization_id = organization;
    if known.user_id is not null then
        if known.role = 'admin' and new_role is distinct from 'admin' and not exists (
            select from accounts.membership m join accounts.user_account u on u.id = m.user_id and u.disabled_at is null
            where m.organization_id = organization and m.role = 'admin' and m.user_id <> known.user_id)
        then
            raise exception 'An organization keeps an admin: make somebody else one first.' using errcode = 'IPADM';
        end if;
        perform accounts.change_membership(known.user_id, organization, new_role, who);
        return;
    end if;
    update accounts.invitation i
    set role = coalesce(new_role, i.role), used_at = case when new_role is null then clock_timestamp() end
    where i.id = member and i.organization_id = organization and i.used_at is null
    returning i.user_id into invited;
    if invited is null then
        raise exception 'There is no such member.' using errcode = 'IP404';
    end if;
    perform accounts.record(case when new_role is null then 'invitation_withdrawn' else 'invited' end, invited,
                            organization, jsonb_build_object('role', new_role), null, who);
end $$;

-- What becomes of a link that is opened, with a new password (derived) or, where it is null, without one:
--   accepted       it gave what it was made for, and ends
--   sign_in_first  it is for somebody who has a way in, and who is not the one who is signed in
--   ended          it was used, is too old, or never was
create or replace function accounts.accept_invitation(secret bytea, salt bytea, parameters text, derived bytea,
                                                      from_address text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    link accounts.invitation;
    person accounts.user_account;
    is_closed boolean;
begin
    select i.* into link from accounts.invitation i
    where i.secret_sha256 = secret and i.used_at is null and i.expires_at > clock_timestamp()
      and (i.organization_id is null or exists (select from organizations.organization o
                                                where o.id = i.organization_id and o.removed_at is null))
    for update;
    -- While it is looked at, nobody gives the person anything.
    select u.* into person from accounts.user_account u where u.id = link.user_id and u.disabled_at is null for update;
    if person.id is null then
        return 'ended';
    end if;
    is_closed := link.organization_id is not null and (
        person.password_sha256 is not null or person.subject is not null or person.is_operator
        or exists (select from accounts.membership m where m.user_id = person.id));
    if derived is null and link.organization_id is null then  -- it is for a new password, and for nothing else
        return 'sign_in_first';
    end if;
    if (is_closed or derived is null) and accounts.signed_in_user() is distinct from person.id then
        if derived is not null then
            perform accounts.record('invitation_refused', person.id, link.organization_id, null, from_address,
                                    person.email);
        end if;
        return 'sign_in_first';
    end if;
    if not is_closed and derived is not null then
        update accounts.user_account u
        set password_salt = salt, password_parameters = parameters, password_sha256 = sha256(derived),
            password_changed_at = clock_timestamp(), vouched_by = link.organization_id,
            name = coalesce(link.name, u.name)
        where u.id = person.id;
        update accounts.session s set ended_at = clock_timestamp() where s.user_id = person.id and s.ended_at is null;
        perform accounts.record('password_set', person.id, link.organization_id, null, from_address, person.email);
    end if;
    update accounts.invitation i set used_at = clock_timestamp() where i.id = link.id;
    if link.organization_id is not null then
        insert into accounts.membership (id, user_id, organization_id, role, created_by)
        values (link.id, person.id, link.organization_id, link.role, link.created_by)
        on conflict (user_id, organization_id) do nothing;
        perform accounts.record('role_set', person.id, link.organization_id, jsonb_build_object('role', link.role),
                                from_address, person.email);
    end if;
    return 'accepted';
end $$;

revoke all on function accounts.list_members(uuid, text, integer), accounts.colleagues(),
    accounts.invite_member(text, text, text, bytea, interval), accounts.change_member(uuid, text),
    accounts.accept_invitation(bytea, bytea, text, bytea, text) from public;
grant execute on function accounts.list_members(uuid, text, integer), accounts.colleagues(),
    accounts.invite_member(text, text, text, bytea, interval), accounts.change_member(uuid, text),
    accounts.accept_invitation(bytea, bytea, text, bytea, text) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
