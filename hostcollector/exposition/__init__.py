"""Turns a snapshot into the bytes of a page.

`choose_format` and `accepts_gzip` read a request's headers, `Encoder` writes the page. Its output is the
same, byte for byte, as what the Prometheus project's Python client writes for the same families.
"""

from hostcollector.exposition.encoding import Encoder
from hostcollector.exposition.formats import Format
from hostcollector.exposition.negotiation import accepts_gzip, choose_format

__all__ = ["Encoder", "Format", "accepts_gzip", "choose_format"]
