-- The views of `public` are for reading. A change by hand is refused with words that say what does it, to superusers as
-- well: through the simple ones it would reach the tables. This file is the last one, when all views are there.

create or replace function work.refuse_change_of_view() returns trigger language plpgsql
as $$
begin
    raise exception 'The view % is for reading; it takes no %.', tg_table_name, lower(tg_op)
        using errcode = 'IP002', hint = tg_argv[0];
end
$$;

do $$
declare
    view record;
begin
    for view in
        select c.relname as name, coalesce(a.advice, 'The commands of `invoice-pipelines` change what it shows.') as advice,
               case c.relname when 'batch_job_queue' then 'insert or delete' else 'insert or update or delete' end
                   as changes
        from pg_catalog.pg_class c
        left join (values
            ('batch_job_queue', 'A job is cancelled by: update batch_job_queue set status = ''cancelled'' where id = ...'),
            ('batch_item_queue', 'Jobs are cancelled by `invoice-pipelines batch cancel`, failed items tried again by '
                                 '`batch retry`.'),
            ('batch_job_history', 'It is written by what is done to jobs, and kept.'),
            ('invoice_record', 'Issued invoices do not change: see `invoice-pipelines invoices void`, `invoices credit` '
                               'and `invoices pay`.'),
            ('invoice_line_item', 'Issued invoices do not change: see `invoice-pipelines invoices void` and '
                                  '`invoices credit`.')) a (name, advice) on a.name = c.relname
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
          and c.relowner = (select r.oid from pg_catalog.pg_roles r where r.rolname = 'invoice_pipelines_owner')
    loop
        execute format('create or replace trigger refuse_change instead of %s on public.%I for each row '
                       'execute function work.refuse_change_of_view(%L)', view.changes, view.name, view.advice);
        execute format('grant insert, update, delete on public.%I to invoice_pipelines_app', view.name);  -- to be told
    end loop;
end
$$;
