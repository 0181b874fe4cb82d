"""The sensors that wake people: one for each way to tell them, so that one that is down holds up no other."""

import json
import time
from dataclasses import asdict

import dagster as dg

from invoice_pipelines.alerts import SENDERS, SHOWN, Digest
from invoice_pipelines.defs.alerts.failures import Failure, Place, alert_of, failures_since, newest_place
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.settings import load_settings, variable_of

REMEMBERED = 500
"""Of how many problems a sensor remembers when it told of them."""


def _alerts_by(way: str) -> dg.SensorDefinition:
    setting, send = SENDERS[way]

    @dg.sensor(
        name=f"alerts_by_{way}",
        description=f"Tells people by {way} which runs and which checks of severity ERROR failed, where "
        f"`{variable_of(setting)}` says whom: one message a tick. What was not taken is sent again by the next.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def tell(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        settings = load_settings()
        if getattr(settings, setting) is None:
            context.update_cursor("")  # who is named later is told of what fails from then on
            return dg.SkipReason(f"{variable_of(setting)} is not set")
        if not context.cursor:
            _remember(context, newest_place(context.instance), {})
            return dg.SkipReason("what fails from now on is told")
        known = json.loads(context.cursor)
        told: dict[str, float] = known["told"]
        failures, place = failures_since(context.instance, Place(**known["place"]))
        new = _new(failures, told, settings.alert_repeat_minutes * 60)
        if new:
            alerts = [alert_of(context.instance, failure, settings.ui_url) for failure in new[:SHOWN]]
            with refusals_fail_the_run():
                send(Digest(len(new), alerts), settings)
        _remember(context, place, told | {failure.problem: round(time.time()) for failure in new})
        return dg.SkipReason(f"told of {len(new)} failures" if new else "nothing failed that was not told")

    return tell


def _new(failures: list[Failure], told: dict[str, float], seconds: float) -> list[Failure]:
    """One failure of each problem that was not told of lately; all, where each time counts."""
    if not seconds:
        return failures
    since = time.time() - seconds
    first: dict[str, Failure] = {}
    for failure in failures:
        if told.get(failure.problem, 0) < since:
            first.setdefault(failure.problem, failure)
    return list(first.values())


def _remember(context: dg.SensorEvaluationContext, place: Place, told: dict[str, float]) -> None:
    newest = sorted(told.items(), key=lambda item: item[1])[-REMEMBERED:]
    context.update_cursor(json.dumps({"place": asdict(place), "told": dict(newest)}))


alerts_by_webhook = _alerts_by("webhook")
alerts_by_mail = _alerts_by("mail")
