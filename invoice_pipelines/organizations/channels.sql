-- The channels that messages can go out by, for functions that are given one: those that this program knew when it last
-- migrated the database. The registry in registry.py is what they come from.
create or replace function organizations.messaging_channels()
returns text[]
language sql immutable
return array[/* names of invoice_pipelines.messaging_channels */]::text[];
