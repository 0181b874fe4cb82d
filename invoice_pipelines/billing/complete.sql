-- An invoice is whole when it gets its number, and nothing is added to it afterwards.
--
-- Foreign keys from lines, taxes and numbers would look at each row by itself, which takes a third of the time of issuing.
-- What they would assert is asserted here once per statement, over the rows that it added; the other direction by
-- immutable.sql: invoices and items are never deleted and keep their ids. On how statements are written, see
-- work/chunks.sql.

-- Lines and taxes are those of an invoice that has no number yet: what has one is issued.
create or replace function billing.check_addition() returns trigger language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_sort = off
as $$
declare
    wrong record;
begin
    select a.invoice_id, i.id is not null as is_there into wrong
    from (select distinct a.organization_id, a.invoice_id from added a) a
    left join lateral (select i.id from billing.invoice i
                       where i.organization_id = a.organization_id and i.id = a.invoice_id offset 0) i on true
    left join lateral (select n.invoice_id from billing.invoice_number n
                       where n.organization_id = a.organization_id and n.invoice_id between a.invoice_id and a.invoice_id
                       order by n.invoice_id offset 0) n on true  -- by the index that begins with the invoice
    where i.id is null or n.invoice_id is not null
    limit 1;
    if wrong.is_there then
        raise exception 'insert on %.% refused: an issued invoice never changes; void it or issue a credit note',
            tg_table_schema, tg_table_name using errcode = 'restrict_violation';
    elsif found then
        raise exception 'insert on %.% refused: there is no invoice %', tg_table_schema, tg_table_name,
            wrong.invoice_id using errcode = 'foreign_key_violation';
    end if;
    return null;
end
$$;
create or replace trigger check_addition after insert on billing.issued_invoice_line
    referencing new table as added for each statement execute function billing.check_addition();
create or replace trigger check_addition after insert on billing.issued_invoice_tax
    referencing new table as added for each statement execute function billing.check_addition();

create or replace function billing.check_items() returns trigger language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_sort = off
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

-- What gets a number has a header of that kind and date, lines, and VAT by category and rate, which say the same:
-- the sum of lines (BR-CO-10), of allowances (BR-CO-11), of VAT (BR-CO-14), and by category and rate the sum of lines
-- (BR-S-08 and the like) and, of an invoice, VAT of that sum (BR-CO-17). BR-CO-13 and BR-CO-15 are constraints of the
-- header. A credit note takes what its invoice left, which may differ by the rounding.
create or replace function billing.check_complete() returns trigger language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_sort = off
as $$
declare
    wrong text;
begin
    select a.invoice_number into wrong
    from added a
    left join lateral (
        select i.*, billing.currency_digits(i.currency) as digits from billing.invoice i
        where i.organization_id = a.organization_id and i.id = a.invoice_id offset 0) i on true
    left join lateral (
        select sum(t.line_amount) as line_amount, sum(t.allowance_amount) as allowance_amount,
               sum(t.tax_amount) as tax_amount, sum(l.lines) as lines,
               bool_or(t.line_amount is distinct from l.amount
                       or i.document_kind = 'invoice'
                          and t.tax_amount <> round(t.taxable_amount * t.tax_rate * 0.01, i.digits)) as is_wrong
        from billing.issued_invoice_tax t
        cross join lateral (
            select sum(l.net_amount) as amount, count(*) as lines from billing.issued_invoice_line l
            where l.organization_id = a.organization_id and l.invoice_id = a.invoice_id
              and l.tax_category = t.tax_category and l.tax_rate = t.tax_rate) l
        where t.organization_id = a.organization_id and t.invoice_id = a.invoice_id offset 0) t on true
    cross join lateral (
        select count(*) as lines from billing.issued_invoice_line l
        where l.organization_id = a.organization_id and l.invoice_id = a.invoice_id offset 0) l
    where (i.document_kind, i.issue_date, i.line_amount, i.allowance_amount, i.tax_amount, l.lines, false)
          is distinct from
          (a.series, a.issue_date, t.line_amount, t.allowance_amount, t.tax_amount, t.lines, t.is_wrong)
    limit 1;
    if found then
        raise exception '% is not issued: an invoice has lines and VAT by category and rate, which say the same as its '
            'header, and its number is of its kind and date', wrong using errcode = 'check_violation';
    end if;
    return null;
end
$$;
create or replace trigger check_complete after insert on billing.invoice_number
    referencing new table as added for each statement execute function billing.check_complete();
