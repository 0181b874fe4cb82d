-- The mappings of records of QuickBooks, locked until the end of the transaction in the order of their ids; those that
-- have none are left out.
--
-- Of the two indexes that begin with what is asked for, one would read all mappings of a company: the order leaves the
-- planner the other one (see work/chunks.sql).
create or replace function quickbooks.mappings_there(realm text, entity text, quickbooks_ids text[])
returns setof quickbooks.mapping
language plpgsql set enable_sort = off
-- demanded by test_a_push_and_a_pull_look_up_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select m.* from work.few(quickbooks_ids) k
        cross join lateral (select * from quickbooks.mapping m
                            where m.quickbooks_id between k.element and k.element and m.entity_type = entity
                              and m.realm_id = realm and m.organization_id = organization
                            order by m.quickbooks_id for update) m;
end
$$;
