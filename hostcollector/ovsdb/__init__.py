"""A client of OVSDB, the database protocol of Open vSwitch and OVN (RFC 7047): follows, never writes.

Knows no table by name; what is followed is the business of whoever makes a `Client`.
"""

from hostcollector.ovsdb.client import Client
from hostcollector.ovsdb.connection import NoServerError, TlsFiles
from hostcollector.ovsdb.replica import Replica
from hostcollector.ovsdb.row import Row
from hostcollector.ovsdb.session import Clause, Conditions, Watch

__all__ = ["Clause", "Client", "Conditions", "NoServerError", "Replica", "Row", "TlsFiles", "Watch"]
