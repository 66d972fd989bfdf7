"""The operator's page: metrics and probes of one worker, on a listener that tenants do not reach."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from hostcollector.base.lanes import Workers
from hostcollector.web.access import AccessRules
from hostcollector.web.application import ServedPage

METRICS = "/metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSite:
    """Serves `/metrics` and the probes. `lines` gives the page, `find_obstacle` why it is not ready."""

    lines: Callable[[], Collection[str]]
    find_obstacle: Callable[[], str]
    listen_host: str
    access: AccessRules = field(default_factory=AccessRules)
    paths: Collection[str] = (METRICS,)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def obstacle(self) -> str:
        """Why it is not ready, as a sentence; empty if it is."""
        return self.find_obstacle()

    def pages(self, _workers: Workers) -> "OperatorSite":
        """Return the maker of the page, which is the site itself."""
        return self

    async def page(self, _request: web.BaseRequest) -> ServedPage:
        """Return the metrics."""
        text = "\n".join(self.lines()) + "\n"
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return ServedPage([text.encode()], {"Content-Type": kind})
