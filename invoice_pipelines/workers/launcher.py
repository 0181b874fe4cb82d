"""How Dagster's daemon gives runs to warm workers, and notices those that nobody works on any more.

dagster-celery's own launcher believes a result that says "started" for ever: with a node that died its runs stay
STARTED until their time is up. Here workers are asked what they work on; a run that none of them has, three times in a
row, has failed, and Dagster begins it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Literal, Self

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
MISSES_BEFORE_IT_BEGAN = 2
"""The same for a run that has not begun. It is launched again, which does no harm where a worker has it after all."""
SECONDS_TO_ANSWER = 2.0
SECONDS_KNOWN = 5.0
"""What workers said holds for all runs that Dagster looks at in this time."""
SECONDS_REMEMBERED = 600.0
"""A run that Dagster has not looked at for so long has ended, and its misses are forgotten."""
GONE = (OperationalError, RedisError, OSError)


class WarmRunLauncher(CeleryRunLauncher):
    """Launches runs on warm workers, each in the queue of its tag `lane`."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(**app_arguments(load_settings()), inst_data=inst_data)
        self._misses: dict[str, tuple[int, float]] = {}  # how many, and when workers were asked last
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
        # Known before a worker has it, so that the run can be stopped at any moment, and begins by its last task alone.
        task_id = f"{run.run_id}-{time.time_ns():x}"
        self._instance.add_run_tags(run.run_id, {DAGSTER_CELERY_TASK_ID_TAG: task_id})
        try:
            task_signature.apply_async(task_id=task_id, queue=queue)
            told = f"Waits for a warm worker in the queue {queue}."
        except GONE:
            told = "Redis cannot be reached. The sensor `lost_runs` launches the run as soon as it can."
        self._instance.report_engine_event(told, run, cls=self.__class__)

    def terminate(self, run_id: str) -> bool:
        """Stops a run, or takes it out of its queue."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        task_id, is_starting = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG), run.status is DagsterRunStatus.STARTING
        if task_id is None and not is_starting:
            return False
        self._instance.report_run_canceling(run)
        if task_id is not None and not self._told_to_stop(task_id):
            told = "Redis cannot be reached. The process of the run sees within seconds that it is to stop."
            self._instance.report_engine_event(told, run, cls=self.__class__)
        # No worker begins a run that has ended, so that one that did not begin needs nobody to hear of it.
        if is_starting or self._has_no_worker(run_id):
            now = self._instance.get_run_by_id(run_id)
            if now is not None and not now.is_finished:  # else its process has said so
                self._instance.report_run_canceled(run)
        return True

    def _told_to_stop(self, task_id: str) -> bool:
        """Whether Redis could be told, and with it the workers that listen."""
        try:
            # Asked first by a connection of its own: over a kept one, `revoke` tries for ever until Redis is back.
            with self.celery.connection_for_write() as connection, connection.channel():
                self.celery.control.revoke(task_id, terminate=True)
        except GONE:
            return False
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether a worker has the run. Where Redis is away nobody can say, and the run is left alone."""
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is None:
            return CheckRunHealthResult(WorkerStatus.FAILED, "It was never given to a worker.")
        try:
            self._ask_again_after_a_while()
            if run.run_id in self._active:
                self._misses.pop(run.run_id, None)
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            its_process_died = self.celery.AsyncResult(task_id).state == "FAILURE"
        except GONE:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "Redis cannot be reached.")
        if its_process_died:
            return CheckRunHealthResult(WorkerStatus.FAILED, "The process of the run ended by itself.")
        misses, counted_at = self._misses.get(run.run_id, (0, None))
        if counted_at != self._asked_at:
            misses += 1
            self._misses[run.run_id] = misses, self._asked_at
        if misses < MISSES:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"No worker has it ({misses}).")
        return CheckRunHealthResult(WorkerStatus.FAILED, "No worker has it any more.")

    def launch_lost(self, misses: Mapping[str, int]) -> tuple[list[str], dict[str, int]]:
        """Launches runs again that are neither in a queue nor at a worker: Redis lost them, or whoever launched them
        died before Redis had them. One look is not enough, as a worker may not answer, or a run be on its way.

        `misses` is how often in a row each was not found before. Returns the ids of those that were launched again, and
        the misses for the next look.
        """
        starting = self._instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTING]))
        if not starting:
            return [], {}
        try:
            # In the order in which a run goes from one to the next, or it is seen in none.
            known = self._waiting() | self._at_workers("reserved") | self._at_workers("active")
        except GONE:
            return [], dict(misses)
        now = {run.run_id: misses.get(run.run_id, 0) + 1 for run in starting if run.run_id not in known}
        lost = [run_id for run_id, times in now.items() if times >= MISSES_BEFORE_IT_BEGAN]
        for run_id in lost:
            del now[run_id]
            run = self._instance.get_run_by_id(run_id)
            if run is not None and run.status is DagsterRunStatus.STARTING:  # not stopped or begun meanwhile
                self.launch_run(LaunchRunContext(run, workspace=None))
        return lost, now

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        return None

    def _has_no_worker(self, run_id: str) -> bool:
        try:
            return run_id not in self._at_workers("active")
        except GONE:
            return False

    def _waiting(self) -> frozenset[str]:
        """The runs in the queues."""
        with self.celery.connection_for_read() as connection, connection.channel() as channel:
            keys = [channel._q_for_pri(queue, priority) for queue in QUEUES for priority in channel.priority_steps]
            messages = [message for key in keys for message in channel.client.lrange(key, 0, -1)]
        return frozenset(_run_of(json.loads(message)["headers"]["id"]) for message in messages)

    def _at_workers(self, state: Literal["active", "reserved"]) -> frozenset[str]:
        """The runs that workers say they work on, or have taken and not begun."""
        answers = getattr(self.celery.control.inspect(timeout=SECONDS_TO_ANSWER), state)() or {}
        return frozenset(_run_of(task["id"]) for tasks in answers.values() for task in tasks)

    def _ask_again_after_a_while(self) -> None:
        """Lets `_active` be what workers have said in the last seconds."""
        if time.monotonic() - self._asked_at > SECONDS_KNOWN:
            self._active = self._at_workers("active")
            self._asked_at = time.monotonic()
            oldest = self._asked_at - SECONDS_REMEMBERED
            self._misses = {run_id: missed for run_id, missed in self._misses.items() if missed[1] > oldest}


def _run_of(task_id: str) -> str:
    """A run has a task for each time it was launched."""
    return task_id.rpartition("-")[0]
