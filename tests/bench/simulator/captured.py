"""Two pages of a real guest at work, some seconds apart: what every simulated page is made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capture:
    """The texts of two scrapes, `seconds` apart, the later one made `at` this Unix time."""

    before: str
    after: str
    seconds: float
    at: float
