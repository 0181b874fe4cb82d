-- What operators do by hand, in psql, with no Dagster running: the same functions that Dagster's runs call.
--
-- They work in the organization in scope (set app.organization_id = '...'); trigger_batch_invoice_processing also
-- without one, then for all organizations in turn. A function is one transaction: what it did counts once it returns.

-- Asks for the invoices of orders; ids may be of any organization, each gets its outcome.
drop function if exists public.create_bulk_invoice_job_sql(text[], date, integer, text);  -- without delivery
create or replace function public.create_bulk_invoice_job_sql(
    order_ids text[], invoice_date date default null, due_days integer default 0, language text default null,
    generate_pdf boolean default false, send_immediately boolean default false, communication_method text default null,
    out job_id uuid, out total_items integer, out estimated_seconds numeric
)
language plpgsql
as $$
begin
    select j.* into job_id, total_items, estimated_seconds
    from billing.batch_invoice_orders(order_ids, invoice_date, due_days, language, null, generate_pdf,
                                      send_immediately, communication_method) j;
end
$$;

-- Works through one job; returns what became of its items.
create or replace function public.process_bulk_invoice_job_sql(
    job_id uuid, chunk_size integer default 1000,
    out status text, out successful bigint, out failed bigint, out skipped bigint,
    out first_number text, out last_number text, out seconds numeric
)
language plpgsql
as $$
declare
    started constant timestamptz := clock_timestamp();
    step record;
begin
    perform billing.organization_in_scope();
    perform billing.enter_invoicing(alone => true);
    successful := 0; failed := 0; skipped := 0;
    loop
        select * into step from billing.issue_next(chunk_size, process_bulk_invoice_job_sql.job_id);
        exit when step.job_id is null;
        successful := successful + step.succeeded;
        failed := failed + step.failed;
        skipped := skipped + step.skipped;
        first_number := coalesce(first_number, step.first_number);
        last_number := coalesce(step.last_number, last_number);
        exit when step.taken = 0;
    end loop;
    select j.status into status from work.batch_job j
    where j.organization_id = current_setting('app.organization_id')::uuid
      and j.id = process_bulk_invoice_job_sql.job_id;
    if status is null then
        raise exception 'This organization has no batch job %.', process_bulk_invoice_job_sql.job_id
            using errcode = 'IP002';
    end if;
    seconds := round(extract(epoch from clock_timestamp() - started), 3);
end
$$;

-- Works through up to ten open jobs: of the organization in scope, or of all organizations.
create or replace function public.trigger_batch_invoice_processing(max_jobs integer default 10)
returns table (job_id uuid, organization_id uuid, status text, successful bigint, failed bigint, skipped bigint,
               first_number text, last_number text, seconds numeric)
language plpgsql
as $$
#variable_conflict use_column
declare
    scope constant text := nullif(current_setting('app.organization_id', true), '');
    tenant uuid;
    job uuid;
    left_over integer := max_jobs;
begin
    for tenant in
        select distinct on (w.organization_id) w.organization_id
        from work.organizations_with_work('{invoice_orders,invoice_customers}') w
        where scope is null or w.organization_id = scope::uuid
    loop
        perform set_config('app.organization_id', tenant::text, true);
        perform billing.enter_invoicing(alone => true);
        while left_over > 0 loop
            job := work.take_job('{invoice_orders,invoice_customers}');
            exit when job is null;
            left_over := left_over - 1;
            begin
                return query select job, tenant, p.* from public.process_bulk_invoice_job_sql(job) p;
            exception when others then  -- nothing of this job is done; it must not stop other organizations
                raise warning 'Batch job % of organization % was not worked through: %', job, tenant, sqlerrm;
                exit;
            end;
        end loop;
    end loop;
    perform set_config('app.organization_id', coalesce(scope, ''), true);
end
$$;

-- Invoices one order now; says what became of it. Documents are made and messages sent by Dagster, or `batch run`.
drop function if exists public.create_invoice_from_sales_order_sql(uuid, date, integer, text);  -- without delivery
create or replace function public.create_invoice_from_sales_order_sql(
    order_id uuid, invoice_date date default null, due_days integer default 0, language text default null,
    generate_pdf boolean default false, send_immediately boolean default false, communication_method text default null,
    out invoice_id uuid, out invoice_number text, out status text, out code text, out message text
)
language plpgsql
as $$
declare
    organization constant uuid := billing.organization_in_scope();
    job constant uuid := (billing.batch_invoice_orders(
        array[order_id::text], invoice_date, due_days, language, null, generate_pdf, send_immediately,
        communication_method)).job_id;
begin
    perform public.process_bulk_invoice_job_sql(job);
    select i.status, i.error_code, i.error_message, (i.result ->> 'invoice_id')::uuid
    into strict status, code, message, invoice_id
    from work.batch_item i where i.organization_id = organization and i.job_id = job;
    select n.invoice_number into invoice_number from billing.invoice_number n
    where n.organization_id = organization and n.invoice_id = create_invoice_from_sales_order_sql.invoice_id;
end
$$;

do $$
declare
    signature text;
begin
    foreach signature in array array[
        'create_bulk_invoice_job_sql(text[], date, integer, text, boolean, boolean, text)',
        'process_bulk_invoice_job_sql(uuid, integer)',
        'trigger_batch_invoice_processing(integer)',
        'create_invoice_from_sales_order_sql(uuid, date, integer, text, boolean, boolean, text)'] loop
        execute format('revoke all on function public.%s from public', signature);
        execute format('grant execute on function public.%s to invoice_pipelines_app', signature);
    end loop;
end
$$;
