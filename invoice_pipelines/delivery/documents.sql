-- Asks for the combined PDF and the ZIP of a job of documents when it ends, in the transaction that ends it, whoever that
-- is: a process that dies right afterwards leaves the entry to the next one. See documents.py and bundles.py.

create or replace function delivery.ask_for_bundles() returns trigger language plpgsql
as $$
begin
    -- The clean-up of stuck jobs, which works in no organization, may not write entries; delivery.jobs_without_bundles
    -- finds what it ends.
    if new.organization_id = organizations.current_or_none() then
        perform work.enqueue('invoice_documents', array['job/' || new.id]);
    end if;
    return null;
end
$$;

-- Ended jobs of the organization in scope that want a combined PDF or a ZIP and have neither. An index that begins with
-- the organization is the only way to look for them, whatever the statistics say: see work/jobs.sql.
create or replace function delivery.jobs_without_bundles()
returns setof uuid
language plpgsql stable
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select j.id from work.jobs j
        cross join lateral (
            select count(*) as bundles from delivery.document_bundle b
            where b.batch_job_id = j.id and b.organization_id = organization) b
        where j.organization_id = organization and j.kind = 'invoice_documents'
          and j.status in ('completed', 'completed_with_errors') and j.successful_items + j.skipped_items > 0
          and (j.parameters @> '{"combined": true}' or j.parameters @> '{"zip": true}')
          and b.bundles = 0
        order by j.id limit 100;
end
$$;
