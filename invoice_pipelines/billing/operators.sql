-- What operators do by hand, in psql, with no Dagster running: the same functions that Dagster's runs call.
--
-- They work in the organization in scope (set app.organization_id = '...'); trigger_batch_invoice_processing also
-- without one, then for all organizations in turn. A function is one transaction: what it did counts once it returns.
-- What works through whole jobs is a procedure (`call`) that commits each chunk: others see its progress, wait for a
-- chunk at most, and what was done stays if it is interrupted.

-- Asks for the invoices of orders; ids may be of any organization, each gets its outcome.
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

-- Fails with words where its caller cannot commit: in a transaction block.
create or replace procedure billing.refuse_transaction_block()
language plpgsql
as $$
declare
    reason text;
begin
    commit;  -- never done in a block with an exception clause; why not is another reason inside of a transaction block
exception when invalid_transaction_termination then
    get stacked diagnostics reason = message_text;
    if reason = 'invalid transaction termination' then
        raise exception 'Each chunk is committed, which is not possible inside of a transaction.'
            using errcode = 'IP002',
                  hint = 'Call it outside of BEGIN ... COMMIT, as the only statement; from a program, with autocommit.';
    end if;
end
$$;

-- Works through a job of the organization in scope, chunk by chunk, each in a transaction of its own. What stops it
-- before its end is told by `problem`; what was done until then stays.
create or replace procedure billing.work_through(
    job uuid, chunk_size integer, inout status text, inout successful bigint, inout failed bigint, inout skipped bigint,
    inout first_number text, inout last_number text, inout seconds numeric, inout problem text
)
language plpgsql
as $$
declare
    organization constant text := billing.organization_in_scope();
    started constant timestamptz := clock_timestamp();
    may_pass constant text[] := '{40001,40P01,55P03}';  -- serialization failure, deadlock, lock not available
    attempts_left integer := 5;
    size integer := chunk_size;
    state text;
    step record;
begin
    successful := 0; failed := 0; skipped := 0; first_number := null; last_number := null;
    begin
        perform work.take_job('{invoice_orders,invoice_customers}', job);
    exception when lock_not_available then
        null;  -- the first chunk says so
    end;
    commit;  -- that it is in work: see cleanup_stuck_batch_jobs
    loop
        perform set_config('app.organization_id', organization, true);  -- which is local to a transaction
        problem := null;
        begin
            select * into step from billing.issue_next(chunk_size, job, size);
        exception when others then
            get stacked diagnostics problem = message_text, state = returned_sqlstate;
        end;
        commit;
        if problem is null then
            exit when step.job_id is null;
            attempts_left := 5;
            size := step.next_size;
            successful := successful + step.succeeded;
            failed := failed + step.failed;
            skipped := skipped + step.skipped;
            first_number := coalesce(first_number, step.first_number);
            last_number := coalesce(step.last_number, last_number);
        else
            attempts_left := attempts_left - 1;
            exit when state <> all (may_pass) or attempts_left = 0;
        end if;
    end loop;
    perform set_config('app.organization_id', organization, true);
    status := (select j.status from work.jobs j where j.organization_id = organization::uuid and j.id = job);
    seconds := round(extract(epoch from clock_timestamp() - started), 3);
end
$$;

-- Works through one job; shows what became of its items by this call.
create or replace procedure public.process_bulk_invoice_job_sql(
    job_id uuid, chunk_size integer default 1000,
    inout status text default null, inout successful bigint default null, inout failed bigint default null,
    inout skipped bigint default null, inout first_number text default null, inout last_number text default null,
    inout seconds numeric default null
)
language plpgsql
as $$
declare
    problem text;
begin
    perform billing.organization_in_scope();
    call billing.refuse_transaction_block();
    call billing.work_through(job_id, chunk_size, status, successful, failed, skipped, first_number, last_number,
                              seconds, problem);
    if problem is not null then
        raise exception 'Batch job % was stopped: %', job_id, problem
            using errcode = 'IP002', hint = 'What was done until then stays; call it again to go on.';
    elsif status is null then
        raise exception 'This organization has no batch job %.', job_id using errcode = 'IP002';
    end if;
end
$$;

-- Works through up to ten open jobs: of the organization in scope, or of all organizations. Each job is told by a notice
-- when it is done, and the sums at the end.
create or replace procedure public.trigger_batch_invoice_processing(
    max_jobs integer default 10, inout jobs integer default null, inout successful bigint default null,
    inout failed bigint default null, inout skipped bigint default null
)
language plpgsql
as $$
declare
    kinds constant text[] := '{invoice_orders,invoice_customers}';
    scope constant text := nullif(current_setting('app.organization_id', true), '');
    tenants constant uuid[] := array(
        select w.organization_id from work.organizations_with_work(kinds) w
        where scope is null or w.organization_id = scope::uuid
        group by w.organization_id order by min(w.oldest_due_at), w.organization_id);
    tenant uuid;
    job uuid;
    job_status text;
    done bigint;
    broken bigint;
    left_out bigint;
    first_number text;
    last_number text;
    seconds numeric;
    problem text;
begin
    call billing.refuse_transaction_block();
    jobs := 0; successful := 0; failed := 0; skipped := 0;
    foreach tenant in array tenants loop
        while jobs < max_jobs loop
            perform set_config('app.organization_id', tenant::text, true);
            job := work.take_job(kinds);
            commit;  -- as a job is locked after its queue: see work.queue_for_job
            exit when job is null;
            jobs := jobs + 1;
            perform set_config('app.organization_id', tenant::text, true);
            call billing.work_through(job, 1000, job_status, done, broken, left_out, first_number, last_number, seconds,
                                      problem);
            successful := successful + done;
            failed := failed + broken;
            skipped := skipped + left_out;
            if problem is not null then  -- it must not stop other organizations
                raise warning 'Batch job % of organization % was stopped: %', job, tenant, problem;
                exit;
            end if;
            raise notice 'Batch job % of organization %: %, % invoiced, % failed, % skipped, in % s.',
                job, tenant, job_status, done, broken, left_out, seconds;
        end loop;
    end loop;
end
$$;

-- Invoices one order now; says what became of it. Documents are made and messages sent by Dagster, or `batch run`.
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
    perform billing.enter_invoicing(alone => true);
    perform billing.issue_next(1, job);
    select i.status, i.error_code, i.error_message, (i.result ->> 'invoice_id')::uuid
    into strict status, code, message, invoice_id
    from work.items i where i.organization_id = organization and i.job_id = job;
    select n.invoice_number into invoice_number from billing.invoice_number n
    where n.organization_id = organization and n.invoice_id = create_invoice_from_sales_order_sql.invoice_id;
end
$$;

do $$
declare
    signature text;
begin
    foreach signature in array array[
        'function public.create_bulk_invoice_job_sql',
        'procedure public.process_bulk_invoice_job_sql',
        'procedure public.trigger_batch_invoice_processing',
        'procedure billing.work_through',
        'function public.create_invoice_from_sales_order_sql'] loop
        execute format('revoke all on %s from public', signature);
        execute format('grant execute on %s to invoice_pipelines_app', signature);
    end loop;
end
$$;
