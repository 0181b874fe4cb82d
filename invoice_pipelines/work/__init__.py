"""The durable queue: batch jobs and their items, for everything slow or bulky.

A domain creates a job over many subjects (`create_job`) or keeps a continuous queue (`enqueue`), and gives `drain` a
handler that does one chunk of items, or `outside.do_entries` a function that does one entry with somebody outside of
this database, or a `Run` a worker of its own.
Claiming, leases, threads, retries with backoff, cancelling, progress, history, statistics and clean-up are here, once.
What the items mean is the domain's business.

    def send(connection, chunk):
        return [Succeeded() if sent(item.subject_id) else Failed("BOUNCED", "It bounced.") for item in chunk.items]

    job_id = create_job(connection, "send_messages", message_ids, {"template": "reminder"}, created_by="anna")
    report = drain(engine, organization_id, "send_messages", send, chunk_size=100)

Every transition of a job or an item is a function in `jobs.sql` or `leases.sql`, so that SQL and Python do the same.
"""

from invoice_pipelines.work.clock import Clock
from invoice_pipelines.work.drain import Handler, drain
from invoice_pipelines.work.failures import ItemError
from invoice_pipelines.work.history import (
    Job,
    JobPage,
    JobStatistics,
    OpenItems,
    OrganizationWork,
    due_items,
    find_job,
    get_job,
    history,
    open_items,
    organizations_with_work,
    prune,
    statistics,
    statistics_of_all,
)
from invoice_pipelines.work.job_items import ItemPage, JobEvent, JobItem, job_events, job_items
from invoice_pipelines.work.jobs import (
    BatchAnswer,
    JobCancelled,
    JobNotFound,
    StuckWork,
    answer_of,
    ask,
    cancel_job,
    cleanup_stuck,
    create_job,
    enqueue,
    put_first,
    retry_failed,
)
from invoice_pipelines.work.leases import (
    Claim,
    LeaseLost,
    claim,
    claim_entries,
    finish,
    keep,
    release,
    return_expired,
)
from invoice_pipelines.work.report import Failure, Progress, Report
from invoice_pipelines.work.run import Held, Run, Worker
from invoice_pipelines.work.turns import EndedTurn, LastTurn, last_turns, newest_turn, record_turns
from invoice_pipelines.work.values import Chunk, Failed, Item, ItemStatus, JobStatus, Later, Outcome, Skipped, Succeeded

__all__ = [
    "BatchAnswer",
    "Chunk",
    "Claim",
    "Clock",
    "EndedTurn",
    "Failed",
    "Failure",
    "Handler",
    "Held",
    "Item",
    "ItemError",
    "ItemPage",
    "ItemStatus",
    "Job",
    "JobCancelled",
    "JobEvent",
    "JobItem",
    "JobNotFound",
    "JobPage",
    "JobStatistics",
    "JobStatus",
    "LastTurn",
    "Later",
    "LeaseLost",
    "OpenItems",
    "OrganizationWork",
    "Outcome",
    "Progress",
    "Report",
    "Run",
    "Skipped",
    "StuckWork",
    "Succeeded",
    "Worker",
    "answer_of",
    "ask",
    "cancel_job",
    "claim",
    "claim_entries",
    "cleanup_stuck",
    "create_job",
    "drain",
    "due_items",
    "enqueue",
    "find_job",
    "finish",
    "get_job",
    "history",
    "job_events",
    "job_items",
    "keep",
    "last_turns",
    "newest_turn",
    "open_items",
    "organizations_with_work",
    "prune",
    "put_first",
    "record_turns",
    "release",
    "retry_failed",
    "return_expired",
    "statistics",
    "statistics_of_all",
]
