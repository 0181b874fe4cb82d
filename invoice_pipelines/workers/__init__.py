"""Warm workers: processes that have everything loaded and take runs from a queue, on this machine and on others.

Celery with Redis carries the runs (extra `celery`). Dagster stays in charge of which run begins when, and `work` of
what a run does. `launcher` is what Dagster's daemon calls, `worker` what takes the runs.
"""
