-- How changes become events: one function for all, which the triggers of change_capture.sql tell what to write. Whoever
-- changes something can neither add an event nor leave one out.
--
-- after: billing/for_domains.sql

grant select on billing.invoice_numbers to invoice_pipelines_recorder;

set local role invoice_pipelines_recorder;
-- Adds an event for each row that a statement changed, in one statement. The arguments are SQL over the row as it is now, n,
-- and of an update over the row as it was, o: the type of the event, what it is about, the columns of its data and, if
-- not all rows are of interest, a condition. A trigger for each row has its condition in WHEN.
--
-- The statement is planned anew each time, as a plan for one row would be a bad one for thousands.
create or replace function events.capture() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    adding constant text := format(
        'insert into events.event (organization_id, position, type, subject_id, data) '
        'select n.organization_id, $2, %s, %s, (select to_jsonb(d) from (select %s) d) from ',
        tg_argv[0], tg_argv[1], tg_argv[2]);
    organization uuid;
begin
    if tg_level = 'ROW' then
        execute adding || '(select ($1).*) n' using new, events.position(new.organization_id);
        return null;
    end if;
    for organization in select distinct c.organization_id from changed c loop
        execute adding || case tg_op when 'INSERT' then 'changed n' else
                    'changed n join before_change o on o.organization_id = n.organization_id and o.id = n.id' end
                || ' where n.organization_id = $1 and ' || coalesce(tg_argv[3], 'true')
            using organization, events.position(organization);
    end loop;
    return null;
end
$$;
revoke all on function events.capture() from public;
grant execute on function events.capture() to invoice_pipelines_owner;
set local role invoice_pipelines_owner;
