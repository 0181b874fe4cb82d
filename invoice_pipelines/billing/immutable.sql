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
