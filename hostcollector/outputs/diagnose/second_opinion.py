"""The kernel's link messages, decoded a second time by pyroute2; `diagnose` shows where the two differ.

The collector has its own decoder, for speed and for lists of VFs that a general one cannot read. This checks
it on hosts with untested cards. Both decode the same bytes.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ifstatsmsg import ifstatsmsg

from hostcollector.base.errors import SourceError
from hostcollector.base.wording import counted, one_line
from hostcollector.devices.sriov import TopologyReader
from hostcollector.protocols.netlink.messages import link_counters
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.protocols.netlink.vf_list import RTEXT_FILTER_VF, VF_COUNTERS, ListedVf, parse

SECONDS = 5.0
"""Time for an answer of the kernel."""

MOST_VFS = 195
"""VFs in a list with InfiniBand GUIDs: with more its length wraps, and pyroute2 cannot decode it."""

_KINDS = (
    *("RX_PACKETS", "TX_PACKETS", "RX_BYTES", "TX_BYTES"),
    *("BROADCAST", "MULTICAST", "RX_DROPPED", "TX_DROPPED"),
)
_VF_STATS = {f"IFLA_VF_STATS_{kind}": name for kind, name in zip(_KINDS, VF_COUNTERS.values(), strict=True)}

Opinion = Mapping[str, object]


def second_opinion(root: Path, route: RouteSocket) -> Iterator[str]:
    """Yield the comparison with pyroute2 for this host's links; sysfs is below `root`. Closes `route`."""
    try:
        yield _verdict("the counters of links", link_differences(route.statistics(_deadline())))
        yield from on_vfs(root, route)
    except SourceError as error:
        yield f"the kernel's answers about links were not decoded a second time: {error}"
    finally:
        route.close()


def on_vfs(root: Path, route: RouteSocket) -> Iterator[str]:
    """Yield a line for each PF with VFs. Raises `SourceError` when the kernel does not answer."""
    for netdev in (pf.netdevs[0] for pf in TopologyReader(root).read().pfs if pf.netdevs):
        message = route.link(netdev.index, RTEXT_FILTER_VF, _deadline())
        total, name = parse(message).total, one_line(netdev.name)
        if total > MOST_VFS:
            yield f"{name} has {total} VFs, more than pyroute2 can decode: no second opinion"
        elif total:
            yield _verdict(f"the VFs of {name}", vf_differences(message))


def link_differences(messages: Iterable[bytes]) -> Iterator[str | None]:
    """Yield for each link how pyroute2 decodes its counters differently, None where both agree."""
    for message in messages:
        ours = link_counters(message)
        decoded = _decoded(ifstatsmsg, message)
        theirs = decoded.get_attr("IFLA_STATS_LINK_64")
        if ours is not None or theirs is not None:
            index, counters = ours or (decoded["ifindex"], None)
            yield _difference(f"link {index}", counters._asdict() if counters else {}, theirs or {})


def vf_differences(message: bytes) -> Iterator[str | None]:
    """Yield for each VF of a link message how pyroute2 decodes it differently, None where both agree."""
    ours = {number: _our_opinion(vf) for number, vf in parse(message).vfs.items()}
    listed = _decoded(ifinfmsg, message).get_attr("IFLA_VFINFO_LIST")
    theirs = dict(map(_their_opinion, listed.get_attrs("IFLA_VF_INFO") if listed else ()))
    for number in sorted(ours.keys() | theirs.keys()):
        yield _difference(f"VF {number}", ours.get(number, {}), theirs.get(number, {}))


def _deadline() -> float:
    return time.monotonic() + SECONDS


def _verdict(subject: str, differences: Iterable[str | None]) -> str:
    found = list(differences)
    wrong = [difference for difference in found if difference]
    if wrong:
        return (
            f"{subject}: pyroute2 decodes {len(wrong)} of {len(found)} differently; please report: {wrong[0]}"
        )
    return f"{subject}: no difference in {counted(len(found), 'entry', 'entries')}"


def _decoded(kind: Any, message: bytes) -> Any:
    decoded = kind(message)
    decoded.decode()
    return decoded


def _difference(subject: str, ours: Opinion, theirs: Opinion) -> str | None:
    """Return the fields that both decode, but differently, or that only one side finds the subject."""
    if bool(ours) != bool(theirs):
        finder, other = ("us", "pyroute2") if ours else ("pyroute2", "us")
        return f"{subject} is found by {finder} and not by {other}"
    differing = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    if not differing:
        return None
    opinions = (f"{name}: {ours[name]!r} by us, {theirs[name]!r} by pyroute2" for name in differing)
    return f"{subject}, {'; '.join(opinions)}"


def _our_opinion(vf: ListedVf) -> Opinion:
    fields = {"mac": vf.mac, "vlan": vf.vlan, "qos": vf.qos, "link_state": vf.link_state}
    switches = {"spoof_check": vf.spoof_check, "trust": vf.trust}
    known = {**fields, **switches, **(vf.statistics or {})}
    return {name: value for name, value in known.items() if value is not None}


def _their_opinion(vf: Any) -> tuple[int, Opinion]:
    mac, vlan = vf.get_attr("IFLA_VF_MAC"), vf.get_attr("IFLA_VF_VLAN")
    fields: dict[str, object] = {"mac": mac["mac"], "vlan": vlan["vlan"], "qos": vlan["qos"]}
    fields["link_state"] = vf.get_attr("IFLA_VF_LINK_STATE")["link_state"]
    for name, attribute in (("spoof_check", "SPOOFCHK"), ("trust", "TRUST")):
        switch = vf.get_attr(f"IFLA_VF_{attribute}")
        fields[name] = bool(switch[attribute.lower()]) if switch else None
    statistics = vf.get_attr("IFLA_VF_STATS")
    for attribute, value in statistics["attrs"] if statistics else ():
        fields[_VF_STATS.get(attribute, attribute)] = value
    return mac["vf"], fields
