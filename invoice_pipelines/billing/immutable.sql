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

do $$
declare
    name text;
begin
    foreach name in array array['invoice', 'invoice_number', 'issued_invoice_line', 'issued_invoice_tax',
                                'invoice_event', 'sales_order_event', 'payment_event'] loop
        execute format('create or replace trigger refuse_delete before delete or truncate on billing.%I '
                       'for each statement execute function billing.refuse_change()', name);
        if name <> 'invoice' then
            execute format('create or replace trigger refuse_update before update on billing.%I '
                           'for each statement execute function billing.refuse_change()', name);
        end if;
    end loop;
end
$$;

-- Lines name items, and no foreign key says so: see complete.sql.
create or replace function billing.refuse_item_change() returns trigger language plpgsql
as $$
begin
    raise exception 'items are neither deleted nor given another id, as issued invoices name them; set is_active to false'
        using errcode = 'restrict_violation';
end
$$;
create or replace trigger refuse_delete before delete or truncate on billing.item
    for each statement execute function billing.refuse_item_change();
create or replace trigger refuse_new_id before update of organization_id, id on billing.item
    for each statement execute function billing.refuse_item_change();

-- The status of an order says that it has an invoice, and each change of it is noted: see billing.set_order_status.
create or replace function billing.refuse_order_status() returns trigger language plpgsql
as $$
begin
    if pg_has_role(current_user, 'invoice_pipelines_books', 'usage') then  -- such as a superuser
        return null;
    elsif new.status = 'invoiced' then
        raise exception 'sales order %: it is invoiced by issuing its invoice', new.order_number
            using errcode = 'restrict_violation';
    end if;
    raise exception 'sales order %: its status is changed by billing.set_order_status()', new.order_number
        using errcode = 'restrict_violation';
end
$$;
create or replace trigger refuse_invoiced after insert on billing.sales_order
    for each row when (new.status = 'invoiced') execute function billing.refuse_order_status();
create or replace trigger refuse_status after update of status on billing.sales_order
    for each row when (old.status is distinct from new.status and current_user <> 'invoice_pipelines_books')
    execute function billing.refuse_order_status();
