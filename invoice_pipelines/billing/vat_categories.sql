-- The VAT categories (UNTDID 5305), and what EN 16931 asks for where one occurs; in Python einvoice/vat_categories.py says
-- the same. Checks of tables call these functions, so the migration that creates the tables applies this file before.

create or replace function billing.vat_categories()
returns text[]
language sql immutable parallel safe
as $$ select array['S', 'Z', 'E', 'AE', 'K', 'G'] $$;

-- Null for what is no category. A `rate` above zero, the `reason` why there is no VAT, `seller_vat_id`, `buyer_vat_id`,
-- and the date and place of `delivery`. Without a table in it, so that it is part of the statement that calls it.
create or replace function billing.vat_needs(category text)
returns text[]
language sql immutable parallel safe
as $$
    select case category
        when 'S' then array['rate']
        when 'Z' then array[]::text[]
        when 'E' then array['reason']
        when 'AE' then array['reason', 'seller_vat_id', 'buyer_vat_id']
        when 'K' then array['reason', 'seller_vat_id', 'buyer_vat_id', 'delivery']
        when 'G' then array['reason', 'seller_vat_id']
    end
$$;
