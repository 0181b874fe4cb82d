-- What all open pages of a process are told, in one statement a second, however many there are and of however many
-- organizations.
--
-- after: accounts/admission.sql
-- after: billing/for_domains.sql
-- after: delivery/for_domains.sql
-- after: intake/review_queue.sql
-- after: quickbooks/for_domains.sql
-- after: work/progress.sql

-- How things stand in the organization that the transaction has entered. Counts end at 100, as nobody reads more from a
-- menu; what is far behind in a long queue costs nothing. A version is a text that is another one when a list of this
-- name may have changed: the newest event of its kind, and what its domain knows besides.
create or replace function web.standing()
returns jsonb
language sql stable
as $$
    with newest_job as (select j.id from work.jobs j where j.organization_id = organizations.current()
                        order by j.id desc limit 1),
    open_job as (select j.id from work.jobs j where j.organization_id = organizations.current()
                 and j.status in ('pending', 'processing') limit 100),
    changed as (select split_part(e.type, '.', 1) as list, max(e.id::text) as id
                from events.read_newest('{}', 50) e where e.id is not null group by 1)
    select jsonb_build_object(
        'counts', jsonb_build_object(
            'reviews', (select count(*) from (select from intake.waiting_reviews w
                                              where w.organization_id = organizations.current() limit 100) w),
            'jobs', (select count(*) from open_job)),
        'versions', coalesce((select jsonb_object_agg(c.list, c.id) from changed c), '{}')
                    || billing.versions()
                    || jsonb_build_object(
                        'message', concat_ws(' ', delivery.message_version(),
                                             (select c.id from changed c where c.list = 'message')),
                        'quickbooks', concat_ws(' ', quickbooks.version(),
                                                (select c.id from changed c where c.list = 'quickbooks')),
                        'jobs', concat_ws(' ', (select n.id from newest_job n),
                                          (select count(*) from open_job),
                                          (select c.id from changed c where c.list = 'batch_operation'))))
$$;

-- Open jobs of the organization that the transaction has entered, at most 20, and the named ones, by their ids.
create or replace function web.jobs_standing(named uuid[])
returns jsonb
language sql stable
as $$
    select coalesce(jsonb_object_agg(p.id, to_jsonb(p) - 'organization_id' - 'id'), '{}')
    from work.job_progress p
    where p.organization_id = organizations.current()
      and p.id in (select o.id from (select j.id from work.jobs j where j.organization_id = organizations.current()
                                     and j.status in ('pending', 'processing') limit 20) o
                   union select unnest(named))
$$;

-- What each of many pages may know that brings a credential, the slug of its organization and, if it watches one, the id
-- of a job (else null). `places` are those pages, from 1, that may know of an organization: a page that is in no row may
-- know nothing any more.
--
-- Nothing is decided here. Of the credentials of each organization that may enter it one does so, as a request with it
-- would, and what it sees is what row-level security shows it: with no rights but those of the web's login.
create or replace function web.watched(credentials text[], slugs text[], jobs uuid[])
returns table (places bigint[], standing jsonb, jobs_standing jsonb)
language plpgsql
as $$
declare
    entered record;
begin
    for entered in
        select a.organization_id as id, array_agg(a.place) as pages, min(credentials[a.place]) as credential,
               array_agg(distinct jobs[a.place]) filter (where jobs[a.place] is not null) as named
        from accounts.admitted(credentials, slugs) a group by a.organization_id
    loop
        perform set_config('app.credential', entered.credential, true),
                set_config('app.organization_id', entered.id::text, true);
        return query select entered.pages, web.standing(), web.jobs_standing(entered.named);
    end loop;
    perform set_config('app.credential', '', true), set_config('app.organization_id', '', true);
end
$$;
