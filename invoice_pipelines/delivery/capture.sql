-- Notices that invoices were issued by a batch job that asked for more: PDFs (generate_pdf), and that they are sent at
-- once (send_immediately, by communication_method). Both are put into their queues in the transaction that issues them,
-- so that neither is forgotten nor done for an invoice that was not issued.
--
-- A job that asks for nothing of this pays for two look-ups by key per chunk.

create or replace function delivery.capture_issued() returns trigger
language plpgsql
as $$
declare
    organization constant uuid := organizations.current_or_none();
    job record;
    invoices uuid[];
    messages text[];
begin
    -- All that one statement numbers was issued by one job, or by none.
    select j.id, j.parameters, j.created_by into job
    from work.jobs j
    where j.organization_id = organization
      and j.id = (select i.batch_job_id from billing.invoices i
                  where i.organization_id = organization and i.id = (select a.invoice_id from added a limit 1));
    if not found
       or not (coalesce((job.parameters ->> 'generate_pdf')::boolean, false)
               or coalesce((job.parameters ->> 'send_immediately')::boolean, false)) then
        return null;
    end if;
    select array_agg(a.invoice_id order by a.number) into invoices from added a where a.organization_id = organization;

    if (job.parameters ->> 'generate_pdf')::boolean then
        perform work.enqueue('invoice_documents', invoices::text[]);
    end if;
    if (job.parameters ->> 'send_immediately')::boolean then
        with message as (
            insert into delivery.message (organization_id, invoice_id, invoice_number, customer_id, purpose, channel,
                                          recipient, wishes, batch_job_id, created_by)
            select organization, a.invoice_id, a.invoice_number,
                   (select i.customer_id from billing.invoices i
                    where i.organization_id = organization and i.id = a.invoice_id),
                   'invoice', coalesce(job.parameters ->> 'communication_method', 'email'), '', '{"include_pdf": true}',
                   job.id, job.created_by
            from added a where a.organization_id = organization order by a.number
            on conflict (invoice_id, purpose, level, channel, recipient, organization_id) do nothing
            returning id
        )
        select array_agg(m.id::text) into messages from message m;
        if messages is not null then
            perform work.enqueue('send_message', messages);
        end if;
    end if;
    return null;
end
$$;
