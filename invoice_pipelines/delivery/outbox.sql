-- Messages and opt-outs by their keys, whatever the statistics say: without sorting, only the index of the key gives the
-- rows in the order that is asked for (see also work/jobs.sql).

-- All messages of the organization in scope about an invoice for a purpose, level and channel, to whomever they go.
create or replace function delivery.messages_of(wanted_invoice uuid, wanted_purpose text, wanted_level integer,
                                                wanted_channel text)
returns setof delivery.message
language plpgsql stable
as $$
begin
    return query
        select m.* from delivery.message m
        where m.invoice_id = wanted_invoice and m.purpose = wanted_purpose and m.level = wanted_level
          and m.channel = wanted_channel and m.organization_id = organizations.current()
        order by m.invoice_id, m.purpose, m.level, m.channel, m.recipient;
end
$$;

-- What keeps messages from a recipient.
create or replace function delivery.opt_out_of(wanted_channel text, wanted_recipient text)
returns setof delivery.opt_out
language plpgsql stable
as $$
begin
    return query
        select o.* from delivery.opt_out o
        where o.channel = wanted_channel and o.recipient = wanted_recipient and o.ended_at is null
          and o.organization_id = organizations.current()
        order by o.channel, o.recipient;
end
$$;

-- The message that a provider speaks of, by its own id or by the Message-ID of an email.
create or replace function delivery.message_of_report(wanted_provider_id text, wanted_header text)
returns setof uuid
language plpgsql stable
as $$
begin
    if wanted_provider_id is not null then
        return query
            select m.id from delivery.message m
            where m.provider_id = wanted_provider_id
              and m.organization_id = organizations.current()
            order by m.provider_id;
    else
        return query
            select m.id from delivery.message m
            where m.message_id_header = wanted_header
              and m.organization_id = organizations.current()
            order by m.message_id_header;
    end if;
end
$$;
