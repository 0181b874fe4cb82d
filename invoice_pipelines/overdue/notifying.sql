-- Notifications are made where an invoice is overdue and has none, and closed where it is not open any more.
--
-- Which invoices these are is found anew by each run, by reading two indexes of the same order side by side: that of
-- open invoices and that of notifications that are not closed. No run depends on what an earlier one saw. So an invoice
-- that is issued late with an early due date, and one whose payment is taken back, are found as well, and what is paid
-- and closed costs nothing, however much it is.
--
-- An open invoice has an amount due: billing's constraint status_follows_amounts says so. What is due is looked at again
-- when the notification is written.

-- Overdue invoices without a notification of a level, the longest due first: due on or before last_due, and after the
-- key (after_due, after_id).
create or replace function overdue.to_notify(
    wanted_level integer, last_due date, after_due date, after_id uuid, batch_size integer
) returns table (due_date date, invoice_id uuid)
language plpgsql stable set enable_nestloop = off set enable_sort = off
-- demanded by test_a_batch_of_notifications_reads_its_own_invoices_only, bench overdue
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select i.due_date, i.id
        from billing.invoices i
        left join (select n.due_date, n.invoice_id from overdue.notification n
                   where n.organization_id = organization and n.level = wanted_level and n.status <> 'closed'
                     and n.due_date <= last_due and (n.due_date, n.invoice_id) > (after_due, after_id)) n
            on n.due_date = i.due_date and n.invoice_id = i.id
        where i.organization_id = organization and i.status in ('issued', 'partially_paid')
          and i.document_kind = 'invoice' and i.due_date <= last_due and (i.due_date, i.id) > (after_due, after_id)
          and n.invoice_id is null
        order by i.due_date, i.id
        limit batch_size;
end
$$;

-- Invoices that are not open any more and have a notification of a level that is, in the same order.
create or replace function overdue.to_close(
    wanted_level integer, after_due date, after_id uuid, batch_size integer
) returns table (due_date date, invoice_id uuid)
language plpgsql stable set enable_nestloop = off set enable_sort = off
-- demanded by test_a_batch_of_notifications_reads_its_own_invoices_only, bench overdue
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select n.due_date, n.invoice_id
        from overdue.notification n
        left join (select i.due_date, i.id from billing.invoices i
                   where i.organization_id = organization and i.status in ('issued', 'partially_paid')
                     and i.document_kind = 'invoice' and (i.due_date, i.id) > (after_due, after_id)) i
            on i.due_date = n.due_date and i.id = n.invoice_id
        where n.organization_id = organization and n.level = wanted_level and n.status <> 'closed'
          and (n.due_date, n.invoice_id) > (after_due, after_id) and i.id is null
        order by n.due_date, n.invoice_id
        limit batch_size;
end
$$;

-- Writes the notifications of a level for some invoices, and asks for what is to be sent. A closed one is opened again;
-- one that was sent before is not sent again. Only the highest level that an invoice has reached is sent.
--
-- If one of the invoices has something wrong, all are done again in halves, down to the one, which is returned as an
-- error. The others get theirs in the same transaction.
create or replace function overdue.notify(
    execution uuid, as_of_day date, this_level integer, next_level integer, channels text[], invoice_ids uuid[],
    out created bigint, out reopened bigint, out failures jsonb
)
language plpgsql
-- demanded by test_a_batch_of_notifications_reads_its_own_invoices_only, bench overdue
as $$
declare
    organization constant uuid := organizations.current();
    invoices constant integer := cardinality(invoice_ids);
    to_send uuid[];
    state text;
    reason text;
    half record;
begin
    begin
        with written as (
            insert into overdue.notification as n (
                organization_id, invoice_id, level, as_of, days_overdue, invoice_number, customer_id, customer_name,
                amount_due, currency, due_date, execution_id)
            select organization, i.id, this_level, as_of_day, as_of_day - i.due_date, u.invoice_number, i.customer_id,
                   i.customer_name, i.amount_due, i.currency, i.due_date, execution
            from work.few(invoice_ids) k
            cross join lateral (
                select i.id, i.due_date, i.customer_id, i.buyer ->> 'name' as customer_name, i.amount_due, i.currency
                from billing.invoices i
                where i.organization_id = organization and i.id = k.element
                  and i.status in ('issued', 'partially_paid') and i.amount_due > 0 offset 0) i
            left join lateral (
                select u.invoice_number from billing.invoice_numbers u
                where u.organization_id = organization and u.invoice_id = i.id offset 0) u on true
            on conflict (invoice_id, notification_type, level, organization_id) do update
            set status = case when n.sent_at is null then 'open' else 'sent' end, closed_at = null,
                closed_reason = null, as_of = excluded.as_of, days_overdue = excluded.days_overdue,
                amount_due = excluded.amount_due, execution_id = excluded.execution_id
            where n.status = 'closed'
            returning n.id, old.id is null as is_new, n.sent_at is null
                      and (next_level is null or n.days_overdue < next_level) as is_to_be_sent
        )
        select count(*) filter (where w.is_new), count(*) filter (where not w.is_new),
               array_agg(w.id) filter (where w.is_to_be_sent)
        into created, reopened, to_send
        from written w;
        if cardinality(channels) > 0 and to_send is not null then
            perform work.enqueue('send_overdue_notification', (
                select array_agg(s || '/' || c) from unnest(to_send) s, unnest(channels) c));
        end if;
        failures := '[]';
        return;
    exception when data_exception or integrity_constraint_violation or raise_exception then
        get stacked diagnostics state = returned_sqlstate, reason = message_text;
    end;
    if invoices = 1 then
        created := 0;
        reopened := 0;
        failures := jsonb_build_array(jsonb_build_object(
            'invoice_id', invoice_ids[1],
            'invoice_number', (select u.invoice_number from billing.invoice_numbers u
                               where u.organization_id = organization and u.invoice_id = invoice_ids[1]),
            'level', this_level, 'reason', format('%s (%s)', left(reason, 400), state)));
        return;
    end if;
    half := overdue.notify(execution, as_of_day, this_level, next_level, channels, invoice_ids[:invoices / 2]);
    created := half.created; reopened := half.reopened; failures := half.failures;
    half := overdue.notify(execution, as_of_day, this_level, next_level, channels, invoice_ids[invoices / 2 + 1:]);
    created := created + half.created; reopened := reopened + half.reopened; failures := failures || half.failures;
end
$$;

-- The next batch of an execution: at most batch_size notifications, beginning with the first level and the longest due,
-- after the key that the batch before returned; all or none of it is committed, with its counts in the log. With fewer
-- taken than batch_size it was the last.
create or replace function overdue.notify_batch(
    organization uuid, execution uuid, as_of_day date, levels integer[], channels text[], batch_size integer,
    after_level integer, after_due date, after_id uuid,
    out taken integer, out created bigint, out reopened bigint, out failures jsonb,
    out last_level integer, out last_due date, out last_id uuid
)
language plpgsql
as $$
declare
    this_level integer;
    invoice_ids uuid[];
    due_of_last date;
    last_invoice uuid;
    written record;
begin
    perform set_config('app.organization_id', organization::text, true);
    taken := 0; created := 0; reopened := 0; failures := '[]';
    last_level := after_level; last_due := after_due; last_id := after_id;
    for place in 1 .. cardinality(levels) loop
        this_level := levels[place];
        continue when this_level < last_level;
        if this_level > last_level then
            last_level := this_level; last_due := '0001-01-01'; last_id := '00000000-0000-0000-0000-000000000000';
        end if;
        -- Written in the order of their ids, in which the rows and indexes of invoices lie.
        select array_agg(c.invoice_id order by c.invoice_id), max(c.due_date),
               (array_agg(c.invoice_id order by c.due_date desc, c.invoice_id desc))[1]
        into invoice_ids, due_of_last, last_invoice
        from overdue.to_notify(this_level, as_of_day - this_level, last_due, last_id, batch_size - taken) c;
        continue when invoice_ids is null;
        written := overdue.notify(execution, as_of_day, this_level, levels[place + 1], channels, invoice_ids);
        taken := taken + cardinality(invoice_ids);
        created := created + written.created;
        reopened := reopened + written.reopened;
        failures := failures || written.failures;
        last_due := due_of_last; last_id := last_invoice;
        exit when taken = batch_size;
    end loop;
    if taken > 0 then
        perform overdue.log_progress(execution, taken, created, reopened, 0, failures);
    end if;
end
$$;

-- Batches of an execution, each a transaction of its own, until none is left or the time is over; call it where no
-- transaction is open. Adds to the counts, and moves the key on, with which it is called again for the rest.
--
-- The loop is here because a client that asks for each batch has to be woken up for it, and wakes the server: half a
-- millisecond per batch on a quiet machine, three on a busy one, where a batch of a hundred takes two.
create or replace procedure overdue.notify_batches(
    organization uuid, execution uuid, as_of_day date, levels integer[], channels text[], batch_size integer,
    seconds double precision, inout is_done boolean, inout batches integer, inout created bigint,
    inout reopened bigint, inout failures jsonb, inout last_level integer, inout last_due date, inout last_id uuid
)
language plpgsql
as $$
declare
    deadline constant timestamptz := clock_timestamp() + make_interval(secs => seconds);
    is_first boolean := true;
    batch record;
begin
    loop
        begin
            batch := overdue.notify_batch(
                organization, execution, as_of_day, levels, channels, batch_size, last_level, last_due, last_id);
        exception when serialization_failure or deadlock_detected or lock_not_available then
            -- It may work the next time. Without what was done before it, errors of those batches would be logged twice.
            if is_first then
                raise;
            end if;
            return;
        end;
        commit;
        is_first := false;
        batches := batches + (batch.taken > 0)::integer;
        created := created + batch.created;
        reopened := reopened + batch.reopened;
        failures := failures || batch.failures;
        last_level := batch.last_level; last_due := batch.last_due; last_id := batch.last_id;
        is_done := batch.taken < batch_size;
        exit when is_done or clock_timestamp() >= deadline;
    end loop;
end
$$;

-- Closes the notifications of a level for some invoices that are not open any more; returns how many.
create or replace function overdue.close(this_level integer, invoice_ids uuid[])
returns bigint
language plpgsql
-- demanded by test_a_batch_of_notifications_reads_its_own_invoices_only, bench overdue
as $$
declare
    organization constant uuid := organizations.current();
    closed bigint;
begin
    with ended as materialized (
        select v.version, case when i.status is null then 'missing' when i.status = 'void' then 'void'
                               when i.amount_paid = 0 then 'credited' else 'paid' end as reason
        from work.few(invoice_ids) k
        cross join lateral (
            select n.ctid as version from overdue.notification n
            where n.organization_id = organization and n.invoice_id = k.element and n.level = this_level
              and n.notification_type = 'payment_overdue' offset 0) v
        left join lateral (
            select i.status, i.amount_paid from billing.invoices i
            where i.organization_id = organization and i.id = k.element offset 0) i on true
        where i.status is null or i.status not in ('issued', 'partially_paid')
    )
    update overdue.notification n
    set status = 'closed', closed_at = clock_timestamp(), closed_reason = e.reason
    from ended e
    where n.ctid = e.version and n.organization_id = organization and n.status <> 'closed';
    get diagnostics closed = row_count;
    return closed;
end
$$;

-- The next batch of notifications to be closed, like notify_batch, over all levels that there are.
create or replace function overdue.close_batch(
    organization uuid, execution uuid, batch_size integer, after_level integer, after_due date, after_id uuid,
    out taken integer, out closed bigint, out last_level integer, out last_due date, out last_id uuid
)
language plpgsql set enable_sort = off
-- demanded by test_a_batch_of_notifications_reads_its_own_invoices_only, bench overdue
as $$
declare
    this_level integer;
    invoice_ids uuid[];
    due_of_last date;
    last_invoice uuid;
begin
    perform set_config('app.organization_id', organization::text, true);
    taken := 0; closed := 0;
    last_level := after_level; last_due := after_due; last_id := after_id;
    loop
        select n.level into this_level from overdue.notification n
        where n.organization_id = organization and n.status <> 'closed' and n.level >= last_level
        order by n.level limit 1;
        exit when this_level is null;
        if this_level > last_level then
            last_due := '0001-01-01'; last_id := '00000000-0000-0000-0000-000000000000';
        end if;
        select array_agg(c.invoice_id order by c.invoice_id), max(c.due_date),
               (array_agg(c.invoice_id order by c.due_date desc, c.invoice_id desc))[1]
        into invoice_ids, due_of_last, last_invoice
        from overdue.to_close(this_level, last_due, last_id, batch_size - taken) c;
        last_level := this_level;
        if invoice_ids is not null then
            closed := closed + overdue.close(this_level, invoice_ids);
            taken := taken + cardinality(invoice_ids);
            last_due := due_of_last; last_id := last_invoice;
            exit when taken = batch_size;
        end if;
        last_level := this_level + 1; last_due := '0001-01-01'; last_id := '00000000-0000-0000-0000-000000000000';
    end loop;
    if taken > 0 then
        perform overdue.log_progress(execution, taken, 0, 0, closed, '[]');
    end if;
end
$$;

-- The same for what is to be closed.
create or replace procedure overdue.close_batches(
    organization uuid, execution uuid, batch_size integer, seconds double precision, inout is_done boolean,
    inout batches integer, inout closed bigint, inout last_level integer, inout last_due date, inout last_id uuid
)
language plpgsql
as $$
declare
    deadline constant timestamptz := clock_timestamp() + make_interval(secs => seconds);
    batch record;
begin
    loop
        batch := overdue.close_batch(organization, execution, batch_size, last_level, last_due, last_id);
        commit;
        batches := batches + (batch.taken > 0)::integer;
        closed := closed + batch.closed;
        last_level := batch.last_level; last_due := batch.last_due; last_id := batch.last_id;
        is_done := batch.taken < batch_size;
        exit when is_done or clock_timestamp() >= deadline;
    end loop;
end
$$;
