"""A reader of BMCs over Redfish: what the baseboard's controller knows of the GPUs on it.

Only reads, few requests at a time, in the background; an account that may log in and read is enough.
"""

from hostcollector.redfish.client import Client
from hostcollector.redfish.meanings import SCALES
from hostcollector.redfish.values import PORTS, REPORTS, RESOURCES, Answer, Gpu, Key, Met, Part, Readings

__all__ = [
    "PORTS",
    "REPORTS",
    "RESOURCES",
    "SCALES",
    "Answer",
    "Client",
    "Gpu",
    "Key",
    "Met",
    "Part",
    "Readings",
]
