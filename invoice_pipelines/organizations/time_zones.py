"""The names of time zones."""

from functools import cache
from zoneinfo import available_timezones


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA database. Python looks through all its folders for them each time it is asked."""
    return frozenset(available_timezones())
