-- What reading of delivery reports asks for.

-- Whose message has a Message-ID. The mailbox in which reports of undeliverable emails arrive is that of all
-- organizations, so that this looks across them. It gives ids of organizations alone, and only to who knows a whole
-- Message-ID, of which the random part is as long as a key; what is in the message is read in the scope of its owner.
set local role invoice_pipelines_overview;
create or replace function delivery.organizations_of_message(header text)
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select m.organization_id
    from delivery.message m
    where m.message_id_header = header and m.message_id_header is not null
    order by m.message_id_header, m.organization_id
$$;
revoke all on function delivery.organizations_of_message(text) from public;
grant execute on function delivery.organizations_of_message(text) to invoice_pipelines_app;
set local role invoice_pipelines_owner;

-- Messages of the organization in scope that a provider took since then and of which it has not yet said how they
-- ended, oldest first. Once asked for, a message is left out until it has become a quarter older, so that who asks for
-- all that this gives, again and again, comes to an end.
create or replace function delivery.unsettled_messages(wanted_channel text, since timestamptz, count integer)
returns table (id uuid, provider_id text)
language plpgsql stable
as $$
#variable_conflict use_column
begin
    return query
        select m.id, m.provider_id
        from delivery.message m
        where m.organization_id = organizations.current()
          and m.channel = wanted_channel and m.status = 'sent' and m.channel <> 'email'
          and m.sent_at >= since and m.provider_id is not null
          and (m.looked_up_at is null
               or m.looked_up_at < clock_timestamp()
                                   - greatest(interval '1 minute', (clock_timestamp() - m.sent_at) / 5))
        order by m.organization_id, m.channel, m.sent_at
        limit count;
end
$$;
