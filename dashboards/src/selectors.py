"""Which series a board shows: the matchers of its variables, and how a query names them.

A query says `{HOST}`, `{TENANT}` or `{GUEST}` where its matchers go, and may add its own after a comma:
`libvirt_domain_info_vstate{GUEST, job!=""}`.
"""

import re

HOST = 'job=~"$job", region=~"$region", instance=~"$instance"'
TENANT = f'{HOST}, tenant=~"$tenant"'
GUEST = f'{TENANT}, uuid=~"$guest"'

_MATCHERS = {"HOST": HOST, "TENANT": TENANT, "GUEST": GUEST}
_PLACE = re.compile(r"\{(HOST|TENANT|GUEST)\b")


def selecting(query: str) -> str:
    """Return the query with the matchers in their places."""
    return _PLACE.sub(lambda place: "{" + _MATCHERS[place[1]], query)
