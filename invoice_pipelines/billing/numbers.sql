-- Numbers of issued invoices: gapless within a series and period, in the order of issue dates.
--
-- A number is taken at issue, in the transaction that issues the invoice and at its end, so that the counter's row is
-- locked for as short as can be: the invoice, its lines and taxes are written before, without a number.

-- How numbers of a series are written in the organization in scope, and whether they start again each year.
create or replace function billing.number_format(series text, out pattern text, out yearly_reset boolean)
language plpgsql stable
as $$
begin
    select coalesce(o.settings -> (series || '_number') ->> 'pattern',
                    case series when 'credit_note' then 'CN-{year}-{number:06}' else 'INV-{year}-{number:06}' end),
           coalesce((o.settings -> (series || '_number') ->> 'yearly_reset')::boolean, true)
    into strict pattern, yearly_reset
    from organizations.organization o where o.id = organizations.current();
end
$$;

-- A number as printed: {year}, {month} and {number} or {number:06}, where 06 is the least count of digits.
create or replace function billing.format_number(
    pattern text, issue_date date, number bigint, out prefix text, out digits integer, out suffix text, out printed text
)
language plpgsql immutable parallel safe
as $$
declare
    dated constant text := replace(replace(replace(pattern, '{year}', to_char(issue_date, 'YYYY')),
        '{month:02}', to_char(issue_date, 'MM')), '{month}', to_char(issue_date, 'FMMM'));
    parts constant text[] := regexp_match(dated, '^(.*)\{number(?::0(\d+))?\}(.*)$');
begin
    prefix := parts[1]; digits := coalesce(parts[2]::integer, 1); suffix := parts[3];
    printed := prefix || lpad(number::text, greatest(length(number::text), digits), '0') || suffix;
end
$$;

-- Gives invoices the next numbers of their series, in the order given. The counter is locked from here to the end of
-- the transaction. An issue date before the last one of the series is refused (CGI ann. II art. 242 nonies A, RD
-- 1619/2012 art. 6, DPR 633/72 art. 21).
create or replace function billing.take_numbers(
    wanted_series text, wanted_date date, invoice_ids uuid[], out first_number text, out last_number text,
    out taken_at timestamptz
)
language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    format constant record := billing.number_format(wanted_series);
    this_period constant text := case when format.yearly_reset then to_char(wanted_date, 'YYYY') else '' end;
    first bigint;
    written record;
begin
    perform from billing.invoice_counter c
    where c.organization_id = organization and c.series = wanted_series and c.period = this_period;
    if not found then
        insert into billing.invoice_counter (organization_id, series, period)
        values (organization, wanted_series, this_period) on conflict do nothing;
    end if;
    update billing.invoice_counter c
    set next_number = c.next_number + cardinality(invoice_ids), last_issue_date = wanted_date
    where c.organization_id = organization and c.series = wanted_series and c.period = this_period
      and (c.last_issue_date is null or c.last_issue_date <= wanted_date)
    returning old.next_number into first;
    taken_at := clock_timestamp();
    if first is null then
        perform billing.refuse_earlier_date(wanted_series, wanted_date);
    end if;
    written := billing.format_number(format.pattern, wanted_date, first);
    insert into billing.invoice_number (organization_id, series, period, number, invoice_number, invoice_id, issue_date)
    select organization, wanted_series, this_period, n.number,
           written.prefix || lpad(n.number::text, greatest(length(n.number::text), written.digits), '0')
           || written.suffix,
           n.id, wanted_date
    from (select i.id, first + i.position - 1 as number from unnest(invoice_ids) with ordinality as i (id, position)) n;
    first_number := written.printed;
    last_number := (billing.format_number(format.pattern, wanted_date, first + cardinality(invoice_ids) - 1)).printed;
end
$$;

-- Fails if the series has an invoice with a later issue date already.
create or replace function billing.refuse_earlier_date(wanted_series text, wanted_date date)
returns void
language plpgsql
as $$
declare
    last_date date;
begin
    select c.last_issue_date into last_date from billing.invoice_counter c
    where c.organization_id = organizations.current() and c.series = wanted_series
      and c.period = case when (billing.number_format(wanted_series)).yearly_reset
                          then to_char(wanted_date, 'YYYY') else '' end;
    if last_date > wanted_date then
        raise exception 'DATE_BEFORE_LAST: The last % of this series is dated %; an earlier date (%) would break the order of numbers.',
            replace(wanted_series, '_', ' '), last_date, wanted_date using errcode = 'IP001';
    end if;
end
$$;

-- Fails if an invoice of this date could not get its number: the date is before the last one or so far ahead that it
-- would close the series for all dates before it, the pattern is unusable, or the number was given before, as when numbers start again each year and the pattern does not say the year.
create or replace function billing.check_series(wanted_series text, wanted_date date)
returns void
language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    format constant record := billing.number_format(wanted_series);
    printed text;
    is_taken boolean;
begin
    perform billing.refuse_earlier_date(wanted_series, wanted_date);
    if wanted_date not between date '2000-01-01' and billing.today() + 31 then  -- as billing.check_request has it
        raise exception 'DATE_OUT_OF_RANGE: % is not between 2000-01-01 and 31 days from today.', wanted_date
            using errcode = 'IP001';
    end if;
    -- One statement: between two, another transaction may take the next number. The order makes it use the index that
    -- begins with the number.
    select f.printed, (select true from billing.invoice_number n
                       where n.organization_id = organization and n.invoice_number between f.printed and f.printed
                       order by n.invoice_number limit 1)
    into printed, is_taken
    from (select (billing.format_number(format.pattern, wanted_date, coalesce(
              (select c.next_number from billing.invoice_counter c
               where c.organization_id = organization and c.series = wanted_series
                 and c.period = case when format.yearly_reset then to_char(wanted_date, 'YYYY') else '' end), 1))).printed
          offset 0) f;
    if printed is null then
        raise exception 'NUMBER_PATTERN: The pattern % has no {number}; correct it in the settings of the organization.',
            format.pattern using errcode = 'IP001';
    elsif is_taken then
        raise exception 'NUMBER_TAKEN: The next number, %, was given before; choose another pattern in the settings of the organization.',
            printed using errcode = 'IP001';
    end if;
end
$$;

-- Refuses numbers that do not follow on the one before, and dates before the one before, within a series and period.
create or replace function billing.check_sequence() returns trigger language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
declare
    wrong record;
begin
    select s.*, coalesce(s.previous, n.number, 0) <> s.number - 1 as is_gap into wrong
    from (select a.organization_id, a.series, a.period, a.number, a.invoice_number, a.issue_date,
                 lag(a.number) over previous as previous, lag(a.issue_date) over previous as previous_date
          from added a
          window previous as (partition by a.organization_id, a.series, a.period order by a.number)) s
    left join lateral (select n.number, n.issue_date from billing.invoice_number n
                       where s.previous is null and n.organization_id = s.organization_id and n.series = s.series
                         and n.period = s.period and n.number = s.number - 1 offset 0) n on true
    where coalesce(s.previous, n.number, 0) <> s.number - 1
       or coalesce(s.previous_date, n.issue_date) > s.issue_date
    limit 1;
    if wrong.is_gap then
        raise exception 'invoice numbers must follow one another without a gap' using errcode = 'check_violation';
    elsif found then
        raise exception 'number % would be dated %, which is before the number that it follows', wrong.invoice_number,
            wrong.issue_date using errcode = 'check_violation';
    end if;
    return null;
end
$$;
create or replace trigger check_sequence after insert on billing.invoice_number
    referencing new table as added for each statement execute function billing.check_sequence();

-- An issued invoice: what it says, with its number. Whoever reads invoices reads this view.
create or replace view billing.issued_invoice with (security_invoker = true) as
select i.organization_id, i.id, n.invoice_number, n.series, n.period, n.number, i.document_kind, i.status,
       i.sales_order_id, i.customer_id, i.corrected_invoice_id, i.batch_job_id, i.issue_date, i.due_date,
       i.delivery_date, i.period_start, i.period_end, i.currency, i.line_amount, i.allowance_amount, i.net_amount,
       i.tax_amount, i.gross_amount, i.tax_currency, i.tax_amount_in_tax_currency, i.exchange_rate,
       i.exchange_rate_base, i.exchange_rate_date, i.exchange_rate_source,
       i.amount_paid, i.amount_credited, i.amount_due, i.discount_percent, i.language, i.seller, i.buyer,
       i.order_number, i.purchase_order_reference, i.note, i.created_at, i.created_by,
       i.void_reason, i.voided_at, i.voided_by
from billing.invoice i
join billing.invoice_number n on n.organization_id = i.organization_id and n.invoice_id = i.id;
comment on view billing.issued_invoice is 'Invoices and credit notes that were issued, with their numbers';
grant select on billing.issued_invoice to invoice_pipelines_app;
