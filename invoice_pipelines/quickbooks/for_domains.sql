-- What other domains know of QuickBooks.

-- What tells that how the organization stands with its company may have changed: another text then. Open conflicts count up
-- to 100.
create or replace function quickbooks.version()
returns text
language sql stable
as $$
    select concat_ws(' ', c.realm_id, c.status, c.paused_until,
        (select max(p.finished_at) from quickbooks.pull p
         where p.organization_id = c.organization_id and p.realm_id = c.realm_id),
        (select count(*) from (select from quickbooks.conflict o where o.organization_id = c.organization_id
                               and o.status = 'open' limit 100) n))
    from quickbooks.connection c where c.organization_id = organizations.current()
$$;
