"""All domains: history is written by PostgreSQL, and what was once written cannot be changed, backdated or deleted."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import (
    IN_SCOPE,
    add_only,
    let_recorder_add,
    refuse_change,
    see_scope_only,
)
from invoice_pipelines.database.roles import APP

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

RECORDED = ("work.batch_job_event", "intake.status_change")
"""Written by triggers alone."""

STAMPED = {
    "intake.upload": "id, received_at",
    "intake.verdict": "id, created_at",
    "intake.violation": "",
    "intake.processing_error": "id, created_at",
    "intake.review_decision": "decided_at",
    "intake.reparse_change": "found_at",
    "intake.datev_settings": "created_at",
    "intake.datev_rule_set": "created_at",
    "intake.datev_supplier": "created_at",
    "intake.datev_exchange_rate": "id, created_at",
    "intake.ocr_page": "created_at",
    "intake.export": "id, created_at",
    "delivery.invoice_document": "id, created_at",
    "delivery.document_bundle": "id, created_at",
    "delivery.template_file": "id, created_at",
    "delivery.message_template": "id, created_at",
    "delivery.message": "id, status, document_id, address, sender, sender_name, reply_to, subject, body_text, "
    "body_html, content_sid, content_variables, amount_due, message_id_header, composed_at, attempts, provider_id, "
    "provider_status, error_code, error_message, sent_at, ended_at, looked_up_at, created_at",
    "delivery.message_event": "id, created_at",
    "delivery.message_attempt": "started_at, ended_at, outcome, code, detail, provider_id",
    "delivery.opt_out": "id, created_at, ended_at, ended_by",
    "overdue.notification": "id, status, sent_at, closed_at, closed_reason, created_at",
    "overdue.job_execution_log": "id, status, start_time, progress_at, end_time, overdue_count, processed_count, "
    "created_count, reopened_count, closed_count, error_count, errors",
    "quickbooks.conflict": "id, created_at",
    "quickbooks.event": "id, created_at, created_by",
    "quickbooks.sent_batch": "status, intuit_tid, created_at, answered_at",
    "quickbooks.sent_operation": "outcome, fault",
    "work.batch_job": "id, status, successful_items, failed_items, skipped_items, cancelled_items, "
    "processed_before_start, summary, last_error, created_at, started_at, completed_at, last_progress_at, standstills, "
    "processed_at_standstill",
    "work.batch_item": "status, attempts, max_attempts, claim_alone, available_at, lease_token, lease_expires_at, "
    "error_code, error_message, result, created_at, finished_at",
}
"""Tables, and the columns of a new row that the application cannot choose: they begin as their defaults say."""

STATE_OF_JOB = (
    "status, successful_items, failed_items, skipped_items, cancelled_items, processed_before_start, parameters, "
    "summary, last_error, started_at, completed_at, last_progress_at, standstills, processed_at_standstill"
)
STATE_OF_ITEM = (
    "status, attempts, max_attempts, claim_alone, available_at, lease_token, lease_expires_at, error_code, "
    "error_message, result, finished_at"
)

NO_DELETE = (
    "work.batch_job",
    "quickbooks.connection",
    "quickbooks.mapping",
    "quickbooks.payment",
    "quickbooks.pull",
    "quickbooks.rate",
    "quickbooks.sent_operation",
)

REFUSED = (
    (
        "organizations.organization",
        "(old.id, old.slug, old.created_at, old.created_by) is distinct from "
        "(new.id, new.slug, new.created_at, new.created_by)",
        "an organization keeps its slug, and who added it when; remove it and add another one",
    ),
    (
        "intake.received_invoice",
        "(old.id, old.upload_id, old.created_at, old.created_by) is distinct from "
        "(new.id, new.upload_id, new.created_at, new.created_by)",
        "where a received invoice came from never changes",
    ),
    ("intake.export", "old.status = 'completed'", "a completed export never changes"),
    (
        "delivery.message",
        "(old.id, old.invoice_id, old.invoice_number, old.customer_id, old.purpose, old.level, old.channel, "
        "old.created_at, old.created_by) is distinct from (new.id, new.invoice_id, new.invoice_number, "
        "new.customer_id, new.purpose, new.level, new.channel, new.created_at, new.created_by)",
        "what a message is about never changes",
    ),
    (
        "delivery.message_attempt",
        "old.outcome is not null and old.outcome <> 'unknown' or (old.message_id, old.attempt, old.kind, "
        "old.started_at, old.worker) is distinct from (new.message_id, new.attempt, new.kind, new.started_at, "
        "new.worker)",
        "an attempt that has its outcome never changes",
    ),
    (
        "delivery.opt_out",
        "old.ended_at is not null or (old.id, old.channel, old.recipient, old.reason, old.created_at, old.created_by) "
        "is distinct from (new.id, new.channel, new.recipient, new.reason, new.created_at, new.created_by)",
        "an opt-out ends, and never changes otherwise; add a new one",
    ),
    (
        "overdue.notification",
        "(old.id, old.notification_type, old.invoice_id, old.level, old.created_at) is distinct from "
        "(new.id, new.notification_type, new.invoice_id, new.level, new.created_at) "
        "or old.sent_at is distinct from new.sent_at and (old.sent_at is not null or new.sent_at < now()) "
        "or old.closed_at is distinct from new.closed_at and new.closed_at < now()",
        "whom a notification is about, and when it was sent or closed, is not changed afterwards",
    ),
    (
        "overdue.job_execution_log",
        "old.status <> 'RUNNING' or (old.id, old.job_name, old.run_id, old.as_of, old.start_time) is distinct from "
        "(new.id, new.job_name, new.run_id, new.as_of, new.start_time)",
        "a run that has ended never changes in the log",
    ),
    (
        "quickbooks.conflict",
        "old.resolved_at < now() or new.resolved_at < now() or (old.id, old.realm_id, old.entity_type, old.local_id, "
        "old.kind, old.field, old.created_at) is distinct from (new.id, new.realm_id, new.entity_type, new.local_id, "
        "new.kind, new.field, new.created_at)",
        "a conflict that was decided never changes",
    ),
    (
        "quickbooks.sent_batch",
        "(old.id, old.realm_id, old.entity_type, old.request_id, old.body, old.created_at) is distinct from "
        "(new.id, new.realm_id, new.entity_type, new.request_id, new.body, new.created_at)",
        "what was sent never changes",
    ),
    (
        "quickbooks.sent_operation",
        "old.outcome is not null or (old.batch_id, old.b_id, old.entity_type, old.local_id, old.operation, "
        "old.revision, old.snapshot) is distinct from (new.batch_id, new.b_id, new.entity_type, new.local_id, "
        "new.operation, new.revision, new.snapshot)",
        "an operation that has its outcome never changes",
    ),
)
"""Tables, the changes that the application is refused, and what it is told."""

DELETABLE = (
    ("work.batch_item", "finished_at < now() - interval '30 days'"),
    ("intake.arrival", "outcome is null"),
    # Six years, as German law asks for letters that were sent: section 147 (3) AO, section 257 (4) HGB.
    ("overdue.notification", "status = 'closed' and closed_at < now() - interval '6 years'"),
    ("overdue.job_execution_log", "status <> 'RUNNING' and start_time < now() - interval '30 days'"),
    ("quickbooks.sent_batch", "status <> 'sent' and created_at < now() - interval '2 days'"),
)
"""Tables whose rows the application may delete, and which of them."""


def upgrade() -> None:
    for table in RECORDED:
        op.execute(f"revoke insert on {table} from {APP}")
        let_recorder_add(table)
    op.execute(
        """alter table work.batch_job_event
               drop constraint batch_job_event_action_check,
               add constraint batch_job_event_action_check
                   check (action in ('created', 'cancelled', 'retried', 'repaired', 'changed'))"""
    )
    for table, columns in STAMPED.items():
        add_only(table, columns)
    op.execute(f"revoke update on work.batch_job, work.batch_item from {APP}")
    op.execute(f"grant update ({STATE_OF_JOB}) on work.batch_job to {APP}")
    op.execute(f"grant update ({STATE_OF_ITEM}) on work.batch_item to {APP}")
    for table in NO_DELETE:
        op.execute(f"revoke delete on {table} from {APP}")
    # Not by a trigger, for which each of many thousand rows would be locked first.
    op.execute(
        f"""create policy ended_once on work.batch_item as restrictive for update to {APP}
            using (status in ('pending', 'processing', 'failed'))
            with check (finished_at is null or finished_at >= now())"""
    )
    for table, condition in DELETABLE:
        op.execute(f"create policy deletable on {table} as restrictive for delete to {APP} using ({condition})")
    op.execute(
        """create function database.refuse_change() returns trigger language plpgsql as $$
           begin
               raise exception '%', tg_argv[0] using errcode = 'restrict_violation';
           end $$"""
    )
    for table, condition, message in REFUSED:
        refuse_change(table, condition, message)
    see_scope_only(IN_SCOPE)
    # Whether a company is connected with another organization is asked in a scope, and answered by yes or no. The other
    # functions that read connections join the registry, of which they see the organization in scope.
    op.execute("alter policy overview_reads on quickbooks.connection using (true)")
    op.execute(
        """comment on column billing.invoice.batch_job_id is
               'the job that issued it; no foreign key, which would lock the job for each invoice'"""
    )
    op.execute("comment on table work.batch_job is 'A piece of work asked for in bulk; never deleted'")


def downgrade() -> None:
    see_scope_only("true")
    for table, _, _ in REFUSED:
        op.execute(f"drop trigger refuse_change on {table}")
    op.execute("drop function database.refuse_change()")
    for table, _ in DELETABLE:
        op.execute(f"drop policy deletable on {table}")
    op.execute("drop policy ended_once on work.batch_item")
    for table in NO_DELETE:
        op.execute(f"grant delete on {table} to {APP}")
    op.execute(f"grant update on work.batch_job, work.batch_item to {APP}")
    for table in (*STAMPED, *RECORDED):
        op.execute(f"grant insert on {table} to {APP}")
    # The triggers of intake stay, so that no change of a status goes unrecorded; an earlier version replaces them.
    op.execute("drop trigger if exists guard_job on work.batch_job")
    op.execute("drop trigger if exists record_new_job on work.batch_job")
    op.execute("drop trigger if exists record_job on work.batch_job")
    # Policies let only the application in; the owner has to open the table to take out what it can no longer hold.
    op.execute("alter table work.batch_job_event no force row level security")
    op.execute("delete from work.batch_job_event where action = 'changed'")
    op.execute("alter table work.batch_job_event force row level security")
    op.execute(
        """alter table work.batch_job_event
               drop constraint batch_job_event_action_check,
               add constraint batch_job_event_action_check
                   check (action in ('created', 'cancelled', 'retried', 'repaired'))"""
    )
