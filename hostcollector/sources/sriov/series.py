"""Turns one VF into samples: its guest's if it has an owner, else the host's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.base.definition import Nic
from hostcollector.base.model import Sample
from hostcollector.base.units import bytes_from_mbit
from hostcollector.catalogue import vf as rows
from hostcollector.catalogue.rows import Twin
from hostcollector.devices.owners import Owner
from hostcollector.protocols.netlink.vf_list import ListedVf

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
    "rdma_receive_bytes": rows.RDMA_RECEIVED,
    "rdma_receive_packets": rows.RDMA_RECEIVED_PACKETS,
    "rdma_transmit_bytes": rows.RDMA_TRANSMITTED,
    "rdma_transmit_packets": rows.RDMA_TRANSMITTED_PACKETS,
}
"""The rows by the counters' names in netlink's answers, in the drivers' files and among the baselines."""

TRUST_ON, SPOOF_CHECK_OFF, VLAN_0 = "trust_on", "spoof_check_off", "vlan_0"
VLAN_DIFFERS, LINK_FORCED_UP, MAC_DIFFERS = "vlan_differs", "link_forced_up", "mac_differs"

RULES = (TRUST_ON, SPOOF_CHECK_OFF, VLAN_0, VLAN_DIFFERS, LINK_FORCED_UP, MAC_DIFFERS)
"""The values of the label `rule`."""

_LINK_ENABLED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One VF with its owner, settings and counters.

    - `labels` are PF, number and PCI address.
    - `mac` is the VF's address in the owner's domain XML, or empty.
    - `nic` is the owner's interface with this VF, None where its XML has only a PCI device.
    - `switchdev` is whether the card's e-switch is in switchdev mode.
    - `listed` is its entry in the kernel's VF list, None for a missing one.
    - `counters` are relative to the owner's start, by name.
    - `driver` is the VF's own; the fields after it describe its PF.
    """

    labels: tuple[str, str, str]
    owner: Owner
    mac: str
    nic: Nic | None
    switchdev: bool
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
            # Not the card's address: a guest can change it at will, and each change would make new series.
            mac = vf.mac if uuid else vf.listed.mac or ""
            vlan = "" if vf.listed.vlan is None else str(vf.listed.vlan)
        if uuid:
            for rule, broken in broken_rules(vf, vf.listed):
                yield Sample(rows.POLICY_DRIFT, float(broken), (*labels, rule), uuid)
    about = (mac, vlan, vf.driver, vf.pf_driver, vf.pf_address, vf.ib_device)
    yield Sample(rows.INFO.of(uuid), 1.0, labels + about, uuid)
    if any(vf.guids):
        yield Sample(rows.INFINIBAND_INFO.of(uuid), 1.0, labels + vf.guids, uuid)


def _settings(listed: ListedVf, labels: tuple[str, ...], uuid: str, *, ipoib: bool) -> Iterator[Sample]:
    """Yield the settings that the driver reports; of an IPoIB link only the link state."""
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


def broken_rules(vf: Described, listed: ListedVf) -> Iterator[tuple[str, bool]]:
    """Yield each rule that can be checked, and whether the guest's VF breaks it.

    The rules are settings that isolation between tenants needs. What the guest's definition asks for breaks
    none: a VLAN, or trust in the guest's filters. An IPoIB link has no trust, spoof checking, VLANs and
    addresses of its VFs.
    In switchdev mode flow rules isolate, and the card's own VLAN and checks are off (kernel:
    Documentation/networking/switchdev.rst): only the address is judged.
    """
    asked = vf.nic or Nic(type="hostdev")
    if listed.link_state is not None and not vf.switchdev:
        yield LINK_FORCED_UP, listed.link_state == _LINK_ENABLED
    if vf.ipoib:
        return
    if not vf.switchdev:
        if listed.trust is not None:
            yield TRUST_ON, listed.trust and not asked.trusts_guest
        if listed.spoof_check is not None:
            yield SPOOF_CHECK_OFF, not listed.spoof_check and not asked.trusts_guest
        if listed.vlan is not None and asked.vlans:
            yield VLAN_DIFFERS, listed.vlan not in asked.vlans
        elif listed.vlan is not None:
            yield VLAN_0, listed.vlan == 0
    if vf.mac and listed.mac is not None:
        yield MAC_DIFFERS, listed.mac != vf.mac
