"""The queue between Dagster's daemon and warm workers: a queue for each lane in Redis."""

from __future__ import annotations

from typing import Any

from invoice_pipelines.settings import Settings

EXPRESS = "express"
BULK = "bulk"
QUEUES = (EXPRESS, BULK)
"""They are called as the lanes are."""

CONNECT: dict[str, Any] = {
    # In turn: `dagster.yaml` leaves a process to express, and by priority a burst of uploads would hold up all sweeps.
    "queue_order_strategy": "round_robin",
    "socket_connect_timeout": 5,
    "socket_timeout": 20,
    "socket_keepalive": True,
    "visibility_timeout": 7 * 86_400,  # what a worker has taken is not given to another one: `launcher` sees to it
    "max_retries": 3,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
}


def app_arguments(settings: Settings) -> dict[str, Any]:
    """What the launcher and workers tell Celery. Raises ValueError where the settings name no queue."""
    if settings.broker_url is None:
        raise ValueError("INVOICE_PIPELINES_BROKER_URL is not set: the Redis through which runs reach the workers")
    url = settings.broker_url.get_secret_value()
    return {
        "broker": url,
        "backend": url,
        "default_queue": EXPRESS,
        "config_source": {
            "broker_transport_options": CONNECT,
            "result_backend_transport_options": {"global_keyprefix": "invoice_pipelines_"},
            "broker_connection_retry_on_startup": True,
            "broker_connection_max_retries": None,
            "worker_cancel_long_running_tasks_on_connection_loss": False,
            "worker_proc_alive_timeout": 120.0,
            "worker_prefetch_multiplier": 1,
            "worker_hijack_root_logger": False,
            "task_acks_late": False,
            "result_expires": 86_400,
            # Else whoever sends a run listens for its result for ever, and cannot send while Redis is away. Whether a
            # process died is asked for.
            "task_ignore_result": True,
            "task_store_errors_even_if_ignored": True,
        },
    }
