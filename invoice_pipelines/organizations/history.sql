-- after: accounts/admission.sql
-- What was changed of an organization, written by PostgreSQL itself, whoever changes it: the web, the command line or psql.

-- The single values of a document by their names, such as messages.quiet_from. What is null is not set; a list is one
-- value.
create or replace function organizations.values_of(document jsonb) returns table (name text, value jsonb)
language sql immutable parallel safe
as $$
    with recursive part (name, value) as (
        select d.key, d.value from jsonb_each(document) d
        union all
        select p.name || '.' || d.key, d.value
        from part p, jsonb_each(case when jsonb_typeof(p.value) = 'object' then p.value else '{}' end) d
    )
    select p.name, p.value from part p where jsonb_typeof(p.value) not in ('object', 'null')
$$;

set local role invoice_pipelines_recorder;
create or replace function organizations.record_settings() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into organizations.setting_change (organization_id, setting, old_value, new_value, created_by)
    select new.id, coalesce(o.name, n.name), o.value, n.value, organizations.actor()
    from organizations.values_of(to_jsonb(old)) o
    full join organizations.values_of(to_jsonb(new)) n on n.name = o.name
    where o.value is distinct from n.value
    order by coalesce(o.name, n.name);
    return null;
end
$$;
revoke all on function organizations.record_settings() from public;
grant execute on function organizations.record_settings() to invoice_pipelines_owner;
set local role invoice_pipelines_owner;

create or replace trigger record_settings after update on organizations.organization
    for each row when (old.* is distinct from new.*) execute function organizations.record_settings();
