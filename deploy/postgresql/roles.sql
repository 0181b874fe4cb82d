-- The logins and databases of an installation, before its first `db migrate`. Safe to repeat; passwords are set anew.
-- Run it with psql as the login that will migrate (INVOICE_PIPELINES_DATABASE_OWNER_URL), connected to any database.
-- That login is no superuser where it need not be one: `create role invoice_pipelines_migrator login createrole createdb`.
-- Passwords come from the environment, so that no list of processes shows them:
--   APP_PASSWORD=... WEB_PASSWORD=... DAGSTER_PASSWORD=... psql "$OWNER_URL" -f deploy/postgresql/roles.sql
\set ON_ERROR_STOP on
set client_min_messages = warning;
\getenv app APP_PASSWORD
\getenv web WEB_PASSWORD
\getenv dagster DAGSTER_PASSWORD

select format('%s role %I login password %L',
              case when r.rolname is null then 'create' else 'alter' end, wanted.name, wanted.password)
from (values ('invoice_pipelines_app', :'app'), ('invoice_pipelines_web', :'web'), ('invoice_pipelines_dagster', :'dagster'))
    as wanted (name, password)
left join pg_roles r on r.rolname = wanted.name
\gexec

-- Who makes a database for another role must be able to become that role.
grant invoice_pipelines_dagster to current_user;

select format('create database %I', 'invoice_pipelines')
where not exists (select from pg_database where datname = 'invoice_pipelines')
\gexec
select format('create database %I owner invoice_pipelines_dagster', 'invoice_pipelines_dagster')
where not exists (select from pg_database where datname = 'invoice_pipelines_dagster')
\gexec
-- Only those who work in a database connect to it.
revoke connect, temporary on database invoice_pipelines, invoice_pipelines_dagster from public;
grant connect on database invoice_pipelines to invoice_pipelines_app, invoice_pipelines_web;
