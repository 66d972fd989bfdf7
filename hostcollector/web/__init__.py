"""The web side: the event loop only moves bytes; what takes time runs in lanes. Only importer of aiohttp."""

from aiohttp.web import Application

from hostcollector.web.application import Collector, build
from hostcollector.web.door import Door, open_door
from hostcollector.web.exposure import exposure
from hostcollector.web.limits import Limits
from hostcollector.web.server import Server

__all__ = ["Application", "Collector", "Door", "Limits", "Server", "build", "exposure", "open_door"]
