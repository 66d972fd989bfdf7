"""The web side: the event loop only moves bytes; what takes time runs in lanes. Only importer of aiohttp."""

from hostcollector.web.application import Collector, build
from hostcollector.web.limits import Limits
from hostcollector.web.server import Server

__all__ = ["Collector", "Limits", "Server", "build"]
