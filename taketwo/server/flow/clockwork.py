"""When a schedule is due next."""

from __future__ import annotations

from datetime import datetime, timedelta

from taketwo.errors import BadSetting, MissingExtra
from taketwo.sdk.api.run_tests import Schedule


def next_run(schedule: Schedule | None, after: datetime) -> datetime | None:
    """When it runs next after a moment; None for never, and while it is paused.

    Raises BadSetting for a schedule that means nothing.
    """
    if schedule is None:
        return None
    if (schedule.every_minutes is None) == (schedule.cron is None):
        raise BadSetting("give either `every_minutes` or `cron`", where="schedule")
    if schedule.paused:
        return None
    if schedule.every_minutes is not None:
        return after + timedelta(minutes=schedule.every_minutes)
    assert schedule.cron is not None, "one of the two is given"
    return _next_by_cron(schedule.cron, after)


def _next_by_cron(line: str, after: datetime) -> datetime:
    try:
        from croniter import croniter
    except ModuleNotFoundError as error:
        raise MissingExtra("server", needed_for="a schedule by cron") from error
    try:
        if len(line.split()) != 5:
            raise ValueError("five fields are needed: minute hour day month weekday")
        found: datetime = croniter(line, after).get_next(datetime)
    except (ValueError, KeyError) as error:  # what croniter raises for lines that mean nothing
        raise BadSetting(f"{line!r} is no cron line: {error}", where="schedule.cron", todo="as in 0 3 * * *") from error
    return found
