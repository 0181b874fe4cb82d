"""What all messages of a database become when they arrived, for a superuser who needs no provider for it."""

DELIVERED = """
    update delivery.message
    set status = 'delivered', composed_at = now(), sent_at = now(), ended_at = now(), provider_id = id::text;
    insert into delivery.message_attempt (organization_id, message_id, attempt, ended_at, outcome, worker)
    select organization_id, id, 1, now(), 'accepted', 'test' from delivery.message;
    insert into delivery.message_event (organization_id, message_id, action)
    select organization_id, id, 'delivered' from delivery.message"""
