-- Reads across organizations for sensors and the command line: the registry, no records of any organization.

set local role invoice_pipelines_overview;
create or replace function organizations.list_organizations(with_removed boolean default false)
returns table (id uuid, slug text, name text, country_code text, time_zone text, currency text,
               created_at timestamptz, removed_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select o.id, o.slug, o.name, o.country_code, o.time_zone, o.currency, o.created_at, o.removed_at
    from organizations.organization o
    where with_removed or o.removed_at is null
    order by o.slug
$$;
revoke all on function organizations.list_organizations(boolean) from public;
grant execute on function organizations.list_organizations(boolean) to invoice_pipelines_app;

-- The organization of a slug, which each run asks for: by its index, however many there are.
create or replace function organizations.find_organization(wanted text)
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select o.id from organizations.organization o where o.slug = wanted and o.removed_at is null
$$;
revoke all on function organizations.find_organization(text) from public;
grant execute on function organizations.find_organization(text) to invoice_pipelines_app;

-- All organizations, those first whose promises were not looked at in full for the longest time.
create or replace function organizations.longest_unchecked()
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select o.id
    from organizations.organization o
    left join (select c.organization_id, min(c.all_checked_at) as at
               from organizations.checked_promise c group by c.organization_id) c on c.organization_id = o.id
    where o.removed_at is null
    order by c.at nulls first, o.id
$$;
revoke all on function organizations.longest_unchecked() from public;
grant execute on function organizations.longest_unchecked() to invoice_pipelines_app;
set local role invoice_pipelines_owner;
