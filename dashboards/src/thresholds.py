"""Green, yellow and red: what a value must not pass, upwards or downwards."""

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

GREEN, YELLOW, RED = "green", "#EAB839", "red"


def steps(warn: float | None, bad: float | None, *, low_is_bad: bool = False) -> list[Threshold]:
    """Return the steps from the lowest value upwards."""
    if not low_is_bad:
        marks = [(warn, YELLOW), (bad, RED)]
        return [Threshold(None, GREEN), *(Threshold(at, colour) for at, colour in marks if at is not None)]
    # From the lowest value up: red until `bad`, yellow until `warn`, green above.
    marks = [(bad, RED), (warn, YELLOW)]
    kept = [(at, colour) for at, colour in marks if at is not None]
    starts: list[float | None] = [None, *(at for at, _ in kept)]
    colours = [*(colour for _, colour in kept), GREEN]
    return [Threshold(at, colour) for at, colour in zip(starts, colours, strict=True)]


def thresholds(warn: float | None, bad: float | None, *, low_is_bad: bool = False) -> ThresholdsConfig:
    """Return the thresholds of a panel."""
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps(warn, bad, low_is_bad=low_is_bad))
