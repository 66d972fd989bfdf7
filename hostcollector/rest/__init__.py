"""A background reader of JSON over HTTPS, for services beside the host: SDN controller, subnet manager, BMC.

A client brings its settings (`Endpoint`) and its `Questions`; `Poller` asks them in a daemon thread with an
event loop of its own and keeps the last good answer. Nobody on the scrape path ever waits for one.
"""

from hostcollector.rest.complaints import complaint_of, concealed
from hostcollector.rest.http import Http, Reply
from hostcollector.rest.poller import DEFAULT_LIMITS, Limits, Poller, Questions
from hostcollector.rest.refusals import (
    BusyError,
    LoginRefusedError,
    NoSuchPathError,
    NotAllowedError,
    TokenRefusedError,
)
from hostcollector.rest.target import Endpoint, Service, Target, prepare

__all__ = [
    "DEFAULT_LIMITS",
    "BusyError",
    "Endpoint",
    "Http",
    "Limits",
    "LoginRefusedError",
    "NoSuchPathError",
    "NotAllowedError",
    "Poller",
    "Questions",
    "Reply",
    "Service",
    "Target",
    "TokenRefusedError",
    "complaint_of",
    "concealed",
    "prepare",
]
