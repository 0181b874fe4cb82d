"""How Dagster's daemon gives runs to warm workers, and notices those that nobody works on any more.

dagster-celery's own launcher believes a result that says "started" for ever: with a node that died its runs stay
STARTED until their time is up. Here workers are asked what they work on; a run that none of them has, three times in a
row, has failed, and Dagster begins it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, ResumeRunContext, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRunStatus, RunsFilter
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from invoice_pipelines.settings import load_settings
from invoice_pipelines.workers.broker import QUEUES, app_arguments
from invoice_pipelines.workers.needless import ended_before_it_began

MISSES = 3
"""So often in a row no worker may have a run before it has failed: one may be busy or out of reach for a moment."""
SECONDS_TO_ANSWER = 2.0
SECONDS_KNOWN = 5.0
"""What workers said holds for all runs that Dagster looks at in this time."""
SECONDS_TO_BE_TAKEN = 30.0
"""A run that was launched so long ago is in a queue or at a worker, or it is lost."""
GONE = (OperationalError, RedisError, OSError)


class WarmRunLauncher(CeleryRunLauncher):
    """Launches runs on warm workers, each in the queue of its tag `lane`."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(**app_arguments(load_settings()), inst_data=inst_data)
        self._misses: dict[str, int] = {}
        self._active: frozenset[str] = frozenset()
        self._asked_at = float("-inf")

    @classmethod
    def config_type(cls) -> Any:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        return cls(inst_data)

    @property
    def supports_resume_run(self) -> bool:
        return False  # a run that failed is begun again, and goes on where its items are

    def resume_run(self, context: ResumeRunContext) -> None:
        raise NotImplementedError("a run that lost its worker is begun again, not resumed")

    def launch_run(self, context: LaunchRunContext) -> None:
        """Puts a run into its queue, unless it has nothing to do any more."""
        if not ended_before_it_began(self._instance, context.dagster_run):
            super().launch_run(context)

    def _launch_celery_task_run(self, run: DagsterRun, task_signature: Any, routing_key: str) -> None:
        lane = run.tags.get("lane", self.default_queue)
        queue = lane if lane in QUEUES else self.default_queue
        # Known before a worker has it, so that the run can be found at any moment.
        task_id = f"{run.run_id}-{time.time_ns():x}"
        self._instance.add_run_tags(run.run_id, {DAGSTER_CELERY_TASK_ID_TAG: task_id})
        task_signature.apply_async(task_id=task_id, queue=queue)
        self._instance.report_engine_event(f"Waits for a warm worker in the queue {queue}.", run, cls=self.__class__)

    def terminate(self, run_id: str) -> bool:
        """Stops a run, or takes it out of its queue."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        task_id = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        self.celery.control.revoke(task_id, terminate=True)
        if run.status is DagsterRunStatus.STARTING or self._has_no_worker(task_id):
            now = self._instance.get_run_by_id(run_id)
            if now is not None and not now.is_finished:  # else its process has said so
                self._instance.report_run_canceled(run)
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether a worker has the run. Where Redis is away nobody can say, and the run is left alone."""
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is None:
            return CheckRunHealthResult(WorkerStatus.FAILED, "It was never given to a worker.")
        try:
            if task_id in self._tasks():
                self._misses.pop(run.run_id, None)
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            state = self.celery.AsyncResult(task_id).state
        except GONE:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "Redis cannot be reached.")
        misses = self._misses[run.run_id] = self._misses.get(run.run_id, 0) + 1
        if state == "FAILURE":
            del self._misses[run.run_id]
            return CheckRunHealthResult(WorkerStatus.FAILED, "The process of the run ended by itself.")
        if misses < MISSES:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"No worker has it ({misses}).")
        del self._misses[run.run_id]
        return CheckRunHealthResult(WorkerStatus.FAILED, f"No worker has it any more; Celery says {state}.")

    def launch_lost(self) -> list[str]:
        """Launches runs again that are neither in a queue nor at a worker, as Redis lost them; returns their ids."""
        launched_before = datetime.now(UTC) - timedelta(seconds=SECONDS_TO_BE_TAKEN)
        filters = RunsFilter(statuses=[DagsterRunStatus.STARTING], updated_before=launched_before)
        starting = [run for run in self._instance.get_runs(filters) if DAGSTER_CELERY_TASK_ID_TAG in run.tags]
        if not starting:
            return []
        try:
            known = self._waiting() | self._tasks()
        except GONE:
            return []
        lost = [run for run in starting if run.tags[DAGSTER_CELERY_TASK_ID_TAG] not in known]
        for run in lost:
            self.launch_run(LaunchRunContext(run, workspace=None))
        return [run.run_id for run in lost]

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        return None

    def _has_no_worker(self, task_id: str) -> bool:
        self._asked_at = float("-inf")
        try:
            return task_id not in self._tasks()
        except GONE:
            return False

    def _waiting(self) -> frozenset[str]:
        """The tasks in the queues."""
        with self.celery.connection_for_read() as connection, connection.channel() as channel:
            keys = [channel._q_for_pri(queue, priority) for queue in QUEUES for priority in channel.priority_steps]
            messages = [message for key in keys for message in channel.client.lrange(key, 0, -1)]
        return frozenset(json.loads(message)["headers"]["id"] for message in messages)

    def _tasks(self) -> frozenset[str]:
        """The tasks that workers say they work on or have taken."""
        if time.monotonic() - self._asked_at > SECONDS_KNOWN:
            asked = self.celery.control.inspect(timeout=SECONDS_TO_ANSWER)
            answers = asked.active() or {}
            self._active = frozenset(task["id"] for tasks in answers.values() for task in tasks)
            self._asked_at = time.monotonic()
        return self._active
