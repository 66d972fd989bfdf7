"""Turns what is known of one VF into samples: its guest's if it has an owner, the host's if it has none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.base.model import Sample
from hostcollector.base.units import bytes_from_mbit
from hostcollector.catalogue import vf as rows
from hostcollector.catalogue.rows import Twin
from hostcollector.devices.owners import Owner
from hostcollector.protocols.netlink.vf_list import ListedVf
from hostcollector.sources.sriov import drift

COUNTERS: Mapping[str, Twin] = {
    "receive_bytes": rows.RECEIVED,
    "receive_packets": rows.RECEIVED_PACKETS,
    "receive_dropped": rows.RECEIVE_DROPPED,
    "receive_broadcast_packets": rows.RECEIVED_BROADCAST,
    "receive_multicast_packets": rows.RECEIVED_MULTICAST,
    "transmit_bytes": rows.TRANSMITTED,
    "transmit_packets": rows.TRANSMITTED_PACKETS,
    "transmit_dropped": rows.TRANSMIT_DROPPED,
    "transmit_broadcast_packets": rows.TRANSMITTED_BROADCAST,
    "transmit_multicast_packets": rows.TRANSMITTED_MULTICAST,
}
"""The rows by the counters' names in netlink's answers, in the drivers' files and among the baselines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One VF with all that was found out about it.

    `labels` are PF, number and PCI address; `mac` is what the owner's definition gives to the VF; `counters`
    are relative to the owner's start; `driver` is the VF's own, the rest describes its PF.
    """

    labels: tuple[str, str, str]
    owner: Owner
    mac: str
    listed: ListedVf | None
    ipoib: bool
    counters: Mapping[str, float]
    guids: tuple[str, str]
    driver: str
    pf_driver: str
    pf_address: str
    ib_device: str


def samples_of(vf: Described) -> Iterator[Sample]:
    """Yield the samples of one VF."""
    uuid, labels = vf.owner.uuid, vf.labels
    for name, value in vf.counters.items():
        yield Sample(COUNTERS[name].of(uuid), value, labels, uuid)
    mac = vlan = ""
    if vf.listed is not None:
        yield from _settings(vf.listed, labels, uuid, ipoib=vf.ipoib)
        if not vf.ipoib:
            # What the card lists a guest can change as often as it likes, and each change were new series.
            mac = vf.mac if uuid else vf.listed.mac or ""
            vlan = "" if vf.listed.vlan is None else str(vf.listed.vlan)
        if uuid:
            for rule, broken in drift.judge(vf.listed, vf.mac, ipoib=vf.ipoib):
                yield Sample(rows.POLICY_DRIFT, float(broken), (*labels, rule), uuid)
    about = (mac, vlan, vf.driver, vf.pf_driver, vf.pf_address, vf.ib_device)
    yield Sample(rows.INFO.of(uuid), 1.0, labels + about, uuid)
    if any(vf.guids):
        yield Sample(rows.INFINIBAND_INFO.of(uuid), 1.0, labels + vf.guids, uuid)


def _settings(listed: ListedVf, labels: tuple[str, ...], uuid: str, *, ipoib: bool) -> Iterator[Sample]:
    """Yield the VF's configuration as far as the driver tells it; of an IPoIB link only the link state."""
    if listed.link_state is not None:
        yield Sample(rows.LINK_STATE.of(uuid), listed.link_state, labels, uuid)
    if ipoib:
        return
    if listed.vlan is not None:
        yield Sample(rows.VLAN.of(uuid), listed.vlan, labels, uuid)
        if listed.vlan and listed.qos is not None:
            yield Sample(rows.VLAN_PRIORITY.of(uuid), listed.qos, labels, uuid)
    if listed.spoof_check is not None:
        yield Sample(rows.SPOOF_CHECK.of(uuid), float(listed.spoof_check), labels, uuid)
    if listed.trust is not None:
        yield Sample(rows.TRUST.of(uuid), float(listed.trust), labels, uuid)
    if listed.max_rate:
        limit = bytes_from_mbit(listed.max_rate)
        yield Sample(rows.TRANSMIT_LIMIT.of(uuid), limit, labels, uuid)
    if listed.min_rate:
        guarantee = bytes_from_mbit(listed.min_rate)
        yield Sample(rows.TRANSMIT_GUARANTEE.of(uuid), guarantee, labels, uuid)
