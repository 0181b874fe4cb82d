-- Which organization a transaction of the web's login is in, with which rights, and in whose name.
--
-- The web says whose credential it holds (app.credential: the SHA-256 of a session's or token's secret, in hex) and where
-- it wants to (app.organization_id). PostgreSQL looks up whether that credential may enter there, in each statement: a
-- statement that was smuggled into the web gets no further than the credential that the request came with. What the
-- web's login cannot be talked out of is `session_user`: it may become no other role.

-- How far a role reaches: 1 reads, 2 does the daily work, 3 manages the organization.
create or replace function accounts.rank_of_role(role text) returns integer
language sql immutable parallel safe
return case role when 'viewer' then 1 when 'accountant' then 2 when 'admin' then 3 else 0 end;

create or replace function accounts.rank_of_scopes(scopes text[]) returns integer
language sql immutable parallel safe
return case when 'organization:write' = any(scopes) then 3
            when exists (select from unnest(scopes) s where s like '%:write') then 2 else 1 end;

set local role invoice_pipelines_accounts;

-- The credential of the transaction, where it may enter the organization that the transaction names. No row: it may not.
create or replace function accounts.admission()
returns table (organization_id uuid, rank integer, actor text, user_id uuid, token_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp rows 1
as $$
    select o.id, a.rank, a.actor, a.user_id, a.token_id
    from organizations.organization o
    cross join lateral (
        select accounts.rank_of_role(m.role) as rank, u.email as actor, u.id as user_id, null::uuid as token_id
        from accounts.session s
        join accounts.user_account u on u.id = s.user_id and u.disabled_at is null
        join accounts.membership m on m.user_id = u.id and m.organization_id = o.id
        where s.secret_sha256 = decode(current_setting('app.credential', true), 'hex') and s.ended_at is null
          and s.expires_at > now() and s.last_used_at > now() - s.idle_seconds * interval '1 second'
        union all
        select accounts.rank_of_scopes(t.scopes), 'token ' || t.name, null, t.id
        from accounts.api_token t
        where t.secret_sha256 = decode(current_setting('app.credential', true), 'hex') and t.revoked_at is null
          and t.organization_id = o.id and t.expires_at > now()) a
    where o.id = nullif(current_setting('app.organization_id', true), '')::uuid and o.removed_at is null
$$;

-- Asked for several times in each statement, and so written apart from `admission`, as two look-ups whose plans are kept.
create or replace function accounts.entered_organization() returns uuid
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
declare
    wanted constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
    secret constant bytea := decode(current_setting('app.credential', true), 'hex');
begin
    if exists (select from accounts.api_token t
               where t.secret_sha256 = secret and t.organization_id = wanted and t.revoked_at is null
                 and t.expires_at > now())
       or exists (select from accounts.session s
                  join accounts.user_account u on u.id = s.user_id and u.disabled_at is null
                  join accounts.membership m on m.user_id = s.user_id and m.organization_id = wanted
                  where s.secret_sha256 = secret and s.ended_at is null and s.expires_at > now()
                    and s.last_used_at > now() - s.idle_seconds * interval '1 second') then
        return wanted;
    end if;
    return null;
end $$;
comment on function accounts.entered_organization() is
    'The organization that the credential of the transaction entered; null: none';

create or replace function accounts.is_operator() returns boolean
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select from accounts.session s
        join accounts.user_account u on u.id = s.user_id and u.disabled_at is null and u.is_operator
        where s.secret_sha256 = decode(current_setting('app.credential', true), 'hex') and s.ended_at is null
          and s.expires_at > now() and s.last_used_at > now() - s.idle_seconds * interval '1 second');
end $$;

-- Functions that look across organizations, and show counts only, take null for all of them.
create or replace function accounts.entered_organization_or_all() returns uuid
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(current_setting('app.organization_id', true), '') = '' and accounts.is_operator() then
        return null;
    end if;
    return coalesce(accounts.entered_organization(), '00000000-0000-0000-0000-000000000000');
end $$;

create or replace function accounts.author() returns text
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$ begin return (select a.actor from accounts.admission() a); end $$;

create or replace function accounts.entered_rank() returns integer
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$ begin return coalesce((select a.rank from accounts.admission() a), 0); end $$;

-- Which of many credentials may enter the organization that stands beside each, by its slug; the others are left out. Only
-- looks: that a page is open is no sign that somebody is there, so no session lasts longer by it.
create or replace function accounts.admitted(credentials text[], slugs text[])
returns table (place bigint, organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select w.place, o.id
    from unnest(credentials, slugs) with ordinality w (credential, slug, place)
    join organizations.organization o on o.slug = w.slug and o.removed_at is null
    where exists (select from accounts.session s
                  join accounts.user_account u on u.id = s.user_id and u.disabled_at is null
                  join accounts.membership m on m.user_id = s.user_id and m.organization_id = o.id
                  where s.secret_sha256 = decode(w.credential, 'hex') and s.ended_at is null and s.expires_at > now()
                    and s.last_used_at > now() - s.idle_seconds * interval '1 second')
       or exists (select from accounts.api_token t
                  where t.secret_sha256 = decode(w.credential, 'hex') and t.organization_id = o.id
                    and t.revoked_at is null and t.expires_at > now())
$$;

revoke all on function accounts.admission() from public;
revoke all on function accounts.entered_organization(), accounts.is_operator(), accounts.entered_organization_or_all(),
    accounts.author(), accounts.entered_rank() from public;
-- Whoever asks for the organization in scope, or for the author, asks for these.
grant execute on function accounts.entered_organization(), accounts.entered_organization_or_all(), accounts.author(),
    accounts.entered_rank()
    to invoice_pipelines_app, invoice_pipelines_books, invoice_pipelines_overview, invoice_pipelines_recorder;
set local role invoice_pipelines_owner;

create or replace function accounts.may_change(needed integer) returns boolean
language sql stable parallel safe
return session_user <> 'invoice_pipelines_web' or accounts.entered_rank() >= needed;

-- What people and tokens with too few rights are told when the web forgot to ask.
create or replace function accounts.require(needed integer) returns void
language plpgsql stable
as $$
begin
    if not accounts.may_change(needed) then
        raise exception 'this credential may not do that here' using errcode = 'IP403';
    end if;
end $$;

create or replace function accounts.refuse_web() returns void
language plpgsql stable
as $$
begin
    if session_user = 'invoice_pipelines_web' then
        raise exception 'this is not done through the web' using errcode = 'IP403';
    end if;
end $$;

create or replace function accounts.admit_write() returns trigger
language plpgsql
as $$ begin perform accounts.require(tg_argv[0]::integer); return null; end $$;

-- A new row names its author wherever it names somebody; nobody has ended or voided it yet.
create or replace function accounts.sign_row() returns trigger
language plpgsql
as $$
declare
    given constant jsonb := to_jsonb(new);
begin
    return jsonb_populate_record(new, coalesce(
        (select jsonb_object_agg(name, accounts.author()) from unnest(tg_argv) name where given ->> name is not null),
        '{}'));
end $$;

-- The web changes a table for those who reach so far: 2, or 3 for what only an admin changes.
create or replace procedure accounts.admit_writes(relation regclass, needed integer)
language plpgsql
as $$
begin
    if not exists (select from pg_trigger t where t.tgrelid = relation and t.tgname = 'admit_write'
                                            and encode(t.tgargs, 'escape') = needed || '\000') then
        execute format('drop trigger if exists admit_write on %s', relation);
        execute format('create trigger admit_write before insert or update or delete on %s '
                       'for each statement when (session_user = ''invoice_pipelines_web'') '
                       'execute function accounts.admit_write(%s)', relation, needed);
    end if;
end $$;
call accounts.admit_writes('organizations.organization', 3);

-- What is secret within an organization as well: the web may write it, and never read it.
create or replace procedure accounts.hide_from_web(relation regclass)
language plpgsql
as $$
begin
    if not exists (select from pg_policy where polrelid = relation and polname = 'secret') then
        execute format('create policy secret on %s as restrictive for select to invoice_pipelines_web using (false)',
                       relation);
    end if;
end $$;

-- Every table of an organization, also those of migrations to come. What is there already is not made again, as that
-- would lock the table.
do $$
declare
    found record;
begin
    for found in
        select c.oid::regclass as relation, a.attname as organization,
               (select string_agg(quote_literal(b.attname), ', ') from pg_attribute b
                where b.attrelid = c.oid and b.attname ~ '^[a-z]+_by$' and b.atttypid = 'text'::regtype
                  and not b.attisdropped) as authors
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
            and a.attname = case when c.oid = 'organizations.organization'::regclass then 'id' else 'organization_id' end
        where c.relkind in ('r', 'p') and pg_get_userbyid(c.relowner) = 'invoice_pipelines_owner'
          and c.relnamespace <> 'accounts'::regnamespace
    loop
        if not exists (select from pg_policy where polrelid = found.relation and polname = 'entered') then
            execute format('create policy entered on %s as restrictive to invoice_pipelines_web '
                           'using (%I = (select accounts.entered_organization())) '
                           'with check (%I = (select accounts.entered_organization()))',
                           found.relation, found.organization, found.organization);
        end if;
        if not exists (select from pg_trigger where tgrelid = found.relation and tgname = 'admit_write') then
            call accounts.admit_writes(found.relation, 2);
        end if;
        if found.authors is not null
           and not exists (select from pg_trigger where tgrelid = found.relation and tgname = 'sign_row') then
            execute format('create trigger sign_row before insert on %s for each row '
                           'when (session_user = ''invoice_pipelines_web'') '
                           'execute function accounts.sign_row(%s)', found.relation, found.authors);
        end if;
    end loop;
end $$;
