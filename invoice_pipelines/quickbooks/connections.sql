-- after: accounts/admission.sql
-- What must be known across organizations about connections. They return no business data.

-- Whether another organization than the one in scope is connected with a company. Asked under the advisory lock of the
-- realm, as one company belongs to one organization and no index may say so across organizations.
set local role invoice_pipelines_overview;
create or replace function quickbooks.realm_is_taken(realm text)
returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from quickbooks.connection c
        where c.realm_id = realm and c.status <> 'disconnected'
          and c.organization_id <> organizations.current())
$$;
revoke all on function quickbooks.realm_is_taken(text) from public;
grant execute on function quickbooks.realm_is_taken(text) to invoice_pipelines_app;
set local role invoice_pipelines_owner;

call accounts.admit_writes('quickbooks.connection', 3);
call accounts.admit_writes('quickbooks.authorization_request', 3);
call accounts.admit_writes('quickbooks.token_pair', 3);
call accounts.hide_from_web('quickbooks.token_pair');

-- Organizations that were disconnected and whose tokens were not given back yet.
set local role invoice_pipelines_overview;
create or replace function quickbooks.organizations_to_leave()
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select t.organization_id from quickbooks.token_pair t where t.is_ended $$;
revoke all on function quickbooks.organizations_to_leave() from public;
grant execute on function quickbooks.organizations_to_leave() to invoice_pipelines_app;
set local role invoice_pipelines_owner;
