-- What other domains know of delivery.

-- What tells that the list of messages may have changed, besides the events of messages: the newest one, and how many are on
-- their way, up to 100.
create or replace function delivery.message_version()
returns text
language sql stable
as $$
    select concat_ws(' ',
        (select m.id from delivery.message m where m.organization_id = organizations.current() and m.attempts >= 0
         order by m.id desc limit 1),
        (select count(*) from (select from delivery.message m where m.organization_id = organizations.current()
                               and m.status in ('waiting', 'sending') limit 100) o))
$$;
