"""The web side: the event loop only moves bytes; what takes time runs in lanes. Only importer of aiohttp."""

from hostcollector.app.site import Collector, Site, View
from hostcollector.web.application import Application
from hostcollector.web.door import Door, open_door
from hostcollector.web.exposure import exposure, taken_away
from hostcollector.web.limits import Limits
from hostcollector.web.local import LocalServer
from hostcollector.web.server import Server

__all__ = [
    "Application",
    "Collector",
    "Door",
    "Limits",
    "LocalServer",
    "Server",
    "Site",
    "View",
    "exposure",
    "open_door",
    "taken_away",
]
