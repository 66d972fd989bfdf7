"""Where each generation of the controller answers.

The addresses are those that Cisco's own Ansible collection uses (CiscoDevNet/ansible-dcnm: httpapi/dcnm.py,
dcnm_network.py, dcnm_vrf.py).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

# Proxies, web servers and the controller itself take addresses of some 4 or 8 KiB.
LONGEST_NAME_LIST = 1500

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The paths of one generation; `base` is the prefix of those of the fabrics."""

    generation: str
    login: str
    version: str
    base: str

    @property
    def fabrics(self) -> str:
        """The path of the list of fabrics."""
        return f"{self.base}/rest/control/fabrics"

    def networks(self, fabric: str) -> str:
        """Return the path of a fabric's networks."""
        return f"{self._top_down(fabric)}/networks"

    def vrfs(self, fabric: str) -> str:
        """Return the path of a fabric's VRFs."""
        return f"{self._top_down(fabric)}/vrfs"

    def attachments(self, fabric: str, networks: Iterable[str]) -> Iterator[str]:
        """Yield the paths that together give the attachments of the networks."""
        for names in _batches(networks):
            yield f"{self._top_down(fabric)}/networks/attachments?network-names={names}"

    def _top_down(self, fabric: str) -> str:
        return f"{self.base}/rest/top-down/fabrics/{quote(fabric, safe='')}"


NDFC = Paths(
    generation="NDFC",
    login="/login",
    version="/appcenter/cisco/ndfc/api/about/version",
    base="/appcenter/cisco/ndfc/api/v1/lan-fabric",
)
DCNM = Paths(generation="DCNM", login="/rest/logon", version="/fm/fmrest/about/version", base="")

# What a member of a group of clusters is reached through: the oldest version that does it so, and the prefix.
_CLUSTER_PREFIXES = (((12, 4), "/fedproxy/"), ((0, 0), "/onepath/"))


def of_cluster(paths: Paths, cluster: str, version: str) -> Paths:
    """Return the paths through which this controller passes on to a member `cluster`; empty means itself."""
    if not cluster:
        return paths
    match = _VERSION.search(version)
    number = (int(match[1]), int(match[2])) if match else (0, 0)
    prefix = next(prefix for oldest, prefix in _CLUSTER_PREFIXES if number >= oldest)
    return Paths(
        generation=paths.generation,
        login=paths.login,
        version=paths.version,
        base=f"{prefix}{quote(cluster, safe='')}{paths.base}",
    )


def _batches(names: Iterable[str]) -> Iterator[str]:
    """Yield quoted names with commas between them, as many as fit into an address."""
    batch = ""
    for name in names:
        quoted = quote(name, safe="")
        if batch and len(batch) + len(quoted) >= LONGEST_NAME_LIST:
            yield batch
            batch = ""
        batch = f"{batch},{quoted}" if batch else quoted
    if batch:
        yield batch
