"""The live table for the engineer on the hypervisor: guests, what they use, who is in trouble.

It reads pages, from a running collector's address or from collections made in the same process, and knows
nothing of where their numbers come from. Rates are differences between two pages.
"""

from hostcollector.top.columns import SORTS
from hostcollector.top.guests import GuestRow, rows
from hostcollector.top.page import Page, PageUnreadableError, fetch, page_of, parse, read_from
from hostcollector.top.watching import run, watch

__all__ = [
    "SORTS",
    "GuestRow",
    "Page",
    "PageUnreadableError",
    "fetch",
    "page_of",
    "parse",
    "read_from",
    "rows",
    "run",
    "watch",
]
