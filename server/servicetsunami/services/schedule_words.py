"""Says in words when a schedule fires."""

from servicetsunami.domain.job import Schedule


def in_words(schedule: Schedule) -> str:
    """Such as "At 06:00, Monday through Friday (Europe/Berlin)"."""
    from cron_descriptor import ExpressionDescriptor, Options  # noqa: PLC0415 - only where needed

    options = Options()
    options.day_of_week_start_index_zero = False
    options.use_24hour_time_format = True
    fields = schedule.cron.text.split(" ")
    # An L alone is Saturday, which the library does not know.
    fields[5] = "SAT" if fields[5] == "L" else fields[5]
    words = str(ExpressionDescriptor(" ".join(fields), options))
    paused = ", paused" if schedule.is_paused else ""
    return f"{words} ({schedule.timezone_id}{paused})"
