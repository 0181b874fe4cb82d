-- VAT in the currency in which the seller accounts for it (BT-6, BT-111), where an invoice is in another one.

-- The currency in which the VAT of the organization in scope is stated on its invoices: that of the country in which it
-- is due, where its law asks for it, else the organization's own. The countries are those of the EU (Directive
-- 2006/112/EC, Art. 230), the United Kingdom (VAT Regulations 1995, reg. 14) and Norway (bokføringsforskriften § 5-1-1).
create or replace function billing.tax_currency()
returns text
language sql stable
as $$
    select case
        when o.country_code in ('AT', 'BE', 'BG', 'CY', 'DE', 'EE', 'ES', 'FI', 'FR', 'GR', 'HR', 'IE', 'IT', 'LT',
                                'LU', 'LV', 'MT', 'NL', 'PT', 'SI', 'SK') then 'EUR'
        when o.country_code = 'CZ' then 'CZK'
        when o.country_code = 'DK' then 'DKK'
        when o.country_code = 'GB' then 'GBP'
        when o.country_code = 'HU' then 'HUF'
        when o.country_code = 'NO' then 'NOK'
        when o.country_code = 'PL' then 'PLN'
        when o.country_code = 'RO' then 'RON'
        when o.country_code = 'SE' then 'SEK'
        else o.currency end
    from organizations.organization o where o.id = organizations.current()
$$;

-- An amount in another currency, rounded to its digits. One unit of `base_currency`, which is one of the two, is worth
-- `rate` of the other. The amount gets 30 decimals before it is divided, and so does the quotient: it is rounded once.
create or replace function billing.converted(amount numeric, rate numeric, base_currency text, to_currency text)
returns numeric
language sql immutable parallel safe
as $$
    select round(case when base_currency = to_currency then round(amount, 30) / rate else amount * rate end,
                 billing.currency_digits(to_currency))
$$;

-- The newest rate between two currencies that is not after a day, and at most so many days before it, as the
-- organization allows. Where both have one to the euro on a day, that gives a rate between them, with ten significant
-- digits; on the same day a rate between the two themselves is preferred. Null: there is none.
create or replace function billing.newest_rate(from_currency text, to_currency text, day date)
returns billing.exchange_rate
language plpgsql stable
as $$
declare
    organization constant uuid := organizations.current();
    oldest constant date := day - billing.exchange_rate_days();
    direct billing.exchange_rate;
    through_euro billing.exchange_rate;
begin
    select r.* into direct
    from (values (to_currency, from_currency), (from_currency, to_currency)) p (base_currency, currency)
    cross join lateral (select * from billing.exchange_rate r
                        where r.organization_id = organization and r.base_currency = p.base_currency
                          and r.currency = p.currency and r.rate_date between oldest and day
                        order by r.rate_date desc limit 1) r
    order by r.rate_date desc, r.base_currency = to_currency desc limit 1;
    if direct.rate_date = day or 'EUR' in (from_currency, to_currency) then
        return direct;
    end if;
    select organization, from_currency, to_currency, t.rate_date,
           trim_scale(round(t.rate / f.rate, 9 - floor(log(t.rate / f.rate))::integer)),
           case when f.source = t.source then t.source else f.source || ', ' || t.source end,
           t.created_at, t.created_by
    into through_euro
    from billing.exchange_rate t
    join billing.exchange_rate f on f.organization_id = organization and f.base_currency = 'EUR'
         and f.currency = from_currency and f.rate_date = t.rate_date
    where t.organization_id = organization and t.base_currency = 'EUR' and t.currency = to_currency
      and t.rate_date between greatest(oldest, direct.rate_date + 1) and day
    order by t.rate_date desc limit 1;
    return case when through_euro.rate is null then direct else through_euro end;
end
$$;

-- How many days before the supply an exchange rate may be published. Central banks pause for five days at Easter.
create or replace function billing.exchange_rate_days()
returns integer
language sql stable
as $$
    select coalesce((o.settings ->> 'exchange_rate_days')::integer, 7)
    from organizations.organization o where o.id = organizations.current()
$$;

-- With which rates the VAT of orders is converted into the seller's currency, by their places in the array; null for
-- those in that currency. It is the rate of the day of supply, as then VAT becomes chargeable (Directive 2006/112/EC,
-- Art. 63, 91 (2)); of the issue date where the supply is still to come (Art. 65). `unconverted` says of which orders no
-- rate is known, and there is VAT: these cannot be invoiced (Art. 230). Rates are looked up once per currency and day.
create or replace function billing.conversions(
    order_ids uuid[], issue_date date, tax_currency text, out rates billing.exchange_rate[], out unconverted text[]
)
language plpgsql stable
as $$
declare
    organization constant uuid := organizations.current();
    found record;
    rate billing.exchange_rate;
begin
    rates := '{}'; unconverted := '{}';
    for found in
        select o.currency, least(o.supply_date, issue_date) as tax_point, array_agg(o.place) as places,
               array_agg(o.has_tax) as have_tax
        from (select k.place, o.currency, l.has_tax,
                     coalesce(o.delivery_date, o.period_end, nullif(l.last_day, 'infinity'), issue_date) as supply_date
              from work.few(order_ids) k
              join billing.sales_order o on o.organization_id = organization and o.id = k.element
              cross join lateral (select max(coalesce(l.period_end, 'infinity')) as last_day,
                                         coalesce(bool_or(l.tax_rate > 0), false) as has_tax
                                  from billing.sales_order_line l
                                  where l.organization_id = organization and l.sales_order_id = o.id) l
              where o.currency <> tax_currency) o
        group by o.currency, least(o.supply_date, issue_date)
    loop
        rate := billing.newest_rate(found.currency, tax_currency, found.tax_point);
        for n in 1 .. cardinality(found.places) loop
            if rate.rate is not null then
                rates[found.places[n]] := rate;
            elsif found.have_tax[n] then
                unconverted[found.places[n]] := format(
                    'MISSING_EXCHANGE_RATE: VAT of an invoice in %s must be stated in %s too, and no exchange rate '
                    'between them is known for %s or the %s days before it. Import one: exchange-rates import FILE, or '
                    'exchange-rates set %s %s RATE --date %s.',
                    found.currency, tax_currency, found.tax_point, billing.exchange_rate_days(), tax_currency,
                    found.currency, found.tax_point);
            end if;
        end loop;
    end loop;
end
$$;
