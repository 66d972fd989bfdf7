"""The two formats a page can have."""

from enum import Enum


class Format(Enum):
    """An exposition format; the value is what goes into the ``Content-Type`` header.

    TEXT is the Prometheus text format 0.0.4 that every Prometheus reads, OPENMETRICS is OpenMetrics 1.0.0.
    """

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    @property
    def content_type(self) -> str:
        """The ``Content-Type`` of a page in this format."""
        return self.value
