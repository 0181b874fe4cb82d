-- What people do to orders and issued invoices: they change the status of an order, void an invoice, or credit it. The
-- number and the text of an invoice stay.

-- Locks an invoice of the organization in scope and its order; fails for an unknown id. The order comes before items,
-- as everywhere (see issuing.sql).
create or replace function billing.lock_invoice(invoice uuid)
returns billing.invoice
language plpgsql
as $$
declare
    found_invoice billing.invoice;
begin
    perform billing.enter_invoicing();
    select i.* into found_invoice from billing.invoice i
    where i.organization_id = organizations.current() and i.id = invoice for no key update;
    if found_invoice.id is null then
        raise exception 'This organization has no issued invoice %.', invoice
            using errcode = 'IP002', detail = 'INVOICE_NOT_FOUND';
    end if;
    perform from billing.sales_order o
    where o.organization_id = found_invoice.organization_id and o.id = found_invoice.sales_order_id for no key update;
    return found_invoice;
end
$$;

-- The credit notes of an invoice. They are few; the order makes their index the one that is used.
create or replace function billing.credit_notes_of(invoice uuid)
returns setof uuid
language plpgsql stable rows 3
as $$
begin
    return query
        select c.id from billing.invoice c
        where c.organization_id = organizations.current()
          and c.corrected_invoice_id between invoice and invoice
        order by c.corrected_invoice_id;
end
$$;

-- Voids an invoice on which nothing was paid or credited: it keeps its number, its stock goes back, and its order is
-- open again if asked. An invoice that was sent is better credited.
set local role invoice_pipelines_books;
create or replace function billing.void_invoice(
    invoice uuid, reason text, canceller text default null, reopen_order boolean default false
) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    organization constant uuid := organizations.current();
    old_invoice constant billing.invoice := billing.lock_invoice(invoice);
    who constant text := organizations.actor(canceller);
    moment timestamptz;  -- the same for the invoice and its event
begin
    if coalesce(btrim(reason), '') = '' then
        raise exception 'reason: an invoice is voided for a reason; give one.' using errcode = 'IP002';
    elsif old_invoice.status = 'void' then
        raise exception 'The invoice is void already.' using errcode = 'IP002', detail = 'INVOICE_IS_VOID';
    elsif old_invoice.document_kind <> 'invoice' then
        raise exception 'A credit note cannot be voided; issue a new invoice.'
            using errcode = 'IP002', detail = 'NOT_AN_INVOICE';
    elsif old_invoice.amount_paid + old_invoice.amount_credited > 0 then
        raise exception 'The invoice is paid or credited in part (%); issue a credit note for the rest.',
            old_invoice.amount_paid + old_invoice.amount_credited
            using errcode = 'IP002', detail = 'INVOICE_IS_SETTLED';
    elsif exists (select from billing.credit_notes_of(invoice)) then  -- of nothing, but it may have put stock back
        raise exception 'The invoice was credited; issue a credit note for the rest.'
            using errcode = 'IP002', detail = 'INVOICE_IS_SETTLED';
    end if;
    perform billing.return_stock(invoice, null);
    moment := clock_timestamp();
    update billing.invoice i
    set status = 'void', void_reason = reason, voided_at = moment, voided_by = who
    where i.organization_id = organization and i.id = invoice;
    if reopen_order and old_invoice.sales_order_id is not null then
        update billing.sales_order o set status = 'reviewed', updated_at = now()
        where o.organization_id = organization and o.id = old_invoice.sales_order_id and o.status = 'invoiced';
        insert into billing.sales_order_event (organization_id, sales_order_id, from_status, to_status, reason, created_by)
        values (organization, old_invoice.sales_order_id, 'invoiced', 'reviewed', 'invoice voided: ' || reason, who);
    end if;
    insert into billing.invoice_event (organization_id, invoice_id, action, reason, detail, created_at, created_by)
    values (organization, invoice, 'voided', reason, jsonb_build_object('order_reopened', reopen_order), moment, who);
end
$$;
revoke all on function billing.void_invoice(uuid, text, text, boolean) from public;
grant execute on function billing.void_invoice(uuid, text, text, boolean) to invoice_pipelines_app;
set local role invoice_pipelines_owner;

-- Puts back what the lines of an invoice took; all of it, or {line number: quantity}.
create or replace function billing.return_stock(invoice uuid, quantities jsonb)
returns void
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    item_ids uuid[];
    returned numeric[];
begin
    select array_agg(s.item_id), array_agg(s.quantity) into item_ids, returned
    from (select l.item_id, -sum(coalesce((quantities ->> l.line_number::text)::numeric, l.quantity)) as quantity
          from billing.issued_invoice_line l
          where l.organization_id = organization and l.invoice_id = invoice and l.takes_stock
            and (quantities is null or quantities ? l.line_number::text)
          group by l.item_id) s;
    if item_ids is not null then
        perform billing.change_stock(item_ids, returned);
    end if;
end
$$;

-- Issues a credit note for an invoice, in its own series: for all that is left of it, or for {line number: quantity}.
-- It reduces what is due. Together the credit notes of an invoice never exceed it, by line, by group of VAT and in
-- total; those that leave nothing come to its amounts to the cent: the last one takes up what rounding left. Returns
-- the id. The reason is for the books alone: what the customer is to read is `note`, which the credit note says (BT-22).
set local role invoice_pipelines_books;
create or replace function billing.credit_invoice(
    invoice uuid, reason text, creator text default null, issue_date date default null,
    quantities jsonb default null, with_stock boolean default false, note text default null
) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
-- demanded by test_corrections_read_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    original constant billing.invoice := billing.lock_invoice(invoice);
    credit_date constant date := coalesce(issue_date, billing.today());
    digits constant integer := billing.currency_digits(original.currency);
    who constant text := organizations.actor(creator);
    credit_note constant uuid := uuidv7();
    wrong text;
    gross numeric;
begin
    if coalesce(btrim(reason), '') = '' then
        raise exception 'reason: a credit note is issued for a reason; give one.' using errcode = 'IP002';
    elsif original.status = 'void' or original.document_kind <> 'invoice' then
        raise exception 'Only an invoice that is not void can be credited.'
            using errcode = 'IP002',
                  detail = case original.status when 'void' then 'INVOICE_IS_VOID' else 'NOT_AN_INVOICE' end;
    elsif credit_date < original.issue_date then
        raise exception 'issue_date: % is before the date of the invoice, %.', credit_date, original.issue_date
            using errcode = 'IP002';
    end if;
    perform billing.check_request(credit_date, 0, null);
    perform billing.check_series('credit_note', credit_date);
    quantities := coalesce(quantities, billing.creditable_quantities(invoice));
    if jsonb_typeof(quantities) <> 'object' or quantities = '{}' then
        raise exception 'There is nothing (left) to credit on this invoice.'
            using errcode = 'IP002', detail = 'NOTHING_TO_CREDIT';
    end if;
    select q.key into wrong from jsonb_each_text(quantities) q
    where case when billing.fits(q.value, 12, 3) then
                   q.value::numeric <= 0
                   or q.value::numeric > coalesce((billing.creditable_quantities(invoice) ->> q.key)::numeric, 0)
               else true end
    order by q.key limit 1;
    if wrong is not null then
        raise exception 'quantities[%]: % cannot be credited; % are left on this line.', wrong, left(quantities ->> wrong, 40),
            coalesce(billing.creditable_quantities(invoice) ->> wrong, '0') using errcode = 'IP002';
    end if;

    -- What an amount would be, but never more than is left of it; and all that is left where a whole group is credited.
    with before_line as materialized (
        select l.line_number, sum(l.quantity) as quantity, sum(l.net_amount) as net_amount
        from billing.credit_notes_of(invoice) c
        cross join lateral (select * from billing.issued_invoice_line l
                            where l.organization_id = organization and l.invoice_id = c offset 0) l
        group by l.line_number
    ), before_tax as materialized (
        select t.tax_category, t.tax_rate, sum(t.line_amount) as line_amount,
               sum(t.allowance_amount) as allowance_amount, sum(t.tax_amount) as tax_amount
        from billing.credit_notes_of(invoice) c
        cross join lateral (select * from billing.issued_invoice_tax t
                            where t.organization_id = organization and t.invoice_id = c offset 0) t
        group by t.tax_category, t.tax_rate
    ), open_line as materialized (
        select l.*, (quantities ->> l.line_number::text)::numeric(12, 3) as credited,
               l.quantity - coalesce(b.quantity, 0) as quantity_left,
               l.net_amount - coalesce(b.net_amount, 0) as amount_left
        from billing.issued_invoice_line l
        left join before_line b using (line_number)
        where l.organization_id = organization and l.invoice_id = invoice
    ), line as materialized (
        select l.*, case when l.credited = l.quantity_left then l.amount_left else least(l.amount_left, round(
                   l.credited * l.unit_price * (100 - l.discount_percent) * 0.01, digits)) end as credited_amount
        from open_line l where l.credited is not null
    ), open_tax as materialized (
        select t.tax_category, t.tax_rate, t.exemption_reason, t.exemption_reason_code, n.line_amount, n.is_last,
               t.allowance_amount - coalesce(b.allowance_amount, 0) as allowance_left,
               t.line_amount - coalesce(b.line_amount, 0) - t.allowance_amount + coalesce(b.allowance_amount, 0)
                   as taxable_left,
               t.tax_amount - coalesce(b.tax_amount, 0) as tax_left
        from billing.issued_invoice_tax t
        join (select l.tax_category, l.tax_rate, sum(l.credited_amount) as line_amount,
                     not exists (select from open_line o where o.tax_category = l.tax_category
                                 and o.tax_rate = l.tax_rate and o.quantity_left > coalesce(o.credited, 0)) as is_last
              from line l group by l.tax_category, l.tax_rate) n using (tax_category, tax_rate)
        left join before_tax b using (tax_category, tax_rate)
        where t.organization_id = organization and t.invoice_id = invoice
    ), allowed as (
        select o.*, case when o.is_last then o.allowance_left
                         else least(o.allowance_left,
                                    greatest(round(o.line_amount * original.discount_percent * 0.01, digits),
                                             o.line_amount - o.taxable_left)) end as allowance_amount
        from open_tax o
    ), tax as materialized (
        select a.*, case when a.is_last then a.tax_left
                         else least(a.tax_left, round((a.line_amount - a.allowance_amount) * a.tax_rate * 0.01, digits))
                    end as tax_amount
        from allowed a
    ), before as (
        select coalesce(sum(c.tax_amount), 0) as tax_amount,
               coalesce(sum(c.tax_amount_in_tax_currency), 0) as tax_amount_in_tax_currency
        from billing.credit_notes_of(invoice) n
        cross join lateral (select c.tax_amount, c.tax_amount_in_tax_currency from billing.invoice c
                            where c.organization_id = organization and c.id = n offset 0) c
    ), total as (  -- converted as the invoice was (Directive 2006/112/EC, Art. 90): by the rate of its supply
        select t.line_amount, t.allowance_amount, t.tax_amount,
               case when b.tax_amount + t.tax_amount = original.tax_amount then
                        original.tax_amount_in_tax_currency - b.tax_amount_in_tax_currency
                    else least(original.tax_amount_in_tax_currency - b.tax_amount_in_tax_currency,
                               billing.converted(t.tax_amount, original.exchange_rate, original.exchange_rate_base,
                                                 original.tax_currency)) end as tax_amount_in_tax_currency
        from (select sum(t.line_amount) as line_amount, sum(t.allowance_amount) as allowance_amount,
                     sum(t.tax_amount) as tax_amount from tax t) t
        cross join before b
    ), header as (
        insert into billing.invoice (
            organization_id, id, document_kind, status, customer_id, corrected_invoice_id, issue_date, due_date,
            delivery_date, period_start, period_end, currency, line_amount, allowance_amount, net_amount, tax_amount,
            gross_amount, tax_currency, tax_amount_in_tax_currency, exchange_rate, exchange_rate_base,
            exchange_rate_date, exchange_rate_source, discount_percent, language, seller, buyer, order_number,
            purchase_order_reference, note, created_by)
        select organization, credit_note, 'credit_note',
               case when t.line_amount - t.allowance_amount + t.tax_amount = 0 then 'paid' else 'issued' end,
               original.customer_id, invoice, credit_date, credit_date,
               coalesce(original.delivery_date, original.issue_date), original.period_start, original.period_end,
               original.currency,
               t.line_amount, t.allowance_amount, t.line_amount - t.allowance_amount, t.tax_amount,
               t.line_amount - t.allowance_amount + t.tax_amount, original.tax_currency, t.tax_amount_in_tax_currency,
               original.exchange_rate, original.exchange_rate_base, original.exchange_rate_date,
               original.exchange_rate_source, original.discount_percent, original.language, original.seller,
               original.buyer, original.order_number, original.purchase_order_reference, nullif(btrim(note), ''), who
        from total t
        returning gross_amount
    ), lines as (
        insert into billing.issued_invoice_line (
            organization_id, invoice_id, line_number, item_id, sku, description, quantity, unit_code, unit_price,
            discount_percent, net_amount, tax_category, tax_rate, takes_stock, period_start, period_end)
        select organization, credit_note, l.line_number, l.item_id, l.sku, l.description, l.credited, l.unit_code,
               l.unit_price, l.discount_percent, l.credited_amount, l.tax_category, l.tax_rate,
               l.takes_stock and with_stock, l.period_start, l.period_end
        from line l
    ), taxes as (
        insert into billing.issued_invoice_tax (
            organization_id, invoice_id, tax_category, tax_rate, line_amount, allowance_amount, taxable_amount,
            tax_amount, exemption_reason, exemption_reason_code)
        select organization, credit_note, t.tax_category, t.tax_rate, t.line_amount, t.allowance_amount,
               t.line_amount - t.allowance_amount, t.tax_amount, t.exemption_reason, t.exemption_reason_code
        from tax t
    )
    select h.gross_amount into gross from header h;
    if gross > original.gross_amount - original.amount_paid - original.amount_credited then
        raise exception 'The credit note would be % and only % are unpaid; refund the payment first.',
            gross, original.gross_amount - original.amount_paid - original.amount_credited
            using errcode = 'IP002', detail = 'INVOICE_IS_SETTLED';
    end if;
    if with_stock then
        perform billing.return_stock(invoice, quantities);
    end if;
    update billing.invoice i
    set amount_credited = i.amount_credited + gross,
        status = case when i.gross_amount = i.amount_paid + i.amount_credited + gross then 'paid'
                      when i.amount_paid + i.amount_credited + gross > 0 then 'partially_paid'
                      else i.status end
    where i.organization_id = organization and i.id = invoice;
    insert into billing.invoice_event (organization_id, invoice_id, action, reason, detail, created_by)
    values (organization, invoice, 'credited', reason,
            jsonb_build_object('credit_note_id', credit_note, 'gross_amount', gross::text), who);
    perform billing.take_numbers('credit_note', credit_date, array[credit_note]);
    return credit_note;
end
$$;
revoke all on function billing.credit_invoice(uuid, text, text, date, jsonb, boolean, text) from public;
grant execute on function billing.credit_invoice(uuid, text, text, date, jsonb, boolean, text) to invoice_pipelines_app;
set local role invoice_pipelines_owner;

-- What is left to be credited of each line of an invoice: {line number: quantity}.
create or replace function billing.creditable_quantities(invoice uuid)
returns jsonb
language plpgsql stable
-- demanded by test_corrections_read_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    return (
        with credited as materialized (
            select l.line_number, sum(l.quantity) as quantity
            from billing.credit_notes_of(invoice) c
            cross join lateral (select * from billing.issued_invoice_line l
                                where l.organization_id = organization and l.invoice_id = c offset 0) l
            group by l.line_number
        )
        select coalesce(jsonb_object_agg(l.line_number, l.quantity - coalesce(c.quantity, 0))
                        filter (where l.quantity > coalesce(c.quantity, 0)), '{}')
        from billing.issued_invoice_line l
        left join credited c using (line_number)
        where l.organization_id = organization and l.invoice_id = invoice
    );
end
$$;

-- Makes orders draft, pending, reviewed or cancelled, as far as their present status allows, and notes it. Returns the
-- orders that the organization has, with the status they had. Invoiced an order becomes by its invoice, and open again
-- when that is voided.
set local role invoice_pipelines_books;
create or replace function billing.set_order_status(
    order_ids uuid[], wanted text, reason text default null, creator text default null
) returns table (id uuid, status_before text, is_changed boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp
-- demanded by test_corrections_read_their_own_rows_only
as $$
#variable_conflict use_column
declare
    organization constant uuid := billing.organization_in_scope();
    may_become_it constant text[] := case wanted
        when 'draft' then '{pending,reviewed,cancelled}'
        when 'pending' then '{draft,reviewed}'
        when 'reviewed' then '{draft,pending}'
        when 'cancelled' then '{draft,pending,reviewed}' end;
    ids uuid[];
    statuses text[];
    versions tid[];
begin
    if may_become_it is null then
        raise exception 'status: % is not one of draft, pending, reviewed and cancelled.',
            quote_nullable(left(wanted, 40)) using errcode = 'IP002';
    end if;
    select coalesce(array_agg(o.id), '{}'), coalesce(array_agg(o.status), '{}'),
           coalesce(array_agg(o.version) filter (where o.status = any (may_become_it)), '{}')
    into ids, statuses, versions
    from (select distinct w.element from work.few(order_ids) w order by w.element) k
    cross join lateral (  -- locked by id, as everywhere, so that nobody waits in a circle
        select o.id, o.status, o.ctid as version from billing.sales_order o
        where o.organization_id = organization and o.id = k.element for no key update) o;
    with changed as (
        update billing.sales_order o set status = wanted, updated_at = now()
        from work.few(versions) k where o.ctid = k.element and o.organization_id = organization
        returning o.id, old.status as status_before
    )
    insert into billing.sales_order_event (organization_id, sales_order_id, from_status, to_status, reason, created_by)
    select organization, c.id, c.status_before, wanted, set_order_status.reason, organizations.actor(creator)
    from changed c;
    return query
        select f.id, f.status, f.status = any (may_become_it) from unnest(ids, statuses) as f (id, status);
end
$$;
revoke all on function billing.set_order_status(uuid[], text, text, text) from public;
grant execute on function billing.set_order_status(uuid[], text, text, text) to invoice_pipelines_app;
set local role invoice_pipelines_owner;

-- Keeps invoices as they are until the end of the transaction: who would pay, void or credit one waits that long. They
-- are locked in the order given.
set local role invoice_pipelines_books;
create or replace function billing.hold_invoices(invoice_ids uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    organization constant uuid := billing.organization_in_scope();
begin
    perform from work.few(invoice_ids) k
    cross join lateral (
        select from billing.invoice i
        where i.organization_id = organization and i.id = k.element for share) i;
end
$$;
revoke all on function billing.hold_invoices(uuid[]) from public;
grant execute on function billing.hold_invoices(uuid[]) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
