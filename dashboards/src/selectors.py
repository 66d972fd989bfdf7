"""Which series a board shows: the matchers of its variables, and how a query names them.

A query says one of these where its matchers go, and may add its own after a comma, as in
`libvirt_domain_info_vstate{GUEST, job!=""}`:

- `{JOB}`: the chosen jobs; for what has no region, because it moves
- `{FLEET}`: sums of the chosen jobs, regions and zones; `{TENANT}`: the same of the chosen tenants
- `{HOST}`: the chosen hypervisors; `{OWNED}`: guests on them, by tenant and guest; `{VICTIM}`: one guest on them
- `{GUEST}`: one guest, wherever it runs
"""

import re

FLEET = 'job=~"$job", region=~"$region", availability_zone=~"$availability_zone"'
HOST = f'{FLEET}, instance=~"$instance"'

_MATCHERS = {
    "JOB": 'job=~"$job"',
    "FLEET": FLEET,
    "HOST": HOST,
    "TENANT": f'{FLEET}, tenant=~"$tenant"',
    "OWNED": f'{HOST}, tenant=~"$tenant", uuid=~"$guest"',
    "VICTIM": f'{HOST}, uuid=~"$guest"',
    "GUEST": 'job=~"$job", uuid=~"$guest"',
}
_PLACE = re.compile(rf"\{{({'|'.join(_MATCHERS)})\b")


def selecting(query: str) -> str:
    """Return the query with the matchers in their places."""
    return _PLACE.sub(lambda place: "{" + _MATCHERS[place[1]], query)
