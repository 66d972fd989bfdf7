"""What of a BMC's answer counts: it is recent, and asked in the time of the GPU's present owner."""

from hostcollector.base.errors import SourceError
from hostcollector.protocols.redfish.client import Client
from hostcollector.protocols.redfish.values import Answer, Part, Readings

_HEALTH = "health_id"


def last_answer(client: Client) -> tuple[Answer | None, str]:
    """Return the last answer, None for none yet, and what has failed since."""
    try:
        answer, _, failure = client.current()
    except SourceError as error:
        return None, str(error)
    return answer, failure


def stands(part: Part, now: float) -> bool:
    """Whether a part is recent enough to be shown."""
    return now - part.asked_at <= part.good_for


def readings(answer: Answer, gpu: str, since: float, now: float) -> Readings:
    """Return what is known of the GPU at a path since a time; what was asked last counts most."""
    found = Readings()
    for part in sorted(answer.parts, key=lambda part: part.asked_at):
        told = part.readings.get(gpu)
        if told is not None and part.asked_at > since and stands(part, now):
            found.gauges.update(told.gauges)
            found.counters.update(told.counters)
    return found


def tells(answer: Answer, gpu: str, since: float) -> bool:
    """Whether the last reports told of a GPU: of one that does not answer the BMC still knows its health."""
    reports = answer.parts[0]
    told = reports.readings.get(gpu)
    if told is None or reports.asked_at <= since:
        return False
    return bool(told.counters) or any(key != _HEALTH for key, _ in told.gauges)
