-- What was issued stays as it was issued, whoever tries: rows are never deleted, and of an invoice only what happens to
-- it afterwards (paid, credited, void) may change.

create or replace function billing.refuse_change() returns trigger language plpgsql
as $$
begin
    raise exception '% on %.% refused: issued invoices never change; void the invoice or issue a credit note',
        lower(tg_op), tg_table_schema, tg_table_name using errcode = 'restrict_violation';
end
$$;

create or replace function billing.guard_invoice() returns trigger language plpgsql
as $$
declare
    may_change constant text[] := '{status,amount_paid,amount_credited,amount_due,void_reason,voided_at,voided_by}';
begin
    if to_jsonb(new) - may_change is distinct from to_jsonb(old) - may_change then
        raise exception 'an issued invoice never changes; void it or issue a credit note'
            using errcode = 'restrict_violation';
    end if;
    if old.status = 'void' then
        raise exception 'a void invoice stays void' using errcode = 'restrict_violation';
    end if;
    if new.status = 'void' and old.amount_paid + old.amount_credited > 0 then
        raise exception 'an invoice on which something was paid or credited cannot be voided'
            using errcode = 'restrict_violation';
    end if;
    if new.amount_credited < old.amount_credited then
        raise exception 'what was credited stays credited' using errcode = 'restrict_violation';
    end if;
    return new;
end
$$;
create or replace trigger guard_invoice before update on billing.invoice
    for each row execute function billing.guard_invoice();

-- Lines and taxes are written before the number. What has one is issued, and nothing is added to it.
create or replace function billing.refuse_addition() returns trigger language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_sort = off
as $$
begin
    if exists (
        select from (select distinct a.organization_id, a.invoice_id from added a) a
        cross join lateral (select from billing.invoice_number n
                            where n.organization_id = a.organization_id
                              and n.invoice_id between a.invoice_id and a.invoice_id
                            order by n.invoice_id offset 0) n  -- by the index that begins with the invoice
    ) then
        raise exception 'insert on %.% refused: an issued invoice never changes; void it or issue a credit note',
            tg_table_schema, tg_table_name using errcode = 'restrict_violation';
    end if;
    return null;
end
$$;
create or replace trigger refuse_addition after insert on billing.issued_invoice_line
    referencing new table as added for each statement execute function billing.refuse_addition();
create or replace trigger refuse_addition after insert on billing.issued_invoice_tax
    referencing new table as added for each statement execute function billing.refuse_addition();

do $$
declare
    name text;
begin
    foreach name in array array['invoice', 'invoice_number', 'issued_invoice_line', 'issued_invoice_tax',
                                'invoice_event', 'sales_order_event'] loop
        execute format('create or replace trigger refuse_delete before delete or truncate on billing.%I '
                       'for each statement execute function billing.refuse_change()', name);
        if name <> 'invoice' then
            execute format('create or replace trigger refuse_update before update on billing.%I '
                           'for each statement execute function billing.refuse_change()', name);
        end if;
    end loop;
end
$$;
