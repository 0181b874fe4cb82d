-- An invoice is whole when it gets its number, and nothing is added to it afterwards.
--
-- Foreign keys from lines, taxes and numbers would look at each row by itself, which takes a third of the time of issuing.
-- What they would assert is asserted here once per statement, over the rows that it added; the other direction by
-- immutable.sql: invoices and items are never deleted and keep their ids. The same pass compares the amounts, so that
-- lines are read once. All of it comes before the number, so that the counter is not locked meanwhile. On how statements
-- are written, see work/chunks.sql.
--
-- An invoice is written as header, VAT and lines, in this order or in one statement, then its number.

-- VAT by category and rate is that of an invoice, and all of it comes at once: the lines, which are compared with it, may
-- be there already. So nothing is added to an invoice with a number, either, as that has its VAT.
create or replace function billing.check_taxes() returns trigger language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
declare
    wrong record;
begin
    select a.organization_id, a.invoice_id, i.id is not null as is_there into wrong
    from (select a.organization_id, a.invoice_id, count(*) as taxes from added a
          group by a.organization_id, a.invoice_id) a
    left join lateral (select i.id from billing.invoice i
                       where i.organization_id = a.organization_id and i.id = a.invoice_id offset 0) i on true
    cross join lateral (select count(*) as taxes from billing.issued_invoice_tax t
                        where t.organization_id = a.organization_id and t.invoice_id = a.invoice_id offset 0) t
    where i.id is null or t.taxes <> a.taxes
    limit 1;
    if found then
        perform billing.refuse_part(tg_table_name, wrong.organization_id, wrong.invoice_id, wrong.is_there);
    end if;
    return null;
end
$$;
create or replace trigger check_addition after insert on billing.issued_invoice_tax
    referencing new table as added for each statement execute function billing.check_taxes();

-- Lines are those of an invoice without a number, and say the same as its VAT and its header: by category and rate the sum
-- of lines (BR-S-08 and the like) and, of an invoice, VAT of that sum (BR-CO-17); in all the sum of lines (BR-CO-10), of
-- allowances (BR-CO-11) and of VAT (BR-CO-14). BR-CO-13 and BR-CO-15 are constraints of the header. A credit note takes
-- what its invoice left, which may differ by the rounding.
create or replace function billing.check_lines() returns trigger language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
declare
    wrong record;
begin
    with part as materialized (
        select a.organization_id, a.invoice_id, a.tax_category, a.tax_rate, sum(a.net_amount) as amount
        from added a group by a.organization_id, a.invoice_id, a.tax_category, a.tax_rate
    ), total as materialized (
        select p.organization_id, p.invoice_id, count(*) as parts, sum(p.amount) as amount,
               bool_or(t.line_amount is distinct from p.amount) as is_wrong
        from part p
        left join lateral (
            select t.line_amount from billing.issued_invoice_tax t
            where t.organization_id = p.organization_id and t.invoice_id = p.invoice_id
              and t.tax_category = p.tax_category and t.tax_rate = p.tax_rate offset 0) t on true
        group by p.organization_id, p.invoice_id
    )
    select v.organization_id, v.invoice_id, i.id is not null as is_there into wrong
    from total v
    left join lateral (
        select i.*, billing.currency_digits(i.currency) as digits from billing.invoice i
        where i.organization_id = v.organization_id and i.id = v.invoice_id offset 0) i on true
    left join lateral (
        select n.invoice_id from billing.invoice_number n
        where n.organization_id = v.organization_id and n.invoice_id between v.invoice_id and v.invoice_id
        order by n.invoice_id) n on true  -- by the index that begins with the invoice
    cross join lateral (
        select count(*) as parts, sum(t.allowance_amount) as allowance_amount, sum(t.tax_amount) as tax_amount,
               bool_or(i.document_kind = 'invoice'
                       and t.tax_amount <> round(t.taxable_amount * t.tax_rate * 0.01, i.digits)) as is_wrong
        from billing.issued_invoice_tax t
        where t.organization_id = v.organization_id and t.invoice_id = v.invoice_id) t
    where n.invoice_id is not null or v.is_wrong or t.is_wrong
       or (i.line_amount, i.allowance_amount, i.tax_amount, v.parts)
          is distinct from (v.amount, t.allowance_amount, t.tax_amount, t.parts)
    limit 1;
    if found then
        perform billing.refuse_part(tg_table_name, wrong.organization_id, wrong.invoice_id, wrong.is_there);
    end if;
    return null;
end
$$;
create or replace trigger check_addition after insert on billing.issued_invoice_line
    referencing new table as added for each statement execute function billing.check_lines();

create or replace function billing.refuse_part(part text, organization uuid, invoice uuid, is_there boolean)
returns void
language plpgsql
as $$
begin
    if not is_there then
        raise exception 'insert on billing.% refused: there is no invoice %', part, invoice
            using errcode = 'foreign_key_violation';
    elsif exists (select from billing.invoice_number n
                  where n.organization_id = organization and n.invoice_id = invoice) then
        raise exception 'insert on billing.% refused: an issued invoice never changes; void it or issue a credit note',
            part using errcode = 'restrict_violation';
    else
        raise exception 'insert on billing.% refused: header, VAT by category and rate, and lines of invoice % do not '
            'say the same', part, invoice using errcode = 'check_violation';
    end if;
end
$$;

create or replace function billing.check_items() returns trigger language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
declare
    unknown uuid;
begin
    select a.item_id into unknown
    from (select distinct a.organization_id, a.item_id from added a where a.item_id is not null) a
    left join lateral (select i.id from billing.item i
                       where i.organization_id = a.organization_id and i.id = a.item_id offset 0) i on true
    where i.id is null
    limit 1;
    if found then
        raise exception 'insert on %.% refused: there is no item %', tg_table_schema, tg_table_name, unknown
            using errcode = 'foreign_key_violation';
    end if;
    return null;
end
$$;
create or replace trigger check_items after insert on billing.issued_invoice_line
    referencing new table as added for each statement execute function billing.check_items();

-- What gets a number is an invoice of that kind and date with lines, which were compared with all else when they came.
create or replace function billing.check_complete() returns trigger language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
declare
    wrong text;
begin
    select a.invoice_number into wrong
    from added a
    left join lateral (
        select i.document_kind, i.issue_date from billing.invoice i
        where i.organization_id = a.organization_id and i.id = a.invoice_id offset 0) i on true
    left join lateral (
        select true as is_there from billing.issued_invoice_line l
        where l.organization_id = a.organization_id and l.invoice_id = a.invoice_id limit 1) l on true
    where (i.document_kind, i.issue_date, l.is_there) is distinct from (a.series, a.issue_date, true)
    limit 1;
    if found then
        raise exception 'number % is not given: it is for an invoice with lines, of its kind and date', wrong
            using errcode = 'check_violation';
    end if;
    return null;
end
$$;
create or replace trigger check_complete after insert on billing.invoice_number
    referencing new table as added for each statement execute function billing.check_complete();
