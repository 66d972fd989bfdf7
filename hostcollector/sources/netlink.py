"""The `netlink` source: traffic of the guests' taps and macvtaps, from the guests' point of view.

One dump of the counters of all links (RTM_GETSTATS, Linux 4.7 and later), not of the links with everything
that the kernel knows of them: decoding those takes six times as long.
"""

import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hostcollector.catalogue import interface
from hostcollector.errors import SourceUnavailableError
from hostcollector.model import Guest, Metric, Sample
from hostcollector.sources.base import Reading, Request
